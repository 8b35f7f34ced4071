"""Records that were just read, on DuckDB: their values taken from columns where they stand in some.

Records of one event type and name have their values in an Arrow table (see
:mod:`engagement.records.scanned`); only the others are parsed, by :mod:`.json_sql`. Either way
the same values come out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from engagement.records import json_scan
from engagement.records.json_scan import ARRAY, INTEGER, STRING
from engagement.records.records import NO_GROUP, RecordGroup, Records
from engagement.records.scanned import AS_IT_STANDS, KINDS, PLACE, Cells, Leaf
from engagement.sql.conversions import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    FITTED,
    LIST,
    PARSED_TIME,
    READ_THROUGH,
    TIMESTAMP,
    UNLISTED,
    as_text,
    from_text,
)
from engagement.warehouse.duckdb import json_sql
from engagement.warehouse.duckdb.json_sql import name_sql
from engagement.warehouse.json_values import JsonColumn

READ = "__just_read"
"""Begins the names of what was just read, which is in Python's memory."""

RECORDS = f"{READ}_records"
"""Name under which the connection knows the records as they were read."""

KEPT = f"{READ}_kept"
"""Name under which it knows those that were kept, with their default columns."""

ODD = f"(select * from {KEPT} where shape = {NO_GROUP})"
"""Those of them that have no values in columns."""

_TYPES = {"integer": "hugeint", "double": "double", "boolean": "boolean"}
"""Types that values are cast to, by how they are read, where nothing else is to be done."""

_ARROW = {BIGINT: "integer", DOUBLE: "double", BOOLEAN: "boolean", TIMESTAMP: "timestamp"}
"""What Arrow has for these types."""

_HAD_AS = {**_ARROW, **{kind: _ARROW[target] for kind, target in FITTED.items()}}
"""What it has for how values are read."""


def values_table(number: int) -> str:
    """Name under which the connection knows columns of a group, once a statement asks for them.

    ``number`` is that of the :class:`Asked`.
    """
    return f"{READ}_values_{number}"


def values_named(sql: str, asked: int) -> set[int]:
    """Numbers of what a statement reads, of so much that was asked for."""
    # A text in it may look like one of them.
    return {int(number) for number in _VALUES.findall(sql) if int(number) < asked}


_VALUES = re.compile(rf"\b{values_table(0)[:-1]}(\d+)\b")


@dataclass(frozen=True)
class Asked:
    """Columns of a group that a query reads: see :meth:`~.records.RecordGroup.table`."""

    group: RecordGroup
    columns: Sequence[str]
    same: Mapping[str, str]
    cells: Mapping[str, Cells]

    def table(self, kept: pa.Table) -> pa.Table:
        """Make them, beside those of what was kept."""
        return self.group.table(kept, self.columns, self.same, self.cells)


Ask = Callable[[Asked], str]
"""Makes a note of what a query will read; gives the name of the table that has it."""


def records_sql(envelope: Iterable[str]) -> str:
    """The query for all records as they were read."""
    return f"select * exclude ({', '.join(map(name_sql, envelope))}) from {RECORDS}"


def envelope_sql(records: Records, wanted: Mapping[str, JsonColumn]) -> str:
    """The query for all records with the values that stand at the same path in each of them."""
    scanned = f"record_number < {records.first_odd}"
    values = []
    for name in wanted:
        leaf = Leaf(name, STRING, name in records.escaped)
        values.append(_unescaped(f"r.{name_sql(name)}", leaf))
    hidden = ", ".join(name_sql(name) for name in wanted)
    if not records.has_odd:
        chosen = [
            f"{_as_text(value) if item.kind == 'text' else value} as {name_sql(name)}"
            for (name, item), value in zip(wanted.items(), values, strict=True)
        ]
        return f"select r.* exclude ({hidden}), {', '.join(chosen)} from {RECORDS} as r"
    parsed = {
        f"__odd_{name}": JsonColumn(item.path, "json" if item.kind == "text" else item.kind)
        for name, item in wanted.items()
    }
    source = f"(select *, is_object and not {scanned} as __is_odd, record as __text from {RECORDS})"
    inner = json_sql.columns_sql(source, "__text", parsed, "__is_odd", keep=False)
    chosen = []
    for (name, item), value in zip(wanted.items(), values, strict=True):
        odd = f"r.{name_sql(f'__odd_{name}')}"
        if item.kind == "text":
            value, odd = _as_text(value), json_sql.canonical(odd)
        chosen.append(f"case when r.{scanned} then {value} else {odd} end as {name_sql(name)}")
    odd_names = ", ".join(name_sql(name) for name in parsed)
    return (
        f"select r.* exclude ({hidden}, {odd_names}, __is_odd), {', '.join(chosen)} "
        f"from ({inner}) as r"
    )


