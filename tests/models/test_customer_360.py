"""Customer 360: windows, recency, values of orders, favourites, scores, stages and consent.

The as-of date is 2026-01-31 throughout.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

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
    ``ordered_at``, and their dates are those. Everybody has a profile.
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
            "refunded": None if row.get("revenue") is None else D("0.00"),
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
        bench, "refunded_total, units_bought, categories_bought, cancelled_orders, lifetime_value"
    ) == (D("0.00"), 0, 0, 0, D("0.00"))
    unknown = """
        age, gender, email_domain, mean_session_seconds, mean_order_value, median_order_value,
        highest_order_value, last_order_value, units_per_order, mean_days_between_orders,
        days_since_account_created, days_since_last_cart, days_since_last_order, last_order_date,
        recency_score, rfm_segment, favourite_brand, favourite_brand_share, top_category_by_spend,
        last_viewed_product_id, first_touch_channel, campaign_sources, consent_email
    """
    assert customer(bench, unknown) == (None,) * 23


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
    bench = make_bench(metrics__exclude_bots=False)
    build(bench, **rows)
    assert customer(bench, counted, "crawler") == (True, 1, 1, 1, D("5.00"), 1)
    assert customer(bench, "is_bot, events_total, days_since_last_seen", "both") == (False, 2, 2)


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
    """By time, then by event id; an event without any id of a product does not count here."""
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
    """A cancelled order is in nothing; one of unknown worth counts, and is in no amount."""
    build(
        bench,
        orders=[
            {"ordered_at": "2026-01-10 10:00", "revenue": D(30), "units": 3},
            {
                "ordered_at": "2026-01-11 10:00",
                "revenue": D(15),
                "refunded": D(5),
                "status": "partially_refunded",
            },
            {
                "ordered_at": "2026-01-12 10:00",
                "revenue": D(0),
                "refunded": D(8),
                "status": "refunded",
            },
            {"ordered_at": "2026-01-13 10:00", "revenue": None},
            {"ordered_at": "2026-01-14 10:00", "revenue": D(0), "status": "cancelled"},
        ],
    )
    assert customer(
        bench, "orders_total, valued_orders, unvalued_orders, cancelled_orders, refunded_orders"
    ) == (4, 3, 1, 1, 2)
    assert customer(
        bench, "spend_total, refunded_total, mean_order_value, last_order_value, units_bought"
    ) == (D("45.00"), D("13.00"), 15.0, D("0.00"), 6)
    assert str(customer(bench, "last_order_date")[0]) == "2026-01-13"


def test_who_only_ever_cancelled_is_no_customer(bench: Bench) -> None:
    build(
        bench,
        orders=[{"ordered_at": "2026-01-14 10:00", "revenue": D(0), "status": "cancelled"}],
    )
    assert customer(bench, "orders_total, cancelled_orders, rfm_segment, lifecycle_stage") == (
        0,
        1,
        None,
        "visitor",
    )
    assert customer(bench, "spend_total, lifetime_value") == (D("0.00"), D("0.00"))


def test_the_lifetime_value_is_the_spend_and_the_last_year_once_more(bench: Bench) -> None:
    build(
        bench,
        orders=[
            {"ordered_at": "2024-06-01 10:00", "revenue": D(100)},
            {"ordered_at": "2025-06-01 10:00", "revenue": D(30)},
        ],
    )
    assert customer(bench, "spend_total, spend_365, lifetime_value") == (D(130), D(30), D(160))


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
            {"order_id": "o1", "product_id": "a", "category": "books", "amount": D(5)},
            {"order_id": "o1", "product_id": "b", "category": "toys", "amount": D(40)},
            {"order_id": "o1", "product_id": "b", "category": "toys", "amount": D(40)},
            {"order_id": "o2", "product_id": "a", "category": "books", "amount": D(5)},
            {"order_id": "o3", "category": "hats", "amount": D(0), "quantity": 0},
            {"order_id": "o3", "product_id": "c", "amount": D(500)},
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
            {"order_id": "o1", "category": "books", "amount": D(5)},
            {"order_id": "o2", "category": "toys", "amount": D(5)},
            {"order_id": "o3", "category": "toys", "amount": D(5)},
            {"order_id": "o3", "category": "books", "amount": D(5)},
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


def test_equal_values_have_equal_scores(bench: Bench) -> None:
    """Of five buyers three spent 10, one 20, one 30: nobody is below the three, three and four of
    five are below the others. All ordered on one day: nobody later, so all of them are recent.
    """
    spends = {"a": 10, "b": 10, "c": 10, "d": 20, "e": 30}
    build(
        bench,
        orders=[
            {"person_id": person, "ordered_at": "2026-01-10 10:00", "revenue": D(value)}
            for person, value in spends.items()
        ],
    )
    assert bench.rows("""
        select person_id, recency_score, frequency_score, monetary_score
        from marts.customer_360 order by person_id
    """) == [("a", 5, 1, 1), ("b", 5, 1, 1), ("c", 5, 1, 1), ("d", 5, 1, 4), ("e", 5, 1, 5)]


def test_scores_are_fifths_also_where_five_does_not_divide_the_buyers(bench: Bench) -> None:
    """Seven buyers, each a day later and of more spend: 5 x 0 … 6 / 7 is 0, 0.7, 1.4, 2.1, 2.9,
    3.6, 4.3. Recency takes its whole part from 5, monetary adds it to 1.
    """
    build(
        bench,
        orders=[
            {"person_id": f"p{day}", "ordered_at": f"2026-01-1{day} 10:00", "revenue": D(day)}
            for day in range(7)
        ],
    )
    assert bench.rows(
        "select recency_score, monetary_score from marts.customer_360 order by person_id"
    ) == [(1, 1), (2, 1), (3, 2), (3, 3), (4, 3), (5, 4), (5, 5)]


def test_whoever_is_alone_with_a_first_order_is_a_new_customer(bench: Bench) -> None:
    build(bench, orders=[{"ordered_at": "2026-01-30 10:00", "revenue": D(1)}])
    assert customer(bench, "recency_score, frequency_score, monetary_score, rfm_segment") == (
        5,
        1,
        1,
        "new customers",
    )


SEGMENTS = {
    # recency: frequency 1 to 5
    5: ["new customers", "potential loyalists", "potential loyalists", "champions", "champions"],
    4: ["promising", "potential loyalists", "potential loyalists", "loyal", "loyal"],
    3: ["about to sleep", "about to sleep", "need attention", "loyal", "loyal"],
    2: ["hibernating", "hibernating", "at risk", "at risk", "cannot lose"],
    1: ["hibernating", "hibernating", "at risk", "at risk", "cannot lose"],
}


def test_segments_by_recency_and_frequency(bench: Bench) -> None:
    """25 buyers, one for each pair: those of recency r bought last on the day 10 + r."""
    build(
        bench,
        orders=[
            {
                "order_id": f"r{r}f{f}-{number}",
                "person_id": f"r{r}f{f}",
                "ordered_at": f"2026-01-1{r} 10:00",
                "revenue": D(1),
            }
            for r in SEGMENTS
            for f in range(1, 6)
            for number in range(f)
        ],
    )
    found = bench.rows(
        "select person_id, recency_score, frequency_score, rfm_segment from marts.customer_360"
    )
    assert sorted(found) == sorted(
        (f"r{r}f{f}", r, f, segment)
        for r, row in SEGMENTS.items()
        for f, segment in enumerate(row, start=1)
    )


def test_stages_of_the_life_cycle(bench: Bench) -> None:
    """A new customer's only order lies within 30 days; then 90 and 365 days count."""
    last_orders = {
        "new": ["2026-01-02"],
        "second": ["2026-01-02", "2026-01-03"],
        "first-active": ["2026-01-01"],
        "active": ["2025-11-03"],
        "at-risk": ["2025-11-02"],
        "at-risk-still": ["2025-02-01"],
        "lapsed": ["2025-01-31"],
    }
    build(
        bench,
        profiles=[
            {"person_id": "guest", "is_identified": False},
            {"person_id": "known", "is_identified": True},
        ],
        orders=[
            {"person_id": person, "ordered_at": f"{day} 10:00", "revenue": D(1)}
            for person, days in last_orders.items()
            for day in days
        ],
    )
    assert dict(bench.rows("select person_id, lifecycle_stage from marts.customer_360")) == {
        "guest": "visitor",
        "known": "lead",
        "new": "new customer",
        "second": "active customer",
        "first-active": "active customer",
        "active": "active customer",
        "at-risk": "at risk customer",
        "at-risk-still": "at risk customer",
        "lapsed": "lapsed customer",
    }


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
                "state": "BE",
                "country": "DE",
                "plan": "gold",
                "account_created_at": "2026-01-21 08:00",
                "first_seen_at": "2026-01-20 08:00",
            }
        ],
    )
    assert customer(bench, "user_id, is_identified, gender, age, state, country, plan") == (
        "u1",
        True,
        "female",
        40,
        "BE",
        "DE",
        "gold",
    )
    assert customer(bench, "email_domain, days_since_account_created, days_since_first_seen") == (
        "example.com",
        10,
        11,
    )


def test_a_channel_needs_an_address_and_a_consent(bench: Bench) -> None:
    """Who never answered is addressable only: the audience decides. No address, no channel."""
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
