"""The landed files as things that can be written again: here those on a disk.

Everything below the landing's location is there, also what readers pass over.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engagement import owner_only
from engagement.records.files import list_folder
from engagement.warehouse.errors import WarehouseError

_DRAFT = ".erasing-"


class ObjectUnreadableError(WarehouseError):
    """An object whose bytes cannot be had: the reason."""


@dataclass(frozen=True)
class Content:
    """An object's bytes; ``version`` tells whether it was written again since."""

    data: bytes
    version: Any


class LandedObjects(Protocol):
    """Objects by their names below the landing's location."""

    def names(self) -> Iterator[str]:
        """Names of all of them, sorted."""
        ...

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Names of all of them with their bytes; none where there is no such place."""
        ...

    def tidy(self) -> None:
        """Remove what a killed erasure was about to put in an object's place."""
        ...

    def read(self, name: str) -> Content:
        """Read one whole.

        Raises
        ------
        ObjectUnreadableError
            When it cannot be read.
        """
        ...

    def replace(self, name: str, old: Content, data: bytes) -> None:
        """Write one again, in one step, unless somebody else has done so since it was read.

        Raises
        ------
        WarehouseError
            When it was written since, or cannot be written.
        """
        ...

    def notes(self, name: str) -> str:
        """Say where else the bytes of an object may be; empty if nowhere is known."""
        ...


class FolderObjects:
    """Files below a folder: written beside and renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> Iterator[str]:
        """Names of all objects, but for drafts."""
        for name, _ in self.sizes():
            yield name

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Names of all objects, but for drafts, with their bytes."""
        if self._folder.is_dir():
            for name, size, _ in list_folder(self._folder):
                if not Path(name).name.startswith(_DRAFT):
                    yield name, size

    def tidy(self) -> None:
        """Remove drafts that a killed erasure left."""
        if not self._folder.is_dir():
            return
        for name, _, _ in list_folder(self._folder):
            if Path(name).name.startswith(_DRAFT):
                (self._folder / name).unlink(missing_ok=True)

    def read(self, name: str) -> Content:
        """Read one whole."""
        try:
            path = (self._folder / name).resolve()
            before = path.stat()
            return Content(path.read_bytes(), (before.st_mtime_ns, before.st_size))
        except OSError as error:
            raise ObjectUnreadableError(error.strerror or type(error).__name__) from None

    def replace(self, name: str, old: Content, data: bytes) -> None:
        """Write one again, in one step."""
        # Where a link leads, so that the bytes go there too.
        path = (self._folder / name).resolve()
        draft = path.with_name(_DRAFT + path.name)
        try:
            with owner_only.opened(draft, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            shutil.copymode(path, draft)
            now = path.stat()
            if (now.st_mtime_ns, now.st_size) != old.version:
                raise WarehouseError(f"{name} was written meanwhile: run the erasure again")
            draft.replace(path)
        except OSError as error:
            raise WarehouseError(f"{name} cannot be written again: {error.strerror}") from None
        finally:
            draft.unlink(missing_ok=True)

    def notes(self, name: str) -> str:
        """Say where else its bytes may be."""
        links = (self._folder / name).stat().st_nlink
        return f"has {links - 1} other names outside, which hold it as it was" if links > 1 else ""


class SeveralPlaces:
    """Objects of several places, the names of those of all but the first with a prefix each."""

    def __init__(self, places: Mapping[str, LandedObjects]) -> None:
        self._places = dict(places)

    def names(self) -> Iterator[str]:
        """Names of all objects."""
        for name, _ in self.sizes():
            yield name

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Names of all objects with their bytes."""
        for prefix, place in self._places.items():
            for name, size in place.sizes():
                yield prefix + name, size

    def tidy(self) -> None:
        """Remove what a killed erasure was about to put in an object's place."""
        for place in self._places.values():
            place.tidy()

    def read(self, name: str) -> Content:
        """Read one whole."""
        place, own = self._place(name)
        return place.read(own)

    def replace(self, name: str, old: Content, data: bytes) -> None:
        """Write one again, in one step."""
        place, own = self._place(name)
        place.replace(own, old, data)

    def notes(self, name: str) -> str:
        """Say where else its bytes may be."""
        place, own = self._place(name)
        return place.notes(own)

    def _place(self, name: str) -> tuple[LandedObjects, str]:
        prefix = max((p for p in self._places if name.startswith(p)), key=len)
        return self._places[prefix], name[len(prefix) :]
