"""Queries that somebody types on PostgreSQL: the attacks of every engine, and its own."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from engagement.settings import load_settings
from engagement.warehouse import DialectError, Table, Warehouse, open_warehouse
from tests.postgres.parameters import overrides
from tests.postgres.server import USER
from tests.sql.test_confined import ATTACKS

NAME = "confined"
READER = "confined_reader"
SECRET = "a-secret-of-the-machine"

OWN = [
    # files, programs, other servers
    "select pg_read_file('FILE')",
    "select pg_read_binary_file('FILE')",
    "select pg_ls_dir('FOLDER')",
    "select * from pg_ls_dir('FOLDER') as t (x)",
    "select * from pg_stat_file('FILE')",
    "select lo_import('FILE')",
    "select lo_export(1, 'FOLDER/written')",
    "select * from dblink('host=elsewhere', 'select 1') as t (x int)",
    "copy (select 1) to program 'touch FOLDER/written'",
    "copy marts.orders from program 'cat FILE'",
    # queries within texts, what the server tells, what it does
    "select query_to_xml('select 1', true, true, '')",
    "select table_to_xml('pg_authid', true, true, '')",
    "select set_config('role', 'postgres', false)",
    "select current_setting('data_directory')",
    "select pg_sleep(60)",
    "select pg_terminate_backend(1)",
    "select pg_advisory_lock(1)",
    "select pg_reload_conf()",
    "select inet_server_addr()",
    "select has_table_privilege('pg_authid', 'select')",
    "select * from pg_authid",
    "select * from pg_catalog.pg_authid",
    "select * from pg_shadow",
    "select * from pg_stat_activity",
    "select * from information_schema.role_table_grants",
    # RudderStack's own tables, the project's storage
    "select * from raw.tracks",
    "select * from engagement_storage.lease",
    "select f_url_decoded('x')",
    "select f_json_of('{}')",
    # statements
    "do $$ begin perform pg_sleep(60); end $$",
    "reset role",
    "set role postgres",
    "set session authorization postgres",
    "set default_transaction_read_only = off",
    "begin read write",
    "lock table marts.orders",
    "notify x",
    "listen x",
    "create function f() returns int language sql as 'select 1'",
    "create extension dblink",
    "alter system set work_mem = '1GB'",
    "select 1; reset role; drop table marts.orders",
    "select x.* from marts.orders as o, lateral pg_ls_dir('FOLDER') as x",
    "select order_id::regclass from marts.orders",
    "select cast('marts.orders' as regclass)",
    "select E'\\x41'",
    "select U&'\\0041'",
]


@pytest.fixture(scope="module")
def warehouse(postgres_socket: Path) -> Warehouse:
    given = overrides(postgres_socket, NAME)
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname=NAME, autocommit=True
    ) as connection:
        connection.execute(b"create schema raw")
        connection.execute(b"create table raw.tracks (id varchar(65535), received_at timestamp)")
        connection.execute(f"drop role if exists {READER}".encode())
        connection.execute(f"create role {READER}".encode())
    given["warehouse.postgres"] |= {"rudderstack_schema": "raw", "read_role": READER}
    opened = open_warehouse(load_settings("params/local.yaml", given))
    with opened.session(write=True) as session:
        session.publish(Table("marts", "orders"), "select 'o1' as order_id")
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname=NAME, autocommit=True
    ) as connection:
        for schema in ("landing", "events", "marts", "engagement_storage"):
            connection.execute(f"grant usage on schema {schema} to {READER}".encode())
            connection.execute(
                f"grant select on all tables in schema {schema} to {READER}".encode()
            )
    return opened


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("machine") / "secret.csv"
    path.write_text(f"name\n{SECRET}\n")
    path.chmod(0o644)
    return path


def _aimed(sql: str, secret: Path) -> str:
    return (
        sql.replace("FILE", str(secret))
        .replace("FOLDER", str(secret.parent))
        .replace("WAREHOUSE", str(secret))
    )


def test_none_of_the_attacks_gets_through(warehouse: Warehouse, secret: Path) -> None:
    through, told = [], []
    for sql in [*ATTACKS, *OWN]:
        try:
            through.append(f"{sql}: {warehouse.query(_aimed(sql, secret)).to_dict()}")
        except DialectError as error:
            told.append(str(error))
        except Exception as error:  # noqa: BLE001 (each is named below)
            through.append(f"{sql}: {type(error).__name__} {error}")
    assert through == []
    assert SECRET not in "".join(told)
    assert [path.name for path in secret.parent.iterdir()] == ["secret.csv"]
    assert warehouse.query("select * from marts.orders")["order_id"].tolist() == ["o1"]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into marts.orders values ('x')",
        "delete from marts.orders",
        "drop table marts.orders",
        "create table marts.x as select 1",
        "select pg_read_file('/etc/passwd')",
        "select * from pg_authid",
        "copy (select 1) to '/tmp/written'",
        "copy (select 1) to program 'true'",
        "select * from raw.tracks",
        "create extension dblink",
        "alter system set work_mem = '1GB'",
        "set session authorization postgres",
    ],
)
def test_the_server_itself_refuses_the_role_that_reads(
    warehouse: Warehouse, statement: str
) -> None:
    """As if the list had let it pass: on the session's own connection, and told to write."""
    with warehouse.session() as session:
        connection = session._connection  # type: ignore[attr-defined]
        with pytest.raises(psycopg.Error):
            connection.execute(statement.encode())
        connection.execute(b"set default_transaction_read_only = off")
        with pytest.raises(psycopg.Error):
            connection.execute(statement.encode())


def test_what_is_meant_to_be_read_is(warehouse: Warehouse) -> None:
    """The role may use the project's functions, and read the views over RudderStack's tables."""
    found = warehouse.query(
        "select url_parameter('https://a.example/?b=c%20d', 'b') as p, count(*) as n "
        "from events.tracks"
    )
    assert found.values.tolist() == [["c d", 0]]
