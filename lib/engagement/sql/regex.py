r"""Regular expressions that Athena's engine and DuckDB read alike.

Trino's are Joni's (Java's syntax), DuckDB's are RE2's. They agree on what is listed here: plain
characters, ``.`` (never a line end), classes, groups, alternatives, greedy and lazy repetition,
``^`` and ``\z``, and a few escapes. Look-around and back-references are missing in RE2; ``$``
(which lets a line end follow), ``\s`` (which of the vertical tab), ``\b`` (which of letters) and
brackets within a class differ in silence.
"""

from __future__ import annotations

import re

_ESCAPES = {
    "s": r"\s differs on the vertical tab: write [ \t\r\n]",
    "S": r"\S differs on the vertical tab: write [^ \t\r\n]",
    "b": r"\b knows other letters on each engine: write what may stand there",
    "B": r"\B knows other letters on each engine: write what may stand there",
    "Z": r"\Z lets a line end follow: write \z",
    "A": r"\A: write ^",
}
_PLAIN = frozenset("tnrfdDwWz") | frozenset(r".^$*+?()[]{}|\/-")
_LOOKS_AROUND = "DuckDB's patterns have no look-around and no back-references"
_ATOM = re.compile(
    r"\\x[0-7][0-9a-fA-F]|\\x\{[0-9a-fA-F]{1,6}\}|\\(?P<escape>.)"
    r"|\(\?(?P<group><?[=!]|[^:]|:)?|\((?P<open>)"
    r"|\[(?P<negated>\^?)(?P<class>(?:\\.|[^\]\\])*)\]?"
    r"|(?P<times>[*+?]|\{[0-9]+(?:,[0-9]*)?\})(?P<how>[?+]?)"
    r"|(?P<other>[\s\S])",
    re.DOTALL,
)


def problem(pattern: str, *, replaces: bool = False) -> str | None:
    """Say what the engines would read differently in a pattern, and what to write.

    Parameters
    ----------
    replaces
        Whether every match is replaced or listed: then it must not match the empty text, of which
        the engines find different numbers.
    """
    for atom in _ATOM.finditer(pattern):
        found = _problem_of(atom)
        if found:
            return found
    try:
        # Python knows \z by another name, and no \x{…}.
        known = re.sub(r"\\x\{([0-9a-fA-F]+)\}", r"\\U\g<1>", pattern).replace(r"\z", r"\Z")
        known = re.sub(r"\\U([0-9a-fA-F]+)", lambda m: f"\\U{m[1]:0>8}", known)
        compiled = re.compile(known)
    except re.error as error:
        return f"is no pattern: {error}"
    if replaces and compiled.match(""):
        return "it may match nothing, which the engines find a different number of times"
    return None


def _problem_of(atom: re.Match[str]) -> str | None:
    escape, group, times = atom["escape"], atom["group"], atom["times"]
    if escape is not None:
        if escape.isdigit() and escape != "0":
            return _LOOKS_AROUND
        return _ESCAPES.get(escape) or (
            None if escape in _PLAIN else rf"\{escape} is not known to both engines"
        )
    if group is not None and group != ":":
        if group[0] in "=!<":
            return _LOOKS_AROUND
        return f"(?{group}: write lower(x) for (?i), and (…) or (?:…) for a group"
    if atom["class"] is not None:
        return _problem_of_class(atom["class"], closed=atom[0].endswith("]"))
    if times is not None and atom["how"] == "+":
        return "one engine has no possessive repetition such as *+"
    if times is None and atom["other"] == "$":
        return r"$ lets a line end follow on one engine: write \z"
    if times is None and atom["other"] in ("{", "}", "]"):
        return rf"{atom['other']} by itself: write \{atom['other']}"
    return None


def _problem_of_class(inner: str, *, closed: bool) -> str | None:
    if not closed or inner == "":
        return r"a class without an end: write \] for a bracket in it"
    for escaped, plain in re.findall(r"\\(.)|([\s\S])", inner):
        if plain == "[":
            return r"[ in a class opens another one on one engine: write \["
        if escaped and (escaped in _ESCAPES or escaped == "z"):
            return _ESCAPES.get(escaped, rf"\{escaped} in a class")
        if escaped and escaped not in _PLAIN and escaped != "x":
            return rf"\{escaped} is not known to both engines"
    if "&&" in inner:
        return "&& in a class means another thing on one engine: write the & once"
    return None


def replacement_problem(replacement: str) -> str | None:
    """Say what the engines would read differently in what matches are replaced by."""
    if "\\" in replacement:
        return r"a backslash means another thing on each engine: $1 stands for a group"
    if re.search(r"\$(?![0-9])|\$[0-9]{2}", replacement):
        return "$ is followed by the one digit of a group"
    return None
