"""How QuickSight reaches each engine: checked against the service's own model, made on the fake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engagement import quicksight
from engagement.aws import requests as planned
from engagement.aws import service_model
from engagement.aws.clients import Service
from engagement.quicksight import assets
from engagement.quicksight.assets import Maker
from engagement.quicksight.requests import Place, chosen_tables, data_set, data_source, types
from engagement.quicksight.requests import region as region_of
from engagement.quicksight.sources import SOURCES
from engagement.settings import Settings, SettingsError
from tests.fakes import Fakes
from tests.fakes.quicksight import QuickSightFake
from tests.quicksight.test_setup import ACCOUNT, REGION, IdentityFake

MakeSettings = Callable[..., Settings]
UseFakes = Callable[..., Fakes]

SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:reader-AbCdEf"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/quicksight-reads"
VPC = f"arn:aws:quicksight:{REGION}:{ACCOUNT}:vpcConnection/one"
SERVERLESS = {"connect": "iam", "region": REGION, "workgroup": "engagement"}
CLUSTER = {"connect": "data_api", "region": REGION, "cluster": "engagement", "read_user": "reader"}
BY_HOST = {"host": "redshift.example", "user": "builder", "database": "shop", "region": REGION}
POSTGRES = {"host": "postgres.example", "database": "shop", "sslmode": "disable"}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (
        "redshift",
        SERVERLESS,
        {"secret": SECRET, "vpc_connection": VPC},
        {
            "Type": "REDSHIFT",
            "DataSourceParameters": {
                "RedshiftParameters": {
                    "Database": "dev",
                    "Host": f"engagement.{ACCOUNT}.{REGION}.redshift-serverless.amazonaws.com",
                    "Port": 5439,
                }
            },
            "Credentials": {"SecretArn": SECRET},
            "VpcConnectionProperties": {"VpcConnectionArn": VPC},
        },
    ),
    (
        "redshift",
        CLUSTER,
        {"role": ROLE},
        {
            "Type": "REDSHIFT",
            "DataSourceParameters": {
                "RedshiftParameters": {
                    "Database": "dev",
                    "ClusterId": "engagement",
                    "IAMParameters": {"RoleArn": ROLE, "DatabaseUser": "reader"},
                }
            },
        },
    ),
    (
        "redshift",
        BY_HOST,
        {"secret": SECRET},
        {
            "Type": "REDSHIFT",
            "DataSourceParameters": {
                "RedshiftParameters": {
                    "Database": "shop",
                    "Host": "redshift.example",
                    "Port": 5439,
                }
            },
            "Credentials": {"SecretArn": SECRET},
        },
    ),
    (
        "postgres",
        POSTGRES,
        {"secret": SECRET},
        {
            "Type": "POSTGRESQL",
            "DataSourceParameters": {
                "PostgreSqlParameters": {
                    "Host": "postgres.example",
                    "Port": 5432,
                    "Database": "shop",
                }
            },
            "Credentials": {"SecretArn": SECRET},
            "SslProperties": {"DisableSsl": True},
        },
    ),
    (
        "athena",
        {"region": REGION, "workgroup": "primary", "data_location": "s3://bucket/x/"},
        {"role": ROLE},
        {
            "Type": "ATHENA",
            "DataSourceParameters": {"AthenaParameters": {"WorkGroup": "primary", "RoleArn": ROLE}},
        },
    ),
]


def made(make: MakeSettings, engine: str, section: dict[str, Any], **quick: Any) -> Settings:
    landing = {"landing__location": "s3://bucket/landing/"} if engine == "athena" else {}
    return make(
        warehouse__engine=engine,
        **{f"warehouse__{engine}": section},
        quicksight={"wait_seconds": 5, "data_sets": "shown", "region": REGION, **quick},
        **landing,
    )


@pytest.mark.parametrize(("engine", "section", "quick", "wanted"), CASES)
def test_a_source_and_its_sets_fit_the_services_model(
    make_settings: MakeSettings,
    engine: str,
    section: dict[str, Any],
    quick: dict[str, Any],
    wanted: dict[str, Any],
) -> None:
    settings = made(make_settings, engine, section, **quick)
    for place in (Place(ACCOUNT, REGION), Place(None, REGION)):
        source = data_source(settings, place)
        assert service_model.problems("quicksight", "CreateDataSource", source.create) == []
        assert source.name == f"engagement-{engine}"
        known = types(chosen_tables(settings))
        for table, columns in known.items():
            asked = data_set(settings, place, table, columns)
            assert service_model.problems("quicksight", "CreateDataSet", asked.create) == []
            found = asked.create["PhysicalTableMap"]["table"]["RelationalTable"]
            assert found["DataSourceArn"] == source.arn
            assert found.get("Catalog") == ("AwsDataCatalog" if engine == "athena" else None)
    at_home = data_source(settings, Place(ACCOUNT, REGION)).create
    beside = {"AwsAccountId", "DataSourceId", "Name"}
    assert {key: value for key, value in at_home.items() if key not in beside} == wanted


def test_every_engine_of_a_server_is_known(make_settings: MakeSettings) -> None:
    assert set(SOURCES) == set(make_settings().warehouse.engines()) - {"duckdb"}


def test_a_plan_names_no_account(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = made(make_settings, "redshift", SERVERLESS, role=None, secret=SECRET.replace(
        ACCOUNT, "999988887777"
    ))  # fmt: skip
    written = planned.write(tmp_path, "quicksight", quicksight.plan(settings))
    assert all(ACCOUNT not in path.read_text() for path in written)


def test_without_a_secret_it_is_told_what_to_name(make_settings: MakeSettings) -> None:
    for engine, section in (("redshift", SERVERLESS), ("postgres", POSTGRES)):
        settings = made(make_settings, engine, section)
        with pytest.raises(SettingsError, match=r"quicksight\.secret: name the secret"):
            data_source(settings, Place(None, REGION))
    settings = made(make_settings, "postgres", {}, secret=SECRET)
    with pytest.raises(SettingsError, match=r"warehouse\.postgres\.host(.|\n)*database"):
        data_source(settings, Place(None, REGION))


def test_the_region_is_the_engines(make_settings: MakeSettings) -> None:
    settings = made(make_settings, "redshift", SERVERLESS, secret=SECRET, region=None)
    assert region_of(settings) == REGION


def test_another_secret_or_way_updates_the_source(
    make_settings: MakeSettings, use_fakes: UseFakes
) -> None:
    fake = QuickSightFake(ACCOUNT, REGION)
    use_fakes(fake, IdentityFake())
    by = Maker(Service("quicksight", REGION), Place(ACCOUNT, REGION), 5, pause=0.001)

    def ensured(**quick: Any) -> str:
        settings = made(make_settings, "redshift", SERVERLESS, **quick)
        return assets.ensure_data_source(by, data_source(settings, by.place)).outcome

    assert ensured(secret=SECRET) == "created"
    assert ensured(secret=SECRET) == "as it is"
    assert ensured(secret=SECRET.replace("reader", "other")) == "updated"
    assert ensured(secret=SECRET.replace("reader", "other"), vpc_connection=VPC) == "updated"
    assert ensured(secret=SECRET.replace("reader", "other"), vpc_connection=VPC) == "as it is"
    assert fake.sources["engagement-redshift"].content["VpcConnectionProperties"] == {
        "VpcConnectionArn": VPC
    }
