"""The tables that RudderStack loads, as the models' sources read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from engagement.as_of import resolve_as_of
from engagement.landing.tables import inventory
from engagement.models.inputs import expand, parameters
from engagement.settings import Settings, SettingsError, load_settings
from engagement.sql.dialect import DialectError, Table, parse
from engagement.warehouse import Warehouse, WarehouseError, open_warehouse
from engagement.warehouse.reading import what_landed
from tests.postgres.parameters import overrides
from tests.postgres.server import USER

LOADED = """
create schema raw;
create table raw.tracks (
    id varchar(65535), user_id varchar(65535), event varchar(65535), event_text varchar(65535),
    received_at timestamp, timestamp timestamp, uuid_ts timestamp
);
insert into raw.tracks values
    ('once', 'u1', 'order_completed', 'Order Completed', '2026-01-05 10:00:00.1239',
     '2026-01-05 09:59', '2026-01-05 11:00'),
    ('twice', 'u1', 'order_completed', 'Order Completed', '2026-01-05 10:00',
     '2026-01-05 09:59', '2026-01-05 11:00'),
    ('twice', 'u1', 'order_completed', 'Order Completed', '2026-01-06 10:00',
     '2026-01-05 09:59', '2026-01-06 11:00'),
    ('much later', 'u1', 'order_completed', 'Order Completed', '2026-01-05 10:00',
     '2026-01-05 09:59', '2026-01-05 11:00'),
    ('much later', 'u1', 'order_completed', 'Order Completed', '2026-01-13 00:00',
     '2026-01-05 09:59', '2026-01-13 11:00'),
    ('chain', 'u1', 'order_completed', 'Order Completed', '2026-01-01 10:00',
     '2026-01-01 09:59', '2026-01-01 11:00'),
    ('chain', 'u1', 'order_completed', 'Order Completed', '2026-01-07 10:00',
     '2026-01-01 09:59', '2026-01-07 11:00'),
    ('chain', 'u1', 'order_completed', 'Order Completed', '2026-01-13 10:00',
     '2026-01-01 09:59', '2026-01-13 11:00');
create table raw.order_completed (
    id varchar(65535), received_at timestamptz, order_id varchar(65535),
    revenue numeric(18, 4), total varchar(65535), coupon boolean
);
insert into raw.order_completed values
    ('once', '2026-01-06 00:30:00+02', 'o1', 12.5, '1e2', true),
    ('twice', '2026-01-05 10:00:00+00', 'o2', null, 'much', null);
