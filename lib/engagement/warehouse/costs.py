"""What statements cost: totals, and ``landing.run_statements``, which remembers them across runs.

The table has one row per statement. It is about runs, not about what landed, so a rerun adds to it:
comparisons of a run with its rerun leave out ``ABOUT_RUNS``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from engagement.messages import counted
from engagement.sql.dialect import Table
from engagement.warehouse.protocol import Publication, Warehouse
from engagement.warehouse.statements import Statement, StatementLog

RUN_STATEMENTS = Table("landing", "run_statements")
"""``run_id, notebook, nth, label, started_at, seconds, rows, scanned_bytes, usd, query_id, status``
by statement; its key is ``run_id, notebook, nth``. Times are UTC; what DuckDB cannot know is NULL.
"""

EXPORT_HISTORY = Table("marts", "segment_exports")
"""Who was exported when: see :mod:`engagement.audience.history`."""

ABOUT_RUNS = frozenset(
    {
        RUN_STATEMENTS,
        Table("landing", "versions"),
        Table("landing", "unfinished"),
        EXPORT_HISTORY,
    }
)
"""Tables about runs, not about what landed: what they cost, which versions of files they read, what
they are at work on, whom they exported. A rerun over the same input may change them, and no full
refresh can make them again: the one list of what is exempt.
"""

_SCHEMA = pa.schema(
    [
        ("run_id", pa.string()),
        ("notebook", pa.string()),
        ("nth", pa.int64()),
        ("label", pa.string()),
        ("started_at", pa.timestamp("ms")),
        ("seconds", pa.float64()),
        ("rows", pa.int64()),
        ("scanned_bytes", pa.int64()),
        ("usd", pa.float64()),
        ("query_id", pa.string()),
        ("status", pa.string()),
    ]
)


def totals(statements: Sequence[Statement]) -> dict[str, float]:
    """What statements took together: ``count, failed, seconds, rows``; on Athena also
    ``scanned_bytes`` and ``usd``.
    """
    together: dict[str, float] = {
        "count": len(statements),
        "failed": sum(statement.status == "failed" for statement in statements),
        "seconds": round(sum(statement.seconds for statement in statements), 3),
        "rows": sum(statement.rows for statement in statements),
    }
    if any(statement.usd is not None for statement in statements):
        together["scanned_bytes"] = sum(s.scanned_bytes or 0 for s in statements)
        together["usd"] = round(sum(s.usd or 0.0 for s in statements), 6)
    return together


def described(statement: Statement) -> dict[str, Any]:
    """A statement without its text, as ``run.json`` lists it."""
    return {
        "notebook": statement.notebook,
        "label": statement.label,
        "started_at": statement.started_at,
        "seconds": round(statement.seconds, 3),
        "rows": statement.rows,
        "scanned_bytes": statement.scanned_bytes,
        "usd": None if statement.usd is None else round(statement.usd, 6),
        "query_id": statement.query_id,
        "status": statement.status,
    }


def remember(
    warehouse: Warehouse, run_id: str, statements: Sequence[Statement], keep_runs: int
) -> Publication:
    """Put the statements of a run into ``landing.run_statements``; what it had of the run goes.

    Parameters
    ----------
    keep_runs
        How many runs the table remembers, this one included; the oldest are forgotten.

    Raises
    ------
    WarehouseError
        When the table cannot be written: what a run published is not touched by that.
    """

    def keep(old: pa.Table) -> pa.Table:
        others = old.filter(pc.not_equal(old["run_id"], run_id))
        newest = (
            others.group_by("run_id")
            .aggregate([("started_at", "max")])
            .sort_by([("started_at_max", "descending"), ("run_id", "descending")])
            .slice(0, keep_runs - 1)
        )
        return others.filter(pc.is_in(others["run_id"], newest["run_id"].combine_chunks()))

    with warehouse.session(write=True) as session:
        return session.append(RUN_STATEMENTS, _rows(run_id, statements), keep)


def _rows(run_id: str, statements: Sequence[Statement]) -> pa.Table:
    seen: dict[str, int] = {}
    rows = []
    for statement in statements:
        seen[statement.notebook] = nth = seen.get(statement.notebook, 0) + 1
        started = datetime.fromisoformat(statement.started_at).astimezone(UTC)
        rows.append(
            {
                "run_id": run_id,
                "nth": nth,
                **described(statement),
                "started_at": started.replace(tzinfo=None),
            }
        )
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def frame(statements: Sequence[Statement], of: str) -> pd.DataFrame:
    """One row per statement, and a last one with the totals of ``of``."""
    listed = StatementLog(list(statements)).frame()
    together = totals(statements)
    failed = f", {together['failed']} failed" if together["failed"] else ""
    last: dict[str, Any] = {
        "statement": f"{of}: {counted(int(together['count']), 'statement')}{failed}",
        "rows": together["rows"],
        "seconds": together["seconds"],
    }
    if "usd" in together:
        last["megabytes_scanned"] = round(together["scanned_bytes"] / 1_000_000, 3)
        last["usd"] = together["usd"]
    return pd.concat([listed, pd.DataFrame([last])], ignore_index=True) if len(listed) else listed
