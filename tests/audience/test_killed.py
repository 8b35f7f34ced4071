"""A send killed between any two steps, and sent again: nothing twice, nothing lost, one report."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engagement.audience import import_jobs, sending
from engagement.audience.outbox import Outbox, State
from engagement.aws.clients import Service
from engagement.settings import Settings
from tests.audience.profiles import (
    CAMPAIGN,
    MON,
    TUE,
    WED,
    Row,
    Shop,
    member,
    members,
    shop,
)
from tests.fakes import Fakes, running
from tests.fakes.fixtures import lead_to


class Killed(BaseException):
    """The process is gone."""


class Killer:
    """Kills after the n-th step: a call, an upload, a write of the state."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 0
        self.steps = 0
        self.where = ""
        clients: dict[str, Service] = {}

        def service(name: str, region: str | None = None, **_: Any) -> Service:
            if name not in clients:
                clients[name] = Service(name, region)
            return clients[name]

        monkeypatch.setattr(sending, "Service", service)
        for owner, name in (
            (Service, "call"),
            (import_jobs, "put"),
            (Outbox, "save"),
            (Path, "replace"),
        ):
            monkeypatch.setattr(owner, name, self._around(getattr(owner, name), name))

    def _around(self, real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def around(*args: Any, **kwargs: Any) -> Any:
            found = real(*args, **kwargs)
            # Before a step is the same as after the one before it.
            self._step(f"after {name} {args[1] if name == 'call' else ''}")
            return found

        return around

    def _step(self, where: str) -> None:
        self.steps += 1
        if self.steps == self.at:
            self.where = where
            raise Killed

    def arm(self, at: int) -> None:
        """Kill at a step from now on counted; 0: never."""
        self.at, self.steps = at, 0


@pytest.fixture
def make_shop(
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Shop]]:
    """Shops one after the other at one address: the clients of the first serve them all."""
    with running() as fakes:
        number = 0

        def use(*chosen: Any) -> Fakes:
            fakes.calls.clear()
            for fake in chosen:
                fakes.add(fake)
            lead_to(fakes, monkeypatch)
            return fakes

        def make(**overrides: Any) -> Shop:
            nonlocal number
            number += 1
            folder = tmp_path / str(number)
            own = {
                **overrides,
                "run__directory": str(folder / "runs"),
                "activation__customer_profiles__check_people": 1,
                # Nothing here goes on for ever: a slow machine is waited for.
                "activation__customer_profiles__wait_minutes": 1,
            }
            return shop(make_settings, use, folder, **own)

        yield make
        assert fakes.mistakes == []


BEFORE = members("ann", "ben", "cat", "eve")
DURING = [member("ann"), member("ben", city="Köln"), member("dan"), member("eve")]
AFTER = [member("ann", city="Bonn"), member("dan"), member("fay")]

Scenario = tuple[list[list[Row] | None], list[Row], dict[str, Any]]

SCENARIOS: dict[str, dict[str, Any]] = {
    "everybody": {"first": None, "overrides": {}},
    "delta": {"first": BEFORE, "overrides": {}},
    "one by one": {
        "first": BEFORE,
        "overrides": {"activation__customer_profiles__puts_up_to": 50},
    },
    "a new batch and a campaign": {
        "first": BEFORE,
        "overrides": {
            "activation__customer_profiles__mode": "full",
            "activation__campaign": CAMPAIGN,
        },
    },
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("everybody", "another day"),
        ("delta", "the same day"),
        ("delta", "another day"),
        ("one by one", "another day"),
        ("a new batch and a campaign", "the same day"),
    ],
)
def test_killed_at_any_step(
    make_shop: Callable[..., Shop],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    again: str,
) -> None:
    killer = Killer(monkeypatch)
    scenario = SCENARIOS[name]
    killed = 0
    step = 0
    while True:
        step += 1
        made = make_shop(**scenario["overrides"])
        killer.arm(0)
        if scenario["first"] is not None:
            made.send(scenario["first"], MON)
        killer.arm(step)
        try:
            made.send(DURING, TUE)
        except Killed:
            killed += 1
        else:
            break
        where = killer.where
        killer.arm(0)
        rows, day = (DURING, TUE) if again == "the same day" else (AFTER, WED)
        left = made.sender.box.state
        report = made.send(rows, day)
        _arrived(made, rows, where)
        _told(report.lines(), made, rows, day, left, where)
        if step % 4:
            continue
        # And once more: nothing is different, so nothing is sent.
        calls = len(made.profiles.imported), len(made.profiles.put)
        assert made.send(rows, day).sends == [], where
        assert calls == (len(made.profiles.imported), len(made.profiles.put)), where
    assert killed > 10


