"""What is wrong with a document that a person wrote, in words for that person.

Documents (parameters, a model's YAML, a segment) are validated by a library that names its own
types and patterns. Here its findings become sentences that say which key, what to write, and what
was given.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError


def explained(
    error: ValidationError,
    unknown: Callable[[str], str],
    write: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """A sentence per mistake, each starting with its dotted key.

    Parameters
    ----------
    unknown
        Gives the whole sentence for a key that there is not.
    write
        What to write, by dotted key, where a text has to have some form: ``a size such as 4GB``.
    """
    for item in error.errors():
        parts = [str(part) for part in item["loc"] if part != "[key]"]
        key = ".".join(parts)
        if item["type"] == "extra_forbidden":
            yield unknown(key)
        elif item["type"] == "missing":
            yield f"{key}: is missing"
        elif item["type"] == "value_error":
            own = str(item["ctx"]["error"])
            # What is about several keys at once names them itself.
            quotes = not key or str(item["input"]) in own
            yield (f"{key}: {own}" if key else own) + ("" if quotes else _given(item["input"]))
        else:
            hint = (write or {}).get(key) or (write or {}).get(_any_place(parts))
            message = f"write {hint}" if hint else _written(item["type"], item.get("ctx") or {})
            if item["type"] == "literal_error":
                message += _near(item["input"], item["ctx"]["expected"])
            yield f"{key}: {message}{_given(item['input'])}"


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """``; did you mean 'x'?``, or nothing where nothing is similar."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=cutoff)
    return f"; did you mean '{near[0]}'?" if near else ""


def unknown_key(key: str, known: Collection[str]) -> str:
    """A sentence for a key that there is not, with the nearest of those there are, or them all."""
    hint = nearest(key, known) or f"; the keys are {', '.join(known)}"
    return f"{key}: there is no such key{hint}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 file``, ``1,200 files``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def some(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, with a sign that there are more: ``a, b, c, …``."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def _any_place(parts: list[str]) -> str:
    """A key of a list's member, whichever it is: ``customers.recency_days.0`` as ``….*``."""
    return ".".join("*" if part.isdigit() else part for part in parts)


def _given(value: Any) -> str:
    if isinstance(value, (dict, list, tuple)) and value:
        return ""
    return f" (given: {value!r})"


def _near(given: Any, expected: str) -> str:
    return nearest(given, expected.split("'")[1::2]) if isinstance(given, str) else ""


_WORDS = {
    "bool": "write true or false",
    "int": "write a whole number",
    "float": "write a number",
    "decimal": "write a number",
    "finite_number": "write a number",
    "date": "write a date such as 2026-10-30",
    "string_type": "write a text, in quotes where it looks like a number",
    "string_pattern_mismatch": "this is not how it is written",
    "tuple": "write a list",
    "list": "write a list",
    "dict": "write keys with their values",
    "model": "write keys with their values",
    "invalid_key": "a key has to be a text: put it in quotes",
}
"""What to write, by how the library's type of error begins."""


def _written(kind: str, about: Mapping[str, Any]) -> str:
    match kind:
        case "greater_than_equal":
            return f"write {about['ge']} or more"
        case "greater_than":
            return f"write more than {about['gt']}"
        case "less_than_equal":
            return f"write {about['le']} or less"
        case "less_than":
            return f"write less than {about['lt']}"
        case "string_too_short":
            return "must not be empty"
        case "too_short":
            return f"needs at least {counted(int(about['min_length']), 'item')}"
        case "literal_error":
            return f"write {about['expected']}"
    for start, words in _WORDS.items():
        if kind.startswith(start):
            return words
    return "this cannot be used here"


def shown_path(path: Path, root: Path) -> str:
    """A path as it is shown: from the project's folder, or its last part if it lies outside."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else f"…/{path.name}"
