"""The Athena warehouse on the stand: results, publishing, the lease, costs, faults, clean-up."""

from __future__ import annotations

import io
import itertools
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engagement.settings import ROOT, load_settings
from engagement.warehouse import LeaseHeldError, Table, WarehouseError, open_warehouse
from engagement.warehouse.athena.warehouse import AthenaWarehouse
from engagement.warehouse.json_values import JsonColumn
from tests.athena.compare import frames
from tests.athena.parameters import expire, settings
from tests.athena.stand import Stand, fail
from tests.athena.stand.faults import ACCESS_DENIED, ENGINE_FAILED
from tests.warehouse.fields import fields_of

TABLE = Table("marts", "numbers")
_NAMES = (f"case{number}" for number in itertools.count())


@pytest.fixture
def name() -> str:
    return next(_NAMES)


@pytest.fixture
def warehouse(aws_environment: Stand, name: str) -> AthenaWarehouse:
    return AthenaWarehouse(settings(aws_environment, name))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("duckdb") / "w.duckdb"
    opened = open_warehouse(
        load_settings("params/local.yaml", {"warehouse.duckdb.path": str(path)})
    )
    with opened.session(write=True) as session:
        yield session


def publish(warehouse: AthenaWarehouse, sql: str, table: Table = TABLE) -> None:
    with warehouse.session(write=True) as session:
        session.publish(table, sql)


def numbers(warehouse: AthenaWarehouse) -> list[int]:
    return [int(n) for n in warehouse.query("select n from marts.numbers order by n")["n"]]


@pytest.mark.parametrize("compression", ["ZSTD", "SNAPPY"])
def test_files_are_compressed_as_was_asked_for(
    aws_environment: Stand, name: str, compression: str
) -> None:
    warehouse = AthenaWarehouse(settings(aws_environment, name, compression=compression))
    publish(warehouse, "select cast(1 as bigint) as n")
    prefix = f"{name}/data/tables/"
    listed = warehouse.client("s3").list_objects_v2(Bucket=aws_environment.bucket, Prefix=prefix)
    [key] = [item["Key"] for item in listed["Contents"] if item["Size"]]
    body = warehouse.client("s3").get_object(Bucket=aws_environment.bucket, Key=key)["Body"].read()
    found = pq.read_metadata(io.BytesIO(body)).row_group(0).column(0).compression
    assert found == compression


# --- results ------------------------------------------------------------------------------------

RESULTS = {
    "every type": """
        select
            cast(1 as bigint) as b, cast(2 as integer) as i, cast(1.5 as decimal(18, 2)) as d,
            cast(0.1 as double) as f, true as t, 'text' as s, date '2024-02-29' as day,
            timestamp '2024-01-01 00:00:00.123' as at
    """,
    "NULLs and blanks": """
        select * from (values
            (cast(null as bigint), cast(null as varchar), cast(null as decimal(18, 2))),
            (1, '', 0.00), (2, 'a "quoted", text' || chr(10) || 'of two lines', 1.25)
        ) as v (n, s, d)
    """,
    "one column of NULLs": "select cast(null as varchar) as s from (values 1, 2) as v (n)",
    "no rows": """
        select cast(1 as bigint) as b, cast(1 as decimal(38, 2)) as d, date '2024-01-01' as day,
        timestamp '2024-01-01 00:00:00.000' as at, 'x' as s, true as t, cast(1 as double) as f
        where 1 = 0
    """,
    "doubles": """
        select f from (values 1e300, -1e-300, 0.1e0, 12345678.9e0, 1e7, 123456789012e0) as v (f)
    """,
    "doubles as text": """
        select double_text(f) as t from (values
            0.1e0, 1.5e0, -12345678.9e0, 1e7, 123456789012e0, 1.5e-4, 1e-5, -2.25e-10, 1e16,
            1.25e20, 1e100, 0.001e0, 5e0, 1234567.125e0, 123456789.123456e0, cast(null as double)
        ) as v (f)
    """,
    "no ASCII": "select 'é' || chr(8232) || '漢字 😀' as s",
    "lists": "select array['a, b', null, ''] as words, cast(null as array(varchar)) as none",
}


@pytest.mark.parametrize("sql", RESULTS.values(), ids=RESULTS.keys())
def test_a_result_is_that_of_the_laptop_types_included(
    warehouse: AthenaWarehouse, local: Any, sql: str
) -> None:
    publish(warehouse, "select 1 as n")
    assert frames(local.query(sql), warehouse.query(sql)) is None


