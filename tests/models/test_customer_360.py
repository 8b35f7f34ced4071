"""Customer 360: windows, recency, values of orders, favourites, scores, stages and consent.

The as-of date is 2026-01-31 throughout.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from engagement.models.runner import models
from tests.models.conftest import Bench

D = Decimal
at = datetime.fromisoformat
Rows = list[dict[str, Any]]


def build(
    bench: Bench,
    *,
    profiles: Rows | None = None,
    events: Rows | None = None,
    sessions: Rows | None = None,
    carts: Rows | None = None,
    viewed: Rows | None = None,
    added: Rows | None = None,
    orders: Rows | None = None,
    items: Rows | None = None,
) -> None:
    """Fill what customer 360 reads and build it. Rows leave out what does not matter:

    the person is p1; an event of any kind has a ``timestamp``, a session ``started_at``, an order
    ``ordered_at``, and their dates are those. An order's net revenue is its revenue. Everybody has
    a profile.
    """
    seen = [
        {"id": f"{kind}{number}", "person_id": "p1", "timestamp": "2026-01-30 10:00", **row}
        for kind, rows in (("e", events), ("v", viewed), ("a", added))
        for number, row in enumerate(rows or [], start=1)
    ]
    of_session = ("id", "person_id", "timestamp", "event_date", "type", "channel", "is_bot")
    session_events = [
        {"event_date": str(row["timestamp"])[:10]}
        | {key: row[key] for key in of_session if key in row}
        for row in seen
    ]
    bench.given("marts.session_events", session_events)
    bench.given(
        "marts.person_events",
        [{key: row[key] for key in ("id", "person_id", "timestamp")} for row in session_events],
    )
    for source, letter in (("product_viewed", "v"), ("product_added", "a")):
        bench.given(
            f"sources.{source}",
            [
                {key: row[key] for key in row.keys() - set(of_session[1:]) | {"timestamp"}}
                for row in seen
                if row["id"].startswith(letter)
            ],
        )
    bench.given(
        "marts.sessions",
        [
            {"session_id": f"s{number}", "person_id": "p1", "session_date": row["started_at"][:10]}
            | row
            for number, row in enumerate(sessions or [], start=1)
        ],
    )
    bench.given(
        "marts.carts",
        [
            {"person_id": "p1", "cart_id": f"k{number}", "status": "open", "is_bot": False} | row
            for number, row in enumerate(carts or [], start=1)
        ],
    )
    placed = [
        {
            "order_id": f"o{number}",
            "person_id": "p1",
            "order_date": row["ordered_at"][:10],
            "status": "completed",
            "is_converted": row.get("revenue") is not None,
            "units": 1,
            "refunds": None if row.get("revenue") is None else D("0.00"),
            "net_revenue": row.get("revenue"),
            "is_bot": False,
        }
        | row
        for number, row in enumerate(orders or [], start=1)
    ]
    bench.given("marts.orders", placed)
    by_id = {row["order_id"]: row for row in placed}
    copied = ("person_id", "ordered_at", "order_date", "status", "is_bot")
    bench.given(
        "marts.order_items",
        [
            {"line_number": number, "quantity": 1}
            | {key: by_id[row["order_id"]][key] for key in copied}
            | row
            for number, row in enumerate(items or [], start=1)
        ],
    )
    known = {row["person_id"]: row for row in profiles or []}
    everybody = sorted(
        {row["person_id"] for row in [*seen, *placed]}
        | known.keys()
        | {row.get("person_id", "p1") for row in [*(sessions or []), *(carts or [])]}
    )
    bench.given(
        "marts.profiles",
        [
            {
                "person_id": person,
                "is_identified": False,
                "first_seen_at": "2026-01-01 00:00",
                "last_seen_at": "2026-01-30 10:00",
            }
            | known.get(person, {})
            for person in everybody
        ],
    )
    bench.build("customer_behaviour", "customer_purchases", "customer_interests", "customer_360")


def kept(days: str, person: str = "p1", revenue: Any = 1) -> Rows:
    """Orders of one person, one for each of some days."""
    return [
        {"person_id": person, "ordered_at": f"{day} 10:00", "revenue": D(revenue)}
        for day in days.split()
    ]


def customer(bench: Bench, columns: str, person: str = "p1") -> tuple[Any, ...]:
    """Some columns of one person."""
    rows = bench.rows(f"select {columns} from marts.customer_360 where person_id = '{person}'")
    assert len(rows) == 1
    return rows[0]


def windows(name: str) -> str:
    """A measure's columns, the shortest window first and the total last."""
    return ", ".join(f"{name}_{window}" for window in ("7", "30", "90", "365", "total"))


# --- windows ------------------------------------------------------------------------------------

