"""Regular expressions of the dialect in PostgreSQL's syntax."""

from __future__ import annotations

import re

_ATOM = re.compile(
    r"\\x\{(?P<wide>[0-9a-fA-F]{1,6})\}|\\x(?P<hex>[0-9a-fA-F]{2})|\\(?P<escape>.)"
    r"|\[(?P<class>(?:\\.|[^\]\\])*)\]|(?P<dot>[.])|(?P<other>[\s\S])",
    re.DOTALL,
)
_CLASSES = {"d": "0-9", "w": "a-zA-Z0-9_"}


def postgres_pattern(pattern: str) -> str:
    r"""A pattern whose ``\z``, ``.``, ``\d`` and ``\w`` mean there what they mean on Athena."""
    parts = []
    for atom in _ATOM.finditer(pattern):
        if atom["wide"] or atom["hex"]:
            parts.append(f"\\U{int(atom['wide'] or atom['hex'], 16):08x}")
        elif atom["escape"] is not None:
            escape = atom["escape"]
            inner = _CLASSES.get(escape.lower())
            if escape == "z":
                parts.append(r"\Z")
            elif inner:
                parts.append(f"[{'^' if escape.isupper() else ''}{inner}]")
            else:
                parts.append(f"\\{escape}")
        elif atom["class"] is not None:
            parts.append(f"[{_class(atom['class'])}]")
        else:
            parts.append(r"[^\n]" if atom["dot"] else atom["other"])
    return "".join(parts)


def _class(inner: str) -> str:
    def one(found: re.Match[str]) -> str:
        if found["wide"] or found["hex"]:
            return f"\\U{int(found['wide'] or found['hex'], 16):08x}"
        return _CLASSES.get(found["escape"], f"\\{found['escape']}")

    return re.sub(
        r"\\x\{(?P<wide>[0-9a-fA-F]{1,6})\}|\\x(?P<hex>[0-9a-fA-F]{2})|\\(?P<escape>.)", one, inner
    )
