"""One SQL text, two engines: what is accepted, how it is rendered, what it answers.

The cases of ``ANSWERS`` go to the engine of the fixture ``warehouse``: each is one thing that the
engines would answer differently if it were rendered word by word.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from engagement.warehouse import DialectError, Table, Warehouse
from engagement.warehouse.dialect import FUNCTIONS, bind, check, literal, parse, render, tables
from tests.warehouse.test_warehouse import rows

DATABASES = {"marts": "shop_marts", "events": "events", "landing": "landing"}


# --- reading --------------------------------------------------------------------------------------


def test_table_names() -> None:
    assert Table.parse("marts.a.b") == Table("marts", "a.b")
    assert str(Table("marts", "sessions")) == "marts.sessions"
    for text in ("sessions", "marts.", ".sessions", ""):
        with pytest.raises(DialectError, match=r"database\.name"):
            Table.parse(text)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select (a from t", "line 1, column"),
        ("select a\nfrom t\nwhere (", "line 3"),
        ("select 'a", "Missing ' from 1:"),
        ("select /* a", "not closed"),
        ("", "one query is wanted, 0 statements"),
        ("select 1; select 2", "2 statements"),
        ("drop table t", "not DROP"),
        ("delete from t", "not DELETE"),
        ("insert into t select 1", "not INSERT"),
        ("create table t as select 1", "not CREATE"),
        ("vacuum t", "not"),
        ("set timezone = 'UTC'", "not SET"),
    ],
)
def test_what_is_no_single_query_is_refused(sql: str, said: str) -> None:
    with pytest.raises(DialectError, match=said) as caught:
        parse(sql, source="x.sql")
    assert str(caught.value).startswith("x.sql: ")


def test_queries_are_read() -> None:
    for sql in ("select 1", "with a as (select 1) select * from a", "select 1 union all select 2"):
        assert isinstance(parse(sql), exp.Query)
    assert isinstance(parse("select 1;"), exp.Query)


def test_tables_of_a_query() -> None:
    query = parse(
        "with a as (select * from marts.orders) "
        "select * from a join events.tracks as t on true where exists (select 1 from work.x)"
    )
    assert tables(query) == {
        Table("marts", "orders"), Table("events", "tracks"), Table("work", "x")
    }  # fmt: skip


# --- values ---------------------------------------------------------------------------------------


def answer(sql: str) -> Any:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).fetchall()[0][0]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (-(2**63), -(2**63)),
        (0.1, 0.1),
        (1e300, 1e300),
        (Decimal("1.10"), Decimal("1.1")),
        (Decimal("-1E+5"), Decimal(-100000)),
        (Decimal("1E-10"), Decimal("0.0000000001")),
        (date(2026, 1, 5), date(2026, 1, 5)),
        (datetime(2026, 1, 5, 1, 2, 3, 4999), datetime(2026, 1, 5, 1, 2, 3, 4000)),
        (datetime(2026, 1, 5, 1, tzinfo=UTC), datetime(2026, 1, 5, 1)),
        (datetime(2026, 1, 5, 1, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 1, 4, 23)),
        ("it's", "it's"),
    ],
)
def test_a_value_comes_back_as_it_went_in(value: Any, found: Any) -> None:
    assert answer(render(exp.select(literal(value)), "duckdb", {})) == found


@given(st.text())
def test_any_text_is_one_literal(text: str) -> None:
    assert answer(render(exp.select(literal(text)), "duckdb", {})) == text


@pytest.mark.parametrize("value", [b"x", object(), float("nan"), float("inf"), Decimal("NaN"), [1]])
def test_what_has_no_literal_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="no SQL literal"):
        literal(value)


def test_parameters_are_filled_in_everywhere_and_the_query_stays() -> None:
    query = parse("select :a as x from t where :a = 1 and b in (:many, 7, :more) and c in (:none)")
    bound = bind(query, {"a": 1, "many": ["x", "y"], "more": (True,), "none": [], "unused": 0})
    assert bound.sql("athena") == (
        "SELECT 1 AS x FROM t WHERE 1 = 1 AND b IN ('x', 'y', 7, TRUE) AND c IN (NULL)"
    )
    assert ":a" in query.sql("athena")


def test_parameters_without_a_value_or_in_the_wrong_place_are_named() -> None:
    with pytest.raises(DialectError, match=r"parameters \['a', 'b'\]"):
        bind(parse("select :a, :b, :c"), {"c": 1})
    with pytest.raises(DialectError, match=r"'a' is a list"):
        bind(parse("select :a"), {"a": (1, 2)})


# --- the allow-list -------------------------------------------------------------------------------

REFUSED = {
    "select avg(a) from t": "divide an exact sum",
    "select sum(cast(a as double)) from t": "sum decimals",
    "select sum(cast(a as double) * b) from t": "sum decimals",
    "select approx_distinct(a) from t": "count(distinct x)",
    "select approx_percentile(a, 0.5) from t": "row_number()",
    "select any_value(a) from t": "not defined",
    "select arbitrary(a) from t": "not defined",
    "select array_agg(a) from t": "order by",
    "select a from t limit 5": "order by the key",
    "select a from t offset 5": "order by the key",
    "select a from (select a from t fetch first 3 rows only) as u order by a": "order by the key",
    "select random()": "a rerun would differ",
    "select now()": ":as_of",
    "select current_date": ":as_of",
    "select localtimestamp": "not on the list",
    "select uuid()": "not on the list",
    "select * from t tablesample bernoulli (10)": "a rerun would differ",
    "select a / b from t": "cast(… as double)",
    "select 7 / 2": "cast(… as double)",
    "select sum(a) / cast(count(*) as bigint) from t": "cast(… as double)",
    "select date_diff('hour', a, b) from t": "'day'",
    "select date_diff('day', a || '', b) from t": "dates",
    "select date_add('day', 1, a) from t": "cast it",
    "select date_trunc('week', a) from t": "cast it",
    "select a at time zone 'UTC' from t": "local_time",
    "select cast(a as timestamp with time zone) from t": "timestamp(3)",
    "select cast(a as real) from t": "double",
    "select extract(dow from a) from t": "day_of_week",
    "select regexp_extract(a, 'x') from t": "nullif(regexp_extract",
    "select regexp_like(a, '(?=x)') from t": "look-around",
    "select regexp_replace(a, '(?<!x)y', '') from t": "look-around",
    "select regexp_like(a, '(a)\\1') from t": "back-references",
    "select split_part(a, 'x', 2) from t": "not on the list",
    "select substr(a, 0, 2) from t": "number 1",
    "select trim(a) from t": "regexp_replace",
    "select a[1] from t": "element_at",
    "select json_extract(a, '$.x') from t": "json_extract_scalar",
    "select json_format(a) from t": "not on the list",
    "select format('%s', a) from t": "not on the list",
    "select some_function(a) from t": "not on the list",
    "select distinct on (a) b from t": "row_number()",
}


@pytest.mark.parametrize(("sql", "said"), REFUSED.items())
def test_what_the_engines_answer_differently_is_refused_with_the_portable_way(
    sql: str, said: str
) -> None:
    with pytest.raises(DialectError) as caught:
        check(parse(sql), source="x.sql")
    assert str(caught.value).startswith("x.sql: not portable")
    assert said in str(caught.value)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(DialectError) as caught:
        check(parse("select avg(a), b / c from (select now() as a) as t limit 1"))
    assert str(caught.value).count("\n  - ") == 4


ACCEPTED = [
    "select a from t order by a limit 5",
    "select cast(sum(a) as double) / nullif(count(a), 0) from t",
    "select cast(a as double) * 2 / b from t",
    "select round(cast(a as double) / nullif(b, 0), 4) from t",
    "select array_join(array_agg(a order by a), ',') from t",
    "select max_by(a, b), min_by(a, b) filter (where a is not null) from t",
    "select nullif(regexp_extract(a, '(x)\\.y', 1), '') from t",
    "select regexp_like(a, '\\\\1') from t",  # a backslash and a one
    "select cast(date_trunc('week', a) as date) from t",
    "select cast(date_add('day', 1, a) as timestamp(3)) from t",
    "select date_diff('day', cast(a as date), b) from t",
    "select element_at(split(a, ','), 1), substr(a, 1, 2) from t",
    "select extract(week from a), day_of_week(a), year(a) from t",
    "select lag(a) over (partition by b order by c) from t",
    "select url_host(a), parse_timestamp(b), local_time(c, :timezone) from t",
    "select json_extract_scalar(i, '$.x') from t cross join unnest(json_items(a)) as u (i)",
]


@pytest.mark.parametrize("sql", ACCEPTED)
def test_the_portable_ways_are_accepted(sql: str) -> None:
    check(parse(sql))


# --- rendering ------------------------------------------------------------------------------------


def test_databases_are_those_of_the_settings() -> None:
    query = parse("select * from marts.orders as o join work.x as x on true, unrelated.y")
    assert render(query, "duckdb", DATABASES) == (
        'SELECT * FROM "shop_marts".orders AS o JOIN work.x AS x ON TRUE, unrelated.y'
    )
    assert query.sql("athena").count("marts.orders") == 1


def test_names_from_data_are_quoted() -> None:
    name = 'a"b; drop table x'
    query = exp.select("*").from_(Table("marts", name).node())
    assert render(query, "duckdb", DATABASES) == ('SELECT * FROM "shop_marts"."a""b; drop table x"')


def test_the_projects_functions_nest() -> None:
    query = parse(
        "select local_time(parse_timestamp(url_parameter(url_parameter(a, 'x'), 'y')), 'UTC')"
    )
    for engine in ("duckdb", "athena"):
        text = render(query, engine, {})  # type: ignore[arg-type]
        assert "__arg_" not in text
        assert all(name.upper() not in text.upper() for name in ("url_parameter(", "local_time("))


def test_every_function_of_the_project_has_a_definition_for_both_engines() -> None:
    for name, bodies in FUNCTIONS.items():
        assert bodies.keys() == {"duckdb", "athena"}, name
        for engine in ("duckdb", "athena"):
            query = parse(f"select {name}(a, b) from t")
            assert render(query, engine, {}), name  # type: ignore[arg-type]


# --- what both engines answer ---------------------------------------------------------------------

DAY = "date '2026-01-05'"
MOMENT = "cast('2026-07-05 22:30:00.123' as timestamp(3))"
NONE = "cast(null as varchar)"
PAIRS = "(values (1, 1), (cast(null as integer), 2), (5, cast(null as integer))) as v (a, b)"

ANSWERS: dict[str, Any] = {
    # Where NULLs are.
    "select concat('a', cast(null as varchar))": None,
    "select greatest(1, cast(null as integer))": None,
    "select least(1, cast(null as integer))": None,
    f"select max_by(a, b) from {PAIRS}": None,
    f"select min_by(a, b) from {PAIRS}": 1,
    f"select max_by(a, b) filter (where a is not null) from {PAIRS}": 1,
    f"select count_if(a > 9) from {PAIRS}": 0,
    f"select count_if(a > 9) from {PAIRS} where false": 0,
    f"select sum(a) from {PAIRS} where false": None,
    "select array_join(array['a', null, 'b'], ',')": "a,b",
    "select element_at(array[1, 2], 3)": None,
    # Numbers.
    "select cast(7 as double) / 2": 3.5,
    "select -5 % 3": -2,
    "select round(2.5e0)": 3.0,
    "select round(-2.5e0)": -3.0,
    "select round(cast(2.345 as decimal(18, 3)), 2)": Decimal("2.345").quantize(
        Decimal("0.01"), "ROUND_HALF_UP"
    ),
    "select try_cast('x' as bigint)": None,
    # Texts.
    "select regexp_replace('a-b', '([a-z])-([a-z])', '$2$1')": "ba",
    "select nullif(regexp_extract('abc', 'x(.)', 1), '')": None,
    "select nullif(regexp_extract('abc', 'b(.)', 1), '')": "c",
    "select regexp_like('abc', 'b')": True,
    "select substr('abc', -2)": "bc",
    "select length('é😀')": 2,
    "select split('a,,b', ',')": ["a", "", "b"],
    "select strpos('abc', 'c')": 3,
    # Days and times.
    f"select date_diff('day', {DAY}, date '2026-01-04')": -1,
    f"select day_of_week({DAY})": 1,
    "select day_of_week(date '2026-01-04')": 7,
    "select extract(week from date '2027-01-01')": 53,
    "select cast(date_trunc('week', date '2026-01-04') as date)": date(2025, 12, 29),
    "select cast(date_add('month', 1, date '2026-01-31') as date)": date(2026, 2, 28),
    f"select local_time({MOMENT}, 'Europe/Berlin')": datetime(2026, 7, 6, 0, 30, 0, 123000),
    f"select cast(local_time({MOMENT}, 'Europe/Berlin') as date)": date(2026, 7, 6),
    "select local_time(cast('2026-03-29 00:59:59' as timestamp(3)), 'Europe/Berlin')": datetime(
        2026, 3, 29, 1, 59, 59
    ),
    "select local_time(cast('2026-03-29 01:00:00' as timestamp(3)), 'Europe/Berlin')": datetime(
        2026, 3, 29, 3
    ),
    f"select timestamp_text({MOMENT})": "2026-07-05T22:30:00.123Z",
    "select timestamp_text(cast('2026-01-05' as timestamp(3)))": "2026-01-05T00:00:00.000Z",
    # parse_timestamp
    "select parse_timestamp('2026-01-05T10:00:00.123Z')": datetime(2026, 1, 5, 10, 0, 0, 123000),
    "select parse_timestamp('2026-01-05T10:00:00.123999Z')": datetime(2026, 1, 5, 10, 0, 0, 123000),
    "select parse_timestamp('2026-01-05 10:00')": datetime(2026, 1, 5, 10),
    "select parse_timestamp('2026-01-05T10:00:00+05:30')": datetime(2026, 1, 5, 4, 30),
    "select parse_timestamp('2026-01-05T10:00:00-0800')": datetime(2026, 1, 5, 18),
    "select parse_timestamp('2026-01-05T10:00:00+14:00')": datetime(2026, 1, 4, 20),
    "select parse_timestamp('2024-02-29T00:00:00Z')": datetime(2024, 2, 29),
    **{
        f"select parse_timestamp('{text}')": None
        for text in (
            "2026-01-05",
            "2026-1-5T10:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-05T24:00:00Z",
            "2026-01-05T10:00:60Z",
            "2026-01-05T10:00:00+14:30",
            "2026-01-05T10:00:00+02",
            "2026-01-05T10:00:00 Z",
            " 2026-01-05T10:00:00Z",
            "2026-01-05T10:00:00Z\n",
            "1767607200",
            "now",
            "",
        )
    },
    f"select parse_timestamp({NONE})": None,
    # JSON
    """select json_extract_scalar('{"a":"x"}', '$.a')""": "x",
    """select json_extract_scalar('{"a":5}', '$.a')""": "5",
    """select json_extract_scalar('{"a":true}', '$.a')""": "true",
    """select json_extract_scalar('{"a":{"b":1}}', '$.a')""": None,
    """select json_extract_scalar('{"a":[1]}', '$.a')""": None,
    """select json_extract_scalar('{"a":null}', '$.a')""": None,
    """select json_extract_scalar('{"a":1}', '$.b')""": None,
    "select json_extract_scalar('no JSON', '$.a')": None,
    f"select json_extract_scalar({NONE}, '$.a')": None,
    """select json_extract_scalar(i, '$.p') from unnest(json_items('[{"p":"x"}]')) as u (i)""": "x",
    "select json_items('{}')": None,
    "select json_items('no JSON')": None,
    f"select json_items({NONE})": None,
    "select json_kind('1')": "integer",
    "select json_kind('1.5')": "double",
    "select json_kind('123456789012345678901234567890')": "integer",
    """select json_kind('"1"')""": "string",
    "select json_kind('true')": "boolean",
    "select json_kind('[1]')": "array",
    "select json_kind('{}')": "object",
    """select json_scalar('"a\\"\\u00e9"')""": 'a"é',
    "select json_scalar('12')": "12",
    # Addresses.
    "select url_host('https://user:secret@www.Shop.Example:8080/a?b#c')": "shop.example",
    "select url_host('http://shop.example')": "shop.example",
    "select url_host('android-app://com.example.app')": "com.example.app",
    "select url_host('shop.example/a')": None,
    "select url_host('')": None,
    "select url_parameter('https://x/?a=1&utm_source=b+c%20d%C3%A9&z', 'utm_source')": "b c dé",
    "select url_parameter('?gclid=x', 'gclid')": "x",
    "select url_parameter('https://x/?a=1#utm_source=b', 'utm_source')": None,
    "select url_parameter('https://x/?a=1#?a=2', 'a')": "1",
    "select url_parameter('https://x/?xa=1', 'a')": None,
    "select url_parameter('https://x/?a=', 'a')": None,
    # What cannot be decoded stays as it stands, and stops nothing.
    "select url_parameter('https://x/?a=caf%E9', 'a')": "caf%E9",
    "select url_parameter('https://x/?a=50%&b=1', 'a')": "50%",
    "select url_parameter('https://x/?a=%zz', 'a')": "%zz",
    f"select url_parameter({NONE}, 'a')": None,
    "select sha256_hex('é')": "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c",
}


@pytest.fixture
def session(warehouse: Warehouse) -> Any:
    with warehouse.session(write=True) as session:
        yield session


@pytest.mark.parametrize(("sql", "expected"), ANSWERS.items())
def test_answers(session: Any, sql: str, expected: Any) -> None:
    ((found,),) = rows(session.query(sql))
    assert found == expected
    assert type(found) is type(expected)


VERDICTS = {
    '{"a":1}': "object",
    ' {"a":1}\t': "object",
    "[1]": "value",
    '"x"': "value",
    "5": "value",
    "null": "value",
    "": "not_json",
    "{": "not_json",
    '{"a":1,}': "not_json",
    '{"a":NaN}': "not_json",
    '{"a":Infinity}': "not_json",
    '{"a":1E400}': "not_json",
    '{"a":-1E400}': "not_json",
    '{"a":1E-400}': "object",
    '{"a":1e308}': "object",
    '{"a":"\\ud800"}': "not_json",
    '{"a":"\\udc00"}': "not_json",
    '{"a":"\\udc00\\ud800"}': "not_json",
    '{"a":"\\ud83d\\ude00"}': "object",
    '{"a":"\\\\ud800"}': "object",
    '{"a":"\\ud83d\\\\\\ude00"}': "not_json",
    '{"a":"\x01"}': "not_json",
    '{"a":"\x7f"}': "object",
    '{"a":1}{"b":2}': "not_json",
    "{'a':1}": "not_json",
    '{"a":01}': "not_json",
    '{"a":"[NaN,]"}': "object",
}


@pytest.mark.parametrize(("text", "expected"), VERDICTS.items())
def test_json_is_judged_strictly(session: Any, text: str, expected: str) -> None:
    found = session.query("select json_verdict(:text) as verdict", {"text": text})
    assert rows(found) == [(expected,)]
