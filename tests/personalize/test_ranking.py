"""Metrics of ranked lists: by hand on small cases, and by trec_eval on random ones."""

from __future__ import annotations

from math import log2
from typing import Any

import numpy as np
import pytest
import pytrec_eval

from engagement.personalize import ranking

R, N5, N10, N25, P5, P10, P25 = ranking.PER_PERSON


def measured(hits: list[list[int]], truths: list[int]) -> dict[str, list[float]]:
    found = ranking.per_person(np.array(hits, dtype=bool), np.array(truths))
    return {name: values.tolist() for name, values in found.items()}


def test_the_names_are_those_of_the_service() -> None:
    assert ranking.PER_PERSON == (
        "mean_reciprocal_rank_at_25",
        "normalized_discounted_cumulative_gain_at_5",
        "normalized_discounted_cumulative_gain_at_10",
        "normalized_discounted_cumulative_gain_at_25",
        "precision_at_5",
        "precision_at_10",
        "precision_at_25",
    )


def test_one_truth_on_the_third_place() -> None:
    found = measured([[0, 0, 1] + [0] * 22], [1])
    assert found == {
        R: [pytest.approx(1 / 3)],
        N5: [pytest.approx(1 / log2(4))],  # 0.5 of the 1 that the first place gains
        N10: [pytest.approx(0.5)],
        N25: [pytest.approx(0.5)],
        P5: [pytest.approx(1 / 5)],
        P10: [pytest.approx(1 / 10)],
        P25: [pytest.approx(1 / 25)],
    }


def test_the_best_list_has_a_gain_of_one_however_many_truths_there_are() -> None:
    found = measured([[1] * 25, [1] * 7 + [0] * 18], [40, 7])
    assert found[N5] == found[N10] == found[N25] == pytest.approx([1, 1])
    assert found[P5] == [1, 1]
    assert found[P10] == [1, 0.7]
    assert found[P25] == [1, 0.28]


def test_two_truths_of_three_by_hand() -> None:
    """Hits on places 2 and 7: (1/log2 3 + 1/log2 8) of (1/log2 2 + 1/log2 3 + 1/log2 4)."""
    found = measured([[0, 1, 0, 0, 0, 0, 1]], [3])
    best = 1 + 1 / log2(3) + 1 / 2
    assert found[R] == [0.5]
    assert found[N5] == [pytest.approx((1 / log2(3)) / best)]
    assert found[N10] == found[N25] == [pytest.approx((1 / log2(3) + 1 / 3) / best)]
    assert (found[P5], found[P10], found[P25]) == ([0.2], [0.2], [0.08])


def test_nothing_found_and_lists_without_a_place_are_zero() -> None:
    for hits in ([[0] * 25], [[]]):
        assert set(map(tuple, measured(hits, [2]).values())) == {(0.0,)}


def test_beyond_25_places_nothing_counts() -> None:
    assert measured([[0] * 25 + [1]], [1])[R] == [0.0]


def test_random_lists_have_what_trec_eval_says() -> None:
    """Metrics at 5, 10 and 25 of 300 random lists, some shorter than 25, equal to 1e-9."""
    generator = np.random.default_rng(7)
    lists: list[list[int]] = []
    truths: list[set[int]] = []
    for _ in range(300):
        length = int(generator.integers(1, 26))
        lists.append(generator.permutation(60)[:length].tolist())
        truths.append(set(generator.permutation(60)[: generator.integers(1, 40)].tolist()))
    hits = np.zeros((300, 25), dtype=bool)
    for row, (products, wanted) in enumerate(zip(lists, truths, strict=True)):
        hits[row, : len(products)] = [product in wanted for product in products]
    ours = ranking.per_person(hits, np.array([len(wanted) for wanted in truths]))
    judge = pytrec_eval.RelevanceEvaluator(
        {str(n): {str(one): 1 for one in wanted} for n, wanted in enumerate(truths)},
        {"ndcg_cut.5,10,25", "P.5,10,25", "recip_rank"},
    )
    theirs = judge.evaluate(
        {
            str(n): {str(one): float(-place) for place, one in enumerate(products)}
            for n, products in enumerate(lists)
        }
    )
    names = {
        R: "recip_rank",
        **{f"normalized_discounted_cumulative_gain_at_{k}": f"ndcg_cut_{k}" for k in (5, 10, 25)},
        **{f"precision_at_{k}": f"P_{k}" for k in (5, 10, 25)},
    }
    assert set(names) == set(ranking.PER_PERSON)
    for name, other in names.items():
        expected = [theirs[str(n)][other] for n in range(300)]
        np.testing.assert_allclose(ours[name], expected, rtol=0, atol=1e-9, err_msg=name)


