"""Two of the project's functions as Redshift is to get them, word for word, on PostgreSQL.

PostgreSQL gets Redshift's built-ins under their names, as Redshift documents them: what the
expressions around them give is shown, and nothing about these built-ins themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from engagement.warehouse.redshift.functions import statements
from tests.postgres.parameters import overrides
from tests.postgres.server import USER

BUILT_INS = """
create schema own;
create domain super as jsonb;
create function own.can_json_parse(x text) returns boolean language plpgsql immutable as $$
    begin perform cast(x as jsonb); return x is not null; exception when others then return false;
    end $$;
create function own.is_object(x super) returns boolean language sql immutable
    as $$ select jsonb_typeof(x) = 'object' $$;
create function own.json_serialize(x super) returns text language sql immutable
    as $$ select coalesce(cast(x as text), 'null') $$;
create function own.json_extract_path_text(x text, key text, quiet boolean) returns text
    language sql immutable as $$ select cast(x as jsonb) ->> key $$;
create function own.regexp_substr(
    x text, pattern text, start integer, n integer, how text
) returns text language sql immutable as $$
    select case when how = 'ep' then coalesce((regexp_match(x, pattern))[1], '') end $$;
create function own.regexp_instr(
    x text, pattern text, start integer, n integer, after integer, how text
) returns integer language sql immutable as $$
    select case when how = 'p' then cast(x ~ pattern as integer) end $$;
set search_path = own, pg_catalog, public;
set standard_conforming_strings = off;
set escape_string_warning = off;
set backslash_quote = on;
"""

Ask = Callable[[str, str, str], object]


@pytest.fixture(scope="module")
def ask(postgres_socket: Path) -> Iterator[Ask]:
    overrides(postgres_socket, "redshift_functions")
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="redshift_functions", autocommit=True
    ) as connection:
        connection.execute(BUILT_INS.encode())
        for one in statements("own"):
            if ".f_json_text(" in one or ".f_url_parameter(" in one:
                connection.execute(one.encode())

        def asked(name: str, first: str, second: str) -> object:
            kind = "jsonb" if name == "f_json_text" else "text"
            sql = f"select own.{name}(cast(%s as {kind}), %s)".encode()
            row = connection.execute(sql, (first, second)).fetchone()
            return row[0] if row else None

        yield asked


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('{"a": "x"}', "x"),
        ('{"a": "{x}"}', "{x}"),
        ('{"a": "[1"}', "[1"),
        ('{"a": ""}', ""),
        ('{"a": 5}', "5"),
        ('{"a": true}', "true"),
        # NULL for an object, an array, null and nothing.
        ('{"a": {"b": 1}}', None),
        ('{"a": []}', None),
        ('{"a": null}', None),
        ("{}", None),
        ('[{"a": 1}]', None),
        ('"a"', None),
        # The price: a text that is JSON itself cannot be told from JSON.
        ('{"a": "[1]"}', None),
    ],
)
def test_the_text_of_a_scalar(ask: Ask, value: str, text: str | None) -> None:
    assert ask("f_json_text", value, "$.a") == text


@pytest.mark.parametrize(
    ("written", "decoded"),
    [
        ("plain", "plain"),
        ("a+b%20c", "a b c"),
        ("50%25+off%21", "50% off!"),
        ("a%2Fb%2fc%3F%3d%26", "a/b/c?=&"),
        ("%27%22%5C%60%7E", "'\"\\`~"),
        ("%2520", "%20"),
        # Left whole: letters, digits, control characters, beyond ASCII, and what is no escape.
        ("%41b%20c", "%41b%20c"),
        ("%30+b", "%30+b"),
        ("a%0Ab%20c", "a%0Ab%20c"),
        ("%7F", "%7F"),
        ("caf%C3%A9+noir", "caf%C3%A9+noir"),
        ("100%+b", "100%+b"),
        ("a%2", "a%2"),
        ("a%2g%20", "a%2g%20"),
        ("", None),
    ],
)
def test_a_parameter_is_decoded_whole_or_not_at_all(
    ask: Ask, written: str, decoded: str | None
) -> None:
    url = f"https://shop.example/?x=1&utm={written}#end"
    assert ask("f_url_parameter", url, "utm") == decoded