EDGES = [
    "2026-01-31",  # today: the first of 7 days
    "2026-01-25",  # the seventh
    "2026-01-24",  # the eighth
    "2026-01-02",  # the thirtieth
    "2026-01-01",  # the thirty-first
    "2025-11-03",  # the ninetieth
    "2025-11-02",  # the ninety-first
    "2025-02-01",  # the 365th
    "2025-01-31",  # the 366th
]
"""The days on both sides of where each window begins."""


def test_windows_hold_exactly_their_days(bench: Bench) -> None:
    """One of everything on each of the nine days: 2, 4, 6 and 8 of them lie in the windows.

    The orders came to 1, 2, 4, …, 256, so that each sum tells which orders are in it.
    """
    build(
        bench,
        viewed=[{"timestamp": f"{day} 10:00"} for day in EDGES],
        added=[{"timestamp": f"{day} 11:00"} for day in EDGES],
        sessions=[{"started_at": f"{day} 10:00", "duration_seconds": 60} for day in EDGES],
        carts=[{"cart_date": day, "status": "abandoned"} for day in EDGES],
        orders=[
            {"ordered_at": f"{day} 12:00", "revenue": D(2) ** power}
            for power, day in enumerate(EDGES)
        ],
    )
    for measure in (
        "active_days",
        "sessions",
        "products_viewed",
        "products_added",
        "carts",
        "abandoned_carts",
        "orders",
    ):
        assert customer(bench, windows(measure)) == (2, 4, 6, 8, 9), measure
    assert customer(bench, windows("spend")) == (D(3), D(15), D(63), D(255), D(511))


def test_an_event_from_a_clock_that_runs_ahead_counts_on_the_as_of_date(bench: Bench) -> None:
    """It was received by then, so it happened: it is in the windows, and no day is negative."""
    build(
        bench,
        events=[{"timestamp": "2026-02-01 08:00"}, {"timestamp": "2026-01-31 08:00"}],
        orders=[{"ordered_at": "2026-02-01 08:00", "revenue": D(5)}],
        profiles=[
            {
                "person_id": "p1",
                "account_created_at": "2026-02-01 08:00",
                "last_seen_at": "2026-02-01 08:00",
            }
        ],
    )
    assert customer(bench, "active_days_7, orders_7, spend_7") == (1, 1, D(5))
    assert customer(
        bench, "days_since_last_seen, days_since_last_order, days_since_account_created"
    ) == (0, 0, 0)
    assert str(customer(bench, "last_order_date")[0]) == "2026-01-31"


def test_days_are_those_of_the_reporting_time_zone(make_bench: Any) -> None:
    """22:59 UTC is 23:59 in Berlin, 23:00 is midnight: the next day."""
    bench = make_bench(timezone="Europe/Berlin")
    build(
        bench,
        profiles=[
            {"person_id": "p1", "account_created_at": "2026-01-10 22:59"},
            {"person_id": "p2", "account_created_at": "2026-01-10 23:00"},
        ],
    )
    assert customer(bench, "days_since_account_created", "p1") == (21,)
    assert customer(bench, "days_since_account_created", "p2") == (20,)


def test_churned_at_n_means_that_n_days_saw_no_event(bench: Bench) -> None:
    build(
        bench,
        events=[
            {"person_id": "six", "timestamp": "2026-01-25 10:00"},
            {"person_id": "seven", "timestamp": "2026-01-24 10:00"},
            {"person_id": "years", "timestamp": "2024-05-05 10:00"},
        ],
    )
    churned = "days_since_last_seen, is_churned_7, is_churned_30, is_churned_90, is_churned_365"
    assert customer(bench, churned, "six") == (6, False, False, False, False)
    assert customer(bench, churned, "seven") == (7, True, False, False, False)
    assert customer(bench, churned, "years") == (636, True, True, True, True)


# --- absence ------------------------------------------------------------------------------------


def test_what_never_happened_is_zero_and_what_is_unknown_is_null(bench: Bench) -> None:
    build(bench, events=[{"timestamp": "2026-01-30 10:00"}])
    assert customer(bench, windows("orders")) == (0, 0, 0, 0, 0)
    assert customer(bench, windows("spend")) == (D("0.00"),) * 5
    assert customer(bench, windows("carts")) == (0, 0, 0, 0, 0)
    assert customer(bench, windows("abandoned_carts")) == (0, 0, 0, 0, 0)
    assert customer(bench, windows("products_added")) == (0, 0, 0, 0, 0)
    assert customer(
        bench, "refunds_total, units_bought, categories_bought, cancelled_orders, coupon_orders"
    ) == (D("0.00"), 0, 0, 0, 0)
    unknown = """
        age, gender, email_domain, mean_session_seconds, mean_order_value, median_order_value,
        highest_order_value, last_order_value, units_per_order, mean_days_between_orders,
        days_since_account_created, days_since_last_cart, days_since_last_order, last_order_date,
        recency_score, rfm_segment, favourite_brand, favourite_brand_share, top_category_by_spend,
        last_viewed_product_id, first_touch_channel, campaign_sources, consent_email,
        consent_email_at, birthday_month, coupon_order_share, expected_value,
        days_since_last_kept_order
    """
    assert customer(bench, unknown) == (None,) * 28


