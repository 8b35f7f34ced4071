"""The comparison of two engines' tables itself: it finds what differs, and nothing else."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from tests.athena.compare import frames

COLUMNS: dict[str, tuple[str, list[Any]]] = {
    "text": ("str", ["b", "a", None]),
    "whole": ("Int64", [1, 2, None]),
    "flag": ("boolean", [True, False, None]),
    "moment": ("datetime64[ms]", ["2026-01-05", "2026-01-06", None]),
    "number": ("float64", [1.5, 1e12, None]),
    "money": ("object", [Decimal("1.25"), Decimal("2.50"), None]),
    "day": ("object", [date(2026, 1, 5), date(2026, 1, 6), None]),
    "list": ("object", [["a", "b"], [], None]),
}


def frame(**changed: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: pd.Series(changed.get(name, values), dtype=kind)
            for name, (kind, values) in COLUMNS.items()
        }
    )


def test_the_same_rows_in_another_order_are_the_same() -> None:
    assert frames(frame(), frame().iloc[[2, 0, 1]]) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", "c"),
        ("whole", None),
        ("whole", 3),
        ("flag", None),
        ("moment", "2026-01-05 00:00:00.001"),
        ("number", 1.5 + 1e-8),
        ("number", float("inf")),
        ("money", Decimal("1.26")),
        ("day", None),
        ("list", ["b", "a"]),
        ("list", None),
    ],
)
def test_one_cell_that_differs_is_named(name: str, value: Any) -> None:
    values = [value, *COLUMNS[name][1][1:]]
    for one, other in ((frame(), frame(**{name: values})), (frame(**{name: values}), frame())):
        found = frames(one, other)
        assert found is not None
        assert f"differing cells by column: {name}" in found


def test_doubles_are_the_same_to_a_billionth_of_their_size() -> None:
    near = [1.5 + 1e-10, 1e12 + 100, None]
    far = [1.5, 1e12 + 10_000, None]
    assert frames(frame(), frame(number=near)) is None
    assert "number" in str(frames(frame(), frame(number=far)))
    infinite = [float("inf"), float("-inf"), None]
    assert frames(frame(number=infinite), frame(number=infinite)) is None


def test_rows_that_no_plain_column_puts_in_order_are_compared_as_a_multiset() -> None:
    one = pd.DataFrame({"key": pd.Series(["a", "a"], dtype="str"), "n": [1.0, 2.0]})
    assert frames(one, one.iloc[::-1]) is None
    twice = pd.DataFrame({"key": pd.Series(["a", "a"], dtype="str"), "n": [1.0, 1.0]})
    assert "n 1" in str(frames(one, twice))


def test_rows_columns_and_types_count() -> None:
    assert "3 rows and 2" in str(frames(frame(), frame().iloc[:2]))
    assert "flag only on the first" in str(frames(frame(), frame().drop(columns="flag")))
    assert "their order" in str(frames(frame(), frame()[reversed(COLUMNS)]))
    assert "whole is Int64 and float64" in str(frames(frame(), frame().astype({"whole": float})))
