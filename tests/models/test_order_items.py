"""Order items: reading lists of products as shops really send them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from tests.models.conftest import Bench
from tests.models.test_orders import money, tell

D = Decimal


def items(bench: Bench, columns: str) -> list[tuple[Any, ...]]:
    """Some columns of the items of the order o1."""
    return bench.rows(f"select {columns} from marts.order_items order by order_id, line_number")


def test_a_row_per_line_with_what_it_says(bench: Bench) -> None:
    tell(
        bench,
        completed=[
            {
                "order_id": "o1",
                "total": 38.0,
                "products": [
                    {
                        "product_id": "mug",
                        "sku": "M-1",
                        "name": 'Mug "Große"',
                        "brand": "Clay",
                        "category": "Kitchen",
                        "variant": "blue",
                        "price": 9.5,
                        "quantity": 2,
                    },
                    {"product_id": 77, "price": 19, "quantity": 1},
                ],
            }
        ],
    )
    assert items(bench, "order_id, line_number, person_id, status, is_bot") == [
        ("o1", 1, "p1", "completed", False),
        ("o1", 2, "p1", "completed", False),
    ]
    assert items(bench, "product_id, sku, name, brand, category, variant") == [
        ("mug", "M-1", 'Mug "Große"', "Clay", "Kitchen", "blue"),
        ("77", None, None, None, None, None),
    ]
    assert items(bench, "quantity, unit_price, item_sales") == [
        (2, D("9.50"), D("19.00")),
        (1, D("19.00"), D("19.00")),
    ]


QUANTITIES: list[tuple[Any, int, bool]] = [
    # as sent, as read, whether 1 was assumed
    (3, 3, False),
    ("3", 3, False),
    ("3.0", 3, False),
    (3.0, 3, False),
    ("3e2", 300, False),
    (999_999, 999_999, False),
    (1_000_000, 1, True),
    (0, 0, False),
    (None, 1, True),
    ("two", 1, True),
    (2.5, 1, True),
    (-1, 1, True),
    (10_000_000, 1, True),
    (True, 1, True),
    ([2], 1, True),
    ({"n": 2}, 1, True),
]


def test_quantities(bench: Bench) -> None:
    """One line per case, at a price of 10."""
    lines = [{"product_id": "mug", "price": 10, "quantity": sent} for sent, _, _ in QUANTITIES]
    tell(bench, completed=[{"order_id": "o1", "total": 10.0, "products": lines}])
    assert items(bench, "quantity, is_quantity_assumed, item_sales") == [
        (quantity, is_assumed, D("10.00") * quantity) for _, quantity, is_assumed in QUANTITIES
    ]


PRICES: list[tuple[Any, str | None]] = [
    (9.99, "9.99"),
    (10, "10.00"),
    ("9.99", "9.99"),
    ("10", "10.00"),
    ("1e1", "10.00"),
    (2.675, "2.68"),
    ("9,99", None),
    ("$9.99", None),
    (" 9.99", None),
    ("1_000", None),
    (None, None),
    (False, None),
    (1e300, None),
    (10_000_000_000, None),
    (9_999_999_999.99, "9999999999.99"),
    (-2.5, "-2.50"),
    ({"amount": 9.99}, None),
]


def test_prices(bench: Bench) -> None:
    """What is no number in JSON's sense is no price; the line stays, without money."""
    lines = [{"product_id": "mug", "price": sent, "quantity": 1} for sent, _ in PRICES]
    tell(bench, completed=[{"order_id": "o1", "total": 10.0, "products": lines}])
    assert items(bench, "unit_price, item_sales") == [
        (money(price), money(price)) for _, price in PRICES
    ]


