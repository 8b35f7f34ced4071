"""The Python models of the layer ``recommendations``: lists for people, and how good lists are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from engagement.personalize import baselines, ranking
from engagement.personalize.baselines import METHODS, Learned
from engagement.personalize.ranking import LENGTH, Integers, rounded

Frames = Mapping[str, pd.DataFrame]

_SHOWN = 10
"""Places that diversity and novelty look at: what fits on a page."""


def for_you(frames: Frames, parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Fill ``recommendations_for_you``: a list for everybody who has an interaction."""
    method = str(parameters["for_you_method"])
    known = _taken(frames, "affinities")
    persons, person = _numbers(known["person_id"])
    products, product = _numbers(known["product_id"])
    numbered = pd.DataFrame(
        {
            "person": person,
            "product": product,
            **{name: known[name] for name in ("weight", "interest", "trend")},
            "last": known["last_epoch_seconds"],
        }
    )
    bought = baselines.matrix(
        person,
        product,
        (known["purchases"].to_numpy(np.int64) > 0).astype(np.float64),
        (len(persons), len(products)),
    )
    del known
    learned = baselines.learn(
        products,
        numbered,
        _near(frames["neighbours"], products),
        _categories(frames["items"], products),
        int(parameters["factors"]),
        factors=method == "matrix_factorisation",
    )
    histories = baselines.histories(numbered, len(persons), len(products))
    del numbered
    generator = baselines.generator()
    length, show_bought = int(parameters["for_you_length"]), bool(parameters["show_bought"])
    parts: dict[str, list[Any]] = {"person": [], "rank": [], "product": [], "score": []}
    for rows, part in histories.parts():
        wanted = baselines.scores(method, learned, part, generator)
        hidden = np.zeros(wanted.shape, dtype=bool)
        if not show_bought:
            hidden = bought[rows].toarray() > 0
            wanted = np.where(hidden, _NEVER, wanted)
        best = ranking.top(wanted, learned.order, length)
        shown = ~np.take_along_axis(hidden, best, axis=1)
        who, place = np.nonzero(shown)
        parts["person"].append((who + rows.start).astype(np.int32))
        parts["rank"].append((place + 1).astype(np.int16))
        parts["product"].append(best[who, place].astype(np.int32))
        parts["score"].append(rounded(wanted[who, best[who, place]]))
    found = {name: np.concatenate([_KINDS[name], *arrays]) for name, arrays in parts.items()}
    guessed = found["score"] <= 0
    return pd.DataFrame(
        {
            "person_id": _texts(persons, found["person"]),
            "rank": found["rank"].astype(np.int64),
            "product_id": _texts(products, found["product"]),
            "score": np.where(guessed, 0.0, found["score"]),
            "method": _texts(np.array([method, "popular"], dtype=object), guessed.astype(np.int32)),
        }
    )


_KINDS = {
    "person": np.zeros(0, np.int32),
    "rank": np.zeros(0, np.int16),
    "product": np.zeros(0, np.int32),
    "score": np.zeros(0, np.float64),
}

_NEVER = -1e6
"""The score of what may not be shown: smaller than any other."""


