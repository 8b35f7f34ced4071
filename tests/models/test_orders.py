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
ORDER_MODELS = (
    "order_events",
    "order_event_lines",
    "order_amounts",
    "order_refunds",
    "orders",
    "order_items",
)


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
    bench.build(*ORDER_MODELS)


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


Sent = dict[str, Any]
"""Properties of an event about an order."""

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
    assert order(bench, "item_sales, discount, shipping, tax, order_total") == (
        D("20.00"),
        D("5.00"),
        D("4.95"),
        D("1.50"),
        D("21.45"),
    )
    assert order(bench, "revenue, refunds, net_revenue, cancelled_revenue, items_difference") == (
        D("15.00"),
        D("0.00"),
        D("15.00"),
        D("0.00"),
        D("0.00"),
    )
    assert order(bench, "repeats, updates, refund_count, unvalued_refunds, refund_excess") == (
        0,
        0,
        0,
        0,
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
    assert order(bench, "event_id, order_total, repeats") == ("first", D("20.00"), 1)


def test_of_completions_at_one_time_the_smaller_id_counts(bench: Bench) -> None:
    at = "2026-01-10 12:00"
    tell(
        bench,
        completed=[
            {"id": "b", "order_id": "o1", "total": 2.0, "timestamp": at},
            {"id": "a", "order_id": "o1", "total": 1.0, "timestamp": at},
        ],
    )
    assert order(bench, "event_id, order_total, repeats") == ("a", D("1.00"), 1)


def test_white_space_around_an_order_id_does_not_count(bench: Bench) -> None:
    tell(
        bench,
        completed=[{"order_id": " o1\t", "total": 1.0}, {"order_id": "o1", "total": 2.0}],
    )
    assert bench.rows("select order_id, order_total, repeats from marts.orders") == [
        ("o1", D("1.00"), 1)
    ]


def test_orders_without_an_id_are_kept_one_per_event(bench: Bench) -> None:
    """Placeholders, such as 'undefined', are no ids: else all of them were one order."""
    tell(
        bench,
        completed=[
            {"id": "a", "order_id": None, "total": 1.0},
            {"id": "b", "order_id": "undefined", "total": 2.0},
            {"id": "c", "order_id": " ", "total": 4.0},
            {"id": "d", "order_id": " NULL", "total": 8.0},
        ],
    )
    assert bench.rows(
        "select order_id, has_order_id, order_total from marts.orders order by order_id"
    ) == [
        ("event:a", False, D("1.00")),
        ("event:b", False, D("2.00")),
        ("event:c", False, D("4.00")),
        ("event:d", False, D("8.00")),
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
    assert bench.rows("select order_id, order_total, repeats from marts.orders") == [
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
    assert order(bench, "refund_count, refunds, net_revenue") == (2, D("20.00"), D("30.00"))


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


# --- amounts ------------------------------------------------------------------------------------

AMOUNTS: list[tuple[str, Sent, tuple[str, str, str, str] | None]] = [
    # what is sent, then order_total, revenue, item_sales and items_difference
    (
        "a total: tax and shipping are taken off",
        {"total": 30.0, "shipping": 5.0, "tax": 3.0, "discount": 2.0},
        ("30.00", "22.00", "0.00", "24.00"),
    ),
    ("a value stands for the total", {"value": 30.0}, ("30.00", "30.00", "0.00", "30.00")),
    ("a total before a value", {"total": 30.0, "value": 9.0}, ("30.00", "30.00", "0.00", "30.00")),
    (
        "a total, whatever the event calls revenue",
        {"total": 30.0, "tax": 5.0, "revenue": 99.0, "subtotal": 98.0},
        ("30.00", "25.00", "0.00", "25.00"),
    ),
    (
        "revenue, which has the discount off already",
        {"revenue": 18.0, "discount": 2.0, "tax": 1.0, "products": TWO_MUGS},
        ("19.00", "18.00", "20.00", "0.00"),
    ),
    (
        "revenue equal to the item sales: the discount comes off",
        {"revenue": 20.0, "discount": 2.0, "tax": 1.0, "shipping": 4.0, "products": TWO_MUGS},
        ("23.00", "18.00", "20.00", "0.00"),
    ),
    (
        "subtotal equal to the item sales: the discount comes off",
        {"subtotal": 20.0, "discount": 2.0, "products": TWO_MUGS},
        ("18.00", "18.00", "20.00", "0.00"),
    ),
    (
        "a cent off for one line is equal",
        {"subtotal": 20.01, "discount": 2.0, "products": TWO_MUGS},
        ("18.01", "18.01", "20.00", "0.01"),
    ),
    (
        "two cents off for one line are not",
        {"subtotal": 20.02, "discount": 2.0, "products": TWO_MUGS},
        ("20.02", "20.02", "20.00", "2.02"),
    ),
    (
        "two cents off for two lines are equal",
        {"subtotal": 25.02, "discount": 2.0, "products": [*TWO_MUGS, {"sku": "jar", "price": 5}]},
        ("23.02", "23.02", "25.00", "0.02"),
    ),
    (
        "revenue before subtotal",
        {"revenue": 30.0, "subtotal": 20.0, "products": TWO_MUGS},
        ("30.00", "30.00", "20.00", "10.00"),
    ),
    (
        "without a line there is nothing to compare with: the discount stays",
        {"subtotal": 20.0, "discount": 2.0},
        ("20.00", "20.00", "0.00", "22.00"),
    ),
    (
        "nothing to compare with, also where the goods are for nothing",
        {"revenue": 0.0, "discount": 20.0, "products": [{"sku": "mug"}]},
        ("0.00", "0.00", "0.00", "20.00"),
    ),
    (
        "lines",
        {"products": TWO_MUGS, "discount": 3.0, "shipping": 5.0, "tax": 1.0},
        ("23.00", "17.00", "20.00", "0.00"),
    ),
    (
        "a discount sent as a negative number",
        {"products": TWO_MUGS, "discount": -3.0},
        ("17.00", "17.00", "20.00", "0.00"),
    ),
    (
        "a line without a price brings nothing",
        {"products": [*TWO_MUGS, {"product_id": "jug", "quantity": 3}]},
        ("20.00", "20.00", "20.00", "0.00"),
    ),
    (
        "a line of a negative price is a discount",
        {"products": [*TWO_MUGS, {"name": "Voucher", "price": -5}]},
        ("15.00", "15.00", "15.00", "0.00"),
    ),
    ("an order for nothing", {"total": 0.0}, ("0.00", "0.00", "0.00", "0.00")),
    (
        "tax above the total: nothing is clamped",
        {"total": 5.0, "tax": 6.0, "shipping": 1.0},
        ("5.00", "-2.00", "0.00", "-2.00"),
    ),
    ("a negative total", {"total": -10.0}, ("-10.00", "-10.00", "0.00", "-10.00")),
    (
        "a negative tax and shipping",
        {"revenue": 10.0, "tax": -1.0, "shipping": -2.0},
        ("7.00", "10.00", "0.00", "10.00"),
    ),
    ("nothing", {}, None),
    ("tax alone", {"tax": 3.0, "shipping": 2.0, "discount": 1.0}, None),
    ("lines without prices", {"products": [{"product_id": "mug"}]}, None),
    ("a tax that is not believed", {"tax": 1e10}, None),
]


def test_amounts_follow_from_what_was_sent(bench: Bench) -> None:
    """Each case is an order of its own, its id the name of the case."""
    tell(bench, completed=[{"order_id": case, **sent} for case, sent, _ in AMOUNTS])
    found = bench.rows("""
        select
            order_id, order_total, revenue, item_sales, items_difference, is_converted,
            unvalued_reason
        from marts.orders
    """)
    assert sorted(found) == sorted(
        (case, *map(D, expected), True, None)
        if expected
        else (case, None, None, None, None, False, "no_amount")
        for case, _, expected in AMOUNTS
    )


def test_half_cents_are_rounded_up_as_written(bench: Bench) -> None:
    """2.675 as a double lies below 2.675, and still is 2.68 to whoever wrote it."""
    tell(bench, completed=[{"order_id": "o1", "total": 2.675}])
    assert order(bench, "order_total") == (D("2.68"),)


LARGE: list[tuple[str, Sent, str, str]] = [
    # what is sent, then order_total and item_sales
    ("five digits", {"total": 10_000.0}, "10000.00", "0.00"),
    ("with cents", {"total": 12_345.67}, "12345.67", "0.00"),
    ("the most that is believed", {"total": 9_999_999_999.99}, "9999999999.99", "0.00"),
    ("the least", {"total": -9_999_999_999.99}, "-9999999999.99", "0.00"),
    (
        "twelve at a thousand",
        {"products": [{"sku": "a", "price": 1000, "quantity": 12}]},
        "12000.00",
        "12000.00",
    ),
    (
        "prices of 1,500,000, and 999,999 of them",
        {"products": [{"sku": "a", "price": 1_500_000, "quantity": 999_999}]},
        "1499998500000.00",
        "1499998500000.00",
    ),
    (
        "the dearest line there is",
        {"products": [{"sku": "a", "price": "9999999999.99", "quantity": 999_999}]},
        "9999989999990000.01",
        "9999989999990000.01",
    ),
]


def test_large_amounts_are_exact(bench: Bench) -> None:
    """9,999,999,999.99 x 999,999 = 10^16 - 10^10 - 9,999.99 = 9,999,989,999,990,000.01."""
    tell(bench, completed=[{"order_id": case, **sent} for case, sent, _, _ in LARGE])
    found = bench.rows("select order_id, order_total, item_sales from marts.orders")
    assert sorted(found) == sorted((case, D(total), D(items)) for case, _, total, items in LARGE)


OUT_OF_BOUNDS: list[tuple[str, Sent]] = [
    ("a total that is not believed", {"total": 1e10}),
    ("a value far beyond", {"value": 1.7e308}),
    ("a price that is not believed", {"products": [{"sku": "a", "price": 1e10}]}),
    (
        "two of the dearest lines come to more than the table holds",
        {"products": [{"sku": "a", "price": "9999999999.99", "quantity": 999_999}] * 2},
    ),
    (
        "a line that passes it when converted, to 1.1 as much",
        {"currency": "EUR", "products": [{"sku": "a", "price": "9999999999", "quantity": 999_999}]},
    ),
    (
        "a line that passes it, of an order that has a total",
        {
            "currency": "EUR",
            "total": 1.0,
            "products": [{"sku": "a", "price": "9999999999", "quantity": 999_999}],
        },
    ),
]


def test_what_is_out_of_bounds_has_no_money_and_is_counted(bench: Bench) -> None:
    """Nothing else is the worse for it: the order beside them has its money."""
    completed = [{"order_id": case, **sent} for case, sent in OUT_OF_BOUNDS]
    tell(bench, completed=[*completed, {"order_id": "o1", "total": 1.0}])
    assert order(bench, "revenue") == (D("1.00"),)
    found = bench.rows("""
        select order_id, is_converted, unvalued_reason, order_total, revenue, item_sales
        from marts.orders where order_id <> 'o1'
    """)
    assert sorted(found) == sorted(
        (case, False, "out_of_bounds", None, None, None) for case, _ in OUT_OF_BOUNDS
    )


def test_an_amount_that_is_not_used_does_no_harm(make_bench: Any) -> None:
    """At 10^7 per unit a revenue of 5 x 10^9 is too large for the table; the total counts."""
    bench = make_bench(currency__rates={"XAU": "10000000"})
    sent = {"total": 2.0, "revenue": 5e9, "subtotal": 5e9, "currency": "XAU"}
    tell(bench, completed=[{"order_id": "o1", **sent}])
    assert order(bench, "unvalued_reason, revenue") == (None, D("20000000.00"))


def test_an_amount_that_is_not_believed_counts_as_not_sent(bench: Bench) -> None:
    """The tax of 10^10 is 0, the total of 1e300 gives way to the value; both are counted."""
    tell(bench, completed=[{"order_id": "o1", "total": 1e300, "value": 10.0, "tax": 1e10}])
    assert order(bench, "order_total, tax, revenue") == (D("10.00"), D("0.00"), D("10.00"))
    assert bench.rows("select amounts_not_believed from marts.order_events") == [(2,)]


def test_amounts_reported_in_a_currency_of_small_units(make_bench: Any) -> None:
    """In JPY at 150 per USD and 165.5 per EUR: 12,345.67 USD are 1,851,850.50 JPY."""
    bench = make_bench(currency__reporting="JPY", currency__rates={"USD": 150, "EUR": 165.5})
    tell(
        bench,
        completed=[
            {"order_id": "o1", "total": 12_345.67, "currency": "USD", "tax": 45.67},
            {"order_id": "o2", "total": 9_999_999_999.99, "currency": "EUR"},
            {"order_id": "o3", "total": 5000.0},
        ],
        refunded=[{"order_id": "o1", "total": 100.01}],
    )
    # 45.67 x 150 = 6,850.50; 9,999,999,999.99 x 165.5 = 1,654,999,999,998.345
    assert bench.rows(
        "select order_id, currency, order_total, tax, revenue, refunds, net_revenue"
        " from marts.orders order by order_id"
    ) == [
        (
            "o1",
            "USD",
            D("1851850.50"),
            D("6850.50"),
            D("1845000.00"),
            D("15001.50"),
            D("1829998.50"),
        ),
        (
            "o2",
            "EUR",
            D("1654999999998.35"),
            D("0.00"),
            D("1654999999998.35"),
            D("0.00"),
            D("1654999999998.35"),
        ),
        ("o3", "JPY", D("5000.00"), D("0.00"), D("5000.00"), D("0.00"), D("5000.00")),
    ]


# --- currencies ---------------------------------------------------------------------------------


def test_amounts_are_converted_by_the_rates_of_the_parameters(bench: Bench) -> None:
    """EUR at 1.10; a currency in lower case is that currency. Each amount is rounded by itself."""
    tell(
        bench,
        completed=[
            {
                "order_id": "o1",
                "currency": " eur",
                "shipping": 4.95,
                "total": 24.95,
                "products": TWO_MUGS,
            }
        ],
    )
    # 24.95 x 1.1 = 27.445; 4.95 x 1.1 = 5.445; 27.45 - 5.45 = 22.00
    assert order(bench, "currency, shipping, order_total, revenue, items_difference") == (
        "EUR",
        D("5.45"),
        D("27.45"),
        D("22.00"),
        D("0.00"),
    )


def test_the_currency_is_the_events_else_its_first_lines_else_the_reporting_one(
    bench: Bench,
) -> None:
    """A member that is no line is not the first one; a currency of the second is not asked."""
    gbp = {"sku": "m", "currency": "GBP"}
    tell(
        bench,
        completed=[
            {"order_id": "o1", "total": 10.0, "products": [gbp]},
            {"order_id": "o2", "total": 10.0},
            {"order_id": "o3", "total": 10.0, "currency": " ", "products": [None, {}, gbp]},
            {"order_id": "o4", "total": 10.0, "products": [{"sku": "n"}, gbp]},
            {"order_id": "o5", "total": 10.0, "currency": "EUR", "products": [gbp]},
        ],
    )
    assert bench.rows("select order_id, currency, order_total from marts.orders order by 1") == [
        ("o1", "GBP", D("13.00")),
        ("o2", "USD", D("10.00")),
        ("o3", "GBP", D("13.00")),
        ("o4", "USD", D("10.00")),
        ("o5", "EUR", D("11.00")),
    ]


def test_an_order_in_a_currency_without_rate_has_no_money_but_counts(bench: Bench) -> None:
    """Nor is its refund worth anything known: it leaves the order completed."""
    tell(
        bench,
        completed=[{"order_id": "o1", "currency": "JPY", "total": 1000.0, "products": TWO_MUGS}],
        refunded=[{"order_id": "o1", "total": 1000.0}],
    )
    assert order(bench, "is_converted, unvalued_reason, status, currency, lines, units") == (
        False,
        "no_rate",
        "completed",
        "JPY",
        1,
        2,
    )
    assert order(
        bench,
        "item_sales, discount, tax, shipping, order_total, revenue, refunds, net_revenue,"
        " cancelled_revenue, items_difference, refund_excess",
    ) == ((None,) * 11)
    assert bench.rows("select quantity, unit_price, item_sales from marts.order_items") == [
        (2, None, None)
    ]
    assert bench.rows("select is_unvalued, refunds, refund_excess from marts.order_refunds") == [
        (True, None, None)
    ]


def test_refunds_of_an_order_without_money_still_say_what_became_of_it(bench: Bench) -> None:
    """All of it back: refunded. 3 USD of an amount nobody knows: partially."""
    tell(
        bench,
        completed=[{"order_id": "o1", "currency": "XAU", "total": 2.0}, {"order_id": "o2"}],
        refunded=[{"order_id": "o1"}, {"order_id": "o2", "total": 3.0}],
        cancelled=[],
    )
    assert bench.rows(
        "select order_id, unvalued_reason, status, unvalued_refunds, refunds from marts.orders"
        " order by order_id"
    ) == [
        ("o1", "no_rate", "refunded", 0, None),
        ("o2", "no_amount", "partially_refunded", 0, None),
    ]


def test_a_line_with_a_price_in_a_currency_without_rate_leaves_the_order_without_money(
    bench: Bench,
) -> None:
    gold = {"sku": "bar", "currency": "XAU"}
    tell(
        bench,
        completed=[
            {"order_id": "o1", "total": 10.0, "products": [*TWO_MUGS, {**gold, "price": 1}]},
            {"order_id": "o2", "total": 10.0, "products": [*TWO_MUGS, gold]},
        ],
    )
    assert bench.rows(
        "select order_id, unvalued_reason, item_sales from marts.orders order by 1"
    ) == [
        ("o1", "no_rate", None),
        ("o2", None, D("20.00")),
    ]


def test_a_refund_in_a_currency_without_rate_takes_nothing_and_is_counted(bench: Bench) -> None:
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 10.0, "currency": "USD"}],
        refunded=[{"order_id": "o1", "total": 3.0, "currency": "XAU"}],
    )
    assert order(bench, "is_converted, net_revenue, status, refund_count, unvalued_refunds") == (
        True,
        D("10.00"),
        "completed",
        1,
        1,
    )