def times_sql(envelope: str, times: Mapping[str, str]) -> str:
    """The query for an envelope with its times: those in a rare form are yet to be read."""
    read = [
        f"coalesce({name_sql(name)}, {json_sql.rendered_of(PARSED_TIME, name_sql(text))})"
        f" as {name_sql(name)}"
        for name, text in times.items()
    ]
    return f"select * replace ({', '.join(read)}) from ({envelope})" if read else envelope


def _as_text(value: str) -> str:
    return f"nullif({value}, '')"


# --- values of groups ---------------------------------------------------------------------------


def values_sql(
    group: RecordGroup,
    columns: Sequence[str],
    same: Mapping[str, str],
    wanted: Mapping[str, JsonColumn],
    ask: Ask,
) -> str:
    """The query for a group's records with values that they hold.

    What is read as it is wanted has its name already: each name in a query takes time to plan, as
    long as a hundred rows take to insert.
    """
    cells: dict[str, Cells] = {}
    printed: dict[str, str] = {}
    values = []
    # An object stands in no column.
    in_texts = _read_in_texts(group, wanted)
    for alias, item in wanted.items():
        leaf, kind = group.leaves.get(item.path), item.kind
        if alias in in_texts:
            if kind == PLACE:
                sql = json_sql.place_in("record", item)
            else:
                name = f"__list_{len(printed)}"
                printed[name] = json_sql.printed(json_sql.value_at("record", item.path))
                sql = json_sql.rendered_of(READ_THROUGH[kind][1], name)
            values.append(f"{sql} as {name_sql(alias)}")
            continue
        if leaf is None or (kind == UNLISTED and leaf.kinds == ARRAY):
            cells[alias] = None, _HAD_AS.get(kind, kind)
            continue
        if kind == LIST and leaf.kinds == ARRAY:
            kind = "text"
        had_as = _had_as(leaf, kind)
        column, as_printed = leaf.column(had_as), None
        if _is_printed(leaf, kind):
            # A text reads it many times.
            as_printed = f"{leaf.name}_printed"
            printed[as_printed] = _printed(leaf)
        sql = value_sql(leaf, kind, as_printed)
        if kind == PLACE:
            sql = json_sql.place_text(column)
        if sql == column:
            cells[alias] = leaf, had_as
        else:
            cells[column] = leaf, had_as
            values.append(f"{sql} as {name_sql(alias)}")
    hidden = [name for name in (*cells, *printed) if name not in wanted]
    if in_texts:
        columns = [*columns, "record"]
        hidden.append("record")
    source = ask(Asked(group, columns, same, cells))
    if printed:
        more = ", ".join(f"{sql} as {name}" for name, sql in printed.items())
        source = f"(select *, {more} from {source})"
    if not values:
        return f"select * from {source}"
    return f"select * exclude ({', '.join(hidden)}), {', '.join(values)} from {source}"


def _read_in_texts(group: RecordGroup, wanted: Mapping[str, JsonColumn]) -> set[str]:
    """What is read in the records' texts, since objects stand in no column.

    Places are to be compared with each other: all of them are read so, or none.
    """

    def holds_object(item: JsonColumn) -> bool:
        depth = len(item.path)
        return any(len(path) > depth and path[:depth] == item.path for path in group.leaves)

    lists = {
        a for a, item in wanted.items() if item.kind in (LIST, UNLISTED) and holds_object(item)
    }
    places = {alias for alias, item in wanted.items() if item.kind == PLACE}
    return lists | places if any(holds_object(wanted[alias]) for alias in places) else lists


def odd_events_sql() -> str:
    """The query for the types and names of kept events that have no values in columns."""
    return f"select distinct type, coalesce(event, '') from {ODD}"


def needs_texts(records: Records) -> bool:
    """Whether some records have no values in columns."""
    return records.has_odd or records.has_groups_without_columns


