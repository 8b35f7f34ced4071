"""RudderStack's ``workspaceConfig.json``: what the data plane takes in, and where it sends it.

The file is made from a template (``deploy/dataplane/workspaceConfig.template.json``), in which each
source names its destinations. Whatever depends on an account is a placeholder, ``${NAME}``. Values
that are no secret may be filled in here. Secrets never are: they stay placeholders until the file
is handed to the cluster.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engagement.errors import WrongInputError

SOURCES, DESTINATIONS, DEFINITIONS = "sources", "destinations", "destinationDefinitions"

_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_FROM_ENVIRONMENT = re.compile(r"env\.([A-Z][A-Z0-9_]*)")
_SECRET_KEY = re.compile(
    r"password|secret|token|access_?key|private_?key|credential", re.IGNORECASE
)
_LOOKS_SECRET = re.compile(
    r"(AKIA|ASIA)[A-Z0-9]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/\s:@$]+:[^/\s:@$]+@"
)


class WorkspaceError(WrongInputError):
    """A template, or values for it, of which no workspace configuration can be made."""


@dataclass(frozen=True)
class Workspace:
    """A workspace configuration.

    Attributes
    ----------
    text
        The file, as JSON.
    sources, destinations
        The names of those that are in it, in their order.
    missing
        The placeholders that are left, sorted.
    """

    text: str
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    missing: tuple[str, ...]


def read_template(path: Path) -> dict[str, Any]:
    """Read a template.

    Raises
    ------
    WorkspaceError
        When it is no JSON object.
    """
    try:
        template = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WorkspaceError(f"{path.name} is not valid JSON: {error}") from None
    if not isinstance(template, dict):
        raise WorkspaceError(f"{path.name}: write an object with sources and destinations")
    return template


def render(
    template: Mapping[str, Any],
    rendered: Mapping[str, Sequence[Mapping[str, Any]]],
    values: Mapping[str, str],
    known: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
) -> Workspace:
    """Make a workspace configuration of a template.

    Parameters
    ----------
    rendered
        Destinations that are made elsewhere, by the name that the template's sources call them:
        each of ``name``, ``config`` and ``destinationDefinition``. ``env.NAME`` in them becomes
        ``${NAME}``.
    values
        What to put in place of placeholders, by their names.
    known
        The same from the parameters: used where there is such a placeholder, and no value.
    without
        Destinations to leave out.

    Raises
    ------
    WorkspaceError
        When the template cannot be used, a value is for no placeholder, or a secret would get into
        the file.
    """
    possible = _destinations(template, rendered)
    _known_names(without, possible, "--without")
    sources = []
    for source in _objects(template, SOURCES):
        names = source.get(DESTINATIONS, [])
        _known_names(names, possible, f"source {source.get('id')}")
        inner = [one for name in names if name not in without for one in possible[name]]
        sources.append({**_switched_on(source), DESTINATIONS: inner})
    rest = {k: v for k, v in template.items() if k not in (SOURCES, DESTINATIONS, DEFINITIONS)}
    document = {**rest, SOURCES: sources}
    _no_secrets(document)
    unused = sorted(values.keys() - set(_placeholders(document)))
    if unused:
        raise WorkspaceError(f"there is no placeholder {', '.join(unused)}")
    secret = sorted(name for name in values if _SECRET_KEY.search(name))
    if secret:
        raise WorkspaceError(
            f"{', '.join(secret)}: secrets are not written into this file; "
            "fill them in when the file goes to the cluster"
        )
    filled = _filled(document, {**(known or {}), **values})
    _no_secrets(filled)
    _each_once(filled[SOURCES])
    return Workspace(
        text=json.dumps(filled, ensure_ascii=False, indent=2) + "\n",
        sources=tuple(source["name"] for source in sources),
        destinations=tuple(
            dict.fromkeys(one["name"] for source in sources for one in source[DESTINATIONS])
        ),
        missing=tuple(sorted(set(_placeholders(filled)))),
    )


def _objects(template: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = template.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found) or not found:
        raise WorkspaceError(f"{key}: write a list of objects")
    for number, one in enumerate(found, start=1):
        for name in ("id", "name", "writeKey", "sourceDefinition"):
            if not one.get(name):
                raise WorkspaceError(f"{key}.{number}: {name} is missing")
    return found


def _known_names(names: Any, known: Mapping[str, Any], where: str) -> None:
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise WorkspaceError(f"{where}: write a list of destinations' names")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise WorkspaceError(
            f"{where}: there is no destination '{unknown[0]}'; there are {', '.join(known)}"
        )


def _destinations(
    template: Mapping[str, Any], rendered: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """Each destination that sources may name, whole: those made elsewhere may be several."""
    definitions = template.get(DEFINITIONS, {})
    known: dict[str, list[dict[str, Any]]] = {}
    for name, one in template.get(DESTINATIONS, {}).items():
        if name in rendered:
            raise WorkspaceError(f"{DESTINATIONS}.{name} is made from its own parameters")
        whole = _whole(name, one.get("name"), one.get("config"), one.get("definition"), definitions)
        known[name] = [whole]
    for name, several in rendered.items():
        known[name] = [
            _whole(
                name if len(several) == 1 else f"{name}-{number}",
                one["name"],
                _from_environment(one["config"]),
                one["destinationDefinition"]["name"],
                definitions,
            )
            for number, one in enumerate(several, start=1)
        ]
    return known


def _whole(
    id_: str, name: Any, config: Any, definition: Any, definitions: Mapping[str, Any]
) -> dict[str, Any]:
    if not name or not isinstance(config, dict):
        raise WorkspaceError(f"{DESTINATIONS}.{id_}: name and config are needed")
    if definition not in definitions:
        raise WorkspaceError(f"{DESTINATIONS}.{id_}: {DEFINITIONS} has no '{definition}'")
    return {
        **_switched_on({"id": id_, "name": name}),
        "isProcessorEnabled": True,
        "destinationDefinition": {"id": definition, "name": definition, **definitions[definition]},
        "config": config,
        "transformations": [],
    }


def _switched_on(one: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, "enabled": True, "deleted": False, "workspaceId": "${WORKSPACE_ID}"}


def _each_once(sources: Sequence[Mapping[str, Any]]) -> None:
    for key in ("id", "writeKey"):
        given = [source[key] for source in sources]
        if len(set(given)) < len(given):
            raise WorkspaceError(f"two sources have the same {key}")


def _from_environment(value: Any) -> Any:
    """``env.NAME`` as a placeholder: whether a data plane reads it in a file is not known."""
    return _changed(
        value,
        lambda text: f"${{{found[1]}}}" if (found := _FROM_ENVIRONMENT.fullmatch(text)) else text,
    )


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    return _changed(
        value, lambda text: _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)
    )


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """A copy with each text changed; names of fields stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _changed(inner, change) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_changed(inner, change) for inner in value]
    return value


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Each value that holds no others, with the name of its field."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, str(name))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner, key)
    else:
        yield key, value


def _placeholders(value: Any) -> Iterator[str]:
    for _, text in _texts(value):
        if isinstance(text, str):
            yield from _PLACEHOLDER.findall(text)


def _no_secrets(document: Mapping[str, Any]) -> None:
    """Refuse a secret's field with a value of its own, and what has a secret's form anywhere."""
    for key, value in _texts(document):
        given = value not in (None, "", True, False)
        if given and _SECRET_KEY.search(key) and not _PLACEHOLDER.fullmatch(str(value)):
            raise WorkspaceError(f"{key}: write a placeholder such as ${{REDSHIFT_PASSWORD}}")
        if isinstance(value, str) and _LOOKS_SECRET.search(value):
            raise WorkspaceError(f"{key}: this looks like a secret; write a placeholder")
