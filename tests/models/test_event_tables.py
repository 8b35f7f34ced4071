"""event_daily, event_properties, event_paths: which events happen, to whom, and after which."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

from tests.models import shop
from tests.models.shop import event, session

Rows = list[tuple[Any, ...]]


def paths(bench: Any, *sessions: tuple[str, str, str]) -> None:
    """Build from (session, day of its start, one letter per event)."""
    events = [
        event(
            f"{name}-{n}", name, f"{day} {10 + n // 60}:{n % 60:02}", name, event=letter,
            sequence_number=n, is_bot=name == "bot",
        )
        for name, day, letters in sessions
        for n, letter in enumerate(letters, start=1)
    ]  # fmt: skip
    bench.given("marts.session_events", events)
    bench.given(
        "marts.sessions",
        [session(name, f"{day} 10:00", is_bot=name == "bot") for name, day, _ in sessions],
    )
    bench.build("event_paths")


def links(bench: Any, direction: str, anchor: str) -> Rows:
    rows: Rows = bench.rows(
        "select step_number, from_step, to_step, sessions, anchor_sessions, share"
        f" from marts.event_paths where direction = '{direction}' and anchor = '{anchor}'"
        " order by step_number, from_step, to_step"
    )
    return rows


def test_what_comes_after_an_event(bench: Any) -> None:
    """Of three sessions with a, two go on to b and one ends; of those two, one goes on to c. In the
    second, only the first a counts.
    """
    paths(bench, ("s1", "05", "ab"), ("s2", "05", "abca"), ("s3", "05", "a"), ("bot", "05", "az"))
    assert links(bench, "next", "a") == [
        (1, "a", "(end)", 1, 3, 0.3333),
        (1, "a", "b", 2, 3, 0.6667),
        (2, "b", "(end)", 1, 3, 0.3333),
        (2, "b", "c", 1, 3, 0.3333),
        (3, "c", "a", 1, 3, 0.3333),
        (4, "a", "(end)", 1, 3, 0.3333),
    ]


def test_what_came_before_an_event(bench: Any) -> None:
    paths(bench, ("s1", "05", "xyc"), ("s2", "05", "ycc"))
    assert links(bench, "previous", "c") == [
        (1, "c", "y", 2, 2, 1.0),
        (2, "y", "(start)", 1, 2, 0.5),
        (2, "y", "x", 1, 2, 0.5),
        (3, "x", "(start)", 1, 2, 0.5),
    ]


def test_a_path_has_five_steps_and_its_end_is_marked_within_them(bench: Any) -> None:
    """After a come five b's: nothing is said of what is after these. After the other, four."""
    paths(bench, ("s1", "05", "abbbbb"), ("s2", "06", "abbbb"))
    rows = links(bench, "next", "a")
    assert rows[-2:] == [(5, "b", "(end)", 1, 2, 0.5), (5, "b", "b", 1, 2, 0.5)]
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 5]


def test_months_are_those_of_the_sessions_start(bench: Any) -> None:
    bench.given("marts.session_events", [event("e", "s", "01 00:05", "s", sequence_number=1)])
    bench.given("marts.sessions", [session("s", "01 00:05", session_date="2025-12-31")])
    bench.build("event_paths")
    months = bench.rows("select distinct cast(month as varchar) as m from marts.event_paths")
    assert months == [("2025-12-01",)]


def test_rare_events_are_others(bench: Any) -> None:
    """Forty letters twice, the rest once: these are not told apart, and are no anchor."""
    letters = [chr(0x41 + n) for n in range(42)]
    often = "".join(letters[:40] * 2)
    paths(bench, ("s1", "05", often + letters[40]), ("s2", "05", "A" + letters[41]))
    assert links(bench, "next", letters[40]) == []
    assert links(bench, "next", "A")[:2] == [
        (1, "A", "(other)", 1, 2, 0.5),
        (1, "A", "B", 1, 2, 0.5),
    ]
    assert bench.rows("select count(distinct anchor) as n from marts.event_paths") == [(40,)]


def test_an_event_that_is_no_track_goes_by_its_type(bench: Any) -> None:
    events = [
        event("e1", "s", "05 10:00", "s", type="page", event=None, sequence_number=1),
        event("e2", "s", "05 10:01", "s", event="Buy", sequence_number=2),
    ]
    bench.given("marts.session_events", events)
    bench.given("marts.sessions", [session("s", "05 10:00")])
    bench.build("event_paths")
    assert links(bench, "next", "page")[0] == (1, "page", "Buy", 1, 1, 1.0)


