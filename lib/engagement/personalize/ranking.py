"""How good ranked lists are: Amazon Personalize's offline metrics, and how sure one can be of them.

Names and definitions are those of the developer guide's page "Evaluating a solution version with
metrics"; diversity, novelty and the intervals are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LENGTH = 25
"""Places of a list that the metrics look at."""

CUTS = (5, 10, 25)

PER_PERSON = (
    "mean_reciprocal_rank_at_25",
    *(f"normalized_discounted_cumulative_gain_at_{cut}" for cut in CUTS),
    *(f"precision_at_{cut}" for cut in CUTS),
)
"""Metrics of Personalize that are means over people; ``coverage`` is about all lists together."""

SEED = 20_260_101
"""Of everything random here: a rerun draws the same."""

_DISCOUNTS = 1 / np.log2(np.arange(2, LENGTH + 2))


def top(scores: Floats, order: Integers, length: int) -> Integers:
    """Columns of the largest scores of each row, the best first.

    Parameters
    ----------
    scores
        Shape (people, products). They are compared rounded to 6 places, so that the last digits of
        a sum, which hang on the machine, decide nothing.
    order
        Place of each column among equals: the smaller wins. No two are the same.
    length
        How many are wanted; there may be fewer columns.

    Returns
    -------
    array of shape (people, min(length, products))
    """
    products = scores.shape[1]
    length = min(length, products)
    if not length or not scores.shape[0]:
        return np.zeros((scores.shape[0], length), dtype=np.int64)
    keys = np.rint(scores * 1e6).astype(np.int64) * products + (products - 1 - order)
    if length < products:
        chosen = np.argpartition(-keys, length - 1, axis=1)[:, :length]
    else:
        chosen = np.broadcast_to(np.arange(products), keys.shape)
    ordered = np.argsort(-np.take_along_axis(keys, chosen, axis=1), axis=1)
    best: Integers = np.take_along_axis(chosen, ordered, axis=1)
    return best


def per_person(hits: NDArray[np.bool_], truths: Integers) -> dict[str, Floats]:
    """Each person's share in the metrics that are means over people.

    Parameters
    ----------
    hits
        Shape (people, places): whether the product on a place is one that the person went on to.
        A list shorter than 25 has no hit on the places that it lacks.
    truths
        Products that each person went on to, at least one.

    Returns
    -------
    dict
        For each of :data:`PER_PERSON`, an array with a value for each person.

    Notes
    -----
    The reciprocal rank is 1 / place of the first hit, 0 without one. A hit on place p gains
    1 / log2(p + 1); the sum is divided by what the best list of that length would gain. Precision
    divides by the length that was asked for, however short the list is.
    """
    gained = np.zeros((len(hits), LENGTH))
    gained[:, : min(hits.shape[1], LENGTH)] = hits[:, :LENGTH]
    first = np.where(gained.any(axis=1), gained.argmax(axis=1) + 1.0, np.inf)
    found = {PER_PERSON[0]: 1 / first}
    ideal = np.cumsum(_DISCOUNTS)
    for cut in CUTS:
        best = ideal[np.minimum(truths, cut) - 1]
        gain = gained[:, :cut] @ _DISCOUNTS[:cut]
        found[f"normalized_discounted_cumulative_gain_at_{cut}"] = gain / best
    for cut in CUTS:
        found[f"precision_at_{cut}"] = gained[:, :cut].sum(axis=1) / cut
    return found


def diversity(groups: Integers) -> Floats:
    """Share of the pairs in each list whose products are of different groups; 0 without a pair.

    ``groups`` has shape (people, places); a product of no known group (-1) differs from all others.
    """
    places = groups.shape[1]
    if places < 2:
        return np.zeros(len(groups))
    one, other = np.triu_indices(places, 1)
    different = (groups[:, one] != groups[:, other]) | (groups[:, one] < 0)
    mean: Floats = different.mean(axis=1)
    return mean


def novelty(lists: Integers, people_of: Integers, people: int) -> Floats:
    """Mean of −log2 of the share of people who know the products of each list, in bits.

    One person is added to both counts, so that a product nobody knows has a number too.
    """
    if not lists.shape[1]:
        return np.zeros(len(lists))
    bits = np.log2((people + 1) / (people_of + 1))
    mean: Floats = bits[lists].mean(axis=1)
    return mean


def first_shown(lists: Integers, products: int) -> Integers:
    """How many products of each list were in no list before: their sum is what was shown at all."""
    places = lists.shape[1]
    _, first = np.unique(lists, return_index=True)
    if not places:
        return np.zeros(len(lists), dtype=np.int64)
    del products
    return np.bincount(first // places, minlength=len(lists)).astype(np.int64)


def intervals(
    values: Floats, resamples: int, *, level: float = 0.95, seed: int = SEED
) -> tuple[Floats, Floats]:
    """Confidence intervals of means by bootstrap over people: percentiles of resampled means.

    Parameters
    ----------
    values
        Shape (people, measures), at least one person. All measures of a person are drawn together,
        so that the interval of a difference knows what both sides have in common.

    Returns
    -------
    lower, upper
        Each of shape (measures,).
    """
    means = resampled_means(values, resamples, seed)
    rest = (1 - level) / 2
    ends: Floats = np.quantile(means, [rest, 1 - rest], axis=0).astype(np.float64)
    return ends[0], ends[1]


def resampled_means(values: Floats, resamples: int, seed: int = SEED) -> Floats:
    """Means over people who are drawn with replacement, shape (resamples, measures)."""
    people = len(values)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    block = max(1, min(resamples, 2_000_000 // people))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = generator.integers(0, people, (size, people))
        drawn += np.arange(size)[:, None] * people
        counts = np.bincount(drawn.ravel(), minlength=size * people).reshape(size, people)
        means[start : start + size] = counts @ values / people
    return means


def rounded(values: Any, places: int = 6) -> Floats:
    """Round, without a minus before zero."""
    result: Floats = np.asarray(values, dtype=np.float64).round(places) + np.float64(0)
    return result


def names(measures: Sequence[str]) -> list[str]:
    """Measures in the order that tables show them in: Personalize's own first."""
    known = ["coverage", *PER_PERSON]
    return [*(name for name in known if name in measures), *sorted(set(measures) - set(known))]
