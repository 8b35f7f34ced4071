"""A real headless Chromium, and what a person would open in it.

These tests have an environment of their own (``make test-browser`` builds it from
``requirements.lock``) with Playwright and nothing of the project: what they look at, the project's
own command has made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
ENGAGEMENT = ROOT / ".venv/bin/engagement"
WIDTHS = {"desktop": 1440, "tablet": 768, "phone": 420}
PICTURES = ROOT / "build/browser"
"""Where screenshots go, to be looked at."""


@dataclass(frozen=True)
class Run:
    """A whole run of the workbook over the samples."""

    folder: Path
    output: str

    @property
    def report(self) -> Path:
        return self.folder / "report.html"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if path is None:
        pytest.fail("these tests need Debian's package 'chromium': apt-get install chromium", False)
    with sync_playwright() as playwright:
        # As root, which is who runs this in a container, Chromium starts only without its sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    done = subprocess.run(
        [
            *(str(ENGAGEMENT), "run", "--set", f"run.directory={folder / 'runs'}"),
            *("--set", f"warehouse.duckdb.path={folder / 'warehouse/engagement.duckdb'}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Beside runs there may be what audiences remember of sends.
    [made] = [path.parent for path in (folder / "runs").glob("*/run.json")]
    return Run(made, done.stdout)


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Open a file at a width; every page is kept as a picture, must have loaded nothing else, and
    its scripts must have gone through without an error (one that the policy forbids is one)."""
    contexts = []
    PICTURES.mkdir(parents=True, exist_ok=True)

    def open_(
        path: Path, width: str = "desktop", *, dark: bool = False, scripts: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": WIDTHS[width], "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        contexts.append(context)
        page = context.new_page()
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(path.as_uri())
        if scripts and page.query_selector("#live-data"):
            page.wait_for_selector("#filters:not([hidden])")
            page.wait_for_timeout(1000)  # charts are drawn in the frames after
        kind = ("-dark" if dark else "") + ("" if scripts else "-plain")
        page.screenshot(path=PICTURES / f"{path.stem}-{width}{kind}.png", full_page=True)
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert errors == []
        return page

    yield open_
    for context in contexts:
        context.close()
