"""An A/B test of recommendations: who is in which arm, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from engagement.personalize.ranking import SEED, intervals, resampled_means, rounded

_Z = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


def arm(name: str, arms: Mapping[str, float], user_id: str) -> str:
    """Which arm of a test a user is in: for the shop's own site to ask.

    The first eight hexadecimal digits of SHA-256 of ``name:user_id`` are a number below 2^32; the
    arms share that range in their order. ``marts.experiment_people`` does the same in SQL.

    Parameters
    ----------
    user_id
        The id that the site sends: the user's own once logged in, else the device's.
    """
    number = int(hashlib.sha256(f"{name}:{user_id}".encode()).hexdigest()[:8], 16)
    begun = 0.0
    for one, share in arms.items():
        begun += share
        if number < round(begun * 2**32):
            return one
    return list(arms)[-1]


def results(frames: Mapping[str, pd.DataFrame], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Fill ``experiment_results``: each arm's measures, and what it has over the control."""
    people = frames["people"].sort_values("person_id")
    arms = list(frames["arms"].sort_values("place")["arm"])
    resamples = int(parameters["resamples"])
    measures = {
        one: np.column_stack(
            [
                (rows["orders"].to_numpy(np.int64) > 0).astype(np.float64),
                rows["orders"].to_numpy(np.float64),
                rows["net_revenue"].astype(object).map(float).to_numpy(np.float64),
            ]
        )
        for one in arms
        if len(rows := people[people["arm"] == one])
    }
    resampled = {
        one: resampled_means(values, resamples, SEED + number)
        for number, (one, values) in enumerate(measures.items())
    }
    found = []
    control = arms[0] if arms else ""
    for one, values in measures.items():
        lower, upper = intervals(values, resamples)
        lower[0], upper[0] = wilson(int(values[:, 0].sum()), len(values))
        mean = values.mean(axis=0)
        against = [(None, None, None)] * len(_MEASURES)
        if one != control and control in measures:
            difference = mean - measures[control].mean(axis=0)
            ends = np.quantile(resampled[one] - resampled[control], [0.025, 0.975], axis=0)
            against = list(zip(rounded(difference), *rounded(ends), strict=True))
        for number, name in enumerate(_MEASURES):
            middle = float(rounded(mean[number]))
            interval = (
                min(middle, float(rounded(lower[number]))),
                max(middle, float(rounded(upper[number]))),
            )
            found.append((name, one, len(values), middle, *interval, *against[number]))
    return pd.DataFrame(found, columns=_COLUMNS)


_MEASURES = ("conversion", "orders_per_person", "revenue_per_person")
_COLUMNS = (
    *("measure", "arm", "people", "value", "lower", "upper"),
    *("difference", "difference_lower", "difference_upper"),
)


def wilson(successes: int, tries: int) -> tuple[float, float]:
    """95 % interval of a share by Wilson's score, which holds near 0 and 1 and with few tries.

    >>> [round(end, 4) for end in wilson(10, 100)]
    [0.0552, 0.1744]
    """
    share, square = successes / tries, _Z**2
    middle = share + square / (2 * tries)
    half = _Z * np.sqrt(share * (1 - share) / tries + square / (4 * tries**2))
    return float((middle - half) / (1 + square / tries)), float(
        (middle + half) / (1 + square / tries)
    )