def test_a_rate_given_for_the_reporting_currency_changes_nothing(make_bench: Any) -> None:
    bench = make_bench(currency__rates={"USD": 2, "EUR": 1.1})
    tell(bench, completed=[{"order_id": "o1", "total": 10.0, "currency": "USD"}])
    assert bench.rows("select order_total from marts.orders") == [(D("10.00"),)]


# --- updates ------------------------------------------------------------------------------------


def test_all_amounts_come_from_the_latest_event_that_gives_one(bench: Bench) -> None:
    """The update gives a total, and no shipping: that of the completion is none of its business.
    The coupon, which it does not name, stays.
    """
    tell(
        bench,
        completed=[
            {
                "order_id": "o1",
                "shipping": 5.0,
                "tax": 1.0,
                "discount": 2.0,
                "total": 24.0,
                "coupon": "OLD",
                "products": TWO_MUGS,
            }
        ],
        updated=[
            {
                "order_id": "o1",
                "total": 35.0,
                "tax": 3.0,
                "products": [{"product_id": "mug", "price": "10", "quantity": 3}],
                "timestamp": "2026-01-11 09:00",
            }
        ],
    )
    assert order(bench, "order_total, tax, shipping, discount, revenue, item_sales") == (
        D("35.00"),
        D("3.00"),
        D("0.00"),
        D("0.00"),
        D("32.00"),
        D("30.00"),
    )
    assert order(bench, "coupon, units, items_difference") == ("OLD", 3, D("2.00"))
    assert order(bench, "updates, status, ordered_at, updated_at") == (
        1,
        "completed",
        at("2026-01-10 12:01"),
        at("2026-01-11 09:00"),
    )


