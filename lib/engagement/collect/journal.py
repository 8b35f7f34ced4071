"""The write-ahead file: what was answered 200 is in it, on disk, until it has landed.

Events are appended to a *segment*. A segment is a file of frames, one frame per request: a line
that says what follows, and the request's events, one per line. A segment that is full, or old
enough, is sealed: nothing is appended to it any more, and it can be delivered.

Nothing is answered 200 before the segment, with everything up to that request, was synced to the
disk. Requests that wait at the same time share one sync. So where a frame is torn, at the end of
a segment whose writer was killed, nobody was told that it is safe. It is left out, and whatever is
whole is kept.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from engagement import owner_only

logger = logging.getLogger("engagement")

_OPEN, _SEALED = ".open", ".sealed"
_HEADER = re.compile(rb"#frame (\d{4}-\d\d-\d\d) (\d+) (\d+) ([0-9a-f]{8})\n")
_LONGEST_HEADER = 64


@dataclass(frozen=True)
class Frame:
    """The events of one request, and the date they were received on."""

    received_at_utc_date: str
    events: int
    lines: bytes


def encoded(frame: Frame) -> bytes:
    """A frame as it is written: its header is checked when it is read again."""
    return b"#frame %b %d %d %08x\n%b" % (
        frame.received_at_utc_date.encode(),
        frame.events,
        len(frame.lines),
        zlib.crc32(frame.lines),
        frame.lines,
    )


def frames(segment: Path) -> Iterator[Frame]:
    """The whole frames of a segment, in their order; what is torn is left out."""
    with segment.open("rb") as stream:
        yield from _frames(stream, segment.name)


def _frames(stream: BinaryIO, name: str) -> Iterator[Frame]:
    torn = 0
    while header := stream.readline(_LONGEST_HEADER):
        match = _HEADER.fullmatch(header)
        if match:
            after = stream.tell()
            lines = stream.read(int(match[3]))
            if len(lines) == int(match[3]) and zlib.crc32(lines) == int(match[4], 16):
                yield Frame(match[1].decode(), int(match[2]), lines)
                continue
            # What looks like its lines may hold the next frame, after a write that failed.
            stream.seek(after)
        torn += len(header)
    if torn:
        logger.info("%s: a torn end was left out; nobody was told that it is safe", name)


def sync_folder(folder: Path) -> None:
    """Make names in a folder last, as :func:`os.fsync` does for what is in a file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Journal:
    """The segments of a folder, of which one may be open to be appended to.

    One thread at a time may write to it.

    Parameters
    ----------
    folder
        Where the segments are; made if it is missing. Segments that an earlier process left open
        are sealed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = owner_only.folder(folder)
        self.syncs = 0
        self.size = 0
        self.opened = 0.0
        self._file: int | None = None
        self._path = folder
        for left in sorted(folder.glob(f"*{_OPEN}")):
            left.replace(left.with_suffix(_SEALED))
        sync_folder(folder)

    @property
    def is_open(self) -> bool:
        """Whether there is a segment that frames were appended to."""
        return self._file is not None

    def append(self, some: Sequence[Frame]) -> None:
        """Append frames, and return once they are on disk.

        Raises
        ------
        OSError
            When they cannot be written. None of them counts then, and a new segment is begun with
            the next ones.
        """
        if self._file is None:
            self._begin()
        assert self._file is not None  # noqa: S101 (for the type checker)
        data = b"".join(map(encoded, some))
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
        except OSError:
            # After a sync that failed nobody knows what is on disk: this file is not used again.
            self._give_up()
            raise
        self.size += len(data)
        self.syncs += 1

    def seal(self) -> None:
        """Close the open segment, if there is one: it can be delivered now."""
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        if self.size:
            self._path.replace(self._path.with_suffix(_SEALED))
        else:
            self._path.unlink(missing_ok=True)

    def sealed(self) -> list[Path]:
        """Segments to deliver, the oldest first."""
        return sorted(self.folder.glob(f"*{_SEALED}"))

    def _begin(self) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%d-%H-%M-%S-%f")
        path = self.folder / f"{stamp}-{uuid.uuid4()}{_OPEN}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            sync_folder(self.folder)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        self._file, self._path, self.size, self.opened = descriptor, path, 0, time.monotonic()

    def _give_up(self) -> None:
        assert self._file is not None  # noqa: S101 (for the type checker)
        try:
            os.ftruncate(self._file, self.size)
        except OSError as error:
            logger.warning("a write-ahead file could not be cut back: %s", error.strerror)
        self.seal()


Answer = Callable[[OSError | None], None]
"""Called once for each request: with nothing when its events are on disk, or with what is wrong."""


class GroupCommit:
    """A thread that appends what requests bring, many by one sync, and seals segments.

    Parameters
    ----------
    journal
        Written by this thread alone, from now on.
    answer_all
        Called after each sync with the answers to give and what went wrong, if anything.
    roll_bytes, roll_seconds
        A segment is sealed when it is this large or this old.
    sealed
        Called whenever there may be a segment to deliver.
    """

    def __init__(
        self,
        journal: Journal,
        answer_all: Callable[[list[Answer], OSError | None], None],
        roll_bytes: int,
        roll_seconds: float,
        sealed: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._answer_all = answer_all
        self._roll_bytes, self._roll_seconds = roll_bytes, roll_seconds
        self._sealed = sealed
        self._waiting: list[tuple[Frame, Answer]] = []
        self._changed = threading.Condition()
        self._is_stopping = False
        self.failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="write-ahead", daemon=True)
        self._thread.start()

    def submit(self, frame: Frame, answer: Answer) -> None:
        """Hand in a request's events; `answer` is given to `answer_all` in time.

        Raises
        ------
        OSError
            When nothing is written any more, because the thread has ended.
        """
        if not self._thread.is_alive():
            raise OSError(errno.EIO, "nothing is written any more")
        with self._changed:
            self._waiting.append((frame, answer))
            self._changed.notify()

    def stop(self) -> None:
        """Write what was handed in, seal the segment, and end the thread."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_stopping and not self._is_due():
                    self._changed.wait(self._until_due())
                group, self._waiting = self._waiting, []
                is_last = self._is_stopping and not group
            if group:
                self._commit(group)
            if is_last or self._is_due():
                self._seal()
            if is_last:
                return

    def _commit(self, group: list[tuple[Frame, Answer]]) -> None:
        error = None
        try:
            self._journal.append([frame for frame, _ in group])
        except OSError as found:
            error = found
            if self.failure is None:  # said once, not for each request
                logger.error("events cannot be written: %s; they are answered 503", found.strerror)
        if error is None and self.failure is not None:
            logger.info("events can be written again")
        self.failure = error
        self._answer_all([answer for _, answer in group], error)
        if error is not None:
            self._sealed()

    def _seal(self) -> None:
        try:
            self._journal.seal()
        except OSError as error:
            logger.error("a write-ahead file cannot be renamed: %s", error.strerror)
        self._sealed()

    def _is_due(self) -> bool:
        return self._journal.is_open and (
            self._journal.size >= self._roll_bytes or self._until_due() == 0
        )

    def _until_due(self) -> float | None:
        if not self._journal.is_open:
            return None
        return max(0.0, self._journal.opened + self._roll_seconds - time.monotonic())
