"""Who is told of a run, what, and what happens where nobody can be told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from pydantic import ValidationError

from engagement.runs.notify import message_of, tell
from engagement.settings.notify import Notify
from tests.fakes.server import Fakes
from tests.fakes.service import Fake, Parameters, ServiceError

TOPIC = "arn:aws:sns:eu-central-1:111122223333:engagement"
FAILED: dict[str, Any] = {
    "id": "20260901T100000Z-0001",
    "status": "failed",
    "as_of": "2026-08-31",
    "notebooks": [
        {"name": "01_glue_tables", "status": "done", "error": None},
        {"name": "03_model_customers", "status": "failed", "error": "E: no jane@shop.example"},
        {"name": "04_dashboard_aggregates", "status": "not run", "error": None},
    ],
}
DONE: dict[str, Any] = {"id": "r", "status": "done", "notebooks": []}
ALERTED: dict[str, Any] = {**DONE, "alerts": [{"text": "revenue is unusual"}]}


class _Hook(HTTPServer):
    """A webhook on this machine that keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.path, json.loads(body)))
                self.send_response(hook.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *parts: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Hook]:
    with _Hook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{server.server_port}/secret?token=t0p")
        yield server
        server.shutdown()
        thread.join()


def test_a_failure_is_told_with_its_notebook_and_error_masked(hook: _Hook) -> None:
    assert tell(Notify(webhook_variable="HOOK"), "shop", FAILED) == []
    assert hook.got == [
        (
            "/secret?token=t0p",
            {
                "text": "shop: run 20260901T100000Z-0001 failed in 03_model_customers\n"
                "E: no … (e-mail)",
                "project": "shop",
                "run": "20260901T100000Z-0001",
                "status": "failed",
                "as_of": "2026-08-31",
                "alerts": 0,
            },
        )
    ]


@pytest.mark.parametrize(
    ("on", "record", "first"),
    [
        (("failure", "alert"), DONE, None),
        (("failure", "alert"), ALERTED, "shop: run r has 1 alert"),
        (("failure",), ALERTED, None),
        (("alert",), FAILED, None),
        ((), FAILED, None),
        (("failure",), {**DONE, "status": "failed"}, "shop: run r failed"),
    ],
)
def test_what_is_told_is_what_the_parameters_want(
    on: tuple[Any, ...], record: dict[str, Any], first: str | None
) -> None:
    found = message_of(Notify(on=on), "shop", record)
    assert (found and found["text"].splitlines()[0]) == first


def test_long_messages_are_cut_and_so_are_many_alerts() -> None:
    found = message_of(Notify(), "p", {**DONE, "alerts": [{"text": "a"}] * 12})
    assert found is not None
    assert found["text"].count("\n- a") == 10
    assert found["alerts"] == 12
    long = message_of(Notify(), "p", {**DONE, "alerts": [{"text": "word " * 999}]})
    assert long is not None
    assert len(long["text"]) == 2001


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_noted_and_no_redirect_followed(hook: _Hook, status: int) -> None:
    hook.status = status
    notes = tell(Notify(webhook_variable="HOOK"), "shop", ALERTED)
    assert notes == [f"the webhook was not told: it answered {status}"]
    assert len(hook.got) == 1


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "the environment has no HOOK (notify.webhook_variable)"),
        ("http://hooks.example/T0KEN", "HOOK holds no https:// address"),
        ("file:///etc/passwd", "HOOK holds no https:// address"),
        ("https://[T0KEN", "HOOK holds no https:// address"),
        ("http://127.0.0.1:1/T0KEN", "it could not be reached (ConnectionRefusedError)"),
        ("http://127.0.0.1:1/T0KEN with space\r\nX: y", "it could not be reached (InvalidURL)"),
    ],
)
def test_why_nobody_was_told_is_said_without_the_address(
    monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    monkeypatch.setenv("HOOK", address)
    notes = tell(Notify(webhook_variable="HOOK"), "shop", FAILED)
    assert notes == [f"the webhook was not told: {reason}"]


class SnsFake(Fake):
    service = "sns"

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__()
        self.refuses = refuses
        self.published: list[Parameters] = []

    def publish(self, request: Parameters) -> Parameters:
        if self.refuses:
            raise ServiceError("AuthorizationError", f"not authorized on {TOPIC}")
        self.published.append(request)
        return {"MessageId": "m-1"}


def test_a_topic_gets_subject_and_text(use_fakes: Callable[..., Fakes]) -> None:
    sns = SnsFake()
    use_fakes(sns)
    assert tell(Notify(sns_topic=TOPIC), "shop", ALERTED) == []
    assert sns.published == [
        {
            "TopicArn": TOPIC,
            "Subject": "shop: run r done",
            "Message": "shop: run r has 1 alert\n- revenue is unusual",
        }
    ]


def test_a_topic_that_refuses_is_noted(use_fakes: Callable[..., Fakes]) -> None:
    use_fakes(SnsFake(refuses=True))
    [note] = tell(Notify(sns_topic=TOPIC), "shop", FAILED)
    assert note.startswith("SNS was not told: sns.Publish: AuthorizationError")
    assert "111122223333" not in note


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_variable": "https://hooks.example/T0KEN"},
        {"sns_topic": "engagement"},
        {"on": ["always"]},
        {"seconds": 0},
    ],
)
def test_an_address_is_not_taken_for_a_variable(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Notify(**wrong)
