"""The report: one file that needs nothing else, the same for the same data, and safe to open."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from engagement import alerts
from engagement.alerts import Alert
from engagement.as_of import at_newest, whole_day
from engagement.dashboards import report, style, value_charts
from engagement.dashboards.report import reading
from engagement.models import provenance
from engagement.models.concepts import EventMapping, Found
from engagement.models.definition import ModelError
from engagement.models.runner import models
from engagement.settings import Settings
from engagement.sql.dialect import Table, check, parse, tables
from engagement.warehouse import Session, open_warehouse

AS_OF = date(2026, 1, 31)
ABOUT: dict[str, Any] = {
    "as_of": whole_day(AS_OF, "Europe/Berlin"),
    "timezone": "Europe/Berlin",
    "currency": "EUR",
    "window_days": 7,
    "lookback_days": 30,
    "exclude_bots": True,
    "settling_days": 14,
}
SNEAKY = "<script>alert('x')</script>\" onload=\"x"


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def period(window_days: int, *, is_complete: bool = True, **changes: Any) -> dict[str, Any]:
    """A period with plain figures, and the same before it."""
    figures: dict[str, Any] = {
        "users": 50,
        "new_users": 10,
        "sessions": 80,
        "engagement_rate": 0.5,
        "bounce_rate": 0.5,
        "conversion_rate": 0.05,
        "orders": 4,
        "revenue": Decimal("1234.50"),
        "refunds": Decimal("34.50"),
        "net_revenue": Decimal("1200.00"),
        "average_order_value": 308.625,
        "items_per_order": 2.5,
    }
    return {
        "window_days": window_days,
        "is_complete": is_complete,
        "is_settled": True,
        "previous_is_settled": True,
        "from_day": AS_OF - timedelta(days=window_days - 1),
        "to_day": AS_OF,
        **figures,
        **{f"previous_{name}": value for name, value in figures.items()},
        **changes,
    }


def frames(**changes: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Small frames of every kind."""
    days = [AS_OF - timedelta(days=13 - n) for n in range(14)]
    return {
        "overview": pd.DataFrame(
            {
                "day": days,
                "is_complete": True,
                "is_settled": True,
                "users": 9,
                "new_users": 2,
                "sessions": 10,
                "orders": 1,
                "converting_sessions": 1,
                "revenue": [Decimal("10.00")] * 14,
                "refunds": [Decimal("4.00")] * 14,
                "net_revenue": [Decimal("6.00")] * 14,
            }
        ),
        "periods": pd.DataFrame([period(7), period(30, is_complete=False)]),
        "funnel": pd.DataFrame(
            {
                "step_number": [1, 2, 3, 4],
                "step": ["view", "add", "checkout", "order"],
                "persons": [8, 4, 2, 1],
                "step_rate": [None, 0.5, 0.5, 0.5],
                "overall_rate": [1.0, 0.5, 0.25, 0.125],
                "persons_waiting": [1, 0, 0, 0],
                "median_seconds_from_previous": [None, 60.0, 60.0, 60.0],
            }
        ),
        "retention": pd.DataFrame(
            {
                "cohort_week": [date(2026, 1, 5)] * 4,
                "is_identified": [True, True, False, False],
                "week_number": [0, 1, 0, 1],
                "is_mature": [True] * 4,
                "is_settled": [True] * 4,
                "cohort_persons": [4, 4, 6, 6],
                "retained_persons": [4, 3, 6, 0],
                "retention_rate": [1.0, 0.75, 1.0, 0.0],
            }
        ),
        "channels": pd.DataFrame(
            {
                "channel": ["Email", "Direct"],
                "session_orders": [0, 3],
                "session_revenue": [Decimal("0.00"), Decimal("14.00")],
                "credits": [1.0, 2.0],
                "revenue": [Decimal("5.00"), Decimal("9.00")],
            }
        ),
        "recent_channels": pd.DataFrame(
            {
                "channel": ["Email", "Direct"],
                "sessions": [3, 8],
                "engaged_sessions": [1, 6],
                "engagement_rate": [0.3333, 0.75],
                "converting_sessions": [0, 2],
                "conversion_rate": [0.0, 0.25],
                "orders": [0, 3],
                "revenue": [Decimal("0.00"), Decimal("14.00")],
            }
        ),
        "products": pd.DataFrame(
            {
                "product_id": ["p1", "p2"],
                "name": ["Lamp", None],
                "viewers": [4, 1],
                "adders": [2, 0],
                "orders": [1, 0],
                "units": [1, 0],
                "item_sales": [Decimal("14.00"), Decimal("0.00")],
            }
        ),
        "reconciliation": pd.DataFrame(
            {
                "label": ["Item sales", "Discounts", "Revenue"],
                "is_result": [True, False, True],
                "amount": [Decimal("1300.00"), Decimal("-65.50"), Decimal("1234.50")],
            }
        ),
        "searches": pd.DataFrame(
            {
                "term": ["ruby lamp"],
                "searches": [3],
                "searches_without_results": [2],
                "no_result_rate": [0.6667],
            }
        ),
        **changes,
    }


