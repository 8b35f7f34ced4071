"""The first look at the landing: counted once, and once again when the landing has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engagement.landing import tables
from engagement.settings import Settings
from engagement.warehouse import Warehouse, open_warehouse

LINES = b'{"type":"page","messageId":"1"}\n{"type":"track","event":"Seen","messageId":"2"}\n'


@pytest.fixture
def warehouse(make_settings: Callable[..., Settings], tmp_path: Path) -> Warehouse:
    land(tmp_path, "a.json", LINES)
    settings = make_settings()
    made = open_warehouse(settings)
    tables.create_tables(made, settings)
    return made


def land(folder: Path, name: str, content: bytes) -> None:
    day = folder / "landing/received_at_utc_date=2026-01-05"
    day.mkdir(parents=True, exist_ok=True)
    (day / name).write_bytes(content)


def readings(warehouse: Warehouse) -> int:
    """Statements that read the landing through the table for people."""
    return sum(tables.READING_TABLE.name in one.sql for one in warehouse.log.statements)


def test_it_counts_once_until_the_landing_changes(warehouse: Warehouse, tmp_path: Path) -> None:
    first, second = tables.profile(warehouse), tables.profile(warehouse)
    assert first.words == second.words == ""
    assert first.types["rows_seen"].tolist() == second.types["rows_seen"].tolist() == [1, 1]
    assert readings(warehouse) == 1
    land(tmp_path, "b.json", LINES)
    assert tables.profile(warehouse).types["rows_seen"].tolist() == [2, 2]
    assert readings(warehouse) == 2


def test_a_broken_file_is_not_tried_again_until_the_landing_changes(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    land(tmp_path, "broken.gz", b"this is no gzip")
    first, second = tables.profile(warehouse), tables.profile(warehouse)
    assert "cannot be read through: " in first.words
    assert second.words == "The external table cannot be read through. 02 sets such files apart."
    assert first.types.empty
    assert second.types.empty
    assert readings(warehouse) == 1
    (tmp_path / "landing/received_at_utc_date=2026-01-05/broken.gz").unlink()
    assert tables.profile(warehouse).types["rows_seen"].tolist() == [1, 1]
