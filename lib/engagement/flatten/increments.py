"""What a run of flattening has to do: the dates whose files are new, changed, gone or unfinished.

What changed is found from names, sizes and tags, without reading a file. On a disk the tag is the
time of the last change: other bytes of the same size with the same time are not noticed, and are
read with ``landing.reprocess``. In S3 it is the object's ETag, which tells any other bytes.

``landing.versions`` says which version of each file the tables hold, and under which rules it was
read; of a file that could not be read just then they hold none. Dates that a run is at work on are
named in ``landing.unfinished``, so that the next run makes good what a killed one left.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from importlib import resources

import pyarrow as pa

from engagement.flatten.declared import planned_types
from engagement.flatten.schema import PARTITION
from engagement.records.files import LandedFile, unzipped_bytes
from engagement.settings import Settings
from engagement.sql.conversions import BIGINT, VARCHAR
from engagement.sql.dialect import Table
from engagement.warehouse.protocol import Session
from engagement.warehouse.reading import Landing

VERSIONS = Table("landing", "versions")
UNFINISHED = Table("landing", "unfinished")

READ, TABLES = "read", "tables"
"""What is still to be done with a date: its files are to be read, or only its events tabled."""

_VERSION_COLUMNS = {
    PARTITION: VARCHAR,
    "file": VARCHAR,
    "bytes": BIGINT,
    "tag": VARCHAR,
    "rules": VARCHAR,
}
_UNFINISHED_COLUMNS = {PARTITION: VARCHAR, "stage": VARCHAR}
_RULES = (
    ("engagement.flatten", "crowded.py"),
    ("engagement.flatten", "names.py"),
    ("engagement.flatten", "schema.py"),
    ("engagement.flatten", "tables.py"),
    ("engagement.flatten", "discards.py"),
    ("engagement.flatten", "sql/classified.sql"),
    ("engagement.flatten", "sql/copies.sql"),
    ("engagement.records", "json_scan.py"),
    ("engagement.records", "lines.py"),
    ("engagement.records", "records.py"),
    ("engagement.records", "scanned.py"),
    ("engagement.records", "strict_json.py"),
    ("engagement.sql", "conversions.py"),
)
"""Files that say what becomes of a record: when one is changed, every date is read again."""

Versions = Mapping[str, frozenset[tuple[str, int, str]]]
"""Per received date: name, size and tag of each file."""


@dataclass(frozen=True)
class Plan:
    """What there is to do.

    ``read`` are the dates whose files are read, and why; ``tables`` those whose events go to their
    tables again (all of ``read`` among them); ``files`` what lies in the landing, by date;
    ``unfinished`` the dates that an earlier run did not finish.
    """

    read: Mapping[str, str]
    tables: frozenset[str]
    files: Mapping[str, tuple[LandedFile, ...]]
    rules: str
    starts_anew: bool
    unfinished: frozenset[str] = frozenset()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.tables

    def only(self, days: Set[str] | None) -> Plan:
        """What there is to do with some dates, and with those that were left unfinished."""
        if days is None:
            return self
        chosen = days | self.unfinished
        read = {day: why for day, why in self.read.items() if day in chosen}
        left = self.tables - self.read.keys()
        return replace(self, read=read, tables=frozenset(read) | left)

    def sentences(self) -> list[str]:
        """What a run would do, in words."""
        if self.is_idle:
            return ["Everything that has landed was taken in: a run would read no file."]
        by_reason: dict[str, list[str]] = {}
        for day, why in sorted(self.read.items()):
            by_reason.setdefault(why, []).append(day)
        lines = [f"{_dates(days)}: {why}" for why, days in sorted(by_reason.items())]
        left = sorted(self.tables - self.read.keys())
        return lines + ([f"{_dates(left)}: read, but not in all tables yet"] if left else [])


def _dates(days: Sequence[str]) -> str:
    if len(days) == 1:
        return days[0]
    return f"{len(days)} dates, {days[0]} to {days[-1]}"


def plan(session: Session | None, landing: Landing, settings: Settings) -> Plan:
    """Compare what has landed with what the tables hold, within the received dates of the settings.

    Parameters
    ----------
    landing
        The whole of it: a date that is read may change what is a duplicate on a later one, which
        is then read again although the settings leave it out.
    session
        ``None`` where there is no warehouse yet.
    """
    rules = fingerprint(settings)
    files: dict[str, list[LandedFile]] = {}
    for file in landing.files:
        files.setdefault(file.received_at_utc_date, []).append(file)
    held, read_by = _held(session)
    landed = _versions(f for f in landing.files if in_range(f.received_at_utc_date, settings))
    read: dict[str, str] = {}
    for day in sorted(landed.keys() | {day for day in held if in_range(day, settings)}):
        if day not in held:
            read[day] = "new"
        elif day not in landed:
            if settings.landing.gone == "remove":
                read[day] = "the files are gone"
        elif landed[day] != held[day]:
            read[day] = "files are new, changed or gone"
        elif read_by[day] != {rules}:
            read[day] = "read under other rules"
    for day in sorted(landed):
        if _is_asked_for(day, settings.landing.reprocess):
            read.setdefault(day, "asked for by landing.reprocess")
    tables = set(read)
    unfinished = _unfinished(session)
    for day, stage in unfinished:
        tables.add(day)
        if stage == READ:
            read.setdefault(day, "left unfinished by an earlier run")
    return Plan(
        read,
        frozenset(tables),
        {day: tuple(found) for day, found in files.items()},
        rules,
        starts_anew=not held,
        unfinished=frozenset(day for day, _ in unfinished),
    )


def in_range(day: str, settings: Settings) -> bool:
    """Whether a received date is within ``landing.from`` and ``landing.to``."""
    first, last = settings.landing.from_, settings.landing.to
    return (not first or day >= first.isoformat()) and (not last or day <= last.isoformat())


def _is_asked_for(day: str, asked: Iterable[str]) -> bool:
    for item in asked:
        first, _, last = item.partition("..")
        if item == "all" or first <= day <= (last or first):
            return True
    return False


def _versions(files: Iterable[LandedFile]) -> dict[str, frozenset[tuple[str, int, str]]]:
    found: dict[str, set[tuple[str, int, str]]] = {}
    for file in files:
        found.setdefault(file.received_at_utc_date, set()).add((file.name, file.size, file.tag))
    return {day: frozenset(versions) for day, versions in found.items()}


def _held(session: Session | None) -> tuple[Versions, dict[str, set[str]]]:
    held: dict[str, set[tuple[str, int, str]]] = {}
    rules: dict[str, set[str]] = {}
    if session is not None and session.columns(VERSIONS):
        rows = session.fetch(VERSIONS, list(_VERSION_COLUMNS), label="what was read")
        for day, file, size, tag, read_by in rows.itertuples(index=False):
            held.setdefault(day, set()).add((file, int(size), tag))
            rules.setdefault(day, set()).add(read_by)
    return {day: frozenset(found) for day, found in held.items()}, rules


def _unfinished(session: Session | None) -> list[tuple[str, str]]:
    if session is None or not session.columns(UNFINISHED):
        return []
    rows = session.fetch(UNFINISHED, list(_UNFINISHED_COLUMNS), label="what was left unfinished")
    return [(day, stage) for day, stage in rows.itertuples(index=False)]


def note_unfinished(session: Session, stages: Mapping[str, str]) -> None:
    """Say which dates are being worked on, and what is left to be done with each."""
    days = sorted(stages)
    rows = pa.table(
        {
            PARTITION: pa.array(days, pa.string()),
            "stage": pa.array([stages[day] for day in days], pa.string()),
        }
    )
    table = session.rows("unfinished", rows, _UNFINISHED_COLUMNS)
    session.publish(UNFINISHED, f"select * from {table}", columns=_UNFINISHED_COLUMNS)


def leave_unfinished(session: Session, stages: Mapping[str, str]) -> None:
    """Say of further dates what is left to be done with them; the next run does it."""
    known = dict(_unfinished(session))
    merged = {**stages, **{day: READ for day, stage in known.items() if stage == READ}}
    note_unfinished(session, {**known, **merged})


def note_versions(
    session: Session,
    days: Sequence[str],
    files: Iterable[LandedFile],
    rules: str,
    unread: Set[str] = frozenset(),
) -> None:
    """Say which versions of the files of some dates the tables hold now.

    Of those that are ``unread``, by name, they hold none: the next run finds them changed.
    """
    chosen = sorted(files)
    rows = pa.table(
        {
            PARTITION: pa.array([f.received_at_utc_date for f in chosen], pa.string()),
            "file": pa.array([f.name for f in chosen], pa.string()),
            "bytes": pa.array([f.size for f in chosen], pa.int64()),
            "tag": pa.array(["" if f.name in unread else f.tag for f in chosen], pa.string()),
            "rules": pa.array([rules] * len(chosen), pa.string()),
        }
    )
    table = session.rows("versions", rows, _VERSION_COLUMNS)
    session.publish(VERSIONS, f"select * from {table}", partitions=days, columns=_VERSION_COLUMNS)


@cache
def _texts() -> str:
    digest = hashlib.sha256()
    for package, name in _RULES:
        digest.update((resources.files(package) / name).read_bytes())
    return digest.hexdigest()


def fingerprint(settings: Settings) -> str:
    """What decides what becomes of a record, as a short text: other rules, another text."""
    decisive = {
        "texts": _texts(),
        "window_days": settings.duplicates.window_days,
        "write_keys": sorted(settings.landing.write_keys),
        "tracking_plan": {
            event: dict(sorted(types.items()))
            for event, types in sorted(planned_types(settings).items())
        },
    }
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def batches(
    days: Iterable[str],
    files: Mapping[str, Sequence[LandedFile]],
    most_bytes: int | None,
    most_days: int,
) -> list[list[str]]:
    """Split dates into groups, in order, each of about so many bytes and at most so many dates."""
    groups: list[list[str]] = []
    size = 0
    for day in sorted(days):
        own = sum(unzipped_bytes(file) for file in files.get(day, ()))
        full = not groups or len(groups[-1]) >= most_days
        if full or (most_bytes is not None and size + own > most_bytes and groups[-1]):
            groups.append([])
            size = 0
        groups[-1].append(day)
        size += own
    return groups


def around(days: Sequence[str], window: int) -> tuple[str, str]:
    """First and last date within a window of days around some dates."""
    first, last = date.fromisoformat(min(days)), date.fromisoformat(max(days))
    reach = timedelta(days=window)
    return (first - reach).isoformat(), (last + reach).isoformat()
