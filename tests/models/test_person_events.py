"""Whose each event is: rows of the identity map in, events with their person out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from typing import Any

from tests.models.conftest import Bench

IDENTITIES = [
    {"id_type": "anonymous_id", "id": "d1", "person_id": "ann", "is_shared_device": False},
    {"id_type": "user_id", "id": "u-ann", "person_id": "ann", "is_shared_device": False},
    {"id_type": "user_id", "id": "u-ben", "person_id": "ben", "is_shared_device": False},
    {"id_type": "anonymous_id", "id": "kiosk", "person_id": "kiosk", "is_shared_device": True},
]


def event(
    id_: str, at: str, device: str | None, user: str | None = None, **more: Any
) -> dict[str, Any]:
    return {"id": id_, "timestamp": at, "anonymous_id": device, "user_id": user, "type": "page",
            **more}  # fmt: skip


def people(bench: Bench, *events: dict[str, Any]) -> list[tuple[Any, ...]]:
    bench.given("marts.identity_map", IDENTITIES)
    bench.given("sources.events", events)
    bench.build("person_events")
    return bench.rows("select id, person_id from marts.person_events order by id")


def test_an_event_is_its_users_else_its_devices(bench: Bench) -> None:
    assert people(
        bench,
        event("1", "2026-01-01 10:00", "d1"),
        event("2", "2026-01-01 10:01", "d1", "u-ann"),
        event("3", "2026-01-01 10:02", None, "u-ben"),
    ) == [("1", "ann"), ("2", "ann"), ("3", "ben")]


def test_on_a_shared_device_an_event_is_the_latest_users(bench: Bench) -> None:
    assert people(
        bench,
        event("1", "2026-01-01 09:00", "kiosk"),  # before anyone: two are still to come
        event("2", "2026-01-01 10:00", "kiosk", "u-ann"),
        event("3", "2026-01-01 10:01", "kiosk"),
        event("4", "2026-01-01 11:00", "kiosk", "u-ben"),
        event("5", "2026-01-03 11:00", "kiosk"),
        event("6", "2026-01-04 11:00", "kiosk", "u-ann"),
        event("7", "2026-01-05 11:00", "kiosk"),
    ) == [
        ("1", "kiosk"),
        ("2", "ann"),
        ("3", "ann"),
        ("4", "ben"),
        ("5", "ben"),
        ("6", "ann"),
        ("7", "ann"),
    ]


def test_before_the_first_user_a_shared_device_is_the_only_persons_ever_seen_on_it(
    bench: Bench,
) -> None:
    """The kiosk may be shared by an alias: then one user alone has events on it."""
    assert people(
        bench,
        event("1", "2026-01-01 09:00", "kiosk"),
        event("2", "2026-01-01 10:00", "kiosk", "u-ann"),
        event("3", "2026-01-01 11:00", "kiosk"),
        event("4", "2026-01-01 12:00", None, "u-ben"),
    ) == [("1", "ann"), ("2", "ann"), ("3", "ann"), ("4", "ben")]


def test_a_user_seen_at_the_very_moment_counts_as_seen_before(bench: Bench) -> None:
    """Two users at one moment: the one received later is the latest, then the larger event id."""
    assert people(
        bench,
        event("1", "2026-01-01 10:00", "kiosk"),
        event("2", "2026-01-01 10:00", "kiosk", "u-ann"),
        event("3", "2026-01-02 10:00", "kiosk", "u-ben", received_at="2026-01-02 10:05"),
        event("4", "2026-01-02 10:00", "kiosk", "u-ann", received_at="2026-01-02 10:04"),
        event("5", "2026-01-02 10:00", "kiosk", received_at="2026-01-02 10:00"),
        event("6", "2026-01-03 10:00", "kiosk", "u-ann"),
        event("7", "2026-01-03 10:00", "kiosk", "u-ben"),
        event("8", "2026-01-03 10:01", "kiosk"),
    ) == [
        ("1", "ann"),
        ("2", "ann"),
        ("3", "ben"),
        ("4", "ann"),
        ("5", "ben"),
        ("6", "ann"),
        ("7", "ben"),
        ("8", "ben"),
    ]


def test_the_time_of_the_event_orders_a_shared_device_and_not_the_time_received(
    bench: Bench,
) -> None:
    assert people(
        bench,
        event("1", "2026-01-01 10:00", "kiosk", "u-ann"),
        event("2", "2026-01-01 12:00", "kiosk", "u-ben"),
        event("3", "2026-01-01 11:00", "kiosk", received_at="2026-01-04 00:00"),
    ) == [("1", "ann"), ("2", "ben"), ("3", "ann")]


def test_an_event_without_a_usable_id_is_a_person_of_its_own(bench: Bench) -> None:
    """``null`` and ``nobody`` stand in no identity map: the ids are NULL here."""
    assert people(bench, event("1", "2026-01-01 10:00", "null", "nobody")) == [
        ("1", hashlib.sha256(b"event:1").hexdigest()[:32])
    ]
    assert bench.rows("select anonymous_id, user_id from marts.person_events") == [(None, None)]


def test_an_id_that_recurs_beyond_the_duplicate_window_stays_two_events(bench: Bench) -> None:
    assert people(
        bench,
        event("1", "2026-01-01 10:00", "kiosk", "u-ann"),
        event("1", "2026-01-20 10:00", "kiosk", "u-ben"),
        event("2", "2026-01-02 10:00", "kiosk"),
        event("2", "2026-01-21 10:00", "kiosk"),
    ) == [("1", "ann"), ("1", "ben"), ("2", "ann"), ("2", "ben")]


def test_the_day_is_that_of_the_reporting_time_zone(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(timezone="America/New_York")
    people(
        bench,
        event("1", "2026-01-02 04:59:59", "d1", event="Product Viewed", type="track"),
        event("2", "2026-01-02 05:00:00", "d1"),
    )
    assert bench.rows("select event_date, type, event from marts.person_events order by id") == [
        (date(2026, 1, 1), "track", "Product Viewed"),
        (date(2026, 1, 2), "page", None),
    ]


def test_there_may_be_no_event(bench: Bench) -> None:
    assert people(bench) == []
