"""What every engine does: query, publish, look around, take JSON apart, read the landing.

One suite for all engines: the fixture ``engine`` names each in turn (see ``conftest.py``).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from sqlglot import exp

from engagement.records.lines import cut_records
from engagement.sql.conversions import BIGINT, BOOLEAN, DOUBLE, TIMESTAMP, fitted_to
from engagement.warehouse import DialectError, Table, Warehouse, WarehouseError
from engagement.warehouse.protocol import (
    JsonColumn,
    JsonField,
    JsonValues,
    Session,
    arrow_type,
    with_new_columns,
)
from tests.warehouse.conftest import Land
from tests.warehouse.fields import fields_of

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
    names = ["select", "timestamp", "_1a", "k" * 127]
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


def test_a_table_without_rows_is_published_whole(warehouse: Warehouse) -> None:
    table, kinds = Table("events", "pages"), {"a": "bigint", "received_at_utc_date": "varchar"}
    with warehouse.session(write=True) as session:
        session.publish_empty(table, {"b": "varchar", "received_at_utc_date": "varchar"})
        session.publish_empty(table, kinds)
        assert session.columns(table) == kinds
        assert session.query(f"select * from {table}").shape == (0, 2)
        first = session.published(table)
        assert first is not None
        assert first.rows == 0
        session.publish(table, by_day(("2026-01-05", 1)), partitions=["2026-01-05"], columns=kinds)
        assert session.query(f"select a from {table}")["a"].tolist() == [1]
        session.publish_empty(table, kinds)
        assert session.query(f"select * from {table}").empty
        assert session.published(table) != first


def test_rows_of_some_keys_are_replaced(warehouse: Warehouse) -> None:
    table, kinds = Table("events", "users"), {"id": "varchar", "a": "bigint"}

    def people(*rows: tuple[str, int]) -> str:
        values = ", ".join(f"({name}, cast({a} as bigint))" for name, a in rows)
        return f"select cast(v.name as varchar) as id, v.a from (values {values}) as v (name, a)"

    with warehouse.session(write=True) as session:
        session.publish(table, people(("'x'", 1), ("'y'", 2), ("null", 3)), columns=kinds)
        gone = session.work("gone", "select 'x' as id union all select 'z' as id")
        others = people(("'z'", 4), ("'w'", 5))
        session.publish_rows(
            table,
            # In another order of columns.
            f"select p.a, p.id from ({others}) as p",
            key="id",
            among=f"select id from {gone}",
            version="second",
        )
        assert session.columns(table) == kinds
        found = session.query(f"select id, a from {table} order by a")
        published = session.published(table)
    assert rows(found) == [("w", 5), ("y", 2), ("z", 4), (None, 3)]
    assert published is not None
    assert (published.version, published.rows) == ("second", 4)


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
        session.forget(one, two, copy)
        assert session.columns(one) == {}
    assert published(warehouse) == [(9,)]
    with warehouse.session(write=True) as session, pytest.raises(WarehouseError):
        session.query("select * from work.one")


def test_each_item_in_order_and_the_first_error_ends_it(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:

        def count(lane: int, items: int) -> int:
            table = session.work(f"lane_{lane}", values(*([n] for n in range(items))))
            return int(session.query(f"select count(*) as n from {table}")["n"].iloc[0])

        assert session.each(count, [3, 1, 2]) == [3, 1, 2]
        assert session.each(count, []) == []
        with pytest.raises(ZeroDivisionError):
            session.each(lambda _, item: 1 // item, [1, 0])


# --- JSON -----------------------------------------------------------------------------------------


def texts(session: Session, *records: str) -> Table:
    content = [
        exp.Tuple(expressions=[exp.Literal.number(n), exp.Literal.string(record)])
        for n, record in enumerate(records)
    ]
    query = exp.select("n", "record").from_(
        exp.Values(
            expressions=content,
            alias=exp.TableAlias(
                this=exp.to_identifier("v"),
                columns=[exp.to_identifier("n"), exp.to_identifier("record")],
            ),
        )
    )
    return session.work("texts", query)


def test_values_are_taken_out_of_json(warehouse: Warehouse) -> None:
    wanted = {
        "s": JsonColumn(("s",), "string"),
        "i": JsonColumn(("i",), "integer"),
        "d": JsonColumn(("d",), "double"),
        "b": JsonColumn(("b",), "boolean"),
        "j": JsonColumn(("j",), "json"),
        "deep": JsonColumn(("o", "p", "q"), "string"),
    }
    with warehouse.session(write=True) as session:
        source = texts(
            session,
            '{"s":"a\\"\\u00e9","i":12345678901234567890,"d":1.5,"b":true,"j":"x","o":{"p":{"q":"y"}}}',
            '{"s":5,"i":0,"d":2,"b":false,"j":[1,{"a":"b"}],"o":{"p":1}}',
            '{"s":true,"j":5,"o":[1]}',
            '{"s":null,"i":null,"d":null,"b":null,"j":null,"o":null}',
            '{"s":["x"],"j":{"a":"b"}}',
            "{}",
        )
        table = session.json_columns("taken", source, "record", wanted)
        assert "record" not in session.columns(table)
        found = rows(session.query(f"select n, s, i, d, b, j, deep from {table}"))
    assert found == [
        (0, 'a"é', Decimal("12345678901234567890"), 1.5, True, '"x"', "y"),
        (1, "5", Decimal(0), 2.0, False, '[1,{"a":"b"}]', None),
        (2, "true", None, None, None, "5", None),
        (3, None, None, None, None, None, None),
        (4, '["x"]', None, None, None, '{"a":"b"}', None),
        (5, None, None, None, None, None, None),
    ]


FITTED = {
    '{"x":1}': (1, 1.0, None, None),
    '{"x":-2.5}': (None, -2.5, None, None),
    '{"x":3.0}': (3, 3.0, None, None),
    '{"x":9223372036854775808}': (None, 9223372036854775808.0, None, None),
    '{"x":"12"}': (12, 12.0, None, None),
    '{"x":"2026-01-05T10:00:00.500Z"}': (None, None, None, datetime(2026, 1, 5, 10, 0, 0, 500000)),
    '{"x":""}': (None,) * 4,
    '{"x":true}': (None, None, True, None),
    '{"x":[1]}': (None,) * 4,
    '{"x":null}': (None,) * 4,
    "{}": (None,) * 4,
}
"""What a value of any kind is as a bigint, a double, a truth value and a timestamp."""


def test_a_value_of_any_kind_is_fitted_to_a_type(warehouse: Warehouse) -> None:
    types = {"i": BIGINT, "d": DOUBLE, "b": BOOLEAN, "t": TIMESTAMP}
    wanted = {name: JsonColumn(("x",), fitted_to(kind)) for name, kind in types.items()}
    with warehouse.session(write=True) as session:
        table = session.json_columns("taken", texts(session, *FITTED), "record", wanted)
        assert {name: session.columns(table)[name] for name in types} == types
        found = session.query(f"select n, i, d, b, t from {table} order by n")
    assert [row[1:] for row in sorted(rows(found))] == list(FITTED.values())


def test_only_wanted_texts_are_parsed_and_kept_on_request(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        source = texts(session, '{"a":1}', "no JSON at all")
        judged = session.work("judged", f"select *, n = 0 as is_json from {source}")
        wanted = {"a": JsonColumn(("a",), "integer")}
        table = session.json_columns("taken", judged, "record", wanted, where="is_json", keep=True)
        found = rows(session.query(f"select n, record, a from {table}"))
        nothing = session.json_columns("bare", judged, "record", {}, where="is_json")
        assert list(session.columns(nothing)) == ["n", "is_json"]
    assert found == [(0, '{"a":1}', Decimal(1)), (1, "no JSON at all", None)]


def test_any_key_can_be_asked_for(warehouse: Warehouse) -> None:
    keys = [
        "a b",
        'q"uote',
        "it's",
        "",
        "é",
        "A",
        "a",
        "x.y",
        "$[0]",
        "~1",
        "a/b",
        "0",
        "\\",
        "n\0l",
    ]
    record = (
        "{"
        + ",".join(
            f"{json.dumps(key)}:{{{json.dumps(key)}:{number}}}" for number, key in enumerate(keys)
        )
        + "}"
    )
    wanted = {f"c{n}": JsonColumn((key, key), "integer") for n, key in enumerate(keys)}
    with warehouse.session(write=True) as session:
        # An array where the other record has an object: its items are no members.
        source = texts(session, record, '{"0":[7],"":[[8]],"a":1}')
        table = session.json_columns("taken", source, "record", wanted)
        found = rows(session.query(f"select n, {', '.join(wanted)} from {table}"))
    assert found == [
        (0, *(Decimal(n) for n in range(len(keys)))),
        (1, *([None] * len(keys))),
    ]


ENVELOPE = {
    "type": JsonColumn(("type",), "string"),
    "event": JsonColumn(("event",), "text"),
}


def records(warehouse: Warehouse, session: Session, land: Land, *lines: str) -> Table:
    """Lines read as records, by the reader of the engine."""
    land("records.json", "\n".join(lines).encode())
    table, _ = session.landing_records(warehouse.landing_files().files, ENVELOPE, {})
    return table


def test_fields_of_json_are_counted_by_kind(warehouse: Warehouse, land: Land) -> None:
    with warehouse.session(write=True) as session:
        source = records(
            warehouse,
            session,
            land,
            '{"a":1,"b":{"c":"x","d":[]},"e":{}}',
            '{"a":1.5,"b":{"c":null},"f":true}',
            '{"a":18446744073709551615,"A":"y","":1,"b":2}',
            '{"a":18446744073709551616}',
        )
        grouped = session.work(
            "grouped",
            f"select record_number, record, length(record) > 30 as low, shape from {source}",
        )
        table = session.json_fields(grouped, "record", ["low"], lambda group, path: False)
        found = fields_of(table, ["low"])
    assert {(one.group, one.path): one for one in found} == {
        (one.group, one.path): one
        for one in (
            JsonField((True,), ("",), integers=1),
            JsonField((True,), ("A",), strings=1),
            JsonField((True,), ("a",), integers=2, doubles=1),
            JsonField((True,), ("b",), integers=1),
            JsonField((True,), ("b", "c"), strings=1),
            JsonField((True,), ("b", "d"), arrays=1),
            JsonField((True,), ("e",), objects=1),
            JsonField((True,), ("f",), booleans=1),
            JsonField((False,), ("a",), doubles=1),
        )
    }


def test_values_are_looked_into_where_types_hang_on_them(warehouse: Warehouse, land: Land) -> None:
    with warehouse.session(write=True) as session:
        source = records(
            warehouse,
            session,
            land,
            '{"n":5,"d":5.0,"big":18446744073709551616,"s":"","t":"2026-01-05T10:00:00Z","l":[]}',
            '{"n":-7,"d":1e2,"big":1,"s":"x","t":"2026-01-06 10:00","l":[1]}',
            '{"n":0,"d":2.5,"s":"2026-02-30T10:00:00Z","t":"","l":[""],"m":1.5}',
            '{"m":"2026-01-05T10:00:00Z"}',
            '{"m":[0],"unasked":1}',
        )
        table = session.json_fields(source, "record", [], lambda group, path: path != ("unasked",))
        found = fields_of(table, [])
    assert {one.path[0]: one.values for one in found} == {
        "n": JsonValues(largest_integer=7),
        "d": JsonValues(fractions=1, largest_integer=100),
        "big": JsonValues(largest_integer=2**63),
        "s": JsonValues(texts=2),
        "t": JsonValues(texts=2, timestamps=2),
        "l": JsonValues(lists=1),
        "m": JsonValues(fractions=1, texts=1, timestamps=1, lists=1),
        "unasked": None,
    }


def test_deep_and_long_texts_have_fields_too(warehouse: Warehouse, land: Land) -> None:
    deep = '{"k":' * 40 + '"x"' + "}" * 40
    long = '{"items":[' + ",".join('{"a":1}' for _ in range(200)) + '],"s":"{[{["}'
    with warehouse.session(write=True) as session:
        source = records(warehouse, session, land, deep, long)
        found = fields_of(session.json_fields(source, "record", [], lambda group, path: False), [])
        wanted = {"deep": JsonColumn(("k",) * 40, "string"), "s": JsonColumn(("s",), "string")}
        table = session.json_columns("taken", source, "record", wanted)
        values_ = rows(session.query(f"select deep, s from {table}"))
    assert {one.path: (one.arrays, one.strings) for one in found} == {
        ("items",): (1, 0),
        ("k",) * 40: (0, 1),
        ("s",): (0, 1),
    }
    assert values_ == [("x", None), (None, "{[{[")]


# --- the landing ----------------------------------------------------------------------------------


def test_landed_records_are_read_with_their_place(warehouse: Warehouse, land: Land) -> None:
    land("b.gz", gzip.compress(b'{"c":1}\n\n{"d":1}{"e":1}'))
    land("a", b"\xef\xbb\xbfa\r\nb\xff\n")
    land("empty", b"")
    land("x.gz", b"no gzip")
    files = warehouse.landing_files().files
    with warehouse.session(write=True) as session:
        table, done = session.landing_records(files, ENVELOPE, {})
        found = session.query(
            "select source_file, line_number, record, record_encoding, verdict, is_object, "
            f"received_at_utc_date from {table} order by source_file, record desc"
        )
    read = [(f.file.name.partition("/")[2], f.lines, f.blank_lines, bool(f.error)) for f in done]
    assert sorted(read) == [
        ("a", 2, 0, False),
        ("b.gz", 3, 1, False),
        ("empty", 0, 0, False),
        ("x.gz", 0, 0, True),
    ]
    # Athena cannot tell lines: they are filled in where they are needed, see below.
    knows_lines = warehouse.engine == "duckdb"
    assert [
        tuple(None if pd.isna(v) else v for v in row) for row in found.itertuples(index=False)
    ] == [
        (
            f"received_at_utc_date=2026-01-05/{name}",
            line if knows_lines else None,
            *rest,
            "2026-01-05",
        )
        for name, line, *rest in (
            ("a", 1, "a", None, "not_json", False),
            ("a", 2, "Yv8=", "base64", "not_utf8", False),
            ("b.gz", 3, '{"e":1}', None, "object", True),
            ("b.gz", 3, '{"d":1}', None, "object", True),
            ("b.gz", 1, '{"c":1}', None, "object", True),
        )
    ]


def test_of_a_key_given_twice_the_last_value_is_read(warehouse: Warehouse, land: Land) -> None:
    sent = ['{"a":1, "a":2}', '{"b":[{"c":1,"c":3}]}']
    wanted = {"a": JsonColumn(("a",), "integer"), "b": JsonColumn(("b",), "json")}
    with warehouse.session(write=True) as session:
        table = records(warehouse, session, land, *sent)
        as_sent = session.query(f"select coalesce(record_as_sent, record) as sent from {table}")
        taken = session.json_columns("taken", table, "record", wanted)
        found = session.query(f"select a, b from {taken}")
    assert sorted(as_sent["sent"]) == sorted(sent)
    assert rows(found) == [(Decimal(2), None), (None, '[{"c":3}]')]


def test_no_files_are_no_records(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        table, done = session.landing_records([], ENVELOPE, {})
        assert done == []
        assert session.query(f"select record from {table}").empty


def test_records_have_the_number_of_their_line(warehouse: Warehouse, land: Land) -> None:
    land("a", b'{"a":1}{"b":\n\nbad\nbad')
    with warehouse.session(write=True) as session:
        session.landing_records(warehouse.landing_files().files, ENVELOPE, {})
        source = session.work(
            "wanted",
            "select source_file, line_number, record, record_encoding from work.records "
            "where record = 'bad'",
        )
        located = session.locate("located", source, cut_records)
        found = session.query(f"select line_number, record from {located} order by 1")
    assert rows(found) == [(3, "bad"), (4, "bad")]


def test_people_read_the_landing_through_a_table(warehouse: Warehouse, land: Land) -> None:
    land("a", b'{"messageId":"m1","context":{"a":{"B":1}}}\nbad\n{}\n')
    table = Table("landing", "reading")
    location = warehouse.landing_files().location
    with warehouse.session(write=True) as session:
        for _ in range(2):
            session.landing_table(table, location, {"messageid": "messageId", "context": "context"})
        assert list(session.columns(table)) == ["messageid", "context", "received_at_utc_date"]
    found = warehouse.query(
        "select messageid, json_extract_scalar(context, '$.a.B') as b, received_at_utc_date "
        f"from {table} where messageid is not null"
    )
    assert rows(found) == [("m1", "1", "2026-01-05")]


def test_a_blank_in_a_type_makes_no_other_type() -> None:
    there = {"n": "decimal(38,0)", "gone": "varchar", DAY: "varchar"}
    assert with_new_columns(there, {"n": "decimal(38, 0)", DAY: "varchar"}) == there
