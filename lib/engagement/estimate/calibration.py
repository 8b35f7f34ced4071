"""What runs on the stand took, as ``tests/athena/calibrate.py`` fitted it.

Everything is a sum of what grows: a coefficient for each :data:`DRIVERS`, none below zero.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

Kind = Literal["first", "increment"]

DRIVERS = ("one", "table", "partition", "event", "new_partition", "new_event", "landed_byte")
"""What sums are made of: a constant; tables of events; dates of these tables, in all; events, in
all; dates and events that this run takes in; and the bytes that these have in the landing."""

Sum = Mapping[str, float]


def value(coefficients: Sum, drivers: Mapping[str, float]) -> float:
    """A sum for some values of the drivers."""
    return sum(number * drivers[name] for name, number in coefficients.items())


@dataclass(frozen=True)
class Group:
    """Statements of a notebook with one label, or with labels that differ by a table's name.

    Attributes
    ----------
    count
        How many there are.
    scanned
        Bytes that all of them scan where files are small, and so are read whole.
    files
        How many files all of them read.
    column_share
        The share of large files that they read: that of the columns that they need.
    spread
        Shares of ``scanned`` of single statements, largest first, in as many parts as there are.
    """

    notebook: str
    label: str
    count: Sum
    scanned: Sum
    files: Sum
    column_share: float
    spread: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """What was measured, by kind of run.

    Attributes
    ----------
    groups
        Statements.
    failed
        Statements that fail in a run: they are not billed.
    requests
        Calls by service and what they are billed as: ``s3 writes``, ``s3 reads``, ``glue``.
    stored
        Bytes and objects that the tables have after a first run, and that an increment adds:
        ``bytes``, ``objects``.
    marts_bytes
        Bytes of the tables that dashboards read.
    interactions, items_and_people_bytes
        Rows and bytes of the data sets for Personalize.
    event_bytes, zipped_share, tables
        Of the landings: bytes of an event's JSON, what gzip leaves of them, tables of events.
    landings
        What was measured, for people to read.
    """

    made: str
    engine: str
    event_bytes: float
    zipped_share: float
    tables: float
    groups: Mapping[Kind, tuple[Group, ...]]
    failed: Mapping[Kind, float]
    requests: Mapping[Kind, Mapping[str, Sum]]
    stored: Mapping[Kind, Mapping[str, Sum]]
    dashboard_bytes: Sum
    interactions: Sum
    interaction_bytes: float
    landings: tuple[Mapping[str, Any], ...]


@cache
def calibration() -> Calibration:
    """The calibration that the package comes with."""
    file = resources.files("engagement.estimate") / "calibration.json"
    return parsed(json.loads(file.read_text(encoding="utf-8")))


def parsed(found: Mapping[str, Any]) -> Calibration:
    """A calibration from what its file holds."""
    groups = {
        kind: tuple(Group(**{**one, "spread": tuple(one["spread"])}) for one in some)
        for kind, some in found["groups"].items()
    }
    return Calibration(**{**found, "groups": groups, "landings": tuple(found["landings"])})
