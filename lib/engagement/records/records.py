"""Reading landed files record by record: lines cut, JSON judged, values found.

This is where the embedded engine's records come from; on Athena SQL does the same
(``warehouse/athena/sql/records.sql``). Nearly every line is one object and is read in one scan
(:mod:`engagement.records.scanned`), which leaves its values where they are and says where. Other
lines are cut into their records, which are scanned too. What is odd even then is judged with care
(:mod:`engagement.records.strict_json`).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engagement.records import strict_json
from engagement.records.json_scan import CLEAN
from engagement.records.lines import UnreadableFileError, cut_records
from engagement.records.memory import Memory
from engagement.records.scanned import TIME, Cells, Group, Leaf, Path, Scanned

PARTITION = "received_at_utc_date"

NO_GROUP = -1
"""Group of a record whose values stand in no column: they are read from its text."""

_NAMES = pa.dictionary(pa.int32(), pa.string())
_RECORD = (
    ("record_number", pa.int64()),
    (PARTITION, _NAMES),
    ("source_file", _NAMES),
    ("line_number", pa.int64()),
    ("record", pa.string_view()),
    ("record_as_sent", pa.string_view()),
    ("record_encoding", pa.string()),
    ("verdict", pa.string()),
    ("is_object", pa.bool_()),
    ("shape", pa.int32()),
)
"""Columns of records: see :meth:`engagement.warehouse.reading.LandingSession.read_records`."""

_BOM = b"\xef\xbb\xbf"
_SCANNED_BYTES = 1_000_000_000
_LONGEST_LINE = 1_000_000_000


@dataclass(frozen=True)
class FileRecords:
    """How many lines of a file were read, and how many of them were blank."""

    lines: int
    blank_lines: int


@dataclass(frozen=True)
class RecordGroup:
    """Records of one event type and name whose values stand in columns.

    ``number`` is their shape, ``first`` the number of the first of them.
    """

    number: int
    kind: str
    event: str
    leaves: Mapping[Path, Leaf]
    first: int
    _scanned: Scanned
    _group: Group

    def table(
        self,
        kept: pa.Table,
        columns: Sequence[str],
        same: Mapping[str, str],
        wanted: Mapping[str, Cells],
    ) -> pa.Table:
        """Put columns of its values beside those rows of a table that belong to this group.

        That table is what :meth:`Records.with_texts` made, of which ``columns`` are taken; all rows
        have the texts of ``same``. What comes out can be read until the memory for what passes is
        cleared, and that which the records were read into.
        """
        rows = self._group.rows
        numbers = _numbers(kept)
        start, after = np.searchsorted(numbers, [self.first, self.first + len(rows)]).tolist()
        own = kept.select(columns).slice(start, after - start)
        if len(own) < len(rows):
            rows = rows[numbers[start:after] - self.first]
        constants = [_named(np.zeros(len(own), np.int32), [text]) for text in same.values()]
        cells = self._scanned.columns(rows, list(wanted.values()))
        names = [*columns, *same, *wanted]
        return pa.Table.from_arrays([*own.columns, *constants, *cells], names=names)


@dataclass(frozen=True)
class _Piece:
    """A file's lines, or a part of them, and where they end among those that wait."""

    file: int
    day: str
    name: str
    end: int


