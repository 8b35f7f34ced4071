"""Whose ids are whose: small worlds of events, and the people that they make.

``d`` are devices (anonymous ids), ``u`` are users.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.models.conftest import Bench

People = set[frozenset[str]]


def seen(*ids: tuple[str | None, str | None]) -> list[dict[str, Any]]:
    """One event a minute, in this order, each with an anonymous id and a user id."""
    return [
        {
            "id": f"e{number:04}",
            "anonymous_id": device,
            "user_id": user,
            "type": "page",
            "timestamp": f"2026-01-{1 + number // 1440:02} {number // 60 % 24:02}:{number % 60:02}",
        }
        for number, (device, user) in enumerate(ids)
    ]


def alias(previous: str | None, user: str | None, at: str = "2026-01-20 10:00") -> dict[str, Any]:
    return {"id": f"alias-{previous}-{user}", "previous_id": previous, "user_id": user,
            "timestamp": at}  # fmt: skip


def build(bench: Bench, events: list[dict[str, Any]], aliases: list[dict[str, Any]] = []) -> None:  # noqa: B006 (never changed)
    bench.given("sources.events", events)
    bench.given("sources.aliases", aliases)
    bench.build("identity_links", "identity_map")


def people(bench: Bench) -> People:
    """The ids of each person."""
    rows = bench.rows("select person_id, id from marts.identity_map")
    return {frozenset(i for p, i in rows if p == person) for person, _ in rows}


def shared(bench: Bench) -> set[str]:
    return {i for (i,) in bench.rows("select id from marts.identity_map where is_shared_device")}


def person(id_type: str, id_: str) -> str:
    """The person_id derived from an id, by hand: 32 hexadecimal digits of SHA-256."""
    return hashlib.sha256(f"{id_type}:{id_}".encode()).hexdigest()[:32]


# --- components ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([("d1", None)], [{"d1"}], id="a guest is a person"),
        pytest.param([("d1", None), ("d1", "u1")], [{"d1", "u1"}], id="an event with both ids"),
        pytest.param([("d1", None), (None, "u1")], [{"d1"}, {"u1"}], id="nothing joins them"),
        pytest.param(
            [("d1", "u1"), ("d2", "u1"), ("d3", None)],
            [{"d1", "d2", "u1"}, {"d3"}],
            id="two devices of one user",
        ),
        pytest.param([], [], id="no event at all"),
    ],
)
def test_people_are_the_connected_components(
    bench: Bench, events: list[tuple[str | None, str | None]], expected: list[set[str]]
) -> None:
    build(bench, seen(*events))
    assert people(bench) == {frozenset(ids) for ids in expected}


def test_an_anonymous_id_and_a_user_id_of_the_same_text_are_two_ids(bench: Bench) -> None:
    build(bench, seen(("x", None), (None, "x")))
    assert bench.rows("select id_type, id, person_id from marts.identity_map order by 1") == [
        ("anonymous_id", "x", person("anonymous_id", "x")),
        ("user_id", "x", person("user_id", "x")),
    ]


@pytest.mark.parametrize("order", ["along the chain", "against it", "mixed"])
def test_links_are_followed_over_any_number_of_hops(bench: Bench, order: str) -> None:
    """u0 - u1 - u2 - ... by aliases, first seen in different orders."""
    users = [f"u{number}" for number in range(300)]
    met = list(users)
    if order == "against it":
        met.reverse()
    if order == "mixed":
        random.Random(7).shuffle(met)
    build(
        bench,
        seen(*((None, user) for user in met), (None, "stranger")),
        [alias(a, b) for a, b in itertools.pairwise(users)],
    )
    assert people(bench) == {frozenset(users), frozenset({"stranger"})}


def test_devices_and_users_alternate_in_a_chain(make_bench: Callable[..., Bench]) -> None:
    """Two users a device are allowed here, so d1 joins u1 and u2, d2 joins u2 and u3, ..."""
    bench = make_bench(identity__max_users_per_device=2)
    chain = [(f"d{n}", f"u{m}") for n in range(60) for m in (n, n + 1)]
    build(bench, seen(*chain))
    assert len(people(bench)) == 1
    assert shared(bench) == set()


def test_a_random_world_falls_into_the_components_that_a_walk_through_it_finds(
    bench: Bench,
) -> None:
    """One user a device, so nothing is shared: devices and aliases join users at random."""
    rng = random.Random(11)
    users = [f"u{number}" for number in range(120)]
    devices = [(f"d{number}", rng.choice(users)) for number in range(80)]
    renamed = [tuple(rng.sample(users, 2)) for _ in range(70)]
    build(
        bench,
        seen(*((None, user) for user in users), *devices),
        [alias(former, user) for former, user in dict.fromkeys(renamed)],
    )
    neighbours: dict[str, set[str]] = {user: set() for user in users}
    for a, b in [*devices, *renamed]:
        neighbours.setdefault(a, set()).add(b)
        neighbours[b].add(a)
    expected: People = set()
    for start in neighbours:
        reached, waiting = {start}, [start]
        while waiting:
            new = neighbours[waiting.pop()] - reached
            reached |= new
            waiting.extend(new)
        expected.add(frozenset(reached))
    assert 20 < len(expected) < 120
    assert people(bench) == expected


# --- aliases ------------------------------------------------------------------------------------


def test_an_alias_joins_two_user_ids(bench: Bench) -> None:
    build(bench, seen(("d1", "u1"), ("d2", "u2")), [alias("u1", "u2")])
    assert people(bench) == {frozenset({"d1", "d2", "u1", "u2"})}


def test_an_alias_joins_an_anonymous_id_to_a_user_id(bench: Bench) -> None:
    build(bench, seen(("d1", None), (None, "u1")), [alias("d1", "u1")])
    assert people(bench) == {frozenset({"d1", "u1"})}


def test_a_previous_id_that_was_never_seen_is_a_former_user_id(bench: Bench) -> None:
    build(bench, seen((None, "u1")), [alias("u0", "u1", at="2026-01-20 10:00")])
    assert bench.rows(
        "select id_type, id, is_earliest_id, first_received_at from marts.identity_map order by id"
    ) == [
        ("user_id", "u0", False, _time("2026-01-20 10:00")),
        ("user_id", "u1", True, _time("2026-01-01 00:00")),
    ]


def test_a_previous_id_that_is_a_device_and_a_user_joins_both(bench: Bench) -> None:
    build(bench, seen(("x", None), (None, "x"), ("d2", "u1")), [alias("x", "u1")])
    assert bench.rows("select id_type, id from marts.identity_links order by 1, 2") == [
        ("anonymous_id", "d2"),
        ("anonymous_id", "x"),
        ("user_id", "x"),
    ]
    assert len(bench.rows("select distinct person_id from marts.identity_map")) == 1


def test_a_previous_id_of_a_device_joins_no_user_of_the_same_text(bench: Bench) -> None:
    """Seen as an anonymous id alone, ``x`` is a device: no user ``x`` comes into being."""
    build(bench, seen(("x", None), (None, "u1")), [alias("x", "u1")])
    assert bench.rows("select id_type, id from marts.identity_map order by 1, 2") == [
        ("anonymous_id", "x"),
        ("user_id", "u1"),
    ]


def test_an_alias_of_an_id_to_itself_changes_nothing(bench: Bench) -> None:
    build(bench, seen(("d1", "u1")), [alias("u1", "u1"), alias(None, "u1"), alias("u1", None)])
    assert people(bench) == {frozenset({"d1", "u1"})}
    assert bench.rows("select id_type, id, user_id, is_alias from marts.identity_links") == [
        ("anonymous_id", "d1", "u1", False)
    ]


# --- guards -------------------------------------------------------------------------------------


def test_a_device_with_two_users_is_shared_and_merges_nobody(bench: Bench) -> None:
    build(bench, seen(("d1", None), ("d1", "u1"), ("d1", "u2"), ("d2", "u1")))
    assert people(bench) == {frozenset({"d1"}), frozenset({"u1", "d2"}), frozenset({"u2"})}
    assert shared(bench) == {"d1"}


def test_how_many_users_a_device_may_have_is_a_setting(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(identity__max_users_per_device=2)
    build(bench, seen(("d1", "u1"), ("d1", "u2"), ("d2", "u3"), ("d2", "u4"), ("d2", "u5")))
    assert people(bench) == {
        frozenset({"d1", "u1", "u2"}),
        frozenset({"d2"}),
        frozenset({"u3"}),
        frozenset({"u4"}),
        frozenset({"u5"}),
    }
    assert shared(bench) == {"d2"}


def test_an_alias_to_a_second_user_makes_a_device_shared(bench: Bench) -> None:
    build(bench, seen(("d1", "u1"), (None, "u2")), [alias("d1", "u2")])
    assert people(bench) == {frozenset({"d1"}), frozenset({"u1"}), frozenset({"u2"})}


def test_user_ids_joined_by_aliases_are_one_user_of_a_device(bench: Bench) -> None:
    """Who renames an account on the way keeps the device, however long the chain of names."""
    names = [f"u{number}" for number in range(12)]
    build(
        bench,
        seen(("d1", None), *(("d1", name) for name in names), ("d2", "u0"), ("d2", "other")),
        [alias(a, b) for a, b in itertools.pairwise(names)],
    )
    assert people(bench) == {
        frozenset({"d1", *names}),
        frozenset({"d2"}),
        frozenset({"other"}),
    }
    assert shared(bench) == {"d2"}


def test_placeholders_join_nothing(bench: Bench) -> None:
    events, aliases = [], []
    for text in (
        "null",
        "undefined",
        "0",
        "anonymous",
        "NULL",
        " Undefined\t",
        "\n0 ",
        " ",
        "\t",
        "",
    ):
        events += [("d1", text), ("d2", text), (text, "u1"), (text, "u2"), (text, text)]
        aliases += [alias(text, "u1"), alias("u2", text)]
    build(bench, seen(*events), aliases)
    assert people(bench) == {
        frozenset({"d1"}),
        frozenset({"d2"}),
        frozenset({"u1"}),
        frozenset({"u2"}),
    }


def test_placeholders_are_a_setting(make_bench: Callable[..., Bench]) -> None:
    """Compared trimmed and in lower case on both sides; a blank id never joins anything."""
    bench = make_bench(identity__placeholder_ids=[" N/A "])
    build(
        bench,
        seen(
            ("d1", "N/A"), ("d2", "n/a "), ("d1", " "), ("d2", " "), ("d3", "null"), ("d4", "null")
        ),
    )
    assert people(bench) == {
        frozenset({"d1"}),
        frozenset({"d2"}),
        frozenset({"d3", "d4", "null"}),
    }


def test_there_may_be_no_placeholder(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(identity__placeholder_ids=[])
    build(bench, seen(("d1", "null"), ("d2", "null")))
    assert people(bench) == {frozenset({"d1", "d2", "null"})}


# --- person_id ----------------------------------------------------------------------------------


def test_the_person_id_comes_from_the_earliest_id(bench: Bench) -> None:
    build(bench, seen(("d1", None), ("d2", "u1"), ("d1", "u1")))
    assert bench.rows(
        "select id, person_id, is_earliest_id from marts.identity_map order by id"
    ) == [
        ("d1", person("anonymous_id", "d1"), True),
        ("d2", person("anonymous_id", "d1"), False),
        ("u1", person("anonymous_id", "d1"), False),
    ]


def test_of_ids_first_received_together_the_smaller_one_gives_the_person_id(bench: Bench) -> None:
    build(bench, seen(("z", "b"), ("a", "b")))
    assert bench.rows("select distinct person_id from marts.identity_map") == [
        (person("user_id", "b"),)
    ]


def test_the_time_received_counts_and_not_the_time_of_the_event(bench: Bench) -> None:
    build(
        bench,
        [
            {"id": "e1", "anonymous_id": "d1", "user_id": "u1", "type": "page",
             "timestamp": "2026-01-05 10:00", "received_at": "2026-01-05 10:00"},
            {"id": "e2", "anonymous_id": "d2", "user_id": "u1", "type": "page",
             "timestamp": "2026-01-02 10:00", "received_at": "2026-01-06 10:00"},
        ],
    )  # fmt: skip
    assert bench.rows("select distinct person_id from marts.identity_map") == [
        (person("anonymous_id", "d1"),)
    ]


def test_a_merge_keeps_the_older_person_id(bench: Bench) -> None:
    """d1 and u2 are two people until the alias arrives: then both are who d1 was."""
    events = seen(("d1", "u1"), ("d2", "u2"))
    build(bench, events)
    before = dict(bench.rows("select id, person_id from marts.identity_map"))
    build(bench, events, [alias("u2", "u1")])
    after = dict(bench.rows("select id, person_id from marts.identity_map"))
    assert before["u1"] != before["u2"]
    assert set(after.values()) == {before["d1"]} == {person("anonymous_id", "d1")}


def test_nothing_received_after_the_as_of_date_joins(make_bench: Callable[..., Bench]) -> None:
    """Midnight in New York is 05:00 UTC: the first event belongs to the 31st, the second not."""
    bench = make_bench("2026-01-31", timezone="America/New_York")
    build(
        bench,
        [
            {"id": "e1", "anonymous_id": "d1", "type": "page", "timestamp": "2026-02-01 04:59"},
            {"id": "e2", "anonymous_id": "d1", "user_id": "u1", "type": "page",
             "timestamp": "2026-02-01 05:00"},
        ],
    )  # fmt: skip
    assert people(bench) == {frozenset({"d1"})}


def test_how_the_events_are_ordered_in_the_table_does_not_matter(bench: Bench) -> None:
    events = seen(
        ("d1", "u1"), ("d2", "u2"), ("d2", "u1"), ("d3", "u3"), ("d1", None), ("d4", "u3")
    )
    aliases = [alias("u3", "u4"), alias("u4", "u1")]
    build(bench, events, aliases)
    first = bench.rows("select * from marts.identity_map order by id_type, id")
    random.Random(3).shuffle(events)
    build(bench, events, aliases[::-1])
    assert bench.rows("select * from marts.identity_map order by id_type, id") == first


# --- links --------------------------------------------------------------------------------------


def test_a_link_says_which_event_made_it(bench: Bench) -> None:
    build(
        bench,
        seen(("d1", "u1"), ("d1", None), ("d1", "u1")),
        [alias("u0", "u1", at="2026-01-20 10:00")],
    )
    assert bench.rows(
        "select id_type, id, user_id, is_alias, first_event_id, events, first_received_at, "
        "last_seen_at from marts.identity_links order by id"
    ) == [
        ("anonymous_id", "d1", "u1", False, "e0000", 2,
         _time("2026-01-01 00:00"), _time("2026-01-01 00:02")),
        ("user_id", "u0", "u1", True, "alias-u0-u1", 1,
         _time("2026-01-20 10:00"), _time("2026-01-20 10:00")),
    ]  # fmt: skip


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
