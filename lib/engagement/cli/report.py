"""``engagement report``: the report again, from the tables as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engagement.cli.console import Params, Sets, console, errors, plain, settings_from, shown_path


def report(
    params: Params = None,
    set_: Sets = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The file to write.", metavar="FILE"),
    ] = None,
) -> None:
    """Write the report: one page with the figures that decide, charts, tables and alerts."""
    from engagement.dashboards.report import write_now
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    path = output or settings.path(settings.run.directory) / "interactive/report.html"
    with errors.status("making the report"):
        page = write_now(open_warehouse(settings), settings, path)
    console.print(f"{plain(shown_path(page.resolve()))}")