class Records:
    """The records of some files.

    Parameters
    ----------
    texts
        Columns of values that stand at the same path in every record, with that path. The first
        two are the type and the name of an event. They are filled in for the records that were
        scanned, as strings; for others they are NULL.
    times
        Columns, by name, of the times that stand in one of ``texts``. They are filled in where
        they have a usual form.
    memory
        Where texts and values are held: what is read can be used until it is cleared.
    passing
        Where columns of groups are made: see :meth:`RecordGroup.table`.
    """

    def __init__(
        self,
        texts: Mapping[str, Path],
        times: Mapping[str, str] | None = None,
        memory: Memory | None = None,
        passing: Memory | None = None,
    ) -> None:
        self._texts = dict(texts)
        self._times = dict(times or {})
        self._memory, self._passing = memory or Memory(), passing or Memory()
        self._waiting: list[_Piece] = []
        self._data = np.zeros(0, np.uint8)
        self._bytes = 0
        self._files: list[list[int]] = []
        self._odd: list[tuple[Any, ...]] = []
        self._batches: list[pa.RecordBatch] = []
        self._table = pa.table({})
        self._scans: list[tuple[int, Scanned]] = []
        self.paths: list[Path] = []
        self._path_numbers: dict[Path, int] = {}
        self._path_of_node: list[NDArray[np.int64]] = []
        self._next = 0
        self._is_sparse = False
        self.groups: list[RecordGroup] = []
        self.escaped: set[str] = set()

    def read(self, parts: Iterable[bytes], day: str, name: str) -> int:
        """Take in the bytes of one file, part after part; gives its number.

        Nothing of it is taken in when reading a part fails.

        Raises
        ------
        UnreadableFileError
            When a line is too long to be held.
        """
        start, left, whole = self._bytes, iter(parts), None
        try:
            for place, part in enumerate(left):
                if place == 0 and part.startswith(_BOM):
                    part = part[len(_BOM) :]
                if b"\r" in part or self._bytes + len(part) >= _SCANNED_BYTES:
                    held = self._data[start : self._bytes].tobytes()
                    whole = b"".join([held, part, *left])
                    break
                self._hold(part)
        except BaseException:
            self._bytes = start
            raise
        if whole is not None:
            self._bytes = start
            return self._read_whole(whole, day, name)
        if self._bytes > start and self._data[self._bytes - 1] != ord("\n"):
            self._hold(b"\n")
        number = self._number_of_file()
        if self._bytes > start:
            self._waiting.append(_Piece(number, day, name, self._bytes))
        return number

    def _read_whole(self, data: bytes, day: str, name: str) -> int:
        """Take in a file that has other line ends, or that what waits leaves no room for."""
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if len(data) > _LONGEST_LINE and max(map(len, data.split(b"\n"))) > _LONGEST_LINE:
            raise UnreadableFileError(f"a line of more than {_LONGEST_LINE / 1e9:g} GB")
        number = self._number_of_file()
        for piece in _pieces(data):
            if self._bytes + len(piece) > _SCANNED_BYTES:
                self._scan()
            self._hold(piece)
            self._waiting.append(_Piece(number, day, name, self._bytes))
        return number

    def _number_of_file(self) -> int:
        self._files.append([0, 0])
        return len(self._files) - 1

    def finish(self) -> pa.Table:
        """Scan what waits; gives all records, those of a group together."""
        self._scan()
        if self._odd or not self._batches:
            self._batches.append(self._odd_batch())
        self._table = pa.Table.from_batches(self._batches)
        return self._table

    def with_texts(self, rows: pa.Table) -> pa.Table:
        """Put the texts of some records beside what is known of them, in order of their numbers.

        ``rows`` has a ``record_number``, each at most once, and gets ``record`` and
        ``record_as_sent``, after :meth:`finish`.
        """
        numbers = _numbers(rows)
        if np.any(numbers[1:] < numbers[:-1]):
            order = np.argsort(numbers, kind="stable")
            rows, numbers = rows.take(pa.array(order)), numbers[order]
        names = ["record", "record_as_sent"]
        texts = [self._table[name] for name in names]
        if len(numbers) < len(self._table):
            texts = [_taken(column, numbers) for column in texts]
        return pa.Table.from_arrays([*rows.columns, *texts], names=[*rows.column_names, *names])

    def lines(self, number: int) -> FileRecords:
        """Count the lines of a file, after :meth:`finish`."""
        return FileRecords(*self._files[number])

    @property
    def first_odd(self) -> int:
        """Number from which on records were not scanned; known after :meth:`finish`."""
        return self._next

    @property
    def has_groups_without_columns(self) -> bool:
        """Whether the values of some that were scanned stand in no column all the same."""
        return self._is_sparse

    @property
    def has_odd(self) -> bool:
        """Whether there are any that were not scanned."""
        return bool(self._odd)

    def counts(
        self, numbers: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Count the values of some records that were scanned.

        Yields
        ------
        tuple
            Numbers of :attr:`paths`, and for each a row of counts and one of looks: see
            :meth:`engagement.records.scanned.Scanned.counts`.
        """
        for place, (base, scanned) in enumerate(self._scans):
            own = numbers[(numbers >= base) & (numbers < base + len(scanned.order))]
            nodes, counts, looks = scanned.counts(scanned.order[own - base])
            known = self._path_of_node[place]
            for node in nodes[known[nodes] < 0].tolist():
                known[node] = self.number_of(scanned.path(node))
            yield known[nodes], counts, looks

    def number_of(self, path: Path) -> int:
        """Number of a path among :attr:`paths`."""
        if path not in self._path_numbers:
            self._path_numbers[path] = len(self.paths)
            self.paths.append(path)
        return self._path_numbers[path]

    # --- inside

    def _hold(self, piece: bytes) -> None:
        """Put some lines behind those that wait."""
        after = self._bytes + len(piece)
        if after > len(self._data):
            # Only what is written of it takes memory.
            self._data = self._memory.empty(max(_SCANNED_BYTES, after), np.uint8)
        self._data[self._bytes : after] = np.frombuffer(piece, np.uint8)
        self._bytes = after

    def _scan(self) -> None:
        pieces, self._waiting = self._waiting, []
        if not pieces:
            return
        room, data = self._data, self._data[: self._bytes]
        self._data, self._bytes = np.zeros(0, np.uint8), 0
        times = [self._texts[text] for text in self._times.values()]
        texts = list(self._texts.values())
        scanned = Scanned(data, texts, times, self._memory, self._passing)
        after = np.searchsorted(scanned.ends, [piece.end for piece in pieces])
        sizes = np.diff(after, prepend=0).tolist()
        of_piece = np.repeat(np.arange(len(pieces)), sizes)
        first_line = []
        at = 0
        for piece, size in zip(pieces, sizes, strict=True):
            counts = self._files[piece.file]
            first_line.append(counts[0] + 1 - at)
            counts[0] += size
            counts[1] += int(scanned.is_blank[at : at + size].sum())
            at += size
        number_in_file = np.arange(at) + np.repeat(np.array(first_line, np.int64), sizes)
        source, odd = _taken_apart(scanned, room)
        of_piece = np.concatenate([of_piece, of_piece[source]])
        number_in_file = np.concatenate([number_in_file, number_in_file[source]])
        self._add_clean(scanned, pieces, of_piece, number_in_file)
        for row, record in odd.items():
            piece = pieces[of_piece[row]]
            where = (piece.day, piece.name, int(number_in_file[row]))
            self._odd.append((*where, *_judged(record)))

    def _add_clean(
        self,
        scanned: Scanned,
        pieces: Sequence[_Piece],
        of_piece: NDArray[np.int64],
        number_in_file: NDArray[np.int64],
    ) -> None:
        order, count = scanned.order, len(scanned.order)
        if not count:
            return
        base, self._next = self._next, self._next + count
        self._scans.append((base, scanned))
        self._path_of_node.append(np.full(scanned.nodes, -1, np.int64))
        shape = np.full(count, NO_GROUP, np.int32)
        for group in scanned.groups:
            leaves = scanned.leaves(group)
            if leaves is None:
                self._is_sparse = True
                continue
            first, after = group.first, group.first + len(group.rows)
            number = len(self.groups)
            shape[first:after] = number
            event = group.event or ""
            self.groups.append(
                RecordGroup(number, group.kind, event, leaves, base + first, scanned, group)
            )
        piece_of = of_piece[order].astype(np.int32)
        record: list[pa.Array] = [
            pa.array(np.arange(base, self._next)),
            _named(piece_of, [piece.day for piece in pieces]),
            _named(piece_of, [piece.name for piece in pieces]),
            pa.array(number_in_file[order]),
            scanned.lines(),
            pa.nulls(count, pa.string_view()),
            pa.nulls(count, pa.string()),
            pa.repeat(strict_json.OBJECT, count),
            pa.repeat(pa.scalar(True), count),
            pa.array(shape),
            *scanned.beside[0],
            *scanned.beside[1],
        ]
        escaped = zip(self._texts, scanned.texts_escaped, strict=True)
        self.escaped |= {name for name, is_escaped in escaped if is_escaped}
        self._batches.append(pa.RecordBatch.from_arrays(record, schema=self._schema()))

    def _odd_batch(self) -> pa.RecordBatch:
        rows = self._odd
        numbers = range(self._next, self._next + len(rows))
        columns = [pa.array(numbers, pa.int64())]
        for place, (_, kind) in enumerate(_RECORD[1:-1]):
            columns.append(pa.array([row[place] for row in rows], kind))
        columns.append(pa.array([NO_GROUP] * len(rows), pa.int32()))
        columns += [pa.nulls(len(rows), pa.string_view()) for _ in self._texts]
        columns += [pa.nulls(len(rows), TIME) for _ in self._times]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema())

    def _schema(self) -> pa.Schema:
        texts = ((name, pa.string_view()) for name in self._texts)
        return pa.schema([*_RECORD, *texts, *((name, TIME) for name in self._times)])


def _taken_apart(
    scanned: Scanned, room: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], dict[int, bytes]]:
    """Scan records that share a line, each for itself.

    Returns
    -------
    tuple
        Which line each of them comes from, in the order in which they are behind the others; and
        by number the records, and lines of one record, that are odd.
    """
    odd, source, cut = {}, [], []
    for row in scanned.odd.tolist():
        records = _records(scanned.line(row))
        if len(records) == 1:
            odd[row] = records[0]
        else:
            source += [row] * len(records)
            cut += records
    if cut:
        numbers = scanned.add(cut, room)
        still = np.flatnonzero(scanned.what[numbers] != CLEAN)
        odd |= {int(numbers[place]): cut[place] for place in still.tolist()}
    return np.array(source, np.int64), odd


def _numbers(rows: pa.Table) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = rows["record_number"].to_numpy()
    return numbers


def _taken(texts: pa.ChunkedArray, places: NDArray[np.int64]) -> pa.ChunkedArray:
    """Some texts, by their places in ascending order: Arrow cannot pick string views yet."""
    chunks, first = [], 0
    for chunk in texts.chunks:
        start, after = np.searchsorted(places, [first, first + len(chunk)]).tolist()
        own = places[start:after] - first
        first += len(chunk)
        _, views, *data = chunk.buffers()
        picked = np.frombuffer(views, np.uint64).reshape(-1, 2)[own + chunk.offset]
        known = pa.array(chunk.is_valid().to_numpy(zero_copy_only=False)[own]).buffers()[1]
        buffers = [known, pa.py_buffer(picked), *data]
        chunks.append(pa.Array.from_buffers(pa.string_view(), len(own), buffers))
    return pa.chunked_array(chunks, pa.string_view())


def _named(numbers: NDArray[np.int32], names: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(numbers), pa.array(names, pa.string()))


def _pieces(data: bytes) -> Iterator[bytes]:
    """Whole lines, each with its end, in pieces of a size that can be scanned."""
    if data and not data.endswith(b"\n"):
        data += b"\n"
    while len(data) > _SCANNED_BYTES:
        cut = data.rfind(b"\n", 0, _SCANNED_BYTES) + 1 or data.find(b"\n") + 1
        yield data[:cut]
        data = data[cut:]
    if data:
        yield data


def _judged(record: bytes) -> tuple[str, str | None, str | None, str, bool]:
    try:
        text = record.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(record).decode(), None, "base64", "not_utf8", False
    verdict = strict_json.verdict(text)
    if verdict == strict_json.TWICE:
        return strict_json.last_wins(text), text, None, verdict, True
    return text, None, None, verdict, verdict == strict_json.OBJECT


def _records(line: bytes) -> list[bytes]:
    """The records of a line, in bytes; a line that is no UTF-8 is cut at the same places."""
    # One character per byte, and back: none of the bytes that count is part of another.
    return [piece.encode("latin-1") for piece in cut_records(line.decode("latin-1"))]
