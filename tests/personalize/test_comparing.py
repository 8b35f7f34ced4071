"""Baselines side by side, and the service's own metrics beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.text import Text

from engagement.dashboards import recommendation_charts
from engagement.personalize import comparing
from engagement.personalize.comparing import NDCG
from engagement.personalize.datasets import PersonalizeError

MRR = "mean_reciprocal_rank_at_25"

METRICS = pd.DataFrame(
    [
        ("popular", NDCG, 0.2, 0.15, 0.25, 90),
        ("popular", "coverage", 0.1, None, None, 90),
        ("co_visitation", NDCG, 0.4, 0.35, 0.45, 90),
        ("co_visitation", "coverage", 0.9, None, None, 90),
    ],
    columns=["method", "metric", "value", "lower", "upper", "users"],
)
GAINS = pd.DataFrame(
    [
        ("co_visitation", NDCG, 0.2, 0.1, 0.3, 90),
        ("co_visitation", MRR, 0.1, -0.1, 0.3, 90),
        ("co_visitation", "precision_at_5", -0.1, -0.2, -0.01, 90),
        ("co_visitation", "diversity_at_10", -0.5, -0.6, -0.4, 90),
    ],
    columns=METRICS.columns,
)


@pytest.mark.parametrize(
    "document",
    [
        {"coverage": 0.3, NDCG: 0.5, "something_else": 1},
        {"solutionVersionArn": "arn:…", "metrics": {"coverage": 0.3, NDCG: 0.5}},
        {"recommender": {"modelMetrics": {"coverage": 0.3, NDCG: 0.5, MRR: True}}},
    ],
)
def test_the_services_metrics_are_read_from_what_it_answers(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(document))
    assert comparing.offline(path) == {"coverage": 0.3, NDCG: 0.5}


@pytest.mark.parametrize(
    ("content", "message"),
    [("no json", "it is no JSON"), ("[]", "none of the metrics"), ('{"metrics": {}}', "none of")],
)
def test_a_file_without_metrics_is_told(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(content)
    with pytest.raises(PersonalizeError, match=f"metrics.json: .*{message}"):
        comparing.offline(path)
    with pytest.raises(PersonalizeError, match="there is no such file"):
        comparing.offline(tmp_path / "none.json")


def test_the_service_stands_beside_the_baselines_without_an_interval() -> None:
    found = comparing.beside(METRICS, {NDCG: 0.5, "coverage": 0.4})
    assert comparing.beside(METRICS, None) is METRICS
    assert found[found["method"] == "amazon_personalize"]["lower"].isna().all()
    table = comparing.table(found)
    assert list(table["method"]) == ["amazon personalize", "co visitation", "popular"]
    assert list(table["NDCG@10"]) == [0.5, 0.4, 0.2]
    assert list(table["coverage"]) == [0.4, 0.9, 0.1]


def test_surely_better_is_an_interval_above_zero() -> None:
    (row,) = comparing.better(GAINS).to_dict("records")
    assert row == {"method": "co visitation", "better": 1, "worse": 1, "of": 3,
                   "NDCG@10 gained": 0.2}  # fmt: skip


def test_the_words_say_what_the_numbers_do() -> None:
    said = comparing.words(METRICS, GAINS)
    assert "Of **90 people** who were tested, **co visitation** answers best" in said
    assert "NDCG@10 is 0.400 (0.350 to 0.450), that of popularity 0.200" in said
    assert "surely better than popularity on 1 of 3 metrics" in said
    for own, place in ((0.5, "better than the best"), (0.3, "no better"), (0.41, "within what")):
        beside = comparing.beside(METRICS, {NDCG: own})
        assert f"Amazon Personalize reports {own:.3f}: {place}" in comparing.words(beside, GAINS)
    assert "Nobody could be tested" in comparing.words(METRICS[:0], GAINS[:0])


def test_the_chart_has_a_point_for_each_method() -> None:
    frame = comparing.beside(METRICS, {NDCG: 0.5})
    figure = recommendation_charts.methods(frame, NDCG, name="NDCG@10")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "amazon personalize",
        "co visitation",
        "popular",
    ]
    alone = recommendation_charts.methods(METRICS, NDCG, name="NDCG@10")
    texts = [one.get_text() for one in alone.findobj(Text)]
    assert any("2.0 times the NDCG@10 of popularity" in " ".join(text.split()) for text in texts)
