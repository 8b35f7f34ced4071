"""Tables as a notebook shows them: money, shares, counts and missing values alike everywhere.

:func:`install` makes it how a notebook displays a DataFrame; the frame itself stays as it is.
"""

from __future__ import annotations

import html as html_
from datetime import date, datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import pandas as pd
from IPython.core.interactiveshell import InteractiveShell

MISSING = "–"
MOST_ROWS = 60
MOST_LETTERS = 90
_SHARES = ("rate", "share")
"""Columns whose names end so hold shares, shown in percent."""


def install(shell: InteractiveShell) -> None:
    """Show DataFrames this way in an IPython shell."""
    formatters = shell.display_formatter.formatters  # type: ignore[union-attr]
    formatters["text/html"].for_type(pd.DataFrame, html)
    formatters["text/plain"].for_type(pd.DataFrame, _pretty)


def cell(value: Any, column: str = "") -> str:
    """A value as it is shown in a column of some name.

    Examples
    --------
    >>> cell(Decimal("1234.50")), cell(0.0602, "conversion_rate"), cell(1234), cell(None)
    ('1,234.50', '6.0 %', '1,234', '–')
    """
    if isinstance(value, (list, tuple, dict)):
        return _cut(str(value))
    if value is None or pd.isna(value):
        return MISSING
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if isinstance(value, Real):
        return _real(float(value), column)
    if isinstance(value, datetime):
        whole_day = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.date().isoformat() if whole_day else f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    return _cut(str(value))


def html(frame: pd.DataFrame) -> str:
    """A DataFrame as an HTML table."""
    names, rows, right = _parts(frame)
    sides = ["right" if place in right else "left" for place in range(len(names))]
    head = "".join(
        f'<th style="text-align: {side}">{html_.escape(name)}</th>'
        for name, side in zip(names, sides, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<td style="text-align: {side}">{html_.escape(text)}</td>'
            for text, side in zip(row, sides, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    note = f"<p>{_more(frame)}</p>" if len(frame) > MOST_ROWS else ""
    return (
        f'<table class="dataframe">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>{note}"
    )


def text(frame: pd.DataFrame) -> str:
    """A DataFrame as lines of text."""
    names, rows, right = _parts(frame)
    widths = [max(len(row[place]) for row in [names, *rows]) for place in range(len(names))]
    lines = [
        "  ".join(
            part.rjust(width) if place in right else part.ljust(width)
            for place, (part, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [names, *rows]
    ]
    return "\n".join([*lines, _more(frame)] if len(frame) > MOST_ROWS else lines)


def _pretty(frame: pd.DataFrame, printer: Any, cycle: bool) -> None:
    del cycle
    printer.text(text(frame))


def _parts(frame: pd.DataFrame) -> tuple[list[str], list[list[str]], set[int]]:
    """Names and formatted rows of a frame, its index first if it says something; and which columns
    stand to the right.
    """
    shown = frame.head(MOST_ROWS)
    if not isinstance(frame.index, pd.RangeIndex) and not _is_a_selection(frame):
        shown = shown.reset_index()
    names = [str(name) for name in shown.columns]
    rows = [
        [cell(value, name) for value, name in zip(row, names, strict=True)]
        for row in shown.itertuples(index=False, name=None)
    ]
    right = {place for place in range(len(names)) if _is_number(shown.iloc[:, place])}
    return names, rows, right


def _is_a_selection(frame: pd.DataFrame) -> bool:
    """Whether the index is only what is left of the numbers of a larger frame's rows."""
    return frame.index.name is None and pd.api.types.is_integer_dtype(frame.index.dtype)


def _is_number(column: pd.Series) -> bool:
    known = column.dropna()
    return (
        not known.empty
        and not pd.api.types.is_bool_dtype(column)
        and all(isinstance(value, (Real, Decimal)) for value in known)
    )


def _real(value: float, column: str) -> str:
    if column.endswith(_SHARES):
        return f"{value * 100:,.1f} %"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.3f}".rstrip("0").rstrip(".") if abs(value) >= 0.001 else f"{value:.3g}"


def _cut(value: str) -> str:
    return value if len(value) <= MOST_LETTERS else f"{value[: MOST_LETTERS - 1]}…"


def _more(frame: pd.DataFrame) -> str:
    return f"… {len(frame):,} rows, the first {MOST_ROWS} shown"
