"""The as-of moment: days, their ends, and the newest event received."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest

from engagement.as_of import (
    NO_DATA_DAY,
    AsOf,
    at_newest,
    end_of_day,
    in_words,
    resolve_as_of,
    whole_day,
)
from engagement.settings import Settings
from engagement.warehouse import Table, Warehouse, WarehouseError, open_warehouse


def holding(settings: Settings, *received: str) -> Warehouse:
    """A warehouse with events received at these times (UTC)."""
    warehouse = open_warehouse(settings)
    rows = [f"select timestamp '{at}' as received_at" for at in received]
    nothing = "select cast(null as timestamp(3)) as received_at where false"
    with warehouse.session(write=True) as session:
        session.publish(Table("events", "events"), " union all ".join(rows) or nothing)
    return warehouse


@pytest.mark.parametrize(
    ("day", "zone", "moment"),
    [
        ("2026-01-31", "UTC", datetime(2026, 2, 1)),
        ("2026-01-31", "Europe/Berlin", datetime(2026, 1, 31, 23)),
        ("2026-03-29", "Europe/Berlin", datetime(2026, 3, 29, 22)),  # a day of 23 hours
        ("2026-03-28", "Europe/Berlin", datetime(2026, 3, 28, 23)),
        ("2026-10-25", "Europe/Berlin", datetime(2026, 10, 25, 23)),  # a day of 25 hours
        ("2026-01-31", "Asia/Kolkata", datetime(2026, 1, 31, 18, 30)),
        ("2024-09-07", "America/Santiago", datetime(2024, 9, 8, 4)),  # midnight does not exist
    ],
)
def test_a_day_ends_at_midnight_where_the_shop_is(day: str, zone: str, moment: datetime) -> None:
    assert end_of_day(date.fromisoformat(day), zone) == moment


@pytest.mark.parametrize(
    ("zone", "default", "latest"),
    [
        ("UTC", date(2026, 1, 30), date(2026, 1, 31)),
        ("Asia/Tokyo", date(2026, 1, 31), date(2026, 2, 1)),  # it is half past eight there
    ],
)
def test_the_newest_event_decides_in_the_reporting_time_zone(
    make_settings: Callable[..., Settings], zone: str, default: date, latest: date
) -> None:
    received = ("2026-01-31 23:30:00.125", "2026-01-02 08:00:00.000")
    warehouse = holding(make_settings(), *received)
    assert resolve_as_of(warehouse, make_settings(timezone=zone)) == whole_day(default, zone)
    found = resolve_as_of(warehouse, make_settings(timezone=zone, as_of="latest"))
    newest = datetime(2026, 1, 31, 23, 30, 0, 125_000)
    assert found == AsOf(latest, newest, is_latest=True)
    # Sources keep what was received before: the newest event, and nothing after it.
    assert found.seen_before == datetime(2026, 1, 31, 23, 30, 0, 126_000)


def test_a_given_day_needs_no_events(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(as_of="2026-01-05", timezone="Europe/Berlin")
    found = resolve_as_of(open_warehouse(settings), settings)
    assert found == AsOf(date(2026, 1, 5), datetime(2026, 1, 5, 23))
    assert found.last_whole_day == date(2026, 1, 5)
    assert found.seen_before == found.end


@pytest.mark.parametrize("as_of", [None, "latest"])
def test_without_events_there_is_an_as_of_day_without_data(
    make_settings: Callable[..., Settings], as_of: str | None
) -> None:
    settings = make_settings(as_of=as_of)
    found = resolve_as_of(holding(settings), settings)
    assert found == whole_day(NO_DATA_DAY, "UTC")


def test_before_02_ran_nothing_can_be_said(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(as_of="latest")
    warehouse = open_warehouse(settings)
    with warehouse.session(write=True) as session:
        session.publish(Table("landing", "files"), "select 1 as n")
    with pytest.raises(WarehouseError, match="run 02_flatten_events first"):
        resolve_as_of(warehouse, settings)


def test_the_day_of_latest_is_not_over() -> None:
    seen = at_newest(datetime(2026, 1, 31, 9, 30, 0, 125_000), "UTC")
    assert seen.last_whole_day == date(2026, 1, 30)
    assert (
        str(seen) == "2026-01-31 (not over: newest event received at 2026-01-31 09:30:00.125 UTC)"
    )
    assert str(whole_day(date(2026, 1, 31), "UTC")) == "2026-01-31"


@pytest.mark.parametrize(
    ("as_of", "words"),
    [
        (None, "the day before the newest event received"),
        ("2026-01-31", "2026-01-31"),
        ("latest", "latest: the moment of the newest event received"),
    ],
)
def test_what_is_set_in_words(
    make_settings: Callable[..., Settings], as_of: Any, words: str
) -> None:
    assert in_words(make_settings(as_of=as_of)) == words
