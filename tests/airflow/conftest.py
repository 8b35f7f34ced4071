"""A real Airflow in a temporary folder: its database, its logs, and the workbook's tables and runs.

These tests have an environment of their own (``make test-airflow`` builds it from
``requirements.lock``) with Airflow and nothing of the project: its tasks start the project's own
command. Nothing leaves the machine, and nothing outside the temporary folder changes.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "deploy/airflow/dags"
SAMPLES = ROOT / "data/samples/rudderstack_firehose"
PYTHON = ROOT / ".venv/bin/python"
TEMPORARY = Path(tempfile.mkdtemp(prefix="engagement-airflow-"))
atexit.register(shutil.rmtree, TEMPORARY, ignore_errors=True)

# Airflow reads all of this when it is imported, so before any test is.
sys.dont_write_bytecode = True
os.environ |= {
    "AIRFLOW_HOME": str(TEMPORARY / "airflow"),
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    "HOME": str(TEMPORARY),
    "NO_COLOR": "1",
    "ENGAGEMENT_HOME": str(ROOT),
    "ENGAGEMENT_COMMAND": f"env PYTHONPATH={ROOT / 'lib'} {PYTHON.parent / 'engagement'}",
    "ENGAGEMENT_RETRIES": "1",
    "ENGAGEMENT_RETRY_SECONDS": "1",
    "ENGAGEMENT_POLL_SECONDS": "3",
}
sys.path.insert(0, str(DAGS))


def _refuse_network() -> None:
    """Let a connection to anywhere but this machine be an error."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
            "127.0.0.1",
            "::1",
            "localhost",
        ):
            raise AssertionError(f"something wanted to connect to {address}")
        connect(self, address)

    socket.socket.connect = connect_here  # type: ignore[method-assign]


_refuse_network()


@dataclass
class Workplace:
    """A landing, tables and runs of their own, and the DAGs run on them."""

    folder: Path
    dags: Any
    output: Any = None
    runs_of_dags: list[Any] = field(default_factory=list)

    @property
    def landing(self) -> Path:
        """Where events land."""
        return self.folder / "landing"

    @property
    def runs(self) -> Path:
        """Where run folders are."""
        return self.folder / "runs"

    @property
    def settings(self) -> list[str]:
        """What the form replaces so that all of it is in the temporary folder."""
        return [
            f"landing.location={self.landing}",
            f"warehouse.duckdb.path={self.folder / 'engagement.duckdb'}",
            f"run.directory={self.runs}",
        ]

    def land(self, day: str) -> None:
        """Let a day of the samples land, all at once as a folder that is renamed."""
        name = f"received_at_utc_date={day}"
        shutil.copytree(SAMPLES / name, self.folder / "on-its-way" / name)
        self.landing.mkdir(exist_ok=True)
        (self.folder / "on-its-way" / name).rename(self.landing / name)

    def run(self, day: str, dag: str = "engagement_daily", **form: Any) -> Any:
        """Run a DAG for a day, as the scheduler does after it; gives the DAG run."""
        after = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
        after += timedelta(days=1)
        conf = {"set": [*self.settings, *form.pop("set", [])], **form}
        return self.dags.get_dag(dag).test(logical_date=after, run_conf=conf)

    def records(self) -> list[dict[str, Any]]:
        """run.json of every run, the oldest first."""
        return [
            json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(self.runs.glob("*/run.json"))
        ]

    def tables(self) -> dict[str, list[str]]:
        """Every row of every table, as sorted lines; tables about runs themselves are left out."""
        done = subprocess.run(
            [str(PYTHON), "-c", _DUMP, str(self.folder / "engagement.duckdb")],
            env={**os.environ, "PYTHONPATH": str(ROOT / "lib")},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, list[str]] = json.loads(done.stdout)
        return found


_DUMP = """
import duckdb, json, sys
from engagement.warehouse.costs import ABOUT_RUNS
left_out = {(table.database, table.name) for table in ABOUT_RUNS}
connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("set enable_progress_bar = false")  # it would be printed
names = connection.execute(
    "select table_schema, table_name from information_schema.tables "
    "where table_type = 'BASE TABLE' order by 1, 2"
).fetchall()
print(json.dumps({
    f"{schema}.{name}": sorted(map(repr, connection.execute(
        'select * from "{}"."{}"'.format(schema, name.replace('"', '""'))
    ).fetchall()))
    for schema, name in names if (schema, name) not in left_out
}))
"""


@pytest.fixture(scope="session")
def dags() -> Any:
    """The DAGs, parsed, in a database that was made for them."""
    from airflow.utils.db import initdb

    initdb()
    from airflow.dag_processing.dagbag import BundleDagBag

    return BundleDagBag(dag_folder=str(DAGS), bundle_path=DAGS, bundle_name="dags-folder")


@pytest.fixture(scope="module")
def make_workplace(
    dags: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Workplace]:
    """Make a landing with nothing in it, tables and runs to come."""

    def make(name: str) -> Workplace:
        return Workplace(tmp_path_factory.mktemp(name), dags)

    return make
