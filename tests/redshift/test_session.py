"""What a session says to Redshift, word for word, without a server: publishing, leases, lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from engagement.settings import load_settings
from engagement.sql.dialect import DialectError
from engagement.warehouse import Table, WarehouseError
from engagement.warehouse.errors import LeaseHeldError
from engagement.warehouse.redshift.forms import statement_problems
from engagement.warehouse.redshift.transport import Result, StatementFailedError
from engagement.warehouse.redshift.warehouse import RedshiftWarehouse

MART = Table("marts", "things")


class Recorder:
    """A transport that remembers what was said, and answers what the catalog is asked.

    Attributes
    ----------
    columns
        Columns with their types, by the name of the table.
    refuse
        Beginnings of statements that fail, with what Redshift says.
    """

    most_bytes = 100_000

    def __init__(self) -> None:
        self.said: list[str | list[str]] = []
        self.columns: dict[str, Mapping[str, str]] = {}
        self.kinds: dict[str, str] = {"lease": "BASE TABLE", "made": "BASE TABLE"}
        self.refuse: dict[str, str] = {}
        self.token = ""
        self.closed = 0

    def run(self, sql: str) -> Result:
        assert statement_problems(sql) == [], sql
        self._note(sql)
        for start, said in self.refuse.items():
            if sql.startswith(start):
                raise StatementFailedError(said)
        return self._answer(sql)

    def _note(self, sql: str) -> None:
        if not re.match(r"set |select (?:column|table|nspname|token|name|d\.)", sql):
            self.said.append(sql)

    def _answer(self, sql: str) -> Result:
        named = re.search(r"table_name = '([^']+)'", sql)
        if sql.startswith("select column_name"):
            assert named is not None
            name = re.sub(r" [0-9a-f]{12}$", "", named[1])
            rows: list[tuple[Any, ...]] = [
                (column, kind, None, None) for column, kind in self.columns.get(name, {}).items()
            ]
            return Result(("a", "b", "c", "d"), ("varchar",) * 4, rows)
        if sql.startswith("select table_type"):
            assert named is not None
            found = self.kinds.get(named[1])
            return Result(("a",), ("varchar",), [(found,)] if found else [])
        if sql.startswith("select nspname"):
            names = re.findall(r"'([^']+)'", sql)
            return Result(("a",), ("varchar",), [(name,) for name in names])
        if sql.startswith("select token"):
            row = (self.token, "somebody", 7, "2026-01-05")
            return Result(("a", "b", "c", "d"), ("varchar",) * 4, [row] if self.token else [])
        if sql.startswith("select count(*)"):
            return Result(("n",), ("bigint",), [(3,)])
        return Result()

    def run_in_one_transaction(self, statements: Sequence[str]) -> None:
        for sql in statements:
            assert statement_problems(sql) == [], sql
        self.said.append(list(statements))
        for sql in statements:
            taken = re.match(r"insert into \S+lease .*? select '([0-9a-f]+)'", sql)
            if taken and not self.token:
                self.token = taken[1]
        for start, said in self.refuse.items():
            if any(sql.startswith(start) for sql in statements):
                raise StatementFailedError(said)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def warehouse(recorder: Recorder) -> RedshiftWarehouse:
    section = {"host": "redshift.example", "user": "builder"}
    settings = load_settings(
        "params/local.yaml", {"warehouse.engine": "redshift", "warehouse.redshift": section}
    )
    return RedshiftWarehouse(settings, connect=lambda reads: recorder)


def said_of(recorder: Recorder, act: Callable[[], Any]) -> list[str | list[str]]:
    recorder.said.clear()
    act()
    return list(recorder.said)


def test_a_table_is_built_beside_and_takes_its_place_in_one_transaction(
    warehouse: RedshiftWarehouse, recorder: Recorder
) -> None:
    recorder.kinds["things"] = "BASE TABLE"
    with warehouse.session(write=True) as session:
        said = said_of(
            recorder, lambda: session.publish(MART, "select 1 as a", version="it's \\ v1")
        )
    assert said == [
        'drop table if exists "marts"."fresh things"',
        'create table "marts"."fresh things" as SELECT 1 AS a',
        'select count(*) as n from "marts"."fresh things"',
        [
            (
                'select 1 / count(*) as held from "engagement_storage".lease '
                f"where token = '{recorder.token}'"
            ),
            'drop table "marts"."things"',
            'alter table "marts"."fresh things" rename to "things"',
            "comment on table \"marts\".\"things\" is 'it''s \\\\ v1'",
        ],
    ]
    log = warehouse.log.frame()
    assert log[["statement", "rows"]].to_numpy().tolist() == [["marts.things", 3]]


def test_a_view_makes_room_for_a_table(warehouse: RedshiftWarehouse, recorder: Recorder) -> None:
    recorder.kinds["things"] = "VIEW"
    with warehouse.session(write=True) as session:
        said = said_of(recorder, lambda: session.publish(MART, "select 1 as a"))
    assert isinstance(said[-1], list)
    assert said[-1][1] == 'drop view "marts"."things"'


def test_what_cannot_be_swapped_says_why_and_changes_nothing_more(
    warehouse: RedshiftWarehouse, recorder: Recorder
) -> None:
    with warehouse.session(write=True) as session:
        recorder.refuse["select 1 /"] = "Divide by zero"
        with pytest.raises(WarehouseError, match=r"^marts\.things: Divide by zero$"):
            session.publish(MART, "select 1 as a")
        # If somebody else has the lease by then, that is the reason that is told.
        publisher = session._publisher  # type: ignore[attr-defined]
        inner = publisher._statements.run_in_one_transaction

        def late(statements: Sequence[str], label: str) -> None:
            recorder.token = "another's"
            inner(statements, label)

        publisher._statements.run_in_one_transaction = late
        with pytest.raises(LeaseHeldError, match="is gone"):
            session.publish(MART, "select 1 as a")


def test_a_lease_that_is_held_is_told(warehouse: RedshiftWarehouse, recorder: Recorder) -> None:
    recorder.token = "another's"
    said = r"is being written by somebody \(process 7\) since 2026-01-05"
    with pytest.raises(LeaseHeldError, match=said), warehouse.session(write=True):
        pass
    assert recorder.closed == 1


def test_transactions_hold_back_what_takes_effect(
    warehouse: RedshiftWarehouse, recorder: Recorder
) -> None:
    others = Table("marts", "others")
    with warehouse.session(write=True) as session:

        def both() -> None:
            with session.transaction():
                session.publish(MART, "select 1 as a", version="v1")
                session.publish(others, "select t.a from marts.things as t", version="v1")

        said = said_of(recorder, both)
    together = [one for one in said if isinstance(one, list)]
    assert len(together) == 1
    assert [sql.split()[0] for sql in together[0]] == [
        "select", "alter", "comment", "alter", "comment",
    ]  # fmt: skip
    assert (
        'create table "marts"."fresh others" as SELECT t.a FROM "marts"."fresh things" AS t' in said
    )


def test_a_long_list_is_uploaded_once_in_a_session(
    warehouse: RedshiftWarehouse, recorder: Recorder
) -> None:
    lines = "\n".join(f"line {n}" for n in range(2_000))
    query = f"select t.line from unnest(split(cast('{lines}' as varchar), '\n')) as t (line)"
    with warehouse.session(write=True) as session:
        recorder.said.clear()
        session.query(query)
        session.query(query)
    made = [one for one in recorder.said if isinstance(one, str) and one.startswith("create temp")]
    assert len(made) == 1
    reads = [one for one in recorder.said if isinstance(one, str) and "t.line" in one]
    assert len(reads) == 2
    assert all("line 7" not in one for one in reads)


def test_sums_are_cast_by_the_types_of_the_columns(
    warehouse: RedshiftWarehouse, recorder: Recorder
) -> None:
    recorder.columns["things"] = {"n": "bigint", "m": "numeric(38,2)"}
    with warehouse.session(write=True) as session:
        session.query("select sum(t.n) as n, sum(t.m) as m from marts.things as t")
    assert 'SELECT CAST(SUM(t.n) AS BIGINT) AS n, SUM(t.m) AS m FROM "marts".things AS t' in (
        recorder.said
    )


def test_a_session_that_only_reads_is_confined(
    warehouse: RedshiftWarehouse, recorder: Recorder
) -> None:
    with warehouse.session() as session:
        for sql in ("select pg_read_file('x') as a", "select * from pg_user", "drop table a"):
            with pytest.raises(DialectError):
                session.query(sql)
        with pytest.raises(WarehouseError, match="only reads"):
            session.publish(MART, "select 1 as a")
        rows = pa.table({"n": pa.array([1], pa.int64())})
        table = session.rows("here", rows, {"n": "bigint"})
        session.release(table)
    assert all(
        re.match(r"create temp table|insert into \"here|drop table if exists \"here", one)
        for one in recorder.said
        if isinstance(one, str)
    ), recorder.said


def test_nothing_is_sent_that_is_not_on_the_list(
    warehouse: RedshiftWarehouse, recorder: Recorder
) -> None:
    with warehouse.session(write=True) as session:
        statements = session._statements  # type: ignore[attr-defined]
        before = list(recorder.said)
        with pytest.raises(WarehouseError, match=r"^x: not Redshift's SQL: now\(\)"):
            statements.run("select now()", "x")
        with pytest.raises(WarehouseError, match="not Redshift's SQL"):
            statements.run_in_one_transaction(['drop table if exists "a"', "truncate a"], "x")
        assert recorder.said == before
