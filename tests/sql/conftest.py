"""The dialect is tested on the same engines as the warehouse."""

from tests.warehouse.conftest import engine, warehouse

__all__ = ["engine", "warehouse"]
