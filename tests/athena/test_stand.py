"""The stand answers as Athena does: what the other tests in this folder rely on."""

import base64
import concurrent.futures
import gzip
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import awswrangler
import boto3
import pandas
import pyathena
import pytest
from botocore.exceptions import ClientError
from pyathena.arrow.cursor import ArrowCursor
from pyathena.pandas.cursor import PandasCursor

from tests.athena.stand import Call, Stand, StandError, assemble, fail, trino_server
from tests.athena.stand.access import AwsAccess
from tests.athena.stand.assemble import LAUNCHER_CLASS
from tests.athena.stand.faults import (
    ENGINE_FAILED,
    EXPIRED_CREDENTIALS,
    INTERNAL_ERROR,
    LOST_ANSWER,
    THROTTLED,
)
from tests.athena.stand.trino_host import trino_host
from tests.athena.stand.trino_server import start_trino

TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
TEXT_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
OPENX_SERDE = "org.openx.data.jsonserde.JsonSerDe"
LAZY_SERDE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"


@dataclass(frozen=True)
class Workspace:
    """A database and a prefix that belong to one test."""

    stand: Stand
    database: str

    @property
    def location(self) -> str:
        return f"s3://{self.stand.bucket}/{self.database}"

    def connect(self, **options: Any) -> Any:
        return pyathena.connect(
            s3_staging_dir=f"{self.location}/results/",
            region_name=self.stand.region,
            schema_name=self.database,
            poll_interval=0.1,
            **options,
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.cursor().execute(sql).fetchall()

    def put(self, key: str, body: bytes) -> None:
        self.stand.client("s3").put_object(
            Bucket=self.stand.bucket, Key=f"{self.database}/{key}", Body=body
        )

    def keys(self, prefix: str) -> list[str]:
        found = self.stand.client("s3").list_objects_v2(
            Bucket=self.stand.bucket, Prefix=f"{self.database}/{prefix}"
        )
        return [one["Key"] for one in found.get("Contents", [])]

    def start(self, sql: str, **options: Any) -> str:
        started = self.stand.client("athena").start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": self.database},
            ResultConfiguration={"OutputLocation": f"{self.location}/results/"},
            **options,
        )
        return str(started["QueryExecutionId"])

    def finish(self, execution_id: str) -> dict[str, Any]:
        athena = self.stand.client("athena")
        while True:
            found = athena.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
            if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return dict(found)

    def run(self, sql: str, **options: Any) -> dict[str, Any]:
        return self.finish(self.start(sql, **options))

    def reason(self, sql: str) -> str:
        """Run a statement that must fail, and return why it did."""
        status = self.run(sql)["Status"]
        assert status["State"] == "FAILED", sql
        return str(status["StateChangeReason"])

    def create_table(self, name: str, **described: Any) -> None:
        self.stand.client("glue").create_table(
            DatabaseName=self.database,
            TableInput={"Name": name, "TableType": "EXTERNAL_TABLE", **described},
        )


@pytest.fixture
def workspace(aws_environment: Stand, request: pytest.FixtureRequest) -> Workspace:
    name = request.node.name.partition("[")[0]
    database = f"{name}_{uuid.uuid4().hex[:8]}"
    aws_environment.client("glue").create_database(DatabaseInput={"Name": database})
    return Workspace(aws_environment, database)


ALL_TYPES = """
    select
        true as a_boolean,
        cast(7 as tinyint) as a_tinyint,
        7 as an_integer,
        bigint '7000000000' as a_bigint,
        1e10 as a_double,
        cast(1.5 as real) as a_real,
        cast(1.10 as decimal(38, 2)) as a_decimal,
        'it''s "quoted", with a comma
and a line' as a_text,
        '' as an_empty_text,
        date '2024-02-29' as a_date,
        timestamp '2024-02-29 12:34:56.789' as a_timestamp,
        array[1, null, 3] as an_array,
        map(array['k'], array[2]) as a_map,
        cast(row(1, 'x') as row(a integer, b varchar)) as a_row,
        json_parse('{"B": [1, 2]}') as a_json,
        to_utf8('hi') as a_binary,
        cast(null as varchar) as no_text,
        cast(null as decimal(10, 2)) as no_decimal
"""
ALL_VALUES = {
    "a_boolean": "true",
    "a_tinyint": "7",
    "an_integer": "7",
    "a_bigint": "7000000000",
    "a_double": "1.0E10",
    "a_real": "1.5",
    "a_decimal": "1.10",
    "a_text": 'it\'s "quoted", with a comma\nand a line',
    "an_empty_text": "",
    "a_date": "2024-02-29",
    "a_timestamp": "2024-02-29 12:34:56.789",
    "an_array": "[1, null, 3]",
    "a_map": "{k=2}",
    "a_row": "{a=1, b=x}",
    "a_json": '{"B":[1,2]}',
    "a_binary": "68 69",
    "no_text": None,
    "no_decimal": None,
}
ALL_ATHENA_TYPES = {
    "a_boolean": "boolean",
    "a_tinyint": "tinyint",
    "an_integer": "integer",
    "a_bigint": "bigint",
    "a_double": "double",
    "a_real": "float",
    "a_decimal": "decimal",
    "a_text": "varchar",
    "an_empty_text": "varchar",
    "a_date": "date",
    "a_timestamp": "timestamp",
    "an_array": "array",
    "a_map": "map",
    "a_row": "row",
    "a_json": "json",
    "a_binary": "varbinary",
    "no_text": "varchar",
    "no_decimal": "decimal",
}


