"""Batch runs: the folder, the record, failures on one screen, kills, two runs at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nbclient.exceptions import DeadKernelError

from engagement.runs import batch
from engagement.runs.batch import NotebookChoiceError, NotebookFailedError, choose, table_rows
from engagement.settings import ROOT, Settings, load_settings
from engagement.warehouse import Table, open_warehouse

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


def _start(tmp_path: Path, landing: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        _words(tmp_path, landing, *words),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _query(tmp_path: Path, sql: str) -> list[dict[str, Any]]:
    """Rows of a query, once whoever still writes has let go."""
    own = {
        "warehouse.duckdb.path": str(tmp_path / "warehouse.duckdb"),
        "warehouse.duckdb.wait_seconds": 30,
    }
    warehouse = open_warehouse(load_settings("params/local.yaml", own))
    return warehouse.query(sql).to_dict("records")


def _counts(tmp_path: Path) -> dict[str, Any]:
    [counts] = _query(
        tmp_path,
        "select (select count(*) from events.events) as events, "
        "(select count(*) from events.tracks) as tracks, "
        "(select sum(records) from landing.ledger) as records",
    )
    return counts


def _statements(tmp_path: Path) -> int:
    """How many statements all runs have run so far."""
    files = (tmp_path / "runs").glob("*/statements.jsonl")
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


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


def test_the_rows_of_every_table_are_counted(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = open_warehouse(make_settings())
    assert table_rows(warehouse) == {}
    with warehouse.session(write=True) as session:
        for name, rows in {"b": 2, "A b": 3, "'c'": 0}.items():
            content = f"select n from unnest(sequence(1, {rows})) as t (n) where n <= {rows}"
            session.publish(Table("marts", name), content)
        session.publish(Table("events", "e"), "select 1 as n")
    wanted = {"marts.b": 2, "marts.A b": 3, "marts.'c'": 0, "events.e": 1}
    for at_once in (1, 3, 20):
        monkeypatch.setattr(batch, "_COUNTED_AT_ONCE", at_once)
        assert table_rows(warehouse) == wanted


@pytest.mark.slow
def test_a_failure_names_notebook_cell_and_error_on_one_screen(
    tmp_path: Path, landing: Path
) -> None:
    # 03 before 02: there are no events to model yet.
    silent = ("--set", "notify.webhook_variable=NO_SUCH_VARIABLE")
    done = _run(tmp_path, landing, "run", "--only", "03", "--only", "04", *silent)
    assert done.returncode == 1
    assert "03_model_customers stopped in cell" in done.stderr
    assert "There is no warehouse yet" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 40
    [folder] = (tmp_path / "runs").iterdir()
    statuses = [n["status"] for n in _record(folder)["notebooks"]]
    assert statuses == ["failed", "not run"]
    assert _record(folder)["status"] == "failed"
    [note] = _record(folder)["notes"]
    assert note.startswith("the webhook was not told: the environment has no NO_SUCH_VARIABLE")
    # There was nothing to put its costs into, and no warehouse is made for them.
    assert not (tmp_path / "warehouse.duckdb").exists()


@pytest.mark.slow
def test_a_failed_run_says_what_it_cost_too(tmp_path: Path, landing: Path) -> None:
    assert _run(tmp_path, landing, "run", "--only", "01", "--only", "03").returncode == 1
    [folder] = (tmp_path / "runs").iterdir()
    record = _record(folder)
    assert (record["status"], record["notes"]) == ("failed", [])
    [found] = _query(
        tmp_path, "select run_id, count(*) as n from landing.run_statements group by 1"
    )
    assert found == {"run_id": record["id"], "n": record["statements"]["count"]}
    assert found["n"] > 1


@pytest.mark.slow
def test_a_run_keeps_others_out_leaves_a_record_and_puts_right_what_a_killed_one_left(
    tmp_path: Path, landing: Path
) -> None:
    """One test, since each of its runs starts kernels: a run, one beside it, one that is killed."""
    with _start(tmp_path, landing, "run", "--only", "01", "--only", "02") as first:
        deadline = time.monotonic() + 60
        while not (tmp_path / "warehouse.duckdb.holder.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = _run(tmp_path, landing, "run", "--only", "00")
        assert second.returncode == 1
        assert "is being written by run " in second.stderr
        assert "Traceback" not in second.stderr
        assert first.wait() == 0

    [folder] = (tmp_path / "runs").iterdir()
    record = _record(folder)
    assert record["status"] == "done"
    assert [(n["name"], n["status"]) for n in record["notebooks"]] == [
        ("01_glue_tables", "done"),
        ("02_flatten_events", "done"),
    ]
    assert {path.name for path in (folder / "notebooks").iterdir()} == {
        f"{name}{end}"
        for name in ("01_glue_tables", "02_flatten_events")
        for end in (".ipynb", ".html")
    }
    assert not list(folder.glob("*.part"))
    # They hold personal data: nobody else reads them.
    made = [tmp_path / "runs", folder, *folder.rglob("*"), tmp_path / "warehouse.duckdb"]
    assert {path for path in made if path.stat().st_mode & 0o077} == set()
    # What it cost: by statement, by notebook and together.
    assert record["notes"] == []
    listed = record["each_statement"]
    assert {s["notebook"] for s in listed} == {
        "01_glue_tables",
        "02_flatten_events",
        batch.AFTERWARDS,  # counting the tables
    }
    assert record["statements"]["count"] == len(listed) > 1
    for notebook in record["notebooks"]:
        own = sum(s["notebook"] == notebook["name"] for s in listed)
        assert notebook["statements"]["count"] == own > 0
    kept = _query(
        tmp_path,
        "select run_id, notebook, nth, label, status from landing.run_statements order by 2, 3",
    )
    assert {row["run_id"] for row in kept} == {record["id"]}
    assert [row["label"] for row in kept if row["notebook"] == "01_glue_tables"] == [
        s["label"] for s in listed if s["notebook"] == "01_glue_tables"
    ]
    assert len(kept) == len(listed)
    assert "landing.run_statements" not in record["tables"]
    undisturbed = _counts(tmp_path)
    assert record["tables"]["events.events"] == undisturbed["events"] > 0

    # The second of the samples' days is taken in again, so that the run has work to do.
    before = _statements(tmp_path)
    again = ("--set", f"landing.reprocess={DAYS[1]}")
    with _start(tmp_path, landing, "run", "--only", "02", *again) as killed:
        while _statements(tmp_path) < before + 3:
            assert killed.poll() is None
            time.sleep(0.05)
        os.killpg(killed.pid, signal.SIGKILL)
    assert _counts(tmp_path) == undisturbed
    assert _run(tmp_path, landing, "run", "--only", "02").returncode == 0
    assert _counts(tmp_path) == undisturbed


def test_a_kernel_that_dies_is_told_in_one_message(
    tmp_path: Path, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise DeadKernelError("Kernel died")

    monkeypatch.setattr("papermill.execute_notebook", dies)
    settings = load_settings(
        "params/local.yaml",
        {
            "warehouse.duckdb.path": str(tmp_path / "warehouse.duckdb"),
            "run.directory": str(tmp_path / "runs"),
            "landing.location": str(landing),
        },
    )
    with pytest.raises(NotebookFailedError, match="00_start_here stopped: its kernel died"):
        batch.run(settings, ROOT / "params/local.yaml", {}, ["00_start_here"])
    [folder] = (tmp_path / "runs").iterdir()
    record = _record(folder)
    assert (record["status"], record["notebooks"][0]["status"]) == ("failed", "failed")
    assert record["notebooks"][0]["error"] == "its kernel died"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_says_so_and_completes_its_record(
    tmp_path: Path, landing: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        _words(tmp_path, landing, "run", "--only", "01", "--only", "02"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as told:
        while _statements(tmp_path) < 1:
            assert told.poll() is None
            time.sleep(0.05)
        told.send_signal(number)
        _, said = told.communicate(timeout=60)
    assert told.returncode == 1
    assert "error: stopped; running it again puts everything right" in said
    assert "Traceback" not in said
    [folder] = (tmp_path / "runs").iterdir()
    record = _record(folder)
    assert record["status"] == "failed"
    assert record["ended"]
    assert {n["status"] for n in record["notebooks"]} <= {"done", "not run", "failed"}
    # Its lease is gone with it, and so are its kernels.
    assert _run(tmp_path, landing, "run", "--only", "00").returncode == 0
