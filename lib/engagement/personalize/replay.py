"""The replayer: landed events become live calls, each exactly once by its id.

Files are read in the landing's order, each record becomes entries by the mapping
(:mod:`engagement.personalize.mapping`), entries of one user and session share calls of up to ten.
After each answered call its events are in the checkpoint before another is awaited. A replay that
is killed reads its last file again and passes over what was acknowledged; calls whose answer it had
not yet written down are made again, and the service drops their events by their ids.
"""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Protocol, TypeVar

import orjson

from engagement.personalize.checkpoint import Checkpoint, digest
from engagement.personalize.mapping import LiveMapping, Put, Refused, puts
from engagement.personalize.sending import MOST_ENTRIES, Answer, LiveError, Sender
from engagement.records.files import LandedFile
from engagement.records.lines import (
    UnavailableFileError,
    UnreadableFileError,
    cut_records,
    read_bytes,
    split_lines,
)
from engagement.warehouse import Warehouse
from engagement.warehouse.objects import ObjectUnreadableError
from engagement.warehouse.reading import landing_warehouse

WINDOW = 2_000
"""Records that are grouped at a time, so that a session's events share calls."""

_DOUBTFUL = 50
"""Refusals in a row, with nothing ever accepted, after which the target is what is wrong."""

_One = TypeVar("_One")

SENT, REFUSED, LEFT_OUT, UNREADABLE = "sent", "refused", "left out", "unreadable"


class Landed(Protocol):
    """Where landed files are."""

    def files(self) -> Sequence[LandedFile]:
        """The files that are there, in order."""
        ...

    def read(self, file: LandedFile) -> bytes:
        """A file's bytes, unzipped; raises ``UnreadableFileError``."""
        ...


class WarehouseLanding:
    """The landing of the parameters: a folder, or a place in S3."""

    def __init__(self, warehouse: Warehouse, most_megabytes: int) -> None:
        self._warehouse, self._most = landing_warehouse(warehouse), most_megabytes
        self._objects = self._warehouse.landed_objects()

    def files(self) -> Sequence[LandedFile]:
        """The files within the received dates of the settings."""
        return self._warehouse.landing_files().files

    def read(self, file: LandedFile) -> bytes:
        """A file's bytes, unzipped."""
        data = self._objects.read(file.name).data
        return read_bytes(io.BytesIO(data), file.name, self._most)


@dataclass
class Replayed:
    """What a replay did in this run.

    ``counts`` has a number for everything that can become of an event, reasons included;
    ``seconds`` is what sending took, with everything around it.
    """

    files: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    retries: int = 0
    seconds: float = 0.0

    @property
    def sent(self) -> int:
        """Entries that the service acknowledged."""
        return self.counts[SENT]

    @property
    def per_second(self) -> float:
        """Acknowledged entries in a second."""
        return self.sent / self.seconds if self.seconds else 0.0


def events(data: bytes) -> Iterator[tuple[str, dict[str, object] | None]]:
    """The records of a file's bytes, each with its fields; ``None`` where it is no JSON object."""
    batch = split_lines(data).batch
    lines = batch.column("line").to_pylist()
    encodings = batch.column("record_encoding").to_pylist()
    for line, encoding in zip(lines, encodings, strict=True):
        if encoding is not None:  # no UTF-8
            yield line, None
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:  # several records, perhaps
            for piece in cut_records(line):
                yield piece, _event_of(piece)
            continue
        yield line, value if isinstance(value, dict) else None


def _event_of(text: str) -> dict[str, object] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


class Since:
    """The moment from which on events count; ``None``: all of them."""

    def __init__(self, moment: date | None) -> None:
        if moment is not None and not isinstance(moment, datetime):
            moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
        self._moment = moment
        self._day = "" if moment is None else moment.date().isoformat()

    def is_before_day(self, day: str) -> bool:
        """Whether all events of a received date came before."""
        return day < self._day

    def is_before(self, day: str, event: Mapping[str, object]) -> bool:
        """Whether an event was received before; one that does not say when, at midnight."""
        if self._moment is None or day != self._day:
            return False
        try:
            received = datetime.fromisoformat(str(event.get("receivedAt")))
        except ValueError:
            received = datetime.fromisoformat(day)
        return (received if received.tzinfo else received.replace(tzinfo=UTC)) < self._moment


