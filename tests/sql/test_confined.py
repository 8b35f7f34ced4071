"""Queries that somebody types see the warehouse and nothing else: attacks, each refused twice.

The tree of a query is held to a list before anything runs; and, for what that might miss one day,
the engine of a session that only reads is locked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from engagement.landing.tables import COLUMNS, READING_TABLE
from engagement.settings import Settings
from engagement.sql.dialect import confine, parse
from engagement.warehouse import DialectError, Table, WarehouseError, open_warehouse
from engagement.warehouse.duckdb.warehouse import DuckDBWarehouse

SECRET = "a-secret-of-the-machine"

# FILE stands for a file with a secret, FOLDER for its folder, WAREHOUSE for the warehouse's file.
ATTACKS = [
    # files, by functions
    "select * from read_text('FILE')",
    "select * from READ_TEXT('FILE')",
    "select * from \"read_text\"('FILE')",
    "select * from main.read_text('FILE')",
    "select * from system.main.read_text('FILE')",
    "select * from read_blob('FILE')",
    "select * from read_csv('FILE')",
    "select * from read_csv_auto('FILE')",
    "select * from read_parquet('FILE')",
    "select * from parquet_scan('FILE')",
    "select * from parquet_metadata('FILE')",
    "select * from parquet_schema('FILE')",
    "select * from read_json('FILE')",
    "select * from read_json_auto('FILE')",
    "select * from read_json_objects('FILE')",
    "select * from read_ndjson('FILE')",
    "select * from read_ndjson_auto('FILE')",
    "select * from sniff_csv('FILE')",
    "select * from read_duckdb('WAREHOUSE')",
    "select * from glob('FOLDER/*')",
    "select * from \"glob\"('FOLDER/*')",
    "select * from arrow_scan(1, 2, 3)",
    "select * from sqlite_scan('FILE', 't')",
    "select read_text('FILE')",
    "select (select content from read_text('FILE'))",
    "select content from read_text(['FILE'])",
    # files and addresses, as tables
    "select * from 'FILE'",
    'select * from "FILE"',
    'select * from "FOLDER"."secret.csv"',
    'select * from "FOLDER/*.csv"',
    "select * from `FILE`",
    "select * from FILE",
    "from 'FILE'",
    'from "FILE"',
    'table "FILE"',
    'select * from "s3://bucket/key.parquet"',
    "select * from 's3://bucket/key.parquet'",
    'select * from "https://example.com/a.csv"',
    "select * from 'https://example.com/a.parquet'",
    "select * from read_text('https://example.com/a')",
    # hidden
    "with t as (select * from read_text('FILE')) select * from t",
    "with t as (select * from 'FILE') select * from t",
    'with "FILE" as (select 1), t as (select 2) select * from t cross join "FOLDER/other.csv"',
    'select * from (with "FILE" as (select 1 as x) select x from "FILE") as t cross join "FILE"',
    'with a as (select * from "FILE"), "FILE" as (select 1 as x) select * from a',
    'with "FILE" as (select * from "FILE") select * from "FILE"',
    "select 1 where exists (select 1 from read_text('FILE') where content like 'r%')",
    "select 1 where 'x' in (select content from read_text('FILE'))",
    "select * from marts.orders as o, lateral (select * from read_text('FILE')) as t",
    "select * from marts.orders as o cross join lateral read_text('FILE') as t",
    "select * from marts.orders union all select content from read_text('FILE')",
    "select * from (values ((select content from read_text('FILE')))) as t (x)",
    "values ((select content from read_text('FILE')))",
    "select /* harmless */ * from /* marts.orders */ read_text /* x */ ('FILE')",
    "select * from -- marts.orders\n read_text('FILE')",
    "select order_id from marts.orders order by (select content from read_text('FILE'))",
    "select max((select content from read_text('FILE'))) over () from marts.orders",
    "select transform(array['FILE'], x -> (select content from read_text(x)))",
    "select unnest(read_text('FILE'))",
    "select * from unnest((select array_agg(content) from read_text('FILE'))) as t (x)",
    # queries within texts
    "select * from query('select * from read_text(''FILE'')')",
    "select * from query_table('FILE')",
    "select * from query_table(['marts.orders'])",
    "select * from table(query('select 1'))",
    "select * from json_execute_serialized_sql('{}')",
    "select json_serialize_sql('select 1')",
    # settings, secrets, what else the engine tells
    "select getenv('HOME')",
    "select current_setting('temp_directory')",
    "select getvariable('x')",
    "select * from duckdb_secrets()",
    "select * from duckdb_settings()",
    "select * from duckdb_databases()",
    "select * from duckdb_functions()",
    "select * from duckdb_extensions()",
    "select * from duckdb_temporary_files()",
    "select * from duckdb_logs()",
    "select * from pragma_database_list()",
    "select * from pragma_storage_info('marts.orders')",
    "select * from which_secret('s3://x', 's3')",
    "select * from test_all_types()",
    "select * from sqlite_master",
    "select * from pg_catalog.pg_class",
    "select * from main.pg_class",
    "select * from storage.texts_put_aside",
    "select * from warehouse_file.marts.orders",
    "select * from memory.main.t",
    "select * from temp.main.t",
    "select * from information_schema.views",
    "select @@version",
    "select $1",
    "select ?",
    "select version()",
    "select current_user",
    "select nextval('storage.settled')",
    "select write_log('x')",
    # rows made without end, and what is of the process itself
    "from range(1000000000000)",
    "select * from range(10)",
    "select * from generate_series(1, 10)",
    "select * from repeat_row(1, num_rows = 10)",
    "select * from summary((select 1))",
    "select * from frame_of_this_process",
    'select * from "frame_of_this_process"',
    # statements
    "attach 'WAREHOUSE' as x",
    "attach database 'FILE' as x",
    "detach x",
    "use memory",
    "copy (select 1) to 'FOLDER/written.csv'",
    "copy marts.orders to 'FOLDER/written.csv'",
    "copy marts.orders from 'FILE'",
    "export database 'FOLDER/written'",
    "import database 'FOLDER'",
    "install httpfs",
    "install spatial from 'https://example.com'",
    "load httpfs",
    "force install httpfs",
    "pragma database_list",
    "pragma enable_external_access = true",
    "set enable_external_access = true",
    "set memory_limit = '1GB'",
    "reset memory_limit",
    "call pragma_version()",
    "call force_checkpoint()",
    "checkpoint",
    "force checkpoint",
    "vacuum",
    "analyze",
    "explain analyze select * from read_text('FILE')",
    "describe select * from read_text('FILE')",
    "summarize 'FILE'",
    "show tables",
    "insert into marts.orders values ('x')",
    "insert into marts.orders select content from read_text('FILE')",
    "update marts.orders set order_id = 'x'",
    "delete from marts.orders",
    "truncate table marts.orders",
    "merge into marts.orders as o using marts.orders as p on true when matched then delete",
    "create table marts.x as select 1",
    "create temp table x as select * from read_text('FILE')",
    "create view marts.x as select * from read_text('FILE')",
    "create macro f(x) as (select content from read_text(x))",
    "create or replace function f(x) as table select * from read_text(x)",
    "create secret s (type s3, key_id 'a', secret 'b')",
    "drop table marts.orders",
    "alter table marts.orders rename to x",
    "comment on table marts.orders is 'x'",
    "prepare p as select * from read_text('FILE')",
    "execute p",
    "deallocate p",
    "begin transaction",
    "grant select on marts.orders to public",
    "unload (select 1) to 's3://bucket/x' with (format = 'PARQUET')",
    "pivot marts.orders on order_id",
    "unpivot marts.orders on order_id",
    "select * from marts.orders pivot (count(*) for order_id in ('o1'))",
    "select * into x from marts.orders",
    "select * from marts.orders for update",
    "with t as (insert into marts.orders values ('x')) select 1",
    "with t as (delete from marts.orders) select 1",
    # several
    "select 1; select 2",
    "select 1; drop table marts.orders",
    "select 1;; attach 'FILE'",
    "select 1 /* ; */ ; copy (select 1) to 'FOLDER/written.csv'",
    "",
    ";",
    "-- nothing",
    # texts that are written as they are
    "select date_add('day union all select content from read_text(''FILE'')', 1, now())",
    "select date_add('day) from read_text(''FILE'') --', 1, date '2026-01-01')",
    (
        "select date_diff('day'', now(), now()) from read_text(''FILE'') --', now(), now()) as x"
        " from read_text('FILE')"
    ),
    "select extract(\"year from (select content from read_text('FILE'))\" from now())",
    (
        "select 1 -- */ union all select content from read_text('FILE') /*\n union all "
        "select content from read_text('FILE')"
    ),
    # quotes and signs
    "select * from \u2018FILE\u2019",
    "select * from \u201cFILE\u201d",
    "select * from U&'FILE'",
    "select * from e'FILE'",
    "select * from $$FILE$$",
    "select * from read_\u0442ext('FILE')",
    "select * from read_text\u200b('FILE')",
    "select columns('.*') from marts.orders",
    "select 1 as x\u00a0union\u00a0select\u00a0content\u00a0from\u00a0read_text('FILE')",
    "select order_id from marts.orders as o\u00a0where",
    "select * from marts.orders@FILE",
    "select * from marts.orders for version as of 1",
]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "machine" / "secret.csv"
    path.parent.mkdir()
    path.write_text(f"name\n{SECRET}\n")
    return path


@pytest.fixture
def warehouse(make_settings: Callable[..., Settings], secret: Path) -> DuckDBWarehouse:
    settings = make_settings()
    day = settings.path(settings.landing.location) / "received_at_utc_date=2026-01-05"
    day.mkdir()
    (day / "a.json").write_text('{"type":"page","messageId":"m1"}\n')
    warehouse = open_warehouse(settings)
    assert isinstance(warehouse, DuckDBWarehouse)
    with warehouse.session(write=True) as session:
        session.publish(Table("marts", "orders"), "select 'o1' as order_id")
        session.landing_table(READING_TABLE, settings.landing.location, COLUMNS)
    return warehouse


def _aimed(sql: str, secret: Path, warehouse: DuckDBWarehouse) -> str:
    return (
        sql.replace("FILE", str(secret))
        .replace("FOLDER", str(secret.parent))
        .replace("WAREHOUSE", str(warehouse._place.path))
    )


def test_none_of_the_attacks_gets_through(warehouse: DuckDBWarehouse, secret: Path) -> None:
    frame_of_this_process = pd.DataFrame({"x": [1]})
    through, told = [], []
    for sql in ATTACKS:
        aimed = _aimed(sql, secret, warehouse)
        try:
            through.append(f"{sql}: {warehouse.query(aimed).to_dict()}")
        except DialectError as error:
            told.append(str(error))
        except Exception as error:  # noqa: BLE001 (each is named below)
            through.append(f"{sql}: {type(error).__name__} {error}")
    assert through == []
    assert SECRET not in "".join(told)
    assert len(ATTACKS) == len(set(ATTACKS)) >= 40
    assert sorted(path.name for path in secret.parent.iterdir()) == ["secret.csv"]
    assert warehouse.query("select * from marts.orders")["order_id"].tolist() == ["o1"]
    assert len(frame_of_this_process) == 1


def test_the_engine_itself_is_locked(warehouse: DuckDBWarehouse, secret: Path) -> None:
    """As if the list had let it all pass: the same statements, on the session's own connection."""
    kept = ("WAREHOUSE", "duckdb_", "pragma_", "query")
    with warehouse.session() as session:
        connection = session._connection  # type: ignore[attr-defined]
        for sql in ATTACKS:
            is_aimed = "FILE" in sql or "FOLDER" in sql
            if any(word in sql for word in kept) or not is_aimed:
                continue
            try:
                rows = connection.execute(_aimed(sql, secret, warehouse)).fetchall()
            except duckdb.Error:
                continue
            assert SECRET not in str(rows), sql
        for statement in (
            "set enable_external_access = true",
            "set allowed_directories = ['/']",
            "set lock_configuration = false",
            "reset enable_external_access",
            "set memory_limit = '1GB'",
            "set autoload_known_extensions = true",
            "install spatial",
            "insert into marts.orders values ('x')",
            "select * from frame_of_this_process",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
    assert sorted(path.name for path in secret.parent.iterdir()) == ["secret.csv"]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from marts.orders",
        "with t as (select * from marts.orders) select count(*) from t",
        (
            "with recursive t (n) as (select 1 union all select n + 1 from t where n < 3) "
            "select sum(n) from t"
        ),
        "with T as (select 1 as x) select a.x from t as a inner join t as b on a.x = b.x",
        "select * from (with t as (select 1 as x) select * from t) as u",
        "with a as (select 1 as x), b as (select x from a) select * from b",
        "select (select max(order_id) from marts.orders) as m",
        "select n from unnest(sequence(1, 3)) as t (n)",
        "select * from (values (1, 'a'), (2, 'b')) as t (x, y)",
        (
            "select order_id, row_number() over (partition by order_id order by order_id) as n, "
            "lag(order_id) over (order by order_id) as before from marts.orders"
        ),
        "select date '2026-01-05' + interval '1' day as d, extract(year from date '2026-01-05') y",
        (
            "select approx_percentile(x, 0.5), stddev(x), avg(x), count(*) filter (where x > 1) "
            "from (values (1), (2)) as t (x)"
        ),
        (
            "select upper(trim(order_id)) || '-x', coalesce(nullif(order_id, ''), 'none'), "
            "try_cast(order_id as bigint), if(order_id = 'o1', 1, 2), regexp_like(order_id, '^o') "
            "from marts.orders group by 1, 2, 3, 4, 5 having count(*) > 0 order by 1 limit 10"
        ),
        "select table_name from information_schema.tables where table_schema = 'marts'",
        "select messageid from landing.rudderstack_events",
        (
            "select cast(1 as decimal(18, 2)), json_extract_scalar('{\"a\": 1}', '$.a'), "
            "parse_date('2026-01-05'), now() > timestamp '2020-01-01 00:00:00'"
        ),
        "select order_id from marts.orders intersect select 'o1' except select 'o2'",
    ],
)
def test_what_reads_the_warehouse_still_does(warehouse: DuckDBWarehouse, sql: str) -> None:
    name = next(iter(COLUMNS))
    sql = sql.replace("messageid", f'"{name}"')
    assert len(warehouse.query(sql)) >= 1


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "select * from read_text('a.csv')",
            (
                "SQL: 'READ_TEXT('a.csv')' stands where a table is expected: a query reads tables "
                "of the warehouse alone: write database.name, such as marts.sessions"
            ),
        ),
        (
            "select * from orders",
            (
                "SQL: there is no table 'orders': a query reads tables of the warehouse alone: "
                "write database.name, such as marts.sessions"
            ),
        ),
        (
            "select * from mart.orders",
            "SQL: there is no database 'mart': the databases are landing, events, marts",
        ),
        (
            "select uper(order_id) from marts.orders",
            (
                "SQL: uper() may not be used in a query: only Athena's functions that compute with "
                "values, and the project's own, may; did you mean upper()?"
            ),
        ),
        (
            "select * from information_schema.views",
            (
                "SQL: information_schema.views cannot be read; what can: "
                "information_schema.columns, information_schema.schemata, information_schema.tables"
            ),
        ),
        (
            "select a.b.c.d from x.y.z.w",
            "SQL: x.y.z.w: a table is named by its database and its own name",
        ),
        (
            "select getenv('a'), current_setting('b')",
            "SQL:\n  - getenv() may not be used in a query",
        ),
    ],
)
def test_what_is_refused_is_said_in_words(sql: str, expected: str) -> None:
    with pytest.raises(DialectError) as refused:
        confine(parse(sql))
    assert expected in str(refused.value)


