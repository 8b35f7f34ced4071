"""Planned calls as files: exact, except that people are one masked sample."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from engagement.aws import requests
from engagement.aws.requests import Call, People, Upload
from engagement.aws.service_model import Later, RequestError

DOMAIN = Call(
    "customer-profiles",
    "CreateDomain",
    {"DomainName": "shop", "DefaultExpirationDays": 366},
    "The domain, unless it is there.",
)

PEOPLE = People(count=25, file="win_back-001.csv", sha256="ab" * 32, calls=3)

PUT = Call(
    "customer-profiles",
    "BatchPutProfileObject",
    {
        "DomainName": "shop",
        "ObjectTypeName": "customers",
        "Items": [
            {"Id": f"r{n}", "Object": json.dumps({"person_id": f"planted-{n}", "email": "p@x.io"})}
            for n in range(10)
        ],
    },
    people=PEOPLE,
)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_call_is_written_exactly(tmp_path: Path) -> None:
    (path,) = requests.write(tmp_path, "audience", [DOMAIN])
    assert path == tmp_path / "audience" / "001-customer-profiles-CreateDomain.json"
    assert read(path) == {
        "service": "customer-profiles",
        "operation": "CreateDomain",
        "why": "The domain, unless it is there.",
        "parameters": {"DomainName": "shop", "DefaultExpirationDays": 366},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_people_are_one_masked_sample_and_where_they_are_found(tmp_path: Path) -> None:
    (path,) = requests.write(tmp_path, "audience", [PUT])
    assert read(path) == {
        "service": "customer-profiles",
        "operation": "BatchPutProfileObject",
        "why": "",
        "parameters": {
            "DomainName": "shop",
            "ObjectTypeName": "customers",
            "Items": [{"Id": "r0", "Object": '{"person_id": "…", "email": "…"}'}],
        },
        "people": {
            "count": 25,
            "file": "win_back-001.csv",
            "sha256": "ab" * 32,
            "calls": 3,
            "shown": "one sample, masked",
        },
    }


def test_members_that_the_model_does_not_call_sensitive_are_hidden_by_name() -> None:
    ids = {"DomainName": "d", "SegmentDefinitionName": "s", "ProfileIds": ["0" * 32, "1" * 32]}
    call = Call(
        "customer-profiles", "GetSegmentMembership", ids, people=PEOPLE, hidden=("ProfileIds",)
    )
    assert call.document()["parameters"] == {**ids, "ProfileIds": ["…"]}


def test_an_upload_has_no_address_and_no_key(tmp_path: Path) -> None:
    upload = Upload(
        "UploadFile",
        Later("Url of GetUploadJobPath"),
        PEOPLE,
        {"x-amz-server-side-encryption-customer-key": Later("ClientToken of GetUploadJobPath")},
    )
    (path,) = requests.write(tmp_path, "audience", [upload])
    assert path.name == "001-https-PUTUploadFile.json"
    assert read(path)["url"] == "<Url of GetUploadJobPath>"
    assert read(path)["people"]["sha256"] == "ab" * 32


def test_an_address_that_strayed_into_a_call_is_masked(tmp_path: Path) -> None:
    call = Call(
        "customer-profiles", "CreateDomain", {**DOMAIN.parameters, "Tags": {"by": "jo@x.io"}}
    )
    (path,) = requests.write(tmp_path, "audience", [call])
    assert "jo@" not in path.read_text(encoding="utf-8")


def test_the_same_calls_give_the_same_bytes_and_an_earlier_plan_is_gone(tmp_path: Path) -> None:
    first = requests.write(tmp_path, "audience", [DOMAIN, PUT])
    other = requests.write(tmp_path, "personalize", [DOMAIN])
    before = first[0].read_bytes()
    second = requests.write(tmp_path, "audience", [DOMAIN])
    assert second[0].read_bytes() == before
    assert sorted(tmp_path.rglob("*.json")) == sorted([*second, *other])


def test_nothing_is_written_when_a_service_would_refuse_a_call(tmp_path: Path) -> None:
    wrong = Call("customer-profiles", "CreateDomain", {"DomainName": "shop"})
    with pytest.raises(RequestError) as caught:
        requests.write(tmp_path, "audience", [DOMAIN, wrong])
    assert caught.value.problems == [
        "customer-profiles.CreateDomain: DefaultExpirationDays: is missing"
    ]
    assert not list(tmp_path.iterdir())


def test_calls_as_a_table() -> None:
    frame = requests.frame([DOMAIN, PUT])
    assert frame.values.tolist() == [
        [1, "customer-profiles", "CreateDomain", "The domain, unless it is there.", 1, 0],
        [2, "customer-profiles", "BatchPutProfileObject", "", 3, 25],
    ]
