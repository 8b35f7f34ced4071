"""Notes beside files that nothing points at any more: their age counts from then on."""

from __future__ import annotations

from collections.abc import Set

from engagement.aws import glue
from engagement.aws.s3 import Address
from engagement.warehouse.athena.lake import Lake

SUPERSEDED = "_superseded"
"""Object in a folder that no table points at any more; its age is told from then on."""


def mark_superseded(lake: Lake, folder: Address) -> None:
    """Note that no table points at a folder from now on."""
    lake.bucket.write(folder / SUPERSEDED, b"")


def mark_partitions(lake: Lake, name: str, days: Set[str] | None) -> None:
    """Note that nothing points any more at some partitions of a physical table, or at all (None).

    The table itself goes too, when its time has come.
    """
    if not name:
        return
    for day, at in lake.catalog.dates(lake.storage, name).items():
        if (days is None or day in days) and at.startswith(str(lake.files)):
            mark_superseded(lake, Address.parse(at, folder=True))
    table = lake.catalog.table(lake.storage, name)
    at = glue.location(table) if table else ""
    if at.startswith(str(lake.files)):
        mark_superseded(lake, Address.parse(at, folder=True))
