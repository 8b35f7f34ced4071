"""Taking events out of dates whose files are gone from the landing: the tables alone know them.

Dates that still have files are read again instead. Here every table about what landed is published
anew for the dates concerned, those that tell whose an event is last, so that a killed erasure finds
again what is left to do.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence

import pandas as pd
import pyarrow as pa

from engagement.erasure import recount
from engagement.flatten import fields, increments
from engagement.flatten.declared import declared_types
from engagement.flatten.discards import DISCARD_COLUMNS, DISCARDS
from engagement.flatten.ingest import REASON_COLUMNS, REASONS
from engagement.flatten.schema import PARTITION
from engagement.flatten.tables import EVENTS
from engagement.landing import do_not_reload
from engagement.settings import Settings
from engagement.sql.conversions import TIMESTAMP, VARCHAR
from engagement.sql.dialect import Table, bind, parse
from engagement.warehouse.reading import LandingSession

QUARANTINE, DUPLICATES = Table("landing", "quarantine"), Table("landing", "duplicates")
LEDGER = Table("landing", "ledger")

_JUDGED = {
    **dict.fromkeys(("record_number", "id", "user_id", "anonymous_id"), VARCHAR),
    "timestamp": TIMESTAMP,
    "write_key": VARCHAR,
}


def remove(
    session: LandingSession,
    settings: Settings,
    days: Sequence[str],
    needles: Sequence[str],
    is_theirs: Callable[[bytes], bool],
) -> dict[str, int]:
    """Take out of some dates the events of those on the do-not-reload list, and what names them.

    Parameters
    ----------
    needles
        Texts one of which stands in whatever names a person.
    is_theirs
        Tells of a record in which a needle was found whether it goes.

    Returns
    -------
    dict
        Rows taken out, by table.
    """
    if not days or not session.columns(EVENTS):
        return {}
    keys = find(session, settings, days, needles, is_theirs)
    kept, gone = _quarantine(session, days, is_theirs)
    if not keys and not gone:
        return {}
    increments.leave_unfinished(session, dict.fromkeys(days, increments.TABLES))
    values = {"days": tuple(days)}
    rows = pa.table(
        {
            PARTITION: pa.array([day for day, _ in keys], pa.string()),
            "id": pa.array([id_ for _, id_ in keys], pa.string()),
        }
    )
    session.rows("erasing", rows, {PARTITION: VARCHAR, "id": VARCHAR})
    remaining = session.work("remaining", _without(session, EVENTS, "id", by_day=True), values)
    counts = {str(EVENTS): len(keys)}
    for table, column in ((DISCARDS, "row_id"), (DUPLICATES, "id")):
        if session.columns(table):
            before = _count(session, table, days)
            left = session.work(f"left_{table.name}", _without(session, table, column), values)
            columns = DISCARD_COLUMNS if table == DISCARDS else session.columns(table)
            session.publish(table, f"select * from {left}", partitions=days, columns=columns)
            counts[str(table)] = before - _count(session, table, days)
    session.publish(
        QUARANTINE,
        f"select * from {session.rows('left_quarantine', kept, session.columns(QUARANTINE))}",
        partitions=days,
        columns=session.columns(QUARANTINE),
    )
    counts[str(QUARANTINE)] = gone
    session.publish(
        REASONS,
        f"select reason, count(*) as records, {PARTITION} from work.left_quarantine "
        f"group by {PARTITION}, reason",
        partitions=days,
        columns=REASON_COLUMNS,
    )
    _registry(session, settings, days)
    _ledger(session, days)
    session.publish(
        EVENTS, f"select * from {remaining}", partitions=days, columns=session.columns(EVENTS)
    )
    return counts


def find(
    session: LandingSession,
    settings: Settings,
    days: Sequence[str],
    needles: Sequence[str],
    is_theirs: Callable[[bytes], bool],
) -> list[tuple[str, str]]:
    """Date and id of the events that are to go, of some dates."""
    if not days:
        return []
    values = {"days": tuple(days)}
    chosen: set[tuple[str, str]] = set()
    if session.columns(do_not_reload.ERASED):
        events = parse(
            f"select {PARTITION} || ' ' || id as record_number, id, user_id, anonymous_id, "
            f'"timestamp", write_key from {EVENTS} where {PARTITION} in (:days)'
        )
        session.view("classified", bind(events, values), _JUDGED)
        session.work("refused", do_not_reload.refused_sql(), do_not_reload.parameters(settings))
        found = session.query("select record_number from work.refused", label="events to be erased")
        chosen |= {tuple(key.split(" ", 1)) for key in found["record_number"]}
    if needles:
        rows = pa.table({"needle": pa.array(list(needles), pa.string())})
        session.rows("needles", rows, {"needle": VARCHAR})
        found = session.query(
            f"select distinct e.{PARTITION}, e.id, e.record from {EVENTS} as e "
            "cross join work.needles as n "
            f"where e.{PARTITION} in (:days) and strpos(e.record, n.needle) > 0",
            values,
            label="events that name somebody",
        )
        chosen |= {
            (day, id_)
            for day, id_, record in found.itertuples(index=False, name=None)
            if is_theirs(record.encode())
        }
    return sorted(chosen)


def quarantined(
    session: LandingSession, days: Sequence[str], is_theirs: Callable[[bytes], bool]
) -> set[str]:
    """Dates, of some, on which a record of theirs was set aside."""
    if not days or not session.columns(QUARANTINE):
        return set()
    rows = session.query(
        f"select {PARTITION}, record, record_encoding from {QUARANTINE} "
        f"where {PARTITION} in (:days) and record is not null",
        {"days": tuple(days)},
        label="records set aside",
    )
    return {
        day
        for day, text, encoding in rows.itertuples(index=False, name=None)
        if is_theirs(_bytes(text, encoding))
    }


def _without(session: LandingSession, table: Table, column: str, *, by_day: bool = False) -> str:
    names = ", ".join(f't."{name}"' for name in session.columns(table))
    same_day = f" and t.{PARTITION} = e.{PARTITION}" if by_day else ""
    ids = "work.erasing" if by_day else "(select distinct id from work.erasing)"
    return (
        f"select {names} from {table} as t left join {ids} as e on t.{column} = e.id{same_day} "
        f"where t.{PARTITION} in (:days) and e.id is null"
    )


def _count(session: LandingSession, table: Table, days: Sequence[str]) -> int:
    found = session.query(
        f"select count(*) as n from {table} where {PARTITION} in (:days)",
        {"days": tuple(days)},
        label=f"rows of {table}",
    )
    return int(found["n"].iloc[0])


def _quarantine(
    session: LandingSession, days: Sequence[str], is_theirs: Callable[[bytes], bool]
) -> tuple[pa.Table, int]:
    """Quarantined records of some dates that stay, and how many go."""
    names = list(session.columns(QUARANTINE))
    rows = session.query(
        f"select {', '.join(names)} from {QUARANTINE} where {PARTITION} in (:days)",
        {"days": tuple(days)},
        label="records set aside",
    )
    stays = [
        not (isinstance(text, str) and is_theirs(_bytes(text, encoding)))
        for text, encoding in zip(rows["record"], rows["record_encoding"], strict=True)
    ]
    kept = rows[pd.Series(stays, index=rows.index, dtype=bool)]
    schema = pa.schema(
        [(name, pa.int64() if name == "line_number" else pa.string()) for name in names]
    )
    return pa.Table.from_pandas(kept, schema=schema, preserve_index=False), stays.count(False)


def _bytes(text: str, encoding: object) -> bytes:
    return base64.b64decode(text) if encoding == "base64" else text.encode()


def _registry(session: LandingSession, settings: Settings, days: Sequence[str]) -> None:
    """Count names and fields of events again, from what remains."""
    session.publish(
        fields.NAMES,
        f"select type, coalesce(event, '') as event, count(*) as events, {PARTITION} "
        f"from work.remaining group by {PARTITION}, type, coalesce(event, '')",
        partitions=days,
        columns=fields.NAME_COLUMNS,
    )
    remaining = session.work(
        "readable_events",
        f"select * from {_readable(session)}",
    )
    session.put_aside(
        parse(
            f"select k.{PARTITION}, k.id, k.record from {remaining} as k "
            f"inner join work.remaining as r on k.{PARTITION} = r.{PARTITION} and k.id = r.id "
            "where k.record <> r.record"
        ),
        days,
    )

    def kept() -> Iterator[recount.Kept]:
        for day in days:
            rows = session.query(
                f"select {PARTITION}, type, coalesce(event, '') as event, record "
                f"from work.remaining where {PARTITION} = :day",
                {"day": day},
                label="events that stay",
            )
            yield from rows.itertuples(index=False, name=None)

    found = recount.fields(session, kept(), declared_types(settings))
    rows = session.rows("fields", found, fields.FIELD_COLUMNS)
    session.publish(
        fields.FIELDS, f"select * from {rows}", partitions=days, columns=fields.FIELD_COLUMNS
    )


def _readable(session: LandingSession) -> Table:
    """The events that stay, with the texts that are read in the place of some records."""
    events = parse(f"select {PARTITION}, id, record from work.remaining")
    return session.readable("readable", events, dict.fromkeys((PARTITION, "id", "record"), VARCHAR))


def _ledger(session: LandingSession, days: Sequence[str]) -> None:
    """Count the records of some dates again; what was counted of files and lines stays."""
    columns = session.columns(LEDGER)
    counted = {"events": "r", "duplicates": "d", "quarantined": "q"}
    sums = " + ".join(f"coalesce({alias}.n, 0)" for alias in counted.values())
    chosen = ", ".join(
        f"coalesce({counted[name]}.n, 0) as {name}"
        if name in counted
        else f"{sums} as {name}"
        if name == "records"
        else f"l.{name}"
        for name in columns
    )
    sources = (("work.remaining", "r"), (str(DUPLICATES), "d"), (str(QUARANTINE), "q"))
    joins = " ".join(
        f"left join (select {PARTITION}, count(*) as n from {table} group by {PARTITION}) "
        f"as {alias} on l.{PARTITION} = {alias}.{PARTITION}"
        for table, alias in sources
    )
    rows = session.work(
        "left_ledger",
        f"select {chosen} from {LEDGER} as l {joins} where l.{PARTITION} in (:days)",
        {"days": tuple(days)},
    )
    session.publish(LEDGER, f"select * from {rows}", partitions=days, columns=columns)
