"""``engagement roles``: who may do what, as SQL for an administrator."""

from __future__ import annotations

from typing import Annotated

import typer

from engagement.cli.console import Params, Sets, settings_from


def roles(
    params: Params = None,
    set_: Sets = None,
    loader: Annotated[
        str | None, typer.Option(help="The user that RudderStack loads as, as 'IAMR:role'.")
    ] = None,
    builder: Annotated[
        str | None, typer.Option(help="The user that runs the workbook. Default: the parameters'.")
    ] = None,
) -> None:
    """Print the SQL that lets RudderStack load, the workbook build, and readers read.

    Nothing is sent: an administrator runs it once. It holds no password.
    """
    from engagement.warehouse.errors import WarehouseError
    from engagement.warehouse.registry import find_engine

    settings, _ = settings_from(params, set_)
    engine = find_engine(settings.warehouse.engine)
    if engine.roles is None:
        raise WarehouseError(f"{engine.name} has no roles of this kind")
    typer.echo(engine.roles(settings, loader, builder), nl=False)
