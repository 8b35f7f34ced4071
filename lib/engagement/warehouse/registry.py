"""The engines there are: each says for itself how it is opened, checked and written for.

An engine is a package of this one with a module ``engine`` that holds an :class:`Engine` called
``ENGINE``. :data:`ENGINES` names these modules; they are imported when an engine is asked for, so
that nobody waits for the libraries of another. Its settings are a section of ``warehouse``: see
:class:`engagement.settings.warehouse.EngineSection`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

from engagement.settings import Settings
from engagement.sql.rendering import Rendering
from engagement.warehouse import reads
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.protocol import Finding, Warehouse

ENGINES = {
    "duckdb": "engagement.warehouse.duckdb.engine",
    "athena": "engagement.warehouse.athena.engine",
    "postgres": "engagement.warehouse.postgres.engine",
    "redshift": "engagement.warehouse.redshift.engine",
}
"""The module of each engine, by the name that ``warehouse.engine`` has in the parameters."""


@dataclass(frozen=True)
class Engine:
    """What the rest of the project asks of an engine.

    Attributes
    ----------
    name
        As in ``warehouse.engine``.
    rendering
        How it writes the SQL dialect.
    open
        Gives the warehouse of some settings; no connection is made yet.
    check
        Tries one by one what a run needs of it, without changing any table.
    roles
        SQL by which an administrator lets RudderStack load as one user, and the workbook build as
        another, whose names may be left out; ``None`` for an engine without users of its own.
    """

    name: str
    rendering: Rendering
    open: Callable[[Settings], Warehouse]
    check: Callable[[Settings], Iterable[Finding]]
    roles: Callable[[Settings, str | None, str | None], str] | None = None


def find_engine(name: str) -> Engine:
    """The engine of a name.

    Raises
    ------
    WarehouseError
        When there is none.
    """
    if name not in ENGINES:
        raise WarehouseError(f"there is no engine '{name}': choose {' or '.join(ENGINES)}")
    found: Engine = import_module(ENGINES[name]).ENGINE
    return found


def open_warehouse(settings: Settings) -> Warehouse:
    """Open the warehouse that the settings name; no connection is made yet.

    Raises
    ------
    WarehouseError
        When the engine is not available.
    """
    return reads.noted(find_engine(settings.warehouse.engine).open(settings))
