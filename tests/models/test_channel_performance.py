"""channel_performance: sessions and what came of them, by the session's channel."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


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


def order(name: str, day: str, session_id: str | None, revenue: str | None) -> dict[str, Any]:
    return {
        "order_id": name,
        "person_id": "ann",
        "session_id": session_id,
        "order_date": f"2026-01-{day}",
        "is_converted": revenue is not None,
        "status": "completed",
        "units": 2,
        "gross_revenue": None if revenue is None else Decimal(revenue),
        "revenue": None if revenue is None else Decimal(revenue),
        "is_bot": False,
    }


def channels(
    bench: Any, columns: str, sessions: list[dict[str, Any]], orders: list[dict[str, Any]]
) -> list[tuple[Any, ...]]:
    bench.given("marts.session_events", [])
    bench.given("marts.sessions", sessions)
    bench.given("marts.orders", orders)
    bench.build("daily_overview", "channel_performance")
    return bench.rows(
        f"select extract(day from day) as n, channel, {columns}"
        " from marts.channel_performance order by day, channel"
    )


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


def test_orders_stand_with_their_session_on_their_own_day(make_bench: Any) -> None:
    # The session began before midnight, the order came after it.
    rows = channels(
        make_bench("2026-01-02"),
        "sessions, orders, units, revenue, average_order_value",
        [session("s1", "01", "Email", orders=2)],
        [order("o1", "02", "s1", "10.00"), order("o2", "02", "s1", None)],
    )
    assert rows == [
        (1, "Email", 1, 0, 0, Decimal("0.00"), None),
        (2, "Email", 0, 2, 4, Decimal("10.00"), 10.0),
    ]


def test_orders_of_no_session_stand_apart(make_bench: Any) -> None:
    rows = channels(
        make_bench("2026-01-01"),
        "sessions, orders, revenue",
        [session("s1", "01", "Email")],
        [order("o1", "01", None, "10.00"), order("o2", "01", "gone", "5.00")],
    )
    assert rows == [
        (1, "(no session)", 0, 2, Decimal("15.00")),
        (1, "Email", 1, 0, Decimal("0.00")),
    ]


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
