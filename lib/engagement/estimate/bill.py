"""The bill: all lines with their totals, what it rests on, and what is not in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from engagement.errors import FailedError
from engagement.estimate import volume as volumes
from engagement.estimate.calibration import Calibration, calibration
from engagement.estimate.prices import Prices, prices
from engagement.estimate.scans import Run
from engagement.estimate.services import PERIODS, Line, Plan, lines, size
from engagement.estimate.volume import Volume
from engagement.settings import Settings
from engagement.warehouse.protocol import Warehouse
from engagement.warehouse.reading import LandingWarehouse

NOT_INCLUDED = (
    "questions that people ask beside the workbook: engagement query, mcp, direct queries",
    "the machine that the notebooks run on, SageMaker, MWAA",
    "Customer Profiles, Pinpoint and campaigns, which bill by profile and message",
    "KMS, CloudTrail, CloudWatch, and traffic out of the region",
    "Firehose's JQ hours: AWS bills them, and how many a stream takes cannot be told beforehand",
    "erasures, backfills and refreshes after a change of the models: in part a first run again",
)
"""What is billed for besides, in words."""


@dataclass(frozen=True)
class Bill:
    """What a landing costs: see :class:`~engagement.estimate.services.Line`."""

    volume: Volume
    plan: Plan
    lines: tuple[Line, ...]
    prices: Prices
    calibration: Calibration

    def services(self) -> list[str]:
        """Names of the services, in order."""
        return list(dict.fromkeys(line.service for line in self.lines))

    def total(self, period: str, service: str | None = None) -> float:
        """Dollars of a period, of one service or all."""
        return sum(
            line.usd
            for line in self.lines
            if line.period == period and service in (None, line.service)
        )

    def by_notebook(self) -> list[tuple[str, float, float, float, float]]:
        """Notebook, statements and bytes scanned of the first run, the same of a day after it."""
        names = dict.fromkeys(
            one.notebook for run in (self.plan.first, *self.plan.day) for one in run.groups
        )
        return [
            (name, *_of([self.plan.first], name), *_of(self.plan.day, name))
            for name in sorted(names, key=lambda name: (not name[:1].isdigit(), name))
        ]

    def unsure(self) -> list[str]:
        """Names of the prices that are less sure than others."""
        return [one.name for one in self.prices.by_name.values() if one.sure == "medium"]

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "volume": asdict(self.volume),
            "lines": [asdict(line) for line in self.lines],
            "totals": {period: round(self.total(period), 6) for period in PERIODS},
            "notebooks": [
                dict(
                    zip(
                        (
                            *("notebook", "first_statements", "first_scanned_bytes"),
                            *("day_statements", "day_scanned_bytes"),
                        ),
                        (row[0], *(round(number) for number in row[1:])),
                        strict=True,
                    )
                )
                for row in self.by_notebook()
            ],
            "prices": {
                "region": self.prices.region,
                "checked": self.prices.checked.isoformat(),
                **{name: asdict(one) for name, one in self.prices.by_name.items()},
            },
            "calibration": {
                "made": self.calibration.made,
                "engine": self.calibration.engine,
                "landings": [dict(one) for one in self.calibration.landings],
            },
            "not_included": list(NOT_INCLUDED),
        }


def _of(runs: Sequence[Run], notebook: str) -> tuple[float, float]:
    own = [one for run in runs for one in run.groups if one.notebook == notebook]
    return sum(one.statements for one in own), sum(one.scanned_bytes for one in own)


def bill(settings: Settings, volume: Volume, made: Calibration | None = None) -> Bill:
    """Make out the bill for a landing."""
    made = made or calibration()
    paid = prices(_own(settings))
    plan = Plan(volume, settings, made, paid)
    return Bill(volume, plan, tuple(lines(plan)), paid, made)


def _own(settings: Settings) -> Mapping[str, float]:
    """A team's own prices; those that stand elsewhere in its parameters too."""
    found: dict[str, float] = {}
    if settings.warehouse.athena is not None:
        set_there = settings.warehouse.athena.usd_per_terabyte
        if set_there != type(settings.warehouse.athena).model_fields["usd_per_terabyte"].default:
            found["athena_terabyte"] = set_there
    imported = settings.personalize.prices.gigabyte_imported
    if imported is not None:
        found["personalize_gigabyte"] = imported
    return found | dict(settings.estimate.prices)


def what_lands(warehouse: Warehouse, *, event_bytes: float | None = None) -> Volume:
    """How much lands, by the ledger of what was taken in, or else by the landing's listing.

    Parameters
    ----------
    event_bytes
        Of one event's JSON, where it is not as in the landings that were measured.

    Raises
    ------
    VolumeError
        When nothing has landed, or the engine reads no landing.
    """
    made = calibration()
    if event_bytes is not None:
        made = replace(made, event_bytes=event_bytes)
    if warehouse.exists():
        with warehouse.session() as session:
            found = volumes.from_ledger(session, made.event_bytes)
        if found is not None:
            return found
    if not isinstance(warehouse, LandingWarehouse):
        raise volumes.VolumeError(f"{warehouse.describe()} reads no landing: give --events-per-day")
    try:
        files = warehouse.landing_files().files
    except FailedError as error:
        raise volumes.VolumeError(f"{error} Or give --events-per-day.") from error
    return volumes.listed(files, made)


__all__ = ["NOT_INCLUDED", "PERIODS", "Bill", "bill", "size", "what_lands"]