def test_amounts_lines_and_fields_may_come_from_three_events(bench: Bench) -> None:
    """By time, whatever the order in the table. On the 11th a total; on the 12th lines that have no
    price; on the 13th a tax alone, which is no amount of the order, and a coupon.
    """
    tell(
        bench,
        completed=[
            {
                "order_id": "o1",
                "total": 10.0,
                "discount": 3.0,
                "coupon": "OLD",
                "payment_method": "card",
                "products": TWO_MUGS,
            }
        ],
        updated=[
            {"order_id": "o1", "tax": 9.0, "coupon": "NEW", "timestamp": "2026-01-13 10:00"},
            {"order_id": "o1", "total": 12.0, "tax": 2.0, "timestamp": "2026-01-11 10:00"},
            {
                "order_id": "o1",
                "products": [{"sku": "a"}, {"sku": "b"}],
                "coupon": "",
                "timestamp": "2026-01-12 10:00",
            },
        ],
    )
    assert order(bench, "order_total, tax, discount, revenue, item_sales, items_difference") == (
        D("12.00"),
        D("2.00"),
        D("0.00"),
        D("10.00"),
        D("0.00"),
        D("10.00"),
    )
    assert order(bench, "coupon, payment_method, lines, units, updates") == (
        "NEW",
        "card",
        2,
        2,
        3,
    )


