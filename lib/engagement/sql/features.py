"""What a tree is made of, by the names of the lists of :mod:`.allowed`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from sqlglot import exp

from engagement.sql.allowed import (
    CASTS,
    CLAUSES,
    DATE,
    DECIMAL,
    DOUBLE,
    FUNCTIONS,
    INSTEAD,
    INSTEAD_OF_NODES,
    INTEGER,
    OPERATORS,
    OWN,
    STRUCTURE,
    TIMESTAMP,
    VARCHAR,
    Kind,
)
from engagement.sql.types import Kinds, Tables, of_node, read

LISTED: frozenset[str] = frozenset(
    {
        *(f"{signature.name}()" for signature in FUNCTIONS.values()),
        *(f"{name}()" for name in OWN),
        *OPERATORS.values(),
        *CLAUSES,
        *(f"cast {kind} to {target}" for kind, target in CASTS),
    }
)
"""Everything that a model may be made of, by name."""


ROUNDED = (exp.Round, exp.Floor, exp.Ceil, exp.Trunc)


def features(
    tree: exp.Expr,
    tables: Tables | None = None,
    parameters: Mapping[str, str] | None = None,
) -> set[str]:
    """What a tree is made of, by the names of the lists."""
    kinds = read(tree, tables, parameters)
    return {feature for node in tree.walk() for feature in features_of(node, kinds)}


def features_of(node: exp.Expr, kinds: Kinds) -> Iterable[str]:
    """Names of what one node adds; with a ``!`` before it, of what has a sentence of its own."""
    if isinstance(node, exp.If) and isinstance(node.parent, exp.Case):
        return ()
    if isinstance(node, exp.Cast):
        is_tried = isinstance(node, exp.TryCast)
        return (*_cast(node, kinds), *(("try_cast",) if is_tried else ()))
    signature = FUNCTIONS.get(type(node))
    if signature is not None:
        if isinstance(node, exp.Bracket) and not node.args.get("safe"):
            return ("!a[n]",)
        return (f"{signature.name}()",)
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        return (f"{name}()",) if name not in INSTEAD else (f"!{name}()",)
    if type(node) in OPERATORS:
        return (OPERATORS[type(node)], *_parts(node))
    if isinstance(node, STRUCTURE):
        return tuple(_parts(node))
    if type(node) in INSTEAD_OF_NODES:
        return (f"!{node.key}",)
    if isinstance(node, exp.Func):
        return (
            (f"!{function_name(node)}()",)
            if function_name(node) in INSTEAD
            else (f"{function_name(node)}()",)
        )
    if isinstance(node.parent, tuple(INSTEAD_OF_NODES)):
        return ()
    return (node.key,)


def function_name(node: exp.Func) -> str:
    """Athena's name of a function that sqlglot has a node for."""
    text = str(node.sql("athena")).partition("(")[0].lower()
    return text if re.fullmatch(r"[a-z_0-9]+", text) else node.sql_name().lower()


def _cast(node: exp.Cast, kinds: Kinds) -> tuple[str, ...]:
    target = of_node(node.to)
    is_text = isinstance(node.this, exp.Literal) and node.this.is_string
    if is_text and target in (DATE, TIMESTAMP):
        return (f"literal {target}",)
    return (f"cast {origin_of(node, kinds)} to {target}",)


def origin_of(node: exp.Cast, kinds: Kinds) -> Kind:
    """What is cast: a kind, or a form that may be cast though its kind may not."""
    inner = node.this.unnest()
    kind = kinds.of(node.this)
    target = of_node(node.to)
    if kind == DOUBLE and target == INTEGER and isinstance(inner, ROUNDED):
        return "rounded double"
    if (
        isinstance(inner, exp.Anonymous)
        and inner.name.lower() == "double_text"
        and target == DECIMAL
    ):
        return "double_text"
    return kind


