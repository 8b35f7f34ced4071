"""Which session an event belongs to: events of people in, sessions of events out.

Sessions are named by their first event here, since their ids are digests.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.models.conftest import Bench


def view(
    id_: str,
    at: str,
    *,
    sdk: int | None = None,
    device: str | None = "d1",
    user: str | None = None,
    received: str | None = None,
    **context: Any,
) -> dict[str, Any]:
    """An event; without a day it is of 2026-01-10."""
    day, _, time = at.rpartition(" ")
    at = f"{day or '2026-01-10'} {time}"
    return {"id": id_, "timestamp": at, "received_at": received or at, "anonymous_id": device,
            "user_id": user, "context_session_id": sdk, **context}  # fmt: skip


def build(bench: Bench, *views: dict[str, Any], **others: list[dict[str, Any]]) -> None:
    """Page views, and other sources by name, all of the person ``p``."""
    events = {"pages": list(views), **others}
    kinds = {"pages": "page", "screens": "screen", "tracks": "track", "identifies": "identify",
             "groups": "group", "aliases": "alias"}  # fmt: skip
    own = ("id", "timestamp", "received_at", "anonymous_id", "user_id")
    bench.given(
        "marts.person_events",
        [
            {"person_id": "p", "type": kinds[source], "event": event.get("event"),
             **{key: event[key] for key in own}}
            for source, rows in events.items()
            for event in rows
        ],
    )  # fmt: skip
    for source, rows in events.items():
        bench.given(f"sources.{source}", rows)
    bench.build("event_contexts", "user_agents", "session_events")


def sessions(bench: Bench) -> list[list[str]]:
    """Ids of the events of each session, in order."""
    rows = bench.rows(
        "select session_id, id, sequence_number from marts.session_events "
        "where session_id is not null order by session_id, sequence_number"
    )
    found: dict[str, list[str]] = {}
    for session, event, number in rows:
        found.setdefault(session, []).append(event)
        assert number == len(found[session])
    return sorted(found.values())


def ids(bench: Bench) -> dict[str, str]:
    return dict(bench.rows("select id, session_id from marts.session_events"))


# --- the SDK's sessions -------------------------------------------------------------------------


def test_the_sdks_session_id_makes_the_session_whatever_the_pause(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", sdk=111),
        view("2", "14:00", sdk=111),
        view("3", "14:01", sdk=222),
    )
    assert sessions(bench) == [["1", "2"], ["3"]]


def test_the_same_sdk_session_id_on_two_devices_is_two_sessions(bench: Bench) -> None:
    build(bench, view("1", "10:00", sdk=111), view("2", "10:01", sdk=111, device="d2"))
    assert sessions(bench) == [["1"], ["2"]]


def test_sdk_sessions_may_overlap(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", sdk=111),
        view("2", "10:05", sdk=222),
        view("3", "10:06", sdk=111),
    )
    assert sessions(bench) == [["1", "3"], ["2"]]


# --- the gap ------------------------------------------------------------------------------------


def test_without_an_sdk_id_a_pause_of_more_than_30_minutes_opens_a_session(bench: Bench) -> None:
    """Exactly 30 minutes is no more than 30 minutes."""
    build(
        bench,
        view("1", "10:00:00"),
        view("2", "10:30:00"),
        view("3", "11:00:00.001"),
        view("4", "11:00:01"),
    )
    assert sessions(bench) == [["1", "2"], ["3", "4"]]


def test_the_gap_is_a_setting(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(sessions__gap_minutes=5)
    build(bench, view("1", "10:00"), view("2", "10:05"), view("3", "10:11"))
    assert sessions(bench) == [["1", "2"], ["3"]]


def test_midnight_does_not_cut(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(timezone="America/New_York")
    build(
        bench,
        view("1", "2026-01-10 23:50"),
        view("2", "2026-01-11 00:10"),
        view("3", "2026-01-11 04:50"),
        view("4", "2026-01-11 05:10"),
    )
    assert sessions(bench) == [["1", "2"], ["3", "4"]]


def test_the_pause_is_the_devices(bench: Bench) -> None:
    build(bench, view("1", "10:00"), view("2", "10:20", device="d2"), view("3", "10:40"))
    assert sessions(bench) == [["1"], ["2"], ["3"]]


def test_events_of_every_type_count_and_order_by_time_received_and_id(bench: Bench) -> None:
    build(
        bench,
        view("b", "10:00"),
        view("a", "10:00"),
        view("0", "10:00", received="2026-01-10 10:01"),
        tracks=[view("t", "10:20", event="Product Viewed")],
        screens=[view("s", "10:40")],
        identifies=[view("i", "11:00")],
        groups=[view("g", "11:20")],
        aliases=[view("l", "11:40")],
    )
    assert sessions(bench) == [["a", "b", "0", "t", "s", "i", "g", "l"]]


def test_an_event_without_an_sdk_id_stays_in_the_session_that_runs(bench: Bench) -> None:
    """A server's order with the device's id, or an event after consent was taken back."""
    build(
        bench,
        view("1", "09:50"),
        view("2", "10:00", sdk=111),
        view("3", "10:20"),
        view("4", "10:40"),
        view("5", "11:11"),
    )
    assert sessions(bench) == [["1"], ["2", "3", "4"], ["5"]]


# --- no device ----------------------------------------------------------------------------------


def test_an_event_with_neither_a_device_nor_an_sdk_id_is_in_no_session(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", device=None, user="u1"),
        view("2", "10:01", device=None, user="u1", sdk=111),
        view("3", "10:02", device=None, user="u1"),
        view("4", "10:03", device=None, user=None),
    )
    assert sessions(bench) == [["2"]]
    assert bench.rows("select id, sequence_number from marts.session_events order by id") == [
        ("1", None),
        ("2", 1),
        ("3", None),
        ("4", None),
    ]


# --- stable ids ---------------------------------------------------------------------------------


def test_late_events_that_do_not_open_the_session_leave_its_id(bench: Bench) -> None:
    early = [view("1", "10:00"), view("2", "10:20"), view("3", "12:00"), view("4", "13:00", sdk=7)]
    build(bench, *early)
    before = ids(bench)
    late = [
        view("0", "10:10", received="2026-01-12 00:00"),
        view("5", "12:30", received="2026-01-12 00:00"),
        view("6", "12:59", sdk=7, received="2026-01-12 00:00"),
    ]
    build(bench, *early, *late)
    after = ids(bench)
    assert {key: after[key] for key in before} == before
    assert (after["0"], after["5"], after["6"]) == (before["1"], before["3"], before["4"])


def test_the_order_of_the_rows_does_not_matter(bench: Bench) -> None:
    views = [
        view(f"e{n}", f"10:{n:02}", sdk=n // 7 if n % 3 else None, device=f"d{n % 2}")
        for n in range(40)
    ]
    build(bench, *views)
    before = ids(bench)
    random.Random(5).shuffle(views)
    build(bench, *views)
    assert ids(bench) == before


def test_an_id_that_recurs_beyond_the_duplicate_window_opens_two_sessions(bench: Bench) -> None:
    build(bench, view("1", "2026-01-01 10:00"), view("1", "2026-01-20 10:00"))
    assert bench.rows("select count(distinct session_id) as n from marts.session_events") == [(2,)]


# --- device and page ----------------------------------------------------------------------------


def test_views_are_pages_and_screens(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", context_page_path="/a", context_page_url="https://x.example/a"),
        screens=[view("2", "10:01", name="Home")],
        tracks=[view("3", "10:02", event="Product Viewed", context_page_path="/a")],
    )
    assert bench.rows(
        "select id, is_view, page_path, page_url, event from marts.session_events order by id"
    ) == [
        ("1", True, "/a", "https://x.example/a", None),
        ("2", True, "Home", None, None),
        ("3", False, "/a", None, "Product Viewed"),
    ]


BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"context_user_agent": BOT}, (True, None, None, None)),
        ({"context_user_agent": IPHONE}, (False, "mobile", "Safari", "iOS")),
        ({}, (False, None, None, None)),
        ({"context_os_name": "Plan 9"}, (False, None, None, "Plan 9")),
        (
            {"channel": "mobile", "context_os_name": "iPadOS", "context_user_agent": IPHONE},
            (False, "mobile", "App", "iPadOS"),
        ),
        ({"channel": "mobile"}, (False, "mobile", "App", None)),
    ],
)
def test_bots_and_devices(bench: Bench, context: dict[str, Any], expected: tuple[Any, ...]) -> None:
    build(bench, view("1", "10:00", **context))
    assert bench.rows("select is_bot, device_type, browser, os from marts.session_events") == [
        expected
    ]


def test_there_may_be_no_event(bench: Bench) -> None:
    build(bench)
    assert sessions(bench) == []