class Replay:
    """Sends what has landed and was not sent yet.

    Parameters
    ----------
    write_keys
        Send the events of these sources only; empty: of all.
    since
        Pass over what was received before: what the datasets already hold. A date, or a moment.
    again
        Read files that are done, too: after the mapping has changed. What was acknowledged is not
        sent again, for as long as it is known.
    window_days
        How long copies of an event may land: see ``duplicates.window_days``.
    progress
        Called after each file.
    """

    def __init__(
        self,
        landed: Landed,
        mapping: LiveMapping,
        sender: Sender,
        checkpoint: Checkpoint,
        *,
        write_keys: Sequence[str] = (),
        since: date | None = None,
        again: bool = False,
        window_days: int = 7,
        concurrency: int = 8,
        progress: Callable[[LandedFile, Replayed], None] = lambda *_: None,
    ) -> None:
        self._landed, self._mapping = landed, mapping
        self._sender, self._checkpoint = sender, checkpoint
        self._write_keys, self._since = frozenset(write_keys), Since(since)
        self._window_days, self._concurrency = window_days, concurrency
        self._again = again
        self._progress = progress
        self._is_trusted = checkpoint.progress().counts.get(SENT, 0) > 0
        self._doubtful: list[tuple[Put, str]] = []

    def run(self) -> Replayed:
        """Send everything that is there.

        Raises
        ------
        LiveError
            When the service does not take what is sent; another run goes on where this one was.
        """
        total = Replayed()
        self._once(total)
        return total

    def follow(self, stop: threading.Event, poll: float = 2.0) -> Replayed:
        """Send what is there, then what lands, until told to stop, or interrupted."""
        total = Replayed()
        try:
            while True:
                self._once(total)
                if stop.wait(poll):
                    return total
        except KeyboardInterrupt:
            return total

    def _once(self, total: Replayed) -> None:
        started = time.perf_counter()
        files = self._waiting(total)
        if not files:
            return
        try:
            with ThreadPoolExecutor(self._concurrency, thread_name_prefix="live") as pool:
                try:
                    for file in files:
                        self._file(file, pool, total)
                except BaseException:
                    self._sender.stop()  # threads that wait for their next attempt end
                    raise
            self._checkpoint.forget(self._window_days)
            self._again = False  # once
        finally:
            total.seconds += time.perf_counter() - started

    def _waiting(self, total: Replayed) -> list[LandedFile]:
        """Files to read. One that changed since is read again while copies of its events are known;
        what changes later lost events by an erasure and gained none.
        """
        done, newest = self._checkpoint.done(), self._checkpoint.newest()
        first = None
        if newest is not None:
            first = (date.fromisoformat(newest) - timedelta(days=self._window_days)).isoformat()
        files = []
        for file in self._landed.files():
            day = file.received_at_utc_date
            if self._since.is_before_day(day):
                continue
            if file.name in done and not self._again:
                if done[file.name] == file.tag:
                    continue
                if first is not None and day < first:
                    total.counts["files that changed after their copies were forgotten"] += 1
                    continue
            files.append(file)
        return files

    def _file(self, file: LandedFile, pool: ThreadPoolExecutor, total: Replayed) -> None:
        told: Counter[str] = Counter()
        number = 0
        try:
            data = self._landed.read(file)
        except (UnavailableFileError, ObjectUnreadableError):
            total.counts["times that a file could not be had"] += 1
            return  # the next run tries again, if it is still there
        except UnreadableFileError:
            told["files that cannot be read"] += 1
            data = b""
        for window in _batches(events(data), WINDOW):
            number += len(window)
            entries = self._entries(window, file.received_at_utc_date, told)
            self._send(entries, file.received_at_utc_date, pool, total)
        if self._doubtful:
            raise self._mistrust()
        self._checkpoint.finish(file.name, file.received_at_utc_date, file.tag, number, told)
        total.files += 1
        total.counts += told
        self._progress(file, total)

    def _entries(
        self,
        records: Sequence[tuple[str, dict[str, object] | None]],
        day: str,
        told: Counter[str],
    ) -> list[list[Put]]:
        """The calls of some records, without what was acknowledged before.

        Of several writes to one user or item only the last is made, and stands for all.
        """
        found: dict[bytes, Put] = {}
        for text, event in records:
            if event is None:
                told[UNREADABLE] += 1
                continue
            if self._write_keys and event.get("writeKey") not in self._write_keys:
                told["from another source"] += 1
                continue
            if self._since.is_before(day, event):
                told["received before"] += 1
                continue
            for one in puts(event, text, self._mapping):
                if isinstance(one, Refused):
                    told[LEFT_OUT] += 1
                    told[f"{LEFT_OUT}: {one.call}, {one.reason}"] += 1
                elif one.call == "PutEvents":
                    found.setdefault(digest(one.call, one.id), one)
                else:
                    found[digest(one.call, one.id)] = one
        known = self._checkpoint.known(found)
        return calls_of([one for key, one in found.items() if key not in known])

    def _send(
        self, calls: Sequence[list[Put]], day: str, pool: ThreadPoolExecutor, total: Replayed
    ) -> None:
        waiting = iter(calls)
        running: dict[Future[Answer], list[Put]] = {}
        try:
            while True:
                for call in waiting:
                    running[pool.submit(self._sender.send, _last_of_each(call))] = call
                    if len(running) >= 2 * self._concurrency:
                        break
                if not running:
                    return
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                self._collect({one: running.pop(one) for one in finished}, day, total)
        finally:
            # What is under way when something goes wrong may still be answered: keep that, too.
            self._rest(running, day, total)

    def _collect(
        self, finished: Mapping[Future[Answer], list[Put]], day: str, total: Replayed
    ) -> None:
        """Write down what was answered, then raise what went wrong."""
        failed = [error for one in finished if (error := one.exception()) is not None]
        answers = [(call, one.result()) for one, call in finished.items() if not one.exception()]
        self._acknowledge(answers, day, total)
        if failed:
            raise failed[0]

    def _rest(self, running: Mapping[Future[Answer], list[Put]], day: str, total: Replayed) -> None:
        if not running:
            return
        self._sender.stop()
        wait(running)
        answers = [
            (call, future.result())
            for future, call in running.items()
            if not future.cancelled() and future.exception() is None
        ]
        if self._is_trusted:
            self._acknowledge(answers, day, total)

    def _acknowledge(
        self, answers: Sequence[tuple[list[Put], Answer]], day: str, total: Replayed
    ) -> None:
        counts: Counter[str] = Counter()
        digests: list[bytes] = []
        for call, answer in answers:
            total.calls += answer.calls
            total.retries += answer.retries
            refused = {_key(one) for one, _ in answer.refused}
            taken = [one for one in call if _key(one) not in refused]
            digests += [digest(one.call, one.id) for one in taken]
            counts[SENT] += len(taken)
            self._is_trusted = self._is_trusted or bool(answer.accepted)
            self._doubtful += answer.refused
        if len(self._doubtful) >= _DOUBTFUL and not self._is_trusted:
            raise self._mistrust()
        if self._is_trusted:
            for one, reason in self._doubtful:
                digests.append(digest(one.call, one.id))
                counts[REFUSED] += 1
                counts[f"{REFUSED}: {one.call}, {reason}"] += 1
            self._doubtful = []
        if digests:
            self._checkpoint.acknowledge(digests, day, +counts)
        total.counts += counts

    def _mistrust(self) -> LiveError:
        one, reason = self._doubtful[0]
        count, self._doubtful = len(self._doubtful), []
        return LiveError(
            f"{one.call}: the service has taken none of {count} entries, and said: {reason}. "
            "Nothing of this is remembered: check the tracking id, the datasets and the mapping, "
            "and run it again"
        )


