"""What the models cost beside flattening: CPU of each stage, and rows of the dashboards' tables."""

from __future__ import annotations

import time
from pathlib import Path

from task import task

# What opening a warehouse would import is no work of a stage either.
import engagement.warehouse.duckdb.warehouse  # noqa: F401
from engagement.as_of import resolve_as_of
from engagement.flatten import flatten
from engagement.models.runner import build
from engagement.settings import load_settings
from engagement.warehouse import open_warehouse

DATABASE = "engagement.duckdb"

STAGES = {
    "people, sessions, orders": ("people", "behaviour", "commerce"),
    "customers": ("customer",),
    "aggregates": ("dashboards",),
}




def peak() -> int:
    """Bytes of memory at most since the last call; Linux forgets the peak when it is told so."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return int(found.split()[1]) * 1024


if __name__ == "__main__":
    with task() as work:
        settings = load_settings(
            None,
            {
                "landing.location": str(work.landing),
                "warehouse.duckdb.path": str(work.out / DATABASE),
                **work.options.get("settings", {}),
            },
        )
        warehouse = open_warehouse(settings)
        stages, peaks, rows, before = {}, {}, {}, time.process_time()
        report = flatten(warehouse, settings)
        stages["flattening"], before = time.process_time() - before, time.process_time()
        peaks["flattening"] = peak()
        for name, layers in STAGES.items():
            built = build(warehouse, settings, resolve_as_of(warehouse, settings), layers)
            stages[name], before = time.process_time() - before, time.process_time()
            peaks[name] = peak()
            rows |= {one.model: one.rows for one in built if one.layer == "dashboards"}
        own = [t for t in report.tables if t.table.name not in ("tracks", "users")]
        work.said["events"] = sum(table.rows for table in own)
        work.said["stages"] = stages
        work.said["peaks"] = peaks
        work.said["rows"] = rows
