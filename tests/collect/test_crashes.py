"""Kill -9 at random moments, a full disk: what was answered 200 landed, whole, and 02 keeps it."""

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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from engagement.collect.journal import frames
from engagement.flatten import flatten
from engagement.settings import Settings
from engagement.warehouse import open_warehouse
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

    def begin(home: Path = tmp_path, **changes: Any) -> Forked:
        one = Forked(home, **changes)
        started.append(one)
        return one

    yield begin
    for one in started:
        one.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB, of which a file named ``ballast`` takes 400 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        problem = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        problem = str(error)
    if problem:
        pytest.skip(f"a small disk cannot be mounted here, which needs root: {problem}")
    try:
        (folder / "ballast").write_bytes(bytes(400_000))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


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
            event = {"type": "track", "event": "Thing Seen", "userId": "u"}
            events = [{**event, "messageId": one, "properties": {"p": filler}} for one in ids]
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


def check_flattened(settings: Settings, safe: set[str]) -> None:
    """02 keeps every event answered 200, once, and accounts for every record that landed."""
    warehouse = open_warehouse(settings)
    flatten(warehouse, settings)
    for table in ("events.tracks", "events.thing_seen"):
        ids = warehouse.query(f"select id from {table}")["id"].tolist()
        assert safe - set(ids) == set()
        assert len(set(ids)) == len(ids)
    days = warehouse.query(
        "select received_at_utc_date, records, events, duplicates, quarantined from landing.ledger"
    )
    assert (days["records"] == days["events"] + days["duplicates"] + days["quarantined"]).all()
    assert days["quarantined"].sum() == 0
    assert days["events"].sum() == len(ids)
    assert days["records"].sum() == len(landed_events(Path(settings.landing.location)))


def kept(collector: Forked) -> set[str]:
    """Ids of the events that are whole in the write-ahead files or in the landing.

    In this order: an event leaves the write-ahead file when it has landed, not before.
    """
    found: set[str] = set()
    for path in sorted((collector.landing.parent / "wal").glob("*-*")):
        for name in (path, path.with_suffix(".sealed")):  # sealed meanwhile, or landed
            with suppress(FileNotFoundError):
                for frame in frames(name):
                    found |= {json.loads(line)["messageId"] for line in frame.lines.splitlines()}
                break
    return found | {event["messageId"] for event in landed_events(collector.landing)}


@pytest.mark.slow
def test_kill_at_fifty_random_moments_loses_nothing_that_was_answered_200(
    fork: Callable[..., Forked], make_settings: Callable[..., Settings]
) -> None:
    collector, chance = fork(), random.Random(20261130)
    done = threading.Event()
    clients = [Client(number, collector, done) for number in range(CLIENTS)]
    collector.start()
    for client in clients:
        client.start()
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.002, 0.15))
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
    check_flattened(make_settings(), safe)


@contextmanager
def posting(collector: Forked, first: int) -> Iterator[list[Client]]:
    """Clients that post as long as this lasts; `first` is the number of the first one."""
    done = threading.Event()
    clients = [Client(first + number, collector, done) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        done.set()
        for client in clients:
            client.join()


def wait_for(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True], ids=["goes-on", "is-killed"])
def test_a_full_disk_loses_nothing_that_was_answered_200_and_is_recovered_from(
    disk: Path,
    fork: Callable[..., Forked],
    make_settings: Callable[..., Settings],
    *,
    is_killed: bool,
) -> None:
    collector = fork(disk)
    collector.start()
    with posting(collector, 0) as before:
        wait_for(lambda: all(one.statuses[503] >= 10 for one in before), "the disk is never full")
    safe = set[str]().union(*(one.safe for one in before))
    assert len(safe) > 100
    assert os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize < 100_000
    if is_killed:
        assert collector.end(signal.SIGKILL) == -signal.SIGKILL
    assert safe - kept(collector) == set()

    # Somebody makes room: no more is needed.
    (disk / "ballast").unlink()
    if is_killed:
        collector.start()
    with posting(collector, CLIENTS) as after:
        wait_for(lambda: all(one.statuses[200] >= 10 for one in after), "it does not recover")
    assert collector.end(signal.SIGTERM) == 0
    clients = [*before, *after]
    assert sum((one.statuses for one in clients), Counter[int]()).keys() == {200, 503}
    assert len(check(clients, collector.landing)) > len(safe)
    assert [path.name for path in (disk / "wal").iterdir()] == ["lock"]
    settings = make_settings(landing__location=str(collector.landing))
    check_flattened(settings, check(clients, collector.landing))


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
