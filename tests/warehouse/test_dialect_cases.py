"""The proof of the dialect on DuckDB, and that it leaves nothing out.

The same cases run on Trino in ``tests/athena/test_dialect_trino.py``.
"""

from __future__ import annotations

import pytest

from engagement.warehouse import DialectError, allowed, kinds, portable
from engagement.warehouse.dialect import FUNCTIONS, check, parse
from tests.warehouse.both import (
    PARAMETERS,
    Asked,
    Run,
    cases,
    differs,
    kind_of,
    odd,
    on_duckdb,
    pattern_cases,
    portable_ways,
    wrong,
)
from tests.warehouse.dialect_cases import CASES, DIFFERENCES, ODD, VERDICTS, Difference
from tests.warehouse.dialect_many import many

MANY = many()


@pytest.fixture(scope="module")
def run() -> Run:
    return on_duckdb()


# --- what DuckDB answers --------------------------------------------------------------------------


def hold(run: Run, asked: list[Asked]) -> None:
    found = wrong(run, "duckdb", asked)
    assert not found, "\n".join(found)


def test_every_case_gives_its_value(run: Run) -> None:
    hold(run, cases())


@pytest.mark.parametrize("sql", ODD)
def test_the_projects_functions_read_odd_values(run: Run, sql: str) -> None:
    found = odd(run, "duckdb", sql, ODD[sql])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("sql", MANY)
def test_the_projects_functions_agree_with_python(run: Run, sql: str) -> None:
    found = odd(run, "duckdb", sql, MANY[sql])
    assert not found, "\n".join(found[:20])


def test_json_is_judged_strictly(run: Run) -> None:
    found = odd(run, "duckdb", "json_verdict(:1)", VERDICTS)
    assert not found, "\n".join(found)


def test_patterns_are_read_as_python_reads_them(run: Run) -> None:
    hold(run, pattern_cases())


def test_what_to_write_instead_gives_its_value(run: Run) -> None:
    hold(run, portable_ways())


def test_what_is_refused_is_answered_differently(run: Run) -> None:
    found = [differs(run, "duckdb", item) for item in DIFFERENCES]
    assert not any(found), "\n".join(line for line in found if line)


def test_a_case_that_is_wrong_is_found(run: Run) -> None:
    """The comparison itself: values, types, digits."""
    asked = {sql: tree for sql, tree, _ in cases()}
    for sql, not_this in (("2 + 3", 6), ("2 + 3", 5.0), ("1.10", 1.1), ("true", 1)):
        assert wrong(run, "duckdb", [(sql, asked[sql], not_this)])


# --- the lists ------------------------------------------------------------------------------------


def used() -> set[str]:
    """Everything that the cases are made of."""
    return {
        feature
        for sql in CASES
        for feature in portable.features(parse(f"select {sql}"), {}, PARAMETERS)
    }


def test_every_entry_of_the_lists_has_a_case() -> None:
    assert portable.LISTED - used() == set()


def test_cases_use_nothing_but_what_is_listed() -> None:
    assert used() - portable.LISTED == set()


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


INSIDE = ["json_verdict", "json_last_wins"]
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
