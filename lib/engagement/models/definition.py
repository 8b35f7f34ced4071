"""What a model is, in its files: a query and a YAML, read, checked and put in order.

A model is one query in one file, ``sql/<layer>/<name>.sql``, with a YAML of the same name beside it
that documents every column and lists its checks. Where SQL cannot do it, the YAML names a Python
function instead (``python``), the queries whose rows it gets, and how many rows these may have
(docs/decisions/0018): what the function returns takes the place of the query's result, and nothing
else is different.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlglot import exp

from engagement.errors import FailedError
from engagement.messages import explained, nearest, unknown_key
from engagement.models import inputs
from engagement.models.folders import Layer, layer_of
from engagement.models.folders import layers as every_layer
from engagement.models.inputs import SEEDS, SOURCES
from engagement.models.provenance import MARTS
from engagement.settings import SettingsError, read_yaml
from engagement.sql.dialect import WORK, Table, check, columns, parse, tables
from engagement.warehouse.frames import arrow_type


class ModelError(FailedError):
    """Models that cannot be built as asked, or whose checks found offending rows."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnDocument(_Document):
    """What a column holds. ``unit`` where it is a measure."""

    type: str
    description: str
    unit: str | None = None


class Loop(_Document):
    """A working table that is made again and again until nothing in it changes.

    ``work.<table>`` starts as ``seed``, becomes ``step`` (which reads it), and is done when
    ``changed``, which reads it and ``work.<table>_next``, returns no row. Files beside the model.
    """

    table: str
    seed: str
    step: str
    changed: str


class PythonFunction(_Document):
    """A function that makes a model's rows, and what it is given.

    It is called with one frame per query of ``inputs``, by name, and the ``parameters`` of models
    that are named here, and returns a frame with the documented columns. An input is a query, or
    the name of a file beside the YAML; its rows come in no order, and are at most ``most_rows``.
    The model is built anew when the text of the function's module changes, that of one of
    ``modules``, or the version of one of ``packages``.
    """

    function: str = Field(pattern=r"^[a-z_0-9.]+:[a-z_0-9]+$")
    inputs: dict[str, str] = Field(min_length=1)
    most_rows: int = Field(gt=0)
    parameters: list[str] = []
    modules: list[str] = []
    packages: list[str] = []

    @field_validator("parameters")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in inputs.PARAMETERS:
                raise ValueError(
                    f"there is no parameter '{name}'{nearest(name, inputs.PARAMETERS)}"
                )
        return names


class ModelDocument(_Document):
    """A model's YAML."""

    description: str
    grain: str
    key: list[str] = Field(min_length=1)
    columns: dict[str, ColumnDocument]
    checks: dict[str, str] = {}
    loop: Loop | None = None
    python: PythonFunction | None = None


@dataclass(frozen=True)
class Model:
    """A model as it stands in its files.

    ``inputs`` are the queries that its Python function is given the rows of: ``query``, and ``sql``
    as its text, are the first of them. A model of SQL alone has none.
    """

    name: str
    layer: str
    sql: str
    query: exp.Query
    document: ModelDocument
    loop: dict[str, exp.Query]
    checks: dict[str, exp.Query]
    inputs: dict[str, exp.Query]

    @property
    def queries(self) -> list[exp.Query]:
        """Every query that its rows come from."""
        return [*(self.inputs.values() or [self.query]), *self.loop.values()]

    @property
    def table(self) -> Table:
        """The table it publishes."""
        return Table(MARTS, self.name)

    @cached_property
    def needs(self) -> frozenset[str]:
        """Names of the models that it or one of its checks reads: they are built before it."""
        queries = [*self.queries, *self.checks.values()]
        read = {t.name for query in queries for t in tables(query) if t.database == MARTS}
        return frozenset(read - {self.name})


def models(layers: Sequence[str] | None = None) -> dict[str, Model]:
    """The models of some layers, or of all, by name.

    Raises
    ------
    ModelError
        When a file cannot be used: which one, and why.
    """
    found: dict[str, Model] = {}
    for layer in every_layer():
        if layers is not None and layer.name not in layers:
            continue
        for model in _layer(layer.name):
            if model.name in found:
                raise ModelError(f"{model.name} is in two layers")
            found[model.name] = model
    return found


def model(name: str) -> Model:
    """One model, without reading the others.

    Raises
    ------
    ModelError
        When there is none of this name.
    """
    known = [(layer, file) for layer in every_layer() for file in layer.files()]
    for layer, file in known:
        if file == f"{name}.yml":
            return _read(layer, name)
    names = {file.removesuffix(".yml") for _, file in known if file.endswith(".yml")}
    raise ModelError(f"there is no model '{name}'{nearest(name, names)}")


@cache
def _layer(name_of_layer: str) -> tuple[Model, ...]:
    folder = layer_of(name_of_layer)
    files = folder.files()
    names = [file.removesuffix(".yml") for file in files if file.endswith(".yml")]
    used = {f"{name}.sql" for name in names}
    for document in (_document(name_of_layer, name) for name in names):
        loop, python = document.loop, document.python
        used |= {loop.seed, loop.step, loop.changed} if loop else set()
        used |= set(python.inputs.values()) if python else set()
    for file in files:
        if file.endswith(".sql") and file not in used:
            stem = file.removesuffix(".sql")
            raise ModelError(
                f"{name_of_layer}/{file}: its YAML is missing; 'engagement build {stem}' shows "
                "what to write"
            )
    return tuple(_read(folder, name) for name in names)


