"""Runs that follow runs: what is read again, what stays, and that the order makes no difference."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engagement.flatten import FlattenReport, increments, tracking_plan
from engagement.flatten.pipeline import plan_run
from engagement.flatten.status import status
from engagement.records.files import LandedFile
from engagement.warehouse.duckdb.statements import Statements
from engagement.warehouse.statements import StatementLog
from tests.flatten.conftest import Shop, event, folder

FIRST, SECOND, THIRD, LATE = "2026-01-05", "2026-01-06", "2026-01-10", "2026-01-20"


def on(day: str, **keys: Any) -> dict[str, Any]:
    """An event received on a day."""
    noon = f"{day}T12:00:00.000Z"
    return event(receivedAt=noon, timestamp=noon, **keys)


def land(shop: Shop, day: str, *events: dict[str, Any], name: str = "a.json") -> None:
    shop.land(*events, name=f"{folder(day)}/{name}")


def read(report: FlattenReport) -> tuple[str, ...]:
    return report.days_read


@pytest.fixture
def two(make_shop: Callable[..., Shop]) -> tuple[Shop, Shop]:
    """A shop that is flattened again and again, and one that is flattened once, at the end."""
    return make_shop(), make_shop()


def equal(often: Shop, once: Shop) -> None:
    once.flatten()
    left, right = often.tables(), once.tables()
    assert left.keys() == right.keys()
    for table, rows in left.items():
        assert rows == right[table], table


def test_only_new_dates_are_read_and_the_tables_are_those_of_one_run(
    two: tuple[Shop, Shop],
) -> None:
    often, once = two
    for day, keys in (
        (FIRST, {"messageId": "m1", "properties": {"b": 1}}),
        (SECOND, {"messageId": "m2", "properties": {"a": "x", "b": 2}}),
        (THIRD, {"messageId": "m3", "event": "Other", "properties": {"c": True}}),
    ):
        for shop in two:
            land(shop, day, on(day, **keys))
        assert read(often.flatten()) == (day,)
    assert read(often.flatten()) == ()
    equal(often, once)


def test_a_day_like_others_makes_no_table_anew(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    land(shop, FIRST, on(FIRST, messageId="m1", properties={"a": 1}), {"type": "none"})
    shop.flatten()
    land(shop, SECOND, on(SECOND, messageId="m2", properties={"a": 2}), {"type": "none"})
    made: list[str] = []
    run = Statements.run

    def listening(statements: Statements, sql: str, label: str) -> Any:
        made.extend(re.findall(r"^create or replace table (\S+)", sql))
        return run(statements, sql, label)

    monkeypatch.setattr(Statements, "run", listening)
    shop.flatten()
    # Nobody identified himself; what is left unfinished is noted, and taken back.
    assert set(made) == {'"landing"."unfinished"'}


def test_nothing_new_reads_no_file_and_publishes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(shop, FIRST, on(FIRST), {"type": "none"})
    first = shop.flatten()
    shop.warehouse.log = StatementLog()
    for file in shop.landing.rglob("*.json"):
        file.chmod(0o000)  # whoever reads it all the same, fails
    monkeypatch.setattr("engagement.records.records.Records.read", _refuse)
    again = shop.flatten()
    assert again.frame().equals(first.frame())
    assert again.unnamed_frame().equals(first.unnamed_frame())
    assert (again.discards, read(again)) == (first.discards, ())
    assert again.reading() == "No landed file had to be read."
    assert first.reading() == (
        "The files of 1 date were read, each once: 0.0 MB as they lie there."
    )
    assert {s.label for s in shop.warehouse.log.statements} == {
        "what was read",
        "what was left unfinished",
        "event names",
        "fields of events",
        "users and discards",
        "unreadable files",
    }


def _refuse(*_: object) -> None:
    raise AssertionError("a file was read")


def test_a_changed_added_or_removed_file_has_its_date_read_again(two: tuple[Shop, Shop]) -> None:
    often, once = two
    land(often, FIRST, on(FIRST, messageId="old"))
    land(often, FIRST, on(FIRST, messageId="goes"), name="b.json")
    land(often, SECOND, on(SECOND, messageId="stays"))
    often.flatten()
    for shop in two:
        land(shop, FIRST, on(FIRST, messageId="new", event="Corrected"))
        land(shop, FIRST, on(FIRST, messageId="more"), name="c.json")
        (shop.landing / folder(FIRST) / "b.json").unlink(missing_ok=True)
    land(once, SECOND, on(SECOND, messageId="stays"))
    assert read(often.flatten()) == (FIRST,)
    assert often.rows("select id from events.events order by 1") == [
        ("more",),
        ("new",),
        ("stays",),
    ]
    equal(often, once)


def test_a_file_written_again_with_the_same_size_is_new(shop: Shop) -> None:
    land(shop, FIRST, on(FIRST, messageId="m1"))
    shop.flatten()
    path = shop.landing / folder(FIRST) / "a.json"
    before = path.stat()
    land(shop, FIRST, on(FIRST, messageId="m2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    assert read(shop.flatten()) == (FIRST,)
    assert shop.rows("select id from events.events") == [("m2",)]


@pytest.mark.parametrize(
    "order", [(FIRST, SECOND, THIRD), (THIRD, FIRST, SECOND), (SECOND, THIRD, FIRST)]
)
def test_an_earlier_copy_that_arrives_late_makes_the_later_one_a_duplicate(
    two: tuple[Shop, Shop], order: tuple[str, ...]
) -> None:
    often, once = two
    for day in order:
        for shop in two:
            land(shop, day, on(day, messageId="m", event=f"On {day[-2:]}"), on(day, messageId=day))
        often.flatten()
    assert often.rows("select received_at_utc_date from events.events where id = 'm'") == [(FIRST,)]
    assert often.rows("select received_at_utc_date from landing.duplicates order by 1") == [
        (SECOND,),
        (THIRD,),
    ]
    assert [name for name in _tables(often) if name.startswith("on_")] == ["on_05"]
    equal(often, once)


def test_a_copy_beyond_the_window_is_kept_until_one_in_between_arrives(
    two: tuple[Shop, Shop],
) -> None:
    often, once = two
    for shop in two:
        land(shop, FIRST, on(FIRST, messageId="m"))
        land(shop, "2026-01-15", on("2026-01-15", messageId="m"))
    often.flatten()
    assert often.rows("select count(*) from events.events") == [(2,)]
    for shop in two:
        land(shop, THIRD, on(THIRD, messageId="m"))
    # The copy in between is a duplicate itself, and all the same makes the last one a duplicate.
    assert read(often.flatten()) == (THIRD, "2026-01-15")
    assert often.rows("select received_at_utc_date from events.events") == [(FIRST,)]
    equal(often, once)


def test_a_duplicate_comes_back_when_the_copy_before_it_goes(two: tuple[Shop, Shop]) -> None:
    often, once = two
    land(often, FIRST, on(FIRST, messageId="m", event="Gone"), on(FIRST, messageId="other"))
    for shop in two:
        land(shop, SECOND, on(SECOND, messageId="m", event="Back"))
    often.flatten()
    assert "back" not in _tables(often)
    for shop in two:
        land(shop, FIRST, on(FIRST, messageId="other"))
    assert read(often.flatten()) == (FIRST, SECOND)
    assert "gone" not in _tables(often)
    equal(often, once)


def test_a_type_that_later_data_widens_makes_the_whole_table_again(two: tuple[Shop, Shop]) -> None:
    often, once = two
    values: list[tuple[str, Any]] = [
        (FIRST, "2026-01-05T10:00:00+02:00"),
        (SECOND, "no time"),
        (LATE, 1),
    ]
    for day, value in values:
        for shop in two:
            land(shop, day, on(day, messageId=day, properties={"x": value}))
        often.flatten()
    # The text of the time as it was sent, which the narrower column no longer had.
    assert often.rows("select x from events.seen order by received_at") == [
        ("2026-01-05T10:00:00+02:00",),
        ("no time",),
        ("1",),
    ]
    equal(often, once)


def test_a_type_narrows_again_when_the_value_that_widened_it_goes(two: tuple[Shop, Shop]) -> None:
    often, once = two
    land(often, FIRST, on(FIRST, messageId="m1", properties={"x": "text", "only": 1}))
    for shop in two:
        land(shop, SECOND, on(SECOND, messageId="m2", properties={"x": 5}))
    often.flatten()
    assert often.columns("events.seen")["x"] == "varchar"
    for shop in two:
        land(shop, FIRST, on(FIRST, messageId="m1"))
    often.flatten()
    assert often.columns("events.seen")["x"] == "bigint"
    assert "only" not in often.columns("events.seen")
    equal(often, once)


def test_a_date_whose_files_are_gone_is_kept_unless_it_is_to_be_removed(
    make_shop: Callable[..., Shop],
) -> None:
    kept, removed = make_shop(), make_shop(landing__gone="remove")
    for shop in (kept, removed):
        land(shop, FIRST, on(FIRST, messageId="old"))
        land(shop, SECOND, on(SECOND, messageId="new"))
        shop.flatten()
        (shop.landing / folder(FIRST) / "a.json").unlink()
    assert read(kept.flatten()) == ()
    assert read(removed.flatten()) == (FIRST,)
    assert kept.rows("select id from events.tracks order by 1") == [("new",), ("old",)]
    assert removed.rows("select id from events.tracks order by 1") == [("new",)]
    assert removed.rows("select received_at_utc_date from landing.ledger") == [(SECOND,)]


def _bounded(shop: Shop, day: str) -> Shop:
    """The same landing and tables, with only one received date to be read."""
    bounds = {"landing__from": day, "landing__to": day}
    return Shop(shop.landing.parent, **bounds)


@pytest.mark.parametrize(
    "order", [(THIRD, FIRST, SECOND), (SECOND, THIRD, FIRST), (THIRD, SECOND, FIRST)]
)
def test_a_backfill_date_by_date_equals_one_run(
    two: tuple[Shop, Shop], order: tuple[str, ...]
) -> None:
    """An earlier date makes a copy on a later one a duplicate: that date is read again, whole,
    although the run is bounded to the earlier one."""
    often, once = two
    for day in (FIRST, SECOND, THIRD):
        for shop in two:
            land(shop, day, on(day, messageId="m"), on(day, messageId=day))
    for day in order:
        _bounded(often, day).flatten()
    assert often.rows("select id from events.events order by received_at_utc_date, id") == [
        (FIRST,),
        ("m",),
        (SECOND,),
        (THIRD,),
    ]
    equal(often, once)


def test_a_date_that_was_left_unfinished_is_read_whole_by_a_bounded_run(
    two: tuple[Shop, Shop],
) -> None:
    often, once = two
    for day in (FIRST, SECOND):
        for shop in two:
            land(shop, day, on(day, messageId=day))
    often.flatten()
    with often.warehouse.session(write=True) as session:
        increments.note_unfinished(session, {SECOND: increments.READ})
    assert read(_bounded(often, FIRST).flatten()) == (SECOND,)
    equal(often, once)


def test_a_date_whose_files_are_gone_stays_when_an_earlier_copy_arrives(shop: Shop) -> None:
    """It cannot be read again; its other events would be lost."""
    land(shop, SECOND, on(SECOND, messageId="m"), on(SECOND, messageId="other"))
    shop.flatten()
    (shop.landing / folder(SECOND) / "a.json").unlink()
    land(shop, FIRST, on(FIRST, messageId="m"))
    assert read(shop.flatten()) == (FIRST,)
    assert ("other",) in shop.rows("select id from events.events")
    assert [
        day for (day,) in shop.rows("select received_at_utc_date from landing.ledger order by 1")
    ] == [
        FIRST,
        SECOND,
    ]


def test_dates_can_be_asked_for_again(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop()
    for day in (FIRST, SECOND, LATE):
        land(shop, day, on(day, messageId=day))
    shop.flatten()
    before = shop.tables()
    for asked, expected in (
        ([FIRST], (FIRST,)),
        ([f"{FIRST}..{SECOND}"], (FIRST, SECOND)),
        (["all"], (FIRST, SECOND, LATE)),
    ):
        again = Shop(shop.path.parent, landing__reprocess=asked)
        assert read(again.flatten()) == expected
        assert again.tables() == before


def test_other_rules_have_every_date_read_again(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop()
    land(shop, FIRST, on(FIRST, messageId="m"))
    land(shop, "2026-01-08", on("2026-01-08", messageId="m"))
    shop.flatten()
    narrower = Shop(shop.path.parent, duplicates__window_days=1)
    assert read(narrower.flatten()) == (FIRST, "2026-01-08")
    assert narrower.rows("select count(*) from events.events") == [(2,)]


def test_what_was_repaired_comes_in_and_leaves_the_quarantine(two: tuple[Shop, Shop]) -> None:
    often, once = two
    shop_path = often.landing / folder(FIRST) / "a.json"
    often.land("{broken", on(FIRST, messageId="m1"), name=f"{folder(FIRST)}/a.json")
    often.flatten()
    assert often.rows("select count(*) from landing.quarantine") == [(1,)]
    assert shop_path.exists()
    for shop in two:
        land(shop, FIRST, on(FIRST, messageId="m0"), on(FIRST, messageId="m1"))
    often.flatten()
    assert often.rows("select count(*) from landing.quarantine") == [(0,)]
    equal(often, once)


def test_the_status_says_what_a_run_would_do(shop: Shop) -> None:
    land(shop, FIRST, on(FIRST, messageId="m1"))
    assert plan_run(shop.warehouse, shop.settings).sentences() == [f"{FIRST}: new"]
    shop.flatten()
    assert status(shop.warehouse, shop.settings).lines == (
        "Everything that has landed was taken in: a run would read no file.",
    )
    land(shop, SECOND, on(SECOND))
    land(shop, THIRD, on(THIRD))
    found = status(shop.warehouse, shop.settings)
    assert found.lines == (
        f"2 files new: {folder(SECOND)}/a.json, {folder(THIRD)}/a.json",
        f"2 dates, {SECOND} to {THIRD}: new",
    )
    assert list(found.ledger["received_at_utc_date"]) == [FIRST]


def test_dates_are_grouped_by_size_and_number() -> None:
    files = {
        day: [LandedFile(day, f"{day}/a{ending}", size, "")]
        for day, ending, size in (("1", "", 60), ("2", ".gz", 6), ("3", "", 10), ("4", "", 900))
    }
    assert increments.batches("1234", files, 100, 10) == [["1"], ["2", "3"], ["4"]]
    assert increments.batches("1234", files, None, 3) == [["1", "2", "3"], ["4"]]
    assert increments.batches("", files, 100, 10) == []


@pytest.mark.parametrize("at", range(1, 16, 2))
def test_a_run_that_stops_anywhere_is_made_good_by_the_next(
    make_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at: int
) -> None:
    """Stopped at the n-th publication, after a first run whose events are replaced in part."""
    from engagement.warehouse.duckdb.session import DuckDBSession

    often, once = make_shop(), make_shop()
    land(often, FIRST, on(FIRST, messageId="m1", event="Before", properties={"x": 1}))
    land(often, THIRD, on(THIRD, messageId="m3", properties={"x": 1}))
    often.flatten()
    for shop in (often, once):
        land(shop, FIRST, on(FIRST, messageId="m1", event="After", properties={"x": "y"}))
        land(shop, SECOND, on(SECOND, messageId="m3"), on(SECOND, messageId="m2"))
        land(shop, THIRD, on(THIRD, messageId="m3", properties={"x": 1}))
    publish, calls = DuckDBSession.publish, iter(range(1, 1000))

    def stopping(self: Any, *args: Any, **keywords: Any) -> Any:
        if next(calls) == at:
            raise KeyboardInterrupt
        return publish(self, *args, **keywords)

    monkeypatch.setattr(DuckDBSession, "publish", stopping)
    with pytest.raises(KeyboardInterrupt):
        often.flatten()
    monkeypatch.undo()
    # What is done next does not hang on the files that the stopped run saw.
    land(often, SECOND, on(SECOND, messageId="m3"), on(SECOND, messageId="m2"))
    often.flatten()
    equal(often, once)


@pytest.mark.parametrize("at", range(5, 12))
def test_what_a_stopped_run_took_out_of_a_date_leaves_tables_of_other_dates(
    two: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Stopped when the registry no longer says that the date's events were in the table."""
    from engagement.warehouse.duckdb.session import DuckDBSession

    often, once = two
    land(often, FIRST, on(FIRST, messageId="goes"), on(FIRST, messageId="stays", event="Other"))
    for shop in two:
        land(shop, SECOND, on(SECOND, messageId="m2"))
    often.flatten()
    for shop in two:
        land(shop, FIRST, on(FIRST, messageId="stays", event="Other"))
    publish, calls = DuckDBSession.publish, iter(range(1, 1000))

    def stopping(self: Any, *args: Any, **keywords: Any) -> Any:
        if next(calls) == at:
            raise KeyboardInterrupt
        return publish(self, *args, **keywords)

    monkeypatch.setattr(DuckDBSession, "publish", stopping)
    with pytest.raises(KeyboardInterrupt):
        often.flatten()
    monkeypatch.undo()
    often.flatten()
    equal(often, once)


