"""The files of a dbt project, from the models' own files and the parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from typing import Any

import yaml

from engagement.as_of import whole_day
from engagement.dbt import inputs, readme
from engagement.dbt.checks import Tests, columns_yaml, tests_of
from engagement.dbt.inputs import ExportError
from engagement.dbt.steps import Step, ready_in, steps
from engagement.dbt.targets import Schemas, Target
from engagement.dbt.template import template
from engagement.dbt.text import PYTHON, STAGED, Writer, escaped, quoted
from engagement.errors import FailedError
from engagement.models.definition import Loop, Model, models
from engagement.models.inputs import SEEDS, SOURCES, parameters
from engagement.models.provenance import MARTS
from engagement.settings import Settings
from engagement.sql.dialect import Table, tables

_ANY_DAY = date(2000, 1, 1)
"""Parameters want a day; those that hang on it are macros of the project."""


@dataclass
class Export:
    """A project as it is put together.

    Attributes
    ----------
    files
        Texts by their paths.
    refused
        Models and tests without a form on the target, each with the reason.
    """

    settings: Settings
    target: Target
    schemas: Schemas
    writer: Writer
    models: Mapping[str, Model]
    steps: list[Step]
    files: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    seeds: set[str] = field(default_factory=set)
    tests: int = 0

    @property
    def python(self) -> dict[str, Model]:
        """Models that are Python functions."""
        return {name: one for name, one in self.models.items() if one.document.python}

    def tag(self, name: str) -> str:
        """The step that a model belongs to."""
        return next(step.tag for step in self.steps if name in step.models)


def export(settings: Settings, target: Target) -> dict[str, str]:
    """The files of a project, by path.

    Raises
    ------
    ExportError
        When the models and seeds cannot be written as a project of dbt's.
    """
    everything = models()
    python = {name for name, model in everything.items() if model.document.python}
    values = parameters(settings, whole_day(_ANY_DAY, settings.timezone))
    columns = {
        name: {column: item.type for column, item in model.document.columns.items()}
        for name, model in everything.items()
    }
    writer = Writer(target, settings, values, python, columns)
    schemas = Schemas.of(settings, target)
    made = Export(settings, target, schemas, writer, everything, steps(everything))
    for layer in sorted({model.layer for model in everything.values()}):
        _layer(made, layer)
    _python_models(made)
    _staging(made)
    _seeds(made)
    _macros(made)
    _settings_of_dbt(made)
    for path, text in readme.files(made).items():
        made.files[path] = text
    return dict(sorted(made.files.items()))


def _layer(made: Export, layer: str) -> None:
    listed: list[dict[str, Any]] = []
    for name, model in sorted(made.models.items()):
        if model.layer != layer or model.document.python:
            continue
        folder = f"models/{layer}"
        if model.document.loop:
            listed.append(_loop(made, model, model.document.loop, folder))
        made.files[f"{folder}/{name}.sql"] = _model(made, model)
        listed.append(_documented(made, model, _tests(made, model)))
        _needed(made, [*model.queries, *model.checks.values()])
    if listed:
        made.files[f"models/{layer}/_{layer}.yml"] = as_yaml({"version": 2, "models": listed})


def _needed(made: Export, queries: Iterable[Any]) -> None:
    for query in queries:
        for table in tables(query):
            if table.database == SOURCES:
                made.sources.add(table.name)
            if table.database == SEEDS:
                made.seeds.add(table.name)


def _config(**given: Any) -> str:
    parts = []
    for key, value in given.items():
        if isinstance(value, list):
            text = f"[{', '.join(map(quoted, value))}]"
        elif isinstance(value, dict):
            text = f"{{{', '.join(f'{quoted(k)}: {quoted(v)}' for k, v in value.items())}}}"
        else:
            text = quoted(value)
        parts.append(f"{key}={text}")
    return "{{ config(" + ", ".join(parts) + ") }}\n"


def _model(made: Export, model: Model) -> str:
    head = _config(materialized="table", schema=made.schemas.marts, tags=[made.tag(model.name)])
    kinds = {name: column.type for name, column in model.document.columns.items()}
    try:
        text = made.writer.query(model.query, kinds)
    except FailedError as error:
        made.refused[model.name] = str(error)
        said = quoted(f"{model.name} has no form on {made.target.name} yet: {error}")
        text = (
            "{% if execute %}{{ exceptions.raise_compiler_error("
            + said
            + ") }}{% endif %}\n"
            + "".join(f"-- depends_on: {_reference(made, t)}\n" for t in _read(model))
            + "select 1 as nothing"
        )
    if model.document.loop:
        text = text.replace("{{ nodes }}", "{{ ref('" + model.document.loop.table + "') }}")
    return f"{head}\n{text}\n"


def _read(model: Model) -> list[Table]:
    known = (SOURCES, SEEDS, MARTS)
    return sorted({table for table in tables(model.query) if table.database in known})


def _reference(made: Export, table: Table) -> str:
    if table.database == MARTS and table.name in made.python:
        return "{{ source('" + PYTHON + "', '" + table.name + "') }}"
    name = f"{STAGED}{table.name}" if table.database == SOURCES else table.name
    return "{{ ref('" + name + "') }}"


def _loop(made: Export, model: Model, loop: Loop, folder: str) -> dict[str, Any]:
    """The table that a model's loop is about, as a model of its own."""
    rounds = {part: model.loop[part] for part in ("step", "changed")}
    read = sorted({t for q in rounds.values() for t in tables(q) if t.database == MARTS})
    if any(t.database in (SOURCES, SEEDS) for q in rounds.values() for t in tables(q)):
        raise ExportError(f"{model.name}: a round of its loop reads a source, which dbt cannot do")
    macros = []
    for part, query in rounds.items():
        given = "nodes" if part == "step" else "nodes, following"
        macros.append(
            f"{{% macro {loop.table}_{part}({given}) %}}\n"
            f"{made.writer.query(query)}\n{{% endmacro %}}\n"
        )
    made.files[f"macros/{loop.table}.sql"] = "\n".join(macros)
    head = _config(
        materialized="fixed_point",
        schema=made.schemas.own,
        tags=[made.tag(model.name)],
        meta={part: f"{loop.table}_{part}" for part in rounds},
    )
    depends = "".join(f"-- depends_on: {_reference(made, table)}\n" for table in read)
    seed = made.writer.query(model.loop["seed"])
    made.files[f"{folder}/{loop.table}.sql"] = f"{head}\n{depends}{seed}\n"
    about = f"What {model.name} is made of, when nothing in it changes any more."
    return {"name": loop.table, "description": about}


