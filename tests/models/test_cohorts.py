"""cohort_cells, retention_daily, retention_monthly, cohort_revenue, lifecycle_weekly, person_days:
who is new when, who came back, and what they brought.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.models import shop
from tests.models.shop import event, order, refund

Rows = list[tuple[Any, ...]]


def give(bench: Any, *models: str, active: list[tuple[str, str]], **of: Any) -> None:
    """A shop of (person, day) pairs; a day is of January, or whole."""
    events = []
    for n, (person, day) in enumerate(active):
        whole = day if len(day) > 2 else f"2026-01-{day}"
        one = event(f"e{n}", person, "01 10:00", is_bot=person == "bot")
        one |= {"event_date": whole, "timestamp": f"{whole} 10:00", "received_at_utc_date": whole}
        events.append(one)
    shop.give(bench, "person_days", "cohort_cells", *models, events=events, **of)


def test_days_of_people_are_counted_once_with_their_events(make_bench: Any) -> None:
    bench = make_bench("2026-01-03")
    give(bench, active=[("ann", "01"), ("ann", "01"), ("bot", "01"), ("ann", "05"), ("bob", "02")])
    assert bench.rows(
        "select person_id, extract(day from day) as n, events from marts.person_days"
        " order by person_id, day"
    ) == [("ann", 1, 2), ("ann", 3, 1), ("bob", 2, 1)]


def test_retention_by_day(make_bench: Any) -> None:
    """Ann and Bob are new on the 1st, Cyd on the 2nd. Ann is back on the 2nd and 3rd, Bob on the
    3rd, Cyd never. The data ends with the 3rd: Cyd's day 2 has not been.
    """
    bench = make_bench("2026-01-03")
    active = [
        *(("ann", d) for d in ("01", "02", "03")),
        ("bob", "01"),
        ("bob", "03"),
        ("cyd", "02"),
    ]
    give(bench, "retention_daily", active=active)
    assert bench.rows(
        "select extract(day from cohort_day) as c, day_number, is_mature, cohort_persons,"
        " retained_persons, retention_rate from marts.retention_daily"
        " where not is_identified order by cohort_day, day_number"
    ) == [
        (1, 0, True, 2, 2, 1.0),
        (1, 1, True, 2, 1, 0.5),
        (1, 2, True, 2, 2, 1.0),
        (2, 0, True, 1, 1, 1.0),
        (2, 1, True, 1, 0, 0.0),
        (2, 2, False, 1, None, None),
        (3, 0, True, 0, 0, None),
        (3, 1, False, 0, None, None),
        (3, 2, False, 0, None, None),
    ]


def test_retention_by_month_holds_immature_cells_empty(make_bench: Any) -> None:
    """January has ended, February has not, though Ann has been there."""
    bench = make_bench("2026-02-15")
    active = [("ann", "05"), ("bob", "20"), ("ann", "2026-02-03"), ("cyd", "2026-02-04")]
    profiles = [{"person_id": "bob", "is_identified": True}]
    give(bench, "retention_monthly", active=active, profiles=profiles)
    assert bench.rows(
        "select extract(month from cohort_month) as c, is_identified, month_number,"
        " cohort_persons, retained_persons from marts.retention_monthly"
        " order by cohort_month, is_identified, month_number"
    ) == [
        (1, False, 0, 1, 1),
        (1, False, 1, 1, None),
        (1, True, 0, 1, 1),
        (1, True, 1, 1, None),
        (2, False, 0, 1, None),
        (2, False, 1, 1, None),
        (2, True, 0, 0, None),
        (2, True, 1, 0, None),
    ]


def test_the_day_under_way_is_immature(make_bench: Any) -> None:
    """As of noon of the 2nd: the 1st is whole, the 2nd is not."""
    bench = make_bench("2026-01-02 12:00")
    give(bench, "retention_daily", active=[("ann", "01"), ("ann", "02")])
    assert bench.rows(
        "select day_number, is_mature, retained_persons from marts.retention_daily"
        " where not is_identified and cohort_day = date '2026-01-01' order by day_number"
    ) == [(0, True, 1), (1, False, None)]


def test_days_go_up_to_90_and_wild_dates_add_one_cohort(make_bench: Any) -> None:
    bench = make_bench("2026-01-31")
    give(
        bench, "retention_daily", active=[("old", "1990-05-05"), ("old", "1990-08-30"), ("a", "31")]
    )
    ((cohorts, most),) = bench.rows(
        "select count(distinct cohort_day) as c, max(day_number) as m from marts.retention_daily"
    )
    assert (cohorts, most) == (731 + 1, 90)
    assert bench.rows(
        "select day_number, retained_persons from marts.retention_daily"
        " where cohort_day = date '1990-05-05' and not is_identified and retained_persons > 0"
    ) == [(0, 1)]


def test_known_people_are_in_no_cohort(make_bench: Any) -> None:
    """Bob's account is a year older than the data."""
    bench = make_bench("2026-01-02")
    known = {"person_id": "bob", "is_identified": True, "account_created_at": "2025-01-01 00:00"}
    give(bench, "retention_daily", active=[("ann", "01"), ("bob", "01")], profiles=[known])
    assert bench.rows("select sum(cohort_persons) as p from marts.retention_daily"
                      " where day_number = 0") == [(1,)]  # fmt: skip


# --- value ----------------------------------------------------------------------------------------


