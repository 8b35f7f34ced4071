"""The last price of each product that was seen on each day. The as-of date is 2026-01-31."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tests.models.conftest import Bench

D = Decimal
SOURCES = ("product_clicked", "product_viewed", "product_added", "product_added_to_wishlist")
Rows = list[dict[str, Any]]


def build(bench: Bench, *rows: dict[str, Any], items: Rows = []) -> None:  # noqa: B006 (never changed)
    """Events of mugs, views unless ``source`` says otherwise; ``items`` are lines of orders."""
    made = [
        {"id": f"e{n}", "source": "product_viewed", "product_id": "mug", "is_bot": False, **row}
        for n, row in enumerate(rows)
    ]
    for source in SOURCES:
        of_event = "id timestamp received_at product_id sku name price currency".split()
        bench.given(
            f"sources.{source}",
            [
                {key: row[key] for key in of_event if key in row}
                for row in made
                if row["source"] == source
            ],
        )
    bench.given(
        "marts.session_events",
        [
            {"event_date": row["timestamp"][:10]}
            | {key: row[key] for key in ("id", "timestamp", "is_bot", "received_at") if key in row}
            for row in made
        ],
    )
    bench.given(
        "marts.order_items",
        [
            {"order_id": f"o{n}", "line_number": 1, "is_bot": False, **row}
            for n, row in enumerate(items)
        ],
    )
    bench.build("product_prices")


def prices(bench: Bench, columns: str = "product, price_date, price") -> list[tuple[Any, ...]]:
    return bench.rows(f"select {columns} from marts.product_prices order by product, price_date")


def test_the_last_price_of_a_day_and_not_the_highest(bench: Bench) -> None:
    build(
        bench,
        {"timestamp": "2026-01-10 10:00", "price": 9.5, "name": "Old mug"},
        {"timestamp": "2026-01-10 11:00", "price": 8.0, "name": "Mug", "source": "product_added"},
        {"timestamp": "2026-01-10 12:00"},  # without a price: no price was seen
        {"timestamp": "2026-01-11 09:00", "price": 12.345, "source": "product_clicked"},
        items=[
            {
                "product_id": "mug",
                "order_date": "2026-01-12",
                "ordered_at": "2026-01-12 10:00",
                "unit_price": D("7.00"),
            }
        ],
    )
    assert prices(bench, "product, price_date, name, price, sightings, last_seen_at") == [
        ("mug", date(2026, 1, 10), "Mug", D("8.00"), 2, datetime(2026, 1, 10, 11)),
        ("mug", date(2026, 1, 11), None, D("12.35"), 1, datetime(2026, 1, 11, 9)),
        ("mug", date(2026, 1, 12), None, D("7.00"), 1, datetime(2026, 1, 12, 10)),
    ]


def test_at_one_moment_the_line_of_an_order_comes_last(bench: Bench) -> None:
    moment = "2026-01-10 10:00"
    build(
        bench,
        {"timestamp": moment, "price": 1.0, "source": "product_added_to_wishlist"},
        {"timestamp": moment, "price": 2.0},
        items=[
            {
                "product_id": "mug",
                "order_date": "2026-01-10",
                "ordered_at": moment,
                "unit_price": D("3.00"),
            }
        ],
    )
    assert prices(bench) == [("mug", date(2026, 1, 10), D("3.00"))]


def test_a_product_is_known_by_its_id_else_its_sku_else_its_name(bench: Bench) -> None:
    at = {"timestamp": "2026-01-10 10:00", "price": 1.0}
    build(
        bench,
        {**at, "sku": "M-1", "name": "Mug"},
        {**at, "product_id": None, "sku": "J-1", "name": "Jug"},
        {**at, "product_id": None, "name": "Teapot"},
        {**at, "product_id": None},
    )
    assert [product for product, *_ in prices(bench)] == ["J-1", "Teapot", "mug"]


def test_prices_are_converted_or_counted_apart(make_bench: Callable[..., Bench]) -> None:
    """10 EUR at 1.10 are 11 USD; nothing is known of yen; a currency may be written `` eur``."""
    bench = make_bench(currency__rates={"EUR": "1.10"})
    build(
        bench,
        {"timestamp": "2026-01-10 10:00", "price": 10.0, "currency": " eur"},
        {"timestamp": "2026-01-10 11:00", "price": 500.0, "currency": "JPY"},
        {"timestamp": "2026-01-11 11:00", "price": 500.0, "currency": "JPY"},
    )
    assert prices(bench, "price_date, price, sightings, unvalued_sightings, last_seen_at") == [
        (date(2026, 1, 10), D("11.00"), 2, 1, datetime(2026, 1, 10, 10)),
        (date(2026, 1, 11), None, 1, 1, None),
    ]


def test_no_price_however_great_stops_the_table(make_bench: Callable[..., Bench]) -> None:
    """Below 10^10 in its own currency is a price; converted it may pass a row's amount."""
    bench = make_bench(currency__rates={"EUR": "10", "KWD": "9999999999"})
    day = "2026-01-10"
    build(
        bench,
        *(
            {"timestamp": f"{day} 10:00", "product_id": f"{n}", "price": price, "currency": code}
            for n, (price, code) in enumerate(
                [
                    (9_999_999_999.99, "USD"),
                    (9_999_999_999.99, "EUR"),
                    (9_999_999_999.99, "KWD"),
                    (1e10, "USD"),
                    (1e300, "USD"),
                    (-0.01, "USD"),
                    (0.0, "USD"),
                ]
            )
        ),
    )
    assert prices(bench, "product, price, unvalued_sightings") == [
        ("0", D("9999999999.99"), 0),
        ("1", D("99999999999.90"), 0),
        ("2", None, 1),
        ("6", D("0.00"), 0),
    ]


def test_bots_are_left_out_and_days_ahead_are_the_as_of_date(bench: Bench) -> None:
    build(
        bench,
        {"timestamp": "2026-01-10 10:00", "price": 0.01, "is_bot": True},
        {"timestamp": "2026-02-02 10:00", "received_at": "2026-01-31 10:00", "price": 5.0},
    )
    assert prices(bench) == [("mug", date(2026, 1, 31), D("5.00"))]
