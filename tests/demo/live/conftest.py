"""The demo as a whole, a real headless Chromium in front of it, and RudderStack's own SDKs.

These tests have an environment of their own (``make test-demo`` builds it) with Playwright and
nothing of the project: what they look at, the project's own command has made.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
ENGAGEMENT = ROOT / ".venv/bin/engagement"
PYTHON = ROOT / ".venv/bin/python"
PICTURES = ROOT / "build/demo"
"""Where screenshots go, to be looked at."""

WIDTHS = {"desktop": 1440, "phone": 420}
AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
"""A person's browser: that of a headless one is a bot's, and counts in no metric."""

MARK = "ENGAGEMENT_DEMO_TEST"

SECONDS = 360
"""What all these tests may take together on a two-core machine (docs/demo.md)."""
_BEGAN = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_BEGAN] = time.monotonic()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what they took; no test fails for it, since the machine may have other work to do."""
    took = time.monotonic() - config.stash[_BEGAN]
    more = "" if took <= SECONDS else ": too long, unless the machine was busy"
    terminalreporter.write_line(f"These tests took {took:.0f} of {SECONDS} seconds{more}.")


@dataclass
class Demo:
    """A demo that runs: its process, its addresses, its parameters."""

    process: subprocess.Popen[bytes]
    folder: Path
    mark: str
    shop: str
    collector: str
    params: tuple[str, ...]
    output: Path
    started: float
    asker: subprocess.Popen[str] | None = None

    def lines(self) -> list[str]:
        return self.output.read_text(encoding="utf-8").splitlines()

    def rounds(self) -> list[str]:
        """Lines of rounds that are over."""
        return [line for line in self.lines() if line.endswith(" seconds")]

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the demo's warehouse."""
        if self.asker is None:
            self.asker = subprocess.Popen(
                [str(PYTHON), str(HERE / "rows.py"), *self.params[1::2]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
        assert self.asker.stdin is not None
        assert self.asker.stdout is not None
        self.asker.stdin.write(json.dumps(sql) + "\n")
        self.asker.stdin.flush()
        line = self.asker.stdout.readline()
        assert line, f"there is no answer to {sql}"
        found: list[dict[str, Any]] = json.loads(line)
        return found

    @cached_property
    def plan(self) -> dict[str, dict[str, Any]]:
        """The tracking plan of the demo's parameters."""
        # The browser's environment has no reader of YAML, the project's has one.
        code = (
            "import json; from engagement.settings import ROOT, read_yaml; "
            "print(json.dumps(read_yaml(ROOT / 'params/tracking_plan.yaml')))"
        )
        done = subprocess.run(
            [str(PYTHON), "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        )
        plan: dict[str, dict[str, Any]] = json.loads(done.stdout)
        return plan

    def wait(self, sql: str, seconds: float = 300) -> float:
        """Wait until a query finds a row; seconds it took.

        It is asked once after each round: whoever reads keeps the next round from writing.
        """
        began, looked = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            if len(self.rounds()) > looked:
                looked = len(self.rounds())
                if self.ask(sql):
                    return time.monotonic() - began
            assert self.process.poll() is None, self.output.read_text(encoding="utf-8")
            time.sleep(0.1)
        raise AssertionError(f"not after {seconds:g} seconds: {sql}\n" + "\n".join(self.lines()))

    def left(self) -> list[str]:
        """Processes of this demo that are there: the commands of all that it has started."""
        found = []
        wanted = f"{MARK}={self.mark}".encode()
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            try:
                environment = (process / "environ").read_bytes().split(b"\0")
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it is gone, or somebody else's
            if wanted in environment and command:
                found.append(f"{process.name} {command}")
        return found

    def wait_until_gone(self, seconds: float) -> list[str]:
        """Wait until no process is left; those that are."""
        deadline = time.monotonic() + seconds
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.2)
        return self.left()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


Start = Callable[..., Demo]


def start(folder: Path, people: int = 40, days: int = 4) -> Demo:
    """Start ``engagement demo`` with everything in a folder of its own, and wait for the shop."""
    shop, collector = free_port(), free_port()
    keys = {
        "demo.port": shop,
        "demo.folder": folder / "demo",
        "demo.people": people,
        "demo.days": days,
        "collect.port": collector,
        "landing.location": folder / "landing",
        "warehouse.duckdb.path": folder / "demo.duckdb",
        "run.directory": folder / "runs",
    }
    params: list[str] = ["--params", "params/demo.yaml"]
    for name, value in keys.items():
        params += ["--set", f"{name}={value}"]
    output, mark = folder / "output.txt", uuid.uuid4().hex
    folder.mkdir(parents=True, exist_ok=True)
    with output.open("wb") as stream:
        began = time.monotonic()
        process = subprocess.Popen(
            [str(ENGAGEMENT), "demo", *params],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=ROOT,
            env={**os.environ, MARK: mark},
            start_new_session=True,
        )
    demo = Demo(
        process,
        folder,
        mark,
        f"http://127.0.0.1:{shop}",
        f"http://127.0.0.1:{collector}",
        tuple(params),
        output,
        began,
    )
    while demo.shop not in output.read_text(encoding="utf-8"):
        assert process.poll() is None, output.read_text(encoding="utf-8")
        assert time.monotonic() - began < 90
        time.sleep(0.1)
    return demo


def kill(demo: Demo) -> None:
    """End whatever a test has left of a demo."""
    if demo.asker is not None:
        demo.asker.communicate()
    if demo.process.poll() is None:
        demo.process.send_signal(signal.SIGTERM)
        try:
            demo.process.wait(40)
        except subprocess.TimeoutExpired:
            demo.process.kill()
            demo.process.wait()
    for line in demo.wait_until_gone(20):
        os.kill(int(line.partition(" ")[0]), signal.SIGKILL)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo that the visits are made to."""
    running = start(tmp_path_factory.mktemp("demo"), people=200, days=10)
    yield running
    kill(running)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if path is None:
        pytest.fail("these tests need Debian's package 'chromium': apt-get install chromium", False)
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # As root, which is who runs this in a container, Chromium starts only without its sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@dataclass
class Device:
    """A browser of one person: what it asked for, what it sent, what went wrong in it."""

    page: Page
    shop: str
    asked: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.shop + path)
        self.page.wait_for_selector("html[data-ready]")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).first.click()

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.page.fill(f"[name={name}]", value)

    def settle(self) -> None:
        """Wait until all that was told has been sent."""
        self.page.wait_for_timeout(1_500)
        self.page.wait_for_load_state("networkidle")

    def picture(self, name: str) -> None:
        """Keep what is on the screen, once every drawing is."""
        drawn = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        for _ in range(100):
            if self.page.evaluate(drawn):
                break
            self.page.wait_for_timeout(100)
        else:
            raise AssertionError(f"{name}: a picture is missing")
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)

    def tracked(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.sent if one.get("event") == event]


def device(browser: Browser, demo: Demo, width: str = "desktop") -> Device:
    context = browser.new_context(
        viewport={"width": WIDTHS[width], "height": 900}, user_agent=AGENT, locale="en-US"
    )
    page = context.new_page()
    made = Device(page, demo.shop)

    def heard(request: Request) -> None:
        made.asked.append(request.url)
        if request.method == "POST" and request.url.startswith(demo.collector):
            body = json.loads(request.post_data or "{}")
            for event in body.get("batch", [body]):
                if event["messageId"] not in {one["messageId"] for one in made.sent}:
                    made.sent.append(event)

    page.on("request", heard)
    page.on("pageerror", lambda error: made.wrong.append(str(error)))
    page.on(
        "console",
        lambda said: made.wrong.append(said.text) if said.type in ("error", "warning") else None,
    )
    return made


def today() -> str:
    return datetime.now(UTC).date().isoformat()
