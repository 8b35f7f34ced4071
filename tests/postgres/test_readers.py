"""What a run looks at with a reader named, who may not read what RudderStack has loaded.

Roles are as docs/redshift.md grants them: the builder reads RudderStack's schema, the reader does
not. Looking at the loaded tables (01, 02, status, erase), and at the states by which pages are used
again, takes the builder's rights; everything else of a session that only reads has the reader's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from engagement.erasure import loaded as erasure
from engagement.landing import loaded
from engagement.runs import inputs
from engagement.settings import ROOT, Settings, load_settings
from engagement.sql.dialect import Table
from engagement.warehouse import Warehouse, WarehouseError, open_warehouse
from engagement.warehouse.loaded import LoadedWarehouse
from engagement.warehouse.reading import what_landed
from engagement.warehouse.redshift.engine import check
from engagement.warehouse.redshift.warehouse import RedshiftWarehouse
from tests.postgres.parameters import overrides
from tests.postgres.redshift_stand import stand
from tests.postgres.server import USER

BUILDER, READER = "views_builder", "views_reader"
SCHEMAS = ("engagement_storage", "landing", "events", "marts")
TRACKS = Table("events", "tracks")

RAW = f"""
create schema raw;
create table raw.tracks (
    id varchar(65535), anonymous_id varchar(65535), user_id varchar(65535),
    event_text varchar(65535), received_at timestamp, uuid_ts timestamp
);
insert into raw.tracks values
    ('1', 'a', 'u', 'Order Completed', '2026-01-05 10:00', '2026-01-05 11:00'),
    ('1', 'a', 'u', 'Order Completed', '2026-01-05 12:00', '2026-01-05 13:00');
create table raw.users (id varchar(65535), received_at timestamp);
drop role if exists {BUILDER};
drop role if exists {READER};
create role {BUILDER} login;
create role {READER} login;
grant {READER} to {BUILDER};
grant usage on schema raw to {BUILDER};
grant select on all tables in schema raw to {BUILDER};
"""
GRANTS = "".join(
    f"create schema {schema} authorization {BUILDER}; grant usage on schema {schema} to {READER};"
    f"alter default privileges for role {BUILDER} in schema {schema} "
    f"grant select on tables to {READER};"
    for schema in SCHEMAS
)


@dataclass(frozen=True)
class Place:
    """An engine whose sessions that only read are the reader's, and a connection that may all."""

    warehouse: Warehouse
    settings: Settings
    admin: psycopg.Connection


def _admin(socket: Path, name: str) -> psycopg.Connection:
    found = psycopg.connect(host=str(socket), user=USER, dbname=name, autocommit=True)
    found.execute((RAW + GRANTS).encode())
    return found


def _end(admin: psycopg.Connection) -> None:
    for role in (BUILDER, READER):
        admin.execute(f"drop owned by {role} cascade".encode())
        admin.execute(f"drop role {role}".encode())
    admin.close()


def _postgres(socket: Path) -> dict[str, Any]:
    given = overrides(socket, "readers")
    given["warehouse.postgres"] |= {
        "user": BUILDER,
        "read_role": READER,
        "rudderstack_schema": "raw",
    }
    return given


@pytest.fixture(params=["postgres", "redshift"])
def place(request: pytest.FixtureRequest, postgres_socket: Path) -> Iterator[Place]:
    if request.param == "postgres":
        settings = load_settings("params/local.yaml", _postgres(postgres_socket))
        admin = _admin(postgres_socket, "readers")
        yield Place(open_warehouse(settings), settings, admin)
        _end(admin)
        return
    with (
        tempfile.TemporaryDirectory(prefix="relay-", dir="/tmp") as folder,
        stand(postgres_socket, "redshift_readers", Path(folder)) as made,
    ):
        section = {"user": BUILDER, "read_user": READER, "rudderstack_schema": "raw"}
        settings = made.settings(section=section)
        admin = _admin(postgres_socket, "redshift_readers")
        yield Place(made.open(settings), settings, admin)
        _end(admin)


def _opened(place: Place) -> LoadedWarehouse:
    assert isinstance(place.warehouse, LoadedWarehouse)
    return place.warehouse


