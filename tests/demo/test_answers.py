"""What the shop is told: from which tables, for whom, and never by halves."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from engagement.demo import answers
from engagement.settings import Settings
from engagement.warehouse import Table, Warehouse, open_warehouse
from tests.values import values_query

NOW = datetime(2026, 9, 30, 12, 0, 0, 250_000)

TABLES: dict[str, dict[str, str]] = {
    "identity_map": {"id_type": "varchar", "id": "varchar", "person_id": "varchar"},
    "customer_360": {
        "person_id": "varchar",
        "lifecycle_stage": "varchar",
        "top_category_by_spend": "varchar",
        "favourite_category": "varchar",
        "is_bot": "boolean",
    },
    "orders": {"order_id": "varchar", "person_id": "varchar"},
    "order_items": {"order_id": "varchar", "product_id": "varchar"},
    "product_performance": {
        "product_id": "varchar",
        "category": "varchar",
        "orders": "bigint",
        "adds": "bigint",
        "views": "bigint",
    },
    "recommendations_popular": {
        "kind": "varchar",
        "category": "varchar",
        "rank": "bigint",
        "product_id": "varchar",
    },
    "recommendations_similar_items": {
        "product_id": "varchar",
        "rank": "bigint",
        "similar_product_id": "varchar",
    },
    "recommendations_for_you": {"person_id": "varchar", "rank": "bigint", "product_id": "varchar"},
    "segment_members": {
        "segment": "varchar",
        "as_of": "date",
        "person_id": "varchar",
        "status": "varchar",
        "is_holdout": "boolean",
    },
}

PEOPLE: dict[str, list[list[Any]]] = {
    # Ann has a device and a user id, Bob a device; the third is a bot.
    "identity_map": [
        ["anonymous_id", "device-a", "ann"],
        ["user_id", "user-a", "ann"],
        ["anonymous_id", "device-b", "bob"],
        ["anonymous_id", "device-c", "crawler"],
    ],
    "customer_360": [
        ["ann", "new", "Pantry", "Books", False],
        ["bob", "visitor", None, "Books", False],
        ["crawler", "visitor", None, "Books", True],
    ],
    "orders": [["o-1", "ann"]],
    "order_items": [["o-1", "honey"]],
    # By ten an order, three an addition, one a view: honey 13, tea 12, atlas 4, novel 4.
    "product_performance": [
        ["novel", "Books", 0, 1, 1],
        ["atlas", "Books", 0, 0, 4],
        ["tea", "Pantry", 1, 0, 2],
        ["honey", "Pantry", 1, 1, 0],
        ["(not set)", None, 9, 9, 9],
    ],
}

Publish = Callable[..., Warehouse]


@pytest.fixture
def publish(make_settings: Callable[..., Settings]) -> Publish:
    """A warehouse with these tables of `marts`."""
    warehouse = open_warehouse(make_settings())

    def publish(**tables: list[list[Any]]) -> Warehouse:
        with warehouse.session(write=True) as session:
            for name, rows in tables.items():
                session.publish(Table("marts", name), values_query(TABLES[name], rows))
        return warehouse

    return publish


def read(folder: Path, name: str) -> Any:
    version = json.loads((folder / "current.json").read_text())["version"]
    return json.loads((folder / version / name).read_text())


def person(folder: Path, id_type: str, identity: str) -> Any:
    """What a page finds by an id that the browser knows."""
    key = answers.key(id_type, identity)
    if key[:2] not in read(folder, "shop.json")["shards"]:
        return None
    return read(folder, f"people/{key[:2]}.json").get(key)


def test_a_digest_is_what_a_browser_computes() -> None:
    """`printf user_id:user-a | sha256sum`, the first half."""
    assert answers.key("user_id", "user-a") == "cf2fc396bffa83ff0ee90077e8949fad"


def test_without_recommendations_popularity_is_made_up_for(
    publish: Publish, tmp_path: Path
) -> None:
    exported = answers.export(publish(**PEOPLE), tmp_path / "answers", NOW)
    shop = read(tmp_path / "answers", "shop.json")
    assert shop["popular"] == ["honey", "tea", "atlas", "novel"]
    assert shop["categories"] == {"Pantry": ["honey", "tea"], "Books": ["atlas", "novel"]}
    assert (shop["trending"], shop["similar"]) == ([], {})
    assert (exported.people, exported.is_new) == (3, True)


def test_a_person_is_found_by_each_id_and_a_bot_by_none(publish: Publish, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    answers.export(publish(**PEOPLE), folder, NOW)
    # She spent most on Pantry, where she has the honey already; her favourite is Books.
    ann = {"segments": ["new"], "for_you": ["tea"]}
    assert person(folder, "user_id", "user-a") == ann
    assert person(folder, "anonymous_id", "device-a") == ann
    assert person(folder, "anonymous_id", "device-b") == {
        "segments": ["visitor"],
        "for_you": ["atlas", "novel"],
    }
    assert person(folder, "anonymous_id", "device-c") is None
    # An id counts as what it was sent as.
    assert person(folder, "user_id", "device-a") is None


def test_recommendations_and_segments_go_before_what_is_made_up(
    publish: Publish, tmp_path: Path
) -> None:
    folder = tmp_path / "answers"
    tables = {
        **PEOPLE,
        "recommendations_popular": [
            ["overall", "", 2, "tea"],
            ["overall", "", 1, "atlas"],
            ["trending", "", 1, "novel"],
            ["category", "Books", 1, "novel"],
        ],
        "recommendations_similar_items": [["tea", 2, "novel"], ["tea", 1, "honey"]],
        "recommendations_for_you": [["ann", 1, "atlas"], ["ann", 2, "tea"]],
        "segment_members": [
            ["vip", date(2026, 9, 30), "ann", "joined", False],
            ["vip", date(2026, 9, 29), "bob", "stayed", False],  # an older snapshot
            ["vip", date(2026, 9, 30), "bob", "left", False],
            ["carts", date(2026, 9, 28), "bob", "joined", False],  # its newest one
            ["tests", date(2026, 9, 30), "bob", "joined", True],  # held back
        ],
    }
    answers.export(publish(**tables), folder, NOW)
    shop = read(folder, "shop.json")
    assert (shop["popular"], shop["trending"]) == (["atlas", "tea"], ["novel"])
    assert shop["categories"] == {"Books": ["novel"]}
    assert shop["similar"] == {"tea": ["honey", "novel"]}
    assert person(folder, "user_id", "user-a") == {
        "segments": ["vip", "new"],
        "for_you": ["atlas", "tea"],
    }
    assert person(folder, "anonymous_id", "device-b") == {
        "segments": ["carts", "visitor"],
        "for_you": [],
    }


def test_the_same_tables_give_the_same_bytes(publish: Publish, tmp_path: Path) -> None:
    warehouse, folder = publish(**PEOPLE), tmp_path / "answers"
    first = answers.export(warehouse, folder, NOW)
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    again = answers.export(warehouse, folder, NOW)
    assert (again.version, again.is_new) == (first.version, False)
    assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before
    assert json.loads((folder / "current.json").read_text())["as_of"] == "2026-09-30T12:00:00.250Z"


def test_the_version_before_stays_and_older_ones_go(publish: Publish, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    versions = []
    for stage in ("visitor", "lead", "new"):
        people = [["ann", stage, None, None, False]]
        warehouse = publish(**{**PEOPLE, "customer_360": people})
        versions.append(answers.export(warehouse, folder, NOW).version)
    assert len(set(versions)) == 3
    there = {path.name for path in folder.iterdir()}
    assert there == {"current.json", *versions[1:]}


def test_a_version_that_broke_off_is_written_again(publish: Publish, tmp_path: Path) -> None:
    warehouse, folder = publish(**PEOPLE), tmp_path / "answers"
    version = answers.export(warehouse, tmp_path / "elsewhere", NOW).version
    (folder / f"{version}.part/people").mkdir(parents=True)
    (folder / f"{version}.part/people/zz.json").write_text("{")
    answers.export(warehouse, folder, NOW)
    assert {path.name for path in folder.iterdir()} == {"current.json", version}
    assert not list(folder.rglob("zz.json"))


def test_files_are_their_owner_s_and_name_nobody(publish: Publish, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    answers.export(publish(**PEOPLE), folder, NOW)
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    text = "".join(path.read_text() for path in folder.rglob("*.json"))
    assert not [word for word in ("ann", "bob", "user-a", "device-a", "device-b") if word in text]
