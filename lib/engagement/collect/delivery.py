"""Sealed segments become files of the landing, with Firehose's layout and names."""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from isal import isal_zlib

from engagement import owner_only
from engagement.collect.journal import Journal, frames, sync_folder
from engagement.errors import FailedError
from engagement.records.files import PARTITION

logger = logging.getLogger("engagement")

STREAM = "rudderstack-events-1"
"""What Firehose begins an object's name with: the stream's name and version."""

_UNFINISHED = ".part"
_GZIP = 31  # window bits that stand for a gzip container
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


class DeliveryError(FailedError):
    """A segment that could not be delivered; it stays where it is and is tried again."""


class Target(Protocol):
    """Where the events of segments go."""

    def deliver(self, segment: Path) -> None:
        """Deliver all events of a segment, or raise ``DeliveryError``; it may come again."""


@dataclass(frozen=True)
class Landed:
    """A file that has landed: its name below the landing, its events, its bytes."""

    name: str
    events: int
    bytes: int


def _silent(file: Landed) -> None:
    del file


class _Draft:
    """One date's file while it is written."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path = path
        self.events = 0
        self._stream = stream
        self._packer: Any = isal_zlib.compressobj(2, wbits=_GZIP)

    def write(self, lines: bytes, events: int) -> None:
        self._stream.write(self._packer.compress(lines))
        self.events += events

    def finish(self) -> None:
        self._stream.write(self._packer.flush())
        self._stream.flush()
        os.fsync(self._stream.fileno())


class LandingFolder:
    """Lands segments as gzip files, each in the folder of the date its events were received on.

    A file is written beside the landing and renamed into it when it is whole and on disk, so nobody
    reads half of it. Its name derives from the segment's: a segment that had landed when the
    process was killed does not land again.

    Parameters
    ----------
    folder
        The landing; made if it is missing.
    beside
        Where files are until they are whole: a folder outside the landing, in its file system.
    landed
        Called after each file.
    """

    def __init__(
        self, folder: Path, beside: Path, landed: Callable[[Landed], None] = _silent
    ) -> None:
        self.folder = owner_only.folder(folder)
        self._beside = owner_only.folder(beside)
        self._landed = landed
        for left in beside.glob(f"*{_UNFINISHED}"):
            left.unlink()

    def deliver(self, segment: Path) -> None:
        """Land a segment.

        Raises
        ------
        DeliveryError
            When a file cannot be written; what has landed of the segment stays.
        """
        try:
            with ExitStack() as files:
                drafts = self._drafts(segment, files)
            for day, draft in sorted(drafts.items()):
                self._rename(segment, day, draft)
        except OSError as error:
            for left in self._beside.glob(f"{segment.stem}-*{_UNFINISHED}"):
                left.unlink(missing_ok=True)  # a full disk needs the room
            raise DeliveryError(f"events cannot be landed: {error.strerror}") from error

    def _drafts(self, segment: Path, files: ExitStack) -> dict[str, _Draft]:
        drafts: dict[str, _Draft] = {}
        for frame in frames(segment):
            day = frame.received_at_utc_date
            if day not in drafts:
                path = self._beside / f"{segment.stem}-{day}{_UNFINISHED}"
                drafts[day] = _Draft(path, files.enter_context(owner_only.opened(path, "wb")))
            drafts[day].write(frame.lines, frame.events)
        for draft in drafts.values():
            draft.finish()
        return drafts

    def _rename(self, segment: Path, day: str, draft: _Draft) -> None:
        folder = self.folder / f"{PARTITION}={day}"
        name = f"{STREAM}-{_as_firehose_writes(segment.stem)}.gz"
        if (folder / name).exists():
            draft.path.unlink()
            return
        if not folder.is_dir():
            owner_only.folder(folder)
            sync_folder(self.folder)
        size = draft.path.stat().st_size
        draft.path.rename(folder / name)
        sync_folder(folder)
        self._landed(Landed(f"{folder.name}/{name}", draft.events, size))


def _as_firehose_writes(stem: str) -> str:
    """A segment's moment and its UUID, without the fractions of the second."""
    return stem[:19] + stem[26:]


class Deliverer:
    """A thread that hands sealed segments to the targets, the oldest first, and removes them.

    A target that fails is tried again after a pause that grows; segments wait for it in the
    meantime. One that has taken a segment does not get it again from this process.
    """

    def __init__(self, journal: Journal, targets: Sequence[Target]) -> None:
        self._journal = journal
        self._targets = targets
        self._done: set[tuple[str, int]] = set()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look for segments now."""
        self._wake.set()

    def stop(self) -> int:
        """Deliver what is sealed, once more, and end the thread.

        Returns
        -------
        int
            How many segments are left for the next start.
        """
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        return len(self._journal.sealed())

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            self._wake.clear()
            is_last = self._stopping.is_set()
            is_done = self._deliver_all()
            if is_last:
                return
            if is_done:
                pause = _FIRST_PAUSE
                self._wake.wait()
            else:
                self._stopping.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _deliver_all(self) -> bool:
        segments = self._journal.sealed()
        is_done = True
        for place, target in enumerate(self._targets):
            for segment in segments:
                if (segment.name, place) in self._done:
                    continue
                try:
                    target.deliver(segment)
                except DeliveryError as error:
                    logger.warning("%s; it is tried again, nothing is lost", error)
                    is_done = False
                    break  # the next segments would fail as well
                self._done.add((segment.name, place))
        for segment in segments:
            marks = {(segment.name, place) for place in range(len(self._targets))}
            if marks <= self._done:
                segment.unlink(missing_ok=True)
                self._done -= marks
                _give_memory_back()
        return is_done


def _give_memory_back() -> None:
    """Let the system have the memory that requests are done with.

    GNU's C library keeps it in pieces, and takes more and more of them for a million requests.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def check_apart(landing: Path, beside: Path) -> str | None:
    """Why a folder cannot be where files wait until they are renamed into a landing, if so."""
    one, other = landing.resolve(), beside.resolve()
    if one == other or one in other.parents or other in one.parents:
        return f"{beside} is in the landing, or the landing in it: name a folder beside it"
    probes = (_existing(one), _existing(other))
    if probes[0].stat().st_dev != probes[1].stat().st_dev:
        return (
            f"{beside} is on another disk than the landing, so whole files cannot be renamed into "
            "it: name a folder on the same disk"
        )
    return None


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())
