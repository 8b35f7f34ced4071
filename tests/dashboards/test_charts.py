"""Charts: what is drawn is what the frame holds, and too little makes words."""

from __future__ import annotations

import io
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from IPython.display import Markdown
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engagement.dashboards import charts, style

MONDAY = date(2026, 1, 5)


def overview(days: int, **columns: list[Any]) -> pd.DataFrame:
    """Days from a Monday on, settled and over; columns shorter than that are repeated."""
    frame = pd.DataFrame({"day": [MONDAY + timedelta(days=n) for n in range(days)]})
    columns = {"is_settled": [True], "is_complete": [True], **columns}
    for name, values in columns.items():
        frame[name] = (values * days)[:days]
    return frame


def funnel_steps(*persons: int) -> pd.DataFrame:
    names = ["view", "add", "checkout", "order"]
    before = [None, *persons[:-1]]
    rates = [
        None if not start else round(count / start, 4)
        for count, start in zip(persons, before, strict=True)
    ]
    return pd.DataFrame(
        {
            "step_number": pd.array([1, 2, 3, 4], dtype="Int64"),
            "step": names,
            "persons": pd.array(persons, dtype="Int64"),
            "step_rate": rates,
            "median_seconds_from_previous": [None, 90.0, 7200.0, None],
        }
    )


def retention_weekly(
    *rows: tuple[int, int, int, int | None], unsettled: int = 0, is_identified: bool = False
) -> pd.DataFrame:
    """Rows of (cohort, week number, persons, retained); the first cohorts may be unsettled."""
    frame = pd.DataFrame(rows, columns=["cohort", "week_number", "cohort_persons", "retained"])
    frame["is_identified"] = is_identified
    frame["is_settled"] = frame["cohort"] >= unsettled
    frame["cohort_week"] = [MONDAY + timedelta(weeks=n) for n in frame["cohort"]]
    frame["retained_persons"] = frame["retained"].astype("Int64")
    frame["retention_rate"] = frame["retained"].astype(float) / frame["cohort_persons"]
    return frame


def only_axes(figure: Figure) -> Axes:
    figure.draw_without_rendering()
    return figure.axes[0]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def bar_lengths(axes: Axes) -> list[float]:
    return [float(patch.get_width()) for patch in axes.patches]


def legend(axes: Axes) -> list[str]:
    shown = axes.get_legend()
    assert shown is not None
    return [text.get_text() for text in shown.get_texts()]


def tick_names(axes: Axes) -> list[str]:
    return [tick.get_text() for tick in axes.get_yticklabels()]


# --- too little ---------------------------------------------------------------------------------


def test_enough_rows_make_a_chart() -> None:
    drawn = charts.chart_or_message(funnel_steps(9, 5, 2, 1), charts.funnel, 4, "too few")
    assert isinstance(drawn, Figure)


@pytest.mark.parametrize("rows", [0, 3])
def test_fewer_rows_make_words(rows: int) -> None:
    drawn = charts.chart_or_message(
        funnel_steps(9, 5, 2, 1).head(rows), charts.funnel, 4, "too few"
    )
    assert isinstance(drawn, Markdown)
    assert drawn.data == "too few"


@pytest.mark.parametrize(
    ("persons", "drawn"), [((0, 0, 0, 0), False), ((1, 0, 0, 0), True)], ids=["nobody", "somebody"]
)
def test_rows_of_nothing_do_not_count_where_a_column_says_so(
    persons: tuple[int, ...], drawn: bool
) -> None:
    result = charts.chart_or_message(
        funnel_steps(*persons), charts.funnel, 1, "nobody", counting="persons"
    )
    assert isinstance(result, Figure) is drawn


def test_missing_money_is_nothing() -> None:
    frame = pd.DataFrame({"revenue": [None, Decimal("0.00")]})
    result = charts.chart_or_message(frame, charts.funnel, 1, "no revenue", counting="revenue")
    assert isinstance(result, Markdown)


def test_what_else_the_chart_takes_is_handed_on() -> None:
    frame = overview(7, sessions=[1])
    drawn = charts.chart_or_message(
        frame, charts.trend, 7, "too few", measure="sessions", name="Visits"
    )
    assert isinstance(drawn, Figure)
    assert drawn.get_suptitle() == "Visits: 7 in the last 7 days"


