"""``engagement runs``: what was run, how long it took and what it cost."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from engagement.cli.console import (
    Params,
    Sets,
    as_json,
    console,
    grid,
    is_null,
    plain,
    settings_from,
    write,
)


def runs(
    one: Annotated[
        str | None,
        typer.Argument(help="A run: its id, how it begins, latest or previous.", metavar="[RUN]"),
    ] = None,
    other: Annotated[
        str | None, typer.Argument(help="The run to compare it with.", metavar="[RUN]")
    ] = None,
    params: Params = None,
    set_: Sets = None,
    last: Annotated[int, typer.Option(min=1, help="List so many runs, the newest first.")] = 20,
    format_: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="How to print the rows.")
    ] = "table",
) -> None:
    """List the runs, or compare two: a single one is compared with the run before it."""
    from engagement.runs import history

    settings, _ = settings_from(params, set_)
    found = history.past_runs(settings)
    if one is None:
        frame = history.listed(found[:last])
        right = {2, 6, 7, 8}
    else:
        first = history.find(found, one)
        if other is None:
            older = found[found.index(first) + 1 :]
            if not older:
                raise history.HistoryError(f"there is no run before {first.id} to compare it with")
            first, second = older[0], first
        else:
            second = history.find(found, other)
        frame = history.compared(first, second)
        frame = frame.rename(columns={"one": first.id, "other": second.id})
        right = {2, 3, 4}
    if format_ == "csv":
        write(frame.to_csv(index=False, lineterminator="\n"))
    elif format_ == "json":
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        write(as_json(rows) + "\n")
    elif frame.empty:
        console.print("There is no run yet: 'engagement run' makes one.")
    else:
        cells = [tuple(map(_cell, row)) for row in frame.itertuples(index=False, name=None)]
        grid(list(frame.columns), cells, right=right)
        if one is None and len(found) > last:
            console.print(plain(f"  and {len(found) - last} older ones: --last shows more"))


def _cell(value: Any) -> str:
    if is_null(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)