def test_a_product_with_a_price_is_an_amount(bench: Bench) -> None:
    """The update's products replace the completion's total, with its tax and its discount."""
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 99.0, "tax": 9.0, "discount": 5.0}],
        updated=[{"order_id": "o1", "products": TWO_MUGS, "timestamp": "2026-01-11 10:00"}],
    )
    assert order(bench, "order_total, revenue, tax, discount, items_difference") == (
        D("20.00"),
        D("20.00"),
        D("0.00"),
        D("0.00"),
        D("0.00"),
    )


def test_a_later_list_without_prices_does_not_make_the_revenue_nothing(bench: Bench) -> None:
    """The prices of the completion are the last that were said; what is missing is shown."""
    tell(
        bench,
        completed=[{"order_id": "o1", "products": TWO_MUGS, "discount": 2.0}],
        updated=[
            {
                "order_id": "o1",
                "products": [{"product_id": "mug", "quantity": 3}],
                "timestamp": "2026-01-11 10:00",
            }
        ],
    )
    assert order(bench, "revenue, units, item_sales, items_difference") == (
        D("18.00"),
        3,
        D("0.00"),
        D("20.00"),
    )


def test_an_update_from_before_the_completion_changes_nothing(bench: Bench) -> None:
    """One at its very moment counts, whatever its id."""
    noon = "2026-01-10 12:00"
    tell(
        bench,
        completed=[
            {"order_id": "o1", "total": 10.0, "timestamp": noon},
            {"id": "z", "order_id": "o2", "total": 10.0, "timestamp": noon},
        ],
        updated=[
            {"order_id": "o1", "total": 7.0, "coupon": "X", "timestamp": "2026-01-10 11:59:59.999"},
            {"id": "a", "order_id": "o2", "total": 8.0, "timestamp": noon},
        ],
    )
    assert bench.rows(
        "select order_id, order_total, coupon, updates from marts.orders order by 1"
    ) == [
        ("o1", D("10.00"), None, 0),
        ("o2", D("8.00"), None, 1),
    ]
    assert bench.rows("select order_id from marts.order_events where role = 'early'") == [("o1",)]


