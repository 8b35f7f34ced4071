"""What becomes of an event: cases worked out by hand from what RudderStack's destination does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engagement.aws import service_model
from engagement.personalize.mapping import (
    LiveMapping,
    MappingError,
    Put,
    Refused,
    as_text,
    destination_configs,
    load_mapping,
    puts,
    render_destinations,
)
from engagement.personalize.sending import Target, request
from engagement.settings import ROOT

VIEW: dict[str, Any] = {
    "type": "track",
    "event": "Product Viewed",
    "messageId": "m-1",
    "userId": "u-1",
    "anonymousId": "a-1",
    "originalTimestamp": "2026-09-02T10:00:00.900Z",
    "timestamp": "2026-09-02T11:00:00.000Z",
    "context": {"sessionId": 1795010702412},
    "properties": {"product_id": "p-1", "price": "49.90", "device": "phone", "n": 5.0},
}


def mapping(**sections: Any) -> LiveMapping:
    return LiveMapping.model_validate(
        {
            name: {"mapping": [{"from": a, "to": b} for a, b in rules.items()]}
            for name, rules in sections.items()
        }
    )


ITEM = {"product_id": "ITEM_ID"}


def one(event: dict[str, Any], rules: dict[str, str], section: str = "put_events") -> Any:
    (found,) = puts(event, json.dumps(event), mapping(**{section: rules}))
    return found


def reason(event: dict[str, Any], rules: dict[str, str] = ITEM, section: str = "put_events") -> str:
    found = one(event, rules, section)
    assert isinstance(found, Refused)
    return found.reason


def test_a_track_event_becomes_an_event_of_its_session() -> None:
    rules = {**ITEM, "price": "EVENT_VALUE", "device": "DEVICE_TYPE", "n": "CATEGORY_L1"}
    assert one(VIEW, rules) == Put(
        "PutEvents",
        ("u-1", "a-1"),
        "m-1",
        {
            "eventId": "m-1",
            "eventType": "Product Viewed",
            "sentAt": 1788343200,  # 2026-09-02 10:00:00, the client's time; fractions are cut
            "itemId": "p-1",
            "eventValue": 49.9,
            "properties": '{"deviceType":"phone","categoryL1":"5"}',
        },
    )


@pytest.mark.parametrize(
    ("changes", "group"),
    [
        ({}, ("u-1", "a-1")),
        ({"userId": ""}, (None, "a-1")),
        ({"userId": None}, (None, "a-1")),
        ({"userId": 17}, ("17", "a-1")),
        ({"anonymousId": ""}, ("u-1", "u-1")),
        ({"anonymousId": " ", "userId": ""}, (None, "1795010702412")),
    ],
)
def test_the_session_is_the_anonymous_id_else_the_user_else_the_sdks(
    changes: dict[str, Any], group: tuple[str | None, str]
) -> None:
    assert one({**VIEW, **changes}, ITEM).group == group


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"properties": {"price": 1}}, "there is no product_id, which ITEM_ID is taken from"),
        ({"properties": {"product_id": None}}, "there is no product_id, which ITEM_ID is taken"),
        ({"properties": None}, "there is no product_id"),
        ({"properties": ["product_id"]}, "there is no product_id"),
        ({"properties": {"product_id": " "}}, "ITEM_ID is no id"),
        ({"properties": {"product_id": {"a": 1}}}, "ITEM_ID is no id"),
        ({"properties": {"product_id": "p" * 257}}, "ITEM_ID is longer than 256"),
        ({"event": ""}, "the event has no name"),
        ({"event": None}, "the event has no name"),
        ({"event": "e" * 257}, "the event's name is longer"),
        ({"userId": "u" * 257}, "userId is longer"),
        ({"userId": "", "anonymousId": "", "context": None}, "there is no anonymousId, no userId"),
        (
            {"originalTimestamp": "soon", "timestamp": 3, "sentAt": None},
            "there is no time that can be read",
        ),
    ],
)
def test_an_event_is_left_out_with_its_reason(changes: dict[str, Any], why: str) -> None:
    assert reason({**VIEW, **changes}).startswith(why)


@pytest.mark.parametrize("value", [True, "12 EUR", "", "nan", "1e999", "٣", [], {}, 10**400])
def test_a_value_has_to_read_as_a_number(value: Any) -> None:
    event = {**VIEW, "properties": {"product_id": "p", "price": value}}
    assert reason(event, {**ITEM, "price": "EVENT_VALUE"}) == (
        "EVENT_VALUE does not read as a number"
    )


@pytest.mark.parametrize(
    ("value", "number"), [(0, 0.0), (" -1.5 ", -1.5), ("1e3", 1000.0), (".5", 0.5), (7, 7.0)]
)
def test_a_number_may_be_a_text(value: Any, number: float) -> None:
    event = {**VIEW, "properties": {"product_id": "p", "price": value}}
    assert one(event, {**ITEM, "price": "EVENT_VALUE"}).entry["eventValue"] == number


def test_impressions_become_a_list() -> None:
    rules = {**ITEM, "seen": "IMPRESSION"}

    def with_seen(seen: Any) -> dict[str, Any]:
        return {**VIEW, "properties": {"product_id": "p", "seen": seen}}

    assert one(with_seen("p-1"), rules).entry["impression"] == ["p-1"]
    assert one(with_seen(["p-1", 2]), rules).entry["impression"] == ["p-1", "2"]
    assert len(one(with_seen(["p"] * 25), rules).entry["impression"]) == 25
    assert reason(with_seen(["p"] * 26), rules) == "IMPRESSION has not 1 to 25 items"
    assert reason(with_seen([]), rules) == "IMPRESSION has not 1 to 25 items"
    assert reason(with_seen([{"id": 1}]), rules) == "IMPRESSION is no id"


def test_a_recommendation_is_carried_and_has_at_most_40_characters() -> None:
    rules = {**ITEM, "recommendation_id": "RECOMMENDATION_ID"}

    def with_id(value: str) -> dict[str, Any]:
        return {**VIEW, "properties": {"product_id": "p", "recommendation_id": value}}

    assert one(with_id("r" * 40), rules).entry["recommendationId"] == "r" * 40
    assert reason(with_id("r" * 41), rules) == "RECOMMENDATION_ID is longer than 40 characters"


def test_without_a_rule_for_it_the_item_is_the_message() -> None:
    assert one(VIEW, {}).entry["itemId"] == "m-1"


def test_properties_have_at_most_1024_characters() -> None:
    def with_text(text: str) -> dict[str, Any]:
        return {**VIEW, "properties": {"product_id": "p", "t": text}}

    rules = {**ITEM, "t": "T"}
    most = 1_024 - len('{"t":""}')
    assert len(one(with_text("é" * most), rules).entry["properties"]) == 1_024
    assert reason(with_text("é" * (most + 1)), rules).startswith("its properties are longer")


def test_an_event_without_an_id_gets_that_of_its_record() -> None:
    first, again = ({**VIEW, "messageId": blank} for blank in ("", None))
    assert one(first, ITEM).id.startswith("auto-")
    assert one(first, ITEM).id != one(again, ITEM).id  # other bytes
    assert len(one({**VIEW, "messageId": "m" * 300}, ITEM).id) <= 256


def test_an_identify_event_becomes_a_user() -> None:
    event = {
        "type": "Identify",
        "messageId": "m-2",
        "userId": "u-1",
        "context": {"traits": {"plan": "free", "age": 30}},
        "traits": {"plan": "gold"},
    }
    rules = {"plan": "PLAN_NAME", "age": "AGE"}
    assert one(event, rules, "put_users") == Put(
        "PutUsers",
        (None, None),
        "m-2",
        {"userId": "u-1", "properties": '{"planName":"gold","age":"30"}'},
    )
    assert reason({**event, "userId": ""}, rules, "put_users") == "there is no userId"
    assert reason({**event, "traits": {"plan": None}}, rules, "put_users") == (
        "there is no plan, which PLAN_NAME is taken from"
    )


def test_a_track_event_becomes_an_item() -> None:
    found = one(VIEW, {**ITEM, "price": "PRICE"}, "put_items")
    assert (found.call, found.entry) == (
        "PutItems",
        {"itemId": "p-1", "properties": '{"price":"49.90"}'},
    )


def test_one_event_may_make_several_calls_and_others_make_none() -> None:
    both = mapping(put_events=ITEM, put_items={**ITEM, "price": "PRICE"})
    assert [found.call for found in puts(VIEW, "", both)] == ["PutEvents", "PutItems"]
    assert list(puts({**VIEW, "type": "page"}, "", both)) == []
    assert list(puts({"type": ["track"]}, "", both)) == []


def test_values_stay_as_they_are_where_the_mapping_says_so() -> None:
    rules = LiveMapping.model_validate(
        {"put_events": {"mapping": [{"from": "n", "to": "N"}], "disable_stringify": True}}
    )
    (found,) = puts(VIEW, "", rules)
    assert isinstance(found, Put)
    assert found.entry["properties"] == '{"n":5.0}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (5.0, "5"),
        (5.5, "5.5"),
        (False, "false"),
        ("x", "x"),
        ([1, "a"], '[1,"a"]'),
        (2**70, "1180591620717411303424"),
    ],
)
def test_values_become_text(value: Any, text: str) -> None:
    assert as_text(value) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=12,
)
OF_AN_EVENT = st.sampled_from(
    ["event", "messageId", "userId", "anonymousId", "originalTimestamp", "context", "properties"]
)
EVERYTHING = mapping(
    put_events={
        **ITEM,
        "price": "EVENT_VALUE",
        "seen": "IMPRESSION",
        "rid": "RECOMMENDATION_ID",
        "n": "N",
    },
    put_users={"plan": "PLAN"},
    put_items={**ITEM, "n": "N"},
)


@settings(max_examples=60, deadline=None)
@given(
    changes=st.dictionaries(OF_AN_EVENT, JSON, max_size=3),
    properties=st.dictionaries(
        st.sampled_from(["product_id", "price", "seen", "rid", "n", "plan"]), JSON
    ),
    kind=st.sampled_from(["track", "identify", "TRACK"]),
)
def test_whatever_the_event_the_service_could_read_what_is_made_of_it(
    changes: dict[str, Any], properties: dict[str, Any], kind: str
) -> None:
    usual = {"product_id": "p", "price": 1, "seen": ["p"], "rid": "r", "n": 1, "plan": "x"}
    event = {**VIEW, "type": kind, "properties": {**usual, **properties}, "traits": properties}
    for found in puts({**event, **changes}, "text", EVERYTHING):
        if isinstance(found, Put):
            body = request(Target("t", {"users": ARN, "items": ARN}), found.call, [found])
            assert service_model.problems("personalize-events", found.call, body) == []


ARN = "arn:aws:personalize:eu-central-1:123456789012:dataset/g/USERS"


def test_a_property_nested_without_end_leaves_the_event_out() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    event = {**VIEW, "properties": {"product_id": "p", "n": deep}}
    (found,) = puts(event, "text", mapping(put_events={**ITEM, "n": "N"}))
    assert found == Refused("PutEvents", "a property is nested too deeply")


# --- the file -----------------------------------------------------------------------------------


def test_the_mapping_that_comes_with_the_workbook_can_be_used() -> None:
    found = load_mapping(ROOT / "params" / "personalize_mapping.yaml")
    assert found.put_events is not None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "write put_events"),
        ("{}", "write put_events"),
        ("put_event: {}", "put_event: there is no such key"),
        ("put_events: {mapping: [{from: a, to: item_id}]}", "'item_id' is no field of a schema"),
        ("put_events: {mapping: [{from: a, to: USER_ID}]}", "USER_ID comes from the event itself"),
        ("put_events: {mapping: [{from: a}]}", "put_events.mapping.1.to: is missing"),
        (
            "put_events: {mapping: [{from: a, to: B}, {from: c, to: B}]}",
            "several rules have the same 'to': B",
        ),
        ("put_items: {mapping: [{from: a, to: B}]}", "put_items: a rule has to give ITEM_ID"),
        ("put_users: {}", "put_users: no rule gives anything besides the id"),
        ("put_events: {mapping: 3}", "write a list of rules"),
        ("put_events: [", "line 1"),
    ],
)
def test_a_mistake_in_the_mapping_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MappingError, match="in the mapping") as raised:
        load_mapping(path)
    assert problem in str(raised.value)


def test_a_missing_mapping_is_said(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="there is no such file"):
        load_mapping(tmp_path / "none.yaml")


def test_rudderstack_gets_the_same_rules_as_one_destination_for_each_call() -> None:
    both = mapping(put_events={**ITEM, "price": "EVENT_VALUE"}, put_users={"plan": "PLAN"})
    events, users = destination_configs(
        both, "eu-central-1", "tracker-1", {"users": "arn:aws:personalize:eu:1:dataset/g/USERS"}
    )
    assert events["destinationDefinition"]["name"] == "PERSONALIZE"
    assert events["config"]["eventChoice"] == "PutEvents"
    assert events["config"]["trackingId"] == "tracker-1"
    assert events["config"]["customMappings"] == [
        {"from": "product_id", "to": "ITEM_ID"},
        {"from": "price", "to": "EVENT_VALUE"},
    ]
    assert users["config"]["eventChoice"] == "PutUsers"
    assert users["config"]["datasetARN"].endswith("/USERS")
    assert "trackingId" not in users["config"]
    text = render_destinations(mapping(put_events=ITEM), "eu-central-1", "t", {})
    assert [d["enabled"] for d in json.loads(text)["destinations"]] == [True]
    assert not {"accessKeyId", "secretAccessKey"} & set(
        json.loads(text)["destinations"][0]["config"]
    )
