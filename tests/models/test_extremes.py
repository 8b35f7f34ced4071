"""No single event stops a model: extreme values of every numeric and time column of every source.

Each column of each source gets each of the values below, one row per value and everything else in
the row ordinary; then all columns of a row get the same one. All layers are built from it, with
their checks, which hold the reconciliations.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from engagement.models.inputs import contracts
from engagement.models.runner import models
from tests.models.conftest import Bench

Row = dict[str, Any]

DOUBLES = (
    0.0, -0.0, 5e-324, 1e-12, -1e-12, 0.005, -0.005, -1.0, 12_345.67, 999_999.0, 1e9,
    9_999_999_999.99, -9_999_999_999.99, 1e10, -1e10, 1e15, 1e18, 1.7e308, -1.7e308, None,
)  # fmt: skip
WHOLES = (0, -1, 1, 999_999, 1_000_000, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), None)
BOOLEANS = (True, False, None)
MOMENTS = (
    "0001-01-01 00:00:00", "1677-09-21 00:12:43.145", "1969-12-31 23:59:59.999",
    "1970-01-01 00:00:00", "2026-01-31 23:59:59.999", "2262-04-11 23:47:16.855",
    "9999-12-31 23:59:59.999",
)  # fmt: skip
VALUES: dict[str, tuple[Any, ...]] = {
    "double": DOUBLES,
    "bigint": WHOLES,
    "boolean": BOOLEANS,
    "timestamp(3)": MOMENTS,
}
IN_JSON = (
    "0", "-0.0", "1e-12", "-1e-12", "0.005", "-1", "2.5", "999999", "1000000", "1e9",
    "9999999999.99", "-9999999999.99", "1e10", "1e99", "-1e99", "1e400", "9" * 400, "null", '"1e5"',
    '"NaN"', '"Infinity"', "true", "[1]",
)  # fmt: skip

TRACKED = [
    name for name, columns in contracts().sources.items()
    if name not in ("events", "tracks", "pages", "screens", "identifies", "groups", "aliases")
    and "context_session_id" in columns
]  # fmt: skip
OTHERS = {
    "pages": "page",
    "screens": "screen",
    "identifies": "identify",
    "groups": "group",
    "aliases": "alias",
}
START = datetime(2026, 1, 5, 10)
USUAL = json.dumps([{"product_id": "product-1", "price": 2.5, "quantity": 4}])
UNPRICED = json.dumps([{"product_id": "product-1", "quantity": 999_999}])


class Story:
    """Rows of every source, each with the ordinary values that make it mean something."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {name: [] for name in contracts().sources}
        self._count = 0

    def tell(self, source: str, **values: Any) -> None:
        """One event, in its own table and in those that hold all events."""
        self._count += 1
        number = self._count
        columns = contracts().columns(source)
        usual: Row = {
            "id": f"e{number:05d}",
            "anonymous_id": f"device-{number % 40}",
            "user_id": f"user-{number % 40}" if number % 3 else None,
            "timestamp": str(START + timedelta(minutes=5 * number)),
            "received_at": str(START + timedelta(minutes=5 * number)),
            "refund_id": f"refund-{number}",
            "checkout_id": f"checkout-{number % 50}",
            "product_id": f"product-{number % 9}",
            "category": "Home|Garden",
            "query": "lamp",
            "payment_method": "card",
            "currency": ("USD", "EUR", None, "XAU", "XPT", "ZZZ")[number % 6],
            "context_page_path": "/",
            "context_page_url": "https://shop.example/?utm_source=news",
        }
        row = {name: value for name, value in (usual | values).items() if name in columns}
        row["received_at_utc_date"] = str(row["received_at"])[:10]
        self.rows[source].append(row)
        shared = {name: row.get(name) for name in contracts().default}
        kind = OTHERS.get(source, "track")
        self.rows["events"].append({**shared, "type": kind, "event": source})
        if kind == "track":
            context = contracts().columns("tracks").keys() & row.keys()
            self.rows["tracks"].append({name: row[name] for name in context} | {"event": source})


