"""Many values for the project's functions, drawn by chance but always the same.

What each should give is worked out by Python's own library, which neither engine knows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any
from urllib.parse import quote, quote_plus
from zoneinfo import ZoneInfo

ZONES = (
    "UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York",
    "America/Sao_Paulo", "Asia/Kolkata", "Asia/Tokyo", "Asia/Tehran", "Australia/Lord_Howe",
    "Pacific/Apia", "Africa/Cairo",
)  # fmt: skip
_SOME = 400
_MILLISECOND = timedelta(milliseconds=1)
_FIRST, _LAST = datetime(1950, 1, 1), datetime(2025, 1, 1)


def many() -> dict[str, dict[Any, Any]]:
    """Values and answers, by an expression with one gap, as in ``dialect_cases.ODD``."""
    chance = Random(20260105)
    doubles = list(_doubles(chance))
    amounts = [x for x in doubles if abs(x) < 1e9]
    times = [_time(chance) for _ in range(_SOME)]
    texts = ["".join(chance.choices('aé😀%+ &=#"\\\n\u2028ß\x7f', k=8)) for _ in range(_SOME)]
    return {
        "double_text(:1)": {x: repr(x) if x else "0.0" for x in doubles},
        "parse_double(:1)": {repr(x).replace("e+", "e"): x for x in doubles},
        "cast(double_text(:1) as decimal(16, 6))": {
            x: Decimal(repr(x)).quantize(Decimal("0.000001"), ROUND_HALF_UP) + 0 for x in amounts
        },
        "json_numbers(json_format(json_extract(:1, '$.a')))": {
            f'{{"a":[{x!r},"{x!r}"]}}': f'[{_in_json(x)},"{x!r}"]' for x in doubles
        },
        "cast(round(:1) as bigint)": {
            x: int(Decimal(x).quantize(Decimal(1), ROUND_HALF_UP)) for x in amounts
        },
        "parse_timestamp(:1)": dict(_written(chance, times)),
        "timestamp_text(:1)": {
            time: time.isoformat(timespec="milliseconds") + "Z" for time in times
        },
        "sha256_hex(:1)": {text: hashlib.sha256(text.encode()).hexdigest() for text in texts},
        "json_text(json_of(:1), '$.a')": {
            json.dumps({"b": [text], "a": text}, ensure_ascii=chance.random() < 0.5): text
            for text in texts
        },
        "url_parameter(:1, 'a')": {
            f"https://shop.example/?b=1&a={write(text)}#a=2": text
            for text in texts
            for write in (quote_plus, quote)
        },
        **{
            f"local_time(:1, '{zone}')": {time: _local(time, zone) for time in times}
            for zone in ZONES
        },
    }


def _doubles(chance: Random) -> Iterator[float]:
    """Of all sizes: as people write them, and below 1e16 with every digit a double has."""
    for exponent in range(-320, 308, 3):
        yield float(f"{chance.randint(1, 9)}e{exponent}")
        yield float(f"{chance.uniform(-10, 10):.{chance.randint(0, 13)}f}e{exponent}")
    for _ in range(_SOME):
        yield chance.uniform(-1, 1) * 10.0 ** chance.randint(-8, 15)
        yield round(chance.uniform(-1000, 1000), chance.randint(0, 6))
        # Halves of the last digit that is kept.
        yield chance.randint(-2_000_000, 2_000_000) / 2 * 10.0 ** -chance.randint(0, 7)


def _in_json(x: float) -> str:
    """A double in JSON, with an exponent only from 1e21 on and below 1e-6."""
    if x == 0 or 1e-6 <= abs(x) < 1e21:
        text = f"{Decimal(repr(x)):f}"
        return text if "." in text else f"{text}.0"
    digits, _, exponent = repr(x).partition("e")
    return f"{digits}e{int(exponent)}"


def _time(chance: Random) -> datetime:
    return _FIRST + chance.randrange((_LAST - _FIRST) // _MILLISECOND) * _MILLISECOND


def _written(chance: Random, times: list[datetime]) -> Iterator[tuple[str, datetime]]:
    """Times as texts with an offset, and in UTC."""
    for time in times:
        minutes = chance.choice((0, 60, -300, 330, 345, -570, 840, -839))
        sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
        offset = f"{sign}{hours:02}{chance.choice((':', ''))}{rest:02}"
        local = time + timedelta(minutes=minutes)
        more = "".join(chance.choices("0123456789", k=chance.randint(0, 9)))
        yield local.isoformat(chance.choice("T "), "milliseconds") + more + offset, time


def _local(time: datetime, zone: str) -> datetime:
    return time.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


_ATOMS = ["a", "b", "c", "é", ".", "[ab]", "[^a]", "[a-c]", r"\.", r"\d", r"\w", r"\W", r"[\w.-]",
          "(a|bc)", "(?:ab)", "(b)", r"\x{e9}", "[^é]"]  # fmt: skip
_TIMES = ["", "", "", "*", "+", "?", "{2}", "{1,2}", "{2,}", "*?", "+?", "??"]


def patterns() -> Iterator[tuple[str, Any]]:
    """Calls with patterns of what both engines are said to read alike, and Python's answers."""
    chance = Random(20260105)
    for _ in range(_SOME):
        parts = [chance.choice(_ATOMS) + chance.choice(_TIMES) for _ in range(chance.randint(1, 4))]
        pattern = (
            chance.choice(["", "", "^"]) + "".join(parts) + chance.choice(["", "", r"\z", "|b"])
        )
        text = "".join(chance.choices("abcé.1 \n", k=chance.randint(0, 7)))
        known = re.compile(re.sub(r"\\x\{e9\}", "é", pattern).replace(r"\z", r"\Z"), re.ASCII)
        yield f"regexp_like('{text}', '{pattern}')", known.search(text) is not None
        if not known.match(""):
            yield f"regexp_replace('{text}', '{pattern}', '<$0>')", known.sub(r"<\g<0>>", text)
            found = [match[0] for match in known.finditer(text)]
            yield f"array_join(regexp_extract_all('{text}', '{pattern}'), '|')", "|".join(found)