class TestResults:
    def test_values_and_types_as_athena_writes_them(self, workspace: Workspace) -> None:
        execution = workspace.run(ALL_TYPES)

        results = workspace.stand.client("athena").get_query_results(
            QueryExecutionId=execution["QueryExecutionId"]
        )["ResultSet"]
        header, row = (
            [cell.get("VarCharValue") for cell in one["Data"]] for one in results["Rows"]
        )
        columns = results["ResultSetMetadata"]["ColumnInfo"]
        assert dict(zip(header, row, strict=True)) == ALL_VALUES
        assert {one["Name"]: one["Type"] for one in columns} == ALL_ATHENA_TYPES
        assert [
            (one["Precision"], one["Scale"]) for one in columns if one["Name"] == "a_decimal"
        ] == [(38, 2)]

    def test_result_file_quotes_everything_and_leaves_null_empty(
        self, workspace: Workspace
    ) -> None:
        execution = workspace.run(
            "select 1 as n, cast(null as varchar) as nothing, '' as empty, 'a\"b' as q"
        )

        location = execution["ResultConfiguration"]["OutputLocation"]
        assert location == f"{workspace.location}/results/{execution['QueryExecutionId']}.csv"
        key = location.removeprefix(f"s3://{workspace.stand.bucket}/")
        body = workspace.stand.client("s3").get_object(Bucket=workspace.stand.bucket, Key=key)
        assert body["Body"].read() == b'"n","nothing","empty","q"\n"1",,"","a""b"\n'

    def test_pages_begin_with_a_header_once(self, workspace: Workspace) -> None:
        execution_id = workspace.start("select n from unnest(sequence(1, 2500)) as t(n) order by n")
        workspace.finish(execution_id)

        pages = list(
            workspace.stand.client("athena")
            .get_paginator("get_query_results")
            .paginate(QueryExecutionId=execution_id)
        )

        values = [
            row["Data"][0]["VarCharValue"] for page in pages for row in page["ResultSet"]["Rows"]
        ]
        assert [len(page["ResultSet"]["Rows"]) for page in pages] == [1000, 1000, 501]
        assert values == ["n", *(str(number) for number in range(1, 2501))]

    def test_pyathena_default_cursor(self, workspace: Workspace) -> None:
        row = workspace.rows(ALL_TYPES)[0]

        assert dict(zip(ALL_VALUES, row, strict=True)) == {
            "a_boolean": True,
            "a_tinyint": 7,
            "an_integer": 7,
            "a_bigint": 7_000_000_000,
            "a_double": 1e10,
            "a_real": 1.5,
            "a_decimal": Decimal("1.10"),
            "a_text": ALL_VALUES["a_text"],
            "an_empty_text": "",
            "a_date": date(2024, 2, 29),
            "a_timestamp": datetime(2024, 2, 29, 12, 34, 56, 789000),
            "an_array": [1, None, 3],
            "a_map": {"k": "2"},
            "a_row": {"a": "1", "b": "x"},
            "a_json": {"B": [1, 2]},
            "a_binary": b"hi",
            "no_text": None,
            "no_decimal": None,
        }

    def test_pyathena_pandas_cursor(self, workspace: Workspace) -> None:
        with workspace.connect(cursor_class=PandasCursor) as connection:
            frame = connection.cursor().execute(ALL_TYPES).as_pandas()

        assert frame["a_decimal"].tolist() == [Decimal("1.10")]
        assert frame["a_timestamp"].tolist() == [pandas.Timestamp("2024-02-29 12:34:56.789")]
        assert frame["a_bigint"].tolist() == [7_000_000_000]
        assert frame["no_text"].isna().all()

    def test_pyathena_arrow_cursor_through_unload(self, workspace: Workspace) -> None:
        with workspace.connect(
            cursor_class=ArrowCursor, cursor_kwargs={"unload": True}
        ) as connection:
            table = (
                connection.cursor()
                .execute(
                    "select cast(1.10 as decimal(38, 2)) as d, n, array['a'] as l "
                    "from unnest(sequence(1, 3)) as t(n)"
                )
                .as_arrow()
            )

        assert table.sort_by("n").to_pydict() == {
            "d": [Decimal("1.10")] * 3,
            "n": [1, 2, 3],
            "l": [["a"]] * 3,
        }
        assert workspace.stand.statements[-1].kind == "UNLOAD"

    def test_awswrangler_without_ctas(self, workspace: Workspace) -> None:
        frame = awswrangler.athena.read_sql_query(
            "select 1 as n, cast(2.50 as decimal(10, 2)) as d, date '2024-02-29' as day, "
            "cast(null as varchar) as nothing",
            database=workspace.database,
            ctas_approach=False,
            s3_output=f"{workspace.location}/results/",
            athena_query_wait_polling_delay=0.1,
        )

        assert frame["n"].tolist() == [1]
        assert frame["d"].tolist() == [Decimal("2.50")]
        assert frame["day"].tolist() == [date(2024, 2, 29)]
        assert frame["nothing"].isna().all()

    @pytest.mark.parametrize("approach", ["ctas_approach", "unload_approach"])
    def test_awswrangler_through_files(self, workspace: Workspace, approach: str) -> None:
        frame = awswrangler.athena.read_sql_query(
            "select n, cast(n as decimal(10, 2)) as d from unnest(sequence(1, 3)) as t(n)",
            database=workspace.database,
            s3_output=f"{workspace.location}/files/",
            athena_query_wait_polling_delay=0.1,
            **{"ctas_approach": False, approach: True},
        )

        assert sorted(zip(frame["n"], frame["d"], strict=True)) == [
            (n, Decimal(n)) for n in (1, 2, 3)
        ]
        assert workspace.stand.statements[-1].state == "SUCCEEDED"

    def test_empty_result_keeps_its_types(self, workspace: Workspace) -> None:
        sql = "select 1 as n, cast(1 as decimal(10, 2)) as d, current_timestamp as t where false"
        with workspace.connect() as connection:
            cursor = connection.cursor().execute(sql)
            assert cursor.fetchall() == []
            assert [(one[0], one[1]) for one in cursor.description] == [
                ("n", "integer"),
                ("d", "decimal"),
                ("t", "timestamp with time zone"),
            ]

        with workspace.connect(cursor_class=PandasCursor) as connection:
            frame = connection.cursor().execute(sql).as_pandas()
        assert frame.empty
        assert list(frame.columns) == ["n", "d", "t"]

    def test_execution_parameters(self, workspace: Workspace) -> None:
        execution_id = workspace.start(
            "select ? || '!' as greeting, ? + 1 as n", ExecutionParameters=["'it''s'", "41"]
        )
        workspace.finish(execution_id)

        results = workspace.stand.client("athena").get_query_results(QueryExecutionId=execution_id)
        assert results["ResultSet"]["Rows"][1]["Data"] == [
            {"VarCharValue": "it's!"},
            {"VarCharValue": "42"},
        ]


LANDING = [
    {"messageId": "a", "event": "Product Viewed", "properties": {"productId": "P-1"}},
    {"messageId": "b", "event": "Order Completed", "properties": {"Total": 12.5}},
]


@pytest.fixture(params=["string", "date"])
def landing(workspace: Workspace, request: pytest.FixtureRequest) -> Workspace:
    """Two days of events: one file as it is, one gzipped, in a deeper folder.

    Partition values may have the form of Firehose's folders if their column is a string. For a
    column of type date, Trino wants them as ISO dates.
    """
    day_format = {"string": "yyyy/MM/dd", "date": "yyyy-MM-dd"}[request.param]
    folders = {"string": ("2024/02/28", "2024/02/29"), "date": ("2024-02-28", "2024-02-29")}
    first, second = folders[request.param]
    lines = [json.dumps(event).encode() for event in LANDING]
    workspace.put(f"landing/{first}/23/one", lines[0] + b"\n{broken\n\n")
    workspace.put(f"landing/{second}/00/two.gz", gzip.compress(lines[1] + b"\n"))
    workspace.create_table(
        "landing",
        PartitionKeys=[{"Name": "received_at_utc_date", "Type": request.param}],
        StorageDescriptor={
            "Columns": [
                {"Name": "messageid", "Type": "string"},
                {"Name": "properties", "Type": "string"},
            ],
            "Location": f"{workspace.location}/landing/",
            "InputFormat": TEXT_INPUT,
            "OutputFormat": TEXT_OUTPUT,
            "SerdeInfo": {
                "SerializationLibrary": OPENX_SERDE,
                "Parameters": {"ignore.malformed.json": "true"},
            },
        },
        Parameters={
            "projection.enabled": "true",
            "projection.received_at_utc_date.type": "date",
            "projection.received_at_utc_date.format": day_format,
            "projection.received_at_utc_date.range": f"{first},{second}",
            "storage.location.template": f"{workspace.location}/landing/${{received_at_utc_date}}/",
        },
    )
    return workspace


