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


def land(folder: Path, name: str, content: bytes, day: str = "2026-01-05") -> None:
    at = folder / f"landing/received_at_utc_date={day}"
    at.mkdir(parents=True, exist_ok=True)
    (at / name).write_bytes(content)


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


def test_only_dates_whose_files_changed_are_counted_again(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    tables.profile(warehouse)
    land(tmp_path, "a.json", LINES * 2, "2026-01-06")
    second = tables.profile(warehouse)
    assert second.types.fillna("").to_numpy().tolist() == [["page", "", 3], ["track", "Seen", 3]]
    assert second.days == ("2026-01-05", "2026-01-06")
    asked = [one.sql for one in warehouse.log.statements if "rudderstack_events" in one.sql]
    assert [day in asked[-1] for day in second.days] == [False, True]
    # A date that is gone is counted no more, and that reads nothing.
    (tmp_path / "landing/received_at_utc_date=2026-01-05/a.json").unlink()
    third = tables.profile(warehouse)
    assert third.types["rows_seen"].tolist() == [2, 2]
    assert third.days == ("2026-01-06",)
    assert readings(warehouse) == 2


def test_the_first_look_is_bounded(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "FIRST_LOOK_BYTES", 2 * len(LINES))
    for day in ("2026-01-06", "2026-01-07"):
        land(tmp_path, "a.json", LINES, day)
    found = tables.profile(warehouse)
    assert found.days == ("2026-01-06", "2026-01-07")
    assert found.types["rows_seen"].tolist() == [2, 2]
    # The newest is counted however large it is, and what was counted once stays in.
    land(tmp_path, "a.json", LINES * 5, "2026-01-08")
    found = tables.profile(warehouse)
    assert found.days == ("2026-01-06", "2026-01-07", "2026-01-08")
    assert found.types["rows_seen"].tolist() == [7, 7]
    assert readings(warehouse) == 2


def test_a_date_that_cannot_be_read_through_leaves_the_others(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    tables.profile(warehouse)
    land(tmp_path, "broken.gz", b"this is no gzip", "2026-01-06")
    first, second = tables.profile(warehouse), tables.profile(warehouse)
    assert "cannot be read through: " in first.words
    assert second.words == (
        "The external table cannot be read through for 1 of 2 dates. 02 sets such files apart."
    )
    assert first.types["rows_seen"].tolist() == second.types["rows_seen"].tolist() == [1, 1]
    assert readings(warehouse) == 2
