"""Statements on Athena: run, waited for, paid for, and their results as Arrow tables."""

from __future__ import annotations

import logging
import math
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pyathena.connection import Connection
from pyathena.cursor import Cursor
from pyathena.error import DatabaseError
from pyathena.model import AthenaQueryExecution
from pyathena.util import RetryConfig

from engagement.aws.s3 import Address, Bucket
from engagement.settings import Athena
from engagement.warehouse.athena.errors import problem
from engagement.warehouse.athena.estimate import Estimate
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.statements import Statement, StatementLog

logger = logging.getLogger("engagement")

LEAST_BILLED_BYTES = 10_000_000
"""Athena bills at least 10 MB for a statement that reads data."""

_TERABYTE = 1_000_000_000_000

_PASSING = re.compile(
    r"Rate exceeded|Too ?Many ?Requests|SlowDown|reduce your request rate|Throttl"
    r"|Query exhausted resources|Service ?Unavailable|Please try again|timed? ?out while",
    re.IGNORECASE,
)
"""Reasons that pass, whatever Athena's own flag says."""

_ABOUT_DATA = re.compile(r"HIVE_(?:BAD_DATA|CURSOR_ERROR|CANNOT_OPEN_SPLIT|UNKNOWN_ERROR)")
"""Reasons that lie in the files: the next attempt finds the same ones."""

_LINE = re.compile(r"line (\d+):(\d+)")
_LONGEST_PAUSE = 30.0


class SpendingLimitError(WarehouseError):
    """The next statement might pass the spending limit."""


