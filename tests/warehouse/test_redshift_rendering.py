"""Athena's dialect as Redshift reads it, and the allow-list that refuses what slips through.

Nothing here runs on Redshift: the first half says what is written for each construct, the second
that the silent traps are named.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlglot import exp

from engagement.models.inputs import contracts, expand
from engagement.models.runner import models
from engagement.settings import Settings, load_settings
from engagement.sql.dialect import Table, bind, parse
from engagement.warehouse.redshift.allowed import problems
from engagement.warehouse.redshift.functions import statements
from engagement.warehouse.redshift.regex import only_group
from engagement.warehouse.redshift.rendering import NotOnRedshiftError, redshift_sql


def rendered(sql: str) -> str:
    return redshift_sql(parse(sql), {"marts": "m"}).lower()


ROWS = [
    # filter, count_if
    ("select sum(x) filter (where y) from marts.t", "sum(case when y then x end)"),
    ("select count(*) filter (where y) from marts.t", "count(case when y then 1 end)"),
    (
        "select count(distinct x) filter (where y) from marts.t",
        "count(distinct case when y then x end)",
    ),
    ("select count_if(y) from marts.t", "count(case when y then 1 end)"),
    # casts
    ("select cast(x as varchar) from marts.t", "cast(x as varchar(65535))"),
    (
        "select cast(x as timestamp(3)) from marts.t",
        "date_trunc('milliseconds', cast(x as timestamp))",
    ),
    ("select timestamp '2026-01-05 10:00:00.5'", "cast('2026-01-05 10:00:00.5' as timestamp)"),
    ("select try_cast(x as bigint) from marts.t", "try_cast(x as bigint)"),
    ("select 1e0 as x", "cast(1e0 as double precision)"),
    # patterns
    ("select regexp_like(x, '^a\\z') from marts.t", "regexp_instr(x, '^a\\\\z', 1, 1, 0, 'p') > 0"),
    (
        "select regexp_extract(x, '(a)b', 1) from marts.t",
        "nullif(regexp_substr(x, '(a)b', 1, 1, 'ep'), '')",
    ),
    (
        "select regexp_extract(x, 'ab') from marts.t",
        "nullif(regexp_substr(x, 'ab', 1, 1, 'p'), '')",
    ),
    (
        "select regexp_extract(x, '(a)(b)', 2) from marts.t",
        "nullif(regexp_substr(x, '(?:a)(b)', 1, 1, 'ep'), '')",
    ),
    (
        "select regexp_replace(x, '(a)', '$1b') from marts.t",
        "regexp_replace(x, '(a)', '$1b', 1, 'p')",
    ),
    # NULLs
    (
        "select greatest(a, b) from marts.t",
        "case when not ((a) is null or (b) is null) then greatest(a, b) end",
    ),
    ("select a is not distinct from b from marts.t", "coalesce(((a) = (b)), false)"),
    # times
    ("select date_diff('day', a, b) from marts.t", "datediff('day', a, b)"),
    ("select cast(date_add('month', 2, a) as date) from marts.t", "dateadd('month', 2, a)"),
    # Whole numbers: date_part() is a double there, len() and strpos() integers.
    *(
        (f"select {name}(a) from marts.t", f"select cast(date_part('{part}', a) as bigint)")
        for name, part in (
            ("year", "year"),
            ("month", "month"),
            ("day", "day"),
            ("hour", "hour"),
            ("minute", "minute"),
            ("second", "second"),
            ("quarter", "quarter"),
            ("week", "week"),
            ("day_of_year", "doy"),
        )
    ),
    (
        "select day_of_week(a) from marts.t",
        (
            "select cast(case when (date_part('dow', a)) = 0 then 7 "
            "else (date_part('dow', a)) end as bigint)"
        ),
    ),
    ("select length(a) from marts.t", "select cast(len(a) as bigint)"),
    ("select strpos(a, 'b') from marts.t", "select cast(strpos(a, 'b') as bigint)"),
    # unnest and sequence
    (
        (
            "select t.item, t.n from marts.t as o "
            "cross join unnest(json_items(o.x)) with ordinality as t (item, n)"
        ),
        "unnest(f_json_items((o.x))) with offset as t(item, n)",
    ),
    (
        (
            "select t.n from marts.t as o "
            "cross join unnest(json_items(o.x)) with ordinality as t (item, n)"
        ),
        "(t.n + 1) as n",
    ),
    (
        (
            "select k.v, k.n from marts.t as o "
            "cross join unnest(array[o.a, o.b]) with ordinality as k (v, n)"
        ),
        "case k.n when 1 then o.a when 2 then o.b end as v",
    ),
    ("select h.n from unnest(sequence(0, 23)) as h (n)", "where 0 + 1 * d0.n + 10 * d1.n <= 23"),
    # arrays
    (
        "select array_join(array_agg(x order by y), '|') from marts.t",
        "listagg(x, '|') within group (order by y",
    ),
    ("select element_at(split(x, ','), 2) from marts.t", "(split_to_array(x, ','))[1]"),
    (
        "select cardinality(split(x, ',')) from marts.t",
        "cast(get_array_length(split_to_array(x, ',')) as bigint)",
    ),
    # windows
    (
        "select first_value(x) over (partition by a order by b) from marts.t",
        "order by b rows between unbounded preceding and current row)",
    ),
    # own functions
    ("select sha256_hex(x) from marts.t", "sha2((x), 256)"),
    ("select local_time(x, 'Europe/Berlin') from marts.t", "convert_timezone('utc', ("),
    ("select url_parameter(x, 'a') from marts.t", "f_url_parameter((x), ('a'))"),
    # names of subqueries
    ("select a from (select 1 as a)", ") as unnamed_"),
]


@pytest.mark.parametrize(("sql", "wanted"), ROWS, ids=[sql for sql, _ in ROWS])
def test_each_construct_is_written_as_redshift_needs_it(sql: str, wanted: str) -> None:
    assert wanted in rendered(sql)


def test_max_by_numbers_the_rows() -> None:
    found = rendered(
        "select o.a, max_by(o.x, o.t) filter (where o.ok) as latest, count(*) as n "
        "from marts.t as o where o.x <> 'no' group by 1 having count(*) > 1 order by latest"
    )
    numbered = (
        "row_number() over (partition by o.a order by case when not (o.t) is null and (o.ok) "
        "then 0 else 1 end asc, o.t desc nulls last) as n__0"
    )
    assert found == (
        'select v__1 as "a", max(case when n__0 = 1 and (not (v__4) is null and (v__3)) then v__2 '
        f"end) as latest, count(*) as n from (select {numbered}, o.a as v__1, o.x as v__2, "
        "o.ok as v__3, o.t as v__4 from \"m\".t as o where o.x <> 'no') as numbered group by v__1 "
        "having count(*) > 1 order by latest"
    )


REFUSED = [
    ("select sum(x) over (partition by a order by b) from marts.t", "leaves no ties"),
    ("select last_value(x) over (order by b) from marts.t", "last_value"),
    (
        (
            "select max(x) over (order by b range between unbounded preceding and current row) "
            "from marts.t"
        ),
        "rows alone",
    ),
    ("select sequence(1, 3)", "sequence"),
    ("select h.n from marts.t as t cross join unnest(sequence(0, t.a)) as h (n)", "as numbers"),
    ("select filter(split(x, ','), i -> i <> 'a') from marts.t", "filter()"),
    ("select element_at(split(x, ','), -1) from marts.t", "from the end"),
    ("select regexp_extract(x, p, 2) from marts.t", "later group"),
    ("select x like 'a\\' from marts.t", "backslash"),
    ("select json_text(json_of(x), '$.a.b') from marts.t", "a key within another"),
]


@pytest.mark.parametrize(("sql", "said"), REFUSED, ids=[sql for sql, _ in REFUSED])
def test_what_has_no_form_is_refused(sql: str, said: str) -> None:
    with pytest.raises(NotOnRedshiftError, match=re.escape(said)):
        redshift_sql(parse(sql), {"marts": "m"})


FINE = "select max(a) as a, count(case when b then 1 end) as n from m.t group by c"
TRAPS = [
    ("select arg_max(a, b) from m.t", "arg_max()"),
    ("select max_by(a, b) from m.t", "number the rows"),
    ("select count_if(a) from m.t", "count_if()"),
    ("select a from m.t where b ~ 'c'", "~ reads patterns as POSIX does"),
    ("select regexp_substr(a, 'b', 1) from m.t", "regexp_substr() of fewer arguments"),
    ("select regexp_substr(a, '(b)', 1, 1, 'e') from m.t", "regexp_substr() of fewer arguments"),
    ("select regexp_replace(a, 'b', 'c', 'g') from m.t", "regexp_replace() of fewer arguments"),
    ("select regexp_instr(a, 'b') from m.t", "regexp_instr() of fewer arguments"),
    ("select greatest(a, b) from m.t", "greatest() passes NULLs over"),
    ("select case when a > 0 then least(a, b) end from m.t", "least() passes NULLs over"),
    ("select element_at(a, 1) from m.t", "element_at()"),
    ("select array_join(a, ',') from m.t", "array_join()"),
    ("select regexp_extract_all(a, 'b') from m.t", "regexp_extract_all()"),
    ("select json_text(a, '$.b') from m.t", "json_text()"),
    ("select url_parameter(a, 'b') from m.t", "url_parameter()"),
    ("select sha256_hex(a) from m.t", "sha256_hex()"),
    ("select local_time(a, 'UTC') from m.t", "local_time()"),
    ("select parse_double(a) from m.t", "parse_double()"),
    ("select a = 'b\\z' from m.t", "a single backslash"),
    ("select sum(a) filter (where b) from m.t", "filter (where"),
    ("select cast(a as varchar) from m.t", "bare varchar"),
    ("select a::varchar from m.t", "bare varchar"),
    ("select cast(a as text) from m.t", "bare text"),
    ("select cast(a as timestamp(3)) from m.t", "timestamp(n)"),
    ("select n from generate_series(0, 23) as s(n)", "generate_series()"),
    ("select sum(a) over (order by b) from m.t", "without a frame"),
    ("select first_value(a) over (order by b) from m.t", "without a frame"),
    (
        (
            "select sum(a) over (order by b range between unbounded preceding and current row) "
            "from m.t"
        ),
        "frame of range",
    ),
    ("select array_agg(a) from m.t", "array_agg()"),
    ("select array_to_string(a, ',') from m.t", "array_to_string()"),
    ("select array['a', 'b']", "array[…]"),
    ("select * from unnest(a) with ordinality as t(x, n)", "with ordinality"),
    ("select regexp_matches(a, 'b') from m.t", "regexp_matches()"),
    ("select a is distinct from b from m.t", "is distinct from"),
    ("select a ilike 'b' from m.t", "ilike"),
    ("select date_add('day', 1, a) from m.t", "date_add()"),
    ("select dateadd(day, 1, a) from m.t", "unit"),
    ("select now()", "now()"),
    ("select url_decode(a) from m.t", "url_decode()"),
    ("select * from (values (1), (2)) as v(a)", "values"),
    ("select a from", "cannot be read"),
]


@pytest.mark.parametrize(("sql", "said"), TRAPS, ids=[sql for sql, _ in TRAPS])
def test_the_allow_list_names_each_trap(sql: str, said: str) -> None:
    assert problems(FINE) == []
    assert said in "; ".join(problems(sql))


class _Columns:
    """Stands for a session in which every table of events has all that any source promises."""

    def columns(self, table: Table) -> dict[str, str]:
        del table
        every: dict[str, str] = {}
        for name in contracts().sources:
            every |= contracts().columns(name)
        return every


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings("params/local.yaml")


@pytest.mark.parametrize("name", sorted(models()))
def test_every_model_is_written_from_the_list_alone(name: str, settings: Settings) -> None:
    """With its sources and seeds in place, its loop, and its checks."""
    model = models()[name]
    for query in [*model.queries, *model.checks.values()]:
        whole = expand(query, _Columns(), settings)  # type: ignore[arg-type]
        values: dict[str, Any] = dict.fromkeys(_parameters(whole), "x")
        redshift_sql(bind(whole, values), {"marts": "m", "events": "e", "work": "w"})


def _parameters(tree: exp.Expr) -> set[str]:
    return {str(node.this) for node in tree.find_all(exp.Placeholder)}


def test_only_one_group_is_left() -> None:
    assert only_group(r"\((a)[(]((b)|c)", 2) == r"\((?:a)[(]((?:b)|c)"


def test_own_functions_are_of_the_list_and_no_python() -> None:
    made = statements('"storage"')
    assert len(made) == 11
    for statement in made:
        assert statement.endswith("$$ language sql")
        body = re.sub(r"\$(\d)", r"a\1", statement.split("$$")[1])
        assert problems(body) == [], statement[:80]
