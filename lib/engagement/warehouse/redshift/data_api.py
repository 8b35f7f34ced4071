"""Redshift without a connection: statements by calls of the Data API.

A session of the Data API keeps what is temporary between calls. A statement is submitted under a
token of its own, so that a call whose answer was lost does not run it twice, and is polled until it
has ended. Several statements in one call are one transaction.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from engagement.aws.clients import Service, ServiceError
from engagement.errors import FailedError
from engagement.privacy import masked
from engagement.warehouse.redshift.transport import Result, StatementFailedError
from engagement.warehouse.redshift.types import athena_type

MOST_BYTES = 100_000
"""How long a statement may be: the service refuses those over 100 KB."""

MOST_STATEMENTS = 40
"""How many statements a call may bring."""

_BUSY = frozenset(
    {"ActiveStatementsExceededException", "ActiveSessionsExceededException",
     "DatabaseConnectionException"}
)  # fmt: skip
"""What passes by itself: too many statements or sessions at once, a warehouse that wakes up."""

_LONGEST = 300
_TOO_LARGE = "exceeded size limit"


class DataApi:
    """A session of the Data API; see :class:`~engagement.warehouse.redshift.transport.Transport`.

    Parameters
    ----------
    target
        Whose database: ``Database`` with ``WorkgroupName``, or ``ClusterIdentifier`` and how to log
        in, as the service's calls name them.
    poll_seconds
        The first pause between two polls of a statement; the pauses grow.
    statement_seconds
        How long a statement may take; it is cancelled then.
    keep_seconds
        How long the session is kept while nothing is asked of it.
    busy_seconds
        How long to wait for a warehouse that takes no more statements now.
    """

    most_bytes = MOST_BYTES

    def __init__(
        self,
        service: Service,
        target: Mapping[str, str],
        *,
        poll_seconds: float = 0.25,
        statement_seconds: float = 3600,
        keep_seconds: int = 1800,
        busy_seconds: float = 120,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._service = service
        self._target = dict(target)
        self._poll = poll_seconds
        self._statement_seconds = statement_seconds
        self._keep = keep_seconds
        self._busy_seconds = busy_seconds
        self._pause = pause
        self._session: str | None = None

    # --- what a transport does

    def run(self, sql: str) -> Result:
        """Run one statement; see the protocol."""
        done = self._done("ExecuteStatement", Sql=sql)
        if done.get("HasResultSet"):
            return self._result(done)
        return Result(affected=max(int(done.get("ResultRows", 0)), 0), query_id=done["Id"])

    def run_in_one_transaction(self, statements: Sequence[str]) -> None:
        """Run statements in one call, which is one transaction."""
        if len(statements) > MOST_STATEMENTS:
            raise StatementFailedError(
                f"{len(statements)} statements cannot take effect together: the Data API takes "
                f"{MOST_STATEMENTS} in one call. Use a connection (connect: password or iam)"
            )
        self._done("BatchExecuteStatement", Sqls=list(statements))

    def close(self) -> None:
        """Let the session end with one last statement; it would by itself after a while."""
        if self._session is None:
            return
        # It may be busy or gone already: then it ends after the seconds it is kept.
        with suppress(ServiceError):
            self._service.call(
                "ExecuteStatement",
                Sql="select 1",
                SessionId=self._session,
                SessionKeepAliveSeconds=0,
                ClientToken=secrets.token_hex(16),
            )
        self._session = None

    # --- inside

    def _done(self, operation: str, **what: Any) -> dict[str, Any]:
        """Submit, and wait until it has ended well."""
        id_ = self._submitted(operation, what)
        try:
            return self._ended(id_)
        except BaseException as error:
            if not isinstance(error, StatementFailedError):
                self._cancel(id_)  # nobody will read what comes of it
            raise

    def _submitted(self, operation: str, what: Mapping[str, Any]) -> str:
        token = secrets.token_hex(16)
        started, pause = time.monotonic(), 1.0
        while True:
            where: Mapping[str, Any] = (
                {"SessionId": self._session} if self._session else self._target
            )
            try:
                answer = self._service.call(
                    operation,
                    **what,
                    **where,
                    SessionKeepAliveSeconds=self._keep,
                    ClientToken=token,
                )
            except ServiceError as error:
                waited = time.monotonic() - started
                if error.code in _BUSY and waited < self._busy_seconds:
                    self._pause(pause)
                    pause = min(pause * 1.5, 10)
                    continue
                if self._session and error.code == "ResourceNotFoundException":
                    self._session = None
                    raise StatementFailedError(
                        "its session has ended, and what was temporary with it: run it again"
                    ) from None
                raise _failed(error) from None
            self._session = answer.get("SessionId") or self._session
            return str(answer["Id"])

    def _ended(self, id_: str) -> dict[str, Any]:
        started, pause = time.monotonic(), self._poll
        while True:
            try:
                found = self._service.call("DescribeStatement", Id=id_)
            except ServiceError as error:
                raise _failed(error) from None
            match found["Status"]:
                case "FINISHED":
                    return found
                case "FAILED" | "ABORTED" as state:
                    raise StatementFailedError(_reason(found, state))
            if time.monotonic() - started > self._statement_seconds:
                self._cancel(id_)
                raise StatementFailedError(
                    f"it took more than {self._statement_seconds:g} s "
                    "(warehouse.redshift.statement_seconds), and was cancelled"
                )
            self._pause(pause)
            pause = min(pause * 1.5, 5)

    def _cancel(self, id_: str) -> None:
        # It may have ended meanwhile, or the service cannot be reached.
        with suppress(FailedError):
            self._service.call("CancelStatement", Id=id_)

    def _result(self, done: Mapping[str, Any]) -> Result:
        """Every page of a result."""
        rows: list[tuple[Any, ...]] = []
        metadata: Sequence[Mapping[str, Any]] = ()
        following: str | None = None
        while True:
            try:
                page = self._service.call("GetStatementResult", Id=done["Id"], NextToken=following)
            except ServiceError as error:
                raise _failed(error) from None
            metadata = page.get("ColumnMetadata") or metadata
            kinds = [_kind(column) for column in metadata]
            rows += [
                tuple(_value(cell, kind) for cell, kind in zip(record, kinds, strict=True))
                for record in page["Records"]
            ]
            following = page.get("NextToken")
            if not following:
                break
        total = page.get("TotalNumRows")
        if total is not None and total != len(rows):
            raise StatementFailedError(f"{len(rows)} of {total} rows came: run it again")
        names = tuple(column.get("label") or column["name"] for column in metadata)
        kinds_ = tuple(_kind(column) for column in metadata)
        return Result(names, kinds_, rows, query_id=str(done["Id"]))


def _failed(error: ServiceError) -> StatementFailedError:
    return StatementFailedError(str(error)[:_LONGEST])


def _reason(found: Mapping[str, Any], state: str) -> str:
    """Redshift's own words; of several statements those of the one that failed."""
    said = str(found.get("Error") or "")
    for one in found.get("SubStatements", ()):
        if one.get("Status") in ("FAILED", "ABORTED") and one.get("Error"):
            said = str(one["Error"])
            break
    said = masked(said.strip().split("\n")[0])[:_LONGEST] or f"it was {state.lower()}"
    if _TOO_LARGE in said.lower():
        said += ": fetch fewer rows or columns, or use a connection (connect: password or iam)"
    return said


def _kind(column: Mapping[str, Any]) -> str:
    return athena_type(column.get("typeName", ""), column.get("precision"), column.get("scale"))


def _value(cell: Mapping[str, Any], kind: str) -> Any:
    """A field as Python has it."""
    if cell.get("isNull"):
        return None
    ((key, value),) = [(k, v) for k, v in cell.items() if k != "isNull"]
    if key != "stringValue":
        return value
    if kind.startswith("decimal"):
        return Decimal(value)
    if kind == "date":
        return date.fromisoformat(value[:10])
    if kind.startswith("timestamp"):
        return _moment(value)
    if kind == "boolean":
        return value.lower() in ("t", "true", "1")
    if kind == "double":
        return float(value)
    if kind in ("bigint", "integer"):
        return int(value)
    return value


def _moment(value: str) -> datetime:
    """A time as Redshift prints it: ``2026-01-05 10:00:00.123``, with ``+00`` if it has a zone."""
    found = datetime.fromisoformat(value.strip())
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
