"""A landing as bad as they come: days of the samples, and files that are wrong, odd or empty."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from engagement.settings import ROOT

SAMPLES = ROOT / "data/samples/rudderstack_firehose"
BROKEN_FILES = ("corrupt.gz", "truncated.gz")
"""Of the files that :func:`spoil` adds, those that cannot be read."""


def sample_days(into: Path, days: int | None) -> Path:
    """The first days of the samples, or all of them, in a folder."""
    for day in sorted(path for path in SAMPLES.iterdir() if path.is_dir())[:days]:
        (into / day.name).mkdir(parents=True)
        for file in day.iterdir():
            (into / day.name / file.name).write_bytes(file.read_bytes())
    return into


def spoil(landing: Path) -> None:
    """Add files that are wrong, odd or empty to the landing's first day."""
    day = sorted(landing.iterdir())[0]
    event = {
        "type": "track",
        "event": "Odd Values",
        "messageId": "odd-1",
        "anonymousId": "odd",
        "receivedAt": f"{day.name[-10:]}T12:00:00.000Z",
        "properties": {
            "zebra": [{"b": 1.10, "a": {"d": 2, "c": None}}, "x"],
            "Camel Case": 'é\u2028\u0001"\\/',
            "mixed": [3, 1.5e3],
            "sizes": [1e7, 12345678.9, 0.0001, 1.25e-7, 1e16, 1e22, -0.0, "1.0E7"],
            "big": 12345678901234567890,
            "deep": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}},
            "empty": {},
            "ratio": 0.1,
            "flag": True,
        },
    }
    other = {**event, "messageId": "odd-2", "properties": {"mixed": "one", "flag": None}}
    third = {**event, "messageId": "odd-3", "properties": {"mixed": 0.15, "ratio": 25}}
    text, again, last = (json.dumps(item) for item in (event, other, third))
    # Keys that are given twice, at the top, below it, and in an array: the last value counts.
    twice = json.dumps({**event, "messageId": "odd-4", "properties": {}})
    inner = '{"flag": false, "ratio": 1, "flag": true, "zebra": [{"b": 1, "b": 2}]}'
    given_twice = '{"messageId": "odd-0", ' + twice[1:].replace("{}", inner)
    # Letters whose lower case is a letter of ASCII.
    person = {
        "messageId": "odd-5",
        "userId": "odd",
        "traits": {"mixed": [1.5, "x", {"a": [-0.25]}]},
    }
    kinds = [
        {**event, "type": "trac\N{KELVIN SIGN}", "messageId": "odd-6"},
        {**event, **person, "type": "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}dentify"},
    ]
    # Keys that meet, in the record's order; products as objects; names that only tables change.
    own = [
        '{"osv": "9", "Osv": "8", "a": {"b": 1, "B": 2}, "a_b": 3, "$a_b": ""}',
        '{"Osv": "8", "osv": "9", "a_b": 3, "a": {"B": 2, "b": 1}, "osv": null}',
        '{"products": {"10": {"z": 1e7, "a": [0.0001]}, "9": {"price": 1.10}}, "PRODUCTS": []}',
        '{"Products": [{"price": 1}], "products": {"b": {"é\\u0001": 1}, "a": {"x": {"y": []}}}}',
        '{"products": {"0": {}, "1": "x"}}',
        '{"products": {"price": 2.50, "quantity": 1}}',
        '{"products": "none"}',
    ]
    names = ["Odd Values", "tracks", "_tracks", "select", "1st"]
    met = [
        json.dumps({**event, "messageId": f"met-{n}-{m}", "event": name, "properties": 0})
        .replace('"properties": 0', f'"properties": {properties}')
        .encode()
        for n, name in enumerate(names)
        for m, properties in enumerate(own)
    ]
    stale = {"email": "old@example.org", "Plan": "a", "plan": "b"}
    told = {"context": {"traits": stale}, "traits": {"email": "new@example.org", "plan": ""}}
    met.append(
        json.dumps(
            {**event, **told, "type": "identify", "userId": "met", "messageId": "met"}
        ).encode()
    )
    lines = [
        *met,
        b"",
        b"  \t",
        f"{text}{again}".encode(),
        b"\xff\xfe no text",
        b"{broken",
        b'{"type": "unknown", "messageId": "u1"}',
        b"[1, 2]",
        b'{"messageId": "no type"}',
        b"{broken",
        b'"\x01\\N"',
        f"{last} {{half".encode(),
        b"\x02",
        given_twice.encode(),
        *(json.dumps(item, ensure_ascii=False).encode() for item in kinds),
    ]
    (day / "odd.json").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines) + b"\r" + again.encode())
    (day / "odd again.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    (day / "corrupt.gz").write_bytes(b"this is no gzip")
    (day / "truncated.gz").write_bytes(gzip.compress(text.encode() * 200)[:-30])
    (day / "empty.json").write_bytes(b"")
    (day / "_hidden.json").write_bytes(text.encode())
