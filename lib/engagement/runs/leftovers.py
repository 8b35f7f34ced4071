"""Starting over: everything that runs have made goes, and what erasures have left stays.

Receipts prove what was erased, and the do-not-reload list keeps erased people out: neither can be
made again, so neither is ever removed here.
"""

from __future__ import annotations

import shutil

from engagement.landing import do_not_reload
from engagement.runs.history import RUN_ID
from engagement.runs.workbook import INTERACTIVE
from engagement.settings import Settings
from engagement.warehouse import WarehouseError, open_warehouse
from engagement.warehouse.lease import as_holder
from engagement.warehouse.protocol import Emptiable

KEPT = (do_not_reload.ERASED, do_not_reload.KEY)
"""The tables that stay."""


def start_over(settings: Settings, *, dry_run: bool = False) -> list[str]:
    """Remove the folders of runs and the tables of the local warehouse; gives what went.

    What else is in the folder of runs is not of a run, and stays.

    Raises
    ------
    LeaseHeldError
        When a run is going on.
    WarehouseError
        When the warehouse is not a local file.
    """
    warehouse = open_warehouse(settings)
    if not isinstance(warehouse, Emptiable):
        raise WarehouseError(
            "only a local warehouse can be emptied: on AWS, 'engagement clean' removes what no "
            "table needs any more"
        )
    gone = []
    with warehouse.lease("engagement clean") as token, as_holder(token):
        runs = settings.path(settings.run.directory)
        for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
            is_run = bool(RUN_ID.fullmatch(folder.name)) or folder.name == INTERACTIVE
            if is_run and folder.is_dir() and not folder.is_symlink():
                gone.append(str(folder))
                if not dry_run:
                    shutil.rmtree(folder)
        return gone + warehouse.start_over(KEPT, dry_run=dry_run)
