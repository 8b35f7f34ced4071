"""Every allowed function and operator on PostgreSQL gives the value that its case says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres.answers import on_postgres
from tests.postgres.parameters import settings
from tests.sql import both
from tests.sql.both import Run

KNOWN = {
    "coalesce(cast(null as decimal(18, 2)), 0)": "its digits are those that the table is given",
    "nullif(regexp_extract('ab', 'a|ab'), '')": "the longest alternative counts, not the first",
    "(select array_agg(x order by x) from (select 1 as x union all select 2.5 as x) as q)": (
        "the digits of decimals in an array"
    ),
}
"""Cases that PostgreSQL answers otherwise, and why."""


@pytest.fixture(scope="module")
def run(postgres_socket: Path) -> Iterator[Run]:
    with on_postgres(settings(postgres_socket, "dialect")) as run:
        yield run


def test_every_case_of_the_dialect(run: Run) -> None:
    cases = both.cases()
    found = both.wrong(run, "postgres", cases)
    strange = [line for line in found if not line.startswith(tuple(KNOWN))]
    assert not strange, "\n".join(strange)
    assert len(found) == len(KNOWN), "one of the known differences is none any more"


def test_patterns_of_one_greed(run: Run) -> None:
    # PostgreSQL is greedy, or not, for a whole pattern: one that mixes both is read differently.
    cases = [one for one in both.pattern_cases() if not any(f"{q}?" in one[0] for q in "*+?}")]
    assert len(cases) > 300
    found = both.wrong(run, "postgres", cases)
    assert not found, "\n".join(found)