class StatementFailedError(WarehouseError):
    """A statement that Athena did not carry out; ``reason`` is Athena's own.

    ``may_pass`` says that the same statement may succeed when it is run again.
    """

    def __init__(self, message: str, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.may_pass = may_pass


@dataclass(frozen=True)
class Outcome:
    """How a statement ended: rows written, and where its result lies with which columns."""

    query_id: str
    rows: int
    output: str
    columns: tuple[tuple[str, str, int, int], ...]


@dataclass
class _Attempt:
    """One try to run a statement, and what Athena said of it last."""

    label: str
    sql: str
    started: float = field(default_factory=time.perf_counter)
    query_id: str | None = None
    seen: AthenaQueryExecution | None = None

    @property
    def state(self) -> str:
        return str(self.seen.state) if self.seen else ""

    @property
    def billed_bytes(self) -> int:
        """Athena bills what a statement scanned, also when it was cancelled, not when it failed."""
        return 0 if self.state == "FAILED" else self.scanned_bytes

    @property
    def scanned_bytes(self) -> int:
        return int(self.seen.data_scanned_in_bytes or 0) if self.seen else 0


class Statements:
    """Runs statements through one connection, and keeps what they cost.

    Parameters
    ----------
    estimate
        Tells what a statement may scan at most; asked only where there is a spending limit.
    """

    def __init__(
        self,
        connection: Connection[Cursor],
        bucket: Bucket,
        settings: Athena,
        log: StatementLog,
        estimate: Callable[[str], Estimate | None],
    ) -> None:
        self._connection = connection
        self._bucket = bucket
        self._settings = settings
        self._log = log
        self._estimate = estimate
        self._adding = threading.Lock()
        self._running: dict[object, float] = {}
        self._one_ended = threading.Condition()

    def query(self, sql: str, label: str) -> tuple[pa.Table, Outcome]:
        """Run a query and fetch its whole result, with Athena's types."""
        done: list[tuple[pa.Table, Outcome]] = []

        def attempt() -> Outcome:
            with self._attempt(sql, label) as attempt:
                outcome = self._run(attempt)
                table = self._fetch(outcome)
                self._keep(attempt, len(table))
            done.append((table, outcome))
            return outcome

        self._retried(attempt, label)
        return done[-1]

    def write(self, statement: Callable[[], str], label: str) -> Outcome:
        """Run a statement that writes; asked for its text again for each attempt."""

        def attempt() -> Outcome:
            with self._attempt(statement(), label) as attempt:
                outcome = self._run(attempt)
                self._keep(attempt, outcome.rows)
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
                if number == self._settings.attempts or not error.may_pass:
                    raise
                pause = min(_LONGEST_PAUSE, 0.5 * 2**number) * random.uniform(0.5, 1.5)  # noqa: S311
                logger.warning("%s: %s; trying again in %.1f s", label, error.reason, pause)
                time.sleep(pause)
        raise AssertionError("unreachable")

    @contextmanager
    def _attempt(self, sql: str, label: str) -> Iterator[_Attempt]:
        """Keep a statement that fails, whatever stops it, and count it against the limit."""
        with self._within_limit(sql, label):
            attempt = _Attempt(label, sql)
            try:
                yield attempt
            except BaseException:
                self._keep(attempt, 0, "failed")
                raise

    def _run(self, attempt: _Attempt) -> Outcome:
        def noted(execution: Any) -> None:
            attempt.seen = execution

        def started(query_id: str) -> None:
            attempt.query_id = query_id

        # The rows are read from the result's file: of its pages only the columns are wanted.
        cursor = self._connection.cursor(on_poll=noted, arraysize=1)
        try:
            with self._log.running(attempt.label):
                cursor.execute(attempt.sql, on_start_query_execution=started)
        except (DatabaseError, ClientError, BotoCoreError) as error:
            if attempt.state in ("FAILED", "CANCELLED"):
                raise _failed(attempt) from error
            self._give_up(attempt)
            cause = error.__cause__
            called = cause if isinstance(cause, ClientError | BotoCoreError) else error
            raise problem(f"{attempt.label}{_shown(attempt)}", called) from error
        described = tuple(
            (str(item[0]), str(item[1]), int(item[4] or 0), int(item[5] or 0))
            for item in cursor.description or ()
        )
        output = str(getattr(cursor, "output_location", ""))
        return Outcome(str(cursor.query_id), max(cursor.rowcount, 0), output, described)

    def _give_up(self, attempt: _Attempt) -> None:
        """Stop a statement that nobody can wait for any more: it would go on, and cost."""
        if attempt.query_id is None or attempt.state == "SUCCEEDED":
            return
        try:
            client: Any = self._connection.client
            client.stop_query_execution(QueryExecutionId=attempt.query_id)
        except (ClientError, BotoCoreError) as error:
            logger.warning("query %s may still be running: %s", attempt.query_id, error)

    def _keep(
        self, attempt: _Attempt, rows: int, status: Literal["done", "failed"] = "done"
    ) -> None:
        statement = Statement(
            label=attempt.label,
            sql=attempt.sql,
            rows=rows,
            seconds=time.perf_counter() - attempt.started,
            scanned_bytes=attempt.scanned_bytes,
            usd=dollars(attempt.billed_bytes, self._settings.usd_per_terabyte),
            query_id=attempt.query_id,
            status=status,
        )
        with self._adding:
            self._log.keep(statement)

    # --- the spending limit

    @contextmanager
    def _within_limit(self, sql: str, label: str) -> Iterator[None]:
        """Let a statement run only if the limit holds even where it scans all that it may."""
        limit = self._settings.spending_limit_usd
        if limit is None:
            yield
            return
        estimate = self._estimate(sql)
        # What cannot be told costs at least what Athena bills at least.
        at_most = dollars(estimate.bytes if estimate else 1, self._settings.usd_per_terabyte)
        me = object()
        with self._one_ended:
            while True:
                spent = self.spent()
                if spent + at_most > limit:
                    raise SpendingLimitError(_over(label, estimate, at_most, spent, limit))
                if spent + at_most + sum(self._running.values()) <= limit:
                    break
                # Those that run now will cost less than they may: wait for what they do.
                self._one_ended.wait()
            self._running[me] = at_most
        try:
            yield
        finally:
            with self._one_ended:
                del self._running[me]
                self._one_ended.notify_all()

    # --- results

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


def _over(label: str, estimate: Estimate | None, at_most: float, spent: float, limit: float) -> str:
    """Say why a statement was not run: the estimate, what was spent, and what to set."""
    may = (
        f"it may scan up to {_size(estimate.bytes)} ({at_most:.4f} USD at most; the largest is "
        f"{estimate.largest})"
        if estimate and estimate.bytes
        else f"what it may scan cannot be told ({at_most:.5f} USD at least)"
    )
    return (
        f"{label} was not run: {may}, statements have cost {spent:.4f} USD so far, and together "
        f"that would pass warehouse.athena.spending_limit_usd ({limit:g}). What was published "
        f"stays. Set a limit of at least {_up(spent + at_most):.4f}, or narrow landing.from and "
        "landing.to, and run again."
    )


def _up(usd: float) -> float:
    """Rounded up to what is shown, but for what doubles add of their own."""
    return math.ceil(round(usd * 10_000, 6)) / 10_000


def _size(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.4g} {unit}"
        number /= 1000
    return f"{number:.4g} TB"


def connect(session: Any, settings: Athena, output: str) -> Connection[Cursor]:
    """Open a connection to Athena.

    Throttled calls are tried again by botocore, with backoff and jitter, and by nothing else: two
    layers would multiply, and botocore's attempts share a token, so that a statement whose answer
    was lost does not start twice.
    """
    # It logs what it raises, with a traceback that would end up in notebooks.
    logging.getLogger("pyathena").addHandler(logging.NullHandler())
    return Connection(
        session=session,
        region_name=settings.region,
        s3_staging_dir=output,
        work_group=settings.workgroup,
        poll_interval=settings.poll_seconds,
        result_reuse_enable=False,
        retry_config=RetryConfig(attempt=1),
        config=client_config(settings),
    )


AGENT = "engagement"
"""Stands in the user agent of every call, so that CloudTrail tells whose they are."""


def client_config(settings: Athena) -> Config:
    """How every AWS client of the project behaves."""
    return Config(
        region_name=settings.region,
        retries={"mode": "standard", "total_max_attempts": settings.attempts},
        max_pool_connections=max(10, settings.concurrency * 2),
        user_agent_extra=f"{AGENT}/1",
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


# --- failures -------------------------------------------------------------------------------------


def _failed(attempt: _Attempt) -> StatementFailedError:
    """What Athena says of a statement that failed or was cancelled, and where it is in the SQL."""
    execution = attempt.seen
    reason = str((execution and execution.state_change_reason) or "Athena gives no reason")
    was = ""
    if attempt.state == "CANCELLED":
        was = "was cancelled: "
        if "ytes scanned limit" in reason:
            was += "the workgroup's limit (warehouse.athena.statement_limit_gigabytes): "
    where = ""
    if match := _LINE.search(reason):
        lines = attempt.sql.splitlines()
        line, column = int(match[1]), int(match[2])
        if line <= len(lines):
            text = lines[line - 1]
            start = max(0, column - 61)
            where = f"\n  at line {line}: {text[start : column + 60].strip()}"
    return StatementFailedError(
        f"{attempt.label}: {was}{reason}{_shown(attempt)}{where}",
        reason,
        may_pass=attempt.state == "FAILED"
        and _may_pass(reason, execution.retryable if execution else None),
    )


def _shown(attempt: _Attempt) -> str:
    return f" (query {attempt.query_id})" if attempt.query_id else ""


def _may_pass(reason: str, retryable: bool | None) -> bool:
    """Whether to try again: by Athena's own flag, unless the reason tells more."""
    if _PASSING.search(reason):
        return True
    if retryable is None:
        return "INTERNAL_ERROR" in reason
    return retryable and not _ABOUT_DATA.search(reason)
