"""DuckDB, as the registry of engines knows it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from engagement.messages import shown_path
from engagement.records.files import LandingError, unzipped_bytes
from engagement.settings import ROOT, Settings
from engagement.warehouse.duckdb.memory import memory_limit
from engagement.warehouse.duckdb.rendering import DUCKDB
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.protocol import Finding, Warehouse
from engagement.warehouse.registry import Engine

_DISK_OF_EVENTS = 0.9
"""Bytes that the warehouse's file and what it spills take for each byte of landed events: ten
million of 17 GB took 12.6 GB once models had been built twice, and up to 3 of spilled rows."""


def _open(settings: Settings) -> Warehouse:
    from engagement.warehouse.duckdb.warehouse import DuckDBWarehouse

    return DuckDBWarehouse(settings)


def _check(settings: Settings) -> Iterator[Finding]:
    """Whether the file can be written, and the disk has room for the tables of this landing."""
    from engagement.warehouse.duckdb.warehouse import DuckDBWarehouse

    warehouse = DuckDBWarehouse(settings)
    path = settings.path(settings.warehouse.duckdb.path)
    folder = path.parent
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    ok = existing.is_dir() and os.access(existing, os.W_OK)
    yield Finding(
        "warehouse",
        ok,
        f"{warehouse.describe()}, {shown_path(path, ROOT)}",
        f"{existing} cannot be written",
    )
    try:
        landed = sum(map(unzipped_bytes, warehouse.landing_files().files))
    except (LandingError, WarehouseError):
        return  # said by the other checks
    existing = next(parent for parent in path.parents if parent.exists())
    taken = path.stat().st_size if path.exists() else 0
    needed = max(int(landed * _DISK_OF_EVENTS) - taken, 0)
    free = shutil.disk_usage(existing).free
    yield Finding(
        "room",
        free >= needed,
        f"some {_gigabytes(landed)} of events: a run takes up to {_gigabytes(needed)} more of "
        f"disk ({_gigabytes(free)} are free) and {_gigabytes(memory_limit(settings))} of memory",
        "make room, or set warehouse.duckdb.path to a disk that has it",
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"


ENGINE = Engine("duckdb", DUCKDB, _open, _check)