class TestExternalTables:
    def test_json_table_with_partition_projection(self, landing: Workspace) -> None:
        rows = landing.rows(
            "select messageid, properties, "
            "replace(cast(received_at_utc_date as varchar), '/', '-') as day from landing"
        )

        assert Counter(rows) == {
            ("a", '{"productId":"P-1"}', "2024-02-28"): 1,
            ("b", '{"Total":12.5}', "2024-02-29"): 1,
            (None, None, "2024-02-28"): 2,  # the broken line and the blank one
        }

    def test_projection_reads_only_the_partitions_asked_for(self, landing: Workspace) -> None:
        days = {day for (day,) in landing.rows("select distinct received_at_utc_date from landing")}
        literal = f"date '{max(days)}'" if isinstance(max(days), date) else f"'{max(days)}'"

        execution = landing.run(
            f"select max(messageid) from landing where received_at_utc_date = {literal}"
        )

        file = next(key for key in landing.keys("landing/") if key.endswith("two.gz"))
        head = landing.stand.client("s3").head_object(Bucket=landing.stand.bucket, Key=file)
        assert execution["Statistics"]["DataScannedInBytes"] == head["ContentLength"]

    def test_raw_lines_keep_every_byte(self, workspace: Workspace) -> None:
        lines = [
            b'{"a": 1}{"b": 2}',
            b"cut\x01here?",
            b"\\N",
            b"",
            b"\xff\xfe not UTF-8",
            b'"quoted, with \\" escapes"',
            "ünïcödé\u2028".encode(),
        ]
        workspace.put("raw/file.json.gz", gzip.compress(b"\n".join(lines) + b"\n"))
        workspace.create_table(
            "raw",
            StorageDescriptor={
                "Columns": [{"Name": "line", "Type": "string"}],
                "Location": f"{workspace.location}/raw/",
                "InputFormat": TEXT_INPUT,
                "OutputFormat": TEXT_OUTPUT,
                "SerdeInfo": {
                    "SerializationLibrary": LAZY_SERDE,
                    "Parameters": {"field.delim": "\n", "serialization.null.format": "\002"},
                },
            },
        )

        found = workspace.rows('select to_base64(cast(line as varbinary)), "$path" from raw')

        assert sorted(base64.b64decode(line) for line, _ in found) == sorted(lines)
        assert {path for _, path in found} == {f"{workspace.location}/raw/file.json.gz"}

    def test_update_table_moves_a_table_in_one_call(self, workspace: Workspace) -> None:
        for number in (1, 2):
            workspace.run(
                f"create table t{number} with (external_location = "
                f"'{workspace.location}/t{number}/') as select {number} as n"
            )
        glue = workspace.stand.client("glue")
        first, second = (
            glue.get_table(DatabaseName=workspace.database, Name=name)["Table"]
            for name in ("t1", "t2")
        )
        assert workspace.rows("select n from t1") == [(1,)]

        glue.update_table(
            DatabaseName=workspace.database,
            TableInput={
                "Name": "t1",
                "TableType": first["TableType"],
                "Parameters": first["Parameters"],
                "StorageDescriptor": second["StorageDescriptor"],
            },
            VersionId=first["VersionId"],
            SkipArchive=True,
        )

        assert workspace.rows("select n from t1") == [(2,)]

    def test_glue_refuses_an_update_of_a_version_that_is_gone(self, workspace: Workspace) -> None:
        glue = workspace.stand.client("glue")
        table = {"Name": "t", "StorageDescriptor": {"Location": f"{workspace.location}/t/"}}
        glue.create_table(DatabaseName=workspace.database, TableInput=table)
        update = {"DatabaseName": workspace.database, "TableInput": table, "VersionId": "0"}

        glue.update_table(**update)
        with pytest.raises(ClientError, match="ConcurrentModificationException"):
            glue.update_table(**update)

        found = glue.get_table(DatabaseName=workspace.database, Name="t")["Table"]
        assert found["VersionId"] == "1"
        assert found["StorageDescriptor"]["NumberOfBuckets"] == 0

    def test_partitions_can_be_moved_singly_and_in_batches(self, workspace: Workspace) -> None:
        for version in ("old", "new"):
            workspace.run(
                f"create table {version} with (partitioned_by = array['day'], external_location = "
                f"'{workspace.location}/{version}/') as select '{version}' as v, day "
                "from unnest(array['d1', 'd2']) as t(day)"
            )
        glue = workspace.stand.client("glue")
        found = glue.get_partitions(DatabaseName=workspace.database, TableName="new")["Partitions"]

        glue.batch_update_partition(
            DatabaseName=workspace.database,
            TableName="old",
            Entries=[
                {
                    "PartitionValueList": one["Values"],
                    "PartitionInput": {
                        "Values": one["Values"],
                        "StorageDescriptor": one["StorageDescriptor"],
                    },
                }
                for one in found
                if one["Values"] == ["d2"]
            ],
        )

        assert workspace.rows("select v, day from old order by day") == [
            ("old", "d1"),
            ("new", "d2"),
        ]


