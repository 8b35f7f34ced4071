"""A bench for one model: rows in by hand, the model built, rows out.

>>> bench.given("sources.order_completed", [{"id": "e1", "order_id": "o1", "total": 10.0}])
>>> bench.given("marts.person_events", [...])
>>> bench.build("orders")
>>> bench.rows("select order_id, revenue from marts.orders order by order_id")
[("o1", Decimal("10.00"))]
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

import duckdb
import pandas as pd
import pytest
import yaml
from sqlglot import exp

from engagement.as_of import AsOf, at_newest
from engagement.flatten.names import table_name
from engagement.models import definition, folders
from engagement.models.inputs import contracts
from engagement.models.runner import Built, build, models
from engagement.settings import Events, Settings, load_settings
from engagement.sql.rendering import render
from engagement.warehouse import Session, Table, open_warehouse
from engagement.warehouse.duckdb import file as duckdb_file
from engagement.warehouse.duckdb.rendering import DUCKDB
from engagement.warehouse.statements import StatementLog


def forget_columns(session: Session) -> None:
    """Let a session ask again for what it asked once: tables were made behind its back."""
    tables = vars(session)["_tables"]
    vars(tables)["_columns"].clear()
    vars(tables)["_there"] = None


@dataclass(frozen=True)
class Open:
    """A session that may write, and DuckDB's own connection to the same tables."""

    session: Session
    connection: duckdb.DuckDBPyConnection

    def empty(self, settings: Settings) -> None:
        """Drop every table of every database, working tables too."""
        for schema in settings.warehouse.databases.model_dump().values():
            self.connection.execute(f"drop schema if exists {schema} cascade")
            self.connection.execute(f"create schema {schema}")
        for (table,) in self.connection.execute(
            "select table_name from duckdb_tables() where database_name = 'temp'"
        ).fetchall():
            self.connection.execute(f'drop table temp."{table}"')
        forget_columns(self.session)


