"""``engagement landed``: whether a day's events are there, for schedulers that wait for them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Literal

import typer

from engagement.cli.console import Params, Sets, console, plain, settings_from, write


def landed(
    day: Annotated[
        datetime,
        typer.Argument(
            formats=["%Y-%m-%d"], help="A day in the reporting time zone.", metavar="DAY"
        ),
    ],
    params: Params = None,
    set_: Sets = None,
    grace: Annotated[
        float,
        typer.Option(min=0, help="Minutes after the day's end in which events may still land."),
    ] = 30.0,
    format_: Annotated[
        Literal["text", "json"], typer.Option("--format", help="How to print the answer.")
    ] = "text",
) -> None:
    """Say whether a day has landed, by the names of folders: no file is listed or read."""
    import json

    from engagement.runs import scheduling
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    found = scheduling.arrival(
        open_warehouse(settings), settings, _day(day), grace=timedelta(minutes=grace)
    )
    if format_ == "json":
        write(json.dumps(found.record()) + "\n")
    else:
        console.print(plain(found.sentence()))


def _day(moment: datetime) -> date:
    return moment.date()
