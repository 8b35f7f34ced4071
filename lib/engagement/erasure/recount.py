"""The registry of fields, counted again from the texts of kept events, where no file is left.

It says what :func:`engagement.flatten.fields.count_fields` says of records that were just read.
Whether a text is a time is asked of the engine: it has its own way of reading them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from engagement.flatten.fields import FIELD_COLUMNS, Plans, is_decisive
from engagement.flatten.schema import Path, is_flattened
from engagement.records import strict_json
from engagement.sql.conversions import BIGINT, VARCHAR
from engagement.warehouse.json_values import LARGEST, path_text
from engagement.warehouse.protocol import Session

Kept = tuple[str, str, str, str]
"""An event: its received date, type, name and text."""

_Key = tuple[str, str, str, Path]


@dataclass
class _Counts:
    integers: int = 0
    doubles: int = 0
    booleans: int = 0
    strings: int = 0
    arrays: int = 0
    objects: int = 0
    fractions: int = 0
    lists: int = 0
    largest_integer: int = 0


def fields(session: Session, kept: Iterable[Kept], plans: Plans) -> pa.Table:
    """Count the fields of events: rows of :data:`FIELD_COLUMNS`."""
    counts: dict[_Key, _Counts] = {}
    texts: dict[_Key, dict[str, int]] = {}
    for day, kind, event, record in kept:
        for path, value in strict_json.leaves(orjson.loads(record)):
            if is_flattened(kind, path):
                key = (day, kind, event, path)
                _count(counts.setdefault(key, _Counts()), value)
                if isinstance(value, str) and value:
                    seen = texts.setdefault(key, {})
                    seen[value] = seen.get(value, 0) + 1
    looked = {key for key in counts if is_decisive(key[1], key[2], key[3], plans)}
    times = _times(session, {text for key in looked for text in texts.get(key, ())})
    rows = []
    for key in sorted(counts):
        day, kind, event, path = key
        found, own = counts[key], texts.get(key, {})
        looks = (
            found.fractions,
            sum(own.values()),
            sum(count for text, count in own.items() if text in times),
            found.lists,
            min(found.largest_integer, LARGEST),
        )
        rows.append(
            (kind, event, path_text(path))
            + (found.integers, found.doubles, found.booleans)
            + (found.strings, found.arrays, found.objects)
            + (looks if key in looked else (None,) * len(looks))
            + (day,)
        )
    kinds = {VARCHAR: pa.string(), BIGINT: pa.int64()}
    return pa.table(
        {
            name: pa.array(
                [row[place] for row in rows], kinds.get(FIELD_COLUMNS[name], pa.decimal128(38, 0))
            )
            for place, name in enumerate(FIELD_COLUMNS)
        }
    )


def _count(counts: _Counts, value: Any) -> None:
    match value:
        case bool():
            counts.booleans += 1
        case int():
            counts.integers += 1
            counts.largest_integer = max(counts.largest_integer, abs(value))
        case float():
            counts.doubles += 1
            if value.is_integer():
                counts.largest_integer = max(counts.largest_integer, abs(int(value)))
            else:
                counts.fractions += 1
        case str():
            counts.strings += 1
        case list():
            counts.arrays += 1
            counts.lists += value not in ([], [""])
        case _:
            counts.objects += 1


def _times(session: Session, texts: set[str]) -> set[str]:
    if not texts:
        return set()
    rows = pa.table({"value": pa.array(sorted(texts), pa.string())})
    session.rows("texts", rows, {"value": VARCHAR})
    found = session.query(
        "select value from work.texts where parse_timestamp(value) is not null", label="times"
    )
    return set(found["value"])


__all__ = ["Kept", "fields"]
