"""A model's checks as dbt's tests: generic ones where a check has their form, else a query each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from engagement.dbt.text import AS_OF, Writer, escaped
from engagement.errors import FailedError
from engagement.models.definition import Model
from engagement.models.provenance import MARTS
from engagement.sql.dialect import Table


@dataclass
class Tests:
    """The tests of one table.

    Attributes
    ----------
    of_table, of_columns
        As ``schema.yml`` lists them.
    queries
        Tests that are a file each: its name, without ``.sql``, and its text.
    asked
        The same tests' queries as trees.
    refused
        Checks without a form on the target, each with the reason.
    """

    of_table: list[dict[str, Any]] = field(default_factory=list)
    of_columns: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)
    asked: dict[str, exp.Query] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many there are."""
        columns = sum(len(tests) for tests in self.of_columns.values())
        return len(self.of_table) + columns + len(self.queries)


def tests_of(model: Model, writer: Writer) -> Tests:
    """The tests that say what a model's key and checks say."""
    found = Tests()
    names = _Names(model.name)
    key = model.document.key
    if len(key) == 1:
        _column(found, key[0], {"unique": {"name": names.of("the key is unique")}})
    else:
        test = {"name": names.of("the key is unique"), "arguments": {"columns": list(key)}}
        found.of_table.append({"unique_key": test})
    for column in key:
        _column(found, column, {"not_null": {"name": names.of(f"{column} is never null")}})
    for title in model.document.checks:
        name = names.of(title)
        try:
            _check(found, model, title, name, writer)
        except FailedError as error:
            found.refused[name] = str(error)
    return found


def _column(found: Tests, column: str, test: dict[str, Any]) -> None:
    found.of_columns.setdefault(column, []).append(test)


class _Names:
    """Names of tests, each once in the project."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._taken: set[str] = set()

    def of(self, title: str) -> str:
        words = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
        name, n = f"{self._model}__{words}", 1
        while name in self._taken:
            n += 1
            name = f"{self._model}__{words}_{n}"
        self._taken.add(name)
        return name


def _check(found: Tests, model: Model, title: str, name: str, writer: Writer) -> None:
    query = model.checks[title]
    condition = _condition(model, query)
    if condition is not None:
        accepted = _accepted(condition)
        if accepted is not None:
            column, values = accepted
            arguments: dict[str, Any] = {"values": values}
            test = {"name": name, "description": escaped(title), "arguments": arguments}
            _column(found, column, {"accepted_values": test})
            return
        text = writer.condition(condition)
        if "{{" not in text and "{%" not in text:
            test = {
                "name": name,
                "description": escaped(title),
                "arguments": {"condition": text},
            }
            found.of_table.append({"never": test})
            return
    found.asked[name] = query
    found.queries[name] = f"-- {title}\n{writer.query(query)}\n"


def _condition(model: Model, query: exp.Query) -> exp.Expr | None:
    """What no row of the model may be; ``None`` where the check is more than that."""
    if not isinstance(query, exp.Select):
        return None
    parts = {key for key, value in query.args.items() if value}
    start, where = query.args.get("from_"), query.args.get("where")
    if not parts <= {"expressions", "from_", "where"} or start is None or where is None:
        return None
    table = start.this
    if not isinstance(table, exp.Table) or Table(table.db, table.name) != Table(MARTS, model.name):
        return None
    if any(True for _ in where.find_all(exp.Query, exp.AggFunc, exp.Window)):
        return None
    if any(str(mark.this) in AS_OF for mark in where.find_all(exp.Placeholder)):
        return None
    condition: exp.Expr = where.this.copy()
    for column in condition.find_all(exp.Column):
        column.set("table", None)
    return condition


def _accepted(condition: exp.Expr) -> tuple[str, list[str]] | None:
    """A column and its values, where a condition is that it has another one."""
    if not isinstance(condition, exp.Not) or not isinstance(condition.this, exp.In):
        return None
    within = condition.this
    values = within.expressions
    is_plain = isinstance(within.this, exp.Column) and all(
        isinstance(value, exp.Literal) and value.is_string for value in values
    )
    if not values or not is_plain:
        return None
    return within.this.name, [value.name for value in values]


def columns_yaml(
    columns: Mapping[str, tuple[str, str]], tests: Mapping[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Columns as ``schema.yml`` lists them: each one's type, description and tests."""
    made = []
    for name, (kind, description) in columns.items():
        entry: dict[str, Any] = {"name": name, "data_type": kind}
        if description:
            entry["description"] = escaped(description)
        if tests.get(name):
            entry["data_tests"] = tests[name]
        made.append(entry)
    return made
