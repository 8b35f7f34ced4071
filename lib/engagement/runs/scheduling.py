"""What a scheduler asks: has a day landed, which day may tables stand for, whose folder is this.

A scheduler such as Airflow runs the workbook a notebook at a time, day by day, and sometimes days
of the past. Nothing here reads a landed file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from engagement.as_of import end_of_day
from engagement.errors import WrongInputError
from engagement.models.provenance import MARTS, built_with
from engagement.runs.history import RUN_ID
from engagement.settings import Settings
from engagement.warehouse import Table, Warehouse
from engagement.warehouse.reading import LandingWarehouse

GRACE = timedelta(minutes=30)
"""How long after the end of a day its last events may land: Firehose buffers up to 15 minutes."""


class RunChoiceError(WrongInputError):
    """A run folder was named that cannot be added to."""


@dataclass(frozen=True)
class Arrival:
    """Whether a day has landed, in the reporting time zone.

    Attributes
    ----------
    received_from, received_to
        The received dates, which are of UTC, that hold the day's events.
    is_landed
        Whether nothing more is expected of them: something of a later date has landed, or the day
        has ended some time ago and something has landed of its last date.
    is_empty
        Whether nothing has landed of these dates.
    newest
        The newest received date of which something has landed.
    runs
        The folder of runs, as an absolute path.
    has_landing
        Whether the engine reads a landing. Where RudderStack loads the tables, received dates
        cannot be chosen: ``landing.from`` and ``landing.to`` are refused there.
    """

    day: date
    received_from: date
    received_to: date
    is_landed: bool
    is_empty: bool
    newest: date | None
    runs: str
    has_landing: bool

    def record(self) -> dict[str, Any]:
        """The same with texts and truth values alone, for JSON."""
        return {
            key: value.isoformat() if isinstance(value, date) else value
            for key, value in asdict(self).items()
        }

    def sentence(self) -> str:
        """The same for people."""
        if not self.has_landing:
            state = "is over" if self.is_landed else "is not over yet"
            return f"{self.day} {state}: RudderStack loads the tables, so the clock decides"
        newest = f"the newest received date is {self.newest}" if self.newest else "nothing has"
        if not self.is_landed:
            return f"{self.day} has not landed yet: {newest}"
        return f"{self.day} has landed{', without any event' if self.is_empty else ''}: {newest}"


def arrival(
    warehouse: Warehouse,
    settings: Settings,
    day: date,
    *,
    grace: timedelta = GRACE,
    now: datetime | None = None,
) -> Arrival:
    """Look whether a day has landed, by the names of the landing's folders alone.

    An engine that RudderStack loads has no landing: there the clock alone decides.

    Raises
    ------
    LandingError
        When the landing does not exist, or cannot be listed.
    """
    now = (now or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    begin = datetime.combine(day, time(), tzinfo=ZoneInfo(settings.timezone)).astimezone(UTC)
    end = end_of_day(day, settings.timezone)
    first, last = begin.date(), (end - timedelta(milliseconds=1)).date()
    is_over = now >= end + grace
    runs = str(settings.path(settings.run.directory))
    if not isinstance(warehouse, LandingWarehouse):
        return Arrival(day, first, last, is_over, False, None, runs, has_landing=False)
    days = [date.fromisoformat(text) for text in warehouse.landed_days()]
    newest = max(days, default=None)
    is_landed = newest is not None and (newest > last or (is_over and newest == last))
    is_empty = not any(first <= one <= last for one in days)
    return Arrival(day, first, last, is_landed, is_empty, newest, runs, has_landing=True)


def at_least(warehouse: Warehouse, day: date) -> date:
    """The day, or the latest one that a model's table stands for if that is later.

    So a run for a day of the past adds that day's events, and takes no table back in time: however
    the days of a backfill are ordered, the tables end as of the latest.
    """
    if not warehouse.exists():
        return day
    with warehouse.session() as session:
        found = [session.published(Table(MARTS, name)) for name in session.tables(MARTS)]
    days = [built_with(one.version).get("as_of", "")[:10] for one in found if one]
    return max([day, *(date.fromisoformat(text) for text in days if text)])


def begun(folder: Path, params: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What ``run.json`` of a run's folder holds; empty where the run has not begun.

    Raises
    ------
    RunChoiceError
        When the folder is called like no run, when its record cannot be read, or when the run has
        other parameters. The as-of day may be another.
    """
    if not RUN_ID.fullmatch(folder.name):
        raise RunChoiceError(
            f"'{folder.name}' cannot be the id of a run: write it like 20261031T013000Z-1a2b, the "
            "time at which the run began and four hexadecimal digits"
        )
    if not folder.exists():
        return {}
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        before = found["params"], _without_as_of(found["overrides"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RunChoiceError(
            f"the record of run {folder.name} cannot be read: begin another run"
        ) from None
    now = params, _without_as_of(json.loads(json.dumps(dict(overrides), default=str)))
    if before != now:
        raise RunChoiceError(
            f"run {folder.name} has other parameters ({_words(*before)}) than these "
            f"({_words(*now)}): begin another run"
        )
    return dict(found)


def _without_as_of(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in overrides.items() if key != "as_of"}


def _words(params: str, overrides: Mapping[str, Any]) -> str:
    return ", ".join([params, *(f"{key}={value}" for key, value in overrides.items())])