# --- trend --------------------------------------------------------------------------------------


def test_a_trend_shows_each_day_and_the_mean_of_seven() -> None:
    frame = overview(8, revenue=[Decimal("7"), *[Decimal("14")] * 7])
    axes = only_axes(charts.trend(frame, "revenue", name="Revenue", unit="USD"))
    daily, weekly = (np.asarray(line.get_ydata(), dtype=float) for line in axes.lines)
    assert daily.tolist() == [7, 14, 14, 14, 14, 14, 14, 14]
    # Six days have no seven behind them; then (7 + 6 * 14) / 7 = 13, and 14.
    assert np.isnan(weekly[:6]).all()
    assert weekly[6:].tolist() == [13, 14]
    assert axes.get_ylabel() == "Revenue per day (USD)"


def test_seven_days_of_a_ratio_are_the_ratio_of_their_sums() -> None:
    # One conversion of 1 session, then none of 9: 1 of 55, not the mean of 100 % and six 0 %.
    frame = overview(7, orders=[1, 0, 0, 0, 0, 0, 0], sessions=[1, 9, 9, 9, 9, 9, 9])
    figure = charts.trend(frame, "orders", over="sessions", name="Conversion", unit="%")
    weekly = np.asarray(only_axes(figure).lines[1].get_ydata(), dtype=float)
    assert weekly[-1] == pytest.approx(1 / 55)
    assert figure.get_suptitle() == "Conversion: 1.8 % in the last 7 days"


def test_a_day_without_a_denominator_is_a_gap_not_zero() -> None:
    frame = overview(2, orders=[0, 1], sessions=[0, 4])
    figure = charts.trend(frame, "orders", over="sessions", name="Conversion", unit="%")
    daily = np.asarray(only_axes(figure).lines[0].get_ydata(), dtype=float)
    assert np.isnan(daily[0])
    assert daily[1] == 0.25


@pytest.mark.parametrize(
    ("first", "then", "title"),
    [
        (10, 15, "Sessions: 105 in the last 7 days, 50 % more than in the 7 before"),
        (10, 5, "Sessions: 35 in the last 7 days, 50 % less than in the 7 before"),
        (0, 5, "Sessions: 35 in the last 7 days"),
    ],
)
def test_the_title_says_what_is_seen(first: int, then: int, title: str) -> None:
    frame = overview(14, sessions=[*[first] * 7, *[then] * 7])
    figure = charts.trend(frame, "sessions", name="Sessions")
    assert figure.get_suptitle().replace("\n", " ") == title


def test_a_ratio_changes_by_points() -> None:
    frame = overview(14, orders=[*[1] * 7, *[2] * 7], sessions=[10])
    figure = charts.trend(frame, "orders", over="sessions", name="Conversion", unit="%")
    seen = "Conversion: 20.0 % in the last 7 days, up 10.0 points on the 7 before"
    assert figure.get_suptitle().replace("\n", " ") == seen


def test_a_trend_shows_the_newest_days_only() -> None:
    frame = overview(120, sessions=[1]).sample(frac=1, random_state=1)
    axes = only_axes(charts.trend(frame, "sessions", name="Sessions", days=30))
    days = axes.lines[0].get_xdata()
    assert len(days) == 30
    assert pd.Timestamp(days[-1]).date() == MONDAY + timedelta(days=119)


def test_a_single_day_is_drawn_without_a_mean() -> None:
    figure = charts.trend(overview(1, sessions=[5]), "sessions", name="Sessions")
    assert only_axes(figure).lines[0].get_ydata()[0] == 5
    assert figure.get_suptitle() == "Sessions"


