"""The demo ends as a whole, whatever ends it, and nothing of it is left running."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.live.conftest import ENGAGEMENT, ROOT, Demo, kill, start

SECONDS = 30


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Demo]:
    """A demo in its first round."""
    running = start(tmp_path, people=10, days=2)
    yield running
    kill(running)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_everything(small: Demo, number: signal.Signals) -> None:
    assert len(small.left()) == 4  # itself, the collector, the shop, the runs
    small.process.send_signal(number)
    assert small.process.wait(SECONDS) == 0
    assert small.wait_until_gone(5) == []
    assert small.lines()[-1] == "Stopped."


def test_nothing_outlives_a_demo_that_was_killed(small: Demo) -> None:
    small.process.kill()
    assert small.wait_until_gone(SECONDS) == []


def test_a_part_that_dies_ends_everything_and_another_demo_is_refused(small: Demo) -> None:
    second = subprocess.run(
        [str(ENGAGEMENT), "demo", *small.params],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert second.returncode == 1
    assert "is another demo running?" in second.stderr
    [collector] = [line for line in small.left() if " collect " in line]
    os.kill(int(collector.partition(" ")[0]), signal.SIGKILL)
    assert small.process.wait(SECONDS) == 1
    assert small.wait_until_gone(5) == []
    assert "collector ended, so everything ended" in small.output.read_text(encoding="utf-8")
