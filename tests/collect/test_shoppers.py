"""A generated shop, posted live: what lands, retries, going on where it was, day after day."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engagement.collect import shoppers
from engagement.collect.shoppers import Posting, PostingError, Progress, post, shop
from engagement.samples import GeneratorError, GeneratorSettings
from engagement.samples.stream import events
from tests.collect.conftest import KEY, Running

SHOP = GeneratorSettings(users=40, days=3, seed=3, start=date(2026, 9, 1))


def silent(progress: Progress) -> None:
    del progress


def generated(settings: GeneratorSettings = SHOP) -> list[dict[str, Any]]:
    return [json.loads(one.text) for one in events(settings)]


def posting(collector: Running, tmp_path: Path, **changes: Any) -> Posting:
    return Posting(
        **{
            "address": f"http://127.0.0.1:{collector.port}",
            "write_key": KEY,
            "rate": 100_000.0,
            "checkpoint": tmp_path / "checkpoint.json",
            **changes,
        }
    )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_events_land_as_generated_with_the_servers_time_of_receiving(
    collector: Running, tmp_path: Path
) -> None:
    begun = datetime.now(UTC)
    done = post(SHOP, posting(collector, tmp_path), progress=silent)
    landed = collector.landed()
    expected = generated()
    assert done.posted == len(landed) == len(expected) > 100
    assert (done.refused, done.retries) == (0, 0)
    # The same ids as often; each event as it was, but for when it was sent and received.
    by_id: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in expected:
        by_id[event["messageId"]].append(event)
    for event in landed:
        original = by_id[event["messageId"]][0]
        received = moment(event["receivedAt"])
        assert received >= begun.replace(microsecond=0)
        assert event["request_ip"] == original["request_ip"]
        # It happened when the generator says, by the server's clock: only the way takes time.
        way = moment(event["timestamp"]) - moment(original["timestamp"])
        assert 0 <= way.total_seconds() < 30
        other = {"sentAt", "receivedAt", "timestamp", "rudderId"}
        assert {name: value for name, value in event.items() if name not in other} == {
            name: value for name, value in original.items() if name not in other
        }
    counts = Counter(event["messageId"] for event in landed)
    assert counts == Counter(event["messageId"] for event in expected)


def test_a_shoppers_events_come_in_their_order(collector: Running, tmp_path: Path) -> None:
    post(SHOP, posting(collector, tmp_path), progress=silent)
    landed, expected = defaultdict(list), defaultdict(list)
    for event in collector.landed():
        landed[event["anonymousId"]].append(event["messageId"])
    for event in generated():
        expected[event["anonymousId"]].append(event["messageId"])
    assert landed == expected


class InterruptedHereError(Exception):
    pass


def test_it_goes_on_where_it_was(collector: Running, tmp_path: Path) -> None:
    where = posting(collector, tmp_path, rate=100.0)  # windows of 50
    places: list[int] = []

    def interrupt(progress: Progress) -> None:
        places.append(progress.position)
        if len(places) == 2:
            raise InterruptedHereError

    with pytest.raises(InterruptedHereError):
        post(SHOP, where, progress=interrupt)
    kept = json.loads(where.checkpoint.read_text())
    assert kept["position"] == places[-1] == 100
    assert where.checkpoint.stat().st_mode & 0o777 == 0o600
    again = shop(where.checkpoint, None, None, SHOP.seed, None)
    assert again == SHOP
    done = post(again, posting(collector, tmp_path), progress=silent)
    assert done.position == len(generated())
    assert done.posted == done.position - 100
    counts = Counter(event["messageId"] for event in collector.landed())
    assert counts == Counter(event["messageId"] for event in generated())
    assert post(again, posting(collector, tmp_path), progress=silent).posted == 0


def test_a_checkpoint_belongs_to_one_shop(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.json"
    file.write_text(json.dumps({"shop": SHOP.model_dump(mode="json"), "position": 7}))
    with pytest.raises(GeneratorError, match=r"another shop \(users 40, not 50\)"):
        shop(file, 50, None, SHOP.seed, None)
    with pytest.raises(GeneratorError, match="with dirt, not without it"):
        shop(file, None, None, SHOP.seed, None, dirt=False)
    file.write_text("{")
    with pytest.raises(GeneratorError, match="cannot be read as a checkpoint"):
        shop(file, None, None, 1, None)


def test_left_out_the_shop_ends_today(tmp_path: Path) -> None:
    found = shop(tmp_path / "none.json", None, None, 1, None)
    assert (found.users, found.days) == (500, 14)
    assert found.end == datetime.now(UTC).date()


# --- answers --------------------------------------------------------------------------------------


class Scripted(BaseHTTPRequestHandler):
    """Answers with one status after the other, then 200; keeps what it was sent."""

    statuses: list[int]
    bodies: list[dict[str, Any]]
    agents: list[dict[str, str]]
    lock = threading.Lock()

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            status = self.statuses.pop(0) if self.statuses else 200
            if status == 200:
                self.bodies.append(json.loads(gzip.decompress(data)))
                self.agents.append(dict(self.headers))
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *args: Any) -> None:
        del args


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(shoppers, "_FIRST_PAUSE", 0.001)
    Scripted.statuses, Scripted.bodies, Scripted.agents = [], [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Running(plan=None, port=server.server_port)  # type: ignore[arg-type]
    server.shutdown()
    thread.join()
    server.server_close()


def test_requests_are_batches_of_one_shopper_as_the_sdk_sends_them(
    scripted: Running, tmp_path: Path
) -> None:
    post(SHOP, posting(scripted, tmp_path), progress=silent)
    sizes = [len(body["batch"]) for body in Scripted.bodies]
    assert sum(sizes) == len(generated())
    assert max(sizes) == shoppers.MOST_IN_A_BATCH
    for body, headers in zip(Scripted.bodies, Scripted.agents, strict=True):
        assert len({event["anonymousId"] for event in body["batch"]}) == 1
        assert body["sentAt"] == body["batch"][-1]["sentAt"]
        server = {"receivedAt", "request_ip", "rudderId", "timestamp"}
        assert not any(server & event.keys() for event in body["batch"])
        assert headers["Content-Encoding"] == "gzip"
        assert headers["AnonymousId"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_was_not_taken_is_posted_again(scripted: Running, tmp_path: Path, status: int) -> None:
    Scripted.statuses = [status] * 5
    done = post(SHOP, posting(scripted, tmp_path), progress=silent)
    assert (done.posted, done.refused, done.retries) == (len(generated()), 0, 5)
    counts = Counter(event["messageId"] for body in Scripted.bodies for event in body["batch"])
    assert counts == Counter(event["messageId"] for event in generated())


@pytest.mark.parametrize("status", [400, 413])
def test_what_is_refused_is_counted_and_left(
    scripted: Running, tmp_path: Path, status: int
) -> None:
    Scripted.statuses = [status] * 3
    done = post(SHOP, posting(scripted, tmp_path), progress=silent)
    assert done.refused >= 3
    assert done.posted + done.refused == len(generated())


def test_a_wrong_write_key_ends_it(collector: Running, tmp_path: Path) -> None:
    with pytest.raises(PostingError, match="refuses events: 401, Invalid Authorization Header"):
        post(SHOP, posting(collector, tmp_path, write_key="wrong"), progress=silent)
    assert not (tmp_path / "checkpoint.json").exists()


def test_nobody_listening_ends_it_after_some_attempts(
    scripted: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shoppers, "_LONGEST_PAUSE", 0.001)
    where = posting(scripted, tmp_path, address="http://127.0.0.1:9")
    with pytest.raises(PostingError, match=r"takes no events \(Connection refused\), 10 attempts"):
        post(SHOP, where, progress=silent)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8080", "ftp://x", "http://", "http://x:no", "http://x:99999"]
)
def test_an_address_has_a_scheme_and_a_host(tmp_path: Path, address: str) -> None:
    where = Posting(address, KEY, 1.0, tmp_path / "checkpoint.json")
    with pytest.raises(PostingError, match="is no address of a collector"):
        post(SHOP, where, progress=silent)


# --- time -----------------------------------------------------------------------------------------


class Clock(threading.Event):
    """A clock that goes on only while somebody waits, and stops everything at a moment."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        super().__init__()
        self.seconds = begin.timestamp()
        self.end = end.timestamp()

    def now(self) -> float:
        return self.seconds

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds += (timeout or 0) * 600
        if self.seconds >= self.end:
            self.set()
        return self.is_set()