def test_days_that_had_not_settled_are_hatched_and_named() -> None:
    frame = overview(10, sessions=[4], is_settled=[*[False] * 3, *[True] * 7])
    axes = only_axes(charts.trend(frame, "sessions", name="Sessions"))
    (hatched,) = axes.patches
    # From Monday to Wednesday, half a day on either side.
    left, right = hatched.get_x(), hatched.get_x() + hatched.get_width()
    first = mpl.dates.date2num(MONDAY)
    assert (left, right) == (first - 0.5, first + 2.5)
    assert hatched.get_hatch() == "///"
    assert legend(axes)[-1] == "not settled: the data has only begun"
    settled = overview(10, sessions=[4])
    assert not only_axes(charts.trend(settled, "sessions", name="Sessions")).patches


def test_a_day_that_is_not_over_is_drawn_apart_and_in_no_sum() -> None:
    # Fifteen days of ten sessions, then two so far.
    frame = overview(16, sessions=[*[10] * 15, 2], is_complete=[*[True] * 15, False])
    figure = charts.trend(frame, "sessions", name="Sessions")
    axes = only_axes(figure)
    daily, weekly, today = (np.asarray(line.get_ydata(), dtype=float) for line in axes.lines)
    assert daily[-2] == 10
    assert np.isnan(daily[-1])
    assert weekly[-2] == 10
    assert np.isnan(weekly[-1])
    assert today.tolist() == [2]
    assert legend(axes)[-1] == "not over yet"
    assert figure.get_suptitle() == (
        "Sessions: 70 in the last 7 whole days, 0 % more than in the 7 before"
    )


def test_days_of_another_table_are_settled_and_over() -> None:
    frame = overview(10, interactions=[4])
    plain = charts.trend(
        frame.drop(columns=["is_settled", "is_complete"]), "interactions", name="Interactions"
    )
    assert style.svg(plain) == style.svg(charts.trend(frame, "interactions", name="Interactions"))


def test_a_day_of_refunds_is_drawn_below_zero() -> None:
    frame = overview(7, net_revenue=[Decimal("5"), Decimal("-20"), *[Decimal("1")] * 5])
    axes = only_axes(charts.trend(frame, "net_revenue", name="Net revenue", unit="USD"))
    assert axes.get_ylim()[0] < -20


# --- funnel -------------------------------------------------------------------------------------


def test_funnel_bars_are_the_persons_of_each_step() -> None:
    figure = charts.funnel(funnel_steps(200, 100, 20, 5))
    axes = only_axes(figure)
    assert bar_lengths(axes) == [200, 100, 20, 5]
    assert tick_names(axes) == ["View", "Add", "Checkout", "Order"]
    assert texts(axes) == [
        "200",
        "100   50.0 % of the step before, median 1.5 min",
        "20   20.0 % of the step before, median 2.0 h",
        "5   25.0 % of the step before",
    ]
    assert figure.get_suptitle() == (
        "Of 200 persons who viewed a product, 5 ordered within the window (2.5 %)"
    )


def test_a_funnel_of_nobody_divides_by_nothing() -> None:
    axes = only_axes(charts.funnel(funnel_steps(0, 0, 0, 0)))
    assert texts(axes)[0] == "0"


# --- retention ----------------------------------------------------------------------------------


def test_immature_cells_stay_blank_and_zeros_do_not() -> None:
    figure = charts.retention(
        retention_weekly(
            (0, 0, 10, 10), (0, 1, 10, 0), (0, 2, 10, 5), (1, 1, 4, 1), (1, 2, 4, None)
        )
    )
    axes = only_axes(figure)
    cells = axes.collections[0].get_array()
    assert np.ma.getmaskarray(cells).ravel().tolist() == [False, False, False, True]
    assert texts(axes) == ["0 %", "50 %", "25 %"]
    assert tick_names(axes) == ["5 Jan 2026  (10)", "12 Jan 2026  (4)"]


def test_the_whole_cohort_in_its_own_week_and_cohorts_of_nobody_are_left_out() -> None:
    axes = only_axes(
        charts.retention(
            retention_weekly((0, 0, 9, 9), (0, 1, 9, 3), (1, 0, 0, 0), (1, 1, 0, None))
        )
    )
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1"]
    assert tick_names(axes) == ["5 Jan 2026  (9)"]


