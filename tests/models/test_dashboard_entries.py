"""dashboard_entries, and the tables that are sums over it: where sessions came from, what they
came with, and when people order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.models import shop
from tests.models.shop import cancelled, order, refund, session

Rows = list[tuple[Any, ...]]


def built(bench: Any, table: str, columns: str, by: str, where: str = "true", **of: Any) -> Rows:
    needs = {
        "dashboard_entries": (),
        "acquisition_channels": ("dashboard_entries", "channel_performance"),
    }.get(table, ("dashboard_entries",))
    shop.give(bench, *needs, table, **of)
    rows: Rows = bench.rows(f"select {columns} from marts.{table} where {where} order by {by}")
    return rows


ADA = session(
    "ada",
    "01 23:50",
    "Email",
    is_engaged=True,
    orders=1,
    is_new_visitor=True,
    campaign="spring",
    entry_page="/",
    device_type="mobile",
    browser="Safari",
    os="iOS",
    country="DE",
)
BOB = session("bob", "02 10:00", "Direct", entry_page="/sale")
SOLD = [
    order("o1", "02 00:10", "ada", "30.00", refunds=Decimal(4), net_revenue=Decimal(26)),
    order("o2", "02 11:00", None, "12.00", person_id="cyd"),
    order("o3", "02 12:00", "ada", None),
    cancelled("o4", "02 13:00", "bob", "99.00"),
]
BACK = [refund("o1", 1, "03 09:00", "4.00"), refund("o1", 2, "03 10:00", None)]


def test_sessions_orders_and_refunds_are_entries_of_their_own_day(make_bench: Any) -> None:
    """Ada came before midnight and ordered after it; two days on she sent a part back. Her order of
    unknown worth has no money, Bob's cancelled one is in no count, Cyd's is in no session.
    """
    rows = built(
        make_bench("2026-01-03"),
        "dashboard_entries",
        "kind, entry_id, entry_number, extract(day from day) as n, hour, channel, campaign,"
        " is_new_visitor, sessions, orders, valued_orders, unvalued_orders, cancelled_orders,"
        " units, revenue, refunds",
        "kind, entry_id, entry_number",
        sessions=[ADA, BOB],
        orders=SOLD,
        refunds=BACK,
    )
    no = Decimal("0.00")
    email = ("Email", "spring", True)
    assert rows == [
        ("order", "o1", 0, 2, 0, *email, 0, 1, 1, 0, 0, 2, Decimal("30.00"), no),
        ("order", "o2", 0, 2, 11, "Unassigned", "(not set)", False, 0, 1, 1, 0, 0, 2, 12, no),
        ("order", "o3", 0, 2, 12, *email, 0, 1, 0, 1, 0, 2, no, no),
        ("order", "o4", 0, 2, 13, "Direct", "(not set)", False, 0, 0, 0, 0, 1, 0, no, no),
        ("refund", "o1", 1, 3, 9, *email, 0, 0, 0, 0, 0, 0, no, Decimal("4.00")),
        ("refund", "o1", 2, 3, 10, *email, 0, 0, 0, 0, 0, 0, no, no),
        ("session", "ada", 0, 1, 23, *email, 1, 0, 0, 0, 0, 0, no, no),
        ("session", "bob", 0, 2, 10, "Direct", "(not set)", False, 1, 0, 0, 0, 0, 0, no, no),
    ]


def test_bots_are_left_out_and_what_lies_ahead_counts_on_the_as_of_date(make_bench: Any) -> None:
    rows = built(
        make_bench("2026-01-02"),
        "dashboard_entries",
        "entry_id, extract(day from day) as n, hour",
        "entry_id",
        sessions=[session("bot", "01 10:00", is_bot=True), session("ahead", "05 07:00")],
        orders=[
            order("of-a-bot", "01 10:00", "bot", "5.00", is_bot=True),
            order("later", "06 08:00", None, "5.00"),
        ],
    )
    assert rows == [("ahead", 2, 7), ("later", 2, 8)]


def test_hours_are_local(make_bench: Any) -> None:
    rows = built(
        make_bench("2026-01-02", timezone="America/New_York"),
        "dashboard_entries",
        "entry_id, hour",
        "entry_id",
        sessions=[session("s", "01 23:30")],
    )
    assert rows == [("s", 18)]


def test_channels_by_new_and_returning_with_every_day(make_bench: Any) -> None:
    """Three days, three channels, two kinds: 18 rows. The second day by hand."""
    rows = built(
        make_bench("2026-01-03"),
        "acquisition_channels",
        "channel, is_new_visitor, sessions, users, engaged_sessions, bounce_rate,"
        " converting_sessions, conversion_rate, orders, buyers, valued_orders, cancelled_orders,"
        " revenue, net_revenue, average_order_value",
        "channel, is_new_visitor",
        "day = date '2026-01-02'",
        sessions=[ADA, BOB],
        orders=SOLD,
        refunds=BACK,
    )
    no = Decimal("0.00")
    empty = (0, 0, 0, None, 0, None, 0, 0, 0, 0, no, no, None)
    twelve, thirty = Decimal("12.00"), Decimal("30.00")
    assert rows == [
        ("Direct", False, 1, 1, 0, 1.0, 0, 0.0, 0, 0, 0, 1, no, no, None),
        ("Direct", True, *empty),
        ("Email", False, *empty),
        ("Email", True, 0, 0, 0, None, 0, None, 2, 1, 1, 0, thirty, thirty, 30.0),
        ("Unassigned", False, 0, 0, 0, None, 0, None, 1, 1, 1, 0, twelve, twelve, 12.0),
        ("Unassigned", True, *empty),
    ]


def test_refunds_count_on_their_own_day_for_the_channel_of_the_order(make_bench: Any) -> None:
    bench = make_bench("2026-01-03")
    rows = built(
        bench,
        "acquisition_channels",
        "extract(day from day) as n, revenue, refunds, net_revenue",
        "day",
        "channel = 'Email' and is_new_visitor",
        sessions=[ADA],
        orders=SOLD[:1],
        refunds=BACK,
    )
    no, four, thirty = Decimal("0.00"), Decimal("4.00"), Decimal("30.00")
    assert rows == [(1, no, no, no), (2, thirty, no, thirty), (3, no, four, -four)]
    assert bench.rows("select count(*) as n from marts.acquisition_channels") == [(6,)]


WHAT = "sessions, engagement_rate, orders, revenue"


@pytest.mark.parametrize(
    ("table", "keys", "expected"),
    [
        (
            "acquisition_sources",
            "channel, source, medium, campaign, is_new_visitor",
            [
                ("01", "Email", "email", "test", "spring", True, 1, 1.0, 0, Decimal("0.00")),
                ("02", "Direct", "direct", "test", "(not set)", False, 1, 0.0, 0, Decimal("0.00")),
                ("02", "Email", "email", "test", "spring", True, 0, None, 2, Decimal("30.00")),
                (
                    *("02", "Unassigned", "(not set)", "(not set)", "(not set)", False),
                    *(0, None, 1, Decimal("12.00")),
                ),
                ("03", "Email", "email", "test", "spring", True, 0, None, 0, Decimal("0.00")),
            ],
        ),
        (
            "acquisition_landing_pages",
            "landing_page, channel",
            [
                ("01", "/", "Email", 1, 1.0, 0, Decimal("0.00")),
                ("02", "(none)", "Unassigned", 0, None, 1, Decimal("12.00")),
                ("02", "/", "Email", 0, None, 2, Decimal("30.00")),
                ("02", "/sale", "Direct", 1, 0.0, 0, Decimal("0.00")),
                ("03", "/", "Email", 0, None, 0, Decimal("0.00")),
            ],
        ),
        (
            "technology",
            "device_type, browser, os",
            [
                ("01", "(not set)", "(not set)", "(not set)", 0, None, 0, Decimal("0.00")),
                ("01", "mobile", "Safari", "iOS", 1, 1.0, 0, Decimal("0.00")),
                ("02", "(not set)", "(not set)", "(not set)", 1, 0.0, 1, Decimal("12.00")),
                ("02", "mobile", "Safari", "iOS", 0, None, 2, Decimal("30.00")),
                ("03", "(not set)", "(not set)", "(not set)", 0, None, 0, Decimal("0.00")),
                ("03", "mobile", "Safari", "iOS", 0, None, 0, Decimal("0.00")),
            ],
        ),
        (
            "countries",
            "country",
            [
                ("01", "(not set)", 0, None, 0, Decimal("0.00")),
                ("01", "DE", 1, 1.0, 0, Decimal("0.00")),
                ("02", "(not set)", 1, 0.0, 1, Decimal("12.00")),
                ("02", "DE", 0, None, 2, Decimal("30.00")),
                ("03", "(not set)", 0, None, 0, Decimal("0.00")),
                ("03", "DE", 0, None, 0, Decimal("0.00")),
            ],
        ),
    ],
)
def test_lists_by_day(make_bench: Any, table: str, keys: str, expected: Rows) -> None:
    """The same shop in each list; the third day has a refund, and nothing else."""
    bench = make_bench("2026-01-03")
    shown = f"substr(cast(day as varchar), 9, 2) as n, {keys}, {WHAT}"
    of = {"sessions": [ADA, BOB], "orders": SOLD, "refunds": BACK}
    assert built(bench, table, shown, f"n, {keys}", **of) == expected
    refunds = bench.rows(f"select sum(refunds) as r, sum(net_revenue) as n from marts.{table}")
    assert refunds == [(Decimal("4.00"), Decimal("38.00"))]


@pytest.mark.parametrize(("table", "column"), [("technology", "browser"), ("countries", "country")])
def test_fifty_have_every_day_and_no_other_one(make_bench: Any, table: str, column: str) -> None:
    """Sixty on the second of three days; z, the last by name, has a second session on the first."""
    names = [*(f"n{n:02}" for n in range(59)), "z"]
    sessions = [session(name, "02 10:00", **{column: name}) for name in names]
    sessions.append(session("z1", "01 10:00", **{column: "z"}))
    rows = built(
        make_bench("2026-01-03"),
        table,
        f"{column}, count(*) as days, sum(sessions) as s, sum(users) as u",
        column,
        f"{column} in ('n00', 'n48', 'n49', 'z') group by {column}",
        sessions=sessions,
    )
    assert rows == [("n00", 3, 1, 1), ("n48", 3, 1, 1), ("n49", 1, 1, 1), ("z", 3, 2, 2)]


def test_users_are_people_and_buyers_too(make_bench: Any) -> None:
    """Ann came twice on a day, by one campaign, and ordered twice."""
    rows = built(
        make_bench("2026-01-01"),
        "acquisition_sources",
        "sessions, users, orders, buyers, units",
        "day",
        sessions=[
            session("s1", "01 10:00", person_id="ann"),
            session("s2", "01 12:00", person_id="ann"),
        ],
        orders=[order(f"o{n}", f"01 1{n}:00", f"s{n}", "5.00", person_id="ann") for n in (1, 2)],
    )
    assert rows == [(2, 1, 2, 1, 4)]


def test_orders_by_weekday_and_hour(make_bench: Any) -> None:
    """The second of January 2026 is a Friday."""
    bench = make_bench("2026-01-03")
    rows = built(
        bench,
        "orders_hourly",
        "weekday, hour, sessions, converting_sessions, conversion_rate, orders, valued_orders,"
        " unvalued_orders, revenue, average_order_value",
        "hour",
        "day = date '2026-01-02' and (sessions > 0 or orders > 0)",
        sessions=[ADA, BOB, session("cyd", "02 10:59", orders=1)],
        orders=SOLD,
        refunds=BACK,
    )
    no = Decimal("0.00")
    assert rows == [
        (5, 0, 0, 0, None, 1, 1, 0, Decimal("30.00"), 30.0),
        (5, 10, 2, 1, 0.5, 0, 0, 0, no, None),
        (5, 11, 0, 0, None, 1, 1, 0, Decimal("12.00"), 12.0),
        (5, 12, 0, 0, None, 1, 0, 1, no, None),
    ]
    assert bench.rows(
        "select weekday, count(*) as n from marts.orders_hourly group by weekday order by weekday"
    ) == [(4, 24), (5, 24), (6, 24)]


def test_a_wild_date_adds_few_rows(make_bench: Any) -> None:
    """A session of 1990: its day has a row per channel that was there, 13,000 days have none."""
    bench = make_bench("2026-01-03")
    old = session("old", "01 10:00", session_date="1990-06-01", started_at="1990-06-01 10:00")
    shop.give(
        bench,
        "dashboard_entries",
        "channel_performance",
        "acquisition_channels",
        "orders_hourly",
        sessions=[old, BOB],
    )
    count = "select count(*) as n, min(day) as d from marts"
    ((channels, first),) = bench.rows(f"{count}.acquisition_channels")
    assert (channels, str(first)) == (1 + 1096 * 2 * 2, "1990-06-01")
    ((hours, _),) = bench.rows(f"{count}.orders_hourly")
    assert hours == 1 + 1096 * 24
