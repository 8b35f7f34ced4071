"""The whole workbook from a shell, on events that RudderStack has loaded into PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.postgres.shell import ShellRun, shell

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(run_from_a_shell: ShellRun) -> Path:
    """The folder of a run of all notebooks."""
    assert run_from_a_shell.code == 0, run_from_a_shell.said
    return run_from_a_shell.folder


def record(runs: Path) -> dict[str, Any]:
    (path,) = runs.glob("*/run.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_all_seven_notebooks_run_unchanged(runs: Path) -> None:
    found = record(runs)
    assert [one["status"] for one in found["notebooks"]] == ["done"] * 7
    assert found["engine"] == "postgres"
    assert 100_000 < (next(runs.glob("*/report.html"))).stat().st_size < 4_000_000
    assert found["tables"]["marts.orders"] > 0


def _said(runs: Path, number: str) -> Mapping[str, str]:
    """What the cells of an executed notebook show, by their ids."""
    (path,) = runs.glob(f"*/notebooks/{number}_*.ipynb")
    found = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        texts = []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            texts += data.get("text/markdown") or data.get("text/plain") or []
        found[cell["id"]] = "".join(texts)
    return found


def test_01_shows_what_rudderstack_has_loaded(runs: Path) -> None:
    said = _said(runs, "01")
    # 41,253 events; every fifth row of each table came again.
    assert "41,253 events" in said["01-13"]
    assert "`rudderstack`" in said["01-13"]
    first = said["01-04b"].splitlines()[1].split()
    assert first[0] == "tracks"
    assert first[2:5] == ["27,052", "4,508", "22,544"]
    assert "quantity" in said["1e92d2e6"]
    assert "rudder_discards" in said["01-13a"]


def test_02_accounts_for_every_row(runs: Path) -> None:
    said = _said(runs, "02")
    assert "RudderStack flattens the events itself" in said["02-03"]
    assert "49,500 rows" in said["02-23"]
    assert "8,247 copies left out" in said["02-23"]
    kinds = said["cf3f0ec4"]
    assert all(
        one in kinds
        for one in ("never seen", "required, but missing", "unexpected event", "wrong type")
    )
    assert '"is a copy"' in said["02-21"]


def test_the_commands_that_look(runs: Path, postgres_socket: Path) -> None:
    del runs
    socket = postgres_socket
    checked = shell(socket, "check")
    assert checked.returncode == 0, checked.stdout
    assert "46 tables of events" in checked.stdout
    status = shell(socket, "status")
    assert status.returncode == 0, status.stderr
    assert "49,500 rows of 46 tables" in " ".join(status.stdout.split())
    asked = shell(
        socket, "query", "select count(*) as n from marts.person_events", "--format", "csv"
    )
    # All events but the 1,047 of the last day, which is not over.
    assert asked.stdout.split() == ["n", "40206"], asked.stderr
    refused = shell(socket, "query", "select pg_read_file('/etc/passwd')")
    assert refused.returncode == 2
    assert "pg_read_file() may not be used in a query" in " ".join(refused.stderr.split())
