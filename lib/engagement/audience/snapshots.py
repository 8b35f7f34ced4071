"""``marts.segment_members``: who was in each segment on each day, who joined and who left.

A snapshot of a day is a function of the data as of that day and of the snapshots of earlier days,
never of later ones. Publishing a day again replaces that day and nothing else, and gives the same
rows. Joined and left are told against the latest snapshot before; a person who was merged since
then has moved, and has neither joined nor left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
from sqlglot import exp

from engagement.as_of import AsOf
from engagement.audience.conditions import CUSTOMERS
from engagement.audience.happenings import PERSON
from engagement.audience.history import replace
from engagement.audience.people import FORMER
from engagement.audience.rendering import HOLDOUT, Renderer, holdout
from engagement.audience.segments import Segment
from engagement.audience.selection import expanded, fitting, parameters, standing_for
from engagement.settings import Settings
from engagement.sql.dialect import bind, parse
from engagement.warehouse import Session, Table, Warehouse

MEMBERS = Table("marts", "segment_members")
SIZES = Table("marts", "segment_sizes")

MEMBER_COLUMNS = {
    "snapshot_id": "varchar",
    "segment": "varchar",
    "as_of": "date",
    "person_id": "varchar",
    "status": "varchar",
    "is_moved": "boolean",
    "is_holdout": "boolean",
}
"""Columns of ``marts.segment_members``, whose key is ``snapshot_id, person_id``. ``status`` is
``joined`` or ``stayed`` for members, and ``left`` for who was one in the snapshot before. A person
``is_moved`` who is there under another id than then."""

SIZE_COLUMNS = {
    "snapshot_id": "varchar",
    "segment": "varchar",
    "as_of": "date",
    "definition": "varchar",
    "members": "bigint",
    "joined": "bigint",
    "left_since": "bigint",
    "moved": "bigint",
    "held_back": "bigint",
    "customers": "bigint",
    "previous_as_of": "date",
}
"""Columns of ``marts.segment_sizes``, one row per snapshot. ``definition`` changes with the
segment's rule; ``previous_as_of`` is the snapshot that it was compared with, NULL for the first."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that was published.

    ``stale`` are later days whose snapshots were compared with one before this day: publish them
    again, in order, to compare them with this one.
    """

    segment: str
    as_of: date
    members: int
    joined: int
    left: int
    moved: int
    previous: date | None
    stale: tuple[date, ...]


def snapshot_id(segment: str, as_of: date) -> str:
    """What tells a snapshot from others: the segment and its day."""
    return f"{segment}-{as_of.isoformat()}"


def publish(
    warehouse: Warehouse, settings: Settings, segments: Sequence[Segment], as_of: AsOf
) -> list[Snapshot]:
    """Publish the snapshots of segments as of a day, in the place of those of the same day.

    Parameters
    ----------
    as_of
        The day that the models were built for.

    Raises
    ------
    AudienceError
        When there is no customer table yet, it stands for another day, or a segment does not fit
        it; nothing is published.
    """
    if not segments:
        return []
    with warehouse.session(write=True) as session:
        standing_for(session, settings, as_of)
        before = _earlier(session)
        parts = [
            _one(session, settings, segment, as_of, place, before)
            for place, segment in enumerate(segments)
        ]
        rows = session.work("snapshot_rows", _union([part.node() for part in parts]))
        sizes = session.work("snapshot_sizes", _sizes(rows, segments, as_of, before))
        ids = [snapshot_id(segment.name, as_of.day) for segment in segments]
        with session.transaction():
            replace(session, MEMBERS, rows, MEMBER_COLUMNS, key="snapshot_id", among=ids)
            replace(session, SIZES, sizes, SIZE_COLUMNS, key="snapshot_id", among=ids)
    found = history(warehouse).set_index("snapshot_id")
    return [_told(found, segment.name, as_of.day) for segment in segments]


def _one(
    session: Session,
    settings: Settings,
    segment: Segment,
    as_of: AsOf,
    place: int,
    before: pd.DataFrame,
) -> Table:
    """A segment's snapshot as a working table: members, and who has left since the one before."""
    known_ = fitting(session, segment, settings)
    query = Renderer(known_).query(segment, [PERSON])
    query = query.select(exp.alias_(holdout(segment), HOLDOUT))
    query.set("order", None)
    values = parameters(segment, as_of, None, settings)
    now = session.work(f"segment_{place}", expanded(query, session, settings), values)
    previous = _previous(before, segment.name, as_of.day)
    chosen: dict[str, Any] = {
        "snapshot_id": snapshot_id(segment.name, as_of.day),
        "segment": segment.name,
        "as_of": as_of.day,
    }
    if previous is None:
        return session.work(f"snapshot_{place}", _FIRST.format(now=now), chosen)
    then = snapshot_id(segment.name, previous)
    return session.work(
        f"snapshot_{place}", _LATER.format(now=now), {**chosen, "previous_id": then}
    )


