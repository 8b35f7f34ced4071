"""Business concepts, each with the names that the shop's events go by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from engagement.settings.section import (
    Names,
    Section,
)


class Concept(Section):
    """A business concept: the events that mean it, and what the shop calls their properties.

    ``names`` are the events' names as sent; case and spaces do not matter. ``properties`` says, for
    a property of RudderStack's specification, which of the shop's own holds it
    (``order_id: transaction_id``); where an event has both, the shop's own counts. A property of a
    nested object is written with a dot (``ecommerce.transaction_id``), one of a list's first member
    with its place (``items[0].item_id``). Names of the properties of a product
    (``product_id: item_id``) hold within lists of products too. In a parameter file a single name
    or a list of names may stand for the whole.
    """

    names: Names
    properties: dict[str, Annotated[str, Field(min_length=1)]] = {}

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"names": (value,)}
        if isinstance(value, (list, tuple)):
            return {"names": value}
        if isinstance(value, Mapping) and isinstance(value.get("names"), str):
            return {**value, "names": (value["names"],)}
        if not isinstance(value, (Mapping, cls)):
            raise ValueError("write a name, a list of names, or keys of names and properties")
        return value


def _named(*names: str) -> Any:
    return Field(default=Concept(names=names))


class Events(Section):
    """Business concepts, each with the names that the shop's events go by."""

    products_searched: Concept = _named("Products Searched")
    product_list_viewed: Concept = _named("Product List Viewed")
    product_clicked: Concept = _named("Product Clicked")
    product_viewed: Concept = _named("Product Viewed")
    product_added: Concept = _named("Product Added")
    product_removed: Concept = _named("Product Removed")
    product_added_to_wishlist: Concept = _named("Product Added to Wishlist")
    cart_viewed: Concept = _named("Cart Viewed")
    checkout_started: Concept = _named("Checkout Started")
    checkout_step_completed: Concept = _named("Checkout Step Completed")
    payment_info_entered: Concept = _named("Payment Info Entered")
    order_completed: Concept = _named("Order Completed")
    order_updated: Concept = _named("Order Updated")
    order_refunded: Concept = _named("Order Refunded")
    order_cancelled: Concept = _named("Order Cancelled")
