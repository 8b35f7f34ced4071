"""The report as a person sees it: at three widths, dark and light, and on paper."""

from __future__ import annotations

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
