"""attribution_last_touch: credits added up by day and source, revenue conserved."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from engagement.models.runner import ModelError


def credit(order: str, day: str, channel: str, revenue: str | None, **more: Any) -> dict[str, Any]:
    """An order wholly credited to one touch."""
    return {
        "order_id": order,
        "touch_number": 1,
        "order_date": day,
        "channel": channel,
        "source": "s",
        "medium": "m",
        "campaign": "(not set)",
        "is_converted": revenue is not None,
        "status": "completed",
        "credit": 1.0,
        "revenue": None if revenue is None else Decimal(revenue),
        **more,
    }


def give(bench: Any, *rows: dict[str, Any]) -> None:
    """Give the credits, and orders that they exactly share out."""
    bench.given("marts.attribution_credits", rows)
    revenue: dict[str, Decimal | None] = {}
    for row in rows:
        before = revenue.get(row["order_id"])
        revenue[row["order_id"]] = row["revenue"] if before is None else before + row["revenue"]
    bench.given(
        "marts.orders",
        [{"order_id": name, "revenue": money, "is_bot": False} for name, money in revenue.items()],
    )


def test_credits_add_up_by_day_and_source(bench: Any) -> None:
    give(
        bench,
        credit("o1", "2026-01-01", "Email", "10.00"),
        credit("o2", "2026-01-01", "Email", "20.01"),
        credit("o3", "2026-01-01", "Email", "5.00", campaign="spring"),
        credit("o4", "2026-01-02", "Email", "1.00"),
        credit("o5", "2026-01-01", "Direct", "2.00"),
    )
    bench.build("attribution_last_touch")
    assert bench.rows(
        "select order_date, channel, campaign, orders, credits, revenue, average_order_value"
        " from marts.attribution_last_touch order by order_date, channel, campaign"
    ) == [
        (date(2026, 1, 1), "Direct", "(not set)", 1, 1.0, Decimal("2.00"), 2.0),
        (date(2026, 1, 1), "Email", "(not set)", 2, 2.0, Decimal("30.01"), 15.005),
        (date(2026, 1, 1), "Email", "spring", 1, 1.0, Decimal("5.00"), 5.0),
        (date(2026, 1, 2), "Email", "(not set)", 1, 1.0, Decimal("1.00"), 1.0),
    ]


def test_the_average_is_over_orders_that_stand_and_whose_worth_is_known(bench: Any) -> None:
    give(
        bench,
        credit("o1", "2026-01-01", "Email", "10.00"),
        credit("o2", "2026-01-01", "Email", "0.00", status="cancelled"),
        credit("o3", "2026-01-01", "Email", None),
    )
    bench.build("attribution_last_touch")
    assert bench.rows(
        "select orders, credits, valued_credits, revenue, average_order_value"
        " from marts.attribution_last_touch"
    ) == [(3, 3.0, 1.0, Decimal("10.00"), 10.0)]


def test_worth_unknown_throughout_is_no_revenue(bench: Any) -> None:
    give(bench, credit("o1", "2026-01-01", "Email", None))
    bench.build("attribution_last_touch")
    assert bench.rows(
        "select orders, revenue, average_order_value from marts.attribution_last_touch"
    ) == [(1, Decimal("0.00"), None)]


def test_shares_of_an_order_add_up_to_it(bench: Any) -> None:
    give(
        bench,
        credit("o1", "2026-01-01", "Email", "4.00", credit=0.4),
        credit("o1", "2026-01-01", "Email", "6.00", credit=0.6, touch_number=2),
    )
    bench.build("attribution_last_touch")
    assert bench.rows("select orders, credits, revenue from marts.attribution_last_touch") == [
        (1, 1.0, Decimal("10.00"))
    ]


def test_revenue_that_is_lost_on_the_way_stops_the_table(bench: Any) -> None:
    bench.given("marts.attribution_credits", [credit("o1", "2026-01-01", "Email", "9.99")])
    bench.given("marts.orders", [{"order_id": "o1", "revenue": Decimal("10.00"), "is_bot": False}])
    with pytest.raises(ModelError, match="revenue is that of the orders"):
        bench.build("attribution_last_touch")
