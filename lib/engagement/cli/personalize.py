"""``engagement personalize``: Amazon Personalize planned, set up, looked at, fed live, removed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from engagement.cli.console import (
    Params,
    Sets,
    console,
    grid,
    guarded,
    plain,
    settings_from,
    shown_path,
)
from engagement.cli.personalize_export import export
from engagement.messages import counted

app = typer.Typer(
    no_args_is_help=True,
    help="Recommendations by Amazon Personalize: plan, set up, send live events, remove.",
)

Exports = Annotated[
    str | None,
    typer.Option(
        "--exports",
        help="The folder with the data sets. Default: the newest of any run.",
        metavar="FOLDER",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Say yes to every step that costs.")]


def plan(params: Params = None, set_: Sets = None, exports: Exports = None) -> None:
    """Write down every call of the set-up, with what it costs, and send none."""
    from engagement.personalize.planning import make_plan

    settings, _ = settings_from(params, set_)
    made = make_plan(settings, _exports(settings, exports))
    rows = [
        (str(number), call.service, call.operation, call.why)
        for number, call in enumerate(made.calls, start=1)
    ]
    grid(["step", "service", "call", "why"], rows, right={0})
    if made.billed:
        console.print("What costs:")
        for one in made.billed:
            console.print(plain(f"  {one}"))
    for gap in made.gaps:
        console.print(plain(f"Note: {gap}"))
    number = counted(len(made.calls), "call")
    console.print(plain(f"{number} written to {shown_path(made.folder)}; none sent."))
    if made.destinations is not None:
        console.print(plain(f"RudderStack's destinations: {shown_path(made.destinations)}"))


def up(params: Params = None, set_: Sets = None, exports: Exports = None, yes: Yes = False) -> None:
    """Make what is missing in the account, and wait for it; asks before each step that costs."""
    from engagement.personalize import setup

    settings, _ = settings_from(params, set_)
    if not settings.personalize.submit:
        console.print("personalize.submit is false, so nothing is sent. This is the plan:")
        plan(params, set_, exports)
        return
    from engagement.personalize.exported import exported, received_before

    one, folder = _setup(settings, yes), _exports(settings, exports)
    made = setup.up(one, settings, exported(folder))
    if not one.changes:
        console.print("Everything is there as it should be: nothing was changed.")
    console.print(
        plain(
            f"done: {counted(len(made.datasets), 'data set')}, "
            f"{counted(len(made.recommenders) + len(made.campaigns), 'endpoint')}, "
            f"{counted(len(made.filters), 'filter')}."
        )
    )
    if moment := received_before(folder):
        since = f"engagement personalize replay --since {moment}"
        console.print(plain(f"Live events after what was imported: {since}"))


def status(params: Params = None, set_: Sets = None) -> None:
    """Show what there is in the account, its state, and why it failed; and what was sent live."""
    from engagement.personalize import removal
    from engagement.personalize.checkpoint import read_progress
    from engagement.personalize.setup import Names

    settings, _ = settings_from(params, set_)
    live = read_progress(settings.path(settings.personalize.live.checkpoint))
    if live is not None:
        sent = counted(live.counts.get("sent", 0), "entry", "entries")
        console.print(plain(f"Live: {sent} sent from {counted(live.files, 'file')}."))
    if not settings.personalize.submit:
        console.print("personalize.submit is false: no account is asked.")
        return
    one = _setup(settings, yes=False)
    rows = [
        (there.kind.label, there.name, there.status, there.reason)
        for there in removal.everything(one, Names.of(settings).group)
    ]
    if not rows:
        console.print("Nothing of this project is there.")
        return
    grid(["kind", "name", "status", "reason"], rows, right=set())


def metrics(
    name: Annotated[str, typer.Argument(help="A recommender or a solution.", metavar="NAME")],
    file: Annotated[str, typer.Argument(help="The file to write.", metavar="FILE")],
    params: Params = None,
    set_: Sets = None,
) -> None:
    """Save the service's own offline metrics; 06 shows them beside those of the baselines."""
    from engagement.personalize import offline
    from engagement.personalize.service import SetupError

    settings, _ = settings_from(params, set_)
    if not settings.personalize.submit:
        raise SetupError("personalize.submit is false: no account is asked")
    found = offline.offline_metrics(_setup(settings, yes=False), settings, name)
    offline.save(found, Path(file))
    grid(["metric", "value"], [(key, f"{value:.4f}") for key, value in found.items()], right={1})
    console.print(plain(f"Saved to {file}: set personalize.offline_metrics to it."))


