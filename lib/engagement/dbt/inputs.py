"""Sources and seeds of an exported project: what RudderStack loaded, and the small tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from engagement.dbt.targets import Target
from engagement.dbt.text import STAGED, Writer, escaped, quoted
from engagement.errors import FailedError
from engagement.models import settings_seeds
from engagement.models.inputs import (
    Held,
    as_promised,
    contracts,
    source_places,
    source_tables,
)
from engagement.models.seed_files import SeedError
from engagement.settings import Events, Settings
from engagement.warehouse import loaded_views

EVENTS = "events"
"""The name, as a source of dbt's, of the tables of events."""

EVERY_EVENT = "events"
"""The source that has a row for each event of any type."""

_KINDS = ("varchar", "bigint", "double", "boolean", "timestamp(3)")
_LONGEST_NAME = {"postgres": 63, "redshift": 127}


class ExportError(FailedError):
    """A project that cannot be written."""


def conversions(writer: Writer) -> dict[str, str]:
    """How a column of one type is read as another, by ``found>wanted``; else it is NULL.

    ``"__value__"`` stands for the column.
    """
    made = {}
    for wanted in _KINDS:
        for found in _KINDS:
            nothing = as_promised(Held("__value__", None), wanted)
            how = as_promised(Held("__value__", found), wanted)
            if found != wanted and how != nothing:
                made[f"{found}>{wanted}"] = writer.expression(how)
    return made


def _physical(table: str, target: Target) -> str:
    """A table's name as RudderStack can have made it."""
    return table[: _LONGEST_NAME.get(target.name, 255)]


def tables_of(source: str, settings: Settings, target: Target) -> tuple[str, ...]:
    """Names of the tables that a source reads."""
    if source == EVERY_EVENT and target.are_raw:
        return tuple(loaded_views.KINDS)
    found = (_physical(name, target) for name in source_tables(source, settings))
    return tuple(dict.fromkeys(found))


def staging(source: str, settings: Settings, target: Target, writer: Writer) -> str:
    """The model that stands for a source: what its contract promises, whatever there is."""
    head = "{{ config(materialized='ephemeral') }}\n"
    tables = tables_of(source, settings, target)
    if source == EVERY_EVENT and target.are_raw:
        listed = "".join(
            f"    '{kind}': source('{EVENTS}', '{table}'),\n"
            for table, kind in loaded_views.KINDS.items()
        )
        return f"{head}\n{{{{ every_event({{\n{listed}}}) }}}}\n"
    listed = "".join(f"        source('{EVENTS}', '{table}'),\n" for table in tables)
    columns = "".join(
        f"        {_column(name, kind, places, writer)},\n"
        for (name, kind), places in zip(
            contracts().columns(source).items(),
            source_places(source, settings).values(),
            strict=True,
        )
    )
    return f"{head}\n{{{{ conformed(\n    [\n{listed}    ],\n    [\n{columns}    ]\n) }}}}\n"


def _column(name: str, kind: str, places: Iterable[tuple[str, str]], writer: Writer) -> str:
    """A column of a contract; where it may be is said unless that is under its own name."""
    listed = []
    for column, member in places:
        how = ""
        if member:
            how = writer.expression(as_promised(Held("__value__", "varchar", member), kind))
        listed.append(f"[{quoted(column)}, {quoted(how)}]")
    if listed == [f"[{quoted(name)}, '']"]:
        return f"[{quoted(name)}, '{kind}']"
    return f"[{quoted(name)}, '{kind}', [{', '.join(listed)}]]"


def staging_yaml(source: str, settings: Settings) -> dict[str, Any]:
    """A source's contract, as ``schema.yml`` lists models."""
    if source in Events.model_fields:
        names = ", ".join(getattr(settings.events, source).names) or "no event"
        description = f"Events that the parameters map to {source}: {names}."
    elif source == EVERY_EVENT:
        description = "Every event, whatever its type."
    else:
        description = f"RudderStack's table {source}."
    columns = [
        {"name": name, "data_type": kind} for name, kind in contracts().columns(source).items()
    ]
    return {
        "name": f"{STAGED}{source}",
        "description": escaped(
            f"{description} A column that no event has sent yet is NULL; nothing received after "
            "the as-of day is in it."
        ),
        "columns": columns,
    }


# --- seeds ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seed:
    """A small table: its columns with the engine's types, and its rows as CSV."""

    name: str
    columns: Mapping[str, str]
    text: str


def seed(name: str, settings: Settings, target: Target) -> Seed:
    """A seed with the team's own rows in it.

    Raises
    ------
    ExportError
        When its rows cannot be used, or dbt would read a cell as another value.
    """
    try:
        columns, rows = settings_seeds.rows(name, settings)
    except SeedError as error:
        raise ExportError("\n".join(error.problems)) from None
    made = io.StringIO(newline="")
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = [_cell(cell) for cell in row]
        if any(cell.lower() == "null" for cell in cells):
            raise ExportError(
                f"the seed {name} has the word 'null' in a row ({', '.join(cells)}): dbt would "
                "read it as no value"
            )
        writer.writerow(cells)
    kinds = {column: target.type_of(kind) for column, kind in columns.items()}
    return Seed(name, kinds, made.getvalue())


def _cell(cell: Any) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return str(cell).lower()
        case date():
            return cell.isoformat()
        case Decimal():
            return f"{cell:f}"
    return str(cell)