def _parts(node: exp.Expr) -> Iterator[str]:
    match node:
        case exp.Join():
            words = [node.text("method"), node.text("side"), node.text("kind"), "join"]
            name = " ".join(word.lower() for word in words if word not in ("", "INNER"))
            yield name if node.args.get("on") or "cross" in name else f"{name} without on"
            if node.args.get("using"):
                yield "!using"
        case exp.Select():
            yield from _parts_of_select(node)
        case exp.Group():
            yield "group by"
            for key in ("grouping_sets", "cube", "rollup", "totals", "all"):
                if node.args.get(key):
                    yield key.replace("_", " ")
        case exp.Ordered():
            yield "order by"
            if node.args.get("desc"):
                yield "desc"
            if node.args.get("nulls_first"):
                yield "nulls first"
            elif node.args.get("nulls_first") is False:
                yield "nulls last"
        case exp.Limit() | exp.Offset():
            yield node.key
        case exp.Star():
            if isinstance(node.parent, (exp.Select, exp.Column)):
                yield "*"
            for key in ("except_", "replace", "rename"):
                if node.args.get(key):
                    yield f"* {key.strip('_')}"
        case exp.SetOperation():
            if not node.args.get("distinct"):
                yield f"{node.key} all"
            if node.args.get("by_name"):
                yield f"{node.key} by name"
        case exp.With():
            if node.args.get("recursive"):
                yield "with recursive"
        case exp.In():
            if node.args.get("query"):
                yield "in (select …)"
            for key in ("unnest", "field"):
                if node.args.get(key):
                    yield f"in {key}"
        case exp.Subquery():
            if not isinstance(node.parent, (exp.From, exp.Join, exp.In, exp.SetOperation)):
                yield "(select …) as a value"
        case exp.Unnest():
            if len(node.expressions) > 1:
                yield "unnest of several arrays"
            if node.args.get("offset"):
                yield "unnest with ordinality"
        case exp.Distinct():
            if not isinstance(node.parent, exp.Select):
                around = node.find_ancestor(exp.AggFunc)
                signature = FUNCTIONS.get(type(around)) if around else None
                yield f"{signature.name if signature else '…'}(distinct …)"
                if len(node.expressions) > 1:
                    yield "distinct of several columns"
        case exp.Tuple() if not isinstance(node.parent, (exp.Values, exp.GroupingSets)):
            yield "(…, …) as a value"
        case exp.Window():
            yield from _parts_of_window(node)
        case exp.WindowSpec():
            yield from _parts_of_frame(node)
        case exp.Literal():
            if isinstance(node.parent, exp.DataTypeParam):
                return
            if not (node.is_string and isinstance(node.parent, exp.Cast)):
                text = node.name.lower()
                kind = DOUBLE if "e" in text else DECIMAL if "." in text else INTEGER
                yield f"literal {VARCHAR if node.is_string else kind}"
        case exp.Null():
            if not isinstance(node.parent, exp.Is):
                yield "literal null"
        case exp.Is():
            if not isinstance(node.expression, exp.Null):
                yield "!is true"


_OF_SELECT = frozenset(
    "with_ distinct expressions from_ joins where group having order limit offset kind hint "
    "operation_modifiers laterals".split()
)


def _parts_of_select(node: exp.Select) -> Iterator[str]:
    distinct = node.args.get("distinct")
    if distinct:
        yield "!distinct on" if distinct.args.get("on") else "select distinct"
    for key, given in node.args.items():
        if given and (key not in _OF_SELECT or key in ("kind", "hint", "laterals")):
            yield key


def _parts_of_window(node: exp.Window) -> Iterator[str]:
    if isinstance(node.parent, exp.Select) and node.arg_key == "windows":
        return
    if node.args.get("alias") and not isinstance(node.parent, exp.Alias):
        yield "over a named window"
    if node.args.get("partition_by"):
        yield "over (partition by …)"
    if node.args.get("order"):
        yield "over (order by …)"
    if not (node.args.get("partition_by") or node.args.get("order")):
        yield "over ()"


def _parts_of_frame(node: exp.WindowSpec) -> Iterator[str]:
    yield node.text("kind").lower()
    for end in ("start", "end"):
        bound, side = node.args.get(end), node.text(f"{end}_side").lower()
        if isinstance(bound, exp.Expr):
            yield f"… {side}"
            if node.text("kind").lower() != "rows":
                yield f"{node.text('kind').lower()} with a distance"
        elif bound:
            yield f"{bound} {side}".lower().strip()
    if node.args.get("exclude"):
        yield "exclude"
