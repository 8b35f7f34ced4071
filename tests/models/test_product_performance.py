"""product_performance: looks, carts and orders of a product."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

Row = dict[str, Any]


def event(number: int, person: str, product: str | None = "p1", **more: Any) -> Row:
    """A product event; the person and whether it is a bot go to the session's events."""
    return {"id": f"e{number}", "timestamp": f"2026-01-01 10:0{number}", "product_id": product} | {
        "person_id": person,
        **more,
    }


def item(order: str, product: str | None = "p1", **more: Any) -> Row:
    """A line of one unit for 10.00."""
    return {
        "order_id": order,
        "line_number": 1,
        "person_id": "ann",
        "ordered_at": "2026-01-02 10:00",
        "status": "completed",
        "product_id": product,
        "quantity": 1,
        "item_sales": Decimal("10.00"),
        **more,
    }


def products(
    bench: Any,
    columns: str,
    *,
    views: Sequence[Row] = (),
    adds: Sequence[Row] = (),
    items: Sequence[Row] = (),
    bot_orders: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    own = ("person_id", "is_bot")
    bench.given(
        "sources.product_viewed", [{k: v for k, v in r.items() if k not in own} for r in views]
    )
    bench.given(
        "sources.product_added", [{k: v for k, v in r.items() if k not in own} for r in adds]
    )
    bench.given(
        "marts.session_events",
        [
            {
                "id": row["id"],
                "received_at_utc_date": row["timestamp"][:10],
                "person_id": row["person_id"],
                "is_bot": row.get("is_bot", False),
            }
            for row in (*views, *adds)
        ],
    )
    bench.given("marts.order_items", items)
    bench.given(
        "marts.orders",
        [
            {
                "order_id": name,
                "is_bot": name in bot_orders,
                "status": next(row["status"] for row in items if row["order_id"] == name),
                "item_sales": sum(
                    row["item_sales"] or 0 for row in items if row["order_id"] == name
                ),
            }
            for name in sorted({row["order_id"] for row in items})
        ],
    )
    bench.build("product_performance")
    return bench.rows(
        f"select product_id, {columns} from marts.product_performance order by product_id"
    )


def test_events_persons_and_rates(bench: Any) -> None:
    # Four views of three persons, one of whom adds twice; two orders of one buyer, three units.
    rows = products(
        bench,
        "views, viewers, adds, adders, cart_to_view_rate, orders, buyers, purchase_to_view_rate,"
        " units, item_sales",
        views=[event(1, "ann"), event(2, "ann"), event(3, "bob"), event(4, "cyd")],
        adds=[event(5, "ann"), event(6, "ann")],
        items=[item("o1", quantity=2, item_sales=Decimal("20.00")), item("o2")],
    )
    assert rows == [("p1", 4, 3, 2, 1, 0.3333, 2, 1, 0.3333, 3, Decimal("30.00"))]


def test_two_lines_of_an_order_are_one_order(bench: Any) -> None:
    rows = products(
        bench, "orders, units, item_sales", items=[item("o1"), item("o1", line_number=2)]
    )
    assert rows == [("p1", 1, 2, Decimal("20.00"))]


def test_cancelled_orders_sell_nothing(bench: Any) -> None:
    rows = products(
        bench,
        "orders, buyers, units, item_sales",
        items=[item("o1", status="cancelled"), item("o2", status="refunded")],
    )
    assert rows == [("p1", 1, 1, 1, Decimal("10.00"))]


def test_a_product_only_bought_has_no_rate(bench: Any) -> None:
    rows = products(bench, "views, cart_to_view_rate, purchase_to_view_rate", items=[item("o1")])
    assert rows == [("p1", 0, None, None)]


def test_people_who_add_from_lists_can_be_more_than_those_who_looked(bench: Any) -> None:
    rows = products(
        bench,
        "viewers, adders, cart_to_view_rate",
        views=[event(1, "ann")],
        adds=[event(2, "ann"), event(3, "bob")],
    )
    assert rows == [("p1", 1, 2, 2.0)]


def test_a_product_without_an_id_goes_by_its_sku_else_it_is_not_set(bench: Any) -> None:
    rows = products(
        bench,
        "views, units, name",
        views=[event(1, "ann", None, sku="k1"), event(2, "ann", None, name="Lamp")],
        items=[item("o1", None), item("o2", None, sku="k1")],
    )
    assert rows == [("(not set)", 1, 1, None), ("k1", 1, 1, None)]


def test_names_are_the_latest_seen_each_for_itself(bench: Any) -> None:
    rows = products(
        bench,
        "name, brand, category",
        views=[
            event(1, "ann", name="Old lamp", brand="Bright", category="Light"),
            event(2, "ann", name="Lamp", category="Home"),
        ],
        items=[item("o1", name="New lamp", ordered_at="2026-01-01 09:00")],
    )
    assert rows == [("p1", "Lamp", "Bright", "Home")]


def test_names_of_one_moment_have_one_winner(bench: Any) -> None:
    rows = products(
        bench,
        "name",
        views=[
            event(1, "ann", name="Lamp", timestamp="2026-01-01 10:00"),
            event(2, "ann", name="Light", timestamp="2026-01-01 10:00"),
        ],
    )
    assert rows == [("p1", "Light")]


def test_bots_are_left_out(make_bench: Any) -> None:
    given: dict[str, Any] = {
        "views": [event(1, "ann"), event(2, "bot", is_bot=True)],
        "items": [item("o1"), item("o2")],
        "bot_orders": ["o2"],
    }
    assert products(make_bench(), "views, orders", **given) == [("p1", 1, 1)]
    everyone = make_bench(metrics__exclude_bots=False)
    assert products(everyone, "views, orders", **given) == [("p1", 2, 2)]


def test_money_that_is_not_known_adds_nothing(bench: Any) -> None:
    rows = products(bench, "orders, units, item_sales", items=[item("o1", item_sales=None)])
    assert rows == [("p1", 1, 1, Decimal("0.00"))]


def test_without_data_there_is_no_product(bench: Any) -> None:
    assert products(bench, "views") == []
