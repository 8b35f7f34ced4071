"""Patterns in Redshift's words: PCRE, of which it gives the first group alone."""

from __future__ import annotations

import re

_ATOM = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\((?!\?)|[\s\S]", re.DOTALL)


def only_group(pattern: str, number: int) -> str:
    """A pattern whose only group is the one of a number: the others match as before."""
    found = 0
    parts = []
    for atom in _ATOM.findall(pattern):
        if atom == "(":
            found += 1
            parts.append("(" if found == number else "(?:")
        else:
            parts.append(atom)
    return "".join(parts)