def extremes() -> Iterator[tuple[str, Row]]:
    """A source and the columns of one row of it that are not ordinary.

    One column at a time, all of a type alike, and all amounts drawn by lot. Models read the context
    of a tracked event from ``tracks``: one tracked source shows it.
    """
    dice = random.Random(18)
    for source in (*TRACKED, *OTHERS):
        columns = {
            name: kind
            for name, kind in contracts().columns(source).items()
            if source in ("product_viewed", *OTHERS) or not name.startswith("context_")
        }
        for column, kind in columns.items():
            # What is received after the as-of date is not seen: it needs no rows.
            late = column == "received_at"
            for value in VALUES.get(kind, ())[: 4 if late else None]:
                yield source, {column: value}
        doubles = [column for column, kind in columns.items() if kind == "double"]
        if len(doubles) > 1:
            for _ in range(40):
                yield source, {column: dice.choice(DOUBLES) for column in doubles}
        for kind, values in VALUES.items():
            same = [c for c, found in columns.items() if found == kind and c != "received_at"]
            if kind in ("double", "bigint") and len(same) > 1:
                for value in values:
                    yield source, dict.fromkeys(same, value)
        if "products" in columns:
            for price in IN_JSON:
                for quantity in ("1", "999999", price):
                    line = (
                        f'{{"product_id": "product-1", "price": {price}, "quantity": {quantity}}}'
                    )
                    yield source, {"products": f"[{line}, {line}]"}
                    yield source, {"products": f"[{line}]"}
            yield source, {"products": UNPRICED}


DEAREST = json.dumps([{"product_id": "product-1", "price": 9_999_999_999.99, "quantity": 999_999}])
"""A line that fills the column of an amount: two of them are too much for it."""


def story() -> Story:
    """Ordinary events, extreme ones, and what becomes of the orders in them."""
    told = Story()
    for source in ("order_completed", "product_viewed", "product_added", "order_updated"):
        for number in range(60):
            told.tell(source, order_id=f"order-{number}", total=10.0, products=USUAL)
    for number, (source, values) in enumerate(extremes()):
        # A completion is an order of its own; what else is said, is said of one of these.
        order = f"order-{number % 60}" if source != "order_completed" else f"extreme-{number}"
        told.tell(source, **{"order_id": order, **values})
    for number in range(4):
        told.tell("order_completed", order_id=f"dearest-{number}", currency="USD", products=DEAREST,
                  user_id="user-1", timestamp="2026-01-20 10:00")  # fmt: skip
    placed = [row["order_id"] for row in told.rows["order_completed"]]
    for number, order in enumerate(placed):
        if number % 5 == 0:
            told.tell("order_refunded", order_id=order)
        if number % 5 == 1:
            told.tell("order_refunded", order_id=order, total=3.0, tax=1.0)
            told.tell("order_refunded", order_id=order, total=9_999_999_999.99)
        if number % 5 == 2:
            told.tell("order_updated", order_id=order, coupon="NEW", products=UNPRICED)
        if number % 7 == 0:
            told.tell("order_cancelled", order_id=order)
    return told


CURRENCIES: dict[str, dict[str, Any]] = {
    "USD": {"currency__rates": {"EUR": "1.1", "XAU": "4000.12345678", "XPT": "900000"}},
    "JPY": {
        "currency__reporting": "JPY",
        "currency__rates": {
            "USD": "150",
            "EUR": "0.00000001",
            "XAU": "9999999999.99999999",
            "XPT": "900000",
        },
        "timezone": "Pacific/Kiritimati",
        "metrics__exclude_bots": False,
    },
}


@pytest.mark.parametrize("reporting", CURRENCIES)
def test_every_layer_is_built_whatever_the_events_say(
    make_bench: Callable[..., Bench], reporting: str
) -> None:
    bench = make_bench(**CURRENCIES[reporting])
    for source, rows in story().rows.items():
        bench.given(f"sources.{source}", rows)
    built = bench.build(layers=sorted({model.layer for model in models().values()}))
    assert {one.status for one in built} == {"built"}
    reconcile(bench)


def reconcile(bench: Bench) -> None:
    """What must add up over all orders, in Python's decimals."""
    orders = bench.rows("""
        select
            item_sales, discount, items_difference, revenue, refunds, net_revenue, tax, shipping,
            order_total, cancelled_revenue
        from marts.orders where is_converted
    """)
    assert orders
    sums = [sum(column, Decimal(0)) for column in zip(*orders, strict=True)]
    items, discount, difference, revenue, refunds, net, tax, shipping, total, cancelled = sums
    assert items - discount + difference == revenue + cancelled
    assert revenue - refunds == net
    assert revenue + cancelled + tax + shipping == total
    assert bench.rows("select sum(refunds) from marts.order_refunds") == [(refunds,)]
    reasons = bench.rows("select distinct unvalued_reason from marts.orders order by 1")
    assert {("out_of_bounds",), ("no_rate",)} <= set(reasons)
