"""What a model's author wants to know: every mistake of one model at once, and what it needs.

:mod:`.definition` refuses a model at its first mistake, which is enough for a run. Who writes a
model would have to run it once per mistake. Here its files are looked at as far as they can be
read, and all that is wrong is listed, each with its place and what to write instead. Types are
known without running anything.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlglot import exp

from engagement.errors import WrongInputError
from engagement.messages import counted, nearest
from engagement.models import definition, folders, inputs, seed_files, settings_seeds
from engagement.models.definition import Model, ModelDocument, ModelError
from engagement.models.folders import Layer
from engagement.models.inputs import SEEDS, SOURCES
from engagement.models.provenance import MARTS
from engagement.settings import ROOT, SettingsError, read_yaml
from engagement.sql import portability, types
from engagement.sql.allowed import UNKNOWN
from engagement.sql.dialect import LOGICAL, WORK, DialectError, Table, parse, tables
from engagement.warehouse.frames import arrow_type

_TYPES = {
    "integer": "bigint",
    "decimal": "decimal(38,2)",
    "timestamp": "timestamp(3)",
    "double": "double",
    "varchar": "varchar",
    "boolean": "boolean",
    "date": "date",
}
"""A type to document a column with, by its kind."""


class AuthoringError(ModelError, WrongInputError):
    """A model's files cannot be used, with every mistake found.

    Attributes
    ----------
    problems
        One sentence per mistake, each starting with its place.
    """

    def __init__(self, name: str, problems: list[str]) -> None:
        self.problems = problems
        lines = "\n".join("  - " + problem.replace("\n", "\n    ") for problem in problems)
        super().__init__(f"{counted(len(problems), 'mistake')} in the model {name}:\n{lines}")


class UnknownModelError(ModelError, WrongInputError):
    """A model was named that there is not."""


def with_needs(name: str) -> list[Model]:
    """A model and all that it needs, in order; other models are not looked at.

    Raises
    ------
    AuthoringError
        With every mistake of the named model.
    ModelError, DialectError
        When there is no such model, models read each other in a circle, or one that it needs
        cannot be used.
    """
    problems = mistakes(name)
    if problems:
        raise AuthoringError(name, problems)
    found: dict[str, Model] = {}
    waiting = [name]
    while waiting:
        one = definition.model(waiting.pop())
        found[one.name] = one
        waiting += sorted(one.needs - found.keys() - set(waiting))
    return definition.in_order(found.values())


def mistakes(name: str) -> list[str]:
    """Everything that is wrong with a model's files, a sentence each; none if it can be built.

    Raises
    ------
    UnknownModelError
        When there is no file of this name: the nearest.
    """
    layers = folders.layers()
    found = [
        layer
        for layer in layers
        if any((layer / f"{name}.{kind}").is_file() for kind in ("sql", "yml"))
    ]
    if not found:
        known = {
            file.removesuffix(".yml")
            for layer in layers
            for file in layer.files()
            if file.endswith(".yml")
        }
        hint = nearest(name, known)
        if not hint:
            file = _path(layers[-1] / f"{name}.sql") if layers else f"{name}.sql"
            hint = f": write its query, in a file such as {file}"
        raise UnknownModelError(f"there is no model '{name}'{hint}")
    if len(found) > 1:
        where = " and ".join(layer.name for layer in found)
        return [f"{name} is in several layers, {where}: a name may be in one"]
    return list(dict.fromkeys(_mistakes(found[0], name)))


def _mistakes(layer: Layer, name: str) -> Iterator[str]:
    document, problems = _document(layer, name)
    yield from problems
    if document is None:
        if not (layer / f"{name}.yml").is_file():
            query = _query_of_file(layer, f"{name}.sql", {})
            yield _without_yaml(layer, name, query)
            yield from query.problems
        else:
            yield from _query_of_file(layer, f"{name}.sql", {}).problems
        return
    own = _types(document)
    yield from _wrong_documents(layer, name, document, own)
    work: dict[str, dict[str, str]] = {}
    yield from _loop(layer, document, work)
    python = document.get("python")
    if isinstance(python, Mapping):
        yield from _python(layer, name, python, own)
    else:
        query = _query_of_file(layer, f"{name}.sql", work)
        yield from query.problems
        yield from _strange_columns(layer, name, own, query)
    here = {**work, str(Table(MARTS, name)): own}
    checks = document.get("checks")
    for check, sql in checks.items() if isinstance(checks, Mapping) else ():
        if isinstance(sql, str):
            yield from _query(sql, f"{layer.name}/{name}.yml, check '{check}'", here).problems


# --- the YAML -----------------------------------------------------------------------------------


def _document(layer: Layer, name: str) -> tuple[dict[str, Any] | None, list[str]]:
    """A model's YAML as far as it is one, and what is wrong with it."""
    file = layer / f"{name}.yml"
    if not file.is_file():
        return None, []
    place = f"{layer.name}/{name}.yml"
    try:
        with resources.as_file(file) as path:
            document = read_yaml(Path(path))
    except SettingsError as error:
        return None, [f"{place}: {problem}" for problem in error.problems]
    if not isinstance(document, dict):
        keys = ", ".join(key for key, f in ModelDocument.model_fields.items() if f.is_required())
        return None, [f"{place}: the file holds no keys with values; it needs {keys}"]
    try:
        ModelDocument.model_validate(document)
    except ValidationError as error:
        return document, [f"{place}: {one}" for one in definition.document_problems(error)]
    return document, []