def calls_of(entries: Sequence[Put]) -> list[list[Put]]:
    """Entries by call: PutEvents takes those of one user and session, the others any."""
    groups: dict[tuple[object, ...], list[Put]] = {}
    for one in entries:
        groups.setdefault((one.call, *one.group), []).append(one)
    calls: list[list[Put]] = []
    for (call, *_), group in groups.items():
        if call == "PutEvents":
            calls += [list(part) for part in _batches(group, MOST_ENTRIES)]
        else:
            calls += _by_id(group)
    return calls


def _by_id(group: Sequence[Put]) -> list[list[Put]]:
    """Writes of users or items: all of one id in one call, ten ids a call."""
    by_id: dict[str, list[Put]] = {}
    for one in group:
        by_id.setdefault(_written(one), []).append(one)
    return [
        [one for part in parts for one in part] for parts in _batches(by_id.values(), MOST_ENTRIES)
    ]


def _key(one: Put) -> str:
    """What is refused with an entry: the event, or all writes to its user or item."""
    return one.id if one.call == "PutEvents" else _written(one)


def _written(one: Put) -> str:
    return str(one.entry["userId"] if one.call == "PutUsers" else one.entry["itemId"])


def _last_of_each(call: Sequence[Put]) -> list[Put]:
    """What a call is made with: of writes to one user or item, the last."""
    if call[0].call == "PutEvents":
        return list(call)
    return list({_written(one): one for one in call}.values())


def _batches(items: Iterable[_One], size: int) -> Iterator[tuple[_One, ...]]:
    rest = iter(items)
    while part := tuple(islice(rest, size)):
        yield part
