"""Redshift, as the registry of engines knows it."""

from __future__ import annotations

from collections.abc import Iterator

from engagement.errors import FailedError
from engagement.settings import Settings
from engagement.warehouse.protocol import Finding, Warehouse
from engagement.warehouse.redshift.rendering import REDSHIFT
from engagement.warehouse.registry import Engine


def _open(settings: Settings) -> Warehouse:
    from engagement.warehouse.redshift.warehouse import RedshiftWarehouse

    return RedshiftWarehouse(settings)


def _check(settings: Settings) -> Iterator[Finding]:
    """Whether Redshift can be reached, and the database can hold what a run makes."""
    from engagement.warehouse.redshift.preflight import findings
    from engagement.warehouse.redshift.warehouse import RedshiftWarehouse

    section = settings.warehouse.redshift
    try:
        with RedshiftWarehouse(settings).connected() as statements:
            yield Finding("connection", True, f"by {section.connect if section else ''}")
            yield from findings(statements, settings)
    except FailedError as error:
        yield Finding("connection", False, str(error), "see docs/redshift.md")


def _roles(settings: Settings, loader: str | None, builder: str | None) -> str:
    from engagement.warehouse.redshift.roles import listed, statements

    return listed(statements(settings, loader, builder))


ENGINE = Engine("redshift", REDSHIFT, _open, _check, _roles)
