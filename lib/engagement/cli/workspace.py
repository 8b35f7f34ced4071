"""``engagement workspace``: the data plane's configuration, with the mapping of the parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engagement.cli.console import Params, Sets, console, plain, settings_from, shown_path
from engagement.messages import counted
from engagement.project import packaged
from engagement.settings import ROOT, Settings

TEMPLATE = "deploy/dataplane/workspaceConfig.template.json"
WRITTEN = "deploy/dataplane/workspaceConfig.json"

Fill = Annotated[
    list[str] | None,
    typer.Option(
        "--fill", help="A placeholder's value, no secret. Repeatable.", metavar="NAME=VALUE"
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", help="Leave a destination out. Repeatable.", metavar="NAME"),
]
Template = Annotated[
    str, typer.Option("--template", help="The template, if it is another.", metavar="FILE")
]
Out = Annotated[str, typer.Option("--out", help="The file to write.", metavar="FILE")]


def workspace(
    params: Params = None,
    set_: Sets = None,
    fill: Fill = None,
    without: Without = None,
    template: Template = TEMPLATE,
    out: Out = WRITTEN,
) -> None:
    """Write RudderStack's workspaceConfig.json: sources, Firehose, Personalize, Redshift."""
    from engagement import owner_only
    from engagement.collect.workspace import WorkspaceError, read_template, render
    from engagement.personalize.mapping import destination_configs, load_mapping

    settings, _ = settings_from(params, set_)
    values: dict[str, str] = {}
    for text in fill or []:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise WorkspaceError(f"--fill {name}: write NAME=VALUE")
        values[name] = value
    personalize = destination_configs(
        load_mapping(settings.path(settings.personalize.live.mapping)),
        "${PERSONALIZE_REGION}",
        "${PERSONALIZE_TRACKING_ID}",
        {"users": "${PERSONALIZE_USERS_DATASET}", "items": "${PERSONALIZE_ITEMS_DATASET}"},
    )
    made = render(
        read_template(_path(template, TEMPLATE)),
        {"personalize": personalize},
        values,
        known=_from_parameters(settings),
        without=without or [],
    )
    path = _path(out, WRITTEN)
    owner_only.replace(path, made.text)
    sources = counted(len(made.sources), "source")
    destinations = counted(len(made.destinations), "destination")
    console.print(plain(f"{sources} and {destinations} written to {shown_path(path)}"))
    if made.missing:
        console.print("Placeholders left, to fill in when the file goes to the cluster:")
        for name in made.missing:
            console.print(plain(f"  {name}"))


def _path(name: str, default: str) -> Path:
    """A file as it was typed, or the project's own."""
    if name != default:
        return Path(name)
    return packaged(default) if default == TEMPLATE else ROOT / default


def _from_parameters(settings: Settings) -> dict[str, str]:
    """What the parameters know of placeholders."""
    known: dict[str, str] = {}
    if settings.collect.firehose is not None:
        known["FIREHOSE_STREAM"] = settings.collect.firehose.stream
        known["FIREHOSE_REGION"] = settings.collect.firehose.region
    if settings.personalize.region is not None:
        known["PERSONALIZE_REGION"] = settings.personalize.region
    if settings.personalize.live.tracking_id is not None:
        known["PERSONALIZE_TRACKING_ID"] = settings.personalize.live.tracking_id
    return known