def down(
    params: Params = None,
    set_: Sets = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove everything that carries the project's tag, and prove that nothing is left."""
    from engagement.personalize import removal
    from engagement.personalize.service import SetupError
    from engagement.personalize.setup import Names

    settings, _ = settings_from(params, set_)
    if not settings.personalize.submit:
        console.print("personalize.submit is false: nothing was sent, so nothing is removed.")
        return
    one = _setup(settings, yes)
    there = list(removal.everything(one, Names.of(settings).group))
    for item in there:
        console.print(plain(f"  {item.kind.label} {item.name}"))
    if there and not yes and not _agreed(f"Remove these {len(there)} things?"):
        raise SetupError("nothing was removed: no yes was given")
    removal.down(one, settings)
    console.print("[bold green]done[/]: nothing that carries the project's tag is left.")


def replay(
    params: Params = None,
    set_: Sets = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what lands, until Ctrl-C.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Read all files anew, after a change of the mapping; send what is new."
        ),
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Pass over what was received before, in UTC, which the data sets have.",
            metavar="MOMENT",
        ),
    ] = None,
) -> None:
    """Send landed events to Personalize, each once, as RudderStack's own destination would."""
    from engagement.personalize import live

    settings, _ = settings_from(params, set_)
    first = since.replace(tzinfo=UTC) if since is not None else None
    if not settings.personalize.submit:
        _replay_planned(settings, first)
        return
    tracking_id, datasets = live.target_of(settings)

    def told(file: Any, done: Any) -> None:
        console.print(plain(f"  {file.name}: {done.sent:,} sent so far"))

    with live.replayer(
        settings, tracking_id, datasets, since=first, again=again, progress=told
    ) as one:
        if follow:
            console.print("Following the landing. Ctrl-C ends it; nothing is lost.")
            in_s3 = settings.landing.location.startswith("s3://")
            done = one.follow(threading.Event(), poll=30.0 if in_s3 else 2.0)
        else:
            done = one.run()
    for line in live.lines(done):
        console.print(plain(line))


def _replay_planned(settings: Any, first: datetime | None) -> None:
    from engagement.personalize import live

    planned = live.plan(settings, since=first)
    console.print("personalize.submit is false, so nothing is sent. It would be:")
    for line in planned.lines:
        console.print(plain(f"  {line}"))
    console.print(plain(f"One sample of each call: {shown_path(planned.folder)}"))


def _exports(settings: Any, exports: str | None) -> Path:
    from engagement.personalize.exported import newest_exports

    if exports is not None:
        return Path(exports)
    return newest_exports(settings.path(settings.run.directory))


def _setup(settings: Any, yes: bool) -> Any:
    from engagement.personalize.resources import Billable, Setup
    from engagement.personalize.service import AwsCaller

    def consent(billable: Billable) -> bool:
        console.print(plain(f"costs: {billable}"))
        return yes or _agreed("Make it?")

    chosen = settings.personalize
    return Setup(
        AwsCaller(chosen.region),
        settings.project,
        consent,
        tell=lambda line: console.print(plain(f"  {line}")),
        seconds=chosen.wait_hours * 3600,
        pause=chosen.poll_seconds,
    )


def _agreed(question: str) -> bool:
    import sys

    return sys.stdin.isatty() and typer.confirm(question)


for command in (plan, up, status, replay, metrics, export, down):
    app.command()(guarded(command))
