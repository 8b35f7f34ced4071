"""Trees without what PostgreSQL's family lacks: max_by, count_if, NULLs in greatest.

Shared with Redshift, so that what PostgreSQL answers says something about both.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

AGGREGATES_KEPT = (exp.ArrayAgg,)
"""Aggregates over which a condition cannot be moved inside: a NULL would be an item."""

OF_BOOLEANS = "of booleans"
"""Noted on a ``max_by`` whose value is a boolean: the one that is left is taken by ``bool_or``."""

_NULL_CHECKED = (exp.Greatest, exp.Least)


def named(node: exp.Subquery) -> exp.Subquery:
    """A subquery in FROM has a name."""
    if isinstance(node.parent, (exp.From, exp.Join)) and not node.alias:
        node.set("alias", exp.TableAlias(this=exp.to_identifier(f"unnamed_{node.depth}")))
    return node


def counted_if(node: exp.CountIf) -> exp.Expr:
    """``count_if(x)``: sqlglot's sum is NULL over no rows."""
    return exp.Count(this=exp.case().when(node.this.copy(), exp.Literal.number(1)))


def without_filter(node: exp.Filter) -> exp.Expr:
    """``agg(x) filter (where y)`` as ``agg(case when y then x end)``."""
    aggregate, condition = node.this, node.expression.this
    if isinstance(aggregate, (exp.ArgMax, exp.ArgMin, *AGGREGATES_KEPT)):
        return node
    moved: exp.Expr = aggregate.copy()
    inner = moved.this
    if isinstance(inner, exp.Distinct):
        inner.set("expressions", [_when(condition, one) for one in inner.expressions])
    elif inner is None or isinstance(inner, exp.Star):
        moved.set("this", _when(condition, exp.Literal.number(1)))
    else:
        moved.set("this", _when(condition, inner))
    return moved


def _when(condition: exp.Expr, value: exp.Expr) -> exp.Case:
    return exp.case().when(condition.copy(), value.copy())


def null_if_any(node: exp.Expr) -> exp.Expr:
    """``greatest`` and ``least`` are NULL where one of their arguments is."""
    arguments = [node.this, *node.expressions]
    unsure = [one for one in arguments if not isinstance(one.unnest(), exp.Literal)]
    if not unsure:
        return node
    missing: exp.Expr = exp.or_(*(exp.paren(one.copy()).is_(exp.null()) for one in unsure))
    found: exp.Expr = exp.case().when(missing.not_(), node.copy())
    return found


# --- max_by and min_by ----------------------------------------------------------------------------


def ranked(select: exp.Select) -> exp.Select:
    """A query without max_by and min_by: rows are numbered in a subquery, the first one is taken.

    ``max_by(x, y)`` passes over rows whose ``y`` is NULL, and takes an ``x`` that is NULL.
    """
    wanted = [node for node in _own(select) if isinstance(node, (exp.ArgMax, exp.ArgMin))]
    if not wanted:
        return select
    group = select.args.get("group")
    keys = [_key(select, key) for key in (group.expressions if group else ())]
    inner = exp.Select()
    for part in ("from_", "joins", "where", "laterals"):
        if select.args.get(part):
            inner.set(part, select.args[part])
            select.set(part, None)
    names = _Names(inner)
    for node in select.expressions:
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            node.replace(exp.alias_(node.copy(), node.name, quoted=True))
    aliases = {node.alias for node in select.expressions if isinstance(node, exp.Alias)}
    for node in wanted:
        around = node.parent if isinstance(node.parent, exp.Filter) else None
        conditions: list[exp.Expr] = [exp.paren(node.expression.copy()).is_(exp.null()).not_()]
        if around is not None:
            conditions.append(exp.paren(around.expression.this.copy()))
        counts = exp.and_(*conditions)
        number = names.number(keys, counts, node.expression, newest=isinstance(node, exp.ArgMax))
        first = exp.and_(exp.column(number).eq(1), counts.copy())
        take = exp.LogicalOr if node.meta.get(OF_BOOLEANS) else exp.Max
        taken = take(this=exp.case().when(first, node.this.copy()))
        (around or node).replace(taken)
    for part in ("expressions", "having", "order", "qualify"):
        given = select.args.get(part)
        for node in given if isinstance(given, list) else [given] if given else []:
            _renamed(node, keys, names, aliases if part == "order" else set())
    if group:
        group.set("expressions", [names.column(key) for key in keys])
    select.from_(inner.subquery("numbered"), copy=False)
    return select


def _own(select: exp.Select) -> Iterator[exp.Expr]:
    """Nodes of a query that belong to no query within it."""
    for part in ("expressions", "having", "order", "qualify"):
        given = select.args.get(part)
        for root in given if isinstance(given, list) else [given] if given else []:
            yield from root.walk(prune=lambda node: isinstance(node, exp.Query))


def _key(select: exp.Select, key: exp.Expr) -> exp.Expr:
    """What is grouped by, where its place in the list of columns is written too."""
    if isinstance(key, exp.Literal) and not key.is_string:
        chosen: exp.Expr = select.expressions[int(key.name) - 1]
        return chosen.unalias().copy()
    return key.copy()


class _Names:
    """The columns of the subquery, each with a name of its own."""

    def __init__(self, inner: exp.Select) -> None:
        self._inner = inner
        self._names: dict[exp.Expr, str] = {}

    def column(self, value: exp.Expr) -> exp.Column:
        return exp.column(self._name(value, "v"))

    def _name(self, value: exp.Expr, letter: str) -> str:
        if value not in self._names:
            self._names[value] = f"{letter}__{len(self._names)}"
            self._inner.select(
                exp.alias_(value.copy(), self._names[value]), copy=False, append=True
            )
        return self._names[value]

    def number(self, keys: list[exp.Expr], counts: exp.Expr, by: exp.Expr, *, newest: bool) -> str:
        """The name of the numbers of rows, those that count first, in their order."""
        is_late = exp.case().when(counts.copy(), exp.Literal.number(0)).else_("1")
        window = exp.Window(
            this=exp.RowNumber(),
            partition_by=[key.copy() for key in keys],
            order=exp.Order(
                expressions=[
                    exp.Ordered(this=is_late, desc=False, nulls_first=False),
                    exp.Ordered(this=by.copy(), desc=newest, nulls_first=False),
                ]
            ),
        )
        return self._name(window, "n")


def _renamed(root: exp.Expr, keys: list[exp.Expr], names: _Names, aliases: set[str]) -> None:
    """Let a part of a query speak of the subquery's columns."""
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, exp.Query):
            continue
        if isinstance(node, exp.Column) and (
            node.name.startswith("n__") or (not node.table and node.name in aliases)
        ):
            continue
        if node in keys or isinstance(node, exp.Column):
            if node.parent is not None:
                node.replace(names.column(node))
            continue
        stack.extend(node.iter_expressions())