def test_the_latest_checkout_holds_too(bench: Bench) -> None:
    """Seen in the payment, which follows from it."""
    early = {"timestamp": "2026-01-10 10:00"}
    tell(
        bench,
        completed=[{"order_id": "o1", "revenue": 10.0, "checkout_id": "k1"}],
        updated=[{"order_id": "o1", "checkout_id": "k2", "timestamp": "2026-01-11 10:00"}],
        steps=[
            {"id": "s1", "checkout_id": "k1", "payment_method": "card", **early},
            {"id": "s2", "checkout_id": "k2", "payment_method": "wallet", **early},
        ],
    )
    assert order(bench, "order_total, payment_method") == (D("10.00"), "wallet")


def test_an_update_is_in_its_own_currency_else_in_that_of_the_first_completion(
    bench: Bench,
) -> None:
    """20 EUR at 1.10; 30 without a currency are USD as the completion was, not EUR as the last."""
    eur = {"order_id": "o1", "total": 20.0, "currency": "EUR", "timestamp": "2026-01-11 09:00"}
    tell(
        bench,
        completed=[
            {"order_id": name, "total": 25.0, "shipping": 5.0, "currency": "USD"}
            for name in ("o1", "o2")
        ],
        updated=[
            eur,
            {**eur, "order_id": "o2"},
            {"order_id": "o2", "total": 30.0, "timestamp": "2026-01-12 09:00"},
        ],
    )
    assert bench.rows(
        "select order_id, order_total, shipping, currency from marts.orders order by order_id"
    ) == [("o1", D("22.00"), D("0.00"), "EUR"), ("o2", D("30.00"), D("0.00"), "USD")]


