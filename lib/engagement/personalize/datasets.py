"""The three datasets of Amazon Personalize: rows checked against their schemas, written as CSV.

The schemas are the flat Avro files in ``schemas/``, for a dataset group of the domain ECOMMERCE.
Each row is checked by ``fastavro`` against its schema and against the service's limits on lengths;
a row that does not pass is not in the file but in the list of rejects, with the reason.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from fastavro import parse_schema
from fastavro.validation import validate

from engagement import owner_only
from engagement.errors import WrongInputError
from engagement.privacy import masked, shown
from engagement.settings import Personalize
from engagement.warehouse import Table, Warehouse

Name = Literal["interactions", "items", "users"]
NAMES: tuple[Name, ...] = ("interactions", "items", "users")

TABLES: dict[Name, Table] = {name: Table("marts", f"personalize_{name}") for name in NAMES}

CONCEPTS = (
    "product_clicked",
    "product_viewed",
    "product_added",
    "product_added_to_wishlist",
    "order_completed",
)
"""Concepts that are about single products, and so can be interactions."""


class PersonalizeError(WrongInputError):
    """Datasets that cannot be made as asked: what is wrong, and what to do."""


@dataclass(frozen=True)
class Lengths:
    """How many characters a value may have, by what the schema says it is."""

    id: int = 256
    categorical: int = 1_000
    textual: int = 20_000


LENGTHS = Lengths()


@dataclass(frozen=True, order=True)
class Reject:
    """A row that is not in the file: its id, the field that is wrong, and why."""

    id: str
    field: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """The rows of one dataset, each a mapping of the schema's fields.

    ``found`` counts the rows that the warehouse gave: ``rows`` and the ``rejects``.
    """

    name: Name
    schema: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]
    rejects: tuple[Reject, ...]

    @property
    def found(self) -> int:
        """Rows that the warehouse gave."""
        return len(self.rows) + len(self.rejects)

    @property
    def fields(self) -> list[str]:
        """Names of the fields, in the schema's order, which is the header's."""
        return [field["name"] for field in self.schema["fields"]]

    def frame(self) -> pd.DataFrame:
        """The rows as a table, to look at: what is private in them is masked."""
        return shown(pd.DataFrame([dict(row) for row in self.rows], columns=self.fields))


@dataclass(frozen=True)
class DatasetFile:
    """A file that was written. ``rows`` leaves the header out."""

    path: Path
    rows: int
    bytes: int
    sha256: str


# --- schemas ------------------------------------------------------------------------------------


def schema_text(name: Name) -> str:
    """A schema as ``create_schema`` takes it."""
    return (resources.files("engagement.personalize") / "schemas" / f"{name}.avsc").read_text(
        encoding="utf-8"
    )


def schema(name: Name) -> dict[str, Any]:
    """A schema, read."""
    document: dict[str, Any] = json.loads(schema_text(name))
    return document


def schema_frame(name: Name) -> pd.DataFrame:
    """One row per field: its type, whether it may be missing, and what kind of text it is."""
    rows = [
        (
            field["name"],
            _type(field),
            "yes" if _optional(field) else "no",
            next((kind for kind in ("categorical", "textual") if field.get(kind)), ""),
        )
        for field in schema(name)["fields"]
    ]
    return pd.DataFrame(rows, columns=["field", "type", "optional", "kind"])


def _optional(field: Mapping[str, Any]) -> bool:
    return isinstance(field["type"], list) and "null" in field["type"]


def _type(field: Mapping[str, Any]) -> str:
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return str(next(kind for kind in kinds if kind != "null"))


# --- rows ---------------------------------------------------------------------------------------


def check_settings(settings: Personalize) -> None:
    """Refuse event types that no interaction can have.

    Raises
    ------
    PersonalizeError
        Naming the concepts of the settings that are not about single products.
    """
    wrong = [concept for concept in settings.event_types if concept not in CONCEPTS]
    if wrong:
        raise PersonalizeError(
            f"personalize.event_types: no single product is what {', '.join(wrong)} is about; take "
            f"from {', '.join(CONCEPTS)}"
        )


def prepare(name: Name, frame: pd.DataFrame, lengths: Lengths = LENGTHS) -> Dataset:
    """Turn the rows of a mart into those of a dataset, each checked.

    Parameters
    ----------
    frame
        The mart ``personalize_<name>``.

    Returns
    -------
    Dataset
        Rows in a fixed order, whatever the order of the frame: interactions by time, then user,
        item and event type; items and users by their ids.
    """
    document = schema(name)
    parsed = parse_schema(dict(document))
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    for record in _records(frame):
        row = _ROWS[name](record)
        problem = _problem(row, document, parsed, lengths)
        if problem is None:
            rows.append(row)
        else:
            field, reason = problem
            rejects.append(Reject(str(row[_ID[name]] or ""), field, reason))
    rows.sort(key=lambda row: tuple(row[field] for field in _ORDER[name]))
    return Dataset(name, document, tuple(rows), tuple(sorted(rejects)))


_ID: dict[Name, str] = {"interactions": "USER_ID", "items": "ITEM_ID", "users": "USER_ID"}

_ORDER: dict[Name, tuple[str, ...]] = {
    "interactions": ("TIMESTAMP", "USER_ID", "ITEM_ID", "EVENT_TYPE"),
    "items": ("ITEM_ID",),
    "users": ("USER_ID",),
}


def read(warehouse: Warehouse, name: Name) -> Dataset:
    """Read a mart and prepare its dataset.

    Raises
    ------
    PersonalizeError
        When the mart was not built yet.
    """
    with warehouse.session() as session:
        if not session.columns(TABLES[name]):
            raise PersonalizeError(
                f"{TABLES[name]} does not exist yet: build the models of the layer personalize"
            )
        frame = session.query(f"select * from {TABLES[name]}", label=f"dataset {name}")
    return prepare(name, frame)


def _records(frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Rows as plain Python values; NULL in any form is ``None``."""
    names = list(frame.columns)
    columns = [
        frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in names
    ]
    for row in zip(*columns, strict=True):
        yield dict(zip(names, row, strict=True))


