"""revenue_reconciliation: from what products sold for to revenue, net revenue and order totals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.models.conftest import Bench
from tests.models.test_orders import TWO_MUGS, tell

D = Decimal


def reconciled(bench: Bench, **told: Any) -> list[tuple[Any, ...]]:
    """Orders built from events, then the products and the table; its measures and amounts."""
    tell(bench, **told)
    for source in ("product_viewed", "product_added"):
        bench.given(f"sources.{source}", [])
    bench.build("product_performance", "revenue_reconciliation")
    return bench.rows("select measure, amount from marts.revenue_reconciliation order by step")


def test_from_item_sales_to_net_revenue_and_to_the_order_total(bench: Bench) -> None:
    """Two orders: mugs for 20.00 less 5.00, with tax and shipping; and a total of 30.00 without
    lines, of which 12.00 came back in the next month.
    """
    rows = reconciled(
        bench,
        completed=[
            {
                "order_id": "o1",
                "products": TWO_MUGS,
                "discount": 5.0,
                "tax": 1.5,
                "shipping": 4.95,
            },
            {"order_id": "o2", "total": 30.0},
        ],
        refunded=[{"order_id": "o2", "total": 12.0, "timestamp": "2026-01-31 10:00"}],
    )
    assert rows == [
        ("item_sales", D("20.00")),
        ("discount", D("-5.00")),
        ("items_difference", D("30.00")),
        ("revenue", D("45.00")),
        ("refunds", D("-12.00")),
        ("net_revenue", D("33.00")),
        ("revenue", D("45.00")),
        ("tax", D("1.50")),
        ("shipping", D("4.95")),
        ("order_total", D("51.45")),
    ]
    assert bench.rows(
        "select distinct orders, cast(first_order_date as varchar), cast(as_of as varchar)"
        " from marts.revenue_reconciliation"
    ) == [(2, "2026-01-10", "2026-01-31")]


def test_cancelled_orders_bots_and_orders_without_money_are_in_no_amount(bench: Bench) -> None:
    rows = reconciled(
        bench,
        completed=[
            {"order_id": "o1", "total": 1.0},
            {"order_id": "o2", "total": 2.0, "products": TWO_MUGS},
            {"order_id": "o3", "total": 4.0, "products": TWO_MUGS},
            {"order_id": "o4", "currency": "XAU", "total": 8.0, "products": TWO_MUGS},
        ],
        refunded=[{"order_id": "o3"}, {"order_id": "o2"}],
        cancelled=[{"order_id": "o2"}],
        bots=("c3",),
    )
    assert dict(rows) == {
        "item_sales": D("0.00"),
        "discount": D("0.00"),
        "items_difference": D("1.00"),
        "revenue": D("1.00"),
        "refunds": D("0.00"),
        "net_revenue": D("1.00"),
        "tax": D("0.00"),
        "shipping": D("0.00"),
        "order_total": D("1.00"),
    }
    assert bench.rows("select distinct orders from marts.revenue_reconciliation") == [(1,)]


def test_sums_beyond_what_one_row_may_hold(bench: Bench) -> None:
    """Three orders of 9,999,989,999,990,000.01 each, of which a row holds one."""
    dearest = [{"sku": "a", "price": "9999999999.99", "quantity": 999_999}]
    rows = reconciled(
        bench,
        completed=[{"order_id": f"o{n}", "products": dearest} for n in range(3)],
        refunded=[{"order_id": "o1"}],
    )
    assert dict(rows)["item_sales"] == D("29999969999970000.03")
    assert dict(rows)["net_revenue"] == D("19999979999980000.02")


def test_without_orders_every_amount_is_0(bench: Bench) -> None:
    rows = reconciled(bench)
    assert {amount for _, amount in rows} == {D("0.00")}
