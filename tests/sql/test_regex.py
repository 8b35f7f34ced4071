"""Which regular expressions are accepted; what the engines make of those is in dialect_cases."""

from __future__ import annotations

import pytest

from engagement.sql.regex import problem, replacement_problem

ACCEPTED = [
    "",
    "abc",
    "^a.c\\z",
    "[a-z]{2,3}|com?[.][a-z]{2}",
    "^(a|(?:b|c)+?)??d*\\z",
    r"[\x09-\x0d ]",
    r"\.\^\$\*\+\?\(\)\[\]\{\}\|\\\/\-",
    r"[\]\[\\^$.*+?(){}|&-]",
    r"\d+\D\w\W",
    r"\x{e9}\x41\t\n\r\f",
    "é😀",
]


@pytest.mark.parametrize("pattern", ACCEPTED)
def test_what_both_engines_read_alike_is_accepted(pattern: str) -> None:
    assert problem(pattern) is None


REFUSED = {
    "a$": r"\z",
    "a$|b": r"\z",
    r"a\Z": r"\z",
    r"\Aa": "^",
    r"\s": r"[ \t\r\n]",
    r"[\s]": r"[ \t\r\n]",
    r"\S": r"[^ \t\r\n]",
    r"\ba": "write what may stand there",
    r"[\b]": "write what may stand there",
    "(?=a)": "look-around",
    "(?!a)": "look-around",
    "(?<=a)": "look-around",
    "(?<!a)": "look-around",
    "(?<name>a)": "look-around",
    "(?P<name>a)": "(?:…)",
    "(?i)a": "lower(x)",
    "(?>a)": "(?:…)",
    r"(a)\1": "back-references",
    "a*+": "possessive",
    "a++": "possessive",
    "a?+": "possessive",
    "a{2}+": "possessive",
    "a{": r"\{",
    "a{,2}": r"\{",
    "a}": r"\}",
    "a]": r"\]",
    "[]": r"\]",
    "[]a]": r"\]",
    "[a": r"\]",
    "[[:alpha:]]": r"\[",
    "[a[b]": r"\[",
    "[a&&b]": "&",
    r"\p{L}": "not known",
    r"\pL": "not known",
    r"\xe9": "not known",
    r"\u00e9": "not known",
    r"\e": "not known",
    r"\Qa\E": "not known",
    r"\h": "not known",
    "(a": "no pattern",
    "a**": "no pattern",
    "*": "no pattern",
}


@pytest.mark.parametrize(("pattern", "said"), REFUSED.items())
def test_what_they_read_differently_is_refused_with_what_to_write(pattern: str, said: str) -> None:
    assert said in (problem(pattern) or "")


@pytest.mark.parametrize("pattern", ["", "a*", "a?|b", "^", r"\z", "(a|)", "a{0,2}", r"^|\z"])
def test_what_may_match_nothing_does_not_replace(pattern: str) -> None:
    assert problem(pattern) is None
    assert "match nothing" in (problem(pattern, replaces=True) or "")


def test_replacements() -> None:
    for text in ("", "a b", "$1", "<$0-$2>"):
        assert replacement_problem(text) is None
    for text in ("\\1", "\\", "\\$", "$", "a$", "${name}", "$12"):
        assert replacement_problem(text)
