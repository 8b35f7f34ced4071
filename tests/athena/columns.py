"""Which share of their tables' bytes statements need, by the columns that they name.

``python -m tests.athena.columns STATEMENTS WAREHOUSE``: the log of a run on the stand
(``statements.jsonl``), and a DuckDB file with the tables of the samples, whose columns are weighed
as Parquet. Small files are read whole by the engine, large ones by column, and no landing that fits
on the stand makes large ones.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from tests.athena.calibrate import MEASURED, group_of

TARGET = MEASURED / "shares.json"
_CANDIDATE = re.compile(r"w_\d+t\d+_[0-9a-f]+_\d+_(?:candidate_)?(.*)")
_ROWS = 20_000

Key = tuple[str, str]


class Columns:
    """Columns of a warehouse's tables, and what they weigh."""

    def __init__(self, warehouse: Path) -> None:
        self._connection = duckdb.connect(str(warehouse), read_only=True)
        self.names: dict[Key, list[str]] = defaultdict(list)
        for schema, table, column in self._connection.execute(
            "select table_schema, table_name, column_name from information_schema.columns "
            "where table_schema in ('landing', 'events', 'marts')"
        ).fetchall():
            self.names[schema, table].append(column)
        self._sizes: dict[Key, Counter[str]] = {}

    def sizes(self, key: Key) -> Counter[str]:
        """Compressed bytes of each column, of some rows."""
        if key not in self._sizes:
            relation = self._connection.sql(f'select * from {key[0]}."{key[1]}" limit {_ROWS}')
            buffer = io.BytesIO()
            pq.write_table(relation.to_arrow_table(), buffer, compression="zstd")
            about, sizes = pq.ParquetFile(buffer).metadata, Counter[str]()
            for group in range(about.num_row_groups):
                for place in range(about.num_columns):
                    column = about.row_group(group).column(place)
                    sizes[column.path_in_schema.split(".")[0]] += column.total_compressed_size
            self._sizes[key] = sizes
        return self._sizes[key]


def needed(sql: str, columns: Columns) -> tuple[int, int] | None:
    """Bytes of the columns that a statement names, and of all columns of its tables.

    ``None`` where it reads a table that the warehouse does not have.
    """
    tree = sqlglot.parse_one(sql, read="trino")
    query = tree.expression if isinstance(tree, exp.Create | exp.Insert) else tree
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for table in query.find_all(exp.Table):
        if not table.db:
            continue
        made = _CANDIDATE.match(table.name)
        key = ("marts", made.group(1)) if made else (table.db, table.name)
        if key not in columns.names:
            return None
        table.set("db", exp.to_identifier(key[0]))
        table.set("this", exp.to_identifier(key[1]))
        schema.setdefault(key[0], {})[key[1]] = dict.fromkeys(columns.names[key], "varchar")
    query = qualify(
        query, schema=schema, dialect="trino", validate_qualify_columns=False,
        quote_identifiers=False,
    )  # fmt: skip
    own = whole = 0
    for scope in traverse_scope(pushdown_projections(query)):
        for alias, source in scope.sources.items():
            if isinstance(source, exp.Table) and source.db:
                sizes = columns.sizes((source.db, source.name))
                used = {column.name for column in scope.columns if column.table == alias}
                own += sum(sizes[name] for name in used)
                whole += sum(sizes.values())
    return own, whole


def shares(statements: Path, warehouse: Path) -> dict[str, float]:
    """By notebook and label, and for all; of the notebooks that read tables, 03 and on."""
    columns = Columns(warehouse)
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for line in statements.read_text(encoding="utf-8").splitlines():
        statement = json.loads(line)
        if statement["status"] != "done" or not statement["scanned_bytes"]:
            continue
        if statement["notebook"][:2] in ("01", "02"):
            continue  # of records' texts, which are most of what there is
        try:
            found = needed(statement["sql"], columns)
        except SqlglotError:
            found = None
        if found is not None and found[1]:
            for key in ("/".join(group_of(statement)), "all"):
                sums[key][0] += found[0]
                sums[key][1] += found[1]
    return {key: round(own / whole, 4) for key, (own, whole) in sorted(sums.items())}


if __name__ == "__main__":
    made = shares(*map(Path, sys.argv[1:3]))
    TARGET.write_text(json.dumps(made, indent=0) + "\n")
