"""What the checks of the data plane share: looking into trees, changing them, a few rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PINNED = re.compile(r"v?\d+\.\d+\.\d+([-.][0-9a-z.]+)?")
SIZE = re.compile(r"\d+Gi")
SECRET = re.compile(r"password|secret|token|access_?key|credential", re.IGNORECASE)
NAMES_A_SECRET = re.compile(r"ExistingSecret|existingSecret(Keys\.\w+)?|secretName|KeyRef")
ROLE = "eks.amazonaws.com/role-arn"
MISSING = object()


def get(tree: Any, path: str, default: Any = None) -> Any:
    """What is at a dotted path."""
    for key in path.split("."):
        if not isinstance(tree, dict) or key not in tree:
            return default
        tree = tree[key]
    return tree


def changed(tree: Any, path: str, value: Any) -> Any:
    """A copy with one thing put elsewhere, or taken out (``MISSING``). Lists take numbers."""
    copy = deepcopy(tree)
    at = copy
    *keys, last = [int(key) if key.isdecimal() else key for key in path.split(">")]
    for key in keys:
        at = at[key]
    if value is MISSING:
        del at[last]
    else:
        at[last] = value
    return copy


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from leaves(value, f"{path}.{number}")
    else:
        yield path, tree


def is_pinned(version: Any) -> bool:
    """A whole version; neither a tag that moves nor a placeholder for one."""
    return isinstance(version, str) and bool(PINNED.fullmatch(version))


def has_resources(resources: Any) -> bool:
    return all(
        get(resources, f"{kind}.{what}")
        for kind in ("requests", "limits")
        for what in ("cpu", "memory")
    )


def keys_or_secrets(where: str, variables: Any) -> Iterator[str]:
    """AWS keys, from wherever, and secrets with a value."""
    for one in variables or []:
        if one["name"].startswith("AWS_") and "KEY" in one["name"]:
            yield f"{where} has AWS keys"
        elif SECRET.search(one["name"]) and "value" in one:
            yield f"{where} has the secret {one['name']}"
