"""What becomes of a request's events, before anything is written."""

from __future__ import annotations

import gzip
import hashlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from engagement.collect.events import (
    DEEPEST,
    MOST_EVENT_BYTES,
    MOST_REQUEST_BYTES,
    RefusedError,
    read,
    unpack,
)

RECEIVED = datetime(2026, 11, 30, 10, 0, 5, 250_900, tzinfo=UTC)


def taken(body: Any, kind: str = "batch") -> list[dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = read(data, kind, RECEIVED, "192.0.2.1")
    lines = found.lines.decode().split("\n")
    assert lines.pop() == ""
    assert len(lines) == found.events
    assert found.received_at_utc_date == "2026-11-30"
    return [json.loads(line) for line in lines]


def one(event: dict[str, Any], **batch: Any) -> dict[str, Any]:
    (found,) = taken({"batch": [{"userId": "u", "type": "track", **event}], **batch})
    return found


def refusal(body: Any, kind: str = "batch") -> tuple[int, str]:
    with pytest.raises(RefusedError) as refused:
        taken(body, kind)
    return refused.value.status, refused.value.text


def test_server_adds_its_fields_and_leaves_the_rest() -> None:
    sent = {
        "anonymousId": "a-1",
        "userId": "u-1",
        "messageId": "m-1",
        "type": "track",
        "event": "Größe gewählt 📝",
        "properties": {"price": 49.9, "count": 5.0, "none": None, "list": [1, {"a": []}]},
        "originalTimestamp": "2026-11-30T10:00:00.000Z",
        "sentAt": "2026-11-30T10:00:01.000Z",
    }
    (found,) = taken({"batch": [sent]})
    # The moment is cut to milliseconds; 10:00:05.250 less the second between event and sending.
    assert found == {
        **sent,
        "receivedAt": "2026-11-30T10:00:05.250Z",
        "timestamp": "2026-11-30T10:00:04.250Z",
        "request_ip": "192.0.2.1",
        "rudderId": str(uuid.UUID(hashlib.md5(b"u-1:a-1").hexdigest())),
    }


@pytest.mark.parametrize(
    ("event", "batch", "timestamp"),
    [
        # The client's clock is a day slow: what counts is how long the event waited.
        (
            {
                "originalTimestamp": "2026-11-29T10:00:00.000Z",
                "sentAt": "2026-11-29T10:00:02.000Z",
            },
            {},
            "2026-11-30T10:00:03.250Z",
        ),
        # Another time zone, and no milliseconds.
        (
            {"originalTimestamp": "2026-11-30T11:00:00+01:00", "sentAt": "2026-11-30T10:00:01Z"},
            {},
            "2026-11-30T10:00:04.250Z",
        ),
        # The batch says when it was sent; an event's own sentAt goes before it.
        (
            {"originalTimestamp": "2026-11-30T10:00:00.000Z"},
            {"sentAt": "2026-11-30T10:00:03.000Z"},
            "2026-11-30T10:00:02.250Z",
        ),
        (
            {
                "originalTimestamp": "2026-11-30T10:00:00.000Z",
                "sentAt": "2026-11-30T10:00:01.000Z",
            },
            {"sentAt": "2026-11-30T10:00:03.000Z"},
            "2026-11-30T10:00:04.250Z",
        ),
        # Nobody says when it was sent: the clock is believed.
        ({"originalTimestamp": "2026-11-30T09:00:00.000Z"}, {}, "2026-11-30T09:00:00.000Z"),
        # As the Python SDK sends it: no originalTimestamp, so the time is as it was sent.
        (
            {"timestamp": "2026-11-30T08:00:00.000000+00:00"},
            {"sentAt": "2026-11-30T10:00:03Z"},
            "2026-11-30T08:00:00.000000+00:00",
        ),
        ({}, {}, "2026-11-30T10:00:05.250Z"),
        # What is no time is none.
        ({"originalTimestamp": "soon", "sentAt": 5}, {"sentAt": []}, "2026-11-30T10:00:05.250Z"),
        ({"originalTimestamp": "20261130", "timestamp": 17}, {}, "2026-11-30T10:00:05.250Z"),
        # Differences beyond what a calendar holds.
        (
            {
                "originalTimestamp": "0001-01-01T00:00:00.000Z",
                "sentAt": "9999-12-31T23:59:59.000Z",
            },
            {},
            "2026-11-30T10:00:05.250Z",
        ),
    ],
)
def test_timestamp_is_corrected_for_the_clients_clock(
    event: dict[str, Any], batch: dict[str, Any], timestamp: str
) -> None:
    assert one(event, **batch)["timestamp"] == timestamp


def test_a_batchs_sent_at_is_given_to_events_that_have_none() -> None:
    batch = {"sentAt": "2026-11-30T11:00:03+01:00"}
    assert one({}, **batch)["sentAt"] == "2026-11-30T10:00:03.000Z"
    assert one({"sentAt": "2026-11-30T10:00:01Z"}, **batch)["sentAt"] == "2026-11-30T10:00:01Z"
    assert "sentAt" not in one({})


def test_received_at_is_the_servers_and_the_address_the_events_own_if_it_has_one() -> None:
    found = one({"receivedAt": "2020-01-01T00:00:00.000Z", "request_ip": "198.51.100.7"})
    assert found["receivedAt"] == "2026-11-30T10:00:05.250Z"
    assert found["request_ip"] == "198.51.100.7"
    assert one({"request_ip": 7})["request_ip"] == "192.0.2.1"


@pytest.mark.parametrize("given", [{}, {"messageId": ""}, {"messageId": "  "}, {"messageId": 7}])
def test_missing_message_id_becomes_a_uuid(given: dict[str, Any]) -> None:
    first, second = one(given)["messageId"], one(given)["messageId"]
    assert uuid.UUID(first).version == uuid.UUID(second).version == 4
    assert first != second


@pytest.mark.parametrize("kind", ["identify", "track", "page", "screen", "group", "alias", "merge"])
def test_the_address_decides_the_type_of_one_event(kind: str) -> None:
    (found,) = taken({"userId": "u", "type": "something"}, kind)
    assert found["type"] == kind


@pytest.mark.parametrize(
    ("ids", "is_taken"),
    [
        ({"userId": "u"}, True),
        ({"anonymousId": "a"}, True),
        ({"userId": 0}, True),
        ({"userId": "", "anonymousId": "a"}, True),
        ({}, False),
        ({"userId": ""}, False),
        ({"userId": "  ", "anonymousId": None}, False),
    ],
)
def test_an_event_is_somebodys(ids: dict[str, Any], is_taken: bool) -> None:
    if is_taken:
        taken(ids, "track")
    else:
        status, text = refusal(ids, "track")
        assert (status, text) == (
            400,
            "Request neither has anonymousId nor userId: the body",
        )


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"", "track", "Request body is nil"),
        (b" \n", "batch", "Request body is nil"),
        (b"{", "track", "Invalid JSON: line 1, column 2"),
        (b'{"a":1}x', "track", "Invalid JSON: line 1, column 8"),
        (b'{"a":NaN}', "track", "Invalid JSON: NaN is no number of JSON"),
        (b'{"a":1e400}', "track", "Invalid JSON: a number is beyond what a double holds"),
        (b'{"a":-1E999}', "track", "Invalid JSON: a number is beyond what a double holds"),
        (
            b'{"a":' + b"1" * 5_000 + b"}",
            "track",
            "Invalid JSON: a number has more than 4,000 digits",
        ),
        (b'{"a":"\xff"}', "track", "Invalid JSON: the body is not UTF-8"),
        (b'{"a":"\x01"}', "track", "Invalid JSON: line 1"),
        (b"[]", "track", "Event is not a valid rudder event: the body"),
        (b"7", "batch", "Event is not a valid rudder event: the body"),
        (b"{}", "batch", "Empty batch payload: 'batch' has to be a list"),
        (b'{"batch":{}}', "batch", "Empty batch payload: 'batch' has to be a list"),
        (b'{"batch":[]}', "batch", "Empty batch payload: 'batch' holds no event"),
        (b'{"batch":[{"userId":"u"},7]}', "batch", "Event is not a valid rudder event: batch[1]"),
        (
            b'{"batch":[{"userId":"u"},{"userId":"u"},{}]}',
            "batch",
            "Request neither has anonymousId nor userId: batch[2]",
        ),
    ],
)
def test_refusals_name_the_fault(body: bytes, kind: str, text: str) -> None:
    status, found = refusal(body, kind)
    assert status == 400
    assert found.startswith(text)


