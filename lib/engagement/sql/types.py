"""The kind of every value in a query: what the rules of the dialect need to know of types.

One pass over the tree: common table expressions, subqueries and joins give each column its kind,
and each expression's follows from its parts, by the signatures of :mod:`.allowed`. What one engine
would convert by itself and the other refuses (a number compared with a text) is found on the way.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from sqlglot import exp
from sqlglot.errors import SqlglotError

from engagement.sql.allowed import (
    BOOLEAN,
    DATE,
    DECIMAL,
    DOUBLE,
    FUNCTIONS,
    INTEGER,
    JSON,
    NULL,
    NUMBER,
    OWN,
    TIME,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    Kind,
    Signature,
)

Columns = dict[str, Kind]
Tables = Mapping[str, Mapping[str, str]]
"""Types of the columns of tables, by ``database.name``."""

_NUMBERS = (INTEGER, DECIMAL, DOUBLE)
_OF_TYPES = {
    exp.DataType.Type.BIGINT: INTEGER,
    exp.DataType.Type.INT: INTEGER,
    exp.DataType.Type.DOUBLE: DOUBLE,
    exp.DataType.Type.VARCHAR: VARCHAR,
    exp.DataType.Type.TEXT: VARCHAR,
    exp.DataType.Type.BOOLEAN: BOOLEAN,
    exp.DataType.Type.DATE: DATE,
    exp.DataType.Type.JSON: JSON,
    exp.DataType.Type.DECIMAL: DECIMAL,
    exp.DataType.Type.TIMESTAMP: TIMESTAMP,
}


def of_node(node: exp.DataType) -> Kind:
    """The kind of a type as it stands in a tree."""
    if node.this == exp.DataType.Type.ARRAY and node.expressions:
        return array_of(of_node(node.expressions[0]))
    return _OF_TYPES.get(node.this, UNKNOWN)


@cache
def of_type(name: str) -> Kind:
    """The kind of a type by its name in Athena, such as ``decimal(18,2)``, if it is one."""
    try:
        return of_node(exp.DataType.build(name, dialect="athena"))
    except SqlglotError:
        return UNKNOWN


def _kind(name: str | None) -> Kind:
    if name is None or name == UNKNOWN:
        return UNKNOWN
    return of_type(name)


def array_of(kind: Kind) -> Kind:
    """The kind of an array of these."""
    return f"array({kind})"


def item_of(kind: Kind) -> Kind:
    """The kind of an array's items."""
    return kind[6:-1] if kind.startswith("array(") else UNKNOWN


def common(kinds: Iterable[Kind]) -> Kind | None:
    """The kind that all of these are turned into; ``None`` where one engine refuses."""
    found: Kind = NULL
    for kind in kinds:
        if kind in (found, NULL):
            continue
        if found == NULL:
            found = kind
        elif UNKNOWN in (kind, found):
            found = UNKNOWN
        elif kind in NUMBER and found in NUMBER:
            found = _NUMBERS[max(_NUMBERS.index(kind), _NUMBERS.index(found))]
        elif kind in TIME and found in TIME:
            found = TIMESTAMP
        elif kind.startswith("array(") and found.startswith("array("):
            inner = common((item_of(kind), item_of(found)))
            if inner is None:
                return None
            found = array_of(inner)
        else:
            return None
    return found


@dataclass
class Kinds:
    """Kinds of the nodes of one tree.

    Attributes
    ----------
    columns : dict
        Kinds of what the query gives, by name in lower case.
    problems : list of str
        What one engine would convert and the other refuse, and columns that are not there.
    has_unknown_names : bool
        Whether there are such columns: what follows from them is of no known kind.
    """

    columns: Columns = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    has_unknown_names: bool = False
    _kinds: dict[int, Kind] = field(default_factory=dict)

    def of(self, node: exp.Expr) -> Kind:
        """The kind of an expression of the tree."""
        return self._kinds.get(id(node), UNKNOWN)


def read(
    tree: exp.Expr, tables: Tables | None = None, parameters: Mapping[str, str] | None = None
) -> Kinds:
    """Find the kinds of a query's expressions.

    Parameters
    ----------
    tables
        Types of the columns of the tables that it reads. Columns of others are of unknown kind.
    parameters
        Types of the ``:name`` parameters.
    """
    kinds = Kinds()
    reader = _Reader(kinds, tables or {}, parameters or {})
    if isinstance(tree, exp.Query):
        kinds.columns = reader.query(tree, {}, None)
    else:
        reader.value(tree, _Scope({"": None}, {}, None))
    return kinds


