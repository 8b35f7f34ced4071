"""``engagement personalize export``: the data sets as files, whole or as an increment."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from engagement.cli.console import Params, Sets, console, grid, plain, settings_from, shown_path
from engagement.messages import counted


def export(
    out: Annotated[
        Path, typer.Option("--out", help="The folder to write to; replaced.", metavar="FOLDER")
    ],
    params: Params = None,
    set_: Sets = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Write only what was received after this as-of day (INCREMENTAL).",
            metavar="DATE",
        ),
    ] = None,
    full: Annotated[
        Path | None,
        typer.Option(
            "--full",
            help="The full export whose schemas the increment has to fit.",
            metavar="FOLDER",
        ),
    ] = None,
) -> None:
    """Write the data sets of Personalize from the tables that 06 built, without running it."""
    from engagement.as_of import resolve_as_of, whole_day
    from engagement.models import runner
    from engagement.personalize import exports
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    exports.check_folder(out)
    warehouse = open_warehouse(settings)
    as_of = resolve_as_of(warehouse, settings)
    # An export says as of when it is: the tables have to be of that moment.
    runner.require(warehouse, settings, as_of, exports.tables_read(settings))
    made = exports.write(
        warehouse,
        settings,
        as_of,
        out,
        out.with_name(out.name + "-rejects"),
        since=None if since is None else whole_day(since.date(), settings.timezone),
        schemas=full,
    )
    rows = [
        (name, counted(len(one.parts), "file"), f"{one.rows:,}", f"{sum(one.left_out.values()):,}")
        for name, one in made.sets.items()
    ]
    grid(["data set", "files", "rows", "left out"], rows, right={2, 3})
    console.print(plain(f"{made.mode}, written to {shown_path(out)}"))
