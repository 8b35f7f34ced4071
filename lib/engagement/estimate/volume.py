"""How much lands: from the ledger of what was taken in, from the landing's listing, or as told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engagement.errors import WrongInputError
from engagement.estimate.calibration import Calibration
from engagement.records.files import LandedFile
from engagement.sql.dialect import Table
from engagement.warehouse.protocol import Session

LEDGER = Table("landing", "ledger")
NAMES = Table("landing", "event_names")


class VolumeError(WrongInputError):
    """It cannot be told how much lands."""


@dataclass(frozen=True)
class Volume:
    """What lies in a landing, and what a day adds to it.

    Attributes
    ----------
    events, days, files, landed_bytes
        Of all that is taken in by the first run; bytes as they lie there, zipped.
    tables
        Tables of events; a partition is one date of one of them, and ``partitions`` all of these.
    events_a_day, files_a_day, landed_bytes_a_day, partitions_a_day
        What a further day adds.
    event_bytes
        Of one event's JSON as it is sent.
    source
        Where the numbers are from, in words.
    """

    events: float
    days: int
    files: float
    landed_bytes: float
    tables: float
    partitions: float
    events_a_day: float
    files_a_day: float
    landed_bytes_a_day: float
    partitions_a_day: float
    event_bytes: float
    source: str

    def after(self, days: int) -> Volume:
        """What there is some days later."""
        return replace(
            self,
            days=self.days + days,
            events=self.events + days * self.events_a_day,
            files=self.files + days * self.files_a_day,
            landed_bytes=self.landed_bytes + days * self.landed_bytes_a_day,
            partitions=self.partitions + days * self.partitions_a_day,
        )


def told(
    events_a_day: float,
    days: int,
    calibration: Calibration,
    *,
    event_bytes: float | None = None,
    tables: int | None = None,
) -> Volume:
    """So many events a day; what is not told is as in the landings that were measured."""
    size = event_bytes or calibration.event_bytes
    zipped = events_a_day * size * calibration.zipped_share
    many = tables or round(calibration.tables)
    files = firehose_files(events_a_day, size)
    return Volume(
        events=events_a_day * days,
        days=days,
        files=files * days,
        landed_bytes=zipped * days,
        tables=many,
        partitions=float(many * days),
        events_a_day=events_a_day,
        files_a_day=files,
        landed_bytes_a_day=zipped,
        partitions_a_day=float(many),
        event_bytes=size,
        source=(
            f"{events_a_day:,.0f} events a day for {days:,} days, as told; {size:,.0f} bytes an "
            f"event, {many} tables of events" + ("" if event_bytes and tables else " (assumed)")
        ),
    )


def listed(files: Sequence[LandedFile], calibration: Calibration) -> Volume:
    """What the landing's listing tells: files and bytes; events are reckoned from these."""
    if not files:
        raise VolumeError("no file has landed: give --events-per-day")
    days = len({file.received_at_utc_date for file in files})
    landed = float(sum(file.size for file in files))
    is_zipped = sum(file.size for file in files if file.name.endswith((".gz", ".gzip")))
    share = is_zipped / landed if landed else 1.0
    raw = landed * (share / calibration.zipped_share + (1 - share))
    events = raw / calibration.event_bytes
    many = round(calibration.tables)
    return Volume(
        events=events,
        days=days,
        files=len(files),
        landed_bytes=landed,
        tables=many,
        partitions=float(many * days),
        events_a_day=events / days,
        files_a_day=len(files) / days,
        landed_bytes_a_day=landed / days,
        partitions_a_day=float(many),
        event_bytes=calibration.event_bytes,
        source=(
            f"the landing's listing: {len(files):,} files of {days:,} dates; events reckoned at "
            f"{calibration.event_bytes:,.0f} bytes each, {many} tables of events assumed"
        ),
    )


def from_ledger(session: Session, event_bytes: float) -> Volume | None:
    """What was taken in; ``None`` where there is no ledger, or nothing in it."""
    if not session.columns(LEDGER) or not session.columns(NAMES):
        return None
    found = session.query(
        "select count(*) as days, coalesce(sum(files), 0) as files, coalesce(sum(bytes), 0) as "
        f"bytes, coalesce(sum(events), 0) as events from {LEDGER} where records > 0",
        label="estimate: ledger",
    ).iloc[0]
    days, events = int(found["days"]), float(found["events"])
    if not days or not events:
        return None
    names = session.query(
        "select count(distinct type || '/' || coalesce(event, '')) as tables, "
        "count(distinct type || '/' || coalesce(event, '') || '/' || received_at_utc_date) as "
        "partitions, count(distinct case when type = 'track' then received_at_utc_date end) as "
        f"track_days from {NAMES}",
        label="estimate: tables of events",
    ).iloc[0]
    # Besides a table for each type and name there are all events, and all tracks.
    partitions = float(names["partitions"]) + days + float(names["track_days"])
    landed = float(found["bytes"])
    return Volume(
        events=events,
        days=days,
        files=float(found["files"]),
        landed_bytes=landed,
        tables=float(names["tables"]) + 2,
        partitions=partitions,
        events_a_day=events / days,
        files_a_day=float(found["files"]) / days,
        landed_bytes_a_day=landed / days,
        partitions_a_day=partitions / days,
        event_bytes=event_bytes,
        source=f"the ledger: {events:,.0f} events of {days:,} dates were taken in",
    )


_BUFFER_BYTES, _BUFFER_SECONDS = 128 * 2**20, 300
"""The buffers that ``deploy/firehose`` sets where nothing else is said."""


def firehose_files(events_a_day: float, event_bytes: float) -> float:
    """Files that Firehose writes in a day: one when its buffer is full, or old enough."""
    by_time = min(events_a_day, 86_400 / _BUFFER_SECONDS)
    return max(1.0, by_time, events_a_day * event_bytes / _BUFFER_BYTES)
