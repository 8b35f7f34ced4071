"""What a notebook shows of a table."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engagement.output.formatting import cell, html, text


@pytest.mark.parametrize(
    ("value", "column", "shown"),
    [
        (Decimal("1234567.50"), "revenue", "1,234,567.50"),
        (Decimal("-0.05"), "refunds", "-0.05"),
        (np.int64(12345), "orders", "12,345"),
        (0.12345, "conversion_rate", "12.3 %"),
        (0.5, "favourite_brand_share", "50.0 %"),
        (1234.0, "seconds", "1,234"),
        (1597.805, "median_order_value", "1,597.805"),
        (1e-9, "x", "1e-09"),
        (None, "x", "–"),
        (float("nan"), "x", "–"),
        (pd.NA, "x", "–"),
        (pd.NaT, "x", "–"),
        (True, "is_bot", "yes"),
        (np.bool_(False), "is_bot", "no"),
        (date(2026, 10, 30), "day", "2026-10-30"),
        (pd.Timestamp("2026-10-30"), "day", "2026-10-30"),
        (pd.Timestamp("2026-10-30 10:05"), "at", "2026-10-30 10:05:00"),
        (["a", None], "x", "['a', None]"),
        ("x" * 100, "x", "x" * 89 + "…"),
    ],
)
def test_a_value_is_shown(value: Any, column: str, shown: str) -> None:
    assert cell(value, column) == shown


def test_numbers_stand_to_the_right_and_an_index_of_numbers_is_left_out() -> None:
    frame = pd.DataFrame({"name": ["a", "bb"], "n": [1, 1000]}, index=[3, 7])
    assert text(frame) == "name      n\na         1\nbb    1,000"


def test_an_index_that_says_something_is_shown() -> None:
    frame = pd.DataFrame({"n": [1]}, index=pd.Index(["x"], name="what"))
    assert text(frame) == "what  n\nx     1"


def test_what_comes_from_the_data_is_escaped() -> None:
    page = html(pd.DataFrame({"<b>": ["<script>"]}))
    assert "<script>" not in page
    assert "&lt;b&gt;" in page


def test_a_long_table_says_how_long() -> None:
    frame = pd.DataFrame({"n": range(100)})
    assert text(frame).splitlines()[-1] == "… 100 rows, the first 60 shown"
    assert "100 rows" in html(frame)
