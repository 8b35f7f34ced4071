"""Files of an export: the same rows give the same bytes, and a reader never finds half a file."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from engagement import owner_only
from engagement.privacy import masked


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written. ``rows`` leaves the header out.

    ``defused`` counts cells that got an apostrophe (:mod:`engagement.audience.stream`), and
    ``content_sha256`` is that of what a packed file holds.
    """

    path: Path
    rows: int
    bytes: int
    sha256: str
    defused: int = 0
    content_sha256: str = ""


@dataclass(frozen=True, order=True)
class Reject:
    """Something of a person that is not in a file, and why.

    ``what`` is ``person`` or ``endpoint`` where nothing of it is there, else the name of the one
    value that was left out. ``reason`` repeats no address and no value.
    """

    person_id: str
    channel: str
    what: str
    reason: str


def csv_line(cells: Sequence[str]) -> bytes:
    """One line of CSV as RFC 4180 has it, but ended by a line feed alone, in UTF-8."""
    buffer = io.StringIO()
    # With both signs as the line's end, the writer quotes cells that hold either.
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().encode("utf-8")[:-2] + b"\n"


def _write(path: Path, header: bytes, lines: Sequence[bytes]) -> ExportedFile:
    digest = hashlib.sha256()
    size = 0
    with replacing(path) as write:
        for line in (header, *lines):
            write(line)
            digest.update(line)
            size += len(line)
    return ExportedFile(path, len(lines), size, digest.hexdigest())


@contextmanager
def replacing(path: Path) -> Iterator[Callable[[bytes], int]]:
    """Write a private file under another name, and give it its own when it is whole."""
    partial = path.with_name(path.name + ".part")
    try:
        with owner_only.opened(partial, "wb") as stream:
            yield stream.write
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class RejectsFile:
    """Writes what is not in an export, and why, one by one; used as a context.

    Attributes
    ----------
    counts
        How many there are, by channel, what and reason.
    """

    def __init__(self, path: Path) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self._path = path
        self._held = ExitStack()
        self._digest = hashlib.sha256()
        self._bytes = 0

    def __enter__(self) -> RejectsFile:
        owner_only.folder(self._path.parent)
        self._write = self._held.enter_context(replacing(self._path))
        self._put(csv_line(_REJECT))
        return self

    def __exit__(self, *error: Any) -> None:
        self._held.__exit__(*error)

    def add(self, reject: Reject) -> None:
        """Write one."""
        self._put(csv_line([masked(cell) for cell in astuple(reject)]))
        self.counts[reject.channel, reject.what, reject.reason] += 1

    def _put(self, line: bytes) -> None:
        self._write(line)
        self._digest.update(line)
        self._bytes += len(line)

    def file(self) -> ExportedFile:
        """The file, once it is whole."""
        rows = self.counts.total()
        return ExportedFile(self._path, rows, self._bytes, self._digest.hexdigest())


_REJECT = ["person_id", "channel", "what", "reason"]


def write_rejects(path: Path, rejects: Iterable[Reject]) -> ExportedFile:
    """Write what is not in an export, and why, in a fixed order; the header alone if nothing."""
    owner_only.folder(path.parent)
    rows = sorted(rejects)
    lines = [csv_line([masked(cell) for cell in astuple(r)]) for r in rows]
    return _write(path, csv_line(_REJECT), lines)


def rejects_frame(left_out: Mapping[tuple[str, str, str], int]) -> pd.DataFrame:
    """How many were left out, the most first: ``channel, what, reason, count``.

    Parameters
    ----------
    left_out
        Numbers by channel, what and reason.
    """
    rows = [(*key, number) for key, number in left_out.items()]
    frame = pd.DataFrame(rows, columns=["channel", "what", "reason", "count"])
    return frame.sort_values(
        ["count", "channel", "what", "reason"],
        ascending=[False, True, True, True],
        ignore_index=True,
    )


def files_frame(files: Iterable[ExportedFile]) -> pd.DataFrame:
    """One row per file: name, rows, bytes and the first digits of its sha256."""
    rows = [(file.path.name, file.rows, file.bytes, file.sha256[:12]) for file in files]
    return pd.DataFrame(rows, columns=["file", "rows", "bytes", "sha256"])