def test_nobody_at_all(bench: Bench) -> None:
    build(bench)
    assert bench.rows("select person_id from marts.customer_360") == []


# --- behaviour ----------------------------------------------------------------------------------


def test_bots_are_flagged_and_left_out_of_what_is_counted(make_bench: Any) -> None:
    rows: dict[str, Rows] = {
        "events": [
            {"person_id": "crawler", "is_bot": True},
            {"person_id": "both", "is_bot": True, "timestamp": "2026-01-29 10:00"},
            {"person_id": "both", "is_bot": False, "timestamp": "2026-01-28 10:00"},
        ],
        "sessions": [
            {"person_id": "crawler", "started_at": "2026-01-30 10:00", "is_bot": True},
        ],
        "orders": [
            {
                "person_id": "crawler",
                "ordered_at": "2026-01-30 10:00",
                "revenue": D(5),
                "is_bot": True,
            }
        ],
        "carts": [{"person_id": "crawler", "cart_date": "2026-01-30", "is_bot": True}],
    }
    counted = "is_bot, events_total, sessions_total, orders_total, spend_total, carts_total"
    bench = make_bench()
    build(bench, **rows)
    assert customer(bench, counted, "crawler") == (True, 0, 0, 0, D("0.00"), 0)
    assert customer(bench, "is_bot, events_total, days_since_last_seen", "both") == (False, 1, 3)
    times = "first_seen_at, last_seen_at, days_since_first_seen, days_since_last_seen"
    assert customer(bench, times, "crawler") == (None,) * 4
    assert customer(bench, "is_churned_7, lifecycle_stage", "crawler") == (None, "visitor")
    assert customer(bench, times, "both") == (*[at("2026-01-28 10:00")] * 2, 3, 3)
    bench = make_bench(metrics__exclude_bots=False)
    build(bench, **rows)
    assert customer(bench, counted, "crawler") == (True, 1, 1, 1, D("5.00"), 1)
    assert customer(bench, "is_bot, events_total, days_since_last_seen", "both") == (False, 2, 2)
    assert customer(bench, times, "both") == (at("2026-01-28 10:00"), at("2026-01-29 10:00"), 3, 2)


def test_app_and_web(bench: Bench) -> None:
    build(
        bench,
        events=[
            {"person_id": "web", "type": "page"},
            {"person_id": "app", "type": "screen"},
            {"person_id": "app-track", "type": "track", "channel": "mobile"},
            {"person_id": "both", "type": "track", "channel": "mobile"},
            {"person_id": "both", "type": "track", "channel": "web"},
            {"person_id": "server", "type": "track", "channel": "server"},
        ],
    )
    assert bench.rows(
        "select person_id, has_mobile_app, is_active_on_web from marts.customer_360 order by 1"
    ) == [
        ("app", True, False),
        ("app-track", True, False),
        ("both", True, True),
        ("server", False, False),
        ("web", False, True),
    ]


def test_sessions_first_touch_and_campaigns(bench: Bench) -> None:
    """The first touch is the session that began first, even if direct; at one time, by its id."""
    build(
        bench,
        events=[{}],
        sessions=[
            {
                "session_id": "late",
                "started_at": "2026-01-30 10:00",
                "duration_seconds": 100,
                "channel": "Email",
                "source": "newsletter",
                "medium": "email",
                "campaign": "january",
            },
            {
                "session_id": "b",
                "started_at": "2026-01-10 10:00",
                "duration_seconds": 0,
                "channel": "Direct",
                "source": "(direct)",
            },
            {
                "session_id": "a",
                "started_at": "2026-01-10 10:00",
                "duration_seconds": 50,
                "channel": "Paid Search",
                "source": "google",
                "medium": "cpc",
                "campaign": "brand",
            },
            {
                "session_id": "c",
                "started_at": "2026-01-12 10:00",
                "duration_seconds": 50,
                "source": "google",
                "campaign": "sale",
            },
        ],
    )
    assert customer(
        bench, "first_touch_channel, first_touch_source, first_touch_medium, first_touch_campaign"
    ) == ("Paid Search", "google", "cpc", "brand")
    assert customer(bench, "campaign_sources") == ("google|newsletter",)
    # 100 in 7 days; (100 + 0 + 50 + 50) / 4 in 30.
    assert customer(
        bench, "mean_session_seconds_7, mean_session_seconds_30, mean_session_seconds"
    ) == (100.0, 50.0, 50.0)


