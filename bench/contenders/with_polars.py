"""polars, which finds the types by itself, to one Parquet file per event.

Structs are taken apart into columns, level by level; those that hold nothing are left out.
"""

from __future__ import annotations

import polars as pl
from task import task


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Structs as columns, named by their path."""
    while structs := [n for n, kind in frame.schema.items() if isinstance(kind, pl.Struct)]:
        frame = frame.unnest(*structs, separator="_")
    return frame


if __name__ == "__main__":
    with task() as work:
        found = pl.scan_ndjson(work.files, infer_schema_length=None).collect()
        rows = 0
        for number, part in enumerate(found.partition_by("type", "event")):
            table = flat(part)
            empty = [name for name in table.columns if table[name].null_count() == len(table)]
            table.drop(empty).write_parquet(work.out / f"{number}.parquet")
            rows += len(table)
        work.said["events"] = rows
