"""Runs that were: listed, compared, and the oldest of them removed.

All of it is read from ``run.json``: no table is looked at. Receipts of erasures are in the folder
of runs too and belong to no run: they are neither listed nor removed.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from engagement.errors import WrongInputError
from engagement.messages import nearest
from engagement.settings import Settings

logger = logging.getLogger("engagement")

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
"""What the folder of a run is called."""

LATEST, PREVIOUS = "latest", "previous"
"""What the newest run and the one before it may be called."""

_MAY_STILL_RUN = timedelta(days=1)
"""For how long a run that has not said its end may be at work."""

_FIGURES = ("count", "failed", "seconds", "rows", "scanned_bytes", "usd")


class HistoryError(WrongInputError):
    """A run was asked for that there is not, or whose record cannot be read."""


@dataclass(frozen=True)
class PastRun:
    """A run's folder and what its ``run.json`` holds; empty where there is none to be read."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.name

    @property
    def outcome(self) -> str:
        """``done``, ``failed``, ``not ended`` (it is at work, or was killed) or ``no record``."""
        status = str(self.record.get("status", "no record"))
        return "not ended" if status == "running" else status

    @property
    def seconds(self) -> float | None:
        """How long it took, where it has ended."""
        started, ended = self.record.get("started"), self.record.get("ended")
        if not started or not ended:
            return None
        return (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()

    @property
    def usd(self) -> float | None:
        """What its statements cost, where the engine tells."""
        cost = self.record.get("statements", {}).get("usd")
        return None if cost is None else float(cost)


def past_runs(settings: Settings) -> list[PastRun]:
    """Every run that has a folder, the newest first."""
    return list(newest_first(settings))


def newest_first(settings: Settings) -> Iterator[PastRun]:
    """Runs that have a folder, each read when it is asked for: there may be thousands."""
    folder = settings.path(settings.run.directory)
    found = [
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if RUN_ID.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    ]
    for path in sorted(found, key=lambda one: one.name, reverse=True):
        yield PastRun(path, _record(path))


def one_run(settings: Settings, run_id: str) -> PastRun:
    """One run by its id, whether or not its folder is there still."""
    folder = settings.path(settings.run.directory) / run_id
    return PastRun(folder, _record(folder))


def find(runs: Sequence[PastRun], name: str) -> PastRun:
    """One of some runs, newest first: by its id, how its id begins, ``latest`` or ``previous``.

    Raises
    ------
    HistoryError
        When there is no such run, or several.
    """
    places = {LATEST: 0, PREVIOUS: 1}
    if name in places:
        if len(runs) <= places[name]:
            raise HistoryError(f"there is no {name} run: there are {len(runs)} in all")
        return runs[places[name]]
    named = [run for run in runs if name and run.id.startswith(name)]
    if len(named) == 1:
        return named[0]
    if named:
        raise HistoryError(f"there are several runs '{name}…': {', '.join(r.id for r in named)}")
    ids = [LATEST, PREVIOUS, *(run.id for run in runs)]
    raise HistoryError(f"there is no run '{name}'{nearest(name, ids)}")


def listed(runs: Sequence[PastRun]) -> pd.DataFrame:
    """One row per run: ``run, started, seconds, outcome, as_of, notebooks, statements, usd,
    alerts``.

    ``notebooks`` says how many have a page of those that were to have one, for how many of them
    nothing had changed, and which one failed.
    """
    rows = [
        {
            "run": run.id,
            "started": run.record.get("started"),
            "seconds": run.seconds,
            "outcome": run.outcome,
            "as_of": run.record.get("as_of"),
            "notebooks": _notebooks(run),
            "statements": run.record.get("statements", {}).get("count"),
            "usd": run.usd,
            "alerts": len(run.record.get("alerts", ())),
        }
        for run in runs
    ]
    columns = "run started seconds outcome as_of notebooks statements usd alerts".split()
    return pd.DataFrame(rows, columns=columns).astype({"statements": "Int64"})


def compared(one: PastRun, other: PastRun) -> pd.DataFrame:
    """Compare two runs: ``about, what, one, other, difference``.

    Seconds by notebook, statements with what they read and cost, the figures that the runs came to,
    and rows of tables, of which only those that differ are listed.
    """
    rows: list[tuple[str, str, Any, Any]] = [
        ("run", "outcome", one.outcome, other.outcome),
        ("run", "as_of", one.record.get("as_of"), other.record.get("as_of")),
        ("seconds", "in all", one.seconds, other.seconds),
    ]
    names = _union(_by_notebook(one), _by_notebook(other))
    for name in names:
        first, second = (_by_notebook(run).get(name, {}).get("seconds") for run in (one, other))
        rows.append(("seconds", name, first, second))
    for key in _FIGURES:
        first, second = (run.record.get("statements", {}).get(key) for run in (one, other))
        if first is not None or second is not None:
            rows.append(("statements", key, first, second))
    for about, every in (("figures", True), ("tables", False)):
        mine, theirs = one.record.get(about, {}), other.record.get(about, {})
        rows += [
            (about, name, mine.get(name), theirs.get(name))
            for name in _union(mine, theirs)
            if every or mine.get(name) != theirs.get(name)
        ]
    for name in names:
        first, second = (_by_notebook(run).get(name, {}).get("executed_in") for run in (one, other))
        if first or second:
            rows.append(("executed in", name, first or "itself", second or "itself"))
    first, second = (len(run.record.get("alerts", ())) for run in (one, other))
    rows.insert(2, ("run", "alerts", first, second))
    frame = pd.DataFrame(rows, columns=["about", "what", "one", "other"], dtype=object)
    frame["difference"] = pd.Series(
        [_difference(a, b) for _, _, a, b in rows], index=frame.index, dtype=object
    )
    return frame


def prune(settings: Settings, *, keep: int, but: str = "") -> list[str]:
    """Remove the folders of the oldest runs, so that some are kept; gives the ids of those gone.

    A run that may still be at work stays, and so does ``but``; what is no run's is not touched.
    """
    gone = []
    ended = [run for run in past_runs(settings) if not _may_run(run) or run.id == but]
    for run in ended[keep:]:
        if run.id == but:
            continue
        try:
            shutil.rmtree(run.folder)
        except OSError as error:
            logger.warning("run %s was not removed: %s", run.id, error.strerror)
            continue
        gone.append(run.id)
    return gone


def _may_run(run: PastRun) -> bool:
    if run.outcome not in ("not ended", "no record"):
        return False
    started = datetime.strptime(run.id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return datetime.now(UTC) - started < _MAY_STILL_RUN


def _record(folder: Path) -> dict[str, Any]:
    """What a run has recorded; empty where it was killed before it did, or the file is broken."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _by_notebook(run: PastRun) -> dict[str, Mapping[str, Any]]:
    return {notebook["name"]: notebook for notebook in run.record.get("notebooks", ())}


def _notebooks(run: PastRun) -> str:
    notebooks = run.record.get("notebooks", ())
    done = sum(notebook["status"] == "done" for notebook in notebooks)
    unchanged = sum(bool(notebook.get("executed_in")) for notebook in notebooks)
    failed = [notebook["name"] for notebook in notebooks if notebook["status"] == "failed"]
    same = f", {unchanged} unchanged" if unchanged else ""
    return f"{done} of {len(notebooks)}{same}" + "".join(f", {name} failed" for name in failed)


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*one, *other]))


def _difference(one: Any, other: Any) -> float | int | None:
    """How much more the other has, of two numbers."""
    if isinstance(one, int | float) and isinstance(other, int | float):
        # Seconds and dollars are sums of rounded ones.
        difference: float | int = round(other - one, 6)
        return difference
    return None
