"""Values out of JSON texts on DuckDB: structures that one parse of a text can fill, and counts.

``json_transform`` reads all values of a structure in one parse; single extractions would parse a
text again for each of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from engagement.sql.conversions import VARCHAR, from_json
from engagement.sql.dialect import parse
from engagement.sql.rendering import render
from engagement.warehouse.duckdb.rendering import DUCKDB
from engagement.warehouse.json_values import LARGEST, JsonColumn

Path = tuple[str, ...]
Group = tuple[Any, ...]


def columns_sql(
    source: str, column: str, wanted: Mapping[str, JsonColumn], where: str | None, keep: bool
) -> str:
    """The query that takes ``wanted`` out of a column of JSON texts of a table."""
    text = name_sql(column)
    raw, over = {}, {}
    for alias, item in wanted.items():
        raw[alias], over[alias] = item.through()
    structures, places = _places({a: item for a, item in raw.items() if item.kind != "place"})
    parsed = f"case when {name_sql(where)} then {text} end" if where else text
    inner = [
        f"json_transform({parsed}, {text_sql(json.dumps(structure, ensure_ascii=False))}) "
        f"as {_PARSED.format(number)}"
        for number, structure in enumerate(structures)
    ]
    hidden = [_PARSED.format(number) for number in range(len(structures))]
    opened = [path for item in raw.values() for path in item.opened()]
    keys = {path: _KEYS.format(number) for number, path in enumerate(dict.fromkeys(opened))}
    for path, name in keys.items():
        inner.append(f"json_keys({parsed}, {text_sql(_pointer(path))}) as {name}")
        hidden.append(name)
    hidden += [] if keep else [text]
    outer: list[str] = []
    between: list[str] = []
    for alias in wanted:
        if raw[alias].kind == "place":
            value = _place(raw[alias], keys)
        else:
            value = _value(places[alias], raw[alias], parsed)
        if raw[alias].kind == "json":
            value = printed(value)
            if over[alias] != "leaf":
                # It is read many times, and each would be a text to plan.
                hidden.append(_PRINTED.format(len(between)))
                between.append(f"{value} as {hidden[-1]}")
                value = hidden[-1]
        if over[alias] != "leaf":
            value = rendered_of(over[alias], value)
        outer.append(f"{value} as {name_sql(alias)}")
    rows = f"(select {', '.join(['*', *inner])} from {source}) as parsed"
    if between:
        rows = f"(select {', '.join(['*', *between])} from {rows}) as printed"
    kept = f"* exclude ({', '.join(hidden)})" if hidden else "*"
    return f"select {', '.join([kept, *outer])} from {rows}"


def printed(value: str) -> str:
    """A JSON value as its text; NULL where it is null."""
    return f"case when json_type({value}) <> 'NULL' then cast({value} as varchar) end"


def canonical(json_text: str) -> str:
    """A JSON value as the text that a column of texts gets."""
    return rendered_of(from_json("leaf", VARCHAR), json_text)


@cache
def rendered(sql: str) -> str:
    """An expression of the dialect as DuckDB has it."""
    whole = render(parse(f"select {sql} as x from marts.one"), DUCKDB, {"marts": "marts"})
    return whole[whole.index("SELECT ") + len("SELECT ") : whole.rindex(" AS x FROM")]


def rendered_of(sql: str, leaf: str) -> str:
    """The same, of an expression over ``leaf``, with SQL of DuckDB's own in its place."""
    return rendered(sql).replace("leaf", leaf)


_PARSED, _PRINTED, _KEYS = "__parsed_{}", "__printed_{}", "__keys_{}"
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
            value = f"struct_extract({value}, {text_sql(key)})"
        return value
    return value_at(text, item.path, item.kind)


def value_at(text: str, path: Path, kind: str = "json") -> str:
    """A value of a JSON text, read for itself."""
    pointer, kind = text_sql(_pointer(path)), text_sql(json.dumps(_KINDS[kind]))
    value = f"json_transform(json_extract({text}, {pointer}), {kind})"
    # A pointer's number may also count the items of an array, which no path leads into.
    objects = [
        f"json_type({text}, {text_sql(_pointer(path[:depth]))}) = 'OBJECT'"
        for depth, key in enumerate(path)
        if key.isdecimal()
    ]
    return f"case when {' and '.join(objects)} then {value} end" if objects else value


def _place(item: JsonColumn, keys: Mapping[Path, str]) -> str:
    """Where a value stands: of each object on the way, which of its keys leads there."""
    steps = zip(item.opened(), item.path[item.since :], strict=True)
    return " || ".join(
        place_text(f"list_position({keys[path]}, {text_sql(key)})") for path, key in steps
    )


def place_in(text: str, item: JsonColumn) -> str:
    """Where a value stands in a text, read for itself."""
    keys = {path: f"json_keys({text}, {text_sql(_pointer(path))})" for path in item.opened()}
    return _place(item, keys)


def place_text(number: str) -> str:
    """A number as part of a text that says where a value stands."""
    return f"lpad(cast({number} as varchar), 12, '0')"


def _pointer(path: tuple[str, ...]) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)


# --- counts -------------------------------------------------------------------------------------

_MOST_PATHS = 150


@dataclass
class Looks:
    """Which values are to be looked into, each read as what all of them are."""

    paths: dict[Path, set[str]] = field(default_factory=dict)

    def want(self, path: Path, kinds: Iterable[str]) -> None:
        """Ask for the values of a path, of these kinds."""
        self.paths.setdefault(path, set()).update(kinds)

    def parts(self) -> Iterator[tuple[dict[str, JsonColumn], dict[str, str], dict[str, Path]]]:
        """Queries that answer: raw values to take out; aggregates over them; whose they are.

        An aggregate is named ``<raw value>_<what>``, after ``FIELD_LOOKS``.
        """
        paths = sorted(path for path, kinds in self.paths.items() if kinds - {"boolean", "object"})
        for start in range(0, len(paths), _MOST_PATHS):
            some = {f"c{n}": path for n, path in enumerate(paths[start : start + _MOST_PATHS])}
            wanted: dict[str, JsonColumn] = {}
            asked: dict[str, str] = {}
            for leaf, path in some.items():
                kind, posed = questions(frozenset(self.paths[path] - {"object"}))
                wanted[leaf] = JsonColumn(path, kind)
                asked |= {f"{leaf}_{what}": sql for what, sql in asked_of(leaf, posed).items()}
            yield wanted, asked, some


def asked_of(leaf: str, posed: Mapping[str, str]) -> dict[str, str]:
    """Questions of the dialect, asked of a column of DuckDB's."""
    asked = {what: rendered_of(question.format("leaf"), leaf) for what, question in posed.items()}
    if "largest" in asked:
        asked["largest"] = (
            f"cast(least(coalesce(cast({asked['largest']} as hugeint), 0), {LARGEST}) as ubigint)"
        )
    return asked


_TIMESTAMPS = "count(case when substr({0}, 5, 1) = '-' then parse_timestamp({0}) end)"
_BLANK_LISTS = "('[]', '[\"\"]')"


def questions(kinds: frozenset[str]) -> tuple[str, dict[str, str]]:
    """How values of some kinds are read, and what is asked of them: SQL of the dialect."""
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


def name_sql(identifier: str) -> str:
    """A name, quoted."""
    return '"' + identifier.replace('"', '""') + '"'


def text_sql(value: str) -> str:
    """A text, quoted."""
    return "'" + value.replace("'", "''") + "'"
