"""``engagement init``: a team's own repository, with notebooks, parameters and samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engagement.cli.console import console, plain


def init(
    folder: Annotated[
        str, typer.Argument(help="The folder; made if it is not there.", metavar="[FOLDER]")
    ] = ".",
    upgrade: Annotated[
        bool,
        typer.Option(
            "--upgrade",
            help="Bring a folder up to date with this version: what nobody has edited is "
            "refreshed, what is new is added, everything else stays.",
        ),
    ] = False,
) -> None:
    """Lay notebooks, parameters and a small sample into a folder of your own."""
    from engagement.init import laying
    from engagement.project import checkout

    place = Path(folder).expanduser()
    if place.exists() and not place.is_dir():
        raise laying.InitError(f"{folder} is a file; name a folder")
    own = checkout()
    if own is not None and own in (place.resolve(), *place.resolve().parents):
        raise laying.InitError(
            f"{folder} is in the checkout of the package, which has all of it: name a folder "
            "elsewhere"
        )
    if upgrade:
        laid = laying.upgrade(place)
        console.print(f"From version {plain(laid.before or '?')} to {plain(laid.version)}:")
    else:
        place.mkdir(parents=True, exist_ok=True)
        laid = laying.lay_down(place)
        console.print(f"Version {plain(laid.version)} in {plain(place)}:")
    for line in laid.lines():
        console.print(f"  {plain(line)}")
    if not upgrade:
        enter = "" if folder == "." else f"'cd {folder}', then "
        console.print(plain(f"Next: {enter}'engagement run' runs the notebooks on the samples."))