def start(node: exp.Expr) -> str:
    """The beginning of a node's text, for a message."""
    text = " ".join(node.sql("athena").split())
    return text if len(text) <= 60 else text[:60] + " …"


@dataclass
class _Scope:
    """What names stand for in one SELECT; a source of which nothing is known is ``None``."""

    sources: dict[str, Columns | None]
    ctes: Mapping[str, Columns]
    outer: _Scope | None
    outputs: Columns = field(default_factory=dict)
    lambdas: Columns = field(default_factory=dict)


class _Reader:
    def __init__(self, kinds: Kinds, tables: Tables, parameters: Mapping[str, str]) -> None:
        self._kinds = kinds
        self._tables = tables
        self._parameters = parameters

    def _say(self, problem: str) -> None:
        self._kinds.problems.append(problem)

    # --- queries

    def query(self, node: exp.Expr, ctes: Mapping[str, Columns], outer: _Scope | None) -> Columns:
        ctes = dict(ctes)
        with_ = node.args.get("with_")
        for cte in with_.expressions if with_ else ():
            found = self.query(cte.this, ctes, outer)
            ctes[cte.alias.lower()] = _renamed(found, cte.args.get("alias"))
        if isinstance(node, exp.Subquery):
            columns = self.query(node.this, ctes, outer)
            self._order(node, _Scope({}, ctes, outer, dict(columns)))
            return columns
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, ctes, outer)
        if isinstance(node, exp.Select):
            return self._select(node, ctes, outer)
        return {}

    def _set_operation(
        self, node: exp.SetOperation, ctes: Mapping[str, Columns], outer: _Scope | None
    ) -> Columns:
        left = self.query(node.this, ctes, outer)
        right = self.query(node.expression, ctes, outer)
        columns: Columns = {}
        for (name, one), other in zip(left.items(), right.values(), strict=False):
            kind = common((one, other))
            if kind is None:
                self._say(f"{node.key}: '{name}' is {one} and {other}: cast one of them")
            columns[name] = kind or UNKNOWN
        self._order(node, _Scope({}, ctes, outer, dict(columns)))
        return columns

    def _select(
        self, node: exp.Select, ctes: Mapping[str, Columns], outer: _Scope | None
    ) -> Columns:
        scope = _Scope({}, ctes, outer)
        from_ = node.args.get("from_")
        if from_ is not None:
            self._source(from_.this, scope)
        for join in node.args.get("joins") or ():
            self._source(join.this, scope)
            if join.args.get("on") is not None:
                self._condition(join.args["on"], scope)
        if node.args.get("where") is not None:
            self._condition(node.args["where"].this, scope)
        if node.args.get("group") is not None:
            for item in node.args["group"].expressions:
                self.value(item, scope)
        if node.args.get("having") is not None:
            self._condition(node.args["having"].this, scope)
        columns: Columns = {}
        for number, item in enumerate(node.expressions):
            for name, kind in self._outputs(item, scope, number):
                columns[name] = kind
        self._order(node, _Scope(scope.sources, ctes, outer, columns))
        return columns

    def _outputs(self, item: exp.Expr, scope: _Scope, number: int) -> Iterator[tuple[str, Kind]]:
        if isinstance(item, exp.Star) or isinstance(item.this, exp.Star):
            only = item.text("table").lower()
            for name, source in scope.sources.items():
                if only in ("", name):
                    # A name that two sources have comes twice: as one here.
                    yield from (source or {}).items()
            return
        kind = self.value(item.unalias(), scope)
        self._kinds._kinds[id(item)] = kind
        yield item.alias_or_name.lower() or f"_col{number}", kind

    def _order(self, node: exp.Expr, scope: _Scope) -> None:
        order = node.args.get("order")
        for item in order.expressions if order else ():
            self.value(item.this, scope)

    def _source(self, node: exp.Expr, scope: _Scope) -> None:
        name = node.alias_or_name.lower()
        columns: Columns | None = None
        match node:
            case exp.Table() if node.db:
                known = self._tables.get(f"{node.db}.{node.name}")
                if known is not None:
                    columns = {column.lower(): _kind(kind) for column, kind in known.items()}
            case exp.Table():
                columns = scope.ctes.get(node.name.lower())
            case exp.Subquery():
                columns = self.query(node, scope.ctes, scope.outer)
            case exp.Values():
                rows = [row.expressions for row in node.expressions]
                cells = [[self.value(cell, scope) for cell in row] for row in rows]
                found = [common(column) for column in zip(*cells, strict=False)]
                if None in found:
                    self._say(f"{start(node)}: values of unlike kinds in one column")
                columns = {f"_col{n}": kind or UNKNOWN for n, kind in enumerate(found)}
            case exp.Unnest():
                arrays = [self.value(item, scope) for item in node.expressions]
                columns = {f"_col{n}": item_of(kind) for n, kind in enumerate(arrays)}
        alias = node.args.get("alias")
        if columns is not None:
            columns = _renamed(columns, alias)
        offset = node.args.get("offset") if isinstance(node, exp.Unnest) else None
        if columns is not None and isinstance(offset, exp.Identifier):
            columns[offset.name.lower()] = INTEGER
        scope.sources[name] = columns

    # --- values

    def value(self, node: exp.Expr, scope: _Scope) -> Kind:
        kind = self._value(node, scope)
        self._kinds._kinds[id(node)] = kind
        return kind

    def _condition(self, node: exp.Expr, scope: _Scope) -> Kind:
        kind = self.value(node, scope)
        if kind not in (BOOLEAN, NULL, UNKNOWN):
            self._say(f"{start(node)}: is {kind}, not a condition")
        return BOOLEAN

    def _value(self, node: exp.Expr, scope: _Scope) -> Kind:
        match node:
            case exp.Column():
                return self._column(node, scope)
            case exp.Literal():
                if node.is_string:
                    return VARCHAR
                text = node.name.lower()
                return DOUBLE if "e" in text else DECIMAL if "." in text else INTEGER
            case exp.Null():
                return NULL
            case exp.Identifier():
                return self._column(exp.column(node), scope)  # a lambda's
            case exp.Boolean():
                return BOOLEAN
            case exp.Placeholder():
                return _kind(self._parameters.get(str(node.this)))
            case exp.Paren() | exp.Distinct() | exp.Order() | exp.Ordered() | exp.Alias():
                return self._inner(node, scope)
            case exp.Cast():
                self.value(node.this, scope)
                return of_node(node.to)
            case exp.And() | exp.Or():
                self._condition(node.left, scope)
                return self._condition(node.right, scope)
            case exp.Not():
                return self._condition(node.this, scope)
            case exp.Exists():
                self.query(node.this, scope.ctes, scope)
                return BOOLEAN
            case exp.Subquery() | exp.Select() | exp.SetOperation():
                columns = self.query(node, scope.ctes, scope)
                return next(iter(columns.values()), UNKNOWN)
            case exp.Case():
                return self._case(node, scope)
            case exp.Filter():
                self._condition(node.expression.this, scope)
                return self.value(node.this, scope)
            case exp.Window():
                return self._window(node, scope)
            case exp.Array():
                kinds = [self.value(item, scope) for item in node.expressions]
                return array_of(self._alike(node, kinds))
            case exp.Lambda():
                return UNKNOWN  # read with the array that it is applied to
            case exp.Anonymous():
                return self._own(node, scope)
            case exp.In():
                return self._in(node, scope)
            case exp.Between():
                self._comparable(node, [node.this, node.args["low"], node.args["high"]], scope)
                return BOOLEAN
            case exp.Is():
                self.value(node.this, scope)
                return BOOLEAN
            case exp.Escape():
                return self.value(node.this, scope)
            case exp.DPipe():
                return self._pipe(node, scope)
            case exp.Like():
                self._takes(node, node.this, frozenset({VARCHAR}), scope)
                self._takes(node, node.expression, frozenset({VARCHAR}), scope)
                return BOOLEAN
            case exp.Predicate() if isinstance(node, exp.Binary) and type(node) not in FUNCTIONS:
                self._comparable(node, [node.left, node.right], scope)
                return BOOLEAN
            case exp.Neg():
                return self._takes(node, node.this, NUMBER, scope)
            case exp.Binary() if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)):
                return self._arithmetic(node, scope)
        signature = FUNCTIONS.get(type(node))
        if signature is not None:
            return self._call(node, signature, scope)
        for child in node.iter_expressions():
            self.value(child, scope)
        return UNKNOWN

    def _inner(self, node: exp.Expr, scope: _Scope) -> Kind:
        parts = [*node.expressions, node.this] if node.this else node.expressions
        kinds = [self.value(part, scope) for part in parts if isinstance(part, exp.Expr)]
        return kinds[-1] if kinds else UNKNOWN

    def _column(self, node: exp.Column, scope: _Scope | None) -> Kind:
        name, table = node.name.lower(), node.table.lower()
        here = scope
        while here is not None:
            if not table and name in here.lambdas:
                return here.lambdas[name]
            if not table and name in here.outputs:
                return here.outputs[name]
            if table in here.sources:
                columns = here.sources[table]
                if columns is not None and name not in columns:
                    break
                return UNKNOWN if columns is None else columns[name]
            if not table:
                for columns in here.sources.values():
                    if columns is not None and name in columns:
                        return columns[name]
                if None in here.sources.values():
                    return UNKNOWN
            here = here.outer
        if not isinstance(node.this, exp.Star):
            self._kinds.has_unknown_names = True
            self._say(f"{node.sql('athena')}: {_missing(name, table, scope)}")
        return UNKNOWN

    def _alike(self, node: exp.Expr, kinds: Iterable[Kind]) -> Kind:
        kinds = list(kinds)
        kind = common(kinds)
        if kind is None:
            shown = " and ".join(sorted({k for k in kinds if k != NULL}))
            self._say(f"{start(node)}: {shown} do not go together: cast one of them")
        return kind or UNKNOWN

    def _comparable(self, node: exp.Expr, parts: Iterable[exp.Expr], scope: _Scope) -> None:
        kinds = [self.value(part, scope) for part in parts]
        if JSON in kinds:
            self._say(f"{start(node)}: JSON values are compared differently: json_text(…)")
        self._alike(node, kinds)

    def _takes(
        self, node: exp.Expr, part: exp.Expr, wanted: frozenset[Kind], scope: _Scope
    ) -> Kind:
        kind = self.value(part, scope)
        if not fits(kind, wanted):
            self._say(f"{start(node)}: takes {_listed(wanted)}, and {start(part)} is {kind}")
        return kind

    def _arithmetic(self, node: exp.Binary, scope: _Scope) -> Kind:
        kinds = [self.value(side, scope) for side in (node.left, node.right)]
        if any(kind in TIME for kind in kinds):
            self._say(
                f"{start(node)}: the engines count differently with dates and times: "
                "date_add('day', n, d), date_diff('day' or 'millisecond', a, b)"
            )
            return UNKNOWN
        if not all(fits(kind, NUMBER) for kind in kinds):
            self._say(f"{start(node)}: takes numbers, and these are {' and '.join(kinds)}")
        return common(kinds) or UNKNOWN

    def _pipe(self, node: exp.DPipe, scope: _Scope) -> Kind:
        kinds = [self.value(side, scope) for side in (node.left, node.right)]
        for side, kind in zip((node.left, node.right), kinds, strict=True):
            if not fits(kind, frozenset({VARCHAR})):
                self._say(f"{start(node)}: takes varchar, and {start(side)} is {kind}: cast it")
        return VARCHAR

    def _case(self, node: exp.Case, scope: _Scope) -> Kind:
        results = []
        compared = [self.value(node.this, scope)] if node.this else []
        for branch in node.args["ifs"]:
            if node.this:
                compared.append(self.value(branch.this, scope))
            else:
                self._condition(branch.this, scope)
            results.append(self.value(branch.args["true"], scope))
        if node.args.get("default") is not None:
            results.append(self.value(node.args["default"], scope))
        self._alike(node, compared)
        return self._alike(node, results)

    def _in(self, node: exp.In, scope: _Scope) -> Kind:
        query = node.args.get("query")
        if query is not None:
            kinds = [self.value(node.this, scope), self.value(query, scope)]
            self._alike(node, kinds)
        else:
            self._comparable(node, [node.this, *node.expressions], scope)
        return BOOLEAN

    def _window(self, node: exp.Window, scope: _Scope) -> Kind:
        for part in node.args.get("partition_by") or ():
            self.value(part, scope)
        order = node.args.get("order")
        for part in order.expressions if order else ():
            self.value(part.this, scope)
        return self.value(node.this, scope)

    def _own(self, node: exp.Anonymous, scope: _Scope) -> Kind:
        kinds = [self.value(item, scope) for item in node.expressions]
        name = node.name.lower()
        if name not in OWN:
            return UNKNOWN
        wanted, result = OWN[name]
        if len(wanted) != len(kinds):
            self._say(f"{start(node)}: {name}() takes {len(wanted)} of them, not {len(kinds)}")
        for item, kind, some in zip(node.expressions, kinds, wanted, strict=False):
            if not fits(kind, some):
                self._say(f"{name}() takes {_listed(some)}, and {start(item)} is {kind}")
        return result

    def _call(self, node: exp.Expr, signature: Signature, scope: _Scope) -> Kind:
        kinds: dict[str, list[Kind]] = {}
        parts: dict[str, list[exp.Expr]] = {}
        for key, given in node.args.items():
            items = given if isinstance(given, list) else [given]
            parts[key] = [item for item in items if isinstance(item, exp.Expr)]
            if signature.arguments.get(key) is not None:
                kinds[key] = [
                    UNKNOWN if isinstance(item, exp.Star) else self.value(item, scope)
                    for item in parts[key]
                ]
        function = node.args.get("expression")
        if isinstance(function, exp.Lambda):
            kinds["expression"] = [self._applied(function, kinds["this"][0], scope)]
        for key, found in kinds.items():
            wanted = signature.arguments.get(key)
            for part, kind in zip(parts[key], found, strict=True):
                if wanted is not None and not fits(kind, wanted):
                    hint = _HINTS.get((signature.name, kind), "")
                    self._say(
                        f"{signature.name}() takes {_listed(wanted)}, "
                        f"and {start(part)} is {kind}{hint}"
                    )
        return self._result(node, signature, kinds)

    def _applied(self, function: exp.Lambda, array: Kind, scope: _Scope) -> Kind:
        names = {item.name.lower(): item_of(array) for item in function.expressions}
        inner = _Scope({}, scope.ctes, scope, lambdas=names)
        return self.value(function.this, inner)

    def _result(
        self, node: exp.Expr, signature: Signature, kinds: Mapping[str, list[Kind]]
    ) -> Kind:
        how, _, keys = signature.result.partition("=")
        if keys:
            return self._alike(node, [k for key in keys.split(",") for k in kinds.get(key, ())])
        how, _, key = signature.result.partition(":")
        found = (kinds.get(key) or [UNKNOWN])[0]
        if key:
            return array_of(found) if how == "array" else item_of(found)
        return signature.result