def evaluation(frames: Frames, parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Ask each method for the lists of the people who are tested, and compare with their truth."""
    known = _taken(frames, "affinities")
    products, product = _numbers(known["product_id"])
    place = {name: n for n, name in enumerate(products)}
    numbered = pd.DataFrame(
        {
            "product": product,
            **{name: known[f"known_{name}"] for name in ("weight", "interest", "trend")},
            "last": known["known_last_epoch_seconds"],
        }
    )
    tested = known["is_tested"].to_numpy(bool)
    learned = baselines.learn(
        products,
        numbered[~tested].assign(person=_numbers(known["person_id"][~tested])[1]),
        _near(frames["neighbours"], products),
        _categories(frames["items"], products),
        int(parameters["factors"]),
    )
    truths = frames["truths"]
    asked = np.array(_sample(set(truths["person_id"]), int(parameters["tested_people"])), object)
    number = {name: n for n, name in enumerate(asked)}
    inputs = numbered[tested].assign(person=known["person_id"][tested].map(number))
    inputs = inputs.dropna(subset=["person"])
    histories = baselines.histories(inputs, len(asked), len(products))
    wanted = pd.DataFrame(
        {"person": truths["person_id"].map(number), "product": truths["product_id"].map(place)}
    ).dropna(subset=["person"])
    count = np.bincount(wanted["person"].to_numpy(np.int64), minlength=len(asked)).astype(np.int64)
    # A truth that nobody has met before is one that no method can find; it counts all the same.
    findable = wanted.dropna()
    truth = baselines.matrix(
        findable["person"].to_numpy(np.int64),
        findable["product"].to_numpy(np.int64),
        np.ones(len(findable)),
        (len(asked), len(products)),
    )
    catalogue = len(set(frames["items"]["product_id"]) | set(products))
    found = [
        _tested(method, learned, histories, truth, count).assign(
            method=method, person_id=asked, truths=count, catalogue=catalogue
        )
        for method in METHODS
    ]
    columns = ["method", "person_id", "truths", *ranking.PER_PERSON, *_OWN, *_COUNTS]
    return pd.concat(found, ignore_index=True)[columns]


_OWN = (f"diversity_at_{_SHOWN}", f"novelty_at_{_SHOWN}")
_COUNTS = ("first_shown", "catalogue")


def _tested(
    method: str, learned: Learned, histories: baselines.Histories, truth: Any, count: Integers
) -> pd.DataFrame:
    generator = baselines.generator()
    lists, hits = [], []
    for rows, part in histories.parts():
        wanted = baselines.scores(method, learned, part, generator)
        best = ranking.top(wanted, learned.order, LENGTH)
        lists.append(best)
        hits.append(np.take_along_axis(truth[rows].toarray() > 0, best, axis=1))
    width = min(LENGTH, len(learned.products))
    best = np.concatenate(lists) if lists else np.zeros((0, width), dtype=np.int64)
    hit = np.concatenate(hits) if hits else np.zeros((0, width), dtype=bool)
    shown = best[:, :_SHOWN]
    measured = {
        **ranking.per_person(hit, count),
        _OWN[0]: ranking.diversity(learned.category[shown]),
        _OWN[1]: ranking.novelty(shown, learned.people_of, learned.people),
    }
    made = pd.DataFrame({name: rounded(values, 9) for name, values in measured.items()})
    return made.assign(first_shown=ranking.first_shown(best, len(learned.products)))


def metrics(frames: Frames, parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Sum up an evaluation: each method's metrics with their confidence intervals."""
    return _summed(frames["evaluation"], int(parameters["resamples"]), minus=None)


def gains(frames: Frames, parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Compare each method with popularity, person by person."""
    return _summed(frames["evaluation"], int(parameters["resamples"]), minus="popular")


def _summed(evaluation: pd.DataFrame, resamples: int, *, minus: str | None) -> pd.DataFrame:
    measures = [*ranking.PER_PERSON, *_OWN]
    by_method = {
        str(method): rows.sort_values("person_id")
        for method, rows in evaluation.groupby("method", sort=True)
    }
    found = []
    for method, rows in by_method.items():
        if method == minus:
            continue
        values = rows[measures].to_numpy(np.float64)
        if minus is not None:
            values = values - by_method[minus][measures].to_numpy(np.float64)
        lower, upper = (rounded(side) for side in ranking.intervals(values, resamples))
        mean = rounded(values.mean(axis=0))
        found += [
            (method, name, mean[n], min(lower[n], mean[n]), max(upper[n], mean[n]), len(rows))
            for n, name in enumerate(measures)
        ]
        if minus is None:
            covered = rounded(rows["first_shown"].sum() / max(1, rows["catalogue"].max()))
            found.append((method, "coverage", float(covered), None, None, len(rows)))
    columns = ["method", "metric", "value", "lower", "upper", "users"]
    return pd.DataFrame(found, columns=columns)


# --- what the functions are given ----------------------------------------------------------------


def _taken(frames: Frames, name: str) -> pd.DataFrame:
    """Take a frame out of what was given: millions of rows whose memory is used again."""
    return frames.pop(name) if isinstance(frames, dict) else frames[name]


def _numbers(ids: pd.Series) -> tuple[Any, Integers]:
    """Different ids, sorted, and the number of each row's id among them."""
    codes, found = pd.factorize(ids, sort=True)
    return np.asarray(found, dtype=object), np.asarray(codes, dtype=np.int64)


def _near(neighbours: pd.DataFrame, products: Any) -> pd.DataFrame:
    place = {name: n for n, name in enumerate(products)}
    found = pd.DataFrame(
        {
            "product": neighbours["product_id"].map(place),
            "other": neighbours["other_product_id"].map(place),
            "score": neighbours["score"],
        }
    )
    return found.dropna()


def _categories(items: pd.DataFrame, products: Any) -> pd.Series:
    named = items.dropna(subset=["category"]).set_index("product_id")["category"]
    return pd.Series(products, dtype=object).map(named.to_dict())


def _sample(people: set[str], most: int) -> list[str]:
    """At most so many people, sorted; which, their hashes decide, and so not their number."""
    import hashlib

    def hashed(person: str) -> str:
        return hashlib.sha256(f"asked:{person}".encode()).hexdigest()

    return sorted(sorted(people, key=hashed)[:most])


def _texts(values: Any, chosen: Any) -> pd.Series:
    """Texts by number, without a Python object for each row."""
    taken = pa.array(list(values), pa.string()).take(pa.array(chosen))
    return pd.Series(taken, dtype=pd.ArrowDtype(pa.string()))
