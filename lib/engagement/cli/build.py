"""``engagement build``: models and what they need."""

from __future__ import annotations

from typing import Annotated

import typer

from engagement.cli.console import (
    Params,
    Sets,
    console,
    errors,
    grid,
    plain,
    settings_from,
)


def build(
    names: Annotated[
        list[str], typer.Argument(help="A model, such as orders; or several.", metavar="MODEL")
    ],
    show: Annotated[
        bool, typer.Option("--show", help="Show the first rows; nothing of a person is in them.")
    ] = False,
    alone: Annotated[
        bool, typer.Option("--alone", help="Leave what it needs as it is: others built that.")
    ] = False,
    params: Params = None,
    set_: Sets = None,
) -> None:
    """Build a model and all that it needs, after looking for every mistake in its files."""
    from engagement.as_of import resolve_as_of
    from engagement.models import authoring, preview, runner
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    wanted = [name.removeprefix(f"{runner.MARTS}.") for name in names]
    found = {one.name: one for name in wanted for one in authoring.with_needs(name)}
    chosen = runner.in_order(one for one in found.values() if not alone or one.name in wanted)
    last = found[wanted[-1]]
    warehouse = open_warehouse(settings)
    as_of = resolve_as_of(warehouse, settings)
    what = "" if alone else ", and what it needs"
    with errors.status(f"building {last.table}{what}"):
        built = runner.build_all(warehouse, settings, as_of, chosen, stale="ignore")
    rows = [
        (one.status, f"{runner.MARTS}.{one.model}", f"{one.rows:,}" if one.rows else "")
        for one in built
    ]
    grid(["status", "table", "rows"], rows, right={2})
    if any(one.status == "failed" for one in built):
        raise runner.ModelError(runner.report(built))
    if show:
        frame = preview.first_rows(warehouse, last)
        console.print(f"The first rows of {last.table}, as of {plain(as_of)}:")
        for line in preview.lines(frame) if len(frame) else ["  it has none"]:
            console.print(plain(line))
