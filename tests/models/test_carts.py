"""Carts: what makes one, and whether it was ordered, abandoned or is still open."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.models.conftest import Bench

at = datetime.fromisoformat


def carts(
    bench: Bench,
    added: list[dict[str, Any]],
    orders: list[dict[str, Any]] | None = None,
    columns: str = "cart_id, status, order_id",
) -> list[tuple[Any, ...]]:
    """Build carts of products added; without more the person is p1 and the session s1."""
    filled = [{"id": f"a{number}", **row} for number, row in enumerate(added, start=1)]
    theirs = ("person_id", "session_id", "is_bot")
    bench.given(
        "sources.product_added",
        [{key: row[key] for key in row.keys() - set(theirs)} for row in filled],
    )
    bench.given(
        "marts.session_events",
        [
            {
                "person_id": "p1",
                "session_id": "s1",
                "event_date": row["timestamp"][:10],
                **{key: row[key] for key in ("id", "timestamp", *theirs) if key in row},
            }
            for row in filled
        ],
    )
    bench.given("marts.orders", [{"person_id": "p1", **row} for row in orders or []])
    bench.build("carts")
    return bench.rows(f"select {columns} from marts.carts order by person_id, opened_at, cart_id")


def test_a_cart_is_what_has_one_cart_id(bench: Bench) -> None:
    """A quantity that is missing, or none at all, is one unit."""
    found = carts(
        bench,
        [
            {"cart_id": "k1", "timestamp": "2026-01-10 10:00", "quantity": 2},
            {"cart_id": "k2", "timestamp": "2026-01-12 10:00", "quantity": 0},
            {"cart_id": "k1", "timestamp": "2026-01-11 10:00"},
        ],
        columns="cart_id, cart_date, products_added, units_added, opened_at, last_added_at",
    )
    first, second = at("2026-01-10"), at("2026-01-12")
    assert found == [
        ("k1", first.date(), 2, 3, at("2026-01-10 10:00"), at("2026-01-11 10:00")),
        ("k2", second.date(), 1, 1, at("2026-01-12 10:00"), at("2026-01-12 10:00")),
    ]


def test_without_a_cart_id_each_session_has_a_cart(bench: Bench) -> None:
    found = carts(
        bench,
        [
            {"timestamp": "2026-01-10 10:00", "session_id": "s1"},
            {"timestamp": "2026-01-10 10:05", "session_id": "s1", "cart_id": " "},
            {"timestamp": "2026-01-11 10:00", "session_id": "s2"},
            {"timestamp": "2026-01-12 10:00", "session_id": None},
        ],
        columns="cart_id, products_added",
    )
    assert found == [("session:s1", 2), ("session:s2", 1), ("event:a4", 1)]


def test_two_people_may_use_the_same_cart_id(bench: Bench) -> None:
    added = [
        {"cart_id": "k", "timestamp": "2026-01-10 10:00", "person_id": person}
        for person in ("p1", "p2")
    ]
    assert carts(bench, added, columns="person_id, cart_id") == [("p1", "k"), ("p2", "k")]


def test_an_order_takes_the_cart_begun_last(bench: Bench) -> None:
    found = carts(
        bench,
        [
            {"cart_id": "k1", "timestamp": "2026-01-10 10:00"},
            {"cart_id": "k2", "timestamp": "2026-01-12 10:00"},
            {"cart_id": "k3", "timestamp": "2026-01-14 10:00"},
        ],
        [
            {"order_id": "early", "ordered_at": "2026-01-09 10:00", "status": "completed"},
            {"order_id": "o1", "ordered_at": "2026-01-13 10:00", "status": "completed"},
            {"order_id": "o2", "ordered_at": "2026-01-13 11:00", "status": "completed"},
        ],
    )
    assert found == [("k1", "abandoned", None), ("k2", "ordered", "o1"), ("k3", "abandoned", None)]


def test_a_cart_ordered_weeks_later_was_ordered(bench: Bench) -> None:
    found = carts(
        bench,
        [{"cart_id": "k1", "timestamp": "2026-01-01 10:00"}],
        [{"order_id": "o1", "ordered_at": "2026-01-30 10:00", "status": "refunded"}],
    )
    assert found == [("k1", "ordered", "o1")]


def test_the_cart_of_a_cancelled_order_was_not_abandoned(bench: Bench) -> None:
    """Nor ordered, unless an order that stands follows before the next cart."""
    cancelled = {"order_id": "o1", "ordered_at": "2026-01-11 10:00", "status": "cancelled"}
    again = {"order_id": "o2", "ordered_at": "2026-01-11 11:00", "status": "completed"}
    added = [
        {"cart_id": "k1", "timestamp": "2026-01-10 10:00"},
        {"cart_id": "k2", "timestamp": "2026-01-12 10:00"},
    ]
    assert carts(bench, added, [cancelled]) == [
        ("k1", "cancelled", "o1"),
        ("k2", "abandoned", None),
    ]
    assert carts(bench, added, [cancelled, again]) == [
        ("k1", "ordered", "o2"),
        ("k2", "abandoned", None),
    ]


def test_quantities_that_no_cart_holds_are_one_unit(bench: Bench) -> None:
    """The largest number there is, a million and -1 are 1 each; 999,999 is believed."""
    found = carts(
        bench,
        [
            {"cart_id": "k1", "timestamp": "2026-01-10 10:00", "quantity": quantity}
            for quantity in (2**63 - 1, 2**63 - 1, 1_000_000, -1, 999_999)
        ],
        columns="units_added",
    )
    assert found == [(1_000_003,)]


def test_an_order_of_somebody_else_takes_nothing(bench: Bench) -> None:
    found = carts(
        bench,
        [{"cart_id": "k1", "timestamp": "2026-01-10 10:00"}],
        [{"order_id": "o1", "ordered_at": "2026-01-10 11:00", "person_id": "p2"}],
    )
    assert found == [("k1", "abandoned", None)]


def test_a_cart_is_open_until_24_hours_after_its_last_product(bench: Bench) -> None:
    """The as-of date, 2026-01-31, ends at midnight: of two carts a second apart one is left."""
    found = carts(
        bench,
        [
            {"cart_id": "left", "timestamp": "2026-01-31 00:00:00", "person_id": "p1"},
            {"cart_id": "open", "timestamp": "2026-01-29 10:00:00", "person_id": "p2"},
            {"cart_id": "open", "timestamp": "2026-01-31 00:00:01", "person_id": "p2"},
        ],
    )
    assert found == [("left", "abandoned", None), ("open", "open", None)]


def test_a_cart_is_a_bots_when_all_of_it_is(bench: Bench) -> None:
    found = carts(
        bench,
        [
            {"cart_id": "k1", "timestamp": "2026-01-10 10:00", "is_bot": True},
            {"cart_id": "k2", "timestamp": "2026-01-11 10:00", "is_bot": True},
            {"cart_id": "k2", "timestamp": "2026-01-11 11:00", "is_bot": False},
        ],
        columns="cart_id, is_bot",
    )
    assert found == [("k1", True), ("k2", False)]
