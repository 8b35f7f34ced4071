"""attribution_journeys: which touches led to an order, rule by rule.

Touches are named ``session#number``, a session's direct touch ``session#0``.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

Row = dict[str, Any]


def visit(name: str, when: str, person: str = "ann", **more: Any) -> Row:
    """A session, in January 2026."""
    return {
        "session_id": name,
        "person_id": person,
        "started_at": f"2026-01-{when}",
        "is_bot": False,
        **more,
    }


def touch(session: str, number: int, when: str, channel: str = "Email", **more: Any) -> Row:
    return {
        "id": f"{session}#{number}",
        "session_id": session,
        "person_id": "whoever",
        "touch_number": number,
        "channel": channel,
        "source": channel.lower(),
        "medium": "test",
        "timestamp": f"2026-01-{when}",
        **more,
    }


def order(name: str, when: str, session: str | None, person: str = "ann", **more: Any) -> Row:
    """An order of 10.00."""
    return {
        "order_id": name,
        "person_id": person,
        "session_id": session,
        "ordered_at": f"2026-01-{when}",
        "order_date": f"2026-01-{when[:2]}",
        "is_converted": True,
        "status": "completed",
        "revenue": Decimal("10.00"),
        "net_revenue": Decimal("10.00"),
        "is_bot": False,
        **more,
    }


def journeys(
    bench: Any, visits: list[Row], touches: list[Row], orders: list[Row]
) -> dict[str, list[str]]:
    """Build, and give each order's touches in their order; without any, it is left out."""
    bench.given("marts.sessions", visits)
    bench.given("marts.touches", touches)
    bench.given("marts.orders", orders)
    bench.build("attribution_journeys")
    found: dict[str, list[str]] = {}
    for name, number, touches_, session, own in bench.rows(
        "select order_id, touch_number, touches, session_id, session_touch_number"
        " from marts.attribution_journeys order by order_id, touch_number"
    ):
        found.setdefault(name, []).append(f"{session}#{own}")
        assert number == len(found[name]) <= touches_
    return found


def test_a_session_has_its_touches_or_is_one_direct_touch(bench: Any) -> None:
    visits = [visit("s1", "01 10:00"), visit("s2", "02 10:00"), visit("s3", "03 10:00")]
    touches = [touch("s2", 1, "02 10:01"), touch("s2", 2, "02 10:05", "Referral")]
    assert journeys(bench, visits, touches, [order("o1", "03 10:30", "s3")]) == {
        "o1": ["s1#0", "s2#1", "s2#2", "s3#0"]
    }
    assert bench.rows(
        "select channel, source, medium, campaign, is_direct, milliseconds_to_order, touches"
        " from marts.attribution_journeys where touch_number in (1, 2) order by touch_number"
    ) == [
        ("Direct", "(direct)", "(none)", None, True, (2 * 24 * 60 + 30) * 60_000, 4),
        ("Email", "email", "test", None, False, (24 * 60 + 29) * 60_000, 4),
    ]


def test_touches_come_up_to_the_order(bench: Any) -> None:
    """A touch at the order's moment does, one a millisecond later does not."""
    visits = [visit("s1", "02 10:00"), visit("s2", "02 10:30"), visit("s3", "02 10:30:00.001")]
    touches = [touch("s1", 1, "02 10:00"), touch("s1", 2, "02 10:30:00.001", "Referral")]
    assert journeys(bench, visits, touches, [order("o1", "02 10:30", "s1")]) == {
        "o1": ["s1#1", "s2#0"]
    }


def test_a_session_whose_touch_comes_after_the_order_is_direct(bench: Any) -> None:
    """The case touch-after-order: the order at 10:05, its mail clicked at 10:08. For a later order
    the session has the touch, and is not direct any more.
    """
    visits = [visit("s1", "02 10:00")]
    touches = [touch("s1", 1, "02 10:08")]
    orders = [order("R1", "02 10:05", "s1"), order("R2", "02 10:10", "s1")]
    assert journeys(bench, visits, touches, orders) == {"R1": ["s1#0"], "R2": ["s1#1"]}


def test_a_touch_of_a_session_that_began_long_ago_has_its_own_time(bench: Any) -> None:
    """The case touch-after-order, landing-long-session: the id is kept for 40 days, the ad was
    clicked two hours before the order, which the server told, in no session.
    """
    visits = [visit("s1", "01 11:00", started_at="2025-11-20 11:00")]
    touches = [touch("s1", 1, "10 10:00", "Paid Search")]
    assert journeys(bench, visits, touches, [order("Y", "10 12:00", None)]) == {"Y": ["s1#1"]}


@pytest.mark.parametrize("own", [True, False], ids=["own session", "earlier session"])
def test_the_lookback_ends_thirty_days_before_the_order(bench: Any, own: bool) -> None:
    """Inclusive to the millisecond, also for the session that the order is in."""
    visits = [visit("s1", "01 10:00")]
    touches = [touch("s1", 1, "01 10:29:59.999"), touch("s1", 2, "01 10:30:00.000", "Referral")]
    orders = [order("o1", "31 10:30", "s1" if own else None)]
    assert journeys(bench, visits, touches, orders) == {"o1": ["s1#2"]}


def test_a_direct_touch_is_at_the_sessions_start(bench: Any) -> None:
    visits = [visit("s1", "01 10:29:59.999"), visit("s2", "01 10:30:00.000")]
    assert journeys(bench, visits, [], [order("o1", "31 10:30", "s1")]) == {"o1": ["s2#0"]}


def test_the_lookback_is_a_setting(make_bench: Any) -> None:
    visits = [visit("s1", "01 10:00"), visit("s2", "04 10:00")]
    orders = [order("o1", "04 10:30", "s2")]
    assert journeys(make_bench(attribution__lookback_days=3), visits, [], orders) == {
        "o1": ["s2#0"]
    }
    assert journeys(make_bench(attribution__lookback_days=4), visits, [], orders) == {
        "o1": ["s1#0", "s2#0"]
    }


def test_a_journey_starts_after_the_order_before_it(make_bench: Any) -> None:
    """A touch at the moment of that order is that order's."""
    visits = [visit(f"s{n}", f"0{n} 10:00") for n in (1, 2, 3, 5)]
    touches = [touch("s1", 1, "01 10:00"), touch("s2", 1, "02 10:00")]
    orders = [order("o1", "02 10:00", None), order("o2", "05 10:30", "s5")]
    assert journeys(make_bench(), visits, touches, orders) == {
        "o1": ["s1#1", "s2#1"],
        "o2": ["s3#0", "s5#0"],
    }
    keeping = make_bench(attribution__reset="none")
    assert journeys(keeping, visits, touches, orders) == {
        "o1": ["s1#1", "s2#1"],
        "o2": ["s1#1", "s2#1", "s3#0", "s5#0"],
    }


def test_only_an_order_that_stands_starts_a_journey_anew(bench: Any) -> None:
    """And only the person's own: neither a cancelled one nor a bot's, nor somebody else's."""
    visits = [visit("s1", "01 10:00")]
    touches = [touch("s1", 1, "01 10:00")]
    orders = [
        order("o1", "02 10:00", None, status="cancelled"),
        order("o2", "02 11:00", None, is_bot=True),
        order("o3", "02 12:00", None, person="bob"),
        order("o4", "03 10:00", None),
    ]
    assert journeys(bench, visits, touches, orders) == {"o4": ["s1#1"]}


def test_touches_of_the_orders_session_belong_to_it_also_before_an_earlier_order(
    bench: Any,
) -> None:
    """The case attribution: two orders in one session that a mail brought."""
    visits = [visit("s0", "01 10:00"), visit("s1", "02 10:00")]
    touches = [touch("s0", 1, "01 10:00", "Referral"), touch("s1", 1, "02 10:00")]
    orders = [order("T1", "02 10:05", "s1"), order("T2", "02 10:10", "s1")]
    assert journeys(bench, visits, touches, orders) == {"T1": ["s0#1", "s1#1"], "T2": ["s1#1"]}


def test_of_two_orders_of_one_moment_the_first_by_id_takes_what_led_there(bench: Any) -> None:
    """Each has its own session's touches all the same."""
    visits = [visit("s0", "01 10:00"), visit("s1", "02 10:00"), visit("s2", "02 10:00")]
    orders = [order("o2", "02 10:30", "s2"), order("o1", "02 10:30", "s1")]
    assert journeys(bench, visits, [], orders) == {"o1": ["s0#0", "s1#0", "s2#0"], "o2": ["s2#0"]}


def test_a_session_with_touches_up_to_the_order_is_not_direct_for_want_of_one_in_the_journey(
    bench: Any,
) -> None:
    """The mail belongs to o1's journey alone; o2 has none, and so no row."""
    visits = [visit("s1", "01 10:00")]
    touches = [touch("s1", 1, "01 10:00")]
    orders = [order("o1", "01 10:05", "s1"), order("o2", "01 18:00", None)]
    assert journeys(bench, visits, touches, orders) == {"o1": ["s1#1"]}


def test_touches_are_their_sessions_persons(bench: Any) -> None:
    """Whoever sent the event. The order's session counts though it is another's: on a shared
    device it may be.
    """
    visits = [
        visit("s1", "01 10:00", "bob"),
        visit("s2", "02 10:00", "bob"),
        visit("s3", "01 09:00"),
    ]
    touches = [touch("s1", 1, "01 10:00"), touch("s2", 1, "02 10:00")]
    assert journeys(bench, visits, touches, [order("o1", "02 10:30", "s2")]) == {
        "o1": ["s3#0", "s2#1"]
    }


def test_ties_go_by_the_sessions_start_and_the_touchs_number(bench: Any) -> None:
    visits = [visit("s2", "01 10:00"), visit("s1", "01 11:00"), visit("s0", "01 10:00")]
    touches = [
        *(touch("s1", n, "01 12:00") for n in (1, 2)),
        touch("s2", 2, "01 12:00"),
        touch("s0", 1, "01 12:00"),
    ]
    assert journeys(bench, visits, touches, [order("o1", "01 12:00", None)]) == {
        "o1": ["s0#1", "s2#2", "s1#1", "s1#2"]
    }


def test_bots_neither_order_nor_touch(make_bench: Any) -> None:
    visits = [visit("s1", "01 10:00", is_bot=True), visit("s2", "02 10:00")]
    touches = [touch("s1", 1, "01 10:00")]
    orders = [order("o1", "02 10:30", "s2"), order("o2", "02 10:40", "s1", is_bot=True)]
    assert journeys(make_bench(), visits, touches, orders) == {"o1": ["s2#0"]}
    assert journeys(make_bench(metrics__exclude_bots=False), visits, touches, orders) == {
        "o1": ["s1#1", "s2#0"],
        "o2": ["s1#1"],
    }


def test_without_orders_or_touches_there_is_no_journey(bench: Any) -> None:
    assert journeys(bench, [visit("s1", "01 10:00")], [], []) == {}
    assert journeys(bench, [], [], [order("o1", "01 10:00", None)]) == {}


@pytest.mark.parametrize("reset", ["conversion", "none"])
def test_made_up_journeys_as_found_one_by_one(make_bench: Any, reset: str) -> None:
    """Forty persons with visits, touches and orders on whole hours of eight days, a lookback of
    three.
    """
    chance = random.Random(7)
    visits, touches, orders = [], [], []
    expected: dict[str, list[str]] = {}
    for number in range(40):
        person = f"p{number:02}"
        own = []
        for count in range(chance.randint(0, 4)):
            start = chance.randint(0, 180)
            hours = sorted(start + chance.randint(0, 10) for _ in range(chance.randint(0, 3)))
            own.append((start, f"{person}-s{count}", hours))
        bought = sorted(chance.sample(range(190), chance.randint(1, 3)))
        for count, hour in enumerate(bought):
            within = [name for start, name, _ in own if start <= hour]
            session = chance.choice(within) if within and chance.random() < 0.7 else None
            name = f"{person}-o{count}"
            orders.append(order(name, _when(hour), session, person))
            journey = []
            for start, visited, hours in own:
                points = [(at, start, n, visited) for n, at in enumerate(hours, 1) if at <= hour]
                for point in points or ([(start, start, 0, visited)] if start <= hour else []):
                    anew = reset == "none" or not count or point[0] > bought[count - 1]
                    if point[0] >= hour - 72 and (anew or visited == session):
                        journey.append(point)
            if journey:
                expected[name] = [f"{point[3]}#{point[2]}" for point in sorted(journey)]
        for start, name, hours in own:
            visits.append(visit(name, _when(start), person))
            touches += [touch(name, n, _when(at)) for n, at in enumerate(hours, 1)]
    bench = make_bench(attribution__lookback_days=3, attribution__reset=reset)
    assert journeys(bench, visits, touches, orders) == expected
    assert max(len(journey) for journey in expected.values()) > 3


def _when(hour: int) -> str:
    return f"{10 + hour // 24} {hour % 24:02}:00"