class TestWriting:
    @pytest.mark.parametrize("compression", ["SNAPPY", "GZIP", "ZSTD", "UNCOMPRESSED"])
    def test_ctas_writes_parquet_where_it_is_told_to(
        self, workspace: Workspace, compression: str
    ) -> None:
        execution = workspace.run(
            f"CREATE TABLE t WITH (format = 'PARQUET', write_compression = '{compression}', "
            f"table_type = 'HIVE', external_location = '{workspace.location}/t/') AS "
            "SELECT n, cast(n AS decimal(38, 2)) AS d, timestamp '2024-02-29 12:00:00.000' AS at "
            "FROM unnest(sequence(1, 10)) AS s(n)"
        )

        assert execution["Status"]["State"] == "SUCCEEDED"
        assert execution["SubstatementType"] == "CREATE_TABLE_AS_SELECT"
        files = [f"s3://{workspace.stand.bucket}/{key}" for key in workspace.keys("t/")]
        manifest = execution["Statistics"]["DataManifestLocation"]
        assert awswrangler.s3.read_csv(manifest, header=None)[0].tolist() == files
        table = awswrangler.s3.read_parquet(files)
        assert sorted(table["n"]) == list(range(1, 11))
        assert workspace.rows("select sum(d), min(at) from t") == [
            (Decimal("55.00"), datetime(2024, 2, 29, 12))
        ]

    def test_ctas_without_a_location_goes_below_the_results(self, workspace: Workspace) -> None:
        execution = workspace.run("create table t as select 1 as n")

        found = workspace.stand.client("glue").get_table(DatabaseName=workspace.database, Name="t")
        location = found["Table"]["StorageDescriptor"]["Location"].rstrip("/")
        assert location == f"{workspace.location}/results/tables/{execution['QueryExecutionId']}"
        assert found["Table"]["TableType"] == "EXTERNAL_TABLE"

    def test_ctas_into_a_prefix_with_files_is_refused(self, workspace: Workspace) -> None:
        workspace.put("t/left-over", b"x")

        reason = workspace.reason(
            f"create table t with (external_location = '{workspace.location}/t') as select 1 as n"
        )

        assert reason.startswith("HIVE_PATH_ALREADY_EXISTS: Target directory for table")

    @pytest.mark.parametrize(
        ("expression", "reason"),
        [
            ("current_timestamp", "Unsupported Hive type: timestamp(3) with time zone"),
            ("timestamp '2024-02-29 00:00:00.000000'", "Incorrect timestamp precision"),
            ("json_parse('1')", "Unsupported Hive type: json"),
            ("null", "Column type is unknown"),
        ],
    )
    def test_ctas_refuses_types_that_athena_cannot_store(
        self, workspace: Workspace, expression: str, reason: str
    ) -> None:
        assert reason in workspace.reason(f"create table t as select {expression} as x")

    @pytest.mark.parametrize(
        ("properties", "reason"),
        [
            ("colour = 'blue'", "Unsupported create table properties: colour"),
            ("table_type = 'ICEBERG', is_external = false", "no Iceberg tables"),
        ],
    )
    def test_ctas_refuses_properties_that_it_does_not_know(
        self, workspace: Workspace, properties: str, reason: str
    ) -> None:
        sql = f"create table t with ({properties}) as select 1 as n"
        assert reason in workspace.reason(sql)

    def test_a_hundred_partitions_a_statement_and_no_more(self, workspace: Workspace) -> None:
        def create(name: str, partitions: int) -> str:
            return (
                f"create table {name} with (partitioned_by = array['p'], external_location = "
                f"'{workspace.location}/{name}/') as "
                f"select 'x' as v, p from unnest(sequence(1, {partitions})) as t(p)"
            )

        assert "Exceeded limit of 100 open writers" in workspace.reason(create("large", 101))
        assert workspace.run(create("small", 100))["Status"]["State"] == "SUCCEEDED"
        insert = "insert into small select 'y', p from unnest(sequence(101, {})) as t(p)"
        assert "Exceeded limit of 100 open writers" in workspace.reason(insert.format(201))
        assert workspace.run(insert.format(150))["Status"]["State"] == "SUCCEEDED"
        assert workspace.rows("select count(distinct p) from small") == [(150,)]

    def test_insert_adds_files_and_counts_rows(self, workspace: Workspace) -> None:
        workspace.run("create table t as select 1 as n")

        execution = workspace.run("insert into t select n from unnest(array[2, 3]) as s(n)")

        results = workspace.stand.client("athena").get_query_results(
            QueryExecutionId=execution["QueryExecutionId"]
        )
        assert results["UpdateCount"] == 2
        assert workspace.rows("select n from t order by n") == [(1,), (2,), (3,)]
        assert workspace.stand.statements[-2].rows == 2

    def test_unload_writes_files_and_no_table(self, workspace: Workspace) -> None:
        execution = workspace.run(
            "UNLOAD (SELECT n, n % 2 AS odd FROM unnest(sequence(1, 4)) AS t(n)) "
            f"TO '{workspace.location}/out/' WITH (format = 'PARQUET', compression = 'SNAPPY', "
            "partitioned_by = ARRAY['odd'])"
        )

        assert execution["Status"]["State"] == "SUCCEEDED"
        frame = awswrangler.s3.read_parquet(f"{workspace.location}/out/", dataset=True)
        assert sorted(zip(frame["n"], frame["odd"].astype(str), strict=True)) == [
            (1, "1"),
            (2, "0"),
            (3, "1"),
            (4, "0"),
        ]
        glue = workspace.stand.client("glue")
        assert glue.get_tables(DatabaseName=workspace.database)["TableList"] == []
        again = f"unload (select 1 as n) to '{workspace.location}/out' with (format = 'PARQUET')"
        assert workspace.reason(again).startswith("HIVE_PATH_ALREADY_EXISTS")

    def test_statements_for_iceberg_tables_are_refused(self, workspace: Workspace) -> None:
        workspace.run("create table t as select 1 as n")

        assert "Iceberg" in workspace.reason("delete from t where n = 1")
        assert "Iceberg" in workspace.reason("create table u (n int)")


class TestPlans:
    """One node needs one stage, however many tables a statement reads and joins."""

    ROWS = "(values (1, 'one'), (2, 'two'), (2, 'zwei'))"

    @staticmethod
    def query(names: str) -> str:
        """Joins, groups, a subquery and a union; ``names`` is a table, or rows that stand there."""
        return (
            "select t.k, count(*) as n, array_agg(v.name order by v.name) as names "
            f"from {names} as v (k, name) right join t on v.k = t.k "
            "where t.k in (select k from u) or t.k = 1 group by t.k "
            "union all select 0, count(*), null from u where k > 5"
        )

    @pytest.fixture
    def tables(self, workspace: Workspace) -> Workspace:
        workspace.run("create table t as select * from unnest(sequence(1, 3)) as s(k)")
        workspace.run("create table u as select * from unnest(sequence(2, 4)) as s(k)")
        workspace.run(f"create table names as select * from {self.ROWS} as v (k, name)")
        return workspace

    @pytest.mark.parametrize(
        ("statement", "stage"),
        [
            (query("names"), "SOURCE"),
            (f"insert into t select cast(n as integer) from ({query('names')})", "SOURCE"),
            ("insert into t values 7", "SINGLE"),
        ],
        ids=["reading", "writing what is read", "writing rows"],
    )
    def test_are_of_one_stage(self, tables: Workspace, statement: str, stage: str) -> None:
        database = tables.database
        plan = tables.stand.trino_query(f"explain (type distributed) {statement}", database)
        fragments = [line for [text] in plan for line in text.splitlines() if "Fragment " in line]
        assert fragments == [f"Fragment 0 [{stage}]"]

    @pytest.mark.parametrize("names", ["names", ROWS])
    def test_and_gives_the_same_rows(self, tables: Workspace, names: str) -> None:
        query = self.query(names)
        wanted = [(0, 0, None), (1, 1, ["one"]), (2, 2, ["two", "zwei"]), (3, 1, [None])]
        assert sorted(tables.rows(query)) == wanted
        tables.run(f"create table w as {query}")
        assert sorted(tables.rows("select * from w")) == wanted

    def test_a_table_without_rows_is_read_too(self, tables: Workspace) -> None:
        tables.run("create table none_at_all as select * from t where k > 9")
        assert tables.rows("select count(*), max(n.k) from none_at_all as n") == [(0, None)]
        both = "select count(*) from none_at_all as n full join u on u.k = n.k"
        assert tables.rows(both) == [(3,)]


