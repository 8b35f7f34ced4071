"""Generated shoppers, live: what the JavaScript SDK would send of them, posted to a collector.

A shopper's events have the generator's times, none of them in the future; what is past is posted
as fast as it may be, what is to come when its time comes. How far it came is kept in a file, so
that it goes on there when it is started again: what was under way then is posted once more, with
the same ids, as an SDK does that got no answer.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import itertools
import json
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from engagement import owner_only
from engagement.errors import FailedError
from engagement.samples import Dirt, GeneratorError, GeneratorSettings
from engagement.samples.stream import Sent, events

MOST_IN_A_BATCH = 20
"""Events of one shopper that go in one request."""

_SERVER_ADDS = ("receivedAt", "request_ip", "rudderId", "timestamp")
_AT_ONCE = 4
_TIMEOUT_SECONDS = 30
_ATTEMPTS = 10
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_TRY_AGAIN = (408, 429)
_LONGEST_WAIT = 1.0


class PostingError(FailedError):
    """Events cannot be posted: what is wrong, and what to do about it."""


@dataclass(frozen=True)
class Posting:
    """Where to post, and how.

    ``rate`` is in events a second. ``checkpoint`` is the file that says how far it came.
    """

    address: str
    write_key: str
    rate: float
    checkpoint: Path
    follow: bool = False


@dataclass(frozen=True)
class Progress:
    """How far it is.

    ``position`` counts the shop's events from its first one, those of earlier starts included;
    ``posted`` and ``refused`` are of this one. ``moment`` is the shop's time. ``is_waiting`` says
    that all events up to now were posted.
    """

    position: int
    posted: int = 0
    refused: int = 0
    retries: int = 0
    moment: datetime | None = None
    is_waiting: bool = False


def shop(
    checkpoint: Path,
    users: int | None,
    days: int | None,
    seed: int,
    start: date | None,
    *,
    dirt: bool = True,
) -> GeneratorSettings:
    """The shop to post: the checkpoint's, as long as nothing else is asked for.

    Left out, there are 500 people over the 14 days that end today.

    Raises
    ------
    GeneratorError
        When the checkpoint is of another shop than the one asked for.
    """
    kept = _read(checkpoint)
    wanted_dirt = Dirt() if dirt else Dirt.none()
    if kept is None:
        wanted = days or 14
        today = datetime.now(UTC).date()
        return GeneratorSettings(
            users=users or 500,
            days=wanted,
            seed=seed,
            start=start or today - timedelta(days=wanted - 1),
            dirt=wanted_dirt,
        )
    found = GeneratorSettings.model_validate(kept["shop"])
    asked = {"users": users, "days": days, "seed": seed, "start": start}
    other = [
        f"{name} {getattr(found, name)}, not {value}"
        for name, value in asked.items()
        if value is not None and getattr(found, name) != value
    ]
    if found.dirt != wanted_dirt:
        other.append("without dirt, not with it" if dirt else "with dirt, not without it")
    if other:
        raise GeneratorError(
            f"{checkpoint} goes on with another shop ({'; '.join(other)}): remove it to begin "
            "anew, or name another file with --checkpoint"
        )
    return found


def _read(checkpoint: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(checkpoint.read_text(encoding="utf-8"))
        return {"shop": found["shop"], "position": int(found["position"])}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise GeneratorError(
            f"{checkpoint} cannot be read as a checkpoint ({type(error).__name__}): remove it to "
            "begin anew"
        ) from None


def post(
    settings: GeneratorSettings,
    posting: Posting,
    *,
    progress: Callable[[Progress], None],
    stop: threading.Event | None = None,
    now: Callable[[], float] = time.time,
) -> Progress:
    """Post a shop's events up to now or, following, until it is stopped.

    Raises
    ------
    PostingError
        When the address is none, its write key is not known there, or nothing is answered for
        about two minutes. What was posted is in the checkpoint.
    """
    stop = stop or threading.Event()
    kept = _read(posting.checkpoint)
    place = Progress(position=kept["position"] if kept else 0)
    coming = itertools.islice(events(settings, follow=posting.follow), place.position, None)
    pace = _Pace(posting.rate)
    owner_only.folder(posting.checkpoint.parent)

    def waiting() -> None:
        progress(replace(place, is_waiting=True))

    with _Poster(posting, stop, now) as poster:
        for window in _windows(coming, posting, now, stop, waiting):
            pace.wait(len(window), stop)
            batches = _batches(window)
            done = poster.post_all(batches)
            if stop.is_set():
                break
            place = replace(
                place,
                position=place.position + len(window),
                posted=place.posted + done.posted,
                refused=place.refused + done.refused,
                retries=place.retries + done.retries,
                moment=datetime.fromtimestamp(window[-1].received / 1000, UTC),
            )
            _keep(posting.checkpoint, settings, place.position)
            progress(place)
    return place


def _keep(checkpoint: Path, settings: GeneratorSettings, position: int) -> None:
    found = {"shop": settings.model_dump(mode="json"), "position": position}
    owner_only.replace(checkpoint, json.dumps(found, indent=2) + "\n")


class _Pace:
    """Lets so many events a second pass; time lost is not made up for."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next = time.monotonic()

    def wait(self, count: int, stop: threading.Event) -> None:
        begin = max(self._next, time.monotonic() - 1.0)
        self._next = begin + count / self._rate
        stop.wait(max(0.0, begin - time.monotonic()))


def _windows(
    coming: Iterator[Sent],
    posting: Posting,
    now: Callable[[], float],
    stop: threading.Event,
    waiting: Callable[[], None],
) -> Iterator[list[Sent]]:
    """Yield events that are due, some at a time; wait for those to come only if following."""
    most = max(1, min(500, round(posting.rate / 2)))
    window: list[Sent] = []
    for event in coming:
        if window and (len(window) >= most or event.received > now() * 1000):
            yield window
            window = []
        if event.received > now() * 1000:
            if not posting.follow:
                return
            waiting()
            while (left := event.received / 1000 - now()) > 0 and not stop.is_set():
                stop.wait(min(left, _LONGEST_WAIT))
        if stop.is_set():
            return
        window.append(event)
    if window:
        yield window


@dataclass
class _Batch:
    """A shopper's events of a window, in order."""

    address: str
    anonymous_id: str
    events: list[dict[str, Any]] = field(default_factory=list)
    skews: list[timedelta] = field(default_factory=list)


def _batches(window: Sequence[Sent]) -> list[list[_Batch]]:
    """Each shopper's batches, which have to be posted one after the other."""
    shoppers: dict[str, list[_Batch]] = {}
    for one in window:
        event = orjson.loads(one.text)
        name = str(event.get("anonymousId", ""))
        own = shoppers.setdefault(name, [])
        if not own or len(own[-1].events) >= MOST_IN_A_BATCH:
            own.append(_Batch(str(event.get("request_ip", "")), name))
        # How far the shopper's clock is off when it sends, and how long the way takes.
        skew = datetime.fromisoformat(event["sentAt"]) - datetime.fromisoformat(event["receivedAt"])
        for added in _SERVER_ADDS:
            event.pop(added, None)
        own[-1].events.append(event)
        own[-1].skews.append(skew)
    return list(shoppers.values())


@dataclass
class _Done:
    posted: int = 0
    refused: int = 0
    retries: int = 0


class _Poster:
    """Some connections that are kept, and a thread for each."""

    def __init__(self, posting: Posting, stop: threading.Event, now: Callable[[], float]) -> None:
        parts = urlsplit(posting.address)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise PostingError(
                f"'{posting.address}' is no address of a collector such as http://127.0.0.1:8080"
            )
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._path = parts.path.rstrip("/") + "/v1/batch"
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._free: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()
        self._all = [kind(parts.hostname, port, timeout=_TIMEOUT_SECONDS) for _ in range(_AT_ONCE)]
        for connection in self._all:
            self._free.put(connection)
        token = base64.b64encode(f"{posting.write_key}:".encode()).decode()
        self._authorization = f"Basic {token}"
        self._stop = stop
        self._now = now
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="shopper")
        self._ended = threading.Event()

    def __enter__(self) -> _Poster:
        return self

    def __exit__(self, *why: object) -> None:
        self._ended.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for connection in self._all:
            connection.close()

    def post_all(self, shoppers: Sequence[Sequence[_Batch]]) -> _Done:
        """Post all batches, those of a shopper in order, several shoppers at a time."""
        total = _Done()
        try:
            for done in self._pool.map(self._post_some, shoppers):
                total.posted += done.posted
                total.refused += done.refused
                total.retries += done.retries
        except BaseException:
            self._ended.set()  # threads that wait for another attempt give up
            raise
        return total

    def _post_some(self, batches: Sequence[_Batch]) -> _Done:
        done = _Done()
        for batch in batches:
            pause = _FIRST_PAUSE
            for attempt in range(1, _ATTEMPTS + 1):
                if self._stop.is_set() or self._ended.is_set():
                    return done
                status, text = self._try(batch)
                if status == 200:
                    done.posted += len(batch.events)
                    break
                if 0 < status < 500 and status not in _TRY_AGAIN:
                    self._check(status, text)
                    done.refused += len(batch.events)
                    break
                if attempt == _ATTEMPTS:
                    raise PostingError(
                        f"{self._shown} takes no events ({text}), {attempt} attempts; start it "
                        "and run this again: it goes on where it was"
                    )
                done.retries += 1
                self._ended.wait(pause * (0.5 + random.random()))  # noqa: S311 (no secret)
                pause = min(pause * 2, _LONGEST_PAUSE)
        return done

    def _check(self, status: int, text: str) -> None:
        if status in (401, 403, 404, 405):
            raise PostingError(f"{self._shown} refuses events: {status}, {text}")

    def _try(self, batch: _Batch) -> tuple[int, str]:
        """Post once; status 0 where nothing was answered."""
        sent = datetime.fromtimestamp(self._now(), UTC)
        stamps = [_written(sent + skew) for skew in batch.skews]
        body = gzip.compress(
            orjson.dumps(
                {
                    "batch": [
                        {**event, "sentAt": stamp}
                        for event, stamp in zip(batch.events, stamps, strict=True)
                    ],
                    "sentAt": stamps[-1],
                }
            ),
            compresslevel=6,
        )
        headers = {
            "Authorization": self._authorization,
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "AnonymousId": base64.b64encode(batch.anonymous_id.encode()).decode(),
        }
        if batch.address:
            headers["X-Forwarded-For"] = batch.address
        connection = self._free.get()
        try:
            connection.request("POST", self._path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(500).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return 0, getattr(error, "strerror", None) or type(error).__name__
        finally:
            self._free.put(connection)


def _written(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