def further() -> dict[str, pd.DataFrame]:
    """Small frames of the tables that a team may do without."""
    visits = {
        "sessions": [2],
        "engagement_rate": [0.5],
        "conversion_rate": [0.5],
        "orders": [1],
        "revenue": [Decimal("10.00")],
    }
    weeks = [date(2026, 1, 12), date(2026, 1, 19)]
    return {
        "live": live(),
        "sources": pd.DataFrame(
            {"source": ["x"], "medium": ["cpc"], "campaign": ["y"], **visits}
        ),
        "landing_pages": pd.DataFrame({"landing_page": ["/"], **visits}),
        "devices": pd.DataFrame({"device_type": ["mobile"], **visits}),
        "countries": pd.DataFrame({"country": ["DE"], **visits}),
        "pages": pd.DataFrame(
            {"page": ["/"], "views": [3], "entries": [2], "exits": [1], "exit_rate": [0.3333],
             "mean_seconds": [12.0]}
        ),
        "rolling": pd.DataFrame(
            {"day": [AS_OF], "is_complete": True, "is_settled": True, "is_wau_complete": True,
             "is_mau_complete": False, "dau": 3, "wau": 9, "mau": 20, "stickiness": 0.15}
        ),
        "lifecycle": pd.DataFrame(
            {"week": weeks, "is_settled": True, "active_persons": [5, 6], "new_persons": [5, 2],
             "retained_persons": [0, 4], "returning_persons": 0, "churned_persons": [0, 1],
             "previous_active_persons": [0, 5], "churn_rate": [None, 0.2]}
        ),
        "carts": pd.DataFrame(
            {"carts": [4], "ordered_carts": [1], "cancelled_carts": [0], "abandoned_carts": [2],
             "open_carts": [1], "abandonment_rate": [0.6667]}
        ),
        "categories": pd.DataFrame(
            {"category": ["Lamps"], "viewers": [4], "adders": [2], "buyers": [1], "orders": [1],
             "units": [1], "item_sales": [Decimal("14.00")]}
        ),
        "hours": pd.DataFrame(
            {"day": AS_OF, "weekday": 6, "hour": range(24), "orders": [0] * 9 + [3] + [0] * 14}
        ),
        "segments": pd.DataFrame(
            {"lifecycle_stage": ["new"], "rfm_segment": ["promising"], "persons": [3],
             "share_of_persons": [1.0], "orders": [3], "spend": [Decimal("30.00")],
             "share_of_spend": [1.0], "mean_spend": [10.0]}
        ),
        "models": pd.DataFrame(
            {"model": ["first", "markov"], "channel": ["Email", "Email"], "credits": [1.0, 1.0],
             "revenue": [Decimal("5.00"), Decimal("5.00")]}
        ),
        "paths": pd.DataFrame(
            {"path": ["Email > Direct"], "journeys": [2], "conversions": [1],
             "conversion_rate": [0.5], "revenue": [Decimal("5.00")], "mean_days": [1.5]}
        ),
        "values": pd.DataFrame(
            {"period": "week", "cohort_start": date(2026, 1, 5), "is_identified": [True, False],
             "period_number": 0, "is_mature": True, "is_settled": True, "cohort_persons": [4, 6],
             "cumulative_net_revenue": [Decimal("15.00"), Decimal("10.00")]}
        ),
    }  # fmt: skip


def empty() -> dict[str, pd.DataFrame]:
    """Every frame without a row, the funnel aside: it always has its four."""
    found = {name: frame.head(0) for name, frame in frames().items()}
    funnel = frames()["funnel"].assign(persons=0, step_rate=None, overall_rate=None)
    return {**found, "funnel": funnel}


@cache
def plain_page() -> str:
    """The page of the plain frames."""
    return report.render(frames(), **ABOUT)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts are made, and not drawn: that takes most of a page's time, where words are tested."""
    monkeypatch.setattr(style, "svg", lambda figure: b"<svg/>")


in_words = pytest.mark.usefixtures("undrawn")


def test_the_page_needs_nothing_but_itself() -> None:
    page = Page(plain_page())
    for tag in ("script", "link", "iframe", "object", "embed", "base", "form"):
        assert not page.all(tag), tag
    images = page.all("img")
    assert len(images) == 7
    assert all(str(image["src"]).startswith("data:image/svg+xml;base64,") for image in images)
    assert all(image["alt"] for image in images)
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "action") and not str(value).startswith(("data:", "#"))
    ]
    assert addresses == []
    (policy,) = [m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy["content"]).startswith("default-src 'none'")


