"""Long lists of values in a query as temporary tables: as text they would be too long to send.

A seed of some hundred lines is one text that is split, and longer than a text may be in Redshift,
where a cast cuts it without a word. The same list written as ``union all`` would be more than a
call of the Data API may bring, and slow to plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
from sqlglot import exp

from engagement.sql.dialect import Table
from engagement.warehouse.frames import arrow_type

FEW = 100
"""Lists of up to so many values stay in the query."""

SHORT = 8_000
"""Texts of up to so many bytes are split where they are."""

_KINDS: dict[type, str] = {int: "bigint", bool: "boolean", str: "varchar"}

Seed = Callable[[str, pa.Table, Mapping[str, str]], Table]


def spooled(tree: exp.Query, seed: Seed) -> exp.Query:
    """The tree with long lists of values replaced by what ``seed`` makes of them."""
    for unnest in list(tree.find_all(exp.Unnest)):
        lines = _lines(unnest)
        if lines is not None:
            name = unnest.args["alias"].args["columns"][0].name
            one_column = pa.table({name: pa.array(lines, pa.string())})
            _replace(unnest, seed, one_column, {name: "varchar"})
    for node in list(tree.find_all(exp.Values)):
        if len(node.expressions) <= FEW or not node.alias:
            continue
        names = [one.name for one in node.args["alias"].args.get("columns") or ()]
        rows = [_plain(row) for row in node.expressions]
        if not names or any(row is None for row in rows):
            continue
        found = _typed(names, [row for row in rows if row is not None])
        if found is None:
            continue
        _replace(node, seed, *found)
    return tree


def _replace(node: exp.Expr, seed: Seed, rows: pa.Table, columns: Mapping[str, str]) -> None:
    text = json.dumps([columns, rows.to_pylist()], ensure_ascii=False, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    place = seed(digest, rows, columns).node()
    place.set("alias", exp.TableAlias(this=exp.to_identifier(node.alias)))
    node.replace(place)


def _lines(node: exp.Unnest) -> list[str] | None:
    """The items of ``unnest(split('a long text', 'separator')) as t (item)``."""
    source, alias = node.expressions[0], node.args.get("alias")
    if not isinstance(source, exp.Split) or alias is None or node.args.get("offset"):
        return None
    text = source.this.this if isinstance(source.this, exp.Cast) else source.this
    by = source.expression
    if not (isinstance(text, exp.Literal) and isinstance(by, exp.Literal) and by.name):
        return None
    if len(text.name.encode()) <= SHORT or len(alias.args.get("columns") or ()) != 1:
        return None
    return text.name.split(by.name)


def _plain(row: exp.Expr) -> list[str | int | bool | None] | None:
    """The values of a row, if all of them are texts, whole numbers, booleans or NULL."""
    cells: list[str | int | bool | None] = []
    for cell in row.expressions if isinstance(row, exp.Tuple) else [row]:
        if isinstance(cell, exp.Null):
            cells.append(None)
        elif isinstance(cell, exp.Boolean):
            cells.append(bool(cell.this))
        elif isinstance(cell, exp.Literal) and cell.is_string:
            cells.append(cell.name)
        elif isinstance(cell, exp.Literal) and cell.name.isdecimal():
            cells.append(int(cell.name))
        else:
            return None
    return cells


def _typed(
    names: Sequence[str], rows: Sequence[Sequence[str | int | bool | None]]
) -> tuple[pa.Table, dict[str, str]] | None:
    columns, arrays = {}, []
    for name, cells in zip(names, zip(*rows, strict=True), strict=True):
        kinds = {type(cell) for cell in cells if cell is not None}
        if len(kinds) > 1:
            return None
        kind = _KINDS[kinds.pop()] if kinds else "varchar"
        columns[name] = kind
        arrays.append(pa.array(cells, arrow_type(kind)))
    return pa.Table.from_arrays(arrays, names=list(names)), columns