def test_following_nothing_is_posted_before_it_happens_and_the_shop_goes_on(
    scripted: Running, tmp_path: Path
) -> None:
    begin, end = datetime(2026, 9, 2, 12, tzinfo=UTC), datetime(2026, 9, 9, tzinfo=UTC)
    clock = Clock(begin, end)
    waited: list[bool] = []
    done = post(
        SHOP,
        posting(scripted, tmp_path, follow=True),
        progress=lambda progress: waited.append(progress.is_waiting),
        stop=clock,
        now=clock.now,
    )
    assert True in waited
    assert done.moment is not None
    assert done.moment <= end
    found = [event for body in Scripted.bodies for event in body["batch"]]
    sound = [e for e in found if moment(e["originalTimestamp"]).year == 2026]
    days = Counter(e["originalTimestamp"][:10] for e in sound)
    # The shop was open for three days, the second half of the second one live, and goes on.
    assert {f"2026-09-0{day}" for day in range(1, 9)} <= days.keys()
    # Those who came first come again, and others come too.
    first = {e["anonymousId"] for e in sound if e["originalTimestamp"] < "2026-09-04"}
    later = {e["anonymousId"] for e in sound if e["originalTimestamp"] >= "2026-09-04"}
    assert first & later
    assert later - first
    users: dict[str, set[str]] = defaultdict(set)
    for event in found:
        if event["userId"]:
            users[event["userId"]].add(str(event["context"]["traits"].get("email")))
    assert max(len(emails) for emails in users.values()) == 1  # nobody shares an id


def test_without_following_it_ends_with_what_is_past(scripted: Running, tmp_path: Path) -> None:
    clock = Clock(datetime(2026, 9, 2, 12, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    done = post(SHOP, posting(scripted, tmp_path), progress=silent, stop=clock, now=clock.now)
    assert 0 < done.posted < len(generated())
    assert done.moment is not None
    assert done.moment <= datetime(2026, 9, 2, 13, tzinfo=UTC)


def test_the_rate_is_kept(scripted: Running, tmp_path: Path) -> None:
    begun = time.monotonic()
    post(SHOP, posting(scripted, tmp_path, rate=len(generated())), progress=silent)
    # A second's events come in two windows, the second one half a second after the first.
    assert time.monotonic() - begun > 0.45


def test_the_stream_is_the_same_each_time() -> None:
    assert list(events(SHOP)) == list(events(SHOP))
