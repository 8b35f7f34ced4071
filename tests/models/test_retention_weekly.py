"""retention_weekly: cohorts by ISO week, whole cohorts below the line, immature cells empty."""

from __future__ import annotations

from datetime import date
from typing import Any

# Mondays of January 2026: 5, 12, 19, 26. The 31st is a Saturday: its week has not ended.


def cells(bench: Any, *active: tuple[str, str], bots: tuple[str, ...] = ()) -> dict[Any, Any]:
    """Build from (person, day) pairs; cells by cohort's day of January and week number."""
    bench.given(
        "marts.session_events",
        [
            {
                "id": f"e{number}",
                "received_at_utc_date": day,
                "person_id": person,
                "timestamp": f"{day} 10:00",
                "event_date": day,
                "is_bot": person in bots,
            }
            for number, (person, day) in enumerate(active)
        ],
    )
    bench.build("retention_weekly")
    rows = bench.rows(
        "select cohort_week, week_number, cohort_persons, retained_persons, retention_rate"
        " from marts.retention_weekly order by cohort_week, week_number"
    )
    return {(cohort.isoformat()[5:], week): tuple(rest) for cohort, week, *rest in rows}


def test_the_denominator_is_the_cohort_in_every_week(make_bench: Any) -> None:
    found = cells(
        make_bench("2026-01-25"),
        ("ann", "2026-01-05"),
        ("bob", "2026-01-11"),
        ("cyd", "2026-01-07"),
        ("ann", "2026-01-12"),
        ("bob", "2026-01-13"),
        ("ann", "2026-01-25"),
    )
    # Two of three come back in the first week, one in the second: of three, not of two.
    assert found["01-05", 0] == (3, 3, 1.0)
    assert found["01-05", 1] == (3, 2, 0.6667)
    assert found["01-05", 2] == (3, 1, 0.3333)


def test_weeks_start_on_monday_and_cross_the_year(make_bench: Any) -> None:
    bench = make_bench("2026-01-04")
    found = cells(bench, ("ann", "2025-12-29"), ("bob", "2026-01-04"))
    assert found == {("12-29", 0): (2, 2, 1.0)}


def test_cells_are_empty_until_their_week_has_wholly_ended(make_bench: Any) -> None:
    active = (("ann", "2026-01-19"), ("ann", "2026-01-26"))
    on_saturday = cells(make_bench("2026-01-31"), *active)
    assert on_saturday["01-19", 1] == (1, None, None)
    on_sunday = cells(make_bench("2026-02-01"), *active)
    assert on_sunday["01-19", 1] == (1, 1, 1.0)


def test_the_future_of_young_cohorts_is_empty_not_zero(make_bench: Any) -> None:
    found = cells(
        make_bench("2026-01-25"),
        ("ann", "2026-01-05"),
        ("bob", "2026-01-12"),
        ("cyd", "2026-01-19"),
    )
    assert found == {
        ("01-05", 0): (1, 1, 1.0),
        ("01-05", 1): (1, 0, 0.0),
        ("01-05", 2): (1, 0, 0.0),
        ("01-12", 0): (1, 1, 1.0),
        ("01-12", 1): (1, 0, 0.0),
        ("01-12", 2): (1, None, None),
        ("01-19", 0): (1, 1, 1.0),
        ("01-19", 1): (1, None, None),
        ("01-19", 2): (1, None, None),
    }


def test_a_cohort_still_growing_has_no_cell_yet(make_bench: Any) -> None:
    assert cells(make_bench("2026-01-20"), ("ann", "2026-01-19")) == {("01-19", 0): (1, None, None)}


def test_a_week_without_new_persons_is_a_cohort_of_zero(make_bench: Any) -> None:
    found = cells(make_bench("2026-01-25"), ("ann", "2026-01-05"), ("bob", "2026-01-19"))
    assert found["01-12", 0] == (0, 0, None)
    assert found["01-12", 1] == (0, 0, None)
    assert found["01-12", 2] == (0, None, None)


def test_a_person_who_skips_a_week_is_back_in_the_next(make_bench: Any) -> None:
    found = cells(make_bench("2026-01-25"), ("ann", "2026-01-05"), ("ann", "2026-01-20"))
    assert [found["01-05", week][1] for week in range(3)] == [1, 0, 1]


def test_many_events_of_a_week_are_one_person(make_bench: Any) -> None:
    found = cells(
        make_bench("2026-01-18"),
        ("ann", "2026-01-05"),
        ("ann", "2026-01-06"),
        ("ann", "2026-01-12"),
        ("ann", "2026-01-14"),
    )
    assert found["01-05", 1] == (1, 1, 1.0)


def test_bots_are_left_out(make_bench: Any) -> None:
    found = cells(
        make_bench("2026-01-11"), ("ann", "2026-01-05"), ("bot", "2026-01-05"), bots=("bot",)
    )
    assert found == {("01-05", 0): (1, 1, 1.0)}


def test_a_clock_that_runs_ahead_counts_on_the_as_of_date(make_bench: Any) -> None:
    # Received by Sunday the 11th, dated Monday the 12th: it is Sunday's.
    assert cells(make_bench("2026-01-11"), ("ann", "2026-01-12")) == {("01-05", 0): (1, 1, 1.0)}


def test_the_week_looked_at_and_its_maturity(make_bench: Any) -> None:
    bench = make_bench("2026-01-25")
    cells(bench, ("ann", "2026-01-05"), ("bob", "2026-01-19"))
    rows = bench.rows(
        "select week, is_mature from marts.retention_weekly"
        " where cohort_week = date '2026-01-19' order by week_number"
    )
    assert rows == [
        (date(2026, 1, 19), True),
        (date(2026, 1, 26), False),
        (date(2026, 2, 2), False),
    ]


def test_nobody_gives_no_cell(make_bench: Any) -> None:
    assert cells(make_bench("2026-01-25")) == {}
