"""The dialect as DuckDB reads it."""

from __future__ import annotations

import re
from functools import cache

from sqlglot import exp

from engagement.sql.rendering import Rendering, filled, read_template
from engagement.warehouse.duckdb.functions import FUNCTIONS

_REWRITTEN = (
    exp.ArgMax,
    exp.ArgMin,
    exp.ArrayToString,
    exp.CountIf,
    exp.DataType,
    exp.JSONExtractScalar,
    exp.RegexpReplace,
    exp.Upper,
)

_TEMPLATES = {
    # DuckDB's own is NULL where all of the items are.
    "array_join": "array_to_string(list_filter(@1, lambda i: i is not null), @2)",
    # DuckDB's own knows a capital of this letter, which is no capital of it on Athena.
    "upper": "array_to_string(list_transform(str_split(@1, 'ß'), lambda s: upper(s)), 'ß')",
}


@cache
def _template(key: str) -> exp.Expr:
    return read_template(_TEMPLATES[key], "duckdb")


def _for_duckdb(node: exp.Expr) -> exp.Expr:
    """What sqlglot's DuckDB writer leaves different from Trino."""
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.TIMESTAMP:
        return exp.DataType.build("timestamp", dialect="duckdb")
    if isinstance(node, exp.Upper):
        return filled(_template("upper"), [node.this])
    if isinstance(node, exp.ArrayToString) and not node.args.get("null"):
        return filled(_template("array_join"), [node.this, node.expression])
    if isinstance(node, (exp.ArgMax, exp.ArgMin)):
        # DuckDB's own passes over rows whose first argument is NULL.
        name = "arg_max_null" if isinstance(node, exp.ArgMax) else "arg_min_null"
        return exp.Anonymous(this=name, expressions=[node.this, node.expression])
    if isinstance(node, exp.CountIf):
        # DuckDB's own is NULL over no rows.
        found = exp.Case(ifs=[exp.If(this=node.this, true=exp.Literal.number(1))])
        return exp.Count(this=found)
    if isinstance(node, exp.RegexpReplace) and isinstance(
        node.args.get("replacement"), exp.Literal
    ):
        replacement = node.args["replacement"]
        replacement.replace(exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", replacement.name)))
    if isinstance(node, exp.JSONExtractScalar):
        # A text that is no JSON has no such value; DuckDB's own would stop the whole query.
        text = exp.TryCast(this=node.this, to=exp.DataType.build("json", dialect="duckdb"))
        whole = exp.Anonymous(this="json_extract", expressions=[text, node.expression])
        scalar = exp.Anonymous(
            this="json_extract_string", expressions=[whole.copy(), exp.Literal.string("$")]
        )
        kind = exp.Anonymous(this="json_type", expressions=[whole])
        return exp.case().when(kind.isin("OBJECT", "ARRAY").not_(), scalar)
    return node


DUCKDB = Rendering("duckdb", FUNCTIONS, _REWRITTEN, _for_duckdb)
