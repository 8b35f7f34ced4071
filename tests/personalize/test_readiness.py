"""Readiness: each minimum and limit just met, and just missed."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import pytest

from engagement.personalize import readiness
from engagement.personalize.datasets import Lengths, Reject
from engagement.personalize.readiness import THRESHOLDS, Requirement, Thresholds
from tests.personalize import small

SMALL = {"interactions": 100, "items": 100, "users": 100}


def rows(users: dict[str, int], event_type: str = "View") -> list[dict[str, Any]]:
    """So many different interactions of each user."""
    return [
        {"USER_ID": user, "ITEM_ID": "p1", "EVENT_TYPE": event_type, "TIMESTAMP": second,
         "DEVICE_TYPE": None}
        for user, count in users.items()
        for second in range(count)
    ]  # fmt: skip


def dataset(name: Any, content: Iterable[dict[str, Any]], **more: Any) -> small.Dataset:
    return small.Dataset(name, small.schema(name), tuple(content), (), **more)


def only(name: Any, **known: Any) -> small.Dataset:
    """A dataset of one row, in which nothing else is known."""
    empty = {field["name"]: None for field in small.schema(name)["fields"]}
    return dataset(name, [{**empty, **known}])


ITEMS = only("items", ITEM_ID="p1", PRICE=1.0, CATEGORY_L1="a")
USERS = only("users", USER_ID="u", MEMBERSHIP="guest")


def check(
    content: Iterable[dict[str, Any]] = (),
    items: small.Dataset = ITEMS,
    users: small.Dataset = USERS,
    **more: Any,
) -> dict[str, Requirement]:
    sizes = more.pop("sizes", SMALL)
    found = small.check(dataset("interactions", content), items, users, sizes, **more)
    assert len({r.name for r in found}) == len(found)
    return {r.name: r for r in found}


def ready(content: Iterable[dict[str, Any]], **more: Any) -> bool:
    return readiness.ready(list(check(content, **more).values()))


def test_the_thresholds_are_those_of_the_service() -> None:
    assert Thresholds(
        interactions=1_000,
        active_users=25,
        active_share=0.01,
        full_bytes=100 * 10**9,
        incremental_bytes=10**9,
        event_types_and_columns=10,
        interaction_metadata=5,
        item_fields=100,
        user_fields=25,
        use_case_events=1_000,
    ) == THRESHOLDS  # fmt: skip


def test_a_thousand_interactions_of_25_users_are_enough() -> None:
    assert ready(rows({f"u{n}": 40 for n in range(25)}))
    few = check(rows({f"u{n}": 40 for n in range(24)} | {"u24": 39}))
    assert not few["rows of the interactions import"].ok
    assert not few["unique interactions"].ok
    assert few["unique interactions"].found == "999"
    assert "personalize.event_types" in few["unique interactions"].to_do


def test_equal_rows_count_once_as_interactions_and_each_as_rows() -> None:
    content = rows({f"u{n}": 40 for n in range(25)})
    found = check([*content[:-1], content[0]])
    assert found["rows of the interactions import"].ok
    assert (found["unique interactions"].found, found["unique interactions"].ok) == ("999", False)


def test_25_users_need_two_interactions_each() -> None:
    name = "users with two interactions or more"
    met = check(rows({f"u{n}": 2 for n in range(25)} | {"once": 1}))[name]
    assert (met.needed, met.found, met.ok) == ("25", "25", True)
    missed = check(rows({f"u{n}": 2 for n in range(24)} | {"once": 1}))[name]
    assert (missed.found, missed.ok) == ("24", False)


def test_they_are_at_least_one_in_a_hundred_users() -> None:
    name = "their share in all users"
    returning = {f"u{n}": 2 for n in range(25)}
    met = check(rows(returning | {f"once{n}": 1 for n in range(2_475)}))[name]
    assert (met.needed, met.found, met.ok) == ("1%", "1.0%", True)
    assert not check(rows(returning | {f"once{n}": 1 for n in range(2_476)}))[name].ok


def test_event_types_and_metadata_fields_are_ten_together() -> None:
    """EVENT_TYPE and DEVICE_TYPE are two of them, so eight types are the most."""
    name = "event types and metadata fields of interactions"
    eight = [row for n in range(8) for row in rows({"u": 1}, f"type {n}")]
    assert check(eight)[name].ok
    assert not check([*eight, *rows({"u": 1}, "type 8")])[name].ok


def test_files_have_limits_by_the_mode_of_import() -> None:
    name = "size of the interactions file ({})"
    sizes = {**SMALL, "interactions": 10**9}
    assert check(sizes=sizes, incremental=True)[name.format("INCREMENTAL")].ok
    sizes = {**SMALL, "interactions": 10**9 + 1}
    too_large = check(sizes=sizes, incremental=True)[name.format("INCREMENTAL")]
    assert (too_large.ok, too_large.needed) == (False, "at most 1 GB")
    assert check(sizes=sizes)[name.format("FULL")].ok
    assert not check(sizes={**SMALL, "interactions": 10**11 + 1})[name.format("FULL")].ok


def test_fields_have_limits() -> None:
    def wide(name: Any, fields: int) -> small.Dataset:
        document = copy.deepcopy(small.schema(name))
        extra = [{"name": f"F{n}", "type": ["null", "int"]} for n in range(fields)]
        document["fields"] += extra[: fields - len(document["fields"])]
        base = ITEMS if name == "items" else USERS
        empty = {field["name"]: None for field in extra}
        return small.Dataset(name, document, tuple({**empty, **row} for row in base.rows), ())

    assert check(items=wide("items", 100))["fields of items"].ok
    assert not check(items=wide("items", 101))["fields of items"].ok
    assert check(users=wide("users", 25))["fields of users"].ok
    assert not check(users=wide("users", 26))["fields of users"].ok


@pytest.mark.parametrize("name", ["interactions", "items", "users"])
def test_schemas_need_the_fields_of_the_domain(name: Any) -> None:
    document = copy.deepcopy(small.schema(name))
    taken = document["fields"].pop(0)["name"]
    poor = small.Dataset(name, document, (), ())
    parts = {
        "interactions": dataset("interactions", []),
        "items": ITEMS,
        "users": USERS,
        name: poor,
    }
    found = small.check(*parts.values(), SMALL)
    (requirement,) = (r for r in found if r.name == f"fields of the {name} schema")
    assert (requirement.ok, requirement.found) == (False, f"without {taken}")


def test_users_need_one_more_field_than_their_id() -> None:
    document = {**small.schema("users"), "fields": small.schema("users")["fields"][:1]}
    poor = small.Dataset("users", document, ({"USER_ID": "u"},), ())
    assert not check(users=poor)["fields of the users schema"].ok


def test_values_have_lengths() -> None:
    lengths = Lengths(id=3, categorical=2, textual=1)
    long_item = {**ITEMS.rows[0], "ITEM_ID": "four", "BRAND": "abc", "PRODUCT_DESCRIPTION": "de"}
    found = check(items=dataset("items", [long_item]), lengths=lengths)
    for kind, longest in (("ids", "4"), ("categorical values", "5"), ("textual values", "2")):
        requirement = found[f"characters of {kind}"]
        assert (requirement.found, requirement.ok) == (longest, False)  # 'guest' has 5


def test_rows_left_out_are_told_and_do_not_stop_an_import() -> None:
    content = rows({f"u{n}": 40 for n in range(25)})
    items = small.Dataset("items", ITEMS.schema, ITEMS.rows, (Reject("p2", "PRICE", "is missing"),))
    found = check(content, items=items)
    requirement = found["rows of items that could be written"]
    assert (requirement.needed, requirement.found, requirement.ok) == ("all 2", "1", False)
    assert readiness.ready(list(found.values()))


def test_a_file_without_rows_cannot_be_imported() -> None:
    content = rows({f"u{n}": 40 for n in range(25)})
    assert not ready(content, items=dataset("items", []))
    assert not ready(content, users=dataset("users", []))


def test_use_cases_need_a_thousand_events_of_their_type() -> None:
    found = check([*rows({"u": 1_000}, "View"), *rows({"u": 999}, "Purchase")])
    assert {r.name: r.ok for r in found.values() if r.kind == "use case"} == {
        "most viewed": True,
        "customers who viewed X also viewed": True,
        "recommended for you": True,
        "best sellers": False,
        "frequently bought together": False,
    }
    assert found["best sellers"].needed == "1,000 Purchase events"
    assert found["best sellers"].found == "999"


def test_with_nothing_at_all_it_says_what_is_missing() -> None:
    found = list(check(items=dataset("items", []), users=dataset("users", [])).values())
    assert not readiness.ready(found)
    table = readiness.frame(found)
    assert list(table.columns) == ["kind", "name", "needed", "found", "ok", "to do"]
    assert all(table.loc[~table["ok"], "to do"] != "")
    assert all(table.loc[table["ok"], "to do"] == "")
