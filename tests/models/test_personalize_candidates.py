"""What may become an interaction of Personalize, whose it is, and why it may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.models.conftest import Bench

DAY = "2026-01-05"


def seen(id_: str, person: str, at: str = f"{DAY} 10:00", **more: Any) -> dict[str, Any]:
    return {"id": id_, "person_id": person, "timestamp": at, "is_bot": False, **more}


def product(id_: str, item: str | None = "p1", at: str = f"{DAY} 10:00", **more: Any) -> dict:
    return {"id": id_, "product_id": item, "timestamp": at, **more}


def line(order: str, number: int, person: str, item: str, **more: Any) -> dict[str, Any]:
    return {"order_id": order, "line_number": number, "person_id": person, "product_id": item,
            "status": "completed", "is_bot": False, "ordered_at": f"{DAY} 11:00",
            **more}  # fmt: skip


def fill(bench: Bench, **tables: list[dict[str, Any]]) -> None:
    """Fill what the model reads; people are known by default as users u-ann and u-ben."""
    for concept in (
        "product_clicked",
        "product_viewed",
        "product_added",
        "product_added_to_wishlist",
    ):
        bench.given(f"sources.{concept}", tables.pop(concept, []))
    known = [
        {"person_id": "ann", "user_id": "u-ann"},
        {"person_id": "ben", "user_id": "u-ben"},
    ]
    lines = tables.get("order_items", [])
    orders = {row["order_id"]: {"order_id": row["order_id"], "session_id": "s1"} for row in lines}
    defaults: dict[str, list[dict[str, Any]]] = {
        "session_events": [],
        "sessions": [{"session_id": "s1", "device_type": "tablet"}],
        "orders": list(orders.values()),
        "order_items": [],
        "profiles": known,
        "identity_map": [],
        "order_events": [],
    }
    for name, default in defaults.items():
        bench.given(f"marts.{name}", tables.pop(name, default))
    assert not tables
    bench.build("personalize_people", "personalize_candidates")


def rows(bench: Bench, columns: str) -> list[tuple[Any, ...]]:
    return bench.rows(f"select {columns} from marts.personalize_candidates order by candidate_id")


def test_views_additions_and_order_lines_become_the_event_types_of_the_settings(
    bench: Bench,
) -> None:
    fill(
        bench,
        product_viewed=[product("e1", "p1")],
        product_added=[product("e2", "p2")],
        product_clicked=[product("e3", "p3")],  # the settings map no event type to it
        session_events=[seen("e1", "ann"), seen("e2", "ann"), seen("e3", "ann")],
        order_items=[line("o1", 1, "ben", "p4"), line("o1", 2, "ben", "p5")],
    )
    assert rows(bench, "candidate_id, event_type, user_id, item_id, left_out") == [
        ("order_completed:o1:1", "Purchase", "u-ben", "p4", None),
        ("order_completed:o1:2", "Purchase", "u-ben", "p5", None),
        ("product_added:e2:2026-01-05", "AddToCart", "u-ann", "p2", None),
        ("product_viewed:e1:2026-01-05", "View", "u-ann", "p1", None),
    ]


def test_other_concepts_count_when_the_settings_name_them(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(
        personalize__event_types={"product_clicked": "Click", "product_added_to_wishlist": "Save"}
    )
    fill(
        bench,
        product_viewed=[product("e1", "p1")],
        product_clicked=[product("e2", "p2")],
        product_added_to_wishlist=[product("e3", "p3")],
        session_events=[seen("e1", "ann"), seen("e2", "ann"), seen("e3", "ann")],
    )
    assert rows(bench, "event_type, item_id") == [("Save", "p3"), ("Click", "p2")]


def test_no_event_type_at_all_is_no_candidate(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(personalize__event_types={})
    fill(bench, product_viewed=[product("e1")], session_events=[seen("e1", "ann")])
    assert rows(bench, "candidate_id") == []


def test_a_user_is_known_by_the_id_that_the_site_can_send(bench: Bench) -> None:
    """An identified person by the latest user id, also for what came before signing in; a guest
    by the device, of several the one seen first; who has neither is nobody's user.
    """
    fill(
        bench,
        product_viewed=[product("1"), product("2"), product("3"), product("4")],
        session_events=[
            seen("1", "ann", anonymous_id="d-ann"),  # before she signed in
            seen("2", "guest", anonymous_id="d9"),
            seen("3", "hopper", anonymous_id="d2"),
            seen("4", "nobody"),
        ],
        profiles=[
            {"person_id": "ann", "user_id": "u-ann"},
            {"person_id": "guest"},
            {"person_id": "hopper"},
            {"person_id": "nobody"},
        ],
        identity_map=[
            {"id_type": "user_id", "id": "u-ann", "person_id": "ann"},
            {"id_type": "anonymous_id", "id": "d-ann", "person_id": "ann"},
            {"id_type": "anonymous_id", "id": "d9", "person_id": "guest",
             "first_received_at": "2026-01-01 10:00"},
            {"id_type": "anonymous_id", "id": "d2", "person_id": "hopper",
             "first_received_at": "2026-01-02 10:00"},
            {"id_type": "anonymous_id", "id": "d3", "person_id": "hopper",
             "first_received_at": "2026-01-01 10:00"},
        ],
    )  # fmt: skip
    assert rows(bench, "person_id, user_id, left_out") == [
        ("ann", "u-ann", None),
        ("guest", "d9", None),
        ("hopper", "d3", None),
        ("nobody", None, "no_user"),
    ]


def test_a_guests_device_with_the_id_of_a_user_is_not_taken_for_that_user(bench: Bench) -> None:
    fill(
        bench,
        product_viewed=[product("1"), product("2")],
        session_events=[seen("1", "ann"), seen("2", "guest")],
        profiles=[{"person_id": "ann", "user_id": "u-ann"}, {"person_id": "guest"}],
        identity_map=[{"id_type": "anonymous_id", "id": "u-ann", "person_id": "guest"}],
    )
    assert rows(bench, "person_id, user_id") == [("ann", "u-ann"), ("guest", "guest")]


def test_an_item_is_its_product_id_else_its_sku(bench: Bench) -> None:
    fill(
        bench,
        product_viewed=[
            product("1", "p1", sku="S1"),
            product("2", None, sku="S2"),
            product("3", "", sku="S3"),
            product("4", None),
        ],
        session_events=[seen(str(n), "ann") for n in (1, 2, 3, 4)],
    )
    assert rows(bench, "item_id, left_out") == [
        ("p1", None), ("S2", None), ("S3", None), (None, "no_item"),
    ]  # fmt: skip


def test_bots_are_left_out_where_the_parameters_say_so(make_bench: Callable[..., Bench]) -> None:
    tables = {
        "product_viewed": [product("1"), product("2", None)],
        "session_events": [seen("1", "ann", is_bot=True), seen("2", "ann", is_bot=True)],
        "order_items": [line("o1", 1, "ben", "p1", is_bot=True)],
    }
    bench = make_bench()
    fill(bench, **tables)
    assert rows(bench, "left_out") == [("bot",), ("bot",), ("bot",)]
    bench = make_bench(metrics__exclude_bots=False)
    fill(bench, **tables)
    assert rows(bench, "left_out") == [(None,), (None,), ("no_item",)]


def test_a_cancelled_order_was_no_purchase_and_a_refunded_one_was(bench: Bench) -> None:
    fill(
        bench,
        order_items=[
            line("o1", 1, "ann", "p1", status="cancelled"),
            line("o2", 1, "ann", "p1", status="refunded"),
            line("o3", 1, "ann", "p1", status="partially_refunded"),
        ],
    )
    assert rows(bench, "left_out") == [("cancelled",), (None,), (None,)]


def test_time_is_in_whole_seconds_since_1970_rounded_down(bench: Bench) -> None:
    """2026-01-05 is 20,458 days after 1970-01-01: 20458 * 86400 = 1767571200."""
    fill(
        bench,
        product_viewed=[product("1"), product("2")],
        session_events=[
            seen("1", "ann", "2026-01-05 00:00:00.000"),
            seen("2", "ann", "2026-01-05 00:00:01.999"),
        ],
        order_items=[line("o1", 1, "ben", "p1", ordered_at="2026-01-05 00:01:00.500")],
    )
    assert rows(bench, "epoch_seconds") == [(1767571260,), (1767571200,), (1767571201,)]


def test_the_device_is_the_events_and_for_an_order_that_of_its_session(bench: Bench) -> None:
    fill(
        bench,
        product_viewed=[product("1")],
        session_events=[seen("1", "ann", device_type="mobile")],
        order_items=[line("o1", 1, "ben", "p1"), line("o2", 1, "ben", "p1")],
        orders=[{"order_id": "o1", "session_id": "s1"}, {"order_id": "o2"}],
    )
    assert rows(bench, "device_type") == [("tablet",), (None,), ("mobile",)]


def test_an_id_that_recurs_beyond_the_duplicate_window_is_two_events(bench: Bench) -> None:
    fill(
        bench,
        product_viewed=[
            product("1", "p1", "2026-01-05 10:00"),
            product("1", "p2", "2026-01-20 10:00"),
        ],
        session_events=[
            seen("1", "ann", "2026-01-05 10:00"),
            seen("1", "ben", "2026-01-20 10:00"),
        ],
    )
    assert rows(bench, "user_id, item_id") == [("u-ann", "p1"), ("u-ben", "p2")]


def test_nothing_received_after_the_as_of_date_is_there(bench: Bench) -> None:
    """The bench stands at 2026-01-31."""
    fill(
        bench,
        product_viewed=[
            product("1", received_at="2026-01-31 23:59:59"),
            product("2", received_at="2026-02-01 00:00:00"),
        ],
        session_events=[
            seen("1", "ann", received_at="2026-01-31 23:59:59"),
            seen("2", "ann", received_at="2026-02-01 00:00:00"),
        ],
    )
    assert rows(bench, "candidate_id") == [("product_viewed:1:2026-01-31",)]


def test_there_may_be_nothing_at_all(bench: Bench) -> None:
    fill(bench, profiles=[])
    assert rows(bench, "candidate_id") == []


def test_when_it_was_received_and_which_recommendation_was_followed(bench: Bench) -> None:
    """Of an order, the completion that was received first counts: it is known from then on."""
    completion = {"order_id": "o1", "kind": "completed", "timestamp": f"{DAY} 11:00"}
    fill(
        bench,
        product_viewed=[product("1", recommendation_id="r1"), product("2", recommendation_id="")],
        session_events=[
            seen("1", "ann", received_at=f"{DAY} 12:00"),
            seen("2", "ann", received_at=f"{DAY} 12:30"),
        ],
        order_items=[line("o1", 1, "ann", "p2")],
        order_events=[
            {**completion, "event_number": 1, "id": "a", "received_at": f"{DAY} 15:00"},
            {**completion, "event_number": 2, "id": "b", "received_at": f"{DAY} 13:00"},
            {**completion, "event_number": 3, "id": "c", "received_at": f"{DAY} 12:00",
             "kind": "refunded"},
        ],
    )  # fmt: skip
    found = rows(bench, "candidate_id, recommendation_id, received_at, session_id")
    assert [(row[0][:16], row[1], row[2].hour, row[2].minute) for row in found] == [
        ("order_completed:", None, 13, 0),
        ("product_viewed:1", "r1", 12, 0),
        ("product_viewed:2", None, 12, 30),
    ]
    assert found[0][3] == "s1"
