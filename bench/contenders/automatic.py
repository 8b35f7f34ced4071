"""DuckDB with the types that it finds by itself, to one Parquet file per event.

All lines are looked at for their types: a sample would leave out what stands in later ones. The
tables keep structs as they are.
"""

from __future__ import annotations

import duckdb
from task import task

if __name__ == "__main__":
    with task() as work, duckdb.connect() as connection:
        files = str(work.landing / "*" / "*").replace("'", "''")
        connection.execute("set preserve_insertion_order = false")
        connection.execute(
            f"create table records as select * from read_json('{files}', "
            "format = 'newline_delimited', sample_size = -1, hive_partitioning = true) "
            "order by type, event"
        )
        groups = connection.execute("select distinct type, event from records order by all")
        rows = 0
        for number, (kind, event) in enumerate(groups.fetchall()):
            done = connection.execute(
                f"copy (select * from records where type = ? and event is not distinct from ?) "
                f"to '{work.out}/{number}.parquet' (format parquet)",
                [kind, event],
            )
            rows += int(done.fetchall()[0][0])
        work.said["events"] = rows
