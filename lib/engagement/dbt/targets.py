"""What an exported project has to know of the engine that it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from sqlglot import exp

from engagement.settings import Settings
from engagement.sql.dialect import Table
from engagement.sql.rendering import Rendering, render
from engagement.warehouse.registry import find_engine

TARGETS = ("redshift", "postgres", "athena", "duckdb")
"""What a project can be written for."""

_TEXTS = {"varchar": "varchar", "text": "varchar", "character varying": "varchar"}
_PLAIN = {name: name for name in ("bigint", "boolean", "double", "date")}


Columns = Callable[[Table], Mapping[str, str]]
"""Gives names and Athena types of a table's columns."""


@dataclass(frozen=True, eq=False)
class Target:
    """An engine, as an exported project writes for it.

    Attributes
    ----------
    name
        As dbt calls the type of its connection.
    packages
        What dbt needs besides ``dbt-core``.
    write
        Writes a tree of the dialect, on several lines.
    types
        The engine's names of the types that are written differently there than in Athena.
    kinds
        Athena's names of the types of columns that the engine reports, in lower case.
    cast
        Types of columns that a model's result is cast to; the others are what they are documented
        as by themselves.
    are_raw
        Whether events are read as RudderStack loaded them.
    functions
        Names of functions that are written with their schema.
    with_types
        Writes out what only the types of columns can tell; it is given those of each table.
    """

    name: str
    packages: tuple[str, ...]
    write: Callable[[exp.Expr], str]
    types: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    cast: tuple[str, ...] = ()
    are_raw: bool = False
    functions: tuple[str, ...] = ()
    with_types: Callable[[exp.Query, Columns], exp.Query] | None = None

    def type_of(self, kind: str) -> str:
        """The engine's name of one of Athena's types."""
        return self.types.get(kind, kind)


def _writer(rendering: Rendering) -> Callable[[exp.Expr], str]:
    return lambda tree: render(tree, rendering, {}, pretty=True)


def find(name: str) -> Target:
    """The target of a name; nothing but its own engine is loaded."""
    return {"redshift": _redshift, "postgres": _postgres, "athena": _athena, "duckdb": _duckdb}[
        name
    ]()


def _postgres() -> Target:
    return Target(
        "postgres",
        ("dbt-postgres",),
        _writer(find_engine("postgres").rendering),
        {"varchar": "text", "double": "double precision", "timestamp(3)": "timestamp"},
        _PLAIN | _TEXTS | {"double precision": "double"},
        # A sum of decimals keeps no digits of its own there.
        ("decimal",),
        are_raw=True,
    )


def _redshift() -> Target:
    from engagement.warehouse.redshift.functions import FUNCTIONS
    from engagement.warehouse.redshift.rendering import redshift_sql
    from engagement.warehouse.redshift.typed import with_types

    calls = (body.partition("(")[0] for body in FUNCTIONS.values())
    return Target(
        "redshift",
        ("dbt-redshift",),
        lambda tree: redshift_sql(tree, {}, pretty=True),
        {"varchar": "varchar(65535)", "double": "double precision", "timestamp(3)": "timestamp"},
        _PLAIN | _TEXTS | {"double precision": "double"},
        # A sum of whole numbers is a decimal there.
        ("decimal", "bigint"),
        are_raw=True,
        functions=tuple(sorted(name for name in calls if name.startswith("f_"))),
        with_types=with_types,
    )


def _athena() -> Target:
    return Target(
        "athena",
        ("dbt-athena",),
        _writer(find_engine("athena").rendering),
        {},
        _PLAIN | _TEXTS | {"string": "varchar", "timestamp": "timestamp(3)"}
        | {"timestamp(3)": "timestamp(3)"},
        ("decimal", "bigint", "varchar", "timestamp"),
    )  # fmt: skip


def _duckdb() -> Target:
    times = dict.fromkeys(("timestamp", "timestamp_ms", "timestamp_s"), "timestamp(3)")
    return Target(
        "duckdb",
        # Another version may round otherwise: 2.0.1 does.
        ("dbt-duckdb", f"duckdb=={version('duckdb')}", "numpy", "orjson"),
        _writer(find_engine("duckdb").rendering),
        {"timestamp(3)": "timestamp"},
        _PLAIN | _TEXTS | times | {"json": "varchar"},
        # It adds whole numbers up to a wider type.
        ("decimal", "bigint"),
    )


@dataclass(frozen=True)
class Schemas:
    """Where things are: the names that the parameters give to ``engagement build`` too.

    Attributes
    ----------
    own
        What dbt makes and ``engagement build`` does not: seeds, the nodes of the identity map.
    """

    marts: str
    events: str
    own: str
    functions: str

    @classmethod
    def of(cls, settings: Settings, target: Target) -> Schemas:
        """The names of some settings."""
        databases = settings.warehouse.databases
        section = getattr(settings.warehouse, target.name, None)
        events = databases.events
        if target.are_raw:
            events = getattr(section, "rudderstack_schema", None) or "rudderstack"
        storage = getattr(section, "storage_schema", None) or f"{settings.project}_storage"
        return cls(databases.marts, events, f"{databases.marts}_dbt", storage)
