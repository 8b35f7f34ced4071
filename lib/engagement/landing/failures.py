"""What Firehose could not deliver: the objects below its error prefix, summed up, never read in.

Firehose writes each record that it could not process as a line of JSON with the error, when it gave
up, and the record in base64. The prefix is the stream's own: ``landing.errors_location`` names it.
Folders of an error type (``processing-failed``, …) within the landing count too. Where RudderStack
loads the tables, it is the values that it set aside that are told.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from engagement.landing import loaded
from engagement.records.files import is_failure
from engagement.records.lines import UnreadableFileError, cut_records, read_bytes, split_lines
from engagement.settings import Settings
from engagement.warehouse import Warehouse
from engagement.warehouse.loaded import LoadedWarehouse
from engagement.warehouse.objects import LandedObjects, ObjectUnreadableError
from engagement.warehouse.reading import landing_warehouse

_DATE = re.compile(r"(?<!\d)(\d{4})[-/](\d{2})[-/](\d{2})(?!\d)")
_TYPE = re.compile(r"(?:^|/|=)([A-Za-z]+(?:-[A-Za-z]+)*-failed)(?=/)")

COLUMNS = ["date", "error_type", "files", "bytes", "records", "errors"]


@dataclass(frozen=True)
class _Failed:
    """An object of failures: when, of which type, and how many records had which error."""

    date: str
    kind: str
    size: int
    errors: Counter[str] = field(default_factory=Counter)


def failures(warehouse: Warehouse, settings: Settings, *, read: bool = True) -> pd.DataFrame:
    """What Firehose could not deliver, by date and type of error.

    Parameters
    ----------
    read
        Read the objects. Without, names and sizes alone tell: records and errors are not known.

    Returns
    -------
    DataFrame
        ``date`` (UTC, of the name or else of the first record's last attempt), ``error_type`` (of
        the name), ``files``, ``bytes``, ``records``, and ``errors``, Firehose's codes with how many
        records had each. What is not told is empty. Where RudderStack loads the tables, see
        :func:`engagement.landing.loaded.discards_by_day`.
    """
    if isinstance(warehouse, LoadedWarehouse):
        return loaded.discards_by_day(warehouse)
    found: dict[tuple[str, str], list[_Failed]] = {}
    for objects, name, size in _objects(warehouse, settings):
        one = _read(objects, name, size) if read else _Failed(_date(name), _kind(name), size)
        found.setdefault((one.date, one.kind), []).append(one)
    rows = []
    for (date, kind), several in sorted(found.items()):
        errors = sum((one.errors for one in several), Counter[str]())
        said = ", ".join(f"{code} ({count})" for code, count in sorted(errors.items()))
        size = sum(one.size for one in several)
        rows.append((date, kind, len(several), size, errors.total() if read else None, said))
    return pd.DataFrame(rows, columns=COLUMNS)


def no_failure(warehouse: Warehouse) -> str:
    """What to say where there is none."""
    if isinstance(warehouse, LoadedWarehouse):
        return "RudderStack set no value aside."
    return "Firehose reported no failure."


def _objects(warehouse: Warehouse, settings: Settings) -> Iterator[tuple[LandedObjects, str, int]]:
    warehouse = landing_warehouse(warehouse)
    landed = warehouse.landed_objects()
    for name, size in landed.sizes():
        if is_failure(name):
            yield landed, name, size
    if settings.landing.errors_location:
        apart = warehouse.landed_objects(settings.landing.errors_location)
        for name, size in apart.sizes():
            yield apart, name, size


def _date(name: str) -> str:
    found = _DATE.search(name)
    return "-".join(found.groups()) if found else ""


def _kind(name: str) -> str:
    found = _TYPE.search(name)
    return found[1] if found else ""


def _read(objects: LandedObjects, name: str, size: int) -> _Failed:
    date, errors = _date(name), Counter[str]()
    try:
        data = read_bytes(io.BytesIO(objects.read(name).data), name)
    except (UnreadableFileError, ObjectUnreadableError):
        return _Failed(date, _kind(name), size, Counter({"unreadable": 1}))
    for line in split_lines(data).batch.column("line").to_pylist():
        for record in cut_records(line):
            value = _object(record)
            code = value.get("errorCode") or value.get("ErrorCode")
            errors[code if isinstance(code, str) else "no error named"] += 1
            date = date or _day(value.get("attemptEndingTimestamp"))
    return _Failed(date, _kind(name), size, errors)


def _object(record: str) -> dict[str, Any]:
    try:
        value = json.loads(record)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _day(milliseconds: Any) -> str:
    """The UTC date of a moment in milliseconds since 1970; empty where it is none."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return ""