def _types(document: Mapping[str, Any]) -> dict[str, str]:
    """Documented types of the columns, of those that have any."""
    columns = document.get("columns")
    return {
        str(name): item["type"] if isinstance(item.get("type"), str) else UNKNOWN
        for name, item in (columns.items() if isinstance(columns, Mapping) else ())
        if isinstance(item, Mapping)
    }


def _wrong_documents(
    layer: Layer, name: str, document: Mapping[str, Any], own: Mapping[str, str]
) -> Iterator[str]:
    """Keys that are no column, and types that there are not."""
    place = f"{layer.name}/{name}.yml"
    key = document.get("key")
    for column in key if isinstance(key, list) else ():
        if isinstance(column, str) and column not in own:
            yield f"{place}: the key names '{column}', which is not documented{_near(column, own)}"
    for column, kind in own.items():
        if kind != UNKNOWN and types.of_type(kind) == UNKNOWN:
            yield (
                f"{place}: column {column}: there is no type '{kind}'"
                + (nearest(kind, _TYPES.values()) or f"; write {', '.join(_TYPES.values())}")
            )
    if not (layer / f"{name}.sql").is_file() and not document.get("python"):
        file = _path(layer / f"{name}.sql")
        makes = f", which gives {', '.join(own)}" if own else ""
        yield f"{place}: there is no SQL beside it: write the query in {file}{makes}"


def _without_yaml(layer: Layer, name: str, query: _Query) -> str:
    """That a query has no YAML, and one to begin with."""
    columns = query.columns or {"id": "varchar"}
    lines = [
        "description: What a row is, in a sentence.",
        "grain: one row per …",
        f"key: [{next(iter(columns))}]",
        "columns:",
        *(
            f"  {column}: {{type: {_quoted(_TYPES.get(kind, 'varchar'))}, description: …}}"
            for column, kind in columns.items()
        ),
        "checks: {}",
    ]
    skeleton = "\n".join(f"    {line}" for line in lines)
    return (
        f"{layer.name}/{name}.sql: its YAML is missing: write "
        f"{_path(layer / f'{name}.yml')}, beginning with\n{skeleton}"
    )


def _quoted(kind: str) -> str:
    return f'"{kind}"' if "," in kind else kind


# --- queries ------------------------------------------------------------------------------------


