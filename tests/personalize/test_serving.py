"""Recommendations asked for: the service in time, else the baselines; what was shown goes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from engagement.personalize.mapping import Put
from engagement.personalize.sending import LiveError, RateLimit, Sender, Target, events_client
from engagement.personalize.serving import (
    Recommendations,
    Recommended,
    TableBaseline,
    impressions,
    log_impressions,
    runtime_client,
)
from tests.fakes import Fakes
from tests.fakes.personalize import PersonalizeEventsFake, PersonalizeRuntimeFake
from tests.fakes.server import REGION

RECOMMENDER = "arn:aws:personalize:eu-central-1:123456789012:recommender/shop"
CAMPAIGN = "arn:aws:personalize:eu-central-1:123456789012:campaign/shop"
FILTER = "arn:aws:personalize:eu-central-1:123456789012:filter/bought-already"

BASELINE = TableBaseline(
    lists={"person-1": ["own-1", "own-2"]},
    people={"u-1": "person-1"},
    neighbours={"p-1": ["near-1", "near-2"]},
    popular=["pop-1", "pop-2", "own-1"],
)


@pytest.fixture
def runtime() -> PersonalizeRuntimeFake:
    fake = PersonalizeRuntimeFake()
    fake.known = {RECOMMENDER, CAMPAIGN, FILTER}
    fake.lists = {"u-1": ["a", "b", "c"], "p-1": ["d", "e"]}
    return fake


@pytest.fixture
def fakes(use_fakes: Callable[..., Fakes], runtime: PersonalizeRuntimeFake) -> Fakes:
    return use_fakes(runtime, PersonalizeEventsFake("tracking-1"))


@pytest.fixture
def ask(fakes: Fakes) -> Iterator[Recommendations]:
    client = Recommendations(runtime_client(REGION, 5.0), BASELINE, timeout=5.0)
    yield client
    client.close()


def test_the_service_answers_with_its_filters(ask: Recommendations, fakes: Fakes) -> None:
    found = ask.for_user(
        RECOMMENDER,
        "u-1",
        count=2,
        filter_arn=FILTER,
        filter_values={"CATEGORY": 'Home "X"'},
        context={"DEVICE_TYPE": "phone"},
    )
    assert found == Recommended(("a", "b"), "personalize", "RID-1")
    assert fakes.calls[-1].parameters == {
        "recommenderArn": RECOMMENDER,
        "userId": "u-1",
        "numResults": 2,
        "filterArn": FILTER,
        "filterValues": {"CATEGORY": '"Home \\"X\\""'},
        "context": {"DEVICE_TYPE": "phone"},
    }
    assert ask.similar(CAMPAIGN, "p-1", user_id="u-1").items == ("d", "e")
    assert fakes.calls[-1].parameters["campaignArn"] == CAMPAIGN
    assert ask.rank(CAMPAIGN, "u-1", ["x", "y", "z"]).items == ("z", "y", "x")


def test_too_late_an_answer_is_the_baselines(runtime: PersonalizeRuntimeFake, fakes: Fakes) -> None:
    fakes.slow("personalize-runtime", seconds=1.0)
    client = Recommendations(runtime_client(REGION, 5.0), BASELINE, timeout=0.05)
    started = time.monotonic()
    found = client.for_user(RECOMMENDER, "u-1", count=4)
    assert time.monotonic() - started < 0.9
    assert found == Recommended(
        ("own-1", "own-2", "pop-1", "pop-2"), "for_you", None, "no answer within 0.05 s"
    )
    client.close()


def test_what_the_service_refuses_or_does_not_know_is_the_baselines(
    ask: Recommendations, runtime: PersonalizeRuntimeFake, fakes: Fakes
) -> None:
    fakes.throttle("personalize-runtime")
    assert ask.similar(RECOMMENDER, "p-1", count=3) == Recommended(
        ("near-1", "near-2", "pop-1"),
        "similar_items",
        None,
        "the service answered ThrottlingException",
    )
    runtime.known.clear()
    assert ask.for_user(RECOMMENDER, None, count=2) == Recommended(
        ("pop-1", "pop-2"), "popular", None, "the service answered ResourceNotFoundException"
    )
    runtime.known.add(RECOMMENDER)
    found = ask.for_user(RECOMMENDER, "u-9", count=2)
    assert (found.source, found.why) == ("popular", "the service has nothing to recommend")
    fakes.lose("personalize-runtime")
    assert ask.for_user(RECOMMENDER, "u-1").why == "no answer (ConnectionClosedError)"


def test_without_a_set_up_the_baselines_answer_everything() -> None:
    client = Recommendations(None, BASELINE)
    assert client.for_user("", "u-1", count=1).items == ("own-1",)
    assert client.similar("", "p-9", count=9).items == ("pop-1", "pop-2", "own-1")
    assert client.similar("", "pop-1", count=9).items == ("pop-2", "own-1")
    # Own items first, by their place; then popular ones; then the rest as given.
    assert client.rank("", "u-1", ["x", "pop-2", "own-2", "y"]).items == (
        "own-2",
        "pop-2",
        "x",
        "y",
    )
    assert client.rank("", "u-1", ["x", "y"]) == Recommended(
        ("x", "y"), "as given", None, "nothing is set up"
    )
    bought = {"own-1", "pop-2", "x"}
    assert client.for_user("", "u-1", count=2, exclude=bought).items == ("own-2", "pop-1")
    assert client.similar("", "p-1", count=3, exclude=bought).items == ("near-1", "near-2", "pop-1")
    assert client.for_user("", "u-9", exclude=BASELINE.popular).source == "nothing"
    assert Recommendations(None, TableBaseline()).for_user("", "u-1").source == "nothing"


def test_what_was_shown_goes_back_as_an_event(fakes: Fakes) -> None:
    shown = Recommended(tuple(f"i-{n}" for n in range(30)), "personalize", "RID-7")
    put = impressions(
        shown,
        "View",
        "a-1",
        "i-3",
        user_id="u-1",
        at=datetime(2026, 1, 31, tzinfo=UTC),
        new_id=lambda: "e-1",
    )
    assert put == Put(
        "PutEvents",
        ("u-1", "a-1"),
        "e-1",
        {
            "eventId": "e-1",
            "eventType": "View",
            "itemId": "i-3",
            "sentAt": 1769817600,
            "impression": [f"i-{n}" for n in range(25)],
            "recommendationId": "RID-7",
        },
    )
    sender = Sender(events_client(REGION), Target("tracking-1"), RateLimit(1_000))
    assert log_impressions(sender, put)
    (call,) = [call for call in fakes.calls if call.operation == "PutEvents"]
    assert call.parameters["eventList"][0]["recommendationId"] == "RID-7"
    baseline = impressions(Recommended(("a",), "popular"), "View", "a-1", "a")
    assert "recommendationId" not in baseline.entry
    with pytest.raises(LiveError, match="nothing was shown"):
        impressions(Recommended((), "nothing"), "View", "a-1", "a")


def test_the_baselines_are_read_from_their_tables_where_they_are_there() -> None:
    import pandas as pd

    from engagement.warehouse import Table

    tables = {
        "recommendations_for_you": pd.DataFrame(
            [("person-1", "p-2"), ("person-1", "p-1")], columns=["person_id", "product_id"]
        ),
        "personalize_interactions": pd.DataFrame(
            [("u-1", "person-1"), ("u-1", "person-2")], columns=["user_id", "person_id"]
        ),
        "recommendations_popular": pd.DataFrame({"product_id": ["p-9", "p-8"]}),
    }

    class Session:
        def __enter__(self) -> Session:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def columns(self, table: Table) -> list[str]:
            return list(tables[table.name]) if table.name in tables else []

        def query(self, sql: str, *, label: str) -> pd.DataFrame:
            return next(frame for name, frame in tables.items() if f"marts.{name}" in sql)

    class House:
        def session(self) -> Session:
            return Session()

    found = TableBaseline.read(House())  # type: ignore[arg-type]
    assert found == TableBaseline(
        lists={"person-1": ["p-2", "p-1"]},
        people={"u-1": "person-1"},  # the first by name, where a device was somebody's user id
        neighbours={},
        popular=["p-9", "p-8"],
    )
