"""``engagement demo``: the shop, the collector and runs that follow, together or one by one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from engagement.cli.console import (
    Sets,
    console,
    errors,
    guarded,
    plain,
    settings_from,
)
from engagement.messages import counted
from engagement.privacy import masked

if TYPE_CHECKING:
    from engagement.demo.rounds import Round

_PARAMS = "params/demo.yaml"

Params = Annotated[
    str | None,
    typer.Option("--params", help=f"The parameter file. Default: {_PARAMS}.", metavar="FILE"),
]

app = typer.Typer(
    add_completion=False,
    help="A shop in your browser: within a minute its events are in tables and its pages change.",
)


@app.callback(invoke_without_command=True)
@guarded
def demo(context: typer.Context, params: Params = None, set_: Sets = None) -> None:
    """Run the shop, the collector and runs that follow; Ctrl-C ends them all."""
    if context.invoked_subcommand is not None:
        return
    from engagement.demo import whole

    chosen = params or _PARAMS
    settings, _ = settings_from(chosen, set_)
    arguments = ["--params", chosen]
    for one in set_ or []:
        arguments += ["--set", one]
    whole.start(settings, arguments, say=lambda line: console.print(plain(line)))
    console.print("Stopped.")


@app.command()
@guarded
def shop(params: Params = None, set_: Sets = None) -> None:
    """Serve the shop alone, as it was built before."""
    from engagement.demo import server, whole

    settings, _ = settings_from(params or _PARAMS, set_)
    where = whole.places(settings)
    key = settings.collect.write_keys[0]
    built = server.build(where.site, where.answers, where.collector, key, settings.demo.host)
    server.serve(built, settings.demo.host, settings.demo.port)


@app.command()
@guarded
def follow(params: Params = None, set_: Sets = None) -> None:
    """Build the tables of 02 and 03 after each landing, and export what the shop shows."""
    from engagement.demo import rounds, whole

    settings, _ = settings_from(params or _PARAMS, set_)
    rounds.follow(
        settings,
        whole.places(settings).answers,
        done=_done,
        failed=lambda error: errors.print(f"[bold red]error:[/] {plain(masked(str(error)))}"),
    )


def _done(this: Round, before: Round | None) -> None:
    def with_more(count: int, old: int, thing: str) -> str:
        more = f" ({count - old:+,})" if count != old else ""
        return f"{counted(count, thing)}{more}"

    old = before or this
    events = with_more(this.events, old.events, "event")
    orders = with_more(this.orders, old.orders, "order")
    new = "shop updated" if this.exported.is_new else "shop unchanged"
    now = f"{datetime.now().astimezone():%H:%M:%S}"
    console.print(f"{now}  {events}, {orders}; {new}; {this.seconds:.1f} seconds")
