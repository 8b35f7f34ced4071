"""A shop whose events and properties have names of their own, mapped in the parameters."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engagement.flatten import flatten
from engagement.models.inputs import mapping_problems
from engagement.models.runner import build
from engagement.settings import load_settings
from engagement.warehouse import Warehouse, open_warehouse

TEE = {"item_id": "T-1", "item_name": "Tee", "item_category": "Tops", "price": 20, "quantity": 2}
CAP = {"item_id": "C-1", "item_name": "Cap", "item_category": "Hats", "price": 15, "quantity": 1}

EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("view_item", {"items": [TEE], "value": 20}),
    ("view_item", {"items": [CAP, TEE]}),
    ("add_to_cart", {"items": [TEE]}),
    ("search", {"search_term": "tee"}),
    ("purchase", {"transaction_id": "G-1", "value": 60, "tax": 3, "shipping": 2,
                  "currency": "USD", "items": [TEE, CAP]}),
    ("refund", {"transaction_id": "G-1", "value": 15, "currency": "USD"}),
]  # fmt: skip


def _landed(folder: Path) -> None:
    lines = []
    for number, (name, properties) in enumerate(EVENTS):
        time = f"2026-09-02T10:{number:02d}:00.000Z"
        lines.append(
            {
                "messageId": f"g-{number}",
                "type": "track",
                "event": name,
                "channel": "web",
                "anonymousId": "ga4",
                "receivedAt": time,
                "timestamp": time,
                "properties": properties,
            }
        )
    day = folder / "received_at_utc_date=2026-09-02"
    day.mkdir(parents=True)
    (day / "a.json").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("ga4")
    _landed(folder / "landing")
    settings = load_settings(
        "params/ga4_names.yaml",
        {
            "landing.location": str(folder / "landing"),
            "warehouse.duckdb.path": str(folder / "warehouse.duckdb"),
        },
    )
    warehouse = open_warehouse(settings)
    flatten(warehouse, settings)
    layers = ["people", "behaviour", "commerce", "customer", "dashboards"]
    build(warehouse, settings, date(2026, 9, 2), layers)
    return warehouse


def rows(shop: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    return list(shop.query(sql).itertuples(index=False, name=None))


def test_an_order_under_another_name_is_an_order(shop: Warehouse) -> None:
    assert rows(shop, "select order_id, tax, lines, units from marts.orders") == [
        ("G-1", Decimal("3.00"), 2, 3)
    ]
    assert rows(
        shop,
        "select product_id, name, category, quantity, unit_price from marts.order_items "
        "order by line_number",
    ) == [
        ("T-1", "Tee", "Tops", 2, Decimal("20.00")),
        ("C-1", "Cap", "Hats", 1, Decimal("15.00")),
    ]


def test_a_product_may_be_the_first_of_a_list(shop: Warehouse) -> None:
    assert rows(
        shop,
        "select product_id, name, views, adds from marts.product_performance order by product_id",
    ) == [("C-1", "Cap", 1, 0), ("T-1", "Tee", 1, 1)]


def test_what_was_searched_for(shop: Warehouse) -> None:
    assert rows(shop, "select term from marts.search_terms") == [("tee",)]


@pytest.mark.parametrize(
    ("mapped", "problem"),
    [
        (
            {"order_ids": "x"},
            "order_ids: the concept has no such property; did you mean 'order_id'",
        ),
        ({"order_id": "a[1].b"}, "order_id: 'a[1].b' cannot be read"),
        ({"order_id": "a[0].b c"}, "order_id: 'a[0].b c' cannot be read"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_told(mapped: dict[str, str], problem: str) -> None:
    concept = {"names": "purchase", "properties": mapped}
    settings = load_settings("params/local.yaml", {"events.order_completed": concept})
    [found] = mapping_problems(settings)
    assert found.startswith(f"events.order_completed.properties.{problem}")
