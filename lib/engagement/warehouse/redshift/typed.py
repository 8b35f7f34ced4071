"""What only the types of columns can tell: a sum of whole numbers, the greatest of booleans.

Redshift makes a sum of bigints a decimal, by which a division would have digits after the point;
and it has no ``max`` of booleans, of which ``max_by`` is made, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from engagement.sql import types
from engagement.sql.allowed import BOOLEAN, INTEGER
from engagement.sql.dialect import Table, tables
from engagement.sql.rewrites import OF_BOOLEANS

_ASKED = (exp.Sum, exp.Max, exp.Min, exp.ArgMax, exp.ArgMin)


def with_types(tree: exp.Query, columns: Callable[[Table], Mapping[str, str]]) -> exp.Query:
    """The tree with what only types can tell written out; it may be changed.

    Parameters
    ----------
    columns
        Names and Athena types of a table's columns.
    """
    asked = list(tree.find_all(*_ASKED))
    if not asked:
        return tree
    known = {str(table): columns(table) for table in tables(tree)}
    kinds = types.read(tree, known)
    found = [(node, kinds.of(node.this.unnest() if node.this else node)) for node in asked]
    for node, kind in found:
        if isinstance(node, exp.Sum):
            if kinds.of(node) == INTEGER:
                whole = _whole(node)
                if not (isinstance(whole.parent, exp.Cast) and whole.parent.is_type("bigint")):
                    whole.replace(exp.cast(whole.copy(), "bigint"))
        elif kind != BOOLEAN:
            continue
        elif isinstance(node, (exp.ArgMax, exp.ArgMin)):
            node.meta[OF_BOOLEANS] = True
        else:
            other = exp.LogicalOr if isinstance(node, exp.Max) else exp.LogicalAnd
            node.replace(other(this=node.this.copy()))
    return tree


def _whole(node: exp.Expr) -> exp.Expr:
    """The aggregate with its condition and its window."""
    while isinstance(node.parent, (exp.Filter, exp.Window)) and node.arg_key == "this":
        node = node.parent
    return node
