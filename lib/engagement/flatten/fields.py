"""The registry of what events hold: every property, by event and date, with its kinds of values.

``landing.event_names`` counts events by type and name, ``landing.event_fields`` the values of each
path in them, both per received date. A table's columns and their types are a function of the sum
over all dates: so they do not depend on the order of arrival, and a date can be replaced.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa

from engagement.flatten.names import table_name
from engagement.flatten.schema import (
    FLATTENED,
    PARTITION,
    Path,
    Source,
    Values,
    is_flattened,
    is_looked_into,
)
from engagement.sql.conversions import BIGINT, VARCHAR
from engagement.sql.dialect import Table
from engagement.warehouse.json_values import FIELD_COUNTS, FIELD_LOOKS
from engagement.warehouse.protocol import Session
from engagement.warehouse.reading import LandedRecords

NAMES = Table("landing", "event_names")
FIELDS = Table("landing", "event_fields")

TYPE_TABLES = {
    "identify": "identifies",
    "page": "pages",
    "screen": "screens",
    "group": "groups",
    "alias": "aliases",
}

_KINDS = ("integer", "double", "boolean", "string", "array", "object")
_LARGEST = "decimal(38,0)"

NAME_COLUMNS = {"type": VARCHAR, "event": VARCHAR, "events": BIGINT, PARTITION: VARCHAR}
FIELD_COLUMNS = {
    "type": VARCHAR,
    "event": VARCHAR,
    "path": VARCHAR,
    **dict.fromkeys(FIELD_COUNTS, BIGINT),
    **dict.fromkeys(FIELD_LOOKS, BIGINT),
    "largest_integer": _LARGEST,
    PARTITION: VARCHAR,
}
"""Columns of the registry. Counts are of values that are not null; those of a look are NULL where
no type hangs on the values."""

Plans = Mapping[str, Mapping[str, str]]


def table_of(kind: str, event: str) -> str:
    """Name of the table of an event's own; empty where its name gives none."""
    return TYPE_TABLES[kind] if kind in TYPE_TABLES else table_name(event)


def is_decisive(kind: str, event: str, path: Path, plans: Plans) -> bool:
    """Whether the type of a column hangs on the values of a path."""
    if is_looked_into(kind, path, plans.get(table_of(kind, event), {})):
        return True
    return kind == "track" and is_looked_into("tracks", path, plans.get("tracks", {}))


def count_fields(records: LandedRecords, kept: Table, plans: Plans) -> pa.Table:
    """Count the fields of kept records: rows of :data:`FIELD_COLUMNS`."""

    @cache
    def decides(kind: str, event: str, path: Path) -> bool:
        return is_decisive(kind, event, path, plans)

    found = records.json_fields(
        kept,
        "record",
        [PARTITION, "type", "event"],
        lambda group, path: decides(group[1], group[2], path),
        FLATTENED,
    )
    columns = {VARCHAR: pa.string(), BIGINT: pa.int64(), _LARGEST: pa.decimal128(38, 0)}
    schema = pa.schema([(name, columns[kind]) for name, kind in FIELD_COLUMNS.items()])
    return found.filter(_becomes_columns(found)).select(schema.names).cast(schema)


def _becomes_columns(found: pa.Table) -> pa.Array:
    """Of each field, whether it is in a part of the record that becomes columns."""
    kinds = found.column("type").combine_chunks().dictionary_encode()
    paths = found.column("path").combine_chunks().dictionary_encode()
    parsed = [tuple(json.loads(path)) for path in paths.dictionary.to_pylist()]
    told = np.array(
        [[is_flattened(kind, path) for path in parsed] for kind in kinds.dictionary.to_pylist()],
        np.bool_,
    ).reshape(len(kinds.dictionary), len(parsed))
    return pa.array(told[kinds.indices.to_numpy(), paths.indices.to_numpy()])


@dataclass(frozen=True)
class Registered:
    """What is known of one event type and name over all dates."""

    kind: str
    event: str
    events: int
    days: frozenset[str]
    sources: tuple[Source, ...]
    given: Mapping[Path, int]
    first_seen: Mapping[Path, str]


