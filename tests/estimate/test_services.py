"""What services bill: every line worked out by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest

from engagement.estimate.bill import Bill, bill
from engagement.estimate.services import DAY, FIRST, MONTH
from engagement.estimate.volume import told
from engagement.settings import Settings
from tests.estimate.small import small


@pytest.fixture
def settings(make_settings: Any) -> Settings:
    made: Settings = make_settings()
    return made


def usd(made: Bill, service: str, period: str, what: str) -> float:
    [line] = [
        one for one in made.lines if (one.service, one.period, one.what) == (service, period, what)
    ]
    return line.usd


def test_athena(settings: Settings) -> None:
    made = bill(settings, told(1_000, 2, small()), small())
    # 15 statements, 10 MB each, 5 dollars a terabyte.
    assert usd(made, "Athena", FIRST, "scanning") == pytest.approx(15 * 1e7 / 1e12 * 5)
    assert usd(made, "Athena", MONTH, "scanning") == pytest.approx(30 * 15 * 1e7 / 1e12 * 5)


def test_s3(settings: Settings) -> None:
    made = bill(settings, told(1_000, 2, small()), small())
    # A day: 1,000 requests of the run, and 288 files of Firehose (one every five minutes).
    wanted = (1_000 + 288) / 1_000 * 0.005
    assert usd(made, "S3", DAY, "requests that write or list") == pytest.approx(wanted)
    wanted = 30 * (1_000 + 288) / 1_000 * 0.005
    assert usd(made, "S3", MONTH, "requests that write or list") == pytest.approx(wanted)
    # The middle of the month: 17 days of 1,000 events of 200 bytes.
    assert usd(made, "S3", MONTH, "keeping landed files") == pytest.approx(
        17 * 1_000 * 200 / 1e9 * 0.023
    )
    # 300 bytes for each event; the tables are those of the day that follows.
    assert usd(made, "S3", MONTH, "keeping tables") == pytest.approx(18_000 * 300 / 1e9 * 0.023)
    # Each run writes 100 bytes for each event anew; seven days of them are kept.
    assert usd(made, "S3", MONTH, "keeping what was replaced") == pytest.approx(
        18_000 * 100 * 7 / 1e9 * 0.023
    )


def test_glue_is_free_for_a_million(settings: Settings) -> None:
    made = bill(settings, told(1_000, 2, small()), small())
    assert usd(made, "Glue", MONTH, "catalogue requests") == 0
    many = small(
        requests={
            kind: {"s3 writes": {}, "s3 reads": {}, "glue": {"one": 100_000}}
            for kind in ("first", "increment")
        }
    )
    made = bill(settings, told(1_000, 2, many), many)
    assert usd(made, "Glue", MONTH, "catalogue requests") == pytest.approx(2.0)  # 3 million


def test_glue_objects(settings: Settings) -> None:
    # 1,000 tables for 500 days, in the middle of the month 515: 515,000 partitions and 1,000
    # tables, eight versions of them: 4,128,000 objects, of which 3,128,000 are billed as 32 x $1.
    made = bill(settings, told(1e6, 500, small(), tables=1_000), small())
    assert usd(made, "Glue", MONTH, "catalogue objects") == pytest.approx(32.0)


@pytest.mark.parametrize(("event_bytes", "billed"), [(1, 5), (5_120, 5), (5_121, 10), (12_000, 15)])
def test_firehose_rounds_records_up(settings: Settings, event_bytes: int, billed: int) -> None:
    made = bill(settings, told(2**20, 1, small(), event_bytes=event_bytes), small())
    # 2^20 events of 5 kB are 5 GB.
    assert usd(made, "Firehose", DAY, "taking in") == pytest.approx(billed * 0.029)
    assert usd(made, "Firehose", MONTH, "taking in") == pytest.approx(30 * billed * 0.029)
    partitioned = 2**20 * event_bytes / 2**30 * 0.020
    assert usd(made, "Firehose", DAY, "dynamic partitioning") == pytest.approx(partitioned)


def test_firehose_objects(settings: Settings) -> None:
    # 10^9 events of 2,000 bytes are 14,901 files of 128 MB.
    made = bill(settings, told(1e9, 1, small()), small())
    wanted = 1e9 * 2_000 / (128 * 2**20) / 1_000 * 0.005
    assert usd(made, "Firehose", DAY, "objects of dynamic partitioning") == pytest.approx(wanted)


def test_quicksight_counts_people(make_settings: Any) -> None:
    none = bill(make_settings(), told(1_000, 2, small()), small())
    assert "QuickSight" not in none.services()
    own = make_settings(estimate__authors=2, estimate__readers=10)
    made = bill(own, told(1_000, 2, small()), small())
    assert made.total(MONTH, "QuickSight") == pytest.approx(2 * 24 + 10 * 3)
    # 10^9 events a day for 300 days, in the middle 316 days' with 10 bytes each: 3,160 GB.
    large = bill(own, told(1e9, 300, small()), small())
    assert usd(large, "QuickSight", MONTH, "SPICE") == pytest.approx((3_160 - 20) * 0.38)


def test_personalize(make_settings: Any) -> None:
    assert "Personalize" not in bill(make_settings(), told(1_000, 2, small()), small()).services()
    planned = make_settings(
        personalize__location="s3://bucket/personalize",
        personalize__domain="custom",
        estimate__recommendations_a_day=10_000_000,
    )
    made = bill(planned, told(1_000_000, 2, small()), small())
    # 18 million events, 9 million interactions of 100 bytes; four imports, four trainings.
    assert usd(made, "Personalize", MONTH, "importing") == pytest.approx(9e8 * 4 / 1e9 * 0.05)
    assert usd(made, "Personalize", MONTH, "training") == pytest.approx(9e6 * 4 / 1_000 * 0.002)
    assert usd(made, "Personalize", MONTH, "recommendations") == pytest.approx(3e8 / 1_000 * 0.15)
    # Fewer are asked for: what a campaign provides at least is billed, one a second.
    few = planned.model_copy(
        update={"estimate": planned.estimate.model_copy(update={"recommendations_a_day": 5})}
    )
    made = bill(few, told(1_000_000, 2, small()), small())
    assert usd(made, "Personalize", MONTH, "recommendations") == pytest.approx(2_592 * 0.15)


def test_own_prices_take_the_place_of_the_list(make_settings: Any) -> None:
    own = make_settings(estimate__prices={"athena_terabyte": 10.0})
    made = bill(own, told(1_000, 2, small()), small())
    assert usd(made, "Athena", FIRST, "scanning") == pytest.approx(15 * 1e7 / 1e12 * 10)
    assert "athena_terabyte" not in made.unsure()


def test_more_runs_a_day_cost_more(make_settings: Any) -> None:
    once = bill(make_settings(), told(1_000, 2, small()), small())
    hourly = bill(make_settings(estimate__runs_a_day=24), told(1_000, 2, small()), small())
    assert hourly.total(DAY, "Athena") == pytest.approx(24 * once.total(DAY, "Athena"))


def test_every_line_shows_its_formula_and_totals_add_up(make_settings: Any) -> None:
    own = make_settings(
        estimate__authors=1,
        personalize__location="s3://bucket/personalize",
        personalize__domain="custom",
    )
    made = bill(own, told(1e6, 30, small()), small())
    assert made.services() == ["Athena", "S3", "Glue", "Firehose", "QuickSight", "Personalize"]
    for line in made.lines:
        assert re.search(r"x \$\d", line.formula), line
        assert line.usd >= 0
    for period in (FIRST, DAY, MONTH):
        parts = sum(made.total(period, service) for service in made.services())
        assert made.total(period) == pytest.approx(parts)
