"""What takes a while is said: on a terminal, or to the run that a notebook is part of."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from engagement.cli import run as running
from engagement.output import notices
from engagement.records import compiling
from engagement.runs.batch import NOTICE
from engagement.settings import ROOT, Settings
from engagement.warehouse import Table, open_warehouse


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_and_a_file_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, expected in ((Terminal(), "waiting\n"), (io.StringIO(), "")):
        monkeypatch.setattr("sys.stderr", stream)
        notices.post("waiting")
        notices.done()
        assert stream.getvalue() == expected


def test_a_run_is_told_for_as_long_as_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", stream := Terminal())
    path = tmp_path / "notice.txt"
    with notices.kept_in(path):
        assert notices.current(path) == ""
        notices.post("waiting")
        assert notices.current(path) == "waiting"
        notices.done()
        assert notices.current(path) == ""
        notices.post("again")
    assert not path.exists()
    assert notices.VARIABLE not in os.environ
    assert stream.getvalue() == ""


def test_one_function_s_compilation_has_others_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notice.txt"
    monkeypatch.setenv(notices.VARIABLE, str(path))
    teller = compiling._Teller()
    teller.on_start(None)
    teller.on_start(None)
    teller.on_end(None)
    assert notices.current(path) == compiling.COMPILING
    teller.on_end(None)
    assert not path.exists()


def test_compiling_is_told_once_and_what_is_compiled_is_not(tmp_path: Path) -> None:
    """In processes of their own, with a cache of their own."""
    text = (
        "import numba\n"
        "from engagement.output import notices\n"
        "from engagement.records import compiling\n"
        "compiling.tell()\n"
        "notices.post = print\n"
        "@numba.njit(cache=True)\n"
        "def add(a):\n"
        "    return a + 1\n"
        "print(add(1))\n"
    )
    script = tmp_path / "add.py"
    script.write_text(text)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    printed = [
        subprocess.run(
            [sys.executable, script], capture_output=True, text=True, check=True, env=environment
        ).stdout.splitlines()
        for _ in range(2)
    ]
    assert printed == [[compiling.COMPILING, "2"], ["2"]]


def test_waiting_for_the_file_is_told_to_a_run(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(warehouse__duckdb__wait_seconds=30)
    with open_warehouse(settings).session(write=True) as session:
        session.publish(Table("marts", "t"), "select 1 as a")
    notice = tmp_path / "notice.txt"
    monkeypatch.setenv(notices.VARIABLE, str(notice))
    path = settings.path(settings.warehouse.duckdb.path)
    holding = (
        f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('held', flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        found: list[int] = []
        asking = threading.Thread(
            target=lambda: found.append(
                len(open_warehouse(settings).query("select a from marts.t"))
            )
        )
        asking.start()
        deadline = time.monotonic() + 20
        while not notices.current(notice) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (
            notices.current(notice) == f"waiting for process {holder.pid}, which holds {path.name}"
        )
        holder.stdin.close()
        asking.join()
    assert found == [1]
    assert not notice.exists()


def test_the_status_of_a_run_shows_what_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_LOOK_SECONDS", 0.01)
    shown: list[str] = []
    console = Console(file=io.StringIO())
    with console.status("starting") as status:
        monkeypatch.setattr(status, "update", lambda text: shown.append(str(text)))
        with running._watched(status, None) as watch:
            watch("3/7 02_flatten_events", tmp_path)
            (tmp_path / NOTICE).write_text("compiling")
            deadline = time.monotonic() + 20
            while not any(text.endswith(": compiling") for text in shown):
                assert time.monotonic() < deadline
                time.sleep(0.01)
    assert shown[0] == "3/7 02_flatten_events"
    assert re.fullmatch(r"3/7 02_flatten_events, \d+ s: compiling", shown[-1])