def _tests(made: Export, model: Model) -> Tests:
    found = tests_of(model, made.writer)
    for name, problem in found.refused.items():
        made.refused[name] = problem
    for name, text in found.queries.items():
        read = {table.name for table in tables(found.asked[name]) if table.database == MARTS}
        # Tables of Python models are sources of dbt's, which it takes for there.
        step = ready_in(made.steps, read)
        head = _config(tags=[step.tag]) + "\n" if read & made.python.keys() else ""
        made.files[f"tests/{model.layer}/{name}.sql"] = head + text
    made.tests += found.count
    return found


def _documented(made: Export, model: Model, tests: Tests) -> dict[str, Any]:
    document = model.document
    described = {
        name: (
            made.target.type_of(column.type),
            column.description + (f" ({column.unit})" if column.unit else ""),
        )
        for name, column in document.columns.items()
    }
    entry: dict[str, Any] = {
        "name": model.name,
        "description": escaped(f"{document.description.strip()} Grain: {document.grain}."),
    }
    if tests.of_table:
        entry["data_tests"] = tests.of_table
    return {**entry, "columns": columns_yaml(described, tests.of_columns)}


def _python_models(made: Export) -> None:
    """Declare the tables that `engagement build` fills."""
    listed = []
    for name, model in sorted(made.python.items()):
        entry = _documented(made, model, _tests(made, model))
        _needed(made, model.checks.values())
        listed.append({**entry, "config": {"tags": [ready_in(made.steps, [name]).tag]}})
    source = {
        "name": PYTHON,
        "description": "Models that are Python functions; `engagement build` fills them.",
        "schema": made.schemas.marts,
        "tables": listed,
    }
    made.files["models/python_models.yml"] = as_yaml({"version": 2, "sources": [source]})


def _staging(made: Export) -> None:
    listed, names = [], set[str]()
    for source in sorted(made.sources):
        text = inputs.staging(source, made.settings, made.target, made.writer)
        made.files[f"models/staging/{STAGED}{source}.sql"] = text
        listed.append(inputs.staging_yaml(source, made.settings))
        names.update(inputs.tables_of(source, made.settings, made.target))
    made.files["models/staging/_staging.yml"] = as_yaml({"version": 2, "models": listed})
    described = (
        "Events as RudderStack loaded them." if made.target.are_raw else "The flattened events."
    )
    schema = made.schemas.events
    source_ = {
        "name": inputs.EVENTS,
        "description": described,
        "schema": "{{ var('rudderstack_schema', '" + schema + "') }}"
        if made.target.are_raw
        else schema,
        "tables": [{"name": name} for name in sorted(names)],
    }
    made.files["models/staging/_sources.yml"] = as_yaml({"version": 2, "sources": [source_]})


def _seeds(made: Export) -> None:
    listed = []
    clashes = sorted(made.seeds & made.models.keys())
    if clashes:
        raise ExportError(f"{clashes[0]} is a seed and a model: dbt knows each name once")
    for name in sorted(made.seeds):
        seed = inputs.seed(name, made.settings, made.target)
        made.files[f"seeds/{name}.csv"] = seed.text
        listed.append(
            {
                "name": name,
                "config": {"column_types": dict(seed.columns)},
                "columns": [{"name": column} for column in seed.columns],
            }
        )
    made.files["seeds/_seeds.yml"] = as_yaml({"version": 2, "seeds": listed})