LISTS: list[tuple[str, str | None, list[int]]] = [
    ("none", None, []),
    ("an empty one", "[]", []),
    ("no list", '{"product_id": "mug"}', []),
    ("no JSON", "mug, jug", []),
    ("a broken one", '[{"product_id": "mug"', []),
    ("members that name nothing", '[null, "mug", 7, {}, {"quantity": 2}, []]', []),
    ("a member that names nothing leaves a gap", '[{"sku": "a"}, null, {"price": 3}]', [1, 3]),
    ("the same product twice", '[{"sku": "a"}, {"sku": "a"}]', [1, 2]),
]


def test_lists_of_products(bench: Bench) -> None:
    """Each case is an order of its own, its id the name of the case."""
    tell(
        bench,
        completed=[
            {"order_id": case, "total": 10.0, "products": products} for case, products, _ in LISTS
        ],
    )
    assert sorted(items(bench, "order_id, line_number")) == sorted(
        (case, number) for case, _, numbers in LISTS for number in numbers
    )
    assert sorted(bench.rows("select order_id, lines, order_total from marts.orders")) == sorted(
        (case, len(numbers), D("10.00")) for case, _, numbers in LISTS
    )


def test_a_line_in_a_currency_of_its_own(bench: Bench) -> None:
    """10 EUR at 1.10 each, in an order whose other line is in USD."""
    tell(
        bench,
        completed=[
            {
                "order_id": "o1",
                "total": 27.0,
                "currency": "USD",
                "products": [
                    {"sku": "a", "price": 10, "quantity": 2, "currency": "eur"},
                    {"sku": "b", "price": 5},
                ],
            }
        ],
    )
    assert items(bench, "unit_price, item_sales") == [
        (D("11.00"), D("22.00")),
        (D("5.00"), D("5.00")),
    ]
    assert bench.rows("select currency, items_difference from marts.orders") == [("USD", D("0.00"))]


def test_amounts_are_converted_once(bench: Bench) -> None:
    """3 at 0.33 EUR are 0.99 EUR, 1.089 USD; three times the rounded price would be 1.08."""
    line = {"sku": "a", "price": 0.33, "quantity": 3}
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 0.99, "currency": "EUR", "products": [line]}],
    )
    assert items(bench, "unit_price, item_sales") == [(D("0.36"), D("1.09"))]


def test_the_lines_are_those_of_the_latest_list(bench: Bench) -> None:
    """The later update changes the total only: the list of the one before still holds."""
    tell(
        bench,
        completed=[{"order_id": "o1", "total": 10.0, "products": [{"sku": "a", "price": 10}]}],
        updated=[
            {
                "order_id": "o1",
                "products": [{"sku": "b", "price": 4}, {"sku": "c", "price": 6}],
                "timestamp": "2026-01-11 10:00",
            },
            {"order_id": "o1", "total": 9.0, "timestamp": "2026-01-12 10:00"},
        ],
    )
    assert items(bench, "line_number, sku, item_sales") == [
        (1, "b", D("4.00")),
        (2, "c", D("6.00")),
    ]


def test_repeats_refunds_and_cancellations_bring_no_lines(bench: Bench) -> None:
    list_ = [{"sku": "a", "price": 10}]
    tell(
        bench,
        completed=[
            {"order_id": "o1", "total": 10.0, "products": list_},
            {"order_id": "o1", "total": 10.0, "products": [{"sku": "again", "price": 10}]},
        ],
        refunded=[{"order_id": "o1", "products": [{"sku": "a"}, {"sku": "back"}]}],
        cancelled=[{"order_id": "o1", "products": list_}],
    )
    assert items(bench, "line_number, sku, status, item_sales") == [
        (1, "a", "cancelled", D("10.00"))
    ]


def test_a_list_sent_as_a_string(bench: Bench) -> None:
    """Some shops put JSON into a string; flattening keeps its text, and it is read as a list."""
    text = json.dumps([{"sku": "a", "price": "3.50", "quantity": "2"}])
    tell(bench, completed=[{"order_id": "o1", "total": 7.0, "products": text}])
    assert items(bench, "sku, quantity, item_sales") == [("a", 2, D("7.00"))]
