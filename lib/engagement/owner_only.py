"""Files that hold personal data: the owner reads and writes them (0600, folders 0700), nobody else.

A folder that was there before keeps the permissions that somebody gave it; files in it are private
all the same. Where a library writes a file itself, and offers no permissions for it, :func:`umask`
gives it private ones from the start, or :func:`tighten` afterwards, within a private folder.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

_FILE = 0o600
_FOLDER = 0o700


def folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, private; gives the path."""
    missing = []
    for one in (path, *path.parents):
        if one.is_dir():
            break
        missing.append(one)
    for one in reversed(missing):
        one.mkdir(mode=_FOLDER, exist_ok=True)
    return path


@contextmanager
def opened(path: Path, mode: str, **how: Any) -> Iterator[IO[Any]]:
    """Open a file to write or append; it is private from its first byte, also if it was not."""

    def private(name: str, flags: int) -> int:
        descriptor = os.open(name, flags, _FILE)
        with suppress(PermissionError):  # somebody else's file: theirs to decide
            os.fchmod(descriptor, _FILE)
        return descriptor

    with open(path, mode, opener=private, **how) as stream:
        yield stream


def write(path: Path, content: str | bytes) -> None:
    """Write a private file; texts as UTF-8, their lines' ends as they are."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    with opened(path, "wb") as stream:
        stream.write(data)


def replace(path: Path, content: str | bytes) -> None:
    """Write a private file in one step: a reader finds the old one or the new one, never half."""
    draft = path.with_name(path.name + ".part")
    write(draft, content)
    draft.replace(path)


def tighten(path: Path) -> None:
    """Make a file, or a folder with all that is in it, private; links are left as they are."""
    if path.is_dir() and not path.is_symlink():
        for name, folders, files in os.walk(path):
            _change(Path(name), _FOLDER)
            for one in files:
                _change(Path(name) / one, _FILE)
            folders[:] = [one for one in folders if not (Path(name) / one).is_symlink()]
    else:
        _change(path, _FILE)


def _change(path: Path, mode: int) -> None:
    # What vanished meanwhile needs nothing, and what is somebody else's is theirs to decide.
    with suppress(FileNotFoundError, PermissionError):
        if not path.is_symlink() and path.stat().st_mode & 0o777 != mode:
            path.chmod(mode)


_lock = threading.Lock()
_users = 0
_before = 0


@contextmanager
def umask() -> Iterator[None]:
    """Let files that a library makes within the block be private.

    The engine makes its file, its log and what it spills whenever it needs them, and takes no
    permissions for them: between their making and a ``chmod`` anybody could open them. It is the
    process's umask that counts, so other threads' new files are private meanwhile, too; the first
    to come in changes it, the last to leave puts it back.
    """
    global _users, _before
    with _lock:
        if _users == 0:
            _before = os.umask(0o077)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                os.umask(_before)
