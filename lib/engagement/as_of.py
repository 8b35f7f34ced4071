"""The as-of moment: how much of the data a run sees.

``as_of`` in the parameters is a day and means its end; left out, it is the day before the newest
event received. ``latest`` is the moment of the newest event received: its day counts, although it
is not over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from engagement.settings import LATEST, Settings
from engagement.sql.dialect import Table
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.protocol import Session, Warehouse

_UTC = ZoneInfo("UTC")

NO_DATA_DAY = date(1970, 1, 1)
"""The as-of day where no event was kept at all: every model is then empty."""


@dataclass(frozen=True)
class AsOf:
    """How much of the data models see.

    Attributes
    ----------
    day : date
        The as-of day, in the reporting time zone: the last day of tables by day.
    end : datetime
        The as-of moment, as a naive UTC time, that windows in hours count back from: the end of
        the day or, of ``latest``, when the newest event was received.
    is_latest : bool
        Whether the data was taken as it stands, in the middle of ``day``.
    """

    day: date
    end: datetime
    is_latest: bool = False

    @property
    def seen_before(self) -> datetime:
        """The first moment at which events were received too late to be seen.

        A day ends before its end; the newest event is seen itself, and events have milliseconds.
        """
        return self.end + timedelta(milliseconds=1) if self.is_latest else self.end

    @property
    def last_whole_day(self) -> date:
        """The last day whose events are all there: the as-of day, or the one before it."""
        return self.day - timedelta(days=1) if self.is_latest else self.day

    def __str__(self) -> str:
        """The day; of ``latest``, the moment of the newest event."""
        if not self.is_latest:
            return self.day.isoformat()
        newest = self.end.isoformat(sep=" ", timespec="milliseconds")
        return f"{self.day.isoformat()} (not over: newest event received at {newest} UTC)"


def end_of_day(day: date, zone: str) -> datetime:
    """The moment, as a naive UTC time, at which a day has ended in a time zone."""
    midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=ZoneInfo(zone))
    return midnight.astimezone(_UTC).replace(tzinfo=None)


def whole_day(day: date, zone: str) -> AsOf:
    """As of the end of a day."""
    return AsOf(day, end_of_day(day, zone))


def at_newest(newest: datetime, zone: str) -> AsOf:
    """As of the moment, a naive UTC time, at which the newest event was received."""
    return AsOf(_local_day(newest, zone), newest, is_latest=True)


def resolve_as_of(warehouse: Warehouse, settings: Settings) -> AsOf:
    """What the parameters' ``as_of`` means for the events that are there.

    Raises
    ------
    WarehouseError
        When the answer depends on the newest event and none was ever flattened: 02 comes first.
    """
    chosen = settings.as_of
    if isinstance(chosen, date):
        return whole_day(chosen, settings.timezone)
    newest = _newest(warehouse)
    if newest is None:
        return whole_day(NO_DATA_DAY, settings.timezone)
    if chosen == LATEST:
        return at_newest(newest, settings.timezone)
    before = _local_day(newest, settings.timezone) - timedelta(days=1)
    return whole_day(before, settings.timezone)


def in_words(settings: Settings) -> str:
    """What ``as_of`` is set to, before it is resolved."""
    match settings.as_of:
        case None:
            return "the day before the newest event received"
        case date() as day:
            return day.isoformat()
    return "latest: the moment of the newest event received"


def require_events(session: Session) -> None:
    """Check that there are tables of events, which a day that was named says nothing of.

    Raises
    ------
    WarehouseError
        When no event was ever flattened: 02 comes first.
    """
    if not session.columns(Table("events", "events")):
        raise WarehouseError("no event was flattened yet: run 02_flatten_events first")


def _newest(warehouse: Warehouse) -> datetime | None:
    with warehouse.session() as session:
        require_events(session)
        newest = session.query(
            "select max(received_at) as newest from events.events", label="newest event"
        )["newest"].iloc[0]
    return None if pd.isna(newest) else newest.to_pydatetime()


def _local_day(moment: datetime, zone: str) -> date:
    return moment.replace(tzinfo=_UTC).astimezone(ZoneInfo(zone)).date()
