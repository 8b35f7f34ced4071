"""PostgreSQL, as the registry of engines knows it."""

from __future__ import annotations

from collections.abc import Iterator

from engagement.settings import Settings
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.postgres.rendering import POSTGRES
from engagement.warehouse.protocol import Finding, Warehouse
from engagement.warehouse.registry import Engine


def _open(settings: Settings) -> Warehouse:
    from engagement.warehouse.postgres.warehouse import PostgresWarehouse

    return PostgresWarehouse(settings)


def _check(settings: Settings) -> Iterator[Finding]:
    """Whether the server can be reached, and the database can hold what a run makes."""
    import psycopg

    from engagement.warehouse.postgres.statements import first_line
    from engagement.warehouse.postgres.warehouse import PostgresWarehouse

    warehouse = PostgresWarehouse(settings)
    try:
        with warehouse.connected() as connection:
            yield from warehouse.findings(connection)
    except psycopg.Error as error:
        yield Finding("connection", False, first_line(error), "see docs/redshift.md")
    except WarehouseError as error:
        yield Finding("connection", False, str(error), "see docs/redshift.md")


ENGINE = Engine("postgres", POSTGRES, _open, _check)
