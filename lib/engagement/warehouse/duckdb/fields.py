"""The fields of records that were just read, on DuckDB: counted by a scan, looked into by SQL.

There are many groups (dates, types and names of events) with many paths each: counts stay arrays
from the scan to the table that is made of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engagement.records import strict_json
from engagement.records.records import NO_GROUP, Records
from engagement.records.scanned import COUNTED, LOOKS
from engagement.warehouse.duckdb import json_sql, records
from engagement.warehouse.duckdb.json_sql import name_sql
from engagement.warehouse.json_values import FIELD_COUNTS, FIELD_LOOKS, path_text

Path = tuple[str, ...]
Run = Callable[[str, str], duckdb.DuckDBPyConnection]
Fetch = Callable[[str, str], pa.Table]

_PLACES = {kind: place for place, kind in enumerate(COUNTED)}
_KNOWN, _UNSURE = [LOOKS.index(name) for name in FIELD_LOOKS], LOOKS.index("unsure")


@dataclass
class _Counts:
    """Values counted: of which group, path, how many of each kind; an entry each.

    ``looks`` are those of :data:`FIELD_LOOKS`; ``is_known`` tells where they are what a closer look
    would find.
    """

    groups: list[tuple[Any, ...]] = field(default_factory=list)
    shapes: list[int] = field(default_factory=list)
    _parts: list[tuple[NDArray[Any], ...]] = field(default_factory=list)

    def number(self, group: tuple[Any, ...], shape: int) -> int:
        self.groups.append(group)
        self.shapes.append(shape)
        return len(self.groups) - 1

    def add(
        self,
        group: int,
        paths: NDArray[np.int64],
        counts: NDArray[np.int64],
        looks: NDArray[np.int64] | None = None,
    ) -> None:
        found = np.zeros((len(paths), len(FIELD_LOOKS)), np.uint64)
        is_known = np.zeros(len(paths), np.bool_)
        if looks is not None:
            found[:], is_known = looks[:, _KNOWN], looks[:, _UNSURE] == 0
        self._parts.append((np.full(len(paths), group), paths, counts, found, is_known))

    def entries(self) -> _Entries:
        nothing = np.zeros(0, np.int64)
        none = np.zeros((0, len(COUNTED)), np.int64), np.zeros((0, len(FIELD_LOOKS)), np.uint64)
        parts = [(nothing, nothing, *none, np.zeros(0, np.bool_)), *self._parts]
        return _Entries(*(np.concatenate(part) for part in zip(*parts, strict=True)))


@dataclass(frozen=True)
class _Entries:
    groups: NDArray[np.int64]
    paths: NDArray[np.int64]
    counts: NDArray[np.int64]
    looks: NDArray[np.uint64]
    is_known: NDArray[np.bool_]


def json_fields(
    run: Run,
    fetch: Fetch,
    rows: str,
    column: str,
    groups: Sequence[str],
    read: Records,
    looked_into: Callable[[tuple[Any, ...], Path], bool],
    ask: records.Ask,
) -> pa.Table:
    """See :meth:`engagement.warehouse.reading.LandedRecords.json_fields`."""
    keys = [name_sql(group) for group in groups]
    found = _counted(run, fetch, rows, column, keys, read)
    entries = found.entries()
    decides = _decisions(found, entries, read.paths, looked_into)
    entry: dict[tuple[int, int], int] = {}
    for at in np.flatnonzero(decides).tolist():
        entry.setdefault((int(entries.groups[at]), int(entries.paths[at])), at)
    number = {path: place for place, path in enumerate(read.paths)}
    place_of = {
        (group, shape): at
        for at, (group, shape) in enumerate(zip(found.groups, found.shapes, strict=True))
    }
    for shape, sql, names in _looks(found, entries, entry, rows, column, keys, read, ask):
        answer = run(sql, "values")
        titles = [item[0].rsplit("_", 1) for item in answer.description or ()][len(keys) :]
        asked = [(number[names[leaf]], _LOOK_PLACES[what]) for leaf, what in titles]
        for cells in answer.fetchall():
            group = place_of[tuple(cells[: len(keys)]), shape]
            for (path, look), value in zip(asked, cells[len(keys) :], strict=True):
                if (group, path) in entry:
                    entries.looks[entry[group, path], look] = value or 0
    return _table(groups, found, entries, read.paths, decides)


_LOOK_PLACES = {name.split("_")[0]: place for place, name in enumerate(FIELD_LOOKS)}


def _counted(
    run: Run, fetch: Fetch, rows: str, column: str, keys: Sequence[str], read: Records
) -> _Counts:
    found = _Counts()
    in_texts: dict[tuple[Any, ...], int] = {}
    grouped = fetch(
        f"select {', '.join([*keys, 'shape'])}, list(record_number) as numbers from {rows} "
        f"where record_number < {read.first_odd} group by all",
        "counts",
    )
    *groups, shapes, lists = grouped.combine_chunks().columns
    for *group, shape, numbers in zip(
        *(column.to_pylist() for column in groups), shapes.to_pylist(), _arrays(lists), strict=True
    ):
        at = found.number(tuple(group), shape)
        if shape == NO_GROUP:
            in_texts[tuple(group)] = at
        for paths, counts, looks in read.counts(numbers):
            found.add(at, paths, counts, looks if shape != NO_GROUP else None)
    texts = ", ".join([*keys, name_sql(column)])
    odd: dict[tuple[Any, ...], Counter[tuple[Path, str]]] = {}
    for *group, record in run(
        f"select {texts} from {rows} where record_number >= {read.first_odd}", "counts"
    ).fetchall():
        odd.setdefault(tuple(group), Counter()).update(strict_json.paths(record))
    for key, leaves in odd.items():
        at = in_texts[key] if key in in_texts else found.number(key, NO_GROUP)
        by_path: dict[Path, NDArray[np.int64]] = {}
        for (path, kind), count in leaves.items():
            by_path.setdefault(path, np.zeros(len(COUNTED), np.int64))[_PLACES[kind]] += count
        numbers = np.array([read.number_of(path) for path in by_path])
        found.add(at, numbers, np.array(list(by_path.values())))
    return found


def _arrays(lists: pa.ChunkedArray) -> Iterator[NDArray[np.int64]]:
    for chunk in lists.chunks:
        values = chunk.values.to_numpy()
        yield from (values[start:end] for start, end in pairwise(chunk.offsets.to_pylist()))


def _decisions(
    found: _Counts,
    entries: _Entries,
    paths: Sequence[Path],
    looked_into: Callable[[tuple[Any, ...], Path], bool],
) -> NDArray[np.bool_]:
    """Of each entry, whether its values are looked into; records of a shape are alike in this."""
    shapes = np.array(found.shapes or [0])
    alike = np.where(shapes == NO_GROUP, -2 - np.arange(len(shapes)), shapes)
    which = alike[entries.groups] * (len(paths) + 1) + entries.paths
    _, first, back = np.unique(which, return_index=True, return_inverse=True)
    said = [
        looked_into(found.groups[group], paths[path])
        for group, path in zip(
            entries.groups[first].tolist(), entries.paths[first].tolist(), strict=True
        )
    ]
    return np.array(said, np.bool_)[back]


def _looks(
    found: _Counts,
    entries: _Entries,
    entry: Mapping[tuple[int, int], int],
    rows: str,
    column: str,
    keys: Sequence[str],
    read: Records,
    ask: records.Ask,
) -> Iterator[tuple[int, str, Mapping[str, Path]]]:
    """Queries that look into values: of which shape, the SQL, and paths by name of column."""
    wanted: dict[int, set[Path]] = {}
    in_texts = json_sql.Looks()
    for (group, path), at in entry.items():
        if entries.is_known[at]:
            continue
        shape = found.shapes[group]
        wanted.setdefault(shape, set()).add(read.paths[path])
        if shape == NO_GROUP:
            kinds = [COUNTED[place] for place in np.flatnonzero(entries.counts[at]).tolist()]
            in_texts.want(read.paths[path], kinds)
    for shape, paths in wanted.items():
        if shape != NO_GROUP:
            look = records.look(rows, read.groups[shape], keys, paths, ask)
            if look:
                yield shape, look.sql, look.paths
    for columns, asked, names in in_texts.parts():
        few = f"(select * from {rows} where shape = {NO_GROUP})"
        inner = json_sql.columns_sql(few, column, columns, None, keep=False)
        chosen = ", ".join([*keys, *(f"{sql} as {alias}" for alias, sql in asked.items())])
        yield NO_GROUP, f"select {chosen} from ({inner}) group by all", names


def _table(
    groups: Sequence[str],
    found: _Counts,
    entries: _Entries,
    paths: Sequence[Path],
    decides: NDArray[np.bool_],
) -> pa.Table:
    columns: dict[str, pa.Array] = {
        name: pa.array([group[place] for group in found.groups]).take(pa.array(entries.groups))
        for place, name in enumerate(groups)
    }
    texts = pa.array([path_text(path) for path in paths], pa.string())
    columns["path"] = texts.take(pa.array(entries.paths))
    for place, name in enumerate(FIELD_COUNTS):
        columns[name] = pa.array(entries.counts[:, place])
    for place, name in enumerate(FIELD_LOOKS):
        columns[name] = pa.array(entries.looks[:, place], mask=~decides)
    table = pa.table(columns)
    if len(set(found.groups)) == len(found.groups) and not found.shapes.count(NO_GROUP):
        return table
    # Records of one group that were read in several ways.
    keys = [*groups, "path"]
    how = dict.fromkeys((*FIELD_COUNTS, *FIELD_LOOKS), "sum") | {FIELD_LOOKS[-1]: "max"}
    summed = table.group_by(keys, use_threads=False).aggregate(list(how.items()))
    return summed.rename_columns(
        [name.removesuffix("_sum").removesuffix("_max") for name in summed.column_names]
    ).select(table.column_names)