def registered(session: Session) -> list[Registered]:
    """Sum the registry up over all dates."""
    found = _summed(session)
    events: Counter[tuple[str, str]] = Counter()
    days: dict[tuple[str, str], set[str]] = {}
    names = event_names(session)[[PARTITION, "type", "event", "events"]]
    for day, kind, event, count in names.itertuples(index=False):
        events[kind, event] += int(count)
        days.setdefault((kind, event), set()).add(day)
    known = []
    for kind, event in sorted(days):
        key = kind, event
        own = found.get(key, ((), {}, {}))
        known.append(Registered(kind, event, events[key], frozenset(days[key]), *own))
    return known


def event_names(session: Session) -> pd.DataFrame:
    """How many events of each type and name every received date has: :data:`NAME_COLUMNS`."""
    return session.fetch(NAMES, list(NAME_COLUMNS), label="event names")


def registered_on(session: Session, days: Sequence[str]) -> list[Registered]:
    """What the registry holds of the fields of some dates; their events are not counted."""
    return [
        Registered(kind, event, 0, frozenset(days), *found)
        for (kind, event), found in _summed(session, days).items()
    ]


_Fields = tuple[tuple[Source, ...], dict[Path, int], dict[Path, str]]


def _summed(session: Session, days: Sequence[str] | None = None) -> dict[tuple[str, str], _Fields]:
    """By event type and name: sources, how many values each has, and where it was first seen."""
    names = (*FIELD_COUNTS, *FIELD_LOOKS)
    sums = ", ".join(f"cast(coalesce(sum({n}), 0) as {BIGINT}) as {n}" for n in names[:-1])
    where = "" if days is None else f"where {PARTITION} in (:days) "
    rows = session.query(
        f"select type, event, path, min({PARTITION}) as first_seen, {sums}, "
        f"coalesce(max(largest_integer), 0) as largest_integer from {FIELDS} {where}"
        "group by 1, 2, 3 order by 1, 2, 3",
        None if days is None else {"days": tuple(days)},
        label="fields of events",
    )
    sources: dict[tuple[str, str], list[Source]] = {}
    given: dict[tuple[str, str], dict[Path, int]] = {}
    first_seen: dict[tuple[str, str], dict[Path, str]] = {}
    # Most paths are those of a context, which all events have.
    paths: dict[str, Path] = {text: tuple(json.loads(text)) for text in rows["path"].unique()}
    columns = (rows[name].tolist() for name in rows)
    for kind, event, text, first, *cells in zip(*columns, strict=True):
        path, key = paths[text], (kind, event)
        numbers = dict(zip(names, map(int, cells), strict=True))
        sources.setdefault(key, []).append(_source(path, numbers))
        given.setdefault(key, {})[path] = sum(numbers[name] for name in FIELD_COUNTS)
        first_seen.setdefault(key, {})[path] = first
    return {key: (tuple(sources[key]), given[key], first_seen[key]) for key in sources}


def _source(path: Path, numbers: Mapping[str, int]) -> Source:
    kinds = {kind for kind, name in zip(_KINDS, FIELD_COUNTS, strict=True) if numbers[name]}
    values = Values(
        integers=numbers["integers"] + numbers["doubles"] - numbers["fractions"],
        doubles=numbers["fractions"],
        booleans=numbers["booleans"],
        strings=numbers["texts"],
        timestamps=numbers["timestamps"],
        arrays=numbers["lists"],
        largest_integer=numbers["largest_integer"],
    )
    return Source(path, frozenset(kinds), values)


def merged_sources(known: Iterable[Registered]) -> dict[Path, Source]:
    """Sources of several events as those of one table, by path, those that hold a value.

    A path that holds a value in one record and leads on to others in another says so.
    """
    merged: dict[Path, Source] = {}
    for one in known:
        for source in one.sources:
            before = merged.get(source.path)
            merged[source.path] = (
                Source(source.path, before.kinds | source.kinds, before.values + source.values)
                if before
                else source
            )
    inner = {path[:depth] for path in merged for depth in range(1, len(path))}
    return {
        path: replace(source, kinds=source.kinds | {"object"}) if path in inner else source
        for path, source in sorted(merged.items())
        if source.kinds != {"object"}
    }