_FIRST = """
    select
        cast(:snapshot_id as varchar) as snapshot_id,
        cast(:segment as varchar) as segment,
        :as_of as as_of,
        n.person_id,
        cast('joined' as varchar) as status,
        false as is_moved,
        n.is_holdout
    from {now} as n
"""

_LATER = f"""
    select
        cast(:snapshot_id as varchar) as snapshot_id,
        cast(:segment as varchar) as segment,
        :as_of as as_of,
        coalesce(n.person_id, p.person_id) as person_id,
        cast(
            case
                when p.person_id is null then 'joined'
                when n.person_id is null then 'left'
                else 'stayed'
            end as varchar
        ) as status,
        coalesce(n.person_id is not null and p.is_same = 0, false) as is_moved,
        coalesce(n.is_holdout, false) as is_holdout
    from {{now}} as n
    full join (
        select
            coalesce(f.person_id, m.person_id) as person_id,
            max(case when coalesce(f.person_id, m.person_id) = m.person_id then 1 else 0 end)
                as is_same
        from {MEMBERS} as m
        left join ({FORMER}) as f on m.person_id = f.former_id
        where m.snapshot_id = :previous_id and m.status <> 'left'
        group by coalesce(f.person_id, m.person_id)
    ) as p
        on n.person_id = p.person_id
"""


def _union(tables: Sequence[exp.Table]) -> exp.Query:
    names = [exp.column(name, quoted=True) for name in MEMBER_COLUMNS]
    whole: exp.Query = exp.select(*names).from_(tables[0])
    for table in tables[1:]:
        whole = exp.union(whole, exp.select(*names).from_(table), distinct=False, copy=False)
    return whole


def _sizes(
    rows: Table, segments: Sequence[Segment], as_of: AsOf, before: pd.DataFrame
) -> exp.Query:
    """One row per segment, also where nobody is in it."""
    parts = []
    for segment in segments:
        query = parse(
            f"""
            select
                cast(:snapshot_id as varchar) as snapshot_id,
                cast(:segment as varchar) as segment,
                :as_of as as_of,
                cast(:definition as varchar) as definition,
                count_if(r.status <> 'left') as members,
                count_if(r.status = 'joined') as joined,
                count_if(r.status = 'left') as left_since,
                count_if(r.is_moved) as moved,
                count_if(r.is_holdout and r.status <> 'left') as held_back,
                max(c.customers) as customers,
                cast(:previous as date) as previous_as_of
            from (select count(*) as customers from {CUSTOMERS}) as c
            left join {rows} as r on r.snapshot_id = :snapshot_id
            """
        )
        values = {
            "snapshot_id": snapshot_id(segment.name, as_of.day),
            "segment": segment.name,
            "as_of": as_of.day,
            "definition": segment.definition,
            "previous": _previous(before, segment.name, as_of.day),
        }
        parts.append(bind(query, values))
    whole: exp.Query = parts[0]
    for part in parts[1:]:
        whole = exp.union(whole, part, distinct=False, copy=False)
    return whole


def _earlier(session: Session) -> pd.DataFrame:
    if not session.columns(SIZES):
        return pd.DataFrame(columns=["segment", "as_of"])
    return session.query(f"select segment, as_of from {SIZES}", label="snapshots")


def _previous(before: pd.DataFrame, segment: str, as_of: date) -> date | None:
    """The day of the latest snapshot of a segment before a day."""
    days = [
        day
        for name, day in before[["segment", "as_of"]].itertuples(index=False)
        if name == segment and day < as_of
    ]
    return max(days, default=None)


