"""What a statement may scan at most: sizes of files by hand, no AWS."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from engagement.aws.s3 import Address, Found
from engagement.settings import load_settings
from engagement.warehouse import WarehouseError
from engagement.warehouse.athena.estimate import Estimate, Scans
from engagement.warehouse.athena.statements import SpendingLimitError, Statements
from engagement.warehouse.statements import Statement, StatementLog

LAKE = "s3://lake/tables/"


class Objects:
    """A bucket's listing; counts how often it is asked."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)
        self.asked: list[str] = []

    def listing(self, folder: Address) -> Iterator[Found]:
        self.asked.append(str(folder))
        for address, size in self.sizes.items():
            if address.startswith(str(folder)):
                yield Found(address.removeprefix(str(folder)), size, "", 0.0)


class Tables:
    """A catalog of tables, and of partitions where a table has some."""

    def __init__(self, tables: Mapping[str, dict[str, Any]]) -> None:
        self._tables = tables

    def table(self, database: str, name: str) -> dict[str, Any] | None:
        return self._tables.get(f"{database}.{name}")

    def partitions(self, database: str, name: str) -> list[tuple[list[str], str]]:
        return list(self._tables[f"{database}.{name}"]["partitions"])


def at(location: str, **more: Any) -> dict[str, Any]:
    return {"StorageDescriptor": {"Location": location}, **more}


def view(sql: str) -> dict[str, Any]:
    text = base64.b64encode(json.dumps({"originalSql": sql}).encode()).decode()
    return at("", TableType="VIRTUAL_VIEW", ViewOriginalText=f"/* Presto View: {text} */")


DAYS = ("2026-09-01", "2026-09-02", "2026-09-03")
OBJECTS = {
    f"{LAKE}s1/0001_orders/a.parquet": 100,
    f"{LAKE}s1/0001_orders/b.parquet": 20,
    f"{LAKE}s1/0002_people/a.parquet": 7,
    "s3://landing/received_at_utc_date=2026-09-01/a.gz": 1000,
    "s3://landing/received_at_utc_date=2026-09-02/a.gz": 2000,
    "s3://landing/received_at_utc_date=2026-09-02/b.gz": 500,
    "s3://landing/received_at_utc_date=2026-09-03/a.gz": 4000,
    f"{LAKE}s2/0003_events/day=2026-09-01/a": 11,
    f"{LAKE}s2/0003_events/day=2026-09-02/a": 22,
    f"{LAKE}s3/0001_events/day=2026-09-03/a": 33,
}
_KEY = [{"Name": "received_at_utc_date", "Type": "string"}]
TABLES = {
    "marts.orders": at(f"{LAKE}s1/0001_orders/"),
    # Glue gives a location back as it was given: without its slash too.
    "marts.people": at(f"{LAKE}s1/0002_people"),
    "storage.lines": at(
        "s3://landing/", PartitionKeys=_KEY, Parameters={"projection.enabled": "true"}
    ),
    "storage.events": at(
        f"{LAKE}s2/0003_events/",
        PartitionKeys=[{"Name": "day", "Type": "string"}],
        partitions=[
            (["2026-09-01"], f"{LAKE}s2/0003_events/day=2026-09-01/"),
            (["2026-09-02"], f"{LAKE}s2/0003_events/day=2026-09-02/"),
            (["2026-09-03"], f"{LAKE}s3/0001_events/day=2026-09-03"),
        ],
    ),
    "events.events": view('select * from "storage"."events"'),
    "events.picked": view('select "n", "day" from "storage"."events"'),
    "events.renamed": view('select "n", "day" as "date", "n" as "day" from "storage"."events"'),
    "events.latest": view('select max("n") as n, "day" from "storage"."events" group by "day"'),
}


@pytest.fixture
def objects() -> Objects:
    return Objects(OBJECTS)


