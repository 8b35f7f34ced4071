"""``marts.segment_exports``: who was exported when, and who was held back then.

The table is about what was done, not about what landed. It is named among the tables that a full
refresh does not make again (``ABOUT_RUNS``): nothing that landed could tell it. An export of a
segment as of a day replaces that of the same segment and day, and nothing else; and everything that
reads the table looks only at days before its own. So a day can be run again, in any order, and
gives the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import islice

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

Row = tuple[str, str, str]
"""``channel, person_id, arm``."""

_SPOOLED = pa.schema([(name, pa.string()) for name in ("channel", "person_id", "arm")])
_BATCH = 100_000

_ARMS = {Outcome.REACHABLE: TREATMENT, Outcome.HELD_BACK: HOLDOUT}


def export_id(segment: str, as_of: date) -> str:
    """What tells an export from others: the segment and the day it stands for."""
    return f"{segment}-{as_of.isoformat()}"


def record(
    warehouse: Warehouse, segment: Segment, as_of: date, contacts: Iterable[Contact]
) -> dict[str, int]:
    """Remember an export: who of a segment is in its files, and who was held back.

    Parameters
    ----------
    contacts
        Taken one by one; memory holds a batch of them.

    Returns
    -------
    dict
        People times channels per arm.
    """
    arms = dict.fromkeys((TREATMENT, HOLDOUT), 0)

    def found() -> Iterator[Row]:
        for one in contacts:
            if one.outcome in _ARMS:
                arms[_ARMS[one.outcome]] += 1
                yield one.channel, one.person_id, _ARMS[one.outcome]

    # All are taken before anything is written: contacts may come of a session that reads.
    with _spooled(found()) as rows, warehouse.session(write=True) as session:
        _write(session, segment, as_of, rows)
    return arms


def write(session: Session, segment: Segment, as_of: date, found: Iterable[Row]) -> None:
    """Replace what is remembered of an export by these ``channel, person_id, arm``."""
    with _spooled(found) as rows:
        _write(session, segment, as_of, rows)


def _write(session: Session, segment: Segment, as_of: date, rows: pa.Table) -> None:
    spooled = session.rows("spooled", rows, dict.fromkeys(_SPOOLED.names, "varchar"))
    name = export_id(segment.name, as_of)
    values = {
        "export_id": name,
        "segment": segment.name,
        "as_of": as_of,
        "definition": segment.definition,
    }
    new = session.work(
        "exported",
        f"""
        select distinct
            cast(:export_id as varchar) as export_id,
            cast(:segment as varchar) as segment,
            :as_of as as_of,
            cast(:definition as varchar) as definition,
            s.channel,
            s.person_id,
            s.arm
        from {spooled} as s
        order by channel, person_id, arm
        """,
        values,
    )
    replace(session, EXPORTS, new, COLUMNS, key="export_id", among=[name])


@contextmanager
def _spooled(found: Iterable[Row]) -> Iterator[pa.Table]:
    """Rows as a table whose cells are on disk, in a folder of the owner's that goes afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rows.arrow"
        with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, _SPOOLED) as stream:
            rows = iter(found)
            while batch := list(islice(rows, _BATCH)):
                columns = [pa.array(cells, pa.string()) for cells in zip(*batch, strict=True)]
                stream.write_batch(pa.record_batch(columns, schema=_SPOOLED))
        with pa.memory_map(path) as source, pa.ipc.open_stream(source) as reader:
            yield reader.read_all()


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
