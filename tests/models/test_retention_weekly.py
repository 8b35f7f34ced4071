"""retention_weekly: cohorts by ISO week, whole cohorts below the line, immature cells empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

# Mondays of January 2026: 5, 12, 19, 26. The 31st is a Saturday: its week has not ended.


def give(
    bench: Any,
    active: Sequence[tuple[str, str]],
    *,
    bots: Sequence[str] = (),
    users: Mapping[str, str | None] | None = None,
) -> None:
    """Build from (person, day) pairs; ``users`` are identified, with their accounts' creation."""
    events = [
        {
            "id": f"e{number}",
            "received_at_utc_date": day,
            "person_id": person,
            "timestamp": f"{day} 10:00",
            "event_date": day,
            "is_bot": person in bots,
        }
        for number, (person, day) in enumerate(active)
    ]
    bench.given("marts.session_events", events)
    bench.given(
        "marts.person_events",
        [{key: event[key] for key in ("id", "person_id", "timestamp")} for event in events],
    )
    bench.given(
        "marts.profiles",
        [
            {"person_id": person, "is_identified": True, "account_created_at": created}
            for person, created in (users or {}).items()
        ],
    )
    bench.build("arrivals", "person_days", "cohort_cells", "retention_weekly")


def cells(bench: Any, *active: tuple[str, str], bots: tuple[str, ...] = ()) -> dict[Any, Any]:
    """Cells of guests, by the cohort's day and the week number; nobody is identified."""
    give(bench, active, bots=bots)
    rows = bench.rows(
        "select cohort_week, week_number, cohort_persons, retained_persons, retention_rate"
        " from marts.retention_weekly where not is_identified order by cohort_week, week_number"
    )
    nobody = bench.rows(
        "select sum(cohort_persons) as persons from marts.retention_weekly where is_identified"
    )
    assert nobody in ([(0,)], [(None,)])
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


def test_identified_people_and_guests_are_apart(make_bench: Any) -> None:
    # Ann and Bob have accounts, created in their first visits; Cyd and Dan are guests. Ann and Cyd
    # come back: one of two, and one of two; of everyone two of four.
    bench = make_bench("2026-01-18")
    active = [(name, "2026-01-06") for name in ("ann", "bob", "cyd", "dan")]
    give(
        bench,
        [*active, ("ann", "2026-01-12"), ("cyd", "2026-01-18")],
        users={"ann": "2026-01-06 10:05", "bob": None},
    )
    rows = bench.rows(
        "select is_identified, week_number, cohort_persons, retained_persons, retention_rate"
        " from marts.retention_weekly where cohort_week = date '2026-01-05'"
        " order by is_identified, week_number"
    )
    assert rows == [
        (False, 0, 2, 2, 1.0),
        (False, 1, 2, 1, 0.5),
        (True, 0, 2, 2, 1.0),
        (True, 1, 2, 1, 0.5),
    ]


def test_people_known_before_are_in_no_cohort(make_bench: Any) -> None:
    # Ann's account is older than the data; the week of her first event is there all the same.
    bench = make_bench("2026-01-18")
    active = [("ann", "2026-01-06"), ("ann", "2026-01-12"), ("bob", "2026-01-13")]
    give(bench, active, users={"ann": "2025-06-01 12:00"})
    rows = bench.rows(
        "select cohort_week, week_number, sum(cohort_persons) as persons,"
        " sum(retained_persons) as retained from marts.retention_weekly"
        " group by cohort_week, week_number order by cohort_week, week_number"
    )
    assert rows == [
        (date(2026, 1, 5), 0, 0, 0),
        (date(2026, 1, 5), 1, 0, 0),
        (date(2026, 1, 12), 0, 1, 1),
        (date(2026, 1, 12), 1, 1, None),
    ]


def test_cohorts_of_the_landings_first_days_are_not_settled(make_bench: Any) -> None:
    # Received from Tuesday, 6 January: settled on the 20th. The week of the 19th began before.
    bench = make_bench("2026-01-31")
    give(bench, [("ann", "2026-01-06"), ("bob", "2026-01-27")])
    rows = bench.rows(
        "select distinct cohort_week, is_settled from marts.retention_weekly order by cohort_week"
    )
    assert [settled for _, settled in rows] == [False, False, False, True]
    # From Monday the 5th: the 19th is the first day that counts.
    give(bench, [("ann", "2026-01-05"), ("bob", "2026-01-27")])
    rows = bench.rows(
        "select distinct cohort_week, is_settled from marts.retention_weekly order by cohort_week"
    )
    assert [settled for _, settled in rows] == [False, False, True, True]


def test_a_sunday_that_is_not_over_leaves_its_week_immature(make_bench: Any) -> None:
    active = (("ann", "2026-01-05"), ("ann", "2026-01-18"))
    found = cells(make_bench("2026-01-18 12:00"), *active)
    assert found["01-05", 0] == (1, 1, 1.0)
    assert found["01-05", 1] == (1, None, None)


def test_an_event_with_a_wild_date_adds_a_cohort_not_thousands(make_bench: Any) -> None:
    bench = make_bench("2026-01-18")
    give(bench, [("ann", "0001-01-01"), ("ann", "2026-01-12"), ("bob", "2026-01-12")])
    rows = bench.rows(
        "select count(distinct cohort_week) as cohorts, min(cohort_week) as first_week,"
        " max(week_number) as weeks from marts.retention_weekly"
    )
    assert rows == [(522, date(1, 1, 1), 520)]


def test_the_week_looked_at_and_its_maturity(make_bench: Any) -> None:
    bench = make_bench("2026-01-25")
    cells(bench, ("ann", "2026-01-05"), ("bob", "2026-01-19"))
    rows = bench.rows(
        "select week, is_mature from marts.retention_weekly"
        " where cohort_week = date '2026-01-19' and is_identified order by week_number"
    )
    assert rows == [
        (date(2026, 1, 19), True),
        (date(2026, 1, 26), False),
        (date(2026, 2, 2), False),
    ]


def test_nobody_gives_no_cell(make_bench: Any) -> None:
    assert cells(make_bench("2026-01-25")) == {}
