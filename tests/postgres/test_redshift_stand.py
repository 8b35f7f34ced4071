"""What is Redshift's own, on the stand: the check, large results by way of S3, leftovers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import psycopg
import pyarrow as pa
import pytest
from moto import mock_aws

from engagement.as_of import AsOf
from engagement.audience import members
from engagement.personalize.reading import Reader
from engagement.sql.dialect import parse
from engagement.warehouse import Table, WarehouseError
from engagement.warehouse.loaded import LoadedWarehouse
from engagement.warehouse.redshift import preflight, temporary
from engagement.warehouse.redshift.engine import check
from engagement.warehouse.redshift.warehouse import RedshiftWarehouse
from engagement.warehouse.unloading import Unloads, unloading
from tests.postgres import rudderstack
from tests.postgres.redshift_stand import Stand, stand
from tests.postgres.server import USER

MART = Table("marts", "things")
STAGING = {
    "staging_location": "s3://staging-bucket/engagement/",
    "staging_role": "arn:aws:iam::111122223333:role/redshift",
    "region": "eu-central-1",
}


@pytest.fixture
def found(postgres_socket: Path) -> Iterator[Stand]:
    with (
        tempfile.TemporaryDirectory(prefix="relay-", dir="/tmp") as folder,
        stand(postgres_socket, "redshift_own", Path(folder)) as made,
    ):
        yield made
    assert made.problems == []


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "invented")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(
            Bucket="staging-bucket",
            CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
        )
        yield client


def warehouse(found: Stand, **section: Any) -> RedshiftWarehouse:
    return found.open(found.settings(section=section))


def keys(client: Any) -> list[str]:
    listed = client.list_objects_v2(Bucket="staging-bucket").get("Contents", [])
    return [one["Key"] for one in listed]


# --- large results --------------------------------------------------------------------------------

NUMBERS = """
    select '00' || cast(10 + n as varchar) as id, cast(n as bigint) as n,
        cast(n as decimal(18, 2)) as m, case when n % 2 = 0 then 'it''s \\ "' end as t,
        cast('2026-01-05 10:00:00.123' as timestamp(3)) as at
    from (values (0), (1), (2), (3), (4), (5), (6)) as v (n)
