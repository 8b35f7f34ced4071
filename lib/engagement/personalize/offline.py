"""The service's own offline metrics, saved as 06 reads them to stand beside the baselines'."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from engagement import owner_only
from engagement.personalize import resource_types
from engagement.personalize.removal import There, everything
from engagement.personalize.resources import SERVICE, Setup
from engagement.personalize.service import SetupError
from engagement.personalize.setup import Names
from engagement.settings import Settings


def offline_metrics(setup: Setup, settings: Settings, name: str) -> Mapping[str, float]:
    """Metrics of a recommender, or of the newest trained version of a solution, by its name.

    Raises
    ------
    SetupError
        When there is none of this name, or it has no metrics yet.
    """
    names = Names.of(settings)
    there = list(everything(setup, names.group))
    wanted = {name, f"{names.group}-{name}"}
    for one in there:
        if one.kind is resource_types.RECOMMENDER and one.name in wanted:
            return _some(one.found.get("modelMetrics") or {}, one)
    solutions = [one for one in there if one.kind is resource_types.SOLUTION and one.name in wanted]
    if not solutions:
        known = [
            one.name
            for one in there
            if one.kind in (resource_types.RECOMMENDER, resource_types.SOLUTION)
        ]
        listed = f"; there are {', '.join(known)}" if known else ""
        raise SetupError(f"there is no recommender and no solution {name}{listed}")
    own = solutions[0].found["solutionArn"]
    versions = [
        one
        for one in there
        if one.kind is resource_types.VERSION
        and one.status == "ACTIVE"
        and str(one.found["solutionVersionArn"]).startswith(f"{own}/")
    ]
    if not versions:
        raise SetupError(f"the solution {name} has no trained version yet")
    newest = max(versions, key=lambda one: (one.found["creationDateTime"], one.name))
    answer = setup.caller.call(
        SERVICE,
        "get_solution_metrics",
        solutionVersionArn=newest.found["solutionVersionArn"],
    )
    return _some(answer.get("metrics") or {}, newest)


def _some(metrics: Mapping[str, float], one: There) -> Mapping[str, float]:
    if not metrics:
        raise SetupError(f"the {one.kind.label} {one.name} has no metrics yet")
    return dict(sorted(metrics.items()))


def save(metrics: Mapping[str, float], path: Path) -> None:
    """Write metrics to a file, in one step."""
    owner_only.replace(path, json.dumps({"metrics": dict(metrics)}, indent=2) + "\n")
