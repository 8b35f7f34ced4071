"""The collector over HTTP: its addresses, its answers, and that 02 reads what it lands."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engagement.collect.events import MOST_REQUEST_BYTES
from engagement.collect.server import CollectError, Plan, plan, serve
from engagement.flatten import flatten
from engagement.settings import Settings
from engagement.warehouse import open_warehouse
from tests.collect.conftest import KEY, Running, basic

Make = Callable[..., Settings]


def event(**keys: Any) -> dict[str, Any]:
    return {"anonymousId": "a-1", "type": "track", "event": "Seen", "messageId": "m-1", **keys}


def track(number: int) -> dict[str, Any]:
    return event(messageId=f"m-{number}")


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["identify", "track", "page", "screen", "group", "alias", "merge"])
def test_each_kind_has_its_address(collector: Running, kind: str) -> None:
    answer = collector.post(f"/v1/{kind}", {"userId": "u", "messageId": "m"})
    assert (answer.status, answer.text) == (200, "OK")
    (found,) = collector.landed()
    assert (found["type"], found["messageId"], found["request_ip"]) == (kind, "m", "127.0.0.1")


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import"])
def test_a_batch_lands_whole_and_in_order(collector: Running, path: str) -> None:
    before = datetime.now(UTC)
    batch = [track(number) for number in range(30)]
    assert collector.post(path, {"batch": batch}).status == 200
    found = collector.landed()
    assert [one["messageId"] for one in found] == [one["messageId"] for one in batch]
    received = datetime.fromisoformat(found[0]["receivedAt"])
    assert -0.001 <= (received - before).total_seconds() < 20


def test_the_beacon_brings_its_write_key_in_the_query(collector: Running) -> None:
    body = json.dumps({"batch": [event()]}).encode()
    path = f"/beacon/v1/batch?writeKey={KEY}"
    assert collector.request("POST", path, body, Content_Type="text/plain").status == 200
    for wrong in ("/beacon/v1/batch", "/beacon/v1/batch?writeKey=", "/beacon/v1/batch?writeKey=x"):
        assert collector.request("POST", wrong, body).status == 401
    assert len(collector.landed()) == 1


def test_a_proxy_says_where_a_request_came_from(collector: Running) -> None:
    collector.post("/v1/track", event(), X_Forwarded_For="203.0.113.9, 10.0.0.1")
    (found,) = collector.landed()
    assert found["request_ip"] == "203.0.113.9"


@pytest.mark.parametrize("path", ["/sourceConfig/?p=npm&v=3.34.1&build=modern", "/sourceConfig"])
def test_source_config_has_what_the_browser_sdk_needs(collector: Running, path: str) -> None:
    answer = collector.request("GET", path, Authorization=basic(), Origin="http://shop.example")
    found = json.loads(answer.text)
    assert found["source"]["id"]
    assert found["source"]["config"]
    assert found["source"]["destinations"] == []
    assert answer.headers["access-control-allow-origin"] == "http://shop.example"
    assert collector.request("GET", path, Authorization=basic("no")).status == 401


def test_health_says_what_it_is_not(collector: Running) -> None:
    answer = collector.request("GET", "/health")
    found = json.loads(answer.text)
    assert answer.status == 200
    assert {"server", "db", "acceptingEvents", "routingEvents", "mode", "lastSync"} <= found.keys()
    assert "production is RudderStack's own data plane" in found["note"]
    assert collector.request("GET", "/version").status == 200


def test_browsers_of_any_origin_may_send(collector: Running) -> None:
    asked = {
        "Origin": "http://shop.example:3000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "anonymousid,authorization,content-type,x-own",
    }
    answer = collector.request("OPTIONS", "/v1/batch", **asked)
    assert answer.status == 200
    for name, value in {
        "access-control-allow-origin": "http://shop.example:3000",
        "access-control-allow-credentials": "true",
        "access-control-allow-headers": "anonymousid,authorization,content-type,x-own",
        "access-control-max-age": "900",
    }.items():
        assert answer.headers[name] == value
    # Also a refusal can be read by the page that caused it.
    refused = collector.post("/v1/track", {}, Origin="http://shop.example:3000")
    assert refused.status == 400
    assert refused.headers["access-control-allow-origin"] == "http://shop.example:3000"


# --- what is refused ------------------------------------------------------------------------------

BASIC_OF_OTHERS = "Basic " + base64.b64encode(b"someone:secret").decode()
SPACES = b" " * (4 * 1024 * 1024)

REFUSED: dict[str, tuple[str, bytes, dict[str, str], int, str]] = {
    "no key": ("/v1/track", b"{}", {"Authorization": ""}, 401, "Invalid Authorization Header"),
    "wrong key": (
        "/v1/track",
        b"{}",
        {"Authorization": BASIC_OF_OTHERS},
        401,
        "Invalid Authorization Header: the write key",
    ),
    "no base64": (
        "/v1/track",
        b"{}",
        {"Authorization": "Basic §"},
        401,
        "Invalid Authorization Header: it is no base64",
    ),
    "bearer": (
        "/v1/track",
        b"{}",
        {"Authorization": "Bearer abc"},
        401,
        "Invalid Authorization Header: Failed to read writeKey",
    ),
    "bad gzip": ("/v1/batch", b"{}", {"Content-Encoding": "gzip"}, 400, "Invalid gzip"),
    "4 MB and one byte": ("/v1/batch", SPACES + b"1", {}, 413, "Request size exceeds max limit"),
    "as much, announced only": (
        "/v1/batch",
        b"{}" + b" " * MOST_REQUEST_BYTES,
        {},
        413,
        "Request size exceeds max limit",
    ),
    "4 MB and one byte, packed": (
        "/v1/batch",
        gzip.compress(SPACES + b"1"),
        {"Content-Encoding": "gzip"},
        413,
        "Request size exceeds max limit",
    ),
    "deep JSON": ("/v1/batch", b"[" * 100_000, {}, 400, "Invalid JSON"),
    "deep event": (
        "/v1/track",
        b'{"userId":"u","p":' + b'{"a":' * 400 + b"1" + b"}" * 401,
        {},
        400,
        "Invalid JSON: the body is nested too deeply",
    ),
    "no JSON": ("/v1/batch", b"batch=1", {}, 400, "Invalid JSON: line 1, column 1"),
    "nothing": ("/v1/batch", b"", {}, 400, "Request body is nil"),
    "an empty batch": ("/v1/batch", b'{"batch":[]}', {}, 400, "Empty batch payload"),
    "a bad event in a batch": (
        "/v1/batch",
        json.dumps({"batch": [event(), "no event", event()]}).encode(),
        {},
        400,
        "Event is not a valid rudder event: batch[1]",
    ),
    "nobody's event in a batch": (
        "/v1/batch",
        json.dumps({"batch": [event(), {"type": "track"}]}).encode(),
        {},
        400,
        "Request neither has anonymousId nor userId: batch[1]",
    ),
    "a large event": (
        "/v1/track",
        json.dumps(event(p="x" * 40_000)).encode(),
        {},
        413,
        "Event size exceeds max limit",
    ),
    "no such address": ("/v1/trak", b"{}", {}, 404, "There is no such address"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_have_the_data_planes_status_and_name_the_fault(
    collector: Running, name: str
) -> None:
    path, body, headers, status, text = REFUSED[name]
    answer = collector.post(path, body, **headers) if headers else collector.post(path, body)
    assert (answer.status, answer.text[: len(text)]) == (status, text)
    assert collector.post("/v1/track", track(7)).status == 200
    assert [one["messageId"] for one in collector.landed()] == ["m-7"]


def test_an_event_without_message_id_gets_one_and_is_taken(collector: Running) -> None:
    sent = event()
    del sent["messageId"]
    assert collector.post("/v1/track", sent).status == 200
    (found,) = collector.landed()
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found["messageId"])


def test_any_of_the_write_keys_will_do(collector: Running) -> None:
    assert collector.post("/v1/track", event(), Authorization=basic("other-key")).status == 200


def test_get_is_no_way_to_send(collector: Running) -> None:
    answer = collector.request("GET", "/v1/track", Authorization=basic())
    assert (answer.status, answer.text[:27]) == (405, "Invalid HTTP Request Method")


def test_a_request_that_breaks_off_stores_nothing(collector: Running) -> None:
    with socket.create_connection(("127.0.0.1", collector.port)) as client:
        client.sendall(
            b"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: "
            + basic().encode()
            + b'\r\nContent-Length: 500\r\n\r\n{"userId":"u"}'
        )
    assert collector.post("/v1/track", track(1)).status == 200
    assert [one["messageId"] for one in collector.landed()] == ["m-1"]


def test_what_is_in_hand_has_a_limit(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engagement.collect.app.MOST_HELD_BYTES", 1_000)
    collector = start()
    answer = collector.post("/v1/track", event(p="x" * 2_000))
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    for number in range(20):  # what was answered is no longer in hand
        assert collector.post("/v1/track", track(number)).status == 200
    assert len(collector.landed()) == 20


def test_a_full_disk_is_answered_503_and_health_says_so(
    collector: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert collector.post("/v1/track", track(1)).status == 200

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        answer = collector.post("/v1/track", track(2))
        assert answer.status == 503
        assert "No space left on device" in answer.text
        assert collector.request("GET", "/health").status == 503
    assert collector.post("/v1/track", track(3)).status == 200
    assert collector.request("GET", "/health").status == 200
    # The second one was written before the sync failed: at least once, never less.
    assert {"m-1", "m-3"} <= {one["messageId"] for one in collector.landed()}


# --- landing --------------------------------------------------------------------------------------


def test_files_land_by_age_while_it_runs(start: Callable[..., Running]) -> None:
    collector = start(roll_seconds=0.2)
    collector.post("/v1/track", track(1))
    assert collector.plan.landing is not None
    for _ in range(400):
        if list(collector.plan.landing.rglob("*.gz")):
            break
        time.sleep(0.01)
    assert [one["messageId"] for one in collector.landed()] == ["m-1"]
    assert collector.collected.events == collector.collected.files == 1
    assert not list(collector.plan.wal.glob("*.*"))


def test_a_hundred_clients_share_syncs(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[float] = []
    sync = os.fdatasync

    def slow(descriptor: int) -> None:
        syncs.append(time.monotonic())
        time.sleep(0.1)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    collector = start()
    statuses: list[int] = []

    def client(number: int) -> None:
        statuses.append(collector.post("/v1/track", track(number)).status)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(100)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    assert statuses == [200] * 100
    assert len(syncs) <= 20
    assert {one["messageId"] for one in collector.landed()} == {f"m-{n}" for n in range(100)}


def test_nothing_of_an_event_is_logged_or_shown(
    collector: Running, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(0)
    secret = "ada.lovelace@shop.example"
    collector.post("/v1/identify", {"userId": secret, "traits": {"email": secret}})
    collector.post("/v1/track", {"event": secret})
    collector.post("/v1/track", f'{{"{secret}"'.encode())
    collector.request("POST", f"/beacon/v1/batch?writeKey={secret}", b"{}")
    collector.post(f"/v1/{secret}", {})
    collector.stop()
    written = capfd.readouterr()
    for text in (caplog.text, written.out, written.err):
        assert "lovelace" not in text


def test_a_defect_is_logged_by_its_place_alone(
    collector: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise KeyError("ada.lovelace@shop.example")

    monkeypatch.setattr("engagement.collect.events.read", broken)
    answer = collector.post("/v1/track", event())
    assert (answer.status, answer.text[:21]) == (500, "Internal Server Error")
    assert "KeyError at test_server.py:" in caplog.text
    assert "lovelace" not in caplog.text


# --- 02 -------------------------------------------------------------------------------------------


def test_02_reads_what_lands_and_reconciliation_balances(
    collector: Running, make_settings: Make
) -> None:
    browser = {
        "anonymousId": "a-1",
        "userId": "",
        "channel": "web",
        "context": {"sessionId": 1795010702412, "page": {"path": "/"}, "traits": {}},
        "integrations": {"All": True},
    }
    now = {"originalTimestamp": "2026-11-30T10:00:00.000Z", "sentAt": "2026-11-30T10:00:01.000Z"}
    order = {
        "order_id": "o-1",
        "total": 49.9,
        "currency": "USD",
        "products": [{"product_id": "p-1", "price": 49.9, "quantity": 1}],
    }
    batch = [
        {**browser, **now, "messageId": "b-1", "type": "page", "name": "Home"},
        {
            **browser,
            **now,
            "messageId": "b-2",
            "type": "track",
            "event": "Order Completed",
            "properties": order,
        },
        {**browser, **now, "messageId": "b-3", "type": "heartbeat"},  # 02 sets it aside
    ]
    body = {"batch": batch, "sentAt": "2026-11-30T10:00:01.000Z"}
    assert collector.post("/v1/batch", body, Content_Type="application/json").status == 200
    # The same again, as a client does that got no answer.
    assert collector.post("/v1/batch", body, Content_Type="application/json").status == 200
    node = gzip.compress(
        json.dumps(
            {
                "batch": [
                    {
                        "_metadata": {"nodeVersion": "20"},
                        "messageId": "n-1",
                        "type": "identify",
                        "userId": "u-1",
                        "channel": "server",
                        "context": {"traits": {"plan": "gold"}},
                        "originalTimestamp": "2026-11-30T10:00:00.000Z",
                    }
                ],
                "sentAt": "2026-11-30T10:00:02.000Z",
            }
        ).encode()
    )
    form = "application/x-www-form-urlencoded"
    answer = collector.post("/v1/batch", node, Content_Encoding="gzip", Content_Type=form)
    assert answer.status == 200
    python = [
        {
            "anonymousId": "a-2",
            "userId": "u-1",
            "messageId": "p-1",
            "type": "track",
            "event": "Product Viewed",
            "timestamp": "2026-11-30T10:00:00.000000+00:00",
            "channel": "server",
            "properties": {"price": "12.50"},
        }
    ]
    assert collector.post("/v1/batch", {"batch": python}).status == 200
    collector.stop()

    settings = make_settings(landing__location=str(collector.plan.landing))
    warehouse = open_warehouse(settings)
    flatten(warehouse, settings)
    ledger = warehouse.query(
        "select sum(records) as records, sum(events) as events, sum(duplicates) as duplicates, "
        "sum(quarantined) as quarantined from landing.ledger"
    ).iloc[0]
    # Of eight records two are the second page and order; two (of one id) have an unknown type.
    assert ledger.to_dict() == {"records": 8, "events": 4, "duplicates": 2, "quarantined": 2}
    (completed,) = warehouse.query(
        "select order_id, total, currency, context_session_id, context_request_ip "
        "from events.order_completed"
    ).itertuples(index=False)
    assert tuple(completed) == ("o-1", 49.9, "USD", 1795010702412, "127.0.0.1")
    users = warehouse.query("select id, plan from events.users")
    assert users.values.tolist() == [["u-1", "gold"]]
    (viewed,) = warehouse.query("select price from events.product_viewed")["price"]
    assert viewed == 12.5


# --- parameters -----------------------------------------------------------------------------------


def test_the_landing_of_the_parameters_is_the_default(make_settings: Make) -> None:
    settings = make_settings()
    chosen = plan(settings)
    assert str(chosen.landing) == settings.landing.location
    assert str(chosen.wal) == settings.landing.location + ".wal"
    assert (chosen.host, chosen.roll_bytes, chosen.roll_seconds) == ("127.0.0.1", 8_000_000, 10)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"landing__location": "data/samples/rudderstack_firehose"}, "among the samples"),
        ({"collect__landing": "data/samples"}, "among the samples"),
        ({"collect__landing": "a/b", "collect__wal": "a/b/wal"}, "in the landing"),
    ],
)
def test_folders_that_are_not_for_events(
    make_settings: Make, overrides: dict[str, Any], problem: str
) -> None:
    with pytest.raises(CollectError, match=problem):
        plan(make_settings(**overrides))


def test_a_stream_can_do_without_a_landing(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    aws = {
        "landing__location": "s3://bucket/landing",
        "warehouse__engine": "athena",
        "warehouse__athena": {"region": "eu-west-1", "data_location": "s3://bucket/data"},
    }
    with pytest.raises(CollectError, match=r"collect\.firehose"):
        plan(make_settings(**aws))
    chosen = plan(
        make_settings(**aws, collect__firehose={"stream": "events", "region": "eu-west-1"})
    )
    assert chosen.landing is None
    assert len(chosen.streams) == 1


def test_one_collector_works_in_a_folder(collector: Running, plan: Plan) -> None:
    with pytest.raises(CollectError, match="another collector works in"):
        serve(plan, started=lambda _: None)


def test_an_address_that_is_taken_is_said(collector: Running, plan: Plan, tmp_path: Path) -> None:
    taken = Plan(**{**vars(plan), "port": collector.port, "wal": tmp_path / "other"})
    with pytest.raises(CollectError, match=f"cannot listen on 127.0.0.1, port {collector.port}"):
        serve(taken, started=lambda _: None)
