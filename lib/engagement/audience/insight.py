"""What sets the people of a segment apart from everyone: lift per feature, with its interval.

Lift is the share (or the mean) among the members divided by that among everyone. Members are part
of everyone, so the two are not independent: the interval is that of the logarithm of the ratio by
the delta method, with members and all others as the two independent groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist

import pandas as pd

from engagement.audience.comparisons import kind_of
from engagement.audience.conditions import CUSTOMERS, NUMBER, TEXT, YES_OR_NO
from engagement.audience.segments import Segment
from engagement.audience.snapshots import MEMBERS, snapshot_id
from engagement.privacy import FEWEST_PEOPLE, masked
from engagement.sql.dialect import parse
from engagement.warehouse import Session, Warehouse

FEATURES = (
    "lifecycle_stage",
    "rfm_segment",
    "first_touch_channel",
    "favourite_category",
    "plan",
    "is_identified",
    "has_mobile_app",
    "consent_email",
    "orders_total",
    "spend_total",
    "coupon_orders",
    "sessions_30",
    "products_viewed_30",
    "carts_30",
    "days_since_last_seen",
)
"""Features that a profile looks at, unless others are named. None of them is an address."""

_MOST_VALUES = 8

COLUMNS = ["feature", "value", "members", "segment", "everyone", "lift", "low", "high", "verdict"]

VERDICTS = ("more", "less", "about the same", "too little to tell", "nobody else")


@dataclass(frozen=True)
class Group:
    """A number over some people: how many there are, its mean, and its variance."""

    people: int
    mean: float
    variance: float


def profile(
    warehouse: Warehouse,
    segment: Segment,
    as_of: date,
    features: Sequence[str] = FEATURES,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compare the members of a snapshot with everyone.

    Parameters
    ----------
    as_of
        The day of the snapshot, which the customer table has to stand for.

    Returns
    -------
    DataFrame
        ``feature``; ``value`` of a text or a flag, empty for a number; ``members`` with that value;
        ``segment`` and ``everyone``, shares or means; ``lift`` with ``low`` and ``high``, and what
        they say: ``more``, ``less``, ``about the same`` or, with fewer than ten members or others,
        ``too little to tell``; ``nobody else`` where all who have it are members, as the rule says.
        A text's most frequent values only, and none that fewer than ten people have. The greatest
        differences come first.
    """
    with warehouse.session() as session:
        there = session.columns(CUSTOMERS)
        rows: list[tuple[object, ...]] = []
        for feature in features:
            kind = kind_of(there[feature]) if feature in there else None
            if kind is None:
                continue
            counted = _counted(session, segment, as_of, feature)
            rows += _rows(feature, kind, counted, confidence)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    if frame.empty:
        return frame
    order = frame["lift"].map(lambda lift: abs(math.log(lift)) if lift and lift > 0 else math.inf)
    is_told = frame["verdict"].isin(("more", "less"))
    frame = frame.assign(order=order.where(is_told, -1.0))
    frame = frame.sort_values(
        ["order", "feature", "value"], ascending=[False, True, True], kind="stable"
    )
    return frame.drop(columns="order").reset_index(drop=True)


def _counted(session: Session, segment: Segment, as_of: date, feature: str) -> pd.DataFrame:
    """How many people have each value of a feature: ``value, is_member, people``."""
    query = parse(
        f"""
        select c.wanted as value, m.person_id is not null as is_member, count(*) as people
        from {CUSTOMERS} as c
        left join (
            select s.person_id from {MEMBERS} as s
            where s.snapshot_id = :snapshot_id and s.status <> 'left'
        ) as m
            on c.person_id = m.person_id
        group by c.wanted, m.person_id is not null
        """
    )
    for node in query.walk():
        if getattr(node, "name", "") == "wanted" and node.key == "identifier":
            node.set("this", feature)
            node.set("quoted", True)
    return session.query(
        query, {"snapshot_id": snapshot_id(segment.name, as_of)}, label=f"profile: {feature}"
    )


def _rows(
    feature: str, kind: str, counted: pd.DataFrame, confidence: float
) -> Iterator[tuple[object, ...]]:
    known = counted[counted["value"].notna()]
    inside = known[known["is_member"].astype(bool)]
    outside = known[~known["is_member"].astype(bool)]
    if kind == NUMBER:
        members, others = _mean(inside), _mean(outside)
        yield feature, "", members.people, *_compared(members, others, confidence)
        return
    if kind not in (TEXT, YES_OR_NO):
        return
    in_all, out_all = (
        int(counted.loc[counted["is_member"].astype(bool), "people"].sum()),
        int(counted.loc[~counted["is_member"].astype(bool), "people"].sum()),
    )
    people = known.groupby("value")["people"].sum().reset_index()
    people = people[people["people"] >= FEWEST_PEOPLE]
    people = people.sort_values(["people", "value"], ascending=[False, True])
    values = [v for v in people["value"].tolist() if kind != YES_OR_NO or bool(v)][:_MOST_VALUES]
    for value in values:
        own = int(inside.loc[inside["value"] == value, "people"].sum())
        other = int(outside.loc[outside["value"] == value, "people"].sum())
        members, others = _share(own, in_all), _share(other, out_all)
        text = "yes" if kind == YES_OR_NO else masked(str(value))
        yield feature, text, own, *_compared(members, others, confidence)


def _share(having: int, people: int) -> Group:
    share = having / people if people else 0.0
    return Group(people, share, share * (1 - share))


def _mean(counted: pd.DataFrame) -> Group:
    weights = [int(n) for n in counted["people"]]
    values = [float(v) for v in counted["value"]]
    people = sum(weights)
    if not people:
        return Group(0, 0.0, 0.0)
    mean = math.fsum(n * v for n, v in zip(weights, values, strict=True)) / people
    squares = math.fsum(n * (v - mean) ** 2 for n, v in zip(weights, values, strict=True))
    return Group(people, mean, squares / max(people - 1, 1))


def _compared(
    members: Group, others: Group, confidence: float
) -> tuple[float, float, float | None, float | None, float | None, str]:
    people = members.people + others.people
    everyone = (
        (members.people * members.mean + others.people * others.mean) / people if people else 0.0
    )
    found = lift(members, others, confidence)
    shown = (round(members.mean, 4), round(everyone, 4))
    if found is None:
        return *shown, None, None, None, VERDICTS[3]
    ratio, low, high = found
    if others.mean == 0:
        return *shown, round(ratio, 4), None, None, VERDICTS[4]
    verdict = VERDICTS[0] if low > 1 else VERDICTS[1] if high < 1 else VERDICTS[2]
    return *shown, round(ratio, 4), round(low, 4), round(high, 4), verdict


def lift(members: Group, others: Group, confidence: float) -> tuple[float, float, float] | None:
    """The ratio of the members' mean to everyone's, with its interval.

    ``None`` where it cannot be told: fewer than ten people on either side, or a mean that is not
    above zero.
    """
    if min(members.people, others.people) < FEWEST_PEOPLE or members.mean <= 0:
        return None
    weight = members.people / (members.people + others.people)
    everyone = weight * members.mean + (1 - weight) * others.mean
    if everyone <= 0:
        return None
    by_members = 1 / members.mean - weight / everyone
    by_others = (1 - weight) / everyone
    variance = (
        by_members**2 * members.variance / members.people
        + by_others**2 * others.variance / others.people
    )
    ratio = members.mean / everyone
    width = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance)
    return ratio, ratio * math.exp(-width), ratio * math.exp(width)
