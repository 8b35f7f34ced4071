"""Processes that belong together end together, whatever ends first, and however."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MARK = "ENGAGEMENT_SUPERVISE_TEST"

# A part: it holds its lifeline, says that it is there, and does as it was told.
PART = """
import signal, subprocess, sys, time
from pathlib import Path
from engagement.demo.lifeline import hold
name, how, folder = sys.argv[1:]
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    hold()
if how == "parent":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
Path(folder, name).touch()
if how == "dies":
    time.sleep(0.3)
    print("what went wrong", file=sys.stderr)
    sys.exit(3)
time.sleep(60)
"""

SUPERVISOR = """
import sys
from pathlib import Path
from engagement.demo import supervise
from engagement.demo.errors import DemoError
supervise._START_SECONDS = 5
folder = Path(sys.argv[1])
def part(name, how):
    ready = (lambda: (folder / name).exists()) if how != "never" else (lambda: False)
    return supervise.Part(name, (name, how, str(folder)), ready)
parts = [part(*one.split("=")) for one in sys.argv[2:]]
try:
    supervise.run(parts, folder / "logs", started=lambda: print("started", flush=True),
                  python=(sys.executable, str(folder / "part.py")))
except DemoError as error:
    print(error)
    sys.exit(1)
"""


class Supervised:
    """A supervisor in a process of its own, and all that it started."""

    def __init__(self, folder: Path, *parts: str) -> None:
        (folder / "part.py").write_text(PART)
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SUPERVISOR), str(folder), *parts],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, MARK: self.mark},
            start_new_session=True,
        )

    def until_started(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "started\n"

    def left(self) -> list[str]:
        found = []
        for one in Path("/proc").iterdir():
            try:
                environment = (one / "environ").read_bytes().split(b"\0")
            except (OSError, ValueError):
                continue
            if f"{MARK}={self.mark}".encode() in environment:
                found.append(one.name)
        return found

    def gone(self, seconds: float = 20) -> bool:
        deadline = time.monotonic() + seconds
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.left()


Supervise = Callable[..., Supervised]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    made: list[Supervised] = []

    def supervise(*parts: str) -> Supervised:
        made.append(Supervised(tmp_path, *parts))
        return made[-1]

    yield supervise
    for one in made:
        for process in one.left():
            os.kill(int(process), signal.SIGKILL)
        one.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_ends_everything(supervise: Supervise, number: signal.Signals) -> None:
    one = supervise("first=stays", "second=parent")
    one.until_started()
    one.process.send_signal(number)
    assert one.process.wait(20) == 0
    assert one.gone()


def test_a_part_that_dies_ends_the_others_and_is_named(supervise: Supervise) -> None:
    one = supervise("first=stays", "second=dies")
    one.until_started()
    text, _ = one.process.communicate(timeout=20)
    assert one.process.returncode == 1
    assert "second ended, so everything ended" in text
    assert "what went wrong" in text
    assert one.gone()


def test_a_part_that_does_not_get_ready_ends_everything(supervise: Supervise) -> None:
    one = supervise("first=stays", "second=never")
    text, _ = one.process.communicate(timeout=30)
    assert "second was not ready" in text
    assert one.gone()


def test_told_a_second_time_it_waits_for_nobody(supervise: Supervise) -> None:
    one = supervise("first=stubborn")
    one.until_started()
    one.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert one.process.poll() is None
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(10) == 0
    assert one.gone()


def test_parts_end_by_themselves_where_the_supervisor_was_killed(supervise: Supervise) -> None:
    one = supervise("first=stays", "second=stays")
    one.until_started()
    one.process.kill()
    assert one.gone()
