"""Attribution by a Markov chain: what the orders would miss if a channel were not there.

Journeys are a chain of the first order over channels, with three states more: where each begins,
that it led to an order, that it led to none. The removal effect of a channel is the share of the
orders' probability that is lost when whoever would come to the channel is lost (Anderl, Becker,
von Wangenheim and Schumann, 2016); the effects, made to sum to one, are what each channel gets of
every order. Immediate repeats are one step, so no channel follows itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

START = "(start)"
ORDER = "(order)"
NONE = "(none)"

_PLACES = 12
_MILLIONTHS = Decimal("0.000001")


def attribution_markov(
    frames: Mapping[str, pd.DataFrame], parameters: Mapping[str, Any]
) -> pd.DataFrame:
    """Shares of every order by channel, from how often one state followed another.

    Parameters
    ----------
    frames
        ``transitions``: ``from_state, to_state, transitions``, in any order.

    Returns
    -------
    pandas.DataFrame
        ``channel, order_probability, probability_without, removal_effect, credit``, a row per
        channel, by name; credits are decimals of six places that sum to one. No row where no
        journey led to an order.
    """
    del parameters
    channels, within, to_order, first = chain(frames["transitions"])
    columns = ["channel", "order_probability", "probability_without", "removal_effect", "credit"]
    whole = probability(within, to_order, first)
    if not channels or whole <= 0:
        return pd.DataFrame(columns=columns)
    without = [removed(within, to_order, first, place) for place in range(len(channels))]
    effects = [max(0.0, 1 - one / whole) for one in without]
    credits_ = shares(effects)
    rows = [
        (channel, round(whole, _PLACES), round(one, _PLACES), round(effect, _PLACES), credit)
        for channel, one, effect, credit in zip(channels, without, effects, credits_, strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)


def chain(
    transitions: pd.DataFrame,
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The chain's probabilities: channels by name, among them, to an order, and from the start."""
    states = {*transitions["from_state"], *transitions["to_state"]} - {START, ORDER, NONE}
    channels = sorted(str(state) for state in states)
    place = {channel: number for number, channel in enumerate(channels)}
    many = len(channels)
    counts = np.zeros((many + 1, many + 2))  # the last row is the start; order, none
    ends = {ORDER: many, NONE: many + 1}
    for before, after, times in transitions.itertuples(index=False):
        counts[place.get(str(before), many), ends.get(str(after), place.get(str(after), 0))] += (
            times
        )
    sums = counts.sum(axis=1, keepdims=True)
    shares_ = np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)
    return channels, shares_[:many, :many], shares_[:many, many], shares_[many, :many]


def probability(
    within: NDArray[np.float64], to_order: NDArray[np.float64], first: NDArray[np.float64]
) -> float:
    """Probability that a journey leads to an order: exact, by solving the chain's equations."""
    if not len(to_order):
        return 0.0
    reached = np.linalg.solve(np.eye(len(to_order)) - within, to_order)
    return float(first @ reached)


def removed(
    within: NDArray[np.float64],
    to_order: NDArray[np.float64],
    first: NDArray[np.float64],
    place: int,
) -> float:
    """That probability without one channel: who would come to it comes to nothing."""
    kept = [number for number in range(len(to_order)) if number != place]
    return probability(within[np.ix_(kept, kept)], to_order[kept], first[kept])


def shares(effects: list[float]) -> list[Decimal]:
    """Effects as shares of six places that sum to one; the greatest takes what rounding leaves."""
    whole = sum(effects)
    found = [Decimal(e / whole).quantize(_MILLIONTHS, ROUND_HALF_UP) for e in effects]
    greatest = found.index(max(found))
    found[greatest] += 1 - sum(found)
    return found
