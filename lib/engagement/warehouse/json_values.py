"""Values in JSON texts: what is asked for, and what was found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from engagement.sql.conversions import READ_THROUGH, as_text

KINDS = ("integer", "double", "boolean", "string", "array", "object")
"""Kinds of JSON values."""


@dataclass(frozen=True)
class JsonColumn:
    """A value to take out of a JSON text.

    ``kind`` is one of: ``string`` (the text of a string; other scalars as JSON prints them),
    ``integer`` (decimal(38,0)), ``double``, ``boolean``, ``json`` (the value's JSON text; NULL
    where it is absent or null), ``text`` (what a column of texts gets of it), ``bigint`` (an
    integer, where there are no others), ``timestamp(3)`` (the time that a string says, where there
    are strings alone), ``list`` and ``unlisted`` (what is a list of objects, and what is none: see
    :mod:`engagement.sql.conversions`), ``place`` (a text that says where the value stands in its
    record: the later one of two has the greater, if their paths share the first ``since`` keys; of
    a key given twice it is the first place) and what
    :func:`~engagement.sql.conversions.fitted_to` gives. ``only`` are the kinds of the values that
    stand there, where that is known: an engine may then read them more simply.
    """

    path: tuple[str, ...]
    kind: str
    only: frozenset[str] = frozenset(KINDS)
    since: int = 0

    def opened(self) -> list[tuple[str, ...]]:
        """Paths of the objects whose keys say where the value stands, if that is what is wanted."""
        depths = range(self.since, len(self.path)) if self.kind == "place" else ()
        return [self.path[:depth] for depth in depths]

    def through(self) -> tuple[JsonColumn, str]:
        """How it is read, and SQL over that, as ``leaf``, which makes of it what is wanted."""
        if self.kind == "text":
            kind, sql = as_text(self.only)
        else:
            kind, sql = READ_THROUGH.get(self.kind, (self.kind, "leaf"))
        return replace(self, kind=kind), sql


@dataclass(frozen=True)
class JsonValues:
    """What a look at the values of one path has found.

    ``fractions`` are numbers that are no integers, ``texts`` strings that are not empty, of which
    ``timestamps`` read as such; ``lists`` arrays that are neither ``[]`` nor ``[""]``.
    ``largest_integer`` is the size of the largest integer, or of the largest number that has no
    fraction, and at most :data:`LARGEST`.
    """

    fractions: int = 0
    texts: int = 0
    timestamps: int = 0
    lists: int = 0
    largest_integer: int = 0


LARGEST = 2**63
"""Integers from here on are not told apart: none of them is a bigint."""


FIELD_COUNTS = ("integers", "doubles", "booleans", "strings", "arrays", "objects")
FIELD_LOOKS = ("fractions", "texts", "timestamps", "lists", "largest_integer")
"""Columns of a table of fields."""


@dataclass(frozen=True)
class JsonField:
    """The values of one path in the JSON texts of one group, counted by kind.

    ``objects`` are empty ones: the paths of others lead on. NULLs are not counted. ``values`` is
    there if they were looked into.
    """

    group: tuple[Any, ...]
    path: tuple[str, ...]
    integers: int = 0
    doubles: int = 0
    booleans: int = 0
    strings: int = 0
    arrays: int = 0
    objects: int = 0
    values: JsonValues | None = None


def path_text(path: tuple[str, ...]) -> str:
    """A path as it stands in tables: a JSON array of keys."""
    return json.dumps(path, ensure_ascii=False, separators=(",", ":"))


def fields_table(fields: Sequence[JsonField], groups: Sequence[str]) -> pa.Table:
    """Fields as the table that :meth:`.reading.LandedRecords.json_fields` gives."""
    columns: dict[str, pa.Array] = {
        name: pa.array([one.group[place] for one in fields]) for place, name in enumerate(groups)
    }
    columns["path"] = pa.array([path_text(one.path) for one in fields], pa.string())
    for name in FIELD_COUNTS:
        columns[name] = pa.array([getattr(one, name) for one in fields], pa.int64())
    for name in FIELD_LOOKS:
        looks = [one.values and getattr(one.values, name) for one in fields]
        columns[name] = pa.array(looks, pa.uint64())
    return pa.table(columns)
