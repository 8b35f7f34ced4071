"""One round of the loop: what 02 and 03 build, segments, recommendations, the export.

The notebooks' own functions are called, in one process that stays: a notebook would start a kernel,
draw charts and write a page each time, which takes ten times as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engagement.as_of import resolve_as_of
from engagement.audience import segments, snapshots
from engagement.audience.errors import AudienceError
from engagement.collect.follow import follow as wait_until_landed
from engagement.demo import answers
from engagement.flatten import flatten
from engagement.models import runner
from engagement.models.runner import Model
from engagement.records.files import LandingError
from engagement.settings import Settings
from engagement.warehouse import LeaseHeldError, Warehouse, WarehouseError, open_warehouse
from engagement.warehouse.lease import as_holder
from engagement.warehouse.reading import what_landed

_LAYERS = ("people", "behaviour", "commerce", "customer")
"""What 03 builds."""

_RECOMMENDED = (
    "recommendations_popular",
    "recommendations_similar_items",
    "recommendations_for_you",
)
"""Models that the export reads beyond those; where there are none, the next one makes up for it."""

_INSTEAD = "product_performance"

_LOOK_SECONDS = 0.5
_LEASE_SECONDS = 1.0


@dataclass(frozen=True)
class Round:
    """What a round made: its seconds, what is in the tables, what was exported."""

    seconds: float
    events: int
    orders: int
    exported: answers.Exported


def follow(
    settings: Settings,
    folder: Path,
    *,
    done: Callable[[Round, Round | None], None],
    failed: Callable[[Exception], None],
) -> None:
    """Play a round for what is there, and another one whenever something has landed.

    Where a run writes the same tables, a round waits until it is over.

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
        return what_landed(open_warehouse(settings))

    def run() -> None:
        while True:
            try:
                this = play(settings, folder)
            except LeaseHeldError:
                time.sleep(_LEASE_SECONDS)
                continue
            except (WarehouseError, LandingError, runner.ModelError, AudienceError) as error:
                failed(error)
            else:
                done(this, before[-1] if before else None)
                before[:] = [this]
            return

    wait_until_landed(look, run, wait=settings.demo.wait_seconds, poll=_LOOK_SECONDS)


def play(settings: Settings, folder: Path) -> Round:
    """Take in what has landed, build the tables and segments, and export what the shop shows.

    Parameters
    ----------
    folder
        Where the export goes.

    Raises
    ------
    LeaseHeldError
        When a run writes the same tables.
    AudienceError, LandingError, ModelError, WarehouseError
        When a part failed; the shop goes on with the last export.
    """
    began = time.monotonic()
    warehouse = open_warehouse(settings)
    with warehouse.lease("a round of the demo") as token, as_holder(token):
        flatten(warehouse, settings)
        as_of = resolve_as_of(warehouse, settings)
        built = runner.build_all(warehouse, settings, as_of, _models(), stale="ignore")
        if any(one.status == "failed" for one in built):
            raise runner.ModelError(runner.report(built))
        everyone = segments.load_all(settings.path(settings.audience.segment).parent)
        snapshots.publish(warehouse, settings, everyone, as_of)
        exported = answers.export(warehouse, folder, as_of.end)
        events, orders = _counts(warehouse)
    return Round(time.monotonic() - began, events, orders, exported)


def _models() -> list[Model]:
    """What 03 builds, and what the export reads with all that it needs."""
    known = runner.models()
    found = {name: model for name, model in known.items() if model.layer in _LAYERS}
    waiting = [name for name in _RECOMMENDED if name in known] or [_INSTEAD]
    while waiting:
        one = known[waiting.pop()]
        if one.name not in found:
            found[one.name] = one
            waiting += one.needs
    return runner.in_order(found.values())


def _counts(warehouse: Warehouse) -> tuple[int, int]:
    rows = warehouse.query(
        "select (select count(*) from events.events) as events, "
        "(select count(*) from marts.orders) as orders"
    )
    return int(rows["events"].iloc[0]), int(rows["orders"].iloc[0])
