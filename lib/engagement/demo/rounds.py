"""One round of the loop: a run of the notebooks, the models that the shop asks for, the export."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engagement.as_of import resolve_as_of
from engagement.collect.follow import follow as wait_until_landed
from engagement.demo import answers
from engagement.models import runner
from engagement.models.runner import Model
from engagement.records.files import LandingError
from engagement.runs import batch
from engagement.settings import Settings
from engagement.warehouse import Warehouse, WarehouseError, open_warehouse

NOTEBOOKS = ("02", "03")
"""What runs after each landing. The others are for people to read, and take their time."""

_WANTED = (
    "product_performance",
    "recommendations_popular",
    "recommendations_similar_items",
    "recommendations_for_you",
)
"""Models that the export reads, beyond those of the notebooks; those that there are, are built."""

_OF_NOTEBOOKS = frozenset({"people", "behaviour", "commerce", "customer"})
_KEPT_RUNS = 5
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Round:
    """What a round made: its run, its seconds, what is in the tables, what was exported."""

    run: str
    seconds: float
    events: int
    orders: int
    exported: answers.Exported


def follow(
    settings: Settings,
    params: Path,
    overrides: Mapping[str, Any],
    folder: Path,
    *,
    done: Callable[[Round, Round | None], None],
    failed: Callable[[Exception], None],
) -> None:
    """Play a round for what is there, and another one whenever something has landed.

    Parameters
    ----------
    folder
        Where exports go.
    done
        Takes each round, and the one before it.
    failed
        Takes what stopped a round; the next landing makes another one.
    """
    before: list[Round] = []

    def look() -> frozenset[tuple[str, str]]:
        try:
            files = open_warehouse(settings).landing_files().files
        except LandingError:
            return frozenset()  # its folder is not there yet
        return frozenset((file.name, file.tag) for file in files)

    def run() -> None:
        try:
            this = play(settings, params, overrides, folder)
        except (WarehouseError, runner.ModelError, batch.NotebookFailedError) as error:
            failed(error)
            return
        done(this, before[-1] if before else None)
        before[:] = [this]

    wait_until_landed(look, run, wait=settings.demo.wait_seconds, poll=_LOOK_SECONDS)


def play(settings: Settings, params: Path, overrides: Mapping[str, Any], folder: Path) -> Round:
    """Run the notebooks, build what else the shop asks for, and export it.

    Parameters
    ----------
    folder
        Where the export goes.

    Raises
    ------
    NotebookFailedError, ModelError, WarehouseError
        When a part failed; the shop goes on with the last export.
    """
    began = time.monotonic()
    record, made = batch.run(settings, params, overrides, batch.choose(NOTEBOOKS))
    warehouse = open_warehouse(settings)
    as_of = resolve_as_of(warehouse, settings)
    built = runner.build_all(warehouse, settings, as_of, _models(), stale="ignore")
    if any(one.status == "failed" for one in built):
        raise runner.ModelError(runner.report(built))
    exported = answers.export(warehouse, folder, as_of.end)
    _prune(made.parent)
    events, orders = _counts(warehouse)
    return Round(record.id, time.monotonic() - began, events, orders, exported)


def _models() -> list[Model]:
    known = runner.models()
    found: dict[str, Model] = {}
    waiting = [name for name in _WANTED if name in known]
    while waiting:
        one = known[waiting.pop()]
        if one.layer not in _OF_NOTEBOOKS and one.name not in found:
            found[one.name] = one
            waiting += one.needs
    return runner.in_order(found.values())


def _counts(warehouse: Warehouse) -> tuple[int, int]:
    rows = warehouse.query(
        "select (select count(*) from events.events) as events, "
        "(select count(*) from marts.orders) as orders"
    )
    return int(rows["events"].iloc[0]), int(rows["orders"].iloc[0])


def _prune(runs: Path) -> None:
    """Keep the newest runs: a demo makes one a minute, and nobody reads the old ones."""
    folders = sorted((one for one in runs.iterdir() if (one / "run.json").exists()), key=_started)
    for old in folders[:-_KEPT_RUNS]:
        shutil.rmtree(old, ignore_errors=True)


def _started(folder: Path) -> tuple[float, str]:
    return (folder / "run.json").stat().st_mtime, folder.name
