"""The dialect as Redshift reads it; :mod:`.allowed` asserts it on what comes out.

Nothing here has run on Redshift. What a construct needs is from its documentation; what the same
rewrites give was seen on PostgreSQL, with which :mod:`engagement.sql.rewrites` is
shared. What has no form on Redshift is refused, never left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from engagement.errors import FailedError
from engagement.sql import rewrites as trees
from engagement.sql.rendering import Rendering, filled, read_template, render
from engagement.warehouse.redshift import allowed
from engagement.warehouse.redshift.functions import FUNCTIONS
from engagement.warehouse.redshift.regex import only_group

_TEXT = "varchar(65535)"

_REWRITTEN = (
    exp.ArrayFilter, exp.ArrayToString, exp.ArraySize, exp.Bracket, exp.Cast, exp.CountIf,
    exp.DataType, exp.DateAdd, exp.DateDiff, exp.DateTrunc, exp.Except, exp.Filter,
    exp.GenerateSeries, exp.Greatest, exp.Least, exp.Length, exp.Like, exp.Literal,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.RegexpExtract, exp.RegexpLike, exp.RegexpReplace,
    exp.Select, exp.Split, exp.StartsWith, exp.StrPosition, exp.Subquery, exp.Substring,
    exp.TimestampTrunc, exp.Transform, exp.Window, exp.DayOfWeekIso, exp.DayOfYear, exp.Year,
    exp.Month, exp.Day, exp.Hour, exp.Minute, exp.Second, exp.Quarter, exp.WeekOfYear,
    exp.Anonymous,
)  # fmt: skip

_PARTS: dict[type[exp.Expr], str] = {
    exp.Year: "year",
    exp.Month: "month",
    exp.Day: "day",
    exp.Hour: "hour",
    exp.Minute: "minute",
    exp.Second: "second",
    exp.Quarter: "quarter",
    exp.WeekOfYear: "week",
    exp.DayOfYear: "doy",
}

_RUNNING = (exp.Sum, exp.Count, exp.Max, exp.Min, exp.LogicalAnd, exp.LogicalOr)
"""Aggregates over an order: without a frame they take in all rows of the same order."""


class NotOnRedshiftError(FailedError):
    """A construct of the dialect that has no form on Redshift yet."""


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """A call of a function by its name."""
    return exp.Anonymous(this=name, expressions=[one.copy() for one in arguments])


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def _string(value: str) -> exp.Literal:
    return exp.Literal.string(value)


def _unit(node: exp.Expr) -> exp.Literal:
    return _string(str(node.args["unit"].name).lower())


def _for_redshift(node: exp.Expr) -> exp.Expr:
    """What sqlglot's Redshift writer leaves different from Trino."""
    kind = exp.DataType.Type
    match node:
        case exp.Select():
            return trees.ranked(_unnested(node))
        case exp.Subquery():
            return trees.named(node)
        case exp.CountIf():
            return trees.counted_if(node)
        case exp.Filter():
            return trees.without_filter(node)
        case exp.Greatest() | exp.Least():
            return trees.null_if_any(node)
        case exp.NullSafeEQ() | exp.NullSafeNEQ():
            return _null_safe(node)
        case exp.Window():
            return _framed(node)
        case exp.DataType():
            if node.this in (kind.VARCHAR, kind.TEXT) and not node.expressions:
                return exp.DataType.build(_TEXT)
            if node.this == kind.TIMESTAMP:
                return exp.DataType(this=kind.TIMESTAMP)
            if node.this == kind.ARRAY:
                return exp.DataType(this=kind.SUPER)
        case exp.Literal():
            if not node.is_string and "e" in node.name.lower():
                return exp.cast(node.copy(), "double")
        case exp.Cast():
            is_plain = isinstance(node.this, (exp.Literal, exp.Null))
            if node.to.this == kind.TIMESTAMP and type(node) is exp.Cast and not is_plain:
                return call("date_trunc", _string("milliseconds"), node)
        case _:
            return _function(node)
    return node


def _function(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.Length():
            return _bigint(call("len", node.this))
        case exp.StrPosition():
            return _bigint(call("strpos", node.this, node.args["substr"]))
        case exp.Substring():
            length = node.args.get("length")
            rest = [length] if length else []
            return call("substring", node.this, node.args["start"], *rest)
        case exp.StartsWith():
            start = call("left", node.this, call("len", node.expression))
            return exp.EQ(this=start, expression=node.expression.copy())
        case exp.DateAdd():
            return call("dateadd", _unit(node), node.expression, node.this)
        case exp.DateDiff():
            return call("datediff", _unit(node), node.expression, node.this)
        case exp.TimestampTrunc() | exp.DateTrunc():
            return call("date_trunc", _unit(node), node.this)
        case exp.DayOfWeekIso():
            # Sunday is 0 there, and 7 in Athena.
            sunday = call("date_part", _string("dow"), node.this)
            return _bigint(filled(_ISO_DAY, [sunday]))
        case exp.RegexpLike():
            found = call("regexp_instr", node.this, node.expression, _number(1), _number(1),
                         _number(0), _string("p"))  # fmt: skip
            return exp.paren(exp.GT(this=found, expression=_number(0)))
        case exp.RegexpExtract():
            return _extracted(node)
        case exp.RegexpReplace():
            by = node.args.get("replacement") or _string("")
            return call("regexp_replace", node.this, node.expression, by, _number(1), _string("p"))
        case exp.Split():
            return call("split_to_array", node.this, node.expression)
        case exp.ArraySize():
            return _bigint(call("get_array_length", node.this))
        case exp.ArrayToString():
            return _joined(node)
        case exp.Bracket():
            return _item(node)
        case exp.Like():
            if not isinstance(node.parent, exp.Escape) and "\\" in node.expression.sql():
                raise NotOnRedshiftError("like with a backslash: name what escapes")
        case exp.ArrayFilter() | exp.Transform():
            raise NotOnRedshiftError("filter() and transform() of arrays")
        case exp.GenerateSeries():
            if not isinstance(node.parent, exp.Unnest):
                raise NotOnRedshiftError("sequence() outside of unnest()")
        case exp.Anonymous():
            if node.name.lower() == "json_text" and "." in node.expressions[1].name[2:]:
                raise NotOnRedshiftError("json_text() of a key within another: one key at a time")
    if type(node) in _PARTS:
        return _bigint(call("date_part", _string(_PARTS[type(node)]), node.this))
    return node


def _bigint(node: exp.Expr) -> exp.Expr:
    """A whole number as Athena has it: Redshift's is a double or an integer."""
    return exp.cast(node, "bigint")


_ISO_DAY = read_template("case when @1 = 0 then 7 else @1 end", "redshift")


def _null_safe(node: exp.Expr) -> exp.Expr:
    """``is [not] distinct from``, which is missing."""
    left, right = exp.paren(node.this.copy()), exp.paren(node.expression.copy())
    both = exp.and_(left.copy().is_(exp.null()), right.copy().is_(exp.null()))
    equal = exp.Coalesce(this=exp.paren(exp.EQ(this=left, expression=right)),
                         expressions=[exp.false()])  # fmt: skip
    same = exp.paren(exp.or_(both, equal))
    return same if isinstance(node, exp.NullSafeEQ) else exp.not_(same)


def _framed(node: exp.Window) -> exp.Expr:
    """An aggregate over an order has a frame of rows.

    Raises
    ------
    NotOnRedshiftError
        Where Athena's frame takes in all rows of the same order: a frame of rows would not.
    """
    spec, over = node.args.get("spec"), node.this
    if spec is not None:
        if str(spec.args.get("kind", "")).upper() != "ROWS":
            raise NotOnRedshiftError(f"a frame of {spec.args.get('kind')}: rows alone are known")
        return node
    if not node.args.get("order"):
        return node
    if isinstance(over, _RUNNING):
        raise NotOnRedshiftError(
            f"{over.key}() over an order without a frame: write rows between, with an order "
            "that leaves no ties"
        )
    if isinstance(over, (exp.FirstValue, exp.LastValue)):
        if isinstance(over, exp.LastValue):
            raise NotOnRedshiftError("last_value() without a frame: write rows between")
        node.set(
            "spec",
            exp.WindowSpec(
                kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW"
            ),
        )
    return node


def _extracted(node: exp.RegexpExtract) -> exp.Expr:
    """The first group is all that can be asked for: the others are made not to be groups."""
    group = node.args.get("group")
    number = int(group.name) if isinstance(group, exp.Literal) else 0
    if group is not None and not isinstance(group, exp.Literal):
        raise NotOnRedshiftError("regexp_extract() of a group that is not written as a number")
    pattern = node.expression
    if number > 1:
        if not isinstance(pattern, exp.Literal):
            raise NotOnRedshiftError("regexp_extract() of a later group of a pattern of a table")
        pattern = _string(only_group(pattern.name, number))
    how = _string("ep" if number else "p")
    found = call("regexp_substr", node.this, pattern, _number(1), _number(1), how)
    return exp.Nullif(this=found, expression=_string(""))  # a miss is '' there


def _joined(node: exp.ArrayToString) -> exp.Expr:
    """``array_join``: of ``array_agg`` it is LISTAGG, of an array written out one text."""
    items, by = node.this, node.expression
    if isinstance(items, exp.ArrayAgg):
        inner, order = items.this, None
        if isinstance(inner, exp.Order):
            inner, order = inner.this, inner
        if isinstance(inner, exp.Distinct):
            inner = exp.Distinct(expressions=[one.copy() for one in inner.expressions])
        listed = exp.Anonymous(this="listagg", expressions=[inner.copy(), by.copy()])
        if order is None:
            return listed
        keys = [one.copy() for one in order.expressions]
        return exp.WithinGroup(this=listed, expression=exp.Order(expressions=keys))
    if not isinstance(items, exp.Array):
        raise NotOnRedshiftError("array_join() of a column")
    parts = [filled(_WITH_SEPARATOR, [one, by]) for one in items.expressions]
    whole = parts[0]
    for part in parts[1:]:
        whole = exp.DPipe(this=whole, expression=part, safe=True)
    start = exp.Add(this=call("len", by), expression=_number(1))
    return call("substring", exp.paren(whole), start)


_WITH_SEPARATOR = read_template("case when @1 is null then '' else @2 || @1 end", "redshift")


def _item(node: exp.Bracket) -> exp.Expr:
    """An item of a SUPER array, counted from 0, as a text unless it is JSON."""
    index = node.expressions[0]
    place = (
        _number(int(index.name) - int(node.args.get("offset") or 0))
        if isinstance(index, exp.Literal)
        else None
    )
    if place is None or int(place.name) < 0:
        raise NotOnRedshiftError("element_at() counted from the end, or by a column")
    around = node.parent
    item = exp.Bracket(this=exp.paren(node.this.copy()), expressions=[place])
    if isinstance(around, exp.Anonymous) and around.name.lower() == "json_text":
        return item
    return exp.cast(item, _TEXT)


# --- unnest ---------------------------------------------------------------------------------------


def _unnested(select: exp.Select) -> exp.Select:
    """Joins with ``unnest``: of what is written out a table, of SUPER by its own UNNEST."""
    places = [join for join in select.args.get("joins") or [] if isinstance(join.this, exp.Unnest)]
    start = select.args.get("from_")
    if start is not None and isinstance(start.this, exp.Unnest):
        places.append(start)
    for place in places:
        _replace_unnest(select, place)
    return select


def _replace_unnest(select: exp.Select, place: exp.Expr) -> None:
    unnest = place.this
    source, alias = unnest.expressions[0], unnest.args["alias"]
    name, columns = alias.name, [one.name for one in alias.args["columns"]]
    offset = unnest.args.get("offset")
    ordinal = offset.name if isinstance(offset, exp.Identifier) else None
    if isinstance(source, exp.GenerateSeries):
        ends = [source.args["start"], source.args["end"]]
        if source.args.get("step") or not all(isinstance(one, exp.Literal) for one in ends):
            raise NotOnRedshiftError("sequence() whose ends are not written as numbers")
        place.set("this", _numbers(int(ends[0].name), int(ends[1].name), name, columns[0]))
        return
    if isinstance(source, exp.Array):
        items = source.expressions
        place.set("this", _numbers(1, len(items), name, "n"))
        number = exp.column("n", table=name)
        value = exp.Case(
            this=number,
            ifs=[
                exp.If(this=_number(n), true=item.copy()) for n, item in enumerate(items, start=1)
            ],
        )
        _stand_for(select, name, {columns[0]: value, ordinal or "": number})
        return
    if isinstance(source, exp.RegexpExtractAll):
        _replace_matches(select, place, source, name, columns[0])
        return
    given = source
    if isinstance(source, exp.Anonymous) and source.name.lower() in FUNCTIONS:
        given = filled(
            read_template(FUNCTIONS[source.name.lower()], "redshift"), source.expressions
        )
    with_offset = " WITH OFFSET" if ordinal else ""
    raw = f"UNNEST({given.sql(dialect='redshift')}){with_offset}"
    names = [*columns, *([ordinal] if ordinal else [])]
    place.set(
        "this",
        exp.Table(
            this=exp.Identifier(this=raw, quoted=False),
            alias=exp.TableAlias(
                this=exp.to_identifier(name), columns=[exp.to_identifier(one) for one in names]
            ),
        ),
    )
    if ordinal:
        # It counts from 0.
        one_more = exp.Add(this=exp.column(ordinal, table=name), expression=_number(1))
        _stand_for(select, name, {ordinal: exp.paren(one_more)})


_MOST_MATCHES = 100


def _replace_matches(
    select: exp.Select, place: exp.Expr, source: exp.Expr, name: str, column: str
) -> None:
    """``unnest(regexp_extract_all(…))``: a row for each match, up to :data:`_MOST_MATCHES`."""
    group = source.args.get("group")
    if not isinstance(group, exp.Literal) or group.name != "1":
        raise NotOnRedshiftError("regexp_extract_all() of another group than the first")
    text, pattern = source.this, source.expression
    place.set("this", _numbers(1, _MOST_MATCHES, name, "n"))
    number = exp.column("n", table=name)
    matches = call("regexp_count", text, pattern, _number(1), _string("p"))
    place.set("kind", "INNER")
    place.set("on", exp.LTE(this=number.copy(), expression=matches))
    found = call("regexp_substr", text, pattern, _number(1), number, _string("ep"))
    _stand_for(select, name, {column: found})


def _stand_for(select: exp.Select, table: str, values: Mapping[str, exp.Expr]) -> None:
    """Let expressions stand for columns of a table that is there no longer."""
    unsafe = [one.alias_or_name for one in select.expressions]
    for column in list(select.find_all(exp.Column)):
        is_own = column.table == table or (not column.table and column.name not in unsafe)
        if is_own and column.name in values and column.find_ancestor(exp.Select) is not None:
            value = values[column.name].copy()
            if column.parent is select and column.arg_key == "expressions":
                value = exp.alias_(value, column.name)
            if value != column:
                column.replace(value)


def _numbers(first: int, last: int, name: str, column: str) -> exp.Expr:
    """A table of the numbers between two ends: GENERATE_SERIES runs on the leader node alone."""
    digits = " union all ".join(f"select {digit} as n" for digit in range(10))
    places = range(len(str(max(last - first, 1))))
    total = " + ".join(f"{10**place} * d{place}.n" for place in places)
    tables = " cross join ".join(f"({digits}) as d{place}" for place in places)
    sql = f"select {first} + {total} as {column} from {tables} where {first} + {total} <= {last}"
    tree = read_template(sql, "redshift")
    assert isinstance(tree, exp.Query)  # noqa: S101 (for the type checker)
    return tree.subquery(name)


REDSHIFT = Rendering("redshift", FUNCTIONS, _REWRITTEN, _for_redshift)


def redshift_sql(
    query: exp.Expr, databases: Mapping[str, str], *, pretty: bool = False, copy: bool = True
) -> str:
    """Render a tree for Redshift, and make sure of what comes out.

    Raises
    ------
    NotOnRedshiftError
        When the tree has a construct without a form there, or a form is not on the allow-list.
    """
    sql = render(query, REDSHIFT, databases, pretty=pretty, copy=copy)
    problems = allowed.problems(sql)
    if problems:
        raise NotOnRedshiftError("not Redshift's SQL: " + "; ".join(problems))
    return sql
