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
        "credit": Decimal(1),
        "revenue": None if revenue is None else Decimal(revenue),
        "net_revenue": None if revenue is None else Decimal(revenue),
        **more,
    }


def give(bench: Any, *rows: dict[str, Any], channels: dict[str, Any] | None = None) -> None:
    """Give the credits, orders that they exactly share out, and the same by channel."""
    bench.given("marts.attribution_credits", rows)
    orders: dict[str, dict[str, Any]] = {}
    for row in rows:
        money = {key: row[key] for key in ("revenue", "net_revenue")}
        same = orders.setdefault(
            row["order_id"],
            {"order_id": row["order_id"], "status": row["status"], "is_bot": False}
            | dict.fromkeys(money),
        )
        for key, value in money.items():
            if value is not None:
                same[key] = (same[key] or 0) + value
    bench.given("marts.orders", [*orders.values()])
    sums = {
        key: sum(order[key] or 0 for order in orders.values()) for key in ("revenue", "net_revenue")
    }
    bench.given(
        "marts.channel_performance",
        [{"channel": "Email", "orders": len(orders), **sums, **(channels or {})}],
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


def test_the_average_is_over_orders_whose_worth_is_known(bench: Any) -> None:
    """And of revenue, whatever was refunded."""
    give(
        bench,
        credit("o1", "2026-01-01", "Email", "10.00"),
        credit("o2", "2026-01-01", "Email", "6.00", status="refunded", net_revenue=Decimal(0)),
        credit("o3", "2026-01-01", "Email", None),
    )
    bench.build("attribution_last_touch")
    assert bench.rows(
        "select orders, credits, valued_credits, revenue, net_revenue, average_order_value"
        " from marts.attribution_last_touch"
    ) == [(3, 3.0, 2.0, Decimal("16.00"), Decimal("10.00"), 8.0)]


def test_worth_unknown_throughout_is_no_revenue(bench: Any) -> None:
    give(bench, credit("o1", "2026-01-01", "Email", None))
    bench.build("attribution_last_touch")
    assert bench.rows(
        "select orders, revenue, average_order_value from marts.attribution_last_touch"
    ) == [(1, Decimal("0.00"), None)]


def test_shares_of_an_order_add_up_to_it(bench: Any) -> None:
    give(
        bench,
        credit("o1", "2026-01-01", "Email", "4.00", credit=Decimal("0.400000")),
        credit("o1", "2026-01-01", "Email", "6.00", credit=Decimal("0.600000"), touch_number=2),
    )
    bench.build("attribution_last_touch")
    assert bench.rows("select orders, credits, revenue from marts.attribution_last_touch") == [
        (1, 1.0, Decimal("10.00"))
    ]


@pytest.mark.parametrize("money", ["revenue", "net_revenue"])
def test_money_that_is_lost_on_the_way_stops_the_table(bench: Any, money: str) -> None:
    lost = credit("o1", "2026-01-01", "Email", "10.00")
    give(bench, lost)
    bench.given("marts.attribution_credits", [lost | {money: Decimal("9.99")}])
    with pytest.raises(ModelError, match="credits and money are those of the orders"):
        bench.build("attribution_last_touch")


@pytest.mark.parametrize(
    "other", [{"revenue": Decimal("9.99")}, {"net_revenue": Decimal("9.99")}, {"orders": 2}]
)
def test_channels_with_another_total_stop_the_table(bench: Any, other: dict[str, Any]) -> None:
    give(bench, credit("o1", "2026-01-01", "Email", "10.00"), channels=other)
    with pytest.raises(ModelError, match="channels and attribution agree in total"):
        bench.build("attribution_last_touch")
