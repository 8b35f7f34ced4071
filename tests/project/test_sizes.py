"""Modules and classes stay of a size that one reads through; exceptions are argued in the docs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import engagement

PACKAGE = Path(engagement.__file__).parent
PAGE = PACKAGE.parents[1] / "docs" / "architecture.md"

MOST_OF_A_MODULE = 600
MOST_OF_A_CLASS = 300

_EXCEPTION = re.compile(r"^- `([\w/]+\.py)`(?:, `(\w+)`)?[^:\n]*: \S", re.MULTILINE)


def argued() -> set[tuple[str, str]]:
    """Modules, and classes of modules, that the page says a reason for."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("## Longer on purpose")
    return set(_EXCEPTION.findall(section))


def longer() -> set[tuple[str, str]]:
    """Modules, and classes of modules, that are longer than they should be."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(PACKAGE).as_posix()
        if text.count("\n") > MOST_OF_A_MODULE:
            found.add((name, ""))
        found |= {
            (name, node.name)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ClassDef)
            and (node.end_lineno or 0) - node.lineno + 1 > MOST_OF_A_CLASS
        }
    return found


def test_what_is_longer_is_argued_and_nothing_else() -> None:
    assert longer() == argued()
