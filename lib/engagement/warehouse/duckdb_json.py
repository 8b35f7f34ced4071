"""Values out of JSON texts on DuckDB: structures that one parse of a text can fill, and counts.

``json_transform`` reads all values of a structure in one parse; single extractions would parse a
text again for each of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlglot import exp

from engagement.landing.records import Leaves
from engagement.warehouse.base import LARGEST, JsonColumn, JsonField, JsonValues

Path = tuple[str, ...]
Group = tuple[Any, ...]


def columns_sql(
    source: str, column: str, wanted: Mapping[str, JsonColumn], where: str | None, keep: bool
) -> str:
    """The query that takes ``wanted`` out of a column of JSON texts of a table."""
    text = _name(column)
    structures, places = _places(wanted)
    parsed = f"case when {_name(where)} then {text} end" if where else text
    inner = [
        f"json_transform({parsed}, {_text(json.dumps(structure, ensure_ascii=False))}) "
        f"as {_PARSED.format(number)}"
        for number, structure in enumerate(structures)
    ]
    hidden = [_PARSED.format(number) for number in range(len(structures))]
    hidden += [] if keep else [text]
    outer = [f"* exclude ({', '.join(hidden)})" if hidden else "*"]
    for alias, item in wanted.items():
        value = _value(places[alias], item, parsed)
        if item.kind == "json":
            value = f"case when json_type({value}) <> 'NULL' then cast({value} as varchar) end"
        outer.append(f"{value} as {_name(alias)}")
    return (
        f"select {', '.join(outer)} from "
        f"(select {', '.join(['*', *inner])} from {source}) as parsed"
    )


_PARSED = "__parsed_{}"
_STRUCT_DEPTH = 32
"""Levels of a path up to which it is read through a struct; deeper ones by a pointer."""

_KINDS = {
    "string": "VARCHAR",
    "integer": "HUGEINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "json": "JSON",
}


def _places(
    wanted: Mapping[str, JsonColumn],
) -> tuple[list[_Structure], dict[str, int | None]]:
    """Spread paths over structures that one ``json_transform`` each can read.

    A structure cannot hold two keys that differ in case only, nor one path as a value and as an
    object: the later one goes into another structure. No structure holds an empty key or one with
    a NUL in it; these, and very deep ones, are read by a pointer each (``None``).
    """
    structures: list[_Structure] = []
    places: dict[str, int | None] = {}
    for alias, item in sorted(wanted.items(), key=lambda pair: pair[1].path):
        if len(item.path) > _STRUCT_DEPTH or not all(key and "\0" not in key for key in item.path):
            places[alias] = None
            continue
        number = next((n for n, s in enumerate(structures) if s.fits(item.path)), len(structures))
        if number == len(structures):
            structures.append(_Structure())
        structures[number].put(item.path, _KINDS[item.kind])
        places[alias] = number
    return structures, places


class _Structure(dict[str, Any]):
    """A structure for ``json_transform``: keys with a type or a structure each."""

    def __init__(self) -> None:
        super().__init__()
        self._lower: set[str] = set()

    def fits(self, path: tuple[str, ...]) -> bool:
        here: Any = self
        for key in path:
            if not isinstance(here, _Structure):
                return False
            if key not in here:
                return key.lower() not in here._lower
            here = here[key]
        return False

    def put(self, path: tuple[str, ...], kind: str) -> None:
        here = self
        for key in path[:-1]:
            if key not in here:
                here[key] = _Structure()
                here._lower.add(key.lower())
            here = here[key]
        here[path[-1]] = kind
        here._lower.add(path[-1].lower())


def _value(place: int | None, item: JsonColumn, text: str) -> str:
    if place is not None:
        value = _PARSED.format(place)
        for key in item.path:
            value = f"struct_extract({value}, {_text(key)})"
        return value
    pointer = _text(_pointer(item.path))
    kind = _text(json.dumps(_KINDS[item.kind]))
    value = f"json_transform(json_extract({text}, {pointer}), {kind})"
    # A pointer's number may also count the items of an array, which no path leads into.
    objects = [
        f"json_type({text}, {_text(_pointer(item.path[:depth]))}) = 'OBJECT'"
        for depth, key in enumerate(item.path)
        if key.isdecimal()
    ]
    return f"case when {' and '.join(objects)} then {value} end" if objects else value


def _pointer(path: tuple[str, ...]) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)


# --- counts -------------------------------------------------------------------------------------

_COUNTED = ("integer", "double", "boolean", "string", "array", "object")
_MOST_PATHS = 150


class FieldCounts:
    """Values counted by group, path and kind."""

    def __init__(self) -> None:
        self._columns: dict[tuple[Path, str], int] = {}
        self._by_shape: dict[int, Any] = {}
        self._rows: dict[Group, Any] = {}

    def add(self, group: Group, leaves: Iterable[tuple[Path, str]], count: int) -> None:
        """Count the leaves of so many records."""
        self._add(group, self._places(leaves), count)

    def add_shape(self, group: Group, number: int, leaves: Leaves, count: int) -> None:
        """Count the leaves of so many records of one shape, known by its number."""
        places = self._by_shape.get(number)
        if places is None:
            places = self._by_shape[number] = self._places(leaves)
        self._add(group, places, count)

    def _places(self, leaves: Iterable[tuple[Path, str]]) -> Any:
        columns = self._columns
        return np.array([columns.setdefault(leaf, len(columns)) for leaf in leaves], np.int64)

    def _add(self, group: Group, places: Any, count: int) -> None:
        row = self._rows.get(group)
        if row is None or len(row) < len(self._columns):
            wider = np.zeros(max(64, 2 * len(self._columns)), np.int64)
            if row is not None:
                wider[: len(row)] = row
            row = self._rows[group] = wider
        row[places] += count

    def fields(self) -> dict[tuple[Group, Path], dict[str, int]]:
        """Counts by kind, of each group and path."""
        leaves = list(self._columns)
        found: dict[tuple[Group, Path], dict[str, int]] = {}
        for group, row in self._rows.items():
            for place in np.flatnonzero(row).tolist():
                path, kind = leaves[place]
                found.setdefault((group, path), {})[kind] = int(row[place])
        return found


@dataclass
class Looks:
    """Which values are to be looked into, each read as what all of them are."""

    paths: dict[Path, set[str]] = field(default_factory=dict)

    def want(self, path: Path, kinds: Iterable[str]) -> None:
        """Ask for the values of a path, of these kinds."""
        self.paths.setdefault(path, set()).update(kinds)

    def parts(self) -> Iterator[tuple[dict[str, JsonColumn], dict[str, str], dict[str, Path]]]:
        """Queries that answer: raw values to take out; aggregates over them; whose they are.

        An aggregate is SQL in Athena's dialect, named ``<raw value>_<what>``.
        """
        paths = sorted(path for path, kinds in self.paths.items() if kinds - {"boolean", "object"})
        for start in range(0, len(paths), _MOST_PATHS):
            some = {f"c{n}": path for n, path in enumerate(paths[start : start + _MOST_PATHS])}
            wanted: dict[str, JsonColumn] = {}
            asked: dict[str, str] = {}
            for leaf, path in some.items():
                kind, questions = _questions(frozenset(self.paths[path] - {"object"}))
                wanted[leaf] = JsonColumn(path, kind)
                asked |= {f"{leaf}_{what}": sql.format(leaf) for what, sql in questions.items()}
            yield wanted, asked, some


def answers(row: Mapping[str, Any], leaf: str) -> JsonValues:
    """What a row of answers says about one raw value."""

    def number(what: str) -> int:
        value = row.get(f"{leaf}_{what}")
        return 0 if value is None else int(value)

    return JsonValues(
        fractions=number("fractions"),
        texts=number("texts"),
        timestamps=number("timestamps"),
        lists=number("lists"),
        largest_integer=min(number("largest"), LARGEST),
    )


_TIMESTAMPS = "count(case when substr({0}, 5, 1) = '-' then parse_timestamp({0}) end)"
_BLANK_LISTS = "('[]', '[\"\"]')"


def _questions(kinds: frozenset[str]) -> tuple[str, dict[str, str]]:
    """How values of some kinds are read, and what is asked of them."""
    if kinds == {"string"}:
        return "string", {"texts": "count(nullif({0}, ''))", "timestamps": _TIMESTAMPS}
    if kinds == {"array"}:
        return "string", {"lists": f"count(case when {{0}} not in {_BLANK_LISTS} then 1 end)"}
    if kinds == {"integer"}:
        return "integer", {"largest": "max(abs({0}))"}
    if kinds == {"double"}:
        return "double", {
            "fractions": "count(case when {0} <> floor({0}) then 1 end)",
            "largest": "cast(max(case when {0} = floor({0}) "
            "then cast(least(abs({0}), 1e19) as decimal(38, 0)) end) as varchar)",
        }
    of, text = "json_kind({0})", "json_scalar({0})"
    number = f"case when {of} in ('integer', 'double') then try_cast({{0}} as double) end"
    return "json", {
        "fractions": f"count(case when {number} <> floor({number}) then 1 end)",
        "texts": f"count(case when {of} = 'string' then nullif({text}, '') end)",
        "timestamps": f"count(case when {of} = 'string' then parse_timestamp({text}) end)",
        "lists": f"count(case when {of} = 'array' and {{0}} not in {_BLANK_LISTS} then 1 end)",
        "largest": f"cast(max(case when {number} = floor({number}) then coalesce("
        "abs(try_cast({0} as decimal(38, 0))), "
        f"cast(least(abs({number}), 1e19) as decimal(38, 0))) end) as varchar)",
    }


def field_of(group: Group, path: Path, kinds: Mapping[str, int]) -> JsonField:
    """A field without a look at its values."""
    integers, doubles, booleans, strings, arrays, objects = (kinds.get(k, 0) for k in _COUNTED)
    return JsonField(group, path, integers, doubles, booleans, strings, arrays, objects)


def _name(identifier: str) -> str:
    return str(exp.to_identifier(identifier, quoted=True).sql("duckdb"))


def _text(value: str) -> str:
    return str(exp.Literal.string(value).sql("duckdb"))
