"""What advertising cost: a team's CSV, read into rows of the reporting currency.

Columns: ``day`` (2026-05-31), ``channel`` (a channel group), ``cost`` (1250.00), and if wanted
``source``, ``medium``, ``campaign`` and ``currency``; in any order. A cell that is left empty is
``(not set)``, and the reporting currency. Sources and mediums are compared in lower case, and
sources are called as the models call them: ``fb`` is facebook.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path

from engagement.errors import WrongInputError
from engagement.messages import nearest

COLUMNS = {
    "day": "varchar",
    "channel": "varchar",
    "source": "varchar",
    "medium": "varchar",
    "campaign": "varchar",
    "cents": "bigint",
}
"""Columns and types of the seed ``attribution_spend``; the cost in cents."""

_REQUIRED = ("day", "channel", "cost")
_OPTIONAL = ("source", "medium", "campaign", "currency")
_MOST = Decimal(10) ** 10
_MOST_CENTS = 10**17
_MOST_SHOWN = 20


class SpendError(WrongInputError):
    """A table of costs that cannot be used, with every mistake found.

    Attributes
    ----------
    problems
        One sentence per mistake, each starting with its file and line.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def spend(
    path: Path,
    channels: Iterable[str],
    reporting: str,
    rates: Mapping[str, Decimal],
    called: Callable[[str], str] = str,
) -> list[tuple[str, str, str, str, str, int]]:
    """Rows of a team's table of costs, by day, channel, source, medium and campaign.

    Lines whose sources are called the same are one row.

    Parameters
    ----------
    path
        The CSV.
    channels
        The channel groups that there are.
    reporting, rates
        The reporting currency, and what one unit of each other currency is worth in it.
    called
        What a source is called, as a source of events is.

    Raises
    ------
    SpendError
        When it cannot be read, with every mistake by line (the first twenty).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        what = "there is no such file" if isinstance(error, FileNotFoundError) else "no UTF-8 text"
        raise SpendError([f"{path.name}: {what}"]) from None
    known = {reporting: Decimal(1), **rates}
    rows = _rows(path.name, text, tuple(sorted(set(channels))), tuple(sorted(known.items())))
    names = {source: called(source) for _, _, source, *_ in rows}
    found: Counter[tuple[str, str, str, str, str]] = Counter()
    for day, channel, source, medium, campaign, cents in rows:
        found[day, channel, names[source], medium, campaign] += cents
    return [(*key, cents) for key, cents in sorted(found.items())]


@lru_cache(maxsize=4)
def _rows(
    name: str, text: str, channels: tuple[str, ...], rates: tuple[tuple[str, Decimal], ...]
) -> list[tuple[str, str, str, str, str, int]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(cells)]
    except csv.Error as error:
        raise SpendError([f"{name}, line {reader.line_num}: {error}"]) from None
    if not lines:
        raise SpendError([f"{name}: the header is missing: {', '.join(_REQUIRED)}"])
    header = [cell.strip().lower() for cell in lines[0][1]]
    problems = list(_of_header(name, header))
    if problems:
        raise SpendError(problems)
    reader_ = _Reader(header, channels, dict(rates))
    found: dict[tuple[str, str, str, str, str], int] = {}
    first: dict[tuple[str, str, str, str, str], int] = {}
    for number, cells in lines[1:]:
        try:
            key, cents = reader_.row(cells)
        except ValueError as error:
            problems.append(f"{name}, line {number}: {error}")
            continue
        if key in found:
            problems.append(f"{name}, line {number}: line {first[key]} has the same key")
        found[key], first[key] = cents, number
    if problems:
        more = len(problems) - _MOST_SHOWN
        shown = problems[:_MOST_SHOWN] + ([f"{name}: {more} more mistakes"] if more > 0 else [])
        raise SpendError(shown)
    return [(*key, cents) for key, cents in sorted(found.items())]


def _of_header(name: str, header: list[str]) -> Iterator[str]:
    for column in _REQUIRED:
        if column not in header:
            yield f"{name}: the column {column} is missing"
    for column in header:
        if column not in (*_REQUIRED, *_OPTIONAL):
            yield (
                f"{name}: there is no column '{column}'{nearest(column, [*_REQUIRED, *_OPTIONAL])}"
            )
    if len(set(header)) < len(header):
        yield f"{name}: a column is named twice"


class _Reader:
    """Reads lines by a header; the channels and rates are those that there are."""

    def __init__(
        self, header: list[str], channels: Iterable[str], rates: Mapping[str, Decimal]
    ) -> None:
        self._header = header
        self._channels = {channel.lower(): channel for channel in channels}
        self._rates = rates

    def row(self, cells: list[str]) -> tuple[tuple[str, str, str, str, str], int]:
        """A line's key, and its cost in cents of the reporting currency."""
        if len(cells) != len(self._header):
            raise ValueError(f"{len(cells)} cells, the header has {len(self._header)}")
        row = {key: cell.strip() for key, cell in zip(self._header, cells, strict=True)}
        channel = self._channels.get(row["channel"].lower())
        if channel is None:
            hint = nearest(row["channel"], self._channels.values())
            raise ValueError(f"there is no channel '{row['channel']}'{hint}")
        key = (
            _day(row["day"]),
            channel,
            row.get("source", "").lower() or "(not set)",
            row.get("medium", "").lower() or "(not set)",
            row.get("campaign", "") or "(not set)",
        )
        return key, self._cents(row["cost"], row.get("currency", "").upper())

    def _cents(self, cost: str, currency: str) -> int:
        try:
            amount = Decimal(cost)
        except InvalidOperation:
            raise ValueError(f"'{cost}' is no amount such as 1250.00") from None
        if not amount.is_finite() or not 0 <= amount < _MOST:
            raise ValueError(f"'{cost}' is no amount from 0 to below 10,000,000,000")
        rate = self._rates.get(currency) if currency else Decimal(1)
        if rate is None:
            raise ValueError(f"there is no rate for '{currency}' in currency.rates")
        cents = int((amount * rate * 100).quantize(Decimal(1), ROUND_HALF_UP))
        if cents >= _MOST_CENTS:
            raise ValueError(f"'{cost}' {currency} is more than a table of money holds")
        return cents


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no day such as 2026-05-31") from None
    return day.isoformat()
