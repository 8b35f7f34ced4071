"""What runs scan, by a calibration that can be reckoned with by hand."""

from __future__ import annotations

import pytest

from engagement.estimate.calibration import DRIVERS, calibration
from engagement.estimate.scans import LEAST_BILLED_BYTES, first_run, increment
from engagement.estimate.volume import told
from tests.estimate.small import small


def test_a_first_run_over_small_files() -> None:
    # 1,000 events a day for 2 days, 2,000 bytes each, zipped to 200: 400,000 bytes landed.
    # 10 tables, 20 partitions: 1,000 + 2,000 x 100 = 201,000 bytes, all of the files.
    run = first_run(told(1_000, 2, small()), small())
    assert {one.label: one.scanned_bytes for one in run.groups} == {
        "lines": 400_000,
        "events.*": 201_000,
        "query": 400,
    }
    assert run.statements == 1 + 10 + 4
    assert run.failed == 1
    # All of them scan less than is billed at least.
    assert run.billed_bytes == 15 * LEAST_BILLED_BYTES


def test_large_files_are_read_by_column() -> None:
    # 10^9 events a day for 1 day: 10^11 bytes in 10 files, of which half is read.
    run = first_run(told(1e9, 1, small()), small())
    tables = next(one for one in run.groups if one.label == "events.*")
    assert tables.scanned_bytes == 1_000 + 0.5 * 1e11
    # Ten statements, of which five scan three quarters: all are billed for what they scan.
    assert tables.billed_bytes == tables.scanned_bytes


def test_files_in_between_are_read_in_part() -> None:
    # sqrt(1 MB x 10 MB) is half of the way: three quarters are read.
    events = 10 * (1_000_000 * 10_000_000) ** 0.5 / 100
    run = first_run(told(events, 1, small()), small())
    tables = next(one for one in run.groups if one.label == "events.*")
    assert tables.scanned_bytes == pytest.approx(1_000 + 0.75 * events * 100)


def test_single_statements_are_billed_by_what_they_scan() -> None:
    # 400 MB in ten statements: five scan 60 MB each and five 20 MB, none too little.
    uneven = first_run(told(4_000_000, 1, small()), small())
    tables = next(one for one in uneven.groups if one.label == "events.*")
    scanned = tables.scanned_bytes
    assert tables.billed_bytes == pytest.approx(scanned)
    # A tenth of that: five scan some 6 MB and are billed 10, five less, and are billed 10.
    few = first_run(told(400_000, 1, small()), small())
    tables = next(one for one in few.groups if one.label == "events.*")
    assert tables.billed_bytes == 10 * LEAST_BILLED_BYTES


def test_an_increment_reads_what_was_there_and_what_is_new() -> None:
    run = increment(told(1_000, 2, small()), small())
    found = {one.label: one.scanned_bytes for one in run.groups}
    assert found["lines"] == 200_000  # one day's files
    assert found["events.*"] == 1_000 + 3_000 * 100  # three days' events
    assert run.failed == 0


def test_a_part_of_a_day() -> None:
    run = increment(told(1_000, 2, small()), small(), 0.5)
    found = {one.label: one.scanned_bytes for one in run.groups}
    assert found["lines"] == 100_000
    assert found["events.*"] == 1_000 + 2_500 * 100


def test_what_scans_nothing_is_not_billed() -> None:
    from dataclasses import replace

    from tests.estimate.small import MARTS

    idle = replace(MARTS, scanned={"one": 0})
    run = first_run(told(1, 1, small()), small(groups={"first": (idle,), "increment": ()}))
    assert run.billed_bytes == 0


def test_the_calibration_that_is_shipped_can_be_read() -> None:
    made = calibration()
    for kind in ("first", "increment"):
        groups = made.groups[kind]
        assert {group.notebook[:2] for group in groups} >= {"02", "03", "04", "05", "06"}
        for group in groups:
            assert group.scanned.keys() <= set(DRIVERS)
            assert all(number >= 0 for number in group.scanned.values())
            assert 0 <= group.column_share <= 1
    assert len({one["events"] for one in made.landings}) >= 4


def test_more_events_never_scan_less() -> None:
    made, before = calibration(), 0.0
    for events in (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9):
        run = first_run(told(events, 30, made), made)
        assert run.scanned_bytes > before
        assert run.billed_bytes >= run.scanned_bytes
        before = run.scanned_bytes
