"""The files of one data set: CSV as Amazon Personalize reads it, in parts of a limited size."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engagement import owner_only
from engagement.personalize.datasets import DatasetFile

BLOCK_ROWS = 1_000
"""Rows that are written together: a part is no larger than its limit by more than these."""


class Parts:
    """Files of one data set: a new one is begun before one would be too large."""

    def __init__(self, folder: Path, header: Sequence[str], most_bytes: int) -> None:
        self._folder = folder
        self._header = (",".join(header) + "\n").encode("utf-8")
        self._most = most_bytes
        self._done: list[DatasetFile] = []
        self._open: Any = None
        self._rows = self._bytes = 0
        self._digest = hashlib.sha256()

    def add(self, cells: Sequence[Sequence[Any]]) -> None:
        """Add rows, given by column."""
        rows = len(cells[0]) if cells else 0
        for start in range(0, rows, BLOCK_ROWS):
            end = min(start + BLOCK_ROWS, rows)
            buffer = io.StringIO()
            writer = csv.writer(buffer, doublequote=False, escapechar="\\", lineterminator="\n")
            writer.writerows(zip(*(column[start:end] for column in cells), strict=True))
            self._write(buffer.getvalue().encode("utf-8"), end - start)

    def _write(self, block: bytes, rows: int) -> None:
        if self._open is not None and self._bytes + len(block) > self._most:
            self._close()
        if self._open is None:
            self._begin()
        self._put(block)
        self._rows += rows

    def _begin(self) -> None:
        path = self._folder / f"part-{len(self._done) + 1:05d}.csv"
        self._context = owner_only.opened(path, "wb")
        self._open = self._context.__enter__()
        self._path, self._rows, self._bytes = path, 0, 0
        self._digest = hashlib.sha256()
        self._put(self._header)

    def _put(self, block: bytes) -> None:
        self._open.write(block)
        self._digest.update(block)
        self._bytes += len(block)

    def _close(self) -> None:
        self._open.flush()
        os.fsync(self._open.fileno())
        self._context.__exit__(None, None, None)
        self._open = None
        self._done.append(
            DatasetFile(self._path, self._rows, self._bytes, self._digest.hexdigest())
        )

    def done(self) -> tuple[DatasetFile, ...]:
        """Close the last file; one without rows where there was none."""
        if self._open is None and not self._done:
            self._begin()
        if self._open is not None:
            self._close()
        return tuple(self._done)
