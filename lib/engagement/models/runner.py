"""The small runner of models: what depends on what is read from the SQL itself.

Models are built in order of dependency. Each is first made as a working table and checked there:
column names and types as documented, the key unique and never NULL, and every check of the YAML, a
query that returns offending rows. Only then is it published. A failed check leaves the published
table as it was and stops what depends on it; everything else still runs.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pandas as pd
from sqlglot import exp

from engagement.as_of import AsOf
from engagement.messages import counted, nearest
from engagement.models import provenance, python_functions, settings_seeds
from engagement.models.definition import (
    Model,
    ModelError,
    external_inputs,
    in_order,
    model,
    models,
)
from engagement.models.inputs import InputError, expand, parameters
from engagement.models.provenance import MARTS
from engagement.models.python_functions import strange_columns
from engagement.privacy import masked
from engagement.settings import Settings
from engagement.sql.dialect import (
    LOGICAL,
    DialectError,
    Table,
    tables,
)
from engagement.warehouse.errors import LeaseHeldError, WarehouseError
from engagement.warehouse.protocol import Session, Warehouse

_MOST_ROUNDS = 64
_SHOWN_ROWS = 5


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
    settings_seeds.check(settings)
    results: list[Built] = []
    done: dict[str, str] = {}
    values = parameters(settings, as_of)
    with warehouse.session(write=True) as session:
        own = {model.name for model in chosen}
        there = own | _there(session, set().union(*(model.needs for model in chosen)) - own)
        for model in chosen:
            missing = sorted(model.needs - there)
            if missing:
                raise ModelError(
                    f"{model.table} reads {', '.join(f'marts.{name}' for name in missing)}, which "
                    "does not exist yet: run the earlier notebooks first"
                )
        chosen = _with_stale(session, settings, values, chosen, stale or settings.models.stale)

        numbers = itertools.count(1)

        def build_one(lane: int, model: Model) -> Built:
            del lane
            number = next(numbers)
            warehouse.log.about(f"model {number} of {len(chosen)}, {model.name}")
            stopped = [name for name in sorted(model.needs) if done.get(name) in _STOPS]
            if stopped:
                problem = f"waits for {stopped[0]}"
                return Built(model.name, model.layer, "skipped", problems=(problem,))
            return _try_build(session, settings, model, values)

        for ready in _in_steps(chosen):
            built = session.map(build_one, ready)
            done.update((one.model, one.status) for one in built)
            results.extend(built)
    warehouse.log.about("")
    return results


def _there(session: Session, names: Collection[str]) -> set[str]:
    """Those of some models whose tables there are.

    Each is asked for by its name: a list of all would make a page depend on every table there is.
    """
    return {name for name in names if session.columns(Table(MARTS, name))}


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
        missing = sorted(set(names) - _there(session, set(names)))
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
        rows = python_functions.rows_of(session, settings, model, values)
        kinds = {name: column.type for name, column in model.document.columns.items()}
        candidate = session.rows(work, rows, kinds)
    else:
        candidate = session.work(work, expand(model.query, session, settings), values)
    found = session.columns(candidate)
    problems = _wrong_columns(model, found)
    if not problems:
        problems = _failed_checks(session, settings, model, candidate, values)
    if problems:
        return Built(model.name, model.layer, "failed", problems=tuple(problems))
    columns = [exp.column(name, quoted=True) for name in model.document.columns]
    documented = {name: column.type for name, column in model.document.columns.items()}
    published = session.publish(
        model.table,
        exp.select(*columns).from_(candidate.node()),
        columns=documented if "decimal" in found.values() else None,
        version=version,
    )
    session.release(candidate)
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
        *python_functions.decisive_texts(model),
    ]
    digest = hashlib.sha256("\0".join(decisive).encode()).hexdigest()[:32]
    return provenance.version(digest, built_with)


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
    problems = strange_columns(wanted, found)
    problems += [
        f"the column {name} is {_plain(found[name])}, documented as {kind}"
        for name, kind in wanted.items()
        if name in found
        and _plain(found[name]) != _plain(kind)
        # Some engines keep no digits of what is worked out: it gets them when it is published.
        and not (found[name] == "decimal" and kind.startswith("decimal("))
    ]
    return sorted(problems)


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