def test_cohort_revenue_by_hand(make_bench: Any) -> None:
    """Ann and Bob are new on the 1st. Ann orders for 10 on the 1st and 30 on the 3rd, and then
    4 of the first order are paid back; Bob's order of the 2nd is of unknown worth. As of the 4th,
    at noon: day 3 is not whole.
    """
    bench = make_bench("2026-01-04 12:00")
    give(
        bench,
        "dashboard_entries",
        "cohort_revenue",
        active=[("ann", "01"), ("bob", "01")],
        orders=[
            order("o1", "01 11:00", None, "10.00", refunds=Decimal(4), net_revenue=Decimal(6)),
            order("o2", "03 11:00", None, "30.00"),
            order("o3", "02 11:00", None, None, person_id="bob"),
        ],
        refunds=[refund("o1", 1, "03 12:00", "4.00")],
    )
    no, ten, forty = Decimal("0.00"), Decimal("10.00"), Decimal("40.00")
    assert bench.rows(
        "select period_number, cohort_persons, buyers, orders, valued_orders, revenue, refunds,"
        " net_revenue, cumulative_orders, cumulative_revenue, cumulative_net_revenue,"
        " revenue_per_person, net_revenue_per_person from marts.cohort_revenue"
        " where period = 'day' and not is_identified and cohort_start = date '2026-01-01'"
        " order by period_number"
    ) == [
        (0, 2, 1, 1, 1, ten, no, ten, 1, ten, ten, 5.0, 5.0),
        (1, 2, 1, 1, 0, no, no, no, 2, ten, ten, 5.0, 5.0),
        (2, 2, 1, 1, 1, 30, 4, 26, 3, forty, Decimal("36.00"), 20.0, 18.0),
        (3, 2, *(None,) * 11),
    ]
    # The week and the month have not ended.
    assert bench.rows(
        "select count(revenue) as n, count(*) as cells from marts.cohort_revenue"
        " where period <> 'day'"
    ) == [(0, 4)]


def test_orders_of_known_people_and_cancelled_ones_are_no_value(make_bench: Any) -> None:
    bench = make_bench("2026-01-02")
    known = {"person_id": "bob", "is_identified": True, "account_created_at": "2025-01-01 00:00"}
    give(
        bench,
        "dashboard_entries",
        "cohort_revenue",
        active=[("ann", "01"), ("bob", "01")],
        orders=[
            shop.cancelled("o1", "01 11:00", None, "10.00"),
            order("o2", "01 11:00", None, "30.00", person_id="bob"),
        ],
        profiles=[known],
    )
    assert bench.rows(
        "select sum(orders) as o, sum(revenue) as r, sum(buyers) as b from marts.cohort_revenue"
    ) == [(0, Decimal("0.00"), 0)]


# --- life cycle -----------------------------------------------------------------------------------

# Mondays: 5, 12, 19, 26 January.


def test_life_cycle_by_hand(make_bench: Any) -> None:
    """Ann: every week but the third. Bob: the first two. Cyd: new in the second, and in the fourth,
    which ends after the as-of date.
    """
    bench = make_bench("2026-01-31")
    active = [
        *(("ann", day) for day in ("05", "12", "13", "26")),
        *(("bob", day) for day in ("06", "18")),
        *(("cyd", day) for day in ("14", "27")),
    ]
    give(bench, "lifecycle_weekly", active=active)
    assert bench.rows(
        "select extract(day from week) as w, active_persons, new_persons, retained_persons,"
        " returning_persons, previous_active_persons, churned_persons, retained_rate, churn_rate"
        " from marts.lifecycle_weekly order by week"
    ) == [
        (5, 2, 2, 0, 0, 0, 0, None, None),
        (12, 3, 1, 2, 0, 2, 0, 1.0, 0.0),
        (19, 0, 0, 0, 0, 3, 3, 0.0, 1.0),
    ]


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({}, (1, 0)),
        ({"is_identified": True, "account_created_at": "2025-01-01 00:00"}, (0, 1)),
    ],
    ids=["new", "known before"],
)
def test_who_is_not_new_and_was_not_there_is_returning(
    make_bench: Any, profile: dict[str, Any], expected: tuple[int, int]
) -> None:
    bench = make_bench("2026-02-01")
    give(
        bench,
        "lifecycle_weekly",
        active=[("ann", "12"), ("ann", "26")],
        profiles=[{"person_id": "ann", **profile}],
    )
    rows = bench.rows(
        "select new_persons, returning_persons, retained_persons, churned_persons"
        " from marts.lifecycle_weekly order by week"
    )
    assert rows == [(*expected, 0, 0), (0, 0, 0, 1), (0, 1, 0, 0)]


def test_after_a_week_of_a_wild_date_its_people_have_churned(make_bench: Any) -> None:
    bench = make_bench("2026-02-01")
    give(bench, "lifecycle_weekly", active=[("old", "1990-05-07"), ("ann", "12")])
    rows = bench.rows(
        "select cast(week as varchar) as w, active_persons, churned_persons"
        " from marts.lifecycle_weekly where active_persons > 0 or churned_persons > 0 order by w"
    )
    assert rows == [
        ("1990-05-07", 1, 0),
        ("1990-05-14", 0, 1),
        ("2026-01-12", 1, 0),
        ("2026-01-19", 0, 1),
    ]
