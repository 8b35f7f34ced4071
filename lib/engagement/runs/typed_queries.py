"""Queries that somebody types: what they may read, and what the parameters give them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pandas as pd
from sqlglot import exp

from engagement.as_of import resolve_as_of
from engagement.messages import nearest
from engagement.models import inputs
from engagement.models.inputs import SEEDS, SOURCES, InputError
from engagement.settings import Settings
from engagement.sql import types as kinds
from engagement.sql.dialect import LOGICAL, DialectError, check, confine, parse, tables
from engagement.warehouse import Session, Table, Warehouse, WarehouseError

Rewrite = Callable[[exp.Query, Session], exp.Query]


def ask(
    warehouse: Warehouse,
    settings: Settings,
    sql: str,
    *,
    portable: bool = False,
    rewrite: Rewrite | None = None,
) -> pd.DataFrame:
    """Run one query in Athena's dialect, over the warehouse's tables and nothing else.

    It may use what a model's query may: ``sources.*`` and ``seeds.*``, and the parameters of
    models, such as ``:as_of`` and ``:timezone``. So a model's text, or one of its checks, can be
    run as it is.

    Parameters
    ----------
    portable
        Hold the query to the rules of models: refuse what the engines would answer differently.
    rewrite
        Is given the query as it would run, and gives the one that runs instead.

    Raises
    ------
    DialectError
        When the query cannot be used, or the engine refuses it.
    WarehouseError
        When there is no warehouse yet.
    """
    # What cannot be parsed is said once, by the error.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    tree = parse(sql)
    _check_parameters(tree)
    own = {table for table in tables(tree) if table.database in (SOURCES, SEEDS)}
    if not own:
        confine(tree)
    with warehouse.session() as session:
        types = {
            str(table): _columns(session, table)
            for table in sorted(tables(tree))
            if table.database != "information_schema"
        }
        found = kinds.read(tree, types, inputs.PARAMETERS)
        if portable:
            if found.has_unknown_names:
                raise DialectError("\n".join(found.problems))
            check(tree, tables=types, parameters=inputs.PARAMETERS)
        try:
            asked = inputs.expand(tree, session, settings)
        except InputError as error:
            raise DialectError(str(error)) from None
        confine(asked)
        if rewrite is not None:
            asked = rewrite(asked, session)
    values: dict[str, Any] = {}
    if next(asked.find_all(exp.Placeholder), None) is not None:
        values = inputs.parameters(settings, resolve_as_of(warehouse, settings))
    try:
        return warehouse.query(asked, values)
    except WarehouseError as error:
        # The user's SQL is at fault; a name that is not there is said with the nearest.
        said = found.problems if found.has_unknown_names else [str(error)]
        raise DialectError("\n".join(said)) from None


def _check_parameters(tree: exp.Query) -> None:
    for mark in tree.find_all(exp.Placeholder):
        name = str(mark.this)
        if name not in inputs.PARAMETERS:
            hint = nearest(name, inputs.PARAMETERS) or f"; there are {', '.join(inputs.PARAMETERS)}"
            raise DialectError(f"there is no parameter ':{name}'{hint}")


def _columns(session: Session, table: Table) -> dict[str, str]:
    """Types of the columns of a table that a query reads.

    Raises
    ------
    DialectError
        When there is no such table: the nearest.
    """
    if table.database == SOURCES:
        known = inputs.contracts().sources
        if table.name not in known:
            raise DialectError(f"there is no source '{table.name}'{nearest(table.name, known)}")
        return inputs.contracts().columns(table.name)
    if table.database == SEEDS:
        return inputs.columns(table) or {}  # the others are told when it is expanded
    there = [Table(database, name) for database in LOGICAL for name in session.tables(database)]
    if table not in there:
        raise DialectError(
            f"there is no table {table}{nearest(str(table), map(str, there), cutoff=0.5)}"
        )
    return session.columns(table)
