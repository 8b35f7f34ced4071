"""Statements on Athena: run, waited for, paid for, and their results as Arrow tables."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pyathena.connection import Connection
from pyathena.cursor import Cursor
from pyathena.error import DatabaseError, OperationalError
from pyathena.util import RetryConfig

from engagement.settings import Athena
from engagement.warehouse.base import Statement, StatementLog, WarehouseError
from engagement.warehouse.s3 import Address, Bucket, problem

logger = logging.getLogger("engagement")

LEAST_BILLED_BYTES = 10_000_000
"""Athena bills at least 10 MB for a statement that reads data."""

_TERABYTE = 1_000_000_000_000

_PASSING = re.compile(
    r"Rate exceeded|Too ?Many ?Requests|SlowDown|reduce your request rate|Throttl"
    r"|Query exhausted resources|INTERNAL_ERROR|Service ?Unavailable|Please try again"
    r"|timed? ?out while",
    re.IGNORECASE,
)
_LINE = re.compile(r"line (\d+):(\d+)")


class SpendingLimitError(WarehouseError):
    """The next statement would pass the spending limit."""


class StatementFailedError(WarehouseError):
    """A statement that Athena did not carry out; ``reason`` is Athena's own."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Outcome:
    """How a statement ended: rows written, and where its result lies with which columns."""

    query_id: str
    rows: int
    output: str
    columns: tuple[tuple[str, str, int, int], ...]


