"""What only an engine does that can write a query's rows to S3 by itself.

A large export is read in pages: each is a query, and each passes through a connection, or through
an API that gives some thousand rows at a time. Where a session can (:class:`Unloads`), the engine
writes all the rows to S3 in one statement instead, in their order, and they are read from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import pandas as pd

from engagement.warehouse.protocol import Select, Session


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
        in_order: bool = False,
        label: str,
    ) -> Unloaded:
        """Write a query's rows to the folder ``name`` of the staging location.

        What was in the folder is replaced. The manifest is read back: what it says was written is
        what the statement wrote. ``in_order`` keeps the order of the query, from file to file.

        Raises
        ------
        WarehouseError
            When nothing says where to, the engine refuses, or the manifest contradicts it.
        """
        ...

    def unloaded_pages(
        self,
        select: Select,
        parameters: Mapping[str, Any] | None = None,
        *,
        rows: int,
        label: str,
    ) -> Iterator[pd.DataFrame]:
        """A query's rows in its order, so many at a time, by way of a folder that is emptied."""
        ...


def unloading(session: Session) -> Unloads | None:
    """The session, if it can write to S3 by itself and knows where to."""
    return session if isinstance(session, Unloads) and session.can_unload() else None
