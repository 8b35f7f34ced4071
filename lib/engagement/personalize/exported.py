"""The files that 06 wrote, as the set-up takes them: data sets in parts, each with its schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engagement.aws.requests import People
from engagement.personalize.service import SetupError

TYPES: Mapping[str, str] = {
    "interactions": "INTERACTIONS",
    "items": "ITEMS",
    "users": "USERS",
    "actions": "ACTIONS",
    "action_interactions": "ACTION_INTERACTIONS",
}
"""Data sets by the names of their files, with the service's names; those there are."""


@dataclass(frozen=True)
class Part:
    """A file of a data set. ``rows`` leaves the header out."""

    path: Path
    rows: int
    bytes: int
    sha256: str

    def people(self) -> People:
        """What a plan says in the place of its rows."""
        return People(self.rows, self.path.name, self.sha256)


@dataclass(frozen=True)
class Exported:
    """A data set: its schema's text, and the files that hold its rows.

    FULL rows take the place of those imported before, INCREMENTAL ones come to them.
    """

    name: str
    schema: str
    parts: tuple[Part, ...]
    mode: Literal["FULL", "INCREMENTAL"] = "FULL"

    @property
    def type(self) -> str:
        """The service's name for this kind of data set."""
        return TYPES[self.name]

    @property
    def bytes(self) -> int:
        """Bytes of all its files."""
        return sum(part.bytes for part in self.parts)

    @property
    def rows(self) -> int:
        """Rows of all its files."""
        return sum(part.rows for part in self.parts)

    @property
    def digest(self) -> str:
        """What tells these rows from others."""
        text = "".join(part.sha256 for part in self.parts)
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:10]

    @property
    def schema_digest(self) -> str:
        """What tells this schema from others."""
        return hashlib.sha256(self.schema.encode("utf-8")).hexdigest()[:8]


def exported(folder: Path) -> list[Exported]:
    """What an export's folder holds: ``<name>.avsc`` with ``<name>.csv`` or ``<name>/*.csv``.

    Raises
    ------
    SetupError
        When there are no interactions.
    """
    found = []
    mode: Literal["FULL", "INCREMENTAL"] = (
        "INCREMENTAL" if _manifest(folder).get("mode") == "INCREMENTAL" else "FULL"
    )
    for name in TYPES:
        schema = folder / f"{name}.avsc"
        files = [folder / f"{name}.csv"] if (folder / f"{name}.csv").is_file() else []
        files = files or sorted((folder / name).glob("*.csv"))
        if schema.is_file() and files:
            parts = tuple(_part(path) for path in files)
            found.append(Exported(name, schema.read_text(encoding="utf-8"), parts, mode))
    if not found or found[0].name != "interactions":
        raise SetupError(
            f"{folder} holds no interactions: run 06 first ('engagement run'), or name another "
            "folder with --exports"
        )
    return found


def received_before(folder: Path) -> str:
    """The moment that all events of an export were received before; empty if it does not say.

    In UTC, as ``--since`` takes it.
    """
    return str(_manifest(folder).get("received_before") or "")[:19].replace(" ", "T")


def _manifest(folder: Path) -> dict[str, Any]:
    """What 06 says of an export in ``export.json``, where it is there."""
    path = folder / "export.json"
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise SetupError(f"{path} cannot be read: export the data sets again with 06") from None
    return document if isinstance(document, dict) else {}


def _part(path: Path) -> Part:
    digest, lines, size, last = hashlib.sha256(), 0, 0, b"\n"
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            lines += block.count(b"\n")
            size += len(block)
            last = block[-1:]
    return Part(path, max(lines + (last != b"\n") - 1, 0), size, digest.hexdigest())


def newest_exports(runs: Path) -> Path:
    """The newest export of any run.

    Raises
    ------
    SetupError
        When no run has one.
    """
    found = [path for path in runs.glob("*/exports/personalize") if path.is_dir()]
    if not found:
        raise SetupError(f"no run in {runs} has exported data sets: 'engagement run' makes them")
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path))
