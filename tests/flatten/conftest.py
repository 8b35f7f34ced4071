"""A shop's landing, filled by hand, and the tables that come of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, settings

from engagement.flatten import FlattenReport, flatten
from engagement.settings import Settings, load_settings
from engagement.warehouse import Table, open_warehouse
from engagement.warehouse.costs import ABOUT_RUNS
from tests.flatten.by_hand import landing, make_landing  # noqa: F401 (fixtures)

DAY = "2026-01-05"
NOON = f"{DAY}T12:00:00.000Z"


def of_whole_runs(examples: int) -> settings:
    """How examples are tried of which each flattens a landing more than once."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],  # to shrink a failing example would take minutes
        suppress_health_check=[HealthCheck.too_slow],
    )


def event(**keys: Any) -> dict[str, Any]:
    """A track event named Seen, received at noon; a key given as ``...`` is left out."""
    whole = {
        "messageId": "m1",
        "type": "track",
        "event": "Seen",
        "anonymousId": "a1",
        "receivedAt": NOON,
        "timestamp": NOON,
        **keys,
    }
    return {key: value for key, value in whole.items() if value is not ...}


def text(**keys: Any) -> str:
    """An event as it stands on a line; a value of type ``Raw`` goes in as it is."""
    members = [
        f"{json.dumps(key)}:{value if isinstance(value, Raw) else json.dumps(value)}"
        for key, value in event(**keys).items()
    ]
    return "{" + ",".join(members) + "}"


class Raw(str):
    """A JSON text that is not to be encoded again."""

    __slots__ = ()


def folder(day: str = DAY) -> str:
    """Name of a day's folder in the landing."""
    return f"received_at_utc_date={day}"


class Shop:
    """A landing and a warehouse of their own."""

    def __init__(self, home: Path, **overrides: Any) -> None:
        self.landing = home / "landing"
        self.landing.mkdir(parents=True, exist_ok=True)
        self.path = home / "warehouse.duckdb"
        self.settings = self._settings(home, overrides)
        self.warehouse = open_warehouse(self.settings)
        self.report: FlattenReport

    def _settings(self, home: Path, overrides: Mapping[str, Any]) -> Settings:
        own = {
            "landing.location": str(self.landing),
            "warehouse.duckdb.path": str(self.path),
            "run.directory": str(home / "runs"),
            "warehouse.duckdb.wait_seconds": 20,
        }
        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        return load_settings("params/local.yaml", {**own, **dotted})

    def land(self, *lines: str | dict[str, Any], name: str = f"{folder()}/a.json") -> None:
        """Write a file, one line each; objects are written as JSON."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_bytes("".join(f"{line}\n" for line in texts).encode())

    def flatten(self) -> FlattenReport:
        """Flatten what has landed."""
        self.report = flatten(self.warehouse, self.settings)
        return self.report

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query as plain values; times as texts, NULL as ``None``."""
        frame = self.warehouse.query(sql)
        return [tuple(_plain(value) for value in row) for row in frame.itertuples(index=False)]

    def columns(self, table: str) -> dict[str, str]:
        """Columns and types of a table."""
        with self.warehouse.session() as session:
            return session.columns(Table.parse(table))

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table of events and landing: its columns, then its rows, sorted.

        Where a record lay is left out: it is no property of the record.
        """
        found = {}
        with self.warehouse.session() as session:
            for database in ("events", "landing"):
                for name in session.tables(database):
                    table = Table(database, name)
                    if table in {*ABOUT_RUNS, Table("landing", "files")}:
                        continue
                    columns = session.columns(table)
                    frame = session.query(f'select * from {database}."{name}"')
                    place = {"source_file", "file", "line_number", "files", "bytes", "lines"}
                    frame = frame.drop(columns=[c for c in frame.columns if c in place])
                    rows = [
                        tuple(_plain(value) for value in row)
                        for row in frame.itertuples(index=False)
                    ]
                    found[str(table)] = [tuple(columns.items()), *sorted(rows, key=repr)]
        return found


def _plain(value: Any) -> Any:
    if value is pd.NaT or pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat(sep=" ", timespec="milliseconds")
    return value.item() if hasattr(value, "item") else value


@pytest.fixture
def make_shop(tmp_path: Path) -> Callable[..., Shop]:
    """A shop in the test's folder; keyword arguments are settings."""
    count = iter(range(100))

    def make(**overrides: Any) -> Shop:
        return Shop(tmp_path / f"shop{next(count)}", **overrides)

    return make


@pytest.fixture
def shop(make_shop: Callable[..., Shop]) -> Shop:
    """A shop with the default settings."""
    return make_shop()