@dataclass
class _Query:
    """A query's columns with their kinds, and what is wrong with it.

    ``is_whole`` says whether all of its columns are known: not where it takes all of a table that
    there is not. ``unnamed`` are those that the query gives no name, with their numbers.
    """

    problems: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    is_whole: bool = False
    unnamed: dict[str, int] = field(default_factory=dict)


def _query_of_file(layer: Layer, file: str, work: Mapping[str, Mapping[str, str]]) -> _Query:
    path = layer / file
    if not path.is_file():
        return _Query()
    return _query(path.read_text(encoding="utf-8"), f"{layer.name}/{file}", work)


def _query(sql: str, source: str, here: Mapping[str, Mapping[str, str]]) -> _Query:
    """Look at a query; ``here`` has the columns of tables that only this model knows."""
    try:
        tree = parse(sql, source=source)
    except DialectError as error:
        return _Query([str(error)])
    known, problems = dict(here), _strange_names(tree)
    for table in sorted(tables(tree)):
        if str(table) in here:
            continue
        found, problem = _input(table, here)
        if found is not None:
            known[str(table)] = found
        if problem:
            problems.append(problem)
    problems += _strange_parameters(tree)
    read = types.read(tree, known, inputs.PARAMETERS)
    # What follows from a table or column that there is not would only hide the mistake.
    is_sure = not problems and not read.has_unknown_names
    problems += portability.problems(tree, known, inputs.PARAMETERS, every_type_known=is_sure)
    takes_all = any(
        isinstance(star.parent, (exp.Select, exp.Column)) for star in tree.find_all(exp.Star)
    )
    items = () if takes_all else tree.selects
    return _Query(
        [f"{source}: {problem}" for problem in problems],
        read.columns,
        is_whole=is_sure or not takes_all,
        unnamed={
            column: number
            for number, (column, item) in enumerate(zip(read.columns, items, strict=False), 1)
            if not isinstance(item, (exp.Alias, exp.Column))
        },
    )


def _strange_names(tree: exp.Query) -> list[str]:
    """Tables without a database that no ``with`` gives."""
    given = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    marts = _models()
    problems = []
    for node in tree.find_all(exp.Table):
        name = node.name
        if node.db or name.lower() in given or not name:
            continue
        if name in marts or name in inputs.contracts().sources:
            hint = f"; did you mean '{MARTS if name in marts else SOURCES}.{name}'?"
        else:
            hint = _near(name, given)
        problems.append(f"there is no table '{name}' here{hint}")
    return problems


def _input(table: Table, here: Collection[str]) -> tuple[Mapping[str, str] | None, str | None]:
    """Types of an input's columns, or what is wrong with it."""
    match table.database:
        case "sources":
            known: Iterable[str] = inputs.contracts().sources
        case "seeds":
            known = [*seed_files.names(), *settings_seeds.KEYS]
        case "marts":
            known = _models()
        case "work":
            known = [name.removeprefix(f"{WORK}.") for name in here if name.startswith(WORK)]
        case _ if table.database in LOGICAL:
            return None, None
        case _:
            databases = (SOURCES, SEEDS, MARTS)
            hint = nearest(table.database, databases) or f"; a model reads {', '.join(databases)}"
            return None, f"{table}: there is no database '{table.database}'{hint}"
    if table.name not in known:
        one = {"sources": "source", "seeds": "seed", "marts": "model"}.get(table.database, "table")
        return None, f"{table}: there is no {one} '{table.name}'{nearest(table.name, known)}"
    if table.database != MARTS:
        return inputs.columns(table), None
    try:
        return definition.documented(table.name), None
    except ModelError as error:
        return None, str(error)


def _models() -> set[str]:
    return {
        file.removesuffix(".yml")
        for layer in folders.layers()
        for file in layer.files()
        if file.endswith(".yml")
    }