def test_the_products_viewed_and_added_last(bench: Bench) -> None:
    """By time, then by event id; an event that names no product at all does not count here."""
    build(
        bench,
        viewed=[
            {"product_id": "mug", "name": "Mug", "timestamp": "2026-01-20 10:00"},
            {"product_id": "hat", "name": "Hat", "timestamp": "2026-01-10 10:00"},
            {"timestamp": "2026-01-21 10:00"},
        ],
        added=[
            {"id": "a1", "product_id": "hat", "timestamp": "2026-01-20 10:00"},
            {"id": "a2", "sku": "J-1", "name": "Jug", "timestamp": "2026-01-20 10:00"},
        ],
    )
    assert customer(bench, "last_viewed_product_id, last_viewed_product_name, last_viewed_at") == (
        "mug",
        "Mug",
        at("2026-01-20 10:00"),
    )
    assert customer(bench, "last_added_product_id, last_added_product_name") == ("J-1", "Jug")


def test_a_product_without_an_id_is_known_by_its_name(bench: Bench) -> None:
    build(
        bench,
        viewed=[
            {"product_id": "mug", "name": "Mug", "timestamp": "2026-01-20 10:00"},
            {"name": "Teapot", "timestamp": "2026-01-21 10:00"},
        ],
        added=[{"name": "Jug", "timestamp": "2026-01-20 10:00"}],
    )
    viewed = "last_viewed_product_id, last_viewed_product_name, last_viewed_at"
    assert customer(bench, viewed) == (None, "Teapot", at("2026-01-21 10:00"))
    assert customer(bench, "last_added_product_id, last_added_product_name") == (None, "Jug")


def test_carts(bench: Bench) -> None:
    build(
        bench,
        events=[{}],
        carts=[
            {"cart_date": "2026-01-20", "status": "abandoned"},
            {"cart_date": "2026-01-25", "status": "ordered"},
            {"cart_date": "2026-01-28", "status": "open"},
        ],
    )
    assert customer(
        bench, "days_since_last_cart, carts_7, carts_30, abandoned_carts_7, abandoned_carts_30"
    ) == (3, 2, 3, 0, 1)


# --- purchases ----------------------------------------------------------------------------------


def test_values_of_orders(bench: Bench) -> None:
    """Orders of 10, 20 and 60, the last by time 20: mean 30, median 20."""
    build(
        bench,
        orders=[
            {"ordered_at": "2026-01-01 10:00", "revenue": D(60), "units": 4},
            {"ordered_at": "2026-01-11 10:00", "revenue": D(10), "units": 1},
            {"ordered_at": "2026-01-25 10:00", "revenue": D(20), "units": 2},
        ],
    )
    assert customer(
        bench, "mean_order_value, median_order_value, highest_order_value, last_order_value"
    ) == (30.0, 20.0, D("60.00"), D("20.00"))
    # 7 units in 3 orders; 24 days between the first and the last, in two gaps.
    assert customer(bench, "units_per_order, mean_days_between_orders") == (2.3333, 12.0)
    assert customer(bench, "days_since_first_order, days_since_last_order") == (30, 6)


def test_the_median_of_an_even_number_is_between_the_middle_two(bench: Bench) -> None:
    build(
        bench,
        orders=[
            {"ordered_at": "2026-01-10 10:00", "revenue": D(value)}
            for value in ("1.00", "10.00", "10.01", "99.00")
        ],
    )
    assert customer(bench, "median_order_value, mean_days_between_orders") == (10.005, 0.0)


def test_one_order_has_no_interval(bench: Bench) -> None:
    build(bench, orders=[{"ordered_at": "2026-01-10 10:00", "revenue": D("10.00")}])
    assert customer(bench, "median_order_value, mean_days_between_orders") == (10.0, None)


def test_cancelled_refunded_and_unvalued_orders(bench: Bench) -> None:
    """A cancelled order is in nothing; one of unknown worth counts, and is in no amount.

    Revenue of the three valued orders is 30 + 20 + 8 = 58, their refunds 5 + 8: spend 45. The
    values of orders are before refunds: the mean is 58 / 3. Two orders are kept beside the one of
    unknown worth: the last kept one is that of the 13th.
    """
    build(
        bench,
        orders=[
            {"ordered_at": "2026-01-10 10:00", "revenue": D(30), "units": 3},
            {
                "ordered_at": "2026-01-11 10:00",
                "revenue": D(20),
                "refunds": D(5),
                "net_revenue": D(15),
                "status": "partially_refunded",
            },
            {"ordered_at": "2026-01-13 10:00", "revenue": None},
            {
                "ordered_at": "2026-01-14 10:00",
                "revenue": D(8),
                "refunds": D(8),
                "net_revenue": D(0),
                "status": "refunded",
            },
            {"ordered_at": "2026-01-15 10:00", "revenue": D(0), "status": "cancelled"},
        ],
    )
    assert customer(
        bench,
        "orders_total, kept_orders, valued_orders, unvalued_orders, cancelled_orders, "
        "refunded_orders",
    ) == (4, 3, 3, 1, 1, 2)
    assert customer(bench, "spend_total, refunds_total, units_bought") == (D(45), D(13), 6)
    assert customer(
        bench, "mean_order_value, median_order_value, highest_order_value, last_order_value"
    ) == (19.3333, 20.0, D(30), D(8))
    assert customer(bench, "days_since_last_order, days_since_last_kept_order") == (17, 18)
    assert str(customer(bench, "last_order_date")[0]) == "2026-01-14"


