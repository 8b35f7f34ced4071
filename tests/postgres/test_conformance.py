"""Every model on PostgreSQL, from tables loaded as RudderStack loads them, equal to DuckDB's.

What RudderStack's loading loses, it loses on both sides here: DuckDB's tables of events have their
blank texts made NULL and the others trimmed before the models are built. So every row of every
model has to be the same. What the loading loses itself is in ``test_sources.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psycopg
import pytest

from engagement.as_of import resolve_as_of
from engagement.audience import snapshots
from engagement.audience.segments import load_all
from engagement.flatten.pipeline import flatten
from engagement.models.runner import build, models
from engagement.settings import ROOT, Settings, load_settings
from engagement.warehouse import Warehouse, open_warehouse
from engagement.warehouse.postgres.types import quoted
from tests.athena.compare import differences
from tests.postgres import rudderstack
from tests.postgres.parameters import overrides
from tests.postgres.server import USER

pytestmark = pytest.mark.slow

SAMPLES = ROOT / "data/samples/rudderstack_firehose"


@dataclass(frozen=True)
class Both:
    """The same events on DuckDB and on PostgreSQL, with all models built."""

    local: Warehouse
    remote: Warehouse


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


def all_models(warehouse: Warehouse, settings: Settings) -> None:
    """Build every model, and the audiences."""
    as_of = resolve_as_of(warehouse, settings)
    build(warehouse, settings, as_of, sorted({model.layer for model in models().values()}))
    snapshots.publish(warehouse, settings, load_all(ROOT / "params/segments"), as_of)


@pytest.fixture(scope="module")
def duckdb_warehouse(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Path]:
    """The samples flattened by DuckDB, and what is made of them."""
    folder = tmp_path_factory.mktemp("duckdb")
    path = folder / "warehouse.duckdb"
    settings = load_settings(
        "params/local.yaml",
        {
            "landing.location": str(SAMPLES),
            "warehouse.duckdb.path": str(path),
            "run.directory": str(folder / "runs"),
        },
    )
    warehouse = open_warehouse(settings)
    flatten(warehouse, settings)
    lose_what_loading_loses(path)
    all_models(warehouse, settings)
    return warehouse, path


@pytest.fixture(scope="module", params=["append", "merge"])
def both(
    request: pytest.FixtureRequest,
    postgres_socket: Path,
    duckdb_warehouse: tuple[Warehouse, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Both]:
    """The samples on DuckDB, and on PostgreSQL as RudderStack loads them in each of its modes."""
    local, path = duckdb_warehouse
    name = f"conformance_{request.param}"
    given = overrides(postgres_socket, name)
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname=name, autocommit=True
    ) as connection:
        rudderstack.load(path, connection, mode=request.param)
    given["warehouse.postgres"]["rudderstack_schema"] = rudderstack.SCHEMA
    settings = load_settings(
        "params/local.yaml",
        {
            **given,
            "landing.location": str(SAMPLES),
            "run.directory": str(tmp_path_factory.mktemp("postgres") / "runs"),
        },
    )
    remote = open_warehouse(settings)
    all_models(remote, settings)
    return Both(local, remote)


def test_every_model_gives_the_rows_that_duckdb_gives(both: Both) -> None:
    found = differences(both.local, both.remote, databases=["marts"])
    assert not found, "\n".join(map(str, found))
