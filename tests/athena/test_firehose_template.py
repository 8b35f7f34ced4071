"""deploy/firehose: it is deployed, events are put to its stream, and 01 and 02 run on them."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engagement.collect.firehose import FirehoseStream
from engagement.collect.journal import Frame, Journal
from engagement.landing import tables
from engagement.landing.failures import failures
from engagement.runs.batch import choose, run
from engagement.settings import ROOT, load_settings
from engagement.warehouse import open_warehouse
from tests.athena.stand import Stand
from tests.athena.stand.firehose import delivering

# Bucket policies and metric filters are skipped by moto; cfn-lint has looked at them.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")

TEMPLATE = ROOT / "deploy/firehose/template.yaml"
PARAMS = "params/athena.yaml"
_NAMES = (f"shop{number}" for number in itertools.count())


@pytest.fixture
def outputs(aws_environment: Stand) -> Iterator[dict[str, str]]:
    client, name = aws_environment.client("cloudformation"), next(_NAMES)
    with delivering():
        client.create_stack(
            StackName=name,
            TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in {
                    "Project": name,
                    "BucketName": f"{name}-landing",
                    "GlueDatabaseName": f"{name}_landing",
                    "RudderStackPrincipalArn": "arn:aws:iam::123456789012:role/data-plane",
                    "RudderStackExternalId": "workspace",
                }.items()
            ],
        )
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        yield {"name": name} | {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}


def filled_in(outputs: dict[str, str], folder: Path) -> dict[str, Any]:
    """Values of params/athena.yaml: the outputs where they say, and what a test needs."""
    name, bucket = outputs["name"], f"s3://{outputs['name']}-landing"
    return {
        "project": name,
        "landing.location": outputs["LandingLocation"],
        "landing.errors_location": outputs["ErrorsLocation"],
        "warehouse.athena.region": outputs["Region"],
        "warehouse.databases.landing": outputs["LandingDatabase"],
        "warehouse.databases.events": f"{name}_events",
        "warehouse.databases.marts": f"{name}_marts",
        "warehouse.athena.storage_database": f"{name}_storage",
        "warehouse.athena.data_location": f"{bucket}/lake/",
        "warehouse.athena.output_location": f"{bucket}/results/",
        "warehouse.athena.workgroup": name,
        "warehouse.athena.poll_seconds": 0.05,
        "warehouse.athena.compression": "SNAPPY",
        "run.directory": str(folder / "runs"),
    }


def event(number: int, **other: Any) -> bytes:
    day = 1 + number % 3
    return json.dumps(
        {
            "type": "track",
            "event": "Product Viewed",
            "messageId": f"m{number}",
            "anonymousId": f"a{number % 5}",
            "receivedAt": f"2026-09-{day:02}T10:00:00.000Z",
            "originalTimestamp": f"2026-09-{day:02}T09:59:00.000Z",
            "sentAt": f"2026-09-{day:02}T09:59:01.000Z",
            "timestamp": f"2026-09-{day:02}T09:59:59.000Z",
            "properties": {"product_id": f"p{number % 7}", "price": 9.5},
            **other,
        }
    ).encode()


def test_events_land_where_the_notebooks_01_and_02_read_them(
    outputs: dict[str, str], aws_environment: Stand, tmp_path: Path
) -> None:
    events = [event(n) for n in range(600)]  # more than one batch
    odd = [json.dumps({"type": "track", "messageId": "odd"}).encode(), b"no json"]
    firehose = aws_environment.client("firehose")
    for start in range(0, len(events), 500):
        firehose.put_record_batch(
            DeliveryStreamName=outputs["DeliveryStreamName"],
            Records=[{"Data": one} for one in events[start : start + 500]],
        )
    firehose.put_record_batch(
        DeliveryStreamName=outputs["DeliveryStreamName"], Records=[{"Data": one} for one in odd]
    )
    s3 = aws_environment.client("s3")
    keys = [
        one["Key"] for one in s3.list_objects_v2(Bucket=f"{outputs['name']}-landing")["Contents"]
    ]
    landed = [key for key in keys if key.startswith("rudderstack/")]
    assert {key.split("/")[1] for key in landed} == {
        f"received_at_utc_date=2026-09-0{day}" for day in (1, 2, 3)
    }
    content = s3.get_object(Bucket=f"{outputs['name']}-landing", Key=landed[0])["Body"].read()
    assert gzip.decompress(content).count(b"\n") == len(gzip.decompress(content).splitlines())

    overrides = filled_in(outputs, tmp_path)
    parameters = load_settings(PARAMS, overrides)
    record, folder = run(parameters, ROOT / PARAMS, overrides, choose(["01", "02"]))
    assert record.status == "done"
    assert [(one.name, one.status) for one in record.notebooks] == [
        ("01_glue_tables", "done"),
        ("02_flatten_events", "done"),
    ]
    assert len(list((folder / "notebooks").glob("*.ipynb"))) == 2

    warehouse = open_warehouse(parameters)
    assert sum(tables.inventory(warehouse).days["files"]) == len(landed)
    with warehouse.session() as session:
        viewed = session.query("select id, product_id, price from events.product_viewed")
        ledger = session.query(
            "select sum(records) as records, sum(events) as events, sum(duplicates) as duplicates, "
            "sum(quarantined) as quarantined from landing.ledger"
        )
    assert sorted(viewed["id"]) == sorted(f"m{n}" for n in range(600))
    assert set(viewed["price"]) == {9.5}
    assert list(ledger.iloc[0]) == [600, 600, 0, 0]
    # What had no date is summed up, and never read as an event.
    failed = failures(warehouse, parameters)
    assert int(failed["records"].sum()) == 2


def test_the_collector_puts_to_the_stream(
    outputs: dict[str, str], aws_environment: Stand, tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    journal.append(
        [Frame("2026-09-02", 1, event(1) + b"\n"), Frame("2026-09-03", 1, event(2) + b"\n")]
    )
    journal.seal()
    stream = FirehoseStream(outputs["DeliveryStreamName"], aws_environment.client("firehose"))
    for segment in journal.sealed():
        stream.deliver(segment)
    s3 = aws_environment.client("s3")
    keys = [
        one["Key"] for one in s3.list_objects_v2(Bucket=f"{outputs['name']}-landing")["Contents"]
    ]
    assert sum(key.startswith("rudderstack/received_at_utc_date=") for key in keys) == 2


def test_what_the_stack_allows(outputs: dict[str, str], aws_environment: Stand) -> None:
    """The bucket is encrypted; RudderStack may put events, and nothing else."""
    s3, iam = aws_environment.client("s3"), aws_environment.client("iam")
    rules = s3.get_bucket_encryption(Bucket=f"{outputs['name']}-landing")[
        "ServerSideEncryptionConfiguration"
    ]
    (rule,) = rules["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    policy = iam.get_policy(PolicyArn=outputs["RudderStackPolicyArn"])["Policy"]
    document = iam.get_policy_version(
        PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"]
    )["PolicyVersion"]["Document"]
    (statement,) = document["Statement"]
    assert statement["Action"] == ["firehose:PutRecord", "firehose:PutRecordBatch"]
    assert statement["Resource"].endswith(f"deliverystream/{outputs['name']}-events")
    name = outputs["RudderStackRoleArn"].rpartition("/")[2]
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Condition"] == {"StringEquals": {"sts:ExternalId": "workspace"}}
