"""The policies of docs/aws, put into force on the stand: what the roles may do, and no more.

Every call of the project, and of the engine on its behalf, is held against the policy. What is
granted and never called is listed here, each with its reason.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from engagement.aws.glue import PARQUET, external_table
from engagement.flatten.pipeline import flatten
from engagement.settings import ROOT
from engagement.warehouse import Table, WarehouseError
from engagement.warehouse.athena.setup import ensure_workgroup
from engagement.warehouse.athena.statements import AGENT
from engagement.warehouse.athena.warehouse import AthenaWarehouse
from engagement.warehouse.costs import remember
from engagement.warehouse.statements import Statement
from tests.athena.parameters import settings
from tests.athena.stand import Call, Failure, Stand, fail
from tests.athena.stand.access import ENGINE_AGENT
from tests.athena.stand.faults import INTERNAL_ERROR
from tests.athena.stand.iam import for_stand, needed, policed
from tests.athena.test_warehouse_athena import numbers, publish

NAME = "policed"
ACCOUNT = "123456789012"

# Granted though nothing here calls it.
ATHENAS_OWN = {
    "athena:TagResource": "CreateWorkGroup with tags",
    "s3:GetBucketLocation": "Athena looks where results and tables lie",
    "s3:AbortMultipartUpload": "Athena writes large files in parts",
    "s3:ListMultipartUploadParts": "Athena writes large files in parts",
    "s3:ListBucketMultipartUploads": "Athena writes large files in parts",
    "kms:Decrypt": "S3 and Athena use the bucket's key",
    "kms:GenerateDataKey": "S3 and Athena use the bucket's key",
    "lakeformation:GetDataAccess": "Athena gets access to registered places",
}


def policy(stand: Stand, role: str) -> dict[str, Any]:
    """A role's policy with the names of this stand; the more special names go first."""
    text = (ROOT / f"docs/aws/{role}-policy.json").read_text(encoding="utf-8")
    names = {
        "example-landing/rudderstack": f"{stand.bucket}/{NAME}/landing",
        "example-landing": stand.bucket,
        "example-lake/engagement": f"{stand.bucket}/{NAME}/data",
        "example-lake": stand.bucket,
        "workgroup/engagement": f"workgroup/{NAME}",
        "engagement_": f"{NAME}_",
        "eu-central-1": stand.region,
        "111122223333": ACCOUNT,
    }
    return for_stand(text, names)


def warehouse(stand: Stand, **more: Any) -> AthenaWarehouse:
    return AthenaWarehouse(settings(stand, NAME, workgroup=NAME, attempts=1, **more))


@pytest.fixture(scope="module", autouse=True)
def landed(stand: Stand) -> None:
    lines = [
        json.dumps({"type": "track", "event": "Product Viewed", "messageId": "1"}),
        json.dumps({"type": "identify", "userId": "u1", "messageId": "2"}),
        "{broken",
    ]
    stand.client("s3").put_object(
        Bucket=stand.bucket,
        Key=f"{NAME}/landing/received_at_utc_date=2026-09-01/a.json",
        Body="\n".join(lines).encode(),
    )


@pytest.fixture
def build(aws_environment: Stand) -> Iterator[Stand]:
    with aws_environment.faults.injected(
        policed(policy(aws_environment, "build"), AGENT, aws_environment.region)
    ):
        yield aws_environment


@pytest.fixture
def read(aws_environment: Stand) -> Iterator[Stand]:
    with aws_environment.faults.injected(
        policed(policy(aws_environment, "read"), AGENT, aws_environment.region)
    ):
        yield aws_environment


def actions(stand: Stand, agent: str) -> set[str]:
    """The actions behind every call of a kind since the stand started."""
    called = stand.faults.called_by(agent)
    return {
        action
        for service, operation in called
        if service != "engine"
        for action, _ in needed(Call(service, operation, "client"), stand.region)
    }


def partitioned_table(stand: Stand) -> None:
    """A table whose partitions are in the catalog, made past the policy."""
    glue = stand.client("glue")
    at = f"s3://{stand.bucket}/{NAME}/data/tables/by-hand/0001_days/"
    table = external_table("days", at, {"n": "bigint"}, PARQUET, partition_keys={"day": "varchar"})
    glue.create_table(DatabaseName=f"{NAME}_storage", TableInput=table)
    glue.create_partition(
        DatabaseName=f"{NAME}_storage",
        TableName="days",
        PartitionInput={
            "Values": ["2026-09-01"],
            "StorageDescriptor": {**table["StorageDescriptor"], "Location": f"{at}day=2026-09-01/"},
        },
    )


