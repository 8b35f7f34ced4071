"""channel_performance: sessions and what came of them, by the session's channel."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engagement.models.runner import ModelError


def session(name: str, day: str, channel: str, **more: Any) -> dict[str, Any]:
    engaged = more.get("is_engaged", False)
    return {
        "session_id": name,
        "person_id": f"p-{name}",
        "session_date": f"2026-01-{day}",
        "channel": channel,
        "is_engaged": engaged,
        "is_bounce": not engaged,
        "is_bot": False,
        "orders": 0,
        **more,
    }


def order(
    name: str, day: str, session_id: str | None, revenue: str | None, **more: Any
) -> dict[str, Any]:
    """An order of two units with goods of its revenue; without that, of unknown worth."""
    known = revenue is not None
    worth, none = (Decimal(revenue), Decimal(0)) if known else (None, None)
    return {
        "order_id": name,
        "person_id": "ann",
        "session_id": session_id,
        "order_date": f"2026-01-{day}",
        "is_converted": known,
        "status": "completed",
        "units": 2,
        "item_sales": worth,
        "discount": none,
        "items_difference": none,
        "revenue": worth,
        "refunds": none,
        "net_revenue": worth,
        "cancelled_revenue": none,
        "tax": none,
        "shipping": none,
        "order_total": worth,
        "is_bot": False,
        **more,
    }


def refund(name: str, number: int, day: str, amount: str | None) -> dict[str, Any]:
    """A refund; its person and session say nothing here, those of its order count."""
    return {
        "order_id": name,
        "refund_number": number,
        "session_id": "of the refund",
        "refund_date": f"2026-01-{day}",
        "is_bot": False,
        "refunds": None if amount is None else Decimal(amount),
    }


def channels(
    bench: Any,
    columns: str,
    sessions: list[dict[str, Any]],
    orders: list[dict[str, Any]],
    refunds: list[dict[str, Any]] = [],  # noqa: B006 (never changed)
) -> list[tuple[Any, ...]]:
    """Build over the days from the first of January to the as-of date, and give the rows."""
    bench.given("marts.sessions", sessions)
    bench.given("marts.orders", orders)
    bench.given("marts.order_refunds", refunds)
    days = [f"2026-01-{n:02}" for n in range(1, bench.as_of.day + 1)] if sessions or orders else []
    bench.given("marts.daily_overview", [overview(day, days[-1], sessions, orders) for day in days])
    bench.build("dashboard_entries", "channel_performance")
    return bench.rows(
        f"select extract(day from day) as n, channel, {columns}"
        " from marts.channel_performance order by day, channel"
    )


def overview(
    day: str, last: str, sessions: list[dict[str, Any]], orders: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the day's overview says: the sums that channels have to add up to."""
    visits = [s for s in sessions if min(s["session_date"], last) == day and not s["is_bot"]]
    placed = [o for o in orders if min(o["order_date"], last) == day and not o["is_bot"]]
    stand = [o for o in placed if o["status"] != "cancelled"]
    return {
        "day": day,
        "sessions": len(visits),
        "engaged_sessions": sum(s["is_engaged"] for s in visits),
        "converting_sessions": sum(s["orders"] > 0 for s in visits),
        "orders": len(stand),
        "cancelled_orders": len(placed) - len(stand),
        "units": sum(o["units"] for o in stand),
        "revenue": sum((o["revenue"] or 0 for o in stand), Decimal(0)),
    }


def test_sessions_by_channel_with_their_rates(make_bench: Any) -> None:
    rows = channels(
        make_bench("2026-01-01"),
        "sessions, users, engaged_sessions, engagement_rate, bounced_sessions, bounce_rate,"
        " converting_sessions, conversion_rate",
        [
            session("s1", "01", "Email", is_engaged=True, orders=1),
            session("s2", "01", "Email"),
            session("s3", "01", "Email", person_id="p-s2"),
            session("s4", "01", "Direct", is_engaged=True),
        ],
        [],
    )
    assert rows == [
        (1, "Direct", 1, 1, 1, 1.0, 0, 0.0, 0, 0.0),
        (1, "Email", 3, 2, 1, 0.3333, 2, 0.6667, 1, 0.3333),
    ]


def test_orders_count_for_their_session_on_their_own_day(make_bench: Any) -> None:
    """The session began before midnight, the order came after it."""
    rows = channels(
        make_bench("2026-01-02"),
        "sessions, orders, valued_orders, unvalued_orders, units, revenue, average_order_value",
        [session("s1", "01", "Email", orders=2)],
        [order("o1", "02", "s1", "10.00"), order("o2", "02", "s1", None)],
    )
    assert rows == [
        (1, "Email", 1, 0, 0, 0, 0, Decimal("0.00"), None),
        (2, "Email", 0, 2, 1, 1, 4, Decimal("10.00"), 10.0),
    ]


