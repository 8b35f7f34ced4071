"""Attribution by a Markov chain: the classic example, random chains by another way, rounding."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from decimal import Decimal

import pandas as pd
import pytest

from engagement.models.markov import NONE, ORDER, START, attribution_markov, shares

Journeys = list[tuple[list[str], bool]]


def transitions(journeys: Journeys) -> pd.DataFrame:
    """How often one state followed another, in an order that says nothing."""
    steps: Counter[tuple[str, str]] = Counter()
    for channels, ordered in journeys:
        path = [START, *channels, ORDER if ordered else NONE]
        steps.update(itertools.pairwise(path))
    rows = [(*pair, many) for pair, many in steps.items()]
    random.Random(len(rows)).shuffle(rows)
    return pd.DataFrame(rows, columns=["from_state", "to_state", "transitions"])


def markov(journeys: Journeys) -> pd.DataFrame:
    frame = attribution_markov({"transitions": transitions(journeys)}, {})
    return frame.set_index("channel")


def test_the_classic_example() -> None:
    """Three journeys: C1 → C2 → C3 → order, C1 → none, C2 → C3 → none.

    From the start C1 comes in 2 of 3, C2 in 1 of 3; C1 goes on to C2 in half, C2 always to C3, and
    C3 ends in an order in half: (2/3 · 1/2 + 1/3) · 1/2 = 1/3. Without C1: 1/3 · 1/2 = 1/6, so its
    effect is 1/2. Without C2 or C3 there is no order: their effects are 1. Of 5/2 the shares are
    1/5, 2/5, 2/5.
    """
    found = markov([(["C1", "C2", "C3"], True), (["C1"], False), (["C2", "C3"], False)])
    assert [*found["order_probability"]] == pytest.approx([1 / 3] * 3, abs=1e-12)
    assert [*found["removal_effect"]] == pytest.approx([0.5, 1, 1], abs=1e-12)
    assert [*found["credit"]] == [Decimal("0.2"), Decimal("0.4"), Decimal("0.4")]


def test_a_channel_that_never_leads_to_an_order_has_no_credit() -> None:
    found = markov([(["Email"], True), (["Referral"], False)])
    assert found["credit"].to_dict() == {"Email": Decimal(1), "Referral": Decimal(0)}
    assert found["probability_without"].to_dict() == {"Email": 0.0, "Referral": 0.5}


def test_a_chain_that_goes_round() -> None:
    """Email and Direct follow each other for long: Email ↔ Direct, order from Direct in 1 of 3.

    From Email to Direct always; from Direct back to Email in 2 of 3. Whoever begins at Email
    orders in the end, since nothing leads to none.
    """
    found = markov([(["Email", "Direct", "Email", "Direct", "Email", "Direct"], True)])
    assert [*found["order_probability"]] == pytest.approx([1, 1], abs=1e-12)
    assert [*found["removal_effect"]] == pytest.approx([1, 1], abs=1e-12)


def test_without_orders_there_are_no_rows() -> None:
    assert markov([(["Email"], False)]).empty
    empty = pd.DataFrame(columns=["from_state", "to_state", "transitions"])
    assert attribution_markov({"transitions": empty}, {}).empty


def test_what_rounding_leaves_is_the_greatests_and_of_equals_the_firsts() -> None:
    assert shares([1.0, 1.0, 1.0]) == [
        Decimal("0.333334"),
        Decimal("0.333333"),
        Decimal("0.333333"),
    ]
    assert shares([1.0, 2.0, 4.0, 0.0]) == [
        Decimal("0.142857"),
        Decimal("0.285714"),
        Decimal("0.571429"),
        Decimal("0.000000"),
    ]


# --- another way ----------------------------------------------------------------------------------


def walked(journeys: Journeys, without: str | None = None) -> float:
    """Probability of an order, by letting a whole crowd walk until (almost) nobody is under way.

    Nothing is solved: each round sends what is in a state on by that state's shares. Who comes to
    the channel that is taken out is lost.
    """
    leaving: dict[str, Counter[str]] = {}
    for channels, ordered in journeys:
        path = [START, *channels, ORDER if ordered else NONE]
        for before, after in itertools.pairwise(path):
            leaving.setdefault(before, Counter())[after] += 1
    crowd, arrived = {START: 1.0}, 0.0
    while sum(crowd.values()) > 1e-13:
        onward: dict[str, float] = {}
        for state, share in crowd.items():
            whole = leaving[state].total()
            for after, many in leaving[state].items():
                part = share * many / whole
                if after == ORDER:
                    arrived += part
                elif after not in (NONE, without):
                    onward[after] = onward.get(after, 0.0) + part
        crowd = onward
    return arrived


@pytest.mark.parametrize("seed", range(40))
def test_effects_are_those_of_walking_the_chain_without_the_channel(seed: int) -> None:
    luck = random.Random(seed)
    channels = [f"c{n}" for n in range(luck.randrange(1, 9))]
    journeys: Journeys = []
    for _ in range(luck.randrange(1, 60)):
        path: list[str] = []
        for channel in luck.choices(channels, k=luck.randrange(1, 8)):
            if path[-1:] != [channel]:
                path.append(channel)
        journeys.append((path, luck.random() < 0.4))
    whole = walked(journeys)
    found = markov(journeys)
    if not any(ordered for _, ordered in journeys):
        assert found.empty
        return
    effects = {name: 1 - walked(journeys, name) / whole for name in found.index}
    assert {*found.index} == {name for path, _ in journeys for name in path}
    for name, effect in effects.items():
        assert found.loc[name, "order_probability"] == pytest.approx(whole, abs=1e-9)
        assert found.loc[name, "removal_effect"] == pytest.approx(effect, abs=1e-9)
        share = effect / sum(effects.values())
        assert float(found.loc[name, "credit"]) == pytest.approx(share, abs=1e-5)
    assert sum(found["credit"]) == 1
