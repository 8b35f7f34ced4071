"""What a session on DuckDB works on: a file, a landing, and how much memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engagement.settings import DuckDB, Settings
from engagement.warehouse.duckdb.memory import memory_limit

_BATCH_BYTES = 780_000_000
"""Bytes of files that are read at once: more would not make reading faster."""

_READING = 3.0
"""Bytes that Python takes for each of these, for the text and where its values are."""


@dataclass(frozen=True)
class Place:
    """The warehouse's file, the landing's folder, and what a process may take of the machine.

    ``databases`` are the physical names of the logical ones; ``memory_bytes`` is what a run may
    use, of which reading the landing takes ``reading_bytes`` in Python for ``batch_bytes`` of
    files. No file of more than ``most_file_megabytes`` is read.
    """

    path: Path
    landing: Path
    databases: Mapping[str, str]
    settings: DuckDB
    memory_bytes: int
    batch_bytes: int
    most_file_megabytes: int

    @property
    def reading_bytes(self) -> int:
        """What reading takes in Python at most."""
        return int(_READING * self.batch_bytes)

    @classmethod
    def of(cls, settings: Settings) -> Place:
        """What the parameters say."""
        memory = memory_limit(settings)
        return cls(
            settings.path(settings.warehouse.duckdb.path),
            settings.path(settings.landing.location),
            settings.warehouse.databases.model_dump(),
            settings.warehouse.duckdb,
            memory,
            min(_BATCH_BYTES, int(memory / 2 / _READING)),
            settings.landing.most_file_megabytes,
        )
