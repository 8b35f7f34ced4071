"""Lines of JSON objects as columns, without a copy of the text.

A scan (:mod:`engagement.records.json_scan`) says where the values of each line stand. Here lines
become groups, by event type and name, and each group a table with columns of the values at a path.
As they stand, these are Arrow string views, which point into the text: strings without their
quotes, all else as it was written. Columns whose values are all alike can be had as numbers,
truth values or times; what any other means is up to who reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from engagement.records import json_scan
from engagement.records.json_scan import (
    ARRAY,
    BLANK,
    BOOLEAN,
    CLEAN,
    DOUBLE,
    EMPTY,
    ESCAPED,
    INTEGER,
    OBJECT,
    ODD,
    OTHER,
    ROOT,
    STRING,
    TYPES,
)
from engagement.records.memory import Memory

Path = tuple[str, ...]

KINDS = {
    INTEGER: "integer",
    DOUBLE: "double",
    BOOLEAN: "boolean",
    STRING: "string",
    ARRAY: "array",
    OBJECT: "object",
}
COUNTED = ("integer", "double", "boolean", "string", "array", "object")
"""Kinds of values, in the order of their bits and of counts."""

LOOKS = ("fractions", "texts", "timestamps", "lists", "largest_integer", "unsure")
"""What counting tells of values besides: numbers with a fraction; strings that are not empty; those
that are timestamps; arrays that hold something; the size of the largest whole number. All that only
where no value is unsure, which asks for a closer look."""

TIME = pa.timestamp("us")

_ARROW = {
    "integer": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": TIME,
}

_NUMBERS = INTEGER | DOUBLE
_VALUES = STRING | _NUMBERS | BOOLEAN | ARRAY

MOST_EMPTY = 50
"""A group's columns hold at most so many cells for each value; a sparser group has none."""

_FEW_CELLS = 1_000_000
_NODES = 1 << 12
_KEY_BYTES = 1 << 16
_LEAVES_A_LINE = 64
_JOINED = 10_000
_BYTES_OF_A_VIEW = 16
_BYTES_A_LINE = 400  # at least, mostly: there is more room for shorter ones when they come


LEAF = "__leaf_"
"""Begins the name of each :class:`Leaf`."""

AS_IT_STANDS = ""
PLACE = "place"
READ_AS = ("integer", "double", "boolean", "text", "timestamp")
"""How values of a group can be had: see :meth:`Leaf.is_had_as`."""


@dataclass(frozen=True)
class Leaf:
    """A path of a group's values: its name there, their kinds, and how they stand there.

    ``kinds`` are the bits of :mod:`engagement.records.json_scan`, empty objects left out. Strings
    have their quotes where there is more than one kind, and backslashes where ``is_escaped``;
    arrays are not as an engine prints them then. Some may be empty where ``has_empty``. Every
    record has a value where ``is_full``. All strings that are not empty are timestamps where
    ``is_time``. ``node`` is the number that the scan gave the path.
    """

    name: str
    kinds: int
    is_escaped: bool
    has_empty: bool = True
    is_full: bool = False
    is_time: bool = False
    node: int = -1

    @property
    def is_mixed(self) -> bool:
        """Whether values are of several kinds, so that each stands as JSON has it."""
        return _is_mixed(self.kinds)

    def is_had_as(self, kind: str) -> bool:
        """Whether its values can be had as whole numbers, doubles, truth values, texts or times.

        A text is a string that is not empty, or an array as it is printed, unless it holds nothing;
        a time is in UTC, and of whole milliseconds. All can be had as the place where they stand,
        a number that is greater for what stands later in a line.
        """
        match kind:
            case "place":
                return True
            case "integer":
                return self.kinds == INTEGER
            case "double":
                return self.kinds in (INTEGER, DOUBLE, _NUMBERS)
            case "boolean":
                return self.kinds == BOOLEAN
            case "text":
                return self.kinds in (STRING, ARRAY) and not self.is_escaped
            case "timestamp":
                return self.kinds == STRING and not self.is_escaped and self.is_time
        return False

    def column(self, kind: str) -> str:
        """Name of the column that has its values as a kind."""
        return f"{self.name}_{kind}" if kind else self.name


Cells = tuple[Leaf | None, str]
"""A column: a path's values as one of :data:`READ_AS`, :data:`AS_IT_STANDS`, or :data:`PLACE`.

Without a path it has no value.
"""


