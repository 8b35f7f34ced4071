"""Charts of segments: what their titles say, and that odd frames can be drawn."""

from __future__ import annotations

from datetime import date

import pandas as pd
from matplotlib.figure import Figure

from engagement.dashboards import audience_charts, style


def title(figure: Figure) -> str:
    assert style.png(figure).startswith(b"\x89PNG")
    return " ".join(figure.get_suptitle().split())


def test_sizes_name_the_largest_and_count_those_not_shown() -> None:
    rows = [(f"s{n}", date(2026, 1, day), 10 * n + day) for n in range(8) for day in (1, 8)]
    frame = pd.DataFrame(rows, columns=["segment", "as_of", "members"])
    assert title(audience_charts.sizes(frame)) == (
        "s7 is the largest of 8 segments with 78 members; not shown: 2 smaller segments"
    )


def test_a_segment_that_began_later_is_a_point() -> None:
    rows = [("a", date(2026, 1, 1), 3), ("a", date(2026, 1, 2), 3), ("b", date(2026, 1, 2), 5)]
    frame = pd.DataFrame(rows, columns=["segment", "as_of", "members"])
    assert title(audience_charts.sizes(frame)).startswith("b is the largest of 2 segments with 5")


def test_joined_and_left_are_added_up() -> None:
    frame = pd.DataFrame({"segment": ["a", "b"], "joined": [3, 0], "left": [1, 1]})
    assert title(audience_charts.joined_and_left(frame)) == (
        "3 memberships began and 2 ended since the snapshots before"
    )


def test_the_greatest_overlap_is_told() -> None:
    rows = [("a", "a", 4, 1.0), ("a", "b", 3, 0.75), ("b", "a", 3, 0.3), ("b", "b", 10, 1.0)]
    frame = pd.DataFrame(rows, columns=["segment", "other", "people", "share"])
    assert title(audience_charts.overlap(frame)) == "75.0 % of a are in b: 3 people"
    alone = frame[frame["segment"] == frame["other"]]
    assert title(audience_charts.overlap(alone)) == "No two segments share anybody"


def profile(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["feature", "value", "lift", "low", "high", "verdict"])


def test_what_sets_a_segment_apart_is_told() -> None:
    frame = profile(
        ("plan", "gold", 2.5, 2.0, 3.1, "more"),
        ("orders_total", "", 1.0, 0.9, 1.1, "about the same"),
        ("plan", "none", None, None, None, "too little to tell"),
    )
    assert title(audience_charts.lift(frame, segment="vip")) == (
        "What sets vip apart most: plan: gold, 2.5 times that of everyone"
    )
    same = frame[frame["verdict"] == "about the same"]
    assert title(audience_charts.lift(same, segment="vip")) == (
        "Nothing looked at sets vip apart from everyone"
    )


def test_no_address_is_on_a_chart() -> None:
    frame = profile(("plan", "ann@shop.example", 2.5, 2.0, 3.1, "more"))
    figure = audience_charts.lift(frame, segment="vip")
    assert "ann@" not in title(figure)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["plan: … (e-mail)"]


def test_differences_are_counted_when_they_can_be_told() -> None:
    rows = [
        ("a", date(2026, 1, 1), 0.1, 0.05, 0.15, "more"),
        ("b", date(2026, 1, 1), 0.1, -0.05, 0.25, "too little to tell"),
        ("c", date(2026, 1, 1), None, None, None, "too little to tell"),
    ]
    names = ["segment", "exported", "difference", "low", "high", "conversion"]
    frame = pd.DataFrame(rows, columns=names)
    assert title(audience_charts.differences(frame)) == (
        "Of 2 exports, 1 made a difference to conversion that can be told"
    )
