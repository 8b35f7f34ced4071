"""Values out of JSON texts on Athena: each text parsed once, objects opened level by level.

A cast of JSON to ``map(varchar, json)`` keeps the case of keys, where a cast to a row does not.
Athena's parser sorts the keys of objects, and its JSON paths do not: with these arrays and objects
are cut out whose text is kept, and keys are put in order. Numbers are printed as the embedded
engine does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot import exp

from engagement.sql.conversions import BIGINT, FITTED, LIST, TIMESTAMP, UNLISTED
from engagement.sql.dialect import literal
from engagement.sql.functions import FUNCTIONS
from engagement.warehouse.json_values import KINDS, LARGEST, JsonColumn, JsonField, JsonValues

Path = tuple[str, ...]

_MAP = "map(varchar, json)"


TYPES = {
    "text": "varchar",
    "string": "varchar",
    "json": "varchar",
    "integer": "decimal(38,0)",
    "double": "double",
    "boolean": "boolean",
    "place": "varchar",
    LIST: "varchar",
    UNLISTED: "varchar",
    BIGINT: BIGINT,
    TIMESTAMP: TIMESTAMP,
    **FITTED,
}
"""Types of what is taken out, by kind."""


def _sql(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, read="trino")


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("trino")


def _literal(text: str) -> str:
    return exp.Literal.string(text).sql("trino")


def json_path(path: Path, then: str = "") -> str:
    """A path of the SQL standard as a literal, every key quoted."""
    keys = "".join('."' + key.replace('"', '""') + '"' for key in path)
    return _literal(f"lax ${keys}{then}")


def columns_query(
    source: exp.Expr,
    kept: Sequence[str],
    column: str,
    wanted: Mapping[str, JsonColumn],
    where: str | None,
    *,
    ready: Mapping[str, str] | None = None,
    over: Mapping[str, str] | None = None,
) -> exp.Select:
    """The query that takes ``wanted`` out of a column of JSON texts.

    Every subquery is planned with all columns that go through it, so there are as few as can be.

    Parameters
    ----------
    source
        What to read from: a table, or a subquery with an alias.
    kept
        Names of the source's columns that go through.
    where
        A boolean column: only texts for which it is true are parsed.
    ready
        Columns of the source that hold some of the wanted values already.
    over
        SQL over ``leaf`` that makes of some of the wanted values what is really wanted.
    """
    ready, over = ready or {}, over or {}
    text = _quoted(column)
    taken = {alias: item for alias, item in wanted.items() if alias not in ready}
    parsed = _parsed(text)
    if where:
        parsed = f"case when {_quoted(where)} then {parsed} end"
    placed = {alias: item for alias, item in taken.items() if item.kind == "place"}
    by_value = {alias: item for alias, item in taken.items() if alias not in placed}
    levels, value_of = _opened([item.path for item in by_value.values()], parsed)
    values = {alias: _quoted(name) for alias, name in ready.items()}
    if placed:
        ways = dict.fromkeys(path for item in placed.values() for path in item.opened())
        keys = {path: f"__k{number}" for number, path in enumerate(ways)}
        levels.append([f"{_keys(text, path)} as {name}" for path, name in keys.items()])
        values |= {alias: _place(item, keys) for alias, item in placed.items()}
    texts: dict[str, str] = {}
    for alias, item in by_value.items():
        cast = _SIMPLY.get((item.kind, item.only))
        if cast:
            values[alias] = f"try_cast({value_of[item.path]} as {cast})"
        else:
            texts[alias] = f"json_format({value_of[item.path]}) as {_quoted('__v_' + alias)}"
    through = [_quoted(name) for name in dict.fromkeys([*kept, *ready.values()])]
    below = [*through] if column in kept else [*through, text]
    query: exp.Expr = source
    opened: list[str] = []
    for level in levels:
        query = _nested(_select([*below, *opened], level, query))
        opened += [entry.rpartition(" ")[2] for entry in level]
    if texts:
        simple = {alias: value for alias, value in values.items() if alias not in ready}
        given = [f"{value} as {_quoted(alias)}" for alias, value in simple.items()]
        query = _nested(_select(below, [*given, *texts.values()], query))
        names = [*map(_quoted, simple), *(_quoted("__v_" + alias) for alias in texts)]
        nested = {
            alias: f"case when {_is_nested(_quoted('__v_' + alias))} "
            f"then json_query({text}, {json_path(wanted[alias].path)}) end"
            for alias in texts
            if wanted[alias].kind in ("string", "json") and wanted[alias].only & _NESTED
        }
        if nested:
            # Printing numbers anew is a long expression: it stands there once for all columns.
            whole = f"array[{', '.join(nested.values())}]"
            whole = f"transform({whole}, n -> json_numbers(n)) as __nested"
            query = _nested(_select([*through, *names], [whole], query))
        places = {alias: place for place, alias in enumerate(nested, start=1)}
        values.update({alias: _quoted(alias) for alias in simple})
        for alias in texts:
            values[alias] = _value(wanted[alias], _quoted("__v_" + alias), places.get(alias))
    long: dict[str, list[str]] = {}
    for alias, sql in over.items():
        if _is_long(sql):
            long.setdefault(sql, []).append(alias)
    if long:
        # What is long stands there once, whatever number of values it is for.
        given = [
            f"transform(array[{', '.join(values[alias] for alias in aliases)}], leaf -> {sql}) "
            f"as __over{number}"
            for number, (sql, aliases) in enumerate(long.items())
        ]
        done = {alias for aliases in long.values() for alias in aliases}
        given += [f"{values[one]} as {_quoted(one)}" for one in values if one not in done]
        query = _nested(_select([_quoted(name) for name in kept], given, query))
        values = {alias: _quoted(alias) for alias in values if alias not in done}
        for number, aliases in enumerate(long.values()):
            for place, alias in enumerate(aliases, start=1):
                values[alias] = f"__over{number}[{place}]"
        over = {alias: sql for alias, sql in over.items() if alias not in done}
    results = [
        exp.alias_(_over(over.get(alias), values[alias]), alias, quoted=True, copy=False)
        for alias in wanted
    ]
    return _select([_quoted(name) for name in kept], results, query)


_NESTED = frozenset({"array", "object"})


def _opened(paths: Sequence[Path], parsed: str) -> tuple[list[list[str]], dict[Path, str]]:
    """How the objects are opened that some paths lead through.

    Returns
    -------
    tuple
        Per level, the columns to select of it; and SQL for the value of each path, above all
        levels. An object that leads to one value alone needs no column of its own.
    """
    uses: dict[Path, int] = {}
    for path in dict.fromkeys(paths):
        for depth in range(len(path), 0, -1):
            uses[path[: depth - 1]] = uses.get(path[: depth - 1], 0) + 1
            if uses[path[: depth - 1]] > 1:
                break
    levels: list[list[str]] = []
    sql: dict[Path, str] = {}
    above: dict[Path, int] = {}
    for path in sorted(uses, key=len):
        before = path[:-1]
        value = (
            f"try_cast(element_at({sql[before]}, {_literal(path[-1])}) as {_MAP})"
            if path
            else parsed
        )
        level = above[before] if path else 0
        if uses[path] > 1:
            alias = f"__m{sum(map(len, levels))}"
            if level == len(levels):
                levels.append([])
            levels[level].append(f"{value} as {alias}")
            value, level = alias, level + 1
        sql[path], above[path] = value, level
    found = {path: f"element_at({sql[path[:-1]]}, {_literal(path[-1])})" for path in paths}
    return levels, found


def _keys(text: str, path: Path) -> str:
    """The keys of an object in the order in which they stand in a text."""
    names = f"json_query({text}, {json_path(path, '.keyvalue().name')} with array wrapper)"
    return f"try_cast(try(json_parse({names})) as array(varchar))"


def _place(item: JsonColumn, keys: Mapping[Path, str]) -> str:
    """Where a value stands: of each object on the way, which of its keys leads there."""
    return " || ".join(
        f"lpad(cast(array_position({keys[path]}, {_literal(key)}) as varchar), 12, '0')"
        for path, key in zip(item.opened(), item.path[item.since :], strict=True)
    )


def _is_long(sql: str) -> bool:
    """Whether SQL over a value would repeat it, as functions of the dialect do."""
    tree = _tree(sql)
    has_own = any(node.name.lower() in FUNCTIONS for node in tree.find_all(exp.Anonymous))
    return has_own or len(list(tree.find_all(exp.Column))) > 1


def _over(sql: str | None, value: str) -> exp.Expr:
    tree = _sql(value)
    if sql is None:
        return tree
    whole = _tree(sql).copy()
    for node in list(whole.find_all(exp.Column)):
        if node is whole:
            return tree
        node.replace(tree.copy())
    return whole


@cache
def _tree(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, read="athena")


_SIMPLY = {
    ("string", frozenset({"string"})): "varchar",
    ("integer", frozenset({"integer"})): "decimal(38, 0)",
    ("double", frozenset({"double"})): "double",
    ("double", frozenset({"integer"})): "double",
    ("double", frozenset({"integer", "double"})): "double",
    ("boolean", frozenset({"boolean"})): "boolean",
}
"""Casts of JSON that do for values of these kinds; anything else that stands there is no value."""


def _nested(query: exp.Select) -> exp.Expr:
    return query.subquery("parsed", copy=False)


def _select(
    through: Sequence[str], new: Sequence[str] | Sequence[exp.Expr], source: exp.Expr
) -> exp.Select:
    chosen = [one if isinstance(one, exp.Expr) else _sql(one) for one in (*through, *new)]
    return exp.Select(expressions=chosen).from_(source, copy=False)


def _unnest(key: str, *expressions: str) -> exp.Unnest:
    """The members of an object, as rows: of a map, or of its keys and its values."""
    columns = [exp.to_identifier(key), exp.to_identifier("__member")]
    alias = exp.TableAlias(this=exp.to_identifier("members"), columns=columns)
    return exp.Unnest(expressions=[_sql(text) for text in expressions], alias=alias)


def _parsed(text: str) -> str:
    """The members of the object that a text holds; of a key given twice, the last.

    Right within the cast, Trino does not parse the text but reads the map out of it, and fails
    where a key comes twice.
    """
    return f"try_cast(try(json_parse({text})) as {_MAP})"


def _is_nested(value: str) -> str:
    return f"starts_with({value}, '[') or starts_with({value}, '{{')"


def _value(item: JsonColumn, value: str, place: int | None) -> str:
    """A value from its JSON text; ``place`` is where the text of an array or object stands."""
    match item.kind:
        case "integer":
            return f"try_cast({value} as decimal(38, 0))"
        case "double":
            return f"try_cast({value} as double)"
        case "boolean":
            return f"case {value} when 'true' then true when 'false' then false end"
    # Statements are planned much faster without what no value needs.
    whens = []
    if item.kind == "string" and "string" in item.only:
        whens.append(f"when starts_with({value}, '\"') then json_extract_scalar({value}, '$')")
    if place is not None:
        whens.append(f"when {_is_nested(value)} then __nested[{place}]")
    other = f"nullif({value}, 'null')"
    return f"case {' '.join(whens)} else {other} end" if whens else other


def fields_query(
    source: exp.Expr, column: str, groups: Sequence[str], depth: int, within: Collection[str] | None
) -> exp.Select:
    """The query that counts the values of every path down to a depth, by group and path.

    A path comes as a JSON array of keys, the first of them ``within``; ``deeper`` counts objects
    that stand deeper than was looked.
    """
    keys = [_quoted(group) for group in groups]
    # A column for each key on the way: as one array, the way is put together for every value.
    way = [f"__key{level}" for level in range(1, depth + 1)]
    query = _select(keys, [f"{_parsed(_quoted(column))} as __map"], source)
    query = _select([*keys, way[0]], ["__member as __json"], _nested(query))
    query = query.join(_unnest(way[0], "__map"), join_type="cross", copy=False)
    if within is not None:
        query = query.where(exp.column(way[0]).isin(*map(literal, sorted(within))), copy=False)
    opened = f"case when starts_with(json_format(__json), '{{\"') then cast(__json as {_MAP}) end"
    for level in range(1, depth):
        above = [*keys, *way[:level]]
        query = _select([*above, "__json"], [f"{opened} as __map"], _nested(query))
        # What is no object, or one with nothing in it, goes through as its own only member.
        members = _unnest(
            way[level],
            "coalesce(map_keys(__map), array[cast(null as varchar)])",
            "coalesce(map_values(__map), array[cast(null as json)])",
        )
        member = "case when __map is null then __json else __member end as __json"
        query = _select([*above, way[level]], [member], _nested(query))
        query = query.join(members, join_type="cross", copy=False)
    by = [*keys, *way]
    query = _select(by, ["json_format(__json) as __value"], _nested(query))
    kind = (
        "case when __value = 'null' then null when __value = '{}' then 'object' "
        "when starts_with(__value, '\"') then 'string' "
        "when starts_with(__value, '[') then 'array' when starts_with(__value, '{') then 'deeper' "
        "when __value in ('true', 'false') then 'boolean' "
        "when regexp_like(__value, '^-?[0-9]{1,20}$') and cast(__value as decimal(38, 0)) between "
        "cast('-9223372036854775808' as decimal(38, 0)) and "
        "cast('18446744073709551615' as decimal(38, 0)) then 'integer' else 'double' end"
    )
    query = _select([*by, "__value"], [f"{kind} as __kind"], _nested(query))
    number = "case when __kind = 'double' then try_cast(__value as double) end as __number"
    date = (
        "case when __kind = 'string' and substr(__value, 6, 1) = '-' "
        "then json_extract_scalar(__value, '$') end as __date"
    )
    query = _select([*by, "__value", "__kind"], [number, date], _nested(query))
    limit = f"cast('{LARGEST}' as decimal(38, 0))"
    largest = (
        "max(case when __kind = 'integer' "
        f"then least(abs(cast(__value as decimal(38, 0))), {limit}) "
        "when __number = floor(__number) "
        f"then least(cast(least(abs(__number), 1e19) as decimal(38, 0)), {limit}) end)"
    )
    counts = [
        *(f"count_if(__kind = '{kind}') as {kind}" for kind in (*KINDS, "deeper")),
        "count_if(__number <> floor(__number)) as fractions",
        "count_if(__kind = 'string' and __value <> '\"\"') as texts",
        "count(parse_timestamp(__date)) as timestamps",
        "count_if(__kind = 'array' and __value not in ('[]', '[\"\"]')) as lists",
        f"coalesce({largest}, cast(0 as decimal(38, 0))) as largest",
    ]
    path = f"filter(array[{', '.join(way)}], key -> key is not null)"
    grouped = _select(
        keys, [f"json_format(cast({path} as json)) as __path", *counts], _nested(query)
    ).where(_sql("__kind is not null"))
    return grouped.group_by(*by, dialect="trino")


def fields(
    table: pa.Table, groups: int, looked_into: Callable[[tuple[Any, ...], Path], bool]
) -> tuple[list[JsonField], set[tuple[Any, ...]]]:
    """What :func:`fields_query` has found, and the groups in which some values stand deeper."""
    found, deep = [], set()
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        group, path = tuple(row[:groups]), tuple(json.loads(row[groups]))
        integers, doubles, booleans, strings, arrays, objects, deeper = row[groups + 1 : groups + 8]
        fractions, texts, timestamps, lists, largest = row[groups + 8 :]
        if deeper:
            deep.add(group)
        values = None
        if looked_into(group, path):
            values = JsonValues(fractions, texts, timestamps, lists, int(largest))
        found.append(
            JsonField(group, path, integers, doubles, booleans, strings, arrays, objects, values)
        )
    return found, deep


def rows_of(source: exp.Expr, groups: Sequence[str], wanted: Sequence[tuple[Any, ...]]) -> exp.Expr:
    """The rows of a table that belong to some groups, to read from."""
    chosen = exp.select("*").from_(source, copy=False)
    if not groups:
        return chosen.subquery("some", copy=False)
    conditions = [
        exp.and_(
            *(
                exp.NullSafeEQ(this=exp.column(name, quoted=True), expression=literal(value))
                for name, value in zip(groups, group, strict=True)
            )
        )
        for group in wanted
    ]
    return chosen.where(exp.or_(*conditions)).subquery("some", copy=False)
