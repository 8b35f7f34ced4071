"""Writes a project's files into a folder; takes away what an earlier export left there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from engagement import owner_only
from engagement.errors import WrongInputError

LIST = "exported.txt"
"""Names the files of the last export, so that the next one knows them from those of others."""


class FolderError(WrongInputError):
    """A folder that a project cannot be written to."""


@dataclass(frozen=True)
class Written:
    """What became of a folder: files that are new or others than before, and those removed."""

    changed: tuple[str, ...]
    removed: tuple[str, ...]


def write(files: Mapping[str, str], folder: Path) -> Written:
    """Write files that are others than those there; files of nobody's export stay.

    Raises
    ------
    FolderError
        When the folder holds something, and no project was exported to it.
    """
    listed = folder / LIST
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is no folder: name another with --to")
    if folder.is_dir() and any(folder.iterdir()) and not listed.is_file():
        raise FolderError(
            f"{folder} holds files that no export made: name an empty folder with --to"
        )
    before = listed.read_text(encoding="utf-8").split("\n") if listed.is_file() else []
    owner_only.folder(folder)
    changed = []
    everything = {**files, LIST: "\n".join(sorted({*files, LIST})) + "\n"}
    # The list of both comes first: what a killed export leaves is known to the next one.
    owner_only.replace(listed, "\n".join(sorted({*before, *everything} - {""})) + "\n")
    for name, text in everything.items():
        path = folder / name
        owner_only.folder(path.parent)
        data = text.encode("utf-8")
        if not path.is_file() or path.read_bytes() != data:
            owner_only.replace(path, data)
            changed.append(name)
    removed = [name for name in before if _is_within(name) and name not in everything]
    removed = [name for name in removed if (folder / name).is_file()]
    for name in removed:
        (folder / name).unlink()
    return Written(tuple(one for one in changed if one != LIST), tuple(removed))


def _is_within(name: str) -> bool:
    """Whether a line of the list is a path in the folder."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts
