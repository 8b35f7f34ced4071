"""attribution_credits: which touch an order is credited to, rule by rule."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

Row = dict[str, Any]


def visit(name: str, when: str, channel: str, person: str = "ann", **more: Any) -> Row:
    """A session; source and medium follow from the channel where the case does not say."""
    direct = channel == "Direct"
    return {
        "session_id": name,
        "person_id": person,
        "started_at": f"2026-01-{when}",
        "channel": channel,
        "source": "(direct)" if direct else channel.lower(),
        "medium": "(none)" if direct else "test",
        "is_bot": False,
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
        "is_bot": False,
        **more,
    }


def credited(bench: Any, visits: list[Row], orders: list[Row]) -> list[tuple[Any, ...]]:
    """Build, and give (order, credited session, channel)."""
    bench.given("marts.sessions", visits)
    bench.given("marts.orders", orders)
    bench.build("attribution_credits")
    return bench.rows(
        "select order_id, session_id, channel from marts.attribution_credits order by order_id"
    )


def test_the_last_touch_that_was_not_direct_takes_all(bench: Any) -> None:
    visits = [
        visit("s1", "01 10:00", "Email"),
        visit("s2", "02 10:00", "Paid Search"),
        visit("s3", "03 10:00", "Direct"),
    ]
    assert credited(bench, visits, [order("o1", "03 10:30", "s3")]) == [("o1", "s2", "Paid Search")]


def test_the_session_of_the_order_is_a_touch(bench: Any) -> None:
    visits = [visit("s1", "01 10:00", "Email"), visit("s2", "02 10:00", "Referral")]
    assert credited(bench, visits, [order("o1", "02 10:30", "s2")]) == [("o1", "s2", "Referral")]


def test_direct_takes_it_where_every_touch_was_direct(bench: Any) -> None:
    visits = [visit("s1", "01 10:00", "Direct"), visit("s2", "02 10:00", "Direct")]
    assert credited(bench, visits, [order("o1", "02 10:30", "s2")]) == [("o1", "s2", "Direct")]


def test_an_order_without_any_touch_is_direct(bench: Any) -> None:
    bench.given("marts.sessions", [])
    bench.given("marts.orders", [order("o1", "02 10:30", None)])
    bench.build("attribution_credits")
    assert bench.rows(
        "select session_id, channel, source, medium, campaign, is_direct, touches, credit, revenue"
        " from marts.attribution_credits"
    ) == [(None, "Direct", "(direct)", "(none)", "(not set)", True, 0, 1.0, Decimal("10.00"))]


def test_internal_traffic_is_no_touch(bench: Any) -> None:
    visits = [visit("s1", "01 10:00", "Email"), visit("s2", "02 10:00", "Internal")]
    assert credited(bench, visits, [order("o1", "02 10:30", "s2")]) == [("o1", "s1", "Email")]


@pytest.mark.parametrize(
    ("started", "channel"),
    [("01 10:30:00.000", "Email"), ("01 10:29:59.999", "Direct")],
    ids=["last moment of the lookback", "a millisecond early"],
)
def test_the_lookback_ends_thirty_days_before_the_order(
    bench: Any, started: str, channel: str
) -> None:
    visits = [visit("s1", started, "Email"), visit("s2", "31 10:00", "Direct")]
    rows = credited(bench, visits, [order("o1", "31 10:30", "s2")])
    assert rows[0][2] == channel


def test_the_lookback_is_a_setting(make_bench: Any) -> None:
    visits = [visit("s1", "01 10:00", "Email"), visit("s2", "04 10:00", "Direct")]
    orders = [order("o1", "04 10:30", "s2")]
    assert credited(make_bench(attribution__lookback_days=3), visits, orders)[0][2] == "Direct"
    assert credited(make_bench(attribution__lookback_days=4), visits, orders)[0][2] == "Email"


def test_touches_after_the_order_do_not_count(bench: Any) -> None:
    visits = [visit("s1", "02 10:00", "Direct"), visit("s2", "02 11:00", "Email")]
    assert credited(bench, visits, [order("o1", "02 10:30", "s1")]) == [("o1", "s1", "Direct")]


def test_a_journey_starts_after_the_order_before_it(bench: Any) -> None:
    # The mail brought the first order; the second came directly.
    visits = [visit("s1", "01 10:00", "Email"), visit("s2", "05 10:00", "Direct")]
    orders = [order("o1", "01 10:30", "s1"), order("o2", "05 10:30", "s2")]
    assert credited(bench, visits, orders) == [("o1", "s1", "Email"), ("o2", "s2", "Direct")]


def test_the_session_of_the_order_counts_though_it_held_an_order_already(bench: Any) -> None:
    visits = [visit("s1", "01 10:00", "Email")]
    orders = [order("o1", "01 10:30", "s1"), order("o2", "01 10:40", "s1")]
    assert credited(bench, visits, orders) == [("o1", "s1", "Email"), ("o2", "s1", "Email")]


def test_touches_are_the_persons_own(bench: Any) -> None:
    visits = [visit("s1", "01 10:00", "Email", person="bob"), visit("s2", "02 10:00", "Direct")]
    assert credited(bench, visits, [order("o1", "02 10:30", "s2")]) == [("o1", "s2", "Direct")]


def test_the_session_of_the_order_counts_though_it_is_another_persons(bench: Any) -> None:
    # A device that two share: the session began as bob's.
    visits = [visit("s1", "02 10:00", "Email", person="bob")]
    assert credited(bench, visits, [order("o1", "02 10:30", "s1")]) == [("o1", "s1", "Email")]


def test_of_touches_of_one_moment_the_greater_id_is_the_last(bench: Any) -> None:
    visits = [visit("s2", "01 10:00", "Email"), visit("s1", "01 10:00", "Referral")]
    assert credited(bench, visits, [order("o1", "02 10:30", None)]) == [("o1", "s2", "Email")]


def test_every_order_is_credited_once_with_its_revenue(bench: Any) -> None:
    bench.given(
        "marts.sessions",
        [visit(f"s{day}", f"0{day} 10:00", "Email") for day in range(1, 6)],
    )
    bench.given(
        "marts.orders",
        [
            order("o1", "05 11:00", "s5", revenue=Decimal("0.00"), status="cancelled"),
            order("o2", "05 12:00", "s5", revenue=None, is_converted=False),
            order("o3", "05 13:00", "s5", revenue=Decimal("19.99")),
        ],
    )
    bench.build("attribution_credits")
    assert bench.rows(
        "select order_id, touch_number, touches, credit, revenue from marts.attribution_credits"
        " order by order_id"
    ) == [
        ("o1", 1, 5, 1.0, Decimal("0.00")),
        ("o2", 1, 1, 1.0, None),
        ("o3", 1, 1, 1.0, Decimal("19.99")),
    ]


def test_what_a_touch_does_not_say_is_not_set(bench: Any) -> None:
    visits = [visit("s1", "01 10:00", "Unassigned", source=None, medium=None, campaign=None)]
    credited(bench, visits, [order("o1", "01 10:30", "s1")])
    assert bench.rows("select source, medium, campaign from marts.attribution_credits") == [
        ("(not set)", "(none)", "(not set)")
    ]


def test_bots_neither_order_nor_touch(bench: Any) -> None:
    visits = [
        visit("s1", "01 10:00", "Email", is_bot=True),
        visit("s2", "02 10:00", "Direct"),
    ]
    orders = [order("o1", "02 10:30", "s2"), order("o2", "02 10:40", "s1", is_bot=True)]
    assert credited(bench, visits, orders) == [("o1", "s2", "Direct")]


def test_a_clock_that_runs_ahead_counts_on_the_as_of_date(make_bench: Any) -> None:
    bench = make_bench("2026-01-02")
    credited(bench, [], [order("o1", "03 01:00", None)])
    rows = bench.rows("select cast(order_date as varchar) from marts.attribution_credits")
    assert rows == [("2026-01-02",)]


def test_time_from_touch_to_order(bench: Any) -> None:
    credited(bench, [visit("s1", "01 10:00", "Email")], [order("o1", "01 10:00:02.500", "s1")])
    assert bench.rows("select milliseconds_to_order from marts.attribution_credits") == [(2500,)]


def test_without_orders_there_is_nothing_to_credit(bench: Any) -> None:
    assert credited(bench, [visit("s1", "01 10:00", "Email")], []) == []


def test_made_up_journeys_as_found_one_by_one(make_bench: Any) -> None:
    # Forty persons with visits and orders on whole hours of eight days, and a lookback of three.
    chance = random.Random(7)
    channels = ["Direct", "Internal", "Email", "Paid Search"]
    visits, orders, expected = [], [], []
    for number in range(40):
        person = f"p{number:02}"
        own = []
        for count in range(chance.randint(0, 5)):
            hour = chance.randint(0, 190)
            own.append((hour, f"{person}-s{count}", chance.choice(channels)))
        bought = sorted(chance.sample(range(190), chance.randint(1, 3)))
        for count, hour in enumerate(bought):
            within = [visit for visit in own if visit[0] <= hour]
            session = max(within)[1] if within and chance.random() < 0.7 else None
            name = f"{person}-o{count}"
            orders.append(order(name, _when(hour), session, person))
            earliest = max(hour - 72, bought[count - 1] + 1 if count else -1)
            touches = [
                visit
                for visit in own
                if visit[2] != "Internal" and (earliest <= visit[0] <= hour or visit[1] == session)
            ]
            found = [visit for visit in touches if visit[2] != "Direct"] or touches
            last = max(found, default=(0, None, "Direct"))
            expected.append((name, last[1], last[2]))
        visits += [visit(name, _when(hour), channel, person) for hour, name, channel in own]
    bench = make_bench(attribution__lookback_days=3)
    assert credited(bench, visits, orders) == sorted(expected)
    assert {row[2] for row in expected} == {"Direct", "Email", "Paid Search"}


def _when(hour: int) -> str:
    return f"{10 + hour // 24} {hour % 24:02}:00"
