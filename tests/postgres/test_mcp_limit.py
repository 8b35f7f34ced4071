"""A question of ``engagement mcp`` that takes too long: its statement ends on the server, too."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest

from engagement.mcp.answers import Answers, _with_limit
from engagement.mcp.worker import QuestionError, Worker
from engagement.settings import Settings, load_settings
from engagement.warehouse import Table, open_warehouse
from tests.postgres.parameters import overrides
from tests.postgres.server import USER

LONG = (
    "select count(*) as n from marts.numbers as a cross join marts.numbers as b "
    "cross join marts.numbers as c where a.n + b.n + c.n < 0"
)
RUNNING = (
    b"select count(*) from pg_stat_activity where datname = 'mcp_limit' and state = 'active' "
    b"and query like '%numbers%' and pid <> pg_backend_pid()"
)


@pytest.fixture
def settings(postgres_socket: Path) -> Settings:
    given = overrides(postgres_socket, "mcp_limit")
    found = load_settings("params/local.yaml", {**given, "mcp.most_seconds": 10})
    with open_warehouse(found).session(write=True) as session:
        session.publish(
            Table("marts", "numbers"), "select h.n from unnest(sequence(0, 4999)) as h (n)"
        )
    return found


def test_a_statement_is_gone_on_the_server(settings: Settings, postgres_socket: Path) -> None:
    worker = Worker(settings)
    try:
        assert worker.ask("run_query", sql="select 1 as n")["rows"] == [[1]]
        with psycopg.connect(
            host=str(postgres_socket), user=USER, dbname="mcp_limit", autocommit=True
        ) as other:
            with pytest.raises(QuestionError, match="stopped after 10 seconds"):
                worker.ask("run_query", sql=LONG)
            ended = time.monotonic() + 10
            while other.execute(RUNNING).fetchone() != (0,):
                assert time.monotonic() < ended
                time.sleep(0.1)
    finally:
        worker.close()


def test_the_server_ends_it_without_anybodys_help(settings: Settings) -> None:
    """Where the process that asks cannot say any more that it has gone."""
    limits = settings.mcp.model_copy(update={"most_seconds": 1})
    answers = Answers(settings.model_copy(update={"mcp": limits}), "key")
    started = time.monotonic()
    with pytest.raises(Exception, match="statement timeout"):
        answers.run_query(LONG)
    assert 1 < time.monotonic() - started < 30


def test_every_server_is_told() -> None:
    given = {
        "warehouse.engine": "redshift",
        "warehouse.redshift": {"host": "h", "user": "u", "statement_seconds": 3600},
        "mcp.most_seconds": 20.5,
    }
    section = _with_limit(load_settings("params/local.yaml", given)).warehouse.redshift
    assert section is not None
    assert section.statement_seconds == 22
    given["warehouse.redshift"] = {"host": "h", "user": "u", "statement_seconds": 5}
    section = _with_limit(load_settings("params/local.yaml", given)).warehouse.redshift
    assert section is not None
    assert section.statement_seconds == 5
