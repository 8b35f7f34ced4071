"""The parts of Redshift's engine, each by itself: values, statements, seeds, types, roles."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from engagement.cli import app
from engagement.settings import load_settings
from engagement.settings.redshift import Redshift
from engagement.sql.dialect import Table, parse
from engagement.warehouse import loaded_views
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.redshift import functions, lease, roles, sources, unload, uploads
from engagement.warehouse.redshift.forms import statement_problems
from engagement.warehouse.redshift.rendering import redshift_sql
from engagement.warehouse.redshift.seeds import spooled
from engagement.warehouse.redshift.typed import with_types
from engagement.warehouse.redshift.types import arrow, athena_type, literal, redshift_type, text
from engagement.warehouse.redshift.unload import Staging
from engagement.warehouse.registry import find_engine

# --- types and values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "precision", "scale", "wanted"),
    [
        ("character varying(65535)", None, None, "varchar"),
        ("varchar", 65535, 0, "varchar"),
        ("int8", 19, 0, "bigint"),
        ("integer", None, None, "integer"),
        ("smallint", None, None, "integer"),
        ("real", None, None, "double"),
        ("float8", 17, 17, "double"),
        ("bool", None, None, "boolean"),
        ("numeric", 38, 0, "decimal(38,0)"),
        ("numeric", 18, 2, "decimal(18,2)"),
        ("numeric", None, None, "decimal"),
        ("numeric(18, 2)", None, None, "decimal(18,2)"),
        ("timestamp without time zone", None, None, "timestamp(3)"),
        ("timestamptz", None, None, "timestamp(3)"),
        ("super", None, None, "json"),
        ("date", None, None, "date"),
    ],
)
def test_athenas_names_of_types(
    kind: str, precision: int | None, scale: int | None, wanted: str
) -> None:
    assert athena_type(kind, precision, scale) == wanted


def test_redshifts_names_of_types_have_no_bare_text() -> None:
    assert redshift_type("varchar") == "varchar(65535)"
    assert redshift_type("timestamp(3)") == "timestamp"
    assert redshift_type("array(varchar)") == "super"
    assert redshift_type("decimal(18,2)") == "decimal(18,2)"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (-5, "-5"),
        (Decimal("-1.50"), "-1.50"),
        (1.5, "cast('1.5' as double precision)"),
        (float("inf"), "cast('inf' as double precision)"),
        (date(2026, 1, 5), "'2026-01-05'"),
        (datetime(2026, 1, 5, 10, 0, 0, 123999), "'2026-01-05 10:00:00.123'"),
        (datetime(2026, 1, 5, 10, tzinfo=UTC), "'2026-01-05 10:00:00.000'"),
        ("it's", "'it''s'"),
        ("a\\", "'a\\\\'"),
        ("\\'; drop table x; --", "'\\\\''; drop table x; --'"),
        ("a\0b", "'ab'"),
    ],
)
def test_values_in_statements(value: Any, written: str) -> None:
    assert literal(value) == written


def test_a_text_that_is_too_long_is_told_not_cut() -> None:
    assert literal("é" * 32_767)
    with pytest.raises(WarehouseError, match="longer than 65,535 bytes"):
        literal("é" * 32_768)


def test_a_bare_decimal_has_the_digits_of_its_values() -> None:
    found = arrow("decimal", [Decimal("1.5"), None, Decimal("2.25")])
    assert found.type == pa.decimal128(38, 2)
    assert found.to_pylist() == [Decimal("1.50"), None, Decimal("2.25")]


# --- statements -----------------------------------------------------------------------------------

STAGING = Staging("s3://bucket/x/", "arn:aws:iam::111122223333:role/redshift")
FINE = [
    'create schema if not exists "engagement_marts"',
    'create table if not exists "s"."lease" (token varchar(64), process bigint, seen timestamp)',
    'create temp table "a b" ("c" varchar(65535), "d" decimal(18, 2), "e" super)',
    'create temp table "a b" as select 1 as x',
    'create table "s"."fresh x" as with a as (select 1 as x) select x from a',
    'create view "s"."v" as select 1 as x with no schema binding',
    'insert into "s"."x" ("a", "b") values (cast(1 as bigint), \'it\'\'s \\\\\'), (2, null)',
    'insert into "s"."x" ("a") /* why */ select 1 as a',
    'delete from "s"."x" where "a" in (select * from "keys 1")',
    "update \"s\".lease set seen = getdate() where token = 'x'",
    'alter table "s"."fresh x" rename to "x"',
    'comment on view "s"."x" is \'{"view": "1"}\'',
    'drop table if exists "a b"',
    'lock "s".lease',
    "set timezone to 'UTC'",
    "set statement_timeout to 3600000",
    'set search_path to "s"',
    "show search_path",
    "begin",
    "select d.description from pg_description as d join pg_class as c on c.oid = d.objoid",
    "select has_schema_privilege('s', 'usage') as allowed",
    "select version() as version",
    "select current_user",
    'vacuum delete only "rudderstack"."tracks" to 100 percent',
    'delete from "r"."t" where row_id in (select value from their_messages) -- a; b',
    unload.unloading("select 'it''s' as x", "s3://bucket/x/", STAGING, "csv", most_megabytes=9),
    unload.copying('"a b"', ["c"], "s3://bucket/x.csv.gz", Staging("s3://b/", "default"), "\\N"),
    lease.guard("s", "token"),
    lease.creating("s"),
]


@pytest.mark.parametrize("sql", FINE)
def test_what_the_engine_says_is_of_known_form(sql: str) -> None:
    assert statement_problems(sql) == []


WRONG = [
    ("truncate table x", "no known form"),
    ('vacuum "x"', "no known form"),
    ('create table "s"."x" ("a" text)', "no known form"),
    ('create table "s"."x" ("a" varchar)', "no known form"),
    ('create temporary table "x" as select 1 as a', "no known form"),
    ('create table "s"."x" as select max_by(a, b) as c from t', "max_by"),
    ('create view "s"."v" as select 1 as x', "no known form"),
    ('insert into "s"."x" values (now())', "no known form"),
    ('insert into "s"."x" values (1); drop table y', "more than one statement"),
    ('delete from "s"."x" where a = 1; drop table y', "more than one statement"),
    ('delete from "s"."x" where now() > a', "now()"),
    ("comment on schema \"s\" is 'x'", "no known form"),
    ("select format_type(a, b) from marts.t", "format_type()"),
    ("select a from pg_class join marts.t on format_type(a, b) = c", "format_type()"),
    (
        unload.unloading("select array_agg(a) from t", "s3://b/", STAGING, "csv", most_megabytes=9),
        "array_agg()",
    ),
    ("unload ('select 1') to 's3://b/' credentials 'x'", "no known form"),
    (f"select '{'x' * 65_536}' as a", "a text of 65,536 bytes is cut"),
]


@pytest.mark.parametrize(("sql", "said"), WRONG, ids=range(len(WRONG)))
def test_what_redshift_does_not_know_is_named(sql: str, said: str) -> None:
    assert said in "; ".join(statement_problems(sql))


def test_the_projects_functions_are_of_known_form() -> None:
    made = functions.statements('"storage"')
    assert [(one[:60], statement_problems(one)) for one in made if statement_problems(one)] == []


# --- rows that are here ---------------------------------------------------------------------------

KINDS = {"word": "varchar", "n": "bigint", "worth": "decimal(18,2)", "day": "date"}


def rows(*items: tuple[Any, ...]) -> pa.Table:
    types = [pa.string(), pa.int64(), pa.decimal128(18, 2), pa.date32()]
    columns = zip(*items, strict=True)
    return pa.table(
        {name: pa.array(c, t) for name, c, t in zip(KINDS, columns, types, strict=True)}
    )


def test_the_first_row_says_each_cells_type() -> None:
    given = rows(("a", 1, Decimal("1.25"), date(2026, 1, 5)), (None, None, None, None))
    (found,) = uploads.inserts('"t"', given, KINDS, 10_000)
    assert found == (
        'insert into "t" ("word", "n", "worth", "day") values '
        "(cast('a' as varchar(65535)), cast(1 as bigint), cast(1.25 as decimal(18,2)), "
        "cast('2026-01-05' as date)), (null, null, null, null)"
    )
    assert statement_problems(found) == []


def test_no_insert_is_longer_than_may_be_sent() -> None:
    given = rows(*((f"é{n}", n, Decimal(n), date(2026, 1, 5)) for n in range(100)))
    found = list(uploads.inserts('"t"', given, KINDS, 1_000))
    assert len(found) > 5
    assert all(len(one.encode()) <= 1_000 for one in found)
    assert sum(one.count("'é") for one in found) == 100
    assert all("cast(" in one.partition("values (")[2][:5] for one in found)


def test_a_file_to_copy_tells_null_from_an_empty_text() -> None:
    given = rows(
        ("", 1, Decimal("1.25"), date(2026, 1, 5)), (None, None, None, None), ('a"b,\n', 2, 0, None)
    )
    content, mark = uploads.csv_file(given, KINDS)
    assert mark == "\\N"
    assert gzip.decompress(content).decode() == (
        ',1,1.25,2026-01-05\n\\N,\\N,\\N,\\N\n"a""b,\n",2,0.00,\\N\n'
    )
    assert (content, mark) == uploads.csv_file(given, KINDS)


def test_what_a_null_is_in_a_file_is_no_text_of_it() -> None:
    given = rows(*((word, 1, Decimal(1), date(2026, 1, 5)) for word in ("\\N", None, "\\\0NN")))
    content, mark = uploads.csv_file(given, KINDS)
    assert mark == "\\NNN"
    words = [line.split(",")[0] for line in gzip.decompress(content).decode().splitlines()]
    assert words == ["\\N", "\\NNN", "\\NN"]
    copying = unload.copying('"t"', ["word"], "s3://b/x", Staging("s3://b/", "default"), mark)
    assert "null as '\\\\NNN' " in copying
    assert statement_problems(copying) == []


def test_what_copy_does_not_read_is_refused() -> None:
    lists = pa.table({"items": pa.array([["a"], None])})
    with pytest.raises(WarehouseError, match="a list cannot be written into a file"):
        uploads.csv_file(lists, {"items": "array(varchar)"})
    with pytest.raises(WarehouseError, match="a list cannot be written into a statement"):
        list(uploads.inserts('"t"', lists, {"items": "array(varchar)"}, 1_000))
    long = pa.table({"word": ["x" * 65_536]})
    with pytest.raises(WarehouseError, match="longer than 65,535 bytes"):
        uploads.csv_file(long, {"word": "varchar"})
    assert not uploads.can_be_copied({"a": "bigint", "b": "json"})
    assert not uploads.can_be_copied({"a": "array(varchar)"})
    assert uploads.can_be_copied({"a": "bigint", "b": "varchar"})


def test_json_is_parsed_and_no_text() -> None:
    given = pa.table({"j": ['{"a": "it\'s"}', None, "[1]"]})
    (found,) = uploads.inserts('"t"', given, {"j": "json"}, 10_000)
    assert found == (
        'insert into "t" ("j") values (json_parse(\'{"a": "it\'\'s"}\')), (null), '
        "(json_parse('[1]'))"
    )
    assert statement_problems(found) == []


# --- seeds, and what types tell -------------------------------------------------------------------


def test_a_long_list_becomes_a_table_once() -> None:
    made: list[tuple[str, pa.Table]] = []

    def seed(digest: str, given: pa.Table, columns: Any) -> Table:
        made.append((digest, given))
        assert dict(columns) == {"line": "varchar"}
        return Table("work", f"values {digest}")

    lines = "\n".join(f"line {n}\tx" for n in range(1_000))
    query = f"select t.line from unnest(split(cast('{lines}' as varchar), '\n')) as t (line)"
    tree = spooled(parse(f"{query} union all {query}"), seed)
    assert len({digest for digest, _ in made}) == 1
    assert made[0][1].column("line").to_pylist() == lines.split("\n")
    found = redshift_sql(tree, {"work": "w"})
    assert found.count(f'"w"."values {made[0][0]}" AS t') == 2
    assert lines[:20] not in found


def test_a_short_list_stays() -> None:
    query = "select t.line from unnest(split(cast('a\nb' as varchar), '\n')) as t (line)"

    def seed(*_: Any) -> Table:
        raise AssertionError

    assert spooled(parse(query), seed) == parse(query)


COLUMNS = {"n": "bigint", "x": "double", "m": "decimal(38,2)", "b": "boolean", "t": "varchar"}


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("select sum(n) as a from marts.t", "cast(sum(n) as bigint) as a"),
        ("select sum(n) / count(*) as a from marts.t", "cast(sum(n) as bigint) / count(*)"),
        ("select sum(x) as a from marts.t", "select sum(x) as a"),
        ("select sum(m) as a from marts.t", "select sum(m) as a"),
        ("select sum(case when b then 1 end) as a from marts.t", "cast(sum(case"),
        (
            "select sum(n) filter (where b) as a from marts.t",
            "cast(sum(case when b then n end) as bigint)",
        ),
        (
            (
                "select sum(n) over (partition by t order by x rows between unbounded preceding "
                "and current row) as a from marts.t"
            ),
            "and current row) as bigint) as a",
        ),
        (
            "with w as (select n as k from marts.t) select sum(w.k) as a from w",
            "cast(sum(w.k) as bigint)",
        ),
        ("select max(b) as a, min(b) as c from marts.t", "bool_or(b) as a, bool_and(b) as c"),
        # The one row that max_by takes is taken by an aggregate too.
        ("select max_by(b, n) as a from marts.t", "bool_or(case when n__0 = 1 and"),
        ("select min_by(b, n) filter (where b) as a from marts.t", "bool_or(case when n__0 = 1"),
        ("select max_by(n, b) as a from marts.t", "max(case when n__0 = 1 and"),
        ("select max(t) as a from marts.t", "select max(t) as a"),
    ],
)
def test_sums_of_whole_numbers_stay_whole(sql: str, wanted: str) -> None:
    tree = with_types(parse(sql), lambda table: COLUMNS)
    assert wanted in redshift_sql(tree, {"marts": "m"}).lower()


# --- views ----------------------------------------------------------------------------------------


def test_views_over_rudderstacks_tables_are_of_known_form() -> None:
    tables = {
        "tracks": {
            "id": "character varying(65535)", "received_at": "timestamp without time zone",
            "uuid_ts": "timestamp without time zone", "event": "character varying(65535)",
            "event_text": "character varying(65535)", "anonymous_id": "character varying(65535)",
            "context_traits": "super", "value": "double precision", "ok": "boolean",
        },
        "rudder_discards": {
            **dict.fromkeys(("table_name", "row_id", "column_name", "column_value"), "text"),
            "received_at": "timestamp without time zone",
        },
    }  # fmt: skip
    databases = {"landing": "l", "events": "e", "marts": "m"}
    found = loaded_views.views("rudderstack", tables, databases, 7, sources.WORDS)
    assert {str(view.table) for view in found} >= {"events.tracks", "events.events"}
    for view in found:
        sql = f'create view "e"."{view.table.name}" as {view.sql} with no schema binding'
        assert statement_problems(sql) == [], view.table
        # Late-binding: every table has its schema.
        assert not re.search(r'(?i)\b(?:from|join) (?!"|\()', view.sql), view.sql
    (tracks,) = [view.sql for view in found if str(view.table) == "events.tracks"]
    # json_serialize() of NULL and of JSON's null is the text 'null', which is no answer.
    assert (
        'case when "context_traits" is not null and json_size("context_traits") <= 65535 '
        'then nullif(json_serialize("context_traits"), \'null\') end as "context_traits"'
    ) in tracks


# --- unloading ------------------------------------------------------------------------------------


def manifest(**changes: Any) -> bytes:
    entry = {"content_length": 10, "record_count": 2}
    document = {
        "entries": [
            {"url": "s3://bucket/x/0000_part_00", "meta": entry},
            {"url": "s3://bucket/x/0001_part_00", "meta": entry},
        ],
        "meta": {"content_length": 20, "record_count": 4},
        "author": {"name": "Amazon Redshift", "version": "1.0.0"},
    }
    return json.dumps(document | changes).encode()


def test_a_manifest_says_what_was_written() -> None:
    found = unload.read_manifest(manifest(), "s3://bucket/x/")
    assert found.rows == 4
    assert [(one.url, one.rows, one.bytes) for one in found.files] == [
        ("s3://bucket/x/0000_part_00", 2, 10),
        ("s3://bucket/x/0001_part_00", 2, 10),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "no manifest of UNLOAD"),
        (b"{}", "no manifest of UNLOAD"),
        (manifest(meta={"record_count": 5}), "the files have 4 rows, and 5 are announced"),
        (
            manifest(entries=[{"url": "s3://other/x", "meta": {
                "record_count": 4, "content_length": 1}}]),
            "names a file elsewhere: s3://other/x",
        ),
    ],
)  # fmt: skip
def test_a_manifest_that_contradicts_itself_is_told(content: bytes, said: str) -> None:
    with pytest.raises(WarehouseError, match=said):
        unload.read_manifest(content, "s3://bucket/x/")


def test_a_query_is_quoted_once_more_to_be_unloaded() -> None:
    query = r"select regexp_instr(a, '\\d', 1, 1, 0, 'p') > 0 as b from m.t where c = 'it''s'"
    found = unload.unloading(query, "s3://bucket/x/", STAGING, "csv", most_megabytes=256)
    assert found.startswith("unload ('select regexp_instr(a, ''\\\\\\\\d'', 1")
    assert "where c = ''it''''s''') to 's3://bucket/x/' iam_role 'arn:" in found
    assert found.endswith(
        "format csv header manifest verbose cleanpath parallel on maxfilesize 256 mb"
    )
    assert text(query) in found


# --- parameters and roles -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "connect: password needs host"),
        ({"host": "x"}, "needs user, or secret_arn"),
        ({"connect": "iam", "region": "eu-central-1"}, "needs region, and workgroup or cluster"),
        ({"connect": "data_api", "workgroup": "abc"}, "needs region, and workgroup or cluster"),
        (
            {"connect": "iam", "region": "eu-central-1", "workgroup": "abc", "cluster": "c"},
            "not both",
        ),
        ({"host": "x", "user": "y", "staging_role": "default"}, "belong together"),
        (
            {"host": "x", "user": "y", "storage_schema": "a", "rudderstack_schema": "a"},
            "must be another",
        ),
        ({"host": "x", "user": "y", "password": "z"}, "password"),
    ],
)
def test_parameters_that_lead_nowhere_are_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Redshift(**given)


def test_the_file_of_parameters_loads() -> None:
    section = load_settings("params/redshift.yaml").warehouse.redshift
    assert section is not None
    assert section.connect == "iam"


def test_roles_are_printed_for_an_administrator() -> None:
    done = CliRunner().invoke(
        app,
        [
            "roles",
            "--params",
            "params/redshift.yaml",
            "--loader",
            "IAMR:loads",
            "--builder",
            "IAMR:x",
        ],
    )
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert 'create user "IAMR:loads" password disable;' in lines
    assert 'create schema if not exists "engagement_marts" authorization "IAMR:x";' in lines
    assert (
        'alter default privileges for user "IAMR:x" in schema "engagement_marts" '
        'grant select on tables to role "engagement_reads";'
    ) in lines
    # Readers get nothing of RudderStack's schema, nobody gets to change it but who loads.
    assert not [one for one in lines if "engagement_reads" in one and '"rudderstack"' in one]
    granted = [one for one in lines if one.startswith("grant") and 'schema "rudderstack"' in one]
    assert granted == [
        'grant usage on schema "rudderstack" to role "engagement_builds";',
        'grant select on all tables in schema "rudderstack" to role "engagement_builds";',
    ]
    assert "password '" not in done.output


def test_the_check_of_a_server_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDSHIFT_PASSWORD", "s3cret")
    section = {"host": "127.0.0.1", "port": 1, "user": "builder", "sslmode": "disable"}
    settings = load_settings(
        "params/local.yaml", {"warehouse.engine": "redshift", "warehouse.redshift": section}
    )
    (found,) = find_engine("redshift").check(settings)
    assert (found.name, found.ok) == ("connection", False)
    assert "Redshift cannot be reached" in found.found
    assert "s3cret" not in found.found


def test_an_engine_without_roles_says_so() -> None:
    done = CliRunner().invoke(app, ["roles", "--params", "params/local.yaml"])
    assert done.exit_code == 1
    assert "duckdb has no roles" in done.output


def test_a_reader_of_the_parameters_is_made() -> None:
    settings = load_settings("params/redshift.yaml", {"warehouse.redshift.read_user": "reader"})
    assert 'grant role "engagement_reads" to "reader"' in roles.statements(settings, None, None)
