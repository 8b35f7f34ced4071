"""Whole columns of text at once: JSON strings, UUIDs, times, and joined fragments."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

Array = NDArray[Any]

DAY = 86_400_000
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DASHES = [8, 13, 18, 23]
_DIGITS = [place for place in range(36) if place not in _DASHES]


def fragments(texts: Iterable[bytes]) -> Array:
    """Return byte strings as an array of objects that can be indexed with a column."""
    listed = list(texts)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


def json(value: object) -> bytes:
    """Return a value as JSON text."""
    return orjson.dumps(value)


def members(value: Mapping[str, object]) -> bytes:
    """Return an object's members as JSON text without the braces around them."""
    return orjson.dumps(value)[1:-1]


def inside(value: str) -> bytes:
    """Return a string as JSON text without the quotes around it."""
    return orjson.dumps(value)[1:-1]


def money(cents: int) -> bytes:
    """Return cents as a JSON number, the way JavaScript prints it (``14``, ``2.5``, ``29.95``)."""
    units, rest = divmod(cents, 100)
    if rest == 0:
        return b"%d" % units
    return b"%d.%d" % (units, rest // 10) if rest % 10 == 0 else b"%d.%02d" % (units, rest)


def mixed(seed: int, salt: int, index: Array) -> Array:
    """Return one well mixed 64-bit number per index (splitmix64).

    Properties that a person or a device keeps are computed from their number, so that nothing
    needs to be stored for those who are not on stage.
    """
    key = (seed * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03) % 2**64
    value = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.full(
        index.shape, key, dtype=np.uint64
    )
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def uniform(seed: int, salt: int, index: Array) -> Array:
    """Return one number in [0, 1) per index, always the same for the same index."""
    return (mixed(seed, salt, index) >> np.uint64(11)) * 2.0**-53


def uuids(raw: Array) -> Array:
    """Return rows of 16 bytes as the characters of version 4 UUIDs, shape (n, 36), uint8."""
    raw = raw.copy()
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    nibbles = np.empty((len(raw), 32), dtype=np.uint8)
    nibbles[:, 0::2] = raw >> 4
    nibbles[:, 1::2] = raw & 15
    characters = np.empty((len(raw), 36), dtype=np.uint8)
    characters[:, _DASHES] = ord("-")
    characters[:, _DIGITS] = _HEX[nibbles]
    return characters


def lasting_uuids(seed: int, salt: int, index: Array) -> Array:
    """Return the UUID that belongs to each index, as an array of byte strings."""
    halves = np.stack([mixed(seed, salt, index), mixed(seed, salt + 1, index)], axis=1)
    characters = uuids(np.ascontiguousarray(halves).view(np.uint8))
    return fragments(characters.view("S36").ravel().tolist())


def times(milliseconds: Array) -> Array:
    """Return epoch milliseconds as RFC 3339 characters with ``Z``, shape (n, 24), uint8."""
    days, rest = np.divmod(milliseconds, DAY)
    distinct, where = np.unique(days, return_inverse=True)
    dates = distinct.astype("datetime64[D]").astype("S10").view(np.uint8).reshape(-1, 10)
    out = np.empty((len(milliseconds), 24), dtype=np.uint8)
    out[:, :10] = dates[where]
    out[:, [10, 13, 16, 19, 23]] = np.frombuffer(b"T::.Z", dtype=np.uint8)
    rest = rest.astype(np.int32)
    seconds, thousandths = np.divmod(rest, 1000)
    minutes, seconds = np.divmod(seconds, 60)
    hours, minutes = np.divmod(minutes, 60)
    for place, value in ((11, hours), (14, minutes), (17, seconds)):
        out[:, place] = value // 10 + 48
        out[:, place + 1] = value % 10 + 48
    out[:, 20] = thousandths // 100 + 48
    out[:, 21] = thousandths // 10 % 10 + 48
    out[:, 22] = thousandths % 10 + 48
    return out


def beside(*parts: bytes | Array) -> Array:
    """Return fixed-width columns of characters and constants side by side, as byte strings."""
    rows = next(len(part) for part in parts if not isinstance(part, bytes))
    blocks = [
        np.broadcast_to(np.frombuffer(part, dtype=np.uint8), (rows, len(part)))
        if isinstance(part, bytes)
        else part
        for part in parts
    ]
    joined = np.ascontiguousarray(np.concatenate(blocks, axis=1))
    return fragments(joined.view(f"S{joined.shape[1]}").ravel().tolist())


def joined(*columns: Array | Sequence[bytes]) -> Array:
    """Return the columns' fragments joined row by row."""
    lists = [column.tolist() if isinstance(column, np.ndarray) else column for column in columns]
    return fragments(b"".join(row) for row in zip(*lists, strict=True))


def drawn(rng: np.random.Generator, weights: Sequence[float] | Array, size: int) -> Array:
    """Draw positions in `weights` with probabilities in proportion to them."""
    edges = np.cumsum(np.asarray(weights, dtype=float))
    return np.minimum(
        np.searchsorted(edges / edges[-1], rng.random(size), side="right"), len(weights) - 1
    )