@dataclass(frozen=True)
class Group:
    """Clean lines of one event type (in lower case) and name: in order, from ``first`` on."""

    kind: str
    event: str | None
    first: int
    rows: NDArray[np.int64]


class Scanned:
    """A text whose lines were scanned.

    Parameters
    ----------
    data
        Whole lines, each ended by LF; at most 2 GiB.
    texts
        Paths of strings, of which the first two are an event's type and name. Lines where one of
        these is anything else are odd, too.
    times
        Those of ``texts`` that may be times.
    memory
        Where values are held: they can be read until it is cleared.
    passing
        Where columns of groups are made: they can be read until it is cleared, which is done here.
    """

    def __init__(
        self,
        data: bytes | NDArray[np.uint8],
        texts: Sequence[Path],
        times: Sequence[Path] = (),
        memory: Memory | None = None,
        passing: Memory | None = None,
    ) -> None:
        self._memory, self._passing = memory or Memory(), passing or Memory()
        self._passing.clear()
        self._bytes = data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
        self.ends = _line_ends(self._bytes)
        self.starts = np.concatenate([np.zeros(1, np.int64), self.ends[:-1] + 1])[: len(self.ends)]
        self._texts, self._times = len(texts), len(times)
        self.what, self._last_leaf, self._group = _of_lines(len(self.ends))
        self._make_room_for_nodes(_NODES, _KEY_BYTES)
        self._leaves = self._room_for_leaves(len(self.ends) * _LEAVES_A_LINE + 1024)
        self._name_texts(texts)
        self._time_of = np.array([times.index(path) if path in times else -1 for path in texts])
        self._is_escaped = np.zeros(len(texts), np.bool_)
        # A few lines more may come.
        self._beside = self._room_beside(len(self.ends) + len(self.ends) // 16 + 64)
        self._counts = np.zeros(3, np.int64)
        self._paths: dict[int, Path] = {}
        self._zeros = np.zeros(0, np.uint8)
        self._scan(0)

    def add(self, lines: Sequence[bytes], room: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Scan lines that were found in odd ones; gives their numbers, in order.

        It is to be done before anything is asked of what was scanned. ``room`` is what the text
        stands at the beginning of: there may be room for more behind it.
        """
        first, before = len(self.ends), len(self._bytes)
        sizes = np.array([len(line) for line in lines], np.int64)
        ends = before + np.cumsum(sizes + 1) - 1
        after = int(ends[-1]) + 1
        if after > len(room):
            room = self._memory.empty(after, np.uint8)
            room[:before] = self._bytes
        at = before
        for some in range(0, len(lines), _JOINED):
            more = b"\n".join([*lines[some : some + _JOINED], b""])
            room[at : at + len(more)] = np.frombuffer(more, np.uint8)
            at += len(more)
        self._bytes = room[:after]
        self.starts = np.concatenate([self.starts, ends - sizes])
        self.ends = np.concatenate([self.ends, ends])
        what, last_leaf, group = _of_lines(len(lines))
        self.what = np.concatenate([self.what, what])
        self._last_leaf = np.concatenate([self._last_leaf, last_leaf])
        self._group = np.concatenate([self._group, group])
        if len(self.ends) > len(self._beside[1]):
            self._beside = _grown(self._beside, self._room_beside(2 * len(self.ends)))
        wanted = int(self._counts[0]) + len(lines) * _LEAVES_A_LINE
        if wanted > len(self._leaves[0]):
            self._leaves = _grown(self._leaves, self._room_for_leaves(wanted))
        self._scan(first)
        return np.arange(first, len(self.ends))

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Numbers of the clean lines, those of a group together."""
        clean = np.flatnonzero(self.what == CLEAN)
        return clean[np.argsort(self._group[clean], kind="stable")]

    @property
    def texts_escaped(self) -> list[bool]:
        """In which of the texts a backslash stands."""
        escaped: list[bool] = self._is_escaped.tolist()
        return escaped

    @property
    def odd(self) -> NDArray[np.int64]:
        """Numbers of the lines that are to be looked at more closely."""
        return np.flatnonzero(self.what == ODD)

    @property
    def is_blank(self) -> NDArray[np.bool_]:
        """Which lines are blank."""
        blank: NDArray[np.bool_] = self.what == BLANK
        return blank

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return int(self._sizes[0])

    def line(self, number: int) -> bytes:
        """A line without its end."""
        return self._bytes[self.starts[number] : self.ends[number]].tobytes()

    def lines(self) -> pa.Array:
        """The clean lines, in order of groups."""
        views = self._memory.empty(2 * len(self.order), np.uint64)
        json_scan.point_all(self._bytes, self.starts, self.ends, self.order, views)
        return self._views(views, None, len(self.order))

    @cached_property
    def groups(self) -> list[Group]:
        """The clean lines, taken apart by type and name."""
        of = self._group[self.order]
        firsts = np.flatnonzero(np.diff(of, prepend=-1)).tolist()
        return [
            Group(*self._names(int(of[first])), first, self.order[first:after])
            for first, after in zip(firsts, [*firsts[1:], len(of)], strict=True)
        ]

    def leaves(self, group: Group) -> dict[Path, Leaf] | None:
        """The columns that a group's lines have, by path; ``None`` where there are too many."""
        known = int(self._sizes[0])
        count, kinds = np.zeros(known, np.int64), np.zeros(known, np.uint16)
        found = json_scan.summary(
            group.rows, self._last_leaf, self._leaves, count, kinds, self._touched
        )
        nodes = [n for n in self._touched[:found].tolist() if kinds[n] & _VALUES]
        values = int(count[nodes].sum())
        if len(nodes) * len(group.rows) > max(_FEW_CELLS, MOST_EMPTY * values):
            return None
        return {
            self.path(n): Leaf(
                f"{LEAF}{place}",
                int(kinds[n]) & _VALUES,
                is_escaped=bool(kinds[n] & ESCAPED),
                has_empty=bool(kinds[n] & EMPTY),
                is_full=bool(count[n] == len(group.rows) and not kinds[n] & OBJECT),
                is_time=not kinds[n] & OTHER,
                node=n,
            )
            for place, n in enumerate(nodes)
        }

    def columns(self, rows: NDArray[np.int64], wanted: Sequence[Cells]) -> list[pa.Array]:
        """The values of some of a group's lines: a column for each that is wanted."""
        leaves = list(dict.fromkeys(leaf for leaf, _ in wanted if leaf))
        place = {leaf: number for number, leaf in enumerate(leaves)}
        column_of = np.full(self._sizes[0], -1, np.int32)
        column_of[[leaf.node for leaf in leaves]] = np.arange(len(leaves))
        quoted = np.array([leaf.is_mixed for leaf in leaves], np.bool_)
        count = len(rows)
        views = self._passing.empty((len(leaves), 2 * count), np.uint64)
        for leaf in leaves:
            if not leaf.is_full:
                views[place[leaf]].fill(0)
        valid = self._passing.zeros((len(leaves), _bytes_of_bits(count)), np.uint8)
        json_scan.fill(
            self._bytes,
            rows,
            self._last_leaf,
            self._leaves,
            column_of,
            quoted,
            views.ravel(),
            valid,
        )
        where = self._where(rows, [leaf for leaf, kind in wanted if leaf and kind == PLACE])
        return [
            where[leaf]
            if leaf and kind == PLACE
            else self._column(leaf, kind, views[place[leaf]], valid[place[leaf]], count)
            if leaf
            else self._nothing(kind, count)
            for leaf, kind in wanted
        ]

    def _where(self, rows: NDArray[np.int64], leaves: Sequence[Leaf]) -> dict[Leaf, pa.Array]:
        """Where the values of some leaves stand, of each a column; zeros where there is none."""
        if not leaves:
            return {}
        column_of = np.full(self._sizes[0], -1, np.int32)
        column_of[[leaf.node for leaf in leaves]] = np.arange(len(leaves))
        found = self._passing.zeros((len(leaves), len(rows)), np.int64)
        json_scan.places(rows, self._last_leaf, self._leaves, column_of, found)
        return {leaf: pa.array(column) for leaf, column in zip(leaves, found, strict=True)}

    def counts(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """Count the values of some lines by node, and look into them where that is cheap.

        Returns
        -------
        tuple
            Nodes, a row of counts for each as in :data:`COUNTED`, and one as in :data:`LOOKS`.
        """
        found = json_scan.count(
            self._bytes,
            rows,
            self._last_leaf,
            self._leaves,
            self._counters,
            self._looks,
            self._is_touched,
            self._touched,
        )
        nodes = self._touched[:found].copy()
        counts, looks = self._counters[nodes], self._looks[nodes]
        self._counters[nodes] = self._looks[nodes] = self._is_touched[nodes] = 0
        return nodes, counts, looks

    def path(self, node: int) -> Path:
        """The keys that lead to a node."""
        if node == ROOT:
            return ()
        if node not in self._paths:
            above = int(self._nodes[1][node])
            self._paths[node] = (*self.path(above), self._key(node).decode())
        return self._paths[node]

    # --- inside

    def _make_room_for_nodes(self, nodes: int, key_bytes: int) -> None:
        self._nodes: tuple[NDArray[Any], ...] = (
            np.full(2 * nodes, -1, np.int32),
            np.full(nodes, -9, np.int32),
            np.zeros(nodes, np.int64),
            np.zeros(nodes, np.int32),
            np.zeros(key_bytes, np.uint8),
        )
        self._sizes = np.zeros(2, np.int64)
        self._seen_in = np.zeros(nodes, np.int64)
        self._follows = np.zeros(nodes, np.int32)
        self._text_of = np.full(nodes, -1, np.int8)

    def _name_texts(self, texts: Sequence[Path]) -> None:
        nothing = np.zeros(0, np.uint8)
        json_scan.intern(nothing, 0, 0, -9, self._nodes, self._sizes)
        for number, path in enumerate(texts):
            node = ROOT
            for name in path:
                key = np.frombuffer(name.encode(), np.uint8)
                node = json_scan.intern(key, 0, len(key), node, self._nodes, self._sizes)
            self._text_of[node] = number

    def _scan(self, first: int) -> None:
        levels = (
            np.zeros(json_scan.MOST_LEVELS, np.int64),
            np.zeros(json_scan.MOST_LEVELS, np.int64),
        )
        row, lines = first, len(self.ends)
        while row < lines:
            row = json_scan.scan(
                self._bytes,
                self.starts,
                self.ends,
                row,
                (self._text_of, self._time_of),
                self._nodes,
                self._sizes,
                self._seen_in,
                self._follows,
                self._leaves,
                (self.what, self._last_leaf, self._group),
                (*self._beside, self._is_escaped),
                levels,
                self._counts,
            )
            if row < lines and self._counts[2]:
                self._grow_nodes(int(self.ends[row] - self.starts[row]))
            elif row < lines:
                self._leaves = _grown(self._leaves, self._room_for_leaves(2 * len(self._leaves[0])))
        self._counters = np.zeros((int(self._sizes[0]), len(COUNTED)), np.int64)
        self._looks = np.zeros((int(self._sizes[0]), len(LOOKS)), np.int64)
        self._is_touched = np.zeros(int(self._sizes[0]), np.bool_)
        self._touched = np.zeros(int(self._sizes[0]), np.int32)

    def _grow_nodes(self, line_bytes: int) -> None:
        old, sizes = self._nodes, self._sizes.copy()
        seen_in, follows, text_of = self._seen_in, self._follows, self._text_of
        room = len(old[1])
        self._make_room_for_nodes(2 * room, 2 * len(old[4]) + line_bytes)
        for place in range(1, len(old)):
            self._nodes[place][: len(old[place])] = old[place]
        self._seen_in[:room], self._follows[:room], self._text_of[:room] = seen_in, follows, text_of
        self._sizes[:] = sizes
        json_scan.intern_again(self._nodes, self._sizes)

    def _room_for_leaves(self, leaves: int) -> tuple[NDArray[Any], ...]:
        kinds = (np.int32, np.int32, np.uint64, np.uint16)
        return tuple(self._memory.empty(leaves, kind) for kind in kinds)

    def _key(self, node: int) -> bytes:
        _, _, at, size, keys = self._nodes
        return keys[at[node] : at[node] + size[node]].tobytes()

    def _names(self, node: int) -> tuple[str, str | None]:
        above = int(self._nodes[1][node])
        if above == TYPES:
            return _lower(_text(self._key(node))), None
        return _lower(_text(self._key(above))), _text(self._key(node))

    def _room_beside(self, lines: int) -> tuple[NDArray[Any], ...]:
        """Room beside each line, so that its text is in the processor's cache when it is read."""
        return (
            self._passing.empty((lines, 2 * self._texts), np.uint64),
            self._passing.empty(lines, np.int64),
            self._passing.empty((lines, self._times), np.int64),
        )

    @cached_property
    def beside(self) -> tuple[list[pa.Array], list[pa.Array]]:
        """Columns of the texts and times that stand beside the clean lines, in order of groups."""
        count = len(self.order)
        views = self._memory.empty((self._texts, 2 * count), np.uint64)
        moments = self._memory.empty((self._times, count), np.int64)
        valid, is_time = (
            self._memory.zeros((columns, _bytes_of_bits(count)), np.uint8)
            for columns in (self._texts, self._times)
        )
        json_scan.gather(self.order, self._beside, views.ravel(), valid, moments, is_time)
        return [self._views(views[n], valid[n], count) for n in range(self._texts)], [
            pa.Array.from_buffers(TIME, count, [pa.py_buffer(is_time[n]), pa.py_buffer(moments[n])])
            for n in range(self._times)
        ]

    def _column(
        self,
        leaf: Leaf,
        kind: str,
        views: NDArray[np.uint64],
        valid: NDArray[np.uint8],
        count: int,
    ) -> pa.Array:
        """A column of values as a kind, from views of their texts."""
        may_lack = not leaf.is_full
        if kind in ("text", "timestamp") and leaf.has_empty:
            may_lack, valid = True, valid.copy()
            json_scan.no_empty(views, valid, leaf.kinds == ARRAY)
        if kind in (AS_IT_STANDS, "text"):
            return self._views(views, valid if may_lack else None, count)
        if kind == "boolean":
            values: NDArray[Any] = self._passing.zeros(_bytes_of_bits(count), np.uint8)
            json_scan.truths(views, values)
        else:
            values = self._passing.empty(count, np.float64 if kind == "double" else np.int64)
            read = {
                "integer": json_scan.whole_numbers,
                "double": json_scan.decimals,
                "timestamp": json_scan.moments,
            }[kind]
            read(self._bytes, views, values)
        if kind == "double":
            texts = self._views(views, None, count)
            for row in np.flatnonzero(np.isnan(values)).tolist():
                values[row] = float(texts[row].as_py())
        known = pa.py_buffer(valid) if may_lack else None
        return pa.Array.from_buffers(_ARROW[kind], count, [known, pa.py_buffer(values)])

    def _nothing(self, kind: str, count: int) -> pa.Array:
        """A column without a value. All such share their bytes."""
        needed = _BYTES_OF_A_VIEW * count
        if len(self._zeros) < needed:
            self._zeros = np.zeros(needed, np.uint8)
        zeros = pa.py_buffer(self._zeros)
        return pa.Array.from_buffers(_ARROW.get(kind, pa.string_view()), count, [zeros, zeros])

    def _views(
        self, views: NDArray[np.uint64], valid: NDArray[np.uint8] | None, count: int
    ) -> pa.Array:
        known = None if valid is None else pa.py_buffer(valid)
        buffers = [known, pa.py_buffer(views), pa.py_buffer(self._bytes)]
        return pa.Array.from_buffers(pa.string_view(), count, buffers)


def _of_lines(lines: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int32]]:
    """Of each line: what it is, after which leaf its leaves end, and its group."""
    return np.zeros(lines, np.uint8), np.zeros(lines, np.int64), np.full(lines, -1, np.int32)


def _grown(
    old: tuple[NDArray[Any], ...], new: tuple[NDArray[Any], ...]
) -> tuple[NDArray[Any], ...]:
    for before, now in zip(old, new, strict=True):
        now[: len(before)] = before
    return new


def _line_ends(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    ends = np.empty(len(data) // _BYTES_A_LINE + 1, np.int64)
    count, at = 0, 0
    while at < len(data):
        count, at = json_scan.line_ends(data, at, ends, count)
        if at < len(data):
            ends = np.concatenate([ends, np.empty_like(ends)])
    return ends[:count]


def _bytes_of_bits(count: int) -> int:
    return (count + 7) // 8


def _is_mixed(kinds: int) -> bool:
    return bool(kinds & (kinds - 1)) and kinds != _NUMBERS


def _lower(text: str) -> str:
    """A text in lower case, as engines have it: of each letter another one, never two."""
    return text.replace("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", "i").lower()


def _text(raw: bytes) -> str:
    return str(orjson.loads(b'"' + raw + b'"'))
