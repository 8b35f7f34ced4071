"""What each service bills for a run and for a month: quantities, prices, formulas."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from engagement.estimate.calibration import Calibration, value
from engagement.estimate.prices import Prices
from engagement.estimate.scans import Run, drivers, first_run, increment
from engagement.estimate.volume import Volume
from engagement.messages import counted
from engagement.settings import Settings

DAYS_A_MONTH = 30
_KILOBYTE, _GIGABYTE, _TERABYTE = 1024, 1e9, 1e12
_RECORD_BYTES = 5 * _KILOBYTE
_BINARY_GIGABYTE = 2**30
_READ_BYTES = 8 * 2**20
"""So much of a large file the engine asks S3 for at once, at most."""

_SPICE_GIGABYTES_AN_AUTHOR = 10
_FREE_GLUE = 1_000_000

FIRST, DAY, MONTH = "first run", "a day", "a month"
PERIODS = (FIRST, DAY, MONTH)


@dataclass(frozen=True)
class Line:
    """One thing that is billed, over a period: ``quantity`` times a price, as ``formula`` says."""

    service: str
    period: str
    what: str
    quantity: float
    unit: str
    usd: float
    formula: str


@dataclass(frozen=True)
class Plan:
    """A landing, what is measured and paid, and the runs that come of it."""

    volume: Volume
    settings: Settings
    calibration: Calibration
    prices: Prices

    @cached_property
    def first(self) -> Run:
        """The first run."""
        return first_run(self.volume, self.calibration)

    @cached_property
    def day(self) -> list[Run]:
        """The runs of the day after it."""
        return self.runs_of_day(1)

    def runs_of_day(self, day: int) -> list[Run]:
        """The runs of a day, counted from the first run's."""
        many = self.settings.estimate.runs_a_day
        return [
            increment(self._volume_at(day, nth, many), self.calibration, 1 / many)
            for nth in range(many)
        ]

    def _volume_at(self, day: int, nth: int, many: int) -> Volume:
        whole = self.volume.after(day - 1)
        return whole if not nth else _part(whole, nth / many)

    @cached_property
    def month(self) -> list[Run]:
        """The runs of the thirty days after the first run."""
        return [run for day in range(1, DAYS_A_MONTH + 1) for run in self.runs_of_day(day)]

    @cached_property
    def keep_days(self) -> int:
        """How long what was replaced is kept."""
        athena = self.settings.warehouse.athena
        return athena.keep_days if athena is not None else 7


def _part(volume: Volume, share: float) -> Volume:
    """A volume with a part of the next day."""
    from dataclasses import replace

    return replace(
        volume,
        events=volume.events + share * volume.events_a_day,
        landed_bytes=volume.landed_bytes + share * volume.landed_bytes_a_day,
        files=volume.files + share * volume.files_a_day,
    )


def lines(plan: Plan) -> list[Line]:
    """All that is billed, service by service."""
    return [
        *_athena(plan),
        *_s3(plan),
        *_glue(plan),
        *_firehose(plan),
        *_quicksight(plan),
        *_personalize(plan),
    ]


def _athena(plan: Plan) -> Iterator[Line]:
    price = plan.prices["athena_terabyte"]
    for period, runs in ((FIRST, [plan.first]), (DAY, plan.day), (MONTH, plan.month)):
        billed = sum(run.billed_bytes for run in runs)
        scanned = sum(run.scanned_bytes for run in runs)
        statements = sum(run.statements for run in runs)
        failed = sum(run.failed for run in runs)
        yield Line(
            "Athena",
            period,
            "scanning",
            billed / _TERABYTE,
            "TB billed",
            billed / _TERABYTE * price,
            f"{statements:,.0f} statements scan {size(scanned)}, billed as {size(billed)} (10 MB "
            f"at least for each) x ${price:g} a TB; {failed:,.0f} more fail and are not billed",
        )


