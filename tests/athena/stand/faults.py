"""Faults on purpose: which calls to the stand's services go wrong, and how.

A rule is any callable that takes a `Call` and returns a `Failure`, or None to let the call
through; it may also raise a `ServiceError`, or wait so that something else happens meanwhile.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .errors import ServiceError

Client = Literal["client", "engine"]


@dataclass(frozen=True)
class Call:
    """One call of a service.

    Attributes
    ----------
    service : str
        As in the request's signature: ``athena``, ``glue``, ``s3``; or ``engine`` for the
        running of a statement.
    operation : str
        The service's own name of it: ``StartQueryExecution``, ``PutObject``. For ``engine``:
        ``StartStatement`` before a statement runs, ``FinishStatement`` when it has run and
        Athena has not said so yet.
    client : str
        ``engine`` where Trino calls, ``client`` where anything else does.
    resource : str
        What it is about: ``bucket/key`` for S3, the SQL text for statements.
    parameters : mapping
        The request's body, where it is JSON.
    number : int
        How many calls of this service and operation there have been, this one included.
    agent : str
        What the caller says it is, in its ``User-Agent``.
    """

    service: str
    operation: str
    client: Client
    resource: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
    agent: str = ""


@dataclass(frozen=True)
class Failure:
    """What a call gets instead of its answer.

    Attributes
    ----------
    code, message, status
        The error, as the service names it, and the HTTP status.
    lost : {"", "request", "answer"}
        Where set, the connection breaks instead: before the call has done anything, or after
        it was carried out.
    """

    code: str
    message: str
    status: int = 400
    lost: Literal["", "request", "answer"] = ""


Rule = Callable[[Call], Failure | None]

THROTTLED = Failure("ThrottlingException", "Rate exceeded")
TOO_MANY_QUERIES = Failure(
    "TooManyRequestsException", "You have exceeded the limit for the number of queries"
)
SLOW_DOWN = Failure("SlowDown", "Please reduce your request rate.", 503)
EXPIRED_CREDENTIALS = Failure(
    "ExpiredTokenException", "The security token included in the request is expired"
)
ACCESS_DENIED = Failure("AccessDeniedException", "You are not authorized to do this", 403)
INTERNAL_ERROR = Failure("InternalServerException", "An internal error occurred", 500)
ENGINE_FAILED = Failure(
    "GENERIC_INTERNAL_ERROR", "The engine stopped in the middle of the statement", 500
)
LOST_REQUEST = Failure("", "the connection broke before the call was carried out", lost="request")
LOST_ANSWER = Failure("", "the connection broke after the call was carried out", lost="answer")


class Faults:
    """The rules in force, and a count of all calls."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._counts: Counter[tuple[str, str, Client]] = Counter()
        self._called: set[tuple[str, str, str]] = set()
        self._lock = threading.Lock()

    @property
    def are_injected(self) -> bool:
        """Whether a rule is in force."""
        return bool(self._rules)

    def add(self, rule: Rule) -> Rule:
        """Put a rule in force, after those already there; the first that fails a call counts."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """End a rule."""
        with self._lock:
            self._rules.remove(rule)

    def clear(self) -> None:
        """End every rule and forget the counts."""
        with self._lock:
            self._rules.clear()
            self._counts.clear()

    @contextmanager
    def injected(self, rule: Rule) -> Iterator[Rule]:
        """Keep a rule in force for the length of a ``with`` block."""
        self.add(rule)
        try:
            yield rule
        finally:
            with self._lock:
                if rule in self._rules:
                    self._rules.remove(rule)

    def count(self, service: str, operation: str, client: Client | None = None) -> int:
        """How often an operation was called since the start or the last `clear`."""
        clients: tuple[Client, ...] = ("client", "engine") if client is None else (client,)
        with self._lock:
            return sum(self._counts[service, operation, one] for one in clients)

    def called_by(self, agent: str) -> set[tuple[str, str]]:
        """Services and operations that callers of a name have called since the stand started."""
        with self._lock:
            return {(service, name) for service, name, who in self._called if agent in who}

    def check(self, call: Call) -> Failure | None:
        """Count a call and return the failure that the rules have for it."""
        with self._lock:
            self._counts[call.service, call.operation, call.client] += 1
            self._called.add((call.service, call.operation, call.agent))
            number = sum(self._counts[call.service, call.operation, one] for one in _CLIENTS)
            rules = list(self._rules)
        numbered = replace(call, number=number)
        for rule in rules:
            try:
                failure = rule(numbered)
            except ServiceError as error:
                return Failure(error.code, error.message, error.status)
            if failure is not None:
                return failure
        return None


def fail(
    service: str,
    operation: str,
    failure: Failure,
    *,
    on: int = 1,
    times: int = 1,
    client: Client | None = None,
    containing: str = "",
) -> Rule:
    """Make a rule that fails some of the calls that it matches.

    Parameters
    ----------
    service, operation : str
        Which calls; see `Call`.
    failure : Failure
        How they fail.
    on : int
        The first to fail, counted from 1 among those that match from now on.
    times : int
        How many to fail from there.
    client : {"client", "engine"}, optional
        Only calls from there.
    containing : str
        Only calls whose resource contains this.
    """
    lock = threading.Lock()
    matched = 0

    def rule(call: Call) -> Failure | None:
        nonlocal matched
        if (call.service, call.operation) != (service, operation):
            return None
        if client not in (None, call.client) or containing not in call.resource:
            return None
        with lock:
            matched += 1
            return failure if on <= matched < on + times else None

    return rule


_CLIENTS: tuple[Client, ...] = ("client", "engine")
