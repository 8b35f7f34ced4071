"""Trees of the dialect as SQL of a dbt project: tables are references, the day a variable."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlglot import exp

from engagement.dbt.targets import Target
from engagement.models.inputs import SEEDS, SOURCES, with_own_members
from engagement.models.inputs import columns as columns_of
from engagement.models.provenance import MARTS
from engagement.settings import Settings
from engagement.sql.dialect import WORK, Table, bind, typed

STAGED = "stg_"
"""How the model that stands for a source begins."""

PYTHON = "python_models"
"""The name, as a source of dbt's, of the tables that ``engagement build`` fills."""

AS_OF = {
    "as_of": "date",
    "as_of_end": "timestamp(3)",
    "seen_before": "timestamp(3)",
    "last_whole_day": "date",
}
"""Parameters that hang on the as-of day: each is a macro of the project."""

_REF, _PYTHON, _NODES = "__ref__", "__python__", "__nodes__"
_MARKS = re.compile(r'"__(ref|python|nodes)__"\."([a-z0-9_]+)"')
_DAYS = re.compile(rf"'__({'|'.join(AS_OF)})__'")
_COMMENTS = re.compile(r"(?m)^( *)/\* (.*) \*/$")
_TAGS = re.compile(r"\{\{|\{%|\{#")


def quoted(value: str) -> str:
    """A text as Jinja reads it within a tag."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def escaped(text: str) -> str:
    """A text that Jinja leaves as it is."""
    return _TAGS.sub(lambda found: "{{ '" + found[0] + "' }}", text)


class Writer:
    """Writes the queries of one export.

    Parameters
    ----------
    values
        The parameters of models; those of :data:`AS_OF` are not looked at.
    python
        Names of the models that are Python functions.
    marts
        Names and Athena types of the columns of every model.
    """

    def __init__(
        self,
        target: Target,
        settings: Settings,
        values: Mapping[str, Any],
        python: Collection[str],
        marts: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.target = target
        self._settings = settings
        self._values = values
        self._python = frozenset(python)
        self._marts = marts

    def query(self, query: exp.Query, columns: Mapping[str, str] | None = None) -> str:
        """A query's text; with ``columns``, in their order and with their types."""
        tree = self._prepared(query)
        if columns is not None:
            tree = self._as_documented(tree, columns)
        return self._finished(self.target.write(tree))

    def condition(self, condition: exp.Expr) -> str:
        """The text of a condition alone, on one line."""
        tree = self._prepared(exp.Select(expressions=[condition.copy()]))
        text = self._finished(self.target.write(tree))
        return " ".join(re.sub(r"(?i)^\s*select\s+", "", text).split())

    def expression(self, expression: exp.Expr) -> str:
        """The text of an expression that stands within a tag of Jinja, on one line."""
        text = self.target.write(exp.Select(expressions=[expression.copy()]))
        text = re.sub(r"(?i)^\s*select\s+", "", text)
        return self._with_schema(" ".join(text.split()), "__functions__.")

    def _prepared(self, query: exp.Query) -> exp.Query:
        tree = query.copy()
        for node in list(tree.find_all(exp.Table)):
            self._refer(node)
        tree = with_own_members(tree, self._settings)
        for mark in list(tree.find_all(exp.Placeholder)):
            name = str(mark.this)
            if name in AS_OF:
                mark.replace(typed(exp.Literal.string(f"__{name}__"), AS_OF[name]))
        tree = bind(tree, self._values, copy=False)
        with_types = self.target.with_types
        return with_types(tree, self._columns) if with_types else tree

    def _columns(self, table: Table) -> Mapping[str, str]:
        """Columns of a table that a tree refers to; none where they are not known."""
        if table.database not in (_REF, _PYTHON):
            return {}
        if table.name in self._marts:
            return self._marts[table.name]
        is_source = table.name.startswith(STAGED)
        place = Table(SOURCES, table.name.removeprefix(STAGED)) if is_source else None
        return columns_of(place or Table(SEEDS, table.name)) or {}

    def _refer(self, node: exp.Table) -> None:
        name, place = node.name, node.db
        if place in (SOURCES, SEEDS, WORK) and not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
        marks = {SOURCES: _REF, SEEDS: _REF, MARTS: _REF, WORK: _NODES}
        if place not in marks:
            return
        mark = marks[place]
        if place == SOURCES:
            name = f"{STAGED}{name}"
        elif place == MARTS and name in self._python:
            mark = _PYTHON
        node.set("db", exp.to_identifier(mark, quoted=True))
        node.set("this", exp.to_identifier(name, quoted=True))

    def _as_documented(self, query: exp.Query, columns: Mapping[str, str]) -> exp.Query:
        chosen: list[exp.Expr] = []
        for name, kind in columns.items():
            column: exp.Expr = exp.column(name, quoted=True)
            if kind.startswith(self.target.cast):
                column = exp.alias_(typed(column, kind), name, quoted=True)
            chosen.append(column)
        is_plain = all(isinstance(one, exp.Column) for one in chosen)
        if is_plain and query.named_selects == list(columns):
            return query
        with_ = query.args.get("with_")
        query.set("with_", None)
        taken = {one.alias for one in with_.expressions} if with_ else set()
        name = "final" if "final" not in taken else "documented"
        made = exp.Select(expressions=chosen).from_(exp.to_identifier(name), copy=False)
        last = exp.CTE(this=query, alias=exp.TableAlias(this=exp.to_identifier(name)))
        ctes: Sequence[exp.Expr] = [*(with_.expressions if with_ else ()), last]
        made.set("with_", exp.With(expressions=ctes))
        return made

    def _finished(self, text: str) -> str:
        text = _COMMENTS.sub(r"\1-- \2", text)
        text = self._with_schema(escaped(text), "{{ functions_schema() }}.")
        text = _DAYS.sub(r"'{{ \1() }}'", text)
        return _MARKS.sub(_reference, text)

    def _with_schema(self, text: str, schema: str) -> str:
        if not self.target.functions:
            return text
        names = "|".join(self.target.functions)
        return re.sub(rf"(?i)(?<![\w.\"])({names})\(", lambda m: f"{schema}{m[1].lower()}(", text)


def _reference(found: re.Match[str]) -> str:
    kind, name = found[1], found[2]
    if kind == "ref":
        return "{{ ref('" + name + "') }}"
    if kind == "python":
        return "{{ source('" + PYTHON + "', '" + name + "') }}"
    return "{{ " + ("following" if name.endswith("_next") else "nodes") + " }}"
