"""Baselines side by side, with Amazon Personalize's own offline metrics where there are some."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from engagement.personalize import ranking
from engagement.personalize.datasets import PersonalizeError

PERSONALIZE = "amazon_personalize"
"""The name of the service's row beside the methods."""

NDCG = "normalized_discounted_cumulative_gain_at_10"
"""The metric that methods are put in order by."""

SHORT = {
    "coverage": "coverage",
    "mean_reciprocal_rank_at_25": "MRR@25",
    **{f"normalized_discounted_cumulative_gain_at_{k}": f"NDCG@{k}" for k in ranking.CUTS},
    **{f"precision_at_{k}": f"precision@{k}" for k in ranking.CUTS},
    "diversity_at_10": "diversity@10",
    "novelty_at_10": "novelty@10",
}
"""Headings of tables."""

_TABLE = (
    *(NDCG, "mean_reciprocal_rank_at_25", "precision_at_10", "coverage"),
    *("diversity_at_10", "novelty_at_10"),
)
_OURS = ("coverage", *ranking.PER_PERSON)


def offline(path: Path) -> dict[str, float]:
    """Read the offline metrics of a solution version or recommender.

    The file holds what ``GetSolutionMetrics`` answered, the ``metrics`` of it, or the
    ``modelMetrics`` of a recommender. Metrics with other names are left out.

    Raises
    ------
    PersonalizeError
        When there is no such file, or no metric of these in it.
    """
    where = f"personalize.offline_metrics: {path.name}"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PersonalizeError(f"{where}: there is no such file") from None
    except ValueError:
        raise PersonalizeError(f"{where}: it is no JSON") from None
    found = _found(document)
    if not found:
        raise PersonalizeError(
            f"{where}: it has none of the metrics {', '.join(_OURS[:3])}, …: save what "
            "'aws personalize get-solution-metrics' prints"
        )
    return found


def _found(document: Any) -> dict[str, float]:
    if not isinstance(document, dict):
        return {}
    for key in ("metrics", "modelMetrics", "recommender"):
        if isinstance(document.get(key), dict):
            return _found(document[key])
    return {
        name: float(document[name])
        for name in _OURS
        if isinstance(document.get(name), (int, float))
        and not isinstance(document[name], bool)
        and math.isfinite(document[name])
    }


def beside(metrics: pd.DataFrame, own: Mapping[str, float] | None) -> pd.DataFrame:
    """Rows of ``marts.recommendation_metrics``, and after them the service's, without intervals."""
    if not own:
        return metrics
    rows = pd.DataFrame(
        [(PERSONALIZE, name, value) for name, value in own.items()],
        columns=["method", "metric", "value"],
    )
    return pd.concat([metrics, rows.reindex(columns=metrics.columns)], ignore_index=True)


def table(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row per method, the best NDCG@10 first; the metrics that tell methods apart."""
    wide = metrics.pivot_table(index="method", columns="metric", values="value", aggfunc="first")
    wide = wide.reindex(columns=list(_TABLE)).sort_values(
        [NDCG, "mean_reciprocal_rank_at_25"], ascending=False, kind="stable"
    )
    named = wide.rename(columns=SHORT, index=lambda name: str(name).replace("_", " "))
    return named.rename_axis("method").rename_axis(columns=None).reset_index()


def better(gains: pd.DataFrame) -> pd.DataFrame:
    """On how many of Personalize's metrics each method is surely better than popularity, or worse.

    Surely: the 95 % interval of the differences person by person does not reach 0.
    """
    own = gains[gains["metric"].isin(ranking.PER_PERSON)]
    counted = own.assign(better=own["lower"] > 0, worse=own["upper"] < 0).groupby("method")
    made = counted[["better", "worse"]].sum().astype(int)
    made["of"] = counted.size()
    gain = gains[gains["metric"] == NDCG].set_index("method")["value"]
    made["NDCG@10 gained"] = gain.reindex(made.index)
    made = made.sort_values("NDCG@10 gained", ascending=False, kind="stable").reset_index()
    made["method"] = made["method"].str.replace("_", " ")
    return made


def words(metrics: pd.DataFrame, gains: pd.DataFrame) -> str:
    """What the evaluation says, in a few sentences; what to say where nobody could be tested."""
    if metrics.empty:
        return (
            "Nobody could be tested: of those who are asked, **none has two interactions**. Land "
            "more days."
        )
    rows = metrics[metrics["metric"] == NDCG].set_index("method")
    ours = rows.drop(index=PERSONALIZE, errors="ignore")
    best = str(ours["value"].idxmax())
    top, popular = ours.loc[best], ours.loc["popular"]
    people = int(top["users"])
    first = (
        f"Of **{people:,} people** who were tested, **{best.replace('_', ' ')}** answers best: "
        f"NDCG@10 is {top['value']:.3f} ({top['lower']:.3f} to {top['upper']:.3f}), that of "
        f"popularity {popular['value']:.3f} ({popular['lower']:.3f} to {popular['upper']:.3f})."
    )
    told = [first]
    sure = better(gains).set_index("method")
    if best != "popular":
        row = sure.loc[best.replace("_", " ")]
        count, of = int(row["better"]), int(row["of"])
        told.append(
            f"It is surely better than popularity on {count} of {of} metrics."
            if count
            else "That may be chance: no metric is surely better than popularity's."
        )
    if PERSONALIZE in rows.index:
        own = float(rows.loc[PERSONALIZE, "value"])
        place = (
            "better than the best baseline"
            if own > top["upper"]
            else "no better than the best baseline"
            if own < top["lower"]
            else "within what the best baseline may be"
        )
        told.append(f"Amazon Personalize reports {own:.3f}: {place}.")
    return " ".join(told)