def _tables(shop: Shop) -> list[str]:
    with shop.warehouse.session() as session:
        return session.tables("events")


def test_the_tracking_plan_is_what_events_were_seen_to_hold(shop: Shop) -> None:
    land(shop, FIRST, on(FIRST, messageId="1", properties={"x": 1, "blank": ""}))
    land(
        shop,
        SECOND,
        on(SECOND, messageId="2", properties={"x": None, "price": "9.50"}),
        on(SECOND, messageId="3", properties={"x": 2.5}, context={"locale": "de"}),
        on(SECOND, messageId="4", type="page", event=..., properties={"x": "text"}),
    )
    shop.flatten()
    found = tracking_plan(shop.warehouse, shop.settings)
    assert list(found.itertuples(index=False, name=None)) == [
        ("events.pages", "x", "varchar", SECOND, 1, 1.0),
        ("events.seen", "price", "double", SECOND, 1, 0.3333),
        ("events.seen", "x", "double", FIRST, 2, 0.6667),
        ("events.tracks", "context_locale", "varchar", SECOND, 1, 0.3333),
    ]


def test_no_event_is_called_as_a_table_in_the_making(two: tuple[Shop, Shop]) -> None:
    """A table that gains a column is made beside itself: no event's table may be in that place."""
    often, once = two
    for day, keys in ((FIRST, {"a": 1}), (SECOND, {"a": 2, "b": 1}), (THIRD, {"c": "x"})):
        for shop in two:
            names = ["Seen", "__fresh_seen", "fresh seen", "_fresh_seen"]
            events = [
                on(day, messageId=f"{day} {name}", event=name, properties=keys) for name in names
            ]
            land(shop, day, *events)
        often.flatten()
    equal(often, once)
    for table in ("seen", "__fresh_seen", "fresh_seen", "_fresh_seen"):
        assert often.rows(f"select a, b, c from events.{table} order by id") == [
            (1, None, None),
            (2, 1, None),
            (None, None, "x"),
        ]


