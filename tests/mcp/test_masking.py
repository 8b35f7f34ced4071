"""What a query sees of masked columns, whatever it does with them; worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engagement.mcp.answers import Answers
from engagement.mcp.masking import _COUNTED, MASKED, Mask, limited
from engagement.mcp.worker import _answered
from engagement.models.definition import models
from engagement.privacy import TOO_FEW
from engagement.settings import Settings, load_settings
from engagement.settings.mcp import Mcp
from engagement.sql.dialect import DialectError, check, columns, parse
from engagement.warehouse import Table, open_warehouse

KEY = "0123456789abcdef"
SECRETS = (
    *("jane", "Jane", "JANE", "enaj", "ENAJ", "Doe", "u-1", "1985", "Secret Lane"),
    *("4915112345678", "6A616E65"),
)

PROFILES = (
    "select 'u-1' as person_id, 'u-1' as user_id, 'jane@shop.example' as email, 'Jane' as name, "
    "cast(1985 as bigint) as age, 'DE' as country, array['Doe'] as aliases, cast(3 as bigint) as "
    "events union all select 'u-2', 'u-2', null, null, null, 'FR', null, cast(4 as bigint)"
)


@pytest.fixture
def make_answers(make_settings: Callable[..., Settings]) -> Callable[..., Answers]:
    def make(**overrides: Any) -> Answers:
        settings = make_settings(**overrides)
        warehouse = open_warehouse(settings)
        with warehouse.session(write=True) as session:
            session.publish(Table("marts", "profiles"), PROFILES)
            session.publish(
                Table("marts", "sessions"),
                "select 'u-1' as person_id, 's-1' as session_id, cast(2 as bigint) as page_views",
            )
            session.publish(
                Table("marts", "search_terms"),
                "select 'jane doe' as term, cast(9 as bigint) as searchers "
                "union all select 'shoes', cast(10 as bigint)",
            )
            session.publish(
                Table("events", "order_completed"),
                "select 'm-1' as id, 'u-1' as user_id, 'Secret Lane' as address_line, "
                "cast(4915112345678 as bigint) as mobile, 'order_completed' as event, "
                "timestamp '1985-01-01 00:00:00' as born_on",
            )
        return Answers(settings, KEY)

    return make


ESCAPES = [
    "select * from marts.profiles",
    "select p.* from marts.profiles as p",
    "select email as country from marts.profiles",
    "select upper(email), reverse(name), substr(user_id, 1, 3) from marts.profiles",
    "select reverse(reverse(email)) as x from marts.profiles",
    "select x from (select email as x from marts.profiles) as t",
    "with t as (select email as x from marts.profiles) select x, length(x) from t",
    "with profiles as (select * from marts.profiles) select email from profiles",
    "select e from marts.profiles as p (a, b, e, d, f, g, h, i)",
    "select max(email) as m, array_agg(name) as n, max_by(email, events) from marts.profiles",
    "select array_join(array_agg(email), ',') as x from marts.profiles",
    "select country || coalesce(email, '') as x from marts.profiles",
    "select (select max(name) from marts.profiles) as x",
    "select cast(age as varchar) as x, age + 0, sum(age) over () as s from marts.profiles",
    "select aliases[1] as x, cardinality(aliases) from marts.profiles",
    "select a from marts.profiles cross join unnest(aliases) as t (a)",
    "select country from marts.profiles union all select email from marts.profiles",
    "select profiles from marts.profiles",
    "select array[p.email] as x from marts.profiles as p",
    "select map(array['a'], array[email]) as x from marts.profiles",
    "select cast(email as double) from marts.profiles",
    "select cast(email as date) from marts.profiles",
    "select json_parse(email) from marts.profiles",
    "select to_utf8(email), to_hex(to_utf8(email)) as x from marts.profiles",
    "select split(email, '@') as x from marts.profiles",
    "select transform(array[email], x -> reverse(x)) as x from marts.profiles",
    "select lag(email) over (order by events) as x from marts.profiles",
    "select case when email like 'jane%' then email else name end as x from marts.profiles",
    'select "email", "EMAIL" as y from marts.profiles',
    "select marts.profiles.email from marts.profiles",
    'select "marts"."profiles"."email" from "marts"."profiles"',
    "select email from marts.profiles tablesample bernoulli (100)",
    "select o.address_line, mobile, born_on, id, user_id from events.order_completed as o",
    "select year(born_on) as x from events.order_completed",
    "select p.email from marts.sessions as s join marts.profiles as p on s.person_id = p.person_id",
    "select (select email from marts.profiles where user_id = s.person_id) x from marts.sessions s",
    "select t.email from marts.sessions as s, lateral (select * from marts.profiles) as t",
    "select p.email from (marts.sessions as s cross join marts.profiles as p)",
    "select term from marts.search_terms",
]


QUIET = {
    "select cast(email as double) from marts.profiles",
    "select cast(email as date) from marts.profiles",
    "select json_parse(email) from marts.profiles",
}
"""Of these, what ends in an error, in which addresses are masked, even without the mask."""


def _said(answers: Answers, sql: str) -> str:
    text, problem = _answered(answers, "run_query", {"sql": sql}, KEY)
    assert "RuntimeError" not in (problem or "")
    return f"{text}{problem}"


def test_masked_columns_stay_masked(make_answers: Callable[..., Answers]) -> None:
    answers = make_answers()
    said = {sql: _said(answers, sql) for sql in ESCAPES}
    assert [
        (sql, one) for sql, text in said.items() for one in (*SECRETS, KEY) if one in text
    ] == []


def test_without_the_mask_the_same_queries_tell(make_answers: Callable[..., Answers]) -> None:
    answers = make_answers(mcp__show_personal=True)
    said = {sql: _said(answers, sql) for sql in ESCAPES}
    quiet = {sql: text for sql, text in said.items() if not any(one in text for one in SECRETS)}
    assert quiet.keys() == QUIET


@pytest.mark.parametrize(
    "condition",
    [
        "email = 'jane@shop.example'",
        "email like 'j%'",
        "age > 0",
        "user_id = 'u-1'",
        "length(name) = 4",
        "substr(person_id, 1, 1) = 'u'",
        "email in ('jane@shop.example')",
        "aliases = array['Doe']",
    ],
)
def test_nothing_is_learnt_by_asking_which_rows_fulfil_a_condition(
    make_answers: Callable[..., Answers], condition: str
) -> None:
    found = make_answers().run_query(f"select country from marts.profiles where {condition}")
    assert found["rows"] == []


def test_what_is_about_nobody_is_shown_and_counts_are_right(
    make_answers: Callable[..., Answers],
) -> None:
    answers = make_answers()
    found = answers.run_query(
        "select country, events, email, name, age from marts.profiles order by country"
    )
    assert found["rows"] == [["DE", 3, MASKED, MASKED, None], ["FR", 4, None, None, None]]
    masked = {"marts.profiles": ["person_id", "user_id", "email", "name", "age", "aliases"]}
    assert found["masked_columns"] == masked
    counts = "select count(email) as e, count(distinct person_id) as p from marts.profiles"
    assert answers.run_query(counts)["rows"] == [[1, 2]]
    joined = answers.run_query(
        "select p.country, s.person_id from marts.sessions as s "
        "inner join marts.profiles as p on s.person_id = p.person_id"
    )
    [[country, pseudonym]] = joined["rows"]
    assert country == "DE"
    assert pseudonym.startswith("id-")
    terms = answers.run_query("select term from marts.search_terms order by searchers")
    assert terms["rows"] == [[TOO_FEW], ["shoes"]]


def test_pseudonyms_differ_by_key(make_answers: Callable[..., Answers]) -> None:
    sql = "select person_id from marts.sessions"
    first = make_answers()
    other = Answers(first._settings, "another key")
    assert first.run_query(sql)["rows"] == first.run_query(sql)["rows"]
    assert first.run_query(sql)["rows"] != other.run_query(sql)["rows"]


def test_the_parameters_may_allow_one_column_or_all(make_answers: Callable[..., Answers]) -> None:
    sql = "select email, name, person_id from marts.profiles where events = 3"
    one = make_answers(mcp__show_columns=["marts.profiles.name"]).run_query(sql)
    assert one["rows"][0][:2] == [MASKED, "Jane"]
    everything = make_answers(mcp__show_personal=True).run_query(sql)
    assert everything["rows"] == [["jane@shop.example", "Jane", "u-1"]]
    assert everything["masked_columns"] == {}


def test_what_looks_like_an_address_is_masked_where_it_is_shown(
    make_answers: Callable[..., Answers],
) -> None:
    answers = make_answers()
    with open_warehouse(answers._settings).session(write=True) as session:
        session.publish(Table("marts", "daily"), "select 'to jane@shop.example' as campaign")
    assert answers.run_query("select campaign from marts.daily")["rows"] == [["to … (e-mail)"]]


def test_sources_are_refused(make_answers: Callable[..., Answers]) -> None:
    with pytest.raises(DialectError, match=r"sources\.events holds what people sent"):
        make_answers().run_query("select count(*) as n from sources.events")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1 as x", "SELECT 1 AS x LIMIT 5"),
        ("(select 1 as x)", "(SELECT 1 AS x) LIMIT 5"),
        ("(select 1 as x limit 9) limit 9", "(SELECT 1 AS x LIMIT 9) LIMIT 5"),
        (
            "with t as (select 1 as x) select x from t",
            "WITH t AS (SELECT 1 AS x) SELECT x FROM t LIMIT 5",
        ),
        ("select 1 as x limit 5", "SELECT 1 AS x LIMIT 5"),
        ("select 1 as x limit 2", "SELECT 1 AS x LIMIT 2"),
        ("select 1 as x limit 6", "SELECT 1 AS x LIMIT 5"),
        ("select 1 as x limit all", "SELECT 1 AS x LIMIT 5"),
        ("select 1 as x fetch first 9 rows with ties", "SELECT 1 AS x LIMIT 5"),
        (
            "select 1 as x union all select 2 order by x",
            "SELECT 1 AS x UNION ALL SELECT 2 ORDER BY x LIMIT 5",
        ),
    ],
)
def test_a_query_gives_no_more_rows_than_it_may(sql: str, expected: str) -> None:
    assert limited(parse(sql), 5).sql("athena") == expected


def test_rows_and_texts_are_cut(make_answers: Callable[..., Answers]) -> None:
    answers = make_answers(mcp__most_rows=2, mcp__most_characters=20)
    found = answers.run_query(
        "select n, rpad('a', 100, 'a') as a from unnest(sequence(1, 9)) as t (n) order by n"
    )
    assert found["rows"] == [[1, "a" * 20 + "…"], [2, "a" * 20 + "…"]]
    assert found["is_cut"]
    assert not answers.run_query("select 1 as x")["is_cut"]


def test_on_athena_one_question_has_a_spending_limit_of_its_own() -> None:
    own = {"warehouse.athena.spending_limit_usd": 50, "mcp.most_usd": 0.02}
    settings = load_settings("params/athena.yaml", own)
    athena = Answers(settings, "k")._settings.warehouse.athena
    assert athena is not None
    assert athena.spending_limit_usd == 0.02
    lower = load_settings("params/athena.yaml", {"warehouse.athena.spending_limit_usd": 0.01})
    athena = Answers(lower, "k")._settings.warehouse.athena
    assert athena is not None
    assert athena.spending_limit_usd == 0.01


def test_a_defect_tells_no_values(make_answers: Callable[..., Answers]) -> None:
    answers = make_answers()

    def broken(sql: str) -> None:
        raise RuntimeError("jane@shop.example")

    answers.run_query = broken  # type: ignore[method-assign,assignment]
    _, problem = _answered(answers, "run_query", {"sql": ""}, "k")
    assert problem == "this could not be answered (RuntimeError)"


@pytest.mark.parametrize("name", sorted(models()))
def test_the_masked_table_of_every_model_is_portable(name: str) -> None:
    """It runs on both engines alike, and its columns keep their names and types."""
    model = models()[name]
    types = {column: document.type for column, document in model.document.columns.items()}
    query = parse(f"select * from marts.{name}")
    mask = Mask(Mcp(), KEY)
    seen = mask.over(query, {model.table: types})
    tables_ = {str(model.table): types}
    check(seen, tables=tables_)
    assert columns(seen, tables_) == columns(query, tables_)


def test_texts_that_nobody_has_decided_on_are_masked() -> None:
    mask, types = Mask(Mcp(), KEY), {"new_text": "varchar", "list": "array(varchar)", "n": "bigint"}
    assert mask.masked_columns(Table("marts", "orders"), types) == ["new_text", "list"]
    assert mask.masked_columns(Table("events", "order_completed"), types) == [*types]
    assert mask.masked_columns(Table("landing", "rudderstack_events"), types) == [*types]


def test_every_column_that_is_counted_by_people_has_the_count() -> None:
    for place, counted in _COUNTED.items():
        table, column = place.split(".")
        assert {column, counted} <= models()[table].document.columns.keys()