class TestViews:
    def test_view_over_a_physical_table_can_be_replaced(self, workspace: Workspace) -> None:
        for number in (1, 2):
            workspace.run(f"create table orders_{number} as select {number} as n")

        workspace.run("create or replace view orders as select n from orders_1")
        assert workspace.rows("select n from orders") == [(1,)]
        workspace.run("create or replace view orders as select n from orders_2")
        assert workspace.rows("select n from orders") == [(2,)]

        found = workspace.stand.client("glue").get_table(
            DatabaseName=workspace.database, Name="orders"
        )["Table"]
        assert found["TableType"] == "VIRTUAL_VIEW"
        assert found["ViewOriginalText"].startswith("/* Presto View: ")

    def test_view_made_through_glue_is_read(self, workspace: Workspace) -> None:
        workspace.run("create table orders_1 as select 7 as n")
        definition = {
            "originalSql": f'SELECT n FROM "{workspace.database}"."orders_1"',
            "catalog": "awsdatacatalog",
            "schema": workspace.database,
            "columns": [{"name": "n", "type": "integer"}],
        }
        encoded = base64.b64encode(json.dumps(definition).encode()).decode()
        workspace.stand.client("glue").create_table(
            DatabaseName=workspace.database,
            TableInput={
                "Name": "orders",
                "TableType": "VIRTUAL_VIEW",
                "StorageDescriptor": {"Columns": [{"Name": "n", "Type": "int"}]},
                "Parameters": {"presto_view": "true", "comment": "Presto View"},
                "ViewOriginalText": f"/* Presto View: {encoded} */",
                "ViewExpandedText": "/* Presto View */",
            },
        )

        assert workspace.rows("select n from orders") == [(7,)]
        assert workspace.run("drop view orders")["Status"]["State"] == "SUCCEEDED"


class TestDdl:
    def test_create_external_table_and_partitions(self, workspace: Workspace) -> None:
        workspace.put("in/day=2024-02-29/one.json", b'{"n": 1, "Inner": {"a": ["x"]}}\n')
        workspace.put("in/day=2024-03-01/one.json", b'{"n": 2}\n')
        created = workspace.run(
            textwrap.dedent(
                f"""
                CREATE EXTERNAL TABLE IF NOT EXISTS `events` (
                  `n` bigint COMMENT 'a number',
                  `inner` struct<a: array<string>>
                )
                PARTITIONED BY (day string)
                ROW FORMAT SERDE '{OPENX_SERDE}'
                WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
                LOCATION '{workspace.location}/in/'
                TBLPROPERTIES ('classification' = 'json');
                """
            )
        )
        assert created["Status"]["State"] == "SUCCEEDED"
        assert created["StatementType"] == "DDL"

        workspace.run("ALTER TABLE events ADD IF NOT EXISTS PARTITION (day = '2024-02-29')")
        assert workspace.rows('select n, "inner".a[1], day from events') == [(1, "x", "2024-02-29")]
        awswrangler.athena.repair_table(
            "events", database=workspace.database, s3_output=f"{workspace.location}/results/"
        )
        assert workspace.rows("select n from events order by n") == [(1,), (2,)]
        assert workspace.rows("show partitions events") == [
            ("day=2024-02-29",),
            ("day=2024-03-01",),
        ]
        workspace.run("ALTER TABLE events DROP PARTITION (day = '2024-02-29')")
        assert workspace.rows("select n from events") == [(2,)]
        assert workspace.rows("show tables") == [("events",)]
        workspace.run("DROP TABLE IF EXISTS `events`")
        assert workspace.rows("show tables") == []
        assert workspace.keys("in/")

    def test_databases(self, workspace: Workspace) -> None:
        name = f"{workspace.database}_more"

        workspace.run(f"create database if not exists {name} location '{workspace.location}/'")

        assert (name,) in workspace.rows("show databases")
        databases = workspace.stand.client("athena").list_databases(CatalogName="AwsDataCatalog")
        assert name in [one["Name"] for one in databases["DatabaseList"]]
        assert workspace.run(f"drop database {name}")["Status"]["State"] == "SUCCEEDED"

    def test_ddl_with_double_quotes_fails_as_in_athena(self, workspace: Workspace) -> None:
        assert "ParseException" in workspace.reason('drop table if exists "t"')

    def test_ddl_that_the_stand_does_not_know_says_so(self, workspace: Workspace) -> None:
        reason = workspace.reason("alter table t set tblproperties ('a' = 'b')")
        assert "the stand does not run this DDL" in reason


