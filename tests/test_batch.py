"""Batch runs: the folder, the record, failures on one screen, kills, two runs at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engagement.batch import NotebookChoiceError, choose
from engagement.settings import ROOT

SAMPLES = ROOT / "data/samples/rudderstack_firehose"
DAYS = ("2026-09-02", "2026-09-03")


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Two days of the samples."""
    for day in DAYS:
        name = f"received_at_utc_date={day}"
        shutil.copytree(SAMPLES / name, tmp_path / "landing" / name)
    return tmp_path / "landing"


def _words(tmp_path: Path, landing: Path, *words: str) -> list[str]:
    own = [
        f"warehouse.duckdb.path={tmp_path / 'warehouse.duckdb'}",
        f"run.directory={tmp_path / 'runs'}",
        f"landing.location={landing}",
    ]
    sets = [word for value in own for word in ("--set", value)]
    command = [sys.executable, "-c", "from engagement.cli import main; main()"]
    return [*command, *words, *sets]


def _run(tmp_path: Path, landing: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _words(tmp_path, landing, *words), capture_output=True, text=True, check=False
    )


def _query(tmp_path: Path, landing: Path, sql: str) -> Any:
    done = _run(tmp_path, landing, "query", sql, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def test_notebooks_are_chosen_by_number_name_or_file() -> None:
    assert choose(["02", "start_here", "notebooks/01_glue_tables.ipynb"]) == [
        "00_start_here",
        "01_glue_tables",
        "02_flatten_events",
    ]
    assert choose(first="05")[0] == "05_pinpoint_export"
    with pytest.raises(NotebookChoiceError, match="did you mean"):
        choose(["glu_tables"])


@pytest.mark.slow
def test_a_run_leaves_notebooks_pages_and_a_record(tmp_path: Path, landing: Path) -> None:
    done = _run(tmp_path, landing, "run", "--only", "00", "--only", "01")
    assert done.returncode == 0, done.stderr
    [folder] = (tmp_path / "runs").iterdir()
    record = _record(folder)
    assert record["status"] == "done"
    assert [(n["name"], n["status"]) for n in record["notebooks"]] == [
        ("00_start_here", "done"),
        ("01_glue_tables", "done"),
    ]
    assert {path.name for path in (folder / "notebooks").iterdir()} == {
        f"{name}{end}"
        for name in ("00_start_here", "01_glue_tables")
        for end in (".ipynb", ".html")
    }
    assert not list(folder.glob("*.part"))
    # What it cost: by statement, by notebook and together.
    assert record["notes"] == []
    listed = record["each_statement"]
    assert {s["notebook"] for s in listed} == {"01_glue_tables"}
    assert record["statements"]["count"] == len(listed) > 1
    first, second = record["notebooks"]
    assert first["statements"]["count"] == 0
    assert second["statements"]["count"] == sum(s["notebook"] == second["name"] for s in listed)
    kept = _query(
        tmp_path,
        landing,
        "select run_id, notebook, nth, label, status from landing.run_statements order by 2, 3",
    )
    assert {row["run_id"] for row in kept} == {record["id"]}
    assert [row["label"] for row in kept if row["notebook"] == second["name"]] == [
        s["label"] for s in listed if s["notebook"] == second["name"]
    ]
    assert len(kept) == len(listed)
    assert "landing.run_statements" not in record["tables"]


@pytest.mark.slow
def test_a_failure_names_notebook_cell_and_error_on_one_screen(
    tmp_path: Path, landing: Path
) -> None:
    # 03 before 02: there are no events to model yet.
    done = _run(tmp_path, landing, "run", "--only", "03", "--only", "04")
    assert done.returncode == 1
    assert "03_model_customers stopped in cell" in done.stderr
    assert "There is no warehouse yet" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 40
    [folder] = (tmp_path / "runs").iterdir()
    statuses = [n["status"] for n in _record(folder)["notebooks"]]
    assert statuses == ["failed", "not run"]
    assert _record(folder)["status"] == "failed"
    # There was nothing to put its costs into, and no warehouse is made for them.
    assert not (tmp_path / "warehouse.duckdb").exists()


@pytest.mark.slow
def test_a_failed_run_says_what_it_cost_too(tmp_path: Path, landing: Path) -> None:
    assert _run(tmp_path, landing, "run", "--only", "01", "--only", "03").returncode == 1
    [folder] = (tmp_path / "runs").iterdir()
    record = _record(folder)
    assert (record["status"], record["notes"]) == ("failed", [])
    [found] = _query(
        tmp_path, landing, "select run_id, count(*) as n from landing.run_statements group by 1"
    )
    assert found == {"run_id": record["id"], "n": record["statements"]["count"]}
    assert found["n"] > 1


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_that_a_rerun_does_not_put_right(
    tmp_path: Path, landing: Path
) -> None:
    count = (
        "select (select count(*) from events.events) as events, "
        "(select count(*) from events.tracks) as tracks, "
        "(select sum(records) from landing.ledger) as records"
    )
    assert _run(tmp_path, landing, "run", "--only", "02").returncode == 0
    undisturbed = _query(tmp_path, landing, count)
    for seconds in (4.0,):
        with subprocess.Popen(
            _words(tmp_path, landing, "run", "--only", "02"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            time.sleep(seconds)
            os.killpg(process.pid, signal.SIGKILL)
        assert _query(tmp_path, landing, count) == undisturbed
    assert _run(tmp_path, landing, "run", "--only", "02").returncode == 0
    assert _query(tmp_path, landing, count) == undisturbed


@pytest.mark.slow
def test_a_second_run_at_once_is_told_who_holds_the_warehouse(
    tmp_path: Path, landing: Path
) -> None:
    with subprocess.Popen(
        _words(tmp_path, landing, "run", "--only", "00", "--only", "02"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as first:
        deadline = time.monotonic() + 60
        while not (tmp_path / "warehouse.duckdb.holder.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = _run(tmp_path, landing, "run", "--only", "00")
        assert second.returncode == 1
        assert "is being written by run " in second.stderr
        assert "Traceback" not in second.stderr
        assert first.wait() == 0