def test_a_second_session_of_one_process_is_refused_in_words(warehouse: DuckDBWarehouse) -> None:
    with (
        warehouse.session() as session,
        pytest.raises(WarehouseError, match="is open in this process already"),
        warehouse.session(),
    ):
        pass
    # One that writes comes after it, and is free.
    with warehouse.session(write=True) as session:
        session.publish(Table("marts", "more"), "select 1 as x")
    assert warehouse.query("select x from marts.more")["x"].tolist() == [1]


def test_a_reading_session_spills_what_memory_does_not_hold(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings(warehouse__duckdb__memory_limit="80MB", warehouse__duckdb__threads=1)
    warehouse = open_warehouse(settings)
    with warehouse.session(write=True) as session:
        session._connection.execute("set memory_limit = '2GB'")  # type: ignore[attr-defined]
        session.publish(
            Table("marts", "long"),
            "select sha256_hex(cast(a.n * 1000 + b.n as varchar)) as x, a.n as a "
            "from unnest(sequence(1, 1000)) as a (n) cross join unnest(sequence(1, 1000)) as b (n)",
        )
    found = warehouse.query(
        "select sum(r) as n from (select row_number() over (order by x) % 2 as r, x, a "
        "from marts.long) as t"
    )
    assert found["n"].tolist() == [500_000]


def test_a_view_of_another_landing_says_what_is_seen(
    warehouse: DuckDBWarehouse, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = open_warehouse(make_settings(landing__location=str(tmp_path / "other")))
    with pytest.raises(WarehouseError, match=r"the landing of the parameters \(landing.location\)"):
        other.query("select count(*) from landing.rudderstack_events")


def test_two_columns_of_one_name_are_told(warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(WarehouseError, match="several columns the name 'order_id': name each"):
        warehouse.query("select order_id, order_id from marts.orders")


def test_texts_of_parameters_are_no_sql(warehouse: DuckDBWarehouse) -> None:
    text = "x' union all select content from read_text('/etc/hostname') --"
    found = warehouse.query("select :text as t", {"text": text})
    assert json.loads(found.to_json(orient="records")) == [{"t": text}]
