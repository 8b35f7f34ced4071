"""What every engine does that reads the landing: records, JSON values, line numbers.

The second half of the conformance kit. An engine over tables that RudderStack loads is passed over.
"""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from decimal import Decimal

import pandas as pd
import pytest
from sqlglot import exp

from engagement.records.lines import cut_records
from engagement.sql.conversions import BIGINT, BOOLEAN, DOUBLE, TIMESTAMP, fitted_to
from engagement.warehouse import Table, Warehouse
from engagement.warehouse.json_values import JsonColumn, JsonField, JsonValues
from engagement.warehouse.protocol import Session
from engagement.warehouse.reading import LandedRecords, LandingSession, LandingWarehouse
from tests.warehouse.conftest import Land
from tests.warehouse.fields import fields_of
from tests.warehouse.test_warehouse import by_day, rows


@pytest.fixture
def warehouse(warehouse: Warehouse) -> LandingWarehouse:
    """The warehouse of an engine that reads the landing."""
    if not isinstance(warehouse, LandingWarehouse):
        pytest.skip("this engine reads no landing")
    return warehouse


def test_a_table_without_rows_is_published_whole(warehouse: LandingWarehouse) -> None:
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


def test_rows_of_some_keys_are_replaced(warehouse: LandingWarehouse) -> None:
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


def test_values_are_taken_out_of_json(warehouse: LandingWarehouse) -> None:
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


def test_a_value_of_any_kind_is_fitted_to_a_type(warehouse: LandingWarehouse) -> None:
    types = {"i": BIGINT, "d": DOUBLE, "b": BOOLEAN, "t": TIMESTAMP}
    wanted = {name: JsonColumn(("x",), fitted_to(kind)) for name, kind in types.items()}
    with warehouse.session(write=True) as session:
        table = session.json_columns("taken", texts(session, *FITTED), "record", wanted)
        assert {name: session.columns(table)[name] for name in types} == types
        found = session.query(f"select n, i, d, b, t from {table} order by n")
    assert [row[1:] for row in sorted(rows(found))] == list(FITTED.values())


def test_only_wanted_texts_are_parsed_and_kept_on_request(warehouse: LandingWarehouse) -> None:
    with warehouse.session(write=True) as session:
        source = texts(session, '{"a":1}', "no JSON at all")
        judged = session.work("judged", f"select *, n = 0 as is_json from {source}")
        wanted = {"a": JsonColumn(("a",), "integer")}
        table = session.json_columns("taken", judged, "record", wanted, where="is_json", keep=True)
        found = rows(session.query(f"select n, record, a from {table}"))
        nothing = session.json_columns("bare", judged, "record", {}, where="is_json")
        assert list(session.columns(nothing)) == ["n", "is_json"]
    assert found == [(0, '{"a":1}', Decimal(1)), (1, "no JSON at all", None)]


def test_any_key_can_be_asked_for(warehouse: LandingWarehouse) -> None:
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


def records(
    warehouse: Warehouse, session: LandingSession, land: Land, *lines: str
) -> LandedRecords:
    """Lines read as records, by the reader of the engine."""
    land("records.json", "\n".join(lines).encode())
    return session.read_records(warehouse.landing_files().files, ENVELOPE, {})


def test_fields_of_json_are_counted_by_kind(warehouse: LandingWarehouse, land: Land) -> None:
    with warehouse.session(write=True) as session:
        read = records(
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
            f"select record_number, record, length(record) > 30 as low, shape from {read.table}",
        )
        table = read.json_fields(grouped, "record", ["low"], lambda group, path: False)
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


def test_values_are_looked_into_where_types_hang_on_them(
    warehouse: LandingWarehouse, land: Land
) -> None:
    with warehouse.session(write=True) as session:
        read = records(
            warehouse,
            session,
            land,
            '{"n":5,"d":5.0,"big":18446744073709551616,"s":"","t":"2026-01-05T10:00:00Z","l":[]}',
            '{"n":-7,"d":1e2,"big":1,"s":"x","t":"2026-01-06 10:00","l":[1]}',
            '{"n":0,"d":2.5,"s":"2026-02-30T10:00:00Z","t":"","l":[""],"m":1.5}',
            '{"m":"2026-01-05T10:00:00Z"}',
            '{"m":[0],"unasked":1}',
        )
        table = read.json_fields(read.table, "record", [], lambda group, path: path != ("unasked",))
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


def test_deep_and_long_texts_have_fields_too(warehouse: LandingWarehouse, land: Land) -> None:
    deep = '{"k":' * 40 + '"x"' + "}" * 40
    long = '{"items":[' + ",".join('{"a":1}' for _ in range(200)) + '],"s":"{[{["}'
    with warehouse.session(write=True) as session:
        read = records(warehouse, session, land, deep, long)
        source = read.table
        found = fields_of(read.json_fields(source, "record", [], lambda group, path: False), [])
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


def test_landed_records_are_read_with_their_place(warehouse: LandingWarehouse, land: Land) -> None:
    land("b.gz", gzip.compress(b'{"c":1}\n\n{"d":1}{"e":1}'))
    land("a", b"\xef\xbb\xbfa\r\nb\xff\n")
    land("empty", b"")
    land("x.gz", b"no gzip")
    files = warehouse.landing_files().files
    with warehouse.session(write=True) as session:
        read = session.read_records(files, ENVELOPE, {})
        table, done = read.table, read.files
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


def test_of_a_key_given_twice_the_last_value_is_read(
    warehouse: LandingWarehouse, land: Land
) -> None:
    sent = ['{"a":1, "a":2}', '{"b":[{"c":1,"c":3}]}']
    wanted = {"a": JsonColumn(("a",), "integer"), "b": JsonColumn(("b",), "json")}
    with warehouse.session(write=True) as session:
        table = records(warehouse, session, land, *sent).table
        as_sent = session.query(f"select coalesce(record_as_sent, record) as sent from {table}")
        taken = session.json_columns("taken", table, "record", wanted)
        found = session.query(f"select a, b from {taken}")
    assert sorted(as_sent["sent"]) == sorted(sent)
    assert rows(found) == [(Decimal(2), None), (None, '[{"c":3}]')]


def test_no_files_are_no_records(warehouse: LandingWarehouse) -> None:
    with warehouse.session(write=True) as session:
        read = session.read_records([], ENVELOPE, {})
        table = read.table
        assert list(read.files) == []
        assert session.query(f"select record from {table}").empty


def test_records_have_the_number_of_their_line(warehouse: LandingWarehouse, land: Land) -> None:
    land("a", b'{"a":1}{"b":\n\nbad\nbad')
    with warehouse.session(write=True) as session:
        session.read_records(warehouse.landing_files().files, ENVELOPE, {})
        source = session.work(
            "wanted",
            "select source_file, line_number, record, record_encoding from work.records "
            "where record = 'bad'",
        )
        located = session.locate("located", source, cut_records)
        found = session.query(f"select line_number, record from {located} order by 1")
    assert rows(found) == [(3, "bad"), (4, "bad")]


def test_people_read_the_landing_through_a_table(warehouse: LandingWarehouse, land: Land) -> None:
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