def test_a_cancelled_first_order_leaves_the_second_as_the_first(bench: Bench) -> None:
    build(
        bench,
        orders=[
            {"ordered_at": "2025-01-10 10:00", "revenue": D(0), "status": "cancelled"},
            *kept("2026-01-10"),
        ],
    )
    assert customer(
        bench, "days_since_first_order, orders_total, cancelled_orders, lifecycle_stage"
    ) == (21, 1, 1, "new")


def test_who_only_ever_cancelled_or_sent_back_is_no_buyer(bench: Bench) -> None:
    """A wholly refunded order counts as an order; its customer has no stage of a buyer."""
    zero = {"revenue": D(0), "net_revenue": D(0)}
    build(
        bench,
        profiles=[{"person_id": "known", "is_identified": True}],
        orders=[
            {"ordered_at": "2026-01-14 10:00", **zero, "status": "cancelled"},
            {
                "person_id": "known",
                "ordered_at": "2026-01-14 10:00",
                "revenue": D(9),
                "refunds": D(9),
                "net_revenue": D(0),
                "status": "refunded",
            },
        ],
    )
    columns = """
        orders_total, kept_orders, cancelled_orders, recency_score, rfm_segment, lifecycle_stage,
        spend_total, expected_value, highest_order_value
    """
    nobody = (None, None)
    assert customer(bench, columns) == (0, 0, 1, *nobody, "visitor", D("0.00"), None, None)
    assert customer(bench, columns, "known") == (
        (1, 0, 0, *nobody, "lead", D("0.00"), None, D("9.00"))
    )


def test_refunds_can_make_a_window_of_spend_smaller_than_the_shorter_one(bench: Bench) -> None:
    """Net revenue may be negative: an order of 10 that only its shipping of 12 was paid for."""
    build(
        bench,
        orders=[*kept("2026-01-31", revenue=5), *kept("2026-01-20", revenue=-2)],
    )
    assert customer(bench, "spend_7, spend_30, spend_total") == (D(5), D(3), D(3))


def test_great_amounts_are_summed(bench: Bench) -> None:
    """Twelve orders of 9,999,999,999,999,999.99, the greatest amount of a row."""
    most = "9999999999999999.99"
    build(bench, orders=[row for _ in range(12) for row in kept("2026-01-10", revenue=most)])
    assert customer(bench, "spend_total, highest_order_value, monetary_score") == (
        D("119999999999999999.88"),
        D(most),
        5,
    )


def test_orders_with_a_coupon(bench: Bench) -> None:
    """One of three that stand; the cancelled one does not count."""
    build(
        bench,
        orders=[
            *kept("2026-01-10 2026-01-11"),
            kept("2026-01-12")[0] | {"coupon": "WINTER"},
            kept("2026-01-13", revenue=0)[0] | {"coupon": "WINTER", "status": "cancelled"},
        ],
    )
    assert customer(bench, "coupon_orders, coupon_order_share") == (1, 0.3333)


# --- expected value -----------------------------------------------------------------------------


def test_the_expected_value_is_what_people_like_this_brought(bench: Bench) -> None:
    """The landing has 180 days, from 2025-08-05: H is 90, so the past ends on 2025-11-02.

    On that day 30 people had ordered once, 0 to 29 days before: R5 F1. Since then one of them
    spent 590 and had 10 refunded of another order of 30: 610 / 30 people x 365 / 90 days is 82.46.
    A newcomer is R5 F1 today. Who ordered three months ago is R2 F1, where nobody was then.
    """
    past = [f"2025-10-{day:02}" for day in range(4, 32)] + ["2025-11-01", "2025-11-02"]
    build(
        bench,
        events=[{"timestamp": "2025-08-05 10:00", "person_id": "first"}],
        orders=[
            *(row for n, day in enumerate(past) for row in kept(day, f"past{n:02}")),
            *kept("2025-11-03", "past00", revenue=590),
            kept("2026-01-01", "past00", revenue=30)[0]
            | {"refunds": D(10), "net_revenue": D(20), "status": "partially_refunded"},
            *kept("2026-01-30", "newcomer", revenue=7),
        ],
    )
    found = "recency_score, frequency_score, expected_value"
    assert customer(bench, found, "newcomer") == (5, 1, 82.46)
    assert customer(bench, found, "past01") == (2, 1, None)
    assert customer(bench, found, "first") == (None, None, None)


