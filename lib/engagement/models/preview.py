"""The first rows of a model's table, as its author may see them: formatted, and nobody's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlglot import exp

from engagement.flatten.masking import mask
from engagement.models.runner import Model
from engagement.output.formatting import MISSING, cell
from engagement.sql.dialect import parse
from engagement.warehouse import Warehouse

SHOWN_ROWS = 10
WIDEST = 100
_WIDEST_CELL = 28
_PERSONAL = ("… (about a person)", "… (phone)", "… (e-mail)")


def first_rows(warehouse: Warehouse, model: Model, rows: int = SHOWN_ROWS) -> pd.DataFrame:
    """Rows of a model's table in the order of its key, every cell a text.

    Texts are masked as examples in 02 are, by their column's name and by what they look like:
    addresses, names, ids and free texts show only what they are.
    """
    columns = [exp.column(name, quoted=True) for name in model.document.columns]
    key = [exp.column(name, quoted=True) for name in model.document.key]
    query = exp.select(*columns).from_(model.table.node()).order_by(*key).limit(rows)
    frame = warehouse.query(parse(query.sql("athena")))
    return pd.DataFrame(
        {name: [_shown(name, value) for value in frame[name]] for name in frame.columns}
    )


def lines(frame: pd.DataFrame) -> list[str]:
    """Rows as lines of at most 100 characters: a wide table has its columns one below the other."""
    names = [str(name) for name in frame.columns]
    rows = [[_cut(text, 60) for text in row] for row in frame.itertuples(index=False, name=None)]
    found = _columns([names, *rows])
    if max(map(len, found)) <= WIDEST:
        return found
    # As many rows as fit, side by side.
    turned = [_cut(name, _WIDEST_CELL + 10) for name in ["column", *names]]
    beside = [
        [f"row {number}", *(_cut(text, _WIDEST_CELL) for text in row)]
        for number, row in enumerate(rows, start=1)
    ]
    fitting = [
        _columns(list(zip(turned, *beside[:most], strict=True))) for most in range(1, len(rows) + 1)
    ]
    narrow = [shown for shown in fitting if max(map(len, shown)) <= WIDEST]
    return (narrow or fitting[:1])[-1]


def _shown(name: str, value: Any) -> str:
    if isinstance(value, str):
        return mask(name, value)
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        items = value.tolist() if hasattr(value, "tolist") else value
        if isinstance(items, (list, tuple)):
            return ", ".join(_shown(name, item) for item in items) or MISSING
    text = cell(value, name)
    by_name = mask(name, "0")
    return by_name if text != MISSING and by_name in _PERSONAL else text


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        (
            "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
