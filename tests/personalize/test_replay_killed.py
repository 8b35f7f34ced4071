"""The replayer as a process that is killed, throttled and half answered: exactly once by eventId.

With ``REPLAY_EVENTS=100000 REPLAY_KILLS=20`` it is the long run; ``-s`` shows the events a second.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engagement.personalize.checkpoint import read_progress
from tests.fakes import Fakes
from tests.fakes.personalize import PersonalizeEventsFake, PersonalizeFake
from tests.fakes.server import REGION

EVENTS = int(os.environ.get("REPLAY_EVENTS", "1500"))
KILLS = int(os.environ.get("REPLAY_KILLS", "3"))
FILES = 12


def event(number: int, sessions: int) -> dict[str, Any]:
    session = (
        number // 40 * 8 + number % 8
    ) % sessions  # eight visitors at a time, five events each
    return {
        "type": "track",
        "event": "Product Viewed",
        "messageId": f"m-{number}",
        "anonymousId": f"a-{session}",
        "userId": f"u-{session}" if session % 3 == 0 else "",
        "originalTimestamp": "2026-09-02T10:00:00.000Z",
        "properties": {"product_id": f"p-{number % 97}"},
    }


def land(folder: Path) -> None:
    """Files of three days; every tenth event lands twice, in the next file, and some are others."""
    lines: list[list[str]] = [[] for _ in range(FILES)]
    for number in range(EVENTS):
        line = json.dumps(event(number, max(EVENTS // 8, 1)))
        place = number * FILES // EVENTS
        lines[place].append(line)
        if number % 10 == 0:
            lines[min(place + 1, FILES - 1)].append(line)
        if number % 5 == 0:
            lines[place].append(json.dumps({"type": "page", "messageId": f"page-{number}"}))
    for place, content in enumerate(lines):
        day = folder / f"received_at_utc_date=2026-09-0{1 + place // 4}"
        day.mkdir(parents=True, exist_ok=True)
        text = "\n".join(content).encode("utf-8")
        (day / f"events-{place:02d}.gz").write_bytes(gzip.compress(text, mtime=0))


class Child:
    """The command in a process of its own."""

    def __init__(self, tmp_path: Path, fakes: Fakes) -> None:
        sets = {
            "landing.location": tmp_path / "landing",
            "warehouse.duckdb.path": tmp_path / "engagement.duckdb",
            "run.directory": tmp_path / "runs",
            "personalize.submit": "true",
            "personalize.region": REGION,
            "personalize.location": "s3://shop-data/personalize",
            "personalize.live.tracking_id": "tracking-1",
            "personalize.live.calls_per_second": 1000,
            "personalize.live.checkpoint": tmp_path / "live.sqlite",
        }
        command = [sys.executable, "-m", "engagement.cli", "personalize", "replay"]
        for key, value in sets.items():
            command += ["--set", f"{key}={value}"]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **fakes.environment()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)

    def wait(self) -> tuple[int, str]:
        said, _ = self.process.communicate(timeout=900)
        return self.process.returncode, said


@pytest.mark.slow
def test_every_event_arrives_once_through_kills_throttling_and_lost_answers(
    use_fakes: Callable[..., Fakes], tmp_path: Path
) -> None:
    service = PersonalizeEventsFake("tracking-1")
    fakes = use_fakes(PersonalizeFake(), service)
    land(tmp_path / "landing")
    chance = random.Random(7)
    calls = EVENTS // 5  # about as many as are made
    name = "personalize-events"
    for _ in range(calls // 20):
        fakes.throttle(name, times=chance.randint(1, 3), skip=chance.randrange(calls))
        fakes.fail(name, code="InternalFailure", after=True, skip=chance.randrange(calls))
    for _ in range(max(calls // 200, 1)):
        fakes.lose(name, skip=chance.randrange(calls))
    child: list[Child] = []
    armed: list[int] = []

    def shoot(mine: int) -> None:
        if armed == [mine]:
            armed.clear()
            child[0].kill()

    started = time.monotonic()
    for kill in range(KILLS):
        share = calls // (KILLS + 1)
        skip = chance.randrange(share // 2, share)
        armed.append(kill)
        # A call may be refused before it is its turn: the first one after that kills.
        do = partial(shoot, kill)
        fakes.call(name, None, do, times=10**9, skip=skip, after=kill % 2 == 0)
        service.halves += 2
        child[:] = [Child(tmp_path, fakes)]
        code, said = child[0].wait()
        assert code == -signal.SIGKILL, said
    child[:] = [Child(tmp_path, fakes)]
    code, said = child[0].wait()
    assert code == 0, said
    seconds = time.monotonic() - started
    assert set(service.events) == {f"m-{number}" for number in range(EVENTS)}
    for number in range(0, EVENTS, 37):
        expected = event(number, max(EVENTS // 8, 1))
        found = service.events[f"m-{number}"]
        assert found["itemId"] == expected["properties"]["product_id"]
        assert found["sessionId"] == expected["anonymousId"]
        assert (found["userId"] or "") == expected["userId"]
    progress = read_progress(tmp_path / "live.sqlite")
    assert progress is not None
    assert progress.files == FILES
    assert progress.counts["sent"] == EVENTS
    # What came twice is what no answer was had for: calls under way at a kill, lost answers.
    again = sum(service.received.values()) - EVENTS
    errors = sum(1 for call in fakes.calls if call.error)
    print(  # noqa: T201
        f"\n{EVENTS:,} events, {KILLS} kills, {errors:,} calls that failed: {seconds:,.0f} s with "
        f"every start, {EVENTS / seconds:,.0f} a second; {again:,} came again. The last run: {said}"
    )
    before = len(fakes.calls)
    assert Child(tmp_path, fakes).wait()[0] == 0
    assert [call for call in fakes.calls[before:] if call.service == name] == []
