"""The replayer against a client that throttles, refuses and loses answers, in one process."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from engagement.personalize.checkpoint import Checkpoint, CheckpointError, read_progress
from engagement.personalize.mapping import LiveMapping, Put
from engagement.personalize.replay import Replay, Replayed, events
from engagement.personalize.sending import LiveError, RateLimit, Retries, Sender, Target
from engagement.records.files import LandedFile
from engagement.records.lines import UnavailableFileError, UnreadableFileError

MAPPING = LiveMapping.model_validate(
    {"put_events": {"mapping": [{"from": "product_id", "to": "ITEM_ID"}]}}
)
USERS = LiveMapping.model_validate({"put_users": {"mapping": [{"from": "plan", "to": "PLAN"}]}})


def view(number: int, session: str = "a", **changes: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Product Viewed",
        "messageId": f"m-{number}",
        "anonymousId": session,
        "writeKey": "web",
        "originalTimestamp": "2026-09-02T10:00:00.000Z",
        "properties": {"product_id": f"p-{number}"},
        **changes,
    }


def lines(found: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(event) + "\n" for event in found).encode()


class Folder:
    """A landing in memory: bytes by name."""

    def __init__(self, **files: bytes) -> None:
        self.content: dict[str, bytes] = {}
        for name, data in files.items():
            self.add(name, data)

    def add(self, name: str, data: bytes, day: str = "2026-09-02") -> None:
        self.content[f"received_at_utc_date={day}/{name}"] = data

    def files(self) -> list[LandedFile]:
        return [
            LandedFile(name[21:31], name, len(data), str(hash(data)))
            for name, data in sorted(self.content.items())
        ]

    def read(self, file: LandedFile) -> bytes:
        data = self.content[file.name]
        if data == b"away":
            raise UnavailableFileError("no answer")
        if data == b"broken":
            raise UnreadableFileError("no valid gzip")
        return data


def error(code: str, said: str, status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": said},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },  # type: ignore[typeddict-item]
        "PutEvents",
    )


class Service:
    """Takes calls as the service does: known event ids are dropped, bad items refuse a call.

    ``script`` holds what goes wrong with the next calls; ``lost`` are calls that are taken although
    they fail.
    """

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.users: dict[str, str] = {}
        self.calls: list[dict[str, Any]] = []
        self.script: list[Exception | None] = []
        self.lost: list[Exception] = []
        self.bad_items: set[str] = set()
        self.received: Counter[str] = Counter()
        self._lock = threading.Lock()

    def put_events(self, **body: Any) -> None:
        with self._lock:
            self.calls.append(body)
            if self.script and (planned := self.script.pop(0)) is not None:
                raise planned
            assert 1 <= len(body["eventList"]) <= 10
            if {event["itemId"] for event in body["eventList"]} & self.bad_items:
                raise error("InvalidInputException", "itemId does not fit")
            for event in body["eventList"]:
                self.received[event["eventId"]] += 1
                self.events.setdefault(event["eventId"], {**body, **event})
            if self.lost:
                raise self.lost.pop(0)

    def put_users(self, **body: Any) -> None:
        with self._lock:
            self.calls.append(body)
            ids = [user["userId"] for user in body["users"]]
            assert len(set(ids)) == len(ids) <= 10
            self.users.update({user["userId"]: user["properties"] for user in body["users"]})

    def put_items(self, **body: Any) -> None:
        raise AssertionError


def run(
    service: Service,
    folder: Folder,
    path: Path,
    mapping: LiveMapping = MAPPING,
    attempts: int = 4,
    **how: Any,
) -> Replayed:
    sender = Sender(
        service,
        Target("tracker", {"users": "arn:users"}),
        RateLimit(1e6),
        Retries(attempts, 0.0, 0.0),
        sleep=lambda _: None,
    )
    with Checkpoint(path, "target") as checkpoint:
        return Replay(folder, mapping, sender, checkpoint, **how).run()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.sqlite"


def test_events_of_one_user_and_session_share_calls_of_ten(path: Path) -> None:
    service = Service()
    found = [view(n, "a") for n in range(12)] + [view(n, "b") for n in range(12, 14)]
    found += [view(14, "a", userId="u")]
    done = run(service, Folder(one=lines(found)), path)
    assert sorted(len(call["eventList"]) for call in service.calls) == [1, 2, 2, 10]
    assert done.sent == 15
    assert set(service.events) == {f"m-{n}" for n in range(15)}
    assert service.events["m-14"]["userId"] == "u"
    assert "userId" not in service.events["m-0"]


def test_a_second_run_sends_nothing_and_a_new_file_sends_what_is_new(path: Path) -> None:
    service, folder = Service(), Folder(one=lines([view(1), view(2)]))
    run(service, folder, path)
    assert run(service, folder, path).sent == 0
    folder.add("two", lines([view(2), view(3)]))  # m-2 landed twice
    assert run(service, folder, path).sent == 1
    assert service.received == Counter({"m-1": 1, "m-2": 1, "m-3": 1})


def test_what_passes_is_tried_again(path: Path) -> None:
    service = Service()
    service.script = [
        error("ThrottlingException", "slow down"),
        error("Unknown", "oops", 503),
        ReadTimeoutError(endpoint_url="http://127.0.0.1"),
        None,
    ]
    done = run(service, Folder(one=lines([view(1)])), path)
    assert (done.sent, done.calls, done.retries) == (1, 4, 3)


def test_a_call_whose_answer_was_lost_is_made_again_and_counts_once(path: Path) -> None:
    service = Service()
    service.lost = [error("InternalFailure", "lost", 500)]
    done = run(service, Folder(one=lines([view(1), view(2)])), path)
    assert done.sent == 2
    assert service.received == Counter({"m-1": 2, "m-2": 2})
    assert len(service.events) == 2


def test_an_entry_that_the_service_refuses_is_singled_out(path: Path) -> None:
    service = Service()
    service.bad_items = {"p-3", "p-7"}
    folder = Folder(one=lines([view(n) for n in range(10)]))
    done = run(service, folder, path)
    assert set(service.events) == {f"m-{n}" for n in range(10) if n not in (3, 7)}
    assert done.counts["sent"] == 8
    assert done.counts["refused"] == 2
    assert done.counts["refused: PutEvents, itemId does not fit"] == 2
    service.bad_items = set()
    assert run(service, folder, path).calls == 0  # what was refused is settled


def test_when_nothing_is_taken_the_target_is_wrong_and_nothing_is_remembered(path: Path) -> None:
    service = Service()
    service.bad_items = {f"p-{n}" for n in range(3)}
    folder = Folder(one=lines([view(n) for n in range(3)]))
    with pytest.raises(LiveError, match="has taken none of 3 entries, and said: itemId does not"):
        run(service, folder, path)
    service.bad_items = set()
    assert run(service, folder, path).sent == 3


def test_attempts_come_to_an_end_and_another_run_goes_on(path: Path) -> None:
    service, folder = Service(), Folder(one=lines([view(1)]), two=lines([view(2)]))
    service.script = [None, *[error("ThrottlingException", "slow down") for _ in range(4)]]
    with pytest.raises(LiveError, match=r"tried 4 times, the last answer was: Throttling.*slow"):
        run(service, folder, path)
    assert run(service, folder, path).sent == 1
    assert service.received == Counter({"m-1": 1, "m-2": 1})


def test_no_right_stops_at_once(path: Path) -> None:
    service = Service()
    service.script = [error("AccessDeniedException", "jane@shop.example may not")]
    with pytest.raises(
        LiveError, match=r"AccessDenied.*e-mail.*may not\. Give this user"
    ) as raised:
        run(service, Folder(one=lines([view(1)])), path)
    assert "jane" not in str(raised.value)
    assert len(service.calls) == 1


def test_what_is_no_event_is_counted_and_nothing_stops(path: Path) -> None:
    service = Service()
    data = (
        b'{"a":1}{"b":\n\xff\xfe{}\n[1]\n'
        + lines([view(1)]).replace(b"\n", b"")
        + lines([view(2, writeKey="app"), view(3, properties={}), {"type": "page"}])
    )
    done = run(service, Folder(one=data, two=b"broken"), path, write_keys=["web"])
    assert set(service.events) == {"m-1"}
    assert done.counts["unreadable"] == 3
    assert done.counts["from another source"] == 3  # one has no key at all, one is a page's
    assert done.counts["left out"] == 1
    assert done.counts["files that cannot be read"] == 1
    progress = read_progress(path)
    assert progress is not None
    assert (progress.files, progress.counts["sent"]) == (2, 1)


def test_records_are_cut_as_the_landing_is() -> None:
    data = b'{"a":1}{"a":"}{"}\r\n\n  {"a":3}\n'
    assert list(events(data)) == [
        ('{"a":1}', {"a": 1}),
        ('{"a":"}{"}', {"a": "}{"}),
        ('  {"a":3}', {"a": 3}),
    ]


def test_of_several_writes_to_a_user_the_last_is_made(path: Path) -> None:
    service = Service()

    def user(number: int, user: str, plan: str) -> dict[str, Any]:
        return {
            "type": "identify",
            "messageId": f"i-{number}",
            "userId": user,
            "context": {"traits": {"plan": plan}},
        }

    found = [user(n, f"u-{n % 11}", f"plan-{n}") for n in range(22)]
    done = run(service, Folder(one=lines(found)), path, USERS)
    assert done.sent == 22
    assert service.users == {f"u-{n}": f'{{"plan":"plan-{n + 11}"}}' for n in range(11)}
    assert sorted(len(call["users"]) for call in service.calls) == [1, 10]
    assert run(service, Folder(one=lines(found)), path, USERS).calls == 0


def test_dates_that_the_datasets_hold_are_passed_over(path: Path) -> None:
    service, folder = Service(), Folder()
    folder.add("one", lines([view(1)]), "2026-09-01")
    folder.add("two", lines([view(2)]), "2026-09-02")
    run(service, folder, path, since=date(2026, 9, 2))
    assert set(service.events) == {"m-2"}


def test_after_a_change_of_the_mapping_files_can_be_read_again(path: Path) -> None:
    service, folder = Service(), Folder(one=lines([view(1), view(2, properties={"sku": "s-2"})]))
    run(service, folder, path)
    other = LiveMapping.model_validate({"put_events": {}})
    assert run(service, folder, path, other).sent == 0
    assert run(service, folder, path, other, again=True).sent == 1
    assert service.received == Counter({"m-1": 1, "m-2": 1})


def test_a_pause_ends_when_it_is_told_to_stop() -> None:
    service = Service()
    service.script = [error("ThrottlingException", "slow down") for _ in range(9)]
    sender = Sender(
        service, Target("t"), RateLimit(1e6), Retries(9, 600.0, 600.0), chance=lambda: 1
    )
    threading.Timer(0.1, sender.stop).start()
    put = Put("PutEvents", (None, "a"), "m", {"eventId": "m", "itemId": "p"})
    with pytest.raises(LiveError, match="stopped"):
        sender.send([put])


def test_what_was_received_before_a_moment_is_passed_over(path: Path) -> None:
    service, folder = Service(), Folder()
    times = ["2026-09-02T11:59:59.999Z", "2026-09-02T12:00:00.000Z", None]
    folder.add("one", lines([view(n, receivedAt=at) for n, at in enumerate(times)]))
    folder.add("two", lines([view(3)]), "2026-09-03")
    folder.add("zero", lines([view(4)]), "2026-09-01")
    done = run(service, folder, path, since=datetime(2026, 9, 2, 12, tzinfo=UTC))
    assert set(service.events) == {"m-1", "m-3"}
    assert done.counts["received before"] == 2


def test_a_file_that_cannot_be_had_now_is_tried_in_the_next_run(path: Path) -> None:
    service, folder = Service(), Folder(one=lines([view(1)]), two=b"away")
    done = run(service, folder, path)
    assert done.counts["times that a file could not be had"] == 1
    assert done.files == 1
    folder.add("two", lines([view(2)]))
    assert run(service, folder, path).sent == 1


def test_an_interrupt_ends_following_with_what_was_done(path: Path) -> None:
    service, folder = Service(), Folder(one=lines([view(1)]))

    class Interrupt:
        def wait(self, _: float) -> bool:
            raise KeyboardInterrupt

    sender = Sender(service, Target("tracker"), RateLimit(1e6))
    with Checkpoint(path, "target") as checkpoint:
        replay = Replay(folder, MAPPING, sender, checkpoint)
        done = replay.follow(Interrupt())  # type: ignore[arg-type]
    assert done.sent == 1


def test_a_file_that_changes_is_read_again_while_its_copies_are_known(path: Path) -> None:
    service, folder = Service(), Folder()
    folder.add("one", lines([view(1), view(2)]), "2026-09-01")
    folder.add("two", lines([view(3)]), "2026-09-20")
    run(service, folder, path, window_days=7)
    folder.add("one", lines([view(1)]), "2026-09-01")  # an erasure took m-2 out
    folder.add("two", lines([view(3), view(4)]), "2026-09-20")
    done = run(service, folder, path, window_days=7)
    assert service.received == Counter({"m-1": 1, "m-2": 1, "m-3": 1, "m-4": 1})
    assert done.counts["files that changed after their copies were forgotten"] == 1


def test_a_checkpoint_is_of_one_target_and_one_process(path: Path) -> None:
    with Checkpoint(path, "one"), pytest.raises(CheckpointError, match="another replay is running"):
        Checkpoint(path, "one")
    with pytest.raises(CheckpointError, match="belongs to another event tracker"):
        Checkpoint(path, "two")
    Checkpoint(path, "one").close()
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_checkpoint_is_said(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    with pytest.raises(CheckpointError, match="cannot be used as a checkpoint"):
        Checkpoint(path, "one")
    assert read_progress(path) is None


def test_following_sends_what_lands_until_it_is_told_to_stop(path: Path) -> None:
    service, folder = Service(), Folder(one=lines([view(1)]))
    sender = Sender(service, Target("tracker"), RateLimit(1e6))

    class Waits:
        """Stands for the pauses: something lands in the first, the second ends it."""

        def __init__(self) -> None:
            self.pauses = 0

        def wait(self, _: float) -> bool:
            self.pauses += 1
            folder.add("two", lines([view(2)]))
            return self.pauses == 2

    with Checkpoint(path, "target") as checkpoint:
        done = Replay(folder, MAPPING, sender, checkpoint).follow(Waits())  # type: ignore[arg-type]
    assert done.sent == 2
    assert set(service.events) == {"m-1", "m-2"}


def test_calls_start_evenly() -> None:
    slept: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))
        now[0] += seconds

    limit = RateLimit(4, clock=lambda: now[0], sleep=sleep)
    for _ in range(3):
        limit.wait()
    assert slept == [0.25, 0.25]
    now[0] += 10
    limit.wait()
    assert slept == [0.25, 0.25]


def test_pauses_before_another_attempt_grow_by_chance_up_to_the_longest() -> None:
    service, slept = Service(), list[float]()
    service.script = [error("ThrottlingException", "slow down") for _ in range(5)]
    sender = Sender(
        service,
        Target("t"),
        RateLimit(1e6),
        Retries(6, 1.0, 8.0),
        sleep=slept.append,
        chance=lambda: 0.5,
    )
    sender.send([Put("PutEvents", (None, "a"), "m", {"eventId": "m", "itemId": "p"})])
    assert slept == [1.0, 2.0, 4.0, 4.0, 4.0]  # half of 2, 4, 8, 8, 8
