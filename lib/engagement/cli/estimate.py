"""``engagement estimate``: what a landing costs on AWS, before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engagement.cli.console import Params, Sets, as_json, console, grid, plain, settings_from, write

if TYPE_CHECKING:
    from engagement.estimate.bill import Bill


def estimate(
    params: Params = None,
    set_: Sets = None,
    events_per_day: Annotated[
        float | None,
        typer.Option(
            min=1, max=1e11, help="Events a day. Default: what the ledger or landing say."
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=3660, help="With --events-per-day: days in the first run.")
    ] = 30,
    event_bytes: Annotated[
        float | None, typer.Option(min=1, max=1e7, help="Bytes of one event's JSON, as sent.")
    ] = None,
    tables: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="With --events-per-day: tables of events."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say what a first run, a day and a month cost on AWS, each with its formula."""
    from engagement.estimate import bill as bills
    from engagement.estimate import volume as volumes
    from engagement.estimate.calibration import calibration

    settings, _ = settings_from(params, set_)
    if events_per_day is not None:
        volume = volumes.told(
            events_per_day, days, calibration(), event_bytes=event_bytes, tables=tables
        )
    else:
        from engagement.warehouse import open_warehouse

        volume = bills.what_lands(open_warehouse(settings), event_bytes=event_bytes)
    made = bills.bill(settings, volume)
    if json:
        write(as_json([made.as_json()])[1:-1].strip() + "\n")
    else:
        _show(made)


def _show(made: Bill) -> None:
    from engagement.estimate.bill import NOT_INCLUDED, PERIODS, size

    console.print(plain(f"Reckoned from {made.volume.source}."))
    listed = made.prices
    console.print(
        plain(
            f"Prices: {listed.region}, checked {listed.checked}. Bytes and statements: measured on "
            f"{made.calibration.engine}, {made.calibration.made}."
        )
    )
    for service in made.services():
        console.print(f"\n[bold]{plain(service)}[/]")
        own = [line for line in made.lines if line.service == service]
        rows = [(one.period, one.what, _dollars(one.usd), one.formula) for one in own]
        grid(["period", "what", "USD", "formula"], rows, right={2})
        if service == "Athena":
            console.print()
            notebooks = [
                (name, f"{first:,.0f}", size(scanned), f"{later:,.0f}", size(day))
                for name, first, scanned, later, day in made.by_notebook()
            ]
            header = ["notebook", "first run", "scans", "a day", "scans"]
            grid(header, notebooks, right={1, 2, 3, 4})
    console.print("\n[bold]Total[/]")
    totals = [
        [service, *(_dollars(made.total(period, service)) for period in PERIODS)]
        for service in made.services()
    ]
    totals.append(["all", *(_dollars(made.total(period)) for period in PERIODS)])
    grid(["USD", *PERIODS], totals, right={1, 2, 3})
    console.print("\n[bold]Not included[/]")
    for what in NOT_INCLUDED:
        console.print(plain(f"  - {what}"))
    unsure = made.unsure()
    if unsure:
        console.print(
            plain(
                f"Prices from few public pages: {', '.join(unsure)}. Check them, and set your own "
                "by estimate.prices."
            )
        )


def _dollars(usd: float) -> str:
    return f"{usd:,.2f}" if usd >= 1 or usd == 0 else f"{usd:,.5f}"