def test_the_same_data_gives_the_same_bytes() -> None:
    assert report.render(frames(), **ABOUT) == plain_page()


def test_other_data_gives_another_chart() -> None:
    changed = frames()["funnel"].assign(persons=[80, 4, 2, 1])
    assert report.render(frames(funnel=changed), **ABOUT) != plain_page()


@in_words
def test_the_page_says_what_it_is_about() -> None:
    text = Page(report.render(frames(), **ABOUT)).text
    assert "As of 2026-01-31; days in Europe/Berlin, money in EUR, crawlers left out." in text
    assert "The 7 days from 2026-01-25 to 2026-01-31" in text
    assert "The last day is not over" not in text
    counted = Page(report.render(frames(), **{**ABOUT, "exclude_bots": False})).text
    assert "crawlers counted." in counted


@in_words
@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("products", "name"),
        ("products", "product_id"),
        ("searches", "term"),
        ("channels", "channel"),
        ("recent_channels", "channel"),
        ("funnel", "step"),
    ],
)
def test_what_comes_from_the_data_is_escaped(name: str, column: str) -> None:
    frame = frames()[name]
    if column == "product_id":
        frame = frame.assign(name=None)
    frame = frame.assign(**{column: SNEAKY})
    page = report.render(frames(**{name: frame}), **ABOUT)
    assert "<script" not in page
    assert not any("onload" in attributes for _, attributes in Page(page).tags)
    assert SNEAKY in Page(page).text


def test_names_in_charts_are_escaped_too() -> None:
    frame = frames()["channels"].assign(channel=["<script>x</script>", "Direct"])
    page = Page(report.render(frames(channels=frame), **ABOUT))
    for image in page.all("img"):
        svg = base64.b64decode(str(image["src"]).partition(",")[2])
        assert b"<script" not in svg


@in_words
def test_changes_are_against_the_period_before() -> None:
    week = period(
        7,
        previous_users=40,
        previous_conversion_rate=0.062,
        previous_orders=0,
        previous_revenue=None,
    )
    text = Page(report.render(frames(periods=pd.DataFrame([week])), **ABOUT)).text
    # 50 of 40: a quarter more. 5.0 % of 6.2 %: 1.2 points less. Nothing of 0, nothing of unknown.
    assert "Users50+25 %" in text
    assert "Conversion rate5.0 %-1.2 points" in text
    assert "Orders4none before" in text
    assert "Revenue1,234.50 EURnothing to compare with" in text


@in_words
@pytest.mark.parametrize(
    ("settled", "words"),
    [
        ((True, True), None),
        ((True, None), None),
        ((True, False), "The days before begin in the first 14 days of the data"),
        ((False, False), "They begin in the first 14 days of the data"),
        ((False, None), "They begin in the first 14 days of the data"),
    ],
)
def test_a_period_that_had_not_settled_says_so(
    settled: tuple[bool, bool | None], words: str | None
) -> None:
    week = period(7, is_settled=settled[0], previous_is_settled=settled[1])
    text = Page(report.render(frames(periods=pd.DataFrame([week])), **ABOUT)).text
    first_screen = text.split("Trends")[1]
    assert ("when some people only seem new" in first_screen) is (words is not None)
    if words:
        assert words in text


@in_words
def test_days_that_are_not_over_or_not_settled_are_marked() -> None:
    overview = frames()["overview"]
    overview["is_complete"] = [*[True] * 13, False]
    overview["is_settled"] = [False, *[True] * 13]
    latest = at_newest(datetime(2026, 1, 31, 9, 30), "Europe/Berlin")
    text = Page(report.render(frames(overview=overview), **{**ABOUT, "as_of": latest})).text
    assert "2026-01-18 (not settled)" in text
    assert "2026-01-31 (not over)" in text
    assert "compared with the 7 days before. The last day is not over." in text
    assert (
        "As of 2026-01-31 (not over: newest event received at 2026-01-31 09:30:00.000 UTC)" in text
    )


@in_words
def test_money_below_zero_before_has_no_percentage() -> None:
    week = period(7, previous_net_revenue=Decimal("-50.00"))
    text = Page(report.render(frames(periods=pd.DataFrame([week])), **ABOUT)).text
    assert "Net revenue1,200.00 EURbelow zero before" in text


@in_words
def test_the_words_for_money_are_defined() -> None:
    text = Page(report.render(frames(), **ABOUT)).text
    for word in ("Revenue", "Refunds", "Net revenue", "Order total", "Item sales"):
        assert re.search(rf"^{word}", text.rpartition("What the figures mean")[2], re.MULTILINE)


@in_words
def test_a_rate_that_is_unknown_is_a_dash() -> None:
    week = period(7, bounce_rate=None)
    text = Page(report.render(frames(periods=pd.DataFrame([week])), **ABOUT)).text
    assert "Bounce rate–nothing to compare with" in text


