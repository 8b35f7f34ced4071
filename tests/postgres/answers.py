"""Puts expressions to PostgreSQL, with the engine's functions in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engagement.settings import Settings
from engagement.warehouse.postgres.types import athena_type
from engagement.warehouse.postgres.warehouse import PostgresWarehouse
from tests.sql.both import Answer, Run


@contextmanager
def on_postgres(settings: Settings) -> Iterator[Run]:
    """A way to run statements, as :mod:`tests.sql.both` asks for."""
    warehouse = PostgresWarehouse(settings)
    with warehouse.session(write=True):
        pass  # the functions are made
    with warehouse.connected() as connection:

        def run(sql: str) -> list[list[Answer]]:
            cursor = connection.execute(sql.encode())
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            kinds = []
            for one in cursor.description or []:
                named = connection.execute(
                    f"select format_type({one.type_code}, {one._fmod})".encode()
                ).fetchone()
                kind = athena_type(named[0]) if named else ""
                kinds.append("decimal(38,0)" if kind == "decimal" else kind)
            return [list(zip(row, kinds, strict=True)) for row in rows]

        yield run
