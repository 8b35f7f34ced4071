"""Schemas chosen from the data: which fields a data set has, of which type, and why.

Schemas cannot be changed once they are created, and each import has to fit. So a field is only
there if something is in it, may only be missing if it is missing somewhere (or too few rows were
seen to tell), and says why it is as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from engagement.personalize.datasets import PersonalizeError

Set = Literal["interactions", "items", "users", "actions", "action_interactions"]

RECORDS: dict[Set, str] = {
    "interactions": "Interactions",
    "items": "Items",
    "users": "Users",
    "actions": "Actions",
    "action_interactions": "ActionInteractions",
}
"""What the service calls the record of each data set."""

NAMESPACE = "com.amazonaws.personalize.schema"

ENOUGH_ROWS = 1_000
"""From so many rows on, none of them without a value, a field is taken never to be missing."""

LARGEST_INT = 2**31 - 1
LARGEST_FLOAT = 2**24
"""Below it, a float of four bytes keeps whole numbers, and prices to the cent up to 2^17."""

_CENTS_KEPT = 2**17


@dataclass(frozen=True)
class Field:
    """A field of a schema. ``kind`` is ``categorical``, ``textual`` or empty."""

    name: str
    type: str
    optional: bool
    kind: str
    why: str

    def document(self) -> dict[str, Any]:
        """As a schema has it."""
        kind: dict[str, Any] = {self.kind: True} if self.kind else {}
        return {
            "name": self.name,
            "type": ["null", self.type] if self.optional else self.type,
            **kind,
        }


@dataclass(frozen=True)
class Schema:
    """The fields of a data set, in the order of its files' headers."""

    dataset: Set
    fields: tuple[Field, ...]

    @property
    def names(self) -> list[str]:
        """Names of the fields."""
        return [field.name for field in self.fields]

    def text(self) -> str:
        """As ``create_schema`` takes it."""
        head = (
            f'{{\n  "type": "record",\n  "name": "{RECORDS[self.dataset]}",\n'
            f'  "namespace": "{NAMESPACE}",\n  "fields": [\n'
        )
        fields = ",\n".join(f"    {json.dumps(field.document())}" for field in self.fields)
        return f'{head}{fields}\n  ],\n  "version": "1.0"\n}}\n'

    def frame(self) -> pd.DataFrame:
        """One row per field: what it is, and why."""
        rows = [(f.name, f.type, "yes" if f.optional else "no", f.kind, f.why) for f in self.fields]
        return pd.DataFrame(rows, columns=["field", "type", "optional", "kind", "why"])


@dataclass(frozen=True)
class Column:
    """What is known of a column before its field is chosen.

    Attributes
    ----------
    kind
        Athena's type of it.
    present, rows
        Rows with a value, and all rows.
    longest
        Characters of the longest text; for numbers, the largest absolute value.
    distinct
        Different values.
    """

    kind: str
    present: int
    rows: int
    longest: float = 0
    distinct: int = 0


def required(name: str, type_: str, why: str, kind: str = "") -> Field:
    """A field that may never be missing."""
    return Field(name, type_, optional=False, kind=kind, why=why)


def chosen(name: str, column: Column, *, textual: bool = False, whole: str = "") -> Field | None:
    """Choose a field by what is in a column; ``None`` where nothing is.

    Parameters
    ----------
    textual
        Whether a text may be read as language, not as a category: items alone have such fields.
    whole
        The type of whole numbers, where the service asks for one.
    """
    if not column.present:
        return None
    missing = column.rows - column.present
    if missing:
        often = f"missing in {missing:,} of {column.rows:,} rows"
    elif column.rows < ENOUGH_ROWS:
        often = f"never missing, in too few rows to count on it ({column.rows:,})"
    else:
        often = f"never missing in {column.rows:,} rows"
    optional = bool(missing) or column.rows < ENOUGH_ROWS
    type_, kind, why = _type(column, textual=textual, whole=whole)
    return Field(name, type_, optional, kind, f"{why}; {often}" if why else often)


def _type(column: Column, *, textual: bool, whole: str) -> tuple[str, str, str]:
    base = column.kind.partition("(")[0]
    if base in ("bigint", "integer"):
        if whole:
            return whole, "", ""
        if column.longest <= LARGEST_INT:
            return "int", "", f"whole numbers, the largest {column.longest:,.0f}"
        return "long", "", f"whole numbers, the largest {column.longest:,.0f} is no int"
    if base in ("double", "decimal"):
        if column.longest < _CENTS_KEPT:
            return "float", "", f"numbers up to {column.longest:,.2f}, which a float keeps"
        return "double", "", f"a float would not keep {column.longest:,.2f} to the cent"
    if base == "boolean":
        return "boolean", "", "yes or no"
    if textual and (column.longest > _CATEGORICAL or column.distinct > _MOST_CATEGORIES):
        return "string", "textual", f"{column.distinct:,} different texts: language"
    return "string", "categorical", f"{column.distinct:,} different values"


_CATEGORICAL = 1_000
_MOST_CATEGORIES = 1_000


# --- which schema a file was written with ---------------------------------------------------------


