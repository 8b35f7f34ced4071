"""A segment against what there is: features, events, their properties and types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sqlglot import exp

from engagement.audience.comparisons import kind_of, mistakes
from engagement.audience.conditions import (
    CUSTOMERS,
    NUMBER,
    TEXT,
    condition,
    mistyped,
    no_column,
    not_portable,
)
from engagement.audience.errors import AudienceError
from engagement.audience.happenings import Known, concepts, properties, property_column
from engagement.audience.rules import Comparison, Did, Happening
from engagement.flatten.names import table_name
from engagement.messages import nearest

if TYPE_CHECKING:
    from engagement.audience.segments import Segment


def checked(segment: Segment, columns: Mapping[str, str] | Known) -> None:
    """Check a segment against what there is.

    Its columns are there, and compared with their like; the events and properties of its rule are
    those of the registry or of the tracking plan.

    Parameters
    ----------
    columns
        What rules may name; or, for a segment with ``where`` alone, the table's columns.

    Raises
    ------
    AudienceError
        With every mistake.
    """
    known = columns if isinstance(columns, Known) else Known(columns)
    problems = [*_of_columns(segment, known.features)]
    if segment.who is not None:
        for path, part in segment.who.walk("who"):
            if part.feature is not None:
                problems += _of_feature(f"{path}.feature", part.feature.name, part.feature, known)
            for key, happening in part.happenings(path):
                problems += _of_happening(key, happening, known)
    if problems:
        raise AudienceError(f"the segment {segment.name}", problems)
    for other in segment.others.values():
        checked(other, known)


def _of_columns(segment: Segment, columns: Mapping[str, str]) -> list[str]:
    tree = condition(segment.where) if segment.where is not None else None
    problems: list[str] = []
    if tree is not None:
        used = {node.name.lower() for node in tree.find_all(exp.Column)}
        there = {name.lower() for name in columns}
        problems += [f"where: {no_column(name, columns)}" for name in sorted(used - there)]
    for key in ("attributes", "lists", "metrics"):
        named = getattr(segment, key)
        problems += [f"{key}: {no_column(n, columns)}" for n in named if n not in columns]
    for key, wanted in (("lists", TEXT), ("metrics", NUMBER)):
        problems += [
            f"{key}: {name} is {columns[name]}, not {wanted}"
            for name in getattr(segment, key)
            if name in columns and kind_of(columns[name]) != wanted
        ]
    if tree is not None and not problems:
        problems += [f"where: {problem}" for problem in mistyped(tree, columns)]
    if tree is not None and not problems:
        problems += [f"where: {problem}" for problem in not_portable(tree, columns)]
    return problems


def _of_feature(key: str, name: str, comparison: Comparison, known: Known) -> Iterator[str]:
    if name not in known.features:
        yield f"{key}: {no_column(name, known.features)}"
        return
    for problem in mistakes(comparison, name, known.features[name]):
        yield f"{key}: {problem}"


def _of_happening(key: str, happening: Happening, known: Known) -> Iterator[str]:
    found = properties(happening, known)
    if found is None:
        yield _no_such(key, happening, known)
        return
    for place, test in enumerate(happening.where):
        name = property_column(happening, test.property)
        if name in found:
            for problem in mistakes(test, test.property, found[name]):
                yield f"{key}.where.{place}: {problem}"
        else:
            yield f"{key}.where.{place}: {_no_property(happening, test.property, found)}"
    if isinstance(happening, Did) and happening.sum is not None:
        name = property_column(happening, happening.sum.of)
        if name not in found:
            yield f"{key}.sum: {_no_property(happening, happening.sum.of, found)}"
        elif kind_of(found[name]) != NUMBER:
            yield f"{key}.sum: {happening.sum.of} is {found[name]}, not {NUMBER}"


def _no_such(key: str, happening: Happening, known: Known) -> str:
    if happening.concept is not None:
        return (
            f"{key}.concept: there is no concept '{happening.concept}'"
            f"{nearest(happening.concept, concepts())}"
        )
    event = happening.event or ""
    near = nearest(table_name(event), known.events)
    for table, name in known.events.items():
        near = near.replace(f"'{table}'", f"'{name}'")
    return (
        f"{key}.event: no event named '{event}' was received, and the tracking plan has none{near}"
    )


def _no_property(happening: Happening, name: str, found: Mapping[str, str]) -> str:
    near = nearest(property_column(happening, name) or name, found)
    return f"{happening.what} has no property '{name}'{near}"


__all__ = ["CUSTOMERS", "checked"]
