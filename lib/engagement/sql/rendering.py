"""Write a tree of the dialect as an engine reads it.

Each engine says what is its own in a :class:`Rendering`: its dialect of sqlglot, its definitions of
the project's own functions, and what sqlglot's writer leaves different. This module knows none of
them by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import sqlglot
from sqlglot import exp

from engagement.errors import FailedError
from engagement.sql.functions import FUNCTIONS

Q = TypeVar("Q", bound=exp.Expr)


@dataclass(frozen=True, eq=False)
class Rendering:
    """How an engine writes the dialect.

    Attributes
    ----------
    dialect
        The name of sqlglot's writer: ``duckdb``, ``athena``, ``postgres``.
    functions
        Definitions of :data:`~engagement.sql.functions.FUNCTIONS` in the engine's own words, by
        name; ``@1`` stands for the first argument.
    rewritten, rewrite
        Kinds of nodes that sqlglot's writer leaves different from Athena, and what stands for such
        a node; a node that is not to be changed is given back as it is.
    """

    dialect: str
    functions: Mapping[str, str]
    rewritten: tuple[type[exp.Expr], ...] = ()
    rewrite: Callable[[exp.Expr], exp.Expr] | None = None
    _bodies: dict[str, exp.Expr] = field(default_factory=dict, init=False, repr=False)

    def body(self, name: str) -> exp.Expr:
        """The definition of one of the project's functions, as a tree that nobody changes.

        Raises
        ------
        FailedError
            When this engine does not define it.
        """
        if name not in self._bodies:
            if name not in self.functions:
                raise FailedError(f"{name}() is not defined for {self.dialect}")
            self._bodies[name] = read_template(self.functions[name], self.dialect)
        return self._bodies[name]


def read_template(text: str, dialect: str) -> exp.Expr:
    """A text in which ``@1`` stands for the first argument, as a tree."""
    return sqlglot.parse_one(re.sub(r"@(\d)", r"__arg_\1", text), read=dialect)


def filled(template: exp.Expr, arguments: Sequence[exp.Expr]) -> exp.Expr:
    """A copy of a template with copies of the arguments in their places."""
    body = template.copy()
    for place in list(body.find_all(exp.Column)):
        if place.name.startswith("__arg_"):
            argument = exp.paren(arguments[int(place.name[-1]) - 1].copy(), copy=False)
            if place is body:
                body = argument
            else:
                place.replace(argument)
    return body


def _expand(tree: Q, rendering: Rendering) -> Q:
    """Put the definitions of the project's own functions in place of their calls."""
    calls = [node for node in tree.find_all(exp.Anonymous) if node.name.lower() in FUNCTIONS]
    # Inner calls first: they are found after the outer ones, and are arguments of these.
    for call in reversed(calls):
        body = filled(rendering.body(call.name.lower()), call.expressions)
        whole = exp.paren(body, copy=False)
        if call is tree:
            return cast(Q, whole)
        call.replace(whole)
    return tree


def render(
    query: exp.Expr,
    rendering: Rendering,
    databases: Mapping[str, str],
    *,
    pretty: bool = False,
    copy: bool = True,
) -> str:
    """Render a tree for an engine.

    Parameters
    ----------
    databases
        Physical name of each logical database.
    pretty
        For reading: one clause a line.
    copy
        Leave the tree that was given as it is; else it may be changed.
    """
    tree = query.copy() if copy else query
    for table in tree.find_all(exp.Table):
        if table.db in databases:
            table.set("db", exp.to_identifier(databases[table.db], quoted=True))
    if rendering.rewrite is not None:
        for node in reversed(list(tree.find_all(*rendering.rewritten))):
            written = rendering.rewrite(node)
            if node is tree:
                tree = written
            elif written is not node:
                node.replace(written)
    # Last, since their definitions are in the engine's own words already.
    tree = _expand(tree, rendering)
    return tree.sql(dialect=rendering.dialect, pretty=pretty, copy=False)
