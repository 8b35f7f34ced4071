"""Redshift, as the registry of engines knows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engagement.errors import FailedError
from engagement.settings import Settings
from engagement.warehouse.protocol import Finding, Warehouse
from engagement.warehouse.redshift.rendering import REDSHIFT
from engagement.warehouse.registry import Engine

if TYPE_CHECKING:
    from engagement.warehouse.redshift.warehouse import RedshiftWarehouse


def _open(settings: Settings) -> Warehouse:
    from engagement.warehouse.redshift.warehouse import RedshiftWarehouse

    return RedshiftWarehouse(settings)


def _check(settings: Settings) -> Iterator[Finding]:
    """Whether Redshift can be reached, and the database can hold what a run makes."""
    from engagement.warehouse.redshift.warehouse import RedshiftWarehouse

    yield from check(RedshiftWarehouse(settings), settings)


def check(warehouse: RedshiftWarehouse, settings: Settings) -> Iterator[Finding]:
    """What a run needs: of who builds, of the staging folder, of who only reads."""
    from engagement.warehouse.redshift import preflight

    section = settings.warehouse.redshift
    try:
        with warehouse.connected() as statements:
            yield Finding("connection", True, f"by {section.connect if section else ''}")
            yield from preflight.findings(statements, settings)
            stage = warehouse.stage()
            if stage is not None:
                yield from preflight.staging_findings(statements, stage)
    except FailedError as error:
        yield Finding("connection", False, str(error), "see docs/redshift.md")
    if not warehouse.has_reader:
        return
    try:
        with warehouse.connected(reads=True) as statements:
            yield Finding("the reader's connection", True, "logged in")
            yield from preflight.reader_findings(statements, settings)
    except FailedError as error:
        yield Finding("the reader's connection", False, str(error), "see docs/redshift.md")


def _roles(settings: Settings, loader: str | None, builder: str | None) -> str:
    from engagement.warehouse.redshift.roles import listed, statements

    return listed(statements(settings, loader, builder))


ENGINE = Engine("redshift", REDSHIFT, _open, _check, _roles)
