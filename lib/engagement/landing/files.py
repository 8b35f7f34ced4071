"""What lies in a landing folder: files by received date, found without reading them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

PARTITION = "received_at_utc_date"
_FOLDER = re.compile(rf"{PARTITION}=(\d{{4}}-\d{{2}}-\d{{2}})")


class LandingError(RuntimeError):
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
    """Received date of an object, from the first part of its name; ``None`` if it has none."""
    folder, slash, rest = name.partition("/")
    match = _FOLDER.fullmatch(folder)
    if not match or not slash or not rest:
        return None
    try:
        return date.fromisoformat(match[1]).isoformat()
    except ValueError:
        return None


def is_hidden(name: str) -> bool:
    """Whether Hive and Athena pass an object over: a part that starts with ``_`` or ``.``."""
    return any(part.startswith(("_", ".")) for part in name.split("/"))


def list_folder(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Name, size and tag of every file below a folder, by name.

    Raises
    ------
    LandingError
        When the folder does not exist or is no folder.
    """
    if not folder.exists():
        raise LandingError(
            f"landing.location: there is no folder {folder}. Point it at the folder that holds "
            f"the {PARTITION}=YYYY-MM-DD partitions, or make sample events with "
            "'engagement generate'."
        )
    if not folder.is_dir():
        raise LandingError(f"landing.location: {folder} is a file; a folder is wanted.")
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not path.exists():
            yield path.relative_to(folder).as_posix(), 0, "broken-link"
        elif path.is_file():
            status = path.stat()
            tag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
            yield path.relative_to(folder).as_posix(), status.st_size, tag


def nothing_landed(
    location: str, strays: int, first: date | None, last: date | None
) -> LandingError:
    """Explain that a landing holds no file that could be read."""
    dates = f" between {first or 'the first day'} and {last or 'the last day'}"
    found = f" (there are {strays} files outside of such folders)" if strays else ""
    return LandingError(
        f"landing.location: {location} holds no file in a folder named "
        f"{PARTITION}=YYYY-MM-DD{dates if first or last else ''}{found}. "
        "Check the location, landing.from and landing.to."
    )


def sort_out(
    listing: Iterator[tuple[str, int, str]], first: date | None, last: date | None
) -> tuple[tuple[LandedFile, ...], tuple[str, ...]]:
    """Split a listing into the files of partitions between two dates, and strays.

    Objects that Hive passes over are left out of both.
    """
    files: list[LandedFile] = []
    strays: list[str] = []
    for name, size, tag in listing:
        if is_hidden(name):
            continue
        day = partition_of(name)
        if day is None:
            strays.append(name)
        elif (not first or day >= first.isoformat()) and (not last or day <= last.isoformat()):
            files.append(LandedFile(day, name, size, tag))
    return tuple(sorted(files)), tuple(sorted(strays))
