"""Unusual days: a robust, seasonal test of every daily figure against the weeks before it.

A day's figure is compared with the same weekday in the ``weeks`` weeks before it. The expected
value is the median of those days. The usual variation comes from all days of those weeks, each
minus the median of its own weekday: 1.4826 times the median of the absolute differences, which for
normal noise is the standard deviation. The score is the difference from the expected value, in
units of that variation. A day is unusual if its score is beyond ``threshold`` (3.5, after Iglewicz
and Hoaglin, "How to detect and handle outliers", 1993). Because these are medians, one bad day
does not hide the next.

Three kinds of figures are compared on different scales:

- **counts** on the scale 2 √(n + 3/8) (Anscombe 1948), on which chance alone gives any count a
  standard deviation of 1. The variation is never taken to be less, so three orders where one was
  expected raise no alarm;
- **rates** as they are; the variation is at least that of chance, √(p (1 − p) / n) for the day's n;
- **money** as it is; the variation is at least a twentieth of the expected value.

A day is judged only once it is over, and only by settled days: in the first days of a landing some
people only seem new. With fewer than ``MINIMUM_WEEKS`` settled days of its weekday there is no
verdict. Steady growth is not unusual: earlier days then differ from their weekday's median about
as much as the newest day differs from the expected value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Kind = Literal["count", "rate", "money"]
Verdict = Literal["usual", "high", "low", "unknown"]
Floats = npt.NDArray[np.float64]

MINIMUM_WEEKS = 4
"""The fewest days of the same weekday, or periods, that a figure can be judged by."""

_NORMAL = 1.4826
_LEAST_SHARE_OF_MONEY = 0.05
_WEEK = 7


@dataclass(frozen=True)
class Measure:
    """A daily figure that is judged.

    Attributes
    ----------
    name : str
        Its name in reports.
    column : str
        Its column in ``marts.daily_overview``, or a rate's numerator.
    kind : {'count', 'rate', 'money'}
    over : str, optional
        A rate's denominator; for money, what the column is divided by.
    """

    name: str
    column: str
    kind: Kind
    over: str | None = None


MEASURES = (
    Measure("Users", "users", "count"),
    Measure("New users", "new_users", "count"),
    Measure("Sessions", "sessions", "count"),
    Measure("Events", "events", "count"),
    Measure("Engagement rate", "engaged_sessions", "rate", "sessions"),
    Measure("Conversion rate", "converting_sessions", "rate", "sessions"),
    Measure("Orders", "orders", "count"),
    Measure("Revenue", "revenue", "money"),
    Measure("Net revenue", "net_revenue", "money"),
    Measure("Average order value", "revenue", "money", "valued_orders"),
)
"""The figures of ``marts.daily_overview`` that are judged each day."""


@dataclass(frozen=True)
class Judgement:
    """The verdict on one figure; numbers that are not known are NaN."""

    verdict: Verdict
    value: float
    expected: float = float("nan")
    score: float = float("nan")


def judge(
    value: float,
    alike: Floats,
    residuals: Floats,
    *,
    kind: Kind,
    threshold: float,
    size: float = float("nan"),
) -> Judgement:
    """Judge one figure.

    Parameters
    ----------
    value
        The figure; of a count, the count itself.
    alike
        The same figure on the days, or in the periods, that it can be compared with.
    residuals
        How far earlier figures were from their expected values, on the scale of their kind
        (:func:`scaled`).
    size
        A rate's denominator.
    """
    if np.isnan(value) or len(alike) < MINIMUM_WEEKS:
        return Judgement("unknown", value)
    middle = float(np.median(scaled(alike, kind)))
    spread = _NORMAL * float(np.median(np.abs(residuals))) if len(residuals) else 0.0
    spread = max(spread, _least(middle, kind, size))
    difference = float(scaled(np.array([value]), kind)[0]) - middle
    if not spread:
        score = 0.0 if not difference else float(np.copysign(np.inf, difference))
    else:
        score = difference / spread
    verdict: Verdict = "usual" if abs(score) <= threshold else "high" if score > 0 else "low"
    return Judgement(verdict, value, float(np.median(alike)), score)


def scaled(values: Floats, kind: Kind) -> Floats:
    """Figures on the scale on which their kind is compared."""
    return 2 * np.sqrt(np.maximum(values, 0) + 0.375) if kind == "count" else values.copy()


def _least(middle: float, kind: Kind, size: float) -> float:
    """The least variation that a figure is taken to have."""
    match kind:
        case "count":
            return 1.0
        case "rate":
            # Half an event more on both sides: a rate of zero may not really be zero.
            share = (middle * size + 0.5) / (size + 1)
            return float(np.sqrt(share * (1 - share) / size))
        case _:
            return abs(middle) * _LEAST_SHARE_OF_MONEY


def daily(
    overview: pd.DataFrame,
    *,
    weeks: int = 8,
    threshold: float = 3.5,
    measures: Sequence[Measure] = MEASURES,
    most_days: int = 400,
) -> pd.DataFrame:
    """Judge every measure on each of the last ``most_days`` whole days.

    Parameters
    ----------
    overview
        ``marts.daily_overview``: ``day, is_complete, is_settled`` and the measures' columns.

    Returns
    -------
    DataFrame
        ``day, measure, value, expected, score, verdict``, by day and in the measures' order; the
        verdict is ``usual``, ``high``, ``low`` or ``unknown`` (too little to compare with).
    """
    whole = overview[overview["is_complete"].to_numpy(dtype=bool)]
    days = whole.sort_values("day", ignore_index=True).tail(most_days + weeks * _WEEK)
    number = _ordinals(days["day"])
    fit = days["is_settled"].to_numpy(dtype=bool)
    figures = [_figures(days, measure) for measure in measures]
    rows: list[tuple[date, str, float, float, float, Verdict]] = []
    for place in range(max(len(days) - most_days, 0), len(days)):
        ago = number[place] - number
        window = fit & (ago >= 1) & (ago <= weeks * _WEEK)
        for measure, (values, sizes) in zip(measures, figures, strict=True):
            known = window & ~np.isnan(values)
            found = judge(
                float(values[place]),
                values[known & (ago % _WEEK == 0)],
                _residuals(values[known], ago[known] % _WEEK, measure.kind),
                kind=measure.kind,
                threshold=threshold,
                size=float(sizes[place]),
            )
            day = date.fromordinal(int(number[place]))
            rows.append(
                (day, measure.name, found.value, found.expected, found.score, found.verdict)
            )
    return pd.DataFrame(rows, columns=["day", "measure", "value", "expected", "score", "verdict"])


def period(
    overview: pd.DataFrame,
    measure: Measure,
    last_day: date,
    *,
    days: int = _WEEK,
    periods: int = 8,
    threshold: float = 3.5,
) -> Judgement:
    """Judge the sum, or the ratio of sums, of the ``days`` days that end on a day.

    It is compared with the periods of the same length before it, one after the other; a period
    that is not settled, or has a day missing, is left out. A period that is not over is not judged:
    it would seem low.
    """
    number = _ordinals(overview["day"])
    whole = overview["is_complete"].to_numpy(dtype=bool)
    fit = whole & overview["is_settled"].to_numpy(dtype=bool)
    above = _numbers(overview[measure.column])
    below = _numbers(overview[measure.over]) if measure.over else np.full(len(above), np.nan)
    found: list[tuple[float, float]] = []
    for back in range(periods + 1):
        ago = last_day.toordinal() - back * days - number
        within = (ago >= 0) & (ago < days)
        if within.sum() == days and (fit if back else whole)[within].all():
            top, bottom = float(above[within].sum()), float(below[within].sum())
            value = top if measure.over is None else top / bottom if bottom else float("nan")
            found.append((value, bottom))
        elif back == 0:
            return Judgement("unknown", float("nan"))
    (value, size), *before = found
    alike = [one for one, _ in before]
    return among(value, alike, kind=measure.kind, threshold=threshold, size=size)


def among(
    value: float,
    alike: Sequence[float],
    *,
    kind: Kind,
    threshold: float = 3.5,
    size: float = float("nan"),
) -> Judgement:
    """Judge a figure by others that it can be compared with, whatever their weekdays."""
    known = np.array([one for one in alike if not np.isnan(one)], dtype=float)
    residuals = _residuals(known, np.zeros(len(known)), kind)
    return judge(value, known, residuals, kind=kind, threshold=threshold, size=size)


def _figures(days: pd.DataFrame, measure: Measure) -> tuple[Floats, Floats]:
    """A measure's figures, and their denominators (NaN if there is none)."""
    values = _numbers(days[measure.column])
    if measure.over is None:
        return values, np.full(len(values), np.nan)
    over = _numbers(days[measure.over])
    over[over == 0] = np.nan
    return values / over, over


def _residuals(values: Floats, weekdays: np.ndarray, kind: Kind) -> Floats:
    """How far figures are from the median of their weekday, on the scale of their kind."""
    residuals = scaled(values, kind)
    for weekday in np.unique(weekdays):
        same = weekdays == weekday
        residuals[same] -= np.median(residuals[same])
    return residuals


def _ordinals(days: pd.Series) -> np.ndarray:
    return np.array([day.toordinal() for day in days], dtype=np.int64)


def _numbers(column: pd.Series) -> Floats:
    numbers: Floats = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, copy=True)
    return numbers