def test_an_expected_value_needs_thirty_people_and_ninety_days(bench: Bench) -> None:
    """29 people are too few; a landing of 179 days gives an H of 89."""
    for people, first, expected in ((29, "2025-08-05", None), (30, "2025-08-06", None)):
        build(
            bench,
            events=[{"timestamp": f"{first} 10:00", "person_id": "first"}],
            orders=[
                *(row for n in range(people) for row in kept("2025-10-20", f"past{n}")),
                *kept("2026-01-30", "newcomer"),
            ],
        )
        assert customer(bench, "recency_score, expected_value", "newcomer") == (5, expected)


def test_the_horizon_is_a_year_at_most(bench: Bench) -> None:
    """Of a landing of 1000 days, H is 365: the order of 2025-01-31 is of then, that of the next day
    of since. 30 people, of whom each spent 4 since.
    """
    people = [f"past{n}" for n in range(30)]
    build(
        bench,
        events=[{"timestamp": "2023-05-08 10:00", "person_id": "first"}],
        orders=[
            *(row for person in people for row in kept("2025-01-31 2025-02-01", person, 4)),
            *kept("2026-01-30", "newcomer"),
        ],
    )
    assert customer(bench, "expected_value", "newcomer") == (4.0,)


def test_payment_methods(bench: Bench) -> None:
    build(
        bench,
        orders=[
            {"ordered_at": "2026-01-10 10:00", "revenue": D(1), "payment_method": method}
            for method in ("wallet", "card", "wallet", None)
        ],
    )
    assert customer(bench, "payment_methods") == ("card|wallet",)


def test_categories_by_spend_and_by_orders(bench: Bench) -> None:
    """Most was spent on toys, most orders were of books. Lines of a quantity of 0 are nothing."""
    build(
        bench,
        orders=[{"ordered_at": f"2026-01-1{number} 10:00", "revenue": D(1)} for number in range(3)],
        items=[
            {"order_id": "o1", "product_id": "a", "category": "books", "item_sales": D(5)},
            {"order_id": "o1", "product_id": "b", "category": "toys", "item_sales": D(40)},
            {"order_id": "o1", "product_id": "b", "category": "toys", "item_sales": D(40)},
            {"order_id": "o2", "product_id": "a", "category": "books", "item_sales": D(5)},
            {"order_id": "o3", "category": "hats", "item_sales": D(0), "quantity": 0},
            {"order_id": "o3", "product_id": "c", "item_sales": D(500)},
        ],
    )
    assert customer(
        bench, "top_category_by_spend, top_category_by_orders, products_bought, categories_bought"
    ) == ("toys", "books", 3, 2)


def test_equal_categories_are_told_apart_by_the_last_order_then_by_name(bench: Bench) -> None:
    build(
        bench,
        orders=[
            {"ordered_at": "2026-01-10 10:00", "revenue": D(1), "person_id": "p1"},
            {"ordered_at": "2026-01-11 10:00", "revenue": D(1), "person_id": "p1"},
            {"ordered_at": "2026-01-11 10:00", "revenue": D(1), "person_id": "p2"},
        ],
        items=[
            {"order_id": "o1", "category": "books", "item_sales": D(5)},
            {"order_id": "o2", "category": "toys", "item_sales": D(5)},
            {"order_id": "o3", "category": "toys", "item_sales": D(5)},
            {"order_id": "o3", "category": "books", "item_sales": D(5)},
        ],
    )
    top = "top_category_by_spend, top_category_by_orders"
    assert customer(bench, top, "p1") == ("toys", "toys")
    assert customer(bench, top, "p2") == ("books", "books")


# --- interests ----------------------------------------------------------------------------------


def test_a_favourite_has_most_points(bench: Bench) -> None:
    """Toys: 4 views and an addition are 7 points; books: a line ordered and a view are 6."""
    build(
        bench,
        viewed=[
            *[{"category": "toys", "brand": "Tin", "timestamp": "2026-01-10 10:00"}] * 4,
            {"category": "books", "timestamp": "2026-01-10 10:00"},
        ],
        added=[{"category": "toys", "brand": "Tin", "timestamp": "2026-01-10 10:00"}],
        orders=[
            {"ordered_at": "2026-01-10 10:00", "revenue": D(1)},
            {"ordered_at": "2026-01-11 10:00", "revenue": D(0), "status": "cancelled"},
        ],
        items=[
            {"order_id": "o1", "category": "books", "brand": "Leaf"},
            {"order_id": "o2", "category": "books", "brand": "Leaf"},
        ],
    )
    assert customer(bench, "favourite_category, favourite_category_share") == ("toys", 0.5385)
    # Tin 4 + 3, Leaf 5: 7 of 12.
    assert customer(bench, "favourite_brand, favourite_brand_share") == ("Tin", 0.5833)