@in_words
def test_a_period_that_the_data_does_not_fill_is_not_summed_up() -> None:
    text = Page(report.render(frames(), **ABOUT)).text
    assert "30 days" not in text.split("Trends")[0]
    short = pd.DataFrame([period(7, is_complete=False)])
    assert "There are fewer than seven whole days of data" in report.render(
        frames(periods=short), **ABOUT
    )


def test_without_data_every_section_says_so_in_words() -> None:
    page = Page(report.render(empty(), **ABOUT))
    assert not page.all("img")
    for words in (
        "There are fewer than seven whole days of data",
        "too few for a trend",
        "Nobody has viewed a product yet.",
        "too little data for retention",
        "there is nothing to attribute",
        "No product has been viewed or bought yet.",
        "Every search found something.",
        "No order has been placed yet.",
    ):
        assert words in page.text


@in_words
def test_a_week_in_which_nobody_came_back_is_drawn_and_one_not_over_is_not() -> None:
    nobody = frames()["retention"].assign(retained_persons=[4, 0, 6, 0])
    assert "too little data for retention" not in report.render(frames(retention=nobody), **ABOUT)
    young = frames()["retention"].assign(
        is_mature=[True, False] * 2, retained_persons=[4, None, 6, None]
    )
    assert "too little data for retention" in report.render(frames(retention=young), **ABOUT)


def numbers_of_charts(page: str) -> dict[str, int]:
    """How many rows the table right below each chart has, by the chart's text; 0 without one."""
    found = re.findall(
        r'<img alt="([^"]*)".*?</figure>\n(<details>.*?</details>)?', page, re.DOTALL
    )
    return {text: numbers.count("<tr>") for text, numbers in found}


@in_words
def test_every_chart_has_a_table_of_its_own() -> None:
    found = numbers_of_charts(report.render({**frames(), **further()}, **ABOUT))
    assert len(found) == 12
    assert [text for text, rows in found.items() if rows < 2] == []


@in_words
def test_tables_of_days_hold_the_days_of_their_charts() -> None:
    days = [AS_OF - timedelta(days=n) for n in reversed(range(120))]
    row = frames()["overview"].iloc[[0]]
    overview = pd.concat([row] * 120, ignore_index=True).assign(day=days)
    page = report.render(frames(overview=overview, live=live()), **ABOUT)
    assert list(numbers_of_charts(page).values())[:3] == [91, 91, 91]
    assert "The last 90 days, 2025-11-03 to 2026-01-31." in page
    data = held(page)
    assert data["days"][data["start"]] == "2025-11-03"


@in_words
def test_every_part_says_of_which_days_it_is() -> None:
    days = [AS_OF - timedelta(days=n) for n in reversed(range(120))]
    row = frames()["overview"].iloc[[0]]
    overview = pd.concat([row] * 120, ignore_index=True).assign(day=days)
    page = report.render({**frames(overview=overview), **further()}, **ABOUT)
    every, recent, month = (
        "All days, 2025-10-04 to 2026-01-31.",
        "The last 90 days, 2025-11-03 to 2026-01-31.",
        "The last 30 days, 2026-01-02 to 2026-01-31.",
    )
    told = {
        "Sessions by channel": recent,
        "Sources and campaigns": month,
        "Landing pages": month,
        "Devices": month,
        "Countries": month,
        "Pages": month,
        "Carts": month,
        "From view to order": every,
        "Searches without results": every,
        "Products": every,
        "Categories": every,
        "When people order": every,
        "How the money adds up": every,
        "Last touch and session": every,
        "Models side by side": every,
        "Paths to an order": every,
        "Segments": every,
        "Value of a new person": every,
        "Who comes back": "Cohorts of the weeks from 2026-01-05 to 2026-01-05.",
        "Active people": "The last 14 days, 2026-01-18 to 2026-01-31.",
        "Life cycle": "Whole weeks from that of 2026-01-12 to that of 2026-01-19.",
    }
    blocks = dict(re.findall(r"<h3>([^<]+)</h3>\n(.*?)(?=<h[23]>)", page, re.DOTALL))
    assert set(blocks) - set(told) == {"Unusual days", "What became of the records"}
    for title, words in told.items():
        assert words in blocks[title].partition("</p>")[0], title


@in_words
def test_numbers_stand_in_tables_beside_the_charts() -> None:
    page = report.render(frames(), **ABOUT)
    rows = [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)]
    assert "|add||4||50.0 %||50.0 %||1.0 min||0|" in rows
    assert "|Direct||8||6||75.0 %||2||25.0 %||3||14.00|" in rows
    assert "|Email||0||0.00||1||5.00|" in rows
    assert "|p2||1||0||0||0||0.00|" in rows
    assert "|ruby lamp||3||2||66.7 %|" in rows
    # Below the charts of revenue, of sessions and of the conversion rate.
    assert "|2026-01-31||1||10.00||4.00||6.00|" in rows
    assert "|2026-01-31||9||2||10|" in rows
    assert "|2026-01-31||1||10||10.0 %|" in rows
    # Of ten new people three came back in the week after: of four identified, and of no guests.
    assert "|2026-01-05||1||10||3||30.0 %|" in rows
    assert "|1||10||3||30.0 %||75.0 %||0.0 %|" in rows
    assert "|Discounts||-65.50|" in rows
    assert "|Revenue||= 1,234.50|" in rows


