"""attribution_chains, attribution_transitions, attribution_paths: journeys as channels in a row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.models.test_attribution_journeys import Row, order, touch, visit

MODELS = (
    "attribution_journeys",
    "attribution_chains",
    "attribution_transitions",
    "attribution_paths",
)


def chains(
    bench: Any, visits: list[Row], touches: list[Row], orders: list[Row]
) -> dict[str, list[str]]:
    """Build, and give each journey's channels."""
    bench.given("marts.sessions", visits)
    bench.given("marts.touches", touches)
    bench.given("marts.orders", orders)
    bench.build(*MODELS)
    found: dict[str, list[str]] = {}
    for journey, number, steps, channel in bench.rows(
        "select journey_id, step_number, steps, channel from marts.attribution_chains"
        " order by journey_id, step_number"
    ):
        found.setdefault(journey, []).append(channel)
        assert number == len(found[journey]) <= steps
    return found


def test_repeats_in_a_row_are_one_step(bench: Any) -> None:
    visits = [visit(f"s{n}", f"0{n} 10:00") for n in range(1, 6)]
    touches = [
        touch("s1", 1, "01 10:00", "Email"),
        touch("s2", 1, "02 10:00", "Email"),
        touch("s4", 1, "04 10:00", "Email"),
        touch("s5", 1, "05 10:00", "Referral"),
        touch("s5", 2, "05 10:05", "Referral"),
    ]
    assert chains(bench, visits, touches, [order("o", "05 10:10", "s5")]) == {
        "order:o": ["Email", "Direct", "Email", "Referral"]
    }


def test_journeys_without_an_order_begin_after_the_last_one(bench: Any) -> None:
    """Ann's touch of the order's moment is the order's, those after it are her journey to none. Bob
    never orders, and his is as long as the data: no lookback.
    """
    visits = [
        visit("s1", "01 10:00"),
        visit("s2", "20 10:00"),
        visit("b1", "01 10:00", "bob", started_at="2025-06-01 10:00"),
        visit("b2", "02 10:00", "bob"),
        visit("bot", "02 10:00", "bot", is_bot=True),
    ]
    touches = [
        touch("s1", 1, "01 10:00", "Email"),
        touch("s1", 2, "01 10:30", "Referral"),
        touch("b1", 1, "01 10:00", "Email", timestamp="2025-06-01 10:00"),
    ]
    assert chains(bench, visits, touches, [order("o", "01 10:00", "s1")]) == {
        "order:o": ["Email"],
        "person:ann": ["Referral", "Direct"],
        "person:bob": ["Email", "Direct"],
    }


def test_cancelled_orders_end_no_journey(bench: Any) -> None:
    visits = [visit("s1", "01 10:00"), visit("s2", "02 10:00")]
    touches = [touch("s1", 1, "01 10:00", "Email")]
    orders = [order("o", "01 11:00", "s1", status="cancelled")]
    assert chains(bench, visits, touches, orders) == {"person:ann": ["Email", "Direct"]}


def test_an_order_without_a_journey_is_directs(bench: Any) -> None:
    assert chains(bench, [], [], [order("o", "01 11:00", None)]) == {"order:o": ["Direct"]}
    assert bench.rows(
        "select from_state, to_state, transitions from marts.attribution_transitions"
        " order by from_state"
    ) == [("(start)", "Direct", 1), ("Direct", "(order)", 1)]


def test_transitions_and_paths_by_hand(bench: Any) -> None:
    """Ann: mail, then direct, and an order; then direct again, to none. Bob: mail, to none. Cyd:
    mail, direct, and an order of unknown worth.
    """
    visits = [
        visit("a1", "01 10:00"), visit("a2", "03 10:00"), visit("a3", "05 10:00"),
        visit("b1", "01 10:00", "bob"), visit("c1", "01 10:00", "cyd"),
        visit("c2", "01 22:00", "cyd"),
    ]  # fmt: skip
    touches = [touch(f"{who}1", 1, "01 10:00", "Email") for who in "abc"]
    orders = [
        order("o", "03 10:00", "a2", revenue=Decimal("8.00")),
        order("p", "02 10:00", "c2", "cyd", is_converted=False, revenue=None, net_revenue=None),
    ]
    chains(bench, visits, touches, orders)
    assert bench.rows(
        "select from_state, to_state, transitions from marts.attribution_transitions"
        " order by from_state, to_state"
    ) == [
        ("(start)", "Direct", 1),
        ("(start)", "Email", 3),
        ("Direct", "(none)", 1),
        ("Direct", "(order)", 2),
        ("Email", "(none)", 1),
        ("Email", "Direct", 2),
    ]
    assert bench.rows(
        "select path, steps, journeys, conversions, journeys_without_order, conversion_rate,"
        " valued_conversions, revenue, net_revenue, mean_days from marts.attribution_paths"
        " order by path"
    ) == [
        ("Direct", 1, 1, 0, 1, 0.0, 0, Decimal("0.00"), Decimal("0.00"), None),
        ("Email", 1, 1, 0, 1, 0.0, 0, Decimal("0.00"), Decimal("0.00"), None),
        ("Email > Direct", 2, 2, 2, 0, 1.0, 1, Decimal("8.00"), Decimal("10.00"), 1.5),
    ]
    # Two days from Ann's mail to her order, one from Cyd's to hers.
    assert bench.rows(
        "select cast(day as varchar) as d, path, timed_conversions, milliseconds_to_order"
        " from marts.attribution_paths where conversions > 0"
    ) == [("2026-01-31", "Email > Direct", 2, 3 * 86_400_000)]


def test_of_a_long_journey_the_last_twenty_are_named(bench: Any) -> None:
    visits = [visit(f"s{n:02}", f"01 10:{n:02}") for n in range(23)]
    touches = [
        touch(f"s{n:02}", 1, f"01 10:{n:02}", "Email" if n % 2 else "Referral") for n in range(23)
    ]
    chains(bench, visits, touches, [order("o", "01 12:00", "s22")])
    ((path, steps),) = bench.rows("select path, steps from marts.attribution_paths")
    assert path == "… > " + " > ".join(["Email", "Referral"] * 10)
    assert steps == 21


def test_rare_paths_are_others_and_no_order_is_lost(bench: Any) -> None:
    """1,100 people, each by a channel of their own, the last hundred with an order."""
    names = [f"c{n:04}" for n in range(1_100)]
    visits = [visit(name, "01 10:00", name) for name in names]
    touches = [touch(name, 1, "01 10:00", name) for name in names]
    orders = [order(name, "01 11:00", name, name) for name in names[1_000:]]
    chains(bench, visits, touches, orders)
    assert bench.rows(
        "select count(*) as n, sum(journeys) as j, sum(conversions) as c"
        " from marts.attribution_paths"
    ) == [(500 + 500 + 1 - 400, 1_100, 100)]
    assert bench.rows(
        "select steps, journeys, conversions from marts.attribution_paths where path = '(other)'"
    ) == [(None, 500, 0)]


@pytest.mark.parametrize("reset", ["conversion", "none"])
def test_the_journeys_are_those_of_the_settings(make_bench: Any, reset: str) -> None:
    bench = make_bench(attribution__reset=reset)
    visits = [visit("s1", "01 10:00"), visit("s2", "02 10:00")]
    touches = [touch("s1", 1, "01 10:00", "Email"), touch("s2", 1, "02 10:00", "Referral")]
    orders = [order("o", "01 11:00", "s1"), order("p", "02 11:00", "s2")]
    found = chains(bench, visits, touches, orders)
    assert found["order:p"] == (["Referral"] if reset == "conversion" else ["Email", "Referral"])