def test_equal_favourites_are_told_apart_by_the_last_touch_then_by_name(bench: Bench) -> None:
    build(
        bench,
        viewed=[
            {"category": "toys", "brand": "Tin", "timestamp": "2026-01-11 10:00"},
            {"category": "books", "brand": "Leaf", "timestamp": "2026-01-10 10:00"},
            {"person_id": "p2", "category": "toys", "timestamp": "2026-01-10 10:00"},
            {"person_id": "p2", "category": "books", "timestamp": "2026-01-10 10:00"},
        ],
    )
    assert customer(bench, "favourite_category, favourite_brand") == ("toys", "Tin")
    assert customer(bench, "favourite_category, favourite_brand", "p2") == ("books", None)


# --- scores and stages --------------------------------------------------------------------------


def days_ago(days: int) -> str:
    return (date(2026, 1, 31) - timedelta(days=days)).isoformat()


def test_recency_is_the_days_since_the_last_kept_order(bench: Bench) -> None:
    edges = {0: 5, 29: 5, 30: 4, 59: 4, 60: 3, 89: 3, 90: 2, 364: 2, 365: 1, 2000: 1}
    build(
        bench,
        orders=[
            *(row for days in edges for row in kept(days_ago(days), f"{days}")),
            # Later orders that were not kept change nothing.
            *(row | {"status": "refunded"} for row in kept(days_ago(1), "365")),
        ],
    )
    found = bench.rows("select person_id, recency_score from marts.customer_360")
    assert {int(person): score for person, score in found} == edges


def test_frequency_is_the_number_of_kept_orders(bench: Bench) -> None:
    edges = {1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 5, 40: 5}
    build(
        bench,
        orders=[
            *(row for n in edges for _ in range(n) for row in kept(days_ago(1), f"{n}")),
            *(row | {"status": "refunded"} for row in kept(days_ago(1), "1")),
        ],
    )
    found = bench.rows("select person_id, frequency_score from marts.customer_360")
    assert {int(person): score for person, score in found} == edges


def test_monetary_is_the_net_revenue_of_kept_orders(bench: Bench) -> None:
    edges = {"-1": 1, "49.99": 1, "50": 2, "99.99": 2, "100": 3, "250": 4, "499.99": 4, "500": 5}
    build(
        bench,
        orders=[row for n in edges for row in kept(days_ago(1), n, n)]
        + [{"ordered_at": "2026-01-30 10:00", "revenue": None, "person_id": "unknown"}],
    )
    found = dict(bench.rows("select person_id, monetary_score from marts.customer_360"))
    assert found == {**edges, "unknown": 1}


def test_thresholds_are_settings(make_bench: Any) -> None:
    bench = make_bench(
        customers__recency_days=[1, 2, 3, 4],
        customers__frequency_orders=[3, 4, 5, 6],
        customers__monetary=[1, 2, 3, "4.50"],
    )
    build(
        bench,
        orders=[
            *kept(days_ago(0), "today", "4.50"),
            *kept(f"{days_ago(3)} {days_ago(3)} {days_ago(3)}", "p1", 1),
            *kept(f"{days_ago(0)} {days_ago(0)}", "twice", 1),
        ],
    )
    scores = "recency_score, frequency_score, monetary_score, lifecycle_stage"
    assert customer(bench, scores, "today") == (5, 1, 5, "new")
    assert customer(bench, scores) == (2, 2, 4, "at risk")
    # Two orders score 1 for frequency here: the stage follows the score.
    assert customer(bench, scores, "twice") == (5, 1, 3, "new")


SEGMENTS = {
    # recency: frequency 1 to 5
    5: ["new", "potential loyalists", "potential loyalists", "champions", "champions"],
    4: ["promising", "potential loyalists", "potential loyalists", "loyal", "loyal"],
    3: ["need attention", "need attention", "need attention", "loyal", "loyal"],
    2: ["at risk", "at risk", "at risk", "cannot lose", "cannot lose"],
    1: ["hibernating", "hibernating", "hibernating", "lost loyal", "lost loyal"],
}
STAGES = {5: "active", 4: "active", 3: "active", 2: "at risk", 1: "lapsed"}


