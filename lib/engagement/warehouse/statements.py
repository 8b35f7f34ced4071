"""The statements that an engine ran, and what they took."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pandas as pd

from engagement import owner_only
from engagement.privacy import masked
from engagement.warehouse.doing import Telling


@dataclass(frozen=True)
class Statement:
    """One statement that an engine ran.

    ``rows`` came out of it or went into a table; ``seconds`` is wall time; ``scanned_bytes``,
    ``usd`` and ``query_id`` are known on Athena only. ``started_at`` (UTC, as text) and
    ``notebook`` are filled in when it is kept.
    """

    label: str
    sql: str
    rows: int
    seconds: float
    scanned_bytes: int | None = None
    usd: float | None = None
    query_id: str | None = None
    status: Literal["done", "failed"] = "done"
    started_at: str = ""
    notebook: str = ""


@dataclass
class StatementLog:
    """What ran through one warehouse object, in order.

    With a ``path``, each statement is also written there, as a line of JSON, for the processes of
    one run to see what all of them have cost. ``notebook`` is whose statements these are, and
    ``may_have_written`` whether a session was opened that may publish. ``telling`` is told what
    runs now, where somebody watches.
    """

    statements: list[Statement] = field(default_factory=list)
    path: Path | None = None
    notebook: str = ""
    may_have_written: bool = False
    telling: Telling | None = None

    def running(self, label: str) -> AbstractContextManager[None]:
        """Let it be known that a statement runs while the block lasts."""
        return nullcontext() if self.telling is None else self.telling.statement(masked(label))

    def about(self, words: str) -> None:
        """Let it be known which part of the work is under way: a model, some dates."""
        if self.telling is not None:
            self.telling.about(masked(words))

    def add(self, label: str, sql: str, rows: int, started: float, *, failed: bool = False) -> None:
        """Keep a statement; ``started`` is a ``time.perf_counter()``."""
        seconds = time.perf_counter() - started
        self.keep(Statement(label, sql, rows, seconds, status="failed" if failed else "done"))

    def keep(self, statement: Statement) -> None:
        """Keep a statement whose cost may be known; it has just ended."""
        began = datetime.now(UTC) - timedelta(seconds=statement.seconds)
        statement = replace(
            statement,
            started_at=statement.started_at or began.isoformat(timespec="milliseconds"),
            notebook=statement.notebook or self.notebook,
            label=masked(statement.label),
            sql=masked(statement.sql),
        )
        self.statements.append(statement)
        if self.telling is not None:
            self.telling.ended(statement.rows)
        if self.path is not None:
            line = json.dumps({**asdict(statement), "seconds": round(statement.seconds, 3)})
            with owner_only.opened(self.path, "a", encoding="utf-8") as file:
                file.write(line + "\n")

    def kept(self) -> list[Statement]:
        """Every statement of the run that this log belongs to, whichever process ran it."""
        if self.path is None or not self.path.exists():
            return list(self.statements)
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [Statement(**json.loads(line)) for line in lines]

    def frame(self) -> pd.DataFrame:
        """One row per statement: label, rows, seconds; what it scanned and cost, where known."""
        frame = pd.DataFrame(
            [(s.label, s.rows, round(s.seconds, 3)) for s in self.statements],
            columns=["statement", "rows", "seconds"],
        )
        if any(s.usd is not None for s in self.statements):
            frame["megabytes_scanned"] = [
                round((s.scanned_bytes or 0) / 1_000_000, 3) for s in self.statements
            ]
            frame["usd"] = [round(s.usd or 0.0, 6) for s in self.statements]
        return frame


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """Measure a block's wall time in seconds."""
    started = time.perf_counter()
    yield lambda: time.perf_counter() - started
