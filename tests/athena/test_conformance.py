"""The whole way of the data on both engines, compared table by table.

Every table that either engine has is compared, so a model added later is in it by itself. The
landing is the samples, and files that are wrong in every way known.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engagement.batch import RunRecord, choose, run
from engagement.flatten.pipeline import flatten
from engagement.landing import tables
from engagement.models.runner import build, models
from engagement.settings import ROOT, Settings, load_settings
from engagement.warehouse import Table, Warehouse, open_warehouse
from engagement.warehouse.base import Published
from engagement.warehouse.dialect import LOGICAL
from engagement.workbook import resolve_as_of
from tests.athena.compare import differences
from tests.athena.stand import Stand

pytestmark = pytest.mark.slow

SAMPLES = ROOT / "data/samples/rudderstack_firehose"
PARAMS = "tests/athena/stand.yaml"
DAYS = None  # all of the samples
BROKEN_FILES = ("corrupt.gz", "truncated.gz")


def upload(stand: Stand, folder: Path, prefix: str) -> str:
    """Put a folder into the stand's bucket; gives its address."""
    client = stand.client("s3")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = f"{prefix}/landing/{path.relative_to(folder).as_posix()}"
            client.put_object(Bucket=stand.bucket, Key=key, Body=path.read_bytes())
    return f"s3://{stand.bucket}/{prefix}/landing/"


def sample_days(into: Path, days: int | None) -> Path:
    """The first days of the samples, or all of them, in a folder."""
    for day in sorted(path for path in SAMPLES.iterdir() if path.is_dir())[:days]:
        (into / day.name).mkdir(parents=True)
        for file in day.iterdir():
            (into / day.name / file.name).write_bytes(file.read_bytes())
    return into


def spoil(landing: Path) -> None:
    """Add files that are wrong, odd or empty to the landing's first day."""
    day = sorted(landing.iterdir())[0]
    event = {
        "type": "track",
        "event": "Odd Values",
        "messageId": "odd-1",
        "anonymousId": "odd",
        "receivedAt": f"{day.name[-10:]}T12:00:00.000Z",
        "properties": {
            "zebra": [{"b": 1.10, "a": {"d": 2, "c": None}}, "x"],
            "Camel Case": 'é\u2028\u0001"\\/',
            "mixed": [3, 1.5e3],
            "sizes": [1e7, 12345678.9, 0.0001, 1.25e-7, 1e16, 1e22, -0.0, "1.0E7"],
            "big": 12345678901234567890,
            "deep": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}},
            "empty": {},
            "ratio": 0.1,
            "flag": True,
        },
    }
    other = {**event, "messageId": "odd-2", "properties": {"mixed": "one", "flag": None}}
    third = {**event, "messageId": "odd-3", "properties": {"mixed": 0.15, "ratio": 25}}
    text, again, last = (json.dumps(item) for item in (event, other, third))
    # Keys that are given twice, at the top, below it, and in an array: the last value counts.
    twice = json.dumps({**event, "messageId": "odd-4", "properties": {}})
    inner = '{"flag": false, "ratio": 1, "flag": true, "zebra": [{"b": 1, "b": 2}]}'
    given_twice = '{"messageId": "odd-0", ' + twice[1:].replace("{}", inner)
    lines = [
        b"",
        b"  \t",
        f"{text}{again}".encode(),
        b"\xff\xfe no text",
        b"{broken",
        b'{"type": "unknown", "messageId": "u1"}',
        b"[1, 2]",
        b'{"messageId": "no type"}',
        b"{broken",
        b'"\x01\\N"',
        f"{last} {{half".encode(),
        b"\x02",
        given_twice.encode(),
    ]
    (day / "odd.json").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines) + b"\r" + again.encode())
    (day / "odd again.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    (day / "corrupt.gz").write_bytes(b"this is no gzip")
    (day / "truncated.gz").write_bytes(gzip.compress(text.encode() * 200)[:-30])
    (day / "empty.json").write_bytes(b"")
    (day / "_hidden.json").write_bytes(text.encode())


@dataclass(frozen=True)
class Both:
    """The same landing on DuckDB, and on the stand through the notebooks."""

    local: Warehouse
    remote: Warehouse
    settings: Settings
    record: RunRecord
    scans: int


@pytest.fixture(scope="module")
def both(stand: Stand, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """The samples and a folder of nasty files, taken all the way on both engines.

    On the stand the notebooks do it, unchanged and in a batch run; on DuckDB what they call does.
    """
    folder = tmp_path_factory.mktemp("conformance")
    landing = sample_days(folder / "landing", DAYS)
    spoil(landing)
    local = load_settings(
        "params/local.yaml",
        {
            "landing.location": str(landing),
            "warehouse.duckdb.path": str(folder / "warehouse.duckdb"),
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stand.environment().items():
            patch.setenv(name, value)
        overrides = {
            "landing.location": upload(stand, landing, "conformance"),
            "warehouse.athena.data_location": f"s3://{stand.bucket}/conformance/data/",
            "run.directory": str(folder / "runs"),
        }
        settings = load_settings(PARAMS, overrides)
        warehouses = (open_warehouse(local), open_warehouse(settings))
        flatten(warehouses[0], local)
        layers = sorted({model.layer for model in models().values()})
        build(warehouses[0], local, resolve_as_of(warehouses[0], local.timezone), layers)
        before = len(stand.statements)
        record, _ = run(settings, ROOT / PARAMS, overrides, choose())
        scans = [s for s in stand.statements[before:] if '"landing_lines"' in s.sql]
        yield Both(*warehouses, settings, record, len(scans))


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
    as_of = resolve_as_of(warehouse, settings.timezone)
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
