"""Charts of customers: what their titles say, and that little or nothing draws too."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest

from engagement.dashboards import customer_charts, style

SEGMENTS = pd.DataFrame(
    [
        (5, 2, "potential loyalists", 30),
        (1, 1, "hibernating", 50),
        (2, 1, "hibernating", 10),
        (5, 5, "champions", 10),
    ],
    columns=["recency_score", "frequency_score", "rfm_segment", "customers"],
)


def test_the_largest_segment_is_named_with_all_of_its_cells() -> None:
    figure = customer_charts.recency_and_frequency(SEGMENTS)
    assert figure.get_suptitle().replace("\n", " ") == (
        "Of 100 buyers, the largest segment is 'hibernating' with 60 (60.0 %)"
    )
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(texts) == [
        "champions\n10",
        "hibernating\n10",
        "hibernating\n50",
        "potential\nloyalists\n30",
    ]


def test_a_cell_lies_at_its_scores() -> None:
    """The best recency is above, the best frequency on the right."""
    figure = customer_charts.recency_and_frequency(SEGMENTS[SEGMENTS["customers"] == 10])
    places = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert places == {"champions\n10": (4.5, 0.5), "hibernating\n10": (0.5, 3.5)}


def test_the_share_of_the_best_fifth() -> None:
    """Ten customers, the best two with 40 and 20 of 100."""
    spends = [Decimal(40), Decimal(20), *[Decimal(5)] * 8]
    figure = customer_charts.spend_by_customers(pd.DataFrame({"spend_total": spends}), unit="USD")
    assert figure.get_suptitle() == "A fifth of 10 customers brings 60.0 % of 100 USD"


def test_a_negative_spend_stays_within_the_axes() -> None:
    """60 + 60 - 20 = 100: after two of three customers the curve is at 120 %."""
    frame = pd.DataFrame({"spend_total": [Decimal(-20), Decimal(60), Decimal(60)]})
    figure = customer_charts.spend_by_customers(frame, unit="USD")
    low, high = figure.axes[0].get_ylim()
    assert low == 0
    assert high >= 1.2


@pytest.mark.parametrize("spends", [[], [0.0, 0.0], [-1.0]])
def test_no_spend_draws(spends: list[float]) -> None:
    frame = pd.DataFrame({"spend_total": pd.Series(spends, dtype=float)})
    figure = customer_charts.spend_by_customers(frame, unit="USD")
    assert style.png(figure).startswith(b"\x89PNG")


def test_no_segment_draws() -> None:
    figure = customer_charts.recency_and_frequency(SEGMENTS.head(0))
    assert figure.get_suptitle() == "Nobody has bought anything and kept it yet"
    assert style.png(figure) == style.png(customer_charts.recency_and_frequency(SEGMENTS.head(0)))
