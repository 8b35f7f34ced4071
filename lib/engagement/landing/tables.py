"""The table through which people read the landing, and a first profile of what lies there.

It is the external JSON table of the guidance (or its DuckDB twin, a view over the same files):
handy, and lossy, as such tables are. A malformed line is a row of NULLs or missing, and of two
objects on one line only the first is seen. What is counted on comes from 02, which loses nothing.

Where RudderStack loads the tables, there is no landing: the same functions tell of its schema (see
:mod:`.loaded`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from engagement.landing import loaded
from engagement.landing.loaded import LoadedInventory, span
from engagement.privacy import shown
from engagement.records.files import PARTITION, nothing_landed, strays_by_reason, why_stray
from engagement.settings import Settings
from engagement.sql.conversions import BIGINT, VARCHAR
from engagement.warehouse import Session, Table, Warehouse, WarehouseError
from engagement.warehouse.loaded import LoadedWarehouse
from engagement.warehouse.reading import landing_warehouse

READING_TABLE = Table("landing", "rudderstack_events")

PROFILE = Table("landing", "profile")
"""What :func:`profile` has counted: rows by received date, type and name, and how many of them fill
each field."""

READ_LOSSILY = frozenset({READING_TABLE, PROFILE})
"""Tables that engines may fill differently: each has its own way with malformed lines."""

COLUMNS = {
    "messageid": "messageId",
    "type": "type",
    "event": "event",
    "name": "name",
    "anonymousid": "anonymousId",
    "userid": "userId",
    "previousid": "previousId",
    "groupid": "groupId",
    "channel": "channel",
    "context": "context",
    "properties": "properties",
    "traits": "traits",
    "integrations": "integrations",
    "originaltimestamp": "originalTimestamp",
    "sentat": "sentAt",
    "receivedat": "receivedAt",
    "timestamp": "timestamp",
    "request_ip": "request_ip",
    "rudderid": "rudderId",
    "writekey": "writeKey",
}
"""Columns of the table, and the key of each in the events; objects stay JSON text."""


@dataclass(frozen=True)
class LandingInventory:
    """What lies in the landing, found without reading it.

    ``days`` has one row per received date (files, bytes); ``strays`` are objects that are in no
    folder of a date that is believed, which nothing reads.
    """

    days: pd.DataFrame
    strays: tuple[str, ...]

    def strays_frame(self, rows: int = 10) -> pd.DataFrame:
        """The first strays by name, each with the reason: object, why."""
        shown = [(name, why_stray(name)) for name in self.strays[:rows]]
        return pd.DataFrame(shown, columns=["object", "why"])

    def sentence(self) -> str:
        """Say in Markdown what has landed."""
        return (
            f"**{self.days['files'].sum():,} files** of {self.days['bytes'].sum() / 1e6:,.1f} MB "
            f"have landed, {span(self.days)}. Not read: "
            f"{'; '.join(strays_by_reason(self.strays)) or 'nothing'}."
        )


def inventory(warehouse: Warehouse) -> LandingInventory | LoadedInventory:
    """List the landing; or, where RudderStack loads the tables, what it has loaded.

    Raises
    ------
    LandingError
        When the landing does not exist.
    WarehouseError
        When RudderStack has loaded nothing.
    """
    if isinstance(warehouse, LoadedWarehouse):
        return loaded.inventory(warehouse)
    landing = landing_warehouse(warehouse).landing_files()
    files = pd.DataFrame(
        [(f.received_at_utc_date, f.size) for f in landing.files],
        columns=["received_at_utc_date", "bytes"],
    )
    days = files.groupby("received_at_utc_date", as_index=False).agg(
        files=("bytes", "size"), bytes=("bytes", "sum")
    )
    return LandingInventory(days, landing.strays)


def loaded_tables(warehouse: Warehouse) -> pd.DataFrame | None:
    """The tables of events that RudderStack loads; ``None`` where it loads none.

    See :func:`engagement.landing.loaded.tables`.
    """
    return loaded.tables(warehouse) if isinstance(warehouse, LoadedWarehouse) else None


def create_tables(warehouse: Warehouse, settings: Settings) -> Table:
    """Create the external table over the landing, or make it again.

    Where RudderStack loads the tables, that is the view over all of them.

    Raises
    ------
    LandingError
        When there is no file that it could read.
    """
    if isinstance(warehouse, LoadedWarehouse):
        with warehouse.session(write=True):
            return loaded.EVENTS
    landing, span = landing_warehouse(warehouse).landing_files(), settings.landing
    if not landing.files:
        raise nothing_landed(landing.location, landing.strays, span.from_, span.to)
    with landing_warehouse(warehouse).session(write=True) as session:
        session.landing_table(READING_TABLE, settings.landing.location, COLUMNS)
    return READING_TABLE


@dataclass(frozen=True)
class Profile:
    """A first look at the events, or the words why there is none.

    ``types`` counts rows by type and name, ``fields`` says which share of the rows has each field;
    ``days`` are the received dates that were counted.
    """

    types: pd.DataFrame
    fields: pd.DataFrame
    words: str = ""
    days: tuple[str, ...] = ()


FIRST_LOOK_BYTES = 1_000_000_000
"""The newest dates of a landing are counted as far as their files have so many bytes together."""


def profile(warehouse: Warehouse) -> Profile:
    """Count events by type and name, and how full each field is, through the external table.

    What was counted is kept by received date in ``landing.profile``: only dates whose files changed
    are read again. Older dates that the first look left out are not counted later either: see
    :data:`FIRST_LOOK_BYTES`. That dates cannot be read through is kept, too: a broken file stays
    broken, and would make every run read all the others for nothing.

    Where RudderStack loads the tables, all that they hold is counted, without copies.
    """
    if isinstance(warehouse, LoadedWarehouse):
        found = loaded.inventory(warehouse)
        days = tuple(found.days["received_at_utc_date"].dropna())
        return Profile(loaded.types(warehouse), loaded.fields(warehouse), days=days)
    versions, sizes = _landed(warehouse)
    sums = ", ".join(f"sum({column}_filled) as {column}" for column in COLUMNS)
    words = ""
    try:
        with warehouse.session(write=True) as session:
            known = _counted(session)
            wanted = _newest(sizes) | (known.keys() & versions.keys())
            changed = sorted(
                day
                for day in wanted
                if known.get(day) not in (versions[day], versions[day] + _UNREADABLE)
            )
            gone = sorted(known.keys() - versions.keys())
            if changed or gone:
                words = _count(session, {day: versions[day] for day in changed}, gone)
            known = _counted(session)
        days = tuple(sorted(d for d in known if not known[d].endswith(_UNREADABLE)))
        if len(days) < len(known) and not words:
            words = _unread(len(known) - len(days), len(known), "")
        if not days:
            return Profile(pd.DataFrame(), pd.DataFrame(), words)
        types = warehouse.query(
            f"select type, event, cast(sum(rows_seen) as bigint) as rows_seen from {PROFILE} "
            "where rows_seen > 0 group by 1, 2 order by 3 desc, 1, 2"
        )
        counts = warehouse.query(f"select sum(rows_seen) as rows_seen, {sums} from {PROFILE}")
    except WarehouseError as error:
        words = f"The external table cannot be read through: {error}."
        return Profile(pd.DataFrame(), pd.DataFrame(), words)
    counts = counts.fillna(0)
    row = counts.iloc[0]
    total = int(row["rows_seen"])
    fields = pd.DataFrame(
        [
            (column, int(row[column]), round(int(row[column]) / total, 4) if total else None)
            for column in COLUMNS
        ],
        columns=["field", "filled", "share"],
    ).sort_values(["filled", "field"], ascending=[False, True], ignore_index=True)
    return Profile(shown(types), fields, words, days)


_UNREADABLE = "-unreadable"
"""Ends the version of dates that could not be counted."""

_PROFILE_COLUMNS = {
    "version": VARCHAR,
    "type": VARCHAR,
    "event": VARCHAR,
    "rows_seen": BIGINT,
    **{f"{column}_filled": BIGINT for column in COLUMNS},
    PARTITION: VARCHAR,
}


def _landed(warehouse: Warehouse) -> tuple[dict[str, str], dict[str, int]]:
    """By received date, what tells one state of its files from another, and their bytes."""
    files: dict[str, list[tuple[str, int, str]]] = {}
    for file in sorted(landing_warehouse(warehouse).landing_files().files):
        files.setdefault(file.received_at_utc_date, []).append((file.name, file.size, file.tag))
    versions = {
        day: hashlib.sha256(repr((some, COLUMNS)).encode()).hexdigest()[:32]
        for day, some in files.items()
    }
    return versions, {day: sum(size for _, size, _ in some) for day, some in files.items()}


def _newest(sizes: Mapping[str, int]) -> set[str]:
    """The newest dates whose files are not too large together; one at least."""
    chosen: set[str] = set()
    left = FIRST_LOOK_BYTES
    for day in sorted(sizes, reverse=True):
        left -= sizes[day]
        if chosen and left < 0:
            break
        chosen.add(day)
    return chosen


def _counted(session: Session) -> dict[str, str]:
    """The dates that were counted, and the state of their files that was."""
    if session.columns(PROFILE) != _PROFILE_COLUMNS:
        return {}
    rows = session.fetch(PROFILE, [PARTITION, "version"], label="dates counted")
    return dict(rows.itertuples(index=False))


def _count(session: Session, versions: Mapping[str, str], gone: Sequence[str]) -> str:
    """Publish the counts of some dates, or that they cannot be had; says why not."""
    filled = {f"{column}_filled": f"count(nullif({column}, ''))" for column in COLUMNS}
    names = ["type", "event", "rows_seen", *filled]
    dates = [*versions, *gone]
    # The table may be one of an earlier version of this project, with other columns.
    partitions = dates if session.columns(PROFILE) == _PROFILE_COLUMNS else None
    state = session.rows(
        "profile_versions",
        pa.table({PARTITION: list(versions), "version": list(versions.values())}).cast(
            pa.schema([(PARTITION, pa.string()), ("version", pa.string())])
        ),
        {PARTITION: VARCHAR, "version": VARCHAR},
    )
    nothing = ", ".join(f"cast(null as varchar) as {name}" for name in names[:2])
    nothing += "".join(f", cast(0 as bigint) as {name}" for name in names[2:])
    # A date without a row that can be read has been counted all the same.
    marks = "select version{end} as version, {nothing}, {day} from {state}"
    counted = ", ".join(f"{count} as {name}" for name, count in filled.items())
    seen = (
        f"select v.version, c.type, c.event, c.rows_seen, {', '.join(f'c.{n}' for n in filled)}, "
        f"c.{PARTITION} from (select lower(type) as type, event, count(*) as rows_seen, {counted}, "
        f"{PARTITION} from {READING_TABLE} where {PARTITION} in (:days) group by 1, 2, {PARTITION}"
        f") as c inner join {state} as v on c.{PARTITION} = v.{PARTITION}"
    )
    said = ""
    try:
        select = marks.format(end="", nothing=nothing, day=PARTITION, state=state)
        values = {"days": tuple(versions)}
        if versions:
            select = f"{seen} union all {select}"
        session.publish(PROFILE, select, values, partitions=partitions, columns=_PROFILE_COLUMNS)
    except WarehouseError as error:
        said = _unread(len(versions), len(versions), f": {error}")
        end = f" || '{_UNREADABLE}'"
        session.publish(
            PROFILE,
            marks.format(end=end, nothing=nothing, day=PARTITION, state=state),
            partitions=partitions,
            columns=_PROFILE_COLUMNS,
        )
    return said


def _unread(unread: int, known: int, why: str) -> str:
    few = "" if unread == known else f" for {unread} of {known} dates"
    return f"The external table cannot be read through{few}{why}. 02 sets such files apart."
