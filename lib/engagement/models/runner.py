"""The small runner of models: what depends on what is read from the SQL itself.

A model is one query in one file, ``sql/<layer>/<name>.sql``, with a YAML of the same name beside it
that documents every column and lists its checks. Where SQL cannot do it, the YAML names a Python
function instead (``python``), the queries whose rows it gets, and how many rows these may have
(docs/decisions/0018): what the function returns takes the place of the query's result, and nothing
else is different. The runner builds models in order of dependency.
Each is first made as a working table and checked there: column names and types as documented, the
key unique and never NULL, and every check of the YAML, a query that returns offending rows. Only
then is it published. A failed check leaves the published table as it was and stops what depends on
it; everything else still runs.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlglot import exp

from engagement.as_of import AsOf
from engagement.errors import FailedError
from engagement.messages import counted, explained, nearest, unknown_key
from engagement.models import inputs, provenance
from engagement.models.inputs import SEEDS, SOURCES, InputError, expand, parameters
from engagement.models.provenance import MARTS
from engagement.privacy import masked
from engagement.settings import Settings, SettingsError, read_yaml
from engagement.sql.dialect import (
    LOGICAL,
    WORK,
    DialectError,
    Table,
    check,
    columns,
    parse,
    tables,
)
from engagement.warehouse.protocol import (
    LeaseHeldError,
    Session,
    Warehouse,
    WarehouseError,
    arrow_type,
)

_MOST_ROUNDS = 64
_SHOWN_ROWS = 5


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


Rows = Callable[[Mapping[str, pd.DataFrame], Mapping[str, Any]], pd.DataFrame]
"""What the function of a Python model is."""


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


@dataclass(frozen=True)
class Built:
    """How building a model ended.

    ``status`` is ``built``, ``unchanged`` (it was built from the same before), ``failed`` (a check
    found rows, or the query could not be run; ``problems`` says which) or ``skipped`` (something
    that it depends on failed).
    """

    model: str
    layer: str
    status: str
    rows: int = 0
    problems: tuple[str, ...] = ()


def models(layers: Sequence[str] | None = None) -> dict[str, Model]:
    """The models of some layers, or of all, by name.

    Raises
    ------
    ModelError
        When a file cannot be used: which one, and why.
    """
    names = sorted(item.name for item in _root().iterdir() if item.is_dir())
    found: dict[str, Model] = {}
    for layer in names:
        if layers is not None and layer not in layers:
            continue
        for model in _layer(layer):
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
    known = [(layer, item.name) for layer in layers() for item in layer.iterdir()]
    for layer, file in known:
        if file == f"{name}.yml":
            return _read(layer, name)
    names = {file.removesuffix(".yml") for _, file in known if file.endswith(".yml")}
    raise ModelError(f"there is no model '{name}'{nearest(name, names)}")


def layers() -> list[Traversable]:
    """The folders that models are in, by name."""
    return sorted((item for item in _root().iterdir() if item.is_dir()), key=lambda one: one.name)


def _root() -> Traversable:
    return resources.files("engagement.models") / "sql"


@cache
def _layer(name_of_layer: str) -> tuple[Model, ...]:
    folder = _root() / name_of_layer
    files = sorted(item.name for item in folder.iterdir())
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


def _read(layer: Traversable, name: str) -> Model:
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
    with resources.as_file(_root() / layer / f"{name}.yml") as path:
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


def _read_sql(layer: Traversable, name: str) -> str:
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
    for layer in _root().iterdir():
        if layer.is_dir() and (layer / f"{name}.yml").is_file():
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


def _in_steps(chosen: Sequence[Model]) -> Iterator[list[Model]]:
    """Models in groups: those of one read only what earlier groups made."""
    waiting = list(chosen)
    while waiting:
        names = {model.name for model in waiting}
        yield [model for model in waiting if not model.needs & names]
        waiting = [model for model in waiting if model.needs & names]


def build(
    warehouse: Warehouse,
    settings: Settings,
    as_of: AsOf | date,
    layers: Sequence[str],
    *,
    only: Sequence[str] | None = None,
    stale: Literal["refuse", "rebuild", "ignore"] | None = None,
) -> list[Built]:
    """Build, check and publish the models of some layers, or ``only`` some of those.

    What they read of other layers has to have been built with the same settings. ``stale`` says
    what to do where it was not (left out: what ``models.stale`` says).

    Returns
    -------
    list of Built
        One per model, in the order they were built.

    Raises
    ------
    ModelError
        When a check found offending rows or a query could not be run, after everything that does
        not depend on it was built; or, before anything is built, when a model is asked for that
        there is not, or one reads another that does not exist yet, or that was built with other
        settings.
    SettingsError
        When the team's own seeds cannot be used, before anything is built.
    """
    everything = models(layers)
    strange = sorted(set(only or ()) - everything.keys())
    if strange:
        raise ModelError(
            f"there is no model '{strange[0]}' in the layers {', '.join(layers)}"
            f"{nearest(strange[0], everything)}"
        )
    chosen = in_order(m for m in everything.values() if only is None or m.name in only)
    if not chosen:
        raise ModelError(f"there is no model in the layers {', '.join(layers)}")
    results = build_all(warehouse, settings, as_of, chosen, stale=stale)
    failed = [built for built in results if built.status == "failed"]
    if failed:
        raise ModelError(report(results))
    return results


def build_all(
    warehouse: Warehouse,
    settings: Settings,
    as_of: AsOf | date,
    chosen: list[Model],
    *,
    stale: Literal["refuse", "rebuild", "ignore"] | None = None,
) -> list[Built]:
    """Build models that are in order; those that fail are among the results.

    Raises
    ------
    ModelError, SettingsError
        Before anything is built, as :func:`build` does.
    """
    inputs.check_seeds(settings)
    results: list[Built] = []
    done: dict[str, str] = {}
    values = parameters(settings, as_of)
    with warehouse.session(write=True) as session:
        there = {*session.tables(MARTS), *(model.name for model in chosen)}
        for model in chosen:
            missing = sorted(model.needs - there)
            if missing:
                raise ModelError(
                    f"{model.table} reads {', '.join(f'marts.{name}' for name in missing)}, which "
                    "does not exist yet: run the earlier notebooks first"
                )
        chosen = _with_stale(session, settings, values, chosen, stale or settings.models.stale)

        def build_one(lane: int, model: Model) -> Built:
            del lane
            stopped = [name for name in sorted(model.needs) if done.get(name) in _STOPS]
            if stopped:
                problem = f"waits for {stopped[0]}"
                return Built(model.name, model.layer, "skipped", problems=(problem,))
            return _try_build(session, settings, model, values)

        for ready in _in_steps(chosen):
            built = session.each(build_one, ready)
            done.update((one.model, one.status) for one in built)
            results.extend(built)
    return results


def _with_stale(
    session: Session,
    settings: Settings,
    values: dict[str, Any],
    chosen: list[Model],
    stale: str,
) -> list[Model]:
    """The models to build, with those that were built with other settings if these may be."""
    own = {model.name for model in chosen}
    read = set().union(*(model.needs for model in chosen)) - own
    found = provenance.mismatches(session, settings, values, read) if stale != "ignore" else []
    if not found:
        return chosen
    if stale == "refuse":
        raise ModelError(_stale(found))
    return in_order([*chosen, *_with_needs(found, own)])


def _with_needs(found: Sequence[provenance.Mismatch], besides: Collection[str] = ()) -> list[Model]:
    """The models of mismatches, and all that these read, besides some."""
    everything = models()
    wanted, waiting = set[str](), {one.table.name for one in found}
    while waiting:
        wanted |= waiting
        waiting = set().union(*(everything[name].needs for name in waiting)) - wanted
    return [model for name, model in everything.items() if name in wanted - set(besides)]


def _stale(found: Sequence[provenance.Mismatch]) -> str:
    return (
        "What this reads was built with other parameters:\n"
        f"{provenance.explained(found)}\n"
        "Run the earlier notebooks with these parameters first ('engagement run' does), or let "
        "them be built again: models.stale: rebuild"
    )


def require(
    warehouse: Warehouse, settings: Settings, as_of: AsOf | date, names: Collection[str]
) -> None:
    """See to it that models' tables that are about to be read were built with these settings.

    Where they were not, they are built again if ``models.stale`` says so.

    Raises
    ------
    ModelError
        When they were not, and may not be; or when one of them does not exist.
    """
    values = parameters(settings, as_of)
    with warehouse.session() as session:
        missing = sorted(set(names) - set(session.tables(MARTS)))
        found = provenance.mismatches(session, settings, values, names)
    if missing:
        raise ModelError(
            f"{Table(MARTS, missing[0])} does not exist yet: run the earlier notebooks"
        )
    if found and settings.models.stale == "refuse":
        raise ModelError(_stale(found))
    if found:
        again = _with_needs(found)
        layers = sorted({model.layer for model in again})
        only = [model.name for model in again]
        build(warehouse, settings, as_of, layers, only=only, stale="ignore")


_STOPS = ("failed", "skipped")


def report(results: Sequence[Built]) -> str:
    """What failed, and what was not built because of it."""
    failed = [built for built in results if built.status == "failed"]
    models_failed = f"{len(failed)} of {counted(len(results), 'model')} failed"
    lines = [f"{models_failed} and {'was' if len(failed) == 1 else 'were'} not published:"]
    for built in failed:
        lines += [f"  - marts.{built.model}: {problem}" for problem in built.problems]
    skipped = [built.model for built in results if built.status == "skipped"]
    if skipped:
        lines.append(f"  Not built, because of what they read: {', '.join(skipped)}")
    return "\n".join(lines)


def _try_build(session: Session, settings: Settings, model: Model, values: dict[str, Any]) -> Built:
    try:
        return _build(session, settings, model, values)
    except LeaseHeldError:
        raise
    except (WarehouseError, DialectError, InputError, ModelError) as error:
        return Built(model.name, model.layer, "failed", problems=(str(error),))


def _build(session: Session, settings: Settings, model: Model, values: dict[str, Any]) -> Built:
    version = _version(session, settings, model, values)
    there = session.published(model.table) if version else None
    if there is not None and there.version == version:
        return Built(model.name, model.layer, "unchanged", there.rows)
    if model.document.loop:
        _run_loop(session, settings, model, values)
    work = f"candidate_{model.name}"
    if model.document.python:
        rows = _python_rows(session, settings, model, values)
        kinds = {name: column.type for name, column in model.document.columns.items()}
        candidate = session.rows(work, rows, kinds)
    else:
        candidate = session.work(work, expand(model.query, session, settings), values)
    problems = _wrong_columns(model, session.columns(candidate))
    if not problems:
        problems = _failed_checks(session, settings, model, candidate, values)
    if problems:
        return Built(model.name, model.layer, "failed", problems=tuple(problems))
    columns = [exp.column(name, quoted=True) for name in model.document.columns]
    published = session.publish(
        model.table, exp.select(*columns).from_(candidate.node()), version=version
    )
    session.forget(candidate)
    return Built(model.name, model.layer, "built", published.rows)


def _version(
    session: Session, settings: Settings, model: Model, values: dict[str, Any]
) -> str | None:
    """What a model's table depends on, as a short text: the same, and it need not be built again.

    That is its queries and checks as they stand, the text of its function and the versions of the
    packages that it names, the settings that these use, and the versions of what it reads; ``None``
    where some table that it reads has no version, because others made it.
    """
    queries = [*model.queries, *model.checks.values()]
    expanded = [expand(query, session, settings) for query in queries]
    read = {table for query in expanded for table in tables(query) if table.database in LOGICAL}
    versions: dict[str, str] = {}
    for table in sorted(read - {model.table}):
        there = session.published(table)
        if there is None and session.columns(table):
            return None
        versions[str(table)] = there.version if there else ""
    given = model.document.python.parameters if model.document.python else ()
    own = provenance.used(queries, expanded) | provenance.keys(given)
    now = provenance.current(settings, values)
    built_with = {key: now[key] for key in own}
    for text in versions.values():
        built_with = {**provenance.built_with(text), **built_with}
    decisive = [
        model.document.model_dump_json(),
        json.dumps({key: now[key] for key in sorted(own)}),
        json.dumps(versions),
        *(query.sql(dialect="athena", copy=False) for query in expanded),
        *(_python_text(model.document.python, model.table) if model.document.python else ()),
    ]
    digest = hashlib.sha256("\0".join(decisive).encode()).hexdigest()[:32]
    return provenance.version(digest, built_with)


def _python_text(python: PythonFunction, table: Table) -> Iterator[str]:
    """What decides what a function returns, besides what it is given."""
    for module in (python.function.partition(":")[0], *python.modules):
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None or not found.origin:
            raise ModelError(f"{table}: there is no module {module}")
        yield Path(found.origin).read_text(encoding="utf-8")
    for package in python.packages:
        try:
            yield f"{package}=={metadata.version(package)}"
        except metadata.PackageNotFoundError:
            raise ModelError(
                f"{table}: the package {package} is missing: install the environment of "
                "requirements.lock"
            ) from None


def _python_rows(
    session: Session, settings: Settings, model: Model, values: dict[str, Any]
) -> pa.Table:
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
    problems = _strange_columns(wanted, [str(column) for column in made.columns])
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


def _run_loop(session: Session, settings: Settings, model: Model, values: dict[str, Any]) -> None:
    loop = model.document.loop
    if loop is None:
        return
    parts = {name: expand(query, session, settings) for name, query in model.loop.items()}
    session.work(loop.table, parts["seed"], values)
    for _ in range(_MOST_ROUNDS):
        following = session.work(f"{loop.table}_next", parts["step"], values)
        settled = session.query(parts["changed"], values, label=f"{loop.table} changed").empty
        session.work(loop.table, exp.select("*").from_(following.node()))
        if settled:
            return
    raise ModelError(f"{model.table}: {loop.table} still changes after {_MOST_ROUNDS} rounds")


def _wrong_columns(model: Model, found: dict[str, str]) -> list[str]:
    wanted = {name: column.type for name, column in model.document.columns.items()}
    problems = _strange_columns(wanted, found)
    problems += [
        f"the column {name} is {_plain(found[name])}, documented as {kind}"
        for name, kind in wanted.items()
        if name in found and _plain(found[name]) != _plain(kind)
    ]
    return sorted(problems)


def _strange_columns(wanted: Collection[str], found: Collection[str]) -> list[str]:
    return sorted(
        [
            *(f"column {name} is documented but missing" for name in set(wanted) - set(found)),
            *(f"column {name} is missing from the YAML" for name in set(found) - set(wanted)),
        ]
    )


def _plain(kind: str) -> str:
    # DuckDB sums bigints to hugeint, which publishing narrows.
    return {"hugeint": "bigint"}.get(kind, kind.replace(" ", ""))


def _failed_checks(
    session: Session,
    settings: Settings,
    model: Model,
    candidate: Table,
    values: dict[str, Any],
) -> list[str]:
    asked = {
        name: _of_candidate(expand(query, session, settings), model, candidate)
        for name, query in model.checks.items()
    }
    # One statement asks all of them; only a check that found rows is run again, to show them.
    found = session.query(_which_find_rows(asked), values, label=f"{model.name}: checks")
    failed = set(found["found_rows"])
    problems = []
    for name in (name for name in asked if name in failed):
        few = asked[name].limit(_SHOWN_ROWS, copy=False)
        offending = session.query(few, values, label=f"{model.name}: {name}")
        problems.append(f"check '{name}' found rows, the first: {_first(offending)}")
    return problems


def _of_candidate(query: exp.Query, model: Model, candidate: Table) -> exp.Query:
    """A check that reads the working table in the place of the published one."""
    for node in list(query.find_all(exp.Table)):
        if Table(node.db, node.name) == model.table:
            replacement = candidate.node()
            replacement.set(
                "alias",
                node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(model.name)),
            )
            node.replace(replacement)
    return query


def _which_find_rows(checks: Mapping[str, exp.Query]) -> exp.Query:
    """The names of the checks that find a row, as one query."""
    found = [
        exp.select(exp.alias_(exp.Literal.string(name), "found_rows")).from_(
            query.copy().limit(1, copy=False).subquery("offending", copy=False), copy=False
        )
        for name, query in checks.items()
    ]
    return exp.union(found[0], *found[1:], distinct=False, copy=False) if found[1:] else found[0]


def _first(frame: pd.DataFrame) -> str:
    return masked(", ".join(f"{name}={value}" for name, value in frame.iloc[0].items()))


def _key_checks(name: str, key: Sequence[str]) -> dict[str, str]:
    names = ", ".join(f'"{column}"' for column in key)
    null = " or ".join(f'"{column}" is null' for column in key)
    table = Table(MARTS, name)
    return {
        "the key is unique": f"select {names}, count(*) as copies from {table} "
        f"group by {names} having count(*) > 1",
        "the key is never null": f"select {names} from {table} where {null}",
    }


def external_inputs(model: Model) -> set[Table]:
    """What a model reads besides models: sources, seeds and tables of the landing."""
    read = {table for query in model.queries for table in tables(query)}
    return {t for t in read if t.database in (SOURCES, SEEDS, "landing", "events")}


def frame(results: Sequence[Built]) -> pd.DataFrame:
    """One row per model: layer, name, status, rows."""
    return pd.DataFrame(
        [(b.layer, f"{MARTS}.{b.model}", b.status, b.rows) for b in results],
        columns=["layer", "table", "status", "rows"],
    )


__all__ = [
    "MARTS",
    "Built",
    "Model",
    "ModelError",
    "build",
    "external_inputs",
    "frame",
    "in_order",
    "model",
    "models",
]