@pytest.mark.parametrize("word", ["mmmm", "WWWW", "ill", "Revenue"])
@pytest.mark.parametrize("is_narrow", [False, True])
def test_no_title_is_wider_than_its_figure(word: str, is_narrow: bool) -> None:
    with style.narrow() if is_narrow else nullcontext(), style.applied():
        figure, _ = style.chart()
        style.title(figure, " ".join([word] * 30))
        renderer = FigureCanvasAgg(figure).get_renderer()
        [said] = [text for text in figure.texts if text.get_text()]
        assert said.get_window_extent(renderer).x1 <= figure.bbox.x1
        assert " ".join(said.get_text().split()) == " ".join([word] * 30)


@in_words
@pytest.mark.parametrize(
    ("now", "unsettled", "words"),
    [(50, 0, "usual"), (90, 0, "▲ unusually high"), (20, 0, "▼ unusually low"),
     (20, 40, "too few weeks to judge")],
)  # fmt: skip
def test_users_of_a_week_are_judged_by_users_of_weeks(now: int, unsettled: int, words: str) -> None:
    days = [AS_OF - timedelta(days=n) for n in reversed(range(63))]
    rolling = pd.DataFrame(
        {
            "day": days,
            "is_complete": True,
            "is_settled": [n >= unsettled for n in range(63)],
            "is_wau_complete": [n >= 6 for n in range(63)],
            "is_mau_complete": [n >= 29 for n in range(63)],
            "dau": 9,
            "wau": [50] * 62 + [now],
            "mau": 100,
            "stickiness": 0.09,
        }
    )
    text = Page(report.render(frames(rolling=rolling), **ABOUT)).text
    assert words in text.split("Users50")[1].split("New users")[0]


# --- what a script makes of it --------------------------------------------------------------------


def live(**changes: Any) -> pd.DataFrame:
    """Two channels, two kinds of visitors, on two days."""
    frame = pd.DataFrame(
        {
            "day": [AS_OF - timedelta(days=1), AS_OF, AS_OF],
            "channel": ["Email", "Direct", "Email"],
            "is_new_visitor": [False, True, False],
            "sessions": [4, 2, 1],
            "engaged_sessions": [3, 1, 0],
            "converting_sessions": [2, 0, 0],
            "orders": [2, 0, 1],
            "revenue": [Decimal("12.34"), Decimal("0.00"), Decimal("0.10")],
        }
    )
    return frame.assign(**changes)


def held(page: str) -> dict[str, Any]:
    """The data that the page's script reads."""
    [text] = re.findall(
        r'<script type="application/json" id="live-data">(.*?)</script>', page, re.DOTALL
    )
    found: dict[str, Any] = json.loads(text)
    return found


@in_words
def test_the_script_gets_days_channels_and_visitors_with_money_in_hundredths() -> None:
    data = held(report.render(frames(live=live()), **ABOUT))
    assert data["channels"] == ["Direct", "Email"]
    assert data["days"][-2:] == ["2026-01-30", "2026-01-31"]
    # Day, channel, new or not, sessions, engaged, converting, orders, hundredths.
    assert data["rows"] == [
        [12, 1, 0, 4, 3, 2, 2, 1234],
        [13, 0, 1, 2, 1, 0, 0, 0],
        [13, 1, 0, 1, 0, 0, 1, 10],
    ]
    assert data["funnel"][1] == ["add", 4, "50.0 %"]
    # Ten new people, of whom three came back in the week after.
    assert data["retention"] == [["2026-01-05", 1, 10, 3, 1]]


@in_words
def test_only_the_pages_own_scripts_run_and_each_is_named_by_its_digest() -> None:
    page = report.render(frames(live=live()), **ABOUT)
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    named = re.findall(r"'sha256-([^']+)'", policy)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts
    ]
    assert digests == named
    assert len(named) == 3
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2]
    assert "http" not in policy.replace("http-equiv", "")


