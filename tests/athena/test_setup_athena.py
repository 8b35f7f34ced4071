"""Around the tables: the workgroup, and the checks that name what is missing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from engagement.aws.glue import OWNER
from engagement.runs import checks
from engagement.settings import Settings
from engagement.warehouse import WarehouseError
from engagement.warehouse.athena.setup import ensure_workgroup
from engagement.warehouse.athena.warehouse import AthenaWarehouse
from engagement.warehouse.protocol import Finding
from tests.athena.parameters import settings
from tests.athena.stand import Call, Failure, Stand, fail
from tests.athena.stand.faults import ACCESS_DENIED, EXPIRED_CREDENTIALS, INTERNAL_ERROR
from tests.athena.test_warehouse_athena import numbers, publish

_NAMES = (f"setup{number}" for number in itertools.count())


@pytest.fixture
def name() -> str:
    return next(_NAMES)


# --- the workgroup --------------------------------------------------------------------------------


@pytest.fixture
def own(aws_environment: Stand, name: str) -> AthenaWarehouse:
    return AthenaWarehouse(
        settings(aws_environment, name, workgroup=name, statement_limit_gigabytes=1)
    )


def workgroup(stand: Stand, name: str) -> dict[str, Any]:
    found: dict[str, Any] = stand.client("athena").get_work_group(WorkGroup=name)["WorkGroup"]
    return found


def test_the_workgroup_is_made_compared_and_put_right(
    own: AthenaWarehouse, aws_environment: Stand, name: str
) -> None:
    client = aws_environment.client("athena")
    assert ensure_workgroup(own) == "created"
    assert ensure_workgroup(own) == "unchanged"
    arn = f"arn:aws:athena:{aws_environment.region}:123456789012:workgroup/{name}"
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": OWNER, "Value": name}]
    client.update_work_group(
        WorkGroup=name,
        ConfigurationUpdates={
            "BytesScannedCutoffPerQuery": 20_000_000,
            "EnforceWorkGroupConfiguration": True,
        },
    )
    assert ensure_workgroup(own) == "updated"
    found = workgroup(aws_environment, name)["Configuration"]
    assert found["BytesScannedCutoffPerQuery"] == 1_000_000_000
    assert found["EnforceWorkGroupConfiguration"] is False
    assert found["ResultConfiguration"]["OutputLocation"] == own.output
    publish(own, "select 1 as n")
    assert numbers(own) == [1]


def test_a_limit_that_is_not_asked_for_is_left_as_it_is(
    own: AthenaWarehouse, aws_environment: Stand, name: str
) -> None:
    ensure_workgroup(own)
    without = AthenaWarehouse(settings(aws_environment, name, workgroup=name))
    assert ensure_workgroup(without) == "unchanged"
    found = workgroup(aws_environment, name)["Configuration"]
    assert found["BytesScannedCutoffPerQuery"] == 1_000_000_000


def test_the_workgroup_is_waited_for(own: AthenaWarehouse, aws_environment: Stand) -> None:
    # Known at once, and not yet seen everywhere.
    missing = Failure("InvalidRequestException", "WorkGroup is not found.")
    aws_environment.faults.add(fail("athena", "GetWorkGroup", missing, times=3))
    assert ensure_workgroup(own) == "created"
    assert aws_environment.faults.count("athena", "GetWorkGroup") >= 4


def test_a_workgroup_that_another_run_made_meanwhile_is_used(
    own: AthenaWarehouse, aws_environment: Stand
) -> None:
    ensure_workgroup(own)
    missing = Failure("InvalidRequestException", "WorkGroup is not found.")
    taken = Failure("InvalidRequestException", "WorkGroup is already created")
    aws_environment.faults.add(fail("athena", "GetWorkGroup", missing))
    aws_environment.faults.add(fail("athena", "CreateWorkGroup", taken))
    assert ensure_workgroup(own) == "unchanged"


@pytest.mark.parametrize("operation", ["GetWorkGroup", "CreateWorkGroup"])
def test_what_athena_says_of_the_workgroup_is_told(
    own: AthenaWarehouse, aws_environment: Stand, operation: str
) -> None:
    reason = Failure("InvalidRequestException", "the number of workgroups is exceeded")
    aws_environment.faults.add(fail("athena", operation, reason))
    with pytest.raises(WarehouseError, match="InvalidRequestException: the number of workgroups"):
        ensure_workgroup(own)


def test_a_workgroup_of_others_is_never_changed(
    own: AthenaWarehouse, aws_environment: Stand, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = aws_environment.client("athena")
    client.create_work_group(Name=name, Configuration={"EnforceWorkGroupConfiguration": False})
    before = workgroup(aws_environment, name)
    assert ensure_workgroup(own) == "left alone"
    assert "BytesScannedCutoffPerQuery" in caplog.text
    client.update_work_group(
        WorkGroup=name,
        ConfigurationUpdates={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfigurationUpdates": {"OutputLocation": own.output},
        },
    )
    with pytest.raises(WarehouseError, match="set EnforceWorkGroupConfiguration to false"):
        ensure_workgroup(own)
    client.update_work_group(
        WorkGroup=name, ConfigurationUpdates={"EnforceWorkGroupConfiguration": False}
    )
    after = workgroup(aws_environment, name)
    assert "BytesScannedCutoffPerQuery" not in after["Configuration"]
    assert before["State"] == after["State"]


def test_a_disabled_workgroup_is_named(
    own: AthenaWarehouse, aws_environment: Stand, name: str
) -> None:
    ensure_workgroup(own)
    aws_environment.client("athena").update_work_group(WorkGroup=name, State="DISABLED")
    with pytest.raises(WarehouseError, match=f"the workgroup {name} is disabled: enable it"):
        ensure_workgroup(own)


# --- the checks -----------------------------------------------------------------------------------

NAMES = [
    "AWS identity",
    "region",
    "landing bucket",
    "data location",
    "encryption",
    "Glue, reading",
    "Glue, writing",
    "Lake Formation",
    "workgroup",
    "output location",
    "statement",
]


@pytest.fixture(scope="module")
def place(stand: Stand) -> Stand:
    """Buckets of their own, so that a fault can be about one of them."""
    client = stand.client("s3")
    for bucket in ("checks-landing", "checks-lake", "checks-results"):
        client.create_bucket(Bucket=bucket)
    client.put_object(
        Bucket="checks-landing", Key="events/received_at_utc_date=2026-09-01/a.json", Body=b"{}\n"
    )
    return stand


@pytest.fixture
def chosen(place: Stand, aws_environment: Stand, name: str) -> Settings:
    base = settings(
        aws_environment,
        name,
        data_location=f"s3://checks-lake/{name}/",
        output_location=f"s3://checks-results/{name}/",
        workgroup=name,
        attempts=1,
    )
    landing = base.landing.model_copy(update={"location": "s3://checks-landing/events/"})
    return base.model_copy(update={"landing": landing})


@pytest.fixture
def ready(chosen: Settings) -> AthenaWarehouse:
    """A warehouse that was written to already."""
    made = AthenaWarehouse(chosen)
    publish(made, "select 1 as n")
    return made


def found(warehouse: AthenaWarehouse) -> dict[str, Finding]:
    return {finding.name: finding for finding in warehouse.findings()}


def test_everything_that_a_run_needs_is_tried_one_by_one(ready: AthenaWarehouse, name: str) -> None:
    listed = list(ready.findings())
    assert [finding.name for finding in listed] == NAMES
    assert [finding.name for finding in listed if not finding.ok] == []
    said = {finding.name: finding.found for finding in listed}
    assert said["region"] == "us-east-1, where the buckets lie too"
    assert said["encryption"].count("S3's own keys, which need no permission") == 2
    assert said["Glue, reading"] == "4 of 4 databases are there"
    assert said["Lake Formation"] == "it leaves the databases to IAM"
    assert "123456789012" not in "".join(said.values())
    assert numbers(ready) == [1]
    # Nothing of the trials is left.
    client = ready.bucket.client
    for bucket in ("checks-lake", "checks-results"):
        keys = client.list_objects_v2(Bucket=bucket, Prefix=name).get("Contents", [])
        assert not [item["Key"] for item in keys if "check-" in item["Key"]]
    assert not [table for table in ready.catalog.tables(ready.storage) if "check_" in table]


def test_before_the_first_run_what_it_will_make_is_named(
    chosen: Settings, aws_environment: Stand, name: str
) -> None:
    listed = found(AthenaWarehouse(chosen))
    assert all(finding.ok for finding in listed.values())
    assert listed["Glue, reading"].found == "0 of 4 databases are there"
    assert "glue:CreateDatabase" in listed["Glue, writing"].found
    assert "athena:CreateWorkGroup" in listed["workgroup"].found
    assert listed["statement"].found == f"not tried: there is no workgroup {name} yet"
    # It does not even matter to a check that nothing is there: nothing was made.
    assert AthenaWarehouse(chosen).catalog.has_database(f"{name}_storage") is False
    aws_environment.faults.add(fail("glue", "CreateTable", ACCESS_DENIED, times=99))
    refused = found(AthenaWarehouse(chosen))["Glue, writing"]
    assert (refused.ok, refused.hint) == (False, "missing: glue:CreateTable")


def denied(action: str) -> Failure:
    """How IAM refuses, which names the permission."""
    return Failure(
        "AccessDeniedException",
        "User: arn:aws:sts::123456789012:assumed-role/build/me is not authorized to perform: "
        f"{action} because no identity-based policy allows the {action} action",
        403,
    )


CASES = {
    "identity": ("AWS identity", "sts", "GetCallerIdentity", "", EXPIRED_CREDENTIALS, "sign in"),
    "region": ("region", "s3", "HeadBucket", "checks-lake", ACCESS_DENIED, "s3:ListBucket"),
    "landing, listing": (
        "landing bucket",
        "s3",
        "ListObjectsV2",
        "checks-landing",
        ACCESS_DENIED,
        "s3:ListBucket",
    ),
    "landing, reading": (
        "landing bucket",
        "s3",
        "GetObject",
        "checks-landing",
        ACCESS_DENIED,
        "s3:GetObject",
    ),
    "landing, its key": (
        "landing bucket",
        "s3",
        "GetObject",
        "checks-landing",
        denied("kms:Decrypt"),
        "kms:Decrypt",
    ),
    "data, writing": (
        "data location",
        "s3",
        "PutObject",
        "checks-lake",
        ACCESS_DENIED,
        "s3:PutObject",
    ),
    "data, listing": (
        "data location",
        "s3",
        "ListObjectsV2",
        "checks-lake",
        ACCESS_DENIED,
        "s3:ListBucket",
    ),
    "data, reading": (
        "data location",
        "s3",
        "GetObject",
        "checks-lake",
        ACCESS_DENIED,
        "s3:GetObject",
    ),
    "data, deleting": (
        "data location",
        "s3",
        "DeleteObjects",
        "checks-lake",
        ACCESS_DENIED,
        "s3:DeleteObject",
    ),
    "Glue, reading": (
        "Glue, reading",
        "glue",
        "GetDatabase",
        "",
        ACCESS_DENIED,
        "glue:GetDatabase",
    ),
    "Glue, listing": ("Glue, reading", "glue", "GetTables", "", ACCESS_DENIED, "glue:GetTables"),
    "Glue, creating": (
        "Glue, writing",
        "glue",
        "CreateTable",
        "",
        ACCESS_DENIED,
        "glue:CreateTable",
    ),
    "Glue, changing": (
        "Glue, writing",
        "glue",
        "UpdateTable",
        "",
        ACCESS_DENIED,
        "glue:UpdateTable",
    ),
    "Glue, dropping": (
        "Glue, writing",
        "glue",
        "BatchDeleteTable",
        "",
        ACCESS_DENIED,
        "glue:BatchDeleteTable",
    ),
    "Glue, a grant": (
        "Glue, writing",
        "glue",
        "CreateTable",
        "",
        Failure(
            "AccessDeniedException",
            "Insufficient Lake Formation permission(s): Required Create Table on setup",
        ),
        "a grant in Lake Formation (Required Create Table on setup)",
    ),
    "Lake Formation": (
        "Lake Formation",
        "lakeformation",
        "GetDataLakeSettings",
        "",
        INTERNAL_ERROR,
        "the grants named above",
    ),
    "workgroup": (
        "workgroup",
        "athena",
        "GetWorkGroup",
        "",
        ACCESS_DENIED,
        "athena:GetWorkGroup",
    ),
    "results, writing": (
        "output location",
        "s3",
        "PutObject",
        "checks-results",
        ACCESS_DENIED,
        "s3:PutObject",
    ),
    "statement": (
        "statement",
        "athena",
        "StartQueryExecution",
        "",
        ACCESS_DENIED,
        "athena:StartQueryExecution",
    ),
    "its state": (
        "statement",
        "athena",
        "GetQueryExecution",
        "",
        ACCESS_DENIED,
        "athena:GetQueryExecution",
    ),
    "its result": (
        "statement",
        "athena",
        "GetQueryResults",
        "",
        ACCESS_DENIED,
        "athena:GetQueryResults",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_missing_is_named(
    ready: AthenaWarehouse, aws_environment: Stand, case: tuple[str, str, str, str, Failure, str]
) -> None:
    name, service, operation, containing, failure, expected = case
    rule = fail(service, operation, failure, times=99, client="client", containing=containing)
    with aws_environment.faults.injected(rule):
        listed = found(ready)
    assert list(listed) == NAMES
    assert not listed[name].ok
    assert expected in f"{listed[name].found}\n{listed[name].hint}"
    # The engine has credentials of its own here: everything else was tried too, and works.
    assert listed["AWS identity"].ok or name == "AWS identity"


def test_the_check_shows_it_to_people(
    chosen: Settings, ready: AthenaWarehouse, aws_environment: Stand
) -> None:
    aws_environment.faults.add(fail("glue", "CreateTable", ACCESS_DENIED, times=99))
    shown = checks.frame(checks.check(chosen)).set_index("what")
    assert shown.loc["Glue, writing", "state"] == "missing"
    assert shown.loc["Glue, writing", "to do"] == "missing: glue:CreateTable"
    assert shown.loc["Glue, reading", "state"] == "ok"


def test_buckets_of_another_region_are_told(
    chosen: Settings, aws_environment: Stand, name: str
) -> None:
    client = aws_environment.session().client(
        "s3", region_name="eu-west-1", endpoint_url=aws_environment.endpoint_url
    )
    client.create_bucket(
        Bucket=f"far-{name}", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    athena = chosen.warehouse.athena
    assert athena is not None
    far = athena.model_copy(update={"data_location": f"s3://far-{name}/"})
    moved = chosen.warehouse.model_copy(update={"athena": far})
    listed = found(AthenaWarehouse(chosen.model_copy(update={"warehouse": moved})))
    assert not listed["region"].ok
    assert f"the bucket far-{name} lies in eu-west-1" in listed["region"].found
    landing = chosen.landing.model_copy(update={"location": f"s3://far-{name}/events/"})
    listed = found(AthenaWarehouse(chosen.model_copy(update={"landing": landing})))
    assert listed["region"].ok
    assert "so that reading it costs transfer" in listed["region"].found


def test_a_bucket_that_is_not_there_is_named(chosen: Settings) -> None:
    landing = chosen.landing.model_copy(update={"location": "s3://no-such-landing/events/"})
    listed = found(AthenaWarehouse(chosen.model_copy(update={"landing": landing})))
    assert listed["region"].found == "there is no bucket no-such-landing: check its name"
    assert "NoSuchBucket" in listed["landing bucket"].found


# --- keys -----------------------------------------------------------------------------------------

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture
def with_key(ready: AthenaWarehouse, aws_environment: Stand) -> Iterator[AthenaWarehouse]:
    client = aws_environment.client("s3")
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    client.put_bucket_encryption(
        Bucket="checks-lake",
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]},
    )
    yield ready
    client.delete_bucket_encryption(Bucket="checks-lake")


def test_the_buckets_key_is_named_and_tried(with_key: AthenaWarehouse) -> None:
    finding = found(with_key)["encryption"]
    assert finding.ok
    assert f"checks-lake: the KMS key {KEY}: an object was encrypted and read" in finding.found
    assert "checks-results: S3's own keys" in finding.found


@pytest.mark.parametrize(
    ("operation", "action"), [("PutObject", "kms:GenerateDataKey"), ("GetObject", "kms:Decrypt")]
)
def test_the_permission_on_the_key_is_named(
    with_key: AthenaWarehouse, aws_environment: Stand, operation: str, action: str
) -> None:
    faults = aws_environment.faults
    with faults.injected(fail("s3", operation, denied(action), times=99, containing="checks-lake")):
        finding = found(with_key)["encryption"]
    assert (finding.ok, finding.hint) == (False, f"missing: {action}")
    assert f"the KMS key {KEY}" in finding.found
    # Where S3 only says that access is denied, both possibilities are said.
    plain = fail("s3", operation, ACCESS_DENIED, times=99, containing="checks-lake")
    with faults.injected(plain):
        finding = found(with_key)["encryption"]
    assert finding.hint == f"missing: s3:{operation}"
    assert f"If s3 is granted, it is {action} on that key" in finding.found


def test_where_the_default_may_not_be_asked_for_it_is_tried_all_the_same(
    with_key: AthenaWarehouse, aws_environment: Stand
) -> None:
    rule = fail("s3", "GetBucketEncryption", ACCESS_DENIED, times=99)
    with aws_environment.faults.injected(rule):
        finding = found(with_key)["encryption"]
    assert finding.ok
    assert f"the KMS key {KEY}: an object was encrypted and read" in finding.found
    assert "this needs s3:GetEncryptionConfiguration" in finding.found


# --- Lake Formation -------------------------------------------------------------------------------

EVERYBODY = {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}


@pytest.fixture
def lake(aws_environment: Stand) -> Iterator[Any]:
    client = aws_environment.client("lakeformation")
    before = client.get_data_lake_settings()["DataLakeSettings"]
    yield client
    client.put_data_lake_settings(DataLakeSettings=before)


def govern(lake: Any, database: str) -> None:
    lake.revoke_permissions(
        Principal=EVERYBODY, Resource={"Database": {"Name": database}}, Permissions=["ALL"]
    )


def test_grants_that_are_missing_on_databases_and_places_are_listed(
    ready: AthenaWarehouse, lake: Any, name: str
) -> None:
    me = {"DataLakePrincipalIdentifier": ready.client("sts").get_caller_identity()["Arn"]}
    govern(lake, f"{name}_storage")
    lake.register_resource(ResourceArn="arn:aws:s3:::checks-lake", UseServiceLinkedRole=True)
    lake.register_resource(ResourceArn="arn:aws:s3:::checks-lake-2", UseServiceLinkedRole=True)
    try:
        finding = found(ready)["Lake Formation"]
        assert not finding.ok
        assert f"CREATE_TABLE (and DESCRIBE) on the database {name}_storage" in finding.found
        assert "DATA_LOCATION_ACCESS on arn:aws:s3:::checks-lake" in finding.found
        assert "checks-lake-2" not in finding.found
        assert f"{name}_marts" not in finding.found
        assert "administrator" in finding.hint
        lake.grant_permissions(
            Principal=me,
            Resource={"Database": {"Name": f"{name}_storage"}},
            Permissions=["CREATE_TABLE"],
        )
        assert "CREATE_TABLE" not in found(ready)["Lake Formation"].found
        lake.grant_permissions(
            Principal=me,
            Resource={"DataLocation": {"ResourceArn": "arn:aws:s3:::checks-lake"}},
            Permissions=["DATA_LOCATION_ACCESS"],
        )
        finding = found(ready)["Lake Formation"]
        assert finding.ok
        assert finding.found == f"it governs {name}_storage, and the grants are there"
    finally:
        lake.deregister_resource(ResourceArn="arn:aws:s3:::checks-lake")
        lake.deregister_resource(ResourceArn="arn:aws:s3:::checks-lake-2")


def test_new_databases_that_it_will_govern_need_a_grant_on_the_catalog(
    chosen: Settings, lake: Any
) -> None:
    closed = lake.get_data_lake_settings()["DataLakeSettings"]
    lake.put_data_lake_settings(DataLakeSettings={**closed, "CreateDatabaseDefaultPermissions": []})
    warehouse = AthenaWarehouse(chosen)
    finding = found(warehouse)["Lake Formation"]
    assert not finding.ok
    assert "CREATE_DATABASE on the catalog" in finding.found
    me = {"DataLakePrincipalIdentifier": warehouse.client("sts").get_caller_identity()["Arn"]}
    lake.put_data_lake_settings(
        DataLakeSettings={
            **closed,
            "CreateDatabaseDefaultPermissions": [],
            "DataLakeAdmins": [me],
        }
    )
    assert found(warehouse)["Lake Formation"].ok


@pytest.mark.parametrize("operation", ["GetDataLakeSettings", "ListPermissions"])
def test_who_may_not_ask_is_told_so(
    ready: AthenaWarehouse, aws_environment: Stand, operation: str
) -> None:
    rule = fail("lakeformation", operation, ACCESS_DENIED, times=99)
    with aws_environment.faults.injected(rule):
        finding = found(ready)["Lake Formation"]
    assert finding.ok
    assert f"asking needs lakeformation:{operation}" in finding.found


def test_a_fault_is_about_one_call_only(aws_environment: Stand) -> None:
    # What the cases above rest on: a service that is called by its path has a name for the call.
    seen: list[Call] = []

    def note(call: Call) -> None:
        seen.append(call)

    with aws_environment.faults.injected(note):
        aws_environment.client("lakeformation").list_resources()
        aws_environment.client("sts").get_caller_identity()
    assert [(call.service, call.operation) for call in seen] == [
        ("lakeformation", "ListResources"),
        ("sts", "GetCallerIdentity"),
    ]
