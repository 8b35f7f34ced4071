"""JSON read strictly, by RFC 8259, for an engine whose own reader is lax.

DuckDB's JSON functions let ``NaN``, trailing commas and ``1E400`` pass, take the first of the
values that an object gives one key, and describe no text that is nested deeper than 128 levels.
Records are judged here instead, so that both engines keep the same ones: no number beyond a double,
no lone surrogate, no control character in a string, the last value of a key given twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

MAX_DEPTH = 1000
"""Levels of nesting that are read; deeper texts are set aside (the limit of Trino's reader too)."""

MOST_SORTED = 1000
"""Members of an object with numbers for keys that are put in order."""

OBJECT, TWICE, VALUE, TOO_DEEP, NOT_JSON = "object", "twice", "value", "too_deep", "not_json"

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_PARTS = re.compile(rf"{_STRING}|[{{}}\[\],:]|[^\s{{}}\[\],:\"]+", re.DOTALL)
_STRINGS = re.compile(_STRING, re.DOTALL)
_SPACED = re.compile(r'"\s+:')


def verdict(text: str) -> str:
    """Say what a text is: one JSON object, another JSON value, or no JSON, and why.

    Returns
    -------
    str
        ``object``; ``twice``, an object in which some object gives a key twice; ``value``, JSON
        but no object; ``too_deep``, nested deeper than :data:`MAX_DEPTH`; or ``not_json``.
    """
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        return TOO_DEEP
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return NOT_JSON
    if not isinstance(value, dict):
        return VALUE
    # As many keys as are written give no key twice; only the rest needs a closer, slower look.
    if text.count('":') == _keys(value) and not _SPACED.search(text):
        return OBJECT
    return TWICE if has_twins(text) else OBJECT


def last_wins(text: str) -> str:
    """Leave out, of a valid JSON text, all but the last of the values that a key is given."""
    # What prints as it stands gives no key twice; only the rest needs a closer, slower look.
    return text if _prints_as(orjson.loads(text), text) else _last_wins(text)


def _last_wins(text: str) -> str:
    open_: list[_Open] = []
    done = ""
    for part in _PARTS.findall(text):
        if part in "{[":
            open_.append(_Open(part))
            continue
        if part in "}]":
            done = open_.pop().closed()
        elif part == ":":
            open_[-1].key = done
            continue
        elif part == ",":
            continue
        else:
            done = part
            if open_ and open_[-1].awaits_key:
                continue
        if open_:
            open_[-1].add(done)
    return done


class _Open:
    """An object or array whose end has not been read yet."""

    def __init__(self, bracket: str) -> None:
        self.bracket = bracket
        self.key: str | None = None
        self.items: dict[Any, tuple[str | None, str]] = {}

    @property
    def awaits_key(self) -> bool:
        return self.bracket == "{" and self.key is None

    def add(self, value: str) -> None:
        name = len(self.items) if self.key is None else orjson.loads(self.key)
        self.items[name] = (self.key, value)
        self.key = None

    def closed(self) -> str:
        members = (value if key is None else f"{key}:{value}" for key, value in self.items.values())
        return f"{self.bracket}{','.join(members)}{'}' if self.bracket == '{' else ']'}"


def object_items(text: str) -> str:
    """The members of a JSON object as the text of a JSON array, each as it stands.

    Where all keys are whole numbers, they come in the order of these; where all values are objects,
    in the object's own; else the object is the only one. Of more than :data:`MOST_SORTED` members
    none is moved.
    """
    members = _members(text)
    values = list(members.values())
    if all(_WHOLE.fullmatch(key) for key in members):
        if len(members) <= MOST_SORTED:
            values = [members[key] for key in sorted(members, key=_as_number)]
    elif not all(value.startswith("{") for value in values):
        values = [text]
    return f"[{','.join(values)}]"


def _as_number(digits: str) -> tuple[int, str, str]:
    """What sorts whole numbers, which may be very long."""
    short = digits.lstrip("0")
    return len(short), short, digits


def _members(text: str) -> dict[str, str]:
    """The members of a JSON object, which gives no key twice: keys, and texts of their values."""
    members: dict[str, str] = {}
    key, start, depth = "", 0, 0
    for part in _PARTS.finditer(text):
        mark = part.group()
        if mark in ("}", "]"):
            depth -= 1
        if depth == 1 and mark == ":":
            key, start = orjson.loads(text[start : part.start()]), part.end()
        elif (depth == 1 and mark == ",") or (depth == 0 and mark == "}"):
            if start < part.start():
                members[key] = text[start : part.start()].strip()
            start = part.end()
        elif mark in ("{", "["):
            depth += 1
            start = part.end() if depth == 1 else start
    return members


_WHOLE = re.compile("[0-9]+")


def leaves(value: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is not null, with its path: scalars, arrays and empty objects."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), value)]
    while waiting:
        path, inner = waiting.pop()
        if isinstance(inner, dict) and inner:
            waiting.extend(((*path, key), below) for key, below in inner.items())
        elif inner is not None:
            yield path, inner


def paths(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every path of scalars, arrays and empty objects in a JSON object, with what stands there."""
    for path, value in leaves(orjson.loads(text)):
        yield path, _KINDS[type(value)]


_KINDS = {
    dict: "object",
    list: "array",
    bool: "boolean",
    int: "integer",
    float: "double",
    str: "string",
}


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in _STRINGS.sub("", text):
        if character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
    return deepest


def _prints_as(value: Any, text: str) -> bool:
    try:
        return orjson.dumps(value) == text.encode()
    except orjson.JSONEncodeError:
        return False  # it writes fewer levels than it reads


def _keys(value: Any) -> int:
    """How many keys all the objects of a value have."""
    count = 0
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            count += len(inner)
            waiting.extend(item for item in inner.values() if isinstance(item, (dict, list)))
        else:
            waiting.extend(item for item in inner if isinstance(item, (dict, list)))
    return count


def has_twins(text: str) -> bool:
    """Whether some object in a valid JSON text gives a key twice."""
    found = False

    def note(members: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        members_by_key = dict(members)
        found = found or len(members_by_key) < len(members)
        return members_by_key

    try:
        json.loads(text, object_pairs_hook=note)
    except (RecursionError, ValueError):
        # Python's own reader is recursive, and refuses integers of more than 4,300 digits.
        return _last_wins(text) != "".join(_PARTS.findall(text))
    return found
