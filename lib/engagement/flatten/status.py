"""What was taken in from the landing, and what a run would do now."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from engagement.flatten import increments
from engagement.settings import Settings
from engagement.warehouse import Table, Warehouse

_LEDGER = Table("landing", "ledger")


@dataclass(frozen=True)
class Status:
    """The ledger, one row per received date, and sentences about what a run would do."""

    ledger: pd.DataFrame
    lines: tuple[str, ...]


def status(warehouse: Warehouse, settings: Settings) -> Status:
    """Compare the landing with what was taken in, by names, sizes and tags: no file is read."""
    landing = warehouse.landing_files()
    if not warehouse.exists():
        return Status(pd.DataFrame(), _nothing(len(landing.files)))
    with warehouse.session() as session:
        plan = increments.plan(session, landing, settings)
        if not session.columns(_LEDGER):
            return Status(pd.DataFrame(), _nothing(len(landing.files)))
        ledger = session.query(f"select * from {_LEDGER} order by received_at_utc_date")
        files = session.query("select file, bytes from landing.files")
    taken = dict(zip(files["file"], files["bytes"], strict=True))
    landed = {file.name: file.size for file in landing.files}
    new = sorted(landed.keys() - taken.keys())
    gone = sorted(taken.keys() - landed.keys())
    changed = sorted(name for name in landed.keys() & taken.keys() if landed[name] != taken[name])
    lines = [
        f"{len(names)} files {what}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
        for what, names in (("new", new), ("changed", changed), ("gone", gone))
        if names
    ]
    return Status(ledger, (*lines, *plan.sentences()))


def _nothing(files: int) -> tuple[str, ...]:
    return (f"Nothing was taken in yet; {files} files have landed.",)
