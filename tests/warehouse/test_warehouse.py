"""What every engine does: query, work, publish, remember versions, look around.

The conformance kit's first half, for all engines: the fixture ``engine`` names each in turn (see
``conftest.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from sqlglot import exp

from engagement import settings
from engagement.warehouse import DialectError, Table, Warehouse, WarehouseError
from engagement.warehouse.frames import arrow_type, with_new_columns
from engagement.warehouse.protocol import Session
from engagement.warehouse.registry import ENGINES, find_engine
from tests.warehouse.conftest import SETTINGS

MART = Table("marts", "things")
REGISTRY = Table("landing", "registry")
DAY = "received_at_utc_date"


def rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Rows as plain values, in order of the first column; NULL is ``None``."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return value
        if value is pd.NaT or pd.isna(value):
            return None
        if isinstance(value, pd.Timestamp):
            return value.to_pydatetime()
        return value.item() if hasattr(value, "item") else value

    found = [tuple(plain(v) for v in row) for row in frame.itertuples(index=False)]
    return sorted(found, key=lambda row: (row[0] is None, str(row[0])))


def values(*items: Sequence[Any], names: str = "a") -> str:
    """A query for a few rows of bigints or texts."""

    def literal(value: Any) -> str:
        return "null" if value is None else repr(value)

    content = ", ".join(f"({', '.join(map(literal, item))})" for item in items)
    return f"select {names} from (values {content}) as v ({names})"


def published(warehouse: Warehouse, table: Table = MART) -> list[tuple[Any, ...]]:
    return rows(warehouse.query(f"select * from {table}"))


# --- queries --------------------------------------------------------------------------------------

TYPES = """
select
    cast(1 as bigint) as whole,
    cast(1.5 as double) as number,
    true as answer,
    'é' as text,
    cast(1.25 as decimal(18, 2)) as money,
    date '2026-01-05' as day,
    cast('2026-01-05 10:00:00.123' as timestamp(3)) as moment,
    array['a', 'b'] as list