def _interaction(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "USER_ID": record["user_id"],
        "ITEM_ID": record["item_id"],
        "EVENT_TYPE": record["event_type"],
        "TIMESTAMP": record["epoch_seconds"],
        "DEVICE_TYPE": line(record["device_type"]),
    }


def _item(record: Mapping[str, Any]) -> dict[str, Any]:
    first, second, third = categories(record["category"])
    price = record["price"]
    return {
        "ITEM_ID": record["item_id"],
        "PRICE": None if price is None else float(price),
        "CATEGORY_L1": first,
        "CATEGORY_L2": second,
        "CATEGORY_L3": third,
        "BRAND": line(record["brand"]),
        "PRODUCT_DESCRIPTION": line(record["name"]),
    }


def _user(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "USER_ID": record["user_id"],
        "MEMBERSHIP": line(record["membership"]),
        "GENDER": line(record["gender"]),
        "AGE": record["age"],
        "COUNTRY": line(record["country"]),
        "PLAN": line(record["plan"]),
    }


_ROWS = {"interactions": _interaction, "items": _item, "users": _user}

_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def line(text: str | None) -> str | None:
    """A text on one line: what stands between words becomes one space; a blank one is NULL."""
    if text is None:
        return None
    return _BLANK.sub(" ", text).strip() or None


def categories(text: str | None) -> tuple[str | None, str | None, str | None]:
    """Categories by level: ``>`` separates the levels of one, ``|`` separates several.

    The text is a category, a path of categories (``Home > Kitchen``), several of them joined by
    ``|``, or a JSON array of any of these, which is what flattening makes of an array. Levels
    beyond the third belong to the third.

    >>> categories('["Home > Kitchen|Gifts", "Sale"]')
    ('Home|Gifts|Sale', 'Kitchen', None)
    """
    levels: list[list[str]] = [[], [], []]
    for path in _paths(text):
        parts = [part for part in (line(part) for part in path.split(">")) if part]
        for level, part in zip(levels, [*parts[:2], " > ".join(parts[2:])], strict=False):
            if part and part not in level:
                level.append(part)
    first, second, third = ("|".join(level) or None for level in levels)
    return first, second, third


def _paths(text: str | None) -> list[str]:
    if text is None:
        return []
    if text.startswith("["):
        try:
            members = json.loads(text)
        except (ValueError, RecursionError):
            return text.split("|")
        texts = [str(member) for member in members if isinstance(member, (str, int, float))]
        return [path for member in texts for path in member.split("|")]
    return text.split("|")


