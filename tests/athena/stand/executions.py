"""One query execution: what Athena keeps of it, and what it tells about it."""

import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .results import Column
from .statements import Statement

State = Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]
FINAL_STATES = ("SUCCEEDED", "FAILED", "CANCELLED")

_USER_ERROR, _ENGINE_ERROR, _OTHER_ERROR = 1000, 200, 9999


@dataclass(frozen=True)
class StatementRecord:
    """What the stand keeps of a statement, for tests to look at.

    Attributes
    ----------
    execution_id : str
        Athena's ``QueryExecutionId``.
    sql, engine_sql : str
        As it was sent, and as it went to Trino (empty where it did not).
    kind : str
        Athena's ``SubstatementType``: ``SELECT``, ``INSERT``, ``CREATE_TABLE_AS_SELECT``, ….
    database, workgroup : str
        As given, or the defaults.
    state, reason : str
        How it stands or ended, and why.
    bytes_scanned, rows : int
        What it read from S3; how many rows it gave back or wrote.
    milliseconds : int
        How long the engine took.
    reused : bool
        Whether an earlier result was given again.
    """

    execution_id: str
    sql: str
    engine_sql: str
    kind: str
    database: str
    workgroup: str
    state: State
    reason: str
    bytes_scanned: int
    rows: int
    milliseconds: int
    reused: bool


@dataclass(frozen=True)
class Outcome:
    """What a statement gave.

    Attributes
    ----------
    columns, rows
        The result; every value as Athena's text or None.
    update_count : int
        How many rows were written.
    has_header : bool
        Whether ``GetQueryResults`` begins with the columns' names.
    extension : str
        Of the result file: ``csv`` for rows, ``txt`` for DDL, nothing where there is none.
    files : sequence of str, optional
        The data files written, for the manifest.
    """

    columns: Sequence[Column] = ()
    rows: Sequence[Sequence[str | None]] = ()
    update_count: int = 0
    has_header: bool = False
    extension: str = "txt"
    files: Sequence[str] | None = None


@dataclass
class Execution:
    """A query execution and its way from QUEUED to an end.

    ``stop_reason`` says that it is to end, and why; ``is_done`` that the engine has carried it
    out, after which it can no longer be cancelled.
    """

    sql: str
    statement: Statement | None
    database: str
    workgroup: str
    output_prefix: str
    request: dict[str, Any]
    bytes_limit: int | None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: State = "QUEUED"
    reason: str = ""
    error_category: int = 2
    submitted: float = field(default_factory=time.time)
    started: float | None = None
    completed: float | None = None
    engine_sql: str = ""
    engine_query_id: str | None = None
    bytes_scanned: int = 0
    stop_reason: str | None = None
    is_done: bool = False
    outcome: Outcome = field(default_factory=Outcome)
    output_location: str = ""
    manifest_location: str | None = None
    reused: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def move(self, state: State, reason: str = "", category: int = 2) -> None:
        """Go to another state, unless the end was reached already."""
        with self.changed:
            if self.state in FINAL_STATES:
                return
            self.state, self.reason, self.error_category = state, reason, category
            if state == "RUNNING":
                self.started = time.time()
            if state in FINAL_STATES:
                self.completed = time.time()
            self.changed.notify_all()

    def wait_for_change(self, seconds: float) -> None:
        """Wait until the end, or as long as given."""
        with self.changed:
            self.changed.wait_for(lambda: self.state in FINAL_STATES, timeout=seconds)

    def record(self) -> StatementRecord:
        """Describe the execution for tests."""
        outcome = self.outcome
        return StatementRecord(
            execution_id=self.id,
            sql=self.sql,
            engine_sql=self.engine_sql,
            kind=self.statement.substatement_type if self.statement else "",
            database=self.database,
            workgroup=self.workgroup,
            state=self.state,
            reason=self.reason,
            bytes_scanned=self.bytes_scanned,
            rows=outcome.update_count or len(outcome.rows),
            milliseconds=self._milliseconds(),
            reused=self.reused,
        )

    def describe(self) -> dict[str, Any]:
        """Describe the execution as ``GetQueryExecution`` does."""
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.completed is not None:
            status["CompletionDateTime"] = self.completed
        if self.reason:
            status["StateChangeReason"] = self.reason
        if self.state == "FAILED":
            status["AthenaError"] = self._athena_error()
        statistics: dict[str, Any] = {
            "EngineExecutionTimeInMillis": self._milliseconds(),
            "DataScannedInBytes": self.bytes_scanned,
            "TotalExecutionTimeInMillis": self._total_milliseconds(),
            "QueryQueueTimeInMillis": self._total_milliseconds() - self._milliseconds(),
            "ServiceProcessingTimeInMillis": 0,
            "ResultReuseInformation": {"ReusedPreviousResult": self.reused},
        }
        if self.manifest_location:
            statistics["DataManifestLocation"] = self.manifest_location
        described: dict[str, Any] = {
            "QueryExecutionId": self.id,
            "Query": self.sql,
            "StatementType": self.statement.statement_type if self.statement else "DML",
            "ResultConfiguration": {
                **self.request.get("ResultConfiguration", {}),
                "OutputLocation": self.output_location or f"{self.output_prefix}{self.id}",
            },
            "ResultReuseConfiguration": self.request.get(
                "ResultReuseConfiguration", {"ResultReuseByAgeConfiguration": {"Enabled": False}}
            ),
            "QueryExecutionContext": self.request.get("QueryExecutionContext", {}),
            "Status": status,
            "Statistics": statistics,
            "WorkGroup": self.workgroup,
            "EngineVersion": {
                "SelectedEngineVersion": "Athena engine version 3",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        }
        if self.statement:
            described["SubstatementType"] = self.statement.substatement_type
        if self.request.get("ExecutionParameters"):
            described["ExecutionParameters"] = self.request["ExecutionParameters"]
        return described

    def _athena_error(self) -> dict[str, Any]:
        types = {1: _ENGINE_ERROR, 2: _USER_ERROR, 3: _OTHER_ERROR}
        return {
            "ErrorCategory": self.error_category,
            "ErrorType": types[self.error_category],
            "Retryable": self.error_category != 2,
            "ErrorMessage": self.reason,
        }

    def _milliseconds(self) -> int:
        if self.started is None:
            return 0
        return max(1, round(((self.completed or time.time()) - self.started) * 1000))

    def _total_milliseconds(self) -> int:
        return max(
            self._milliseconds(), round(((self.completed or time.time()) - self.submitted) * 1000)
        )
