"""Rows of the marts as values of the schemas' fields, checked a page at a time.

Texts are looked at once per different value, by the very functions that look at single rows
(:mod:`.datasets`), so that both ways find the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engagement.personalize import datasets
from engagement.personalize.datasets import Lengths, Reject
from engagement.personalize.fields import Field, Schema
from engagement.personalize.product_file import Catalogue

Objects = NDArray[np.object_]

MOST_IMPRESSION = 25
"""Items of an impression; RECOMMENDATION_ID has at most 40 characters."""

_LONGEST = {"IMPRESSION": 1_000, "RECOMMENDATION_ID": 40}
_INT = 2**31
_LONG = 2**63
_FLOAT = 3.4028234663852886e38


# --- from columns of the marts to fields ----------------------------------------------------------


def _each(values: pd.Series | Objects, function: Callable[[Any], Any]) -> Objects:
    """Apply a function once to each different value; a missing one stays missing."""
    codes, different = pd.factorize(np.asarray(values, dtype=object))
    made = np.empty(len(different) + 1, dtype=object)
    made[:-1] = [function(value) for value in different]
    made[-1] = None
    return made[codes]  # type: ignore[no-any-return]


def _line(value: Any) -> str | None:
    return datasets.line(str(value))


def impression(text: str) -> str | None:
    """An impression as it may be sent: its first 25 items, fewer if these exceed the length."""
    items = text.split("|")[:MOST_IMPRESSION]
    while items and len("|".join(items)) > _LONGEST["IMPRESSION"]:
        items.pop()
    return "|".join(items) or None


def interactions(page: pd.DataFrame, values: Mapping[str, float]) -> pd.DataFrame:
    """Fields of interactions; ``values`` gives EVENT_VALUE by event type."""
    return pd.DataFrame(
        {
            "USER_ID": _plain(page["user_id"]),
            "ITEM_ID": _plain(page["item_id"]),
            "EVENT_TYPE": _plain(page["event_type"]),
            "TIMESTAMP": _plain(page["epoch_seconds"]),
            "DEVICE_TYPE": _each(page["device_type"], _line),
            "EVENT_VALUE": _each(page["event_type"], values.get),
            "IMPRESSION": _each(page["impression"], impression),
            "RECOMMENDATION_ID": _each(page["recommendation_id"], _line),
        },
        dtype=object,
    )


def action_interactions(page: pd.DataFrame) -> pd.DataFrame:
    """Fields of action interactions."""
    return pd.DataFrame(
        {
            "USER_ID": _plain(page["user_id"]),
            "ACTION_ID": _plain(page["action_id"]),
            "EVENT_TYPE": _plain(page["event_type"]),
            "TIMESTAMP": _plain(page["epoch_seconds"]),
        },
        dtype=object,
    )


def users(page: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """Fields of users."""
    made: dict[str, Objects] = {"USER_ID": _plain(page["user_id"])}
    for name in ("membership", "gender", "age", "country", "plan", *features):
        made[name.upper()] = _each(_plain(page[name]), _feature)
    return pd.DataFrame(made, dtype=object)


def _feature(value: Any) -> Any:
    """A text on one line; a whole number that came along with NULLs, as the number it is."""
    if isinstance(value, str):
        return _line(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def joined(items: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """Items with the catalogue's values before those of events, sorted by id.

    Products of the catalogue that no event named are items too.
    """
    columns = ["item_id", "category", "brand", "name", "price", "created_at", *catalogue.own]
    made = {name: _plain(items[name]) for name in ("item_id", "category", "brand", "name")}
    made["price"] = _each(items["price"], float)
    known = pd.DataFrame(made, dtype=object).set_index("item_id")
    if catalogue.rows:
        own = pd.DataFrame.from_dict(dict(catalogue.rows), orient="index", dtype=object)
        own = own.reindex(columns=sorted({*own.columns, *columns[1:]}))
        known = own.combine_first(known.reindex(columns=own.columns))
        known = known.astype(object).where(known.notna(), None)
    known = known.reindex(columns=columns[1:]).sort_index()
    known.index.name = "item_id"
    return known.reset_index().astype(object)


def items(rows: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Fields of items; ``kinds`` are Athena's types of those that are no texts."""
    levels = _each(rows["category"], datasets.categories)
    made: dict[str, Objects] = {"ITEM_ID": _plain(rows["item_id"])}
    made["PRICE"] = _each(rows["price"], float)
    for number in range(3):
        taken = [None if one is None else one[number] for one in levels]
        made[f"CATEGORY_L{number + 1}"] = np.array([*taken, None], dtype=object)[:-1]
    made["BRAND"] = _each(rows["brand"], _line)
    made["PRODUCT_DESCRIPTION"] = _each(rows["name"], _line)
    made["CREATION_TIMESTAMP"] = _each(rows["created_at"], int)
    read: dict[str, Callable[[Any], Any]] = {"bigint": int, "double": float, "varchar": _line}
    ours = {"item_id", "category", "brand", "name", "price", "created_at"}
    for name in (name for name in rows.columns if name not in ours):
        made[name.upper()] = _each(rows[name], read[kinds[name.upper()]])
    return pd.DataFrame(made, dtype=object)