def test_orders_of_no_session_are_unassigned(make_bench: Any) -> None:
    """Beside those of sessions whose source is in no channel group."""
    rows = channels(
        make_bench("2026-01-01"),
        "sessions, orders, revenue",
        [session("s1", "01", "Email"), session("s2", "01", "Unassigned", orders=1)],
        [
            order("o1", "01", None, "10.00"),
            order("o2", "01", "gone", "5.00"),
            order("o3", "01", "s2", "2.00"),
        ],
    )
    assert rows == [
        (1, "Email", 1, 0, Decimal("0.00")),
        (1, "Unassigned", 1, 3, Decimal("17.00")),
    ]


def test_cancelled_orders_are_in_no_figure_but_their_own(make_bench: Any) -> None:
    cancelled = order("o1", "01", "s1", "8.00") | {
        "status": "cancelled",
        "revenue": Decimal(0),
        "net_revenue": Decimal(0),
        "cancelled_revenue": Decimal("8.00"),
    }
    rows = channels(
        make_bench("2026-01-01"),
        "orders, valued_orders, cancelled_orders, cancelled_revenue, units, item_sales, revenue,"
        " order_total, average_order_value",
        [session("s1", "01", "Email", orders=1)],
        [cancelled, order("o2", "01", "s1", "3.00")],
    )
    three = Decimal("3.00")
    assert rows == [(1, "Email", 1, 1, 1, Decimal("8.00"), 2, three, three, three, 3.0)]


def test_refunds_are_on_their_own_day_in_the_channel_of_their_order(make_bench: Any) -> None:
    """o1: 50.00, of which 20.00 come back two days later, and 5.00 dated by a clock that runs
    ahead; o2 is unassigned, and its refund's worth is not known.
    """
    given = order(
        "o1", "01", "s1", "50.00", refunds=Decimal("25.00"), net_revenue=Decimal("25.00"),
        status="partially_refunded",
    )  # fmt: skip
    rows = channels(
        make_bench("2026-01-03"),
        "revenue, refunds, net_revenue, average_order_value",
        [session("s1", "01", "Email", orders=1)],
        [given, order("o2", "03", None, "7.00")],
        [
            refund("o1", 1, "03", "20.00"),
            refund("o1", 2, "09", "5.00"),
            refund("o2", 1, "03", None),
        ],
    )
    none = Decimal("0.00")
    assert rows == [
        (1, "Email", Decimal("50.00"), none, Decimal("50.00"), 50.0),
        (1, "Unassigned", none, none, none, None),
        (2, "Email", none, none, none, None),
        (2, "Unassigned", none, none, none, None),
        (3, "Email", none, Decimal("25.00"), Decimal("-25.00"), None),
        (3, "Unassigned", Decimal("7.00"), none, Decimal("7.00"), 7.0),
    ]


def test_the_money_of_orders_adds_up(make_bench: Any) -> None:
    """Goods of 12.00 less 1.00, 0.50 unexplained: revenue 11.50; with tax and shipping 14.60."""
    parts = {
        "item_sales": "12.00", "discount": "1.00", "items_difference": "0.50", "tax": "2.10",
        "shipping": "1.00", "order_total": "14.60",
    }  # fmt: skip
    money = {name: Decimal(amount) for name, amount in parts.items()}
    rows = channels(
        make_bench("2026-01-01"),
        ", ".join(["revenue", *parts]),
        [],
        [order("o1", "01", None, "11.50", **money), order("o2", "01", None, "1.00")],
    )
    assert [str(value) for value in rows[0][2:]] == [
        "12.50", "13.00", "1.00", "0.50", "2.10", "1.00", "15.60",
    ]  # fmt: skip


def test_net_revenue_other_than_the_orders_stops_the_table(make_bench: Any) -> None:
    """A refund that the order says nothing of."""
    with pytest.raises(ModelError, match="the channels add up to the orders"):
        channels(
            make_bench("2026-01-01"),
            "orders",
            [],
            [order("o1", "01", None, "11.50")],
            [refund("o1", 1, "01", "1.00")],
        )


def test_every_channel_has_every_day(make_bench: Any) -> None:
    rows = channels(
        make_bench("2026-01-03"),
        "sessions, engagement_rate",
        [session("s1", "01", "Email"), session("s2", "02", "Direct", is_engaged=True)],
        [],
    )
    assert rows == [
        (1, "Direct", 0, None),
        (1, "Email", 1, 0.0),
        (2, "Direct", 1, 1.0),
        (2, "Email", 0, None),
        (3, "Direct", 0, None),
        (3, "Email", 0, None),
    ]


def test_bots_are_left_out(make_bench: Any) -> None:
    rows = channels(
        make_bench("2026-01-01"),
        "sessions",
        [session("s1", "01", "Email"), session("s2", "01", "Email", is_bot=True)],
        [],
    )
    assert rows == [(1, "Email", 1)]


def test_without_data_there_is_no_row(make_bench: Any) -> None:
    assert channels(make_bench("2026-01-01"), "sessions", [], []) == []
