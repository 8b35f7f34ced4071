"""Erasing people from the tables that RudderStack loads, and from what was made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from engagement.as_of import resolve_as_of
from engagement.erasure.erase import ErasureError, NobodyError, erase
from engagement.models.runner import build, models
from engagement.settings import Settings, load_settings
from engagement.warehouse import WarehouseError, open_warehouse
from tests.postgres.parameters import overrides
from tests.postgres.server import USER

NAME = "erasure"
BUILDER = "shop_eraser"

# ann: phone and laptop of her own, a kiosk that ben uses too. cas is one of ann's old ids.
LOADED = """
create schema raw;
create table raw.tracks (
    id varchar(65535), anonymous_id varchar(65535), user_id varchar(65535),
    event varchar(65535), event_text varchar(65535), received_at timestamp, timestamp timestamp,
    uuid_ts timestamp
);
insert into raw.tracks
select v.id, v.device, v.who, 'order_completed', 'Order Completed', v.at, v.at, v.at from (values
    ('t1', 'phone', 'ann-0001', timestamp '2026-01-05 10:00'),
    ('t2', 'phone', null, '2026-01-05 09:00'),
    ('t2', 'phone', null, '2026-01-06 09:00'),
    ('t3', 'kiosk', 'ann-0001', '2026-01-05 11:00'),
    ('t4', 'kiosk', null, '2026-01-05 11:30'),
    ('t5', 'kiosk', 'ben-0002', '2026-01-05 12:00'),
    ('t6', 'laptop', 'cas-0003', '2026-01-04 12:00')
) as v (id, device, who, at);
create table raw.order_completed (
    id varchar(65535), anonymous_id varchar(65535), user_id varchar(65535),
    received_at timestamp, timestamp timestamp, order_id varchar(65535), revenue double precision,
    customer_id varchar(65535)
);
insert into raw.order_completed
select t.id, t.anonymous_id, t.user_id, t.received_at, t.timestamp, 'o-' || t.id, 10,
    case when t.id = 't5' then 'ann-0001' end
from raw.tracks as t;
create table raw.identifies (
    id varchar(65535), anonymous_id varchar(65535), user_id varchar(65535), email varchar(65535),
    received_at timestamp, timestamp timestamp
);
insert into raw.identifies values
    ('i1', 'phone', 'ann-0001', 'ann@shop.example', '2026-01-05 10:00', '2026-01-05 10:00'),
    ('i2', 'kiosk', 'ben-0002', 'ben@shop.example', '2026-01-05 12:00', '2026-01-05 12:00');
create table raw.aliases (
    id varchar(65535), anonymous_id varchar(65535), user_id varchar(65535),
    previous_id varchar(65535), received_at timestamp, timestamp timestamp
);
insert into raw.aliases values
    ('a1', 'phone', 'ann-0001', 'cas-0003', '2026-01-05 13:00', '2026-01-05 13:00');
create table raw.users (id varchar(65535), email varchar(65535), received_at timestamp);
insert into raw.users values ('ann-0001', 'ann@shop.example', '2026-01-05 10:00'),
    ('ben-0002', 'ben@shop.example', '2026-01-05 12:00');
create table raw.rudder_discards (
    row_id varchar(65535), table_name varchar(65535), column_name varchar(65535),
    column_value varchar(65535), received_at timestamp
);
insert into raw.rudder_discards values
    ('t3', 'order_completed', 'revenue', 'ann paid ten', '2026-01-05 11:00'),
    ('t5', 'order_completed', 'revenue', 'ben paid ten', '2026-01-05 12:00');
"""


@pytest.fixture
def admin(postgres_socket: Path) -> Iterator[psycopg.Connection]:
    overrides(postgres_socket, NAME)
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname=NAME, autocommit=True
    ) as connection:
        connection.execute(f"drop role if exists {BUILDER}".encode())
        connection.execute(f"create role {BUILDER} login".encode())
        connection.execute(LOADED.encode())
        for statement in (
            f"grant create, temporary on database {NAME} to {BUILDER}",
            f"grant usage on schema raw to {BUILDER}",
            f"grant select, delete on all tables in schema raw to {BUILDER}",
        ):
            connection.execute(statement.encode())
        yield connection
        connection.execute(f"drop owned by {BUILDER} cascade".encode())
        connection.execute(f"drop role {BUILDER}".encode())


@pytest.fixture
def settings(admin: psycopg.Connection, postgres_socket: Path, tmp_path: Path) -> Settings:
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
            },
            "run.directory": str(tmp_path / "runs"),
            "as_of": "latest",
        },
    )


def ids(admin: psycopg.Connection) -> dict[str, list[str]]:
    """Ids of the rows of each of RudderStack's tables."""
    found = {}
    for table, column in (
        *((name, "id") for name in ("tracks", "order_completed", "identifies", "aliases", "users")),
        ("rudder_discards", "row_id"),
    ):
        rows = admin.execute(f"select {column} from raw.{table} order by 1".encode()).fetchall()
        found[table] = [str(row[0]) for row in rows]
    return found


