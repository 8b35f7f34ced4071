"""The whole way of the data on both engines, compared table by table.

Every table that either engine has is compared, so a model added later is in it by itself. The
landing is the samples, files that are wrong in every way known, and the cases of ``tests/cases``.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from engagement.as_of import resolve_as_of
from engagement.audience import snapshots
from engagement.audience.segments import load_all
from engagement.flatten.pipeline import flatten
from engagement.landing import tables
from engagement.models.runner import build, models
from engagement.runs.batch import RunRecord, choose, run
from engagement.settings import ROOT, Settings, load_settings
from engagement.sql.dialect import LOGICAL
from engagement.warehouse import Table, Warehouse, open_warehouse
from engagement.warehouse.protocol import Published
from tests.athena.compare import differences
from tests.athena.stand import Stand
from tests.cases.landing import write as write_cases
from tests.records.nasty import BROKEN_FILES, sample_days, spoil

pytestmark = pytest.mark.slow

PARAMS = "tests/athena/stand.yaml"
DAYS = None  # all of the samples


def upload(stand: Stand, folder: Path, prefix: str) -> str:
    """Put a folder into the stand's bucket; gives its address."""
    client = stand.client("s3")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = f"{prefix}/landing/{path.relative_to(folder).as_posix()}"
            client.put_object(Bucket=stand.bucket, Key=key, Body=path.read_bytes())
    return f"s3://{stand.bucket}/{prefix}/landing/"


@dataclass(frozen=True)
class Both:
    """The same landing on DuckDB, and on the stand through the notebooks."""

    local: Warehouse
    remote: Warehouse
    settings: Settings
    record: RunRecord
    scans: int


@pytest.fixture(scope="module")
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    """The samples and a folder of nasty files, taken all the way on both engines.

    On the stand the notebooks do it, unchanged and in a batch run; on DuckDB what they call does,
    while the stand starts.
    """
    folder = tmp_path_factory.mktemp("conformance")
    landing = sample_days(folder / "landing", DAYS)
    spoil(landing)
    write_cases(landing)
    local = load_settings(
        "params/local.yaml",
        {
            "landing.location": str(landing),
            "warehouse.duckdb.path": str(folder / "warehouse.duckdb"),
        },
    )
    with ThreadPoolExecutor(max_workers=1) as beside, pytest.MonkeyPatch.context() as patch:
        here = open_warehouse(local)
        done = beside.submit(_all_the_way, here, local)
        stand: Stand = request.getfixturevalue("stand")
        for name, value in stand.environment().items():
            patch.setenv(name, value)
        overrides = {
            "landing.location": upload(stand, landing, "conformance"),
            "warehouse.athena.data_location": f"s3://{stand.bucket}/conformance/data/",
            "run.directory": str(folder / "runs"),
        }
        settings = load_settings(PARAMS, overrides)
        before = len(stand.statements)
        record, _ = run(settings, ROOT / PARAMS, overrides, choose())
        done.result()
        scans = [s for s in stand.statements[before:] if '"landing_lines"' in s.sql]
        yield Both(here, open_warehouse(settings), settings, record, len(scans))


def _all_the_way(warehouse: Warehouse, settings: Settings) -> None:
    flatten(warehouse, settings)
    layers = sorted({model.layer for model in models().values()})
    as_of = resolve_as_of(warehouse, settings)
    build(warehouse, settings, as_of, layers)
    snapshots.publish(warehouse, settings, load_all(ROOT / "params/segments"), as_of)


@pytest.mark.parametrize("database", ["landing", "events", "marts"])
def test_every_table_is_the_same_on_both_engines(both: Both, database: str) -> None:
    found = differences(both.local, both.remote, databases=[database])
    assert not found, "\n".join(map(str, found))


def test_the_notebooks_run_unchanged_on_athena(both: Both) -> None:
    assert both.record.status == "done"
    assert [notebook.status for notebook in both.record.notebooks] == ["done"] * 7
    assert {name.split("/")[1] for name in both.record.files if name.startswith("exports/")} >= {
        "pinpoint",
        "customer_profiles",
        "personalize",
    }
    costs = both.record.statements
    assert costs["count"] > 100
    assert costs["usd"] > 0


def test_the_raw_lines_are_read_once_however_many_event_types_there_are(both: Both) -> None:
    # Broken files make a statement fail, and Athena does not bill it: two of them were landed.
    assert both.scans == 1 + len(BROKEN_FILES)


def test_a_second_run_reads_no_raw_data_and_publishes_nothing(
    both: Both, aws_environment: Stand
) -> None:
    stand, settings, warehouse = aws_environment, both.settings, both.remote
    published = _published(warehouse)
    before = len(stand.statements)
    tables.create_tables(warehouse, settings)
    tables.profile(warehouse)
    flatten(warehouse, settings)
    as_of = resolve_as_of(warehouse, settings)
    built = build(warehouse, settings, as_of, sorted({m.layer for m in models().values()}))
    assert {one.status for one in built} == {"unchanged"}
    ran = [statement.sql for statement in stand.statements[before:]]
    assert not [sql for sql in ran if "landing_lines" in sql or "rudderstack_events" in sql]
    assert not [sql for sql in ran if not sql.lstrip().lower().startswith(("select", "with"))]
    assert _published(warehouse) == published


def _published(warehouse: Warehouse) -> dict[Table, Published | None]:
    with warehouse.session() as session:
        return {
            table: session.published(table)
            for database in LOGICAL
            for table in (Table(database, name) for name in session.tables(database))
        }
