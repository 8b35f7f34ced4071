"""What lies in a landing folder: files by received date, found without reading them."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from engagement.errors import WrongInputError
from engagement.settings import FIRST_DAY, LAST_DAY

PARTITION = "received_at_utc_date"
_FOLDER = re.compile(rf"{PARTITION}=(\d{{4}}-\d{{2}}-\d{{2}})")


class LandingError(WrongInputError):
    """A landing that cannot be used, with what to do about it."""


@dataclass(frozen=True, order=True)
class LandedFile:
    """One object of the landing.

    ``name`` is the object's name below the landing's location, ``received_at_utc_date`` the date
    of its partition, ``size`` is in bytes, ``tag`` changes when the object is written again.
    """

    received_at_utc_date: str
    name: str
    size: int
    tag: str


def partition_of(name: str) -> str | None:
    """Received date of an object, from the first part of its name; ``None`` if it has none.

    So is a date that is not believed: see :data:`~engagement.settings.FIRST_DAY`.
    """
    folder, slash, rest = name.partition("/")
    match = _FOLDER.fullmatch(folder)
    if not match or not slash or not rest:
        return None
    try:
        day = date.fromisoformat(match[1])
    except ValueError:
        return None
    return day.isoformat() if FIRST_DAY <= day <= LAST_DAY else None


OUTSIDE = "outside of date folders"
NO_DATE = "in a folder whose date does not exist"
NOT_BELIEVED = f"in a folder of a date before {FIRST_DAY} or after {LAST_DAY}"
NOT_DELIVERED = "not delivered by Firehose"


def why_stray(name: str) -> str:
    """Why an object is no file of a partition, in words that follow what it is.

    Examples
    --------
    >>> why_stray("received_at_utc_date=9999-12-31/a")
    'in a folder of a date before 2000-01-01 or after 2199-12-31'
    """
    if is_failure(name):
        return NOT_DELIVERED
    folder, slash, _ = name.partition("/")
    match = _FOLDER.fullmatch(folder) if slash else None
    if not match:
        return OUTSIDE
    try:
        date.fromisoformat(match[1])
    except ValueError:
        return NO_DATE
    return NOT_BELIEVED


def strays_by_reason(names: Iterable[str]) -> list[str]:
    """How many objects are strays for each reason, in words, most first."""
    counts = Counter(map(why_stray, names))
    return [
        f"{count} file{'s' * (count > 1)} {why}"
        for why, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def is_hidden(name: str) -> bool:
    """Whether Hive and Athena pass an object over: a part that starts with ``_`` or ``.``."""
    return any(part.startswith(("_", ".")) for part in name.split("/"))


_FAILURE = re.compile(r"(?:^|/)(?:[^/]*=)?[A-Za-z]+(?:-[A-Za-z]+)*-failed/")


def is_failure(name: str) -> bool:
    """Whether an object is Firehose's error output: a folder above it is named for a failure.

    Examples
    --------
    >>> [is_failure(n) for n in ("processing-failed/2026/09/02/a", "result=processing-failed/a")]
    [True, True]
    >>> [is_failure(n) for n in ("received_at_utc_date=2026-09-02/a-failed", "failed/a")]
    [False, False]
    """
    return bool(_FAILURE.search(name))


def list_folder(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Name, size and tag of every file below a folder, by name, through links too.

    A link that leads nowhere, and what cannot be looked at, is listed like a file of 0 bytes:
    reading it then says why it cannot be read. So does a name that is no UTF-8, which is listed
    with escapes.

    Raises
    ------
    LandingError
        When the folder does not exist, is no folder, or cannot be listed.
    """
    _check_folder(folder)
    yield from sorted(_walk(folder, "", ()))


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise LandingError(
            f"landing.location: there is no folder {folder}. Point it at the folder that holds "
            f"the {PARTITION}=YYYY-MM-DD partitions, or make sample events with "
            "'engagement generate'."
        )
    if not folder.is_dir():
        raise LandingError(f"landing.location: {folder} is a file; name the folder that it is in.")


def _not_listed(folder: Path, error: OSError) -> LandingError:
    return LandingError(
        f"landing.location: the folder {folder} cannot be listed ({error.strerror}). "
        "Give this user the right to read it."
    )


def _walk(folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[tuple[str, int, str]]:
    here = folder.resolve()
    if here in above:
        return  # a link back to where it stands
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise _not_listed(folder, error) from None
    for entry in entries:
        name = prefix + os.fsencode(entry.name).decode("utf-8", "backslashreplace")
        try:
            if entry.is_dir():
                yield from _walk(folder / entry.name, name + "/", (*above, here))
                continue
            status = entry.stat()
            if not stat.S_ISREG(status.st_mode):
                continue
            yield name, status.st_size, f"{status.st_mtime_ns:x}-{status.st_size:x}"
        except OSError:
            yield name, 0, "unreadable"


def list_folders(folder: Path) -> list[str]:
    """Names of the folders right below a folder that hold anything.

    Raises
    ------
    LandingError
        As :func:`list_folder` does.
    """
    _check_folder(folder)
    try:
        with os.scandir(folder) as entries:
            below = [entry for entry in entries if entry.is_dir()]
        return sorted(entry.name for entry in below if _holds_anything(entry.path))
    except OSError as error:
        raise _not_listed(folder, error) from None


def _holds_anything(folder: str) -> bool:
    with os.scandir(folder) as entries:
        return any(not is_hidden(entry.name) for entry in entries)


def days_of(folders: Iterable[str]) -> list[str]:
    """The received dates among the names of folders, sorted.

    Examples
    --------
    >>> days_of(["received_at_utc_date=2026-09-02", "failed", "received_at_utc_date=2026-13-01"])
    ['2026-09-02']
    """
    found = {partition_of(f"{folder}/any") for folder in folders}
    return sorted(day for day in found if day is not None)


def nothing_landed(
    location: str, strays: Sequence[str], first: date | None, last: date | None
) -> LandingError:
    """Explain that a landing holds no file that could be read."""
    dates = f" between {first or 'the first day'} and {last or 'the last day'}"
    found = f" (there are {', '.join(strays_by_reason(strays))})" if strays else ""
    return LandingError(
        f"landing.location: {location} holds no file in a folder named "
        f"{PARTITION}=YYYY-MM-DD{dates if first or last else ''}{found}. "
        "Check the location, landing.from and landing.to."
    )


def sort_out(
    listing: Iterator[tuple[str, int, str]], first: date | None, last: date | None
) -> tuple[tuple[LandedFile, ...], tuple[str, ...]]:
    """Split a listing into the files of partitions between two dates, and strays: see `why_stray`.

    Objects that Hive passes over are left out of both. What Firehose could not deliver is no event,
    wherever it lies: such objects are strays.
    """
    files: list[LandedFile] = []
    strays: list[str] = []
    for name, size, tag in listing:
        if is_hidden(name):
            continue
        day = None if is_failure(name) else partition_of(name)
        if day is None:
            strays.append(name)
        elif (not first or day >= first.isoformat()) and (not last or day <= last.isoformat()):
            files.append(LandedFile(day, name, size, tag))
    return tuple(sorted(files)), tuple(sorted(strays))


_ZIPPED = 10
"""How many times smaller such events are when they are zipped."""


def unzipped_bytes(file: LandedFile) -> int:
    """About how many bytes of events a file holds, told from its name and size."""
    return file.size * _ZIPPED if file.name.endswith(".gz") else file.size
