"""What was sent of a segment, and what is being sent: kept so that any kill can be gone on from.

Below the folder of runs, ``audiences/<domain>/<segment>/`` holds

- ``state.json``: what was sent last, and the send under way with each file's import job. Replaced
  in one step after every call whose answer matters;
- ``sent.csv``: who the service was sent, each with a hash of the row, in the order of the ids;
- ``outbox/``: the files of the send under way, and ``sent.csv`` as it will be when all is done.

Nothing of it is a secret of the service's: no address, no token.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engagement import owner_only
from engagement.audience.files import csv_line, replacing
from engagement.audience.remembered import Remembered, hashes
from engagement.audience.stream import defused, opened, restored
from engagement.errors import FailedError

FOLDER = "audiences"
"""Folder, below the runs, of what was sent."""

_STATE, _SENT, _NEXT, _OUTBOX = "state.json", "sent.csv", "next.csv", "outbox"
_FAILED, _HEADER = "failed.csv", "person_id"

MEMBERS, LEFT, PUTS, PUTS_LEFT = "members", "left", "puts", "puts_left"
"""Kinds of files: imported members, imported leavers, and both again as single records."""

WAITING, UPLOADED, STARTED, DONE = "waiting", "uploaded", "started", "done"


class OutboxError(FailedError):
    """What was sent cannot be told."""


@dataclass
class SendingPart:
    """One file of a send.

    ``state`` says how far it is; ``put`` counts single records that were put, ``defused`` cells
    that have an apostrophe in the file and none in the service. ``lost`` are records
    that failed and whose people are not known.
    """

    file: str
    kind: str
    rows: int
    sha256: str
    name: str
    defused: int = 0
    job: str = ""
    attempt: int = 1
    state: str = WAITING
    put: int = 0
    created: int = 0
    updated: int = 0
    failed: int = 0
    lost: int = 0
    outcome: str = ""


@dataclass
class Sending:
    """A send under way."""

    id: str
    as_of: str
    mode: str
    why: str
    batch: str
    people: int
    changed: int
    left: int
    parts: list[SendingPart]
    export: str = ""


@dataclass
class State:
    """What was sent of a segment.

    Attributes
    ----------
    batch
        The value of the segment's attribute that members have; empty before the first send.
    columns
        Headers of the files sent last: with others everybody is sent again.
    begun
        The day on which everybody was sent last.
    again
        Everybody has to be sent with the next send, because not all that failed are known.
    older
        Batches before this one, whose definitions may still be there.
    remembered
        What the services have by earlier sends (:mod:`engagement.audience.remembered`).
    """

    batch: str = ""
    as_of: str = ""
    columns: list[str] = field(default_factory=list)
    begun: str = ""
    again: bool = False
    older: list[str] = field(default_factory=list)
    export: str = ""
    remembered: Remembered = field(default_factory=dict)
    sending: Sending | None = None

    def recall(self, kind: str) -> dict[str, str]:
        """What the services have of a kind of thing by earlier sends, if any made it."""
        return self.remembered.get(kind, {})

    def remember(self, kind: str, parts: Mapping[str, Any]) -> None:
        """Keep what something in the services was made of."""
        self.remembered[kind] = hashes(parts)


NEXT = _NEXT
"""The file, beside those of a send, of who will have been sent."""


class Outbox:
    """The state of one segment in one domain."""

    def __init__(self, runs: Path, domain: str, segment: str) -> None:
        self.domain = domain
        self.folder = runs / FOLDER / domain / segment
        self.state = State()
        self._read()

    @property
    def sent(self) -> Path:
        """Who was sent, and with which row."""
        return self.folder / _SENT

    @property
    def following(self) -> Path:
        """Who will have been sent when the send under way is done."""
        return self.room / _NEXT

    @property
    def room(self) -> Path:
        """Where the files of the send under way are."""
        return self.folder / _OUTBOX

    def file(self, part: SendingPart) -> Path:
        """A file of the send under way."""
        return self.room / part.file

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else send this segment meanwhile, and read the state again.

        Raises
        ------
        OutboxError
            When somebody does.
        """
        owner_only.folder(self.folder)
        lock = FileLock(self.folder / ".lock", mode=0o600)
        try:
            with lock.acquire(timeout=0):
                self._read()
                yield
        except Timeout:
            raise OutboxError(
                f"the segment {self.folder.name} is being sent by another process"
            ) from None

    def _read(self) -> None:
        path = self.folder / _STATE
        if not path.is_file():
            self.state = State()
            return
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            sending = found.pop("sending")
            if sending is not None:
                parts = [SendingPart(**part) for part in sending.pop("parts")]
                sending = Sending(parts=parts, **sending)
            self.state = State(sending=sending, **found)
        except (ValueError, TypeError, KeyError) as error:
            raise OutboxError(f"{path} cannot be read: {type(error).__name__}") from None

    def save(self) -> None:
        """Keep the state, in one step."""
        owner_only.folder(self.folder)
        path = self.folder / _STATE
        with replacing(path) as write:
            write(json.dumps(asdict(self.state), ensure_ascii=False, indent=1).encode() + b"\n")

    # --- a send

    @property
    def _failures(self) -> Path:
        return self.room / _FAILED

    def failed(self) -> set[str]:
        """People of the send under way whose records failed, as far as they are known."""
        if not self._failures.is_file():
            return set()
        with opened(self._failures) as stream:
            return {restored(row[0]) for row in csv.reader(stream) if row} - {_HEADER}

    def note_failed(self, people: Iterable[str]) -> None:
        """Add people whose records failed."""
        every = sorted({*self.failed(), *people} - {_HEADER})
        with replacing(self._failures) as write:
            for person in (_HEADER, *every):
                write(csv_line([defused(person)]))

    def begin(self, sending: Sending) -> None:
        """Note a send whose files are in the outbox; the next one continues it from here on."""
        self.state.sending = sending
        self.save()

    def clear(self) -> None:
        """Remove what is in the outbox; no send may be under way."""
        shutil.rmtree(self.room, ignore_errors=True)

    def done(self, columns: Sequence[str], today: str) -> None:
        """Note that the send under way has arrived, whole, apart from people that failed.

        Those stay as they were in what was sent, so that the next send has them again.
        """
        sending = self.state.sending
        if sending is None:
            return
        if self.following.is_file():  # else an earlier try got as far as this
            failed = self.failed()
            if failed:
                _keep(self.following, self.sent, failed, full=sending.mode == "full")
            self.following.replace(self.sent)
        state = self.state
        if sending.mode == "full":
            if state.batch and state.batch != sending.batch:
                state.older = [*(o for o in state.older if o != state.batch), state.batch]
            state.older = [older for older in state.older if older != sending.batch]
            state.batch, state.begun = sending.batch, today
            state.again = False
        state.again = state.again or any(part.lost for part in sending.parts)
        whole = not any(part.failed for part in sending.parts)
        state.export = sending.export if whole else ""
        state.as_of, state.columns = sending.as_of, list(columns)
        state.sending = None
        self.save()
        self.clear()

    def after(self, folder: Path, columns: Sequence[str], today: str) -> Outbox:
        """The outbox as it will be when the send under way has arrived, in another folder.

        Parameters
        ----------
        folder
            Stands for the folder of runs; nothing of this outbox is changed.
        """
        found = Outbox(folder, self.domain, self.folder.name)
        owner_only.folder(found.room)
        for mine, copy in (
            (self.sent, found.sent),
            (self.following, found.following),
            (self._failures, found._failures),
        ):
            if mine.is_file():
                linked(mine, copy)
        found.state = deepcopy(self.state)
        found.done(columns, today)
        return found

    def remove(self) -> None:
        """Forget all that was sent."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.state = State()

    def forget(self, people: set[str]) -> int:
        """Take people out of what was sent and of what is being sent; gives how many rows went."""
        if not self.folder.is_dir():
            return 0
        gone = 0
        for path in (self.sent, self.following, self._failures):
            gone += _without(path, people)
        sending = self.state.sending
        if sending is not None:
            for part in sending.parts:
                removed = _without(self.file(part), people)
                if removed:
                    part.rows -= removed
                    part.sha256 = digest(self.file(part))
                    gone += removed
            self.save()
        return gone


def outboxes(runs: Path) -> list[Outbox]:
    """Every segment that was sent, or is being sent."""
    found = sorted((runs / FOLDER).glob(f"*/*/{_STATE}"))
    return [Outbox(runs, path.parents[1].name, path.parents[0].name) for path in found]


# --- files ----------------------------------------------------------------------------------------


def linked(path: Path, copy: Path) -> None:
    """Give a file a second name, or copy it where the disk does not allow that."""
    try:
        copy.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, copy)
        owner_only.tighten(copy)


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _without(path: Path, people: set[str]) -> int:
    """Remove people's rows of a file; their ids are in its first column."""
    if not path.is_file():
        return 0
    with opened(path) as stream:
        theirs = sum(restored(row[0]) in people for row in csv.reader(stream) if row)
    if theirs:
        with opened(path) as stream, replacing(path) as write:
            for number, row in enumerate(csv.reader(stream)):
                if number == 0 or restored(row[0]) not in people:
                    write(csv_line(row))
    return theirs


