"""Names of tables and columns, by RudderStack's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagement.flatten.names import (
    FIXED_TABLES,
    MAX_LENGTH,
    column_name,
    event_name,
    snake_case,
    table_name,
)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        # The examples that RudderStack's own rules are known by.
        ("HTTPResponse", "http_response"),
        ("iOS", "i_os"),
        ("IPv4", "i_pv4"),
        ("h264", "h264"),
        ("SHA256Hash", "sha256_hash"),
        ("3DModel", "_3dm_odel"),
        ("$1,00,000", "_1_00_000"),
        # Each alternative of a token by itself, in their order.
        ("Abc12", "abc12"),
        ("abc12def", "abc12_def"),
        ("ABC12", "abc12"),
        ("12abc", "_12abc"),
        ("12Abc", "_12abc"),
        ("12ABC", "_12abc"),
        ("productId", "product_id"),
        ("ABC", "abc"),
        ("ABCdef", "ab_cdef"),
        ("12", "_12"),
        # What separates tokens, and what is left of it.
        ("Order Completed", "order_completed"),
        ("  order -- completed  ", "order_completed"),
        ("a.b/c~d", "a_b_c_d"),
        ('x"; drop table events.events; --', "x_drop_table_events_events"),
        ("Ümlaut Straße", "mlaut_stra_e"),
        ("a\nb\tc", "a_b_c"),
        # Leading underscores are kept, others are separators.
        ("_id", "_id"),
        ("__typename", "__typename"),
        ("_1a", "_1a"),
        ("a__b_", "a_b"),
        # Nothing is left: there is no name.
        ("", ""),
        ("_", ""),
        ("$%&", ""),
        ("名前", ""),
        ("é", ""),
    ],
)
def test_snake_case(raw: str, name: str) -> None:
    assert snake_case(raw) == name


@pytest.mark.parametrize(
    ("raw", "column", "table"),
    [
        ("select", "_select", "_select"),
        ("Table", "_table", "_table"),
        ("USER", "_user", "_user"),
        ("timestamp", "timestamp", "timestamp"),  # reserved nowhere that it is used
        ("date", "date", "date"),
        ("users", "users", "_users"),  # a table of its own: no event may be named as it
        ("Tracks", "tracks", "_tracks"),
        ("events", "events", "_events"),
        ("discards", "discards", "_discards"),
        ("Order Completed", "order_completed", "order_completed"),
        ("名前", "", ""),
    ],
)
def test_reserved_words_and_fixed_tables(raw: str, column: str, table: str) -> None:
    assert (column_name(raw), table_name(raw)) == (column, table)


@pytest.mark.parametrize(
    ("raw", "event"),
    [
        ("select", "select"),
        ("users", "users"),
        ("tracks", "tracks"),
        ("_tracks", "_tracks"),
        ("1st Visit", "_1st_visit"),  # part of snake case, as RudderStack has it
        ("Order Completed", "order_completed"),
        ("k" * 300, "k" * 127),
        ("名前", ""),
    ],
)
def test_an_event_is_called_as_its_table_but_for_what_only_a_table_needs(
    raw: str, event: str
) -> None:
    assert event_name(raw) == event


def test_names_are_cut_at_127_characters() -> None:
    assert column_name("k" * 300) == "k" * 127
    assert table_name("k" * 300) == "k" * 127


@given(st.text(max_size=200))
def test_any_text_gives_a_name_that_both_engines_take(raw: str) -> None:
    name = table_name(raw)
    assert len(name) <= MAX_LENGTH
    assert name not in FIXED_TABLES
    assert not name or name.isascii()
    assert not name or (name.replace("_", "a").isalnum() and not name[0].isdigit())
    assert name == name.lower()


@given(st.text(max_size=60))
def test_a_name_stays_what_it_is(raw: str) -> None:
    name = snake_case(raw)
    assert snake_case(name) == name
