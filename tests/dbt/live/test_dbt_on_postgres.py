"""The exported project on a real PostgreSQL, over tables loaded as RudderStack loads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from engagement.settings import load_settings
from engagement.warehouse import Warehouse, open_warehouse
from tests.athena.compare import differences
from tests.dbt.live.conftest import Project, Truth, said, written
from tests.postgres import rudderstack
from tests.postgres.parameters import overrides
from tests.postgres.server import USER

pytestmark = pytest.mark.slow

NAME = "dbt"


@dataclass(frozen=True)
class Built:
    """A project that was run from its first step to its last."""

    project: Project
    warehouse: Warehouse
    socket: Path
    truth: Truth


@pytest.fixture(scope="module")
def built(
    postgres_socket: Path,
    truth: Truth,
    make_project: Callable[..., Project],
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    given = overrides(postgres_socket, NAME)
    with connected(postgres_socket) as connection:
        rudderstack.load(truth.flattened, connection, mode="append")
    folder = tmp_path_factory.mktemp("postgres")
    given["warehouse.postgres"]["rudderstack_schema"] = rudderstack.SCHEMA
    params = written(
        folder / "params.yaml",
        {
            "warehouse": {"engine": "postgres", "postgres": given["warehouse.postgres"]},
            "run": {"directory": str(folder / "runs")},
        },
    )
    settings = load_settings(str(params))
    project = make_project(
        "postgres",
        settings,
        PGHOST=str(postgres_socket),
        PGDATABASE=NAME,
        PGUSER=USER,
        DBT_ENV_SECRET_PGPASSWORD="no-password-is-asked-for",
    )
    project.everything(truth.day, params)
    return Built(project, open_warehouse(settings), postgres_socket, truth)


def connected(socket: Path) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(host=str(socket), user=USER, dbname=NAME, autocommit=True)


def test_every_table_is_that_of_engagement_build(built: Built) -> None:
    found = differences(built.truth.warehouse, built.warehouse, databases=["marts"])
    assert not found, "\n".join(map(str, found))


def test_nothing_is_left_of_a_loop_and_seeds_have_a_schema_of_their_own(built: Built) -> None:
    with connected(built.socket) as connection:
        rows = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'marts_dbt'"
        ).fetchall()
    names = {str(name) for (name,) in rows}
    assert {"identity_nodes", "click_ids", "exchange_rates"} <= names
    assert not any(name.endswith(("__a", "__b", "__dbt_tmp")) for name in names)


PLANTED = {
    # A value that is none of those accepted.
    "orders__status_is_known": "update marts.orders set status = 'lost' where order_id = "
    "(select min(order_id) from marts.orders)",
    # A row twice.
    "carts__the_key_is_unique": "insert into marts.carts select * from marts.carts limit 1",
    # A key that is missing.
    "carts__cart_id_is_never_null": "update marts.carts set cart_id = null where cart_id = "
    "(select max(cart_id) from marts.carts)",
    # A row that meets a condition which none may.
    "order_refunds__refunds_are_never_negative": "update marts.order_refunds set refunds = -1",
    # A query that reads another table too.
    "order_event_lines__lines_belong_to_events_that_count": "update marts.order_event_lines "
    "set order_id = 'nobody''s'",
}


def test_tests_find_what_is_planted_and_nothing_before(built: Built) -> None:
    words = ["--select", *PLANTED, "--vars", f"{{as_of: {built.truth.day}}}"]
    before = built.project.dbt("test", *words)
    assert before.returncode == 0, said(before)
    for name in PLANTED:
        assert re.search(rf" PASS {name} ", before.stdout), said(before)
    with connected(built.socket) as connection:
        for statement in PLANTED.values():
            assert connection.execute(statement.encode()).rowcount > 0, statement
    after = built.project.dbt("test", *words)
    assert after.returncode == 1
    for name in PLANTED:
        assert re.search(rf" FAIL [1-9][0-9]* {name} ", after.stdout), said(after)


def test_without_a_day_nothing_is_built(built: Built) -> None:
    done = built.project.dbt("build", "--select", "identity_links")
    assert done.returncode != 0
    assert "Say as of which day" in done.stdout
