"""One SQL text for every engine: Athena's dialect, rendered for the engine in use.

Models are written in Athena's (Trino's) SQL. ``sqlglot`` parses them once into a tree; this module
checks the tree and fills in parameters as nodes (never as text); :mod:`.rendering` points the
logical databases at physical ones and writes the tree as an engine reads it.

What a tree may be made of is listed in :mod:`.allowed`; where the engines differ in silence there
is one portable way to write a thing, and :mod:`.portability` refuses the others with a sentence
that names it. A few functions that are not SQL at all, such as ``parse_timestamp``, are the
project's own: :mod:`.functions` says what each gives, and each engine defines them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from engagement.errors import WrongInputError
from engagement.sql import confined, portability, types

Q = TypeVar("Q", bound=exp.Expr)

LOGICAL = ("landing", "events", "marts")
"""The logical databases of every SQL text; ``work`` holds what one session alone can see."""

WORK = "work"


class DialectError(WrongInputError):
    """A SQL text that cannot be used, with where and what to write instead."""


@dataclass(frozen=True, order=True)
class Table:
    """A table's logical name, such as ``marts.sessions``."""

    database: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Table:
        """Read ``database.name``."""
        database, dot, name = text.partition(".")
        if not dot or not database or not name:
            raise DialectError(f"'{text}': write a table as database.name, such as marts.sessions")
        return cls(database, name)

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"

    def node(self) -> exp.Table:
        """As a node of a SQL tree, quoted: the name may come from data."""
        return exp.table_(self.name, db=self.database, quoted=True)


# --- reading ------------------------------------------------------------------------------------


def parse(sql: str, *, source: str = "SQL") -> exp.Query:
    """Parse one query in Athena's dialect.

    Raises
    ------
    DialectError
        When the text is no single query: a syntax error (with line and column), several
        statements, or a statement that would change something.
    """
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="athena") if tree is not None]
    except (ParseError, TokenError) as error:
        raise DialectError(f"{source}: {_syntax_error(error)}") from None
    if len(trees) != 1:
        raise DialectError(f"{source}: expected one query, got {len(trees)} statements")
    tree = trees[0]
    if not isinstance(tree, exp.Query):
        kind = tree.key.upper() if not isinstance(tree, exp.Command) else str(tree.this).upper()
        raise DialectError(f"{source}: only queries (SELECT, WITH) are accepted here, not {kind}")
    for node in tree.walk():
        # Where each name stood in the text: half of the time that copying a tree takes.
        node._meta = None
    return tree


def _syntax_error(error: ParseError | TokenError) -> str:
    if isinstance(error, ParseError) and error.errors:
        first = error.errors[0]
        near = f" near '{first['highlight']}'" if first.get("highlight") else ""
        what = _what_is_wrong(str(first.get("description", "")))
        return f"line {first.get('line')}, column {first.get('col')}{near}: {what}"
    # Compiled, sqlglot chains the first error as the context only.
    cause = str(error.__cause__ or error.__context__ or "")
    open_quote = re.fullmatch(r"Missing (\S+) from (\d+):(\d+)", cause)
    if open_quote:
        sign, line, column = open_quote.groups()
        return f"line {line}, column {column}: what begins here is not closed with {sign}"
    return "a quote or a comment is not closed"


def _what_is_wrong(description: str) -> str:
    """What the parser says, without the names of its classes."""
    incomplete = re.search(r"missing for <class '[\w.]*\.(\w+)'>", description)
    if incomplete:
        name = {"If": "when"}.get(incomplete[1], incomplete[1].lower())
        return f"the '{name}' is not complete"
    expected = re.match(r"Expect(?:ing|ed) (.+?)(?: but got .*)?$", description)
    if expected:
        return f"expected {expected[1].rstrip('.').replace('TYPE after CAST', 'a type')}"
    if "Unexpected token" in description:
        return "this cannot be here; is a comma or an operator missing before it?"
    return "this cannot be read"


def tables(query: exp.Expr) -> set[Table]:
    """Tables that a query reads: every ``database.name`` in it (common table expressions have
    no database).
    """
    return {Table(node.db, node.name) for node in query.find_all(exp.Table) if node.db}