def _told(found: pd.DataFrame, segment: str, as_of: date) -> Snapshot:
    row = found.loc[snapshot_id(segment, as_of)]
    own = found[found["segment"] == segment]
    stale = sorted(
        day
        for day, previous in zip(own["as_of"], own["previous_as_of"], strict=True)
        if day > as_of and (pd.isna(previous) or previous < as_of)
    )
    return Snapshot(
        segment=segment,
        as_of=as_of,
        members=int(row["members"]),
        joined=int(row["joined"]),
        left=int(row["left_since"]),
        moved=int(row["moved"]),
        previous=None if pd.isna(row["previous_as_of"]) else row["previous_as_of"],
        stale=tuple(stale),
    )


# --- reading --------------------------------------------------------------------------------------


def history(warehouse: Warehouse, until: date | None = None) -> pd.DataFrame:
    """Every snapshot, by segment and day: the columns of ``marts.segment_sizes``.

    Parameters
    ----------
    until
        The last day that is looked at.
    """
    with warehouse.session() as session:
        if not session.columns(SIZES):
            return pd.DataFrame(columns=list(SIZE_COLUMNS))
        names = ", ".join(SIZE_COLUMNS)
        frame = session.query(
            f"select {names} from {SIZES} order by segment, as_of", label="sizes of segments"
        )
    frame = frame.sort_values(["segment", "as_of"], kind="stable", ignore_index=True)
    return frame if until is None else frame[frame["as_of"] <= until].reset_index(drop=True)


def sizes_over_time(warehouse: Warehouse, until: date) -> pd.DataFrame:
    """Every snapshot up to a day, as :func:`history`; empty while there is one day only."""
    found = history(warehouse, until)
    return found if found["as_of"].nunique() > 1 else found.head(0)


def changes(warehouse: Warehouse, as_of: date) -> pd.DataFrame:
    """What changed in each segment on a day: ``segment, members, joined, left, moved, since,
    rule``.

    ``rule`` says whether the segment's rule is that of the snapshot before: people may have joined
    and left because it was rewritten.
    """
    found = history(warehouse, as_of)
    earlier = {(r.segment, r.as_of): r.definition for r in found.itertuples(index=False)}
    rows = []
    for row in found[found["as_of"] == as_of].itertuples(index=False):
        is_first = pd.isna(row.previous_as_of)
        same = is_first or earlier.get((row.segment, row.previous_as_of)) == row.definition
        since = "" if is_first else row.previous_as_of.isoformat()
        rule = "first snapshot" if is_first else "the same" if same else "rewritten"
        numbers = (int(row.members), int(row.joined), int(row.left_since), int(row.moved))
        rows.append((row.segment, *numbers, since, rule))
    columns = ["segment", "members", "joined", "left", "moved", "since", "rule"]
    return pd.DataFrame(rows, columns=columns)


def overlap(warehouse: Warehouse, as_of: date) -> pd.DataFrame:
    """How many people each two segments share on a day: ``segment, other, people, share``.

    ``share`` is of the first segment's members; each segment is there with itself, too.
    """
    with warehouse.session() as session:
        if not session.columns(MEMBERS):
            return pd.DataFrame(columns=["segment", "other", "people", "share"])
        frame = session.query(
            f"""
            select a.segment, b.segment as other, count(*) as people
            from {MEMBERS} as a
            inner join {MEMBERS} as b on a.person_id = b.person_id
            where a.as_of = :day and b.as_of = :day and a.status <> 'left' and b.status <> 'left'
            group by a.segment, b.segment
            order by a.segment, b.segment
            """,
            {"day": as_of},
            label="people that segments share",
        )
    frame = frame.sort_values(["segment", "other"], ignore_index=True)
    sizes = {
        row.segment: int(row.people)
        for row in frame.itertuples(index=False)
        if row.segment == row.other
    }
    shares = [
        round(int(n) / sizes[name], 4)
        for name, n in zip(frame["segment"], frame["people"], strict=True)
    ]
    return frame.assign(people=frame["people"].astype(int), share=shares)


__all__ = [
    "MEMBERS",
    "MEMBER_COLUMNS",
    "SIZES",
    "SIZE_COLUMNS",
    "Snapshot",
    "changes",
    "history",
    "overlap",
    "publish",
    "sizes_over_time",
    "snapshot_id",
]
