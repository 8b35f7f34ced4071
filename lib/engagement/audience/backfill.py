"""Snapshots of days that are over: the customer models as of each day, then as of today again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from engagement.as_of import AsOf, whole_day
from engagement.audience import snapshots
from engagement.audience.segments import Segment
from engagement.audience.snapshots import Snapshot
from engagement.models.authoring import with_needs
from engagement.models.definition import ModelError, in_order
from engagement.models.runner import build_all, report
from engagement.settings import Settings
from engagement.warehouse import Warehouse

READ = (
    "customer_360",
    "session_events",
    "person_events",
    "identity_map",
    "orders",
    "order_items",
    "carts",
    "sessions",
    "product_prices",
)
"""Models that segments read."""


def snapshots_of(
    warehouse: Warehouse,
    settings: Settings,
    segments: Sequence[Segment],
    days: Sequence[date],
    now: AsOf,
    tell: Callable[[str], None],
) -> list[Snapshot]:
    """Publish snapshots of days that are over, the earliest first.

    A snapshot of the present day that was compared with an earlier one is published again.

    Until it ends, the models stand for one of these days; if it is killed, the next run builds
    them again, since their versions say what they stand for. Days of which nothing is kept any
    more come out as they are known today, not as they were.

    Parameters
    ----------
    now
        What the models stand for afterwards.
    tell
        Is told what is being done.

    Raises
    ------
    ModelError
        When a model cannot be built.
    AudienceError
        When a segment does not fit the tables.
    """
    found: list[Snapshot] = []
    try:
        for day in sorted(set(days)):
            tell(f"as of {day.isoformat()}")
            _build(warehouse, settings, whole_day(day, settings.timezone))
            found += snapshots.publish(
                warehouse, settings, segments, whole_day(day, settings.timezone)
            )
    finally:
        tell("models as of now")
        _build(warehouse, settings, now)
    if any(now.day in one.stale for one in found):
        found += snapshots.publish(warehouse, settings, segments, now)
    return found


def still_stale(found: Sequence[Snapshot]) -> list[date]:
    """Later days that were compared with an earlier one than these, and not published again."""
    done = {(one.segment, one.as_of) for one in found}
    return sorted({day for one in found for day in one.stale if (one.segment, day) not in done})


def _build(warehouse: Warehouse, settings: Settings, as_of: AsOf) -> None:
    models = {model.name: model for name in READ for model in with_needs(name)}
    built = build_all(warehouse, settings, as_of, in_order(models.values()), stale="ignore")
    if any(one.status == "failed" for one in built):
        raise ModelError(report(built))