def value_sql(leaf: Leaf, kind: str, printed: str | None = None) -> str:
    """A group's value of one path, read as ``JsonColumn`` says.

    ``printed`` is the column that has it as :func:`_printed` says, where there is one.
    """
    column = leaf.column(_had_as(leaf, kind))
    if column != leaf.name:
        return column
    if kind in FITTED and leaf.kinds == STRING:
        text = value_sql(leaf, "string")
        return json_sql.rendered_of(from_text("leaf", FITTED[kind]), text)
    if kind in READ_THROUGH:
        read_as, sql = READ_THROUGH[kind]
        return json_sql.rendered_of(sql, value_sql(leaf, read_as, printed))
    if leaf.kinds == STRING:
        if kind == "json":
            return f"""'"' || {column} || '"'"""
        value = _unescaped(column, leaf)
        return _as_text(value) if kind == "text" and leaf.has_empty else value
    if kind in ("string", "text", "json") and (
        leaf.kinds in (INTEGER, json_scan.BOOLEAN) or _stands_printed(leaf)
    ):
        return column
    if _is_printed(leaf, kind):
        printed = printed or _printed(leaf)
        if kind != "text":
            return printed
        if leaf.kinds == ARRAY:
            return json_sql.rendered_of(as_text(frozenset({"array"}))[1], printed)
        return json_sql.canonical(printed)
    if kind in ("json", "string"):
        return column
    return f"cast({column} as {_TYPES[kind]})"


def _had_as(leaf: Leaf, kind: str) -> str:
    """How a column has the values that are wanted as a kind; as they stand, if SQL does the rest.

    A text that is never empty stands as it is wanted.
    """
    had_as = _HAD_AS.get(kind, kind)
    if not leaf.is_had_as(had_as) or (kind == "text" and not leaf.has_empty):
        return AS_IT_STANDS
    return had_as


def _is_printed(leaf: Leaf, kind: str) -> bool:
    is_plain = leaf.kinds in (STRING, INTEGER, json_scan.BOOLEAN) or _stands_printed(leaf)
    return not is_plain and (leaf.kinds == ARRAY or leaf.is_mixed or kind == "text")


def _stands_printed(leaf: Leaf) -> bool:
    return leaf.kinds == ARRAY and not leaf.is_escaped


def _printed(leaf: Leaf) -> str:
    """A value as the engine prints it: blanks, escapes and numbers are not as they were sent."""
    return json_sql.printed(f"""json_transform({leaf.name}, '"JSON"')""")


def _unescaped(column: str, leaf: Leaf) -> str:
    if not leaf.is_escaped:
        return column
    decoded = f"""json_transform('"' || {column} || '"', '"VARCHAR"')"""
    return f"case when contains({column}, '\\') then {decoded} else {column} end"


# --- a look at values ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """A query that looks at the values of some paths of a group's records, by ``keys``.

    ``paths`` says by which prefix of a column's name the answers about a path are found.
    """

    sql: str
    paths: Mapping[str, tuple[str, ...]]


def look(
    source: str,
    group: RecordGroup,
    keys: Sequence[str],
    wanted: Collection[tuple[str, ...]],
    ask: Ask,
) -> Look | None:
    """Ask about the values of some paths; ``None`` if there is nothing to ask."""
    leaves: list[str] = []
    asked: list[str] = []
    paths: dict[str, tuple[str, ...]] = {}
    cells: dict[str, Cells] = {}
    for path, leaf in group.leaves.items():
        kinds = frozenset(name for bit, name in KINDS.items() if leaf.kinds & bit)
        if kinds == {"boolean"} or path not in wanted:
            continue
        kind, posed = json_sql.questions(kinds)
        paths[leaf.name] = path
        had_as = _had_as(leaf, kind)
        cells[leaf.column(had_as)] = leaf, had_as
        leaves.append(f"{value_sql(leaf, kind)} as {leaf.name}")
        answers = json_sql.asked_of(leaf.name, posed)
        asked += [f"{sql} as {leaf.name}_{what}" for what, sql in answers.items()]
    if not asked:
        return None
    read = ask(Asked(group, ["record_number"], {}, cells))
    inner = (
        f"select {', '.join([f's.{key}' for key in keys] + leaves)} from {source} as s "
        f"inner join {read} as l on s.record_number = l.record_number "
        f"where s.shape = {group.number}"
    )
    return Look(f"select {', '.join([*keys, *asked])} from ({inner}) group by all", paths)
