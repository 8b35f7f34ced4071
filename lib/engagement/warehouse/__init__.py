"""The one interface to an engine, and its implementations."""

from __future__ import annotations

from engagement.sql.dialect import DialectError, Table
from engagement.warehouse.protocol import LeaseHeldError, Session, Warehouse, WarehouseError
from engagement.warehouse.registry import open_warehouse

__all__ = [
    "DialectError",
    "LeaseHeldError",
    "Session",
    "Table",
    "Warehouse",
    "WarehouseError",
    "open_warehouse",
]