def govern(stand: Stand, database: str) -> None:
    """Put a database under Lake Formation's control, with the grant that the role then needs."""
    client = stand.client("lakeformation")
    resource = {"Database": {"Name": database}}
    me = {"DataLakePrincipalIdentifier": stand.client("sts").get_caller_identity()["Arn"]}
    everybody = {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}
    client.revoke_permissions(Principal=everybody, Resource=resource, Permissions=["ALL"])
    client.grant_permissions(Principal=me, Resource=resource, Permissions=["CREATE_TABLE"])


def stopped_statement(stand: Stand, limited: AthenaWarehouse) -> None:
    """A statement that nobody can wait for any more, and that is stopped for it."""

    def slowly(call: Call) -> Failure | None:
        if call.operation == "StartStatement":
            time.sleep(2)
        return None

    lost = fail("athena", "GetQueryExecution", INTERNAL_ERROR, times=99, client="client")
    with (
        stand.faults.injected(lost),
        stand.faults.injected(slowly),
        pytest.raises(WarehouseError, match="InternalServerException"),
    ):
        limited.query("select 1 as one")


def test_the_build_policy_is_enough_for_all_that_is_done_and_grants_nothing_else(
    build: Stand,
) -> None:
    limited = warehouse(build, spending_limit_usd=100, statement_limit_gigabytes=1)
    assert ensure_workgroup(limited) == "created"
    changed = warehouse(build, spending_limit_usd=100, statement_limit_gigabytes=2)
    assert ensure_workgroup(changed) == "updated"
    report = flatten(limited, limited.settings)
    assert report.tables
    publish(limited, "select 1 as n")
    publish(limited, "select 2 as n")
    assert numbers(limited) == [2]
    with limited.session(write=True) as session:
        session.publish(Table("marts", "gone"), "select 1 as n")
        session.drop(Table("marts", "gone"))
    done = Statement("q", "", 1, 1.0, started_at="2026-11-01T06:00:00+00:00", notebook="02")
    remember(limited, "run-1", [done], keep_runs=2)
    govern(build, f"{NAME}_marts")
    assert [finding for finding in limited.findings() if not finding.ok] == []
    partitioned_table(build)
    with limited.session() as session:
        session.query(f"select count(*) as n from {NAME}_storage.days")
    stopped_statement(build, limited)
    assert limited.clean(keep_days=0)

    granted = {action for s in policy(build, "build")["Statement"] for action in s["Action"]}
    ours = actions(build, AGENT)
    engines = actions(build, ENGINE_AGENT) | actions(build, "aws-sdk-java")
    assert ours - granted == set()
    assert granted - ours - engines == ATHENAS_OWN.keys()


def test_the_read_policy_is_enough_to_read_and_for_nothing_else(read: Stand) -> None:
    results = f"s3://{read.bucket}/{NAME}/data/reader-results/"
    reader = warehouse(read, output_location=results)
    assert numbers(reader) == [2]
    assert reader.query("select count(*) as n from events.events")["n"].tolist() == [2]
    assert reader.query("select count(*) as n from landing.run_statements")["n"].tolist() == [1]
    with reader.session() as session:
        assert "numbers" in session.tables("marts")
        assert session.columns(Table("marts", "numbers")) == {"n": "integer"}
    # Neither the tables nor the raw events, which hold more than the tables do.
    with pytest.raises(WarehouseError, match="The role lacks s3:PutObject"):
        publish(reader, "select 3 as n")
    with pytest.raises(WarehouseError, match="The role lacks s3:GetObject"):
        reader.bucket.read(reader.landing / "received_at_utc_date=2026-09-01/a.json")
    # Nor the text of what was set aside, nor results of the build role's queries.
    reasons = reader.query("select sum(records) as n from landing.quarantine_reasons")
    assert reasons["n"].tolist() == [1]
    # The engine reads tables' files, and says in its own words that it could not.
    with pytest.raises(WarehouseError, match=r"quarantine.*Failed to open S3 file"):
        reader.query("select record from landing.quarantine")
    with pytest.raises(WarehouseError, match="not authorized to perform: s3:PutObject"):
        warehouse(read).query("select 1 as one")
    failed = {finding.name: finding.hint for finding in reader.findings() if not finding.ok}
    assert failed == {
        "landing bucket": "missing: s3:GetObject",
        "data location": "missing: s3:PutObject",
        "encryption": "missing: s3:PutObject",
        "Glue, writing": "missing: glue:GetTable",  # what a table is like is asked first
        "workgroup": "missing: athena:ListTagsForResource",
        "output location": "missing: s3:DeleteObject",
    }
    assert numbers(reader) == [2]


def test_a_rule_refuses_what_no_statement_allows(aws_environment: Stand) -> None:
    # What the tests above rest on.
    nothing = {"Statement": [{"Action": ["s3:ListBucket"], "Resource": "arn:aws:s3:::elsewhere"}]}
    with (
        aws_environment.faults.injected(policed(nothing, AGENT, aws_environment.region)),
        pytest.raises(WarehouseError, match="lacks s3:ListBucket"),
    ):
        warehouse(aws_environment).landing_files()
