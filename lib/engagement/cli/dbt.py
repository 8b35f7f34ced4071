"""``engagement export-dbt``: the models as a dbt project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engagement.cli.console import Params, Sets, console, plain, settings_from, shown_path
from engagement.messages import counted, nearest


def export_dbt(
    target: Annotated[
        str,
        typer.Option("--target", help="redshift, postgres, athena or duckdb.", metavar="ENGINE"),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="The folder. Default: dbt/ENGINE in run.directory.", metavar="FOLDER"
        ),
    ] = None,
    params: Params = None,
    set_: Sets = None,
) -> None:
    """Write the models as a dbt project: SQL, sources, seeds, tests and documentation."""
    from engagement.dbt import files, project, targets
    from engagement.errors import WrongInputError

    if target not in targets.TARGETS:
        raise WrongInputError(
            f"--target {target}: there is no such engine{nearest(target, targets.TARGETS)}; "
            f"choose {', '.join(targets.TARGETS)}"
        )
    settings, _ = settings_from(params, set_)
    made = project.export(settings, targets.find(target))
    folder = Path(to) if to else settings.path(settings.run.directory) / "dbt" / target
    written = files.write(made, folder)
    models = sum(name.startswith("models/") and name.endswith(".sql") for name in made)
    console.print(
        plain(
            f"{counted(len(made), 'file')}, {counted(models, 'model')} among them: "
            f"{counted(len(written.changed), 'file')} written, {len(written.removed)} removed. "
            f"Start with {shown_path(folder / 'README.md')}"
        )
    )
