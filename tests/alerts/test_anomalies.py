"""Unusual days: what is expected, how much a figure varies, and what is never called unusual."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engagement.alerts import anomalies
from engagement.alerts.anomalies import Measure

MONDAY = date(2026, 1, 5)
SESSIONS = Measure("Sessions", "sessions", "count")
REVENUE = Measure("Revenue", "revenue", "money")
RATE = Measure("Conversion rate", "converting_sessions", "rate", "sessions")


def overview(
    days: int, figure: Callable[[int], Any], column: str = "sessions", **others: Any
) -> pd.DataFrame:
    """So many days from a Monday on, each with the figure of its number."""
    return pd.DataFrame(
        {
            "day": [MONDAY + timedelta(days=n) for n in range(days)],
            "is_complete": True,
            "is_settled": True,
            column: [figure(n) for n in range(days)],
            **others,
        }
    )


def last(frame: pd.DataFrame, measure: Measure = SESSIONS, **options: Any) -> pd.Series:
    return anomalies.daily(frame, measures=[measure], **options).iloc[-1]


@pytest.mark.parametrize(
    ("value", "score", "verdict"),
    [
        # 2 √(100 + 3/8) = 20.0375. 2 √140.375 = 23.6960; 2 √135.375 = 23.2702; 2 √66.375 = 16.2942.
        (140, 3.6585, "high"),
        (135, 3.2326, "usual"),
        (100, 0.0, "usual"),
        (66, -3.7433, "low"),
    ],
)
def test_a_count_varies_at_least_as_chance_has_it(value: int, score: float, verdict: str) -> None:
    found = last(overview(57, lambda n: value if n == 56 else 100))
    assert (found["expected"], found["verdict"]) == (100, verdict)
    assert found["score"] == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize(("value", "verdict"), [(68, "high"), (67, "usual"), (32, "low")])
def test_a_rate_varies_at_least_as_its_day_is_small(value: int, verdict: str) -> None:
    # Half of 100 sessions: one standard deviation is 5 points, and 3.5 of them are 17.5.
    frame = overview(57, lambda n: value if n == 56 else 50, "converting_sessions", sessions=100)
    assert last(frame, RATE)["verdict"] == verdict


@pytest.mark.parametrize(
    ("value", "verdict"), [("1176", "high"), ("1174", "usual"), ("824", "low"), ("826", "usual")]
)
def test_money_varies_at_least_by_a_twentieth(value: str, verdict: str) -> None:
    frame = overview(57, lambda n: Decimal(value if n == 56 else "1000"), "revenue")
    assert last(frame, REVENUE)["verdict"] == verdict


def test_what_a_figure_varied_by_counts_where_it_is_more() -> None:
    # Each weekday is 900, 1000 and 1100 in turn: the median of the differences is 100, and
    # 1.4826 times 100 is more than a twentieth. 1000 + 3.5 x 148.26 = 1518.91.
    def figure(n: int) -> Decimal:
        return Decimal([900, 1000, 1100][(n // 7) % 3])

    for value, verdict in ((1518, "usual"), (1520, "high")):
        frame = overview(64, lambda n, v=value: Decimal(v) if n == 63 else figure(n), "revenue")
        found = last(frame, REVENUE, weeks=9)
        assert (found["expected"], found["verdict"]) == (1000, verdict)


def test_a_weekend_is_compared_with_weekends() -> None:
    def figure(n: int) -> int:
        return 200 if n % 7 >= 5 else 100

    usual = anomalies.daily(overview(63, figure), measures=[SESSIONS]).tail(7)
    assert set(usual["verdict"]) == {"usual"}
    sunday = overview(63, lambda n: 100 if n == 62 else figure(n))
    assert last(sunday)["verdict"] == "low"
    monday = overview(64, lambda n: 200 if n == 63 else figure(n))
    assert last(monday)["verdict"] == "high"


def test_one_bad_day_hides_no_other() -> None:
    frame = overview(57, lambda n: {49: 100_000, 56: 140}.get(n, 100))
    assert last(frame)["verdict"] == "high"


def test_steady_growth_is_not_unusual() -> None:
    # Three per cent a week, of a figure without noise.
    frame = overview(120, lambda n: Decimal(round(100_000 * 1.03 ** (n / 7))), "revenue")
    assert not anomalies.daily(frame, measures=[REVENUE])["verdict"].isin(["high", "low"]).any()


def test_no_orders_where_a_few_are_usual_is_no_alarm_and_where_many_are_it_is() -> None:
    assert last(overview(57, lambda n: 0 if n == 56 else 2))["verdict"] == "usual"
    assert last(overview(57, lambda n: 0 if n == 56 else 9))["verdict"] == "low"


def test_a_day_is_judged_by_four_settled_days_of_its_weekday_at_least() -> None:
    # Day 28 has four Mondays before it, day 27 three Sundays.
    found = anomalies.daily(overview(29, lambda n: 100), measures=[SESSIONS])
    assert list(found["verdict"].tail(2)) == ["unknown", "usual"]
    unsettled = overview(29, lambda n: 100)
    unsettled.loc[:6, "is_settled"] = False
    assert last(unsettled)["verdict"] == "unknown"


def test_a_day_that_is_not_over_is_not_judged_nor_compared_with() -> None:
    frame = overview(58, lambda n: 3 if n == 57 else 100)
    frame.loc[57, "is_complete"] = False
    found = anomalies.daily(frame, measures=[SESSIONS])
    assert found["day"].max() == MONDAY + timedelta(days=56)


@pytest.mark.parametrize("unfinished", [0, 1, 2])
def test_days_that_are_not_over_take_no_place_among_the_weeks(unfinished: int) -> None:
    # Day 28 has exactly the four Mondays before it that it takes: 0, 7, 14 and 21.
    frame = overview(29 + unfinished, lambda n: 1000 if n == 28 else 100)
    frame.loc[frame.index > 28, "is_complete"] = False
    found = last(frame, weeks=4, most_days=1)
    assert (found["day"], found["expected"]) == (MONDAY + timedelta(days=28), 100)
    assert found["verdict"] == "high"


def test_a_day_is_judged_by_all_of_its_weeks_however_few_days_are_judged() -> None:
    # Eight Mondays: 100 four times, then 300 four times. The median of all is 200, of seven 300.
    frame = overview(58, lambda n: 100 if n < 28 else 300)
    frame.loc[57, "is_complete"] = False
    alone = last(frame, weeks=8, most_days=1)
    assert alone["expected"] == 200
    among_others = anomalies.daily(frame, measures=[SESSIONS], weeks=8, most_days=60).iloc[-1]
    pd.testing.assert_series_equal(alone, among_others, check_names=False)


def test_a_rate_of_nothing_is_not_judged() -> None:
    frame = overview(57, lambda n: 0 if n == 56 else 50, "converting_sessions", sessions=100)
    frame.loc[56, "sessions"] = 0
    found = last(frame, RATE)
    assert found["verdict"] == "unknown"
    assert math.isnan(found["value"])


def test_money_where_there_was_none_is_unusual() -> None:
    frame = overview(57, lambda n: Decimal(1 if n == 56 else 0), "revenue")
    assert last(frame, REVENUE)["verdict"] == "high"
    nothing = overview(57, lambda n: Decimal(0), "revenue")
    assert last(nothing, REVENUE)["verdict"] == "usual"


def test_a_period_is_compared_with_periods_before_it() -> None:
    # Weeks of 700; 2 √700.375 = 52.9292, and 56.4292 squared over four less 3/8 is 795.69.
    for value, verdict in ((195, "usual"), (196, "high")):
        frame = overview(63, lambda n, v=value: v if n == 62 else 100)
        found = anomalies.period(frame, SESSIONS, MONDAY + timedelta(days=62))
        assert (found.expected, found.verdict) == (700, verdict)


def test_a_period_that_is_not_all_there_is_not_judged() -> None:
    short = overview(34, lambda n: 100)
    end = MONDAY + timedelta(days=33)
    assert anomalies.period(short, SESSIONS, end).verdict == "unknown"  # three before it
    assert anomalies.period(short, SESSIONS, MONDAY + timedelta(days=3)).verdict == "unknown"
    enough = overview(35, lambda n: 100)
    assert anomalies.period(enough, SESSIONS, MONDAY + timedelta(days=34)).verdict == "usual"


def test_a_period_whose_last_day_is_not_over_is_not_judged() -> None:
    # Weeks of 7,000, and one of 6,300 so far: "unusually low" would only say that it is not over.
    frame = overview(63, lambda n: 300 if n == 62 else 1000)
    end = MONDAY + timedelta(days=62)
    assert anomalies.period(frame, SESSIONS, end).verdict == "low"
    frame.loc[62, "is_complete"] = False
    assert anomalies.period(frame, SESSIONS, end).verdict == "unknown"


def test_every_measure_is_a_documented_column() -> None:
    from engagement.models.runner import models

    columns = models(["dashboards"])["daily_overview"].document.columns
    for measure in anomalies.MEASURES:
        assert measure.column in columns
        assert measure.over is None or measure.over in columns


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 5000), min_size=57, max_size=57),
    st.integers(1, 50),
    st.sampled_from(["sessions", "revenue"]),
)
def test_a_verdict_does_not_depend_on_the_weeks_day_zero_nor_on_the_currency(
    values: list[int], times: int, column: str
) -> None:
    measure = SESSIONS if column == "sessions" else REVENUE
    frame = overview(57, lambda n: values[n], column)
    found = last(frame, measure)
    shuffled = frame.sample(frac=1, random_state=1)
    later = shuffled.assign(day=[day + timedelta(days=7) for day in shuffled["day"]])
    assert last(later, measure)["verdict"] == found["verdict"]
    if measure is REVENUE:
        dear = last(frame.assign(revenue=frame["revenue"] * times), measure)
        assert dear["score"] == pytest.approx(found["score"])
