"""Notebooks, parameters and samples, laid into a folder, and brought up to date in it.

``engagement.json`` holds a digest of every file as it was laid down. What is still the same was not
edited, and a later version may refresh it; everything else is the team's, and stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from engagement.errors import WrongInputError
from engagement.messages import counted
from engagement.project import MARKER, MODELS, SEEDS, packaged

_FOLDERS = ("notebooks", "params", "data/samples")
_ALONE = ("requirements.lock",)
_WRITTEN = {"README.md": "README.md", ".gitignore": "gitignore"}
"""Files for a team's repository, by their names in :mod:`engagement.init`'s ``files``."""

_NOT_LAID = ("__pycache__", ".ipynb_checkpoints")

ADDED, REFRESHED, SAME, EDITED, REMOVED, THERE = (
    "added",
    "refreshed",
    "up to date",
    "kept, since it was edited",
    "not added again, since it was removed",
    "kept, since it was there before",
)
DROPPED = "kept, though the package no longer has it"


class InitError(WrongInputError):
    """A folder that nothing can be laid into, or brought up to date in."""


@dataclass(frozen=True)
class Laid:
    """What became of each file, by name; ``before`` is the version that had laid them down."""

    outcomes: Mapping[str, str]
    before: str | None
    version: str

    def lines(self) -> list[str]:
        """What was done, in words: files of a folder with one outcome on one line."""
        by_outcome: dict[str, list[str]] = {}
        for name, outcome in self.outcomes.items():
            by_outcome.setdefault(outcome, []).append(name)
        said = []
        for outcome, names in sorted(by_outcome.items(), key=lambda one: _ORDER.index(one[0])):
            if outcome in (ADDED, SAME, REFRESHED):
                said += [f"{outcome}: {words}" for words in _summed(names)]
            else:
                said += [f"{name}: {outcome}" for name in names]
        return said


_ORDER = (ADDED, REFRESHED, SAME, EDITED, REMOVED, THERE, DROPPED)


def version() -> str:
    """The version of the package that is installed."""
    return metadata.version("engagement")


def lay_down(folder: Path) -> Laid:
    """Lay notebooks, parameters and samples into a folder; what is there already stays.

    Raises
    ------
    InitError
        When that was done before.
    """
    if (folder / MARKER).exists():
        raise InitError(
            f"{folder} was laid down before, by version {_marker(folder)['version']}: 'engagement "
            "init --upgrade' brings it up to date"
        )
    outcomes, digests = {}, {}
    for name, data in contents():
        path = folder / name
        if path.exists() or path.is_symlink():
            # It counts as edited from now on, unless it is the very same.
            is_same = path.is_file() and digest(name, path.read_bytes()) == digest(name, data)
            outcomes[name] = SAME if is_same else THERE
            if not is_same:
                continue
        else:
            _write(path, data)
            outcomes[name] = ADDED
        digests[name] = digest(name, data)
    for own in (MODELS, SEEDS):
        (folder / own).mkdir(exist_ok=True)
        keep = folder / own / ".gitkeep"
        if not any((folder / own).iterdir()):
            _write(keep, b"")
    _mark(folder, digests)
    return Laid(outcomes, None, version())


def upgrade(folder: Path) -> Laid:
    """Refresh what nobody has edited, and add what is new; everything else stays as it is.

    Raises
    ------
    InitError
        When nothing was laid down there.
    """
    if not (folder / MARKER).is_file():
        raise InitError(
            f"{folder} has no {MARKER}: 'engagement init' lays down notebooks and parameters first"
        )
    marker = _marker(folder)
    known: dict[str, str] = dict(marker["files"])
    digests = dict(known)
    outcomes = {}
    for name, data in contents():
        path, new = folder / name, digest(name, data)
        if not path.exists() and not path.is_symlink():
            outcomes[name] = REMOVED if name in known else ADDED
            if name not in known:
                _write(path, data)
                digests[name] = new
            continue
        here = digest(name, path.read_bytes()) if path.is_file() else ""
        if here == new:
            outcomes[name] = SAME
            digests[name] = new
        elif here == known.get(name) and not path.is_symlink():
            _write(path, data)
            outcomes[name] = REFRESHED
            digests[name] = new
        else:
            outcomes[name] = EDITED if name in known else THERE
    gone = sorted(known.keys() - outcomes.keys())
    outcomes |= {name: DROPPED for name in gone if (folder / name).exists()}
    _mark(folder, digests)
    return Laid(outcomes, str(marker["version"]), version())


def contents() -> Iterator[tuple[str, bytes]]:
    """Names and bytes of everything that this version lays down."""
    for written, template in _WRITTEN.items():
        file = resources.files("engagement.init") / "files" / template
        yield written, file.read_bytes()
    for name in _ALONE:
        yield name, packaged(name).read_bytes()
    for start in _FOLDERS:
        root = packaged(start)
        if not root.is_dir():
            raise InitError(
                f"this installation has no {start}: install the wheel, or work in a checkout"
            )
        for path in sorted(root.rglob("*")):
            if path.is_file() and not set(_NOT_LAID) & set(path.parts):
                yield f"{start}/{path.relative_to(root).as_posix()}", path.read_bytes()


def digest(name: str, data: bytes) -> str:
    """What tells whether a file was edited: of notebooks the cells, not what they have put out."""
    if name.endswith(".ipynb"):
        try:
            cells = json.loads(data)["cells"]
            parts = [
                [cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", [])]
                for cell in cells
            ]
            data = json.dumps(parts).encode()
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # it is no notebook any more: its bytes tell
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Write a file of a repository in one step; it holds nothing private."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(data)
    draft.replace(path)


def _mark(folder: Path, digests: Mapping[str, str]) -> None:
    marker = {"version": version(), "files": dict(sorted(digests.items()))}
    _write(folder / MARKER, (json.dumps(marker, indent=1) + "\n").encode())


def _marker(folder: Path) -> dict[str, Any]:
    path = folder / MARKER
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found["files"], dict) and isinstance(found["version"], str):
            return dict(found)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise InitError(f"{path} cannot be read: take the one of your last commit")


def _summed(names: list[str]) -> list[str]:
    """Names as they are, and how many where a folder has many."""
    by_folder: dict[str, list[str]] = {}
    for name in names:
        start = next(
            (one for one in ("data/samples", "params/segments") if name.startswith(one)), ""
        )
        by_folder.setdefault(start, []).append(name)
    said = []
    for start, inner in sorted(by_folder.items()):
        if start and len(inner) > 1:
            said.append(f"{start}/ ({counted(len(inner), 'file')})")
        else:
            said += inner
    return said