def test_an_update_in_a_currency_with_a_rate_values_an_order_that_had_none(bench: Bench) -> None:
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 2.0, "currency": "XAU"}],
        updated=[{"order_id": "o1", "total": 20.0, "currency": "USD"}],
    )
    assert order(bench, "unvalued_reason, order_total") == (None, D("20.00"))


# --- refunds ------------------------------------------------------------------------------------

JUG = {"product_id": "jug", "sku": "J-1", "price": 20.0, "quantity": 1}

REFUNDS: list[tuple[str, list[Sent], list[str], str, str, str]] = [
    # refunds of an order of 46.00: 40.00 of revenue (2 mugs at 10, a jug at 20), 4.00 of tax, 2.00
    # of shipping; then what each takes, what is left, the excess and the status
    ("a part", [{"total": 15.0}], ["15.00"], "25.00", "0.00", "partially_refunded"),
    (
        "a part, with the tax and shipping in it",
        [{"total": 17.5, "tax": 1.5, "shipping": 1.0}],
        ["15.00"],
        "25.00",
        "0.00",
        "partially_refunded",
    ),
    ("a value", [{"value": 15.0, "tax": 1.0}], ["14.00"], "26.00", "0.00", "partially_refunded"),
    (
        "all, with the tax and shipping in it",
        [{"total": 46.0, "tax": 4.0, "shipping": 2.0}],
        ["40.00"],
        "0.00",
        "0.00",
        "refunded",
    ),
    ("all, without a word on tax", [{"total": 46.0}], ["40.00"], "0.00", "0.00", "refunded"),
    (
        "in two parts",
        [{"total": 15.0}, {"total": 25.0}],
        ["15.00", "25.00"],
        "0.00",
        "0.00",
        "refunded",
    ),
    ("a negative total", [{"total": -15.0}], ["15.00"], "25.00", "0.00", "partially_refunded"),
    (
        "all of it negative",
        [{"total": -15.0, "tax": -5.0}],
        ["10.00"],
        "30.00",
        "0.00",
        "partially_refunded",
    ),
    ("more than all", [{"total": 50.0}], ["40.00"], "0.00", "4.00", "refunded"),
    (
        "more than all in parts: the last takes what is left",
        [{"total": 30.0}, {"total": 30.0}, {"total": 1.0}],
        ["30.00", "10.00", "0.00"],
        "0.00",
        "15.00",
        "refunded",
    ),
    (
        "the shipping",
        [{"total": 2.0, "shipping": 2.0}],
        ["0.00"],
        "40.00",
        "0.00",
        "partially_refunded",
    ),
    (
        "less than the shipping it names",
        [{"total": 2.0, "shipping": 3.0}],
        ["0.00"],
        "40.00",
        "0.00",
        "partially_refunded",
    ),
    (
        "revenue: tax does not come off it",
        [{"revenue": 15.0, "tax": 1.0}],
        ["15.00"],
        "25.00",
        "0.00",
        "partially_refunded",
    ),
    (
        "revenue, paid back with tax beyond the total",
        [{"revenue": -40.0, "tax": 9.0}],
        ["40.00"],
        "0.00",
        "3.00",
        "refunded",
    ),
    ("nothing but the order", [{}], ["40.00"], "0.00", "0.00", "refunded"),
    (
        "all, after a part",
        [{"total": 15.0}, {}],
        ["15.00", "25.00"],
        "0.00",
        "0.00",
        "refunded",
    ),
    (
        "a part after all of it",
        [{}, {"total": 15.0}],
        ["40.00", "0.00"],
        "0.00",
        "15.00",
        "refunded",
    ),
    (
        "all of it, after too much and before more",
        [{"total": 50.0}, {}, {"total": 3.0}, {}],
        ["40.00", "0.00", "0.00", "0.00"],
        "0.00",
        "7.00",
        "refunded",
    ),
    (
        "products with prices",
        [{"products": [{"product_id": "mug", "price": 9.0, "quantity": 2}]}],
        ["18.00"],
        "22.00",
        "0.00",
        "partially_refunded",
    ),
    (
        "products with negative prices",
        [{"products": [{"product_id": "mug", "price": -9.0, "quantity": 2}]}],
        ["18.00"],
        "22.00",
        "0.00",
        "partially_refunded",
    ),
    (
        "products without prices, by those of the order",
        [{"products": [{"product_id": "mug", "quantity": 2}]}],
        ["20.00"],
        "20.00",
        "0.00",
        "partially_refunded",
    ),
    (
        "a product by its sku, one of it",
        [{"products": [{"sku": "J-1"}]}],
        ["20.00"],
        "20.00",
        "0.00",
        "partially_refunded",
    ),
    (
        "one with a known price, and one without",
        [{"products": [{"product_id": "hat"}, {"product_id": "mug"}]}],
        ["10.00"],
        "30.00",
        "0.00",
        "partially_refunded",
    ),
    (
        "a product that was not ordered",
        [{"products": [{"product_id": "hat"}]}],
        ["0.00"],
        "40.00",
        "0.00",
        "completed",
    ),
    (
        "one of unknown worth beside a known one",
        [{"products": [{"product_id": "hat"}]}, {"total": 10.0}],
        ["0.00", "10.00"],
        "30.00",
        "0.00",
        "partially_refunded",
    ),
    ("an amount that is not believed", [{"total": 1e10}], ["0.00"], "40.00", "0.00", "completed"),
    (
        "nothing but a tax, which is not believed",
        [{"tax": 1e10, "subtotal": 1e10}],
        ["40.00"],
        "0.00",
        "0.00",
        "refunded",
    ),
]


