"""Which events stand for which concepts, and what is said where none does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engagement.models.concepts import EventMapping, mapping
from tests.flatten.conftest import Shop, event

MakeShop = Callable[..., Shop]


@pytest.fixture
def make_shop(tmp_path: Path) -> MakeShop:
    return lambda **overrides: Shop(tmp_path, **overrides)


def found(shop: Shop) -> EventMapping:
    result = mapping(shop.warehouse, shop.settings)
    assert result is not None
    return result


def test_before_anything_was_flattened_there_is_nothing_to_say(make_shop: MakeShop) -> None:
    shop = make_shop()
    assert mapping(shop.warehouse, shop.settings) is None


def test_events_are_counted_however_their_name_is_written(make_shop: MakeShop) -> None:
    shop = make_shop()
    names = ("Product Viewed", "product_viewed", "productViewed", "Seen")
    shop.land(*(event(messageId=name, event=name) for name in names))
    shop.flatten()
    result = found(shop)
    counted = {one.concept: one.events for one in result.concepts}
    assert counted["product_viewed"] == 3
    assert counted["order_completed"] == 0
    assert result.unmapped == {"Seen": 1}


@pytest.mark.parametrize(
    ("name", "concept"),
    [("purchase", "order_completed"), ("AddToCart", "product_added"),
     ("Product Veiwed", "product_viewed"), ("Order Canceled", "order_cancelled")],
)  # fmt: skip
def test_a_name_that_nobody_mapped_may_mean_a_concept(
    make_shop: MakeShop, name: str, concept: str
) -> None:
    shop = make_shop()
    shop.land(event(event=name), event(messageId="m2", event=name))
    shop.flatten()
    [one] = [one for one in found(shop).concepts if one.concept == concept]
    assert one.near == {name: 2}
    [said] = [line for line in found(shop).warnings() if f"events.{concept}:" in line]
    assert said.endswith(f"; did you mean '{name}' (2 events)?")


def test_where_every_name_is_mapped_an_absent_concept_is_no_mistake(make_shop: MakeShop) -> None:
    shop = make_shop()
    shop.land(event(event="Product Viewed"))
    shop.flatten()
    assert found(shop).warnings() == []


def test_a_mapped_property_that_no_event_has_is_told(make_shop: MakeShop) -> None:
    concept = {
        "names": "purchase",
        "properties": {
            "order_id": "transaction_id",
            "products": "items",
            "product_id": "item_id",
            "total": "sum",
        },
    }
    shop = make_shop(events__order_completed=concept)
    sold = {"transaction_id": "t", "items": [{"item_id": "i"}]}
    shop.land(event(event="purchase", properties=sold))
    shop.flatten()
    assert found(shop).warnings() == [
        "events.order_completed: none of the 1 event has a property 'sum'"
    ]
