"""Models whose rows a Python function makes (docs/decisions/0018)."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlglot import exp

from engagement.models.definition import Model, ModelError
from engagement.models.inputs import expand
from engagement.settings import Settings
from engagement.warehouse.frames import arrow_type
from engagement.warehouse.protocol import Session

Rows = Callable[[Mapping[str, pd.DataFrame], Mapping[str, Any]], pd.DataFrame]
"""What the function of a Python model is."""


def decisive_texts(model: Model) -> Iterator[str]:
    """What decides what a model's function returns, besides what it is given."""
    python = model.document.python
    if python is None:
        return
    for module in (python.function.partition(":")[0], *python.modules):
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None or not found.origin:
            raise ModelError(f"{model.table}: there is no module {module}")
        yield Path(found.origin).read_text(encoding="utf-8")
    for package in python.packages:
        try:
            yield f"{package}=={metadata.version(package)}"
        except metadata.PackageNotFoundError:
            raise ModelError(
                f"{model.table}: the package {package} is missing: install the environment of "
                "requirements.lock"
            ) from None


def rows_of(session: Session, settings: Settings, model: Model, values: dict[str, Any]) -> pa.Table:
    """What a model's function makes of its inputs, with the documented columns and types."""
    python = model.document.python
    assert python is not None  # noqa: S101
    frames = {}
    for name, query in model.inputs.items():
        bounded = (
            exp.select("*")
            .from_(expand(query, session, settings).subquery("given", copy=False), copy=False)
            .limit(python.most_rows + 1, copy=False)
        )
        frames[name] = session.query(bounded, values, label=f"{model.name}: {name}")
        if len(frames[name]) > python.most_rows:
            raise ModelError(
                f"{model.table}: its input '{name}' has more than {python.most_rows:,} rows, which "
                f"{python.function} is not made for (most_rows in {model.layer}/{model.name}.yml)"
            )
    module, _, function = python.function.partition(":")
    rows: Rows | None = getattr(importlib.import_module(module), function, None)
    if rows is None:
        raise ModelError(f"{model.table}: {module} has no function {function}")
    try:
        made = rows(frames, {name: values[name] for name in python.parameters})
    except Exception as error:
        # Whatever a function raises stops this model and what reads it, as an engine's error does.
        what = f"{type(error).__name__}: {error}"
        raise ModelError(f"{model.table}: {python.function} failed: {what}") from error
    return _typed_rows(model, made)


def _typed_rows(model: Model, made: pd.DataFrame) -> pa.Table:
    wanted = {name: column.type for name, column in model.document.columns.items()}
    problems = strange_columns(wanted, [str(column) for column in made.columns])
    if problems:
        raise ModelError(f"{model.table}: {'; '.join(problems)}")
    made_of = {}
    for name, kind in wanted.items():
        try:
            made_of[name] = _cells(made[name], arrow_type(kind))
        except (pa.ArrowException, UnicodeError, OverflowError) as error:
            raise ModelError(
                f"{model.table}: the column {name} is documented as {kind}, and holds something "
                f"else: {error}"
            ) from None
    return pa.table(made_of)


def _cells(column: pd.Series, kind: pa.DataType) -> pa.Array:
    """A column as Arrow's type: nothing is cut off, rounded or written as a text."""
    if column.empty:
        return pa.array([], kind)
    if pa.types.is_integer(kind):
        # Asked for whole numbers at once, Arrow cuts off what Python's floats have beside them.
        return pa.array(column, from_pandas=True).cast(kind)
    if pa.types.is_decimal(kind):
        column = column.astype(object)  # with a message of its own for floats
    return pa.array(column, kind, from_pandas=True)


def strange_columns(wanted: Collection[str], found: Collection[str]) -> list[str]:
    """Columns that are documented and missing, or there and not documented, a sentence each."""
    return sorted(
        [
            *(f"column {name} is documented but missing" for name in set(wanted) - set(found)),
            *(f"column {name} is missing from the YAML" for name in set(found) - set(wanted)),
        ]
    )
