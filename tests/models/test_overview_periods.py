"""overview_periods: persons once per period, and the equal period right before it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

NOTHING = ("discount", "items_difference", "tax", "shipping", "cancelled_revenue")


def build(
    bench: Any,
    columns: str,
    active: list[tuple[str, str]],
    orders: list[tuple[str, str, str]] = [],  # noqa: B006 (never changed)
    windows: str = "7",
    *,
    refunds: list[tuple[int, str, str]] = [],  # noqa: B006 (never changed)
    changes: dict[int, dict[str, Any]] | None = None,
) -> list[tuple[Any, ...]]:
    """Build from (person, day), (person, day, revenue) and (place of the order, day, amount).

    ``changes`` are of orders by their place.
    """
    bench.given(
        "marts.session_events",
        [
            {
                "id": f"e{number}",
                "received_at_utc_date": day,
                "person_id": person,
                "event_date": day,
                "timestamp": f"{day} 10:00",
                "is_bot": person == "bot",
            }
            for number, (person, day) in enumerate(active)
        ],
    )
    bench.given(
        "marts.person_events",
        [
            {"id": f"e{number}", "person_id": person, "timestamp": f"{day} 10:00"}
            for number, (person, day) in enumerate(active)
        ],
    )
    bench.given("marts.profiles", [])
    bench.given("marts.sessions", [])
    bench.given(
        "marts.order_refunds",
        [
            {
                "order_id": f"o{number}",
                "refund_number": 1,
                "refund_date": day,
                "refunds": Decimal(amount),
                "is_bot": False,
            }
            for number, day, amount in refunds
        ],
    )
    bench.given(
        "marts.orders",
        [
            {
                "order_id": f"o{number}",
                "person_id": person,
                "order_date": day,
                "is_converted": True,
                "status": "completed",
                "units": 1,
                "item_sales": Decimal(revenue),
                **dict.fromkeys(NOTHING, Decimal("0.00")),
                "revenue": Decimal(revenue),
                "order_total": Decimal(revenue),
                "refunds": sum((Decimal(a) for n, _, a in refunds if n == number), Decimal(0)),
                "is_bot": False,
                **(changes or {}).get(number, {}),
            }
            for number, (person, day, revenue) in enumerate(orders)
        ],
    )
    bench.build("arrivals", "daily_overview", "overview_periods")
    return bench.rows(
        f"select {columns} from marts.overview_periods"
        f" where window_days in ({windows}) order by window_days"
    )


def test_a_person_counts_once_in_a_period(bench: Any) -> None:
    # The seven days to 31 January are the 25th to the 31st. Bob's day is the last before them.
    rows = build(
        bench,
        "from_day, to_day, users, new_users, events",
        [
            ("ann", "2026-01-25"),
            ("ann", "2026-01-26"),
            ("cyd", "2026-01-31"),
            ("bob", "2026-01-24"),
        ],
    )
    assert rows == [(date(2026, 1, 25), date(2026, 1, 31), 2, 2, 3)]


def test_the_previous_period_is_as_long_and_ends_the_day_before(bench: Any) -> None:
    rows = build(
        bench,
        "previous_from_day, previous_to_day, users, previous_users, revenue, previous_revenue,"
        " buyers, previous_buyers, buyer_rate, previous_buyer_rate",
        [
            ("ann", "2026-01-01"),
            ("ann", "2026-01-18"),
            ("bob", "2026-01-24"),
            ("ann", "2026-01-25"),
        ],
        [
            ("ann", "2026-01-18", "5.00"),
            ("ann", "2026-01-25", "7.00"),
            ("ann", "2026-01-31", "1.00"),
        ],
    )
    assert rows == [
        (
            date(2026, 1, 18),
            date(2026, 1, 24),
            1,
            2,
            Decimal("8.00"),
            Decimal("5.00"),
            1,
            1,
            1.0,
            0.5,
        )
    ]


def test_a_previous_period_that_the_data_does_not_reach_is_unknown_not_zero(bench: Any) -> None:
    # Data from 18 January: exactly the fourteen days that the 7-day comparison needs.
    rows = build(
        bench,
        "window_days, is_complete, previous_sessions, previous_users",
        [("ann", "2026-01-18")],
        windows="7, 30",
    )
    assert rows == [(7, True, 0, 1), (30, False, None, None)]
    rows = build(bench, "is_complete, previous_sessions, previous_users", [("ann", "2026-01-19")])
    assert rows == [(True, None, None)]


def test_windows_hold_exactly_their_days(bench: Any) -> None:
    # 7 days back to the 25th, 30 to the 2nd of January, 90 to 3 November, 365 to 1 February 2025.
    first_days = ["2026-01-25", "2026-01-02", "2025-11-03", "2025-02-01"]
    outside = ["2026-01-24", "2026-01-01", "2025-11-02", "2025-01-31"]
    rows = build(
        bench,
        "window_days, users, is_complete",
        [(f"p{number}", day) for number, day in enumerate(first_days + outside)],
        windows="7, 30, 90, 365",
    )
    assert rows == [(7, 1, True), (30, 3, True), (90, 5, True), (365, 7, True)]


def test_rates_are_of_the_sums_not_of_the_days(bench: Any) -> None:
    # Orders of 30.00 on one day, 1.00 and 2.00 on another: 33.00 / 3, not the mean of 30 and 1.5.
    rows = build(
        bench,
        "orders, valued_orders, revenue, average_order_value, items_per_order",
        [("ann", "2026-01-30")],
        [
            ("ann", "2026-01-30", "30.00"),
            ("ann", "2026-01-31", "1.00"),
            ("ann", "2026-01-31", "2.00"),
        ],
    )
    assert rows == [(3, 3, Decimal("33.00"), 11.0, 1.0)]


def test_a_cancelled_order_is_no_order_and_its_person_no_buyer(bench: Any) -> None:
    worth = {"revenue": Decimal("0.00"), "cancelled_revenue": Decimal("9.00")}
    rows = build(
        bench,
        "users, orders, buyers, cancelled_orders, revenue, cancelled_revenue",
        [("ann", "2026-01-30"), ("bob", "2026-01-30")],
        [("ann", "2026-01-30", "5.00"), ("bob", "2026-01-30", "9.00")],
        changes={1: {"status": "cancelled", **worth}},
    )
    assert rows == [(2, 1, 1, 1, Decimal("5.00"), Decimal("9.00"))]


def test_a_refund_is_in_the_period_of_its_own_day(bench: Any) -> None:
    # The order of the 20th is in the previous period, its refund of the 30th in this one.
    rows = build(
        bench,
        "revenue, refunds, net_revenue, previous_revenue, previous_refunds, previous_net_revenue",
        [("ann", "2026-01-01")],
        [("ann", "2026-01-20", "50.00"), ("bob", "2026-01-28", "20.00")],
        refunds=[(0, "2026-01-30", "35.00")],
    )
    money = ["20.00", "35.00", "-15.00", "50.00", "0.00", "50.00"]
    assert rows == [tuple(map(Decimal, money))]


def test_known_users_are_those_who_are_not_new(bench: Any) -> None:
    # Ann comes back, Bob and Cyd are new; on the 25th and the 26th Bob is one person.
    rows = build(
        bench,
        "users, new_users, known_users",
        [
            ("ann", "2026-01-01"),
            ("ann", "2026-01-31"),
            ("bob", "2026-01-25"),
            ("bob", "2026-01-26"),
            ("cyd", "2026-01-31"),
        ],
    )
    assert rows == [(3, 2, 1)]


def test_a_period_is_settled_if_it_starts_when_the_landing_has_settled(make_bench: Any) -> None:
    # Received from 2 January on, and fourteen days to settle: the 16th. The seven days to the 22nd
    # begin on the 16th, those to the 29th on the 23rd and the seven before them on the 16th.
    active = [("ann", "2026-01-02")]
    for as_of, settled in (
        ("2026-01-29", (True, True)),
        ("2026-01-28", (True, False)),
        ("2026-01-22", (True, False)),
        ("2026-01-21", (False, False)),
        ("2026-01-14", (False, None)),
    ):
        rows = build(make_bench(as_of), "is_settled, previous_is_settled", active)
        assert rows == [settled], as_of


def test_bots_are_left_out(bench: Any) -> None:
    assert build(bench, "users", [("ann", "2026-01-31"), ("bot", "2026-01-31")]) == [(1,)]


def test_without_data_there_is_no_period(bench: Any) -> None:
    assert build(bench, "users", []) == []
