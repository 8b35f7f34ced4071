"""``marts.segment_exports``: who was exported when, and who was held back then.

The table is about what was done, not about what landed. It is named among the tables that a full
refresh does not make again (``ABOUT_RUNS``): nothing that landed could tell it. An export of a
segment as of a day replaces that of the same segment and day, and nothing else; and everything that
reads the table looks only at days before its own. So a day can be run again, in any order, and
gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pyarrow as pa
from sqlglot import exp

from engagement.audience.people import FORMER
from engagement.audience.reach import Contact, Outcome
from engagement.audience.segments import Segment
from engagement.sql.dialect import bind, parse
from engagement.warehouse import Session, Table, Warehouse
from engagement.warehouse.costs import EXPORT_HISTORY

EXPORTS = EXPORT_HISTORY

TREATMENT, HOLDOUT = "treatment", "holdout"

COLUMNS = {
    "export_id": "varchar",
    "segment": "varchar",
    "as_of": "date",
    "definition": "varchar",
    "channel": "varchar",
    "person_id": "varchar",
    "arm": "varchar",
}
"""Columns of the table. Its key is ``export_id, channel, person_id``; ``export_id`` is the segment
and the day; ``definition`` changes with the segment's rule; ``arm`` is ``treatment`` for who was
exported and ``holdout`` for who would have been and was held back."""

_ARMS = {Outcome.REACHABLE: TREATMENT, Outcome.HELD_BACK: HOLDOUT}


def export_id(segment: str, as_of: date) -> str:
    """What tells an export from others: the segment and the day it stands for."""
    return f"{segment}-{as_of.isoformat()}"


def record(
    warehouse: Warehouse, segment: Segment, as_of: date, contacts: Iterable[Contact]
) -> dict[str, int]:
    """Remember an export: who of a segment is in its files, and who was held back.

    Returns
    -------
    dict
        People times channels per arm.
    """
    found = [(one.channel, one.person_id, _ARMS[one.outcome]) for one in contacts
             if one.outcome in _ARMS]  # fmt: skip
    with warehouse.session(write=True) as session:
        write(session, segment, as_of, found)
    arms = [arm for _, _, arm in found]
    return {arm: arms.count(arm) for arm in (TREATMENT, HOLDOUT)}


def write(
    session: Session, segment: Segment, as_of: date, found: Iterable[tuple[str, str, str]]
) -> None:
    """Replace what is remembered of an export by these ``channel, person_id, arm``."""
    rows = sorted(set(found))
    name = export_id(segment.name, as_of)
    table = pa.table(
        {
            "export_id": pa.array([name] * len(rows), pa.string()),
            "segment": pa.array([segment.name] * len(rows), pa.string()),
            "as_of": pa.array([as_of] * len(rows), pa.date32()),
            "definition": pa.array([segment.definition] * len(rows), pa.string()),
            "channel": pa.array([row[0] for row in rows], pa.string()),
            "person_id": pa.array([row[1] for row in rows], pa.string()),
            "arm": pa.array([row[2] for row in rows], pa.string()),
        }
    )
    new = session.rows("exported", table, COLUMNS)
    replace(session, EXPORTS, new, COLUMNS, key="export_id", among=[name])


def replace(
    session: Session,
    table: Table,
    new: Table,
    columns: dict[str, str],
    *,
    key: str,
    among: Iterable[str],
) -> None:
    """Replace the rows of some keys of a table that may not exist yet by those of another."""
    chosen = exp.select(*(exp.column(name, quoted=True) for name in columns)).from_(new.node())
    if not session.columns(table):
        session.publish(table, chosen, columns=columns)
        return
    parts = [
        exp.select(exp.alias_(exp.cast(exp.Literal.string(one), "varchar"), "value"))
        for one in sorted(set(among))
    ]
    keys: exp.Query = parts[0]
    for part in parts[1:]:
        keys = exp.union(keys, part, distinct=False, copy=False)
    session.publish_rows(table, chosen, key=key, among=keys)


def recent_messages(as_of: date, days: int) -> exp.Query:
    """The query for how many exports each person was in lately: ``person_id, recent_messages``.

    Only exports of earlier days count, of the ``days`` before the day itself. Several channels of
    one export are one message. People who were merged since count together.
    """
    return bind(
        parse(
            f"""
            select r.person_id, count(distinct r.export_id) as recent_messages
            from (
                select coalesce(f.person_id, e.person_id) as person_id, e.export_id
                from {EXPORTS} as e
                left join ({FORMER}) as f on e.person_id = f.former_id
                where
                    e.arm = :arm
                    and e.as_of < :as_of
                    and e.as_of >= cast(date_add('day', :back, :as_of) as date)
            ) as r
            group by r.person_id
            """
        ),
        {"as_of": as_of, "back": -days, "arm": TREATMENT},
    )
