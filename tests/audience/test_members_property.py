"""The people of random segments in random shops, against an evaluator that goes row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engagement.audience import segments
from engagement.audience.segments import Segment
from engagement.settings import Settings
from engagement.warehouse import Warehouse, open_warehouse
from tests.audience import worlds
from tests.audience.worlds import AS_OF, Document, World

MakeSettings = Callable[..., Settings]

BASE: Document = {"description": "Some.", "channels": ["email"]}


def agree(
    warehouse: Warehouse, parameters: Settings, shop: World, documents: list[Document]
) -> None:
    """Compare who is in segments by their SQL and by the evaluator; ``other`` is the first."""
    other = documents[0]
    shop.members["other"] = {**other, "name": "other"}
    known = {"other": Segment.model_validate({**BASE, **other, "name": "other"})}
    for place, document in enumerate(documents):
        name = "other" if place == 0 else f"segment_{place}"
        one = Segment.model_validate({**BASE, **document, "name": name})
        if place:
            one = one.model_copy(update={"others": known})
        found = segments.select(warehouse, one, AS_OF, settings=parameters)
        people = [row["person_id"] for row in found.rows()]
        assert people == worlds.members(shop, {**document, "name": name}), document


def without_reference(tree: Any) -> bool:
    """Whether a rule refers to no other segment."""
    return "'segment'" not in repr(tree)


def documents(most: int) -> st.SearchStrategy[list[Document]]:
    """Segments as files write them; the first one may be referred to by the others."""
    first = worlds.trees().filter(without_reference).map(lambda tree: {"who": tree})
    other = st.builds(
        lambda tree, sample: {"who": tree, **({"sample": sample} if sample else {})},
        worlds.trees(),
        st.sampled_from([None, None, 0.5, 0.1, 1.0]),
    )
    return st.builds(
        lambda one, more: [one, *more], first, st.lists(other, min_size=most, max_size=most)
    )


# A failing example says which rule and shop it is; to make it smaller takes minutes.
@settings(
    max_examples=12,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(seed=st.integers(0, 10**6), chosen=documents(8))
def test_members_are_those_of_a_row_by_row_evaluator(
    make_settings: MakeSettings, seed: int, chosen: list[Document]
) -> None:
    shop = worlds.world(seed)
    parameters = make_settings(timezone="America/New_York", metrics__exclude_bots=shop.exclude_bots)
    warehouse = open_warehouse(parameters)
    with warehouse.session(write=True) as session:
        for name in ("product_viewed", "coupon_applied"):
            session.drop(worlds.Table("events", name))
        worlds.publish(session, shop)
    agree(warehouse, parameters, shop, chosen)
