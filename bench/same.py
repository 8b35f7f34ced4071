"""Whether the floor made the tables that flattening made: rows, columns, types and values."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb


def differences(database: Path, plan: Path, parquet: Path) -> Iterator[str]:
    """Compare the sums of hashes of every column; gives a sentence per difference.

    Blank texts and arrays are NULL in this project's tables and what they are in the floor's.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        for table in json.loads(plan.read_text()):
            name = table["name"]
            ours = f'events."{name}"'
            floor = "'" + str(parquet / f"{name}.parquet").replace("'", "''") + "'"
            kinds = [
                {
                    row[0]: row[1].removesuffix("_MS")
                    for row in connection.execute(f"describe {text}").fetchall()
                }
                for text in (f"from {ours}", f"from {floor}")
            ]
            if kinds[0] != kinds[1]:
                others = sorted(set(kinds[0].items()) ^ set(kinds[1].items()))
                yield f"{name}: other columns or types: {others}"
                continue
            sums = [
                "count(*)",
                *(f"sum(hash({_value(column, kind)}))" for column, kind in kinds[0].items()),
            ]
            rows = [
                connection.execute(f"select {', '.join(sums)} from {text}").fetchall()[0]
                for text in (ours, floor)
            ]
            for column, one, other in zip(["rows", *kinds[0]], *rows, strict=True):
                if one != other:
                    yield f"{name}.{column}: other values"


def _value(column: str, kind: str) -> str:
    quoted = '"' + column.replace('"', '""') + '"'
    if kind == "TIMESTAMP":
        return f"cast({quoted} as timestamp)"
    if kind != "VARCHAR":
        return quoted
    return f"case when {quoted} not in ('', '[]', '[\"\"]') then {quoted} end"


if __name__ == "__main__":
    print(json.dumps({"differences": list(differences(*map(Path, sys.argv[1:4])))}))