def test_segments_and_stages_by_recency_and_frequency(bench: Bench) -> None:
    """25 buyers, one for each pair of scores."""
    days = {5: 29, 4: 59, 3: 89, 2: 364, 1: 365}
    orders = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6}
    build(
        bench,
        orders=[
            row
            for r in days
            for f in orders
            for _ in range(orders[f])
            for row in kept(days_ago(days[r]), f"r{r}f{f}")
        ],
    )
    found = bench.rows("""
        select person_id, recency_score, frequency_score, rfm_segment, lifecycle_stage
        from marts.customer_360
    """)
    assert sorted(found) == sorted(
        (f"r{r}f{f}", r, f, segment, "new" if (r, f) == (5, 1) else STAGES[r])
        for r, row in SEGMENTS.items()
        for f, segment in enumerate(row, start=1)
    )


def test_who_never_bought_is_a_visitor_or_a_lead(bench: Bench) -> None:
    build(
        bench,
        profiles=[
            {"person_id": "guest", "is_identified": False},
            {"person_id": "known", "is_identified": True},
        ],
    )
    assert dict(bench.rows("select person_id, lifecycle_stage from marts.customer_360")) == {
        "guest": "visitor",
        "known": "lead",
    }


def test_a_segment_outside_its_stage_stops_the_table() -> None:
    """The check itself, tried on every pair: only those of the definition pass."""
    check = models(["customer"])["customer_360"].document.checks["a segment lies within its stage"]
    stages = {
        "visitor": {None},
        "lead": {None},
        "new": {"new"},
        "active": {"champions", "loyal", "potential loyalists", "promising", "need attention"},
        "at risk": {"cannot lose", "at risk"},
        "lapsed": {"lost loyal", "hibernating"},
    }
    segments = set[str | None]().union(*stages.values())
    pairs = [(stage, segment) for stage in stages for segment in segments]
    with duckdb.connect() as connection:
        connection.execute(
            "create schema marts; create table marts.customer_360 "
            "(person_id varchar, lifecycle_stage varchar, rfm_segment varchar)"
        )
        connection.executemany("insert into marts.customer_360 values ('p', ?, ?)", pairs)
        refused = {(stage, segment) for _, stage, segment in connection.execute(check).fetchall()}
    assert set(pairs) - refused == {(k, v) for k, found in stages.items() for v in found}


# --- who they are -------------------------------------------------------------------------------


def test_attributes_come_from_the_profile(bench: Bench) -> None:
    build(
        bench,
        profiles=[
            {
                "person_id": "p1",
                "user_id": "u1",
                "is_identified": True,
                "email": "test.person@Example.COM ",
                "gender": "female",
                "age": 40,
                "birthday_month": 5,
                "consent_sms": False,
                "consent_sms_at": "2026-01-22 08:00",
                "state": "BE",
                "country": "DE",
                "plan": "gold",
                "account_created_at": "2026-01-21 08:00",
            }
        ],
        events=[{"timestamp": "2026-01-20 08:00"}],
    )
    assert customer(
        bench, "user_id, is_identified, gender, age, birthday_month, state, country, plan"
    ) == (
        "u1",
        True,
        "female",
        40,
        5,
        "BE",
        "DE",
        "gold",
    )
    assert customer(bench, "consent_sms, consent_sms_at, consent_email, consent_email_at") == (
        False,
        at("2026-01-22 08:00"),
        None,
        None,
    )
    assert customer(bench, "email_domain, days_since_account_created, days_since_first_seen") == (
        "example.com",
        10,
        11,
    )


def test_what_silence_means_is_a_setting(make_bench: Any) -> None:
    for unanswered, reachable in (("deny", None), ("allow", "email")):
        bench = make_bench(consent__unanswered=unanswered)
        build(
            bench,
            profiles=[
                {
                    "person_id": "p1",
                    "email": "test.person@example.com",
                    "phone": "+1-555-0100",
                    "consent_sms": False,
                }
            ],
        )
        assert customer(bench, "reachable_channels, consent_email") == (reachable, None)


def test_a_channel_needs_an_address_and_a_consent(bench: Bench) -> None:
    """Who never answered is addressable only, by default. No address, no channel."""
    everything = {"email": "test.person@example.com", "phone": "+1-555-0100"}
    yes = {"consent_email": True, "consent_sms": True, "consent_push": True}
    build(
        bench,
        profiles=[
            {"person_id": "all", **everything, **yes},
            {"person_id": "no-mail", **everything, **yes, "consent_email": False},
            {"person_id": "silent", **everything},
            {"person_id": "no-address", **yes, "email": "no address", "phone": "unknown"},
        ],
        events=[{"person_id": "all", "type": "screen"}],
    )
    assert bench.rows("""
        select person_id, addressable_channels, reachable_channels, consent_email
        from marts.customer_360 order by person_id
    """) == [
        ("all", "email|sms|push", "email|sms|push", True),
        ("no-address", None, None, True),
        ("no-mail", "email|sms", "sms", False),
        ("silent", "email|sms", None, None),
    ]
