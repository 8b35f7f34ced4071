"""Pieces of the page: sections, charts in two widths, tables, and how values are written.

Whatever comes from the data is escaped here.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from engagement.dashboards import charts, style


def escape(text: object) -> str:
    """A text as HTML shows it."""
    return html.escape(str(text), quote=True)


def section(title: str, content: str, *, anchor: str) -> str:
    """A part of the page that the list of contents names."""
    return f'<section id="{anchor}">\n<h2>{escape(title)}</h2>\n{content}\n</section>'


def block(title: str, content: str) -> str:
    """A part of a section with a heading of its own."""
    return f'<div class="block">\n<h3>{escape(title)}</h3>\n{content}\n</div>\n'


def note(text: str) -> str:
    """The line above a figure that says what it shows."""
    return f'<p class="note">{escape(text)}</p>\n'


def words(text: str) -> str:
    """A sentence in place of a figure."""
    return f"<p>{escape(text)}</p>\n"


def details(content: str) -> str:
    """Content that opens on a click, and is always open on paper."""
    return f"<details><summary>The numbers</summary>{content}</details>\n"


@dataclass(frozen=True)
class Drawn:
    """A chart in two widths: for a page and for a phone."""

    wide: Figure
    narrow: Figure


def drawn(
    frame: pd.DataFrame, chart: Callable[..., Figure], rows: int, otherwise: str, **options: Any
) -> Drawn | str:
    """A chart, or the words where there is too little data for it."""
    wide = charts.chart_or_message(frame, chart, rows, otherwise, **options)
    with style.narrow():
        narrow = charts.chart_or_message(frame, chart, rows, otherwise, **options)
    if isinstance(wide, Figure) and isinstance(narrow, Figure):
        return Drawn(wide, narrow)
    return otherwise


def shown(found: Drawn | str, numbers: str = "", *, live: str | None = None) -> str:
    """A chart with its table, or the words if there is no chart.

    Parameters
    ----------
    live
        The name of the chart that a script puts in its place: see ``live.js``.
    """
    if isinstance(found, str):
        return words(found)
    seen = " ".join(found.wide.get_suptitle().split())
    place = f' data-live="{live}"' if live else ""
    figure = (
        f'<figure{place}><picture><source media="(max-width: 36rem)" '
        f'srcset="{_embedded(found.narrow)}">'
        f'<img alt="{escape(seen)}" data-width="{_pixels(found.wide)}" '
        f'data-narrow="{_pixels(found.narrow)}" src="{_embedded(found.wide)}"></picture></figure>\n'
    )
    return figure + (details(numbers) if numbers else "")


def _embedded(figure: Figure) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(style.svg(figure)).decode('ascii')}"


def _pixels(figure: Figure) -> int:
    """Width at which letters have the size they were drawn in."""
    return round(figure.get_figwidth() * 96)


def table(frame: pd.DataFrame, *, numbers: Sequence[str] = ()) -> str:
    """A table; columns without text, and those in ``numbers``, are right-aligned."""
    numeric = {
        column: column in numbers
        or (not frame[column].map(lambda cell: isinstance(cell, str)).any() and len(frame) > 0)
        for column in frame.columns
    }
    head = "".join(_cell("th", column, numeric=numeric[column]) for column in frame.columns)
    rows = "".join(
        "<tr>"
        + "".join(
            _cell("td", _plain(cell), numeric=numeric[column])
            for column, cell in zip(frame.columns, row, strict=True)
        )
        + "</tr>\n"
        for row in frame.itertuples(index=False, name=None)
    )
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n'
        "</table></div>\n"
    )


_DAY = re.compile(r"^(\w+ )?\d{4}-\d{2}-\d{2}")
"""Cells that are not broken into two lines."""


def _cell(tag: str, content: object, *, numeric: bool) -> str:
    is_day = _DAY.search(str(content)) is not None
    kind = ' class="number"' if numeric else ' class="day"' if is_day else ""
    return f"<{tag}{kind}>{escape(content)}</{tag}>"


def _plain(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    return "–" if pd.isna(cell) else f"{cell:,}".removesuffix(".0")


def shares(column: pd.Series) -> list[str]:
    """A column of shares as percentages."""
    return ["–" if pd.isna(share) else style.percent(float(share)) for share in column]


def write(value: Any, kind: str, currency: str) -> str:
    """Write a figure: a ``count``, a ``share`` or ``money``."""
    if pd.isna(value):
        return "–"
    match kind:
        case "share":
            return style.percent(float(value))
        case "money":
            return f"{float(value):,.2f} {currency}"
        case _:
            return style.number(float(value))


def count(value: Any) -> str:
    """Write a count; zero where it is not known."""
    return f"{0 if pd.isna(value) else int(value):,}"
