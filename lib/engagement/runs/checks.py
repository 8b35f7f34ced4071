"""What will run where, and what is missing: checked before anything runs."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from engagement import alerts
from engagement.as_of import in_words
from engagement.audience import looking
from engagement.audience.segments import AudienceError
from engagement.messages import counted, shown_path
from engagement.models.concepts import mapping
from engagement.models.inputs import mapping_problems
from engagement.records.files import LandingError, strays_by_reason
from engagement.settings import ROOT, Settings, SettingsError
from engagement.warehouse import WarehouseError, open_warehouse
from engagement.warehouse.reading import landing_warehouse
from engagement.warehouse.registry import find_engine


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
    checks += _events(settings)
    checks.append(_folder("run folder", settings.path(settings.run.directory)))
    checks.append(_segment(settings))
    return checks


def check_data(settings: Settings) -> list[Check]:
    """Look at the data itself: each alert is something missing."""
    try:
        warehouse = open_warehouse(settings)
        data = alerts.read(warehouse)
    except WarehouseError as error:
        return [Check("data", False, "the tables", str(error))]
    if data.overview is None or data.overview.empty:
        return [Check("data", False, "there are no figures yet", "run 'engagement run' first")]
    found = alerts.found(data, settings, datetime.now(UTC))
    if not found:
        day = data.overview["day"].max()
        return [Check("data", True, f"figures to {day}: no alert")]
    return [Check(one.kind, False, one.text) for one in found]


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
        looking.check(settings)


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _landing(settings: Settings) -> Check:
    engine = settings.warehouse.engines()[settings.warehouse.engine]
    if engine.landing_in is None:
        return Check("landing", True, f"not read: RudderStack loads the tables in {engine.title}")
    try:
        landing = landing_warehouse(open_warehouse(settings)).landing_files()
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
        "landing.location, landing.errors_location, warehouse.athena.region and "
        "warehouse.databases.landing (deploy/firehose/README.md)"
    )


def _warehouse(settings: Settings) -> list[Check]:
    try:
        tried = list(find_engine(settings.warehouse.engine).check(settings))
    except WarehouseError as error:
        return [Check("warehouse", False, settings.warehouse.engine, str(error))]
    return [Check(one.name, one.ok, one.found, one.hint) for one in tried]


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
        segment = looking.check(settings)
    except AudienceError as error:
        return Check("segment", False, settings.audience.segment, str(error), is_input=True)
    return Check("segment", True, f"{settings.audience.segment}: {segment.name}")


def _folder(name: str, path: Path) -> Check:
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    ok = existing.is_dir() and os.access(existing, os.W_OK)
    return Check(name, ok, shown_path(path, ROOT), f"{existing} cannot be written")


def frame(checks: list[Check]) -> pd.DataFrame:
    """One row per check."""
    return pd.DataFrame(
        [(c.name, c.state, c.found, "" if c.state == "ok" else c.hint) for c in checks],
        columns=["what", "state", "found", "to do"],
    )
