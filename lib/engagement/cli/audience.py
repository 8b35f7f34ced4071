"""``engagement audience plan | send | status | down``: a segment in Customer Profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from engagement.audience.activating import Prepared
    from engagement.settings import Settings

audience = typer.Typer(
    no_args_is_help=True,
    help="Plan, send, inspect or remove a segment in Amazon Connect Customer Profiles.",
)

Name = Annotated[
    str | None,
    typer.Argument(
        help="A segment's name, or the path of its file. Default: audience.segment.",
        metavar="SEGMENT",
    ),
]

REPORT = "audience.json"


@audience.command("plan")
@guarded
def plan_(name: Name = None, params: Params = None, set_: Sets = None) -> None:
    """Write the segment's files and every call that a send would make; nothing is sent."""
    from engagement.audience import activating
    from engagement.aws import requests
    from engagement.messages import counted

    settings, _ = settings_from(params, set_)
    with errors.status("writing the segment's files"):
        prepared = _prepared(settings, name)
        calls = activating.plan(settings, prepared)
        is_recorded = activating.record_written(settings, prepared) is not None
    _show_files(prepared)
    frame = requests.frame(calls)
    rows = [
        (str(r.step), f"{r.service}.{r.operation}", f"{r.people:,}" if r.people else "", r.why)
        for r in frame.itertuples(index=False)
    ]
    grid(["step", "call", "people", "what for"], rows, right={0, 2})
    place = prepared.folder / activating.REQUESTS / "audience"
    console.print(f"Nothing was sent. The calls, checked: {plain(shown_path(place))}")
    if is_recorded:
        people = counted(prepared.profiles.people, "person counts", "people count")
        console.print(f"{people} as exported: activation.exported_when is written.")


@audience.command()
@guarded
def send(
    name: Name = None,
    afresh: Annotated[
        bool,
        typer.Option(
            "--afresh", help="Forget what was sent, and any interrupted send: send everybody."
        ),
    ] = False,
    params: Params = None,
    set_: Sets = None,
) -> None:
    """Send what has changed since the last send; an interrupted send is finished first."""
    from engagement.audience import activating

    settings, _ = settings_from(params, set_)
    with errors.status("writing the segment's files") as status:
        prepared = _prepared(settings, name)
        report = activating.send(
            settings, prepared, lambda text: status.update(plain(text)), afresh=afresh
        )
    _keep(prepared.folder / REPORT, report.document())
    for line in report.lines():
        console.print(plain(line))
    console.print("[bold green]done[/]")


@audience.command()
@guarded
def status(name: Name = None, params: Params = None, set_: Sets = None) -> None:
    """Show what was sent, what is under way, and what the services have."""
    from engagement.audience import looking
    from engagement.audience.sending import Sender

    settings, _ = settings_from(params, set_)
    segment = looking.named(settings, name or settings.audience.segment)
    for line in Sender(settings, segment).status():
        console.print(plain(line))


@audience.command()
@guarded
def down(
    name: Name = None,
    domain: Annotated[
        bool,
        typer.Option(
            "--domain",
            help="Also remove the domain with every profile in it, if this project made it.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove them. Without it, only show what is there.")
    ] = False,
    params: Params = None,
    set_: Sets = None,
) -> None:
    """Remove the segment's campaign, definitions and object type, if this project made them."""
    from engagement.audience import looking
    from engagement.audience.sending import Sender

    settings, _ = settings_from(params, set_)
    segment = looking.named(settings, name or settings.audience.segment)
    sender = Sender(settings, segment)
    if not yes:
        for line in sender.status():
            console.print(plain(line))
        console.print("Nothing was removed. Add --yes to remove what this project made.")
        return
    gone = sender.down(domain=domain)
    for one in gone:
        console.print(f"removed: {plain(one)}")
    console.print("[bold green]done[/]" if gone else "There was nothing to remove.")


def _prepared(settings: Settings, name: str | None) -> Prepared:
    from engagement.as_of import resolve_as_of
    from engagement.audience import activating, looking
    from engagement.runs.workbook import INTERACTIVE
    from engagement.warehouse import open_warehouse

    segment = looking.named(settings, name or settings.audience.segment)
    warehouse = open_warehouse(settings)
    as_of = resolve_as_of(warehouse, settings)
    folder = settings.path(settings.run.directory) / INTERACTIVE
    return activating.prepare(warehouse, settings, segment, as_of, folder)


def _show_files(prepared: Prepared) -> None:
    every = [
        *prepared.profiles.files,
        *(file for done in prepared.ads.values() for file in done.files),
        *prepared.plain,
    ]
    rows = [(str(shown_path(f.path)), f"{f.rows:,}", f"{f.bytes:,}", f.sha256[:12]) for f in every]
    if rows:
        grid(["file", "rows", "bytes", "sha256"], rows, right={1, 2})
    else:
        console.print("Nobody is in the segment, or nobody can be reached: there is no file.")


def _keep(path: Path, document: dict[str, Any]) -> None:
    from engagement import owner_only

    owner_only.folder(path.parent)
    owner_only.replace(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
