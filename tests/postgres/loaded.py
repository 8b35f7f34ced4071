"""The samples as RudderStack loads them, once for all tests that read them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from engagement.flatten.pipeline import flatten
from engagement.records.files import PARTITION
from engagement.settings import ROOT, Settings, load_settings
from engagement.warehouse import open_warehouse
from engagement.warehouse.postgres.types import quoted
from tests.postgres import rudderstack
from tests.postgres.parameters import overrides
from tests.postgres.server import USER

SAMPLES = ROOT / "data/samples/rudderstack_firehose"


@dataclass(frozen=True)
class Flattened:
    """The samples flattened by DuckDB, with what RudderStack's loading loses lost there, too.

    ``whole`` is a copy of before that; ``merged`` one in which the last copies have taken the place
    of the first as well, as in merge mode.
    """

    path: Path
    settings: Settings
    whole: Path
    merged: Path


def flattened(folder: Path) -> Flattened:
    """Flatten the samples."""
    path = folder / "warehouse.duckdb"
    settings = load_settings(
        "params/local.yaml",
        {
            "landing.location": str(SAMPLES),
            "warehouse.duckdb.path": str(path),
            "run.directory": str(folder / "runs"),
        },
    )
    flatten(open_warehouse(settings), settings)
    whole = folder / "whole.duckdb"
    shutil.copyfile(path, whole)
    lose_what_loading_loses(path)
    merged = folder / "merged.duckdb"
    shutil.copyfile(path, merged)
    keep_the_last_copies(merged)
    return Flattened(path, settings, whole, merged)


def lose_what_loading_loses(path: Path) -> None:
    """Make blank texts of DuckDB's tables of events NULL, and trim the others."""
    with duckdb.connect(str(path)) as connection:
        texts = connection.execute(
            "select table_name, column_name from duckdb_columns() where schema_name = 'events' "
            "and data_type = 'VARCHAR' and column_name not in ('record', 'received_at_utc_date')"
        ).fetchall()
        by_table: dict[str, list[str]] = {}
        for table, column in texts:
            by_table.setdefault(table, []).append(quoted(column))
        for table, columns in by_table.items():
            trimmed = ", ".join(f"{one} = nullif(trim({one}), '')" for one in columns)
            odd = " or ".join(f"{one} <> trim({one}) or {one} = ''" for one in columns)
            connection.execute(f"update events.{quoted(table)} set {trimmed} where {odd}")


def keep_the_last_copies(path: Path) -> None:
    """Move the received times, and with them the dates, of DuckDB's events that came again."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("set timezone = 'UTC'")
        tables = connection.execute(
            "select table_name from duckdb_columns() where schema_name = 'events' "
            "and column_name in ('id', 'received_at') group by 1 having count(*) = 2 order by 1"
        ).fetchall()
        for (table,) in tables:
            connection.execute(
                f"update events.{quoted(table)} set received_at = {rudderstack.LATER}, "
                f"{PARTITION} = strftime({rudderstack.LATER}, '%Y-%m-%d') "
                f"where {rudderstack.LATER} is not null"
            )
            # An id that came again beyond the window is two events to flattening, not to a merge.
            keys = "id, type" if table == "events" else "id"
            connection.execute(
                f"delete from events.{quoted(table)} where rowid in (select row from (select "
                f"rowid as row, row_number() over (partition by {keys} order by received_at desc) "
                f"as n from events.{quoted(table)}) where n > 1)"
            )


@dataclass(frozen=True)
class Loaded:
    """Databases that RudderStack has loaded, one per mode, of which tests take copies."""

    socket: Path
    names: Mapping[str, str]

    def copy(self, name: str, *, mode: rudderstack.Mode = "append") -> dict[str, Any]:
        """What leads the parameters to a copy of its own."""
        overrides(self.socket, name, template=self.names[mode])
        return self.open(name)

    def open(self, name: str) -> dict[str, Any]:
        """What leads the parameters to a copy that is there."""
        return {
            "warehouse.engine": "postgres",
            "warehouse.postgres": {
                "host": str(self.socket),
                "database": name,
                "user": USER,
                "rudderstack_schema": rudderstack.SCHEMA,
            },
        }


def load(socket: Path, source: Flattened) -> Loaded:
    """Load the samples in each mode."""
    names: dict[str, str] = {}
    for mode in ("append", "merge"):
        names[mode] = f"loaded_{mode}"
        overrides(socket, names[mode])
        with psycopg.connect(
            host=str(socket), user=USER, dbname=names[mode], autocommit=True
        ) as connection:
            rudderstack.load(source.path, connection, mode=mode)
    return Loaded(socket, names)