def test_a_page_full_of_data_is_below_four_megabytes() -> None:
    """Real pictures, all the days that a page holds, and as many channels as there are."""
    days = [AS_OF - timedelta(days=n) for n in reversed(range(420))]
    channels = [f"Channel number {n}" for n in range(20)]
    first, last = (frame.iloc[[0]] for frame in (frames()["overview"], further()["lifecycle"]))
    overview = pd.concat([first] * len(days), ignore_index=True)
    overview["day"], overview["sessions"] = days, [1000 + n * 37 % 600 for n in range(420)]
    overview["revenue"] = [Decimal(20_000 + n * 7919 % 9000) for n in range(420)]
    cohorts = [
        {"cohort_week": start, "cohort_start": start, "is_identified": known, "week_number": week,
         "period": "week", "period_number": week, "is_mature": True, "is_settled": True,
         "cohort_persons": 500, "retained_persons": 300 - 10 * week - n,
         "cumulative_net_revenue": Decimal(4000 + week * (300 + 41 * n))}
        for n in range(52)
        for start in [AS_OF - timedelta(days=5 + 7 * (51 - n))]
        for known in (True, False)
        for week in range(min(52 - n, 27))
    ]  # fmt: skip
    visits = [
        {"day": day, "channel": channel, "is_new_visitor": new, "sessions": 1234,
         "engaged_sessions": 777, "converting_sessions": 55, "orders": 56,
         "revenue": Decimal("23456.78")}
        for day in days
        for channel in channels
        for new in (True, False)
    ]  # fmt: skip
    models = [
        {"model": model, "channel": channel, "credits": 1.0, "revenue": Decimal(90 * n + 13 * m)}
        for m, model in enumerate(value_charts.MODELS)
        for n, channel in enumerate(channels)
    ]
    hours = pd.DataFrame([(day, day.isoweekday(), hour, (hour * 7 + day.day) % 9)
                          for day in days for hour in range(24)],
                         columns=["day", "weekday", "hour", "orders"])  # fmt: skip
    weeks = pd.concat([last] * 26, ignore_index=True).assign(
        week=[AS_OF - timedelta(days=5 + 7 * n) for n in range(26)], active_persons=900
    )
    page = report.render(
        {
            **frames(overview=overview, retention=pd.DataFrame(cohorts)),
            **further(),
            "values": pd.DataFrame(cohorts),
            "live": pd.DataFrame(visits),
            "models": pd.DataFrame(models),
            "hours": hours,
            "lifecycle": weeks,
        },
        **ABOUT,
    )
    assert 2_000_000 < len(page.encode()) < 4_000_000


@in_words
def test_what_comes_from_the_data_cannot_end_the_script() -> None:
    sneaky = "</script><script>alert(1)</script>\u2028"
    page = report.render(frames(live=live(channel=sneaky)), **ABOUT)
    assert "alert(1)</script>" not in page
    assert held(page)["channels"] == [sneaky]


@in_words
def test_without_visits_there_is_no_script() -> None:
    page = report.render(frames(live=live().head(0)), **ABOUT)
    assert "<script" not in page
    assert 'id="filters"' not in page


@in_words
def test_alerts_are_on_top_and_escaped() -> None:
    found = [Alert("anomaly", "Users", f"Users were {SNEAKY}", "2026-01-31")]
    page = report.render(frames(), **ABOUT, found=found)
    assert "<script" not in page
    text = Page(page).text
    assert text.index("1 alert:") < text.index("The 7 days from")
    assert f"Users were {SNEAKY}" in text
    calm = Page(report.render(frames(), **ABOUT)).text
    assert "No alerts." in calm


