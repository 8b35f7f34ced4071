"""What was taken in from the landing, and what a run would do now."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from engagement.flatten import increments
from engagement.flatten.ingest import REASONS
from engagement.landing import loaded
from engagement.landing.do_not_reload import REASON
from engagement.landing.failures import failures
from engagement.messages import counted
from engagement.settings import Settings
from engagement.warehouse import Table, Warehouse
from engagement.warehouse.loaded import LoadedWarehouse
from engagement.warehouse.reading import landing_warehouse

_LEDGER = Table("landing", "ledger")


@dataclass(frozen=True)
class Status:
    """The ledger, one row per received date, and sentences about what a run would do.

    ``reasons`` counts the records that were set aside, by date and reason; ``failures`` what
    Firehose could not deliver, by date and type of error.
    """

    ledger: pd.DataFrame
    lines: tuple[str, ...]
    reasons: pd.DataFrame = field(default_factory=pd.DataFrame)
    failures: pd.DataFrame = field(default_factory=pd.DataFrame)


def status(warehouse: Warehouse, settings: Settings) -> Status:
    """Compare the landing with what was taken in, by names, sizes and tags: no file is read.

    Where RudderStack loads the tables, the ledger counts what it has loaded.
    """
    if isinstance(warehouse, LoadedWarehouse):
        return _loaded(warehouse)
    landing = landing_warehouse(warehouse).landing_files()
    failed = failures(warehouse, settings, read=False)
    if not warehouse.exists():
        return Status(pd.DataFrame(), _nothing(len(landing.files)), failures=failed)
    with warehouse.session() as session:
        plan = increments.plan(session, landing, settings)
        if not session.columns(_LEDGER):
            return Status(pd.DataFrame(), _nothing(len(landing.files)), failures=failed)
        ledger = session.query(f"select * from {_LEDGER} order by received_at_utc_date")
        files = session.query("select file, bytes from landing.files")
        reasons = pd.DataFrame()
        if session.columns(REASONS):
            reasons = session.query(
                f"select received_at_utc_date, reason, records from {REASONS} order by 1, 2"
            )
    taken = dict(zip(files["file"], files["bytes"], strict=True))
    landed = {file.name: file.size for file in landing.files}
    new = sorted(landed.keys() - taken.keys())
    gone = sorted(taken.keys() - landed.keys())
    changed = sorted(name for name in landed.keys() & taken.keys() if landed[name] != taken[name])
    lines = [
        f"{counted(len(names), 'file')} {what}: {', '.join(names[:3])}"
        + (" …" if len(names) > 3 else "")
        for what, names in (("new", new), ("changed", changed), ("gone", gone))
        if names
    ]
    late = int(reasons.loc[reasons["reason"] == REASON, "records"].sum()) if len(reasons) else 0
    if late:
        lines.append(
            f"{counted(late, 'record')} of people who were erased {'has' if late == 1 else 'have'} "
            "landed: 'engagement erase --again' takes them out"
        )
    return Status(ledger, (*lines, *plan.sentences()), reasons, failed)


def _loaded(warehouse: LoadedWarehouse) -> Status:
    found = loaded.inventory(warehouse)
    with warehouse.session() as session:
        ledger = session.query(f"select * from {_LEDGER} order by received_at_utc_date")
    return Status(ledger, (found.sentence().replace("*", "").replace("`", ""),))


def _nothing(files: int) -> tuple[str, ...]:
    have = "has" if files == 1 else "have"
    return (f"Nothing was taken in yet; {counted(files, 'file')} {have} landed.",)