class TestRules:
    def test_query_of_at_most_262144_bytes(self, workspace: Workspace) -> None:
        def query(size: int) -> str:
            return "select 1 -- " + "é" * ((size - 12) // 2)

        assert workspace.run(query(262_144))["Status"]["State"] == "SUCCEEDED"
        with pytest.raises(ClientError, match="less than or equal to 262144"):
            workspace.start(query(262_146))

    @pytest.mark.parametrize(
        ("sql", "message"),
        [
            ("select 1; select 2", "Only one sql statement is allowed"),
            ("grant select on t to someone", "Queries of this type are not supported"),
            (" -- nothing", "empty"),
        ],
    )
    def test_requests_that_athena_does_not_take(
        self, workspace: Workspace, sql: str, message: str
    ) -> None:
        with pytest.raises(ClientError, match=message):
            workspace.start(sql)

    def test_where_results_go_must_be_known_and_exist(self, workspace: Workspace) -> None:
        athena = workspace.stand.client("athena")
        with pytest.raises(ClientError, match="No output location provided"):
            athena.start_query_execution(QueryString="select 1")
        with pytest.raises(ClientError, match="Unable to verify/create output bucket"):
            athena.start_query_execution(
                QueryString="select 1", ResultConfiguration={"OutputLocation": "s3://not-there/"}
            )

    def test_workgroup_that_enforces_its_location(self, workspace: Workspace) -> None:
        athena = workspace.stand.client("athena")
        name = "enforcing"
        athena.create_work_group(
            Name=name,
            Configuration={
                "EnforceWorkGroupConfiguration": True,
                "ResultConfiguration": {"OutputLocation": f"{workspace.location}/wg/"},
            },
        )
        ctas = (
            f"create table t with (external_location = '{workspace.location}/t/') as select 1 as n"
        )

        with pytest.raises(ClientError, match="enforces a centralized output location"):
            workspace.start(ctas, WorkGroup=name)
        execution = workspace.run("select 1", WorkGroup=name)
        assert execution["ResultConfiguration"]["OutputLocation"].startswith(
            f"{workspace.location}/wg/"
        )
        athena.update_work_group(
            WorkGroup=name, ConfigurationUpdates={"EnforceWorkGroupConfiguration": False}
        )
        assert workspace.run(ctas, WorkGroup=name)["Status"]["State"] == "SUCCEEDED"

    def test_workgroup_that_is_not_there(self, workspace: Workspace) -> None:
        with pytest.raises(ClientError, match="WorkGroup nowhere is not found"):
            workspace.start("select 1", WorkGroup="nowhere")
        with pytest.raises(ClientError, match="WorkGroup nowhere is not found"):
            workspace.stand.client("athena").get_work_group(WorkGroup="nowhere")

    def test_workgroup_limit_on_bytes_scanned(self, workspace: Workspace) -> None:
        athena = workspace.stand.client("athena")
        athena.create_work_group(
            Name="frugal", Configuration={"EnforceWorkGroupConfiguration": False}
        )
        workspace.run(
            "create table t as select n, to_hex(md5(to_utf8(cast(n as varchar)))) as h "
            "from unnest(sequence(1, 10000)) as s(n)"
        )
        workspace.stand.limit_bytes_scanned("frugal", 1000)

        status = workspace.run("select max(h) from t", WorkGroup="frugal")["Status"]
        created = workspace.run("create table u as select * from t", WorkGroup="frugal")["Status"]

        assert (status["State"], status["StateChangeReason"]) == (
            "CANCELLED",
            "Bytes scanned limit was exceeded",
        )
        assert created["State"] == "CANCELLED"
        assert workspace.rows("show tables") == [("t",)]
        assert workspace.run("select 1", WorkGroup="frugal")["Status"]["State"] == "SUCCEEDED"

    def test_same_request_token_starts_one_statement(self, workspace: Workspace) -> None:
        token = "t" * 32
        first = workspace.start("select 1", ClientRequestToken=token)

        assert workspace.start("select 1", ClientRequestToken=token) == first
        with pytest.raises(ClientError, match="Idempotent parameters do not match"):
            workspace.start("select 2", ClientRequestToken=token)

    def test_reused_results_are_old_results(self, workspace: Workspace) -> None:
        reuse = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 5}}
        workspace.run("create table t as select 1 as n")
        sql = "select count(*) as c from t"
        workspace.run(sql)
        workspace.run("insert into t select 2")

        again = workspace.run(sql, ResultReuseConfiguration=reuse)

        assert again["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"] is True
        assert again["Statistics"]["DataScannedInBytes"] == 0
        results = workspace.stand.client("athena").get_query_results(
            QueryExecutionId=again["QueryExecutionId"]
        )
        assert results["ResultSet"]["Rows"][1]["Data"] == [{"VarCharValue": "1"}]

    def test_conditional_put_lets_one_of_many_through(self, workspace: Workspace) -> None:
        s3 = workspace.stand.client("s3")

        def put(number: int) -> str:
            try:
                s3.put_object(
                    Bucket=workspace.stand.bucket,
                    Key=f"{workspace.database}/lease",
                    Body=str(number).encode(),
                    IfNoneMatch="*",
                )
            except ClientError as error:
                return str(error.response["Error"]["Code"])
            return "taken"

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            outcomes = Counter(pool.map(put, range(24)))
        assert outcomes == {"taken": 1, "PreconditionFailed": 23}


class TestReadsOfS3:
    """Reads of the engine are answered past moto, and as moto does."""

    KEYS = ("a b&c/one.txt", "a b&c/two+é.txt", "a b&c/3/four.txt", "other.txt")

    @pytest.fixture
    def clients(self, workspace: Workspace) -> tuple[Any, Any, str, str]:
        stand = workspace.stand
        for key in self.KEYS:
            stand.client("s3").put_object(
                Bucket=stand.bucket, Key=f"{workspace.database}/{key}", Body=key.encode() * 3
            )
        gone = f"{workspace.database}/a b&c/gone.txt"
        stand.client("s3").put_object(Bucket=stand.bucket, Key=gone, Body=b"x")
        stand.client("s3").delete_object(Bucket=stand.bucket, Key=gone)
        access = stand.access
        return access.client("s3"), access.engine_client("s3"), stand.bucket, workspace.database

    @pytest.mark.parametrize("prefix", ["", "/a b&c/", "/a b&c/two", "/nothing/"])
    def test_listings(self, clients: tuple[Any, Any, str, str], prefix: str) -> None:
        *both, bucket, home = clients
        told = [one.list_objects_v2(Bucket=bucket, Prefix=home + prefix) for one in both]
        kept = ("Name", "Prefix", "KeyCount", "IsTruncated", "Contents")
        moto, quick = ({name: answer.get(name) for name in kept} for answer in told)
        assert quick == moto

    @pytest.mark.parametrize("asked", [None, "bytes=0-4", "bytes=3-", "bytes=-5", "bytes=5-9999"])
    def test_objects(self, clients: tuple[Any, Any, str, str], asked: str | None) -> None:
        *both, bucket, home = clients
        kept = ("ContentLength", "ContentRange", "ETag", "LastModified")
        more = {"Range": asked} if asked else {}
        for key in self.KEYS:
            told = []
            for one in both:
                answer = one.get_object(Bucket=bucket, Key=f"{home}/{key}", **more)
                told.append((answer["Body"].read(), {name: answer.get(name) for name in kept}))
            assert told[0] == told[1]

    @pytest.mark.parametrize(("key", "more"), [("gone", {}), (KEYS[0], {"Range": "bytes=900-"})])
    def test_what_is_not_there(
        self, clients: tuple[Any, Any, str, str], key: str, more: dict[str, str]
    ) -> None:
        *both, bucket, home = clients
        codes = []
        for one in both:
            with pytest.raises(ClientError) as raised:
                one.get_object(Bucket=bucket, Key=f"{home}/{key}", **more)
            codes.append(raised.value.response["Error"]["Code"])
        assert codes[0] == codes[1]


