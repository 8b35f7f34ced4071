"""Business concepts and the events that stand for them: what is mapped, and what was received.

A concept that no event stands for gives empty tables and a green run. So each concept is listed
with the names that the parameters map to it, the events that were found under them, and, where
there are none, those names nobody has mapped that may mean it.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from engagement.flatten import fields
from engagement.flatten.names import column_name, snake_case, table_name
from engagement.models.inputs import contracts
from engagement.privacy import masked
from engagement.settings import Concept, Events, Settings
from engagement.warehouse import Session, Table, Warehouse

_ALSO_CALLED: dict[str, tuple[str, ...]] = {
    "products_searched": ("search", "searched", "site search", "view search results"),
    "product_list_viewed": ("view item list", "category viewed", "collection viewed"),
    "product_clicked": ("select item", "select content", "product selected"),
    "product_viewed": ("view item", "view content", "item viewed", "product detail viewed"),
    "product_added": ("add to cart", "added to cart", "item added", "add to basket"),
    "product_removed": ("remove from cart", "removed from cart", "item removed"),
    "product_added_to_wishlist": ("add to wishlist", "wishlist product added", "favourite added"),
    "cart_viewed": ("view cart", "basket viewed"),
    "checkout_started": ("begin checkout", "start checkout", "initiate checkout"),
    "checkout_step_completed": ("checkout progress", "add shipping info", "checkout step"),
    "payment_info_entered": ("add payment info", "payment added"),
    "order_completed": ("purchase", "order placed", "transaction", "order created", "sale"),
    "order_updated": ("order edited", "order changed"),
    "order_refunded": ("refund", "refund created", "refunded"),
    "order_cancelled": ("order canceled", "cancel order", "order voided"),
}  # fmt: skip
"""What shops and other specifications call a concept."""

_NEAR = 0.8
_SHOWN = 3


@dataclass(frozen=True)
class Found:
    """A concept, what is mapped to it, and what was received.

    ``events`` counts the events under the mapped names; ``near`` are names that nobody has mapped
    and that may mean the concept, each with its events; ``absent`` are mapped properties that none
    of the events have.
    """

    concept: str
    names: tuple[str, ...]
    events: int
    near: Mapping[str, int]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class EventMapping:
    """All concepts, and the names of track events that no concept is mapped to."""

    concepts: tuple[Found, ...]
    unmapped: Mapping[str, int]

    def warnings(self) -> list[str]:
        """Concepts without an event while unmapped names exist, and mapped properties that no
        event has: a sentence each.
        """
        said = []
        for one in self.concepts:
            if not one.events and self.unmapped:
                near = ", ".join(f"'{name}' ({_events(count)})" for name, count in one.near.items())
                said.append(
                    f"events.{one.concept}: no event is named {_listed(one.names)}"
                    + (f"; did you mean {near}?" if near else "")
                )
            said += [
                f"events.{one.concept}: none of the {_events(one.events)} has a property '{name}'"
                for name in one.absent
            ]
        return said

    def unless_mapped(self, words: str, *concepts: str) -> str:
        """Words for what there is none of; or, where a concept has no event and there are names
        that nobody has mapped, that it is the mapping that may be missing.

        "Nobody has viewed a product yet" is false where product views came under another name.

        Parameters
        ----------
        concepts
            What the words are about, such as ``product_viewed``.
        """
        return " ".join(self.missing(*concepts)) or words

    def missing(self, *concepts: str) -> list[str]:
        """A sentence for each of some concepts that no event is mapped to, as far as one may be."""
        said = []
        for one in self.concepts:
            if one.concept in concepts and not one.events and self.unmapped:
                near = " or ".join(
                    f"'{masked(name)}' ({_events(count)})" for name, count in one.near.items()
                )
                said.append(
                    f"No event is mapped to {one.concept}: none is named {_listed(one.names)}"
                    + (f"; did you mean {near}?" if near else ".")
                )
        return said

    def frame(self) -> pd.DataFrame:
        """One row per concept: ``concept``, ``mapped names``, ``events``, ``may also mean it``."""
        return pd.DataFrame(
            [
                (f.concept, ", ".join(f.names), f.events, masked(", ".join(f.near)))
                for f in self.concepts
            ],
            columns=["concept", "mapped names", "events", "may also mean it"],
        )


def mapping(warehouse: Warehouse, settings: Settings) -> EventMapping | None:
    """Compare the mapping of events with what was received; ``None`` before 02 has run."""
    if not warehouse.exists():
        return None
    with warehouse.session() as session:
        return mapping_in(session, settings)


def mapping_in(session: Session, settings: Settings) -> EventMapping | None:
    """The same in a session that is open."""
    if not session.columns(fields.NAMES):
        return None
    counted: Counter[str] = Counter()
    for kind, event, events in session.query(
        f"select type, event, sum(events) as events from {fields.NAMES} group by 1, 2",
        label="names of events",
    ).itertuples(index=False):
        if kind == "track" and event:
            counted[event] += int(events)
    concepts: dict[str, Concept] = {n: getattr(settings.events, n) for n in Events.model_fields}
    taken = {table_name(name) for concept in concepts.values() for name in concept.names}
    unmapped = {e: n for e, n in sorted(counted.items()) if table_name(e) not in taken}
    found = []
    for concept, mapped in concepts.items():
        tables = {table_name(name) for name in mapped.names}
        events = sum(n for event, n in counted.items() if table_name(event) in tables)
        near = {} if events else _near(concept, mapped.names, unmapped)
        absent = _absent(session, tables, mapped) if events else ()
        found.append(Found(concept, mapped.names, events, near, absent))
    return EventMapping(tuple(found), unmapped)


def _near(concept: str, names: Iterable[str], unmapped: Mapping[str, int]) -> dict[str, int]:
    """Unmapped names that may mean a concept, those with most events first."""
    wanted = {snake_case(name) for name in (*names, *_ALSO_CALLED.get(concept, ()))}
    near = [
        name
        for name in unmapped
        if snake_case(name) in wanted
        or difflib.get_close_matches(snake_case(name), wanted, n=1, cutoff=_NEAR)
    ]
    near.sort(key=lambda name: (-unmapped[name], name))
    return {name: unmapped[name] for name in near[:_SHOWN]}


def _absent(session: Session, tables: Iterable[str], mapped: Concept) -> tuple[str, ...]:
    """Mapped properties for which none of a concept's tables has a column."""
    held = {column for name in tables for column in session.columns(Table("events", name))}
    lists = mapped.properties.get("products", "products")
    of_members = contracts().groups["product"] if column_name(lists) in held else {}
    return tuple(
        written
        for name, written in sorted(mapped.properties.items())
        if column_name(written.partition("[")[0]) not in held and name not in of_members
    )


def _listed(names: Iterable[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"
