"""What a run's statements scan on Athena, and what is billed for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engagement.estimate.calibration import Calibration, Group, Kind, value
from engagement.estimate.volume import Volume

LEAST_BILLED_BYTES = 10_000_000
"""Athena bills at least so much of a statement that reads data."""

SMALL_FILE_BYTES, LARGE_FILE_BYTES = 1_000_000, 10_000_000
"""Smaller Parquet files are read whole, larger ones by column; in between, in part: files of a
table differ in size, and the engine reads those below 3 MB whole."""


@dataclass(frozen=True)
class Scanned:
    """Statements of a group in one run: how many, what they scan, and what is billed."""

    notebook: str
    label: str
    statements: float
    scanned_bytes: float
    billed_bytes: float


@dataclass(frozen=True)
class Run:
    """All statements of one run; ``failed`` are those that Athena does not bill."""

    kind: Kind
    groups: tuple[Scanned, ...]
    failed: float

    @property
    def statements(self) -> float:
        """How many there are, failed ones left out."""
        return sum(one.statements for one in self.groups)

    @property
    def scanned_bytes(self) -> float:
        """What they scan."""
        return sum(one.scanned_bytes for one in self.groups)

    @property
    def billed_bytes(self) -> float:
        """What is billed: at least 10 MB of each that reads data."""
        return sum(one.billed_bytes for one in self.groups)


def first_run(volume: Volume, calibration: Calibration) -> Run:
    """The run that takes in all that a landing holds."""
    return _run("first", volume, 0, calibration)


def increment(volume: Volume, calibration: Calibration, days: float = 1) -> Run:
    """The run that takes in so many further days; ``volume`` is what there was before it."""
    return _run("increment", volume, days, calibration)


def drivers(kind: Kind, volume: Volume, days: float) -> dict[str, float]:
    """Values of what costs depend on: see :data:`engagement.estimate.calibration.DRIVERS`."""
    if kind == "first":
        new_events, new_partitions = volume.events, volume.partitions
        landed, more = volume.landed_bytes, 0.0
    else:
        new_events, new_partitions = (
            days * volume.events_a_day,
            max(days, 1) * volume.partitions_a_day,
        )
        landed, more = days * volume.landed_bytes_a_day, days
    return {
        "one": 1.0,
        "table": volume.tables,
        "partition": volume.partitions + more * volume.partitions_a_day,
        "event": volume.events + more * volume.events_a_day,
        "new_partition": new_partitions,
        "new_event": new_events,
        "landed_byte": landed,
    }


def _run(kind: Kind, volume: Volume, days: float, calibration: Calibration) -> Run:
    known = drivers(kind, volume, days)
    groups = tuple(_scanned(group, known) for group in calibration.groups[kind])
    return Run(kind, groups, calibration.failed[kind])


def _scanned(group: Group, known: dict[str, float]) -> Scanned:
    count = value(group.count, known)
    growing = sum(
        number * known[name]
        for name, number in group.scanned.items()
        if name in ("event", "new_event")
    )
    fixed = value(group.scanned, known) - growing
    files = max(value(group.files, known), 1.0)
    scanned = fixed + growing * _share(growing / files, group.column_share)
    return Scanned(group.notebook, group.label, count, scanned, _billed(scanned, count, group))


def _share(file_bytes: float, of_columns: float) -> float:
    """The share of its files that a statement reads: all of small ones, columns of large ones."""
    if file_bytes <= SMALL_FILE_BYTES:
        return 1.0
    way = math.log(file_bytes / SMALL_FILE_BYTES) / math.log(LARGE_FILE_BYTES / SMALL_FILE_BYTES)
    return 1.0 + min(way, 1.0) * (of_columns - 1.0)


def _billed(scanned: float, count: float, group: Group) -> float:
    if scanned <= 0 or count <= 0:
        return 0.0
    parts: Sequence[float] = group.spread or (1.0,)
    each = count / len(parts)
    return sum(each * max(LEAST_BILLED_BYTES, scanned * part / each) for part in parts)
