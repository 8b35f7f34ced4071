"""What came of exports: those who were exported against those who were held back.

People are put into either group by a hash, so nothing else tells them apart. Orders that stand, of
the days after the export, count. Where either group is small, or the interval holds no difference,
the table says that there is too little to tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist

import pandas as pd

from engagement.as_of import AsOf
from engagement.audience.history import EXPORTS, HOLDOUT, TREATMENT
from engagement.audience.people import FORMER
from engagement.settings import Settings
from engagement.settings.audience import Measure
from engagement.sql.dialect import parse
from engagement.warehouse import Warehouse

TOO_LITTLE = "too little to tell"

COLUMNS = [
    "segment", "exported", "until", "treated", "held_back", "treated_rate", "held_back_rate",
    "difference", "low", "high", "conversion", "treated_revenue", "held_back_revenue",
    "revenue_difference", "revenue_low", "revenue_high", "revenue",
]  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """One side of a comparison: people, those who ordered, and revenue per person.

    ``variance`` is that of the revenue per person, people without an order among them.
    """

    people: int
    buyers: int
    mean: float
    variance: float


def results(warehouse: Warehouse, settings: Settings, as_of: AsOf) -> pd.DataFrame:
    """Compare conversion and revenue after each export of an earlier day.

    Returns
    -------
    DataFrame
        One row per export, the latest first. ``until`` is the last day that counts: that of the
        window or, while it is not over, the as-of day. ``treated_rate`` and ``held_back_rate`` are
        shares of people with an order, ``difference`` the one less the other, with ``low`` and
        ``high``; the revenues are net, per person, in the reporting currency. ``conversion`` and
        ``revenue`` say what that means: ``more``, ``less`` or ``too little to tell``.
    """
    measure = settings.audience.measure
    with warehouse.session() as session:
        if not session.columns(EXPORTS):
            return pd.DataFrame(columns=COLUMNS)
        found = session.query(
            parse(_RESULTS),
            {"as_of": as_of.day, "days": measure.days},
            label="what came of exports",
        )
    rows = [_row(segment, day, own, as_of.day, measure) for segment, day, own in _by_export(found)]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.sort_values(
        ["exported", "segment"], ascending=[False, True], kind="stable", ignore_index=True
    )


_RESULTS = f"""
    select
        p.segment,
        p.exported,
        p.arm,
        p.orders,
        p.revenue,
        count(*) as people
    from (
        select
            e.segment,
            e.as_of as exported,
            e.arm,
            e.person_id,
            count(o.order_id) as orders,
            coalesce(sum(o.net_revenue), 0) as revenue
        from (
            select
                x.segment,
                x.as_of,
                coalesce(f.person_id, x.person_id) as person_id,
                -- Two people who turn out to be one have had the message if either had it.
                max(x.arm) as arm
            from {EXPORTS} as x
            left join ({FORMER}) as f on x.person_id = f.former_id
            where x.as_of < :as_of
            group by x.segment, x.as_of, coalesce(f.person_id, x.person_id)
        ) as e
        left join (
            select r.order_id, r.person_id, r.order_date, r.net_revenue
            from marts.orders as r
            where r.status <> 'cancelled'
        ) as o
            on e.person_id = o.person_id
            and o.order_date > e.as_of
            and o.order_date <= cast(date_add('day', :days, e.as_of) as date)
        group by e.segment, e.as_of, e.arm, e.person_id
    ) as p
    group by p.segment, p.exported, p.arm, p.orders, p.revenue
"""
"""People by how many orders they had after an export and what these brought: a small table. The
greater of the names of the arms is ``treatment``."""


def _by_export(found: pd.DataFrame) -> Iterator[tuple[str, date, pd.DataFrame]]:
    for (segment, day), own in found.groupby(["segment", "exported"], sort=True):
        yield str(segment), day, own


def _row(
    segment: str, exported: date, own: pd.DataFrame, as_of: date, measure: Measure
) -> tuple[object, ...]:
    treated, held = (_arm(own[own["arm"] == name]) for name in (TREATMENT, HOLDOUT))
    until = min(exported + timedelta(days=measure.days), as_of)
    is_enough = min(treated.people, held.people) >= measure.fewest
    by_rate = conversion(treated, held, measure.confidence) if is_enough else None
    by_revenue = revenue(treated, held, measure.confidence) if is_enough else None
    return (
        segment,
        exported,
        until,
        treated.people,
        held.people,
        _rate(treated),
        _rate(held),
        *_rounded(by_rate, 4),
        verdict(by_rate),
        round(treated.mean, 2) if treated.people else None,
        round(held.mean, 2) if held.people else None,
        *_rounded(by_revenue, 2),
        verdict(by_revenue),
    )


Interval = tuple[float, float, float]


def _arm(own: pd.DataFrame) -> Arm:
    weights = [int(n) for n in own["people"]]
    revenues = [float(v) for v in own["revenue"]]
    people = sum(weights)
    if not people:
        return Arm(0, 0, 0.0, 0.0)
    buyers = sum(n for n, orders in zip(weights, own["orders"], strict=True) if orders > 0)
    mean = math.fsum(n * v for n, v in zip(weights, revenues, strict=True)) / people
    squares = math.fsum(n * (v - mean) ** 2 for n, v in zip(weights, revenues, strict=True))
    return Arm(people, buyers, mean, squares / max(people - 1, 1))


def _rate(arm: Arm) -> float | None:
    return round(arm.buyers / arm.people, 4) if arm.people else None


def _rounded(interval: Interval | None, places: int) -> tuple[float | None, ...]:
    return (None, None, None) if interval is None else tuple(round(x, places) for x in interval)


def verdict(interval: Interval | None) -> str:
    """What an interval says of a difference."""
    if interval is None or interval[1] <= 0 <= interval[2]:
        return TOO_LITTLE
    return "more" if interval[1] > 0 else "less"


def conversion(treated: Arm, held: Arm, confidence: float) -> Interval:
    """The difference of two shares with Newcombe's interval, which is made of Wilson's for each.

    Source: R. G. Newcombe, Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17 (1998), method 10.
    """
    one, other = treated.buyers / treated.people, held.buyers / held.people
    low_one, high_one = wilson(treated.buyers, treated.people, confidence)
    low_other, high_other = wilson(held.buyers, held.people, confidence)
    difference = one - other
    low = difference - math.hypot(one - low_one, high_other - other)
    high = difference + math.hypot(high_one - one, other - low_other)
    return difference, low, high


def wilson(having: int, people: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = having / people
    middle = (share + z * z / (2 * people)) / (1 + z * z / people)
    spread = math.sqrt(share * (1 - share) / people + z * z / (4 * people * people))
    width = z * spread / (1 + z * z / people)
    return max(0.0, middle - width), min(1.0, middle + width)


def revenue(treated: Arm, held: Arm, confidence: float) -> Interval | None:
    """The difference of two means with its interval by the normal distribution.

    ``None`` where nobody on either side ordered anything: then nothing is known of how it varies.
    """
    variance = treated.variance / treated.people + held.variance / held.people
    if variance <= 0:
        return None
    width = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance)
    difference = treated.mean - held.mean
    return difference, difference - width, difference + width
