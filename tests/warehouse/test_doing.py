"""What a notebook's process is at, as whoever watches the run reads it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from engagement.warehouse import doing
from engagement.warehouse.doing import Doing, Telling
from engagement.warehouse.statements import Statement, StatementLog


def test_what_is_being_done_in_words() -> None:
    assert Doing().words(0) == ""
    told = Doing("model 3 of 9, orders", "candidate_orders", 100.0, 1, 1200, 34567)
    assert told.words(101.0) == "model 3 of 9, orders; 1,200 statements, 34,567 rows"
    assert told.words(162.0) == (
        "model 3 of 9, orders; orders for 62 s; 1,200 statements, 34,567 rows"
    )
    several = Doing("", "marts.orders", 0.0, 3, 0, 0)
    assert several.words(10.0) == "marts.orders and 2 more for 10 s"


def test_a_log_tells_which_statement_runs_and_what_has_ended(tmp_path: Path) -> None:
    log = StatementLog(telling=Telling(tmp_path / doing.FILE))
    log.about("model 1 of 2, ada@shop.example")
    with log.running("candidate_orders"), log.running("later"):
        deadline = time.monotonic() + 30
        while doing.read(tmp_path / doing.FILE).running < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        told = doing.read(tmp_path / doing.FILE)
    assert (told.label, told.statements) == ("candidate_orders", 0)
    assert "ada@" not in told.about
    assert (tmp_path / doing.FILE).stat().st_mode & 0o077 == 0
    log.keep(Statement("orders", "select 1", 7, 0.1))
    while doing.read(tmp_path / doing.FILE).statements < 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    told = doing.read(tmp_path / doing.FILE)
    assert (told.label, told.running, told.rows) == ("", 0, 7)


def test_a_log_that_nobody_watches_tells_nobody(tmp_path: Path) -> None:
    log = StatementLog()
    with log.running("x"):
        log.about("y")
    assert not list(tmp_path.iterdir())


def test_what_is_no_telling_reads_as_nothing(tmp_path: Path) -> None:
    assert doing.read(tmp_path / "none") == Doing()
    (tmp_path / "half").write_text('{"about": "x"')
    assert doing.read(tmp_path / "half") == Doing()
    (tmp_path / "other").write_text('{"strange": 1}')
    assert doing.read(tmp_path / "other") == Doing()


def test_one_thread_tells_of_all_and_ends_with_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doing, "_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(doing, "_TELLER", doing._Teller())

    def threads() -> int:
        return sum(thread.name == "doing" for thread in threading.enumerate())

    others = threads()
    tellings = [Telling(tmp_path / f"{number}.json") for number in range(50)]
    assert threads() == others + 1
    tellings[7].about("orders")
    deadline = time.monotonic() + 30
    while doing.read(tmp_path / "7.json").about != "orders":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    tellings.clear()
    while threads() > others:
        assert time.monotonic() < deadline
        time.sleep(0.02)
