"""The command line: ``engagement run | query | tables | check | status | clean | …``.

One module per topic. A command is listed below, in the order in which ``--help`` shows it; a topic
with several verbs is a Typer app of its own. Exit codes: 0 done, 1 failed, 2 wrong input.
"""

from __future__ import annotations

from typing import Annotated

import typer

from engagement.cli import (
    audience,
    build,
    collect,
    dbt,
    demo,
    erase,
    estimate,
    generate,
    init,
    landed,
    mcp,
    personalize,
    quicksight,
    read,
    report,
    roles,
    run,
    runs,
    segments,
    state,
    workspace,
)
from engagement.cli.console import app, guarded

__all__ = ["app", "main"]

for command in (
    run.run,
    runs.runs,
    build.build,
    read.query,
    read.tables,
    state.check,
    state.status,
    landed.landed,
    state.clean,
    roles.roles,
    erase.erase,
    generate.generate,
    collect.collect,
    workspace.workspace,
    dbt.export_dbt,
    report.report,
    estimate.estimate,
    mcp.mcp,
    init.init,
):
    app.command()(guarded(command))

app.add_typer(segments.segments, name="segments")
app.add_typer(audience.audience, name="audience")
app.add_typer(personalize.app, name="personalize")
app.add_typer(quicksight.topic, name="quicksight")
app.add_typer(demo.app, name="demo")


def _version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"engagement {version('engagement')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Say which version this is."
        ),
    ] = False,
) -> None:
    del version  # its callback has answered it


def main() -> None:
    """Entry point of the ``engagement`` command."""
    app()
