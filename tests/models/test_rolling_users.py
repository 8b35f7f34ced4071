"""person_days and rolling_users: people of the day, of 7 and of 30 days, each counted once."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from tests.models import shop


def rolling(bench: Any, columns: str, *active: tuple[str, str], **more: Any) -> list[Any]:
    """Build from (person, day) pairs; days are of January."""
    events = [
        shop.event(f"e{n}", person, f"{day} 10:00", is_bot=person == "bot", **more)
        for n, (person, day) in enumerate(active)
    ]
    shop.give(bench, "person_days", "rolling_users", events=events)
    rows: list[Any] = bench.rows(f"select {columns} from marts.rolling_users order by day")
    return rows


def test_a_person_of_many_days_counts_once_in_each_window(make_bench: Any) -> None:
    """Ann comes on the 1st, 2nd and 9th, Bob on the 2nd, a bot on the 3rd."""
    rows = rolling(
        make_bench("2026-01-10"),
        "extract(day from day) as n, dau, wau, mau",
        *(("ann", "01"), ("ann", "01"), ("ann", "02"), ("bob", "02"), ("bot", "03")),
        ("ann", "09"),
    )
    assert rows == [
        *((1, 1, 1, 1), (2, 2, 2, 2), (3, 0, 2, 2), (4, 0, 2, 2), (5, 0, 2, 2), (6, 0, 2, 2)),
        *((7, 0, 2, 2), (8, 0, 2, 2), (9, 1, 1, 2), (10, 0, 1, 2)),
    ]


def test_windows_that_begin_before_the_data_are_not_complete(make_bench: Any) -> None:
    """The data begins on the first: seven days are there on the 7th, thirty on the 30th."""
    rows = rolling(
        make_bench("2026-01-31"),
        "extract(day from day) as n, is_wau_complete, is_mau_complete, weekly_stickiness,"
        " stickiness",
        *(("ann", f"{n:02}") for n in range(1, 32)),
        ("bob", "25"),
    )
    assert [row[1:] for row in rows if row[0] in (6, 7, 29, 30)] == [
        (False, False, None, None),
        (True, False, 1.0, None),
        (True, False, 0.5, None),
        (True, True, 0.5, 0.5),
    ]


def test_a_day_with_nobody_has_no_share_of_nobody(make_bench: Any) -> None:
    rows = rolling(
        make_bench("2026-01-20"),
        "extract(day from day) as n, dau, wau, weekly_stickiness",
        ("ann", "01"),
    )
    assert rows[6:8] == [(7, 0, 1, 0.0), (8, 0, 0, None)]


def test_people_are_those_of_the_windows_one_by_one(make_bench: Any) -> None:
    """Twenty people on random days, and as many ways to count them: sets."""
    luck = random.Random(7)
    active = [(f"p{n}", f"{luck.randrange(1, 32):02}") for n in range(20) for _ in range(5)]
    rows = rolling(make_bench("2026-01-31"), "day, dau, wau, mau", *active, ("p0", "01"))
    days = {(who, date(2026, 1, int(day))) for who, day in (*active, ("p0", "01"))}
    for day, *counted in rows:
        day = day.date() if hasattr(day, "date") else day
        assert counted == [
            len({who for who, when in days if timedelta(0) <= day - when < timedelta(days=n)})
            for n in (1, 7, 30)
        ]
