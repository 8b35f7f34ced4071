"""Views, additions, orders and spend by person, category and window, as of 2026-01-31."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.models.conftest import Bench

D = Decimal
Rows = list[dict[str, Any]]


def build(bench: Bench, *, viewed: Rows = [], added: Rows = [], items: Rows = []) -> None:  # noqa: B006 (never changed)
    """Fill what the model reads; events and lines are p1's, of toys, unless said otherwise."""
    events = []
    for source, rows in (("product_viewed", viewed), ("product_added", added)):
        made = [
            {"id": f"{source}{n}", "category": "toys", "person_id": "p1", "is_bot": False, **row}
            for n, row in enumerate(rows)
        ]
        bench.given(
            f"sources.{source}",
            [
                {
                    key: row[key]
                    for key in ("id", "timestamp", "category", "received_at")
                    if key in row
                }
                for row in made
            ],
        )
        events += made
    bench.given(
        "marts.session_events",
        [
            {"event_date": row["timestamp"][:10]}
            | {
                key: row[key]
                for key in ("id", "timestamp", "person_id", "is_bot", "received_at")
                if key in row
            }
            for row in events
        ],
    )
    bench.given(
        "marts.order_items",
        [
            {
                "order_id": "o1",
                "line_number": n,
                "person_id": "p1",
                "category": "toys",
                "quantity": 1,
                "status": "completed",
                "is_bot": False,
                **row,
            }
            for n, row in enumerate(items)
        ],
    )
    bench.build("customer_category_windows")


def rows(bench: Bench, person: str = "p1") -> list[tuple[Any, ...]]:
    return bench.rows(f"""
        select category, window_days, views, adds, orders, spend
        from marts.customer_category_windows where person_id = '{person}' order by 1, 2
    """)


def test_windows_hold_exactly_their_days(bench: Bench) -> None:
    """Views on both sides of every edge: today; the 7th day and the 8th; the 30th and 31st; …"""
    days = "2026-01-31 2026-01-25 2026-01-24 2026-01-02 2026-01-01 2025-11-03 2025-11-02".split()
    days += ["2025-02-01", "2025-01-31"]
    build(bench, viewed=[{"timestamp": f"{day} 10:00"} for day in days])
    assert rows(bench) == [
        ("toys", 7, 2, 0, 0, D("0.00")),
        ("toys", 30, 4, 0, 0, D("0.00")),
        ("toys", 90, 6, 0, 0, D("0.00")),
        ("toys", 365, 8, 0, 0, D("0.00")),
    ]


def test_orders_are_counted_once_and_lines_summed(bench: Bench) -> None:
    """Two lines of one order; a line of unknown worth; a cancelled order and a quantity of 0."""
    january = {"order_date": "2026-01-10"}
    build(
        bench,
        added=[{"timestamp": "2026-01-30 10:00"}],
        items=[
            {**january, "item_sales": D("10.00")},
            {**january, "item_sales": D("2.50")},
            {**january, "item_sales": D("3.00"), "category": "books"},
            {**january, "item_sales": D("9.00"), "category": None},
            {**january, "item_sales": None, "order_id": "o2"},
            {**january, "item_sales": D("5.00"), "order_id": "o3", "status": "cancelled"},
            {**january, "item_sales": D("0.00"), "order_id": "o4", "quantity": 0},
            {"order_date": "2025-01-31", "item_sales": D("7.00"), "order_id": "o5"},
        ],
    )
    assert rows(bench) == [
        ("books", 30, 0, 0, 1, D("3.00")),
        ("books", 90, 0, 0, 1, D("3.00")),
        ("books", 365, 0, 0, 1, D("3.00")),
        ("toys", 7, 0, 1, 0, D("0.00")),
        ("toys", 30, 0, 1, 2, D("12.50")),
        ("toys", 90, 0, 1, 2, D("12.50")),
        ("toys", 365, 0, 1, 2, D("12.50")),
    ]


def test_what_lies_ahead_counts_on_the_as_of_date_and_bots_not_at_all(bench: Bench) -> None:
    build(
        bench,
        viewed=[
            {"timestamp": "2026-02-03 10:00", "received_at": "2026-01-31 10:00"},
            {"timestamp": "2026-01-30 10:00", "person_id": "crawler", "is_bot": True},
        ],
        items=[
            {"order_date": "2026-02-01", "item_sales": D("1.00")},
            {"order_date": "2026-01-30", "person_id": "crawler", "is_bot": True},
        ],
    )
    assert rows(bench)[0] == ("toys", 7, 1, 0, 1, D("1.00"))
    assert rows(bench, "crawler") == []


def test_there_may_be_nothing(bench: Bench) -> None:
    build(bench)
    assert rows(bench) == []
