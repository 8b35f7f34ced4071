"""One SQL text, two engines: what is read, accepted and refused, and how it is rendered.

What the engines answer is in ``dialect_cases.py``, and tested by ``test_dialect_cases.py``.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from engagement.settings.warehouse import Warehouse as Engines
from engagement.sql import allowed
from engagement.sql.dialect import (
    bind,
    check,
    columns,
    literal,
    parse,
    tables,
)
from engagement.sql.functions import FUNCTIONS
from engagement.sql.rendering import render
from engagement.warehouse import DialectError, Table, Warehouse
from engagement.warehouse.duckdb.rendering import DUCKDB
from engagement.warehouse.registry import ENGINES, find_engine
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
        ("select 'a", "line 1, column 7: what begins here is not closed with '"),
        ("select a from t where", "line 1, column 21 near 'where': the 'where' is not complete"),
        ("select case when a then from t", "near 'from': the 'when' is not complete"),
        ("select (a from t", "near 'from': expected"),
        ("select a b c from t", "near 'c': this cannot be here; is a comma or an operator"),
        ("select /* a", "not closed"),
        ("", "expected one query, got 0 statements"),
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
    assert answer(render(exp.select(literal(value)), DUCKDB, {})) == found


@settings(deadline=None)
@given(st.text())
def test_any_text_is_one_literal(text: str) -> None:
    assert answer(render(exp.select(literal(text)), DUCKDB, {})) == text


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


# --- what models may use --------------------------------------------------------------------------

TABLES = {
    "marts.t": {
        "a": "varchar",
        "b": "bigint",
        "c": "double",
        "d": "date",
        "e": "timestamp(3)",
        "f": "decimal(18,2)",
        "g": "boolean",
    },
    "marts.u": {"a": "varchar", "z": "bigint"},
}
PARAMETERS = {"as_of": "date", "zone": "varchar", "many": "varchar"}


def refusal(sql: str) -> str:
    with pytest.raises(DialectError) as caught:
        check(parse(sql), source="x.sql", tables=TABLES, parameters=PARAMETERS)
    assert str(caught.value).startswith("x.sql: not portable")
    return str(caught.value)


# What the engines answer differently is in dialect_cases.py; these are forms of what is there, and
# what is refused though they agree, since it is on no list or leaves something to chance.
REFUSED = {
    # By the types of columns.
    "select b / f from marts.t": "cast(… as double)",
    "select b / 2 from marts.t": "cast(… as double)",
    "select c / b from marts.t": "nullif(…, 0)",
    "select cast(c as bigint) from marts.t": "cast(round(x) as bigint)",
    "select cast(c * 2 as bigint) from marts.t": "cast(round(x) as bigint)",
    "select cast(coalesce(c, b) as decimal(18, 2)) from marts.t": "double_text(x)",
    "select cast(c as varchar) from marts.t": "double_text(x)",
    "select cast(e as varchar) from marts.t": "timestamp_text(t)",
    "select try_cast(a as bigint) from marts.t": "parse_bigint(x)",
    "select try_cast(coalesce(a, '') as double) from marts.t": "parse_double(x)",
    "select cast(a as date) from marts.t": "parse_date(x)",
    "select cast(a || 'Z' as timestamp(3)) from marts.t": "parse_timestamp(x)",
    "select sum(c) from marts.t": "sum decimals",
    "select sum(case when g then c end) from marts.t": "sum decimals",
    "select sum(c) over (partition by a) from marts.t": "sum decimals",
    "select round(f, 1) from marts.t": "rounds",
    "select date_diff('day', e, :as_of) from marts.t": "e is timestamp: cast(… as date)",
    "select date_diff('millisecond', d, e) from marts.t": "d is date: cast(… as timestamp(3))",
    "select date_add('day', 1, d) from marts.t": "cast(… as date)",
    "select date_trunc('week', least(d, :as_of)) from marts.t": "cast(… as date)",
    "select date_add('hour', 1, d) from marts.t": "does not go with date",
    "select e - e from marts.t": "date_diff('day' or 'millisecond', a, b)",
    "select hour(d) from marts.t": "a date has none",
    "select a = b from marts.t": "do not go together",
    "select a in (1, 2) from marts.t": "do not go together",
    "select d between '2026-01-01' and :as_of from marts.t": "do not go together",
    "select case when g then a else b end from marts.t": "do not go together",
    "select coalesce(a, b) from marts.t": "do not go together",
    "select greatest(d, a) from marts.t": "do not go together",
    "select a from marts.t union all select b from marts.t": "cast one of them",
    "select a || b from marts.t": "b is integer: cast it",
    "select a + 1 from marts.t": "takes numbers",
    "select -a from marts.t": "takes decimal or double or integer",
    "select lower(b) from marts.t": "lower() takes varchar, and b is integer",
    "select regexp_like(b, '1') from marts.t": "regexp_like() takes varchar",
    "select url_host(b) from marts.t": "url_host() takes varchar",
    "select local_time(d, :zone) from marts.t": "local_time() takes timestamp",
    "select a from marts.t where b": "not a condition",
    "select count_if(b) from marts.t": "count_if() takes boolean",
    "select cast(json_of(a) as varchar) from marts.t": "json_text(x, '$.key')",
    "select json_of(a) = json_of(a) from marts.t": "json_text(…)",
    "select json_text(a, '$.x') from marts.t": "json_text() takes json",
    "select json_text(json_of(a), '$.x[0]') from marts.t": "plain keys",
    "select json_text(json_of(a), a) from marts.t": "plain keys",
    "select array_join(array_agg(b order by b), ',') from marts.t": "array_join() takes",
    # Through subqueries, joins and arrays.
    "with x as (select c as y from marts.t) select cast(y as bigint) from x": "round(x)",
    "with x (y) as (select c from marts.t) select cast(y as bigint) from x": "round(x)",
    "select cast(x.c as bigint) from (select * from marts.t) as x": "round(x)",
    "select cast(x.c as bigint) from (select q.* from marts.t as q) as x": "round(x)",
    "select cast(y as bigint) from (select max_by(c, b) as y from marts.t) as x": "round(x)",
    "select cast(y as bigint) from (select lag(c) over (order by b) as y from marts.t) as x": (
        "round(x)"
    ),
    "select cast(t.c as bigint) from marts.u join marts.t on u.z = t.b": "round(x)",
    "select cast((select max(c) from marts.t) as bigint)": "round(x)",
    "select cast(y as bigint) from (values (1), (1.5e0)) as v (y)": "round(x)",
    "select cast(i as bigint) from marts.t cross join unnest(array[c, b]) as u (i)": "round(x)",
    "select transform(array[c], i -> cast(i as bigint)) from marts.t": "round(x)",
    "select cast(y as bigint) from (select b as y from marts.t union all select c from marts.t) "
    "as x": "round(x)",
    "select z from marts.u where exists (select 1 from marts.t where cast(c as bigint) = u.z)": (
        "round(x)"
    ),
    # What there is no word of.
    "select cast(q as bigint) from marts.unheard_of": "no known type",
    "select sum(q) from marts.unheard_of": "no known type",
    "select date_diff('millisecond', q, q) from marts.unheard_of": "is unknown",
    "select q from marts.t": "no such column",
    "select x.a from marts.t as y": "nothing is called",
    "select a as x from marts.t where x = 'a'": "no such column",
    "select a as x from marts.t group by x": "no such column",
    # Nothing is left to chance.
    "select a from marts.t limit 5": "order by the key",
    "select a from marts.t offset 5": "order by the key",
    "select a from (select a from marts.t limit 3) as u order by a": "order by the key",
    "select rank() over (partition by a) from marts.t": "in no order of their own",
    "select lag(a) over () from marts.t": "in no order of their own",
    "select array_agg(a) from marts.t": "array_agg(x order by …)",
    "select * from marts.t tablesample bernoulli (10)": "a rerun would differ",
    "select localtimestamp": ":as_of_end",
    "select uuid()": "sha256_hex(key)",
    "select any_value(a) from marts.t": "not defined",
    # What sqlglot or one engine knows, and the lists do not.
    "select a from marts.t fetch first 3 rows only": "limit n",
    "select distinct on (a) b from marts.t": "row_number()",
    "select a from marts.t join marts.u using (a)": "write on a.x = b.x",
    "select t.a from marts.t natural join marts.u": "natural",
    "select t.a from marts.t join marts.u on true join marts.t as v": "join without on",
    "select t.a from marts.t, marts.u": "join without on",
    "select t.a from marts.t left join lateral (select 1) as l on true": "join or a window",
    "with recursive r (n) as (select 1 union all select n + 1 from r) select n from r": (
        "with recursive"
    ),
    "select a, count(*) from marts.t group by rollup (a)": "rollup",
    "select a, count(*) from marts.t group by grouping sets ((a), ())": "groupingsets",
    "select a from marts.t intersect all select a from marts.u": "intersect all",
    "select a from marts.t except all select a from marts.u": "except all",
    "select count(distinct a, b) from marts.t": "several columns",
    "select count(*) from marts.t where (a, b) in (('a', 1))": "(…, …) as a value",
    "select b = any (select z from marts.u) from marts.t": "in (…)",
    "select a from marts.t where g is true": "coalesce(x, false)",
    "select a similar to 'b' from marts.t": "similarto",
    "select a[1] from (select split(a, ',') as a from marts.t) as x": "element_at",
    "select row(a, b) from marts.t": "write columns",
    "select try(b) from marts.t": "try_cast",
    "select cast(a as char(3)) from marts.t": "not on the list of types",
    "select cast(b as smallint) from marts.t": "not on the list of types",
    "select cast(c as real) from marts.t": "use double",
    "select cast(d as timestamp) from marts.t": "timestamp(3)",
    "select cast(d as timestamp(6)) from marts.t": "timestamp(3)",
    "select cast(e as timestamp with time zone) from marts.t": "timestamp(3)",
    "select max(b) over (order by b range between 1 preceding and current row) from marts.t": (
        "range with a distance"
    ),
    "select max(b) over (order by b groups between 1 preceding and current row) from marts.t": (
        "groups"
    ),
    "select max(b) over w from marts.t window w as (order by a)": "named window",
    "select lag(a) ignore nulls over (order by b) from marts.t": "filter the rows first",
    "select max_by(a, b, 2) from marts.t": "not used with 'count'",
    "select array_join(split(a, ','), ',', '?') from marts.t": "not used with 'null'",
    "select split(a, ',', 2) from marts.t": "not used with 'limit'",
    "select sequence(1, b) from marts.t": "sequence(0, 99)",
    "select sequence(date '2026-01-01', date '2026-01-02', interval '1' day)": "sequence(0, 99)",
    "select element_at(split(a, ','), b) from marts.t": "a number from 1",
    "select substr(a, b) from marts.t": "a number from 1",
    "select regexp_like(a, lower(a)) from marts.t": "a text of its own",
    "select regexp_replace(a, 'x', a) from marts.t": "a text of its own",
    "select regexp_replace(a, 'x', x -> 'y') from marts.t": "a text of its own",
    "select local_time(e) from marts.t": "takes 2 of them",
    "select json_kind(a) from marts.t": "not on the list",
    "select json_verdict(a) from marts.t": "not on the list",
    "select some_function(a) from marts.t": "some_function(): not on the list",
}


@pytest.mark.parametrize(("sql", "said"), REFUSED.items())
def test_what_is_on_no_list_or_leaves_something_to_chance_is_refused(sql: str, said: str) -> None:
    assert said in refusal(sql)


def test_every_problem_is_named_at_once() -> None:
    said = refusal("select avg(b), b / f from (select t.*, now() from marts.t) as x limit 1")
    assert said.count("\n  - ") == 5


def test_without_types_only_the_form_is_looked_at() -> None:
    for sql in ("select cast(a as bigint) from t", "select sum(a) from t", "select a = 'x' from t"):
        check(parse(sql))
    for sql in ("select 7 / 2", "select a / nullif(b, 0) from t", "select avg(a) from t"):
        with pytest.raises(DialectError):
            check(parse(sql))


ACCEPTED = [
    "select a from marts.t order by a limit 5",
    "select cast(sum(b) as double) / nullif(count(b), 0) from marts.t",
    "select cast(b as double) * 2 / 7 from marts.t",
    "select c / nullif(b, 0) from marts.t",
    "select round(cast(b as double) / nullif(b, 0), 4) from marts.t",
    "select sum(f), sum(b), sum(cast(double_text(c) as decimal(18, 6))) from marts.t",
    "select array_join(array_agg(a order by a), ',') from marts.t",
    "select max_by(a, b), min_by(c, d) filter (where a is not null) from marts.t",
    "select nullif(regexp_extract(a, '(x)\\.y', 1), '') from marts.t",
    "select regexp_like(a, '\\\\1') from marts.t",  # a backslash and a one
    "select cast(date_trunc('week', d) as date), date_trunc('hour', e) from marts.t",
    "select date_diff('day', cast(e as date), d), date_diff('day', d, :as_of) from marts.t",
    "select date_diff('millisecond', e, cast(d as timestamp(3))) from marts.t",
    "select element_at(split(a, ','), 1), substr(a, 1, 2) from marts.t",
    "select d < e, d = :as_of, b < c, f = b, a in (:many) from marts.t",
    "select lag(a) over (partition by b order by c, a) from marts.t",
    "select url_host(a), parse_timestamp(a), local_time(e, :zone) from marts.t",
    "select json_text(i, '$.x') from marts.t cross join unnest(json_items(a)) as u (i)",
    (
        "select x.n, coalesce(y.z, 0) as z "
        "from (select a, count(*) as n from marts.t group by a) as x "
        "left join marts.u as y on x.a = y.a where x.n > 1 order by x.n desc, z"
    ),
    "select t.a from marts.t where not exists (select 1 from marts.u where u.a = t.a)",
    "select a as a, lower(a) as b from marts.t order by a, b",
    "select null as x union all select b from marts.t",
    "select unheard.q, unheard.q = 'x' from marts.unheard",
]


@pytest.mark.parametrize("sql", ACCEPTED)
def test_the_portable_ways_are_accepted(sql: str) -> None:
    check(parse(sql), tables=TABLES, parameters=PARAMETERS)


def test_columns_of_a_query() -> None:
    sql = 'select *, b + c as x, max(d) over () as "Y", null as z from marts.t'
    assert columns(parse(sql), TABLES) == {
        "a": "varchar", "b": "integer", "c": "double", "d": "date", "e": "timestamp",
        "f": "decimal", "g": "boolean", "x": "double", "y": "date", "z": "null",
    }  # fmt: skip


# --- rendering ------------------------------------------------------------------------------------


def test_databases_are_those_of_the_settings() -> None:
    query = parse("select * from marts.orders as o join work.x as x on true, unrelated.y")
    assert render(query, DUCKDB, DATABASES) == (
        'SELECT * FROM "shop_marts".orders AS o JOIN work.x AS x ON TRUE, unrelated.y'
    )
    assert query.sql("athena").count("marts.orders") == 1


def test_names_from_data_are_quoted() -> None:
    name = 'a"b; drop table x'
    query = exp.select("*").from_(Table("marts", name).node())
    assert render(query, DUCKDB, DATABASES) == ('SELECT * FROM "shop_marts"."a""b; drop table x"')


def test_the_projects_functions_nest() -> None:
    query = parse(
        "select local_time(parse_timestamp(url_parameter(url_parameter(a, 'x'), 'y')), 'UTC')"
    )
    for engine in ENGINES:
        text = render(query, find_engine(engine).rendering, {})
        assert "__arg_" not in text
        if engine in ("postgres", "redshift"):
            continue  # have them as functions of their own, of the same names
        assert all(name.upper() not in text.upper() for name in ("url_parameter(", "local_time("))


def test_every_function_of_the_project_has_a_definition_for_every_engine() -> None:
    for engine, section in Engines.engines().items():
        rendering = find_engine(engine).rendering
        # What models do not call is for flattening, where an engine reads a landing.
        needed = FUNCTIONS if section.landing_in else allowed.OWN
        assert needed.keys() <= rendering.functions.keys() <= FUNCTIONS.keys(), engine
        for name in rendering.functions:
            query = parse(f"select {name}(a, b) from t")
            assert render(query, rendering, {}), name


# --- in a session ---------------------------------------------------------------------------------


def test_the_projects_functions_are_there_in_every_session(warehouse: Warehouse) -> None:
    sql = "select json_text(json_of('{\"a\":1e2,}'), '$.a') as a, json_items('[1]') is null as b"
    for write in (True, False):
        with warehouse.session(write=write) as session:
            assert rows(session.query(sql)) == [(None, False)]
