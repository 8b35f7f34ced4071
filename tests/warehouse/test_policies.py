"""The IAM policies of docs/aws: their form, real actions, and nothing granted on everything.

That they are enough, and grant nothing that is never called, is shown on the stand
(``tests/athena/test_policies_athena.py``).
"""

from __future__ import annotations

import fnmatch
import json
from typing import Any

import botocore.session
import pytest

from engagement.settings import ROOT, load_settings
from engagement.warehouse.athena.folders import folder_name, made_for

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
    "s3:ListBucketMultipartUploads",
    "s3:GetEncryptionConfiguration",
    "s3:ListBucketVersions",
    "s3:GetObjectVersion",
    "s3:DeleteObjectVersion",
}
# Actions that AWS defines without resources.
_ON_NOTHING = {"lakeformation"}
# Statements that refuse: one, for what readers must not read whatever else allows it.
DENIED = {"NeverReadWhatIsPrivate"}
POLICIES = sorted(path.name for path in FOLDER.glob("*-policy.json"))
DOCUMENTS = sorted(path.name for path in FOLDER.glob("*.json"))


def _statements(name: str) -> list[dict[str, Any]]:
    document = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    assert document["Version"] == "2012-10-17"
    return list(document["Statement"])


def test_there_is_a_policy_to_build_and_one_to_read() -> None:
    assert POLICIES == ["build-policy.json", "read-policy.json"]


def test_what_erasing_needs_besides_is_not_granted_for_building() -> None:
    granted = {action for s in _statements("build-policy.json") for action in s["Action"]}
    more = {action for s in _statements("erase-additions.json") for action in s["Action"]}
    assert more - granted == {
        "s3:ListBucketVersions",
        "s3:GetObjectVersion",
        "s3:DeleteObjectVersion",
    }
    writable = [
        s["Resource"] for s in _statements("build-policy.json") if "s3:PutObject" in s["Action"]
    ]
    assert "arn:aws:s3:::example-landing/rudderstack/*" not in writable


_MODELS = {"profile": "customer-profiles", "connect-campaigns": "connectcampaignsv2"}
"""boto3's names of services whose actions have another."""

_LISTINGS = {"ListCampaigns"}
"""Statements of calls that are of no resource."""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_statements_are_well_formed_and_narrow(name: str) -> None:
    statements = _statements(name)
    sids = [statement["Sid"] for statement in statements]
    assert len(sids) == len(set(sids))
    for statement in statements:
        assert statement.keys() == {"Sid", "Effect", "Action", "Resource"}
        assert statement["Sid"].isalnum()
        assert statement["Effect"] == ("Deny" if statement["Sid"] in DENIED else "Allow")
        assert all(isinstance(action, str) and "*" not in action for action in statement["Action"])
        services = {action.partition(":")[0] for action in statement["Action"]}
        assert len(services) == 1
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            if services <= _ON_NOTHING:
                assert resource == "*"
                continue
            # arn:partition:service:region:account:resource, each for the actions' own service.
            parts = resource.split(":", 5)
            if statement["Sid"] in _LISTINGS:
                assert resource == "*"
                continue
            assert parts[:3] == ["arn", "aws", *services]
            assert parts[5].partition("/")[0] not in ("", "*")
            # S3's names are global; everything else is of one region and one account.
            assert (parts[3], parts[4]) == (
                ("", "") if services == {"s3"} else ("eu-central-1", "111122223333")
            )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_action_is_a_call_of_its_service(name: str) -> None:
    session = botocore.session.get_session()
    for statement in _statements(name):
        for action in statement["Action"]:
            service, _, operation = action.partition(":")
            if service == "s3":
                assert action in _S3
            elif action == "lakeformation:GetDataAccess":
                pass  # what Athena does for its caller, and no call
            else:
                name_ = _MODELS.get(service, service)
                assert operation in session.get_service_model(name_).operation_names, action


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_action_is_granted_twice_on_the_same_resource(name: str) -> None:
    granted = [
        (action, resource)
        for statement in _statements(name)
        for action in statement["Action"]
        for resource in (
            [statement["Resource"]]
            if isinstance(statement["Resource"], str)
            else statement["Resource"]
        )
        if not resource.endswith(":catalog")  # every call on Glue asks for the catalog too
    ]
    assert len(granted) == len(set(granted))