def _keep(following: Path, before: Path, people: set[str], *, full: bool) -> None:
    """Let people who failed be as they were before; after everybody was sent, not sent at all.

    Everybody is sent with another batch, which those that failed do not have.
    """
    with replacing(following) as write:
        write(csv_line(["person_id", "row"]))
        for person, new, old in merged(ledger(following), ledger(before)):
            row = new if person not in people else None if full else old
            if row is not None:
                write(csv_line([defused(person), row]))


def ledger(path: Path) -> Iterator[tuple[str, str]]:
    """Who was sent, in their order, each with the hash of the row."""
    if not path.is_file():
        return
    with opened(path) as stream:
        reader = csv.reader(stream)
        next(reader, None)
        for person, row in reader:
            yield restored(person), row


def members(files: Iterable[Path]) -> Iterator[tuple[str, list[str]]]:
    """Rows of exported files, in their order, each as its person and its cells."""
    for path in files:
        with opened(path) as stream:
            reader = csv.reader(stream)
            next(reader)
            for row in reader:
                yield restored(row[0]), row


def row_hash(row: Sequence[str]) -> str:
    """What tells one row of a person from another; the batch, its second cell, does not count."""
    found = hashlib.blake2b(digest_size=12)
    for cell in (*row[:1], *row[2:]):
        found.update(cell.encode())
        found.update(b"\0")
    return found.hexdigest()


def merged(
    one: Iterator[tuple[str, Any]], other: Iterator[tuple[str, Any]]
) -> Iterator[tuple[str, Any, Any]]:
    """Join two streams that are in the order of their keys; ``None`` where one has no such key.

    Raises
    ------
    OutboxError
        When a stream is not in its order.
    """
    first, second = _ordered(one), _ordered(other)
    a, b = next(first, None), next(second, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a[0] < b[0]):
            assert a is not None  # noqa: S101 - for the type checker
            yield a[0], a[1], None
            a = next(first, None)
        elif a is None or b[0] < a[0]:
            yield b[0], None, b[1]
            b = next(second, None)
        else:
            yield a[0], a[1], b[1]
            a, b = next(first, None), next(second, None)


def _ordered(stream: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    before: str | None = None
    for key, value in stream:
        if before is not None and key <= before:
            raise OutboxError("members of a segment have to come in the order of their ids, once")
        before = key
        yield key, value
