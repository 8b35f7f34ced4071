"""The people of random segments on Athena, against the evaluator that goes row by row."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engagement.as_of import whole_day
from engagement.audience import snapshots
from engagement.audience.segments import Segment
from engagement.settings import Settings, load_settings
from engagement.warehouse import Table, Warehouse, open_warehouse
from tests.athena.stand import Stand
from tests.audience import worlds
from tests.audience.test_members_property import BASE, agree, documents
from tests.audience.worlds import AS_OF, Document

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
        rows = warehouse.query("select * from marts.segment_members order by person_id")
        found.append((done, rows.to_csv()))
    assert found[0] == found[1]
    assert found[0][0].members == len(content.customers)
