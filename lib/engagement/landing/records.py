"""Reading landed files record by record: lines cut, JSON judged, and the shape of each told.

This is where the embedded engine's records come from; on Athena SQL does the same
(``flatten/sql/records.sql``). A line that is one JSON value is one record, whatever stands in its
strings; only other lines are looked at for several records. Each record is parsed once: the same
look tells whether it is JSON, whether a key is given twice, and which paths lead to which kinds of
values. That is its *shape*, and there are few shapes among many records.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa

from engagement.landing import strict_json
from engagement.landing.lines import cut_records

PARTITION = "received_at_utc_date"

SCHEMA = pa.schema(
    [
        ("record_number", pa.int64()),
        (PARTITION, pa.string()),
        ("source_file", pa.string()),
        ("line_number", pa.int64()),
        ("record", pa.large_string()),
        ("record_as_sent", pa.large_string()),
        ("record_encoding", pa.string()),
        ("verdict", pa.string()),
        ("is_object", pa.bool_()),
        ("shape", pa.int64()),
    ]
)
"""Columns of records: see :meth:`engagement.warehouse.base.Session.landing_records`."""

NO_SHAPE = -1
"""Shape of a record that is nested too deep to tell cheaply, or that is no object."""

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t"
_BATCH_BYTES = 64_000_000

Path = tuple[str, ...]
Leaves = tuple[tuple[Path, str], ...]

_KINDS = {str: "string", int: "integer", float: "double", bool: "boolean", list: "array"}


@dataclass
class Shapes:
    """Shapes by number: where the values of a record stand, and of which kind they are.

    ``has_unknown`` tells that some record's shape was not told.
    """

    has_unknown: bool = False
    _numbers: dict[Any, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, value: dict[str, Any]) -> int:
        """Number of an object's shape; :data:`NO_SHAPE` where it is nested too deep."""
        try:
            return self._numbers.setdefault(_shape(value), len(self._numbers))
        except RecursionError:
            self.has_unknown = True
            return NO_SHAPE

    def leaves(self) -> list[Leaves]:
        """Paths and kinds of each shape, by number: ``(path, kind)``, as ``strict_json.paths``."""
        return [tuple(_leaves(shape)) for shape in self._numbers]


def _shape(value: dict[str, Any]) -> tuple[Any, ...]:
    kinds = tuple(map(type, value.values()))
    if dict in kinds:
        inner = tuple([_shape(item) for item in value.values() if type(item) is dict])
        return tuple(value), kinds, inner
    return tuple(value), kinds, ()


def _leaves(shape: tuple[Any, ...], above: Path = ()) -> Iterator[tuple[Path, str]]:
    keys, kinds, inner = shape
    objects = iter(inner)
    for key, kind in zip(keys, kinds, strict=True):
        if kind is dict:
            below = next(objects)
            if below[0]:
                yield from _leaves(below, (*above, key))
            else:
                yield (*above, key), "object"
        elif kind in _KINDS:
            yield (*above, key), _KINDS[kind]


@dataclass
class FileRecords:
    """How many lines of a file were read, and how many of them were blank."""

    lines: int = 0
    blank_lines: int = 0


class RecordReader:
    """Collects the records of files into batches of some size.

    The records of a batch are in order of type and event, so that those of one table stand
    together wherever they are kept. Their numbers say nothing about their order.
    """

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0
        self._next = 0

    def read(self, data: bytes, day: str, name: str) -> FileRecords:
        """Read the bytes of one file."""
        if data.startswith(_BOM):
            data = data[len(_BOM) :]
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        counts = FileRecords(len(lines))
        self._bytes += len(data)
        loads, dumps, add, shape = orjson.loads, orjson.dumps, self._rows.append, self._shapes
        for number, line in enumerate(lines, 1):
            try:
                value = loads(line)
                # What prints as it stands gives no key twice, and nests no deeper than is read.
                if type(value) is dict and dumps(value) == line:
                    add(
                        (
                            str(value.get("type")),
                            str(value.get("event")),
                            day,
                            name,
                            number,
                            line,
                            None,
                            None,
                            strict_json.OBJECT,
                            True,
                            shape.number(value),
                        )
                    )
                    continue
            except (orjson.JSONDecodeError, orjson.JSONEncodeError):
                pass
            if not line.strip(_BLANK):
                counts.blank_lines += 1
                continue
            for record in _records(line):
                add(("", "", day, name, number, *self._judged(record)))
        return counts

    def _judged(self, record: bytes) -> tuple[bytes, bytes | None, str | None, str, bool, int]:
        try:
            text = record.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(record), None, "base64", "not_utf8", False, NO_SHAPE
        verdict = strict_json.verdict(text)
        if verdict == strict_json.OBJECT:
            return record, None, None, verdict, True, self._shapes.number(orjson.loads(record))
        if verdict == strict_json.TWICE:
            once = strict_json.last_wins(text).encode()
            return once, record, None, verdict, True, self._shapes.number(orjson.loads(once))
        return record, None, None, verdict, False, NO_SHAPE

    @property
    def is_full(self) -> bool:
        """Whether enough was read for a batch."""
        return self._bytes >= _BATCH_BYTES

    def take(self) -> pa.Table:
        """What was read since the last call."""
        rows, self._rows, self._bytes = self._rows, [], 0
        # By type and event: ties stay in the order in which they were read.
        rows.sort(key=_cluster)
        first, self._next = self._next, self._next + len(rows)
        columns: list[pa.Array] = [pa.array(range(first, self._next), pa.int64())]
        for place, kind in enumerate(SCHEMA.types[1:], 2):
            values = [row[place] for row in rows]
            if pa.types.is_large_string(kind):
                # Known to be UTF-8: no need to look again.
                columns.append(pa.array(values, pa.large_binary()).view(kind))
            else:
                columns.append(pa.array(values, kind))
        return pa.Table.from_arrays(columns, schema=SCHEMA)


def _cluster(row: tuple[Any, ...]) -> tuple[str, str]:
    return row[0], row[1]


def _records(line: bytes) -> list[bytes]:
    """The records of a line, in bytes; a line that is no UTF-8 is cut at the same places."""
    # One character per byte, and back: none of the bytes that count is part of another.
    return [piece.encode("latin-1") for piece in cut_records(line.decode("latin-1"))]
