"""The proof of the dialect on Trino: the cases that DuckDB answers in ``tests/warehouse``.

They go to the engine itself, many in one statement: what is to be proven is how it answers.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trino
from sqlglot import exp

from engagement.warehouse.dialect import render
from tests.athena.stand import Stand
from tests.warehouse.both import (
    Answer,
    Asked,
    Run,
    cases,
    differs,
    expression,
    odd,
    on_duckdb,
    pattern_cases,
    portable_ways,
    wrong,
)
from tests.warehouse.dialect_cases import DIFFERENCES, ODD, VERDICTS
from tests.warehouse.dialect_many import many

MANY = many()


@pytest.fixture(scope="module")
def run(stand: Stand) -> Iterator[Run]:
    with trino.dbapi.connect(
        host=stand.trino_host, port=stand.trino_port, user="dialect", timezone="UTC"
    ) as connection:

        def run(sql: str) -> list[list[Answer]]:
            cursor = connection.cursor()
            rows = cursor.execute(sql).fetchall()
            types = [str(column[1]) for column in cursor.description]
            return [list(zip(row, types, strict=True)) for row in rows]

        yield run


def hold(run: Run, asked: list[Asked]) -> None:
    found = wrong(run, "athena", asked)
    assert not found, "\n".join(found)


def test_every_case_gives_its_value(run: Run) -> None:
    hold(run, cases())


@pytest.mark.parametrize("sql", ODD)
def test_the_projects_functions_read_odd_values(run: Run, sql: str) -> None:
    found = odd(run, "athena", sql, ODD[sql])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("sql", MANY)
def test_the_projects_functions_agree_with_python(run: Run, sql: str) -> None:
    found = odd(run, "athena", sql, MANY[sql])
    assert not found, "\n".join(found[:20])


def test_json_is_judged_strictly(run: Run) -> None:
    found = odd(run, "athena", "json_verdict(:1)", VERDICTS)
    assert not found, "\n".join(found)


def test_patterns_are_read_as_python_reads_them(run: Run) -> None:
    hold(run, pattern_cases())


def test_what_to_write_instead_gives_its_value(run: Run) -> None:
    hold(run, portable_ways())


def test_what_is_refused_is_answered_differently(run: Run) -> None:
    found = [differs(run, "athena", item) for item in DIFFERENCES]
    assert not any(found), "\n".join(line for line in found if line)


# Letters that came with Unicode 14, which Java 17 knows and Trino does not put into lower or upper
# case: a few of Latin and Glagolitic, and the Vithkuqi script.
NEW_LETTERS = {
    *map(chr, (0x2C2F, 0x2C5F, 0xA7C0, 0xA7C1, 0xA7D0, 0xA7D1, *range(0xA7D6, 0xA7DA))),
    *map(chr, range(0x10570, 0x105BD)),
}


@pytest.mark.parametrize("function", ["lower", "upper"])
def test_letters_are_the_same(run: Run, function: str) -> None:
    duckdb = on_duckdb()
    characters = [chr(n) for n in range(1, 0x20000) if not 0xD800 <= n < 0xE000]
    differing = set()
    for start in range(0, len(characters), 20_000):
        part = "".join(characters[start : start + 20_000])
        tree = exp.select(expression(f"{function}(:gap)", gap=part))
        ((((ours, _),),), (((theirs, _),),)) = (
            duckdb(render(tree, "duckdb", {})),
            run(render(tree, "athena", {})),
        )
        assert len(ours) == len(theirs) == len(part)
        differing |= {c for c, a, b in zip(part, ours, theirs, strict=True) if a != b}
    assert differing <= NEW_LETTERS
