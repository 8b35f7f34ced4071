"""What events hold against what the tracking plan says of them.

Plain Python: the tests of ``make test`` try it, those in the browser's environment use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Plan = Mapping[str, Mapping[str, Any]]

# A list or an object is JSON in a column of type string.
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str, list, dict),
    "double": (int, float),
    "bigint": (int,),
    "boolean": (bool,),
    "timestamp": (str,),
}


def deviations(events: Iterable[Mapping[str, Any]], plan: Plan) -> list[str]:
    """How track events deviate from the plan, each as a line; none where all are as planned."""
    return sorted({line for event in events for line in _of_one(event, plan)})


def _of_one(event: Mapping[str, Any], plan: Plan) -> Iterator[str]:
    name, properties = event["event"], event.get("properties") or {}
    if name not in plan:
        yield f"{name}: not planned"
        return
    planned = {key: _as_mapping(one) for key, one in plan[name].items()}
    for key in properties.keys() - planned.keys():
        yield f"{name}.{key}: not planned"
    for key, one in planned.items():
        value = properties.get(key)
        if value is None or value == "":
            if one.get("required"):
                yield f"{name}.{key}: missing"
        elif "type" in one and not _fits(value, one["type"]):
            yield f"{name}.{key}: no {one['type']}"


def _as_mapping(planned: Any) -> Mapping[str, Any]:
    return {"type": planned} if isinstance(planned, str) else planned or {}


def _fits(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, KINDS[kind])
