"""Processes that belong together: started in order, ended together, none left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from engagement import owner_only
from engagement.demo.errors import DemoError

_LOOK_SECONDS = 0.1
_START_SECONDS = 60.0
_END_SECONDS = 25.0
_SHOWN_LINES = 15

_ENTRY = (
    "import sys; sys.argv[0] = 'engagement'; "
    "from engagement.demo.lifeline import hold; hold(); "
    "from engagement.cli import main; main()"
)


@dataclass(frozen=True)
class Part:
    """One process: a command of ``engagement``.

    Attributes
    ----------
    is_ready
        Asked until it says so; the next part starts then.
    is_heard
        Its output goes to this process's, not only to its log.
    """

    name: str
    arguments: tuple[str, ...]
    is_ready: Callable[[], bool] = lambda: True
    is_heard: bool = False


@dataclass
class _Running:
    part: Part
    process: subprocess.Popen[bytes]
    log: Path


class _Told:
    """Whether this process was told to end: by Ctrl-C, SIGTERM, or a terminal that is gone."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.times += 1


def run(
    parts: Sequence[Part],
    logs: Path,
    *,
    started: Callable[[], None],
    python: Sequence[str] = (sys.executable, "-c", _ENTRY),
) -> None:
    """Run parts until this process is told to end, or one of them ends.

    Each part has a session of its own, so that a terminal's Ctrl-C reaches this process alone,
    which ends them in reverse order: the last one first. A part that does not end in time, or when
    told a second time, is killed.

    Parameters
    ----------
    parts
        In the order in which they start.
    logs
        Folder for what they print.
    started
        Called once all are ready.
    python
        What runs a part's arguments; it must hold its lifeline.

    Raises
    ------
    DemoError
        When a part ended by itself, or did not get ready: which one, and its last lines.
    """
    running: list[_Running] = []
    with _listening() as told:
        try:
            for part in parts:
                running.append(_start(part, logs, python))
                _wait_until_ready(running, told)
                if told.times:
                    return
            started()
            while not told.times:
                _check(running)
                time.sleep(_LOOK_SECONDS)
        finally:
            _end(running, told)


@contextmanager
def _listening() -> Iterator[_Told]:
    told = _Told()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {one: signal.signal(one, told) for one in signals}
    try:
        yield told
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _start(part: Part, logs: Path, python: Sequence[str]) -> _Running:
    log = owner_only.folder(logs) / f"{part.name}.log"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with owner_only.opened(log, "wb") as stream:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            [*python, *part.arguments],
            stdin=subprocess.PIPE,
            stdout=None if part.is_heard else stream,
            stderr=stream,
            env=environment,
            start_new_session=True,
        )
    return _Running(part, process, log)


def _wait_until_ready(running: Sequence[_Running], told: _Told) -> None:
    newest = running[-1]
    deadline = time.monotonic() + _START_SECONDS
    while not told.times:
        _check(running)
        if newest.part.is_ready():
            return
        if time.monotonic() > deadline:
            raise DemoError(
                f"{newest.part.name} was not ready after {_START_SECONDS:g} seconds{_last(newest)}"
            )
        time.sleep(_LOOK_SECONDS)


def _check(running: Sequence[_Running]) -> None:
    for one in running:
        if one.process.poll() is not None:
            raise DemoError(f"{one.part.name} ended, so everything ended{_last(one)}")


def _last(one: _Running) -> str:
    text = one.log.read_text(encoding="utf-8", errors="replace").strip()
    lines = text.splitlines()[-_SHOWN_LINES:]
    return ":\n" + "\n".join(f"  {line}" for line in lines) if lines else ""


def _end(running: Sequence[_Running], told: _Told) -> None:
    heard = told.times
    for one in reversed(running):
        _signal(one.process, signal.SIGTERM)
    deadline = time.monotonic() + _END_SECONDS
    while any(one.process.poll() is None for one in running):
        if time.monotonic() > deadline or told.times > max(heard, 1):
            break
        time.sleep(_LOOK_SECONDS)
    for one in running:
        # Also what a part has left behind in its session.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()
        _close(one.process.stdin)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(BrokenPipeError):
            stream.close()
