"""A small reader of Amazon's States Language with JSONata, enough to walk a state machine.

It knows the states that the templates use and refuses any other, so that a machine which grows past
it fails here rather than going untested. ``$parse`` and ``$uuid`` are Step Functions' own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonata

Answer = Callable[[dict[str, Any]], Any]


class TaskFailedError(Exception):
    """A task's failure, by the name that ``Catch`` knows it by."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


@dataclass
class Walk:
    """What happened: the states in order, the calls with arguments, seconds waited, the end."""

    states: list[str] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    waited: float = 0
    end: str = ""
    error: str = ""
    cause: str = ""


def walk(definition: Mapping[str, Any], given: Any, tasks: Mapping[str, Answer]) -> Walk:
    """Walk a machine from its start to its end, with answers for its tasks by their resource."""
    assert definition["QueryLanguage"] == "JSONata"
    walked, variables = Walk(), dict[str, Any]()
    name, data = definition["StartAt"], given
    while True:
        state = definition["States"][name]
        walked.states.append(name)
        assert len(walked.states) < 2000, "it goes round in circles"
        kind, result = state["Type"], None
        seen = {"input": data}
        if kind == "Task":
            arguments = evaluated(state["Arguments"], seen, variables)
            walked.calls.append((state["Resource"], arguments))
            try:
                result = tasks[state["Resource"]](arguments)
            except TaskFailedError as error:
                caught = _catcher(state, error.error)
                if caught is None:
                    walked.end, walked.error, walked.cause = name, error.error, error.cause
                    return walked
                name, data = caught["Next"], {"Error": error.error, "Cause": error.cause}
                continue
            seen["result"] = result
        elif kind == "Wait":
            walked.waited += state["Seconds"]
        elif kind == "Fail":
            walked.end = name
            walked.error, walked.cause = (
                evaluated(state[key], seen, variables) for key in ("Error", "Cause")
            )
            return walked
        elif kind == "Succeed":
            walked.end = name
            return walked
        elif kind not in ("Pass", "Choice"):
            raise AssertionError(f"{name}: a state of type {kind} was never met before")
        taken = _choice(state, seen, variables) if kind == "Choice" else state
        # Every expression of a state sees the variables as they were before it.
        assigned = evaluated(taken.get("Assign", {}), seen, variables)
        after = data if result is None else result
        data = evaluated(taken["Output"], seen, variables) if "Output" in taken else after
        variables |= assigned
        name = taken["Next"]


def _choice(
    state: Mapping[str, Any], seen: Mapping[str, Any], variables: Mapping[str, Any]
) -> Mapping[str, Any]:
    for rule in state["Choices"]:
        if evaluated(rule["Condition"], seen, variables) is True:
            chosen: Mapping[str, Any] = rule
            return chosen
    return {"Next": state["Default"]}


def _catcher(state: Mapping[str, Any], error: str) -> Mapping[str, Any] | None:
    for catcher in state.get("Catch", ()):
        if {error, "States.ALL"} & set(catcher["ErrorEquals"]):
            found: Mapping[str, Any] = catcher
            return found
    return None


def evaluated(tree: Any, states: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    """A tree with its expressions' values in their place."""
    if isinstance(tree, dict):
        return {key: evaluated(value, states, variables) for key, value in tree.items()}
    if isinstance(tree, list):
        return [evaluated(value, states, variables) for value in tree]
    if not isinstance(tree, str) or not tree.startswith("{%"):
        return tree
    assert tree.endswith("%}"), tree
    expression = jsonata.Jsonata(tree[2:-2].strip())
    expression.assign("states", dict(states))
    expression.register_lambda("parse", json.loads)
    expression.register_lambda("uuid", lambda: "0f1e2d3c-0000-4000-8000-000000000000")
    for name, value in variables.items():
        expression.assign(name, value)
    return expression.evaluate(None)


def next_states(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every way from one state to another."""
    for name, state in definition["States"].items():
        for where in (state, *state.get("Choices", ()), *state.get("Catch", ())):
            for key in ("Next", "Default"):
                if key in where:
                    yield name, where[key]
