"""Everything that may land, each with its stated result: an event, or a row of the quarantine.

One record of each kind lands between two plain ones: nothing that is odd may take its neighbours
along.
"""

from __future__ import annotations

import base64
import gzip
from typing import Any

import pytest

from tests.flatten.conftest import NOON, Shop, folder, make_shop, shop  # noqa: F401 (fixtures)


def record(properties: str, message_id: str = "odd") -> bytes:
    return (
        f'{{"messageId":"{message_id}","type":"track","event":"Odd","receivedAt":"{NOON}",'
        f'"properties":{properties}}}'
    ).encode()


LONG = "x" * 16_000_000

# What lands, the value of the column a (or NULL), why it was set aside (or NULL).
KEPT: dict[str, tuple[bytes, Any]] = {
    "a line of 16 MB": (record(f'{{"a":"{LONG}"}}'), LONG),
    "an integer beyond 64 bits": (record('{"a":9223372036854775808}'), "9223372036854775808"),
    "an integer of 40 digits": (record('{"a":' + "1" * 40 + "}"), "1" * 40),
    "the largest double": (record('{"a":1.7976931348623157e308}'), "1.7976931348623157e+308"),
    # The record is the first level, its properties the second.
    "nesting of 1,000 levels": (record('{"a":' * 999 + "1" + "}" * 999), None),
    "a key given twice: the last counts": (record('{"a":1,"a":"last"}'), "last"),
    "a key that is only escaped otherwise": (record('{"a":1,"\\u0061":"last"}'), "last"),
    "a pair of surrogates": (record('{"a":"\\ud83d\\ude00"}'), "\U0001f600"),
    "signs that some take for line ends": (record('{"a":"\u0085\u2028"}'), "\u0085\u2028"),
    "an escaped control character": (record('{"a":"x\\u0001\\ty"}'), "x\x01\ty"),
    "brackets in a string": (record('{"a":"}{"}'), "}{"),
    "white space around": (b" \t" + record('{"a":"b"}') + b" ", "b"),
}

SET_ASIDE: dict[str, tuple[bytes, str]] = {
    "a truncated record": (record('{"a":1}')[:-3], "not_json"),
    "a line of 16 MB that is none": (record(f'{{"a":"{LONG}')[:-2], "not_json"),
    "no object": (b"[1,2]", "not_an_object"),
    "control characters": (record('{"a":"\x01\x02"}'), "not_json"),
    "a NUL": (record('{"a":"\x00"}'), "not_json"),
    "a lone surrogate": (record('{"a":"\\ud800"}'), "not_json"),
    "a trailing comma": (record('{"a":1,}'), "not_json"),
    "NaN": (record('{"a":NaN}'), "not_json"),
    "Infinity": (record('{"a":-Infinity}'), "not_json"),
    "1E400": (record('{"a":1E400}'), "not_json"),
    "nesting of 1,001 levels": (record('{"a":' * 1000 + "1" + "}" * 1000), "nested_too_deep"),
    "invalid UTF-8": (record('{"a":"?"}').replace(b"?", b"\xff\xfe"), "invalid_utf8"),
    "an overlong sequence": (record('{"a":"?"}').replace(b"?", b"\xc0\xaf"), "invalid_utf8"),
    "a surrogate in UTF-8": (record('{"a":"?"}').replace(b"?", b"\xed\xa0\x80"), "invalid_utf8"),
    "no type": (b'{"messageId":"odd"}', "no_type"),
}

BEFORE, AFTER = record('{"b":1}', "before"), record('{"b":2}', "after")


def land(shop: Shop, odd: bytes) -> None:  # noqa: F811
    path = shop.landing / folder() / "a.json"
    path.parent.mkdir()
    path.write_bytes(b"\n".join([BEFORE, odd, AFTER, b""]))


@pytest.mark.parametrize("kind", KEPT)
def test_what_is_kept(shop: Shop, kind: str) -> None:  # noqa: F811
    odd, expected = KEPT[kind]
    land(shop, odd)
    shop.flatten()
    assert shop.rows("select id from events.events order by id") == [
        ("after",),
        ("before",),
        ("odd",),
    ]
    if expected is not None:
        assert shop.rows("select a from events.odd where id = 'odd'") == [(expected,)]
    # Of a key given twice, the event keeps the record as it was sent.
    assert shop.rows("select record from events.events where id = 'odd'") == [(odd.decode(),)]
    assert shop.rows("select records, events, quarantined from landing.ledger") == [(3, 3, 0)]


@pytest.mark.parametrize("kind", SET_ASIDE)
def test_what_is_set_aside(shop: Shop, kind: str) -> None:  # noqa: F811
    odd, reason = SET_ASIDE[kind]
    land(shop, odd)
    shop.flatten()
    try:
        text, encoding = odd.decode(), None
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(odd).decode(), "base64"
    assert shop.rows(
        "select file, line_number, reason, record, record_encoding from landing.quarantine"
    ) == [(f"{folder()}/a.json", 2, reason, text, encoding)]
    assert shop.rows("select id from events.events order by id") == [("after",), ("before",)]
    assert shop.rows("select records, events, quarantined from landing.ledger") == [(3, 2, 1)]


@pytest.mark.parametrize(
    ("data", "lines", "blank"),
    [
        (BEFORE + b"\n" + AFTER + b"\n", 2, 0),
        (BEFORE + b"\r\n" + AFTER + b"\r\n", 2, 0),
        (BEFORE + b"\r" + AFTER + b"\r", 2, 0),
        (BEFORE + b"\r" + AFTER, 2, 0),
        (b"\xef\xbb\xbf" + BEFORE + b"\n" + AFTER, 2, 0),
        (b"\xef\xbb\xbf\r\n" + BEFORE + b"\n\n \t\n" + AFTER, 5, 3),
        (BEFORE + AFTER, 1, 0),
        (BEFORE + b" \t" + AFTER + b"\n", 1, 0),
        (b"\n\n" + BEFORE + b"\r\r\n" + AFTER, 5, 3),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.gz"])
def test_lines_and_their_ends(
    shop: Shop,  # noqa: F811
    data: bytes,
    lines: int,
    blank: int,
    name: str,
) -> None:
    path = shop.landing / folder() / name
    path.parent.mkdir()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    shop.flatten()
    assert shop.rows("select id, b from events.odd order by id") == [("after", 2), ("before", 1)]
    assert shop.rows("select lines, blank_lines, records, events from landing.ledger") == [
        (lines, blank, 2, 2)
    ]
