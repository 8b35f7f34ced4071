"""The executed notebooks' pages, and JupyterLab as ``make lab`` opens it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import PICTURES, ROOT, OpenPage, Run


def _pages() -> list[str]:
    return sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.mark.parametrize("name", _pages())
def test_a_page_shows_no_error_and_every_picture(run: Run, browser: Browser, name: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    # The pages of nbconvert name scripts for formulas; without a network they do without.
    page.route(re.compile("^https?:"), lambda route: route.abort())
    page.goto((run.folder / f"notebooks/{name}.html").as_uri())
    assert page.query_selector_all(".jp-RenderedText[data-mime-type*='error']") == []
    broken = page.evaluate(
        "() => [...document.images].filter(i => !i.complete || i.naturalWidth === 0).length"
    )
    assert broken == 0
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
    page.close()


@pytest.fixture
def lab() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"--no-browser --allow-root --port={port} --IdentityProvider.token=t"
    server = subprocess.Popen(
        ["make", "--no-print-directory", "lab", f"LAB_OPTIONS={options}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}"
    os.killpg(server.pid, signal.SIGTERM)
    server.wait()


def test_lab_opens_the_first_notebook_with_parameters_and_reports_in_reach(
    lab: str, browser: Browser, open_page: OpenPage
) -> None:
    del open_page  # makes the folder for pictures
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{lab}/?token=t")
    page.wait_for_selector(".jp-NotebookPanel", timeout=60_000)
    assert "00_start_here" in page.title() + page.url
    # The list follows the notebook into its folder once that is open, so home is asked for again.
    names = page.locator(".jp-DirListing-itemText")
    for _ in range(20):
        page.locator(".jp-BreadCrumbs-home").first.click()
        page.wait_for_timeout(500)
        if {"notebooks", "params"} <= {name.strip() for name in names.all_inner_texts()}:
            break
    page.screenshot(path=PICTURES / "lab.png")
    found = {name.strip() for name in names.all_inner_texts()}
    assert {"notebooks", "params"} <= found
    page.close()
