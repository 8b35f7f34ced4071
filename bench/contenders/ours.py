"""What is here: every table, the schema registry, the ledger, in one new DuckDB file.

It also counts the landed files that were opened, and the bytes that were read in all.
"""

from __future__ import annotations

import sys
from pathlib import Path

from task import task

# What opening a warehouse would import is no work of flattening either.
import engagement.warehouse.duckdb.warehouse  # noqa: F401
from engagement.flatten import flatten
from engagement.settings import load_settings
from engagement.warehouse import open_warehouse

DATABASE = "engagement.duckdb"


def _bytes_read() -> int:
    words = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(words["rchar"])


def _opened_below(folder: Path) -> set[Path]:
    """Paths below a folder that this process opens from now on."""
    opened: set[Path] = set()

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str):
            path = Path(arguments[0])
            if folder in path.parents:
                opened.add(path)

    sys.addaudithook(note)
    return opened


if __name__ == "__main__":
    with task() as work:
        opened = _opened_below(work.landing)
        before = _bytes_read()
        settings = load_settings(
            None,
            {
                "landing.location": str(work.landing),
                "warehouse.duckdb.path": str(work.out / DATABASE),
                **work.options.get("settings", {}),
            },
        )
        report = flatten(open_warehouse(settings), settings)
        own = [t for t in report.tables if t.table.name not in ("tracks", "users")]
        work.said["events"] = sum(table.rows for table in own)
        work.said["tables"] = len(report.tables)
        work.said["days_read"] = len(report.days_read)
        work.said["files_opened"] = len([path for path in opened if path.is_file()])
        work.said["bytes_read"] = _bytes_read() - before
        work.said["database_bytes"] = (work.out / DATABASE).stat().st_size
