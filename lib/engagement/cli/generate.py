"""``engagement generate``: events of an invented shop, as files or live."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from engagement.cli.console import (
    console,
    plain,
    shown_path,
)
from engagement.messages import counted
from engagement.settings import (
    ROOT,
    SettingsError,
)


def generate(
    users: Annotated[int | None, typer.Option(min=1, help="People who visit the shop.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days of events.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same events.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="The landing folder to make; new or empty.", metavar="DIR")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="First day. Default: 2026-09-01, or with --to so that the last day is today.",
            metavar="YYYY-MM-DD",
        ),
    ] = None,
    dirt: Annotated[bool, typer.Option(help="With the dirt of real landings, or without.")] = True,
    profile: Annotated[
        Literal["samples"] | None, typer.Option(help="The settings of data/samples.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Post the events to this collector; no --out.", metavar="ADDRESS"),
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="With --to: events a second.")] = 50.0,
    follow: Annotated[
        bool, typer.Option("--follow", help="With --to: go on day by day, in the shop's own time.")
    ] = False,
    write_key: Annotated[
        str, typer.Option(help="With --to: the write key.", metavar="KEY")
    ] = "local",
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="With --to: the file that says how far it came.", metavar="FILE"),
    ] = None,
) -> None:
    """Make events of an invented shop: as files that Firehose would land, or live, by --to."""
    from engagement import samples

    if to is not None:
        if out is not None or profile is not None:
            raise samples.GeneratorError("--to posts events: leave --out and --profile out")
        file = checkpoint or _checkpoint_for(to)
        _generate_live(
            (to, write_key, rate, file, follow),
            (users, days, seed, _day(start) if start else None, dirt),
        )
        return
    if profile == "samples":
        settings = samples.SAMPLES
        out = out or ROOT / "data/samples/rudderstack_firehose"
    else:
        if users is None or days is None or out is None:
            raise samples.GeneratorError("give --users, --days and --out, or --profile samples")
        settings = samples.GeneratorSettings(
            users=users,
            days=days,
            seed=seed,
            start=_day(start or "2026-09-01"),
            dirt=samples.Dirt() if dirt else samples.Dirt.none(),
        )
    report = samples.generate(settings, out)
    events, files = counted(report.events, "event"), counted(report.files, "file")
    made = f"{events} in {files}, {report.bytes / 1e6:,.1f} MB"
    console.print(plain(f"{made}: {out}"))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError("--start", [f"'{text}' is not a date such as 2026-09-01"]) from None


def _checkpoint_for(address: str) -> Path:
    import re

    name = re.sub(r"[^A-Za-z0-9.]+", "-", address.rpartition("@")[2].partition("://")[2] or address)
    return ROOT / ".cache" / "live" / f"{name.strip('-')}.json"


def _generate_live(
    posting: tuple[str, str, float, Path, bool],
    shop: tuple[int | None, int | None, int, date | None, bool],
) -> None:
    """Post a generated shop's events, with a line that says how far it is."""
    from engagement.collect import shoppers

    address, write_key, rate, checkpoint, follow = posting
    users, days, seed, start, dirt = shop
    settings = shoppers.shop(checkpoint, users, days, seed, start, dirt=dirt)
    console.print(
        plain(
            f"{settings.users} people from {settings.start} on; goes on by {shown_path(checkpoint)}"
        )
    )
    where = shoppers.Posting(address, write_key, rate, checkpoint, follow)
    with console.status("starting") as status:

        def progress(done: shoppers.Progress) -> None:
            status.update(plain(_how_far(done)))

        done = shoppers.post(settings, where, progress=progress)
    console.print(f"[bold green]done[/]: {plain(_how_far(done))}")


def _how_far(done: Any) -> str:
    parts = [f"{counted(done.posted, 'event')} posted"]
    if done.moment is not None:
        parts.append(f"the shop's time {done.moment:%Y-%m-%d %H:%M} UTC")
    if done.refused:
        parts.append(f"{done.refused:,} refused")
    if done.retries:
        parts.append(f"{done.retries:,} {'retry' if done.retries == 1 else 'retries'}")
    if done.is_waiting:
        parts.append("waiting for what comes next")
    return ", ".join(parts)