create table raw.identifies (
    id varchar(65535), user_id varchar(65535), received_at timestamp, email varchar(65535)
);
insert into raw.identifies values ('i1', 'u1', '2026-01-05 12:00', 'ann@shop.example');
create table raw.users (id varchar(65535), received_at timestamp, email varchar(65535));
create table raw.rudder_discards (
    row_id varchar(65535), table_name varchar(65535), column_name varchar(65535),
    column_value varchar(65535), received_at timestamp
);
insert into raw.rudder_discards values ('x', 'tracks', 'total', 'much', '2026-01-05 12:00');
create table raw.rudder_staging_1 (id varchar(65535), received_at timestamp);
"""


@pytest.fixture(scope="module")
def settings(postgres_socket: Path) -> Settings:
    given = overrides(postgres_socket, "sources")
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="sources", autocommit=True
    ) as connection:
        connection.execute(LOADED.encode())
    given["warehouse.postgres"]["rudderstack_schema"] = "raw"
    return load_settings("params/local.yaml", given)


@pytest.fixture(scope="module")
def warehouse(settings: Settings) -> Iterator[Warehouse]:
    opened = open_warehouse(settings)
    with opened.session(write=True):
        pass
    return opened


def test_a_copy_within_the_window_after_another_is_left_out(warehouse: Warehouse) -> None:
    found = warehouse.query(
        "select id, cast(received_at as date) as day from events.tracks order by id, day"
    )
    days = [(row.id, row.day.isoformat()) for row in found.itertuples()]
    # duplicates.window_days is 7: the 13th is eight days after the 5th, and six after the 7th.
    assert days == [
        ("chain", "2026-01-01"),
        ("much later", "2026-01-05"),
        ("much later", "2026-01-13"),
        ("once", "2026-01-05"),
        ("twice", "2026-01-05"),
    ]


def test_times_are_utc_and_have_milliseconds(warehouse: Warehouse) -> None:
    found = warehouse.query(
        "select t.received_at as cut, o.received_at as of_zone, o.received_at_utc_date as day "
        "from events.tracks as t inner join events.order_completed as o on t.id = o.id "
        "where t.id = 'once'"
    )
    assert [str(found[name].iloc[0]) for name in found] == [
        "2026-01-05 10:00:00.123000",
        "2026-01-05 22:30:00",
        "2026-01-05",
    ]


def test_tables_that_are_no_events_are_left_out(warehouse: Warehouse) -> None:
    with warehouse.session() as session:
        assert session.tables("events") == [
            "discards",
            "events",
            "identifies",
            "order_completed",
            "tracks",
        ]


def test_what_rudderstack_set_aside_is_shown(warehouse: Warehouse) -> None:
    found = warehouse.query("select * from events.discards")
    assert found.drop(columns="received_at").values.tolist() == [
        ["tracks", "x", "total", "much", "set aside by RudderStack", "2026-01-05"]
    ]


def test_every_event_is_in_one_view_with_its_type(warehouse: Warehouse) -> None:
    found = warehouse.query(
        "select type, event, count(*) as n from events.events group by type, event order by type"
    )
    assert found.values.tolist()[0][0] == "identify"
    assert found.values.tolist()[1] == ["track", "Order Completed", 5]


def test_names_of_events_are_counted_by_date(warehouse: Warehouse) -> None:
    found = warehouse.query(
        "select event, events, received_at_utc_date from landing.event_names "
        "where type = 'track' order by received_at_utc_date"
    )
    assert found.values.tolist() == [
        ["Order Completed", 1, "2026-01-01"],
        ["Order Completed", 3, "2026-01-05"],
        ["Order Completed", 1, "2026-01-13"],
    ]


def test_a_source_has_what_its_contract_promises(warehouse: Warehouse, settings: Settings) -> None:
    """Columns that RudderStack has not made are NULL; those of other types are read as promised."""
    query = parse(
        "select id, order_id, revenue, total, currency, coupon, products "
        "from sources.order_completed order by id"
    )
    with warehouse.session() as session:
        values = parameters(settings, resolve_as_of(warehouse, settings))
        found = session.query(expand(query, session, settings), values)
    rows = found.astype(object).where(found.notna(), None).values.tolist()
    assert rows == [
        ["once", "o1", 12.5, 100.0, None, "true", None],
        ["twice", "o2", None, None, None, None, None],
    ]


def test_a_new_column_is_there_with_the_next_run(
    postgres_socket: Path, warehouse: Warehouse
) -> None:
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="sources", autocommit=True
    ) as connection:
        connection.execute(b"alter table raw.identifies add column plan varchar(65535)")
        connection.execute(b"update raw.identifies set plan = 'gold'")
    with warehouse.session(write=True) as session:
        assert "plan" in session.columns(Table("events", "identifies"))
    assert warehouse.query("select plan from events.identifies")["plan"].tolist() == ["gold"]


def test_a_session_that_only_reads_cannot_write(warehouse: Warehouse) -> None:
    with warehouse.session() as session:
        connection = session._connection  # type: ignore[attr-defined]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("insert into raw.identifies values ('x')")


def test_a_session_that_only_reads_has_working_tables(warehouse: Warehouse) -> None:
    with warehouse.session() as session:
        made = session.work("made", "select id from events.identifies")
        session.rows("here", pa.table({"n": [1, 2]}), {"n": "bigint"})
        found = session.query("select count(*) as n from work.made cross join work.here")
        assert found["n"].tolist() == [2]
        session.release(made)
        with pytest.raises(DialectError):
            session.work("made", "select pg_read_file('/etc/passwd') as a")
        with pytest.raises(WarehouseError, match="session"):
            session.publish(Table("marts", "x"), "select 1 as a")


def versions(warehouse: Warehouse) -> dict[str, str]:
    with warehouse.session() as session:
        tables = [*(Table("events", name) for name in session.tables("events"))]
        tables += [Table("landing", "event_names"), Table("landing", "ledger")]
        found = {str(table): session.published(table) for table in tables}
    return {name: there.version for name, there in found.items() if there}


@pytest.mark.parametrize(
    "change",
    [
        "insert into raw.identifies (id, received_at) values ('i9', '2026-01-05 12:00')",
        "update raw.identifies set email = 'ann@other.example' where id = 'i1'",
        # As RudderStack merges: the row goes, and the one received last comes.
        (
            "begin; delete from raw.identifies where id = 'i1'; insert into raw.identifies "
            "(id, user_id, received_at) values ('i1', 'u1', '2026-01-05 12:00'); commit"
        ),
        "delete from raw.identifies where id = 'i1'",
        "alter table raw.identifies add column another bigint",
    ],
)
def test_a_view_has_another_version_after_any_change_of_its_tables(
    postgres_socket: Path, warehouse: Warehouse, change: str
) -> None:
    before = versions(warehouse)
    assert {"events.tracks", "events.identifies", "events.events", "landing.ledger"} <= set(before)
    assert versions(warehouse) == before
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="sources", autocommit=True
    ) as connection:
        connection.execute(change.encode())
    with warehouse.session(write=True):
        pass
    after = versions(warehouse)
    changed = {name for name in before if before[name] != after[name]}
    # What reads every event reads this table, too; a column that is new is in its own view alone.
    every = {"events.events", "landing.event_names", "landing.ledger"}
    assert changed == {"events.identifies"} | (set() if "alter" in change else every)


def test_a_run_that_follows_sees_that_something_was_loaded(
    postgres_socket: Path, warehouse: Warehouse
) -> None:
    before = what_landed(warehouse)
    assert what_landed(warehouse) == before
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="sources", autocommit=True
    ) as connection:
        connection.execute(b"insert into raw.tracks (id, received_at) values ('n', '2026-02-01')")
    assert what_landed(warehouse) != before


def test_cleaning_up_changes_no_version(postgres_socket: Path, warehouse: Warehouse) -> None:
    before = versions(warehouse)
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="sources", autocommit=True
    ) as connection:
        connection.execute(b"vacuum (freeze, analyze) raw.identifies")
    assert versions(warehouse) == before


def test_the_ledger_counts_what_was_loaded_kept_and_left_out(postgres_socket: Path) -> None:
    given = overrides(postgres_socket, "ledger")
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="ledger", autocommit=True
    ) as connection:
        connection.execute(LOADED.encode())
    given["warehouse.postgres"]["rudderstack_schema"] = "raw"
    opened = open_warehouse(load_settings("params/local.yaml", given))
    found = opened.query(
        "select received_at_utc_date, records, events, duplicates, quarantined, files "
        "from landing.ledger order by 1"
    )
    # By hand, from the tracks above and the one identify, of the 5th.
    assert found.values.tolist() == [
        ["2026-01-01", 1, 1, 0, 0, 0],
        ["2026-01-05", 4, 4, 0, 0, 0],
        ["2026-01-06", 1, 0, 1, 0, 0],
        ["2026-01-07", 1, 0, 1, 0, 0],
        ["2026-01-13", 2, 1, 1, 0, 0],
    ]
    for name in ("files", "quarantine", "quarantine_reasons"):
        assert opened.query(f"select * from landing.{name}").empty


def test_an_event_may_be_called_like_a_view_of_this_project(postgres_socket: Path) -> None:
    given = overrides(postgres_socket, "names")
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="names", autocommit=True
    ) as connection:
        connection.execute(LOADED.encode())
        for name in ("events", "_events", "discards"):
            columns = "id varchar(65535), received_at timestamp"
            connection.execute(f"create table raw.{name} ({columns})".encode())
            connection.execute(f"insert into raw.{name} values ('{name}', '2026-01-05')".encode())
    given["warehouse.postgres"]["rudderstack_schema"] = "raw"
    opened = open_warehouse(load_settings("params/local.yaml", given))
    for view, event in (("__events", "events"), ("_events", "_events"), ("_discards", "discards")):
        assert opened.query(f"select id from events.{view}")["id"].tolist() == [event]
    assert len(opened.query("select * from events.events")) == 6


def test_a_schema_without_events_says_so(postgres_socket: Path) -> None:
    given = overrides(postgres_socket, "empty_schema")
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="empty_schema", autocommit=True
    ) as connection:
        connection.execute(b"create schema raw")
    given["warehouse.postgres"]["rudderstack_schema"] = "raw"
    made = load_settings("params/local.yaml", given)
    with pytest.raises(WarehouseError, match="raw holds no table of events"):
        inventory(open_warehouse(made))


@pytest.mark.parametrize(
    ("key", "value"),
    [("write_keys", ["k1"]), ("from", "2026-01-01"), ("to", "2026-01-31")],
)
def test_what_a_landing_alone_could_heed_is_refused(key: str, value: object) -> None:
    given = {"warehouse.engine": "postgres", "warehouse.postgres": {"host": "/nowhere"}}
    with pytest.raises(SettingsError, match=rf"landing\.{key}: .*PostgreSQL"):
        load_settings("params/local.yaml", {**given, f"landing.{key}": value})
