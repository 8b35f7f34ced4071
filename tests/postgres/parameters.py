"""Settings of an empty warehouse on the tests' PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from engagement.settings import Settings, load_settings
from tests.postgres.server import USER


def overrides(socket: Path, name: str, *, template: str = "template0") -> dict[str, Any]:
    """What leads the parameters to a new database of this name, a copy of the template."""
    with psycopg.connect(
        host=str(socket), user=USER, dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f'drop database if exists "{name}"'.encode())
        connection.execute(f'create database "{name}" template "{template}"'.encode())
    return {
        "warehouse.engine": "postgres",
        "warehouse.postgres": {"host": str(socket), "database": name, "user": USER},
    }


def settings(socket: Path, name: str, **others: Any) -> Settings:
    """Settings whose warehouse is a new, empty database of this name."""
    dotted = {key.replace("__", "."): value for key, value in others.items()}
    return load_settings("params/local.yaml", {**overrides(socket, name), **dotted})
