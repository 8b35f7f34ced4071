"""What RudderStack's loading loses, each loss by itself; and what it changes in the models.

See the list in docs/redshift.md.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import psycopg
import pytest

from engagement.as_of import resolve_as_of
from engagement.audience.history import EXPORTS
from engagement.audience.snapshots import MEMBERS, SIZES
from engagement.models.runner import build, models
from engagement.settings import load_settings
from engagement.warehouse import Warehouse, open_warehouse
from tests.athena.compare import differences
from tests.postgres import rudderstack, shell
from tests.postgres.loaded import Flattened, Loaded
from tests.postgres.parameters import overrides
from tests.postgres.server import USER
from tests.postgres.shell import ShellRun

LONG_NAME = "a" * 70
LONG_TEXT = "x" * 70_000

SENT = f"""
create schema events;
create table events.tracks (id varchar, event varchar, received_at timestamp, n bigint);
insert into events.tracks values
    ('1', '', '2026-01-05', 1), ('2', ' ', '2026-01-05', 2),
    ('3', '  Chat  Opened  ', '2026-01-05', 3), ('4', '{LONG_TEXT}', '2026-01-05', null);
create table events.{LONG_NAME} (id varchar, received_at timestamp);
insert into events.{LONG_NAME} values ('5', '2026-01-05');
create table events.discards (
    table_name varchar, row_id varchar, column_name varchar, column_value varchar,
    received_at timestamp
);
"""


@pytest.fixture(scope="module")
def loaded(postgres_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    path = tmp_path_factory.mktemp("losses") / "sent.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(SENT)
    given = overrides(postgres_socket, "losses")
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="losses", autocommit=True
    ) as connection:
        rudderstack.load(path, connection, mode="merge")
    given["warehouse.postgres"]["rudderstack_schema"] = rudderstack.SCHEMA
    return open_warehouse(load_settings("params/local.yaml", given))


def test_blank_texts_are_null_and_others_trimmed_and_cut(loaded: Warehouse) -> None:
    found = loaded.query("select event, length(event) as n from events.tracks order by id")
    assert found["event"].isna().tolist() == [True, True, False, False]
    assert found["event"][2] == "Chat  Opened"
    assert found["n"].tolist()[2:] == [12, 65_535]


def test_a_long_name_is_cut(loaded: Warehouse) -> None:
    with loaded.session() as session:
        assert "a" * 63 in session.tables("events")


OF_NAMES = {"person_events", "session_events", "event_daily", "event_paths", "event_properties"}
"""Models that have the names of events as they were sent."""


@pytest.mark.slow
def test_nothing_but_names_of_events_differs_in_the_models(
    flattened: Flattened, loaded_samples: Loaded, run_from_a_shell: ShellRun, tmp_path: Path
) -> None:
    """DuckDB's events are left as they were sent here, blanks and all."""
    assert run_from_a_shell.code == 0, run_from_a_shell.said
    whole = tmp_path / "whole.duckdb"
    whole.write_bytes(flattened.whole.read_bytes())
    own = {"warehouse.duckdb.path": str(whole), "run.directory": str(tmp_path / "runs")}
    settings = load_settings("params/local.yaml", own)
    local = open_warehouse(settings)
    build(
        local,
        settings,
        resolve_as_of(local, settings),
        sorted({model.layer for model in models().values()}),
    )
    remote = open_warehouse(load_settings("params/local.yaml", loaded_samples.open(shell.NAME)))
    found = differences(local, remote, databases=["marts"], without={MEMBERS, SIZES, EXPORTS})
    assert {one.table.name for one in found} == OF_NAMES, "\n".join(map(str, found))
    trimmed = "select id, person_id, nullif(trim(event), '') as event from marts.person_events"
    ours, theirs = (one.query(f"{trimmed} order by id, received_at") for one in (local, remote))
    assert ours.equals(theirs)