_HINTS = {
    ("sum", DOUBLE): ": sums of doubles vary from run to run: sum decimals, "
    "cast(double_text(x) as decimal(18, 6))",
    ("array_join", "array(double)"): ": double_text(x) of each",
    ("hour", DATE): ": a date has none",
    ("minute", DATE): ": a date has none",
    ("second", DATE): ": a date has none",
}


def _missing(name: str, table: str, scope: _Scope | None) -> str:
    """Why a column is not there, with the nearest of those that are."""
    sources: dict[str, Columns | None] = {}
    here = scope
    while here is not None:
        sources = {**here.sources, **sources}
        here = here.outer
    if table and table not in sources:
        return f"nothing is called '{table}' here{_near(table, sources)}"
    known = sources[table] or {} if table else {c for s in sources.values() for c in s or ()}
    near = _near(name, known)
    if not near and scope is not None and not table:
        near = " (a name that the same select gives cannot be used in it)"
    return f"there is no such column here{near}"


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def fits(kind: Kind, wanted: frozenset[Kind]) -> bool:
    """Whether a value of this kind may stand where those are wanted."""
    return (
        kind in (NULL, UNKNOWN)
        or kind in wanted
        or (kind.startswith("array(") and ("array" in wanted and JSON not in kind))
        or (kind == "array(null)" and any(k.startswith("array") for k in wanted))
    )


def _listed(kinds: frozenset[Kind]) -> str:
    return " or ".join(sorted(kinds))


def _renamed(columns: Columns, alias: exp.Expr | None) -> Columns:
    names = [item.name.lower() for item in alias.args.get("columns") or ()] if alias else []
    kept = list(columns.items())
    return {
        (names[place] if place < len(names) else name): kind
        for place, (name, kind) in enumerate(kept)
    }
