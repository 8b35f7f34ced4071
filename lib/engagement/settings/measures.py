"""How the models count: seeds, bots, money, funnels, attribution."""

from __future__ import annotations

import difflib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from engagement.settings.section import (
    ROOT,
    Section,
)


class Models(Section):
    """``seeds``: the folder with a team's own rows for the models' small tables (left out:
    ``seeds``, if the project has such a folder).

    A CSV there has the name and the header of one in ``lib/engagement/models/seeds``
    (``known_sources.csv``, ``channel_rules.csv``, ``click_ids.csv``, …). A row whose key the table
    has replaces that row, a row with another key is added, and a row with nothing but a key removes
    the table's row.

    ``stale`` says what happens where a notebook reads tables that were built with other parameters
    than its own: it stops and says which (``refuse``), or builds them again (``rebuild``).
    """

    seeds: str | None = Field(default=None, min_length=1)
    stale: Literal["refuse", "rebuild"] = "refuse"

    @field_validator("seeds")
    @classmethod
    def _there(cls, seeds: str | None) -> str | None:
        if seeds is None or (folder := ROOT / Path(seeds).expanduser()).is_dir():
            return seeds
        if folder.exists():
            raise ValueError(f"'{seeds}' is a file; write the folder that it is in")
        around = folder.parent
        others = [p.name for p in around.iterdir() if p.is_dir()] if around.is_dir() else []
        near = difflib.get_close_matches(folder.name, others, n=1)
        hint = f"; did you mean '{Path(seeds).parent / near[0]}'?" if near else ""
        raise ValueError(f"there is no folder '{seeds}'{hint}")


class Metrics(Section):
    """``exclude_bots`` leaves flagged bots out of metrics; their rows stay in the tables.

    In the first ``settling_days`` of a landing people seem new who are not: days, periods and
    cohorts that start in them are marked as unsettled.
    """

    exclude_bots: bool = True
    settling_days: int = Field(default=14, ge=0, le=365)


class Currency(Section):
    """The reporting currency, and what one unit of each other currency is worth in it."""

    reporting: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    rates: dict[str, Annotated[Decimal, Field(gt=0, lt=10_000_000_000)]] = {}

    @field_validator("rates")
    @classmethod
    def _codes(cls, rates: dict[str, Decimal]) -> dict[str, Decimal]:
        for code, rate in rates.items():
            if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
                raise ValueError(f"'{code}' is not a currency code such as EUR")
            if rate < Decimal("0.00000001"):
                raise ValueError(
                    f"{code}: a rate has eight decimal places, and {rate} would be rounded to 0"
                )
        return rates


class Funnel(Section):
    """``window_days``: how long after its first step a person's funnel stays open."""

    window_days: int = Field(default=7, ge=1, le=365)


class Attribution(Section):
    """Which touches belong to a conversion.

    ``lookback_days`` is how long before a conversion a touch still counts. With ``reset:
    conversion`` a journey starts after the person's previous conversion; with ``none`` earlier
    touches count again.

    ``half_life_days`` is by how much longer before the order a touch counts half as much (time
    decay). ``position`` is what the first touch, those in the middle together and the last one get
    of an order, in percent; of two touches each has a half. ``spend`` is a CSV of what advertising
    cost (``day, channel, source, medium, campaign, cost, currency``).
    """

    lookback_days: int = Field(default=30, ge=1, le=365)
    reset: Literal["conversion", "none"] = "conversion"
    half_life_days: float = Field(default=7, ge=0.01, le=365)
    position: tuple[int, int, int] = (40, 20, 40)
    spend: str | None = Field(default=None, min_length=1)

    @field_validator("position")
    @classmethod
    def _percents(cls, position: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(position) < 0 or sum(position) != 100:
            raise ValueError("write three percentages that sum to 100, such as [40, 20, 40]")
        return position

    @field_validator("spend")
    @classmethod
    def _is_there(cls, spend: str | None) -> str | None:
        if spend is not None and not (ROOT / Path(spend).expanduser()).is_file():
            raise ValueError(f"there is no file '{spend}'")
        return spend
