"""The report as a person sees it: at three widths, dark and light, on paper, without scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import WIDTHS, OpenPage, Run


def overflowing(page: Page) -> list[str]:
    """Elements that stick out of the window, unless something around them scrolls."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter(element => {
            if (element.closest('.wide')) return false;
            const box = element.getBoundingClientRect();
            return box.width > 0 && box.right > document.documentElement.clientWidth + 1;
        }).map(element => element.tagName + ': ' + element.textContent.slice(0, 60))"""
    )
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out(run: Run, open_page: OpenPage, width: str) -> None:
    page = open_page(run.report, width)
    assert overflowing(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_key_figure_stands_on_one_line(run: Run, open_page: OpenPage, width: str) -> None:
    page = open_page(run.report, width)
    broken = page.evaluate(
        """() => [...document.querySelectorAll('.tile b')].filter(figure => {
            const style = getComputedStyle(figure);
            return figure.getBoundingClientRect().height > 1.5 * parseFloat(style.lineHeight);
        }).map(figure => figure.textContent)"""
    )
    assert broken == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_words_of_a_chart_can_be_read(run: Run, open_page: OpenPage, width: str) -> None:
    """Letters are drawn at ten points: shown, none is smaller than eight tenths of that."""
    page = open_page(run.report, width)
    scales = page.evaluate(
        """() => [...document.querySelectorAll('figure img')]
            .filter(image => image.getBoundingClientRect().width > 0)
            .map(image => {
                const narrow = image.naturalWidth < 500;
                const drawn = Number(narrow ? image.dataset.narrow : image.dataset.width);
                return image.getBoundingClientRect().width / drawn;
            })"""
    )
    assert scales
    assert min(scales) >= 0.8


def test_dark_follows_the_system(run: Run, open_page: OpenPage) -> None:
    grey = {}
    for dark in (False, True):
        page = open_page(run.report, dark=dark)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        grey[dark] = sum(int(part) for part in colour.strip("rgba()").split(",")[:3])
    assert grey[False] > 600
    assert grey[True] < 200


def test_numbers_print_with_their_tables(run: Run, open_page: OpenPage) -> None:
    page = open_page(run.report)
    page.emulate_media(media="print")
    hidden = page.evaluate(
        """() => [...document.querySelectorAll('table')]
            .filter(table => !table.checkVisibility() || table.getBoundingClientRect().height === 0)
            .length"""
    )
    assert hidden == 0
    assert len(page.query_selector_all("table")) > 3


def test_a_heading_stays_with_its_figure_on_paper(run: Run, open_page: OpenPage) -> None:
    page = open_page(run.report)
    page.emulate_media(media="print")
    rules = page.evaluate(
        "() => [...document.querySelectorAll('h2')].map(h => getComputedStyle(h).breakAfter)"
    )
    assert set(rules) == {"avoid"}


def test_definitions_and_data_quality_are_on_the_page(run: Run, open_page: OpenPage) -> None:
    page = open_page(run.report)
    headings = [h.inner_text() for h in page.query_selector_all("h2")]
    assert {"Data quality", "What the figures mean"} <= set(headings)


def test_the_report_of_a_run_stays_below_four_megabytes(run: Run) -> None:
    assert run.report.stat().st_size < 4_000_000


# --- the first screen -----------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "tiles"), [("desktop", 12), ("tablet", 9), ("phone", 4)])
def test_the_first_screen_has_the_alerts_and_the_figures_that_decide(
    run: Run, open_page: OpenPage, width: str, tiles: int
) -> None:
    page = open_page(run.report, width)
    bottoms = page.evaluate(
        """() => [...document.querySelectorAll('.alerts, .tile')]
            .map(element => element.getBoundingClientRect().bottom)"""
    )
    assert len([bottom for bottom in bottoms if bottom <= 900]) >= 1 + tiles


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_lies_on_anything_else(run: Run, open_page: OpenPage, width: str) -> None:
    page = open_page(run.report, width)
    page.evaluate("document.getElementById('filters').style.position = 'static'")
    over = page.evaluate(
        """() => [...document.querySelectorAll(
                'main, section, .block, #narrowed, #filters, .tiles'
            )].flatMap(parent => {
                const boxes = [...parent.children]
                    .filter(child => child.getBoundingClientRect().height > 0)
                    .map(child => [child, child.getBoundingClientRect()]);
                return boxes.flatMap(([a, one], n) => boxes.slice(n + 1)
                    .filter(([, other]) =>
                        one.bottom > other.top + 1 && other.bottom > one.top + 1
                        && one.right > other.left + 1 && other.right > one.left + 1)
                    .map(([b]) => a.outerHTML.slice(0, 60) + ' / ' + b.outerHTML.slice(0, 60)));
            })"""
    )
    assert over == []


# --- filters and hover ----------------------------------------------------------------------------


def held(page: Page) -> dict[str, Any]:
    text = page.text_content("#live-data")
    assert text is not None
    found: dict[str, Any] = json.loads(text)
    return found


def total(page: Page) -> str:
    return page.inner_text("#filter-totals")


def expected(data: dict[str, Any], *, since: str = "", channel: str = "", new: int = -1) -> str:
    """What the page should say of some days, a channel and a kind of visitors."""
    rows = [
        row
        for row in data["rows"]
        if data["days"][row[0]] >= since
        and (not channel or data["channels"][row[1]] == channel)
        and new in (-1, row[2])
    ]
    sessions, converting, orders, cents = (sum(row[k] for row in rows) for k in (3, 5, 6, 7))
    rate = f"{converting / sessions * 100:.1f} %" if sessions else "–"
    money = f"{cents / 100:,.2f} {data['currency']}"
    return f"{sessions:,} sessions, {orders:,} orders, {money}, conversion rate {rate}"


def test_filters_narrow_the_figures_down_and_reset_puts_them_back(
    run: Run, open_page: OpenPage
) -> None:
    page = open_page(run.report)
    data = held(page)
    since = data["days"][data["start"]]
    whole = total(page)
    assert whole == expected(data, since=since)
    title = page.inner_text("figure[data-live=sessions] .live-title")
    page.select_option("#filter-channel", label="Email")
    assert total(page) == expected(data, since=since, channel="Email") != whole
    assert page.inner_text("figure[data-live=sessions] .live-title") != title
    page.select_option("#filter-visitors", label="new")
    assert total(page) == expected(data, since=since, channel="Email", new=1)
    later = data["days"][-14]
    page.fill("#filter-from", later)
    assert total(page) == expected(data, since=later, channel="Email", new=1)
    page.select_option("#filter-channel", label="all")
    page.select_option("#filter-visitors", label="returning")
    assert total(page) == expected(data, since=later, new=0)
    page.click("#filters button")
    assert total(page) == whole


def test_the_visits_of_all_channels_are_those_of_the_table(run: Run, open_page: OpenPage) -> None:
    page = open_page(run.report)
    data = held(page)
    shown = dict.fromkeys(data["channels"], 0)
    for day, channel, _, sessions, *_ in data["rows"]:
        shown[data["channels"][channel]] += sessions if day >= data["start"] else 0
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    rows = page.locator("#acquisition .block").first.locator("tbody tr").all_inner_texts()
    table = {row.split("\t")[0]: int(row.split("\t")[1].replace(",", "")) for row in rows}
    assert shown == table


@pytest.mark.parametrize("chart", ["sessions", "channels", "funnel", "retention"])
def test_a_chart_tells_its_values(run: Run, open_page: OpenPage, chart: str) -> None:
    page = open_page(run.report)
    figure = page.locator(f"figure[data-live={chart}]")
    figure.scroll_into_view_if_needed()
    canvas = figure.locator("canvas").first
    box = canvas.bounding_box()
    assert box is not None
    for across, down in ((0.5, 0.25), (0.3, 0.5), (0.2, 0.1), (0.2, 0.15)):
        place = box["x"] + box["width"] * across, box["y"] + box["height"] * down
        page.mouse.move(place[0] - 3, place[1])
        page.mouse.move(*place, steps=4)
        page.wait_for_timeout(300)
        told = page.locator(".bk-tooltip-row-value:visible").all_inner_texts()
        if told:
            break
    assert [text for text in told if any(sign.isdigit() for sign in text)]


def test_without_scripts_the_pictures_remain(run: Run, open_page: OpenPage) -> None:
    page = open_page(run.report, scripts=False)
    pictures = page.locator("figure picture img")
    assert pictures.count() >= 7
    assert all(pictures.nth(n).is_visible() for n in range(pictures.count()))
    assert not page.locator("#filters").is_visible()


# --- on paper -------------------------------------------------------------------------------------

_A4 = 794 - 2 * 38
"""Pixels that are left of a page's width between margins of a centimetre."""


def test_on_paper_pictures_stand_for_charts_and_no_table_is_cut(
    run: Run, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(run.report)
    page.set_viewport_size({"width": _A4, "height": 1047})
    page.emulate_media(media="print")
    assert page.locator(".live:visible").count() == 0
    assert not page.locator("#filters").is_visible()
    assert page.locator("figure picture:visible").count() >= 7
    wide = page.evaluate(
        """() => [...document.querySelectorAll('table')]
            .filter(table => table.getBoundingClientRect().right > innerWidth + 1)
            .map(table => table.textContent.slice(0, 60))"""
    )
    assert wide == []
    whole = page.evaluate(
        """() => [...document.querySelectorAll('tr, figure, .tile, .alerts')]
            .filter(element => getComputedStyle(element).breakInside !== 'avoid').length"""
    )
    assert whole == 0
    paper = tmp_path / "report.pdf"
    page.pdf(path=paper, format="A4", margin=dict.fromkeys(("left", "right"), "1cm"))
    assert paper.read_bytes().startswith(b"%PDF")
