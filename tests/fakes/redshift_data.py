"""Redshift's Data API with a memory: sessions, statements that take their time, pages of results.

What runs a statement is the test's: :attr:`RedshiftDataFake.execute`. It runs when the statement
ends, whether anybody asks or not: :meth:`RedshiftDataFake.proceed` lets all of them end, as the
service would after whoever submitted them has died.

What it does not show: who may run what, how a warehouse that sleeps wakes up, and which statements
a database of Redshift's would refuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tests.fakes.service import Fake, Parameters, Progress, ServiceError

MOST_BYTES = 100 * 1024
MOST_RESULT_BYTES = 500_000_000


class RefusedError(Exception):
    """What the database says about a statement; ``number`` is which of them, from 1."""

    def __init__(self, said: str, number: int = 1) -> None:
        self.number = number
        super().__init__(said)


@dataclass(frozen=True)
class Outcome:
    """What comes of a statement: columns (name, type, precision, scale) and rows, or a count."""

    columns: Sequence[tuple[str, str, int, int]] = ()
    rows: Sequence[Sequence[Any]] = ()
    affected: int = -1


Execute = Callable[[str, Sequence[str]], Outcome]


def nothing(session: str, statements: Sequence[str]) -> Outcome:
    """Run nothing: a query gives no rows of one column."""
    del session
    is_query = re.match(r"(?i)select|with|show", statements[-1])
    return Outcome(columns=[("a", "int4", 10, 0)]) if is_query else Outcome(affected=0)


@dataclass
class Submitted:
    """A statement, or several that are one transaction."""

    id: str
    session: str
    statements: list[str]
    progress: Progress
    outcome: Outcome = field(default_factory=Outcome)
    error: str = ""
    failed: int = 0
    has_run: bool = False
    aborted: bool = False


class RedshiftDataFake(Fake):
    """Sessions and statements by id."""

    service = "redshift-data"

    def __init__(self, execute: Execute = nothing) -> None:
        super().__init__()
        self.execute = execute
        self.page_rows = 1000
        self.most_result_bytes = MOST_RESULT_BYTES
        self.statements: dict[str, Submitted] = {}
        self.sessions: dict[str, int] = {}
        self.ended: list[str] = []
        self.on_end: Callable[[str], None] = lambda session: None
        self._tokens: dict[str, str] = {}

    # --- submitting

    def execute_statement(self, request: Parameters) -> Parameters:
        return self._submit(request, [request["Sql"]])

    def batch_execute_statement(self, request: Parameters) -> Parameters:
        return self._submit(request, list(request["Sqls"]))

    def _submit(self, request: Parameters, statements: list[str]) -> Parameters:
        token = request.get("ClientToken")
        if token in self._tokens:
            return self._answer(self.statements[self._tokens[token]])
        for sql in statements:
            if len(sql.encode()) > MOST_BYTES:
                raise ServiceError("ValidationException", "the statement is too large")
        session = self._session(request)
        if any(one.session == session and not self._ended(one) for one in self.statements.values()):
            raise ServiceError("ValidationException", f"the session {session} is busy")
        number = self.number("statement")
        id_ = f"{number:08x}-0000-4000-8000-{number:012x}"
        progress = self.begin("statement", ["SUBMITTED", "PICKED", "STARTED"], "FINISHED")
        submitted = Submitted(id_, session, statements, progress)
        self.statements[id_] = submitted
        if token:
            self._tokens[token] = id_
        return self._answer(submitted)

    def _session(self, request: Parameters) -> str:
        given = request.get("SessionId")
        where = {"ClusterIdentifier", "WorkgroupName", "Database", "DbUser", "SecretArn"}
        if given is not None:
            if where & request.keys():
                raise ServiceError("ValidationException", "a session has its database already")
            if given not in self.sessions:
                raise ServiceError("ResourceNotFoundException", f"no session {given}")
            self.sessions[given] = request.get("SessionKeepAliveSeconds", self.sessions[given])
            return str(given)
        if len({"ClusterIdentifier", "WorkgroupName"} & request.keys()) != 1:
            raise ServiceError("ValidationException", "name a cluster or a workgroup")
        if "Database" not in request:
            raise ServiceError("ValidationException", "name a database")
        if "DbUser" in request and "ClusterIdentifier" not in request:
            raise ServiceError("ValidationException", "a workgroup takes no user")
        number = self.number("session")
        made = f"{number:08x}-1111-4000-8000-{number:012x}"
        if "SessionKeepAliveSeconds" in request:
            self.sessions[made] = request["SessionKeepAliveSeconds"]
        return made

    def _answer(self, submitted: Submitted) -> Parameters:
        return {"Id": submitted.id, "CreatedAt": self.now(), "SessionId": submitted.session}

    # --- running

    def proceed(self) -> None:
        """Let all statements end."""
        for submitted in self.statements.values():
            submitted.progress.finish()
            self._run(submitted)

    def _ended(self, submitted: Submitted) -> bool:
        return submitted.aborted or submitted.progress.ended

    def _run(self, submitted: Submitted) -> None:
        """What happens when a statement ends, once."""
        if submitted.has_run or submitted.aborted or not submitted.progress.ended:
            return
        submitted.has_run = True
        if submitted.progress.ending.state == "FINISHED":
            try:
                submitted.outcome = self.execute(submitted.session, submitted.statements)
                size = sum(len(str(cell)) for row in submitted.outcome.rows for cell in row)
                if size > self.most_result_bytes:
                    raise RefusedError("Database response exceeded size limit")
            except RefusedError as error:
                submitted.error, submitted.failed = f"ERROR: {error}", error.number
        else:
            details = submitted.progress.ending.details
            submitted.error = details.get("error", "")
            submitted.failed = details.get("number", 1)
        if self.sessions.get(submitted.session) == 0:
            del self.sessions[submitted.session]
            self.ended.append(submitted.session)
            self.on_end(submitted.session)

    def _find(self, request: Parameters) -> Submitted:
        if request["Id"] not in self.statements:
            raise ServiceError("ResourceNotFoundException", "no such statement")
        return self.statements[request["Id"]]

    def _state(self, submitted: Submitted) -> str:
        if submitted.aborted:
            return "ABORTED"
        if submitted.progress.ended and submitted.failed:
            return submitted.progress.ending.state.replace("FINISHED", "FAILED")
        return submitted.progress.state

    def describe_statement(self, request: Parameters) -> Parameters:
        submitted = self._find(request)
        submitted.progress.look()
        self._run(submitted)
        state = self._state(submitted)
        answer: Parameters = {
            "Id": submitted.id,
            "Status": state,
            "SessionId": submitted.session,
            "HasResultSet": state == "FINISHED" and bool(submitted.outcome.columns),
            "ResultRows": len(submitted.outcome.rows) or submitted.outcome.affected,
            "Duration": 1_000_000,
            "CreatedAt": self.now(),
        }
        if state in ("FAILED", "ABORTED") and submitted.error:
            answer["Error"] = submitted.error
        if len(submitted.statements) > 1:
            answer["Error"] = f"Query #{submitted.failed} failed" if submitted.failed else ""
            answer["SubStatements"] = [
                self._part(submitted, number, state)
                for number in range(1, len(submitted.statements) + 1)
            ]
        return answer

    @staticmethod
    def _part(submitted: Submitted, number: int, state: str) -> Parameters:
        if not submitted.failed:
            return {"Id": f"{submitted.id}:{number}", "Status": state}
        part = {"Id": f"{submitted.id}:{number}", "Status": "ABORTED"}
        if number == submitted.failed:
            part |= {"Status": "FAILED", "Error": submitted.error}
        return part

    def cancel_statement(self, request: Parameters) -> Parameters:
        submitted = self._find(request)
        if self._ended(submitted):
            raise ServiceError("ValidationException", "it has ended")
        submitted.aborted = True
        return {"Status": True}

    def get_statement_result(self, request: Parameters) -> Parameters:
        submitted = self._find(request)
        if self._state(submitted) != "FINISHED" or not submitted.outcome.columns:
            raise ServiceError("ResourceNotFoundException", "it has no result")
        rows = submitted.outcome.rows
        start = int(request.get("NextToken") or 0)
        following = start + self.page_rows
        answer: Parameters = {
            "ColumnMetadata": [
                {"name": name, "label": name, "typeName": kind, "precision": p, "scale": s}
                for name, kind, p, s in submitted.outcome.columns
            ],
            "Records": [[_field(cell) for cell in row] for row in rows[start:following]],
            "TotalNumRows": len(rows),
        }
        if following < len(rows):
            answer["NextToken"] = str(following)
        return answer


def _field(cell: Any) -> Parameters:
    match cell:
        case None:
            return {"isNull": True}
        case bool():
            return {"booleanValue": cell}
        case int():
            return {"longValue": cell}
        case float():
            return {"doubleValue": cell}
        case datetime():
            return {"stringValue": str(cell)}
        case date() | Decimal():
            return {"stringValue": str(cell)}
    return {"stringValue": str(cell)}