def test_the_title_weighs_cohorts_by_their_size() -> None:
    # 1 of 10 and 45 of 90 came back: 46 %, not the mean of 10 % and 50 %.
    figure = charts.retention(retention_weekly((0, 1, 10, 1), (1, 1, 90, 45)))
    assert figure.get_suptitle() == "46.0 % come back in the week after their first"


def test_identified_people_and_guests_add_up_or_are_shown_apart() -> None:
    # Of 10 guests 1 comes back, of 30 identified people 11: 12 of 40.
    frame = pd.concat(
        [
            retention_weekly((0, 1, 10, 1), (0, 2, 10, None)),
            retention_weekly((0, 1, 30, 11), (0, 2, 30, None), is_identified=True),
        ]
    )
    everyone = charts.retention(frame)
    assert texts(only_axes(everyone)) == ["30 %"]
    assert everyone.get_suptitle() == "30.0 % come back in the week after their first"
    assert tick_names(only_axes(everyone)) == ["5 Jan 2026  (40)"]
    guests = charts.retention(frame, people="guests")
    assert texts(only_axes(guests)) == ["10 %"]
    assert guests.get_suptitle() == "10.0 % of new guests come back in the week after their first"
    assert only_axes(guests).get_ylabel() == "Week of the first event (guests)"
    identified = charts.retention(frame, people="identified")
    assert tick_names(only_axes(identified)) == ["5 Jan 2026  (30)"]


def test_cohorts_that_had_not_settled_are_hatched_and_not_in_the_title() -> None:
    # The first cohort, 9 of 10, is of people who only seem new; of the others 1 in 10 comes back.
    frame = retention_weekly((0, 1, 10, 9), (1, 1, 10, 1), (2, 1, 10, 1), unsettled=1)
    figure = charts.retention(frame)
    axes = only_axes(figure)
    (hatched,) = axes.patches
    assert hatched.get_hatch() == "///"
    assert hatched.get_xy() == (0, 0)
    assert "hatched: not settled" in axes.get_xlabel()
    assert figure.get_suptitle() == "10.0 % come back in the week after their first"
    young = charts.retention(retention_weekly((0, 1, 10, 9), unsettled=1))
    assert young.get_suptitle() == "90.0 % come back in the week after their first"
    old = only_axes(charts.retention(retention_weekly((0, 1, 10, 9))))
    assert not old.patches
    assert "hatched" not in old.get_xlabel()


def test_a_column_of_only_blanks_is_still_a_column() -> None:
    axes = only_axes(charts.retention(retention_weekly((0, 1, 5, 1), (0, 2, 5, None))))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2"]


def test_many_cohorts_and_weeks_are_cut_to_the_newest_and_the_first() -> None:
    rows = [(cohort, week, 5, 1) for cohort in range(30) for week in range(1, 31)]
    axes = only_axes(charts.retention(retention_weekly(*rows)))
    assert len(tick_names(axes)) == 12
    assert tick_names(axes)[-1].startswith("27 Jul 2026")
    assert len(axes.get_xticklabels()) == 12


# --- bars and attribution -----------------------------------------------------------------------


def test_bars_add_up_sort_and_name_what_is_left() -> None:
    frame = pd.DataFrame(
        {
            "name": ["b", "a", "b", "c", "d"],
            "revenue": [Decimal("1"), Decimal("5"), Decimal("3"), Decimal("1"), None],
        }
    )
    figure = charts.bars(frame, "name", "revenue", name="Revenue", unit="USD", top=2)
    axes = only_axes(figure)
    assert tick_names(axes) == ["a", "b"]
    assert bar_lengths(axes) == [5, 4]
    assert texts(axes) == ["5 (50.0 %)", "4 (40.0 %)"]
    assert axes.get_xlabel() == "Revenue (USD); not shown: 2 more with 1"
    assert figure.get_suptitle() == "a leads with 50.0 % of 10 USD"


def test_bars_of_equal_length_are_in_alphabetical_order() -> None:
    frame = pd.DataFrame({"name": ["c", "a", "b"], "revenue": [1, 1, 1]})
    axes = only_axes(charts.bars(frame, "name", "revenue", name="Revenue", unit="USD"))
    assert tick_names(axes) == ["a", "b", "c"]


