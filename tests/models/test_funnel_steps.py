"""funnel_steps: persons, rates and medians per step, from journeys given by hand."""

from __future__ import annotations

from typing import Any

SECOND = 1000


def person(name: str, *milliseconds: int, is_open: bool = False) -> dict[str, Any]:
    """A journey that took one more step per time given."""
    add, checkout, order = (*milliseconds, None, None, None)[:3]
    return {
        "person_id": name,
        "steps_reached": 1 + len(milliseconds),
        "is_open": is_open,
        "milliseconds_to_add": add,
        "milliseconds_to_checkout": checkout,
        "milliseconds_to_order": order,
    }


def steps(bench: Any, columns: str, *people: dict[str, Any]) -> list[tuple[Any, ...]]:
    bench.given("marts.funnel_journeys", people)
    bench.build("funnel_steps")
    return bench.rows(f"select {columns} from marts.funnel_steps order by step_number")


def test_who_reached_a_step_is_counted_at_all_steps_before_it(bench: Any) -> None:
    rows = steps(
        bench,
        "step_number, step, persons, previous_persons, step_rate, first_persons, overall_rate,"
        " persons_lost",
        person("ann", 1, 1, 1),
        person("bob", 1, 1),
        person("cyd", 1),
        person("dan"),
        person("eva"),
        person("fay"),
    )
    # 3 of 6 add, 2 of these 3 check out, 1 of these 2 orders; of all six, 1 in 6 orders.
    assert rows == [
        (1, "view", 6, None, None, 6, 1.0, None),
        (2, "add", 3, 6, 0.5, 6, 0.5, 3),
        (3, "checkout", 2, 3, 0.6667, 6, 0.3333, 1),
        (4, "order", 1, 2, 0.5, 6, 0.1667, 1),
    ]


def test_the_median_of_an_odd_number_is_the_middle_one(bench: Any) -> None:
    rows = steps(
        bench,
        "median_seconds_from_previous",
        person("ann", 900 * SECOND),
        person("bob", 10 * SECOND),
        person("cyd", 20 * SECOND),
    )
    assert rows == [(None,), (20.0,), (None,), (None,)]


def test_the_median_of_an_even_number_is_midway_between_the_middle_two(bench: Any) -> None:
    rows = steps(
        bench,
        "median_seconds_from_previous",
        person("ann", 10 * SECOND, 1 * SECOND),
        person("bob", 21 * SECOND, 2 * SECOND),
        person("cyd", 30 * SECOND),
        person("dan", 900 * SECOND),
    )
    # 10, 21, 30, 900: (21 + 30) / 2; 1, 2: 1.5.
    assert rows == [(None,), (25.5,), (1.5,), (None,)]


def test_equal_times_and_a_single_one(bench: Any) -> None:
    rows = steps(
        bench,
        "median_seconds_from_previous",
        person("ann", 5 * SECOND, 7 * SECOND),
        person("bob", 5 * SECOND),
        person("cyd", 5 * SECOND),
        person("dan", 5 * SECOND),
    )
    assert rows == [(None,), (5.0,), (7.0,), (None,)]


def test_who_may_still_go_further_is_waiting(bench: Any) -> None:
    rows = steps(
        bench,
        "step, persons, persons_waiting",
        person("ann", 1, 1, 1, is_open=True),
        person("bob", 1, is_open=True),
        person("cyd", 1),
        person("dan", is_open=True),
    )
    assert rows == [("view", 4, 1), ("add", 3, 1), ("checkout", 1, 0), ("order", 1, 0)]


def test_without_journeys_every_step_is_zero(bench: Any) -> None:
    rows = steps(bench, "step, persons, step_rate, overall_rate, median_seconds_from_previous")
    assert rows == [
        ("view", 0, None, None, None),
        ("add", 0, None, None, None),
        ("checkout", 0, None, None, None),
        ("order", 0, None, None, None),
    ]
