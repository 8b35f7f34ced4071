"""Lists that products were chosen from, recommendations that were followed, and actions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.models.conftest import Bench


def listed(id_: str, at: str, *items: Any) -> dict[str, Any]:
    products = [item if isinstance(item, dict) else {"product_id": item} for item in items]
    return {"id": id_, "timestamp": f"2026-01-05 {at}", "products": json.dumps(products)}


def chosen(id_: str, item: str, at: str, **more: Any) -> dict[str, Any]:
    return {"candidate_id": id_, "concept": "product_viewed", "event_type": "View",
            "person_id": "ann", "user_id": "u", "item_id": item, "session_id": "s1",
            "epoch_seconds": 1, "happened_at": f"2026-01-05 {at}", **more}  # fmt: skip


def impressions(
    bench: Bench, lists: list[dict[str, Any]], *candidates: dict[str, Any], session: str = "s1"
) -> dict[str, str]:
    bench.given("sources.product_list_viewed", lists)
    bench.given(
        "marts.session_events",
        [{**{k: one[k] for k in ("id", "timestamp")}, "session_id": session} for one in lists],
    )
    bench.given("marts.personalize_candidates", candidates)
    bench.build("personalize_impressions")
    return dict(bench.rows("select candidate_id, impression from marts.personalize_impressions"))


def test_a_choice_has_the_latest_list_before_it_that_holds_the_product(bench: Bench) -> None:
    assert impressions(
        bench,
        [
            listed("l1", "10:00", "a", "b", "c"),
            listed("l2", "10:10", "b", "d"),
            listed("l3", "10:20", "a", "z"),
        ],
        chosen("before any list", "a", "09:59"),
        chosen("of the same moment", "a", "10:00"),
        chosen("a", "a", "10:15"),  # the second list did not hold it
        chosen("b", "b", "10:15"),
        chosen("not listed", "x", "10:15"),
        chosen("late", "a", "10:20"),
    ) == {
        "of the same moment": "a|b|c",
        "a": "a|b|c",
        "b": "b|d",
        "late": "a|z",
    }


def test_only_lists_of_the_same_session_count_and_purchases_have_none(bench: Bench) -> None:
    lists = [listed("l1", "10:00", "a", "b")]
    assert impressions(
        bench,
        lists,
        chosen("other session", "a", "10:05", session_id="s2"),
        chosen("none", "a", "10:05", session_id=None),
        chosen("bought", "a", "10:05", concept="order_completed"),
        chosen("bot", "a", "10:05", left_out="bot"),
    ) == {}  # fmt: skip


def test_a_list_is_its_first_25_products_each_once_by_id_else_sku(bench: Bench) -> None:
    many = [f"p{n:02}" for n in range(30)]
    found = impressions(
        bench,
        [
            listed("l1", "10:00", *many),
            listed("l2", "10:10", "b", {"sku": "S"}, "b", {"name": "no id"}, "x|y", {}),
        ],
        chosen("25th", "p24", "10:05"),
        chosen("26th", "p25", "10:05"),
        chosen("sku", "S", "10:15"),
    )
    assert found == {"25th": "|".join(many[:25]), "sku": "b|S"}


def test_what_is_no_list_of_products_stops_nothing(bench: Bench) -> None:
    broken = [
        {"id": f"l{n}", "timestamp": "2026-01-05 10:00", "products": text}
        for n, text in enumerate(["", "no json", "{}", "[1, null, [2]]", '{"product_id": "a"}'])
    ]
    assert impressions(bench, broken, chosen("1", "a", "10:05")) == {}
    assert impressions(bench, []) == {}


def test_interactions_keep_the_list_and_the_recommendation_that_was_followed(bench: Bench) -> None:
    bench.given(
        "marts.personalize_candidates",
        [
            chosen("1", "a", "10:00", recommendation_id=None),
            chosen("2", "a", "10:00", recommendation_id="r2", received_at="2026-01-05 10:01"),
            chosen("3", "a", "10:00", recommendation_id="r1", received_at="2026-01-05 10:09"),
        ],
    )
    bench.given(
        "marts.personalize_impressions",
        [
            {"candidate_id": "2", "impression": "z|a"},
            {"candidate_id": "3", "impression": "a|b"},
        ],
    )
    bench.build("personalize_interactions")
    assert bench.rows(
        "select repeats, impression, recommendation_id, cast(received_at as varchar) "
        "from marts.personalize_interactions"
    )[0][:3] == (3, "z|a", "r2")


# --- actions ------------------------------------------------------------------------------------


def test_actions_are_what_the_parameters_map(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(
        personalize__domain="custom",
        personalize__actions={
            "newsletter": {"viewed": "Offer Shown", "taken": "Signed Up", "value": 5},
            "app": {"not_taken": "Offer Closed"},
        },
    )
    event = {"timestamp": "1970-01-01 00:01:40.900", "person_id": "ann", "is_bot": False}
    bench.given(
        "marts.session_events",
        [
            {"id": "1", "event": "Offer Shown", **event},
            {"id": "2", "event": "Offer Shown", **event},  # the same second
            {"id": "3", "event": "Signed Up", **event},
            {"id": "4", "event": "Offer Closed", **event, "person_id": "ben"},
            {"id": "5", "event": "Offer Closed", **event, "person_id": "nobody"},
            {"id": "6", "event": "Signed Up", **event, "is_bot": True},
            {"id": "7", "event": "Page Read", **event},
        ],
    )
    bench.given(
        "marts.personalize_people",
        [
            {"person_id": "ann", "user_id": "u-ann"},
            {"person_id": "ben", "user_id": "u-ben"},
            {"person_id": "nobody"},
        ],
    )
    bench.build("personalize_action_interactions")
    assert bench.rows(
        "select user_id, action_id, event_type, epoch_seconds, repeats "
        "from marts.personalize_action_interactions order by 1, 2, 3"
    ) == [
        ("u-ann", "newsletter", "Taken", 100, 1),
        ("u-ann", "newsletter", "Viewed", 100, 2),
        ("u-ben", "app", "Not Taken", 100, 1),
    ]


def test_without_a_mapping_there_is_no_action(bench: Bench) -> None:
    bench.given("marts.session_events", [{"id": "1", "event": None, "person_id": "ann"}])
    bench.given("marts.personalize_people", [{"person_id": "ann", "user_id": "u"}])
    bench.build("personalize_action_interactions")
    assert bench.rows("select * from marts.personalize_action_interactions") == []