def read(dataset: Set, path: Path) -> Schema:
    """A schema that was written before: what is imported later has to fit it.

    Raises
    ------
    PersonalizeError
        When there is no such file, or it is no schema of this data set.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        fields = tuple(_read(field) for field in document["fields"])
        record = document["name"]
    except FileNotFoundError:
        raise PersonalizeError(
            f"{path.name} is missing: an increment has to fit the schema of the full export; write "
            "that first"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise PersonalizeError(f"{path.name} is no schema of Amazon Personalize") from None
    if record != RECORDS[dataset]:
        raise PersonalizeError(f"{path.name} is the schema of {record}, not of {RECORDS[dataset]}")
    return Schema(dataset, fields)


def _read(field: Mapping[str, Any]) -> Field:
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    (type_,) = [kind for kind in kinds if kind != "null"]
    kind = next((kind for kind in ("categorical", "textual") if field.get(kind)), "")
    return Field(field["name"], type_, "null" in kinds, kind, "as in the full export")


# --- the data sets ------------------------------------------------------------------------------


def interactions(
    columns: Mapping[str, Column], *, event_types: Iterable[str], values: Mapping[str, float]
) -> Schema:
    """The schema of interactions; ``values`` says which event types have an EVENT_VALUE."""
    keyed = "every interaction has one"
    fields: list[Field | None] = [
        required("USER_ID", "string", keyed),
        required("ITEM_ID", "string", keyed),
        required("EVENT_TYPE", "string", keyed),
        required("TIMESTAMP", "long", "seconds since 1970"),
        chosen("DEVICE_TYPE", columns["device_type"]),
    ]
    if values:
        without = sorted(set(event_types) - set(values))
        named = f"personalize.event_values; {', '.join(without)} have none" if without else ""
        why = named or "personalize.event_values gives every event type one"
        fields.append(Field("EVENT_VALUE", "float", bool(without), "", why))
    for name, column in (
        ("IMPRESSION", columns["impression"]),
        ("RECOMMENDATION_ID", columns["recommendation_id"]),
    ):
        if column.present:
            why = f"known of {column.present:,} of {column.rows:,} interactions"
            fields.append(Field(name, "string", True, "", why))
    return Schema("interactions", tuple(field for field in fields if field))


def items(columns: Mapping[str, Column], own: Sequence[str], *, domain: bool) -> Schema:
    """The schema of items; ``own`` are the catalogue's columns beyond those that are known."""
    asked = "the domain ECOMMERCE asks for it"
    price, first = columns["PRICE"], columns["CATEGORY_L1"]
    fields: list[Field | None] = [
        required("ITEM_ID", "string", "every item has one"),
        required("PRICE", "float", asked) if domain else chosen("PRICE", price),
        required("CATEGORY_L1", "string", asked, "categorical")
        if domain
        else chosen("CATEGORY_L1", first),
        chosen("CATEGORY_L2", columns["CATEGORY_L2"]),
        chosen("CATEGORY_L3", columns["CATEGORY_L3"]),
        chosen("BRAND", columns["BRAND"]),
    ]
    text = columns["PRODUCT_DESCRIPTION"]
    if text.present:
        # Names are language however few there are.
        as_text = chosen("PRODUCT_DESCRIPTION", text)
        assert as_text is not None  # noqa: S101
        why = f"names and descriptions; {as_text.why.partition('; ')[2]}"
        fields.append(Field("PRODUCT_DESCRIPTION", "string", as_text.optional, "textual", why))
    fields.append(chosen("CREATION_TIMESTAMP", columns["CREATION_TIMESTAMP"], whole="long"))
    fields += [chosen(name, columns[name], textual=True) for name in own]
    return _with_metadata("items", fields)


def users(columns: Mapping[str, Column], features: Sequence[str]) -> Schema:
    """The schema of users; ``features`` are columns of customer 360, in their order."""
    named = ("membership", "gender", "age", "country", "plan", *features)
    fields: list[Field | None] = [required("USER_ID", "string", "every user has one")]
    fields += [chosen(name.upper(), columns[name]) for name in named]
    return _with_metadata("users", fields)


def actions(columns: Mapping[str, Column]) -> Schema:
    """The schema of the actions of Next-Best-Action."""
    fields: list[Field | None] = [required("ACTION_ID", "string", "every action has one")]
    for name in ("VALUE", "REPEAT_FREQUENCY"):
        # At least one field besides the id has to be there.
        column = columns[name]
        if column.present or name == "VALUE":
            missing = column.rows - column.present
            why = f"personalize.actions; missing in {missing} of {column.rows}"
            fields.append(Field(name, "long", True, "", why))
    return Schema("actions", tuple(field for field in fields if field))


def action_interactions() -> Schema:
    """The schema of the action interactions of Next-Best-Action."""
    keyed = "every action interaction has one"
    names = ("USER_ID", "ACTION_ID", "EVENT_TYPE")
    fields = [required(name, "string", keyed) for name in names]
    return Schema(
        "action_interactions", (*fields, required("TIMESTAMP", "long", "seconds since 1970"))
    )


def _with_metadata(dataset: Set, fields: Sequence[Field | None]) -> Schema:
    found = tuple(field for field in fields if field)
    return Schema(dataset, found)