def _plain(column: pd.Series) -> Objects:
    """Values as Python has them; NULL in any form is ``None``."""
    plain = column.astype(object)
    return plain.where(column.notna(), None).to_numpy(object)  # type: ignore[no-any-return]


# --- checking -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    """Rows that fit: ``frame`` with their values, ``cells`` as a file has them, by column."""

    frame: pd.DataFrame
    cells: list[list[Any]]
    rejects: list[Reject]


def checked(page: pd.DataFrame, schema: Schema, lengths: Lengths) -> Checked:
    """Sort out the rows that do not fit: the first field that is wrong, in the schema's order."""
    page = page[schema.names]
    wrong = np.zeros(len(page), dtype=np.int64)  # 0: nothing is wrong
    reasons: list[tuple[str, str]] = [("", "")]
    for field in schema.fields:
        codes, messages = _problems(page[field.name].to_numpy(object), field, lengths)
        if messages:
            shifted = np.where(codes > 0, codes + len(reasons) - 1, 0)
            wrong = np.where(wrong > 0, wrong, shifted)
            reasons += [(field.name, message) for message in messages]
    good = wrong == 0
    ids = page[schema.names[0]].to_numpy(object)
    rejects = [
        Reject("" if ids[row] is None else str(ids[row]), *reasons[wrong[row]])
        for row in np.flatnonzero(~good)
    ]
    kept = page if good.all() else page[good].reset_index(drop=True)
    cells = [_cells(kept[field.name].to_numpy(object), field) for field in schema.fields]
    return Checked(kept, cells, rejects)


def _problems(
    values: Objects, field: Field, lengths: Lengths
) -> tuple[NDArray[np.int64], list[str]]:
    """What is wrong with each value: 0 where nothing is, else a message's number from 1."""

    def problem(value: Any) -> str | None:
        if value is None:
            return None if field.optional else "is missing"
        if field.type == "string":
            if not isinstance(value, str):
                return "is not of the schema's type"
            return datasets.text_problem(value, _longest(field, lengths))
        if field.type == "boolean":
            return None if isinstance(value, (bool, np.bool_)) else "is not of the schema's type"
        if isinstance(value, (str, bool)):
            return "is not of the schema's type"
        if field.type in ("int", "long"):
            most = _INT if field.type == "int" else _LONG
            whole = isinstance(value, (int, np.integer)) or float(value).is_integer()
            return None if whole and -most <= value < most else "is not of the schema's type"
        if not np.isfinite(float(value)):
            return "is no finite number"
        too_large = field.type == "float" and abs(float(value)) > _FLOAT
        return "is not of the schema's type" if too_large else None

    if field.type == "long" and _all_integers(values):
        return np.zeros(len(values), dtype=np.int64), []
    codes, different = pd.factorize(values, use_na_sentinel=True)
    found = [*map(problem, different), problem(None)]
    messages = sorted({message for message in found if message is not None})
    numbers: dict[str | None, int] = {
        None: 0,
        **{message: n for n, message in enumerate(messages, start=1)},
    }
    return np.array([numbers[one] for one in found], dtype=np.int64)[codes], messages


def _all_integers(values: Objects) -> bool:
    if set(map(type, values)) - {int}:
        return False
    return not len(values) or (min(values) >= -_LONG and max(values) < _LONG)


def _longest(field: Field, lengths: Lengths) -> int:
    if field.name in _LONGEST:
        return _LONGEST[field.name]
    if field.kind == "textual":
        return lengths.textual
    return lengths.categorical if field.kind == "categorical" else lengths.id


def _cells(values: Objects, field: Field) -> list[Any]:
    """Values as a file has them; NULL is empty."""
    if field.type in ("float", "double"):
        return ["" if value is None else repr(float(value)) for value in values]
    if field.type == "boolean":
        return ["" if value is None else str(bool(value)).lower() for value in values]
    if field.type in ("int", "long"):
        return ["" if value is None else int(value) for value in values]
    return ["" if value is None else value for value in values]
