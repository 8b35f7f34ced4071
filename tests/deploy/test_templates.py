"""Every CloudFormation template is clean for cfn-lint, informational findings included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint_file
from cfnlint.decode import decode

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TEMPLATES = sorted(
    path
    for path in DEPLOY.rglob("*.y*ml")
    if "AWSTemplateFormatVersion" in path.read_text(encoding="utf-8")
)


def test_there_are_templates() -> None:
    assert DEPLOY / "firehose/template.yaml" in TEMPLATES


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_a_template_is_clean(path: Path) -> None:
    assert [str(found) for found in lint_file(path)] == []


def test_the_landing_bucket_is_closed_and_kept() -> None:
    template, problems = decode(str(DEPLOY / "firehose/template.yaml"))
    assert problems == []
    bucket = template["Resources"]["LandingBucket"]
    assert bucket["DeletionPolicy"] == "Retain"
    assert len(bucket["Properties"]["PublicAccessBlockConfiguration"]) == 4
    assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values())
    (deny,) = template["Resources"]["LandingBucketPolicy"]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def decoded(name: str) -> dict[str, Any]:
    template, problems = decode(str(DEPLOY / name / "template.yaml"))
    assert problems == []
    return template  # type: ignore[no-any-return]


def test_the_staging_bucket_is_closed_and_forgets() -> None:
    resources = decoded("redshift")["Resources"]
    bucket = resources["StagingBucket"]["Properties"]
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["BucketEncryption"]
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert "ExpirationInDays" in rules["staged-by-rudderstack"]
    assert "ExpirationInDays" in rules["exports-and-uploads"]
    (deny,) = resources["StagingBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (deny["Effect"], deny["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


def statements(resources: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each role and policy allows."""
    for name, resource in resources.items():
        properties = resource["Properties"]
        documents = [one["PolicyDocument"] for one in properties.get("Policies", [])]
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            documents.append(properties["PolicyDocument"])
        for document in documents:
            for one in document["Statement"]:
                yield name, one["Fn::If"][1] if "Fn::If" in one else one


def test_roles_for_redshift_allow_no_more_than_they_say() -> None:
    found = list(statements(decoded("redshift")["Resources"]))
    assert len(found) > 12
    for name, one in found:
        actions = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
        assert not [action for action in actions if "*" in action], name
        if one["Resource"] == "*":
            assert one["Condition"], name
    loader = [a for name, one in found if name == "RudderStackStagingRole" for a in one["Action"]]
    assert "s3:DeleteObject" not in loader


def test_the_outputs_are_values_of_the_parameters() -> None:
    """Each key that an output names is a key of the file, and the other way round."""
    named = re.compile(r"warehouse\.redshift\.(\w+) in params/redshift\.yaml")
    outputs = {
        found[1]: name
        for name, output in decoded("redshift")["Outputs"].items()
        if (found := named.match(output["Description"]))
    }
    text = (DEPLOY.parent / "params/redshift.yaml").read_text(encoding="utf-8")
    marked = dict(re.findall(r"^ +(?:# )?(\w+): .*# \* (\w+)", text, flags=re.MULTILINE))
    assert marked == outputs
    assert len(marked) == 6


def value_at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree[key]
    return tree


def test_the_outputs_of_firehose_are_values_of_the_parameters() -> None:
    """Each key that an output names is one of the file's; the guide and `check` name the same."""
    named = re.compile(r"([\w.]+) in params/athena\.yaml")
    outputs = {
        name: found[1]
        for name, output in decoded("firehose")["Outputs"].items()
        if (found := named.fullmatch(output["Description"]))
    }
    assert outputs == {
        "LandingLocation": "landing.location",
        "ErrorsLocation": "landing.errors_location",
        "Region": "warehouse.athena.region",
        "LandingDatabase": "warehouse.databases.landing",
    }
    parameters = yaml.safe_load((DEPLOY.parent / "params/athena.yaml").read_text(encoding="utf-8"))
    for key in outputs.values():
        assert isinstance(value_at(parameters, key), str), key
    guide = (DEPLOY / "firehose/README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|$", guide, flags=re.MULTILINE))
    assert rows == outputs
    checks = (DEPLOY.parent / "lib/engagement/runs/checks.py").read_text(encoding="utf-8")
    said = re.sub(r'"\s+"', "", checks)
    [keys] = re.findall(r"whose outputs are the values of ([^(]+) \(deploy/firehose", said)
    assert set(re.split(r", | and ", keys)) == set(outputs.values())


# --- what Firehose logs, and which alarm it raises ------------------------------------------------


def matches(pattern: str, line: dict[str, Any]) -> bool:
    """Whether CloudWatch's filter of JSON lines takes one: what of its syntax is used here."""
    inner = re.fullmatch(r"\{ (.+) \}", pattern)
    assert inner, pattern
    for condition in inner[1].split(" && "):
        found = re.fullmatch(r'\$\.(\w+) (!?=) "([^"]+)"', condition)
        assert found, condition
        name, sign, wanted = found.groups()
        if name not in line:
            return False
        if fnmatchcase(line[name], wanted) != (sign == "="):
            return False
    return True


@pytest.mark.parametrize(
    ("code", "filters"),
    [
        ("DynamicPartitioning.MetadataExtractionFailed", ["FailedRecords"]),
        ("DynamicPartitioning.ActivePartitionLimitExceeded", ["FailedRecords"]),
        ("S3.AccessDenied", ["DeliveryErrors"]),
        ("S3.NoSuchBucket", ["DeliveryErrors"]),
        ("S3.KMS.AccessDenied", ["DeliveryErrors"]),
        ("Kms.DisabledException", ["DeliveryErrors"]),
        (None, []),
    ],
)
def test_an_error_of_firehose_raises_the_alarm_that_is_about_it(
    code: str | None, filters: list[str]
) -> None:
    resources = decoded("firehose")["Resources"]
    line = {"deliveryStreamARN": "arn", "message": "something with errorCode in it"}
    if code:
        line["errorCode"] = code
    found = {
        name: one["Properties"]
        for name, one in resources.items()
        if one["Type"] == "AWS::Logs::MetricFilter"
    }
    assert [name for name, one in found.items() if matches(one["FilterPattern"], line)] == filters
    for name, one in found.items():
        alarm = resources[f"{name}Alarm"]["Properties"]
        [metric] = one["MetricTransformations"]
        assert (alarm["Namespace"], alarm["MetricName"]) == (
            metric["MetricNamespace"],
            metric["MetricName"],
        )


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    """The linter itself works: a property that does not exist is reported."""
    text = (DEPLOY / "firehose/template.yaml").read_text(encoding="utf-8")
    wrong = tmp_path / "template.yaml"
    wrong.write_text(text.replace("DeliveryStreamType:", "DeliveryStreamKind:"), encoding="utf-8")
    assert any("DeliveryStreamKind" in str(found) for found in lint_file(wrong))
