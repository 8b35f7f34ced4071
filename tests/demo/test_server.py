"""The shop over HTTP: what is served, what is not, and under which policy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engagement.demo import server

COLLECTOR = "http://127.0.0.1:8091"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str


Get = Callable[..., Answer]


@pytest.fixture
def get(tmp_path: Path) -> Get:
    """Ask the application for a path, as it stands in a request."""
    site, answers = tmp_path / "site", tmp_path / "answers"
    (site / "img").mkdir(parents=True)
    (site / "index.html").write_text("<h1>shop</h1>")
    (site / "img/a.svg").write_text("<svg/>")
    (site / ".hidden").write_text("no")
    (tmp_path / "secret.json").write_text("no")
    answers.mkdir()
    app = server.build(site, answers, COLLECTOR, "local", "127.0.0.1")

    async def ask(target: str, host: str) -> Answer:
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"host", host.encode())],
            "scheme": "http",
            "server": ("127.0.0.1", 8090),
            "root_path": "",
            "extensions": {},
        }
        told: list[dict[str, Any]] = []

        asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> dict[str, Any]:
            for message in asked:
                return message
            await asyncio.Event().wait()  # the client stays
            raise AssertionError

        async def send(message: Any) -> None:
            told.append(message)

        await app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in told[0]["headers"]}
        text = b"".join(one.get("body", b"") for one in told[1:]).decode()
        return Answer(told[0]["status"], headers, text)

    def get(target: str, host: str = "127.0.0.1:8090") -> Answer:
        return asyncio.run(ask(target, host))

    return get


@pytest.mark.parametrize("path", ["/", "/cart", "/c/kitchen?sort=cheap", "/account/orders"])
def test_addresses_of_pages_show_the_page(get: Get, path: str) -> None:
    answer = get(path)
    assert (answer.status, answer.text) == (200, "<h1>shop</h1>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_files_have_their_type(get: Get) -> None:
    answer = get("/img/a.svg")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize(
    "path",
    [
        *("/img/b.svg", "/.hidden", "/../secret.json", "/img/../../secret.json"),
        *("/answers/../secret.json", "/answers/../../secret.json", "/answers/none/shop.json"),
    ],
)
def test_there_is_nothing_else(get: Get, path: str) -> None:
    answer = get(path)
    assert answer.status == 404
    assert answer.text == "there is no such file"


def test_before_the_first_run_there_is_no_version(get: Get, tmp_path: Path) -> None:
    assert json.loads(get("/answers/current.json").text) == {"version": None, "as_of": None}
    (tmp_path / "answers/current.json").write_text('{"version": "v", "as_of": "t"}')
    assert json.loads(get("/answers/current.json").text)["version"] == "v"


def test_a_page_may_ask_the_shop_and_the_collector_and_nobody_else(get: Get) -> None:
    policy = get("/").headers["content-security-policy"]
    assert f"connect-src 'self' {COLLECTOR};" in policy
    assert "script-src 'self';" in policy
    assert json.loads(get("/config.json").text) == {
        "dataPlane": COLLECTOR,
        "writeKey": "local",
    }


def test_another_name_is_refused_where_only_this_machine_is_meant(get: Get) -> None:
    assert get("/", "evil.example:8090").status == 400
    assert get("/", "localhost:8090").status == 200
