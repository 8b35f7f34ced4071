"""What a notebook's process is at, told to whoever watches the run.

Statements are kept when they have ended; which one runs now, and for how long, would otherwise be
known to nobody. A thread writes it into a file of the run's folder, and only when it is another
than half a second ago, so that thousands of short statements cost nothing.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from engagement import owner_only
from engagement.messages import counted

FILE = "doing.json"
"""The file of a run's folder; it is gone when a notebook has ended."""

_EVERY_SECONDS = 0.5
_LONG_SECONDS = 2.0
"""A statement that takes no longer is not worth a word."""


@dataclass(frozen=True)
class Doing:
    """What is being done.

    Attributes
    ----------
    about
        The part of the notebook's work: which model, which dates.
    label, since
        Of the statements that run now the one that began first, and when (seconds since 1970).
    running
        How many statements run now.
    statements, rows
        How many have ended, and their rows.
    """

    about: str = ""
    label: str = ""
    since: float = 0.0
    running: int = 0
    statements: int = 0
    rows: int = 0

    def words(self, now: float) -> str:
        """Say it in a few words; empty where there is nothing to say."""
        said = [self.about] if self.about else []
        took = now - self.since
        if self.label and took >= _LONG_SECONDS:
            more = f" and {self.running - 1} more" if self.running > 1 else ""
            said.append(f"{_shown(self.label)}{more} for {took:,.0f} s")
        if self.statements:
            said.append(f"{counted(self.statements, 'statement')}, {counted(self.rows, 'row')}")
        return "; ".join(said)


class Telling:
    """Keeps what a process is at, and tells it to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._about = ""
        self._running: dict[int, tuple[str, float]] = {}
        self._numbers = itertools.count()
        self._ended = [0, 0]
        self._told = Doing()
        _TELLER.add(self)

    @contextmanager
    def statement(self, label: str) -> Iterator[None]:
        """Let a statement be under way while the block lasts."""
        number = next(self._numbers)
        self._running[number] = (label, time.time())
        try:
            yield
        finally:
            self._running.pop(number, None)

    def ended(self, rows: int) -> None:
        """Count a statement that has ended."""
        self._ended[0] += 1
        self._ended[1] += rows

    def about(self, words: str) -> None:
        """Say which part of the work is under way."""
        self._about = words

    def now(self) -> Doing:
        """What is being done."""
        running = list(self._running.copy().values())
        label, since = min(running, key=lambda one: one[1]) if running else ("", 0.0)
        return Doing(self._about, label, since, len(running), self._ended[0], self._ended[1])

    def tell(self) -> None:
        """Write what is being done, if it is another than was written last."""
        doing = self.now()
        if doing != self._told:
            self._told = doing
            with suppress(OSError):  # no reason to stop: nobody watches, or the folder is gone
                if self._path.parent.is_dir():
                    owner_only.replace(self._path, json.dumps(asdict(doing)))


class _Teller:
    """The one thread of a process that tells, while there is anybody to tell of."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tellings: weakref.WeakSet[Telling] = weakref.WeakSet()
        self._is_running = False

    def add(self, telling: Telling) -> None:
        with self._lock:
            self._tellings.add(telling)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="doing", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(_EVERY_SECONDS)
            with self._lock:
                tellings = list(self._tellings)
                if not tellings:
                    self._is_running = False
                    return
            for telling in tellings:
                telling.tell()
            del tellings, telling


_TELLER = _Teller()


def read(path: Path) -> Doing:
    """What was told last."""
    with suppress(OSError, ValueError, TypeError):
        return Doing(**json.loads(path.read_text(encoding="utf-8")))
    return Doing()


def _shown(label: str) -> str:
    """A statement's label as people know it: a model's table is made under another name first."""
    return label.removeprefix("candidate_")