def _requests(plan: Plan, kind: str, runs: list[Run]) -> float:
    """Calls of some runs, by what they are billed as."""
    total = 0.0
    for nth, run in enumerate(runs):
        many = plan.settings.estimate.runs_a_day
        if run.kind == "first":
            known = drivers("first", plan.volume, 0)
        else:
            known = drivers("increment", plan.volume.after(nth // many), 1 / many)
        total += value(plan.calibration.requests[run.kind][kind], known)
    return total


def _s3(plan: Plan) -> Iterator[Line]:
    writes, reads = plan.prices["s3_thousand_writes"], plan.prices["s3_thousand_reads"]
    landed = {
        FIRST: 0.0,
        DAY: plan.volume.files_a_day,
        MONTH: plan.volume.files_a_day * DAYS_A_MONTH,
    }
    for period, runs in ((FIRST, [plan.first]), (DAY, plan.day), (MONTH, plan.month)):
        written = _requests(plan, "s3 writes", runs)
        put = landed[period]
        total = (written + put) / 1000 * writes
        of_firehose = f" and {put:,.0f} files that Firehose puts" if put else ""
        yield Line(
            "S3",
            period,
            "requests that write or list",
            written + put,
            "requests",
            total,
            f"{written:,.0f} of the runs{of_firehose} x ${writes:g} a thousand",
        )
        read = _requests(plan, "s3 reads", runs)
        large = sum(run.scanned_bytes for run in runs) / _READ_BYTES
        yield Line(
            "S3",
            period,
            "requests that read",
            read + large,
            "requests",
            (read + large) / 1000 * reads,
            f"{read:,.0f} of the runs and {large:,.0f} for what is scanned, at 8 MB each, x "
            f"${reads:g} a thousand",
        )
    price = plan.prices["s3_gigabyte_month"]
    middle = plan.volume.after(DAYS_A_MONTH // 2)
    raw = middle.landed_bytes / _GIGABYTE
    yield Line(
        "S3",
        MONTH,
        "keeping landed files",
        raw,
        "GB",
        raw * price,
        f"{raw:,.3f} GB in the middle of the month x ${price:g} (no expiry: with KeepLandingDays "
        "they are deleted, which costs nothing)",
    )
    known = drivers("increment", middle, 1)
    tables = value(plan.calibration.stored["first"]["bytes"], known) / _GIGABYTE
    yield Line(
        "S3",
        MONTH,
        "keeping tables",
        tables,
        "GB",
        tables * price,
        f"{tables:,.3f} GB in the middle of the month x ${price:g}",
    )
    # What was measured has results of queries in it, which do not grow as tables do.
    added = min(value(plan.calibration.stored["increment"]["bytes"], known) / _GIGABYTE, tables)
    old = added * plan.settings.estimate.runs_a_day * plan.keep_days
    yield Line(
        "S3",
        MONTH,
        "keeping what was replaced",
        old,
        "GB",
        old * price,
        f"each run writes {added:,.3f} GB anew x "
        f"{counted(plan.settings.estimate.runs_a_day, 'run')} a day x {plan.keep_days} days "
        f"until 'engagement clean' x ${price:g}",
    )


def _glue(plan: Plan) -> Iterator[Line]:
    price = plan.prices["glue_million_requests"]
    for period, runs in ((FIRST, [plan.first]), (DAY, plan.day), (MONTH, plan.month)):
        calls = _requests(plan, "glue", runs)
        # The month's free million is shared: a run's own share of it is not known.
        beyond = max(0.0, calls - _FREE_GLUE) if period == MONTH else 0.0
        yield Line(
            "Glue",
            period,
            "catalogue requests",
            calls,
            "requests",
            beyond / 1e6 * price,
            f"max(0, {calls:,.0f} - a free million a month) x ${price:g} a million",
        )
    price = plan.prices["glue_hundred_thousand_objects"]
    middle = plan.volume.after(DAYS_A_MONTH // 2)
    versions = 1 + plan.keep_days * plan.settings.estimate.runs_a_day
    current = middle.partitions + middle.tables
    objects = current * versions
    yield Line(
        "Glue",
        MONTH,
        "catalogue objects",
        objects,
        "objects",
        math.ceil(max(0.0, objects - _FREE_GLUE) / 100_000) * price,
        f"({middle.tables:,.0f} tables of events + {middle.partitions:,.0f} partitions) x "
        f"{versions} versions until 'engagement clean'; beyond a free million x ${price:g} for "
        "each 100,000",
    )


def _firehose(plan: Plan) -> Iterator[Line]:
    volume = plan.volume
    rounded = math.ceil(volume.event_bytes / _RECORD_BYTES) * _RECORD_BYTES
    for period, days in ((DAY, 1), (MONTH, DAYS_A_MONTH)):
        events = volume.events_a_day * days
        price = plan.prices["firehose_gigabyte"]
        billed = events * rounded / _BINARY_GIGABYTE
        yield Line(
            "Firehose",
            period,
            "taking in",
            billed,
            "GB",
            billed * price,
            f"{events:,.0f} events x {rounded / _KILOBYTE:g} KB (of {volume.event_bytes:,.0f} "
            f"bytes, rounded up to the next 5 KB) x ${price:g} a GB",
        )
        price = plan.prices["firehose_partitioned_gigabyte"]
        sent = events * volume.event_bytes / _BINARY_GIGABYTE
        yield Line(
            "Firehose",
            period,
            "dynamic partitioning",
            sent,
            "GB",
            sent * price,
            f"{events:,.0f} events x {volume.event_bytes:,.0f} bytes x ${price:g} a GB",
        )
        price = plan.prices["firehose_thousand_objects"]
        files = volume.files_a_day * days
        yield Line(
            "Firehose",
            period,
            "objects of dynamic partitioning",
            files,
            "objects",
            files / 1000 * price,
            f"{files:,.0f} files x ${price:g} a thousand",
        )


def _quicksight(plan: Plan) -> Iterator[Line]:
    wanted = plan.settings.estimate
    if not wanted.authors and not wanted.readers:
        return
    for what, many, name in (
        ("authors", wanted.authors, "quicksight_author"),
        ("readers", wanted.readers, "quicksight_reader"),
    ):
        price = plan.prices[name]
        yield Line(
            "QuickSight", MONTH, what, many, what, many * price, f"{many:,} {what} x ${price:g}"
        )
    if plan.settings.quicksight.mode != "SPICE":
        return
    price = plan.prices["quicksight_spice_gigabyte"]
    known = drivers("increment", plan.volume.after(DAYS_A_MONTH // 2), 1)
    held = value(plan.calibration.dashboard_bytes, known) / _GIGABYTE
    free = wanted.authors * _SPICE_GIGABYTES_AN_AUTHOR
    beyond = math.ceil(max(0.0, held - free))
    yield Line(
        "QuickSight",
        MONTH,
        "SPICE",
        held,
        "GB",
        beyond * price,
        f"max(0, {held:,.3f} GB of the dashboards' tables - {free} GB that come with the authors) "
        f"x ${price:g}; SPICE holds rows in a form of its own, so the size is a guess",
    )


def _personalize(plan: Plan) -> Iterator[Line]:
    service, wanted = plan.settings.personalize, plan.settings.estimate
    if service.location is None:
        return
    middle = plan.volume.after(DAYS_A_MONTH // 2)
    known = drivers("increment", middle, 1)
    interactions = value(plan.calibration.interactions, known)
    gigabytes = interactions * plan.calibration.interaction_bytes / _GIGABYTE
    price = plan.prices["personalize_gigabyte"]
    trainings = wanted.trainings_a_month
    yield Line(
        "Personalize",
        MONTH,
        "importing",
        gigabytes * trainings,
        "GB",
        gigabytes * trainings * price,
        f"{interactions:,.0f} interactions of {plan.calibration.interaction_bytes:,.0f} bytes x "
        f"{trainings} imports x ${price:g} a GB",
    )
    if service.domain == "ECOMMERCE":
        many, hour = len(service.recommenders), service.prices.recommender_hour
        hours = many * 24.0 * DAYS_A_MONTH
        yield Line(
            "Personalize",
            MONTH,
            "recommenders",
            hours,
            "hours",
            hours * (hour or 0.0),
            f"{many} recommenders x 720 hours x "
            + (
                f"${hour:g}" if hour is not None else "personalize.prices.recommender_hour, not set"
            ),
        )
        return
    price = plan.prices["personalize_thousand_interactions"]
    models = len(service.solutions)
    yield Line(
        "Personalize",
        MONTH,
        "training",
        interactions * models * trainings / 1000,
        "thousand interactions",
        interactions * models * trainings / 1000 * price,
        f"{interactions:,.0f} interactions x {counted(models, 'solution')} x {trainings} trainings "
        f"x ${price:g} a thousand (v2 recipes)",
    )
    price = plan.prices["personalize_thousand_requests"]
    least = sum(
        one.campaign.requests_per_second for one in service.solutions.values() if one.campaign
    )
    floor = least * 86_400.0 * DAYS_A_MONTH
    asked = wanted.recommendations_a_day * float(DAYS_A_MONTH)
    yield Line(
        "Personalize",
        MONTH,
        "recommendations",
        max(floor, asked) / 1000,
        "thousand requests",
        max(floor, asked) / 1000 * price,
        f"max({asked:,.0f} asked for, {least} a second that campaigns provide at least) x "
        f"${price:g} a thousand",
    )


def size(number: float) -> str:
    """Bytes in a unit that is read easily."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if number < 1000:
            return f"{number:,.4g} {unit}"
        number /= 1000
    return f"{number:,.4g} PB"
