"""Reading landed files line by line, byte for byte, without losing any.

Lines end with LF, CRLF or CR and with nothing else (not with U+0085 or U+2028); a byte-order mark
at the start of a file is dropped; the last line needs no end. What is no UTF-8 is kept in base64
and says so: of a line on which several records stand, only the record that it is in.
"""

from __future__ import annotations

import base64
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from isal import igzip, isal_zlib

_BOM = b"\xef\xbb\xbf"
_JSON_SPACE = b" \t"
_PART = 1 << 18  # stays in the processor's cache until it is copied
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[}][ \t]*[{]|[^"}]+|[}]', re.DOTALL)


class UnreadableFileError(RuntimeError):
    """A landed file whose bytes cannot be had: the reason, without the path."""


class UnavailableFileError(UnreadableFileError):
    """A landed file whose bytes cannot be had now: another attempt may succeed."""


@dataclass(frozen=True)
class Lines:
    """The non-blank lines of a file.

    ``batch`` has the columns ``line_number`` (from 1, blank lines counted), ``line`` and
    ``record_encoding`` (``base64`` where it is no UTF-8, else NULL). A line with a record that is
    no UTF-8 has a row for each of its records.
    """

    batch: pa.RecordBatch
    lines: int
    blank_lines: int


SCHEMA = pa.schema(
    [
        ("line_number", pa.int64()),
        ("line", pa.large_string()),
        ("record_encoding", pa.string()),
    ]
)


def read_bytes(stream: BinaryIO, name: str, most_megabytes: int | None = None) -> bytes:
    """All bytes of a file, gunzipped if its name ends with ``.gz``.

    Parameters
    ----------
    most_megabytes
        Stop where a zipped file turns out to be larger: a few megabytes may unzip to any size.

    Raises
    ------
    UnreadableFileError
        When the bytes cannot be had, whole: a corrupt or truncated gzip gives no partial result.
    UnavailableFileError
        When they cannot be had now.
    """
    return b"".join(read_parts(stream, name, most_megabytes))


def read_parts(stream: BinaryIO, name: str, most_megabytes: int | None = None) -> Iterator[bytes]:
    """The bytes of a file, as :func:`read_bytes` reads them, part after part.

    Whether all can be had is known when the last part was: see there.
    """
    try:
        data = stream.read()
        parts = _gunzipped(data) if name.endswith(".gz") else iter([data])
        yield from parts if most_megabytes is None else _bounded(parts, most_megabytes)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"no valid gzip: {error}") from None
    except OSError as error:
        raise UnavailableFileError(error.strerror or type(error).__name__) from None


def _gunzipped(data: bytes) -> Iterator[bytes]:
    given = 0
    try:
        with igzip.open(io.BytesIO(data)) as unzipped:
            while part := unzipped.read(_PART):
                given += len(part)
                yield part
    except (gzip.BadGzipFile, EOFError, isal_zlib.error):
        with gzip.open(io.BytesIO(data)) as unzipped:  # which says better what is wrong
            at = 0
            while part := unzipped.read(_PART):
                at += len(part)
                if at > given:
                    yield part[given - at :]
                    given = at


def _bounded(parts: Iterator[bytes], most_megabytes: int) -> Iterator[bytes]:
    given = 0
    for part in parts:
        given += len(part)
        if given > most_megabytes * 1_000_000:
            raise UnreadableFileError(
                f"it unzips to more than {most_megabytes} MB (landing.most_file_megabytes)"
            )
        yield part


def split_lines(data: bytes) -> Lines:
    """Cut a file's bytes into lines."""
    if data.startswith(_BOM):
        data = data[len(_BOM) :]
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    ends_open = bool(data) and not data.endswith(b"\n")
    pieces = pc.split_pattern(pa.array([data], pa.large_binary()), pattern=b"\n").values
    count = len(pieces) if ends_open else len(pieces) - 1
    pieces = pieces.slice(0, count)
    blank = _blank(pieces)
    numbers = pa.array(range(1, count + 1), pa.int64())
    kept = pc.invert(blank)
    pieces, numbers = pieces.filter(kept), numbers.filter(kept)
    blank_lines = count - len(pieces)
    batch = pa.record_batch(_decode(numbers, pieces), schema=SCHEMA)
    return Lines(batch, count, blank_lines)


def _blank(pieces: pa.Array) -> pa.Array:
    blank = pc.equal(pc.binary_length(pieces), 0)
    # Only what starts with white space needs a closer look.
    maybe = pc.or_(pc.starts_with(pieces, b" "), pc.starts_with(pieces, b"\t"))
    if pc.any(maybe).as_py():
        stripped = [not piece.strip(_JSON_SPACE) for piece in pieces.filter(maybe).to_pylist()]
        blank = pc.replace_with_mask(blank, maybe, pa.array(stripped, pa.bool_()))
    return blank


def _decode(numbers: pa.Array, pieces: pa.Array) -> list[pa.Array]:
    try:
        return [numbers, pieces.cast(pa.large_string()), pa.nulls(len(pieces), pa.string())]
    except pa.ArrowInvalid:
        rows = [
            (number, *_text(record))
            for number, line in zip(numbers.to_pylist(), pieces.to_pylist(), strict=True)
            for record in _records(line)
        ]
        return [pa.array([row[at] for row in rows], field.type) for at, field in enumerate(SCHEMA)]


def cut_records(line: str) -> list[str]:
    """The records of a line: it is cut wherever ``}``, white space and ``{`` stand in no string.

    The engines do the same in SQL, in ``warehouse/athena/sql/records.sql``.
    """
    pieces: list[str] = []
    start = 0
    for token in _TOKEN.finditer(line):
        if token[0][0] == "}" and token[0][-1] == "{":
            pieces.append(line[start : token.start() + 1])
            start = token.end() - 1
    return [*pieces, line[start:]]


def _records(line: bytes) -> list[bytes]:
    """The records of a line that is no UTF-8; any other line whole, for the engine to cut."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        # One character per byte, and back: none of the bytes that count is part of another.
        return [piece.encode("latin-1") for piece in cut_records(line.decode("latin-1"))]
    return [line]


def _text(record: bytes) -> tuple[str, str | None]:
    try:
        return record.decode("utf-8"), None
    except UnicodeDecodeError:
        return base64.b64encode(record).decode("ascii"), "base64"