class Bench:
    """Tables filled by hand, and the models built of them under some settings."""

    def __init__(self, opened: Open, settings: Settings, as_of: AsOf | date) -> None:
        self.session = opened.session
        self.settings = settings
        self.as_of = as_of
        self._connection = opened.connection

    def given(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Fill a source (``sources.pages``) or a model's table (``marts.sessions``).

        Columns that a row leaves out are NULL; ``received_at`` defaults to the event's
        ``timestamp``, ``received_at_utc_date`` to its day. Times may be written as
        ``2026-01-01 10:00``.
        """
        database, _, table = name.partition(".")
        if database == "sources":
            columns = contracts().columns(table)
            if table in Events.model_fields:
                table = table_name(getattr(self.settings.events, table).names[0])
            target = Table("events", table)
        else:
            document = models()[table].document
            columns = {column: item.type for column, item in document.columns.items()}
            target = Table("marts", table)
        unknown = {key for row in rows for key in row} - columns.keys()
        assert not unknown, f"{name} has no column {sorted(unknown)}"
        self._fill(target, columns, [_whole(row, columns) for row in rows])

    def _fill(
        self, target: Table, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Make a table as publishing would, by DuckDB's own means: four times as fast."""
        database = self.settings.warehouse.databases.model_dump()[target.database]
        name = f"{_quoted(database)}.{_quoted(target.name)}"
        given = [c for c in columns if any(row[c] is not None for row in rows)] or [*columns][:1]
        self._connection.execute(_table_sql(name, columns))
        forget_columns(self.session)
        # A version of its own, as publishing gives one: models read it to tell what has changed.
        self._connection.execute(f"comment on table {name} is '{secrets.token_hex(16)}'")
        if rows:
            marks = f"({', '.join('?' * len(given))})"
            self._connection.execute(
                f"insert into {name} ({', '.join(map(_quoted, given))}) "
                f"values {', '.join([marks] * len(rows))}",
                [_cell(row[column], columns[column]) for row in rows for column in given],
            )

    def build(self, *names: str, layers: Sequence[str] | None = None) -> list[Built]:
        """Build models by name, or whole layers, as of the bench's day."""
        chosen = layers or sorted({models()[name].layer for name in names})
        warehouse = _OneSession(self.session)
        return build(warehouse, self.settings, self.as_of, chosen, only=names or None)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query, as plain Python values; NULL is ``None``."""
        frame = self.session.query(sql)
        return [tuple(_plain(value) for value in row) for row in frame.itertuples(index=False)]


class _OneSession:
    """A warehouse whose every session is the one that is open."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.log = StatementLog()

    def session(self, *, write: bool = False) -> AbstractContextManager[Session]:
        del write
        return nullcontext(self._session)


def _table_sql(name: str, columns: Mapping[str, str]) -> str:
    defined = ", ".join(f"{_quoted(column)} {_duckdb_type(k)}" for column, k in columns.items())
    return f"create or replace table {name} ({defined})"


def _quoted(name: str) -> str:
    return f'"{name}"'


@cache
def _duckdb_type(kind: str) -> str:
    return render(exp.DataType.build(kind, dialect="athena"), DUCKDB, {})


def _whole(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    filled = dict(row)
    if "received_at" in columns:
        filled.setdefault("received_at", filled.get("timestamp"))
    if "received_at_utc_date" in columns:
        filled.setdefault("received_at_utc_date", str(filled.get("received_at"))[:10])
    return {name: filled.get(name) for name in columns}


def _cell(value: Any, kind: str) -> Any:
    if isinstance(value, str) and kind.startswith("timestamp"):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, str) and kind == "date":
        return date.fromisoformat(value)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return value
    if value is pd.NaT or pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """One file for all benches: to open one takes longer than to build a model."""
    folder = tmp_path_factory.mktemp("bench")
    path = folder / "warehouse.duckdb"
    own = {"landing.location": str(folder), "warehouse.duckdb.path": str(path)}
    warehouse = open_warehouse(load_settings("params/local.yaml", own))
    with (
        warehouse.session(write=True) as session,
        cast(Any, session)._connection.cursor() as connection,  # another one to the same file
    ):
        connection.execute(f"use {duckdb_file.FILE}")
        yield Open(session, connection)


@pytest.fixture
def make_bench(opened: Open, make_settings: Callable[..., Settings]) -> Callable[..., Bench]:
    """A bench as of a day; keyword arguments are settings (``sessions__gap_minutes=20``).

    With a time (UTC) it is as of the newest event, received then.
    A test starts without a table; what one bench is given or builds, the test's next one has too.
    """
    opened.empty(make_settings())

    def make(as_of: str = "2026-01-31", **overrides: Any) -> Bench:
        settings = make_settings(**overrides)
        if len(as_of) > len("2026-01-31"):
            moment = at_newest(datetime.fromisoformat(as_of), settings.timezone)
            return Bench(opened, settings, moment)
        return Bench(opened, settings, date.fromisoformat(as_of))

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A bench as of 2026-01-31 with the default settings."""
    return make_bench()


Write = Callable[..., None]


def forget() -> None:
    """Let go of what was read of the models' files."""
    definition._layer.cache_clear()
    definition._document.cache_clear()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a model: its SQL, and its YAML with what a test does not say filled in."""
    root = tmp_path / "sql"
    root.mkdir()
    monkeypatch.setattr(folders, "_packaged", lambda: root)
    forget()

    def write(
        name: str,
        sql: str,
        columns: Mapping[str, str] | None = None,
        *,
        layer: str = "layer",
        files: Mapping[str, str] | None = None,
        **document: Any,
    ) -> None:
        forget()
        kinds = columns or {"a": "integer"}
        whole = {
            "description": name,
            "grain": "one row",
            "key": [next(iter(kinds))],
            "columns": {c: {"type": kind, "description": c} for c, kind in kinds.items()},
            **document,
        }
        (root / layer).mkdir(exist_ok=True)
        if sql:
            (root / layer / f"{name}.sql").write_text(sql)
        (root / layer / f"{name}.yml").write_text(yaml.safe_dump(whole, sort_keys=False))
        for file, content in (files or {}).items():
            (root / layer / file).write_text(content)

    yield write
    forget()
