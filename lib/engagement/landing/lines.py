"""Reading landed files line by line, byte for byte, without losing any.

Lines end with LF, CRLF or CR and with nothing else (not with U+0085 or U+2028); a byte-order mark
at the start of a file is dropped; the last line needs no end. A line that is no UTF-8 is kept in
base64 and says so.
"""

from __future__ import annotations

import base64
import gzip
import zlib
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

_BOM = b"\xef\xbb\xbf"
_JSON_SPACE = b" \t"


class UnreadableFileError(RuntimeError):
    """A landed file whose bytes cannot be had: the reason, without the path."""


@dataclass(frozen=True)
class Lines:
    """The non-blank lines of a file.

    ``batch`` has the columns ``line_number`` (from 1, blank lines counted), ``line`` and
    ``record_encoding`` (``base64`` where the line is no UTF-8, else NULL).
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


def read_bytes(stream: BinaryIO, name: str) -> bytes:
    """All bytes of a file, gunzipped if its name ends with ``.gz``.

    Raises
    ------
    UnreadableFileError
        When the bytes cannot be had, whole: a corrupt or truncated gzip gives no partial result.
    """
    try:
        if name.endswith(".gz"):
            with gzip.GzipFile(fileobj=stream) as unzipped:
                return unzipped.read()
        return stream.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"no valid gzip: {error}") from None
    except OSError as error:
        raise UnreadableFileError(error.strerror or type(error).__name__) from None


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
    lengths = pc.binary_length(pieces)
    # A blank line is short: only those of white space alone need a closer look.
    blank = pc.equal(lengths, 0)
    maybe = pc.and_(pc.less_equal(lengths, 4096), pc.starts_with(pieces, b" "))
    maybe = pc.or_(maybe, pc.starts_with(pieces, b"\t"))
    if pc.any(maybe).as_py():
        trimmed = pc.binary_length(pa.array([p.strip(_JSON_SPACE) for p in pieces.to_pylist()]))
        blank = pc.or_(blank, pc.equal(trimmed, 0))
    numbers = pa.array(range(1, count + 1), pa.int64())
    kept = pc.invert(blank)
    pieces, numbers = pieces.filter(kept), numbers.filter(kept)
    text, encoding = _decode(pieces)
    batch = pa.record_batch([numbers, text, encoding], schema=SCHEMA)
    return Lines(batch, count, count - len(pieces))


def _decode(pieces: pa.Array) -> tuple[pa.Array, pa.Array]:
    try:
        return pieces.cast(pa.large_string()), pa.nulls(len(pieces), pa.string())
    except pa.ArrowInvalid:
        texts: list[str] = []
        encodings: list[str | None] = []
        for piece in pieces.to_pylist():
            try:
                texts.append(piece.decode("utf-8"))
                encodings.append(None)
            except UnicodeDecodeError:
                texts.append(base64.b64encode(piece).decode("ascii"))
                encodings.append("base64")
        return pa.array(texts, pa.large_string()), pa.array(encodings, pa.string())