"""


def test_a_query_is_unloaded_and_its_manifest_read(found: Stand, bucket: Any) -> None:
    with warehouse(found, **STAGING).session(write=True) as session:
        assert isinstance(session, Unloads)
        assert unloading(session) is session
        session.publish(MART, NUMBERS)
        written = session.unload(
            f"select id, n from {MART} where n < :most", {"most": 5}, name="some", label="some"
        )
        assert written.rows == 5
        assert written.folder == "s3://staging-bucket/engagement/some/"
        assert [one.rows for one in written.files] == [2, 3]
    (sent,) = [one for one in found.recorded if one.startswith("unload")]
    assert sent.startswith("unload ('SELECT id, n FROM \"marts\".things WHERE n < 5') to 's3://")
    assert " iam_role 'arn:aws:iam::111122223333:role/redshift' format csv header" in sent


def test_pages_come_in_order_and_nothing_stays(found: Stand, bucket: Any) -> None:
    with warehouse(found, **STAGING).session(write=True) as session:
        assert isinstance(session, Unloads)
        session.publish(MART, NUMBERS)
        query = f"select * from {MART} order by id"
        whole = session.query(query)
        for rows in (1, 2, 3, 7, 100):
            pages = list(session.unloaded_pages(query, rows=rows, label="pages"))
            assert [len(page) for page in pages[:-1]] == [rows] * (len(pages) - 1)
            read = pd.concat(pages, ignore_index=True)
            pd.testing.assert_frame_equal(read, whole)
        nobody = session.unloaded_pages(f"select * from {MART} where n > 9", rows=2, label="none")
        assert list(nobody) == []
        # Who stops in the middle leaves nothing either.
        next(iter(session.unloaded_pages(query, rows=2, label="pages")))
    assert keys(bucket) == []


def test_a_file_that_is_not_as_the_manifest_says_is_told(found: Stand, bucket: Any) -> None:
    with warehouse(found, **STAGING).session(write=True) as session:
        assert isinstance(session, Unloads)
        session.publish(MART, NUMBERS)
        pages = session.unloaded_pages(f"select * from {MART} order by id", rows=3, label="pages")
        next(pages)
        (late,) = [key for key in keys(bucket) if key.endswith("0001_part_00")]
        (early,) = [key for key in keys(bucket) if key.endswith("0000_part_00")]
        body = bucket.get_object(Bucket="staging-bucket", Key=early)["Body"].read()
        bucket.put_object(Bucket="staging-bucket", Key=late, Body=body)
        with pytest.raises(WarehouseError, match="has 3 rows, and the manifest says 4"):
            list(pages)
    assert keys(bucket) == []


def test_without_a_place_there_is_no_unloading(found: Stand) -> None:
    with warehouse(found).session(write=True) as session:
        assert isinstance(session, Unloads)
        assert unloading(session) is None
        with pytest.raises(WarehouseError, match=r"warehouse\.redshift\.staging_location"):
            session.unload("select 1 as a", name="x", label="x")


def test_many_rows_that_are_here_go_by_way_of_s3(
    found: Stand, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary, "MANY_ROWS", 3)
    kinds = {
        "word": "varchar", "n": "bigint", "x": "double", "yes": "boolean", "m": "decimal(18,2)",
        "day": "date", "at": "timestamp(3)",
    }  # fmt: skip
    rows = [
        ("wörd,\n\"'\\", 2**40, 0.5, True, Decimal("-1.25"), date(2026, 1, 5),
         datetime(2026, 1, 5, 10, 0, 0, 123000)),
        ("", 0, 1e300, False, Decimal(0), date(1970, 1, 1), datetime(1970, 1, 1)),
        (None,) * 7,
        ("\\N", 2**41, 0.0, True, Decimal(1), date(2026, 1, 6), datetime(2026, 1, 6)),
    ]  # fmt: skip
    types = [
        pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.decimal128(18, 2), pa.date32(),
        pa.timestamp("ms"),
    ]  # fmt: skip
    given = pa.table(
        {
            name: pa.array(cells, kind)
            for name, kind, cells in zip(kinds, types, zip(*rows, strict=True), strict=True)
        }
    )
    with warehouse(found, **STAGING).session(write=True) as session:
        by_s3 = session.query(f"select * from {session.rows('many', given, kinds)} order by n")
        monkeypatch.setattr(temporary, "MANY_ROWS", 99)
        by_insert = session.query(f"select * from {session.rows('few', given, kinds)} order by n")
    assert len([one for one in found.recorded if one.startswith("copy")]) == 1
    pd.testing.assert_frame_equal(by_s3, by_insert)
    assert by_s3["word"].tolist()[:3] == ["", "wörd,\n\"'\\", "\\N"]
    assert by_s3.iloc[3].isna().all()
    assert keys(bucket) == []


def test_json_that_is_here_is_json_there(
    found: Stand, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary, "MANY_ROWS", 1)
    given = pa.table({"n": [1, 2], "j": ['{"a": "x"}', None]})
    with warehouse(found, **STAGING).session(write=True) as session:
        table = session.rows("few", given, {"n": "bigint", "j": "json"})
        read = session.query(f"select json_text(t.j, '$.a') as a from {table} as t order by t.n")
    assert read["a"].tolist()[0] == "x"
    assert read["a"].isna().tolist() == [False, True]


# --- views over what RudderStack loads ------------------------------------------------------------


def test_views_follow_rudderstacks_tables(found: Stand) -> None:
    with psycopg.connect(
        host=str(found.socket), user=USER, dbname=found.database, autocommit=True
    ) as other:
        other.execute(b"create schema rudderstack")
        other.execute(
            b"create table rudderstack.tracks (id varchar(65535), received_at timestamp, "
            b"uuid_ts timestamp, event_text varchar(65535), anonymous_id varchar(65535))"
        )
        other.execute(
            b"insert into rudderstack.tracks values ('1', '2026-01-05 10:00:00.1239', "
            b"'2026-01-05 10:01:00', 'Order Completed', 'a'), ('1', '2026-01-05 11:00:00', "
            b"'2026-01-05 11:01:00', 'Order Completed', 'a')"
        )
        events = Table("events", "tracks")
        one = warehouse(found, rudderstack_schema=rudderstack.SCHEMA)
        with one.session() as session:
            assert "coupon" not in session.columns(events)
            read = session.query(f"select * from {events}")
            assert len(read) == 1
            assert read["received_at"].iloc[0] == pd.Timestamp("2026-01-05 10:00:00.123")
            first = session.published(events)
        before = len([sql for sql in found.recorded if sql.startswith("create view")])
        with one.session(write=True) as session:
            assert session.published(events) == first
        again = len([sql for sql in found.recorded if sql.startswith("create view")])
        assert again == before  # nothing changed, nothing is made
        other.execute(b"alter table rudderstack.tracks add column coupon varchar(65535)")
        other.execute(b"insert into rudderstack.tracks values ('2', '2026-01-06', '2026-01-06')")
        with one.session(write=True) as session:
            assert session.columns(events)["coupon"] == "varchar"
            second = session.published(events)
        assert first is not None
        assert second is not None
        assert (first.rows, second.rows) == (2, 3)
        assert first.version != second.version
        assert {table.name for table in one.loaded_tables()} == {"tracks"}
        assert "lag(" in one.copies_sql().lower()


def test_peoples_rows_are_deleted_from_what_rudderstack_loaded(found: Stand) -> None:
    with psycopg.connect(
        host=str(found.socket), user=USER, dbname=found.database, autocommit=True
    ) as other:
        other.execute(b"create schema rudderstack")
        other.execute(
            b"create table rudderstack.tracks (id varchar(99), received_at timestamp, user_id text)"
        )
        other.execute(
            b"create table rudderstack.rudder_discards (row_id text, table_name text, "
            b"column_name text, column_value text, received_at timestamp)"
        )
        for number, whose in enumerate(("ada's", "ada's", "bob", None)):
            row = (str(number), "2026-01-05", whose)
            other.execute(b"insert into rudderstack.tracks values (%s, %s, %s)", row)
            row = (str(number), "tracks", "x", "y", "2026-01-05")
            other.execute(
                b"insert into rudderstack.rudder_discards values (%s, %s, %s, %s, %s)", row
            )
        one = warehouse(found, rudderstack_schema=rudderstack.SCHEMA)
        assert isinstance(one, LoadedWarehouse)
        columns = {"tracks": ["user_id"]}
        told = {"tracks": 2, "rudder_discards": 2}
        assert one.delete_loaded(columns, ["ada's"]) == told
        assert other.execute(b"select count(*) from rudderstack.tracks").fetchone() == (4,)
        assert one.delete_loaded(columns, ["ada's"], dry_run=False) == told
        left = other.execute(b"select id from rudderstack.tracks order by id").fetchall()
        assert left == [("2",), ("3",)]
        left = other.execute(
            b"select row_id from rudderstack.rudder_discards order by 1"
        ).fetchall()
        assert left == [("2",), ("3",)]
        assert one.delete_loaded(columns, ["ada's"], dry_run=False) == {}
        assert one.forget_loaded(["tracks"]) == []


# --- the check ------------------------------------------------------------------------------------


def checked(one: RedshiftWarehouse, found: Stand, **section: Any) -> dict[str, tuple[bool, str]]:
    with one.connected() as statements:
        settings = found.settings(section=section)
        return {f.name: (f.ok, f.found) for f in preflight.findings(statements, settings)}


def test_the_check_tries_each_privilege_and_changes_nothing(found: Stand) -> None:
    given = {"rudderstack_schema": rudderstack.SCHEMA}
    one = warehouse(found, **given)
    before = checked(one, found, **given)
    assert before["RudderStack's schema"] == (False, "rudderstack")
    # A PostgreSQL is told apart, and needs a word more in its search path; everything else holds.
    assert before["version"][0] is False
    assert before["search path"] == (False, "engagement_storage, pg_catalog")
    wrong = {name for name, (ok, _) in before.items() if not ok}
    assert wrong == {"version", "RudderStack's schema", "search path"}
    assert before["schema marts"] == (True, "not there yet: a run makes it")
    assert not one.exists()
    with psycopg.connect(
        host=str(found.socket), user=USER, dbname=found.database, autocommit=True
    ) as other:
        other.execute(b"create schema rudderstack; create table rudderstack.tracks (id text)")
        other.execute(b"drop role if exists builder; create role builder login")
        reader = found.open(found.settings(section={**given, "user": "builder"}))
        told = checked(reader, found, **given)
        assert told["reading it"] == (False, "rudderstack")
        other.execute(b"grant usage on schema rudderstack to builder")
        told = checked(reader, found, **given)
        assert told["its tables"] == (False, "not readable: tracks")
        assert told["schema marts"] == (False, "not there")
        other.execute(b"grant select on rudderstack.tracks to builder")
        other.execute(b"create schema marts")
        told = checked(reader, found, **given)
        assert told["its tables"] == (True, "all readable")
        assert told["schema marts"] == (False, "not allowed: usage and create")
        other.execute(b"grant create on schema marts to builder")
        told = checked(reader, found, **given)
        assert told["schema marts"] == (False, "not allowed: usage")
        other.execute(b"grant usage on schema marts to builder")
        assert checked(reader, found, **given)["schema marts"] == (True, "may be written")
        other.execute(b"drop owned by builder; drop role builder")


def test_the_check_uses_the_staging_folder_and_leaves_nothing(found: Stand, bucket: Any) -> None:
    def told(one: RedshiftWarehouse) -> dict[str, tuple[bool, str]]:
        return {f.name: (f.ok, f.found) for f in check(one, found.settings(section=STAGING))}

    one = warehouse(found, **STAGING)
    ours, theirs = "staging folder, from here", "staging folder, by Redshift"
    assert (told(one)[ours][0], told(one)[theirs][0]) == (True, True)
    assert keys(bucket) == []
    elsewhere = warehouse(found, **STAGING | {"staging_location": "s3://no-such-bucket/x/"})
    said = told(elsewhere)
    assert said[ours][0] is False
    assert "no-such-bucket" in said[ours][1]
    assert theirs not in said
    assert not [name for name in told(warehouse(found)) if name.startswith("staging")]


# --- what is left over ----------------------------------------------------------------------------


def test_what_a_killed_run_had_begun_is_cleaned_and_never_listed(found: Stand) -> None:
    one = warehouse(found)
    with one.session(write=True) as session:
        session.publish(MART, "select 1 as a")
    with psycopg.connect(
        host=str(found.socket), user=USER, dbname=found.database, autocommit=True
    ) as other:
        other.execute(b'create table marts."fresh things" (a integer)')
        with one.session() as session:
            assert session.tables("marts") == ["things"]
        assert one.clean(dry_run=True) == ["marts.fresh things"]
        assert one.clean() == ["marts.fresh things"]
        assert one.clean() == []
        # It would not have been in the way either.
        other.execute(b'create table marts."fresh things" (a integer)')
        with one.session(write=True) as session:
            session.publish(MART, parse("select 2 as a"))
    assert one.query(f"select a from {MART}")["a"].tolist() == [2]


def test_the_lease_shows_signs_of_life(found: Stand) -> None:
    one = warehouse(found, lease_seconds=1)
    with one.lease("a long run"):
        time.sleep(1.6)
        with psycopg.connect(
            host=str(found.socket), user=USER, dbname=found.database, autocommit=True
        ) as other:
            row = other.execute(
                b"select getdate() - seen < interval '1 second' from engagement_storage.lease"
            ).fetchone()
    assert row == (True,)


# --- exports that are large -----------------------------------------------------------------------

PEOPLE = """
    select 'p' || cast(10 + n as varchar) as person_id, 'u' || cast(10 + n as varchar) as user_id,
        'member' as membership, cast(null as varchar) as gender, cast(20 + n as bigint) as age,
        'DE' as country, cast(null as varchar) as plan
    from (values (0), (1), (2), (3), (4), (5), (6)) as v (n)
