"""Kill -9 at random moments, files that cannot grow: what was answered 200 has landed, whole."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collect.conftest import KEY, basic, landed_events

KILLS = 50
CLIENTS = 4


def _free_port() -> int:
    """A port that no client gets for its own end.

    A client that tries again and again to reach a port of that range, where nobody listens for the
    moment, is connected to itself sooner or later, and then the collector cannot have its port.
    """
    for port in random.Random().sample(range(20_000, 32_000), 200):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("200 ports are all taken")


class Forked:
    """A collector in a process of its own, which may be killed and started again."""

    def __init__(self, home: Path, **changes: Any) -> None:
        self.landing = home / "landing"
        self.limit = changes.pop("limit", None)
        self.plan = {
            "host": "127.0.0.1",
            "port": _free_port(),
            "write_keys": [KEY],
            "landing": str(self.landing),
            "wal": str(home / "wal"),
            "roll_bytes": 20_000,
            "roll_seconds": 0.03,
            **changes,
        }
        self.port = 0
        self._pid = 0
        self._host = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _ask(self, line: str) -> str:
        assert self._host.stdin
        self._host.stdin.write(line + "\n")
        self._host.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._host.stdout
        return self._host.stdout.readline().strip()

    def start(self) -> None:
        self._pid = int(self._ask(json.dumps({"plan": self.plan, "limit": self.limit})))
        answer = self._line()
        assert answer.isdigit(), answer
        self.port = int(answer)

    def end(self, number: signal.Signals) -> int:
        """Send the collector a signal and return how it ended."""
        os.kill(self._pid, number)
        self._pid = 0
        return int(self._ask(""))

    def close(self) -> None:
        if self._pid:
            self.end(signal.SIGKILL)
        assert self._host.stdin
        assert self._host.stdout
        self._host.stdin.close()
        self._host.wait(20)
        self._host.stdout.close()


@pytest.fixture
def fork(tmp_path: Path) -> Iterator[Callable[..., Forked]]:
    started: list[Forked] = []

    def begin(**changes: Any) -> Forked:
        one = Forked(tmp_path, **changes)
        started.append(one)
        return one

    yield begin
    for one in started:
        one.close()


class Client(threading.Thread):
    """Posts batches one after the other, each until it is answered 200."""

    def __init__(self, number: int, collector: Forked, done: threading.Event) -> None:
        super().__init__()
        self.safe: set[str] = set()
        self.attempts: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self._number = number
        self._collector = collector
        self._done = done
        self._chance = random.Random(number)
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        count = 0
        while not self._done.is_set():
            size = self._chance.choice((1, 1, 3, 20))
            ids = [f"m-{self._number}-{count + place}" for place in range(size)]
            count += size
            filler = self._chance.randbytes(self._chance.choice((10, 400))).hex()
            events = [{"messageId": one, "userId": "u", "p": filler} for one in ids]
            body = json.dumps({"batch": events}).encode()
            while not self._done.is_set():
                self.attempts.update(ids)
                status = self._post(body)
                self.statuses[status] += 1
                if status == 200:
                    self.safe.update(ids)
                    break
                time.sleep(0.005)
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _post(self, body: bytes) -> int:
        """Post over a connection that is kept; 0 if there was no answer."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    "127.0.0.1", self._collector.port, timeout=5
                )
            headers = {"Authorization": basic()}
            self._connection.request("POST", "/v1/batch", body, headers)
            response = self._connection.getresponse()
            response.read()
            return response.status
        except (OSError, http.client.HTTPException):
            self._close()
            return 0


def check(clients: list[Client], landing: Path) -> set[str]:
    """Everything answered 200 has landed; nothing more often than it was sent."""
    landed = Counter(event["messageId"] for event in landed_events(landing))
    safe = set[str]().union(*(client.safe for client in clients))
    attempts = sum((client.attempts for client in clients), Counter[str]())
    assert safe - landed.keys() == set()
    assert {one: count for one, count in landed.items() if count > attempts[one]} == {}
    return safe


@pytest.mark.slow
def test_kill_at_fifty_random_moments_loses_nothing_that_was_answered_200(
    fork: Callable[..., Forked],
) -> None:
    collector, chance = fork(), random.Random(20261130)
    done = threading.Event()
    clients = [Client(number, collector, done) for number in range(CLIENTS)]
    collector.start()
    for client in clients:
        client.start()
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.002, 0.3))
            assert collector.end(signal.SIGKILL) == -signal.SIGKILL
            collector.start()
        time.sleep(0.2)
    finally:
        done.set()
        for client in clients:
            client.join()
    assert collector.end(signal.SIGTERM) == 0
    safe = check(clients, collector.landing)
    assert len(safe) > 500
    assert sum(client.statuses[0] for client in clients) >= KILLS  # the kills were felt
    left = [path.name for path in (collector.landing.parent / "wal").iterdir()]
    assert left == ["lock"]


@pytest.mark.slow
def test_files_that_cannot_grow_are_answered_503_and_lose_nothing(
    fork: Callable[..., Forked],
) -> None:
    # A file may have 60,000 bytes; a segment would be landed at a million, or after a minute.
    collector = fork(limit=60_000, roll_bytes=1_000_000, roll_seconds=60)
    collector.start()
    done = threading.Event()
    clients = [Client(number, collector, done) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    time.sleep(3)
    done.set()
    for client in clients:
        client.join()
    assert collector.end(signal.SIGTERM) == 0
    statuses = sum((client.statuses for client in clients), Counter[int]())
    assert statuses.keys() == {200, 503}
    assert min(statuses.values()) >= 3
    assert len(check(clients, collector.landing)) > 100
