"""Costs on the stand: what is billed, the limit before a statement, and what is remembered."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from engagement.runs.batch import RunRecord, _take_stock
from engagement.warehouse import Table, WarehouseError
from engagement.warehouse.athena.estimate import Scans
from engagement.warehouse.athena.statements import SpendingLimitError, dollars
from engagement.warehouse.athena.warehouse import AthenaWarehouse
from engagement.warehouse.costs import remember
from tests.athena.parameters import settings
from tests.athena.stand import Stand, fail
from tests.athena.stand.faults import ENGINE_FAILED
from tests.athena.test_warehouse_athena import numbers, publish
from tests.warehouse.test_costs import at, remembered

_NAMES = (f"costs{number}" for number in itertools.count())


@pytest.fixture
def name() -> str:
    return next(_NAMES)


@pytest.fixture
def warehouse(aws_environment: Stand, name: str) -> AthenaWarehouse:
    made = AthenaWarehouse(settings(aws_environment, name))
    with made.session(write=True):
        pass  # its databases are there from here on
    return made


# --- what is billed -------------------------------------------------------------------------------


def test_a_statement_is_billed_ten_megabytes_at_least() -> None:
    assert dollars(0, 5) == 0
    assert dollars(1, 5) == pytest.approx(0.00005)
    assert dollars(2_000_000_000_000, 5) == pytest.approx(10)


def test_statements_keep_what_they_scanned_and_cost(
    warehouse: AthenaWarehouse, aws_environment: Stand
) -> None:
    publish(warehouse, "select n from unnest(sequence(1, 1000)) as t (n)")
    warehouse.query("select sum(n) as n from marts.numbers")
    kept, told = warehouse.log.statements[-1], aws_environment.statements[-1]
    assert kept.query_id == told.execution_id
    assert kept.scanned_bytes == told.bytes_scanned > 0
    assert kept.usd == pytest.approx(0.00005)
    assert warehouse.log.frame().columns.tolist()[-2:] == ["megabytes_scanned", "usd"]


def test_what_failed_is_kept_and_not_billed(
    warehouse: AthenaWarehouse, aws_environment: Stand
) -> None:
    publish(warehouse, "select n from unnest(sequence(1, 1000)) as t (n)")
    once = fail("engine", "FinishStatement", ENGINE_FAILED, containing="SUM(")
    with aws_environment.faults.injected(once):
        warehouse.query("select sum(n) as n from marts.numbers")
    failed, done = warehouse.log.statements[-2:]
    assert (failed.status, done.status) == ("failed", "done")
    assert failed.query_id != done.query_id
    assert failed.scanned_bytes
    assert failed.usd == 0
    assert done.usd == pytest.approx(0.00005)


def test_what_was_cancelled_is_billed(warehouse: AthenaWarehouse, aws_environment: Stand) -> None:
    publish(warehouse, "select n from unnest(sequence(1, 1000)) as t (n)")
    aws_environment.limit_bytes_scanned("primary", 1)
    try:
        with pytest.raises(WarehouseError, match="was cancelled"):
            warehouse.query("select sum(n) as n from marts.numbers")
    finally:
        aws_environment.limit_bytes_scanned("primary", None)
    last = warehouse.log.statements[-1]
    assert (last.status, bool(last.scanned_bytes)) == ("failed", True)
    assert last.usd == pytest.approx(0.00005)


# --- the limit ------------------------------------------------------------------------------------


def test_a_run_stops_before_the_statement_that_would_pass_the_limit(
    aws_environment: Stand, name: str
) -> None:
    limited = AthenaWarehouse(settings(aws_environment, name, spending_limit_usd=0.00012))
    publish(limited, "select n from unnest(sequence(1, 1000)) as t (n)")
    limited.query("select sum(n) as n from marts.numbers")
    limited.query("select max(n) as n from marts.numbers")
    ran = len(aws_environment.statements)
    with pytest.raises(SpendingLimitError) as caught:
        limited.query("select min(n) as n from marts.numbers")
    assert len(aws_environment.statements) == ran
    said = str(caught.value)
    assert f"the largest is {name}_marts.numbers" in said
    assert "cost 0.0001 USD so far" in said
    assert "spending_limit_usd (0.00012)" in said
    # What reads nothing costs nothing, and goes on.
    assert limited.query("select 1 as one")["one"].tolist() == [1]


def test_the_first_statement_is_stopped_where_the_files_alone_tell_it(
    aws_environment: Stand, name: str
) -> None:
    publish(AthenaWarehouse(settings(aws_environment, name)), "select 1 as n")
    dear = AthenaWarehouse(
        settings(aws_environment, name, spending_limit_usd=1, usd_per_terabyte=1_000_000)
    )
    ran = len(aws_environment.statements)
    with pytest.raises(SpendingLimitError, match=r"have cost 0\.0000 USD"):
        dear.query("select n from marts.numbers")
    assert len(aws_environment.statements) == ran


def test_without_a_limit_nothing_is_estimated(
    warehouse: AthenaWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(warehouse, "select 1 as n")

    def asked(*_: object) -> None:
        raise AssertionError("an estimate was made")

    monkeypatch.setattr(Scans, "estimate", asked)
    assert numbers(warehouse) == [1]


def test_an_estimate_is_at_least_what_the_engine_scans(
    warehouse: AthenaWarehouse, aws_environment: Stand, name: str
) -> None:
    days = ("2026-09-01", "2026-09-02", "2026-09-03")
    for size, day in enumerate(days, start=1):
        lines = [json.dumps({"type": "track", "n": n, "word": "x" * n}) for n in range(100 * size)]
        aws_environment.client("s3").put_object(
            Bucket=aws_environment.bucket,
            Key=f"{name}/landing/received_at_utc_date={day}/one.json",
            Body="\n".join(lines).encode(),
        )
    with warehouse.session(write=True) as session:
        session.publish(
            Table("marts", "numbers"),
            "select n, cast(n as varchar) as word from unnest(sequence(1, 5000)) as t (n)",
        )
        session.publish(
            Table("events", "pages"),
            """
            select n, word, cast(day as varchar) as received_at_utc_date
            from unnest(sequence(1, 2000)) as t (n)
            cross join (values ('a', '2026-09-01'), ('b', '2026-09-02')) as v (word, day)
            """,
            partitions=["2026-09-01", "2026-09-02"],
        )
        session.landing_table(
            Table("landing", "raw"), warehouse.settings.landing.location, {"type": "type"}
        )
    asked: list[Any] = []
    scans = Scans(warehouse.catalog, warehouse.bucket, warehouse.files)
    for sql in (
        "select count(*) as n from marts.numbers where word = '7'",
        "select count(*) as n from marts.numbers as a inner join marts.numbers as b on a.n = b.n",
        """
        with w as (select n from marts.numbers where n > 5)
        select count(*) as n from w as a inner join w as b on a.n = b.n
        """,
        "select sum(n) as n from events.pages",
        "select sum(n) as n from events.pages where received_at_utc_date = '2026-09-01'",
        "select count(type) as n from landing.raw",
        "select count(type) as n from landing.raw where received_at_utc_date = '2026-09-02'",
        """
        select count(type) as n from landing.raw
        where received_at_utc_date between '2026-09-02' and '2026-09-03'
        """,
    ):
        warehouse.query(sql)
        ran = aws_environment.statements[-1]
        estimate = scans.estimate(ran.sql)
        assert estimate is not None
        assert estimate.bytes >= ran.bytes_scanned > 0, sql
        asked.append(estimate.bytes)
    # Days that are not asked for do not count.
    whole, one_day, every, second, last_two = asked[-5:]
    assert one_day < whole
    assert second < last_two < every


# --- what is remembered ---------------------------------------------------------------------------


def test_remembering_costs_no_statement(warehouse: AthenaWarehouse, aws_environment: Stand) -> None:
    ran = len(aws_environment.statements)
    remember(warehouse, "run-1", [at(1), at(2)], keep_runs=10)
    remember(warehouse, "run-2", [at(3)], keep_runs=10)
    assert len(aws_environment.statements) == ran
    assert [row[0] for row in remembered(warehouse)] == ["run-1", "run-1", "run-2"]


def test_a_run_that_may_spend_no_more_is_remembered_all_the_same(
    aws_environment: Stand, name: str
) -> None:
    limited = AthenaWarehouse(settings(aws_environment, name, spending_limit_usd=0.00008))
    publish(limited, "select 1 as n")
    limited.query("select n from marts.numbers")
    record = RunRecord("run-7", "athena", "params", {}, "now")
    _take_stock(limited, record, keep_runs=10)
    assert record.tables == {}
    assert len(record.notes) == 1
    assert "rows of the tables was not run" in record.notes[0]
    assert record.statements["count"] == len(record.each_statement) == 2
    assert record.statements["usd"] == pytest.approx(0.00005)
    found = AthenaWarehouse(settings(aws_environment, name))
    assert remembered(found, "run_id, label, scanned_bytes > 0") == [
        ("run-7", "marts.numbers", False),
        ("run-7", "query", True),
    ]


def test_tables_are_counted_by_one_statement(
    warehouse: AthenaWarehouse, aws_environment: Stand
) -> None:
    publish(warehouse, "select n from unnest(sequence(1, 3)) as t (n)")
    publish(warehouse, "select 1 as n", Table("events", "tracks"))
    ran = len(aws_environment.statements)
    record = RunRecord("run-8", "athena", "params", {}, "now")
    _take_stock(warehouse, record, keep_runs=10)
    assert len(aws_environment.statements) == ran + 1
    assert record.tables == {"events.tracks": 1, "marts.numbers": 3}
    assert record.notes == []
