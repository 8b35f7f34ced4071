"""``engagement query`` and ``engagement tables``: reading the warehouse."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from engagement.cli.console import (
    Params,
    Sets,
    as_json,
    cell,
    console,
    grid,
    is_null,
    settings_from,
    shorten,
    wrapped,
    write,
)
from engagement.messages import counted


def query(
    sql: Annotated[str, typer.Argument(help="One query, in Athena's dialect.")],
    params: Params = None,
    set_: Sets = None,
    format_: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="How to print the rows.")
    ] = "table",
    portable: Annotated[
        bool,
        typer.Option(
            "--portable", help="Refuse what Athena and DuckDB would answer differently, as models."
        ),
    ] = False,
) -> None:
    """Read the warehouse: one query, which sees its tables alone and cannot change anything."""
    from engagement.runs.typed_queries import ask
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    frame = ask(open_warehouse(settings), settings, sql, portable=portable)
    if format_ == "csv":
        write(frame.to_csv(index=False, lineterminator="\n"))
    elif format_ == "json":
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        write(as_json(rows) + "\n")
    else:
        numbers = {
            place
            for place, (name, kind) in enumerate(frame.dtypes.items())
            if kind.kind in "if" or "Decimal" in {type(value).__name__ for value in frame[name]}
        }
        rows = [
            tuple("" if is_null(cell) else str(cell) for cell in row)
            for row in frame.itertuples(index=False)
        ]
        grid(list(frame.columns), rows, right=numbers)
        console.print(f"[dim]{counted(len(frame), 'row')}[/]")


def tables(
    name: Annotated[
        str | None, typer.Argument(help="A table, such as marts.orders.", metavar="[TABLE]")
    ] = None,
    params: Params = None,
    set_: Sets = None,
) -> None:
    """List every table with its rows and what it holds, or the columns of one."""
    from engagement.runs import catalogue
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    warehouse = open_warehouse(settings)
    frame = catalogue.columns(warehouse, name) if name else catalogue.tables(warehouse)
    if frame.empty:
        console.print("There is no table yet: 'engagement run' makes them.")
        return
    rows = [
        ("" if is_null(first) else shorten(str(first)), *map(cell, rest))
        for first, *rest in frame.itertuples(index=False)
    ]
    wrapped(list(frame.columns), rows, right={1} if name is None else set())