# --- lists --------------------------------------------------------------------------------------


def top(scores: list[list[float]], order: list[int], length: int) -> list[list[int]]:
    return ranking.top(np.array(scores, dtype=float), np.array(order), length).tolist()


def test_the_largest_score_comes_first_and_equals_by_their_order() -> None:
    assert top([[1, 3, 2]], [0, 1, 2], 2) == [[1, 2]]
    assert top([[1, 1, 1, 2]], [2, 0, 1, 3], 4) == [[3, 1, 2, 0]]
    assert top([[-1, -2, 0]], [0, 1, 2], 3) == [[2, 0, 1]]


def test_scores_that_differ_in_the_seventh_place_are_equal() -> None:
    assert top([[0.1234560, 0.1234561]], [0, 1], 1) == [[0]]
    assert top([[0.123456, 0.123457]], [0, 1], 1) == [[1]]


def test_a_list_is_no_longer_than_there_are_products() -> None:
    assert top([[1, 2]], [0, 1], 25) == [[1, 0]]
    assert ranking.top(np.zeros((0, 3)), np.arange(3), 2).shape == (0, 2)
    assert ranking.top(np.zeros((2, 0)), np.arange(0), 2).shape == (2, 0)


def test_any_length_gives_the_beginning_of_the_whole_order() -> None:
    generator = np.random.default_rng(3)
    scores = generator.integers(0, 4, (50, 30)).astype(float)
    order = generator.permutation(30)
    whole = [sorted(range(30), key=lambda p, row=row: (-row[p], order[p])) for row in scores]
    for length in (1, 7, 29, 30, 31):
        assert ranking.top(scores, order, length).tolist() == [row[:length] for row in whole]


def test_diversity_is_the_share_of_pairs_of_different_categories() -> None:
    groups = np.array([[0, 0, 1], [0, 0, 0], [-1, -1, 0]])
    assert ranking.diversity(groups).tolist() == pytest.approx([2 / 3, 0, 1])
    assert ranking.diversity(np.array([[1]])).tolist() == [0]


def test_novelty_is_in_bits_of_the_people_who_know_a_product() -> None:
    """Of 7 people, 7 know the first product, 3 the second and nobody the third."""
    lists = np.array([[0, 1], [2, 2]])
    found = ranking.novelty(lists, np.array([7, 3, 0]), 7)
    assert found.tolist() == pytest.approx([(0 + 1) / 2, 3])


def test_products_shown_first_add_up_to_the_products_shown() -> None:
    lists = np.array([[4, 2], [2, 4], [4, 9]])
    assert ranking.first_shown(lists, 10).tolist() == [2, 0, 1]


# --- intervals ----------------------------------------------------------------------------------


def test_the_interval_of_a_mean_is_the_one_that_theory_gives() -> None:
    """Of 2,000 draws of a normal distribution: mean ± 1.96 / sqrt(2,000), within a tenth of it."""
    values = np.random.default_rng(1).normal(5, 1, (2_000, 1))
    lower, upper = ranking.intervals(values, 4_000)
    half = 1.96 * values.std() / np.sqrt(2_000)
    assert lower[0] == pytest.approx(values.mean() - half, abs=half / 10)
    assert upper[0] == pytest.approx(values.mean() + half, abs=half / 10)


def test_measures_of_a_person_are_drawn_together() -> None:
    values = np.random.default_rng(2).random((50, 1))
    lower, upper = ranking.intervals(np.hstack([values, values + 1]), 500)
    assert (lower[1] - lower[0], upper[1] - upper[0]) == (pytest.approx(1), pytest.approx(1))


def test_the_same_people_give_the_same_interval_and_one_person_none_at_all() -> None:
    values = np.array([[0.2], [0.4], [0.9]])
    assert [e.tolist() for e in ranking.intervals(values, 200)] == [
        e.tolist() for e in ranking.intervals(values, 200)
    ]
    assert [e.tolist() for e in ranking.intervals(values[:1], 100)] == [[0.2], [0.2]]


def test_blocks_of_resamples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means come from one stream of draws; its blocks only bound the memory."""
    values = np.random.default_rng(4).random((1_500, 2))
    means = ranking.resampled_means(values, 3_000)
    assert means.shape == (3_000, 2)
    assert len(np.unique(means[:, 0])) > 2_990


def test_no_minus_stands_before_zero() -> None:
    text: Any = str(float(ranking.rounded(-1e-9)))
    assert text == "0.0"