"""


def unloads(found: Stand) -> int:
    return len([one for one in found.recorded if one.startswith("unload")])


def test_an_audience_beyond_a_page_is_unloaded_once(found: Stand, bucket: Any) -> None:
    with warehouse(found, **STAGING).session(write=True) as session:
        session.publish(MART, PEOPLE)
        whole = session.query(f"select * from {MART} order by person_id")
        for rows, times in ((10, 0), (8, 0), (3, 1), (1, 1)):
            before = unloads(found)
            pages = list(members._paged(session, parse(f"select * from {MART}"), rows, "people"))
            assert unloads(found) - before == times
            pd.testing.assert_frame_equal(pd.concat(pages, ignore_index=True), whole)
    assert keys(bucket) == []


def test_users_of_personalize_beyond_a_page_are_unloaded_once(found: Stand, bucket: Any) -> None:
    one = warehouse(found, **STAGING)
    settings = found.settings(section=STAGING, personalize__user_features=[])
    as_of = AsOf(date(2026, 1, 5), datetime(2026, 1, 6))
    with one.session(write=True) as session:
        session.publish(Table("marts", "personalize_users"), PEOPLE)

        def read(rows: int) -> pd.DataFrame:
            pages = list(Reader(session, settings, as_of, None, rows).users())
            return pd.concat(pages, ignore_index=True)

        whole = read(100)
        assert unloads(found) == 0
        pd.testing.assert_frame_equal(read(2), whole)
        assert unloads(found) == 1
    assert whole["user_id"].tolist() == [f"u{n}" for n in range(10, 17)]
    assert keys(bucket) == []
