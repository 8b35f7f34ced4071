"""Columns of a table: their names, sources and types, worked out from paths and counts."""

from __future__ import annotations

import itertools
from functools import reduce
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagement.flatten.schema import (
    DEFAULT_COLUMNS,
    Column,
    Path,
    Source,
    Unnamed,
    Values,
    declared_type,
    plan_columns,
)

STRING = frozenset({"string"})


def planned(kind: str, *paths: Path, table: str = "t", **plan: str) -> dict[str, list[Path]]:
    columns, _ = plan_columns(table, kind, [(path, STRING) for path in paths], plan)
    return {column.name: [source.path for source in column.sources] for column in columns}


@pytest.mark.parametrize(
    ("kind", "column", "type_"),
    [
        ("track", "price", "double"),
        ("track", "quantity", "bigint"),
        ("track", "products", "varchar"),
        ("track", "order_id", "varchar"),
        ("track", "results", None),
        # The e-commerce properties are those of events, not of people.
        ("identify", "name", None),
        ("identify", "value", None),
        ("page", "name", "varchar"),
        ("page", "price", None),
        ("screen", "category", "varchar"),
        # The context is the same everywhere.
        ("identify", "context_user_agent", "varchar"),
        ("tracks", "context_session_id", "bigint"),
        ("group", "context_session_start", "boolean"),
        ("alias", "context_screen_density", "double"),
        ("track", "context_price", None),
    ],
)
def test_declared_types(kind: str, column: str, type_: str | None) -> None:
    assert declared_type(column, kind) == type_


def test_what_of_a_record_becomes_columns_depends_on_its_type() -> None:
    paths = [
        ("properties", "p"),
        ("userProperties", "u"),
        ("traits", "t"),
        ("context", "traits", "c"),
        ("context", "page", "url"),
        ("integrations", "i"),
        ("messageId",),
        ("name",),
        ("groupId",),
        ("previousId",),
    ]
    context = {
        "context_page_url": [("context", "page", "url")],
        "context_traits_c": [("context", "traits", "c")],
    }
    own = {
        "tracks": {},
        "track": {"p": [("properties", "p")], "u": [("userProperties", "u")]},
        "identify": {
            "u": [("userProperties", "u")],
            "t": [("traits", "t")],
            "c": [("context", "traits", "c")],
        },
        "page": {"p": [("properties", "p")], "name": [("name",)]},
        "screen": {"p": [("properties", "p")], "name": [("name",)]},
        "group": {"t": [("traits", "t")], "group_id": [("groupId",)]},
        "alias": {"t": [("traits", "t")], "previous_id": [("previousId",)]},
    }
    for kind, columns in own.items():
        assert planned(kind, *paths) == {**context, **columns}, kind


def test_later_roots_and_own_fields_come_last_and_win() -> None:
    assert planned("page", ("name",), ("properties", "name"), ("properties", "Name")) == {
        "name": [("properties", "Name"), ("properties", "name"), ("name",)]
    }
    assert planned("track", ("userProperties", "plan"), ("properties", "plan")) == {
        "plan": [("properties", "plan"), ("userProperties", "plan")]
    }
    assert planned("track", ("context", "x"), ("properties", "context_x")) == {
        "context_x": [("properties", "context_x"), ("context", "x")]
    }


@pytest.mark.parametrize("name", [*DEFAULT_COLUMNS, "received_at_utc_date", "event", "eventText"])
def test_a_default_column_takes_no_property(name: str) -> None:
    columns, unnamed = plan_columns("t", "track", [(("properties", name), STRING)])
    assert columns == []
    assert [(u.table, u.path) for u in unnamed] == [("t", ("properties", name))]
    assert "default column" in unnamed[0].reason


def test_what_has_no_name_is_reported() -> None:
    paths = [
        (("context", "名"), STRING),
        (("properties", "a", "%"), STRING),
        (("properties",), frozenset({"array"})),
        (("context", "ip"), STRING),  # read as a default column, so nothing is missing
    ]
    columns, unnamed = plan_columns("t", "track", paths)
    assert columns == []
    nameless = "no letter or digit of a-z, 0-9 in its name"
    assert unnamed == [
        Unnamed("t", ("properties",), "no object, so it has no names"),
        Unnamed("t", ("properties", "a", "%"), nameless),
        Unnamed("t", ("context", "名"), nameless),
    ]


def test_a_tracking_plan_goes_before_the_projects_own_types() -> None:
    paths = [(("properties", "price"), STRING), (("properties", "x"), STRING)]
    columns, _ = plan_columns(
        "t", "track", paths, {"price": "varchar", "x": "bigint", "y": "double"}
    )
    assert columns == [
        Column("price", "varchar", [Source(("properties", "price"), STRING)]),
        Column("x", "bigint", [Source(("properties", "x"), STRING)]),
    ]


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (Values(), None),
        (Values(integers=1, largest_integer=2**63 - 1), "bigint"),
        (Values(integers=1, largest_integer=2**63), "varchar"),
        (Values(doubles=1), "double"),
        (Values(doubles=1, integers=1, largest_integer=2**53), "double"),
        (Values(doubles=1, integers=1, largest_integer=2**53 + 1), "varchar"),
        (Values(booleans=1), "boolean"),
        (Values(booleans=1, integers=1), "varchar"),
        (Values(strings=2, timestamps=2), "timestamp(3)"),
        (Values(strings=2, timestamps=1), "varchar"),
        (Values(strings=1, timestamps=1, booleans=1), "varchar"),
        (Values(strings=1, timestamps=1, integers=1), "varchar"),
        (Values(strings=1, timestamps=1, arrays=1), "varchar"),
        (Values(arrays=1), "varchar"),
        (Values(booleans=1, arrays=1), "varchar"),
    ],
)
def test_the_narrowest_type(values: Values, type_: str | None) -> None:
    assert values.type() == type_


counts = st.integers(0, 2)
some_values = st.builds(
    lambda strings, timestamps, **others: Values(
        strings=strings, timestamps=min(strings, timestamps), **others
    ),
    integers=counts,
    doubles=counts,
    booleans=counts,
    strings=counts,
    timestamps=counts,
    arrays=counts,
    largest_integer=st.sampled_from([0, 2**53, 2**53 + 1, 2**63]),
)


@given(st.lists(some_values, min_size=1, max_size=4))
def test_a_type_does_not_depend_on_the_order_of_arrival(parts: list[Values]) -> None:
    types = {reduce(add, order).type() for order in itertools.permutations(parts)}
    assert len(types) == 1
