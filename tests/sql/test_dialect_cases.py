"""The proof of the dialect on both engines, and that it leaves nothing out.

On Trino the cases go to the engine itself, many in one statement: what is to be proven is how it
answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlglot import exp

from engagement.sql import allowed, features
from engagement.sql import types as kinds
from engagement.sql.dialect import check, parse
from engagement.sql.functions import FUNCTIONS
from engagement.sql.rendering import render
from engagement.warehouse import DialectError
from engagement.warehouse.athena.rendering import ATHENA
from engagement.warehouse.duckdb.rendering import DUCKDB
from tests.sql.both import (
    PARAMETERS,
    Asked,
    Run,
    cases,
    differs,
    expression,
    kind_of,
    odd,
    on_duckdb,
    on_trino,
    pattern_cases,
    portable_ways,
    wrong,
)
from tests.sql.dialect_cases import CASES, DIFFERENCES, ODD, VERDICTS, Difference
from tests.sql.dialect_many import many

if TYPE_CHECKING:
    from tests.athena.stand import Stand

MANY = many()


@pytest.fixture(scope="module")
def run(engine: str, request: pytest.FixtureRequest) -> Iterator[Run]:
    if engine == "duckdb":
        yield on_duckdb()
    else:
        stand = request.getfixturevalue("stand")
        with on_trino(stand.trino_host, stand.trino_port) as asked:
            yield asked


# --- what the engines answer ----------------------------------------------------------------------


def hold(run: Run, engine: str, asked: list[Asked]) -> None:
    found = wrong(run, engine, asked)
    assert not found, "\n".join(found)


def test_every_case_gives_its_value(run: Run, engine: str) -> None:
    hold(run, engine, cases())


@pytest.mark.parametrize("sql", ODD)
def test_the_projects_functions_read_odd_values(run: Run, engine: str, sql: str) -> None:
    found = odd(run, engine, sql, ODD[sql])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("sql", MANY)
def test_the_projects_functions_agree_with_python(run: Run, engine: str, sql: str) -> None:
    found = odd(run, engine, sql, MANY[sql])
    assert not found, "\n".join(found[:20])


def test_json_is_judged_strictly(run: Run, engine: str) -> None:
    found = odd(run, engine, "json_verdict(:1)", VERDICTS)
    assert not found, "\n".join(found)


def test_patterns_are_read_as_python_reads_them(run: Run, engine: str) -> None:
    hold(run, engine, pattern_cases())


def test_what_to_write_instead_gives_its_value(run: Run, engine: str) -> None:
    hold(run, engine, portable_ways())


def test_what_is_refused_is_answered_differently(run: Run, engine: str) -> None:
    found = [differs(run, engine, item) for item in DIFFERENCES]
    assert not any(found), "\n".join(line for line in found if line)


def test_a_case_that_is_wrong_is_found(run: Run, engine: str) -> None:
    """The comparison itself: values, types, digits."""
    asked = {sql: tree for sql, tree, _ in cases()}
    for sql, not_this in (("2 + 3", 6), ("2 + 3", 5.0), ("1.10", 1.1), ("true", 1)):
        assert wrong(run, engine, [(sql, asked[sql], not_this)])


# Letters that came with Unicode 14, which Java 17 knows and Trino does not put into lower or upper
# case: a few of Latin and Glagolitic, and the Vithkuqi script.
NEW_LETTERS = {
    *map(chr, (0x2C2F, 0x2C5F, 0xA7C0, 0xA7C1, 0xA7D0, 0xA7D1, *range(0xA7D6, 0xA7DA))),
    *map(chr, range(0x10570, 0x105BD)),
}


@pytest.mark.athena
@pytest.mark.parametrize("function", ["lower", "upper"])
def test_letters_are_the_same_on_both(stand: Stand, function: str) -> None:
    characters = [chr(n) for n in range(1, 0x20000) if not 0xD800 <= n < 0xE000]
    duckdb, differing = on_duckdb(), set()
    with on_trino(stand.trino_host, stand.trino_port) as athena:
        for start in range(0, len(characters), 20_000):
            part = "".join(characters[start : start + 20_000])
            tree = exp.select(expression(f"{function}(:gap)", gap=part))
            ((((ours, _),),), (((theirs, _),),)) = (
                duckdb(render(tree, DUCKDB, {})),
                athena(render(tree, ATHENA, {})),
            )
            assert len(ours) == len(theirs) == len(part)
            differing |= {c for c, a, b in zip(part, ours, theirs, strict=True) if a != b}
    assert differing <= NEW_LETTERS


# --- the lists ------------------------------------------------------------------------------------


def used() -> set[str]:
    """Everything that the cases are made of."""
    return {
        feature
        for sql in CASES
        for feature in features.features(parse(f"select {sql}"), {}, PARAMETERS)
    }


def test_every_entry_of_the_lists_has_a_case() -> None:
    assert features.LISTED - used() == set()


def test_cases_use_nothing_but_what_is_listed() -> None:
    assert used() - features.LISTED == set()


def test_cases_are_accepted() -> None:
    for sql in CASES:
        check(parse(f"select {sql}"), source=sql, tables={}, parameters=PARAMETERS)


def test_kinds_are_those_of_the_values() -> None:
    wrong = {}
    for sql, value in CASES.items():
        (kind,) = kinds.read(parse(f"select {sql}"), {}, PARAMETERS).columns.values()
        if kind != kind_of(value) and "null" not in (kind, kind_of(value).strip("ary()")):
            wrong[sql] = (kind, kind_of(value))
    assert not wrong


def test_every_own_function_of_models_has_a_definition_and_odd_values() -> None:
    assert allowed.OWN.keys() <= FUNCTIONS.keys()
    called = " ".join(ODD)
    assert [name for name in FUNCTIONS if f"{name}(" not in called] == INSIDE


INSIDE = ["json_verdict", "json_last_wins", "json_object_items", "json_has_others"]
"""Functions that only flattening calls, with tests of their own."""


# --- what is refused ------------------------------------------------------------------------------

REFUSED = [item for item in DIFFERENCES if item.said]
MENDED = [item for item in DIFFERENCES if not item.said]


@pytest.mark.parametrize("item", REFUSED, ids=lambda item: item.form)
def test_the_form_is_refused_with_what_to_write(item: Difference) -> None:
    with pytest.raises(DialectError) as caught:
        check(parse(f"select {item.form}"), tables={}, parameters=PARAMETERS)
    assert item.said in str(caught.value)


@pytest.mark.parametrize("item", MENDED, ids=lambda item: item.form)
def test_what_the_renderer_mends_may_be_written(item: Difference) -> None:
    assert item.form == item.instead
    check(parse(f"select {item.form}"), tables={}, parameters=PARAMETERS)


@pytest.mark.parametrize("item", DIFFERENCES, ids=lambda item: item.form)
def test_what_to_write_instead_is_accepted(item: Difference) -> None:
    check(parse(f"select {item.instead}"), tables={}, parameters=PARAMETERS)