@pytest.fixture
def scans(objects: Objects) -> Scans:
    catalog: Any = Tables(TABLES)
    bucket: Any = objects
    return Scans(catalog, bucket, Address.parse(LAKE))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1 as one", 0),
        ('select count(*) from "marts"."orders"', 120),
        ('select * from marts.orders as o inner join "marts"."people" as p on o.id = p.id', 127),
        # A table that is read twice is scanned twice.
        ("select * from marts.people union all select * from marts.people", 14),
        ("select * from marts.orders where id in (select id from marts.people)", 127),
        # The query of a WITH is run for each place that names it; one that none names, never.
        ("with o as (select * from marts.orders) select 1 from o as a, o as b", 240),
        ("with o as (select * from marts.orders) select * from marts.people", 7),
        ("with p as (select * from marts.people), q as (select * from p, p) select * from q", 14),
        ("select * from (with p as (select * from marts.people) select * from p) as x", 7),
        ("with p as (select 1) select * from p, (with p as (table marts.people) table p)", 7),
        # What a statement writes is not read.
        (
            """
            create table "storage"."w_1" with (format = 'PARQUET', external_location = 's3://x/') as
            with o as (select * from marts.orders) select * from o
            """,
            120,
        ),
        ("select * from events.events", 66),
        ("select * from marts.nowhere", 0),
    ],
)
def test_every_file_of_every_table_counts_as_often_as_it_is_read(
    scans: Scans, sql: str, expected: int
) -> None:
    found = scans.estimate(sql)
    assert found is not None
    assert found.bytes == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("received_at_utc_date between '2026-09-02' and '2026-09-03'", 6500),
        ("received_at_utc_date = '2026-09-01' and n > 5", 1000),
        ("'2026-09-03' <= l.received_at_utc_date", 4000),
        ("received_at_utc_date in ('2026-09-01', '2026-09-03')", 5000),
        ("(received_at_utc_date < '2026-09-02')", 1000),
        ("received_at_utc_date = '2026-09-01' and received_at_utc_date = '2026-09-02'", 0),
        # Anything else may read every day.
        ("received_at_utc_date = '2026-09-01' or n > 5", 7500),
        ("not received_at_utc_date = '2026-09-01'", 7500),
        ("cast(received_at_utc_date as date) = date '2026-09-01'", 7500),
        ("other = '2026-09-01'", 7500),
        ("received_at_utc_date = other", 7500),
        ("x.received_at_utc_date = '2026-09-01'", 7500),
    ],
)
def test_only_the_days_that_are_asked_for_count(scans: Scans, where: str, expected: int) -> None:
    found = scans.estimate(f"select * from storage.lines as l where {where}")
    assert found is not None
    assert found.bytes == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # Taken through a view, and through queries that only pick rows and columns,
        ("select * from events.events where day = '2026-09-02'", 22),
        ("select n from events.picked as e where e.n > 1 and e.day in ('2026-09-01')", 11),
        ("select * from (select n, day from storage.events) as x where x.day > '2026-09-02'", 33),
        (
            """
            select n from (select n, day from (select * from events.picked where n > 1) as a) as b
            where b.day between '2026-09-01' and '2026-09-02'
            """,
            33,
        ),
        (
            """
            select n from (
                select e.n, e.day from events.picked as e inner join marts.people as p on e.n = p.n
            ) as b
            where b.day = '2026-09-01'
            """,
            11 + 7,
        ),
        # not where they do more than that, or where the column is another.
        ("select * from events.renamed where day = '2026-09-02'", 66),
        ("select * from events.latest where day = '2026-09-02'", 66),
        ("select * from (select n as day from storage.events) as x where day = '2026-09-02'", 66),
        (
            "select * from (select day from storage.events limit 5) as x where day = '2026-09-02'",
            66,
        ),
        (
            """
            select * from (select day, rank() over (order by n) as r from storage.events) as x
            where day = '2026-09-02'
            """,
            66,
        ),
        (
            """
            select * from (
                select day from storage.events union all select day from storage.events
            ) as x
            where day = '2026-09-02'
            """,
            132,
        ),
        (
            """
            select * from storage.events as e
            inner join (select n, day from events.picked) as x on e.n = x.n
            where x.day = '2026-09-02'
            """,
            66 + 22,
        ),
    ],
)
def test_a_day_is_asked_for_through_what_only_picks_rows(
    scans: Scans, sql: str, expected: int
) -> None:
    found = scans.estimate(sql)
    assert found is not None
    assert found.bytes == expected


def test_a_column_without_its_tables_name_is_anybodys_where_tables_are_joined(
    scans: Scans,
) -> None:
    joined = "select 1 from storage.lines as l inner join marts.people as p on l.n = p.n where "
    named = scans.estimate(joined + "l.received_at_utc_date = '2026-09-01'")
    unnamed = scans.estimate(joined + "received_at_utc_date = '2026-09-01'")
    assert named == Estimate({"storage.lines": 1000, "marts.people": 7})
    assert unnamed == Estimate({"storage.lines": 7500, "marts.people": 7})
    assert named.largest == "storage.lines"


def test_partitions_of_the_catalog_count_by_their_own_folders(
    scans: Scans, objects: Objects
) -> None:
    found = scans.estimate("select * from storage.events where day >= '2026-09-02'")
    assert found is not None
    assert found.bytes == 55
    # Those that one statement made lie together, and are listed together.
    assert sorted(objects.asked) == [f"{LAKE}s2/0003_events/", f"{LAKE}s3/0001_events/"]