def test_links_are_those_of_paths_one_by_one(bench: Any) -> None:
    luck = random.Random(5)
    told = [
        (f"s{n}", "05", "".join(luck.choice("abc") for _ in range(luck.randrange(1, 9))))
        for n in range(30)
    ]
    paths(bench, *told)
    expected: Counter[tuple[int, str, str]] = Counter()
    for _, _, letters in told:
        if "b" not in letters:
            continue
        path = [*letters[letters.index("b") :], "(end)"][:6]
        expected.update((n, *pair) for n, pair in enumerate(itertools.pairwise(path), 1))
    found = {(n, a, b): many for n, a, b, many, _, _ in links(bench, "next", "b")}
    assert found == dict(expected)


# --- the explorer ---------------------------------------------------------------------------------


def test_events_by_day(make_bench: Any) -> None:
    bench = make_bench("2026-01-03")
    shop.give(
        bench,
        "event_daily",
        events=[
            event("e1", "ann", "01 10:00", "s1", event="Buy"),
            event("e2", "ann", "01 11:00", "s2", event="Buy"),
            event("e3", "bob", "01 11:00", None, event="Buy"),
            event("e4", "bob", "02 11:00", None, type="page", event=None),
            event("e5", "bob", "09 11:00", None, type="page", event=None),
            event("e6", "bot", "02 11:00", None, is_bot=True),
        ],
    )
    assert bench.rows(
        "select extract(day from day) as n, type, event, events, persons, sessions"
        " from marts.event_daily order by day, event"
    ) == [
        *((1, "track", "Buy", 3, 2, 2), (1, "page", "page", 0, 0, 0)),
        *((2, "track", "Buy", 0, 0, 0), (2, "page", "page", 1, 1, 0)),
        *((3, "track", "Buy", 0, 0, 0), (3, "page", "page", 1, 1, 0)),
    ]


def test_fifty_kinds_of_events_have_every_day_and_no_other_one(make_bench: Any) -> None:
    """Sixty names on the second of three days: the first fifty by name have three rows, ten one."""
    bench = make_bench("2026-01-03")
    names = [f"e{n:02}" for n in range(60)]
    first = event("first", "ann", "01 10:00", None, event="e00")
    events = [event(name, "ann", "02 10:00", None, event=name) for name in names]
    shop.give(bench, "event_daily", events=[first, *events])
    assert bench.rows(
        "select case when event < 'e50' then 'named' else 'rest' end as which, count(*) as n,"
        " sum(events) as e, sum(case when events = 0 then 1 else 0 end) as empty"
        " from marts.event_daily group by 1 order by 1"
    ) == [("named", 150, 51, 99), ("rest", 10, 10, 0)]


def test_events_by_what_their_session_tells(make_bench: Any) -> None:
    """Three Buys: two of Ann's by mail, one of Bob's in no session."""
    bench = make_bench("2026-01-03")
    shop.give(
        bench,
        "event_daily",
        "event_properties",
        sessions=[session("s1", "01 10:00", device_type="mobile")],
        events=[
            event("e1", "ann", "01 10:00", "s1", event="Buy"),
            event("e2", "ann", "01 11:00", "s1", event="Buy"),
            event("e3", "bob", "01 11:00", None, event="Buy"),
        ],
    )
    assert bench.rows(
        "select property, value, events, persons, all_events, share from marts.event_properties"
        " where property in ('channel', 'device_type', 'os') order by property, value"
    ) == [
        ("channel", "(not set)", 1, 1, 3, 0.3333),
        ("channel", "Email", 2, 1, 3, 0.6667),
        ("device_type", "(not set)", 1, 1, 3, 0.3333),
        ("device_type", "mobile", 2, 1, 3, 0.6667),
        ("os", "(not set)", 3, 2, 3, 1.0),
    ]


def test_beyond_fifty_values_are_others(make_bench: Any) -> None:
    """Sixty countries: the fifty of most events, of equals the first by name; ten are others."""
    bench = make_bench("2026-01-03")
    names = [f"C{n:02}" for n in range(60)]
    shop.give(
        bench,
        "event_daily",
        "event_properties",
        sessions=[session(name, "01 10:00", country=name) for name in names],
        events=[event(f"e{name}", name, "01 10:00", name, event="Buy") for name in names],
    )
    assert bench.rows(
        "select value, events, persons from marts.event_properties"
        " where property = 'country' and value not in ('C00', 'C49') order by value desc limit 2"
    ) == [("C48", 1, 1), ("C47", 1, 1)]
    assert bench.rows(
        "select events, persons from marts.event_properties"
        " where property = 'country' and value = '(other)'"
    ) == [(10, 10)]
