"""Tables of events with more columns than a statement can name.

Keys that are ids, or that people type, have no end: a thousand events may have ten thousand of
them, and a column for each makes statements that Athena refuses, in this run and all that follow.
"""

from __future__ import annotations

from collections.abc import Sequence

from engagement.flatten.fields import Registered
from engagement.flatten.schema import Column

REASON = "more columns than a statement can name: those given most often have one"
"""Why a path has no column where keys are ids, or somebody's texts, and there is no end of them."""

MOST_TEXT = 190_000
"""Bytes of SQL that the columns of a table may take: Athena takes statements of 262,144 bytes, and
the rest is for what stands around them. Every engine keeps to it, so that tables are the same.
"""


def that_fit(
    typed: list[tuple[Column, str]], known: Sequence[Registered]
) -> tuple[list[tuple[Column, str]], list[Column]]:
    """Columns that one statement can name, and those that are left over.

    Declared ones go first, then those that events give most often, by powers of two, so that the
    choice changes seldom; of these, those seen first.
    """
    weights = [_text_of(column) for column, _ in typed]
    if sum(weights) <= MOST_TEXT:
        return typed, []

    def rank(place: int) -> tuple[bool, int, str, str]:
        column, _ = typed[place]
        given = sum(source.given(one.given) for one in known for source in column.sources)
        seen = [
            one.first_seen[source.path]
            for one in known
            for source in column.sources
            if source.path in one.first_seen
        ]
        return (column.declared is None, -given.bit_length(), min(seen, default=""), column.name)

    room, chosen = MOST_TEXT, set()
    for place in sorted(range(len(typed)), key=rank):
        if weights[place] <= room:
            room -= weights[place]
            chosen.add(place)
    fitting = [one for place, one in enumerate(typed) if place in chosen]
    return fitting, [column for place, (column, _) in enumerate(typed) if place not in chosen]


def _text_of(column: Column) -> int:
    """About how many bytes of Athena's SQL read a column, at most; counted for names and values of
    all kinds, see ``tests/flatten/test_crowded.py``.
    """
    name = len(column.name.encode())
    kinds = {kind for source in column.sources for kind in source.kinds}
    is_nested = column.is_list or not kinds.isdisjoint(("array", "object"))
    each = sum(sum(len(key.encode()) + 4 for key in source.path) for source in column.sources)
    if is_nested or len(column.sources) > 1:
        return len(column.sources) * (400 + 11 * name) + 4 * each
    return (60 + 3 * name + each) if len(kinds) < 2 else (100 + 5 * name + each)