def nested(levels: int) -> bytes:
    """An event with so many levels, its own among them."""
    inner = levels - 1
    return b'{"userId":"u","p":' + b'{"a":' * inner + b"1" + b"}" * inner + b"}"


@pytest.mark.parametrize("care", [b"1", b"12345678901234567890"], ids=["quick", "exact"])
def test_depth_has_a_limit(care: bytes) -> None:
    deepest = nested(DEEPEST).replace(b":1}", b":%b}" % care, 1)
    (found,) = taken(deepest, "track")
    assert json.dumps(found).count('{"a"') == DEEPEST - 1
    for levels in (DEEPEST + 1, 5_000, 200_000):
        status, text = refusal(nested(levels).replace(b":1}", b":%b}" % care, 1), "track")
        assert status == 400
        assert "nested too deeply" in text
    status, text = refusal(b"[" * 300_000, "track")
    assert status == 400
    assert text.startswith("Invalid JSON")


def test_numbers_keep_their_digits() -> None:
    text = b'{"userId":"u","n":[123456789012345678901234567890,9007199254740993,0.1,1e22,-5]}'
    found = read(text, "track", RECEIVED, "").lines
    assert b'"n":[123456789012345678901234567890,9007199254740993,0.1,1e+22,-5]' in found


def test_half_of_a_cut_emoji_is_replaced_and_the_event_kept() -> None:
    (found,) = taken(b'{"userId":"u","a":"x\\ud83d","b":"\\ud83d\\ude00"}', "track")
    assert (found["a"], found["b"]) == ("x\ufffd", "😀")


