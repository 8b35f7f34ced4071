"""What was taken in from the landing, and what has landed or changed since."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from engagement.warehouse import Table, Warehouse


@dataclass(frozen=True)
class Status:
    """The ledger, one row per received date, and sentences about what a run would do."""

    ledger: pd.DataFrame
    lines: tuple[str, ...]


def status(warehouse: Warehouse) -> Status:
    """Compare the landing, by names and sizes and without reading it, with what was taken in."""
    landed = {file.name: file.size for file in warehouse.landing_files().files}
    taken: dict[str, int] = {}
    ledger = pd.DataFrame()
    if warehouse.exists():
        with warehouse.session() as session:
            if session.columns(Table("landing", "ledger")):
                ledger = session.query("select * from landing.ledger order by received_at_utc_date")
                files = session.query("select file, bytes from landing.files")
                taken = dict(zip(files["file"], files["bytes"], strict=True))
    new = sorted(landed.keys() - taken.keys())
    gone = sorted(taken.keys() - landed.keys())
    changed = sorted(name for name in landed.keys() & taken.keys() if landed[name] != taken[name])
    if not taken:
        return Status(ledger, (f"Nothing was taken in yet; {len(landed)} files have landed.",))
    lines = [
        f"{len(frame)} files {what}: {', '.join(frame[:3])}{' …' if len(frame) > 3 else ''}"
        for what, frame in (("new", new), ("changed", changed), ("gone", gone))
        if frame
    ]
    return Status(ledger, tuple(lines or ["Everything that has landed was taken in."]))