def test_attribution_sets_credit_beside_the_session() -> None:
    frame = pd.DataFrame(
        {
            "channel": ["Direct", "Email", "Email"],
            "revenue": [Decimal("20.00"), Decimal("50.00"), Decimal("30.00")],
            "session_revenue": [Decimal("60.00"), Decimal("40.00"), Decimal("0.00")],
        }
    )
    figure = charts.attribution(frame, unit="USD")
    axes = only_axes(figure)
    assert tick_names(axes) == ["Email", "Direct"]
    assert bar_lengths(axes) == [80, 20, 40, 60]
    assert texts(axes) == ["80", "20"]
    assert figure.get_suptitle() == (
        "Direct keeps 20.0 % of revenue once earlier touches count, not 60.0 %"
    )


def test_attribution_without_direct_or_without_revenue() -> None:
    frame = pd.DataFrame({"channel": ["Email"], "revenue": [1], "session_revenue": [1]})
    assert "Email is credited" in charts.attribution(frame, unit="USD").get_suptitle()
    equal = pd.DataFrame({"channel": ["Direct"], "revenue": [1], "session_revenue": [1]})
    assert "100 % of revenue, whether" in charts.attribution(equal, unit="USD").get_suptitle()
    nothing = pd.DataFrame({"channel": ["Direct"], "revenue": [0], "session_revenue": [0]})
    assert only_axes(charts.attribution(nothing, unit="USD")) is not None


# --- style --------------------------------------------------------------------------------------


def test_the_same_frame_gives_the_same_bytes_whatever_is_set_elsewhere() -> None:
    frame = funnel_steps(9, 5, 2, 1)
    png, svg = style.png(charts.funnel(frame)), style.svg(charts.funnel(frame))
    with mpl.rc_context({"font.size": 30, "svg.hashsalt": None, "axes.facecolor": "red"}):
        assert style.png(charts.funnel(frame)) == png
        assert style.svg(charts.funnel(frame)) == svg


def test_saved_charts_carry_no_metadata() -> None:
    figure = charts.funnel(funnel_steps(9, 5, 2, 1))
    assert b"tEXt" not in style.png(figure)
    svg = style.svg(figure)
    for word in (b"<dc:date>", b"Matplotlib", b"<dc:creator>"):
        assert word not in svg


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    before = dict(mpl.rcParams)
    style.png(charts.funnel(funnel_steps(9, 5, 2, 1)))
    assert dict(mpl.rcParams) == before


def test_whoever_draws_a_chart_gets_its_looks_and_no_warnings() -> None:
    # A notebook draws it by its own means; the name has letters that the font lacks.
    frame = pd.DataFrame({"name": ["日本語"], "revenue": [1]})
    figure = charts.bars(frame, "name", "revenue", name="Revenue", unit="USD")
    with mpl.rc_context({"font.size": 30}):
        figure.canvas.print_figure(io.BytesIO(), format="png", bbox_inches="tight")
    assert style.png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["$a$_{b", "tea\nfor\ttwo", "<b>&", "日本語", "x" * 200])
def test_names_from_the_data_are_drawn_as_they_are_on_one_short_line(name: str) -> None:
    frame = pd.DataFrame({"name": [name], "revenue": [1]})
    figure = charts.bars(frame, "name", "revenue", name="Revenue", unit="USD")
    assert style.png(figure)
    (seen,) = tick_names(figure.axes[0])
    assert "\n" not in seen
    assert len(seen) <= 30


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1.0 min"), (5400, "1.5 h"), (864_000, "10 days")],
)
def test_durations_are_written_to_be_read(seconds: float, words: str) -> None:
    assert style.duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (1234.5, "1,234"), (5, "5"), (0.05, "0.05"), (12.34, "12.34")]
)
def test_numbers_are_written_to_be_read(value: float, words: str) -> None:
    assert style.number(value) == words


@pytest.mark.parametrize(
    ("share", "words"), [(0, "0.0 %"), (0.0421, "4.2 %"), (0.9996, "100 %"), (1, "100 %")]
)
def test_shares_are_written_as_percentages(share: float, words: str) -> None:
    assert style.percent(share) == words