def test_what_refunds_take(bench: Bench) -> None:
    """Each case is an order of its own, its id the name of the case."""
    tell(
        bench,
        completed=[
            {
                "order_id": case,
                "total": 46.0,
                "tax": 4.0,
                "shipping": 2.0,
                "products": [*TWO_MUGS, JUG],
            }
            for case, *_ in REFUNDS
        ],
        refunded=[
            {"order_id": case, "timestamp": f"2026-01-2{number} 10:00", "id": f"{case} {number}"}
            | refund
            for case, refunds, *_ in REFUNDS
            for number, refund in enumerate(refunds)
        ],
    )
    found = bench.rows("""
        select
            order_id, refund_count, order_total, revenue, refunds, net_revenue, refund_excess,
            status
        from marts.orders
    """)
    assert sorted(found) == sorted(
        (
            case,
            len(refunds),
            D("46.00"),
            D("40.00"),
            sum(map(D, taken)),
            D(left),
            D(excess),
            status,
        )
        for case, refunds, taken, left, excess, status in REFUNDS
    )
    each = bench.rows("select order_id, refund_number, refunds from marts.order_refunds")
    assert sorted(each) == sorted(
        (case, number, D(amount))
        for case, _, taken, *_ in REFUNDS
        for number, amount in enumerate(taken, start=1)
    )


def test_a_refund_has_a_row_of_its_own_on_its_own_day(bench: Bench) -> None:
    """In the month after the order. It is the order's person's and session's, although a server
    sent it.
    """
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 50.0, "timestamp": "2025-12-20 10:00"}],
        refunded=[
            {
                "id": "r9",
                "order_id": "o1",
                "total": 20.0,
                "refund_id": " R-1 ",
                "timestamp": "2026-01-30 10:00",
            }
        ],
    )
    rows = bench.rows("""
        select
            order_id, refund_number, refund_id, event_id, person_id, session_id, is_bot,
            is_unvalued, takes_all, refunds, refund_excess, cast(refund_date as varchar),
            refunded_at
        from marts.order_refunds
    """)
    day = at("2026-01-30 10:00")
    ids = ("o1", 1, "R-1", "r9", "p1", "s1")
    assert rows == [(*ids, False, False, False, D("20.00"), D("0.00"), "2026-01-30", day)]
    assert order(bench, "cast(order_date as varchar), refunded_at") == ("2025-12-20", day)


def test_a_refund_id_counts_once_per_order_the_first_by_time(bench: Bench) -> None:
    """Told twice, of 10.00 and then of 12.00: 10.00. Without an id they are two refunds; blank and
    placeholder ids are none; another order may have the same id.
    """
    ids = {"o1": "R-1", "o2": None, "o3": " ", "o4": "Undefined"}
    told = [
        {"order_id": order_id, "refund_id": refund_id, "total": total, "timestamp": time}
        for order_id, refund_id in ids.items()
        for total, time in ((12.0, "2026-01-12 10:00"), (10.0, "2026-01-11 10:00"))
    ]
    tell(
        bench,
        completed=[{"order_id": order_id, "total": 50.0} for order_id in [*ids, "o5"]],
        refunded=[*told, {"order_id": "o5", "refund_id": "R-1", "total": 5.0}],
    )
    assert bench.rows(
        "select order_id, refund_count, refunds, net_revenue from marts.orders order by order_id"
    ) == [
        ("o1", 1, D("10.00"), D("40.00")),
        ("o2", 2, D("22.00"), D("28.00")),
        ("o3", 2, D("22.00"), D("28.00")),
        ("o4", 2, D("22.00"), D("28.00")),
        ("o5", 1, D("5.00"), D("45.00")),
    ]


