"""page_engagement: views, entries, exits and time of each page."""

from __future__ import annotations

from typing import Any

from tests.models import shop
from tests.models.shop import session, view


def pages(bench: Any, columns: str, **of: Any) -> list[Any]:
    shop.give(bench, "page_engagement", **of)
    rows: list[Any] = bench.rows(f"select {columns} from marts.page_engagement order by day, page")
    return rows


def test_time_is_that_to_the_next_view_and_of_the_last_one_to_the_end(make_bench: Any) -> None:
    """One session: / for 30 s, /a for 60 s, / again for 10 s until its last event. Of / two views,
    one entry, one exit, 40 seconds.
    """
    rows = pages(
        make_bench("2026-01-01"),
        "page, views, viewers, sessions, entries, exits, exit_rate, bounces, bounce_rate,"
        " timed_views, milliseconds, mean_seconds",
        sessions=[
            session(
                "ann", "01 10:00", ended_at="2026-01-01 10:01:40", is_engaged=True, entry_page="/"
            )
        ],
        events=[
            view("v1", "ann", "01 10:00:00", "/", 1),
            view("v2", "ann", "01 10:00:30", "/a", 2),
            view("v3", "ann", "01 10:01:30", "/", 4),
        ],
    )
    assert rows == [
        ("/", 2, 1, 1, 1, 1, 0.5, 0, 0.0, 2, 40_000, 20.0),
        ("/a", 1, 1, 1, 0, 0, 0.0, 0, None, 1, 60_000, 60.0),
    ]


def test_a_bounce_is_an_entry_of_a_session_that_was_not_engaged(make_bench: Any) -> None:
    rows = pages(
        make_bench("2026-01-01"),
        "page, views, entries, exits, bounces, bounce_rate, mean_seconds",
        sessions=[
            session("ann", "01 10:00", ended_at="2026-01-01 10:00:05", entry_page="/"),
            session("bob", "01 11:00", entry_page="/", is_engaged=True),
        ],
        events=[
            view("v1", "ann", "01 10:00", "/", 1),
            view("v2", "bob", "01 11:00", "/", 1),
        ],
    )
    assert rows == [("/", 2, 2, 2, 1, 0.5, 2.5)]


def test_views_count_on_their_own_day(make_bench: Any) -> None:
    rows = pages(
        make_bench("2026-01-02"),
        "extract(day from day) as n, page, views, entries, exits, milliseconds",
        sessions=[
            session("ann", "01 23:59", ended_at="2026-01-02 00:02", is_engaged=True, entry_page="/")
        ],
        events=[
            view("v1", "ann", "01 23:59", "/", 1),
            view("v2", "ann", "02 00:01", "/a", 2),
        ],
    )
    assert rows == [(1, "/", 1, 1, 0, 120_000), (2, "/a", 1, 0, 1, 60_000)]


def test_a_view_that_names_no_page_is_no_entry_and_one_in_no_session_has_no_time(
    make_bench: Any,
) -> None:
    """The session's first view says no path: the entry is the second, as in sessions. The time of
    the first is still that to the second.
    """
    rows = pages(
        make_bench("2026-01-01"),
        "page, views, entries, exits, timed_views, milliseconds, mean_seconds",
        sessions=[
            session(
                "ann", "01 10:00", ended_at="2026-01-01 10:00:03", is_engaged=True, entry_page="/"
            )
        ],
        events=[
            view("v1", "ann", "01 10:00:00", None, 1),
            view("v2", "ann", "01 10:00:02", "/", 2),
            view("lost1", "eve", "01 11:00", "/", 1) | {"session_id": None},
            view("lost2", "eve", "01 12:00", "/x", 1) | {"session_id": None},
        ],
    )
    assert rows == [
        ("(not set)", 1, 0, 0, 1, 2_000, 2.0),
        ("/", 2, 1, 1, 1, 1_000, 1.0),
        ("/x", 1, 0, 0, 0, 0, None),
    ]


def test_bots_have_no_views(make_bench: Any) -> None:
    events = [view("v1", "bot", "01 10:00", "/", 1, is_bot=True)]
    of = {"sessions": [session("bot", "01 10:00", is_bot=True, entry_page="/")], "events": events}
    assert pages(make_bench("2026-01-01"), "page", **of) == []
    rows = pages(make_bench("2026-01-01", metrics__exclude_bots=False), "page, entries", **of)
    assert rows == [("/", 1)]