def test_an_order_is_kept_with_lists_too(warehouse: AthenaWarehouse) -> None:
    publish(warehouse, "select n from unnest(sequence(1, 50)) as t (n)")
    found = warehouse.query("select n, array[n] as list from marts.numbers order by n desc")
    assert [row[0] for row in found["list"]] == list(range(50, 0, -1))


# --- tables -------------------------------------------------------------------------------------


def test_a_table_has_columns_and_types_in_order(warehouse: AthenaWarehouse) -> None:
    with warehouse.session(write=True) as session:
        session.publish(
            TABLE,
            "select 'x' as s, 1 as i, cast(2 as bigint) as b, cast(1 as decimal(18, 2)) as d, "
            "1e0 as f, false as t, date '2024-01-01' as day, "
            "timestamp '2024-01-01 00:00:00' as at, array['a'] as list",
        )
        assert session.columns(TABLE) == {
            "s": "varchar",
            "i": "integer",
            "b": "bigint",
            "d": "decimal(18,2)",
            "f": "double",
            "t": "boolean",
            "day": "date",
            "at": "timestamp(3)",
            "list": "array(varchar)",
        }
        assert session.tables("marts") == ["numbers"]
        session.drop(TABLE)
        assert session.columns(TABLE) == {}


def test_only_partitions_that_were_named_are_replaced(warehouse: AthenaWarehouse) -> None:
    rows = "select n, received_at_utc_date from (values {}) as v (n, received_at_utc_date)"
    publish(warehouse, rows.format("(1, '2024-01-01'), (2, '2024-01-02')"))
    with warehouse.session(write=True) as session:
        done = session.publish(
            TABLE,
            "select cast(7 as bigint) as n, 'new' as word, '2024-01-02' as received_at_utc_date",
            partitions=["2024-01-02", "2024-01-03"],
        )
    assert done.rows == 1
    found = warehouse.query("select * from marts.numbers order by n")
    assert found.columns.tolist() == ["n", "word", "received_at_utc_date"]
    assert found["n"].tolist() == [1, 7]
    assert found["word"].isna().tolist() == [True, False]


def test_a_published_working_table_costs_no_statement(warehouse: AthenaWarehouse) -> None:
    with warehouse.session(write=True) as session:
        work = session.work("candidate", "select 1 as n, 'x' as s")
        before = len(warehouse.log.statements)
        done = session.publish(TABLE, f"select n from {work}")
        assert len(warehouse.log.statements) == before
    assert done.rows == 1
    assert numbers(warehouse) == [1]


def test_rows_that_are_here_replace_partitions_without_a_statement(
    warehouse: AthenaWarehouse,
) -> None:
    table, kinds = Table("landing", "registry"), {"n": "bigint", "received_at_utc_date": "varchar"}
    with warehouse.session(write=True) as session:
        for n, day in ((1, "2026-01-05"), (2, "2026-01-06"), (3, "2026-01-06")):
            here = session.rows("here", pa.table({"n": [n], "received_at_utc_date": [day]}), kinds)
            session.publish(table, f"select * from {here}", partitions=[day], columns=kinds)
        found = session.fetch(table, label="whole")
    assert len(warehouse.log.statements) == 0
    assert sorted(found["n"]) == [1, 3]
    assert sorted(warehouse.query(f"select n from {table}")["n"]) == [1, 3]


def test_a_session_leaves_nothing_but_what_it_published(
    warehouse: AthenaWarehouse, aws_environment: Stand, name: str
) -> None:
    with warehouse.session(write=True) as session:
        session.work("one", "select 1 as n")
        session.work("two", "select n + 1 as n from work.one")
        session.publish(TABLE, "select n from work.one union all select n from work.two")
    glue = aws_environment.client("glue")
    assert glue.get_tables(DatabaseName=f"{name}_storage")["TableList"] == []
    listed = aws_environment.client("s3").list_objects_v2(
        Bucket=aws_environment.bucket, Prefix=f"{name}/data/tables/"
    )
    assert {item["Key"].split("/")[4].split("_")[-1] for item in listed["Contents"]} == {"numbers"}
    assert numbers(warehouse) == [1, 2]


