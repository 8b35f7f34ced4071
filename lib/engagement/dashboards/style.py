"""How charts look, and how they are saved: the same bytes for the same data.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart. Nothing here
touches matplotlib's own settings for longer than a chart is drawn or saved.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from engagement.privacy import masked

BLUE = "#0072B2"
ORANGE = "#D55E00"
SKY = "#56B4E9"
GREY = "#6B6B6B"
PALE = "#C9CFD6"
INK = "#222222"
GREEN = "#009E73"
AMBER = "#E69F00"
PINK = "#CC79A7"

_SETTINGS: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": PALE,
    "axes.grid": False,
    "axes.labelcolor": GREY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.titlesize": 12,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": "#E6E9EC",
    "savefig.dpi": 100,
    "svg.fonttype": "path",
    "svg.hashsalt": "engagement",
    "text.color": INK,
    # Names of products and campaigns may hold a dollar sign, which is no formula.
    "text.parse_math": False,
    "xtick.color": PALE,
    "xtick.labelcolor": GREY,
    "ytick.color": PALE,
    "ytick.labelcolor": INK,
}


class Chart(Figure):
    """A figure that is drawn with this project's settings, whoever asks for it."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw it with ``renderer``."""
        with applied():
            super().draw(renderer)


@contextmanager
def applied() -> Iterator[None]:
    """Draw with this project's settings, whatever else is set, and put those back."""
    with mpl.rc_context(), warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box: nothing that a reader should be told.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


_NARROW = 4.2
_narrow: ContextVar[bool] = ContextVar("narrow", default=False)


@contextmanager
def narrow() -> Iterator[None]:
    """Make figures as wide as a telephone, with letters of the same size, within this block."""
    token = _narrow.set(True)
    try:
        yield
    finally:
        _narrow.reset(token)


def is_narrow() -> bool:
    """Whether figures are made for a telephone: see :func:`narrow`."""
    return _narrow.get()


def empty(width: float = 8.0, height: float = 3.6) -> Chart:
    """Make an empty figure, its size in inches; call it inside :func:`applied`."""
    if _narrow.get():
        width, height = min(width, _NARROW), height + 0.4  # titles take more lines
    figure = Chart(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def chart(width: float = 8.0, height: float = 3.6) -> tuple[Chart, Axes]:
    """Make an empty figure and its axes; call it inside :func:`applied`."""
    figure = empty(width, height)
    return figure, figure.add_subplot()


def title(figure: Figure, text: str) -> None:
    """Put a title over the whole figure, at its left edge, in as many lines as it needs."""
    width = round(figure.get_figwidth() * 11.5)
    said = figure.suptitle(textwrap.fill(text, width), x=0.01, horizontalalignment="left")
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    room = 0.985 * figure.get_figwidth() * figure.dpi
    # Letters differ in width: what is too wide for the figure takes another line.
    while said.get_window_extent(renderer).width > room and width > _SHORTEST_LINE:
        width -= 2
        said.set_text(textwrap.fill(text, width))


_SHORTEST_LINE = 16


def png(figure: Figure, *, dpi: float = 100) -> bytes:
    """The figure as a PNG without metadata: the same bytes for the same figure."""
    return _saved(figure, "png", {"Software": None}, dpi)


def svg(figure: Figure) -> bytes:
    """The figure as an SVG without metadata: the same bytes for the same figure."""
    empty = {"Date": None, "Creator": None, "Format": None, "Type": None}
    return _saved(figure, "svg", empty, 100)


def _saved(figure: Figure, kind: str, metadata: dict[str, None], dpi: float) -> bytes:
    buffer = io.BytesIO()
    with applied():
        figure.savefig(buffer, format=kind, metadata=metadata, dpi=dpi)
    return buffer.getvalue()


def number(value: float) -> str:
    """Write a number to be read: ``1,234``; with two decimals where it is below a hundred."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.2f}"


def counted(value: float, thing: str) -> str:
    """Write how many things there are: ``1 person``, ``2 persons``."""
    return f"{number(value)} {thing}{'' if value == 1 else 's'}"


def percent(share: float) -> str:
    """Write a share as a percentage: ``0.0421`` is ``4.2 %``."""
    return f"{share:.0%}".replace("%", " %") if share >= 0.9995 else f"{share * 100:.1f} %"


def duration(seconds: float) -> str:
    """Write a time to be read: ``45 s``, ``12 min``, ``3.5 h``, ``2.1 days``."""
    for length, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            amount = seconds / length
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{seconds:.0f} s"


def label(text: object, width: int = 30) -> str:
    """A text from the data as one short line, with nothing private in it."""
    line = re.sub(r"\s+", " ", masked(str(text))).strip()
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def thousands() -> FuncFormatter:
    """Ticks such as 20,000."""
    return FuncFormatter(lambda value, _: number(value))


def percents() -> FuncFormatter:
    """Ticks such as 5 %."""
    return FuncFormatter(lambda value, _: f"{value * 100:g} %")


def dates(axes: Axes, day: pd.Series) -> None:
    """Ticks for days, at most eight; and room of a day on both sides."""
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    if len(day):
        axes.set_xlim(day.min() - pd.Timedelta(days=1), day.max() + pd.Timedelta(days=1))


def legend_above(axes: Axes, *, columns: int | None = None, **options: Any) -> None:
    """Put the legend above a chart, in two columns (one on a narrow chart) or as many as given."""
    axes.legend(
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1),
        borderaxespad=0,
        ncols=columns or (1 if is_narrow() else 2),
        labelcolor=GREY,
        **options,
    )
