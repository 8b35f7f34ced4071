"""Every table of the warehouse with what it holds: for ``engagement tables``."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from engagement.models.runner import MARTS, Model, models
from engagement.runs.batch import table_rows
from engagement.settings import read_yaml
from engagement.sql.dialect import LOGICAL
from engagement.warehouse import DialectError, Table, Warehouse


def tables(warehouse: Warehouse) -> pd.DataFrame:
    """Every table there is: ``table``, ``rows`` (NULL where counting would read the landing) and
    ``description``.
    """
    counted = table_rows(warehouse)
    rows = [
        (str(table), counted.get(str(table)), description(table)) for table in _there(warehouse)
    ]
    frame = pd.DataFrame(rows, columns=["table", "rows", "description"])
    return frame.astype({"rows": "Int64"})


def names(warehouse: Warehouse) -> pd.DataFrame:
    """Every table there is, without counting anything: ``table`` and ``description``."""
    rows = [(str(table), description(table)) for table in _there(warehouse)]
    return pd.DataFrame(rows, columns=["table", "description"])


def columns(warehouse: Warehouse, name: str) -> pd.DataFrame:
    """The columns of a table: ``column``, ``type``, ``unit`` and ``description``.

    Raises
    ------
    DialectError
        When there is no such table, with the nearest ones.
    """
    table = find(warehouse, name)
    with warehouse.session() as session:
        found = session.columns(table)
    model = _model(table)
    rows = []
    for column, kind in found.items():
        document = model.document.columns.get(column) if model else None
        text = document.description if document else _plain(table).get(column, "")
        rows.append((column, kind, (document.unit if document else None) or "", text))
    return pd.DataFrame(rows, columns=["column", "type", "unit", "description"])


def description(table: Table) -> str:
    """What a table holds, in a sentence; empty where nobody has said."""
    model = _model(table)
    if model:
        return " ".join(model.document.description.split())
    fixed = _documents().get(table.database, {}).get(table.name)
    if fixed:
        return str(fixed["description"])
    return "Every event of this name, with its properties." if table.database == "events" else ""


def _there(warehouse: Warehouse) -> list[Table]:
    if not warehouse.exists():
        return []
    with warehouse.session() as session:
        return [Table(database, name) for database in LOGICAL for name in session.tables(database)]


def find(warehouse: Warehouse, name: str) -> Table:
    """A table by its name, with or without its database.

    Raises
    ------
    DialectError
        When there is no such table, with the nearest ones, or several.
    """
    known = {str(table): table for table in _there(warehouse)}
    if not known:
        raise DialectError("there is no table yet: 'engagement run' makes them")
    named = [text for text in known if name in (text, known[text].name)]
    if len(named) == 1:
        return known[named[0]]
    if named:
        raise DialectError(f"there are several tables '{name}': {', '.join(named)}")
    near = difflib.get_close_matches(name, [*known, *(t.name for t in known.values())], n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise DialectError(f"there is no table '{name}'{hint}")


def _model(table: Table) -> Model | None:
    return models().get(table.name) if table.database == MARTS else None


def _plain(table: Table) -> dict[str, str]:
    """Descriptions of the columns of a table that is no model."""
    document = _documents()
    own = document.get(table.database, {}).get(table.name, {})
    default = document["default"] if table.database == "events" else {}
    partition = {"received_at_utc_date": document["default"]["received_at_utc_date"]}
    return {**default, **partition, **own.get("columns", {})}


@cache
def _documents() -> dict[str, Any]:
    with resources.as_file(resources.files("engagement") / "tables.yml") as path:
        found: dict[str, Any] = read_yaml(path)
    return found
