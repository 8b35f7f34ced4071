"""attribution_credits: which touch of its journey an order is credited to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

Row = dict[str, Any]


def touch(order: str, number: int, channel: str, **more: Any) -> Row:
    """A touch of an order's journey, of the session ``s<number>``."""
    direct = channel == "Direct"
    return {
        "order_id": order,
        "touch_number": number,
        "touches": number,
        "session_id": f"s{number}",
        "session_touch_number": 0 if direct else 1,
        "channel": channel,
        "source": "(direct)" if direct else channel.lower(),
        "medium": "(none)" if direct else "test",
        "is_direct": direct,
        "milliseconds_to_order": 2500,
        **more,
    }


def order(name: str, revenue: str | None = "10.00", **more: Any) -> Row:
    """An order of 2026-01-02; without revenue, its worth is not known."""
    money = None if revenue is None else Decimal(revenue)
    return {
        "order_id": name,
        "person_id": "ann",
        "ordered_at": "2026-01-02 10:00",
        "order_date": "2026-01-02",
        "is_converted": revenue is not None,
        "status": "completed",
        "revenue": money,
        "net_revenue": money,
        "is_bot": False,
        **more,
    }


def credited(bench: Any, touches: list[Row], orders: list[Row]) -> list[tuple[Any, ...]]:
    """Build, and give (order, number of the credited touch, channel)."""
    bench.given("marts.attribution_journeys", touches)
    bench.given("marts.orders", orders)
    bench.build("attribution_credits")
    return bench.rows(
        "select order_id, touch_number, channel from marts.attribution_credits order by order_id"
    )


@pytest.mark.parametrize(
    ("channels", "number"),
    [
        (["Email", "Paid Search", "Direct"], 2),
        (["Email", "Referral"], 2),
        (["Email", "Direct", "Direct"], 1),
        (["Direct", "Direct"], 2),
    ],
)
def test_the_last_touch_that_was_not_direct_takes_all(
    bench: Any, channels: list[str], number: int
) -> None:
    touches = [touch("o1", n, channel) for n, channel in enumerate(channels, 1)]
    assert credited(bench, touches, [order("o1")]) == [("o1", number, channels[number - 1])]


def test_an_order_without_any_touch_is_directs(bench: Any) -> None:
    credited(bench, [], [order("o1")])
    assert bench.rows(
        "select touch_number, session_id, channel, source, medium, campaign, is_direct, touches,"
        " credit, revenue, milliseconds_to_order from marts.attribution_credits"
    ) == [
        (
            0, None, "Direct", "(direct)", "(none)", "(not set)", True, 0,
            Decimal("1.000000"), Decimal("10.00"), None,
        )
    ]  # fmt: skip


def test_what_the_touch_says_goes_with_it(bench: Any) -> None:
    touches = [
        touch("o1", 1, "Email", touches=2, campaign="spring"),
        touch("o1", 2, "Direct", touches=2),
        touch("o2", 1, "Email"),
    ]
    credited(bench, touches, [order("o1"), order("o2")])
    assert bench.rows(
        "select order_id, session_id, source, medium, campaign, is_direct, touches,"
        " milliseconds_to_order from marts.attribution_credits order by order_id"
    ) == [
        ("o1", "s1", "email", "test", "spring", False, 2, 2500),
        ("o2", "s1", "email", "test", "(not set)", False, 1, 2500),
    ]


def test_every_order_that_stands_is_credited_once_with_its_money(bench: Any) -> None:
    """Refunded ones stand; a cancelled one gets nothing; one of unknown worth has no money."""
    refunded = {"status": "refunded", "net_revenue": Decimal("0.00")}
    partly = {"status": "partially_refunded", "net_revenue": Decimal("12.34")}
    orders = [
        order("o1", "0.00", status="cancelled"),
        order("o2", None),
        order("o3", "19.99"),
        order("o4", "30.00", **refunded),
        order("o5", "30.00", **partly),
        order("o6", "9.00", is_bot=True),
    ]
    credited(bench, [touch("o3", 1, "Email"), touch("o4", 1, "Email")], orders)
    assert bench.rows(
        "select order_id, credit, revenue, net_revenue from marts.attribution_credits"
        " order by order_id"
    ) == [
        ("o2", 1, None, None),
        ("o3", 1, Decimal("19.99"), Decimal("19.99")),
        ("o4", 1, Decimal("30.00"), Decimal("0.00")),
        ("o5", 1, Decimal("30.00"), Decimal("12.34")),
    ]


def test_a_clock_that_runs_ahead_counts_on_the_as_of_date(make_bench: Any) -> None:
    bench = make_bench("2026-01-01")
    credited(bench, [], [order("o1")])
    rows = bench.rows("select cast(order_date as varchar) from marts.attribution_credits")
    assert rows == [("2026-01-01",)]


def test_without_orders_there_is_nothing_to_credit(bench: Any) -> None:
    assert credited(bench, [], []) == []
