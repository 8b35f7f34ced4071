"""The one interface to an engine, and its implementations."""

from __future__ import annotations

from engagement.settings import Settings
from engagement.warehouse.base import LeaseHeldError, Session, Warehouse, WarehouseError
from engagement.warehouse.dialect import DialectError, Table

__all__ = [
    "DialectError",
    "LeaseHeldError",
    "Session",
    "Table",
    "Warehouse",
    "WarehouseError",
    "open_warehouse",
]


def open_warehouse(settings: Settings) -> Warehouse:
    """Open the warehouse that the settings name; no connection is made yet.

    Raises
    ------
    WarehouseError
        When the engine is not available.
    """
    if settings.warehouse.engine == "duckdb":
        from engagement.warehouse.duckdb import DuckDBWarehouse

        return DuckDBWarehouse(settings)
    from engagement.warehouse.athena import AthenaWarehouse

    return AthenaWarehouse(settings)
