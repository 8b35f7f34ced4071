"""The one interface to an engine, and its implementations."""

from __future__ import annotations

from engagement.sql.dialect import DialectError, Table
from engagement.warehouse.errors import LeaseHeldError, WarehouseError
from engagement.warehouse.protocol import Session, Warehouse
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
