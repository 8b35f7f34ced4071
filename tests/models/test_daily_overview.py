"""daily_overview: every rule by a small case whose figures were worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from engagement.models.runner import ModelError

Row = dict[str, Any]


def event(person: str, day: str, number: int = 1, **more: Any) -> Row:
    """An event of a person on a day."""
    return {
        "id": f"{person}-{day}-{number}",
        "received_at_utc_date": day,
        "session_id": f"s-{person}-{day}",
        "person_id": person,
        "type": "page",
        "timestamp": f"{day} 10:00",
        "event_date": day,
        "is_bot": False,
        **more,
    }


def session(name: str, day: str, **more: Any) -> Row:
    """A session that bounced and brought nothing, unless the case says otherwise."""
    engaged = more.get("is_engaged", False)
    return {
        "session_id": name,
        "session_date": day,
        "started_at": f"{day} 10:00",
        "is_engaged": engaged,
        "is_bounce": not engaged,
        "is_bot": False,
        "channel": "Direct",
        "orders": 0,
        **more,
    }


def order(name: str, person: str, day: str, revenue: str | None, **more: Any) -> Row:
    """An order that stands; money is in the reporting currency."""
    money = None if revenue is None else Decimal(revenue)
    return {
        "order_id": name,
        "person_id": person,
        "order_date": day,
        "ordered_at": f"{day} 10:00",
        "is_converted": revenue is not None,
        "status": "completed",
        "units": 1,
        "gross_revenue": money,
        "revenue": money,
        "is_bot": False,
        **more,
    }


def overview(
    bench: Any,
    columns: str,
    *,
    events: Sequence[Mapping[str, Any]] = (),
    sessions: Sequence[Mapping[str, Any]] = (),
    orders: Sequence[Mapping[str, Any]] = (),
) -> list[tuple[Any, ...]]:
    """Build the model and give some of its columns, by day."""
    bench.given("marts.session_events", events)
    bench.given("marts.sessions", sessions)
    bench.given("marts.orders", orders)
    bench.build("daily_overview")
    return bench.rows(f"select {columns} from marts.daily_overview order by day")


def day(text: str) -> date:
    return date.fromisoformat(text)


def test_users_are_persons_and_new_on_their_first_day_only(make_bench: Any) -> None:
    rows = overview(
        make_bench("2026-01-03"),
        "day, users, new_users, events",
        events=[
            event("ann", "2026-01-01", 1),
            event("ann", "2026-01-01", 2),
            event("bob", "2026-01-01"),
            event("ann", "2026-01-02"),
            event("cyd", "2026-01-03"),
        ],
    )
    assert rows == [
        (day("2026-01-01"), 2, 2, 3),
        (day("2026-01-02"), 1, 0, 1),
        (day("2026-01-03"), 1, 1, 1),
    ]


def test_days_without_data_are_there_as_zeros_up_to_the_as_of_date(make_bench: Any) -> None:
    rows = overview(
        make_bench("2026-01-04"),
        "day, users, sessions, orders, revenue, bounce_rate, conversion_rate, average_order_value",
        events=[event("ann", "2026-01-02")],
    )
    nothing = (0, 0, Decimal("0.00"), None, None, None)
    assert rows == [
        (day("2026-01-02"), 1, *nothing),
        (day("2026-01-03"), 0, *nothing),
        (day("2026-01-04"), 0, *nothing),
    ]


def test_the_first_day_may_be_one_that_has_only_an_order(make_bench: Any) -> None:
    rows = overview(
        make_bench("2026-01-02"),
        "day, users, orders",
        events=[event("ann", "2026-01-02")],
        orders=[order("o1", "ann", "2026-01-01", "5.00")],
    )
    assert rows == [(day("2026-01-01"), 0, 1), (day("2026-01-02"), 1, 0)]


def test_session_rates_stand_beside_what_they_divide(make_bench: Any) -> None:
    # Three sessions: one engaged with two orders, one engaged, one bounced. 1/3 = 0.3333.
    rows = overview(
        make_bench("2026-01-01"),
        "sessions, engaged_sessions, engagement_rate, bounced_sessions, bounce_rate,"
        " converting_sessions, conversion_rate",
        sessions=[
            session("s1", "2026-01-01", is_engaged=True, orders=2),
            session("s2", "2026-01-01", is_engaged=True),
            session("s3", "2026-01-01"),
        ],
    )
    assert rows == [(3, 2, 0.6667, 1, 0.3333, 1, 0.3333)]


def test_order_figures(make_bench: Any) -> None:
    # Four orders of two buyers. Revenue: 20.01 + 10.00 + 0 (cancelled) = 30.01, gross 20.01 + 15.00
    # + 40.00 = 75.01. Two orders are valued: 30.01 / 2 = 15.005. Units 3 + 1 + 1 + 2 = 7: 7 / 4.
    rows = overview(
        make_bench("2026-01-01"),
        "orders, buyers, cancelled_orders, valued_orders, unvalued_orders, units,"
        " items_per_order, gross_revenue, revenue, average_order_value",
        orders=[
            order("o1", "ann", "2026-01-01", "20.01", units=3),
            order(
                "o2",
                "ann",
                "2026-01-01",
                "10.00",
                gross_revenue=Decimal("15.00"),
                status="partially_refunded",
            ),
            order(
                "o3",
                "bob",
                "2026-01-01",
                "0.00",
                gross_revenue=Decimal("40.00"),
                status="cancelled",
            ),
            order("o4", "bob", "2026-01-01", None, units=2),
        ],
    )
    assert rows == [(4, 2, 1, 2, 1, 7, 1.75, Decimal("75.01"), Decimal("30.01"), 15.005)]


def test_buyers_of_the_users(make_bench: Any) -> None:
    rows = overview(
        make_bench("2026-01-01"),
        "users, buyers, buyer_rate",
        events=[event(name, "2026-01-01") for name in ("ann", "bob", "cyd", "dan")],
        orders=[order("o1", "ann", "2026-01-01", "1.00")],
    )
    assert rows == [(4, 1, 0.25)]


def test_the_previous_figures_are_those_of_the_same_weekday_a_week_before(make_bench: Any) -> None:
    # From Thursday, 1 January: the 8th compares with the 1st, the 9th with an empty day of zeros.
    rows = overview(
        make_bench("2026-01-09"),
        "day, revenue, previous_day, previous_revenue, previous_users,"
        " previous_average_order_value",
        events=[event("ann", "2026-01-01")],
        orders=[
            order("o1", "ann", "2026-01-01", "30.00"),
            order("o2", "ann", "2026-01-08", "45.00"),
        ],
    )
    assert rows[0] == (day("2026-01-01"), Decimal("30.00"), None, None, None, None)
    assert rows[6][2] is None
    assert rows[7] == (
        day("2026-01-08"),
        Decimal("45.00"),
        day("2026-01-01"),
        Decimal("30.00"),
        1,
        30.0,
    )
    assert rows[8] == (
        day("2026-01-09"),
        Decimal("0.00"),
        day("2026-01-02"),
        Decimal("0.00"),
        0,
        None,
    )


def test_bots_are_left_out(make_bench: Any) -> None:
    given = {
        "events": [event("ann", "2026-01-01"), event("bot", "2026-01-01", is_bot=True)],
        "sessions": [session("s1", "2026-01-01"), session("s2", "2026-01-01", is_bot=True)],
        "orders": [
            order("o1", "ann", "2026-01-01", "1.00"),
            order("o2", "bot", "2026-01-01", "2.00", is_bot=True),
        ],
    }
    columns = "users, new_users, sessions, events, orders, revenue"
    rows = overview(make_bench("2026-01-01"), columns, **given)
    assert rows == [(1, 1, 1, 1, 1, Decimal("1.00"))]


def test_bots_are_counted_where_the_settings_say_so(make_bench: Any) -> None:
    rows = overview(
        make_bench("2026-01-01", metrics__exclude_bots=False),
        "users, sessions, revenue",
        events=[event("ann", "2026-01-01"), event("bot", "2026-01-01", is_bot=True)],
        sessions=[session("s1", "2026-01-01", is_bot=True)],
        orders=[order("o1", "bot", "2026-01-01", "2.00", is_bot=True)],
    )
    assert rows == [(2, 1, Decimal("2.00"))]


def test_what_is_not_known_to_be_a_bot_is_none(make_bench: Any) -> None:
    rows = overview(
        make_bench("2026-01-01"), "users", events=[event("ann", "2026-01-01", is_bot=None)]
    )
    assert rows == [(1,)]


def test_a_clock_that_runs_ahead_counts_on_the_as_of_date(make_bench: Any) -> None:
    rows = overview(
        make_bench("2026-01-01"),
        "day, users, sessions, orders, revenue",
        events=[event("ann", "2026-01-02")],
        sessions=[session("s1", "2026-01-02")],
        orders=[order("o1", "ann", "2026-01-02", "7.00")],
    )
    assert rows == [(day("2026-01-01"), 1, 1, 1, Decimal("7.00"))]


def test_many_years_are_no_trouble(make_bench: Any) -> None:
    # Trino's sequence ends at 10,000 members; 2000-01-01 to 2028-01-01 are 10,228 days.
    bench = make_bench("2028-01-01")
    overview(bench, "day", events=[event("ann", "2000-01-01")])
    assert bench.rows("select count(*) as days, max(day) as last from marts.daily_overview") == [
        (10_228, day("2028-01-01"))
    ]


def test_without_any_data_there_is_no_day(make_bench: Any) -> None:
    assert overview(make_bench("2026-01-01"), "day") == []


def test_a_check_stops_a_table_whose_parts_exceed_the_whole(make_bench: Any) -> None:
    # A session that is both engaged and bounced cannot be.
    with pytest.raises(ModelError, match="parts are within the whole"):
        overview(
            make_bench("2026-01-01"),
            "day",
            sessions=[session("s1", "2026-01-01", is_engaged=True, is_bounce=True)],
        )
