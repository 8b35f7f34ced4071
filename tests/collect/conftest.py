"""A collector of a test's own, on a free port of this machine."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from engagement.collect.server import Collected, Plan, serve

KEY = "test-key"


@dataclass(frozen=True)
class Answer:
    """What a request was answered."""

    status: int
    text: str
    headers: dict[str, str]


def basic(key: str = KEY) -> str:
    """The header that carries a write key."""
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


@dataclass
class Running:
    """A collector in a thread of this process."""

    plan: Plan
    port: int = 0
    collected: Collected = field(default_factory=Collected)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> Running:
        ready = threading.Event()
        self._stop.clear()

        def told(address: str) -> None:
            self.port = int(address.rpartition(":")[2])
            ready.set()

        def work() -> None:
            try:
                self.collected = serve(self.plan, started=told, stop=self._stop)
            finally:
                ready.set()

        self._thread = threading.Thread(target=work)
        self._thread.start()
        assert ready.wait(20)
        assert self.port
        return self

    def stop(self) -> Collected:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(20)
            assert not self._thread.is_alive()
            self._thread = None
        return self.collected

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            text = response.read().decode()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, text, found)
        finally:
            connection.close()

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, data, **{"Authorization": basic(), **headers})

    def landed(self) -> list[dict[str, Any]]:
        """Stop, and read what has landed."""
        self.stop()
        assert self.plan.landing is not None
        return landed_events(self.plan.landing)


def landed_events(landing: Path) -> list[dict[str, Any]]:
    """Events of all files of a landing; each file has to be whole."""
    found: list[dict[str, Any]] = []
    for path in sorted(landing.glob("received_at_utc_date=*/*.gz")):
        data = gzip.decompress(path.read_bytes())
        assert data.endswith(b"\n")
        found += [json.loads(line) for line in data.decode().split("\n")[:-1]]
    return found


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(
        host="127.0.0.1",
        port=0,
        write_keys=(KEY, "other-key"),
        landing=tmp_path / "landing",
        wal=tmp_path / "wal",
        roll_bytes=1_000_000,
        roll_seconds=600,
    )


@pytest.fixture
def start(plan: Plan) -> Iterator[Callable[..., Running]]:
    """Start a collector, with other values of its plan if they are given."""
    running: list[Running] = []

    def begin(**changes: Any) -> Running:
        one = Running(replace(plan, **changes)).start()
        running.append(one)
        return one

    yield begin
    for one in running:
        one.stop()


@pytest.fixture
def collector(start: Callable[..., Running]) -> Running:
    return start()
