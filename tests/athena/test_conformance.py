"""The whole way of the data on both engines, compared table by table.

Every table that either engine has is compared, so a model added later is in it by itself. The
landing is the first days of the samples, and files that are wrong in every way known.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engagement.flatten.pipeline import flatten
from engagement.models.runner import build, models
from engagement.settings import ROOT, Settings, load_settings
from engagement.warehouse import Warehouse, open_warehouse
from engagement.workbook import resolve_as_of
from tests.athena.compare import differences
from tests.athena.stand import Stand

SAMPLES = ROOT / "data/samples/rudderstack_firehose"
DAYS = 3


def settings_on(stand: Stand, name: str, landing: str, **more: object) -> Settings:
    """Parameters that lead to the stand, under a prefix and in databases of their own."""
    return load_settings(
        "params/local.yaml",
        {
            "project": name.replace("_", "-"),
            "landing.location": landing,
            "warehouse.engine": "athena",
            "warehouse.athena": {
                "region": stand.region,
                "data_location": f"s3://{stand.bucket}/{name}/data/",
                "poll_seconds": 0.05,
            },
            "warehouse.databases": {
                part: f"{name}_{part}" for part in ("landing", "events", "marts")
            },
            **more,
        },
    )


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
    ]
    (day / "odd.json").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines) + b"\r" + again.encode())
    (day / "odd again.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    (day / "corrupt.gz").write_bytes(b"this is no gzip")
    (day / "truncated.gz").write_bytes(gzip.compress(text.encode() * 200)[:-30])
    (day / "empty.json").write_bytes(b"")
    (day / "_hidden.json").write_bytes(text.encode())


@pytest.fixture(scope="module")
def both(
    stand: Stand, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Warehouse, Warehouse]]:
    """The same landing, flattened and modelled on DuckDB and on the stand."""
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
        remote = settings_on(stand, "conformance", upload(stand, landing, "conformance"))
        warehouses = (open_warehouse(local), open_warehouse(remote))
        layers = sorted({model.layer for model in models().values()})
        for warehouse, settings in zip(warehouses, (local, remote), strict=True):
            flatten(warehouse, settings)
            build(warehouse, settings, resolve_as_of(warehouse, settings.timezone), layers)
        yield warehouses


@pytest.mark.parametrize("database", ["landing", "events", "marts"])
def test_every_table_is_the_same_on_both_engines(
    both: tuple[Warehouse, Warehouse], database: str
) -> None:
    found = differences(*both, databases=[database])
    assert not found, "\n".join(map(str, found))
