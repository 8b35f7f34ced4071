"""Files of any size, written in a stream: memory holds one batch of rows, never a file.

The same rows give the same bytes, however they are spread over batches. A cell that a spreadsheet
would run as a formula gets an apostrophe before it, which :func:`restored` takes off again.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from engagement import owner_only
from engagement.audience.files import ExportedFile, csv_line

MANIFEST = "manifest.json"
"""Name of the file that says what the files of a folder hold."""

_SPACE = r" \t\r\n\x0b\x0c\x{a0}"
_STARTS = "=+@\\-＝＋－＠"
_FORMULA = rf"^'*[{_SPACE}]*[{_STARTS}]"
_NUMBER = r"^[+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?$"
"""A plain number, or a telephone number in E.164: a spreadsheet runs neither."""

_QUOTED = r'[",\r\n]'


@dataclass(frozen=True)
class Format:
    """How files are written.

    Attributes
    ----------
    most_bytes, most_rows
        What no part may exceed; bytes are those before packing, with the header.
    packed
        Write gzip, whose bytes depend on nothing but the content.
    defused
        Put an apostrophe before what a spreadsheet would run.
    level
        Of gzip.
    """

    most_bytes: int = 999_999_999
    most_rows: int | None = None
    packed: bool = False
    defused: bool = True
    level: int = 6

    @property
    def suffix(self) -> str:
        """What names end with."""
        return "csv.gz" if self.packed else "csv"


# --- cells ----------------------------------------------------------------------------------------

_FORMULA_RE = re.compile(_FORMULA.replace(r"\x{a0}", r"\xa0"))
_DEFUSED_RE = re.compile(_FORMULA.replace("^'*", "^'+").replace(r"\x{a0}", r"\xa0"))
_NUMBER_RE = re.compile(_NUMBER)


def defused(text: str) -> str:
    """A cell as a file has it: with an apostrophe before what a spreadsheet would run.

    Numbers and telephone numbers in E.164 stay as they are.

    Examples
    --------
    >>> defused("=1+1"), defused("-12.50"), defused("+15550100"), defused("'=x"), defused("Ann")
    ("'=1+1", '-12.50', '+15550100', "''=x", 'Ann')
    """
    if _FORMULA_RE.match(text) and not _NUMBER_RE.match(text):
        return "'" + text
    return text


def restored(text: str) -> str:
    """What :func:`defused` made a cell of, for every cell.

    Examples
    --------
    >>> restored("'=1+1"), restored("''=x"), restored("'tis")
    ('=1+1', "'=x", "'tis")
    """
    return text[1:] if _DEFUSED_RE.match(text) else text


def _defused(column: pa.Array) -> tuple[pa.Array, np.ndarray | None]:
    """A column without formulas, and which of its cells were some."""
    mask = pc.match_substring_regex(column, _FORMULA)
    if mask.true_count:
        mask = pc.and_(mask, pc.invert(pc.match_substring_regex(column, _NUMBER)))
    if not mask.true_count:
        return column, None
    marked = pc.binary_join_element_wise("'", column, "")
    return pc.if_else(mask, marked, column), mask.to_numpy(zero_copy_only=False)


def _quoted(column: pa.Array) -> pa.Array:
    mask = pc.match_substring_regex(column, _QUOTED)
    if not mask.true_count:
        return column
    inner = pc.replace_substring(column, '"', '""')
    return pc.if_else(mask, pc.binary_join_element_wise(pa.scalar('"'), inner, '"', ""), column)


def lines(columns: Sequence[pa.Array], *, defuse: bool) -> tuple[pa.Array, np.ndarray]:
    """Rows as lines of CSV (RFC 4180, ended by a line feed alone), and defused cells in each.

    Parameters
    ----------
    columns
        Texts without NULLs, one array per column.
    """
    counts = np.zeros(len(columns[0]), dtype=np.int64)
    done = []
    for column in columns:
        safe, marks = _defused(column) if defuse else (column, None)
        if marks is not None:
            counts += marks
        done.append(_quoted(safe))
    if len(done) == 1:  # a line of nothing at all would be read as no row
        done[0] = pc.if_else(pc.equal(done[0], ""), '""', done[0])
    joined = pc.binary_join_element_wise(*done, ",") if len(done) > 1 else done[0]
    return pc.binary_join_element_wise(joined, "", "\n"), counts


# --- parts ----------------------------------------------------------------------------------------


@dataclass
class _Part:
    """One file that is being written, under another name until it is whole."""

    path: Path
    stream: IO[bytes]
    packer: Any
    close: Callable[[], None]
    rows: int = 0
    size: int = 0
    written: int = 0
    defused: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    content: Any = field(default_factory=hashlib.sha256)

    def add(self, data: bytes | memoryview, rows: int) -> None:
        self.rows += rows
        self.size += len(data)
        if self.packer is not None:
            self.content.update(data)
            data = self.packer.compress(data)
        self._put(data)

    def _put(self, data: bytes | memoryview) -> None:
        self.stream.write(data)
        self.digest.update(data)
        self.written += len(data)

    def end(self) -> ExportedFile:
        if self.packer is not None:
            self._put(self.packer.flush())
        self.stream.flush()
        os.fsync(self.stream.fileno())
        content = self.content if self.packer is not None else self.digest
        return ExportedFile(
            self.path,
            self.rows,
            self.written,
            self.digest.hexdigest(),
            defused=self.defused,
            content_sha256=content.hexdigest(),
        )


class Parts:
    """Files ``<stem>-001.csv`` and, where one would grow too large, further ones.

    Used as a context: files get their names when the block ends well, all of them; parts that an
    earlier export of the same name left are removed then. No row, no file.
    """

    def __init__(self, folder: Path, stem: str, suffix: str, header: bytes, how: Format) -> None:
        self.files: list[ExportedFile] = []
        self._folder, self._stem, self._suffix, self._how = folder, stem, suffix, how
        self._header = header
        self._part: _Part | None = None
        self._drafts: list[tuple[Path, Path]] = []

    def __enter__(self) -> Self:
        owner_only.folder(self._folder)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.end()
            for draft, path in self._drafts:
                draft.replace(path)
            self._tidy()
            return
        if self._part is not None:
            self._part.close()
        for draft, _path in self._drafts:
            draft.unlink(missing_ok=True)

    def end(self) -> list[Path]:
        """Finish the last file: no more rows follow. Gives where the files are until the end."""
        if self._part is not None:
            self.files.append(self._part.end())
            self._part.close()
            self._part = None
        return [draft for draft, _ in self._drafts]

    def _begin(self) -> _Part:
        number = len(self.files) + 1
        path = self._folder / f"{self._stem}-{number:03d}.{self._suffix}"
        draft = path.with_name(path.name + ".part")
        self._drafts.append((draft, path))
        packer = zlib.compressobj(self._how.level, wbits=31) if self._how.packed else None
        held = ExitStack()
        stream = held.enter_context(owner_only.opened(draft, "wb"))
        self._part = _Part(path, stream, packer, held.close)
        self._part.add(self._header, 0)
        return self._part

    def _tidy(self) -> None:
        """Remove what an earlier, longer export of this name has left, packed or not."""
        suffix = re.escape(self._suffix.removesuffix(".gz"))
        mine = re.compile(re.escape(self._stem) + r"-\d{3,}\." + suffix + r"(\.gz)?(\.part)?")
        kept = {file.path for file in self.files}
        for path in sorted(self._folder.iterdir()):
            if mine.fullmatch(path.name) and path not in kept:
                path.unlink()


class Lines(Parts):
    """Writes lines, one by one.

    Parameters
    ----------
    suffix
        What names end with: ``csv`` or ``json``.
    header
        The first line of every file; may be empty.
    most_bytes
        What no file may exceed.
    """

    def __init__(
        self, folder: Path, stem: str, suffix: str, header: bytes, most_bytes: int
    ) -> None:
        super().__init__(folder, stem, suffix, header, Format(most_bytes=most_bytes))

    def add(self, line: bytes, defused: int = 0) -> None:
        """Write a line, with its end; ``defused`` of its cells have an apostrophe."""
        part = self._part or self._begin()
        if part.rows and part.size + len(line) > self._how.most_bytes:
            self.end()
            part = self._begin()
        part.add(line, 1)
        part.defused += defused


class Writer(Parts):
    """Writes batches of rows, each as one array per column.

    Parameters
    ----------
    header
        The first line of every file.
    """

    def __init__(
        self, folder: Path, stem: str, header: Sequence[str], how: Format | None = None
    ) -> None:
        how = how or Format()
        super().__init__(folder, stem, how.suffix, csv_line(list(header)), how)

    def write(self, columns: Sequence[pa.Array]) -> None:
        """Write a batch of rows: texts without NULLs, one array per column."""
        if not len(columns[0]):
            return
        made, counts = lines(columns, defuse=self._how.defused)
        offsets = np.frombuffer(made.buffers()[1], dtype=np.int32)[: len(made) + 1]
        data = memoryview(made.buffers()[2])
        start = 0
        while start < len(made):
            part = self._part or self._begin()
            fit = self._fitting(part, offsets, start)
            if fit == 0:
                self.end()
                continue
            part.add(data[offsets[start] : offsets[start + fit]], fit)
            part.defused += int(counts[start : start + fit].sum())
            start += fit

    def _fitting(self, part: _Part, offsets: np.ndarray, start: int) -> int:
        """How many rows, from one on, the part still takes; at least one where it has none."""
        room = self._how.most_bytes - part.size
        end = int(np.searchsorted(offsets, offsets[start] + room, side="right")) - 1
        fit = max(end - start, 0)
        if self._how.most_rows is not None:
            fit = min(fit, self._how.most_rows - part.rows)
        return max(fit, 1) if part.rows == 0 else fit


# --- values ---------------------------------------------------------------------------------------


def as_texts(column: pd.Series, text_of: Callable[[Any], str]) -> pa.Array:
    """A column of a frame as texts, NULL as ``""``.

    Parameters
    ----------
    text_of
        The text of one value (``None`` for NULL), for columns that are not simply texts, whole
        numbers, decimals or truth values, and for texts that may be a JSON array.
    """
    try:
        array = pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # values of several kinds
        array = None
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array is not None and _is_plain(array.type):
        texts = array.cast(pa.string())
        if not pc.match_substring_regex(texts, r"^\[").true_count:
            return pc.fill_null(texts, "")
    return pa.array([text_of(None if _is_null(v) else v) for v in column.tolist()], pa.string())


def _is_plain(kind: pa.DataType) -> bool:
    kinds = pa.types
    checks = (
        *(kinds.is_string, kinds.is_large_string, kinds.is_integer),
        *(kinds.is_decimal, kinds.is_boolean, kinds.is_null),
    )
    return any(check(kind) for check in checks)


def _is_null(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return bool(isinstance(value, float) and math.isnan(value))


# --- manifest -------------------------------------------------------------------------------------


def write_manifest(
    folder: Path, stem: str, files: Sequence[ExportedFile], about: dict[str, Any]
) -> Path:
    """Note an export in the folder's ``manifest.json``; those of other names in it stay.

    Parameters
    ----------
    about
        What else is to be known: columns, batch, counts.

    Returns
    -------
    Path
        The manifest.
    """
    path = folder / MANIFEST
    known = read_manifest(folder)
    known[stem] = {
        **about,
        "rows": sum(file.rows for file in files),
        "bytes": sum(file.bytes for file in files),
        "files": [
            {
                "file": file.path.name,
                "rows": file.rows,
                "bytes": file.bytes,
                "sha256": file.sha256,
                **(
                    {"content_sha256": file.content_sha256}
                    if file.content_sha256 not in ("", file.sha256)
                    else {}
                ),
                "defused": file.defused,
            }
            for file in files
        ],
    }
    text = json.dumps({"exports": dict(sorted(known.items()))}, ensure_ascii=False, indent=2)
    owner_only.replace(path, text + "\n")
    return path


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a folder's ``manifest.json`` says, by the exports' names; empty where there is none."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["exports"]
    return found


# --- reading --------------------------------------------------------------------------------------


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a file that :class:`Writer` wrote, packed or not, with their own values."""
    with opened(path) as stream:
        reader = csv.reader(stream)
        header = next(reader)
        for row in reader:
            yield dict(zip(header, map(restored, row), strict=True))


def opened(path: Path) -> IO[str]:
    """A file of this module as a stream of text, unpacked where it is packed."""
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path, "rb"), encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def restored_copy(path: Path, target: Path) -> ExportedFile:
    """Write a file with every cell restored: what a service is sent of a file on disk."""
    digest = hashlib.sha256()
    rows = size = 0
    with opened(path) as source, owner_only.opened(target, "wb") as stream:
        for number, row in enumerate(csv.reader(source)):
            line = csv_line(row if number == 0 else [restored(cell) for cell in row])
            stream.write(line)
            digest.update(line)
            size += len(line)
            rows = number
    return ExportedFile(target, rows, size, digest.hexdigest())


def frames_of(rows: Iterable[dict[str, Any]], size: int = 50_000) -> Iterator[pd.DataFrame]:
    """Rows as frames of at most so many, in their order."""
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield pd.DataFrame(batch)
            batch = []
    if batch:
        yield pd.DataFrame(batch)
