"""funnel_events, …_attempts, …_segments, …_open: the funnel by segment, closed and open."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.models.test_funnel_journeys import Step, ann, give

Rows = list[tuple[Any, ...]]

NAMES = ("view", "add", "checkout", "order")


def funnel(
    bench: Any, steps: list[Step], *, sessions: list[dict[str, Any]] | None = None, **more: Any
) -> None:
    """Build all funnels; a person's events are in the session of their name."""
    if sessions is None:
        sessions = []
    give(bench, steps, **more)
    _in_sessions(bench)
    bench.given("marts.sessions", sessions)
    bench.build(
        *("funnel_events", "funnel_journeys", "funnel_steps", "funnel_attempts", "funnel_entries"),
        *("funnel_segments", "funnel_open"),
    )


def _in_sessions(bench: Any) -> None:
    for table in ("session_events", "orders"):
        bench._connection.execute(f"update marts.{table} set session_id = person_id")


def opened(bench: Any, steps: list[Step]) -> dict[str, list[int]]:
    """Persons at each step, by where they entered."""
    funnel(bench, steps)
    found: dict[str, list[int]] = {}
    for entry, persons in bench.rows(
        "select entry_step, persons from marts.funnel_open where segment_by = 'all'"
        " order by entry_step_number, step_number"
    ):
        found.setdefault(entry, []).append(persons)
    return found


def test_each_step_is_entered_at_its_first_event(bench: Any) -> None:
    """Ann comes by a list: she adds before she ever views, and orders without a checkout."""
    found = opened(
        bench,
        ann(("add", "05 10:00"), ("view", "05 10:05"), ("add", "05 10:06"), ("order", "05 10:30")),
    )
    assert found == {"view": [1, 1, 0, 0], "add": [1, 0, 0], "checkout": [0, 0], "order": [1]}


def test_later_steps_come_in_order_and_strictly_later(bench: Any) -> None:
    """The checkout of the add's very moment is not later; the second one is."""
    steps = ann(
        ("add", "05 10:00"), ("checkout", "05 10:00"), ("checkout", "05 10:10"),
        ("order", "05 10:10"),
    )  # fmt: skip
    assert opened(bench, steps) == {
        "view": [0, 0, 0, 0],
        "add": [1, 1, 0],
        "checkout": [1, 1],
        "order": [1],
    }


def test_the_open_form_begins_at_the_first_event_where_the_closed_takes_the_best(
    bench: Any,
) -> None:
    """Of two views the first leads nowhere within seven days, the second to an order."""
    steps = ann(
        ("view", "01 10:00"),
        *(
            ("view", "20 10:00"),
            ("add", "20 10:01"),
            ("checkout", "20 10:02"),
            ("order", "20 10:03"),
        ),
    )
    assert opened(bench, steps)["view"] == [1, 0, 0, 0]
    assert bench.rows("select persons from marts.funnel_steps order by step_number") == [(1,)] * 4


@pytest.mark.parametrize(("when", "persons"), [("12 10:00:00", 1), ("12 10:00:00.001", 0)])
def test_the_window_of_an_entry_holds_its_last_moment(bench: Any, when: str, persons: int) -> None:
    assert opened(bench, ann(("add", "05 10:00"), ("checkout", when)))["add"] == [1, persons, 0]


def test_waiting_and_medians(bench: Any) -> None:
    """As of the 31st at midnight a checkout of the 30th may still be followed by an order. Two
    people took 10 and 20 minutes from the checkout to the order: 15 minutes.
    """
    steps = [
        ("ann", "checkout", "2026-01-05 10:00"),
        ("ann", "order", "2026-01-05 10:10"),
        ("bob", "checkout", "2026-01-05 10:00"),
        ("bob", "order", "2026-01-05 10:20"),
        ("cyd", "checkout", "2026-01-30 10:00"),
        ("dan", "checkout", "2026-01-05 10:00"),
    ]
    funnel(bench, steps)
    assert bench.rows(
        "select step, persons, previous_persons, step_rate, entry_persons, entry_rate,"
        " persons_waiting, median_seconds_from_previous from marts.funnel_open"
        " where segment_by = 'all' and entry_step = 'checkout' order by step_number"
    ) == [
        ("checkout", 4, None, None, 4, 1.0, 1, None),
        ("order", 2, 4, 0.5, 4, 0.5, 0, 900.0),
    ]


