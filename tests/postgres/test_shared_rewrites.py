"""What Redshift is sent in place of unnest, sequence and max_by gives on PostgreSQL what it should.

These rewrites use nothing that PostgreSQL lacks, so their values can be seen here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engagement.sql.dialect import parse
from engagement.warehouse.redshift.rendering import redshift_sql
from tests.postgres.answers import on_postgres
from tests.postgres.parameters import settings
from tests.sql.both import Run

THINGS = (
    "(select 'x' as k, 1 as a, 10 as t, true as ok union all select 'x', null, 20, true "
    "union all select 'x', 3, 30, false union all select 'x', 4, null, true "
    "union all select null, 5, 1, true union all select 'y', 6, 1, false) as o"
)

CASES: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("select h.n from unnest(sequence(7, 23)) as h (n) order by 1", [(n,) for n in range(7, 24)]),
    (
        "select count(*), min(h.n), max(h.n) from unnest(sequence(0, 730)) as h (n)",
        [(731, 0, 730)],
    ),
    (
        (
            "select o.a, k.v, k.n from (select 1 as a, 'p' as b, 'q' as c) as o "
            "cross join unnest(array[o.b, null, o.c]) with ordinality as k (v, n) order by k.n"
        ),
        [(1, "p", 1), (1, None, 2), (1, "q", 3)],
    ),
    # The first by t, NULL t passed over; a NULL that comes first is the answer.
    (
        (
            "select o.k, max_by(o.a, o.t), min_by(o.a, o.t), "
            f"max_by(o.a, o.t) filter (where o.ok), count(*) "
            f"from {THINGS} group by o.k order by o.k"
        ),
        [("x", 3, 1, None, 4), ("y", 6, 6, None, 1), (None, 5, 5, 5, 1)],
    ),
    (f"select max_by(o.a, o.t) + 1 from {THINGS} where o.k = 'x'", [(4,)]),
    (f"select max_by(o.a, o.t) from {THINGS} where o.k = 'none'", [(None,)]),
    (
        f"select o.k from {THINGS} group by o.k having max_by(o.a, o.t) > 3 order by o.k",
        [("y",), (None,)],
    ),
    (
        (
            "select greatest(o.a, o.b), least(o.a, 1) from "
            "(select cast(null as integer) as a, 2 as b union all select 3, 2) as o order by 1"
        ),
        [(3, 1), (None, None)],
    ),
    ("select count_if(o.ok) from (select true as ok) as o where not o.ok", [(0,)]),
    (
        (
            "select o.a is not distinct from o.b, o.a is distinct from o.b from "
            "(select 1 as a, 1 as b union all select 1, null "
            "union all select null, null) as o order by o.a, o.b"
        ),
        [(True, False), (False, True), (True, False)],
    ),
]


@pytest.fixture(scope="module")
def run(postgres_socket: Path) -> Iterator[Run]:
    with on_postgres(settings(postgres_socket, "rewrites")) as run:
        yield run


@pytest.mark.parametrize(("sql", "rows"), CASES, ids=[sql[:60] for sql, _ in CASES])
def test_a_rewrite_for_redshift(run: Run, sql: str, rows: list[tuple[Any, ...]]) -> None:
    found = run(redshift_sql(parse(sql), {}))
    assert [tuple(value for value, _ in row) for row in found] == rows