@pytest.mark.parametrize("when", ["open", "read"])
def test_a_file_that_cannot_be_read_for_a_moment_is_read_by_the_next_run(
    two: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    often, once = two
    for shop in two:
        land(shop, FIRST, on(FIRST, messageId="m1"))
        land(shop, FIRST, on(FIRST, messageId="m2"), name="b.json")
        land(shop, SECOND, on(SECOND, messageId="m3"))
    opened = Path.open

    class Failing(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    def failing(path: Path, *args: Any, **more: Any) -> Any:
        if path.name != "b.json" or often.landing not in path.parents:
            return opened(path, *args, **more)
        if when == "open":
            raise PermissionError(errno.EACCES, "Permission denied")
        return Failing()

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", failing)
        report = often.flatten()
        said = "Permission denied" if when == "open" else "Input/output error"
        assert [one.error for one in report.unreadable] == [f"{said}; the next run tries again"]
        assert often.rows("select id from events.events order by id") == [("m1",), ("m3",)]
        # As long as it lasts, every run tries again, and only that date.
        assert read(often.flatten()) == (FIRST,)
        assert often.rows("select id from events.events order by id") == [("m1",), ("m3",)]
    assert read(often.flatten()) == (FIRST,)
    assert often.report.unreadable == ()
    equal(often, once)
    assert read(often.flatten()) == ()


def test_what_is_wrong_with_a_files_bytes_is_remembered(shop: Shop) -> None:
    land(shop, FIRST, on(FIRST, messageId="m1"))
    path = shop.landing / folder(FIRST) / "broken.gz"
    path.write_bytes(b"no gzip")
    assert len(shop.flatten().unreadable) == 1
    assert read(shop.flatten()) == ()
    path.write_bytes(gzip.compress(json.dumps(on(FIRST, messageId="m2")).encode()))
    assert read(shop.flatten()) == (FIRST,)
    assert shop.rows("select id from events.events order by id") == [("m1",), ("m2",)]


def test_other_bytes_that_look_the_same_are_read_when_asked_for(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop()
    land(shop, FIRST, on(FIRST, messageId="m1"))
    path = shop.landing / folder(FIRST) / "a.json"
    before = path.stat()
    shop.flatten()
    path.write_bytes(path.read_bytes().replace(b"m1", b"m2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read(shop.flatten()) == ()
    shop.settings = shop.settings.model_copy(
        update={"landing": shop.settings.landing.model_copy(update={"reprocess": (FIRST,)})}
    )
    assert read(shop.flatten()) == (FIRST,)
    assert shop.rows("select id from events.events") == [("m2",)]


def test_a_small_file_that_unzips_to_gigabytes_is_set_apart(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop(landing__most_file_megabytes=2)
    land(shop, FIRST, on(FIRST, messageId="m1"))
    held = shop.landing / folder(FIRST)
    bomb = gzip.compress(b" " * 1_000_000)
    (held / "bomb.gz").write_bytes(bomb * 3_000)  # 3 GB
    (held / "fits.gz").write_bytes(bomb * 2)
    tracemalloc.start()
    try:
        report = shop.flatten()
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()
    assert [(Path(one.file).name, one.error) for one in report.unreadable] == [
        ("bomb.gz", "it unzips to more than 2 MB (landing.most_file_megabytes)")
    ]
    assert shop.rows("select id from events.events") == [("m1",)]
    assert read(shop.flatten()) == ()


def test_a_broken_file_is_not_unzipped_beyond_its_bound_to_say_what_is_wrong(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop(landing__most_file_megabytes=2)
    land(shop, FIRST, on(FIRST, messageId="m1"))
    bomb = gzip.compress(b" " * 1_000_000)
    (shop.landing / folder(FIRST) / "broken.gz").write_bytes(bomb + b"x" + bomb * 3_000)
    (error,) = (one.error for one in shop.flatten().unreadable)
    assert error.startswith("no valid gzip")