def test_products_are_refunded_at_the_lowest_price_of_the_order_converted_once(
    bench: Bench,
) -> None:
    """The order has a at 0.33 EUR and at 0.50 EUR: 3 x 0.33 x 1.1 = 1.089."""
    tell(
        bench,
        completed=[
            {
                "order_id": "o1",
                "total": 10.0,
                "currency": "EUR",
                "products": [{"sku": "a", "price": 0.5}, {"sku": "a", "price": 0.33}],
            }
        ],
        refunded=[{"order_id": "o1", "products": [{"sku": "a", "quantity": 3}]}],
    )
    assert order(bench, "refunds") == (D("1.09"),)


def test_a_refund_without_currency_is_in_the_currency_of_the_order(bench: Bench) -> None:
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 40.0, "currency": "EUR"}],
        refunded=[{"order_id": "o1", "total": 10.0}],
    )
    assert order(bench, "revenue, refunds, net_revenue") == (D("44.00"), D("11.00"), D("33.00"))


def test_an_order_whose_revenue_is_not_above_0_has_nothing_to_refund(bench: Bench) -> None:
    """Nothing is left of it, so it is refunded; what was paid back is excess."""
    tell(
        bench,
        completed=[{"order_id": "o1", "total": -10.0}, {"order_id": "o2", "total": 0.0}],
        refunded=[{"order_id": "o1", "total": 5.0}, {"order_id": "o2"}],
    )
    assert bench.rows(
        "select order_id, status, refunds, net_revenue, refund_excess from marts.orders order by 1"
    ) == [
        ("o1", "refunded", D("0.00"), D("-10.00"), D("5.00")),
        ("o2", "refunded", D("0.00"), D("0.00"), D("0.00")),
    ]


# --- cancellations ------------------------------------------------------------------------------


def test_a_cancelled_order_brings_nothing(bench: Bench) -> None:
    """Refunded first or not: order total and items stay as placed, and the revenue it had is told
    apart.
    """
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 40.0, "tax": 5.0, "products": TWO_MUGS}],
        refunded=[{"order_id": "o1", "total": 10.0, "timestamp": "2026-01-11 10:00"}],
        cancelled=[{"order_id": "o1", "timestamp": "2026-01-12 10:00"}],
    )
    assert order(bench, "status, order_total, tax, item_sales, items_difference, units") == (
        "cancelled",
        D("40.00"),
        D("5.00"),
        D("20.00"),
        D("15.00"),
        2,
    )
    assert order(bench, "revenue, refunds, net_revenue, cancelled_revenue, cancelled_at") == (
        D("0.00"),
        D("0.00"),
        D("0.00"),
        D("35.00"),
        at("2026-01-12 10:00"),
    )
    assert order(bench, "refund_count, refunded_at") == (1, at("2026-01-11 10:00"))
    assert bench.rows("select refunds, refund_excess from marts.order_refunds") == [
        (D("0.00"), D("0.00"))
    ]


def test_nothing_later_revives_a_cancelled_order(bench: Bench) -> None:
    """An update after it still changes what was placed; a completion is a repeat."""
    tell(
        bench,
        completed=[
            {"order_id": "o1", "total": 40.0, "timestamp": "2026-01-10 10:00"},
            {"order_id": "o1", "total": 40.0, "timestamp": "2026-01-13 10:00"},
        ],
        updated=[{"order_id": "o1", "total": 50.0, "timestamp": "2026-01-14 10:00"}],
        cancelled=[{"order_id": "o1", "timestamp": "2026-01-12 10:00"}],
    )
    assert order(bench, "status, revenue, cancelled_revenue, repeats") == (
        "cancelled",
        D("0.00"),
        D("50.00"),
        1,
    )


def test_a_cancelled_order_without_money_has_none_either(bench: Bench) -> None:
    tell(bench, completed=[{"order_id": "o1"}], cancelled=[{"order_id": "o1"}])
    assert order(bench, "status, revenue, cancelled_revenue, net_revenue") == (
        "cancelled",
        None,
        None,
        None,
    )


def test_what_was_received_after_the_as_of_date_has_not_happened(make_bench: Any) -> None:
    bench = make_bench("2026-01-15")
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 40.0}],
        refunded=[{"order_id": "o1", "total": 10.0, "timestamp": "2026-01-16 00:00"}],
    )
    assert order(bench, "status, net_revenue") == ("completed", D("40.00"))


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
