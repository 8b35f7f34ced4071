"""``engagement check``, ``status`` and ``clean``: what is there, what is missing, what can go."""

from __future__ import annotations

from typing import Annotated

import typer

from engagement.cli.console import (
    Params,
    Sets,
    console,
    plain,
    settings_from,
)


def check(
    params: Params = None,
    set_: Sets = None,
    data: Annotated[
        bool,
        typer.Option(
            "--data",
            help="Look at the data instead: unusual figures of the last days, no new events, too "
            "many records set aside. Exit code 1 if there is any.",
        ),
    ] = False,
) -> None:
    """Say what will run where, and what is missing."""
    from engagement.runs import checks

    settings, _ = settings_from(params, set_)
    found = checks.check_data(settings) if data else checks.check(settings)
    colours = {"ok": "green", "warning": "yellow", "missing": "red"}
    for item in found:
        word = "alert" if data and not item.ok else item.state
        state = f"[{colours[item.state]}]{word:<7}[/]"
        console.print(f"{state} {plain(f'{item.name:<15}')} {plain(item.found)}")
        if item.state != "ok" and item.hint:
            console.print(f"        {'':<15} {plain(item.hint)}")
    raise typer.Exit(checks.exit_code(found))


_NOT_READ = ["records", "errors"]
"""What only reading the objects would tell."""


def status(params: Params = None, set_: Sets = None) -> None:
    """Show what was taken in, day by day, and what has landed since."""
    from engagement.flatten.status import status as landing_status
    from engagement.models.concepts import mapping
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    warehouse = open_warehouse(settings)
    found = landing_status(warehouse, settings)
    mapped = mapping(warehouse, settings)
    for title, frame in (
        ("", found.ledger),
        (
            "Concepts, and the events that stand for them",
            mapped.frame() if mapped else found.failures.head(0),
        ),
        ("Set aside, by reason", found.reasons),
        (
            "What Firehose could not deliver",
            found.failures.drop(columns=_NOT_READ, errors="ignore"),
        ),
    ):
        if len(frame):
            console.print(title, plain(frame.to_string(index=False)), sep="\n")
    for line in found.lines:
        console.print(plain(line))


def clean(
    params: Params = None,
    set_: Sets = None,
    keep_days: Annotated[
        float | None,
        typer.Option(help="Keep what is unused for less than this. Default: the parameters'."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Remove every run and every table of a local warehouse; receipts of erasures and "
            "the do-not-reload list stay.",
        ),
    ] = False,
) -> None:
    """Remove files that no table needs any more, after a grace period."""
    from engagement.runs.leftovers import start_over
    from engagement.warehouse import open_warehouse

    settings, _ = settings_from(params, set_)
    if everything:
        removed = start_over(settings, dry_run=dry_run)
    else:
        removed = open_warehouse(settings).clean(keep_days, dry_run=dry_run)
    for name in removed:
        console.print(plain(name))
    console.print(f"{len(removed)} {'would be removed' if dry_run else 'removed'}")
