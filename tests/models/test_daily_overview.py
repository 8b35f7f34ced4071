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
    """An order that stands, of items only; money is in the reporting currency.

    Other amounts are given as text; what is not given follows as in ``marts.orders``.
    """
    given = {key: more.pop(key) for key in MONEY & more.keys()}
    row = {
        "order_id": name,
        "person_id": person,
        "order_date": day,
        "ordered_at": f"{day} 10:00",
        "is_converted": revenue is not None,
        "status": "completed",
        "units": 1,
        "is_bot": False,
        **more,
    }
    if revenue is None:
        return row
    money = {key: Decimal(given.get(key, "0.00")) for key in MONEY}
    money["revenue"] = Decimal(revenue)
    worth = money["revenue"] + money["cancelled_revenue"]
    money["order_total"] = worth + money["tax"] + money["shipping"]
    if "item_sales" not in given:
        money["item_sales"] = worth + money["discount"]
    money["items_difference"] = worth - (money["item_sales"] - money["discount"])
    money["net_revenue"] = money["revenue"] - money["refunds"]
    return {**row, **money}


MONEY = frozenset(
    {
        *("item_sales", "discount", "tax", "shipping", "order_total", "revenue", "refunds"),
        *("net_revenue", "cancelled_revenue", "items_difference"),
    }
)


def refund(order: str, day: str, amount: str | None, **more: Any) -> Row:
    """A refund; without an amount, one whose worth is not known."""
    return {
        "order_id": order,
        "refund_number": 1,
        "refund_date": day,
        "is_unvalued": amount is None,
        "refunds": Decimal(amount or "0.00"),
        "is_bot": False,
        **more,
    }


def profile(person: str, created: str | None, *, is_identified: bool = True) -> Row:
    return {"person_id": person, "is_identified": is_identified, "account_created_at": created}


def overview(
    bench: Any,
    columns: str,
    *,
    events: Sequence[Mapping[str, Any]] = (),
    sessions: Sequence[Mapping[str, Any]] = (),
    orders: Sequence[Mapping[str, Any]] = (),
    refunds: Sequence[Mapping[str, Any]] = (),
    profiles: Sequence[Mapping[str, Any]] = (),
) -> list[tuple[Any, ...]]:
    """Build the model and give some of its columns, by day."""
    bench.given("marts.session_events", events)
    bench.given(
        "marts.person_events",
        [{key: event[key] for key in ("id", "person_id", "timestamp")} for event in events],
    )
    bench.given("marts.profiles", profiles)
    bench.given("marts.sessions", sessions)
    bench.given("marts.orders", orders)
    bench.given("marts.order_refunds", refunds)
    bench.build("arrivals", "daily_overview")
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


@pytest.mark.parametrize(
    ("created", "is_new"),
    [
        ("2025-12-31 10:00:00.000", True),  # exactly 24 hours before the first event
        ("2025-12-31 09:59:59.999", False),
        ("2026-01-01 11:00", True),  # registered in the first visit
        (None, True),
    ],
)
def test_an_account_older_than_a_day_was_known_before(
    make_bench: Any, created: str | None, is_new: bool
) -> None:
    rows = overview(
        make_bench("2026-01-02"),
        "users, new_users, known_users",
        events=[
            event("ann", "2026-01-01"),
            event("bob", "2026-01-01", timestamp="2026-01-01 11:00"),
            event("ann", "2026-01-02"),
        ],
        profiles=[profile("ann", created)],
    )
    assert rows == [(2, 1 + is_new, 1 - is_new), (1, 0, 1)]


def test_a_guest_is_new_whatever_creation_time_their_traits_name(make_bench: Any) -> None:
    rows = overview(
        make_bench("2026-01-01"),
        "new_users, known_users",
        events=[event("ann", "2026-01-01")],
        profiles=[profile("ann", "2020-01-01 00:00", is_identified=False)],
    )
    assert rows == [(1, 0)]


def test_the_first_days_of_a_landing_are_not_settled(make_bench: Any) -> None:
    # The landing's first event was received on the evening of the 1st, in Berlin on the 2nd: with
    # two days to settle, the 4th is the first that counts. The event itself is dated before.
    events = [event("ann", "2025-12-31", received_at="2026-01-01 23:30")]
    settings = {"metrics__settling_days": 2, "timezone": "Europe/Berlin"}
    bench = make_bench("2026-01-05", **settings)
    overview(bench, "day", events=events)
    bench.given(
        "marts.person_events",
        [{"id": "e1", "person_id": "ann", "received_at": "2026-01-01 23:30"}],
    )
    bench.build("arrivals", "daily_overview")
    rows = bench.rows("select day, is_settled from marts.daily_overview order by day")
    assert [is_settled for _, is_settled in rows] == [False, False, False, False, True, True]
    assert rows[4][0] == day("2026-01-04")


