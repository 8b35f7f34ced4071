"""Athena, as the registry of engines knows it."""

from __future__ import annotations

from collections.abc import Iterator

from engagement.settings import Settings
from engagement.warehouse.athena.rendering import ATHENA
from engagement.warehouse.protocol import Finding, Warehouse
from engagement.warehouse.registry import Engine


def _open(settings: Settings) -> Warehouse:
    from engagement.warehouse.athena.warehouse import AthenaWarehouse

    return AthenaWarehouse(settings)


def _check(settings: Settings) -> Iterator[Finding]:
    from engagement.warehouse.athena.warehouse import AthenaWarehouse

    warehouse = AthenaWarehouse(settings)
    yield Finding("warehouse", True, warehouse.describe())
    yield from warehouse.findings()


ENGINE = Engine("athena", ATHENA, _open, _check)
