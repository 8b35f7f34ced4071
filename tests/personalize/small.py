"""Data sets of a few rows in memory, made by the code that writes them in a stream.

Their schemas are those of ``schemas/``: every field of the domain ECOMMERCE.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from engagement.personalize import fields, readiness, row_values
from engagement.personalize.datasets import LENGTHS, DatasetFile, Lengths, Name, Reject
from engagement.personalize.parts import Parts
from engagement.personalize.product_file import EMPTY
from engagement.personalize.readiness import Facts, Requirement

NAMES: tuple[Name, ...] = ("interactions", "items", "users")
SCHEMAS = Path(__file__).parent / "schemas"

_COLUMNS = {
    "interactions": ("user_id", "item_id", "event_type", "epoch_seconds", "device_type",
                     "impression", "recommendation_id"),
    "items": ("item_id", "category", "brand", "name", "price"),
    "users": ("user_id", "membership", "gender", "age", "country", "plan"),
}  # fmt: skip
_ORDER = {
    "interactions": ("TIMESTAMP", "USER_ID", "ITEM_ID", "EVENT_TYPE"),
    "items": ("ITEM_ID",),
    "users": ("USER_ID",),
}


@dataclass(frozen=True)
class Dataset:
    """Rows that fit a schema, in a file's order, and those that do not."""

    name: Name
    schema: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]
    rejects: tuple[Reject, ...]
    cells: tuple[tuple[Any, ...], ...] = ()

    @property
    def fields(self) -> list[str]:
        """Names of the fields."""
        return [field["name"] for field in self.schema["fields"]]

    @property
    def found(self) -> int:
        """All rows."""
        return len(self.rows) + len(self.rejects)


def schema_text(name: Name) -> str:
    return (SCHEMAS / f"{name}.avsc").read_text(encoding="utf-8")


def schema(name: Name) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(schema_text(name))
    return document


def prepare(name: Name, frame: pd.DataFrame, lengths: Lengths = LENGTHS) -> Dataset:
    """Turn rows of a mart into those of a data set, each checked."""
    given = frame.reindex(columns=list(_COLUMNS[name])).astype(object)
    given = given.where(given.notna(), None)
    if name == "interactions":
        page = row_values.interactions(given, {})
    elif name == "users":
        page = row_values.users(given, ())
    else:
        page = row_values.items(row_values.joined(given, EMPTY), {})
    checked = row_values.checked(page, fields.read(name, SCHEMAS / f"{name}.avsc"), lengths)
    rows = [dict(row) for row in checked.frame.to_dict("records")]
    cells = list(zip(*checked.cells, strict=True)) if rows else []
    order = sorted(range(len(rows)), key=lambda n: tuple(rows[n][key] for key in _ORDER[name]))
    return Dataset(
        name,
        schema(name),
        tuple({str(key): value for key, value in rows[n].items()} for n in order),
        tuple(sorted(checked.rejects)),
        tuple(cells[n] for n in order),
    )


def write(dataset: Dataset, folder: Path) -> DatasetFile:
    """Write a data set as one file."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = Parts(folder, dataset.fields, 10**9)
    parts.add([list(column) for column in zip(*dataset.cells, strict=True)])
    (part,) = parts.done()
    return part


def csv_bytes(dataset: Dataset) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write(dataset, Path(folder)).path.read_bytes()


def check(
    interactions: Dataset, items: Dataset, users: Dataset, sizes: Mapping[Name, int], **more: Any
) -> list[Requirement]:
    """Check data sets that are in memory; rows of interactions may come twice."""
    facts = Facts.empty()
    for dataset in (interactions, items, users):
        measured = facts.of(dataset.name)
        measured.fields = list(dataset.schema["fields"])
        measured.rejected = len(dataset.rejects)
        rows = pd.DataFrame([dict(row) for row in dataset.rows], columns=dataset.fields)
        measured.add(rows.astype(object).where(rows.notna(), None))
    keys = [tuple(row[key] for key in _ORDER["interactions"]) for row in interactions.rows]
    facts.interactions.repeats = len(keys) - len(set(keys))
    return readiness.check(facts, sizes, **more)