# The device's events without a user id stay at the kiosk; ben's order goes, since it names ann.
LEFT = {
    "tracks": ["t4", "t5"],
    "order_completed": ["t4"],
    "identifies": ["i2"],
    "aliases": [],
    "users": ["ben-0002"],
    "rudder_discards": [],
}


def test_a_persons_rows_go_and_models_are_made_again(
    admin: psycopg.Connection, settings: Settings
) -> None:
    warehouse = open_warehouse(settings)
    layers = sorted({model.layer for model in models().values()})
    build(warehouse, settings, resolve_as_of(warehouse, settings), layers)
    before = ids(admin)
    orders = "select order_id from marts.orders order by order_id"
    assert warehouse.query(orders)["order_id"].tolist() == [f"o-t{n}" for n in range(1, 7)]

    looked = erase(settings, ["ann-0001"])
    assert looked.who.user_ids == {"ann-0001", "cas-0003"}
    assert looked.who.devices == {"phone", "laptop", "cas-0003"}  # or an id of a device
    assert looked.who.shared == {"kiosk"}
    assert looked.receipt.landing == {
        "raw.tracks": 5,
        "raw.order_completed": 6,
        "raw.identifies": 1,
        "raw.aliases": 1,
        "raw.users": 1,
        "raw.rudder_discards": 2,
    }
    assert ids(admin) == before

    done = erase(settings, ["ann-0001"], dry_run=False)
    assert ids(admin) == LEFT
    assert warehouse.query(orders)["order_id"].tolist() == ["o-t4"]
    assert done.receipt.models.keys() <= {"built", "unchanged"}
    assert "marts.person_events" in done.receipt.tables
    assert all(one.get("after") == 0 for one in done.receipt.tables.values())
    # The tables are RudderStack's: its user has to give the space free.
    assert any("its owner has to run" in one for one in done.receipt.left)
    assert done.path is not None
    kept = done.path.read_text(encoding="utf-8")
    assert json.loads(kept)["source"] == "tables that RudderStack loads"
    assert not [one for one in ("ann-0001", "cas-0003", "phone", "ann@shop") if one in kept]

    with pytest.raises(NobodyError):
        erase(settings, ["dan-0004"], dry_run=False)
    # Loaded late: taken out by running it again, for nobody new.
    admin.execute(
        b"insert into raw.tracks values ('t7', 'phone', 'ann-0001', 'x', 'X', "
        b"'2026-01-07', '2026-01-05', '2026-01-07'), ('t8', 'laptop', null, 'x', 'X', "
        b"'2026-01-07', '2026-01-03', '2026-01-07')"
    )
    again = erase(settings, [], dry_run=False)
    assert again.receipt.landing == {"raw.tracks": 2}
    assert ids(admin) == LEFT


def test_what_names_a_person_may_stay(admin: psycopg.Connection, settings: Settings) -> None:
    erase(settings, ["ann-0001"], dry_run=False, keep_named=True)
    assert ids(admin) == {**LEFT, "order_completed": ["t4", "t5"], "rudder_discards": ["t5"]}


def test_without_the_privilege_nothing_goes_and_the_statement_is_said(
    admin: psycopg.Connection, settings: Settings
) -> None:
    admin.execute(f"revoke delete on raw.identifies, raw.users from {BUILDER}".encode())
    before = ids(admin)
    grant = f'grant delete on all tables in schema "raw" to "{BUILDER}"'
    with pytest.raises(WarehouseError, match="nothing was deleted") as refused:
        erase(settings, ["ann-0001"], dry_run=False)
    assert f"(identifies, users): nothing was deleted. Let somebody who may run: {grant};" in str(
        refused.value
    )
    assert ids(admin) == before
    admin.execute(grant.encode())
    erase(settings, ["ann-0001"], dry_run=False)
    assert ids(admin) == LEFT


def test_there_has_to_be_a_schema(settings: Settings) -> None:
    section = settings.warehouse.postgres
    assert section is not None
    without = settings.model_copy(
        update={
            "warehouse": settings.warehouse.model_copy(
                update={"postgres": section.model_copy(update={"rudderstack_schema": None})}
            )
        }
    )
    with pytest.raises(ErasureError, match="no rudderstack_schema is set"):
        erase(without, ["ann-0001"])
