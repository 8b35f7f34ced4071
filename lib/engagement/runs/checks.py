"""What will run where, and what is missing: checked before anything runs."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from engagement.as_of import in_words
from engagement.audience import segments
from engagement.audience.segments import AudienceError
from engagement.messages import counted
from engagement.models.concepts import mapping
from engagement.models.inputs import mapping_problems
from engagement.records.files import LandingError, strays_by_reason, unzipped_bytes
from engagement.settings import ROOT, Settings, SettingsError
from engagement.warehouse import WarehouseError, open_warehouse
from engagement.warehouse.duckdb.memory import memory_limit


@dataclass(frozen=True)
class Check:
    """One thing looked at; ``hint`` says what to do where it is not ``ok``, or is a warning.

    ``is_input`` says that it is what was asked for that is wrong, such as a parameter.
    """

    name: str
    ok: bool
    found: str
    hint: str = ""
    is_warning: bool = False
    is_input: bool = False

    @property
    def state(self) -> str:
        """``ok``, ``missing``, or ``warning``: a run goes through, but look at it."""
        return "missing" if not self.ok else "warning" if self.is_warning else "ok"


def check(settings: Settings) -> list[Check]:
    """Look at everything that a run needs, without changing anything."""
    checks = [
        Check(
            "Python",
            platform.python_version_tuple()[:2] == ("3", "11"),
            _python(),
            "the environment is pinned for Python 3.11",
        ),
        Check("time zone", True, settings.timezone),
        Check("as of", True, in_words(settings)),
    ]
    checks.append(_landing(settings))
    checks += _warehouse(settings)
    checks += _room(settings)
    checks += _events(settings)
    checks.append(_folder("run folder", settings.path(settings.run.directory)))
    checks.append(_segment(settings))
    return checks


def exit_code(checks: list[Check]) -> int:
    """What ``engagement run`` would end with for the same reason: 2 for wrong input, 1 for what
    is missing otherwise, 0 where nothing is.
    """
    missing = [one for one in checks if not one.ok]
    return 2 if any(one.is_input for one in missing) else 1 if missing else 0


def refuse_wrong_input(settings: Settings, notebooks: Sequence[str]) -> None:
    """Refuse, before a run begins, what one of its notebooks would stop at minutes later.

    Raises
    ------
    SettingsError, AudienceError
        When the mapping of events, or the segment, cannot be used.
    """
    wrong = mapping_problems(settings)
    if wrong:
        raise SettingsError("the mapping of events", wrong)
    if any(name.startswith("05") for name in notebooks):
        segments.load(settings.path(settings.audience.segment))


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _landing(settings: Settings) -> Check:
    try:
        landing = open_warehouse(settings).landing_files()
    except LandingError as error:
        hint = f"{error}{_how_to_land(settings)}"
        return Check("landing", False, settings.landing.location, hint, is_input=True)
    except WarehouseError as error:
        return Check(
            "landing", False, settings.landing.location, f"{error}{_how_to_land(settings)}"
        )
    days = sorted({file.received_at_utc_date for file in landing.files})
    if not days:
        return Check(
            "landing",
            False,
            f"{settings.landing.location}: no files",
            "it holds no file in a folder named received_at_utc_date=YYYY-MM-DD"
            + _how_to_land(settings),
            is_input=True,
        )
    strays = "".join(f", {words}" for words in strays_by_reason(landing.strays))
    return Check(
        "landing",
        True,
        f"{settings.landing.location}: {counted(len(landing.files), 'file')}, "
        f"{days[0]} to {days[-1]}{strays}",
    )


def _how_to_land(settings: Settings) -> str:
    """Where the landing's keys come from, for a landing in S3."""
    if not settings.landing.location.startswith("s3://"):
        return ""
    return (
        "; a new landing is made by deploy/firehose/template.yaml, whose outputs are the values of "
        "landing.location, landing.errors_location and the region (deploy/firehose/README.md)"
    )


def _warehouse(settings: Settings) -> list[Check]:
    try:
        warehouse = open_warehouse(settings)
    except WarehouseError as error:
        return [Check("warehouse", False, settings.warehouse.engine, str(error))]
    if settings.warehouse.engine == "athena":
        tried = [Check(f.name, f.ok, f.found, f.hint) for f in warehouse.findings()]
        return [Check("warehouse", True, warehouse.describe()), *tried]
    path = settings.path(settings.warehouse.duckdb.path)
    writable = _folder("warehouse", path.parent)
    found = f"{warehouse.describe()}, {shown_path(path)}"
    return [Check("warehouse", writable.ok, found, writable.hint)]


_DISK_OF_EVENTS = 0.9
"""Bytes that the warehouse's file and what it spills take for each byte of landed events: ten
million of 17 GB took 12.6 GB once models had been built twice, and up to 3 of spilled rows."""


def _room(settings: Settings) -> list[Check]:
    """Whether the disk has room for the tables of this landing, and what memory a run may use."""
    if settings.warehouse.engine != "duckdb":
        return []
    try:
        warehouse = open_warehouse(settings)
        landed = sum(map(unzipped_bytes, warehouse.landing_files().files))
    except (LandingError, WarehouseError):
        return []  # said by the other checks
    path = settings.path(settings.warehouse.duckdb.path)
    existing = next(parent for parent in path.parents if parent.exists())
    taken = path.stat().st_size if path.exists() else 0
    needed = max(int(landed * _DISK_OF_EVENTS) - taken, 0)
    free = shutil.disk_usage(existing).free
    memory = memory_limit(settings)
    return [
        Check(
            "room",
            free >= needed,
            f"some {_gigabytes(landed)} of events: a run takes up to {_gigabytes(needed)} more of "
            f"disk ({_gigabytes(free)} are free) and {_gigabytes(memory)} of memory",
            "make room, or set warehouse.duckdb.path to a disk that has it",
        )
    ]


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"


def _events(settings: Settings) -> list[Check]:
    """Whether the events that were received stand for the concepts that models read."""
    wrong = mapping_problems(settings)
    if wrong:
        what = "the mapping of events"
        return [Check("events", False, what, problem, is_input=True) for problem in wrong]
    try:
        found = mapping(open_warehouse(settings), settings)
    except WarehouseError as error:
        return [Check("events", False, "the mapping of events", str(error))]
    if found is None:
        return [Check("events", True, "known when 02 has run")]
    mapped = sum(1 for one in found.concepts if one.events)
    words = (
        f"{mapped} of {len(found.concepts)} concepts have events; {len(found.unmapped)} "
        f"{'name is' if len(found.unmapped) == 1 else 'names are'} mapped to none"
    )
    warnings = found.warnings()
    return [
        Check("events", True, words),
        *(Check("events", True, "no event", text, is_warning=True) for text in warnings),
    ]


def _segment(settings: Settings) -> Check:
    try:
        segment = segments.load(settings.path(settings.audience.segment))
    except AudienceError as error:
        return Check("segment", False, settings.audience.segment, str(error), is_input=True)
    return Check("segment", True, f"{settings.audience.segment}: {segment.name}")


def _folder(name: str, path: Path) -> Check:
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    ok = existing.is_dir() and os.access(existing, os.W_OK)
    return Check(name, ok, shown_path(path), f"{existing} cannot be written")


def shown_path(path: Path) -> str:
    """A path as it is shown: from the project's folder, or its last part if it lies outside."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else f"…/{path.name}"


def frame(checks: list[Check]) -> pd.DataFrame:
    """One row per check."""
    return pd.DataFrame(
        [(c.name, c.state, c.found, "" if c.state == "ok" else c.hint) for c in checks],
        columns=["what", "state", "found", "to do"],
    )
