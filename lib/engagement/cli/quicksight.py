"""``engagement quicksight``: plan, up, status and down."""

from __future__ import annotations

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
    shown_path,
)

topic = typer.Typer(
    no_args_is_help=True, help="The dashboards in QuickSight: what is made, and what is there."
)


@topic.command()
@guarded
def plan(params: Params = None, set_: Sets = None) -> None:
    """Write the exact requests, without sending any; needs no account."""
    from engagement import quicksight

    settings, _ = settings_from(params, set_)
    folder = settings.path(settings.run.directory) / "interactive/requests"
    written = quicksight.write_plan(settings, folder)
    place = plain(shown_path(folder / "quicksight"))
    console.print(f"{len(written)} requests, none of them sent: {place}")


@topic.command()
@guarded
def up(
    params: Params = None,
    set_: Sets = None,
    fill: Annotated[bool, typer.Option(help="Fill data sets again that are there already.")] = True,
) -> None:
    """Make everything, or bring it up to date, and fill the data sets."""
    from engagement import quicksight

    settings, _ = settings_from(params, set_)
    with errors.status("asking QuickSight") as status:
        made = quicksight.up(settings, fill=fill, progress=lambda text: status.update(plain(text)))
    grid(["outcome", "kind", "id"], [(one.outcome, one.kind, one.name) for one in made], set())


@topic.command()
@guarded
def status(params: Params = None, set_: Sets = None) -> None:
    """Show what is there, and when its data sets were filled."""
    from engagement import quicksight

    settings, _ = settings_from(params, set_)
    found = quicksight.status(settings)
    grid(list(found.columns), list(found.itertuples(index=False, name=None)), set())


@topic.command()
@guarded
def down(
    params: Params = None,
    set_: Sets = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without, only say what is there.")
    ] = False,
) -> None:
    """Delete everything that carries this project's tag."""
    from engagement import quicksight

    settings, _ = settings_from(params, set_)
    if not yes:
        found = quicksight.status(settings)
        there = found[~found["state"].isin(["missing", "not this project's"])]
        grid(["kind", "id"], list(there[["kind", "id"]].itertuples(index=False, name=None)), set())
        console.print(f"{len(there)} would be deleted: with --yes they are")
        return
    gone = quicksight.down(settings)
    for name in gone:
        console.print(plain(name))
    console.print(f"{len(gone)} deleted")