def test_the_as_of_day_of_latest_is_not_complete(make_bench: Any) -> None:
    events = [event("ann", "2026-01-01"), event("ann", "2026-01-02", timestamp="2026-01-02 09:00")]
    given = {"columns": "day, is_complete, users", "events": events}
    assert overview(make_bench("2026-01-02 09:00"), **given) == [
        (day("2026-01-01"), True, 1),
        (day("2026-01-02"), False, 1),
    ]
    assert overview(make_bench("2026-01-02"), **given)[1][1] is True


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
    # Ann's o1: items 25.01, discount 5.00: revenue 20.01; tax 2.00, shipping 3.00: total 25.01.
    # Ann's o2: revenue 10.00, its items came to 12.00: difference -2.00. 4.00 of it was refunded.
    # Bob's o3, 40.00 with shipping of 6.00, was cancelled; Bob's o4 has no rate.
    # Revenue 20.01 + 10.00 = 30.01 of two valued orders: 15.005. Units 3 + 1 + 2 = 6 of 3 orders.
    rows = overview(
        make_bench("2026-01-01"),
        "orders, buyers, valued_orders, unvalued_orders, cancelled_orders, units, items_per_order,"
        " item_sales, discount, items_difference, revenue, refunds, net_revenue, tax, shipping,"
        " order_total, cancelled_revenue, average_order_value",
        orders=[
            order(
                *("o1", "ann", "2026-01-01", "20.01"),
                units=3,
                discount="5.00",
                tax="2.00",
                shipping="3.00",
            ),
            order(
                *("o2", "ann", "2026-01-01", "10.00"),
                item_sales="12.00",
                refunds="4.00",
                status="partially_refunded",
            ),
            order(
                *("o3", "bob", "2026-01-01", "0.00"),
                cancelled_revenue="40.00",
                shipping="6.00",
                units=7,
                status="cancelled",
            ),
            order("o4", "bob", "2026-01-01", None, units=2),
        ],
        refunds=[refund("o2", "2026-01-01", "4.00")],
    )
    money = ["37.01", "5.00", "-2.00", "30.01", "4.00", "26.01", "2.00", "3.00", "35.01", "40.00"]
    assert rows == [(3, 2, 2, 1, 1, 6, 2.0, *map(Decimal, money), 15.005)]


def test_a_buyer_has_an_order_that_stands(make_bench: Any) -> None:
    # Ann's order was refunded in full, Bob's cancelled.
    rows = overview(
        make_bench("2026-01-01"),
        "orders, buyers, revenue, net_revenue, average_order_value",
        orders=[
            order("o1", "ann", "2026-01-01", "5.00", refunds="5.00", status="refunded"),
            order("o2", "bob", "2026-01-01", "0.00", cancelled_revenue="9.00", status="cancelled"),
        ],
        refunds=[refund("o1", "2026-01-01", "5.00")],
    )
    assert rows == [(1, 1, Decimal("5.00"), Decimal("0.00"), 5.0)]


def test_a_refund_is_on_its_own_day_and_may_be_more_than_the_day_sold(make_bench: Any) -> None:
    rows = overview(
        make_bench("2026-01-03"),
        "orders, revenue, refunds, net_revenue",
        orders=[
            order(
                *("o1", "ann", "2026-01-01", "30.00"),
                refunds="30.00",
                status="refunded",
            ),
            order("o2", "bob", "2026-01-03", "4.00"),
        ],
        refunds=[
            refund("o1", "2026-01-02", "10.00"),
            # Told by a device whose clock runs ahead: received by the 3rd.
            refund("o1", "2026-01-09", "20.00", refund_number=2),
        ],
    )
    zero = Decimal("0.00")
    assert rows == [
        (1, Decimal("30.00"), zero, Decimal("30.00")),
        (0, zero, Decimal("10.00"), Decimal("-10.00")),
        (1, Decimal("4.00"), Decimal("20.00"), Decimal("-16.00")),
    ]


def test_the_first_day_may_be_one_that_has_only_a_refund(make_bench: Any) -> None:
    # The device's clock ran behind when the refund was told.
    rows = overview(
        make_bench("2026-01-02"),
        "day, orders, refunds",
        orders=[order("o1", "ann", "2026-01-02", "5.00", refunds="5.00", status="refunded")],
        refunds=[refund("o1", "2026-01-01", "5.00")],
    )
    assert rows == [
        (day("2026-01-01"), 0, Decimal("5.00")),
        (day("2026-01-02"), 1, Decimal("0.00")),
    ]


def test_sums_have_room_for_what_single_orders_cannot_hold(make_bench: Any) -> None:
    # Two orders of the most that decimal(18,2) holds.
    most = "9999999999999999.99"
    rows = overview(
        make_bench("2026-01-01"),
        "revenue, average_order_value",
        orders=[order(name, "ann", "2026-01-01", most) for name in ("o1", "o2")],
    )
    assert rows == [(Decimal("19999999999999999.98"), 1e16)]


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


def test_an_event_with_a_wild_date_adds_a_day_not_millennia(make_bench: Any) -> None:
    bench = make_bench("2026-01-01")
    overview(bench, "day", events=[event("ann", "0001-01-01"), event("ann", "2026-01-01")])
    rows = bench.rows(
        "select count(*) as days, min(day) as first_day, sum(events) as events"
        " from marts.daily_overview"
    )
    assert rows == [(36_601, day("0001-01-01"), 2)]


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
