"""funnel_journeys: how far a person came, in one attempt, strictly in order, within the window."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

CONCEPTS = {
    "view": "sources.product_viewed",
    "add": "sources.product_added",
    "checkout": "sources.checkout_started",
}
Step = tuple[str, str, str]


def give(bench: Any, steps: Sequence[Step], *, bots: Sequence[str] = ()) -> None:
    """Give the bench steps: (person, what, when)."""
    ids = {step: f"e{number}" for number, step in enumerate(steps)}
    for concept, source in CONCEPTS.items():
        bench.given(
            source,
            [{"id": ids[step], "timestamp": step[2]} for step in steps if step[1] == concept],
        )
    bench.given(
        "marts.session_events",
        [
            {
                "id": ids[step],
                "received_at_utc_date": step[2][:10],
                "person_id": step[0],
                "timestamp": step[2],
                "is_bot": step[0] in bots,
            }
            for step in steps
            if not step[1].endswith("order")
        ],
    )
    bench.given(
        "marts.orders",
        [
            {
                "order_id": ids[step],
                "person_id": step[0],
                "status": "cancelled" if step[1] == "cancelled order" else "completed",
                "ordered_at": step[2],
                "is_bot": step[0] in bots,
            }
            for step in steps
            if step[1].endswith("order")
        ],
    )


def journeys(bench: Any, steps: Sequence[Step], **more: Any) -> list[tuple[Any, ...]]:
    give(bench, steps, **more)
    bench.build("funnel_events", "funnel_journeys")
    return bench.rows(
        "select person_id, steps_reached, view_at, add_at, checkout_at, order_at"
        " from marts.funnel_journeys order by person_id"
    )


def ann(*steps: tuple[str, str]) -> list[Step]:
    return [("ann", what, f"2026-01-{when}") for what, when in steps]


def at(when: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-{when}")


def test_all_four_steps(bench: Any) -> None:
    steps = ann(
        ("view", "01 10:00"), ("add", "01 10:05"), ("checkout", "01 11:00"), ("order", "02 09:00")
    )
    assert journeys(bench, steps) == [
        ("ann", 4, at("01 10:00"), at("01 10:05"), at("01 11:00"), at("02 09:00"))
    ]


def test_steps_out_of_order_do_not_count(bench: Any) -> None:
    # The add came before the only view; the checkout has no add between the view and itself.
    steps = ann(("add", "01 09:00"), ("view", "01 10:00"), ("checkout", "01 11:00"))
    assert journeys(bench, steps) == [("ann", 1, at("01 10:00"), None, None, None)]


def test_the_same_moment_is_not_later(bench: Any) -> None:
    steps = ann(("view", "01 10:00"), ("add", "01 10:00"))
    assert journeys(bench, steps) == [("ann", 1, at("01 10:00"), None, None, None)]


def test_a_later_add_counts_though_one_came_at_the_same_moment(bench: Any) -> None:
    steps = ann(("view", "01 10:00"), ("add", "01 10:00"), ("add", "01 10:01"))
    assert journeys(bench, steps) == [("ann", 2, at("01 10:00"), at("01 10:01"), None, None)]


@pytest.mark.parametrize(
    ("order_at", "reached"),
    [("08 10:00:00.000", 4), ("08 10:00:00.001", 3)],
    ids=["last moment of the window", "a millisecond late"],
)
def test_the_window_counts_from_the_first_step(bench: Any, order_at: str, reached: int) -> None:
    # Seven days from 1 January, 10:00. Each step alone is less than a week after the one before.
    steps = ann(
        ("view", "01 10:00"), ("add", "03 10:00"), ("checkout", "06 10:00"), ("order", order_at)
    )
    rows = journeys(bench, steps)
    assert rows[0][1] == reached
    assert rows[0][5] == (at(order_at) if reached == 4 else None)


def test_the_window_is_a_setting(make_bench: Any) -> None:
    steps = ann(("view", "01 10:00"), ("add", "02 10:01"))
    assert journeys(make_bench(funnel__window_days=1), steps)[0][1] == 1
    assert journeys(make_bench(funnel__window_days=2), steps)[0][1] == 2


def test_a_later_view_starts_an_attempt_of_its_own(bench: Any) -> None:
    # Eighteen days after the first view nothing would count; after the second it does.
    steps = ann(("view", "01 10:00"), ("view", "19 10:00"), ("add", "19 11:00"))
    assert journeys(bench, steps) == [("ann", 2, at("19 10:00"), at("19 11:00"), None, None)]


def test_of_attempts_that_came_equally_far_the_earliest_counts(bench: Any) -> None:
    steps = ann(
        ("view", "01 10:00"), ("view", "01 10:10"), ("add", "01 10:20"), ("view", "02 10:00")
    )
    assert journeys(bench, steps) == [("ann", 2, at("01 10:00"), at("01 10:20"), None, None)]


def test_the_furthest_attempt_counts_though_it_is_a_later_one(bench: Any) -> None:
    steps = ann(
        ("view", "01 10:00"),
        ("add", "01 10:05"),
        ("view", "20 10:00"),
        ("add", "20 10:05"),
        ("checkout", "20 10:06"),
    )
    assert journeys(bench, steps) == [
        ("ann", 3, at("20 10:00"), at("20 10:05"), at("20 10:06"), None)
    ]


def test_an_order_without_a_checkout_after_the_add_does_not_count(bench: Any) -> None:
    # Checkout first, then the add, then the order: the order follows no checkout that follows it.
    steps = ann(
        ("view", "01 10:00"), ("checkout", "01 10:01"), ("add", "01 10:02"), ("order", "01 10:03")
    )
    assert journeys(bench, steps) == [("ann", 2, at("01 10:00"), at("01 10:02"), None, None)]


def test_a_cancelled_order_is_no_step(bench: Any) -> None:
    steps = ann(("view", "01 10:00"), ("add", "01 10:05"), ("checkout", "01 11:00"))
    cancelled = ("ann", "cancelled order", "2026-01-01 12:00")
    assert journeys(bench, [*steps, cancelled])[0][1] == 3
    # The next one that stands is the step, however late in the window it comes.
    kept = ("ann", "order", "2026-01-05 12:00")
    assert journeys(bench, [*steps, cancelled, kept])[0][1:] == (
        4,
        at("01 10:00"),
        at("01 10:05"),
        at("01 11:00"),
        at("05 12:00"),
    )


def test_steps_of_different_persons_do_not_mix(bench: Any) -> None:
    steps = [
        ("ann", "view", "2026-01-01 10:00"),
        ("bob", "add", "2026-01-01 10:01"),
        ("cyd", "view", "2026-01-01 10:00"),
        ("cyd", "add", "2026-01-01 10:01"),
    ]
    assert [row[:2] for row in journeys(bench, steps)] == [("ann", 1), ("cyd", 2)]


def test_bots_are_left_out(make_bench: Any) -> None:
    steps = [("bot", "view", "2026-01-01 10:00"), ("ann", "view", "2026-01-01 10:00")]
    assert [row[0] for row in journeys(make_bench(), steps, bots=["bot"])] == ["ann"]
    everyone = journeys(make_bench(metrics__exclude_bots=False), steps, bots=["bot"])
    assert [row[0] for row in everyone] == ["ann", "bot"]


def test_times_between_steps_and_whether_the_window_is_still_open(bench: Any) -> None:
    # As of 31 January: a view at the start of the 25th has until the start of 1 February.
    give(
        bench,
        [
            ("ann", "view", "2026-01-25 00:00"),
            ("ann", "add", "2026-01-25 00:00:01.500"),
            ("bob", "view", "2026-01-24 23:59"),
        ],
    )
    bench.build("funnel_events", "funnel_journeys")
    rows = bench.rows(
        "select person_id, is_open, milliseconds_to_add, milliseconds_to_checkout"
        " from marts.funnel_journeys order by person_id"
    )
    assert rows == [("ann", True, 1500, None), ("bob", False, None, None)]


def test_windows_count_back_from_the_newest_event(make_bench: Any) -> None:
    # The newest event came at noon: a week before it, to the millisecond, is still open.
    bench = make_bench("2026-01-31 12:00")
    views = [("ann", "2026-01-24 12:00"), ("bob", "2026-01-24 11:59:59.999")]
    give(bench, [(person, "view", at) for person, at in views])
    bench.build("funnel_events", "funnel_journeys")
    rows = bench.rows("select person_id, is_open from marts.funnel_journeys order by person_id")
    assert rows == [("ann", True), ("bob", False)]


def test_the_same_id_on_another_received_date_is_another_event(bench: Any) -> None:
    # A copy delivered beyond the window for duplicates is an event of its own.
    views = [
        {"id": "e1", "timestamp": "2026-01-01 10:00", "received_at_utc_date": "2026-01-01"},
        {"id": "e1", "timestamp": "2026-01-12 10:00", "received_at_utc_date": "2026-01-12"},
    ]
    give(bench, [])
    bench.given("sources.product_viewed", views)
    bench.given(
        "marts.session_events", [{**view, "person_id": "ann", "is_bot": False} for view in views]
    )
    bench.build("funnel_events", "funnel_journeys")
    assert bench.rows("select person_id, view_at from marts.funnel_journeys") == [
        ("ann", at("01 10:00"))
    ]


def test_without_views_there_is_nobody(bench: Any) -> None:
    assert journeys(bench, []) == []


def _by_trying_everything(steps: dict[str, list[datetime]], window: timedelta) -> tuple[Any, ...]:
    """A person's journey, found by trying each view with each add, checkout and order."""
    attempts = []
    for view in steps["view"]:
        end = view + window
        chains: list[tuple[datetime, ...]] = [(view,)]
        for what in ("add", "checkout", "order"):
            chains += [
                (*chain, when)
                for chain in chains
                if len(chain) == ["view", "add", "checkout", "order"].index(what)
                for when in steps[what]
                if chain[-1] < when <= end
            ]
        furthest = max(len(chain) for chain in chains)
        attempts.append(min(chain for chain in chains if len(chain) == furthest))
    best = max(len(attempt) for attempt in attempts)
    chosen = min(attempt for attempt in attempts if len(attempt) == best)
    return best, *chosen, *[None] * (4 - len(chosen))


def test_two_hundred_made_up_persons_as_found_by_trying_everything(make_bench: Any) -> None:
    # Whole hours of three days and a window of one, so that ties and window ends are frequent.
    chance = random.Random(20260105)
    start = datetime.fromisoformat("2026-01-05")
    made_up: list[Step] = []
    expected = {}
    for number in range(200):
        person = f"p{number:03}"
        steps: dict[str, list[datetime]] = {"view": [], "add": [], "checkout": [], "order": []}
        for _ in range(chance.randint(1, 9)):
            what = chance.choice(list(steps))
            when = start + timedelta(hours=chance.randint(0, 60))
            if when not in steps[what]:
                steps[what].append(when)
                made_up.append((person, what, when.isoformat(sep=" ")))
        if steps["view"]:
            expected[person] = _by_trying_everything(steps, timedelta(days=1))
    found = journeys(make_bench(funnel__window_days=1), made_up)
    assert {row[0]: row[1:] for row in found} == expected
    assert {row[1] for row in found} == {1, 2, 3, 4}
