"""A small shop in January 2026, told by its sessions, orders, refunds and events.

What the dashboards' models read of it (who is new, the days' overview) is built, not given.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

Row = dict[str, Any]


def session(name: str, when: str, channel: str = "Email", **more: Any) -> Row:
    """A session that began on a day of January at a time: ``03 10:00``."""
    engaged = more.get("is_engaged", False)
    return {
        "session_id": name,
        "person_id": name,
        "session_date": f"2026-01-{when[:2]}",
        "started_at": f"2026-01-{when}",
        "ended_at": f"2026-01-{when}",
        "channel": channel,
        "source": channel.lower(),
        "medium": "test",
        "is_engaged": engaged,
        "is_bounce": not engaged,
        "is_new_visitor": False,
        "is_bot": False,
        "orders": 0,
        **more,
    }


def order(name: str, when: str, session_id: str | None, revenue: str | None, **more: Any) -> Row:
    """An order of two units with goods of its revenue; without that, of unknown worth."""
    known = revenue is not None
    worth, none = (Decimal(revenue), Decimal(0)) if known else (None, None)
    return {
        "order_id": name,
        "person_id": session_id or "ann",
        "session_id": session_id,
        "order_date": f"2026-01-{when[:2]}",
        "ordered_at": f"2026-01-{when}",
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


def cancelled(name: str, when: str, session_id: str | None, revenue: str) -> Row:
    zero = dict.fromkeys(("revenue", "net_revenue"), Decimal(0))
    return (
        order(
            name, when, session_id, revenue, status="cancelled", cancelled_revenue=Decimal(revenue)
        )
        | zero
    )


def refund(name: str, number: int, when: str, amount: str | None) -> Row:
    return {
        "order_id": name,
        "refund_number": number,
        "refund_date": f"2026-01-{when[:2]}",
        "refunded_at": f"2026-01-{when}",
        "is_bot": False,
        "refunds": None if amount is None else Decimal(amount),
    }


def event(name: str, person: str, when: str, session_id: str | None = None, **more: Any) -> Row:
    """An event of a day of January; ``type`` is ``track`` unless said otherwise."""
    return {
        "id": name,
        "received_at_utc_date": f"2026-01-{when[:2]}",
        "session_id": session_id,
        "person_id": person,
        "type": "track",
        "event": "Something",
        "event_date": f"2026-01-{when[:2]}",
        "is_view": more.get("type") in ("page", "screen"),
        "is_bot": False,
        "timestamp": f"2026-01-{when}",
        **more,
    }


def view(name: str, session_id: str, when: str, path: str | None, number: int, **more: Any) -> Row:
    """A page view, the ``number``-th event of its session, of the session's person."""
    return event(
        name,
        more.pop("person_id", session_id),
        when,
        session_id,
        type="page",
        event=None,
        page_path=path,
        sequence_number=number,
        **more,
    )


def give(
    bench: Any,
    *models: str,
    sessions: Sequence[Row] = (),
    orders: Sequence[Row] = (),
    refunds: Sequence[Row] = (),
    events: Sequence[Row] = (),
    profiles: Sequence[Row] = (),
) -> None:
    """Give the bench a shop, and build the days' overview and some models more.

    Sessions without events have one event of their own, on the first of the month.
    """
    if not events:
        events = [event(f"e{n}", s["person_id"], "01 00:00") for n, s in enumerate(sessions[:1])]
    bench.given("marts.sessions", sessions)
    bench.given("marts.orders", orders)
    bench.given("marts.order_refunds", refunds)
    bench.given("marts.session_events", events)
    bench.given(
        "marts.person_events",
        [{key: one[key] for key in ("id", "person_id", "timestamp")} for one in events],
    )
    bench.given("marts.profiles", profiles)
    bench.build("arrivals", "daily_overview", *models)
