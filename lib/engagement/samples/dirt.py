"""What is wrong with real files: the odd values, names and lines that are put in on purpose."""

from enum import IntFlag
from typing import Any

import orjson

# fmt: off
_PRODUCT = {"productId": "prd-0003", "Price (USD)": 8.5, "größe": "M", "select": "yes"}
ODD_EVENTS: tuple[tuple[str | None, dict[str, Any] | None], ...] = (
    ("AddToCart", {"productId": "prd-0001", "productPrice": 29.95, "Qty": 1, "HTTPReferer": "x"}),
    ("StartCheckout", {"cartValue": 43.95, "itemIDs": ["prd-0001", "prd-0002"], "step #": 1}),
    ("Größe gewählt", {"größe": "XL", "größe (EU)": 42, "Maß": 12.5}),
    ("select", {"from": "list", "where": "header", "order": 1, "group": None, "table": "prices"}),
    ('Video "Play"', {'title "quoted"': "Slow \"coffee\"", "it's": True, "at.second": 4.25}),
    ("Widget; drop table events;--", {"a;b": 1, "c--d": "/* x */", "e`f": "`", "g'h": "'"}),
    ("3D Model Viewed", {"3DModel": "tent.glb", "h264": False, "SHA256Hash": "9f86d081"}),
    ("$1,00,000 Club", {"$1,00,000": "joined", "%": 7, "_private": 1, "__proto__": "x"}),
    ("iOS Banner Shown", {"iOS": True, "IPv4": "192.0.2.7", "HTTPResponse": 200}),
    ("検索バナー", {"検索": "ランプ", "位置": 3, "screenName": "home"}),
    ("users", {"id": "not-a-message-id", "timestamp": "now", "user_id": "x",
        "name": "tabs\tand\nlines"}),
    ("tracks", {"event": "inner", "event_text": "inner", "channel": "x", "received_at": 1}),
    ("scrollDepth", {"depthPercent": 75, "depth_percent": 80, "depth percent": "", "nested":
        {"a": {"b": {"c": [1, {"d": 2}]}}}, "empty": {}, "list": [], "blank": " "}),
    ("Survey Answered 📝", {"answer": "line one\u2028line two\u0085end", "score": 9007199254740993,
        "ratio": 1e-7, "maybe": None, "emoji 😀": "👍🏽"}),
    ("  Chat  Opened  ", {" topic ": "returns", "WAITSeconds": 12, "agent": {"name": "Robo T."}}),
    ("error", {"message": "TypeError: x is not a function\n    at <a href=\"x\">", "code": "0042"}),
    ("", {"note": "an event without a name"}),
    (None, _PRODUCT),
    ("A" + "n extremely long event name that a tag manager made of a sentence" * 3, None),
)
UNKNOWN_TYPES: tuple[bytes, ...] = (
    b'"type":"foo",', b"", b'"type":"heartbeat",', b'"type":null,', b'"type":"trackk",',
)
NON_OBJECTS: tuple[bytes, ...] = (
    b"null", b"[]", b'"ok"', b"42", b"true", b'["messageId","type"]', b"3.14",
    b"upstream connect error or disconnect/reset before headers", b"<html>502 Bad Gateway</html>",
)
BLANKS: tuple[bytes, ...] = (b"", b" ", b"\t", b"   ")
GAPS: tuple[bytes, ...] = (b"", b"", b"", b" ", b"  ")  # between two records on one line
# fmt: on


class Flag(IntFlag):
    """What is special about a record; zero for most."""

    SESSION = 1  # first event of a session
    DUPLICATE_SAME_DAY = 2
    DUPLICATE_LATER = 4
    EVENT_AGAIN = 8  # a repeated delivery beyond the window of seven days
    LATE = 16
    SKEWED_CLOCK = 32
    UNBELIEVED = 64  # its timestamp is before 2000 or more than a day after receivedAt
    TRUNCATED = 128
    INVALID_UTF8 = 256
    UNKNOWN_TYPE = 512
    ODD_NAME = 1024
    ODD_TYPE = 2048
    BOT = 4096
    REPEATED_ORDER = 8192  # Order Completed for an order that was completed before


SPOILT = Flag.TRUNCATED | Flag.INVALID_UTF8 | Flag.UNKNOWN_TYPE


def retype(properties: bytes, chance: int) -> bytes:
    """Return properties with one value of another type than it should have."""
    found = orjson.loads(properties)
    kinds = [name for name in ("price", "quantity", "position", "sku", "total") if name in found]
    name = kinds[chance % len(kinds)]
    value = found[name]
    if name in ("price", "total"):
        text = f"{value:.2f}"
        comma = name == "price" and chance // 8 % 3 == 0
        found[name] = text.replace(".", ",") if comma else text
    elif name == "quantity":
        found[name] = ("two", str(value), True)[chance // 8 % 3]
    elif name == "position":
        found[name] = ("top", str(value), [value])[chance // 8 % 3]
    else:
        found[name] = chance % 100_000
    return orjson.dumps(found)


def truncate(record: bytes, chance: float) -> bytes:
    """Return the beginning of a record, cut between two characters."""
    length = max(1, int(len(record) * (0.05 + 0.9 * chance)))
    return record[:length].decode(errors="ignore").encode()


def break_utf8(record: bytes, chance: int) -> bytes:
    """Return a record with bytes that are not UTF-8, inside a string."""
    broken = (b"\xe9", b"\xff\xfe", b"\xc3(", b"\xed\xa0\x80")[chance % 4]
    return record.replace(b'"anonymousId":"', b'"anonymousId":"' + broken, 1)
