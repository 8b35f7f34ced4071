"""Interactions, users and items of Personalize, from candidates and what was sent of products."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.models.conftest import Bench

PRODUCT_CONCEPTS = (
    "product_clicked", "product_viewed", "product_added", "product_added_to_wishlist",
)  # fmt: skip


def candidate(id_: str, user: str, item: str, second: int = 100, **more: Any) -> dict[str, Any]:
    return {"candidate_id": id_, "concept": "product_viewed", "event_type": "View",
            "person_id": f"person of {user}", "user_id": user, "item_id": item,
            "epoch_seconds": second, **more}  # fmt: skip


# --- interactions -------------------------------------------------------------------------------


def interactions(bench: Bench, *candidates: dict[str, Any]) -> list[tuple[Any, ...]]:
    bench.given("marts.personalize_candidates", candidates)
    bench.given("marts.personalize_impressions", [])
    bench.build("personalize_interactions")
    return bench.rows(
        "select user_id, item_id, event_type, epoch_seconds, repeats, device_type "
        "from marts.personalize_interactions order by 1, 2, 3, 4"
    )


def test_what_is_left_out_of_the_candidates_is_no_interaction(bench: Bench) -> None:
    assert interactions(
        bench,
        candidate("1", "ann", "p1"),
        candidate("2", "ann", "p2", left_out="bot"),
        candidate("3", "ann", "p3", left_out="cancelled"),
    ) == [("ann", "p1", "View", 100, 1, None)]


def test_repeats_within_a_second_are_one_interaction(bench: Bench) -> None:
    assert interactions(
        bench,
        candidate("1", "ann", "p1", 100, device_type="mobile"),
        candidate("2", "ann", "p1", 100, device_type="desktop"),
        candidate("3", "ann", "p1", 101),  # a second later
        candidate("4", "ann", "p1", 100, event_type="Purchase"),
        candidate("5", "ann", "p2", 100),
        candidate("6", "ben", "p1", 100),
    ) == [
        ("ann", "p1", "Purchase", 100, 1, None),
        ("ann", "p1", "View", 100, 2, "desktop"),
        ("ann", "p1", "View", 101, 1, None),
        ("ann", "p2", "View", 100, 1, None),
        ("ben", "p1", "View", 100, 1, None),
    ]


# --- users --------------------------------------------------------------------------------------


def interaction(user: str, item: str = "p1", second: int = 100) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "event_type": "View", "epoch_seconds": second,
            "person_id": f"person of {user}", "repeats": 1}  # fmt: skip


def users(bench: Bench, *profiles: dict[str, Any]) -> list[tuple[Any, ...]]:
    bench.given("marts.profiles", [{"person_id": f"person of u{n}", "is_identified": True, **p}
                                   for n, p in enumerate(profiles)])  # fmt: skip
    bench.given(
        "marts.personalize_interactions", [interaction(f"u{n}") for n in range(len(profiles))]
    )
    bench.build("personalize_users")
    return bench.rows(
        "select user_id, membership, gender, age, country, plan "
        "from marts.personalize_users order by user_id"
    )


def test_a_user_with_a_user_id_is_a_member_and_others_are_guests(bench: Bench) -> None:
    assert users(
        bench,
        {"gender": "Female", "age": 31, "country": "us", "plan": "free"},
        {"is_identified": False},
    ) == [
        ("u0", "member", "female", 31, "US", "free"),
        ("u1", "guest", None, None, None, None),
    ]


def test_blank_traits_and_ages_nobody_has_are_unknown(bench: Bench) -> None:
    assert users(
        bench,
        {"gender": "", "country": "", "plan": "", "age": 0},
        {"age": 121, "country": "Germany"},
        {"age": 120},
    ) == [
        ("u0", "member", None, None, None, None),
        ("u1", "member", None, None, "Germany", None),
        ("u2", "member", None, 120, None, None),
    ]


def test_only_users_with_interactions_are_there_each_once(bench: Bench) -> None:
    bench.given("marts.profiles", [{"person_id": "person of ann", "is_identified": True},
                                   {"person_id": "idle", "is_identified": True}])  # fmt: skip
    bench.given(
        "marts.personalize_interactions",
        [interaction("ann", "p1"), interaction("ann", "p2"), interaction("ann", "p2", 101)],
    )
    bench.build("personalize_users")
    assert bench.rows("select user_id, interactions from marts.personalize_users") == [("ann", 3)]


# --- items --------------------------------------------------------------------------------------


def items(
    bench: Bench,
    order_items: list[dict[str, Any]] | None = None,
    uses: list[dict[str, Any]] | None = None,
    **concepts: list[dict[str, Any]],
) -> list[tuple[Any, ...]]:
    for concept in PRODUCT_CONCEPTS:
        bench.given(f"sources.{concept}", concepts.get(concept, []))
    bench.given("marts.order_items", order_items or [])
    bench.given("marts.personalize_interactions", uses or [])
    bench.build("personalize_items")
    return bench.rows(
        "select item_id, category, brand, name, price from marts.personalize_items order by 1"
    )


def view(id_: str, day: int, item: str | None = "p1", **more: Any) -> dict[str, Any]:
    return {"id": id_, "timestamp": f"2026-01-{day:02d} 10:00", "product_id": item, **more}


def test_each_attribute_is_the_latest_that_was_sent(bench: Bench) -> None:
    assert items(
        bench,
        product_viewed=[
            view("1", 1, category="Kitchen", brand="Old", name="Pan", price=20.0),
            view("3", 3, brand="New"),  # says nothing of the price: it stays
        ],
        product_added=[view("2", 2, price=25.5)],
    ) == [("p1", "Kitchen", "New", "Pan", Decimal("25.50"))]


def test_the_lines_of_orders_say_something_of_products_too(bench: Bench) -> None:
    assert items(
        bench,
        product_viewed=[view("1", 1, price=20.0)],
        order_items=[
            {"order_id": "o1", "line_number": 1, "product_id": "p1", "unit_price": Decimal("18.00"),
             "name": "Pan", "ordered_at": "2026-01-02 10:00"},
            {"order_id": "o1", "line_number": 2, "sku": "S2", "category": "Home",
             "ordered_at": "2026-01-02 10:00"},
        ],
    ) == [
        ("S2", "Home", None, None, None),
        ("p1", None, None, "Pan", Decimal("18.00")),
    ]  # fmt: skip


def test_prices_are_in_the_reporting_currency_or_not_there(
    make_bench: Callable[..., Bench],
) -> None:
    """One euro is 1.10 dollars; there is no rate for yen, and no price below zero."""
    bench = make_bench(currency__rates={"EUR": "1.10"})
    assert items(
        bench,
        product_viewed=[
            view("1", 1, "in euros", price=10.0, currency=" eur "),
            view("2", 1, "in dollars", price=10.0, currency="USD"),
            view("3", 1, "no currency", price=10.0),
            view("4", 1, "in yen", price=10.0, currency="JPY"),
            view("5", 1, "in yen later", price=9.99),
            view("6", 2, "in yen later", price=1500.0, currency="JPY"),
            view("7", 1, "below zero", price=-1.0),
            view("8", 1, "free", price=0.0),
        ],
    ) == [
        ("below zero", None, None, None, None),
        ("free", None, None, None, Decimal("0.00")),
        ("in dollars", None, None, None, Decimal("10.00")),
        ("in euros", None, None, None, Decimal("11.00")),
        ("in yen", None, None, None, None),
        ("in yen later", None, None, None, Decimal("9.99")),
        ("no currency", None, None, None, Decimal("10.00")),
    ]


def test_prices_out_of_bounds_are_not_there(make_bench: Callable[..., Bench]) -> None:
    """At 10^7 a unit, the largest price that is believed comes to 17 digits before the point."""
    bench = make_bench(currency__rates={"XAU": "10000000"})
    assert items(
        bench,
        product_viewed=[
            view("1", 1, "dear", price=1_500_000.0),
            view("2", 1, "dearest", price=9_999_999_999.99),
            view("3", 1, "not believed", price=1e10),
            view("4", 1, "not believed at all", price=1.7e308),
            view("5", 1, "in gold", price=12_345.67, currency="XAU"),
            view("6", 1, "past the column", price=9_999_999_999.99, currency="XAU"),
        ],
    ) == [
        ("dear", None, None, None, Decimal("1500000.00")),
        ("dearest", None, None, None, Decimal("9999999999.99")),
        ("in gold", None, None, None, Decimal("123456700000.00")),
        ("not believed", None, None, None, None),
        ("not believed at all", None, None, None, None),
        ("past the column", None, None, None, None),
    ]


def test_at_one_moment_an_order_says_the_latest_then_the_larger_event_id(bench: Bench) -> None:
    assert items(
        bench,
        product_viewed=[view("1", 1, name="first"), view("2", 1, name="second", brand="B2")],
        order_items=[
            {"order_id": "o1", "line_number": 1, "product_id": "p1", "name": "ordered",
             "ordered_at": "2026-01-01 10:00"},
        ],
    ) == [("p1", None, "B2", "ordered", None)]  # fmt: skip


def test_products_without_an_id_are_no_items_and_unused_ones_are(bench: Bench) -> None:
    items(
        bench,
        product_clicked=[view("1", 1, "p1"), view("2", 2, "p1"), view("3", 1, None, name="x")],
        product_added_to_wishlist=[view("4", 1, "p2")],
        uses=[interaction("ann", "p1"), interaction("ben", "p1")],
    )
    assert bench.rows(
        "select item_id, sightings, interactions from marts.personalize_items order by 1"
    ) == [("p1", 2, 2), ("p2", 1, 0)]


def test_there_may_be_nothing_at_all(bench: Bench) -> None:
    assert items(bench) == []
    assert interactions(bench) == []
    assert users(bench) == []