def literal(value: Mapping[str, str]) -> str:
    """A mapping as Jinja reads it."""
    items = (f"{json.dumps(key)}: {json.dumps(text)}" for key, text in value.items())
    return "{" + ", ".join(items) + "}"


def _macros(made: Export) -> None:
    target, settings = made.target, made.settings
    for name in ("generate_schema_name", "fixed_point", "tests"):
        made.files[f"macros/{name}.sql"] = template(f"macros/{name}.sql")
    zone = quoted(settings.timezone)
    made.files["macros/as_of.sql"] = template("macros/as_of.sql", timezone=zone)
    made.files["macros/conformed.sql"] = template(
        "macros/conformed.sql",
        types=literal(target.types),
        kinds=literal(target.kinds),
        conversions=literal(inputs.conversions(made.writer)),
    )
    window = str(settings.duplicates.window_days)
    which = "raw" if target.are_raw else "flattened"
    made.files["macros/event_table.sql"] = template(
        f"macros/event_table.{which}.sql", **({"window_days": window} if target.are_raw else {})
    )
    if target.name == "postgres":
        made.files["macros/functions.sql"] = _postgres_functions(made.schemas.functions)
    if target.name == "redshift":
        made.files["macros/functions.sql"] = _redshift_functions(made.schemas.functions)
    if target.name == "duckdb":
        made.files["plugins/engagement_json.py"] = template("plugins/engagement_json.py")
        strict = resources.files("engagement.records") / "strict_json.py"
        made.files["plugins/strict_json.py"] = strict.read_text(encoding="utf-8")


_SCHEMA, _LETTERS = "__schema__", "__letters__"


def _postgres_functions(schema: str) -> str:
    from engagement.warehouse.postgres import functions

    made = [f"drop aggregate if exists {_SCHEMA}.{one};" for one in functions.AGGREGATES]
    made += [f"{one};" for one in functions.statements(_SCHEMA, _LETTERS)]
    text = escaped("\n".join(made))
    text = text.replace(_SCHEMA, "{{ functions_schema() }}").replace(_LETTERS, "{{ letters }}")
    return template(
        "macros/functions.postgres.sql",
        schema=f'"{schema}"',
        mark=f"functions {functions.digest()}",
        find_letters=" ".join(functions.LETTERS.split()),
        statements=text,
    )


def _redshift_functions(schema: str) -> str:
    from engagement.warehouse.redshift import functions

    macros = []
    for statement in functions.statements(_SCHEMA):
        name = statement.partition(f"{_SCHEMA}.")[2].partition("(")[0]
        text = escaped(statement).replace(_SCHEMA, "{{ functions_schema() }}")
        macros.append(f"\n{{% macro create_{name}() -%}}\n{text}\n{{%- endmacro %}}\n")
    return template(
        "macros/functions.redshift.sql", schema=f'"{schema}"', statements="".join(macros)
    )


def _settings_of_dbt(made: Export) -> None:
    """``dbt_project.yml`` and an example of ``profiles.yml``."""
    settings, target, schemas = made.settings, made.target, made.schemas
    of_models: dict[str, Any] = {"+materialized": "table", "+schema": schemas.marts}
    if target.name == "postgres":
        of_models["+pre-hook"] = (
            "set local enable_nestloop = off; set local jit = off; set local timezone = 'UTC'"
        )
        of_models["+post-hook"] = "analyze {{ this }}"
    of_models["staging"] = {"+materialized": "ephemeral"}
    project: dict[str, Any] = {
        "name": "engagement",
        "version": "1.0.0",
        "config-version": 2,
        "require-dbt-version": [">=1.10.5", "<2.0.0"],
        "profile": "engagement",
        "model-paths": ["models"],
        "seed-paths": ["seeds"],
        "test-paths": ["tests"],
        "macro-paths": ["macros"],
        "clean-targets": ["target"],
        "models": {"engagement": of_models},
        "seeds": {"engagement": {"+schema": schemas.own, "+tags": [made.steps[0].tag]}},
    }
    if target.name == "postgres":
        project["on-run-start"] = ["{{ create_functions() }}"]
    if target.name == "redshift":
        project["on-run-start"] = [
            "{{ create_functions_schema() }}",
            *(
                "{{ create_" + name + "() }}"
                for name in _defined(made.files["macros/functions.sql"])
            ),
        ]
    if isinstance(settings.as_of, date):
        project["vars"] = {"engagement": {"as_of": settings.as_of.isoformat()}}
    made.files["dbt_project.yml"] = as_yaml(project)
    made.files["profiles.example.yml"] = template(
        f"profiles.{target.name}.yml",
        marts=schemas.marts,
        **({"functions": schemas.functions} if target.name == "postgres" else {}),
    )


def _defined(text: str) -> list[str]:
    return re.findall(r"macro create_(f_\w+)\(", text)


def as_yaml(document: Mapping[str, Any]) -> str:
    """A document as YAML, in the order that it was put together."""
    return yaml.safe_dump(
        dict(document), sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )
