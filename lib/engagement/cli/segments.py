"""``engagement segments``: what segments there are, and what each of them is."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from engagement.cli.console import (
    Params,
    Sets,
    console,
    errors,
    grid,
    guarded,
    plain,
    settings_from,
)

segments = typer.Typer(
    no_args_is_help=False, help="List segments with their sizes, or show one of them."
)


@segments.callback(invoke_without_command=True)
@guarded
def list_(context: typer.Context, params: Params = None, set_: Sets = None) -> None:
    """List every segment with its size and how many of it each channel reaches."""
    if context.invoked_subcommand is not None:
        return
    from engagement.as_of import resolve_as_of
    from engagement.audience import looking
    from engagement.audience.segments import load_all
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    folder = settings.path(settings.audience.segment).parent
    found = load_all(folder)
    warehouse = open_warehouse(settings)
    as_of = resolve_as_of(warehouse, settings)
    with errors.status(f"looking at {len(found)} segments"):
        rows = [looking.line(warehouse, settings, one, as_of) for one in found]
    grid(
        ["segment", "people", "reached by", "since the last snapshot", "what it is"],
        rows,
        right={1},
    )
    console.print(f"As of {plain(as_of)}. 'engagement segments show NAME' shows one of them.")


@segments.command()
@guarded
def backfill(
    on: Annotated[
        list[str],
        typer.Option("--on", help="A day that is over. Repeatable.", metavar="YYYY-MM-DD"),
    ],
    params: Params = None,
    set_: Sets = None,
) -> None:
    """Publish the snapshots of earlier days; the models are as of now again afterwards."""
    from engagement.as_of import resolve_as_of
    from engagement.audience import backfill as filling
    from engagement.audience.errors import AudienceError
    from engagement.audience.segments import load_all
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    found = load_all(settings.path(settings.audience.segment).parent)
    warehouse = open_warehouse(settings)
    now = resolve_as_of(warehouse, settings)
    days = [_day(text) for text in on]
    if max(days) >= now.day:
        raise AudienceError("--on", [f"{max(days)} is not before {now.day}, the as-of day"])
    with errors.status("snapshots of earlier days") as status:
        done = filling.snapshots_of(
            warehouse, settings, found, days, now, lambda text: status.update(plain(text))
        )
    heads = ["segment", "as of", "people", "joined", "left"]
    rows = [
        (o.segment, o.as_of.isoformat(), f"{o.members:,}", f"{o.joined:,}", f"{o.left:,}")
        for o in done
    ]
    grid(heads, rows, right={2, 3, 4})
    stale = filling.still_stale(done)
    if stale:
        days_after = ", ".join(day.isoformat() for day in stale)
        console.print(f"Compared with an earlier day than these: {days_after}. Run them again.")


def _day(text: str) -> date:
    from engagement.audience.errors import AudienceError

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise AudienceError("--on", [f"'{text}' is no day such as 2026-10-30"]) from None


@segments.command()
@guarded
def show(
    name: Annotated[
        str, typer.Argument(help="A segment's name, or the path of its file.", metavar="NAME")
    ],
    params: Params = None,
    set_: Sets = None,
) -> None:
    """Show a segment: its rule, its SQL, its size, whom it reaches, what has changed."""
    from engagement.as_of import resolve_as_of
    from engagement.audience import looking
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    segment = looking.named(settings, name)
    warehouse = open_warehouse(settings)
    as_of = resolve_as_of(warehouse, settings)
    shown = looking.look(warehouse, settings, segment, as_of)
    for key, text in shown.rule:
        console.print(f"{plain(f'{key:<12}')} {plain(text)}")
    console.print("\nSQL, in Athena's dialect ('engagement query' runs it as it is):")
    console.print(plain(shown.sql))
    console.print(
        f"\nAs of {plain(as_of)}: {shown.people:,} of {shown.customers:,} people"
        f"{plain(shown.change)}"
    )
    reached = [
        (row.channel, row.outcome, f"{row.people:,}", row.meaning)
        for row in shown.reach.itertuples(index=False)
        if row.people
    ]
    grid(["channel", "outcome", "people", "meaning"], reached, right={2})
