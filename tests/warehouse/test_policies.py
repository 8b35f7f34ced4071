"""The IAM policies of docs/aws: their form, real actions, and nothing granted on everything."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest

from engagement.settings import ROOT

FOLDER = ROOT / "docs/aws"
# S3's permissions are not named after its calls.
_S3 = {
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:ListBucket",
    "s3:GetBucketLocation",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
}
POLICIES = sorted(path.name for path in FOLDER.glob("*-policy.json"))


def _statements(name: str) -> list[dict[str, Any]]:
    document = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    assert document["Version"] == "2012-10-17"
    return list(document["Statement"])


def test_there_is_a_policy_to_build_and_one_to_read() -> None:
    assert POLICIES == ["build-policy.json", "read-policy.json"]


@pytest.mark.parametrize("name", POLICIES)
def test_statements_are_well_formed_and_narrow(name: str) -> None:
    statements = _statements(name)
    sids = [statement["Sid"] for statement in statements]
    assert len(sids) == len(set(sids))
    for statement in statements:
        assert statement.keys() == {"Sid", "Effect", "Action", "Resource"}
        assert statement["Sid"].isalnum()
        assert statement["Effect"] == "Allow"
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            assert resource.startswith("arn:aws:")
            assert resource != "*"


@pytest.mark.parametrize("name", POLICIES)
def test_every_action_is_a_call_of_its_service(name: str) -> None:
    session = botocore.session.get_session()
    for statement in _statements(name):
        for action in statement["Action"]:
            service, _, operation = action.partition(":")
            if service == "s3":
                assert action in _S3
            else:
                assert operation in session.get_service_model(service).operation_names, action


def test_reading_changes_no_table() -> None:
    actions = {action for s in _statements("read-policy.json") for action in s["Action"]}
    changing = ("Create", "Update", "Delete", "BatchDelete", "Tag")
    assert not [a for a in actions if a.partition(":")[2].startswith(changing)]