def _strange_parameters(tree: exp.Query) -> list[str]:
    names = sorted({str(mark.this) for mark in tree.find_all(exp.Placeholder)})
    return [
        f"there is no parameter ':{name}'"
        + (nearest(name, inputs.PARAMETERS) or f"; there are {', '.join(inputs.PARAMETERS)}")
        for name in names
        if name not in inputs.PARAMETERS
    ]


def _strange_columns(
    layer: Layer, name: str, own: Mapping[str, str], query: _Query
) -> Iterator[str]:
    """Where the documented columns and those of the query differ."""
    if not query.columns:
        return
    place = f"{layer.name}/{name}.yml"
    documented = {column.lower(): column for column in own}
    extra = {column for column in query.columns if column not in documented}
    for column in sorted(documented.keys() - query.columns.keys()) if query.is_whole else ():
        near = difflib.get_close_matches(column, sorted(extra), n=1, cutoff=0.75)
        extra -= set(near)
        hint = f"; did you mean {near[0]}?" if near else ""
        yield (
            f"{place}: column {documented[column]} is documented, and the query does not make "
            f"it{hint}"
        )
    for column in [c for c in query.columns if c in extra]:
        if column in query.unnamed:
            number = query.unnamed[column]
            yield f"{layer.name}/{name}.sql: column {number} has no name: write … as name"
            continue
        kind = _quoted(_TYPES.get(query.columns[column], "varchar"))
        yield (
            f"{place}: column {column} of the query is missing from the YAML: add "
            f"'{column}: {{type: {kind}, description: …}}'"
        )
    for column, kind in query.columns.items():
        said = own.get(documented.get(column, ""))
        if said is None or said == UNKNOWN or types.of_type(said) == UNKNOWN:
            continue
        if not types.fits(kind, frozenset({types.of_type(said)})):
            yield f"{place}: column {column} is {kind} in the query, documented as {said}"


def _loop(
    layer: Layer, document: Mapping[str, Any], work: dict[str, dict[str, str]]
) -> Iterator[str]:
    """Mistakes of a loop's files; puts its working tables' columns into ``work``."""
    loop = document.get("loop")
    if not isinstance(loop, Mapping) or not isinstance(loop.get("table"), str):
        return
    for part in ("seed", "step", "changed"):
        file = loop.get(part)
        if not isinstance(file, str):
            continue
        if not (layer / file).is_file():
            yield f"{layer.name}/{file}: there is no such file"
            continue
        query = _query_of_file(layer, file, work)
        yield from query.problems
        if part == "seed":
            for table in (loop["table"], f"{loop['table']}_next"):
                work[str(Table(WORK, table))] = query.columns


def _python(
    layer: Layer, name: str, python: Mapping[str, Any], own: Mapping[str, str]
) -> Iterator[str]:
    place = f"{layer.name}/{name}.yml"
    module = str(python.get("function", "")).partition(":")[0]
    for one in (module, *(python.get("modules") or ())):
        if isinstance(one, str) and one and not _is_module(one):
            yield f"{place}: there is no module '{one}'"
    for column, kind in own.items():
        if kind != UNKNOWN and types.of_type(kind) != UNKNOWN and arrow_type(kind) is None:
            yield f"{place}: column {column}: a Python model has no columns of {kind}"
    given = python.get("inputs")
    for input_, text in given.items() if isinstance(given, Mapping) else ():
        if not isinstance(text, str):
            continue
        if not text.endswith(".sql"):
            yield from _query(text, f"{place}, input '{input_}'", {}).problems
        elif (layer / text).is_file():
            yield from _query_of_file(layer, text, {}).problems
        else:
            yield f"{layer.name}/{text}: there is no such file"


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _near(name: str, known: Collection[str]) -> str:
    return nearest(name, known) or (f"; there are {', '.join(known)}" if known else "")


def _path(file: Traversable) -> str:
    """A file's path as a person types it."""
    path = Path(str(file))
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