def test_json_values_keep_the_case_of_keys_and_the_text_of_lists(
    warehouse: AthenaWarehouse,
) -> None:
    record = json.dumps(
        {"aB": {"Cd": "x", "": 5}, "ab": 2, "list": [{"z": 1.10, "a": []}], "e": 1e2, "n": None}
    )
    wanted = {
        "s": JsonColumn(("aB", "Cd"), "string"),
        "blank": JsonColumn(("aB", ""), "integer"),
        "lower": JsonColumn(("ab",), "double"),
        "list": JsonColumn(("list",), "string"),
        "number": JsonColumn(("e",), "json"),
        "null": JsonColumn(("n",), "json"),
        "none": JsonColumn(("x", "y"), "boolean"),
    }
    with warehouse.session(write=True) as session:
        source = session.work("source", "select :record as record, 1 as id", {"record": record})
        table = session.json_columns("taken", source, "record", wanted)
        row = session.query(f"select * from {table}").iloc[0]
        read = session.read_records([], {"type": JsonColumn(("type",), "string")}, {})
        found = read.json_fields(source, "record", ["id"], lambda group, path: False)
    fields = fields_of(found, ["id"])
    assert row[["s", "blank", "lower"]].tolist() == ["x", 5, 2.0]
    assert row["list"] == '[{"z":1.1,"a":[]}]'
    assert row["number"] == "100.0"
    assert row[["null", "none"]].isna().all()
    assert {(field.group, field.path) for field in fields} == {
        ((1,), path) for path in (("aB", ""), ("aB", "Cd"), ("ab",), ("e",), ("list",))
    }


# --- readers and failures -----------------------------------------------------------------------


def test_readers_never_see_a_gap_or_a_mixture(warehouse: AthenaWarehouse) -> None:
    publish(warehouse, "select 0 as run, n from unnest(sequence(1, 5)) as t (n)")
    over = threading.Event()
    seen: list[tuple[int, int]] = []
    problems: list[BaseException] = []

    def read() -> None:
        reader = AthenaWarehouse(warehouse.settings)
        while not over.is_set():
            try:
                found = reader.query("select run, count(*) as n from marts.numbers group by run")
                seen.extend(zip(found["run"].tolist(), found["n"].tolist(), strict=True))
                if len(found) != 1:
                    problems.append(AssertionError(f"{len(found)} runs at once"))
            except WarehouseError as error:
                problems.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for run in range(1, 5):
        publish(warehouse, f"select {run} as run, n from unnest(sequence(1, {5 + run})) as t (n)")
    over.set()
    thread.join()
    assert not problems
    assert {(run, 5 + run) for run, _ in seen} == set(seen)


@pytest.mark.parametrize("operation", ["StartStatement", "FinishStatement"])
def test_a_failed_statement_leaves_the_table_and_a_rerun_puts_it_right(
    warehouse: AthenaWarehouse, aws_environment: Stand, operation: str
) -> None:
    publish(warehouse, "select 1 as n")
    always = fail("engine", operation, ENGINE_FAILED, times=99, containing="numbers")
    with aws_environment.faults.injected(always), pytest.raises(WarehouseError, match="engine"):
        publish(warehouse, "select 2 as n")
    assert numbers(warehouse) == [1]
    publish(warehouse, "select 2 as n")
    assert numbers(warehouse) == [2]


def test_a_passing_failure_is_tried_again(
    warehouse: AthenaWarehouse, aws_environment: Stand
) -> None:
    aws_environment.faults.add(
        fail("engine", "StartStatement", ENGINE_FAILED, containing="numbers")
    )
    publish(warehouse, "select 3 as n")
    assert numbers(warehouse) == [3]


def test_an_error_gives_athenas_reason_the_query_and_the_place(warehouse: AthenaWarehouse) -> None:
    publish(warehouse, "select 1 as n")
    with pytest.raises(WarehouseError) as caught:
        warehouse.query("select nope from marts.numbers")
    said = str(caught.value)
    assert "COLUMN_NOT_FOUND" in said
    assert "nope" in said.splitlines()[1]
    assert "(query " in said


def test_before_anything_was_published_a_reader_is_told_what_to_do(
    warehouse: AthenaWarehouse,
) -> None:
    assert not warehouse.exists()
    with pytest.raises(WarehouseError, match="run the notebooks first"):
        warehouse.query("select 1 as n")


# --- the lease ----------------------------------------------------------------------------------


def test_a_second_run_is_told_who_holds_the_lease(warehouse: AthenaWarehouse) -> None:
    with warehouse.lease("run one"), pytest.raises(LeaseHeldError, match=r"run one .* since 20"):
        publish(AthenaWarehouse(warehouse.settings), "select 1 as n")
    publish(warehouse, "select 1 as n")


def test_a_dead_runs_lease_expires_and_it_publishes_no_more(
    aws_environment: Stand, name: str
) -> None:
    quick = AthenaWarehouse(settings(aws_environment, name, lease_seconds=1))
    dead = AthenaWarehouse(settings(aws_environment, name, lease_seconds=1000))
    publish(quick, "select 1 as n")
    with dead.session(write=True) as session:
        time.sleep(2.5)  # S3 tells ages in whole seconds
        publish(quick, "select 2 as n")
        with pytest.raises(LeaseHeldError, match="gone"):
            session.publish(TABLE, "select 3 as n")
    assert numbers(quick) == [2]