def test_a_folder_of_the_projects_own_is_listed_once_others_again_after_a_while(
    scans: Scans, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "select * from marts.people, storage.lines"
    scans.estimate(sql)
    scans.estimate(sql)
    assert sorted(objects.asked) == ["s3://lake/tables/s1/0002_people/", "s3://landing/"]
    objects.sizes["s3://landing/received_at_utc_date=2026-09-04/a.gz"] = 1
    monkeypatch.setattr("engagement.warehouse.athena.estimate._GROWING_SECONDS", 0.0)
    found = scans.estimate(sql)
    assert found is not None
    assert found.bytes == 7 + 7501
    assert len(objects.asked) == 3


def test_a_statement_that_cannot_be_read_is_unknown(
    scans: Scans, caplog: pytest.LogCaptureFixture
) -> None:
    assert scans.estimate("select from where") is None
    assert "cannot be told" in caplog.text


def test_a_view_that_reads_itself_is_an_error(objects: Objects) -> None:
    catalog: Any = Tables({"marts.a": view("select * from marts.a")})
    bucket: Any = objects
    with pytest.raises(WarehouseError, match="reads itself"):
        Scans(catalog, bucket, Address.parse(LAKE)).estimate("select * from marts.a")


# --- the limit ----------------------------------------------------------------------------------


def statements(estimate: int | None, *, limit: float, spent: float) -> Statements:
    """Statements over a connection that runs nothing."""
    settings = load_settings(
        "params/athena.yaml", {"warehouse.athena.spending_limit_usd": limit}
    ).warehouse.athena
    assert settings is not None
    log = StatementLog()
    log.keep(Statement("before", "", 1, 1.0, usd=spent))
    nothing: Any = None
    found = None if estimate is None else Estimate({"marts.orders": estimate})
    return Statements(nothing, nothing, settings, log, lambda _sql: found)


def test_a_statement_that_may_pass_the_limit_is_not_run() -> None:
    # 0.2 TB at 5 USD is one dollar.
    allowed = statements(200_000_000_000, limit=3, spent=2)
    with allowed._within_limit("select 1", "one"):
        pass
    refused = statements(200_000_000_001, limit=3, spent=2)
    with (
        pytest.raises(SpendingLimitError) as caught,
        refused._within_limit("select 1", "marts.daily"),
    ):
        raise AssertionError("it was run")
    said = str(caught.value)
    assert said.startswith("marts.daily was not run: it may scan up to 200 GB (1.0000 USD at most")
    assert "the largest is marts.orders" in said
    assert "cost 2.0000 USD so far" in said
    assert "spending_limit_usd (3)" in said
    assert re.search(r"Set a limit of at least 3\.0000", said)


def test_what_cannot_be_told_is_stopped_once_the_limit_is_reached() -> None:
    with statements(None, limit=3, spent=2.9)._within_limit("?", "one"):
        pass
    with (
        pytest.raises(SpendingLimitError, match="cannot be told"),
        statements(None, limit=3, spent=3)._within_limit("?", "one"),
    ):
        raise AssertionError("it was run")


def test_what_reads_nothing_costs_nothing() -> None:
    with statements(0, limit=3, spent=3)._within_limit("select 1", "one"):
        pass


def test_a_statement_waits_for_what_those_that_run_will_have_cost() -> None:
    # Each may cost up to 0.6 of the one dollar, and the first turns out to cost nothing.
    shared = statements(120_000_000_000, limit=1, spent=0)
    order: list[str] = []

    def second() -> None:
        with shared._within_limit("select 1", "two"):
            order.append("two runs")

    waiting = threading.Thread(target=second)
    with shared._within_limit("select 1", "one"):
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        order.append("one ends")
    waiting.join(10)
    assert order == ["one ends", "two runs"]


def test_a_statement_that_waited_is_not_run_where_the_others_have_spent_it() -> None:
    shared = statements(120_000_000_000, limit=1, spent=0)
    refused: list[Exception] = []

    def second() -> None:
        try:
            with shared._within_limit("select 1", "two"):
                pass
        except SpendingLimitError as error:
            refused.append(error)

    waiting = threading.Thread(target=second)
    with shared._within_limit("select 1", "one"):
        waiting.start()
        waiting.join(0.2)
        shared._log.keep(Statement("one", "", 1, 1.0, usd=0.6))
    waiting.join(10)
    assert len(refused) == 1
