"""Every CloudFormation template is clean for cfn-lint, informational findings included."""

from __future__ import annotations

from pathlib import Path

import pytest
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


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    """The linter itself works: a property that does not exist is reported."""
    text = (DEPLOY / "firehose/template.yaml").read_text(encoding="utf-8")
    wrong = tmp_path / "template.yaml"
    wrong.write_text(text.replace("DeliveryStreamType:", "DeliveryStreamKind:"), encoding="utf-8")
    assert any("DeliveryStreamKind" in str(found) for found in lint_file(wrong))
