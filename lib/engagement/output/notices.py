"""What takes a while, said while it does: on the terminal, or to the run of a notebook.

A run's notebooks have no terminal: what they print goes into their outputs. So a run names a file
(``ENGAGEMENT_NOTICES``) that holds what its notebook is waiting for, and shows that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engagement import owner_only

VARIABLE = "ENGAGEMENT_NOTICES"


def post(text: str) -> None:
    """Say what is being waited for; on a terminal once, in a run until :func:`done`."""
    path = os.environ.get(VARIABLE)
    if path:
        with suppress(OSError):  # no reason to stop
            owner_only.replace(Path(path), text)
    elif sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def say_in_run(text: str) -> None:
    """Say what is being waited for where a run shows it; elsewhere somebody else has said it."""
    if os.environ.get(VARIABLE):
        post(text)


def done() -> None:
    """Say that it is over."""
    path = os.environ.get(VARIABLE)
    if path:
        with suppress(OSError):
            Path(path).unlink(missing_ok=True)


def current(path: Path) -> str:
    """What a run's notebook is waiting for; empty if nothing."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8")
    return ""


@contextmanager
def kept_in(path: Path) -> Iterator[None]:
    """Let what the processes of the block are waiting for be in a file."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if before is None:
            os.environ.pop(VARIABLE)
        else:
            os.environ[VARIABLE] = before
