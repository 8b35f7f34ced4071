"""Who may write, who waits for whom, and what readers see meanwhile."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engagement.settings import Settings
from engagement.warehouse import LeaseHeldError, Table, WarehouseError, lease, open_warehouse
from engagement.warehouse.lease import TOKEN_VARIABLE

MART = Table("marts", "things")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "warehouse.duckdb"


# --- the lease ------------------------------------------------------------------------------------


def test_one_holder_at_a_time_and_the_other_is_told_who(file: Path) -> None:
    with lease.hold(file, "run 7") as token:
        assert lease.holder(file).keys() == {"holder", "process", "since"}
        assert lease.holder(file)["holder"] == "run 7"
        lease.check(file, token)
        with (
            pytest.raises(LeaseHeldError, match=rf"run 7 \(process {os.getpid()}\) since 20"),
            lease.hold(file, "run 8"),
        ):
            pass
    assert lease.holder(file) == {}
    with lease.hold(file, "run 8") as other:
        assert other != token


def test_a_failure_lets_go(file: Path) -> None:
    with pytest.raises(ZeroDivisionError), lease.hold(file, "run 7"):
        1 / 0  # noqa: B018
    with lease.hold(file, "run 8"):
        assert lease.holder(file)["holder"] == "run 8"


def test_nobody_holds_what_is_not_there(file: Path) -> None:
    assert lease.holder(file) == {}
    with pytest.raises(LeaseHeldError, match="is gone"):
        lease.check(file, "abc")


def test_whoever_was_handed_the_token_writes_under_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lease.hold(file, "the run") as token:
        monkeypatch.setenv(TOKEN_VARIABLE, token)
        with lease.hold(file, "its notebook") as inherited:
            assert inherited == token
        # The notebook's end is not the run's end.
        lease.check(file, token)
        monkeypatch.setenv(TOKEN_VARIABLE, "another run's token")
        with pytest.raises(LeaseHeldError), lease.hold(file, "a stranger"):
            pass


def test_a_lease_that_was_taken_over_publishes_nothing_more(file: Path) -> None:
    with lease.hold(file, "run 7") as token:
        note = next(file.parent.glob("*.holder.json"))
        note.write_text(
            json.dumps({**json.loads(note.read_text()), "holder": "run 8", "token": "x"})
        )
        with pytest.raises(LeaseHeldError, match=r"is gone \(held by run 8\)"):
            lease.check(file, token)


def test_a_note_that_cannot_be_read_is_no_token(file: Path) -> None:
    with lease.hold(file, "run 7") as token:
        next(file.parent.glob("*.holder.json")).write_text("{")
        with pytest.raises(LeaseHeldError, match="nobody"):
            lease.check(file, token)


def test_asking_for_the_holder_keeps_nobody_out(file: Path) -> None:
    for _ in range(20):
        assert lease.holder(file) == {}
        with lease.hold(file, "run"):
            assert lease.holder(file)["holder"] == "run"


def test_publishing_needs_the_lease_still(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    warehouse = open_warehouse(settings)
    path = settings.path(settings.warehouse.duckdb.path)
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 1 as a")
        note = path.with_name(path.name + ".holder.json")
        note.write_text(json.dumps({"holder": "run 8", "token": "x"}))
        for attempt in (lambda: session.publish(MART, "select 2 as a"), lambda: session.drop(MART)):
            with pytest.raises(LeaseHeldError, match="run 8"):
                attempt()
    assert list(warehouse.query(f"select a from {MART}")["a"]) == [1]


def test_a_second_writer_is_told_of_the_first(make_settings: Callable[..., Settings]) -> None:
    warehouse = open_warehouse(make_settings())
    with (
        warehouse.lease("run 7"),
        pytest.raises(LeaseHeldError, match="run 7"),
        warehouse.session(write=True),
    ):
        pass


# --- other processes ------------------------------------------------------------------------------


@contextmanager
def process(settings: Settings, body: str) -> Iterator[subprocess.Popen[str]]:
    """Another process with the same warehouse, which says 'ready' when it is."""
    duckdb = settings.warehouse.duckdb
    script = f"""