"""
DTYPES = {
    "whole": "Int64",
    "number": "float64",
    "answer": "boolean",
    "text": "str",
    "money": "object",
    "day": "object",
    "moment": "datetime64[ms]",
    "list": "object",
}


def test_a_result_has_the_types_of_its_columns_whatever_the_rows(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        found = session.query(TYPES)
        empty = session.query(f"select * from ({TYPES}) as t where false")
        nulls = session.query(
            f"select t.* from (select 1 as x) as x left join ({TYPES}) as t on false"
        )
    assert rows(found) == [
        (
            1,
            1.5,
            True,
            "é",
            Decimal("1.25"),
            date(2026, 1, 5),
            datetime(2026, 1, 5, 10, 0, 0, 123000),
            ["a", "b"],
        )
    ]
    for frame in (found, empty, nulls):
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == DTYPES
    assert rows(nulls) == [(None,) * 8]
    assert empty.empty


def test_parameters_are_values_never_text(warehouse: Warehouse) -> None:
    odd = 'it\'s "x"; drop table marts.things; -- \\ \n é \U0001f600'
    with warehouse.session(write=True) as session:
        found = session.query(
            "select :odd as odd, :none as nothing, :day as day, :flag as flag, :n as n "
            "where :odd in (:many) and not 'x' in (:few)",
            {
                "odd": odd,
                "none": None,
                "day": date(2026, 1, 5),
                "flag": False,
                "n": -5,
                "many": ("a", odd),
                "few": (),
            },
        )
    # NOT IN over no values is NOT IN (NULL): never true.
    assert found.empty
    with warehouse.session(write=True) as session:
        found = session.query(
            "select :odd as odd, :n as n where :odd in (:many)",
            {"odd": odd, "n": -5, "many": ["a", odd]},
        )
    assert rows(found) == [(odd, -5)]


def test_a_missing_parameter_is_named(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session, pytest.raises(DialectError, match="as_of"):
        session.query("select :as_of")


def test_an_error_names_its_label_and_is_short(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        with pytest.raises(WarehouseError, match=r"^orders by day: ") as caught:
            session.query("select nothing from (select 1 as a)", label="orders by day")
        assert len(str(caught.value)) < 400
        assert rows(session.query("select 1 as a")) == [(1,)]


def test_only_queries_are_queried(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        for sql in ("drop table marts.things", "select 1; select 2", "", "insert into a select 1"):
            with pytest.raises(DialectError):
                session.query(sql)


def test_statements_are_logged(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        session.query(values([1], [2]), label="two rows")
        session.publish(MART, values([1], [2], [3]))
    log = warehouse.log.frame()
    assert dict(zip(log["statement"], log["rows"], strict=True)) == {
        "two rows": 2,
        "marts.things": 3,
    }
    assert (log["seconds"] >= 0).all()


# --- publishing -----------------------------------------------------------------------------------


def test_a_table_is_replaced_with_its_columns(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        assert session.columns(MART) == {}
        assert session.publish(MART, values([1, "x"], names="a, b")).rows == 2 - 1
        assert session.columns(MART) == {"a": "integer", "b": "varchar"}
        assert session.publish(MART, "select cast(null as double) as c where false").rows == 0
        assert session.columns(MART) == {"c": "double"}
        assert session.tables("marts") == ["things"]
    assert published(warehouse) == []


def test_types_are_those_that_athena_has(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        session.publish(
            MART,
            "select sum(n) as total, count(*) as n, max(t) as t, cast(1 as decimal(18, 2)) as m "
            "from (select cast(1 as bigint) as n, cast('2026-01-05' as timestamp(3)) as t)",
        )
        assert session.columns(MART) == {
            "total": "bigint",
            "n": "bigint",
            "t": "timestamp(3)",
            "m": "decimal(18,2)",
        }


def test_names_of_columns_may_be_any(warehouse: Warehouse) -> None:
    # PostgreSQL cuts what is longer, and stands for Redshift too.
    longest = 63 if warehouse.engine in ("postgres", "redshift") else 127
    names = ["select", "timestamp", "_1a", "k" * longest]
    query = exp.Select(
        expressions=[
            exp.alias_(exp.Literal.number(n), name, quoted=True) for n, name in enumerate(names)
        ]
    )
    with warehouse.session(write=True) as session:
        session.publish(MART, query)
        assert list(session.columns(MART)) == names
    assert published(warehouse) == [(0, 1, 2, 3)]


def test_what_fails_leaves_the_table_as_it_was(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        session.publish(MART, values([1], [2]))
        with pytest.raises(WarehouseError, match=r"^marts\.things: "):
            session.publish(MART, "select cast(b as bigint) as a from (select 'x' as b)")
        assert rows(session.query(f"select * from {MART}")) == [(1,), (2,)]
        session.publish(MART, values([3]))
    assert published(warehouse) == [(3,)]


def test_a_table_may_be_made_from_itself(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        session.publish(MART, values([1], [2]))
        session.publish(MART, f"select a + 10 as a from {MART}")
    assert published(warehouse) == [(11,), (12,)]


def by_day(*items: tuple[str, int]) -> str:
    return (
        "select v.day as received_at_utc_date, cast(v.a as bigint) as a from (values "
        + ", ".join(f"('{day}', {a})" for day, a in items)
        + ") as v (day, a)"
    )


def test_partitions_are_replaced_and_others_stay(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        first = session.publish(
            MART,
            by_day(("2026-01-05", 1), ("2026-01-06", 2)),
            partitions=["2026-01-05", "2026-01-06"],
        )
        assert first.rows == 2
        again = session.publish(
            MART, by_day(("2026-01-06", 3), ("2026-01-06", 4)), partitions=["2026-01-06"]
        )
        assert again.rows == 2
        assert published_in(session) == [("2026-01-05", 1), ("2026-01-06", 3), ("2026-01-06", 4)]
        # A partition that has become empty.
        session.publish(MART, f"{by_day(('x', 1))} where false", partitions=["2026-01-06"])
        assert published_in(session) == [("2026-01-05", 1)]
        # None at all.
        session.publish(MART, f"{by_day(('x', 1))} where false", partitions=[])
        assert published_in(session) == [("2026-01-05", 1)]


def published_in(session: Session) -> list[tuple[Any, ...]]:
    frame = session.query(f"select received_at_utc_date, a from {MART} order by 1, 2")
    return [tuple(row) for row in frame.itertuples(index=False)]


def test_a_partition_may_bring_a_column_or_widen_one(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        session.publish(MART, by_day(("2026-01-05", 1)), partitions=["2026-01-05"])
        session.publish(
            MART,
            "select 'x' as b, cast(2.5 as double) as a, '2026-01-06' as received_at_utc_date",
            partitions=["2026-01-06"],
        )
        assert session.columns(MART) == {
            "received_at_utc_date": "varchar",
            "a": "double",
            "b": "varchar",
        }
        found = session.query(f"select received_at_utc_date, a, b from {MART} order by 1")
    assert rows(found) == [("2026-01-05", 1.0, None), ("2026-01-06", 2.5, "x")]


def test_rows_that_are_here_replace_partitions(warehouse: Warehouse) -> None:
    kinds = {"n": "bigint", "large": "decimal(38, 0)", DAY: "varchar"}

    def put(session: Session, kinds: dict[str, str], *rows_: tuple[Any, ...]) -> int:
        columns = zip(*rows_, strict=True)
        types = {"bigint": pa.int64(), "varchar": pa.string()}
        arrow = pa.table(
            {
                name: pa.array(cells, types.get(kind, pa.decimal128(38, 0)))
                for (name, kind), cells in zip(kinds.items(), columns, strict=True)
            }
        )
        work = session.rows("here", arrow, kinds)
        return session.publish(
            REGISTRY,
            f"select * from {work}",
            partitions=sorted({row[-1] for row in rows_}),
            columns=kinds,
        ).rows

    with warehouse.session(write=True) as session:
        put(session, kinds, (1, Decimal(10**37), "2026-01-05"), (2, None, "2026-01-06"))
        assert put(session, kinds, (3, None, "2026-01-06"), (4, None, "2026-01-07")) == 2
        # A column that is new, and one whose type is another.
        put(session, {"n": "bigint", "new": "varchar", DAY: "varchar"}, (5, "x", "2026-01-07"))
        put(session, {"n": "varchar", DAY: "varchar"}, ("six", "2026-01-08"))
    with warehouse.session() as session:
        kinds_now = session.columns(REGISTRY)
        assert {name: kind.replace(" ", "") for name, kind in kinds_now.items()} == {
            "n": "varchar",
            "new": "varchar",
            "large": "decimal(38,0)",
            "received_at_utc_date": "varchar",
        }
        found = session.fetch(REGISTRY, label="whole")
        same = session.query(f"select * from {REGISTRY}")
        some = session.fetch(REGISTRY, [DAY, "new"], label="some columns")
    assert found.dtypes.to_dict() == same.dtypes.to_dict()
    assert list(some.columns) == [DAY, "new"]
    assert some.dropna().to_dict("list") == {DAY: ["2026-01-07"], "new": ["x"]}
    wanted = [
        ("1", None, Decimal(10**37), "2026-01-05"),
        ("3", None, None, "2026-01-06"),
        ("5", "x", None, "2026-01-07"),
        ("six", None, None, "2026-01-08"),
    ]
    assert rows(found) == rows(same) == wanted


def test_the_rows_of_a_frame_are_published_with_their_types(warehouse: Warehouse) -> None:
    kinds = {
        "word": "varchar",
        "n": "bigint",
        "small": "integer",
        "share": "double",
        "yes": "boolean",
        "worth": "decimal(18, 2)",
        "day": "date",
        "at": "timestamp(3)",
    }
    whole = ("wörd\n", 2**40, 7, 0.5, True, Decimal("-12345.67"), date(2026, 1, 5))
    wanted = [(*whole, datetime(2026, 1, 5, 10, 0, 0, 123000)), (None,) * 8]
    arrow = pa.table(
        {
            name: pa.array(cells, arrow_type(kind))
            for (name, kind), cells in zip(kinds.items(), zip(*wanted, strict=True), strict=True)
        }
    )
    with warehouse.session(write=True) as session:
        work = session.rows("frame", arrow, kinds)
        assert plain_kinds(session.columns(work)) == plain_kinds(kinds)
        session.publish(MART, f"select * from {work} where n > 0 or n is null")
        empty = session.rows("empty", arrow.slice(0, 0), kinds)
        assert rows(session.query(f"select * from {empty}")) == []
    with warehouse.session() as session:
        assert plain_kinds(session.columns(MART)) == plain_kinds(kinds)
        found = session.query(f"select * from {MART} order by word nulls last")
    assert rows(found) == wanted


def plain_kinds(kinds: Mapping[str, str]) -> dict[str, str]:
    return {name: kind.replace(" ", "") for name, kind in kinds.items()}


def test_working_tables_are_fetched_whole_or_in_part(warehouse: Warehouse) -> None:
    rows_ = "select * from (values (1, 'a', true), (2, null, false)) as v (n, t, b)"
    with warehouse.session(write=True) as session:
        other = session.work("other", "select cast(n as integer) as n from (values (1)) as v (n)")
        assert session.fetch(other, label="a type that is seldom")["n"].tolist() == [1]
        made = session.work("made", f"select cast(n as bigint) as n, t, b from ({rows_}) as v")
        part = session.work("part", "select * from work.made where b")
        none = session.work("none", "select * from work.made where n > 2")
        whole = session.fetch(made, label="whole").sort_values("n", ignore_index=True)
        assert whole.equals(session.query("select * from work.made order by n"))
        assert session.fetch(part, ["t"], label="part").to_dict("list") == {"t": ["a"]}
        assert session.fetch(none, ["t", "n"], label="none").dtypes.to_dict() == {
            name: whole.dtypes[name] for name in ("t", "n")
        }


def test_a_rerun_of_a_partition_changes_nothing(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        for _ in range(2):
            session.publish(MART, by_day(("2026-01-05", 1)), partitions=["2026-01-05"])
        assert published_in(session) == [("2026-01-05", 1)]


def test_dropping(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        session.publish(MART, values([1]))
        session.drop(MART)
        session.drop(MART)
        assert session.tables("marts") == []
        assert session.columns(MART) == {}


def test_tables_of_other_databases_are_others(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        for database in ("marts", "events", "landing"):
            session.publish(Table(database, "things"), f"select '{database}' as a")
        assert session.tables("events") == ["things"]
    for database in ("marts", "events", "landing"):
        assert published(warehouse, Table(database, "things")) == [(database,)]


def test_a_session_that_only_reads_publishes_nothing(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        session.publish(MART, values([1]))
    with warehouse.session() as session:
        for attempt in (lambda: session.publish(MART, values([2])), lambda: session.drop(MART)):
            with pytest.raises(WarehouseError, match=r"session\(write=True\)"):
                attempt()
    assert published(warehouse) == [(1,)]


def test_nothing_was_ever_published(warehouse: Warehouse) -> None:
    assert not warehouse.exists()
    with pytest.raises(WarehouseError, match="run the notebooks first"):
        warehouse.query("select 1")


# --- working tables -------------------------------------------------------------------------------


def test_working_tables_are_the_sessions_own(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        one = session.work("one", values([1], [2]))
        two = session.work("two", f"select a + 1 as a from {one}")
        assert session.columns(two) == {"a": "integer"}
        assert rows(session.query(f"select * from {two}")) == [(2,), (3,)]
        # A working table is a value: one made from another does not follow it.
        copy = session.work("copy", "select * from work.one")
        session.work("one", values([9]))
        assert rows(session.query(f"select * from {copy}")) == [(1,), (2,)]
        session.publish(MART, f"select * from {one}")
        session.release(one, two, copy)
        assert session.columns(one) == {}
    assert published(warehouse) == [(9,)]
    with warehouse.session(write=True) as session, pytest.raises(WarehouseError):
        session.query("select * from work.one")


def test_each_item_in_order_and_the_first_error_ends_it(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:

        def count(lane: int, items: int) -> int:
            table = session.work(f"lane_{lane}", values(*([n] for n in range(items))))
            return int(session.query(f"select count(*) as n from {table}")["n"].iloc[0])

        assert session.map(count, [3, 1, 2]) == [3, 1, 2]
        assert session.map(count, []) == []
        with pytest.raises(ZeroDivisionError):
            session.map(lambda _, item: 1 // item, [1, 0])


def test_a_blank_in_a_type_makes_no_other_type() -> None:
    there = {"n": "decimal(38,0)", "gone": "varchar", DAY: "varchar"}
    assert with_new_columns(there, {"n": "decimal(38, 0)", DAY: "varchar"}) == there


def test_every_engine_is_in_the_kit() -> None:
    assert SETTINGS.keys() == ENGINES.keys() == settings.Warehouse.engines().keys()
    for name in ENGINES:
        assert find_engine(name).name == name