def test_the_notebooks_look_at_what_was_loaded(place: Place) -> None:
    warehouse = _opened(place)
    found = loaded.inventory(warehouse)
    assert (found.tables, found.strays) == (1, ("users",))
    shown = loaded.tables(warehouse)
    assert shown[["table", "rows", "copies", "events"]].values.tolist() == [["tracks", 2, 1, 1]]
    assert "lag(" in warehouse.copies_sql().lower()
    assert what_landed(warehouse) is not None


def test_a_view_has_a_version_that_follows_what_is_loaded(place: Place) -> None:
    warehouse = _opened(place)
    with warehouse.session(write=True) as session:
        first = session.published(TRACKS)
    with warehouse.session() as session:
        assert session.published(TRACKS) == first
    before = inputs.versions(warehouse, ["events.tracks"])
    assert before == inputs.versions(warehouse, ["events.tracks"])
    place.admin.execute(
        b"insert into raw.tracks values ('2', 'a', 'u', 'x', '2026-01-06', '2026-01-06')"
    )
    assert before != inputs.versions(warehouse, ["events.tracks"])


def test_an_erasure_counts_rows(place: Place) -> None:
    found = erasure.erase(
        _opened(place), place.settings, ["u"], dry_run=True, keep_named=False, block=False
    )
    assert found.receipt.landing == {"raw.tracks": 2}


def test_who_only_reads_still_does_not_read_rudderstacks_tables(place: Place) -> None:
    warehouse = _opened(place)
    with warehouse.session(write=True):
        pass
    with warehouse.session() as session:
        assert len(session.query("select id from events.tracks")) == 1
        session.published(TRACKS)  # by who builds
        place.admin.execute(f"revoke select on events.tracks from {READER}".encode())
        with pytest.raises(WarehouseError, match="permission denied"):
            session.query("select id from events.tracks")


def test_the_check_logs_in_as_the_reader_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    if place.settings.warehouse.engine != "redshift":
        pytest.skip("PostgreSQL's check is in test_privileges.py")
    warehouse = place.warehouse
    assert isinstance(warehouse, RedshiftWarehouse)
    with warehouse.session(write=True):
        pass

    def told() -> dict[str, tuple[bool, str]]:
        return {one.name: (one.ok, one.found) for one in check(warehouse, place.settings)}

    readers = {name: ok for name, (ok, _) in told().items() if "reader" in name}
    assert readers == {
        "the reader's connection": True,
        **{f"the reader in {schema}": True for schema in SCHEMAS},
        "the reader reads a view": True,
    }
    place.admin.execute(f"revoke select on events.tracks from {READER}".encode())
    assert told()["the reader in events"] == (False, "not readable: tracks")
    place.admin.execute(f"revoke usage on schema marts from {READER}".encode())
    assert told()["the reader in marts"] == (False, "may not enter it")
    # A view that may be read, over tables that its owner may not.
    place.admin.execute(f"grant select on events.tracks to {READER}".encode())
    place.admin.execute(f"revoke select on all tables in schema raw from {BUILDER}".encode())
    ok, found = told()["the reader reads a view"]
    assert not ok
    assert "permission denied" in found

    def locked_out(*, reads: bool) -> object:
        if reads:
            raise WarehouseError("not let in")
        return connected(reads)

    connected = warehouse._connect
    monkeypatch.setattr(warehouse, "_connect", lambda reads: locked_out(reads=reads))
    assert told()["the reader's connection"] == (False, "not let in")


@pytest.mark.slow
def test_a_page_is_used_again(postgres_socket: Path, tmp_path: Path) -> None:
    given = _postgres(postgres_socket)
    admin = _admin(postgres_socket, "readers")
    document = yaml.safe_load((ROOT / "params/local.yaml").read_text(encoding="utf-8"))
    document["warehouse"] = {"engine": "postgres", "postgres": given["warehouse.postgres"]}
    document["run"] = {"directory": str(tmp_path / "runs")}
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(document))

    def engagement(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "engagement.cli", *words, "--params", str(params)],
            env=dict(os.environ),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    try:
        for _ in range(2):
            engagement("run", "--only", "01")
        records = [
            json.loads(path.read_text()) for path in sorted((tmp_path / "runs").glob("*/run.json"))
        ]
        first, second = (one["notebooks"][0] for one in records)
        assert (first["executed_in"], second["executed_in"]) == (None, records[0]["id"]), second
        assert "2 rows of 1 table" in " ".join(engagement("status").split())
    finally:
        _end(admin)
