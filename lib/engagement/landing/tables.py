"""The table through which people read the landing, and a first profile of what lies there.

It is the external JSON table of the guidance (or its DuckDB twin, a view over the same files):
handy, and lossy, as such tables are. A malformed line is a row of NULLs or missing, and of two
objects on one line only the first is seen. What is counted on comes from 02, which loses nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pandas as pd

from engagement.landing.files import nothing_landed, why_stray
from engagement.privacy import shown
from engagement.settings import Settings
from engagement.warehouse import Session, Table, Warehouse, WarehouseError

READING_TABLE = Table("landing", "rudderstack_events")

PROFILE = Table("landing", "profile")
"""What :func:`profile` has counted: rows by type and name, and how many of them fill each field."""

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


def inventory(warehouse: Warehouse) -> LandingInventory:
    """List the landing.

    Raises
    ------
    LandingError
        When the landing does not exist.
    """
    landing = warehouse.landing_files()
    files = pd.DataFrame(
        [(f.received_at_utc_date, f.size) for f in landing.files],
        columns=["received_at_utc_date", "bytes"],
    )
    days = files.groupby("received_at_utc_date", as_index=False).agg(
        files=("bytes", "size"), bytes=("bytes", "sum")
    )
    return LandingInventory(days, landing.strays)


def create_tables(warehouse: Warehouse, settings: Settings) -> Table:
    """Create the external table over the landing, or make it again.

    Raises
    ------
    LandingError
        When there is no file that it could read.
    """
    landing, span = warehouse.landing_files(), settings.landing
    if not landing.files:
        raise nothing_landed(landing.location, landing.strays, span.from_, span.to)
    with warehouse.session(write=True) as session:
        session.landing_table(READING_TABLE, settings.landing.location, COLUMNS)
    return READING_TABLE


@dataclass(frozen=True)
class Profile:
    """A first look at the events, or the words why there is none.

    ``types`` counts rows by type and name, ``fields`` says which share of the rows has each field.
    """

    types: pd.DataFrame
    fields: pd.DataFrame
    words: str = ""


def profile(warehouse: Warehouse) -> Profile:
    """Count events by type and name, and how full each field is, through the external table.

    The files are read once: what was counted is kept in ``landing.profile``, and counted again
    when the landing has changed. So is that it could not be counted: a broken file stays broken,
    and would have all others read in vain by every run.
    """
    landed = sorted((f.name, f.size, f.tag) for f in warehouse.landing_files().files)
    version = hashlib.sha256(repr((landed, COLUMNS)).encode()).hexdigest()
    sums = ", ".join(f"sum({column}_filled) as {column}" for column in COLUMNS)
    words = "The external table cannot be read through. 02 sets such files apart."
    try:
        with warehouse.session(write=True) as session:
            there = session.published(PROFILE)
            is_known = there is not None and there.version in (version, version + _UNREADABLE)
            is_read = there is not None and there.version == version
            if not is_known:
                words = _count(session, version)
                is_read = not words
        if not is_read:
            return Profile(pd.DataFrame(), pd.DataFrame(), words)
        types = warehouse.query(
            f"select type, event, rows_seen from {PROFILE} order by 3 desc, 1, 2"
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
    return Profile(shown(types), fields)


_UNREADABLE = "-unreadable"
"""Ends the version of a profile that could not be made."""


def _count(session: Session, version: str) -> str:
    """Publish the counts, or that they cannot be had; says why not."""
    filled = {f"{column}_filled": f"count(nullif({column}, ''))" for column in COLUMNS}
    counted = ", ".join(f"{count} as {name}" for name, count in filled.items())
    try:
        session.publish(
            PROFILE,
            f"select lower(type) as type, event, count(*) as rows_seen, {counted} "
            f"from {READING_TABLE} group by 1, 2",
            version=version,
        )
    except WarehouseError as error:
        nothing = ", ".join(f"cast(0 as bigint) as {name}" for name in ("rows_seen", *filled))
        session.publish(
            PROFILE,
            f"select cast(null as varchar) as type, cast(null as varchar) as event, {nothing} "
            "where false",
            version=version + _UNREADABLE,
        )
        return f"The external table cannot be read through: {error}. 02 sets such files apart."
    return ""
