"""What ``engagement check`` tries on PostgreSQL: each privilege taken away, and its message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from engagement.runs import checks
from engagement.settings import Settings, load_settings
from engagement.warehouse import WarehouseError, open_warehouse
from engagement.warehouse.registry import find_engine
from tests.postgres.parameters import overrides
from tests.postgres.server import USER

NAME = "privileges"
BUILDER, READER = "shop_builder", "shop_reader"

RAW = """
create schema raw;
create table raw.tracks (id varchar(65535), event varchar(65535), received_at timestamp);
create table raw.pages (id varchar(65535), received_at timestamp);
"""


@pytest.fixture
def admin(postgres_socket: Path) -> Iterator[psycopg.Connection]:
    """A connection that may do all; the database is new, and has two roles beside it."""
    overrides(postgres_socket, NAME)
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname=NAME, autocommit=True
    ) as connection:
        for role in (BUILDER, READER):
            connection.execute(f"drop role if exists {role}".encode())
            connection.execute(f"create role {role} login".encode())
        for statement in (
            RAW,
            f"grant {READER} to {BUILDER}",
            f"grant usage on schema raw to {BUILDER}",
            f"grant select on all tables in schema raw to {BUILDER}",
            f"grant create, temporary on database {NAME} to {BUILDER}",
            f"revoke temporary on database {NAME} from public",
        ):
            connection.execute(statement.encode())
        yield connection
        for role in (BUILDER, READER):
            connection.execute(f"drop owned by {role} cascade".encode())
            connection.execute(f"drop role {role}".encode())


@pytest.fixture
def settings(admin: psycopg.Connection, postgres_socket: Path) -> Settings:
    del admin
    return load_settings(
        "params/local.yaml",
        {
            "warehouse.engine": "postgres",
            "warehouse.postgres": {
                "host": str(postgres_socket),
                "database": NAME,
                "user": BUILDER,
                "rudderstack_schema": "raw",
                "read_role": READER,
            },
        },
    )


def missing(settings: Settings) -> dict[str, str]:
    """What is not as a run needs it, with the hint."""
    return {one.name: one.hint for one in find_engine("postgres").check(settings) if not one.ok}


def test_a_user_with_every_privilege_builds(settings: Settings, admin: psycopg.Connection) -> None:
    assert missing(settings) == {}
    warehouse = open_warehouse(settings)
    with warehouse.session(write=True):
        pass
    # The schemas are there now; the role that reads has not been let in.
    assert sorted(missing(settings)) == [
        f"{READER} in {schema}" for schema in ("engagement_storage", "events", "landing", "marts")
    ]
    with pytest.raises(WarehouseError, match="permission denied"):
        warehouse.query("select id from events.tracks")
    for hint in missing(settings).values():
        for statement in hint.split("; "):
            admin.execute(statement.encode())
    assert missing(settings) == {}
    assert len(warehouse.query("select id from events.tracks")) == 0


TAKEN = [
    (f"revoke usage on schema raw from {BUILDER}", "entering it",
     f'grant usage on schema "raw" to "{BUILDER}"'),
    (f"revoke select on raw.pages from {BUILDER}", "reading them",
     f'grant select on all tables in schema "raw" to "{BUILDER}"'),
    (f"revoke create on database {NAME} from {BUILDER}", "creating schemas",
     f'grant create on database "{NAME}" to "{BUILDER}"'),
    (f"revoke temporary on database {NAME} from {BUILDER}", "temporary tables",
     f'grant temporary on database "{NAME}" to "{BUILDER}"'),
    (f"revoke {READER} from {BUILDER}", "taking it on", f'grant "{READER}" to "{BUILDER}"'),
    ("alter schema raw rename to other", "RudderStack's schema", "no such schema"),
    ("drop table raw.tracks, raw.pages", "RudderStack's tables", "has RudderStack loaded anything"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "name", "said"), TAKEN, ids=[one[0] for one in TAKEN])
def test_each_privilege_that_is_taken_away_is_named_alone(
    admin: psycopg.Connection, settings: Settings, statement: str, name: str, said: str
) -> None:
    admin.execute(statement.encode())
    found = missing(settings)
    assert list(found) == [name]
    assert said in found[name]
    # The hint is what has to be run, by whoever may.
    first = found[name].split(";")[0].split(", or ")[0]
    if first.startswith("grant "):
        admin.execute(first.encode())
        assert missing(settings) == {}


def test_a_schema_of_somebody_else_is_named(admin: psycopg.Connection, settings: Settings) -> None:
    admin.execute(b"create schema marts")
    found = missing(settings)
    assert found["schema marts"] == f'grant usage, create on schema "marts" to "{BUILDER}"'
    admin.execute(found["schema marts"].encode())
    admin.execute(f"grant usage on schema marts to {READER}".encode())
    assert missing(settings) == {}


def test_who_cannot_connect_is_told_where_to_look(
    settings: Settings, admin: psycopg.Connection
) -> None:
    admin.execute(f"alter role {BUILDER} nologin".encode())
    (only,) = find_engine("postgres").check(settings)
    assert (only.name, only.ok) == ("connection", False)
    assert "not permitted to log in" in only.found
    admin.execute(f"alter role {BUILDER} login".encode())


def test_the_check_of_a_run_shows_them(settings: Settings, admin: psycopg.Connection) -> None:
    admin.execute(f"revoke select on raw.pages from {BUILDER}".encode())
    found = {one.name: one for one in checks.check(settings)}
    assert found["landing"].found == "not read: RudderStack loads the tables in PostgreSQL"
    assert found["reading them"].state == "missing"
    assert "not allowed: pages" in found["reading them"].found
