"""Sending live entries: calls of ten, a rate limit, retries with jitter, bad entries singled out.

PutEvents takes a call as a whole or not at all, and does not say which event it minds. So a call
that is refused is halved until the entries that the service refuses are alone; the rest is sent.
A call whose answer was lost is made again: the service drops events whose id it knows, and users
and items are only written again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    ParamValidationError,
)

from engagement.errors import FailedError
from engagement.personalize.mapping import Call, Put
from engagement.privacy import masked

MOST_ENTRIES = 10
"""Events, users or items of one call."""

_AGAIN = {
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "LimitExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeoutException",
    "ResourceInUseException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_REFUSED = {"InvalidInputException", "ValidationException"}


class LiveError(FailedError):
    """Live events that cannot be sent: what the service said, and what to do."""


class EventsClient(Protocol):
    """The part of boto3's ``personalize-events`` client that is used."""

    def put_events(self, **request: Any) -> Any:
        """Send events of one user and session."""

    def put_users(self, **request: Any) -> Any:
        """Write users of a dataset."""

    def put_items(self, **request: Any) -> Any:
        """Write items of a dataset."""


@dataclass(frozen=True)
class Target:
    """Where live entries go: the event tracker's id, and the datasets of users and items."""

    tracking_id: str
    datasets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Retries:
    """How often a call is tried, and the longest pauses before it is tried again, in seconds."""

    attempts: int = 10
    first: float = 0.1
    longest: float = 20.0


@dataclass
class Answer:
    """What became of a call's entries: those taken, and those refused with the service's reason."""

    accepted: list[Put] = field(default_factory=list)
    refused: list[tuple[Put, str]] = field(default_factory=list)
    calls: int = 0
    retries: int = 0


class RateLimit:
    """Lets a given number of calls start in a second, evenly; threads wait in turn."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap = 1 / per_second
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next = clock()

    def wait(self) -> None:
        """Wait for a turn."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._gap
        if turn > now:
            self._sleep(turn - now)


def request(target: Target, call: Call, entries: Sequence[Put]) -> dict[str, Any]:
    """A call's request; the entries share user and session.

    Raises
    ------
    LiveError
        When the target has no dataset for users or items.
    """
    bodies = [dict(one.entry) for one in entries]
    if call == "PutEvents":
        user, session = entries[0].group
        body = {"trackingId": target.tracking_id, "sessionId": session, "eventList": bodies}
        return body if user is None else {**body, "userId": user}
    name = "users" if call == "PutUsers" else "items"
    if name not in target.datasets:
        raise LiveError(f"there is no dataset for {name}: run 'engagement personalize up' first")
    return {"datasetArn": target.datasets[name], name: bodies}


_METHODS: dict[Call, str] = {
    "PutEvents": "put_events",
    "PutUsers": "put_users",
    "PutItems": "put_items",
}


class Sender:
    """Makes calls; several threads may use it."""

    def __init__(
        self,
        client: EventsClient,
        target: Target,
        rate: RateLimit,
        retries: Retries = Retries(),
        sleep: Callable[[float], object] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client, self._target, self._rate = client, target, rate
        self._retries, self._chance = retries, chance
        self._stop = threading.Event()
        self._sleep = sleep or self._stop.wait  # which ends when it is told to stop

    def stop(self) -> None:
        """Make no further call; one that is under way ends."""
        self._stop.set()

    def send(self, entries: Sequence[Put]) -> Answer:
        """Send up to ten entries that go into one call.

        Raises
        ------
        LiveError
            When the service does not answer after all attempts, or answers what no other entry
            would change: no right to do this, no such tracker.
        """
        answer = Answer()
        self._send(list(entries), answer)
        return answer

    def _send(self, entries: list[Put], answer: Answer) -> None:
        reason = self._attempt(entries, answer)
        if reason is None:
            answer.accepted += entries
        elif len(entries) == 1:
            answer.refused.append((entries[0], reason))
        else:
            half = len(entries) // 2
            self._send(entries[:half], answer)
            self._send(entries[half:], answer)

    def _attempt(self, entries: list[Put], answer: Answer) -> str | None:
        """Make a call until it is answered: ``None`` if it was taken, else why it was refused."""
        call = entries[0].call
        body = request(self._target, call, entries)
        method = getattr(self._client, _METHODS[call])
        last = ""
        for attempt in range(self._retries.attempts):
            if attempt:
                longest = min(self._retries.longest, self._retries.first * 2**attempt)
                self._sleep(longest * self._chance())
                answer.retries += 1
            if self._stop.is_set():
                raise LiveError("stopped; running it again goes on where it was")
            self._rate.wait()
            answer.calls += 1
            try:
                method(**body)
            except ParamValidationError as error:
                return masked(str(error).splitlines()[-1].strip())
            except ClientError as error:
                code, said = _said(error)
                if code in _REFUSED:
                    return masked(said)
                if not _is_passing(error, code):
                    advice = _ADVICE.get(code, "")
                    raise LiveError(
                        f"{call} was answered {code}: {masked(said)}. {advice}".strip()
                    ) from None
                last = f"{code}: {masked(said)}"
            except (HTTPClientError, ConnectionClosedError) as error:
                last = masked(str(error))
            except BotoCoreError as error:
                raise LiveError(f"{call} cannot be made: {masked(str(error))}") from None
            else:
                return None
        raise LiveError(
            f"{call} was tried {self._retries.attempts} times, the last answer was: {last}. "
            "What was acknowledged is remembered: run it again"
        )


_ADVICE = {
    "AccessDeniedException": "Give this user the right to it, for the tracker and the datasets.",
    "ResourceNotFoundException": "Run 'engagement personalize up' first, or check the tracking id.",
    "UnrecognizedClientException": "Check the credentials of this machine.",
    "ExpiredTokenException": "The credentials have expired.",
}


def _said(error: ClientError) -> tuple[str, str]:
    inner = error.response.get("Error", {})
    return str(inner.get("Code", "Unknown")), str(inner.get("Message", "without a reason"))


def _is_passing(error: ClientError, code: str) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code in _AGAIN or status == 429 or status >= 500


def events_client(region: str, *, timeout: float = 10.0, connections: int = 16) -> Any:
    """boto3's client for live events; retries are made here, so it makes none."""
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=timeout,
        read_timeout=timeout,
        max_pool_connections=connections,
    )
    return boto3.client("personalize-events", region_name=region, config=config)
