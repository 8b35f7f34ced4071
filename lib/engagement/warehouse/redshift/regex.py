"""Regular expressions for Redshift: PCRE, of which it returns only the first group."""

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