class Statements:
    """Runs statements through one connection, and keeps what they cost."""

    def __init__(
        self, connection: Connection[Cursor], bucket: Bucket, settings: Athena, log: StatementLog
    ) -> None:
        self._connection = connection
        self._bucket = bucket
        self._settings = settings
        self._log = log
        self._adding = threading.Lock()

    def query(self, sql: str, label: str) -> tuple[pa.Table, Outcome]:
        """Run a query and fetch its whole result, with Athena's types."""
        done: list[tuple[pa.Table, Outcome]] = []

        def attempt() -> Outcome:
            started = time.perf_counter()
            cursor, outcome = self._run(sql, label)
            table = self._fetch(outcome)
            self._keep(label, sql, len(table), started, cursor)
            done.append((table, outcome))
            return outcome

        self._retried(attempt, label)
        return done[-1]

    def write(self, statement: Callable[[], str], label: str) -> Outcome:
        """Run a statement that writes; asked for its text again for each attempt."""

        def attempt() -> Outcome:
            started = time.perf_counter()
            sql = statement()
            cursor, outcome = self._run(sql, label)
            self._keep(label, sql, outcome.rows, started, cursor)
            return outcome

        return self._retried(attempt, label)

    def spent(self) -> float:
        """Dollars that the statements of this run have cost so far."""
        return sum(statement.usd or 0.0 for statement in self._log.kept())

    # --- inside

    def _retried(self, attempt: Callable[[], Outcome], label: str) -> Outcome:
        for number in range(1, self._settings.attempts + 1):
            try:
                return attempt()
            except StatementFailedError as error:
                if number == self._settings.attempts or not _PASSING.search(error.reason):
                    raise
                pause = min(30.0, 0.5 * 2**number) * random.uniform(0.5, 1.5)  # noqa: S311
                logger.warning("%s: %s; trying again in %.1f s", label, error.reason, pause)
                time.sleep(pause)
        raise AssertionError("unreachable")

    def _run(self, sql: str, label: str) -> tuple[Cursor, Outcome]:
        self._check_limit(label)
        started = time.perf_counter()
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
        except OperationalError as error:
            self._keep(label, sql, 0, started, cursor)
            raise _failed(label, sql, str(error), cursor.query_id) from error
        except (DatabaseError, ClientError, BotoCoreError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, ClientError) else error
            raise problem(label, cause) from error
        described = tuple(
            (str(item[0]), str(item[1]), int(item[4] or 0), int(item[5] or 0))
            for item in cursor.description or ()
        )
        output = str(getattr(cursor, "output_location", ""))
        return cursor, Outcome(str(cursor.query_id), max(cursor.rowcount, 0), output, described)

    def _keep(self, label: str, sql: str, rows: int, started: float, cursor: Any) -> None:
        scanned = getattr(cursor, "data_scanned_in_bytes", None) or 0
        usd = dollars(scanned, self._settings.usd_per_terabyte)
        seconds = time.perf_counter() - started
        with self._adding:
            self._log.keep(Statement(label, sql, rows, seconds, scanned, usd))

    def _check_limit(self, label: str) -> None:
        limit = self._settings.spending_limit_usd
        if limit is None:
            return
        spent = self.spent()
        least = dollars(1, self._settings.usd_per_terabyte)
        if spent + least > limit:
            raise SpendingLimitError(
                f"{label} was not run: statements have cost {spent:.4f} USD so far, and the next "
                f"one would pass warehouse.athena.spending_limit_usd ({limit:g}). Raise it, or "
                "narrow landing.from and landing.to."
            )

    def _fetch(self, outcome: Outcome) -> pa.Table:
        schema = pa.schema([(column[0], _arrow_type(*column[1:])) for column in outcome.columns])
        data = self._bucket.read(Address.parse(outcome.output))
        # A column's name may come twice: they are read by position.
        places = [str(place) for place in range(len(schema))]
        read = (
            pa_csv.read_csv(
                pa.BufferReader(data),
                read_options=pa_csv.ReadOptions(
                    skip_rows=1, column_names=places, use_threads=False
                ),
                parse_options=pa_csv.ParseOptions(
                    newlines_in_values=True, ignore_empty_lines=False
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(places, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            if _has_rows(data)
            else pa.table({place: pa.array([], pa.string()) for place in places})
        )
        return pa.Table.from_arrays(
            [
                read.column(place).cast(kind)
                for place, kind in zip(places, schema.types, strict=True)
            ],
            schema=schema,
        )


def _has_rows(data: bytes) -> bool:
    """Whether anything follows the header: a name in it may hold a line end, within quotes."""
    quoted = False
    for place, byte in enumerate(data):
        if byte == 0x22:
            quoted = not quoted
        elif byte == 0x0A and not quoted:
            return place + 1 < len(data)
    return False


def dollars(scanned_bytes: int, usd_per_terabyte: float) -> float:
    """What a statement that scanned so many bytes costs; nothing for nothing."""
    if scanned_bytes <= 0:
        return 0.0
    return max(scanned_bytes, LEAST_BILLED_BYTES) / _TERABYTE * usd_per_terabyte


def connect(session: Any, settings: Athena, output: str) -> Connection[Cursor]:
    """Open a connection to Athena that retries throttled calls with backoff and jitter."""
    return Connection(
        session=session,
        region_name=settings.region,
        s3_staging_dir=output,
        work_group=settings.workgroup,
        poll_interval=settings.poll_seconds,
        result_reuse_enable=False,
        retry_config=RetryConfig(attempt=settings.attempts, max_delay=30),
        config=client_config(settings),
    )


def client_config(settings: Athena) -> Config:
    """How every AWS client of the project behaves."""
    return Config(
        region_name=settings.region,
        retries={"mode": "standard", "max_attempts": settings.attempts},
        max_pool_connections=max(10, settings.concurrency * 2),
    )


_ARROW = {
    "boolean": pa.bool_(),
    "tinyint": pa.int64(),
    "smallint": pa.int64(),
    "integer": pa.int64(),
    "bigint": pa.int64(),
    "float": pa.float64(),
    "real": pa.float64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "unknown": pa.int64(),
}


def _arrow_type(kind: str, precision: int, scale: int) -> pa.DataType:
    if kind == "decimal":
        return pa.decimal128(precision, scale)
    return _ARROW.get(kind, pa.string())


def _failed(label: str, sql: str, reason: str, query_id: str | None) -> StatementFailedError:
    where = ""
    if match := _LINE.search(reason):
        lines = sql.splitlines()
        line, column = int(match[1]), int(match[2])
        if line <= len(lines):
            text = lines[line - 1]
            start = max(0, column - 61)
            where = f"\n  at: {text[start : column + 60].strip()}"
    shown = f" (query {query_id})" if query_id else ""
    return StatementFailedError(f"{label}: {reason}{shown}{where}", reason)