def _problem(
    row: Mapping[str, Any],
    document: Mapping[str, Any],
    parsed: Any,
    lengths: Lengths,
) -> tuple[str, str] | None:
    """What is wrong with a row: the first field that is, and why."""
    for field in document["fields"]:
        name, value = field["name"], row[field["name"]]
        if value is None and not _optional(field):
            return name, "is missing"
        if isinstance(value, str) and (reason := _text_problem(value, field, lengths)):
            return name, reason
        if isinstance(value, float) and not math.isfinite(value):
            return name, "is no finite number"
    if not validate(row, parsed, raise_errors=False, strict=True):
        wrong = [
            field["name"]
            for field in document["fields"]
            if not validate(row[field["name"]], field["type"], raise_errors=False)
        ]
        return (wrong or ["row"])[0], "is not of the schema's type"
    return None


def _text_problem(value: str, field: Mapping[str, Any], lengths: Lengths) -> str | None:
    if field.get("textual"):
        most = lengths.textual
    elif field.get("categorical"):
        most = lengths.categorical
    else:
        most = lengths.id
    return text_problem(value, most)


def text_problem(value: str, most: int) -> str | None:
    """Why a text cannot be a value of at most so many characters; ``None`` where it can."""
    if not value.strip():
        return "is blank"
    if len(value) > most:
        return f"is longer than {most:,} characters"
    if _BLANK.search(value.replace(" ", "")):
        return "holds a line break, a tab or another control character"
    return None


# --- files --------------------------------------------------------------------------------------


def csv_bytes(dataset: Dataset) -> bytes:
    r"""A dataset as Personalize reads it.

    UTF-8, lines that end in a line feed, a header without quotation marks; values with a comma or
    a quotation mark stand in quotation marks, and these and backslashes have a backslash before
    them: what ``csv`` and pandas call ``doublequote=False, escapechar='\\'``. NULL is empty.
    """
    buffer = io.StringIO()
    buffer.write(",".join(dataset.fields) + "\n")
    writer = csv.writer(buffer, doublequote=False, escapechar="\\", lineterminator="\n")
    for row in dataset.rows:
        writer.writerow([_cell(row[field]) for field in dataset.fields])
    return buffer.getvalue().encode("utf-8")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def write(dataset: Dataset, folder: Path) -> DatasetFile:
    """Write a dataset to ``<name>.csv``, in one step: a reader never finds half of it."""
    return _write(folder / f"{dataset.name}.csv", csv_bytes(dataset), len(dataset.rows))


def write_schema(name: Name, folder: Path) -> DatasetFile:
    """Write a schema to ``<name>.avsc``, beside the files that are made by it."""
    content = schema_text(name).encode("utf-8")
    return _write(folder / f"{name}.avsc", content, len(schema(name)["fields"]))


def write_rejects(dataset: Dataset, folder: Path) -> DatasetFile:
    """Write ``personalize-<name>.csv``, the rows that are not in the dataset's file, and why."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["id", "field", "reason"])
    writer.writerows((masked(r.id), r.field, masked(r.reason)) for r in dataset.rejects)
    content = buffer.getvalue().encode("utf-8")
    return _write(folder / f"personalize-{dataset.name}.csv", content, len(dataset.rejects))


def _write(path: Path, content: bytes, rows: int) -> DatasetFile:
    owner_only.folder(path.parent)
    partial = path.with_name(path.name + ".part")
    try:
        with owner_only.opened(partial, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return DatasetFile(path, rows, len(content), hashlib.sha256(content).hexdigest())


def files_frame(files: Sequence[DatasetFile]) -> pd.DataFrame:
    """One row per file: name, rows, bytes and the first digits of its sha256."""
    rows = [(file.path.name, file.rows, file.bytes, file.sha256[:12]) for file in files]
    return pd.DataFrame(rows, columns=["file", "rows", "bytes", "sha256"])


def rejects_frame(datasets: Sequence[Dataset]) -> pd.DataFrame:
    """Rows found, written and left out, per dataset and reason."""
    rows = []
    for dataset in datasets:
        reasons: dict[tuple[str, str], int] = {}
        for reject in dataset.rejects:
            key = (reject.field, reject.reason)
            reasons[key] = reasons.get(key, 0) + 1
        rows += [(dataset.name, f"{f} {why}", n) for (f, why), n in sorted(reasons.items())]
    return pd.DataFrame(rows, columns=["dataset", "reason", "rows"])
