"""Two warehouses, table by table: the same names, columns and types, and the same rows.

The one place that says what "the same" is: values are equal exactly, doubles to a billionth of
their size, and rows are compared as a multiset, since a table has no order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from engagement.landing.tables import READ_LOSSILY
from engagement.sql.dialect import LOGICAL
from engagement.warehouse import Table, Warehouse
from engagement.warehouse.costs import ABOUT_RUNS

R = TypeVar("R")

TOLERANCE = 1e-9
_SHOWN_ROWS = 3
# What tells rows apart comes first: an event's copies of other dates have its id, not its times.
_PLAIN = ("datetime64[ms]", "str", "Int64", "boolean")
_SORTED_BY = 12


@dataclass(frozen=True)
class Difference:
    """A table that is not the same in both warehouses, and how it differs."""

    table: Table
    what: str

    def __str__(self) -> str:
        return f"{self.table}: {self.what}"


@dataclass(frozen=True)
class Contents:
    """What the tables of a warehouse hold: each one's columns with their types, and its rows."""

    where: str
    tables: Mapping[Table, tuple[dict[str, str], pd.DataFrame]]


def contents(
    warehouse: Warehouse,
    *,
    databases: Sequence[str] = LOGICAL,
    without: Collection[Table] = ABOUT_RUNS | READ_LOSSILY,
) -> Contents:
    """Read every table of some logical databases, except those ``without``.

    Left out unless asked for: what is about runs themselves, and what is read lossily.
    """
    found = _of_each(warehouse, databases, without, lambda table, columns, rows: (columns, rows))
    return Contents(warehouse.describe(), found)


def differences(
    one: Warehouse | Contents,
    other: Warehouse | Contents,
    *,
    databases: Sequence[str] = LOGICAL,
    without: Collection[Table] = ABOUT_RUNS | READ_LOSSILY,
) -> list[Difference]:
    """Compare every table of two warehouses, or of what was read of them: see `contents`.

    While a table of the other warehouse is compared, further ones are read.
    """
    left = one if isinstance(one, Contents) else contents(one, databases=databases, without=without)

    def compared(table: Table, theirs: dict[str, str], rows: pd.DataFrame) -> str | None:
        if table not in left.tables:
            return None
        ours, our_rows = left.tables[table]
        return _columns(ours, theirs) if ours != theirs else frames(our_rows, rows)

    if isinstance(other, Contents):
        where, found = other.where, {t: compared(t, *other.tables[t]) for t in other.tables}
    else:
        where, found = other.describe(), _of_each(other, databases, without, compared)
    alone = [
        Difference(table, f"only on {left.where if table in left.tables else where}")
        for table in sorted(left.tables.keys() ^ found.keys())
    ]
    return alone + [Difference(table, what) for table, what in sorted(found.items()) if what]


def _of_each(
    warehouse: Warehouse,
    databases: Sequence[str],
    without: Collection[Table],
    function: Callable[[Table, dict[str, str], pd.DataFrame], R],
) -> dict[Table, R]:
    """What a function gives for the columns and rows of each table, several at once."""
    with warehouse.session() as session:

        def read(_: int, table: Table) -> R:
            rows = session.query(f'select * from {table.database}."{table.name}"')
            return function(table, session.columns(table), rows)

        there = [Table(base, name) for base in databases for name in session.tables(base)]
        chosen = [table for table in there if table not in without]
        return dict(zip(chosen, session.map(read, chosen), strict=True))


def frames(left: pd.DataFrame, right: pd.DataFrame) -> str | None:
    """How two frames differ; ``None`` where they are the same, in whatever order."""
    if list(left.columns) != list(right.columns):
        return _columns(dict.fromkeys(left.columns, ""), dict.fromkeys(right.columns, ""))
    kinds = [
        f"{name} is {a} and {b}"
        for name, a, b in zip(left.columns, left.dtypes, right.dtypes, strict=True)
        if a != b
    ]
    if kinds:
        return "types of frames differ: " + "; ".join(kinds)
    if len(left) == len(right) and _same_when_sorted(left, right):
        return None
    ours, theirs = _sorted(left), _sorted(right)
    if len(ours) == len(theirs) and all(map(_same, ours, theirs)):
        return None
    return _rows(list(left.columns), ours, theirs)


def _same_when_sorted(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    """Whether some plain columns bring both into one order, in which every value is the same.

    If so, the frames are the same, and it is found out column by column. If not, the rows have to
    be looked at: the order may just not be clear.
    """
    kinds = {name: str(kind) for name, kind in left.dtypes.items() if str(kind) in _PLAIN}
    plain = sorted(kinds, key=lambda name: _PLAIN.index(kinds[name]))[:_SORTED_BY]
    if not plain or left.columns.has_duplicates:
        return False
    ours, theirs = (
        frame.sort_values(plain, kind="stable", ignore_index=True) for frame in (left, right)
    )
    for name in left.columns:
        if left[name].dtype == np.float64:
            if not _close(ours[name].to_numpy(), theirs[name].to_numpy()):
                return False
        elif not ours[name].equals(theirs[name]):
            return False
    return True


def _close(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether doubles are the same as :func:`_equal` says, all of them."""
    with np.errstate(invalid="ignore"):
        size = np.maximum(1.0, np.maximum(np.abs(left), np.abs(right)))
        near = np.isfinite(size) & (np.abs(left - right) <= TOLERANCE * size)
    return bool((near | (left == right) | (np.isnan(left) & np.isnan(right))).all())


def _columns(left: dict[str, str], right: dict[str, str]) -> str:
    parts = [f"{name} only on the first" for name in left if name not in right]
    parts += [f"{name} only on the second" for name in right if name not in left]
    parts += [
        f"{name} is {kind} and {right[name]}"
        for name, kind in left.items()
        if name in right and right[name] != kind
    ]
    if not parts:
        parts = [f"their order: {list(left)} and {list(right)}"]
    return "columns differ: " + "; ".join(parts)


def _sorted(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    rows = [
        tuple(_plain(value) for value in row) for row in frame.itertuples(index=False, name=None)
    ]
    return sorted(rows, key=_order)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_plain(item) for item in value)
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _order(row: tuple[Any, ...]) -> tuple[str, ...]:
    # Doubles that are the same to a billionth should sort alike.
    return tuple(f"{value:.6g}" if isinstance(value, float) else repr(value) for value in row)


def _same(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    return all(map(_equal, left, right))


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(left == right)


def _rows(names: list[str], ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]]) -> str:
    lines = []
    if len(ours) != len(theirs):
        lines.append(f"{len(ours)} rows and {len(theirs)}")
    differing: dict[str, int] = {}
    for left, right in zip(ours, theirs, strict=False):
        for name, a, b in zip(names, left, right, strict=True):
            if not _equal(a, b):
                differing[name] = differing.get(name, 0) + 1
    lines.append(
        "differing cells by column: "
        + ", ".join(f"{name} {count}" for name, count in sorted(differing.items()))
    )
    shown = 0
    for left, right in zip(ours, theirs, strict=False):
        cells = [
            f"{name}: {a!r} and {b!r}"
            for name, a, b in zip(names, left, right, strict=True)
            if not _equal(a, b)
        ]
        if cells:
            key = ", ".join(f"{n}={v!r}" for n, v in list(zip(names, left, strict=True))[:2])
            lines.append(f"row {key}: {'; '.join(cells[:6])}")
            shown += 1
            if shown == _SHOWN_ROWS:
                break
    return "\n    ".join(lines)
