"""The people of random segments on Athena, against the evaluator that goes row by row."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engagement.as_of import whole_day
from engagement.audience import history, insight, measuring, snapshots
from engagement.audience.members import members
from engagement.audience.reach import Contact, Outcome
from engagement.audience.segments import Segment, load_all
from engagement.models.definition import documented
from engagement.models.inputs import contracts
from engagement.settings import ROOT, Settings, load_settings
from engagement.settings.audience import Cap, QuietHours
from engagement.warehouse import Table, Warehouse, open_warehouse
from tests.athena.stand import Stand
from tests.audience import worlds
from tests.audience.test_members_property import BASE, agree, documents
from tests.audience.worlds import AS_OF, Document
from tests.values import values_query

PARAMS = "tests/athena/stand.yaml"


@pytest.fixture
def shop(aws_environment: Stand) -> tuple[Warehouse, Settings]:
    """A warehouse of its own on the stand."""
    parameters = load_settings(
        PARAMS,
        {
            "project": "segments",
            "timezone": "America/New_York",
            "landing.location": f"s3://{aws_environment.bucket}/segments/landing/",
            "warehouse.athena.data_location": f"s3://{aws_environment.bucket}/segments/data/",
        },
    )
    return open_warehouse(parameters), parameters


@settings(
    max_examples=2,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
)
@given(seed=st.integers(0, 10**6), chosen=documents(7))
def test_members_are_those_of_a_row_by_row_evaluator(
    shop: tuple[Warehouse, Settings], seed: int, chosen: list[Document]
) -> None:
    warehouse, parameters = shop
    content = worlds.world(seed)
    excluded = parameters.metrics.model_copy(update={"exclude_bots": content.exclude_bots})
    parameters = parameters.model_copy(update={"metrics": excluded})
    with warehouse.session(write=True) as session:
        for name in ("product_viewed", "coupon_applied"):
            if session.columns(Table("events", name)):
                session.drop(Table("events", name))
        worlds.publish(session, content)
    agree(warehouse, parameters, content, chosen)


def test_a_snapshot_published_again_is_the_same(shop: tuple[Warehouse, Settings]) -> None:
    warehouse, parameters = shop
    content = worlds.world(1)
    with warehouse.session(write=True) as session:
        worlds.publish(session, content)
        session.publish(
            Table("marts", "identity_map"),
            "select cast(null as varchar) as id_type, cast(null as varchar) as id, "
            "cast(null as varchar) as person_id where false",
        )
    one = Segment.model_validate(
        {**BASE, "name": "known", "who": {"not": {"feature": "plan", "is": "nobody's"}}}
    )
    found = []
    for _ in range(2):
        (done,) = snapshots.publish(
            warehouse, parameters, [one], whole_day(AS_OF, parameters.timezone)
        )
        rows = warehouse.query(
            "select * from marts.segment_members order by snapshot_id, person_id"
        )
        found.append((done, rows.to_csv()))
    assert found[0] == found[1]
    assert found[0][0].members == len(content.customers)


def test_the_whole_library_and_all_policies_run(shop: tuple[Warehouse, Settings]) -> None:
    """Athena takes every statement of audiences, over tables as models document them."""
    warehouse, parameters = shop
    audience = parameters.audience.model_copy(
        update={
            "topics": {"offers": "newsletter"},
            "cap": Cap(messages=1),
            "quiet_hours": QuietHours(),
            "suppression": ("marts.do_not_contact",),
        }
    )
    parameters = parameters.model_copy(update={"audience": audience})
    read = ("customer_360", "session_events", "person_events", "orders", "order_items", "carts",
            "sessions", "product_prices", "identity_map")  # fmt: skip
    with warehouse.session(write=True) as session:
        for name in read:
            columns = documented(name) or {}
            session.publish(Table("marts", name), values_query(columns, []), columns=columns)
        for concept in ("product_viewed", "product_added", "checkout_started"):
            columns = contracts().columns(concept)
            session.publish(Table("events", concept), values_query(columns, []), columns=columns)
        columns = {**contracts().columns("identifies"), "newsletter": "boolean"}
        session.publish(Table("events", "identifies"), values_query(columns, []), columns=columns)
        listed = {"email": "varchar", "user_id": "varchar"}
        session.publish(Table("marts", "do_not_contact"), values_query(listed, []), columns=listed)
    as_of = whole_day(AS_OF, parameters.timezone)
    library = load_all(ROOT / "params/segments")
    for _ in range(2):
        found = snapshots.publish(warehouse, parameters, library, as_of)
        assert {one.members for one in found} == {0}
    one = library[0].model_copy(update={"topic": "offers"})
    contact = Contact("somebody", "email", Outcome.REACHABLE, "somebody@shop.example")
    history.record(warehouse, one, AS_OF - timedelta(days=3), [contact])
    assert list(members(warehouse, parameters, one, as_of).pages()) == []
    assert insight.profile(warehouse, one, AS_OF)["members"].sum() == 0
    assert measuring.results(warehouse, parameters, as_of)["treated"].tolist() == [1]
    assert "vip" not in set(snapshots.overlap(warehouse, AS_OF)["segment"])  # nobody is in it
