"""Taking a person's records out of a file, with every other byte left as it is."""

from __future__ import annotations

import base64
import gzip
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import orjson

from engagement.erasure.people import Judge, Ties, Why
from engagement.records.lines import cut_records, read_bytes

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_SEAM = re.compile(rb"[}][ \t]*[{]")
"""Without it, whether in a string or not, a line is one record."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Cut:
    """A file without what was taken out of it.

    ``removed`` counts records by why they went; ``stays`` those of other sources that stay;
    ``messages`` are the ids of what was taken out for naming the person, ``texts`` the texts in all
    that was taken out.
    """

    data: bytes
    removed: Counter[Why] = field(default_factory=Counter)
    stays: int = 0
    messages: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()


def records(data: bytes) -> Iterator[bytes]:
    """Every record of a file's bytes, as the reader of landed files cuts them."""
    for match in _LINE.finditer(data.removeprefix(_BOM)):
        for record in _records(match[0].rstrip(b"\r\n")):
            if record.strip(b" \t"):
                yield record


def ties(name: str, raw: bytes, judge: Judge, into: Ties) -> None:
    """Note which ids the records of a file tie to each other.

    Raises
    ------
    UnreadableFileError
        When the file cannot be unzipped.
    """
    for record in records(read_bytes(io.BytesIO(raw), name)):
        judge.ties(_inner(record) or record, into)


def cut(name: str, raw: bytes, why: Callable[[bytes], Why | None]) -> Cut:
    """Take the records out of a file for which there is a reason.

    What stays on a line stays byte for byte, and a line goes with its end where nothing stays on
    it. A ``.gz`` file is unzipped and zipped again.

    Raises
    ------
    UnreadableFileError
        When the file cannot be unzipped.
    """
    data = read_bytes(io.BytesIO(raw), name)
    start = len(_BOM) if data.startswith(_BOM) else 0
    removed: Counter[Why] = Counter()
    messages: set[str] = set()
    texts: set[str] = set()
    parts = [data[:start]]
    kept_from = start
    stays = 0
    for match in _LINE.finditer(data, start):
        line = match[0].rstrip(b"\r\n")
        cut_line = _records(line)
        kept = []
        for record in cut_line:
            reason = why(_inner(record) or record) if record.strip(b" \t") else None
            if reason == "other_source":
                stays += 1
            if reason is None or reason == "other_source":
                kept.append(record)
                continue
            removed[reason] += 1
            texts |= _texts(record)
            if reason == "named":
                messages |= _message_id(record)
        if len(kept) == len(cut_line):
            continue
        parts.append(data[kept_from : match.start()])
        rest = b"".join(kept)
        if rest.strip(b" \t"):
            parts.append(rest + match[0][len(line) :])
        kept_from = match.end()
    if not removed:
        return Cut(raw, removed, stays)
    parts.append(data[kept_from:])
    whole = b"".join(parts)
    if name.endswith(".gz"):
        whole = gzip.compress(whole, mtime=0)
    return Cut(whole, removed, stays, frozenset(messages), frozenset(texts))


def plain(name: str, raw: bytes, why: Callable[[bytes], Why | None]) -> bytes:
    """A file's bytes, unzipped, without what was taken out of it."""
    return read_bytes(io.BytesIO(cut(name, raw, why).data), name)


def _records(line: bytes) -> list[bytes]:
    if not _SEAM.search(line):
        return [line]
    # One character per byte, and back: none of the bytes that count is part of another.
    return [piece.encode("latin-1") for piece in cut_records(line.decode("latin-1"))]


def _inner(record: bytes) -> bytes | None:
    """The record inside a line of Firehose's error output, which holds it in base64."""
    if b'"rawData"' not in record:
        return None
    try:
        value = orjson.loads(record)
        return base64.b64decode(value["rawData"], validate=True)
    except (ValueError, KeyError, TypeError):
        return None


def _message_id(record: bytes) -> set[str]:
    try:
        value = orjson.loads(record)
    except orjson.JSONDecodeError:
        return set()
    found = value.get("messageId") if isinstance(value, dict) else None
    return {found} if isinstance(found, str) and found.strip() else set()


def _texts(record: bytes) -> set[str]:
    """The texts in a record, names of properties too."""
    try:
        waiting = [orjson.loads(record)]
    except orjson.JSONDecodeError:
        return set()
    found: set[str] = set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found |= value.keys()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            found.add(value)
    return found