def _read(layer: Layer, name: str) -> Model:
    source = f"{layer.name}/{name}.yml"
    document = _document(layer.name, name)
    strange = [column for column in document.key if column not in document.columns]
    if strange:
        raise ModelError(
            f"{source}: the key names {strange[0]}, which is no documented column"
            f"{nearest(strange[0], document.columns)}"
        )
    checks = {
        check_name: _query(check_sql, f"{source}, check '{check_name}'")
        for check_name, check_sql in {**_key_checks(name, document.key), **document.checks}.items()
    }
    loop: dict[str, exp.Query] = {}
    work: dict[str, dict[str, str]] = {}
    if document.loop:
        for part in ("seed", "step", "changed"):
            file = getattr(document.loop, part)
            loop[part] = _query(_read_sql(layer, file), f"{layer.name}/{file}", work)
            if part == "seed":
                made = columns(loop[part], _columns(loop[part], work), inputs.PARAMETERS)
                for table in (document.loop.table, f"{document.loop.table}_next"):
                    work[str(Table(WORK, table))] = made
    if not document.python:
        sql = _read_sql(layer, f"{name}.sql")
        query = _query(sql, f"{layer.name}/{name}.sql", work)
        return Model(name, layer.name, sql, query, document, loop, checks, {})
    if document.loop:
        raise ModelError(f"{source}: a Python model has no loop")
    for column, item in document.columns.items():
        if arrow_type(item.type) is None:
            raise ModelError(f"{source}: {column}: a Python model has no columns of {item.type}")
    sqls, queries = {}, {}
    for input_, text in document.python.inputs.items():
        is_file = text.endswith(".sql")
        sqls[input_] = _read_sql(layer, text) if is_file else text
        where = f"{layer.name}/{text}" if is_file else f"{source}, input '{input_}'"
        queries[input_] = _query(sqls[input_], where)
    first = next(iter(queries))
    return Model(name, layer.name, sqls[first], queries[first], document, loop, checks, queries)


@cache
def _document(layer: str, name: str) -> ModelDocument:
    source = f"{layer}/{name}.yml"
    with resources.as_file(layer_of(layer) / f"{name}.yml") as path:
        try:
            return ModelDocument.model_validate(read_yaml(Path(path)))
        except ValidationError as error:
            raise ModelError(_listed(source, document_problems(error))) from None
        except SettingsError as error:
            raise ModelError(f"{source}: {error.problems[0]}") from None


def _listed(source: str, problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return f"{source}: {problems[0]}"
    return f"{source}:\n" + "\n".join(f"  - {problem}" for problem in problems)


def document_problems(error: ValidationError) -> list[str]:
    """What is wrong with a model's YAML, a sentence per mistake."""
    return list(explained(error, _unknown_key, {"python.function": "package.module:function"}))


_SECTIONS: dict[str, type[_Document]] = {
    "columns": ColumnDocument,
    "loop": Loop,
    "python": PythonFunction,
}


def _unknown_key(key: str) -> str:
    section: type[_Document] | None = None
    if "." in key:
        section = _SECTIONS.get(key.partition(".")[0])
    before, dot, last = key.rpartition(".")
    said = unknown_key(last, (section or ModelDocument).model_fields)
    return f"{before}{dot}{said}"


def _read_sql(layer: Layer, name: str) -> str:
    try:
        return (layer / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelError(f"{layer.name}/{name}: there is no such file") from None


def _query(sql: str, source: str, work: Mapping[str, Mapping[str, str]] | None = None) -> exp.Query:
    query = parse(sql, source=source)
    check(query, source=source, tables=_columns(query, work or {}), parameters=inputs.PARAMETERS)
    return query


def _columns(
    query: exp.Query, work: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    """Types of the columns of what a query reads; without what there is no word of."""
    found = dict(work)
    for table in tables(query):
        known = (
            inputs.columns(table)
            if table.database in (SOURCES, SEEDS)
            else documented(table.name)
            if table.database == MARTS
            else None
        )
        if known is not None:
            found[str(table)] = known
    return found


def documented(name: str) -> dict[str, str] | None:
    """Types of a model's columns, in whichever layer it is."""
    for layer in every_layer():
        if (layer / f"{name}.yml").is_file():
            document = _document(layer.name, name)
            return {column: item.type for column, item in document.columns.items()}
    return None


def in_order(chosen: Iterable[Model]) -> list[Model]:
    """Sort models so that each comes after what it reads.

    Raises
    ------
    ModelError
        When models depend on each other in a circle.
    """
    by_name = {model.name: model for model in chosen}
    graph = {name: sorted(m.needs & by_name.keys()) for name, m in sorted(by_name.items())}
    try:
        return [by_name[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise ModelError(f"models depend on each other: {' -> '.join(error.args[1])}") from None


def external_inputs(model: Model) -> set[Table]:
    """What a model reads besides models: sources, seeds and tables of the landing."""
    read = {table for query in model.queries for table in tables(query)}
    return {t for t in read if t.database in (SOURCES, SEEDS, "landing", "events")}


def _key_checks(name: str, key: Sequence[str]) -> dict[str, str]:
    names = ", ".join(f'"{column}"' for column in key)
    null = " or ".join(f'"{column}" is null' for column in key)
    table = Table(MARTS, name)
    return {
        "the key is unique": f"select {names}, count(*) as copies from {table} "
        f"group by {names} having count(*) > 1",
        "the key is never null": f"select {names} from {table} where {null}",
    }
