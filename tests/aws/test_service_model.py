"""Calls against the services' own models: what botocore does not check before it sends."""

from __future__ import annotations

from typing import Any

import pytest

from engagement.aws import service_model
from engagement.aws.service_model import Later, RequestError, check, problems

OBJECT_TYPE: dict[str, Any] = {
    "DomainName": "shop",
    "ObjectTypeName": "customers",
    "Description": "Customers.",
    "Fields": {"email": {"Source": "_source.email", "ContentType": "EMAIL_ADDRESS"}},
    "Keys": {"person": [{"StandardIdentifiers": ["UNIQUE"], "FieldNames": ["email"]}]},
}


def with_(**changes: Any) -> dict[str, Any]:
    return {**OBJECT_TYPE, **changes}


def test_a_call_that_keeps_to_the_model_passes_by_either_name() -> None:
    assert problems("customer-profiles", "PutProfileObjectType", OBJECT_TYPE) == []
    check("customer-profiles", "put_profile_object_type", OBJECT_TYPE)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Nme": "x"}, "Nme: there is no such member"),
        ({"ExpirationDays": 1099}, "ExpirationDays: is more than 1,098"),
        ({"ExpirationDays": 0}, "ExpirationDays: is less than 1"),
        ({"ExpirationDays": "14"}, "ExpirationDays: has to be a whole number"),
        ({"ExpirationDays": True}, "ExpirationDays: has to be a whole number"),
        ({"ExpirationDays": None}, "ExpirationDays: is nothing; leave it out"),
        ({"Description": ""}, "Description: has 0 characters, needs at least 1"),
        ({"Description": "x" * 1001}, "Description: has 1,001 characters, may have at most 1,000"),
        ({"DomainName": "a b"}, "DomainName: is not of the form ^[a-zA-Z0-9_-]+$"),
        ({"DomainName": "shop\n"}, "DomainName: is not of the form ^[a-zA-Z0-9_-]+$"),
        (
            {"Fields": {"a b": {}}},
            "Fields.a b: as a key, is not of the form ^[a-zA-Z0-9_.-]+$",
        ),
        (
            {"Fields": {"email": {"ContentType": "MAIL"}}},
            (
                "Fields.email.ContentType: is none of STRING, NUMBER, PHONE_NUMBER, EMAIL_ADDRESS, "
                "NAME"
            ),
        ),
        ({"Keys": {"k": {}}}, "Keys.k: has to be a list"),
        (
            {"Keys": {"k": [{"FieldNames": ["email", "a b"]}]}},
            "Keys.k[0].FieldNames[1]: is not of the form ^[a-zA-Z0-9_-]+$",
        ),
    ],
)
def test_each_rule_of_the_model(changes: dict[str, Any], problem: str) -> None:
    found = problems("customer-profiles", "PutProfileObjectType", with_(**changes))
    assert found == [problem]


def test_what_is_missing_and_several_mistakes_at_once() -> None:
    call = {"DomainName": "a b", "DefaultExpirationDays": 5000, "Matching": {}}
    assert problems("customer-profiles", "CreateDomain", call) == [
        "DomainName: is not of the form ^[a-zA-Z0-9_-]+$",
        "DefaultExpirationDays: is more than 1,098",
        "Matching.Enabled: is missing",
    ]
    with pytest.raises(RequestError) as caught:
        check("customer-profiles", "CreateDomain", {})
    assert str(caught.value) == (
        "2 mistakes in the call customer-profiles.CreateDomain:\n"
        "  - DomainName: is missing\n  - DefaultExpirationDays: is missing"
    )


def test_of_a_union_exactly_one_member_is_there() -> None:
    flow = "arn:aws:connect:eu-central-1:111122223333:instance/x/contact-flow/y"
    campaign = {"name": "win back", "connectInstanceId": "x", "connectCampaignFlowArn": flow}
    both = {
        "customerProfilesSegmentArn": "arn:aws:profile:eu-central-1:111122223333:domains/a",
        "eventTrigger": {"customerProfilesDomainArn": "arn:aws:profile:eu-central-1:1:domains/a"},
    }
    found = problems("connectcampaignsv2", "CreateCampaign", {**campaign, "source": both})
    assert "source: has to have exactly one of customerProfilesSegmentArn, eventTrigger" in found


def test_no_message_repeats_a_value() -> None:
    """Planted in every place where a value can be wrong, keys among them."""
    planted = "jane.planted@shop.example"
    call = with_(
        DomainName=planted,
        Description=planted * 100,
        ExpirationDays=planted,
        Fields={planted: {"Source": "", "ContentType": planted}},
    )
    call[planted] = planted
    text = "\n".join(problems("customer-profiles", "PutProfileObjectType", call))
    assert len(text.splitlines()) == 7
    assert "planted" not in text


def test_a_token_that_botocore_fills_in_may_be_missing() -> None:
    shape = service_model.operation("athena", "StartQueryExecution").input_shape
    assert shape is not None
    shape.metadata["required"] = shape.required_members = ["QueryString", "ClientRequestToken"]
    call = {"QueryString": "select 1"}
    assert list(service_model.shape_problems(shape, call)) == []
    assert list(service_model.shape_problems(shape, call, tokens_filled=False)) == [
        "ClientRequestToken: is missing"
    ]


def test_what_an_earlier_call_will_give_passes_any_check() -> None:
    job = Later("JobId of CreateUploadJob")
    assert job == "<JobId of CreateUploadJob>"
    assert problems("customer-profiles", "GetUploadJob", {"DomainName": "s", "JobId": job}) == []
    assert problems(
        "customer-profiles", "GetUploadJob", {"DomainName": "s", "JobId": str(job)}
    ) == ["JobId: is not of the form [a-f0-9]{32}"]


def test_an_operation_that_there_is_not_names_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"did you mean 'CreateDomain'\?"):
        check("customer-profiles", "CreateDomian", {})


def test_patterns_of_other_alphabets_and_java_s_own_forms() -> None:
    tag = [{"tagKey": "größe_1", "tagValue": "ja"}]
    arn = "arn:aws:personalize:eu-central-1:111122223333:dataset-group/shop"
    assert problems("personalize", "TagResource", {"resourceArn": arn, "tags": tag}) == []
    tag[0]["tagKey"] = "a\tb"
    assert problems("personalize", "TagResource", {"resourceArn": arn, "tags": tag}) == [
        r"tags[0].tagKey: is not of the form ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$"
    ]


@pytest.mark.parametrize(
    "service",
    ["customer-profiles", "connectcampaignsv2", "personalize", "personalize-events",
     "personalize-runtime", "quicksight"],
)  # fmt: skip
def test_every_pattern_of_the_services_can_be_read(service: str) -> None:
    model = service_model.model(service)
    patterns = {
        str(pattern)
        for name in model.shape_names
        if (pattern := model.shape_for(name).metadata.get("pattern"))
    }
    assert patterns or service == "personalize-runtime"
    for pattern in patterns:
        assert service_model._pattern(pattern) is not None
