"""Orders: repeats, updates, refunds, cancellations, currencies, missing ids and missing amounts."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.models.conftest import Bench

D = Decimal
at = datetime.fromisoformat

KINDS = ("order_completed", "order_updated", "order_refunded", "order_cancelled")


def tell(
    bench: Bench,
    *,
    completed: list[dict[str, Any]] | None = None,
    updated: list[dict[str, Any]] | None = None,
    refunded: list[dict[str, Any]] | None = None,
    cancelled: list[dict[str, Any]] | None = None,
    bots: tuple[str, ...] = (),
    payments: list[dict[str, Any]] | None = None,
    steps: list[dict[str, Any]] | None = None,
) -> None:
    """Fill the events about orders and build. Everybody's person is p1, every session s1.

    Ids default to c1, c2, … by kind, times to noon of 10 January, one minute after another.
    """
    kinds = dict(zip(KINDS, (completed, updated, refunded, cancelled), strict=True))
    every: list[dict[str, Any]] = []
    for source, rows in kinds.items():
        letter = {"order_cancelled": "x"}.get(source, source.removeprefix("order_")[0])
        filled = [
            {
                "id": f"{letter}{number}",
                "timestamp": f"2026-01-10 12:{number:02d}",
                **_with_text(row),
            }
            for number, row in enumerate(rows or [], start=1)
        ]
        bench.given(f"sources.{source}", filled)
        every += filled
    bench.given("sources.payment_info_entered", payments or [])
    bench.given("sources.checkout_step_completed", steps or [])
    seen = [_seen(row) for row in every]
    bench.given("marts.person_events", [{**row, "person_id": "p1"} for row in seen])
    bench.given(
        "marts.session_events",
        [{**row, "session_id": "s1", "is_bot": row["id"] in bots} for row in seen],
    )
    bench.build("order_events", "order_event_lines", "orders", "order_items")


def _with_text(row: dict[str, Any]) -> dict[str, Any]:
    products = row.get("products")
    return {**row, "products": json.dumps(products)} if isinstance(products, list) else row


def _seen(row: dict[str, Any]) -> dict[str, Any]:
    keep = {key: row[key] for key in ("id", "timestamp", "received_at") if key in row}
    day = str(row.get("received_at", row["timestamp"]))[:10]
    return {**keep, "received_at_utc_date": row.get("received_at_utc_date", day)}


def money(text: str | None) -> Decimal | None:
    """An amount as a table gives it."""
    return None if text is None else D(text)


def order(bench: Bench, columns: str, order_id: str = "o1") -> tuple[Any, ...]:
    """Some columns of one order."""
    rows = bench.rows(f"select {columns} from marts.orders where order_id = '{order_id}'")
    assert len(rows) == 1
    return rows[0]


TWO_MUGS = [{"product_id": "mug", "price": 10.0, "quantity": 2}]


def test_a_plain_order(bench: Bench) -> None:
    tell(
        bench,
        completed=[
            {
                "order_id": "o1",
                "subtotal": 20.0,
                "discount": 5.0,
                "shipping": 4.95,
                "tax": 1.5,
                "total": 21.45,
                "coupon": "FIVE",
                "currency": "USD",
                "payment_method": "card",
                "products": TWO_MUGS,
            }
        ],
    )
    assert order(bench, "has_order_id, person_id, session_id, currency, is_converted, status") == (
        True,
        "p1",
        "s1",
        "USD",
        True,
        "completed",
    )
    assert order(bench, "lines, units, coupon, payment_method, is_bot") == (
        1,
        2,
        "FIVE",
        "card",
        False,
    )
    assert order(bench, "subtotal, discount, shipping, tax, total") == (
        D("20.00"),
        D("5.00"),
        D("4.95"),
        D("1.50"),
        D("21.45"),
    )
    assert order(bench, "gross_revenue, refunded, revenue, items_difference") == (
        D("21.45"),
        D("0.00"),
        D("21.45"),
        D("0.00"),
    )
    assert order(bench, "ordered_at, updated_at, refunded_at, cancelled_at") == (
        at("2026-01-10 12:01"),
        None,
        None,
        None,
    )


def test_no_order_events_at_all(bench: Bench) -> None:
    tell(bench)
    assert bench.rows("select order_id from marts.orders") == []
    assert bench.rows("select order_id from marts.order_items") == []


def test_the_day_is_that_of_the_reporting_time_zone(make_bench: Any) -> None:
    """23:30 UTC is 00:30 of the next day in Berlin in winter."""
    bench = make_bench(timezone="Europe/Berlin")
    tell(bench, completed=[{"order_id": "o1", "total": 1.0, "timestamp": "2026-01-10 23:30"}])
    assert str(order(bench, "order_date")[0]) == "2026-01-11"


# --- repeats and missing ids --------------------------------------------------------------------


def test_of_repeated_completions_the_first_by_time_counts(bench: Bench) -> None:
    tell(
        bench,
        completed=[
            {"id": "late", "order_id": "o1", "total": 99.0, "timestamp": "2026-01-10 12:05"},
            {"id": "first", "order_id": "o1", "total": 20.0, "timestamp": "2026-01-10 12:00"},
        ],
    )
    assert order(bench, "event_id, total, repeats") == ("first", D("20.00"), 1)


def test_of_completions_at_one_time_the_smaller_id_counts(bench: Bench) -> None:
    at = "2026-01-10 12:00"
    tell(
        bench,
        completed=[
            {"id": "b", "order_id": "o1", "total": 2.0, "timestamp": at},
            {"id": "a", "order_id": "o1", "total": 1.0, "timestamp": at},
        ],
    )
    assert order(bench, "event_id, total, repeats") == ("a", D("1.00"), 1)


def test_white_space_around_an_order_id_does_not_count(bench: Bench) -> None:
    tell(
        bench,
        completed=[{"order_id": " o1\t", "total": 1.0}, {"order_id": "o1", "total": 2.0}],
    )
    assert bench.rows("select order_id, total, repeats from marts.orders") == [("o1", D("1.00"), 1)]


def test_orders_without_an_id_are_kept_one_per_event(bench: Bench) -> None:
    """Placeholders, such as 'undefined', are no ids: else all of them were one order."""
    tell(
        bench,
        completed=[
            {"id": "a", "order_id": None, "total": 1.0},
            {"id": "b", "order_id": "undefined", "total": 2.0},
            {"id": "c", "order_id": " ", "total": 4.0},
        ],
    )
    assert bench.rows(
        "select order_id, has_order_id, total from marts.orders order by order_id"
    ) == [
        ("event:a", False, D("1.00")),
        ("event:b", False, D("2.00")),
        ("event:c", False, D("4.00")),
    ]


def test_an_event_that_came_again_after_weeks_is_a_repeat(bench: Bench) -> None:
    """Beyond the duplicate window an id may recur; the order without id is still one."""
    tell(
        bench,
        completed=[
            {"id": "a", "total": 5.0, "timestamp": "2026-01-01 10:00"},
            {"id": "a", "total": 5.0, "timestamp": "2026-01-20 10:00"},
        ],
    )
    assert bench.rows("select order_id, total, repeats from marts.orders") == [
        ("event:a", D("5.00"), 1)
    ]


def test_a_refund_that_came_again_after_weeks_counts_once(bench: Bench) -> None:
    """Two refunds of equal amounts with ids of their own are two."""
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 50.0}],
        refunded=[
            {"id": "r", "order_id": "o1", "total": 10.0, "timestamp": "2026-01-11 10:00"},
            {"id": "r", "order_id": "o1", "total": 10.0, "timestamp": "2026-01-25 10:00"},
            {"id": "s", "order_id": "o1", "total": 10.0, "timestamp": "2026-01-26 10:00"},
        ],
    )
    assert order(bench, "refunds, refunded, revenue") == (2, D("20.00"), D("30.00"))


def test_what_is_said_of_unknown_orders_is_kept_apart(bench: Bench) -> None:
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 50.0}],
        refunded=[{"order_id": "o9", "total": 10.0}, {"total": 10.0}],
        cancelled=[{"order_id": "o8"}],
        updated=[{"order_id": "o7", "total": 1.0}],
    )
    assert bench.rows("select order_id, revenue from marts.orders") == [("o1", D("50.00"))]
    assert bench.rows("select order_id, kind, role from marts.order_events order by order_id") == [
        ("event:r2", "refunded", "orphan"),
        ("o1", "completed", "counts"),
        ("o7", "updated", "orphan"),
        ("o8", "cancelled", "orphan"),
        ("o9", "refunded", "orphan"),
    ]


# --- amounts that were not sent -----------------------------------------------------------------

SPECIFIED: dict[str, Any] = {
    "revenue": 25.0,
    "subtotal": 22.5,
    "discount": 2.5,
    "shipping": 3.0,
    "tax": 2.0,
}
"""Amounts as the specification's example has them: goods of 25.00, whose subtotal is after the
discount, 27.50 to pay.
"""

AMOUNTS: list[tuple[str, dict[str, Any], str | None, str | None]] = [
    # what is sent, then the total and the subtotal that follow from it
    ("total", {"total": 30.0, "shipping": 5.0, "tax": 3.0, "discount": 2.0}, "30.00", "24.00"),
    ("value stands for total", {"value": 30.0}, "30.00", "30.00"),
    ("subtotal", {"subtotal": 20.0, "discount": 2.0, "shipping": 5, "tax": 1}, "24.00", "20.00"),
    ("revenue", {"revenue": 20.0, "discount": 2.0, "tax": 1.0}, "19.00", "20.00"),
    ("lines", {"products": TWO_MUGS, "discount": 3.0, "shipping": 5.0}, "22.00", "20.00"),
    ("subtotal before revenue", {"subtotal": 20.0, "revenue": 30.0}, "20.00", "20.00"),
    ("as specified", SPECIFIED, "27.50", "25.00"),
    (
        "a subtotal with the discount off, told by the total",
        {**SPECIFIED, "revenue": None, "total": 27.5},
        "27.50",
        "25.00",
    ),
    (
        "a revenue with the discount off, told by the lines",
        {"revenue": 18.0, "discount": 2.0, "products": TWO_MUGS},
        "18.00",
        "20.00",
    ),
    (
        "a subtotal before the discount, told by the lines, whatever the total",
        {"subtotal": 20.0, "discount": 2.0, "total": 20.0, "products": TWO_MUGS},
        "20.00",
        "20.00",
    ),
    ("a discount sent as a negative number", {"subtotal": 20.0, "discount": -2}, "18.00", "20.00"),
    ("an order for nothing", {"total": 0.0}, "0.00", "0.00"),
    ("nothing", {}, None, None),
    ("lines without prices", {"products": [{"product_id": "mug"}]}, None, None),
    ("no amount of money", {"total": 1e300}, None, None),
]


def test_totals_follow_from_what_was_sent(bench: Bench) -> None:
    """Each case is an order of its own, its id the name of the case."""
    tell(bench, completed=[{"order_id": case, **sent} for case, sent, _, _ in AMOUNTS])
    found = bench.rows("""
        select order_id, total, subtotal, revenue, is_converted, unvalued_reason from marts.orders
    """)
    assert sorted(found) == sorted(
        (case, money(total), money(subtotal), money(total), True, None)
        if total is not None
        else (case, None, None, None, False, "no_amount")
        for case, _, total, subtotal in AMOUNTS
    )


def test_where_the_lines_do_not_add_up_it_is_reported(bench: Bench) -> None:
    tell(bench, completed=[{"order_id": "o1", "subtotal": 25.0, "products": TWO_MUGS}])
    assert order(bench, "subtotal, items_difference") == (D("25.00"), D("5.00"))


def test_half_cents_are_rounded_up_as_written(bench: Bench) -> None:
    """2.675 as a double lies below 2.675, and still is 2.68 to whoever wrote it."""
    tell(bench, completed=[{"order_id": "o1", "total": 2.675}])
    assert order(bench, "total") == (D("2.68"),)


# --- currencies ---------------------------------------------------------------------------------


def test_amounts_are_converted_by_the_rates_of_the_parameters(bench: Bench) -> None:
    """EUR at 1.10; a currency in lower case is that currency."""
    tell(
        bench,
        completed=[
            {
                "order_id": "o1",
                "currency": " eur",
                "subtotal": 20.0,
                "shipping": 4.95,
                "total": 24.95,
                "products": TWO_MUGS,
            }
        ],
    )
    # 24.95 x 1.1 = 27.445
    assert order(bench, "currency, subtotal, shipping, total, items_difference") == (
        "EUR",
        D("22.00"),
        D("5.45"),
        D("27.45"),
        D("0.00"),
    )


def test_without_a_currency_it_is_that_of_the_products_or_the_reporting_one(bench: Bench) -> None:
    tell(
        bench,
        completed=[
            {"order_id": "o1", "total": 10.0, "products": [{"sku": "m", "currency": "GBP"}]},
            {"order_id": "o2", "total": 10.0},
        ],
    )
    assert order(bench, "currency, total", "o1") == ("GBP", D("13.00"))
    assert order(bench, "currency, total", "o2") == ("USD", D("10.00"))


def test_an_order_in_a_currency_without_rate_has_no_money_but_counts(bench: Bench) -> None:
    tell(
        bench,
        completed=[{"order_id": "o1", "currency": "JPY", "total": 1000.0, "products": TWO_MUGS}],
        refunded=[{"order_id": "o1", "total": 1000.0}],
    )
    assert order(bench, "is_converted, unvalued_reason, status, currency, lines, units") == (
        False,
        "no_rate",
        "refunded",
        "JPY",
        1,
        2,
    )
    assert order(bench, "subtotal, discount, total, refunded, gross_revenue, revenue") == (
        (None,) * 6
    )
    assert order(bench, "refund_excess, items_difference") == (None, None)
    assert bench.rows("select quantity, unit_price, amount from marts.order_items") == [
        (2, None, None)
    ]


def test_a_refund_in_a_currency_without_rate_leaves_the_revenue_unknown(bench: Bench) -> None:
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 10.0, "currency": "USD"}],
        refunded=[{"order_id": "o1", "total": 3.0, "currency": "XAU"}],
    )
    assert order(bench, "is_converted, revenue, status") == (False, None, "partially_refunded")


def test_a_rate_given_for_the_reporting_currency_changes_nothing(make_bench: Any) -> None:
    bench = make_bench(currency__rates={"USD": 2, "EUR": 1.1})
    tell(bench, completed=[{"order_id": "o1", "total": 10.0, "currency": "USD"}])
    assert bench.rows("select total from marts.orders") == [(D("10.00"),)]


# --- updates ------------------------------------------------------------------------------------


def test_an_update_amends_what_it_sends_and_nothing_else(bench: Bench) -> None:
    tell(
        bench,
        completed=[
            {
                "order_id": "o1",
                "subtotal": 20.0,
                "shipping": 5.0,
                "total": 25.0,
                "coupon": "OLD",
                "products": TWO_MUGS,
            }
        ],
        updated=[
            {
                "order_id": "o1",
                "subtotal": 30.0,
                "total": 35.0,
                "products": [{"product_id": "mug", "price": "10", "quantity": 3}],
                "timestamp": "2026-01-11 09:00",
            }
        ],
    )
    assert order(bench, "total, subtotal, shipping, coupon, units, items_difference") == (
        D("35.00"),
        D("30.00"),
        D("5.00"),
        "OLD",
        3,
        D("0.00"),
    )
    assert order(bench, "updates, status, ordered_at, updated_at") == (
        1,
        "completed",
        at("2026-01-10 12:01"),
        at("2026-01-11 09:00"),
    )


def test_of_several_updates_the_latest_value_of_each_field_holds(bench: Bench) -> None:
    """By time, whatever the order in the table: the coupon and the tax were sent last on the 12th,
    the rest on the 13th.
    """
    tell(
        bench,
        completed=[
            {
                "order_id": "o1",
                "total": 10.0,
                "subtotal": 9.0,
                "discount": 3.0,
                "shipping": 2.0,
                "tax": 2.0,
                "coupon": "OLD",
                "payment_method": "card",
                "checkout_id": "k1",
            }
        ],
        updated=[
            {
                "order_id": "o1",
                "total": 12.0,
                "subtotal": 10.0,
                "discount": 1.0,
                "shipping": 1.5,
                "payment_method": "gift",
                "timestamp": "2026-01-13 10:00",
            },
            {
                "order_id": "o1",
                "total": 11.0,
                "subtotal": 11.0,
                "discount": 2.0,
                "shipping": 2.5,
                "tax": 1.5,
                "coupon": "NEW",
                "payment_method": "wallet",
                "timestamp": "2026-01-12 10:00",
            },
        ],
    )
    assert order(bench, "total, subtotal, discount, shipping, tax") == (
        D("12.00"),
        D("10.00"),
        D("1.00"),
        D("1.50"),
        D("1.50"),
    )
    assert order(bench, "coupon, payment_method, updates") == ("NEW", "gift", 2)


def test_the_latest_revenue_and_checkout_hold_too(bench: Bench) -> None:
    """Seen in what follows from them: the total of the revenue, the payment of the checkout."""
    early = {"timestamp": "2026-01-10 10:00"}
    tell(
        bench,
        completed=[{"order_id": "o1", "revenue": 10.0, "checkout_id": "k1"}],
        updated=[
            {
                "order_id": "o1",
                "revenue": 15.0,
                "checkout_id": "k2",
                "timestamp": "2026-01-11 10:00",
            }
        ],
        steps=[
            {"id": "s1", "checkout_id": "k1", "payment_method": "card", **early},
            {"id": "s2", "checkout_id": "k2", "payment_method": "wallet", **early},
        ],
    )
    assert order(bench, "total, payment_method") == (D("15.00"), "wallet")


def test_an_update_in_another_currency_is_converted_by_its_own(bench: Bench) -> None:
    """The shipping of 5 USD stays; the new total is 20 EUR."""
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 25.0, "shipping": 5.0, "currency": "USD"}],
        updated=[
            {"order_id": "o1", "total": 20.0, "currency": "EUR", "timestamp": "2026-01-11 09:00"}
        ],
    )
    assert order(bench, "total, shipping, currency") == (D("22.00"), D("5.00"), "EUR")


# --- refunds and cancellations ------------------------------------------------------------------

REFUNDS: list[tuple[str, list[dict[str, Any]], str, str, str, str]] = [
    # refunds of an order of 40.00 (2 mugs at 10, 1 jug at 20): refunded, revenue, excess, status
    ("a part", [{"total": 15.0}], "15.00", "25.00", "0.00", "partially_refunded"),
    ("all", [{"total": 40.0}], "40.00", "0.00", "0.00", "refunded"),
    ("in two parts", [{"total": 15.0}, {"total": 25.0}], "40.00", "0.00", "0.00", "refunded"),
    ("a negative total", [{"total": -15.0}], "15.00", "25.00", "0.00", "partially_refunded"),
    ("more than all", [{"total": 50.0}], "40.00", "0.00", "10.00", "refunded"),
    ("nothing but the order", [{}], "40.00", "0.00", "0.00", "refunded"),
    ("all, after a part", [{"total": 15.0}, {}], "40.00", "0.00", "0.00", "refunded"),
    (
        "products with prices",
        [{"products": [{"product_id": "mug", "price": 9.0, "quantity": 2}]}],
        "18.00",
        "22.00",
        "0.00",
        "partially_refunded",
    ),
    (
        "products without prices, by those of the order",
        [{"products": [{"product_id": "mug", "quantity": 2}]}],
        "20.00",
        "20.00",
        "0.00",
        "partially_refunded",
    ),
    (
        "a product by its sku, one of it",
        [{"products": [{"sku": "J-1"}]}],
        "20.00",
        "20.00",
        "0.00",
        "partially_refunded",
    ),
    (
        "a product that was not ordered",
        [{"products": [{"product_id": "hat"}]}],
        "0.00",
        "40.00",
        "0.00",
        "partially_refunded",
    ),
]


def test_refunds_net(bench: Bench) -> None:
    """Each case is an order of its own, its id the name of the case."""
    jug = {"product_id": "jug", "sku": "J-1", "price": 20.0, "quantity": 1}
    tell(
        bench,
        completed=[
            {"order_id": case, "total": 40.0, "products": [*TWO_MUGS, jug]} for case, *_ in REFUNDS
        ],
        refunded=[
            {"order_id": case, "timestamp": f"2026-01-2{number} 10:00", "id": f"{case} {number}"}
            | refund
            for case, refunds, *_ in REFUNDS
            for number, refund in enumerate(refunds)
        ],
    )
    found = bench.rows("""
        select order_id, refunds, total, gross_revenue, refunded, revenue, refund_excess, status
        from marts.orders
    """)
    whole = D("40.00")
    assert sorted(found) == sorted(
        (case, len(refunds), whole, whole, money(refunded), money(revenue), money(excess), status)
        for case, refunds, refunded, revenue, excess, status in REFUNDS
    )


def test_a_refund_of_unknown_worth_is_counted(bench: Bench) -> None:
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 40.0}],
        refunded=[{"order_id": "o1", "products": [{"product_id": "hat"}]}],
    )
    assert order(bench, "refunds, unvalued_refunds, refunded") == (1, 1, D("0.00"))


def test_a_refund_without_currency_is_in_the_currency_of_the_order(bench: Bench) -> None:
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 40.0, "currency": "EUR"}],
        refunded=[{"order_id": "o1", "total": 10.0}],
    )
    assert order(bench, "total, refunded, revenue") == (D("44.00"), D("11.00"), D("33.00"))


def test_a_cancelled_order_brings_nothing(bench: Bench) -> None:
    """Refunded first or not: its revenue is 0, and what it would have been stays in the gross."""
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 40.0}],
        refunded=[{"order_id": "o1", "total": 10.0, "timestamp": "2026-01-11 10:00"}],
        cancelled=[{"order_id": "o1", "timestamp": "2026-01-12 10:00"}],
    )
    assert order(bench, "status, gross_revenue, refunded, revenue, cancelled_at") == (
        "cancelled",
        D("40.00"),
        D("10.00"),
        D("0.00"),
        at("2026-01-12 10:00"),
    )


def test_what_was_received_after_the_as_of_date_has_not_happened(make_bench: Any) -> None:
    bench = make_bench("2026-01-15")
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 40.0}],
        refunded=[{"order_id": "o1", "total": 10.0, "timestamp": "2026-01-16 00:00"}],
    )
    assert order(bench, "status, revenue") == ("completed", D("40.00"))


# --- people, bots, payment ----------------------------------------------------------------------


def test_orders_of_bots_are_flagged_and_kept(bench: Bench) -> None:
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 1.0}, {"order_id": "o2", "total": 1.0}],
        bots=("c2",),
    )
    assert bench.rows("select order_id, is_bot from marts.orders order by order_id") == [
        ("o1", False),
        ("o2", True),
    ]


def test_the_payment_method_comes_from_the_latest_payment_step(bench: Bench) -> None:
    """By the order's id before the checkout's; what the order itself says comes before both."""
    tell(
        bench,
        completed=[
            {"order_id": "o1", "checkout_id": "k1", "total": 1.0},
            {"order_id": "o2", "checkout_id": "k2", "total": 1.0},
            {"order_id": "o3", "checkout_id": "k2", "total": 1.0, "payment_method": "card"},
            {"order_id": "o4", "total": 1.0},
        ],
        payments=[
            {
                "id": "p1",
                "order_id": "o2",
                "payment_method": "gift",
                "timestamp": "2026-01-10 10:00",
            },
        ],
        steps=[
            {
                "id": "s2",
                "checkout_id": "k1",
                "payment_method": "wallet",
                "timestamp": "2026-01-10 11:00",
            },
            {
                "id": "s1",
                "checkout_id": "k1",
                "payment_method": "card",
                "timestamp": "2026-01-10 10:00",
            },
            {"id": "s3", "checkout_id": "k1", "timestamp": "2026-01-10 11:30"},
            {
                "id": "s4",
                "checkout_id": "k2",
                "payment_method": "wallet",
                "timestamp": "2026-01-10 11:00",
            },
        ],
    )
    assert bench.rows("select order_id, payment_method from marts.orders order by order_id") == [
        ("o1", "wallet"),
        ("o2", "gift"),
        ("o3", "card"),
        ("o4", None),
    ]