def a_sudden_day(unsettled: int) -> dict[str, pd.DataFrame]:
    """Thirteen weeks with 100 sessions a day, and 400 on the last; as many people in seven days.

    Of the days before the last, the newest ``unsettled`` are not settled.
    """
    number = 13 * 7
    days = [AS_OF - timedelta(days=n) for n in reversed(range(number))]
    settled = [ago == 0 or ago > unsettled for ago in reversed(range(number))]
    sessions = pd.Series([100] * (number - 1) + [400])
    overview = pd.DataFrame(
        {
            "day": days,
            "is_complete": True,
            "is_settled": settled,
            "sessions": sessions,
            **dict.fromkeys(("engaged_sessions", "converting_sessions"), sessions // 20),
            **dict.fromkeys(("users", "new_users", "orders", "valued_orders", "events"), 5),
            **dict.fromkeys(("revenue", "refunds", "net_revenue"), Decimal("10.00")),
        }
    )
    rolling = overview[["day", "is_complete", "is_settled"]].assign(
        is_wau_complete=True, is_mau_complete=True, dau=9, wau=sessions, mau=900, stickiness=0.01
    )
    return frames(overview=overview, rolling=rolling, live=live())


@in_words
@pytest.mark.parametrize(
    ("options", "unsettled", "is_odd"),
    [
        # On the scale of counts 400 is 40.02 and 100 is 20.04; 1000 in a week is 63.26, 700 52.93.
        ({}, 0, True),
        ({"alerts.threshold": 10}, 0, True),
        ({"alerts.threshold": 25}, 0, False),
        # The eight weeks before cannot be compared with: of twelve, four are left.
        ({}, 62, False),
        ({"alerts.weeks": 12}, 62, True),
    ],
)
def test_what_is_unusual_in_one_place_is_so_in_all(
    make_settings: Callable[..., Settings], options: dict[str, Any], unsettled: int, is_odd: bool
) -> None:
    found, chosen = a_sudden_day(unsettled), make_settings(**options)
    said = alerts.found(alerts.Data(found["overview"]), chosen, datetime(2026, 2, 1, tzinfo=UTC))
    limits = {"weeks": chosen.alerts.weeks, "threshold": chosen.alerts.threshold}
    page = report.render(found, **ABOUT, found=said, **limits)
    listed = re.findall(r"Sat 2026-01-31</td><td[^>]*>([^<]+)<", page.split("Unusual days")[1])
    data = held(page)
    last = data["days"].index("2026-01-31")
    circled = [name for name, places in data["unusual"].items() if last in places]
    tiles = re.findall(r'<div class="tile"><span>([^<]+)</span>(.*?)</div>', page)
    odd = {name for name, tile in tiles if "unusually high" in tile}
    assert [one.subject for one in said] == (["Sessions"] if is_odd else [])
    assert listed == (["Sessions"] if is_odd else [])
    assert circled == (["sessions"] if is_odd else [])
    assert odd == ({"Sessions", "Users"} if is_odd else set())


@in_words
def test_alerts_and_report_agree_while_a_day_is_under_way(
    make_settings: Callable[..., Settings],
) -> None:
    """Four weeks are just enough to judge Saturday by; the Sunday after it is not over."""
    chosen = make_settings(**{"alerts.weeks": 4, "alerts.days": 1})
    found = a_sudden_day(0)
    last = found["overview"].tail(1)
    sunday = last.assign(day=AS_OF + timedelta(days=1), is_complete=False, sessions=7)
    found["overview"] = pd.concat([found["overview"].tail(29), sunday], ignore_index=True)
    said = alerts.found(alerts.Data(found["overview"]), chosen, datetime(2026, 2, 1, tzinfo=UTC))
    assert [(one.subject, one.day) for one in said] == [("Sessions", "2026-01-31")]
    page = report.render(found, **ABOUT, found=said, weeks=4)
    listed = page.split("<h3>Unusual days</h3>")[1].split("</table>")[0]
    assert re.findall(r"(\w{3} 2026-\d\d-\d\d)</td><td[^>]*>([^<]+)<", listed) == [
        ("Sat 2026-01-31", "Sessions")
    ]
    data = held(page)
    assert data["unusual"]["sessions"] == [data["days"].index("2026-01-31")]


@in_words
def test_circles_are_on_days_that_the_charts_have() -> None:
    """Of 401 days the last is not over: the first of 400 whole days is not on the page."""
    days = [AS_OF - timedelta(days=n) for n in reversed(range(480))]
    overview = pd.DataFrame(
        {
            "day": days,
            "is_complete": [True] * 479 + [False],
            "is_settled": True,
            "sessions": [900 if n == 79 else 100 for n in range(480)],
            **dict.fromkeys(("users", "new_users", "converting_sessions", "orders"), 5),
            **dict.fromkeys(("revenue", "refunds", "net_revenue"), Decimal("10.00")),
        }
    )
    data = held(report.render(frames(overview=overview, live=live()), **ABOUT))
    assert data["days"][0] == days[80].isoformat()
    assert data["unusual"]["sessions"] == []


@in_words
def test_a_week_that_is_not_over_is_not_judged() -> None:
    found = a_sudden_day(0)
    for name in ("overview", "rolling"):
        found[name].loc[90, "is_complete"] = False
    text = Page(report.render(found, **ABOUT)).text
    assert "unusually" not in text
    for name in ("Users50", "Sessions80"):
        assert "not over yet, so not judged" in text.split(name)[1][:60]


@in_words
def test_a_figure_of_the_period_is_judged_by_the_periods_before() -> None:
    days = [AS_OF - timedelta(days=n) for n in reversed(range(49))]
    overview = pd.DataFrame(
        {
            "day": days,
            "is_complete": True,
            "is_settled": True,
            **dict.fromkeys(("users", "new_users", "converting_sessions"), 5),
            "sessions": [100] * 42 + [200] * 7,
            "orders": [5] * 49,
            **dict.fromkeys(("revenue", "refunds", "net_revenue"), Decimal("10.00")),
        }
    )
    text = Page(report.render(frames(overview=overview), **ABOUT)).text
    tile = text.split("Sessions80")[1][:60]
    assert "▲ unusually high" in tile
    assert "usual" in text.split("Orders4")[1][:40]
    # People of a week are not the sum of the people of its days: without rolling users no verdict.
    assert "usual" not in text.split("Users50")[1][:30].split("New users")[0]
    unusual = text.split("Unusual days")[1]
    assert "Sat 2026-01-31" in unusual
    assert "Sessions" in unusual


# --- against the warehouse ----------------------------------------------------------------------


def test_the_queries_are_portable_and_read_columns_that_are_documented() -> None:
    known = models(["dashboards"])
    for name, sql in {**report.QUERIES, **report.AGGREGATES}.items():
        query = parse(sql, source=name)
        check(query, source=name)
        for table in tables(query):
            assert table.database == "marts"
            assert table.name in known


def test_what_no_event_is_mapped_to_is_not_called_absent() -> None:
    """26 views under another name are no "Nobody has viewed a product yet"."""
    concepts = (
        Found("product_viewed", ("Product Viewed",), 0, {"<Item> Seen": 26, "item_viewed": 1}, ()),
        Found("order_completed", ("Order Completed", "Sale"), 0, {}, ()),
        Found("products_searched", ("Products Searched",), 7, {}, ()),
    )
    mapped = EventMapping(concepts, {"<Item> Seen": 26, "item_viewed": 1})
    page = report.render(empty(), **ABOUT, mapped=mapped)
    text = Page(page).text
    for false in ("Nobody has viewed", "No product has", "nothing to attribute", "No order has"):
        assert false not in text
    assert (
        "No event is mapped to product_viewed: none is named 'Product Viewed'; did you mean "
        "'<Item> Seen' (26 events) or 'item_viewed' (1 event)?"
    ) in text
    assert "<Item>" not in page
    assert (
        "No event is mapped to order_completed: none is named 'Order Completed' or 'Sale'." in text
    )
    # Searches came, and every one of them found something.
    assert "Every search found something." in text
    # Where every name is mapped, there is none indeed.
    nothing = EventMapping(concepts, {})
    assert "Nobody has viewed a product yet." in report.render(empty(), **ABOUT, mapped=nothing)


def test_figures_of_what_no_event_is_mapped_to_say_so() -> None:
    concepts = (Found("order_completed", ("Order Completed",), 0, {}, ()),)
    mapped = EventMapping(concepts, {"purchase": 3})
    text = Page(report.render(frames(), **ABOUT, mapped=mapped)).text
    assert text.count("No event is mapped to order_completed") == 2  # key figures and the funnel


def publish(session: Session, names: Iterable[str], **built_with: str) -> None:
    """Publish empty tables of the dashboards, built with these settings."""
    known = models(["dashboards"])
    version = provenance.version("test", built_with) if built_with else None
    for name in names:
        columns = ", ".join(
            f'cast(null as {column.type}) as "{key}"'
            for key, column in known[name].document.columns.items()
        )
        session.publish(Table("marts", name), f"select {columns} where 1 = 0", version=version)


FURTHER = {table.name for sql in report.AGGREGATES.values() for table in tables(parse(sql))}


def test_no_table_of_other_parameters_is_shown(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(as_of="2026-01-31", **{"attribution.half_life_days": 1})
    warehouse, path = open_warehouse(settings), tmp_path / "report.html"
    day = 24 * 60 * 60 * 1000
    with warehouse.session(write=True) as session:
        publish(session, set(models(["dashboards"])) - {"attribution_channels"})
        publish(session, ["attribution_channels"], **{"attribution.half_life_days": str(7 * day)})
    said = r"half_life_days: 7 before, 1 now \(marts\.attribution_channels\)"
    with pytest.raises(ModelError, match=said):
        report.write_now(warehouse, settings, path)
    assert not path.exists()
    assert set(reading.models_read(warehouse)) >= FURTHER
    with warehouse.session(write=True) as session:
        publish(session, ["attribution_channels"], **{"attribution.half_life_days": str(day)})
    assert report.write_now(warehouse, settings, path).exists()


def test_tables_that_a_team_does_not_build_are_not_missed(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(as_of="2026-01-31")
    warehouse = open_warehouse(settings)
    with warehouse.session(write=True) as session:
        publish(session, set(models(["dashboards"])) - (FURTHER - {"daily_overview"}))
    assert "attribution_channels" not in reading.models_read(warehouse)
    assert report.write_now(warehouse, settings, tmp_path / "report.html").exists()
    with warehouse.session(write=True) as session:
        session.drop(Table("marts", "funnel_steps"))
    with pytest.raises(ModelError, match=r"marts\.funnel_steps does not exist yet"):
        report.write_now(warehouse, settings, tmp_path / "report.html")


def test_a_report_is_written_from_the_tables(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    # The tables exist and are empty, the funnel's too: not even its four rows.
    settings = make_settings()
    warehouse = open_warehouse(settings)
    with warehouse.session(write=True) as session:
        publish(session, models(["dashboards"]))
    path = report.write(warehouse, settings, whole_day(AS_OF, "UTC"), tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    assert "Nobody has viewed a product yet." in page
    assert b"\r" not in path.read_bytes()
