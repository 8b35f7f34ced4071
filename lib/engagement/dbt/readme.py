"""The README and the script of an exported project: what is in it, and in which order it is run."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from engagement.dbt.steps import Step, later
from engagement.dbt.template import template

if TYPE_CHECKING:
    from engagement.dbt.project import Export

_TITLES = {
    "redshift": "Amazon Redshift",
    "postgres": "PostgreSQL",
    "athena": "Amazon Athena",
    "duckdb": "DuckDB",
}


def files(made: Export) -> dict[str, str]:
    """Both, by their paths."""
    return {"README.md": _readme(made), "run.sh": _script(made)}


def selection(made: Export, step: Step) -> str:
    """What dbt builds and tests in a step of its own; no test of what is not there yet."""
    tags = "".join(f" tag:{one.tag}" for one in later(made.steps, step))
    exclude = f" --exclude{tags}" if tags else ""
    return f"--select tag:{step.tag}{exclude} --indirect-selection buildable"


def python_step(step: Step, day: str) -> str:
    """How the models of a step that are Python functions are built."""
    return f"engagement build {' '.join(step.models)} --alone --params FILE --set as_of={day}"


def _readme(made: Export) -> str:
    target, schemas, settings = made.target, made.schemas, made.settings
    day = "2026-01-31"
    lines = [
        python_step(step, day)
        if step.is_python
        else f"dbt build {selection(made, step)} --vars '{{as_of: {day}}}'"
        for step in made.steps
    ]
    of_python = [
        f"| `{name}` | {model.document.description.strip().split('. ')[0].rstrip('.')} | "
        f"{made.tag(name)} |"
        for name, model in sorted(made.python.items())
    ]
    refused = "".join(f"- `{name}`: {why}\n" for name, why in sorted(made.refused.items()))
    is_fixed = isinstance(settings.as_of, date)
    packages = ", ".join(f"`{name}`" for name in target.packages)
    raw = "as RudderStack loads it" if target.are_raw else "what notebook 02 has flattened"
    return template(
        "README.md",
        title=_TITLES[target.name],
        target=target.name,
        models=str(len(made.models) - len(made.python)),
        marts=schemas.marts,
        events=schemas.events,
        events_are=raw,
        seeds=str(len(made.seeds)),
        own=schemas.own,
        tests=str(made.tests),
        as_of_default=f", {settings.as_of} unless given"
        if is_fixed
        else ": a day, which has to be given",
        packages=packages,
        install=f"`pip install 'dbt-core>=1.10.5,<2' {' '.join(target.packages)}`",
        before="" if target.are_raw else "Run notebooks 01 and 02 (they flatten the events), then ",
        python_count=str(len(made.python)),
        steps="```\n" + "\n".join(lines) + "\n```",
        python="| model | what it is | step |\n|---|---|---|\n" + "\n".join(of_python),
        refused=f"## Not on {_TITLES[target.name]} yet\n`dbt parse` reads them; `dbt build` stops "
        f"there and says why.\n\n{refused}\n"
        if refused
        else "",
    )


def _script(made: Export) -> str:
    lines = []
    for step in made.steps:
        if step.is_python:
            names = " ".join(step.models)
            lines.append(
                f'"$engagement" build {names} --alone --params "$params" --set "as_of=$as_of"'
            )
        else:
            lines.append(
                f'"$dbt" build --project-dir "$project" {selection(made, step)} '
                '--vars "{as_of: $as_of}"'
            )
    return template("run.sh", steps="\n".join(lines) + "\n").rstrip("\n") + "\n"
