"""Keep two runs of one project from writing at once: a lock file beside the DuckDB file.

The lock is the operating system's, so a killed run lets go of it by dying. The file beside it only
says who holds it. A run hands its token to the kernels it starts (``ENGAGEMENT_LEASE``), so that
its notebooks write under the run's lease.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from engagement import owner_only
from engagement.warehouse.errors import LeaseHeldError

TOKEN_VARIABLE = "ENGAGEMENT_LEASE"  # noqa: S105 (a variable's name)

_A_MOMENT = 0.2


@contextmanager
def hold(beside: Path, holder: str) -> Iterator[str]:
    """Hold the lease of the file ``beside`` while the block lasts.

    Raises
    ------
    LeaseHeldError
        When another process holds it: who, and since when.
    """
    lock_path, note_path = _paths(beside)
    inherited = os.environ.get(TOKEN_VARIABLE)
    if inherited and _note(note_path).get("token") == inherited:
        yield inherited
        return
    owner_only.folder(lock_path.parent)
    lock = FileLock(lock_path, mode=0o600)
    try:
        # Who only asks for the holder takes the lock for a moment too.
        lock.acquire(timeout=_A_MOMENT, poll_interval=_A_MOMENT / 10)
    except Timeout:
        note = _note(note_path)
        raise LeaseHeldError(
            f"{beside.name} is being written by {note.get('holder', 'another run')} "
            f"(process {note.get('process', 'unknown')}) since {note.get('since', 'just now')}. "
            "Wait until it has ended, or stop it; a killed run lets go by itself."
        ) from None
    token = secrets.token_hex(8)
    try:
        owner_only.write(
            note_path,
            json.dumps(
                {
                    "holder": holder,
                    "process": os.getpid(),
                    "since": datetime.now(UTC).isoformat(timespec="seconds"),
                    "token": token,
                }
            ),
        )
        yield token
    finally:
        note_path.unlink(missing_ok=True)
        lock.release()


@contextmanager
def as_holder(token: str) -> Iterator[None]:
    """Let the sessions of this process work under the lease that it holds."""
    before = os.environ.get(TOKEN_VARIABLE)
    os.environ[TOKEN_VARIABLE] = token
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(TOKEN_VARIABLE)
        else:
            os.environ[TOKEN_VARIABLE] = before


@contextmanager
def signs_of_life(give: Callable[[], bool], every: float) -> Iterator[None]:
    """Give a sign of life every so many seconds while the block lasts, until one says no more."""
    over = threading.Event()

    def stay_alive() -> None:
        while not over.wait(every) and give():
            pass

    alive = threading.Thread(target=stay_alive, daemon=True)
    alive.start()
    try:
        yield
    finally:
        over.set()
        alive.join()


def check(beside: Path, token: str) -> None:
    """Make sure that the lease is still the one of this token.

    Raises
    ------
    LeaseHeldError
        When it is not: whoever took it over writes now, and this run must not.
    """
    note = _note(_paths(beside)[1])
    if note.get("token") != token:
        raise LeaseHeldError(
            f"this run's lease of {beside.name} is gone (held by {note.get('holder', 'nobody')}): "
            "nothing more was published. Run it again."
        )


def holder(beside: Path) -> dict[str, str]:
    """Who holds the lease now: ``holder, process, since``; empty where nobody does."""
    lock_path, note_path = _paths(beside)
    if not lock_path.exists():
        return {}
    try:
        with FileLock(lock_path, timeout=0, mode=0o600):
            return {}
    except Timeout:
        return {key: value for key, value in _note(note_path).items() if key != "token"}


def _paths(beside: Path) -> tuple[Path, Path]:
    return beside.with_name(beside.name + ".lock"), beside.with_name(beside.name + ".holder.json")


def _note(path: Path) -> dict[str, str]:
    with contextlib.suppress(OSError, json.JSONDecodeError):
        note = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(note, dict):
            return {str(key): str(value) for key, value in note.items()}
    return {}
