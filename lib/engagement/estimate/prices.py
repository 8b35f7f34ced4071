"""Prices, from one file of data, with those of the parameters in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

import yaml


@dataclass(frozen=True)
class Price:
    """What something costs in dollars, and where that is from; ``sure`` is ``own`` for a team's."""

    name: str
    usd: float
    unit: str
    source: str
    sure: str


@dataclass(frozen=True)
class Prices:
    """Prices by name, of one region, as they were on a day."""

    region: str
    checked: date
    by_name: Mapping[str, Price]

    def __getitem__(self, name: str) -> float:
        return self.by_name[name].usd


@cache
def _listed() -> Mapping[str, Any]:
    file = resources.files("engagement.estimate") / "prices.yml"
    found: Mapping[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def names() -> list[str]:
    """Names that a price may have."""
    return list(_listed()["prices"])


def prices(own: Mapping[str, float]) -> Prices:
    """The list's prices, with ``own`` ones in their place."""
    listed = {
        name: Price(name, float(one["usd"]), one["unit"], one["source"], one["sure"])
        for name, one in _listed()["prices"].items()
    }
    for name, usd in own.items():
        listed[name] = Price(name, usd, listed[name].unit, "the parameters", "own")
    return Prices(_listed()["region"], _listed()["checked"], listed)
