"""What a send has to bring: everybody, or who came, changed or left since the last one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from engagement import owner_only
from engagement.audience import customer_profiles, outbox
from engagement.audience.customer_profiles import Export
from engagement.audience.files import ExportedFile, csv_line, replacing
from engagement.audience.outbox import Outbox, Sending, SendingPart, State, row_hash
from engagement.audience.profile_calls import Target
from engagement.audience.stream import Format, Writer, defused, restored

_BATCH = 20_000

BY_PARAMETERS = "the parameters say so"


@dataclass(frozen=True)
class Mode:
    """How a segment is sent, and why so."""

    name: str
    why: str


def mode(state: State, target: Target, columns: Sequence[str], today: date) -> Mode:
    """Whether everybody is sent, or only what is different."""
    if not state.batch:
        return Mode("full", "nothing was sent yet")
    if target.settings.mode == "full":
        return Mode("full", BY_PARAMETERS)
    if state.again:
        return Mode("full", "not all records that failed last time are known")
    if state.columns != list(columns):
        return Mode("full", "the columns are others than last time")
    age = (today - date.fromisoformat(state.begun)).days
    if age >= target.settings.expiry_days / 2:
        return Mode("full", f"what was sent {age} days ago expires soon")
    return Mode("delta", f"since {state.as_of}")


def fingerprint(export: Export) -> str:
    """What tells an export from others: its files' contents."""
    found = hashlib.sha256()
    for file in export.files:
        found.update((file.content_sha256 or file.sha256).encode())
    return found.hexdigest()


def prepare(
    box: Outbox, target: Target, export: Export, as_of: date, today: date, room: Path
) -> Sending:
    """Write what is to be sent into a folder; nothing is noted as under way yet.

    Parameters
    ----------
    export
        All members, in files of the order of their ids.
    today
        The day of sending.
    room
        Where the files go, and ``next.csv``: who will have been sent.
    """
    names = [column.name for column in customer_profiles.columns(target.segment)]
    how = mode(box.state, target, names, today)
    batch = export.batch if how.name == "full" else box.state.batch
    stem = f"{target.segment.name}-{as_of.isoformat()}"
    format_ = Format(most_bytes=target.settings.part_bytes)
    keys = [column.name for column in customer_profiles.key_columns(target.segment)]
    as_they_are = how.name == "full" and all(
        file.bytes <= target.settings.part_bytes and file.path.suffix == ".csv"
        for file in export.files
    )
    owner_only.folder(room)
    with ExitStack() as held:
        members = held.enter_context(Writer(room, stem, names, format_))
        leavers = held.enter_context(Writer(room, f"{stem}-left", keys, format_))
        note = held.enter_context(replacing(room / outbox.NEXT))
        note(csv_line(["person_id", "row"]))
        # A batch that members had before keeps those who left, unless they are told.
        is_known = batch in (box.state.batch, *box.state.older)
        gone = f"left-{as_of.isoformat()}"
        sorting = _Sorting(how, batch, gone, members, leavers, note, tell_leavers=is_known)
        people = sorting.sort(box, export, only_note=as_they_are)
    files = _linked(export.files, room, stem) if as_they_are else members.files
    few = how.name == "delta" and _rows(files) + _rows(leavers.files) <= target.settings.puts_up_to
    parts = [
        *_parts(files, outbox.PUTS if few else outbox.MEMBERS),
        *_parts(leavers.files, outbox.PUTS_LEFT if few else outbox.LEFT),
    ]
    return Sending(
        id=hashlib.sha256("".join(p.sha256 for p in parts).encode()).hexdigest()[:12],
        as_of=as_of.isoformat(),
        mode=how.name,
        why=how.why,
        batch=batch,
        people=people,
        changed=_rows(files),
        left=_rows(leavers.files),
        parts=parts,
        export=fingerprint(export),
    )


def _linked(files: Sequence[ExportedFile], room: Path, stem: str) -> list[ExportedFile]:
    """The files of an export, in the room without a second copy where the disk allows that."""
    found = []
    for number, file in enumerate(files, start=1):
        path = room / f"{stem}-{number:03d}.csv"
        outbox.linked(file.path, path)
        found.append(replace(file, path=path))
    return found


@dataclass
class _Sorting:
    """Where each person's row goes."""

    how: Mode
    batch: str
    gone: str
    members: Writer
    leavers: Writer
    note: Callable[[bytes], int]
    tell_leavers: bool

    def sort(self, box: Outbox, export: Export, *, only_note: bool) -> int:
        """Write each person to where they belong; gives how many members there are."""
        rows, leaving, people = _Rows(self.members), _Rows(self.leavers), 0
        every = outbox.members(file.path for file in export.files)
        for person, row, before in outbox.merged(every, outbox.ledger(box.sent)):
            if row is None:
                if self.tell_leavers:
                    leaving.add([person, self.gone])
                continue
            people += 1
            found = row_hash(row)
            self.note(csv_line([defused(person), found]))
            if not only_note and (self.how.name == "full" or found != before):
                cells = [restored(cell) for cell in row]
                cells[1] = self.batch
                rows.add(cells)
        rows.end()
        leaving.end()
        return people


class _Rows:
    """Rows on their way to a writer, which takes many at once."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._rows: list[list[str]] = []

    def add(self, row: list[str]) -> None:
        self._rows.append(row)
        if len(self._rows) == _BATCH:
            self.end()

    def end(self) -> None:
        if self._rows:
            self._writer.write(
                [pa.array(cells, pa.string()) for cells in zip(*self._rows, strict=True)]
            )
            self._rows = []


def _rows(files: Sequence[ExportedFile]) -> int:
    return sum(file.rows for file in files)


def _parts(files: Sequence[ExportedFile], kind: str) -> Iterator[SendingPart]:
    for file in files:
        name = f"{file.path.stem}-{file.sha256[:12]}"
        yield SendingPart(file.path.name, kind, file.rows, file.sha256, name, file.defused)


def part_columns(target: Target, part: SendingPart) -> list[customer_profiles.Column]:
    """Columns of a file of a send."""
    if part.kind in (outbox.LEFT, outbox.PUTS_LEFT):
        return customer_profiles.key_columns(target.segment)
    return customer_profiles.columns(target.segment)
