"""What is PostgreSQL's own: the lease, readers while a table is replaced, roles, checks."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from engagement.settings import load_settings
from engagement.sql.dialect import Table
from engagement.warehouse import Warehouse, WarehouseError, open_warehouse
from engagement.warehouse.errors import LeaseHeldError
from engagement.warehouse.lease import as_holder
from engagement.warehouse.registry import find_engine
from tests.postgres import server
from tests.postgres.parameters import overrides, settings
from tests.postgres.server import USER

MART = Table("marts", "things")


@pytest.fixture
def warehouse(postgres_socket: Path) -> Warehouse:
    return open_warehouse(settings(postgres_socket, "own"))


def connect(socket: Path, database: str = "own") -> psycopg.Connection:
    return psycopg.connect(host=str(socket), user=USER, dbname=database, autocommit=True)


# --- the lease ------------------------------------------------------------------------------------


def test_a_second_run_is_told_who_writes(warehouse: Warehouse) -> None:
    said = r"written by run 20260105 \(process \d+\)"
    with (
        warehouse.lease("run 20260105"),
        pytest.raises(LeaseHeldError, match=said),
        warehouse.session(write=True),
    ):
        pass
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 1 as a")


def test_kernels_work_under_the_lease_of_their_run(warehouse: Warehouse) -> None:
    with (
        warehouse.lease("run 20260105") as token,
        as_holder(token),
        warehouse.session(write=True) as session,
    ):
        session.publish(MART, "select 1 as a")
    with (
        as_holder("somebody else's"),
        warehouse.lease("another run"),
        pytest.raises(LeaseHeldError),
        warehouse.session(write=True),
    ):
        pass


def test_a_killed_run_lets_go(warehouse: Warehouse, postgres_socket: Path) -> None:
    held = warehouse.lease("a run that is killed")
    held.__enter__()
    with connect(postgres_socket) as connection:
        ours = b"from pg_stat_activity where datname = 'own' and application_name = 'engagement'"
        connection.execute(b"select pg_terminate_backend(pid) " + ours)
        deadline = time.monotonic() + 30
        while connection.execute(b"select 1 " + ours).fetchone():  # it ends when it comes to it
            assert time.monotonic() < deadline
            time.sleep(0.02)
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 2 as a")
    assert warehouse.query("select a from marts.things")["a"].tolist() == [2]
    with pytest.raises(psycopg.OperationalError):
        held.__exit__(None, None, None)


def test_a_run_whose_lease_is_gone_publishes_nothing_more(
    warehouse: Warehouse, postgres_socket: Path
) -> None:
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 1 as a")
        with connect(postgres_socket) as connection:
            connection.execute(b"update engagement_storage.lease set token = 'another'")
        with pytest.raises(LeaseHeldError, match="nothing more was published"):
            session.publish(MART, "select 2 as a")
    assert warehouse.query("select a from marts.things")["a"].tolist() == [1]


# --- publishing -----------------------------------------------------------------------------------


def test_a_reader_sees_the_old_rows_until_the_new_ones_are_there(
    warehouse: Warehouse, postgres_socket: Path
) -> None:
    count = b"select count(*) from marts.things"
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 1 as a")
        with connect(postgres_socket) as reader:
            with session.transaction():
                session.publish(Table("marts", "others"), "select 1 as a union all select 2")
                assert reader.execute(b"select to_regclass('marts.others')").fetchone() == (None,)
            assert reader.execute(b"select count(*) from marts.others").fetchone() == (2,)
            assert reader.execute(count).fetchone() == (1,)


def test_all_at_once_or_nothing(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 1 as a")

        def two(of: str) -> None:
            with session.transaction():
                session.publish(MART, "select 2 as a")
                session.publish(Table("marts", "new"), of)

        with pytest.raises(WarehouseError, match=r"^marts\.new: "):
            two("select cast(b as bigint) as a from (select 'x' as b)")
        assert session.tables("marts") == ["things"]
        assert session.query("select a from marts.things")["a"].tolist() == [1]


def test_rows_of_some_keys_are_replaced(warehouse: Warehouse) -> None:
    three = "select k, n from (values ('a', 1), ('b', 2), (null, 3)) as v (k, n)"
    with warehouse.session(write=True) as session:
        session.publish(MART, three)
        done = session.publish_rows(
            MART,
            "select 'a' as k, 9 as n",
            key="k",
            among="select 'a' as k union all select 'b'",
            version="v2",
        )
        assert done.rows == 1
        found = session.query("select k, n from marts.things order by n")
        assert found["n"].tolist() == [3, 9]
        there = session.published(MART)
        assert there is not None
        assert (there.version, there.rows) == ("v2", 2)


def test_rows_are_appended_with_columns_that_are_new(warehouse: Warehouse) -> None:
    place = Table("landing", "runs")
    with warehouse.session(write=True) as session:
        session.append(place, pa.table({"run": ["one"], "n": [1]}), lambda old: old)
        session.append(place, pa.table({"run": ["two"], "n": [2], "said": ["so"]}), lambda old: old)
        rows = session.query("select run, n, said from landing.runs order by n")
        assert rows["run"].tolist() == ["one", "two"]
        assert rows["said"].fillna("-").tolist() == ["-", "so"]


def test_names_that_look_like_sql_are_names(warehouse: Warehouse) -> None:
    odd = Table("marts", 'a"b; drop schema marts cascade; --')
    with warehouse.session(write=True) as session:
        session.publish(odd, "select 1 as a")
        assert session.tables("marts") == [odd.name]
        session.drop(odd)
        assert session.tables("marts") == []


# --- reaching it ----------------------------------------------------------------------------------


def test_a_role_of_its_own_for_reading(postgres_socket: Path) -> None:
    given = overrides(postgres_socket, "roles")
    with connect(postgres_socket, "roles") as connection:
        connection.execute(b"drop role if exists only_reader")
        connection.execute(b"create role only_reader")
    given["warehouse.postgres"]["read_role"] = "only_reader"
    warehouse = open_warehouse(load_settings("params/local.yaml", given))
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 1 as a")
    with pytest.raises(WarehouseError, match="permission denied"):
        warehouse.query("select a from marts.things")


def test_what_is_not_there_is_said_without_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "s3cret-of-mine")
    given = {
        "warehouse.engine": "postgres",
        "warehouse.postgres": {"host": "/nonexistent", "database": "none", "user": "u"},
    }
    made = load_settings("params/local.yaml", given)
    with pytest.raises(WarehouseError, match="cannot be reached") as caught:
        open_warehouse(made).exists()
    assert "s3cret" not in str(caught.value)
    findings = list(find_engine("postgres").check(made))
    assert [one.ok for one in findings] == [False]


def test_a_missing_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.Path, "glob", lambda *_: iter(()))
    monkeypatch.setattr(server.shutil, "which", lambda _: None)
    with pytest.raises(server.ServerError, match="apt-get install postgresql"):
        server.programs()
