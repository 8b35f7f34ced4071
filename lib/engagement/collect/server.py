"""The collector as a whole: the server, the write-ahead file and what delivers it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from filelock import FileLock, Timeout

from engagement import owner_only
from engagement.collect.app import build
from engagement.collect.delivery import Deliverer, Landed, LandingFolder, Target, check_apart
from engagement.collect.firehose import FirehoseStream
from engagement.collect.journal import Answer, Frame, GroupCommit, Journal
from engagement.errors import WrongInputError
from engagement.settings import ROOT, Settings

logger = logging.getLogger("engagement")

_CLOSING_SECONDS = 5
_BACKLOG = 1024


class CollectError(WrongInputError):
    """The collector cannot start: what is wrong, and what to do about it."""


@dataclass(frozen=True)
class Plan:
    """Where a collector listens, what it takes, and where events go.

    ``landing`` is ``None`` where events only go to a stream. ``wal`` is the folder of the
    write-ahead file.
    """

    host: str
    port: int
    write_keys: tuple[str, ...]
    landing: Path | None
    wal: Path
    roll_bytes: int
    roll_seconds: float
    streams: tuple[Target, ...] = field(default=())


def plan(settings: Settings) -> Plan:
    """What the parameters ask for.

    Raises
    ------
    CollectError
        When events have no place to go, or one that is not for them.
    """
    wanted = settings.collect
    location = wanted.landing or settings.landing.location
    landing = None if location.startswith("s3://") else settings.path(location)
    if landing is None and wanted.firehose is None:
        raise CollectError(
            f"landing.location is {location}: set collect.landing to a folder, or "
            "collect.firehose to a stream that delivers there"
        )
    samples = ROOT / "data" / "samples"
    if landing is not None and samples in (landing.resolve(), *landing.resolve().parents):
        raise CollectError(
            f"events would land among the samples ({location}): use --params params/live.yaml, or "
            "set collect.landing to a folder of its own, such as data/landing"
        )
    if wanted.wal:
        wal = settings.path(wanted.wal)
    elif landing is not None:
        wal = landing.with_name(landing.name + ".wal")
    else:
        wal = settings.path("data/collect.wal")
    if landing is not None and (problem := check_apart(landing, wal)):
        raise CollectError(f"collect.wal: {problem}")
    streams: tuple[Target, ...] = ()
    if wanted.firehose is not None:
        import boto3  # slow to import, and seldom wanted

        client = boto3.client("firehose", region_name=wanted.firehose.region)
        streams = (FirehoseStream(wanted.firehose.stream, client),)
    return Plan(
        host=wanted.host,
        port=wanted.port,
        write_keys=wanted.write_keys,
        landing=landing,
        wal=wal,
        roll_bytes=int(wanted.roll_megabytes * 1_000_000),
        roll_seconds=wanted.roll_seconds,
        streams=streams,
    )


class _Store:
    """Hands frames of the event loop to the thread that writes them."""

    def __init__(self, journal: Journal, chosen: Plan, sealed: Callable[[], None]) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self.commit = GroupCommit(
            journal, self._answer_all, chosen.roll_bytes, chosen.roll_seconds, sealed
        )

    @property
    def failure(self) -> OSError | None:
        """Why the latest events could not be written, if they could not."""
        return self.commit.failure

    async def keep(self, frame: Frame) -> None:
        """Return once a request's events are on disk."""
        self._loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = self._loop.create_future()

        def answer(error: OSError | None) -> None:
            if stored.done():
                return  # the client has gone
            if error is None:
                stored.set_result(None)
            else:
                stored.set_exception(error)

        self.commit.submit(frame, answer)
        await stored

    def _answer_all(self, answers: list[Answer], error: OSError | None) -> None:
        def give() -> None:
            for answer in answers:
                answer(error)

        if self._loop is not None:
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                self._loop.call_soon_threadsafe(give)


@dataclass
class Collected:
    """What a collector did: events and files that landed, and segments left for the next start."""

    events: int = 0
    files: int = 0
    left: int = 0


def serve(
    chosen: Plan,
    *,
    started: Callable[[str], None],
    landed: Callable[[Landed], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> Collected:
    """Take events in until SIGINT or SIGTERM comes; then land what is left.

    Parameters
    ----------
    chosen
        What :func:`plan` made of the parameters.
    started
        Called with the address once requests are answered.
    landed
        Called after each landed file.
    stop
        Ends it as well; for callers that are not the main thread.

    Raises
    ------
    CollectError
        When the address is taken, or another collector works in the same folder.
    """
    counts = Collected()

    def count(file: Landed) -> None:
        counts.events += file.events
        counts.files += 1
        landed(file)

    listening = _listen(chosen.host, chosen.port)
    with listening, _alone(chosen.wal):
        try:
            journal = Journal(chosen.wal)
            targets: Sequence[Target] = chosen.streams
            if chosen.landing is not None:
                targets = (LandingFolder(chosen.landing, chosen.wal, count), *targets)
        except OSError as error:
            raise CollectError(
                f"the collector's folders cannot be used: {error.strerror}: {error.filename}"
            ) from error
        deliverer = Deliverer(journal, targets)
        store = _Store(journal, chosen, deliverer.wake)
        try:
            _run(build(store, chosen.write_keys), listening, started, stop)
        finally:
            store.commit.stop()
            counts.left = deliverer.stop()
    return counts


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        hint = "; is another collector running? Set collect.port" if port else ""
        reason = error.strerror or str(error)
        raise CollectError(f"cannot listen on {host}, port {port}: {reason}{hint}") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other collectors out of a folder; a process that is killed lets go of it."""
    lock = FileLock(owner_only.folder(folder) / "lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CollectError(
            f"another collector works in {folder}: stop it, or set collect.wal and collect.landing"
        ) from None
    try:
        yield
    finally:
        lock.release()


class _Server(uvicorn.Server):
    """The server, which says when it answers and can be stopped by an event."""

    def __init__(
        self, config: uvicorn.Config, started: Callable[[], None], stop: threading.Event | None
    ) -> None:
        super().__init__(config)
        self._tell = started
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or (self._stop is not None and self._stop.is_set())


def quiet_config(app: Any, **options: Any) -> uvicorn.Config:
    """How a server of a laptop is set up: plain HTTP, and not a line of a log."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        # Their lines hold addresses with write keys, and quote what went wrong.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        **options,
    )


def _run(
    app: Any,
    listening: socket.socket,
    started: Callable[[str], None],
    stop: threading.Event | None,
) -> None:
    config = quiet_config(
        app, proxy_headers=False, timeout_keep_alive=60, timeout_graceful_shutdown=_CLOSING_SECONDS
    )
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    server = _Server(config, lambda: started(f"http://{shown}:{port}"), stop)
    with _calm_signals():
        server.run(sockets=[listening])


@contextmanager
def _calm_signals() -> Iterator[None]:
    """Let the server end in its own time: it raises signals again once it has ended.

    Then they have been obeyed already, and what is left is to land the last events.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def obeyed(number: int, frame: FrameType | None) -> None:
        del number, frame

    before = {one: signal.signal(one, obeyed) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
