"""Which tables a notebook looks at: each is noted by name the first time it is named to an engine.

A run names a file (``ENGAGEMENT_READS``); every warehouse that a process opens then notes there
what its sessions are asked about: tables in queries, tables whose columns or versions are asked
for, and lists of tables. Whoever wants to know whether a notebook would find the same again looks
at these (:mod:`engagement.runs.reuse`). What is read and what is written is not told apart: a table
too many costs an execution, one too few would show old figures.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, cast

from sqlglot import exp

from engagement import owner_only
from engagement.project import PACKAGE
from engagement.sql.dialect import LOGICAL, Table, parse, tables
from engagement.warehouse.protocol import Warehouse

VARIABLE = "ENGAGEMENT_READS"

EVERY_NAME = "*"
"""Stands for the names of all tables of a database."""

_QUERIES = {"query": 0, "work": 1, "view": 1, "publish": 1, "publish_rows": 1}
"""Which argument of a session's method is a query, and may be a text."""


class Reads:
    """What one process has looked at so far; each name is written down once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[str] = set()
        self.note(process())

    def note(self, *names: str) -> None:
        """Write down what was not yet."""
        fresh = [name for name in dict.fromkeys(names) if name not in self._known]
        if not fresh:
            return
        self._known.update(fresh)
        owner_only.folder(self._path.parent)
        with owner_only.opened(self._path, "a", encoding="utf-8") as file:
            file.write("".join(f"{name!r}\n" for name in fresh))

    def note_tables(self, found: set[Table]) -> None:
        """Write tables down, without those that one session alone can see."""
        self.note(*sorted(str(one) for one in found if one.database in LOGICAL))


def process() -> str:
    """Say which Python and which code a process is."""
    return f"process {sys.prefix} {PACKAGE}"


def note(name: str) -> None:
    """Note that something else than a table was looked at, in a process whose reads are noted."""
    path = os.environ.get(VARIABLE)
    if path:
        Reads(Path(path)).note(name)


def read_back(path: Path) -> set[str]:
    """What was noted in a file; empty where there is none."""
    if not path.exists():
        return set()
    return {str(ast.literal_eval(line)) for line in path.read_text("utf-8").splitlines()}


def noted(warehouse: Warehouse) -> Warehouse:
    """The warehouse, noting what it is asked about where a run wants that."""
    path = os.environ.get(VARIABLE)
    return cast("Warehouse", _Noting(warehouse, Reads(Path(path)))) if path else warehouse


class _Noting:
    """Stands before a warehouse: same methods, and notes."""

    def __init__(self, warehouse: Warehouse, reads: Reads) -> None:
        self._warehouse = warehouse
        self._reads = reads

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[Any]:
        """See :class:`~engagement.warehouse.protocol.Warehouse`."""
        with self._warehouse.session(write=write) as session:
            yield _NotingSession(session, self._reads)

    def query(self, select: Any, parameters: Mapping[str, Any] | None = None) -> Any:
        """See :class:`~engagement.warehouse.protocol.Warehouse`."""
        tree = parse(select) if isinstance(select, str) else select
        self._reads.note_tables(tables(tree))
        return self._warehouse.query(tree, parameters)


class _NotingSession:
    """Stands before a session: whatever is named in a call is noted."""

    def __init__(self, session: Any, reads: Reads) -> None:
        self._session = session
        self._reads = reads

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._session, name)
        return self._noting(name, found) if callable(found) else found

    def tables(self, database: str) -> list[str]:
        """See :class:`~engagement.warehouse.protocol.Session`."""
        self._reads.note(str(Table(database, EVERY_NAME)))
        names: list[str] = self._session.tables(database)
        return names

    def _noting(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        place = _QUERIES.get(name)

        @wraps(method)
        def call(*args: Any, **named: Any) -> Any:
            given = [self._seen(value, at == place) for at, value in enumerate(args)]
            by_name = {
                key: self._seen(value, place is not None and key in ("select", "among"))
                for key, value in named.items()
            }
            return method(*given, **by_name)

        return call

    def _seen(self, value: Any, is_query: bool) -> Any:
        """Note what a value names; a query that is a text comes back as a tree, read only once."""
        if is_query and isinstance(value, str):
            value = parse(value)
        if isinstance(value, Table):
            self._reads.note_tables({value})
        elif isinstance(value, exp.Expr):
            self._reads.note_tables(tables(value))
        return value