def test_a_notebook_writes_under_its_runs_lease(
    warehouse: AthenaWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warehouse.lease("run two") as token:
        monkeypatch.setenv("ENGAGEMENT_LEASE", token)
        publish(AthenaWarehouse(warehouse.settings), "select 6 as n")
        assert warehouse.s3_lease.holder()["holder"] == "run two"
    assert warehouse.s3_lease.holder() == {}


_WRITER = """
import sys
from engagement.settings import load_settings
from engagement.warehouse import Table, open_warehouse

warehouse = open_warehouse(load_settings("params/local.yaml", {overrides!r}))
for run in range(100, 200):
    with warehouse.session(write=True) as session:
        for table in ("one", "two"):
            rows = f"select {{run}} as run, n from unnest(sequence(1, {{run}})) as t (n)"
            work = session.work("rows", rows)
            session.publish(Table("marts", table), f"select run, n from {{work}} where n > 0")
        print(run, flush=True)
"""


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_run_leaves_whole_tables_and_a_rerun_puts_them_right(
    aws_environment: Stand, name: str, seed: int
) -> None:
    options = settings(aws_environment, name, lease_seconds=1000)
    overrides = options.model_dump(mode="json", by_alias=True, exclude_unset=True)
    chosen = {key: overrides[key] for key in ("project", "landing", "warehouse")}
    script = _WRITER.format(overrides=chosen)
    writer = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.0, 2.0))
    writer.kill()
    writer.wait()
    writer.stdout.close()
    reader = AthenaWarehouse(options)
    for table in ("one", "two"):
        found = reader.query(f"select run, count(*) as n from marts.{table} group by run")
        assert len(found) == 1
        assert found["n"].iloc[0] == found["run"].iloc[0]
    expire(aws_environment, name)
    publish(reader, "select 1 as n", Table("marts", "one"))
    assert reader.query("select n from marts.one")["n"].tolist() == [1]
    # What the dead run had asked for goes on without it.
    while any(sent.state in ("QUEUED", "RUNNING") for sent in aws_environment.statements):
        time.sleep(0.1)
    reader.clean(keep_days=0)
    left = aws_environment.client("glue").get_tables(DatabaseName=f"{name}_storage")
    assert left["TableList"] == []
    assert reader.query("select count(*) as n from marts.two")["n"].iloc[0] >= 100


def test_clean_removes_what_a_dead_run_worked_with_though_its_files_were_published(
    aws_environment: Stand, warehouse: AthenaWarehouse, name: str
) -> None:
    glue = aws_environment.client("glue")
    with aws_environment.faults.injected(fail("glue", "BatchDeleteTable", ACCESS_DENIED, times=99)):
        publish(warehouse, "select 1 as n")  # as if it had died right after
    assert glue.get_tables(DatabaseName=f"{name}_storage")["TableList"]
    warehouse.clean(keep_days=0)
    assert not glue.get_tables(DatabaseName=f"{name}_storage")["TableList"]
    assert numbers(warehouse) == [1]


# --- around it ----------------------------------------------------------------------------------


def test_clean_removes_what_was_superseded_once_its_time_has_come(
    warehouse: AthenaWarehouse,
) -> None:
    publish(warehouse, "select 1 as n")
    publish(warehouse, "select 2 as n")
    assert warehouse.clean(keep_days=1) == []
    [gone] = warehouse.clean(keep_days=0)
    assert gone.startswith(str(warehouse.files))
    assert warehouse.clean(keep_days=0) == []
    assert numbers(warehouse) == [2]


def test_flattening_reads_the_landing_once(
    warehouse: AthenaWarehouse, aws_environment: Stand, name: str, tmp_path: Path
) -> None:
    from engagement.flatten.pipeline import flatten

    lines = [
        json.dumps({"type": "track", "event": f"Event {n % 5}", "messageId": str(n)})
        for n in range(2000)
    ]
    body = "\n".join(lines).encode()
    key = f"{name}/landing/received_at_utc_date=2024-01-01/one.json"
    aws_environment.client("s3").put_object(Bucket=aws_environment.bucket, Key=key, Body=body)
    before = len(aws_environment.statements)
    report = flatten(warehouse, warehouse.settings)
    raw = [s for s in aws_environment.statements[before:] if '"landing_lines"' in s.sql]
    assert len(raw) == 1
    assert len(body) <= raw[0].bytes_scanned <= 2 * len(body)
    assert (report.bytes_read, report.bytes_scanned) == (len(body), raw[0].bytes_scanned)
    assert "0.1 MB of raw data" in report.reading()