def _arrived(made: Shop, rows: list[Row], where: str) -> None:
    """Who is in the segment, with which values; no file was imported twice."""
    assert made.inside() == [row["person_id"] for row in rows], where
    for row in rows:
        profile = made.profiles.profiles[row["person_id"]]
        if row["city"] is not None:
            assert profile["Address"]["City"] == row["city"], where
    started = Counter(made.profiles.imported)
    assert max(started.values(), default=1) == 1, where
    contents = Counter(job.data for job in made.profiles.jobs.values() if job.progress is not None)
    assert max(contents.values(), default=1) == 1, where
    if made.settings.activation.campaign is not None:
        (campaign,) = made.campaigns.campaigns.values()
        batch = made.sender.box.state.batch
        assert campaign["source"]["customerProfilesSegmentArn"].endswith(batch), where
        assert list(made.profiles.segments) == [batch], where


def _told(
    lines: list[str], made: Shop, rows: list[Row], day: date, left: State, where: str
) -> None:
    """The report has the sentences of what was left and of what is new, in order, each once.

    Parameters
    ----------
    left
        What the killed send had noted.
    """
    days = []
    if left.sending is not None:
        days.append(left.sending.as_of)
    noted = left.sending.as_of if left.sending is not None else left.as_of
    if noted != day.isoformat():
        days.append(day.isoformat())
    batch, number = re.escape(made.sender.box.state.batch), len(rows)
    expected = [
        rf"Segment win_back as of {day}, domain engagement \((created|unchanged)\)",
        *[r"A send that was interrupted was finished first; nothing was sent twice\."]
        * (left.sending is not None),
        *(
            rf"As of {one} (everybody|what is different) was sent \(.+\): \d+ (person|people)"
            r"(, and \d+ who left)?"
            for one in days
        ),
        *[r"Nothing is different since the last send: nothing was sent\."] * (not days),
        (
            rf"Segment {batch} in the service: {number} sent, {number} estimated; "
            r"1 of 1 person looked up is in it\."
        ),
        *[r"Campaign engagement-win_back: (created|updated|unchanged), state Initialized"]
        * (made.settings.activation.campaign is not None),
    ]
    sentences = [line for line in lines if not line.startswith("  ")]
    assert len(sentences) == len(expected), (where, sentences)
    for sentence, pattern in zip(sentences, expected, strict=True):
        assert re.fullmatch(pattern, sentence), (where, sentence, pattern)
    files = [line for line in lines if line.startswith("  ")]
    assert len(files) == len({line.split(":")[0] for line in files}), (where, files)
    assert all(line.endswith(" 0 failed (SUCCEEDED)") for line in files), (where, files)
    assert bool(files) == bool(days), (where, files)


# --- a process that is really gone ----------------------------------------------------------------

PROGRAM = """
import json, os, signal, sys
from datetime import date
from pathlib import Path
from engagement.audience.sending import Sender
from engagement.aws.clients import Service
from engagement.settings import load_settings
from tests.audience.profiles import SEGMENT, Shop, members

given = json.loads(sys.argv[1])
settings = load_settings("params/local.yaml", given["overrides"])
real, left = Service.call, [given["calls"]]

def call(self, operation, **parameters):
    found = real(self, operation, **parameters)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

Service.call = call
shop = Shop(settings, None, None, None, Path(given["folder"]), None, {})
report = shop.send(members("ann", "ben", "cat"), date(2026, 2, 2))
print("\\n".join(report.lines()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("calls", [3, 5])
def test_a_process_that_is_killed_outright(
    make_shop: Callable[..., Shop], tmp_path: Path, calls: int
) -> None:
    """After the job is made (3), and after it is started (5): before either is noted."""
    made = make_shop()
    overrides = {key.replace("__", "."): value for key, value in made.overrides.items()}
    own = {
        **overrides,
        "landing.location": str(tmp_path),
        "warehouse.duckdb.path": str(tmp_path / "w.duckdb"),
    }
    environment = {**os.environ, **made.fakes.environment()}

    def run(kill_after: int) -> subprocess.CompletedProcess[str]:
        given = {"overrides": own, "calls": kill_after, "folder": str(made.folder)}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, json.dumps(given)],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    assert run(calls).returncode == -signal.SIGKILL
    second = run(0)
    assert second.returncode == 0, second.stderr
    assert "A send that was interrupted was finished first; nothing was sent twice." in (
        second.stdout
    )
    assert len(made.profiles.imported) == 1
    assert len(made.profiles.jobs) == 1
    assert made.inside() == ["ann", "ben", "cat"]
