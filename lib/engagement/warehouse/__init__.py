"""The one interface to an engine, and its implementations."""

from __future__ import annotations

from engagement.settings import Settings
from engagement.sql.dialect import DialectError, Table
from engagement.warehouse.protocol import LeaseHeldError, Session, Warehouse, WarehouseError

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
        from engagement.warehouse.duckdb.warehouse import DuckDBWarehouse

        return DuckDBWarehouse(settings)
    from engagement.warehouse.athena.warehouse import AthenaWarehouse

    return AthenaWarehouse(settings)
