"""Functions that DuckDB lacks and the dialect's own ones need, as functions of a connection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from engagement.records import strict_json


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions known to a connection; it may be one that only reads."""
    for name, function in _FUNCTIONS.items():
        connection.create_function(
            name,
            partial(_each, function),
            ["VARCHAR"],
            "VARCHAR",
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,  # else they may not answer NULL
        )


def _each(function: Callable[[str], str | None], texts: pa.Array) -> pa.Array:
    found = [None if text is None else function(text) for text in texts.to_pylist()]
    return pa.array(found, pa.string())


def sound_json(text: str) -> str | None:
    """A JSON text with only the last of the values that a key is given.

    Returns
    -------
    str or None
        ``None`` for a text that is not exactly one JSON value, read strictly.
    """
    if strict_json.verdict(text) in (strict_json.NOT_JSON, strict_json.TOO_DEEP):
        return None
    return strict_json.last_wins(text) if strict_json.has_twins(text) else text


_FUNCTIONS: dict[str, Callable[[str], str | None]] = {
    "engagement_json": sound_json,
    "engagement_json_verdict": strict_json.verdict,
    "engagement_json_last_wins": strict_json.last_wins,
    "engagement_json_object_items": strict_json.object_items,
}
"""By the names that :mod:`.functions` gives them."""