@pytest.mark.parametrize("name", POLICIES)
def test_keys_and_lake_formation_are_in_it(name: str) -> None:
    actions = {action for statement in _statements(name) for action in statement["Action"]}
    assert actions >= {"kms:Decrypt", "kms:GenerateDataKey", "lakeformation:GetDataAccess"}


@pytest.mark.parametrize("name", POLICIES)
def test_the_readme_says_what_each_name_stands_for(name: str) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"({name})" in readme
    text = (FOLDER / name).read_text(encoding="utf-8")
    for example in ("example-lake/engagement", "workgroup/engagement", "111122223333"):
        assert example in text
        assert f"`{example}`" in readme


def test_the_names_are_those_of_the_annotated_parameters() -> None:
    settings = load_settings("params/athena.yaml")
    athena = settings.warehouse.athena
    assert athena is not None
    text = (FOLDER / "build-policy.json").read_text(encoding="utf-8")
    for address in (settings.landing.location, athena.data_location):
        assert f"arn:aws:s3:::{address.removeprefix('s3://')}*" in text
    assert f":{athena.region}:111122223333:workgroup/{athena.workgroup}" in text
    databases = [*settings.warehouse.databases.model_dump().values(), athena.storage_database]
    assert all(str(name).startswith("engagement_") for name in databases)


def test_reading_changes_no_table() -> None:
    actions = {action for s in _statements("read-policy.json") for action in s["Action"]}
    changing = ("Create", "Update", "Delete", "Batch", "Tag")
    found = {a for a in actions if a.partition(":")[2].startswith(changing)}
    assert found == {"glue:BatchGetPartition"}
    writable = {
        resource
        for statement in _statements("read-policy.json")
        if "s3:PutObject" in statement["Action"]
        for resource in [statement["Resource"]]
    }
    assert writable == {"arn:aws:s3:::example-lake/engagement/reader-results/*"}


def _may_read(role: str, key: str) -> bool:
    """Whether a role's policy lets it read an object of the lake, as IAM decides."""
    arn = f"arn:aws:s3:::example-lake/engagement/{key}"
    effects = {
        statement["Effect"]
        for statement in _statements(f"{role}-policy.json")
        if "s3:GetObject" in statement["Action"]
        for pattern in [statement["Resource"]]
        for one in ([pattern] if isinstance(pattern, str) else pattern)
        if fnmatch.fnmatchcase(arn, one)
    }
    return effects == {"Allow"}


@pytest.mark.parametrize(
    ("name", "of", "may"),
    [
        ("orders", "marts.orders", True),
        ("candidate_orders", "", True),
        ("quarantine_reasons", "landing.quarantine_reasons", True),
        ("ledger", "landing.ledger", True),
        # Events may have any name.
        ("quarantine", "events.quarantine", True),
        ("lines", "events.lines", True),
        ("private_thing", "events.private_thing", True),
        ("quarantine", "landing.quarantine", False),
        ("quarantine_new", "landing.quarantine", False),
        ("quarantine_whole", "landing.quarantine", False),
        ("erased_rows", "landing.erased", False),
        ("erasure_key_rows", "landing.erasure_key", False),
        ("lines", "", False),
        ("located", "", False),
        ("left_quarantine", "", False),
    ],
)
def test_readers_read_published_tables_but_nothing_private(name: str, of: str, may: bool) -> None:
    folder = folder_name(name, of, 12)
    key = f"tables/20261105t060000-ab12/{folder}/part-0.parquet"
    assert _may_read("read", key) is may
    assert _may_read("build", key)


def test_readers_keep_results_of_their_own() -> None:
    for old in ("0007_erased_rows", "0007_erasure_key_rows"):  # before their folders were private
        assert not _may_read("read", f"tables/20260105t060000-ab12/{old}/rows.parquet")
    assert not _may_read("read", "query-results/1.csv")
    assert _may_read("read", "reader-results/1.csv")
    assert _may_read("build", "query-results/1.csv")


def test_what_is_made_for_a_table_is_told_from_its_label() -> None:
    assert made_for("landing.quarantine, new rows") == "landing.quarantine"
    assert made_for("events.lines") == "events.lines"
    assert made_for("lines") == ""
