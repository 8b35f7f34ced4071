"""Which tables and columns there are, read from a warehouse that flattening made.

This is what the floor is told beforehand, and so is neither found nor paid for by it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from engagement.flatten.fields import registered
from engagement.flatten.tables import event_tables
from engagement.settings import load_settings
from engagement.warehouse import open_warehouse


def write_plan(database: Path, plan: Path) -> None:
    """Write, as JSON, each per-event table of a DuckDB file: its events, columns and their paths.

    ``tracks`` is left out: every event's own table has its rows.
    """
    settings = load_settings(None, {"warehouse.duckdb.path": str(database)})
    with open_warehouse(settings).session() as session:
        wanted = event_tables(registered(session), {})
        tables = [
            {
                "name": table.name,
                "type": table.kind,
                "events": table.events,
                "rows": table.rows,
                "columns": session.columns(table.table),
                "paths": {
                    column.name: [source.path for source in column.sources]
                    for column, _ in table.columns
                },
            }
            for table in wanted
            if table.kind != "tracks" and table.rows
        ]
    plan.write_text(json.dumps(tables, indent=1))


if __name__ == "__main__":
    write_plan(Path(sys.argv[1]), Path(sys.argv[2]))
    print("{}")