def padded(size: int) -> bytes:
    """An event of so many bytes, as compact JSON."""
    bare = json.dumps({"userId": "u", "type": "track", "messageId": "m", "p": ""}, separators=",:")
    return bare.replace('"p":""', f'"p":"{"x" * (size - len(bare))}"').encode()


def test_an_event_has_at_most_32_kilobytes() -> None:
    assert len(padded(MOST_EVENT_BYTES)) == 32 * 1024
    taken(padded(MOST_EVENT_BYTES), "track")
    status, text = refusal(padded(MOST_EVENT_BYTES + 1), "track")
    assert status == 413
    assert text.startswith("Event size exceeds max limit: the body")


def test_bodies_are_unpacked() -> None:
    assert unpack(b"abc", "") == b"abc"
    assert unpack(gzip.compress(b"abc"), "gzip") == b"abc"
    assert unpack(gzip.compress(b"a") + gzip.compress(b"bc"), "GZIP") == b"abc"
    whole = gzip.compress(b" " * MOST_REQUEST_BYTES)
    assert len(unpack(whole, "gzip")) == MOST_REQUEST_BYTES


@pytest.mark.parametrize(
    ("body", "encoding", "status", "text"),
    [
        (b"abc", "gzip", 400, "Invalid gzip: the body cannot be unpacked"),
        (gzip.compress(b"abc")[:-3], "gzip", 400, "Invalid gzip: the body breaks off"),
        (gzip.compress(b"abc") + b"x", "gzip", 400, "Invalid gzip"),
        (gzip.compress(b"abc")[:-8] + b"12345678", "gzip", 400, "Invalid gzip"),
        (b"abc", "br", 400, "Invalid Content-Encoding"),
        (gzip.compress(b" " * (MOST_REQUEST_BYTES + 1)), "gzip", 413, "Request size exceeds"),
        (gzip.compress(bytes(200_000_000)), "gzip", 413, "Request size exceeds"),
    ],
    ids=["none", "torn", "tail", "checksum", "other", "large", "bomb"],
)
def test_bodies_that_cannot_be_unpacked(body: bytes, encoding: str, status: int, text: str) -> None:
    with pytest.raises(RefusedError) as refused:
        unpack(body, encoding)
    assert refused.value.status == status
    assert refused.value.text.startswith(text)
