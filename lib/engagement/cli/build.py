"""``engagement build``: one model and what it needs."""

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
    name: Annotated[str, typer.Argument(help="A model, such as orders.", metavar="MODEL")],
    show: Annotated[
        bool, typer.Option("--show", help="Show the first rows; nothing of a person is in them.")
    ] = False,
    params: Params = None,
    set_: Sets = None,
) -> None:
    """Build one model and all that it needs, after looking for every mistake in its files."""
    from engagement.as_of import resolve_as_of
    from engagement.models import authoring, preview, runner
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    chosen = authoring.with_needs(name.removeprefix("marts."))
    warehouse = open_warehouse(settings)
    as_of = resolve_as_of(warehouse, settings)
    with errors.status(f"building {chosen[-1].table}, and what it needs"):
        built = runner.build_all(warehouse, settings, as_of, chosen, stale="ignore")
    rows = [
        (one.status, f"{runner.MARTS}.{one.model}", f"{one.rows:,}" if one.rows else "")
        for one in built
    ]
    grid(["status", "table", "rows"], rows, right={2})
    if any(one.status == "failed" for one in built):
        raise runner.ModelError(runner.report(built))
    if show:
        frame = preview.first_rows(warehouse, chosen[-1])
        console.print(f"The first rows of {chosen[-1].table}, as of {plain(as_of)}:")
        for line in preview.lines(frame) if len(frame) else ["  it has none"]:
            console.print(plain(line))
