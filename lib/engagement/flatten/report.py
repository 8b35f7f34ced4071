"""What a run of flattening leaves, for whoever reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from engagement.flatten import discards
from engagement.flatten.names import FIXED_TABLES
from engagement.flatten.schema import Unnamed
from engagement.flatten.tables import EventTable
from engagement.flatten.users import USERS
from engagement.messages import counted
from engagement.privacy import shown
from engagement.sql.dialect import Table
from engagement.warehouse.protocol import Session

FILES = Table("landing", "files")

MOST_COLUMNS = 200
"""A table with more columns than this is reported: some key may hold what is no name."""


@dataclass(frozen=True)
class FlatTable:
    """A table of events: how many rows, and its columns with their types."""

    table: Table
    rows: int
    columns: dict[str, str]


@dataclass(frozen=True)
class Unreadable:
    """A file of the landing that could not be read, and why."""

    file: str
    error: str


@dataclass(frozen=True)
class FlattenReport:
    """What the tables of events hold after flattening.

    ``tables`` are the per-event tables in order of name; ``unreadable`` the files that could not
    be read and why; ``unnamed`` the paths that have no column; ``discards`` the values that did
    not fit a declared column; ``dropped`` tables of earlier runs that no event asks for any more;
    ``days_read`` the dates whose files were read this time, of ``bytes_read`` as they lie in the
    landing; ``bytes_scanned`` what the engine says of that, where it tells; ``words`` what to say
    where there is no landing.
    """

    tables: tuple[FlatTable, ...]
    unreadable: tuple[Unreadable, ...]
    unnamed: tuple[Unnamed, ...]
    discards: int
    dropped: tuple[str, ...] = field(default=())
    days_read: tuple[str, ...] = field(default=())
    bytes_read: int = 0
    bytes_scanned: int | None = None
    words: str = ""

    def reading(self) -> str:
        """Say in a sentence what was read of the landing."""
        if self.words:
            return self.words
        if not self.days_read:
            return "No landed file had to be read."
        said = (
            f"The files of {counted(len(self.days_read), 'date')} were read, each once: "
            f"{self.bytes_read / 1e6:,.1f} MB as they lie there."
        )
        if self.bytes_scanned is not None:
            said += (
                f" The engine counted {self.bytes_scanned / 1e6:,.1f} MB of raw data that it "
                "scanned for that, however many kinds of events there are."
            )
        return said

    def frame(self) -> pd.DataFrame:
        """One row per table: rows and number of columns, most rows first."""
        rows = [(str(t.table), t.rows, len(t.columns)) for t in self.tables]
        frame = pd.DataFrame(rows, columns=["table", "rows", "columns"])
        return frame.sort_values(["rows", "table"], ascending=[False, True], ignore_index=True)

    def unnamed_frame(self) -> pd.DataFrame:
        """One row per path without a column: table, path, why."""
        return shown(
            pd.DataFrame(
                [(u.table, ".".join(u.path), u.reason) for u in self.unnamed],
                columns=["table", "path", "why"],
            )
        )

    def wide(self) -> list[str]:
        """Names of the tables with more than :data:`MOST_COLUMNS` columns."""
        return [str(t.table) for t in self.tables if len(t.columns) > MOST_COLUMNS]

    def largest(self) -> str:
        """Name of the table of an event name that has most rows; of all tracks if there is none."""
        named = [t for t in self.tables if t.table.name not in FIXED_TABLES]
        chosen = max(named, key=lambda t: (t.rows, t.table.name), default=None)
        return str(chosen.table) if chosen else "events.tracks"


def report(
    session: Session,
    wanted: Sequence[EventTable],
    days_read: Sequence[str],
    dropped: Sequence[str],
) -> FlattenReport:
    """Count what the tables of events hold now."""
    counts = session.query(
        f"select (select count(*) from {USERS}) as users, "
        f"(select count(*) from {discards.DISCARDS}) as discards",
        label="users and discards",
    ).iloc[0]
    files = session.fetch(FILES, ["file", "error"], label="unreadable files")
    unreadable = files[files["error"].notna()].sort_values("file")
    flat = [FlatTable(table.table, table.rows, table.definition) for table in wanted]
    columns = session.columns(USERS)
    flat.append(FlatTable(USERS, int(counts["users"]), columns))
    unnamed = [one for table in wanted for one in table.unnamed]
    return FlattenReport(
        tables=tuple(sorted(flat, key=lambda one: one.table)),
        unreadable=tuple(Unreadable(*row) for row in unreadable.itertuples(index=False)),
        unnamed=tuple(sorted(unnamed, key=lambda one: (one.table, one.path))),
        discards=int(counts["discards"]),
        dropped=tuple(dropped),
        days_read=tuple(days_read),
    )