import sys, time
from engagement.settings import load_settings
from engagement.warehouse import Table, open_warehouse
warehouse = open_warehouse(load_settings("params/local.yaml", {{
    "warehouse.duckdb.path": {str(settings.path(duckdb.path))!r},
    "warehouse.duckdb.wait_seconds": {duckdb.wait_seconds},
}}))
table = Table("marts", "things")
def ready():
    print("ready", flush=True)
{textwrap.dedent(body)}
"""
    other = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        yield other
    finally:
        other.kill()
        other.communicate()


def test_a_reader_waits_for_a_writer_and_is_told_for_whom(
    make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(warehouse__duckdb__wait_seconds=20)
    warehouse = open_warehouse(settings)
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 1 as a")
    body = """
    with warehouse.session(write=True) as session:
        ready()
        time.sleep(0.7)
        session.publish(table, "select 2 as a")
    """
    with process(settings, body) as other, caplog.at_level(logging.WARNING, "engagement"):
        assert list(warehouse.query(f"select a from {MART}")["a"]) == [2]
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == f"waiting for process {other.pid}, which holds warehouse.duckdb"


def test_whoever_waits_too_long_is_told_for_whom(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(warehouse__duckdb__wait_seconds=0.3)
    warehouse = open_warehouse(settings)
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 1 as a")
    # A reader shuts a writer out too.
    body = """
    with warehouse.session() as session:
        ready()
        sys.stdin.read()
    """
    with process(settings, body) as other:
        started = time.monotonic()
        with (
            pytest.raises(WarehouseError, match=rf"held by process {other.pid}; waited 0.3 s"),
            warehouse.session(write=True),
        ):
            pass
        assert time.monotonic() - started < 10
        # Readers do not shut each other out.
        assert list(warehouse.query(f"select a from {MART}")["a"]) == [1]


def test_a_reader_sees_the_old_rows_or_the_new_never_a_gap(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings(warehouse__duckdb__wait_seconds=20)
    warehouse = open_warehouse(settings)
    day = "'2026-01-05' as received_at_utc_date"
    rows = f"select {{n}} as n, {day} from unnest(sequence(1, 500)) as t (x)"
    with warehouse.session(write=True) as session:
        session.publish(MART, rows.format(n=0))
    body = f"""
    ready()
    for n in range(1, 13):
        with warehouse.session(write=True) as session:
            partitions = ["2026-01-05"] if n % 2 else None
            session.publish(table, {rows!r}.format(n=n), partitions=partitions)
    print("done", flush=True)
    sys.stdin.read()
    """
    seen: list[int] = []
    with process(settings, body):
        while not seen or seen[-1] < 12:
            found = warehouse.query(f"select count(*) as n, min(n) as a, max(n) as b from {MART}")
            count, low, high = (int(value) for value in found.iloc[0])
            assert (count, low) == (500, high)
            seen.append(high)
    assert seen == sorted(seen)


def test_a_process_that_was_killed_holds_nothing(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    warehouse = open_warehouse(settings)
    path = settings.path(settings.warehouse.duckdb.path)
    body = """
    with warehouse.session(write=True) as session:
        session.publish(table, "select 1 as a")
        session.work("x", "select 1 as a")
        session._run("begin transaction", "half")
        session._run("drop table marts.things", "half")
        ready()
        sys.stdin.read()
    """
    with process(settings, body) as other:
        assert lease.holder(path)["process"] == str(other.pid)
        with (
            pytest.raises(LeaseHeldError, match=f"process {other.pid}"),
            warehouse.session(write=True),
        ):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert lease.holder(path) == {}
        assert list(warehouse.query(f"select a from {MART}")["a"]) == [1]
        with warehouse.session(write=True) as session:
            assert session.tables("marts") == ["things"]


# --- the file itself ------------------------------------------------------------------------------


def test_a_file_that_is_no_warehouse_is_named(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    settings.path(settings.warehouse.duckdb.path).write_bytes(b"no database" * 1000)
    with pytest.raises(WarehouseError, match="cannot be opened") as told:
        open_warehouse(settings).query("select 1")
    assert "held by" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_damaged_file_in_a_folder_called_lock_is_not_held_by_anybody(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    path = tmp_path / "lock" / "warehouse.duckdb"
    warehouse = open_warehouse(make_settings(warehouse__duckdb__path=str(path)))
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 1 as a")
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"x" * (len(whole) - 4096))
    with pytest.raises(WarehouseError) as told:
        warehouse.query(f"select a from {MART}")
    assert "held by" not in str(told.value)


def test_the_reason_is_told_where_nothing_can_be_rolled_back(
    make_settings: Callable[..., Settings],
) -> None:
    warehouse = open_warehouse(make_settings())
    with warehouse.session(write=True) as session:
        connection = session._connection  # type: ignore[attr-defined]

        def fail() -> None:
            with session.transaction():
                # What DuckDB does by itself when it cannot write any more.
                connection.execute("rollback")
                raise OSError("the disk is full")

        with pytest.raises(OSError, match="the disk is full"):
            fail()


def test_a_session_within_another_is_refused_with_the_reason(
    make_settings: Callable[..., Settings],
) -> None:
    warehouse = open_warehouse(make_settings())
    with (
        warehouse.session(write=True),
        pytest.raises(WarehouseError, match="open in this process already"),
    ):
        warehouse.query("select 1")


def test_the_engine_may_be_bounded(make_settings: Callable[..., Settings]) -> None:
    warehouse = open_warehouse(
        make_settings(warehouse__duckdb__threads=1, warehouse__duckdb__memory_limit="500MB")
    )
    with warehouse.session(write=True) as session:
        found = session.query(
            "select name, value from duckdb_settings() where name in ('threads', 'memory_limit')"
        )
    assert dict(zip(found["name"], found["value"], strict=True)) == {
        "threads": "1",
        "memory_limit": "238.4 MiB",  # half of it is Python's
    }
