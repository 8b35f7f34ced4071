"""Charts of behaviour and of value: what they draw, what titles say, that nothing draws too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle

from engagement.dashboards import behaviour_charts, style, value_charts

LINKS = pd.DataFrame(
    [
        ("next", "Buy", 1, "Buy", "page", 60),
        ("next", "Buy", 1, "Buy", "(end)", 40),
        ("next", "Buy", 2, "page", "View", 45),
        ("next", "Buy", 2, "page", "(end)", 15),
    ],
    columns=["direction", "anchor", "step_number", "from_step", "to_step", "sessions"],
)


MANY = (("a", 9), ("b", 8), ("c", 7))


def said(figure: Figure) -> str:
    return str(figure.get_suptitle()).replace("\n", " ")


def test_paths_have_a_bar_per_name_and_a_band_per_link() -> None:
    figure = behaviour_charts.paths(LINKS)
    axes = figure.axes[0]
    bars = [one for one in axes.patches if isinstance(one, Rectangle)]
    assert [(bar.get_x(), round(bar.get_height(), 2)) for bar in bars] == [
        *((0, 1.0), (1, 0.6), (1, 0.4), (2, 0.45), (2, 0.15)),
    ]
    assert sum(isinstance(one, PathPatch) for one in axes.patches) == 4
    assert said(figure) == "After 'Buy', 60.0 % of the sessions go on to 'page'"


def test_bands_lie_within_their_bars() -> None:
    """What leaves the bar of page is 45 and 15 of its 60, one below the other."""
    bands = [one for one in behaviour_charts.paths(LINKS).axes[0].patches
             if isinstance(one, PathPatch)]  # fmt: skip
    heights = [sorted({round(float(y), 3) for _, y in band.get_path().vertices}) for band in bands]
    assert heights[0][0] == 0.0
    assert [h[0] for h in heights] == [0.0, 0.6, 0.0, 0.45]


def test_rare_names_become_others_on_both_sides_of_a_link() -> None:
    links = pd.DataFrame(
        [
            *(("previous", "Buy", 1, "Buy", name, n) for name, n in MANY),
            *(("previous", "Buy", 2, name, "(start)", n) for name, n in MANY),
        ],
        columns=LINKS.columns,
    )  # fmt: skip
    figure = behaviour_charts.paths(links, top=1)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["Buy\n100 %", "a\n37.5 %", "(other)\n62.5 %", "(start)\n100 %"]
    assert said(figure) == "Before 'Buy', 37.5 % of the sessions come from 'a'"


def hourly(orders: dict[tuple[date, int], int], days: int = 14) -> pd.DataFrame:
    start = date(2026, 1, 5)  # a Monday
    return pd.DataFrame(
        [
            (day, day.isoweekday(), hour, orders.get((day, hour), 0))
            for day in (start + timedelta(days=n) for n in range(days))
            for hour in range(24)
        ],
        columns=["day", "weekday", "hour", "orders"],
    )


def test_hours_are_means_of_the_days_that_there_were() -> None:
    """Eight days: two Mondays with 3 and 1 orders at 20, one Tuesday with 3 at 9, which is more."""
    monday = date(2026, 1, 5)
    orders = {
        (monday, 20): 3,
        (monday + timedelta(days=7), 20): 1,
        (monday + timedelta(days=1), 9): 3,
    }
    figure = behaviour_charts.hours(hourly(orders, days=8))
    grid = figure.axes[0].collections[0].get_array()
    assert grid is not None
    cells = grid.reshape(7, 24)
    assert (cells[0][20], cells[1][9], cells.sum()) == (2.0, 3.0, 5.0)
    assert said(figure) == "Most orders come on Tuesdays; the busiest hour is Tue 9:00 to 10:00"


def test_small_multiples_name_what_changed_most() -> None:
    frame = pd.DataFrame(
        [
            (date(2026, 1, 1) + timedelta(days=n), channel, 10 + (5 if n >= 7 else 0) * more)
            for n in range(14)
            for channel, more in (("Email", 0), ("Direct", -1), ("Referral", 0.2))
        ],
        columns=["day", "channel", "sessions"],
    )
    figure = behaviour_charts.small_multiples(frame, "sessions", name="Sessions", top=2)
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()] == [
        "Referral",
        "Email",
    ]
    whole = behaviour_charts.small_multiples(frame, "sessions", name="Sessions")
    assert said(whole) == "Sessions: Direct lost most, 35 in 7 days against the 7 before"


WEEKS = pd.DataFrame(
    [
        (date(2026, 1, 5), 10, 10, 0, 0, 0, 0, None),
        (date(2026, 1, 12), 12, 6, 4, 2, 10, 6, 0.6),
    ],
    columns=[
        *("week", "active_persons", "new_persons", "retained_persons", "returning_persons"),
        *("previous_active_persons", "churned_persons", "churn_rate"),
    ],
)


def test_the_life_cycle_stacks_to_the_active_people() -> None:
    figure = behaviour_charts.life_cycle(WEEKS)
    bars = [one for one in figure.axes[0].patches if isinstance(one, Rectangle)]
    heights = [bar.get_height() for bar in bars]
    assert heights == [0, 4, 0, 2, 10, 6, 0, -6]
    assert bars[5].get_y() + bars[5].get_height() == 12
    assert said(figure) == (
        "Of 12 persons in the last closed week 50.0 % were new; 60.0 % of the week before did not "
        "come again"
    )


CREDITS = pd.DataFrame(
    [
        ("first", "Email", Decimal(80)),
        ("first", "Direct", Decimal(20)),
        ("linear", "Email", Decimal(50)),
        ("linear", "Direct", Decimal(50)),
        ("markov", "Email", Decimal(30)),
        ("markov", "Direct", Decimal(60)),
        ("markov", "SMS", Decimal(10)),
    ],
    columns=["model", "channel", "revenue"],
)


def test_the_title_says_where_the_models_disagree_most() -> None:
    """Email has 80, 50 and 30 %, Direct 20, 50 and 60 %."""
    figure = value_charts.attribution_models(CREDITS, unit="USD")
    assert said(figure) == (
        "The models disagree most about Email: 30.0 % by Markov, 80.0 % by first touch"
    )
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "Email",
        "Direct",
        "SMS",
    ]
    shapes = [line.get_marker() for line in figure.axes[0].lines]
    assert len({*shapes}) == 3


def test_disagreement_in_numbers() -> None:
    frame = value_charts.disagreement(CREDITS).round(2)
    assert [*frame.itertuples(index=False, name=None)] == [
        ("Email", 0.3, "markov", 0.8, "first", 0.5),
        ("Direct", 0.2, "first", 0.6, "markov", 0.4),
        ("SMS", 0.0, "first", 0.1, "markov", 0.1),
    ]


def test_models_that_agree_are_said_to() -> None:
    one = CREDITS[CREDITS["model"] == "first"]
    same = pd.concat([one, one.assign(model="last")])
    assert said(value_charts.attribution_models(same, unit="USD")) == "All models say the same"


def cohort(start: date, is_identified: bool, persons: int, *values: int) -> list[tuple[Any, ...]]:
    return [
        ("week", start, is_identified, number, True, persons, Decimal(value))
        for number, value in enumerate(values)
    ]


COLUMNS = [
    *("period", "cohort_start", "is_identified", "period_number", "is_mature"),
    *("cohort_persons", "cumulative_net_revenue"),
]


def test_value_curves_add_up_identified_people_and_guests() -> None:
    """Two and eight people bring 100 together in the first week, 200 by the second: 10, then 20."""
    start = date(2026, 1, 5)
    rows = [*cohort(start, True, 2, 60, 120), *cohort(start, False, 8, 40, 80)]
    immature = [("week", start, True, 2, False, 2, None)]
    figure = value_charts.value_curves(
        pd.DataFrame([*rows, *immature], columns=COLUMNS), unit="USD"
    )
    lines = {line.get_label(): [*line.get_ydata()] for line in figure.axes[0].lines}
    assert lines == {"5 Jan 2026": [10.0, 20.0], "all cohorts": [10.0, 20.0]}
    assert said(figure) == "A new person brings 10 USD in the first week, 20 USD after 1 more"


def test_the_line_of_all_goes_as_far_as_three_cohorts_do() -> None:
    weeks = [date(2026, 1, 5) + timedelta(days=7 * n) for n in range(4)]
    rows = [
        row
        for start, values in zip(weeks, [(1, 2, 9, 9), (1, 2, 3), (1, 2, 3), (1, 2)], strict=True)
        for row in cohort(start, False, 1, *values)
    ]
    figure = value_charts.value_curves(pd.DataFrame(rows, columns=COLUMNS), unit="USD")
    lines = {line.get_label(): [*line.get_ydata()] for line in figure.axes[0].lines}
    assert lines["all cohorts"] == [1.0, 2.0, 5.0]


EMPTY: list[tuple[Callable[..., Figure], pd.DataFrame, dict[str, Any]]] = [
    (behaviour_charts.paths, LINKS, {}),
    (behaviour_charts.hours, hourly({}), {}),
    (behaviour_charts.small_multiples, pd.DataFrame(columns=["day", "channel", "n"]),
     {"measure": "n", "name": "N"}),
    (behaviour_charts.life_cycle, WEEKS, {}),
    (value_charts.attribution_models, CREDITS, {"unit": "USD"}),
    (value_charts.value_curves, pd.DataFrame(columns=COLUMNS), {"unit": "USD"}),
]  # fmt: skip


@pytest.mark.parametrize(("chart", "frame", "options"), EMPTY)
@pytest.mark.parametrize("narrow", [False, True])
def test_nothing_and_little_draw_too(
    chart: Callable[..., Figure], frame: pd.DataFrame, options: dict[str, Any], narrow: bool
) -> None:
    for some in (frame.head(0), frame.head(1)):
        if narrow:
            with style.narrow():
                assert style.png(chart(some, **options)).startswith(b"\x89PNG")
        else:
            assert style.png(chart(some, **options)) == style.png(chart(some, **options))