def test_segments_are_those_of_the_first_steps_session(bench: Any) -> None:
    """Ann views by mail on a phone as a new visitor and adds; Bob views in December, by no session
    that is known.
    """
    steps = [
        ("ann", "view", "2026-01-05 10:00"),
        ("ann", "add", "2026-01-05 10:01"),
        ("bob", "view", "2025-12-31 10:00"),
    ]
    known = {
        "session_id": "ann",
        "channel": "Email",
        "device_type": "mobile",
        "is_new_visitor": True,
    }
    funnel(bench, steps, sessions=[known])
    rows = bench.rows(
        "select segment_by, segment, persons from marts.funnel_segments"
        " where step_number <= 2 order by segment_by, segment, step_number"
    )
    assert rows == [
        *(("all", "all", 2), ("all", "all", 1)),
        *(("channel", "(not set)", 1), ("channel", "(not set)", 0)),
        *(("channel", "Email", 1), ("channel", "Email", 1)),
        *(("device", "(not set)", 1), ("device", "(not set)", 0)),
        *(("device", "mobile", 1), ("device", "mobile", 1)),
        *(("month", "2025-12", 1), ("month", "2025-12", 0)),
        *(("month", "2026-01", 1), ("month", "2026-01", 1)),
        *(("visitor", "new", 1), ("visitor", "new", 1)),
        *(("visitor", "returning", 1), ("visitor", "returning", 0)),
    ]


def test_without_a_view_there_are_four_empty_steps(bench: Any) -> None:
    funnel(bench, [])
    assert bench.rows(
        "select segment, step_number, persons, step_rate from marts.funnel_segments"
        " order by step_number"
    ) == [("all", n, 0, None) for n in (1, 2, 3, 4)]
    assert bench.rows("select count(*) as n, sum(persons) as p from marts.funnel_open") == [(10, 0)]


def test_bots_and_cancelled_orders_are_no_step(bench: Any) -> None:
    steps = [
        ("ann", "checkout", "2026-01-05 10:00"),
        ("ann", "cancelled order", "2026-01-05 10:10"),
        ("bot", "checkout", "2026-01-05 10:00"),
    ]
    funnel(bench, steps, bots=["bot"])
    assert bench.rows(
        "select persons from marts.funnel_open where segment_by = 'all' and entry_step_number >= 3"
        " order by entry_step_number, step_number"
    ) == [(1,), (0,), (0,)]


def test_the_open_form_is_that_of_a_search_one_by_one(bench: Any) -> None:
    """Twenty people with random steps, and a plain loop over each person's moments."""
    luck = random.Random(3)
    start = datetime(2026, 1, 2)
    steps = [
        (f"p{n}", luck.choice(NAMES), str(start + timedelta(hours=6 * luck.randrange(80))))
        for n in range(20)
        for _ in range(6)
    ]
    steps = sorted(set(steps))
    found = opened(bench, steps)
    expected = {name: [0] * (4 - place) for place, name in enumerate(NAMES)}
    for person in {who for who, _, _ in steps}:
        moments = {
            name: sorted(datetime.fromisoformat(at) for who, what, at in steps
                         if who == person and what == name)
            for name in NAMES
        }  # fmt: skip
        for place, entry in enumerate(NAMES):
            if not moments[entry]:
                continue
            first = at = moments[entry][0]
            expected[entry][0] += 1
            for further, name in enumerate(NAMES[place + 1 :], start=1):
                later = [m for m in moments[name] if m > at and m - first <= timedelta(days=7)]
                if not later:
                    break
                at = later[0]
                expected[entry][further] += 1
    assert found == expected
