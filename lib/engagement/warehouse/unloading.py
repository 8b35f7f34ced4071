"""What only an engine does that can write a query's rows to S3 by itself.

An export that would pass through this machine row by row asks whether the session is one of these
(:class:`Unloads`), and lets the engine write the files where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from engagement.warehouse.protocol import Select


@dataclass(frozen=True)
class UnloadedFile:
    """A file in S3, with its rows and bytes."""

    url: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Unloaded:
    """What was written: the folder, its files, and the rows of all of them."""

    folder: str
    files: tuple[UnloadedFile, ...]
    rows: int


@runtime_checkable
class Unloads(Protocol):
    """A session that can write a query's rows to S3 by itself."""

    def can_unload(self) -> bool:
        """Whether the parameters say where to, and as which role."""
        ...

    def unload(
        self,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        name: str,
        kind: Literal["csv", "parquet"] = "csv",
        label: str,
    ) -> Unloaded:
        """Write a query's rows to the folder ``name`` of the staging location.

        What was in the folder is replaced. The manifest is read back: what it says was written is
        what the statement wrote.

        Raises
        ------
        WarehouseError
            When nothing says where to, the engine refuses, or the manifest contradicts it.
        """
        ...