def typed(value: exp.Expr, kind: str) -> exp.Cast:
    """A node as a type that is given by Athena's name of it; the node is not copied."""
    return exp.Cast(this=value, to=_data_type(kind).copy())


@cache
def _data_type(kind: str) -> exp.DataType:
    return exp.DataType.build(kind, dialect="athena")


def literal(value: Any) -> exp.Expr:
    """A value as a node: text, number, decimal, boolean, date, timestamp or NULL.

    Decimals have up to 28 digits before the point and 10 after it. Times without a zone are UTC.
    """
    match value:
        case None:
            return exp.null()
        case bool():
            return exp.true() if value else exp.false()
        case int():
            return exp.Literal.number(value)
        case float() if math.isfinite(value):
            return typed(exp.Literal.string(repr(value)), "double")
        case Decimal() if value.is_finite():
            return typed(exp.Literal.string(f"{value:f}"), "decimal(38, 10)")
        case datetime():
            utc = value.astimezone(UTC) if value.tzinfo else value
            text = utc.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
            return typed(exp.Literal.string(text), "timestamp(3)")
        case date():
            return typed(exp.Literal.string(value.isoformat()), "date")
        case str():
            return exp.Literal.string(value)
    raise TypeError(f"no SQL literal for {type(value).__name__} {value!r}")


def bind(query: Q, parameters: Mapping[str, Any], *, copy: bool = True) -> Q:
    """Fill in ``:name`` parameters as nodes; a tuple or list fills ``IN (:name)``.

    Parameters
    ----------
    copy
        Leave the tree that was given as it is; else it may be changed.

    Raises
    ------
    DialectError
        When the query uses a parameter that has no value.
    """
    bound = query.copy() if copy else query
    marks = list(bound.find_all(exp.Placeholder))
    missing = sorted({str(node.this) for node in marks} - parameters.keys())
    if missing:
        raise DialectError(f"no value for the parameter{'s' * (len(missing) > 1)} {missing}")
    for mark in marks:
        value = parameters[str(mark.this)]
        around = mark.parent
        if not isinstance(value, (tuple, list)):
            mark.replace(literal(value))
        elif isinstance(around, exp.In) and mark.arg_key == "expressions":
            items = [literal(item) for item in value] or [exp.null()]
            before = around.expressions
            at = next(i for i, item in enumerate(before) if item is mark)
            around.set("expressions", [*before[:at], *items, *before[at + 1 :]])
        else:
            raise DialectError(f"the parameter '{mark.this}' is a list: in (:{mark.this})")
    return bound


# --- what models may use ------------------------------------------------------------------------


def check(
    query: exp.Expr,
    *,
    source: str = "SQL",
    tables: Mapping[str, Mapping[str, str]] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> None:
    """Refuse what the engines would answer differently.

    Parameters
    ----------
    tables
        Types of the columns of every table that the query reads, by ``database.name``. Without
        them what only types can tell (the cast of a double, say) is let through.
    parameters
        Types of the ``:name`` parameters.

    Raises
    ------
    DialectError
        Naming everything that is not on the lists of :mod:`.allowed` or not written in the one way
        that is portable, with what to write instead.
    """
    problems = portability.problems(query, tables, parameters)
    if problems:
        raise DialectError(f"{source}: not portable\n" + "\n".join(f"  - {p}" for p in problems))


def confine(query: exp.Expr, *, source: str = "SQL") -> None:
    """Refuse what reaches beyond the warehouse's tables: files, addresses, settings.

    Raises
    ------
    DialectError
        Naming everything that is not on the lists of :mod:`.confined`.
    """
    found = confined.problems(query)
    if found:
        raise DialectError(
            f"{source}: {found[0]}"
            if len(found) == 1
            else f"{source}:\n" + "\n".join(f"  - {one}" for one in found)
        )


def columns(
    query: exp.Expr,
    tables: Mapping[str, Mapping[str, str]],
    parameters: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Kinds of the columns that a query gives, such as ``varchar`` or ``decimal``."""
    return types.read(query, tables, parameters).columns