class TestFailureAndCancellation:
    @pytest.mark.parametrize(
        ("sql", "reason"),
        [
            ("select nope from (select 1 as n)", "COLUMN_NOT_FOUND: line 1:8: Column 'nope'"),
            ("select * from nowhere", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog."),
            ("selec 1", "Queries of this type"),
            ("select 1 +", "SYNTAX_ERROR: line 1:"),
            ("select 1 / (n - 1) from unnest(array[1]) as t(n)", "DIVISION_BY_ZERO"),
        ],
    )
    def test_reason_of_a_failure(self, workspace: Workspace, sql: str, reason: str) -> None:
        with workspace.connect() as connection, pytest.raises(pyathena.error.Error, match=reason):
            connection.cursor().execute(sql)

    def test_failure_carries_athena_error(self, workspace: Workspace) -> None:
        status = workspace.run("select nope")["Status"]

        assert status["AthenaError"]["ErrorCategory"] == 2
        assert status["AthenaError"]["Retryable"] is False
        assert status["AthenaError"]["ErrorMessage"] == status["StateChangeReason"]

    def test_results_of_a_failure_are_refused(self, workspace: Workspace) -> None:
        execution = workspace.run("select nope")

        with pytest.raises(ClientError, match="Final query state: FAILED"):
            workspace.stand.client("athena").get_query_results(
                QueryExecutionId=execution["QueryExecutionId"]
            )

    def test_cancel_while_running(self, workspace: Workspace) -> None:
        athena = workspace.stand.client("athena")
        execution_id = workspace.start(SLOW)
        wait_for(lambda: workspace.stand.statements[-1].state == "RUNNING")
        time.sleep(0.3)

        athena.stop_query_execution(QueryExecutionId=execution_id)

        status = workspace.finish(execution_id)["Status"]
        assert status["State"] == "CANCELLED"
        running = "select query from system.runtime.queries where state = 'RUNNING'"
        wait_for(lambda: [SLOW] not in workspace.stand.trino_query(running))

    def test_cancel_while_the_table_is_being_made(self, workspace: Workspace) -> None:
        athena = workspace.stand.client("athena")

        def cancel(call: Call) -> None:
            if (call.operation, call.client) == ("CreateTable", "engine"):
                execution_id = workspace.stand.statements[-1].execution_id
                athena.stop_query_execution(QueryExecutionId=execution_id)

        with workspace.stand.faults.injected(cancel):
            status = workspace.run("create table t as select 1 as n")["Status"]

        assert status["State"] == "CANCELLED"
        assert workspace.rows("show tables") == []

    def test_cancel_while_queued(self, workspace: Workspace) -> None:
        athena = workspace.stand.client("athena")
        released = threading.Event()

        def hold(call: Call) -> None:
            if call.operation == "StartStatement":
                released.wait(30)

        with workspace.stand.faults.injected(hold):
            executions = [workspace.start(f"select {number}") for number in range(6)]
            athena.stop_query_execution(QueryExecutionId=executions[-1])
            released.set()

        states = [workspace.finish(one)["Status"]["State"] for one in executions]
        assert states == ["SUCCEEDED"] * 5 + ["CANCELLED"]


SLOW = (
    "select count(*) from unnest(sequence(1, 10000)) as a(x), "
    "unnest(sequence(1, 10000)) as b(y), unnest(sequence(1, 100)) as c(z) where x * y % 7 = z"
)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


class TestFaults:
    def test_throttling_is_retried_by_the_client(self, workspace: Workspace) -> None:
        faults = workspace.stand.faults
        faults.add(fail("athena", "StartQueryExecution", THROTTLED, times=2))

        assert workspace.rows("select 1") == [(1,)]
        assert faults.count("athena", "StartQueryExecution") == 3

    def test_throttling_that_does_not_end(self, workspace: Workspace) -> None:
        workspace.stand.faults.add(fail("athena", "StartQueryExecution", THROTTLED, times=100))

        with pytest.raises(ClientError, match="ThrottlingException"):
            workspace.start("select 1")

    def test_expired_credentials(self, workspace: Workspace) -> None:
        faults = workspace.stand.faults
        faults.add(fail("glue", "GetTable", EXPIRED_CREDENTIALS))
        faults.add(fail("s3", "GetObject", EXPIRED_CREDENTIALS))

        with pytest.raises(ClientError, match="ExpiredTokenException"):
            workspace.stand.client("glue").get_table(DatabaseName="d", Name="t")
        with pytest.raises(ClientError, match="ExpiredToken"):
            workspace.stand.client("s3").get_object(Bucket=workspace.stand.bucket, Key="k")

    def test_nth_put_of_the_engine_fails(self, workspace: Workspace) -> None:
        workspace.stand.faults.add(
            fail(
                "s3",
                "PutObject",
                INTERNAL_ERROR,
                on=3,
                times=100,
                client="engine",
                containing=f"{workspace.database}/t/",
            )
        )

        status = workspace.run(
            "create table t with (partitioned_by = array['p'], external_location = "
            f"'{workspace.location}/t/') as select 1 as n, p from unnest(sequence(1, 9)) as s(p)"
        )["Status"]

        assert status["State"] == "FAILED"
        assert workspace.rows("show tables") == []

    @pytest.mark.parametrize(
        ("operation", "written"), [("StartStatement", 1), ("FinishStatement", 2)]
    )
    def test_statement_fails_before_or_after_its_work(
        self, workspace: Workspace, operation: str, written: int
    ) -> None:
        workspace.run("create table t as select 1 as n")
        workspace.stand.faults.add(fail("engine", operation, ENGINE_FAILED, containing="insert"))

        reason = workspace.reason("insert into t select 2")

        assert reason.startswith("GENERIC_INTERNAL_ERROR: The engine stopped")
        assert workspace.rows("select count(*) from t") == [(written,)]

    def test_answer_that_gets_lost(self, workspace: Workspace) -> None:
        before = len(workspace.stand.statements)
        workspace.stand.faults.add(fail("athena", "StartQueryExecution", LOST_ANSWER))

        execution = workspace.run("select 1")

        assert execution["Status"]["State"] == "SUCCEEDED"
        assert len(workspace.stand.statements) == before + 1


class TestShortcut:
    """Calls of this process go past the network, and what is answered is the same."""

    KEY = "odd/a b+%25=ü?&.txt"

    @pytest.mark.parametrize("way", ["short", "long"])
    def test_both_ways_answer_alike(self, stand: Stand, way: str) -> None:
        with ExitStack() as rules:
            if way == "long":  # any rule leads calls over the network
                rules.enter_context(stand.faults.injected(lambda call: None))
            client = stand.client("s3")
            where = {"Bucket": stand.bucket, "Key": self.KEY}
            put = client.put_object(**where, Body=b"one\ntwo", Metadata={"who": "x"})
            head, got = client.head_object(**where), client.get_object(**where)
            listed = client.list_objects_v2(Bucket=stand.bucket, Prefix="odd/a b+")
            part = client.get_object(**where, Range="bytes=4-")
            with pytest.raises(ClientError, match="NoSuchKey"):
                client.get_object(Bucket=stand.bucket, Key="odd/none")
            with pytest.raises(ClientError, match="EntityNotFoundException"):
                stand.client("glue").get_table(DatabaseName="none", Name="none")
            client.delete_object(**where)
        assert got["Body"].read() == b"one\ntwo"
        assert part["Body"].read() == b"two"
        assert head["ETag"] == got["ETag"] == put["ETag"]
        assert (head["ContentLength"], head["Metadata"]) == (7, {"who": "x"})
        assert [(item["Key"], item["Size"]) for item in listed["Contents"]] == [(self.KEY, 7)]
        assert got["ResponseMetadata"]["HTTPHeaders"]["date"].endswith("GMT")


class TestOtherProcesses:
    def test_environment_leads_a_process_to_the_stand(self, stand: Stand) -> None:
        code = "import boto3; print(boto3.client('s3').list_buckets()['Buckets'][0]['Name'])"

        answer = subprocess.run(
            [sys.executable, "-c", code],
            env={"PATH": os.environ["PATH"], **stand.environment()},
            capture_output=True,
            text=True,
            check=True,
        )

        assert answer.stdout.strip() == stand.bucket

    def test_session_of_this_process(self, aws_environment: Stand) -> None:
        identity = boto3.client("sts").get_caller_identity()
        assert identity["Account"] == "123456789012"

    def test_trino_can_be_asked_directly(self, stand: Stand) -> None:
        assert stand.trino_query("select 1, 'x'") == [[1, "x"]]
        assert Path(stand.log_path).stat().st_size > 0


def write_script(path: Path, text: str) -> Path:
    path.write_text("#!/bin/sh\n" + textwrap.dedent(text))
    path.chmod(0o755)
    return path


@pytest.fixture
def fake_java(tmp_path: Path) -> Path:
    """A JDK 17 of which only the version is real, so far as it goes."""
    home = tmp_path / "jdk" / "bin"
    home.mkdir(parents=True)
    write_script(
        home / "javac",
        """
        test ! -e "$(dirname "$0")/broken" || { echo "cannot find symbol" >&2; exit 1; }
        while [ $# -gt 1 ]; do
            if [ "$1" = -d ]; then mkdir -p "$2"; echo class > "$2/TrinoHost.class"; fi
            shift
        done
        """,
    )
    return write_script(home / "java", "echo 'openjdk version \"17.0.9\"' >&2")


@pytest.fixture
def fake_maven(tmp_path: Path, fake_java: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Maven that makes a folder or two, and counts how often it was asked."""
    monkeypatch.setattr(assemble, "_java_candidates", lambda: iter([fake_java]))
    maven = write_script(
        tmp_path / "mvn",
        """
        echo run >> "$(dirname "$0")/runs"
        for argument in "$@"; do case "$argument" in -Dstand.target=*)
            target="${argument#-Dstand.target=}"
            mkdir -p "$target/lib" "$target/plugin/trino-hive-435"
            echo jar > "$target/lib/trino-main-435.jar";;
        esac; done
        test ! -e "$(dirname "$0")/broken" || { echo "Could not resolve dependencies"; exit 1; }
        """,
    )
    monkeypatch.setattr(assemble, "find_maven", lambda: maven)
    return maven


class TestAssembly:
    def test_is_made_once_and_again_when_its_inputs_change(
        self, fake_maven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runs = tmp_path / "runs"
        directory = tmp_path / "cache" / "trino"

        for _ in range(2):
            assembly = assemble.ensure_assembled(directory)
        assert runs.read_text() == "run\n"
        assert (assembly.plugins / "hive").is_dir()
        assert (directory / "launcher" / f"{LAUNCHER_CLASS}.class").is_file()
        assert assembly.class_path.split(os.pathsep)[0] == str(directory / "launcher")

        monkeypatch.setattr(assemble, "_stamp", lambda: "another pom")
        assemble.ensure_assembled(directory)
        assert runs.read_text() == "run\nrun\n"

    @pytest.mark.parametrize(
        ("broken", "reason"),
        [("mvn", "Could not resolve dependencies"), ("jdk/bin/javac", "cannot find symbol")],
    )
    def test_failure_leaves_nothing_half_made(
        self, fake_maven: Path, tmp_path: Path, broken: str, reason: str
    ) -> None:
        directory = tmp_path / "cache" / "trino"
        (tmp_path / broken).with_name("broken").touch()

        with pytest.raises(StandError, match=reason):
            assemble.ensure_assembled(directory)

        assert [path.name for path in directory.parent.iterdir()] == ["trino.lock"]

    def test_leftovers_of_a_killed_assembly_are_removed(
        self, fake_maven: Path, tmp_path: Path
    ) -> None:
        directory = tmp_path / "cache" / "trino"
        leftover = directory.with_name("trino.partial-killed")
        (leftover / "lib").mkdir(parents=True)

        assemble.ensure_assembled(directory)

        assert not leftover.exists()

    def test_missing_java_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(assemble, "_java_candidates", lambda: iter(()))
        with pytest.raises(StandError, match="apt-get install openjdk-17-jdk-headless maven"):
            assemble.ensure_assembled(tmp_path / "cache")

    def test_java_of_another_version_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        java = write_script(tmp_path / "java", "echo 'openjdk version \"21.0.1\"' >&2")
        monkeypatch.setattr(assemble, "_java_candidates", lambda: iter([java]))
        with pytest.raises(StandError, match=r"Found only: .*java is version 21"):
            assemble.ensure_assembled(tmp_path / "cache")

    def test_missing_maven_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(StandError, match=r"no 'mvn' on PATH\. Install a JDK 17"):
            assemble.find_maven()


class TestStart:
    NOWHERE = AwsAccess("http://127.0.0.1:9", "us-east-1")

    @pytest.fixture
    def start(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
        """Start a Trino that cannot start, and return what is said about it."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

        def start(script: str, seconds: float = 30) -> str:
            java = write_script(tmp_path / "java", script)
            assembly = assemble.Assembly(tmp_path / "trino", java)
            with trino_host(assembly) as host, pytest.raises(StandError) as caught:
                start_trino(
                    host, assembly.plugins, self.NOWHERE, "SELECT 1", deadline_seconds=seconds
                )
            assert [path.name for path in tmp_path.glob("stand-*")] == []
            return str(caught.value)

        return start

    def test_crash_is_told_with_the_last_lines_of_the_log(self, start: Callable[..., str]) -> None:
        message = start("echo Configuration is invalid; exit 3")

        assert "it ended with exit code 3" in message
        assert message.endswith("Configuration is invalid")

    def test_deadline(self, start: Callable[..., str]) -> None:
        assert "it did not answer in time" in start("exec cat", seconds=1)

    def test_port_conflict_is_tried_again_and_then_told(
        self, stand: Stand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []

        def taken() -> int:
            asked.append(stand.trino_port)
            return stand.trino_port

        monkeypatch.setattr(trino_server, "_free_port", taken)
        with pytest.raises(StandError, match="was taken by another program, 3 times in a row"):
            start_trino(stand.host, assemble.ensure_assembled().plugins, self.NOWHERE, "SELECT 1")
        assert len(asked) == 3

    def test_what_the_launcher_cannot_read_is_told(self, stand: Stand) -> None:
        nothing = stand.host.make_folder()
        with pytest.raises(StandError, match=r"it answered 500: .*config\.properties"):
            stand.host.start(nothing, time.monotonic() + 30)
