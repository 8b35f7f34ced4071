"""Fields that an engine found, one by one."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from engagement.warehouse.json_values import FIELD_COUNTS, FIELD_LOOKS, JsonField, JsonValues


def fields_of(table: pa.Table, groups: Sequence[str]) -> list[JsonField]:
    """Fields of the table that ``Session.json_fields`` gives."""
    found = []
    for row in table.to_pylist():
        looks = [row[name] for name in FIELD_LOOKS]
        found.append(
            JsonField(
                tuple(row[name] for name in groups),
                tuple(json.loads(row["path"])),
                **{name: row[name] for name in FIELD_COUNTS},
                values=None if looks[0] is None else JsonValues(*looks),
            )
        )
    return found
