"""What a request holds: events that are taken in, or the reason why none of them is.

A request is refused or taken in as a whole, as RudderStack's data plane does. Each event gets the
fields that RudderStack's server adds; everything else stays as the client sent it, long integers
with all their digits.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import orjson

MOST_REQUEST_BYTES = 4_000 * 1024
"""Bytes of a request's body, as it is sent and once it is unpacked."""

MOST_EVENT_BYTES = 32 * 1024
"""Bytes of one event, as compact JSON, before the server's fields are added."""

DEEPEST = 254
"""Levels of objects and lists within an event."""

KINDS = ("identify", "track", "page", "screen", "group", "alias", "merge")
"""Addresses that take one event each, and the type that the event then has."""


class RefusedError(Exception):
    """A request that is not taken in: the status and the text that the client is answered."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(text)


@dataclass(frozen=True)
class Accepted:
    """Events of a request as they will land: one line of JSON each.

    ``received_at_utc_date`` is the date of their ``receivedAt``.
    """

    received_at_utc_date: str
    events: int
    lines: bytes


def unpack(body: bytes, encoding: str) -> bytes:
    """Unpack a body according to its ``Content-Encoding``.

    Raises
    ------
    RefusedError
        When it is no gzip, breaks off, or holds more than a request may.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _gunzip(body)
    raise RefusedError(
        400, "Invalid Content-Encoding: send the body plain or packed by gzip, nothing else"
    )


def _gunzip(body: bytes) -> bytes:
    found, rest = b"", body
    while rest:
        member = zlib.decompressobj(wbits=31)
        try:
            found += member.decompress(rest, MOST_REQUEST_BYTES + 1 - len(found))
        except zlib.error:
            raise RefusedError(400, "Invalid gzip: the body cannot be unpacked") from None
        if len(found) > MOST_REQUEST_BYTES:
            raise too_large()
        if not member.eof:
            raise RefusedError(400, "Invalid gzip: the body breaks off")
        rest = member.unused_data
    return found


def too_large() -> RefusedError:
    """The refusal of a body that is too large."""
    return RefusedError(
        413, f"Request size exceeds max limit: at most {MOST_REQUEST_BYTES:,} bytes, also unpacked"
    )


def read(body: bytes, kind: str, received: datetime, address: str) -> Accepted:
    """Read a request's events and add the server's fields.

    Parameters
    ----------
    body
        The unpacked body.
    kind
        ``batch``, or the type of the one event that the body is.
    received
        When the request came, in UTC.
    address
        Where it came from: the ``request_ip`` of events that bring none.

    Raises
    ------
    RefusedError
        When the body or one of its events is none.
    """
    document, is_exact = _parse(body)
    # What is computed from it is to agree with what is written of it.
    received = received.replace(microsecond=received.microsecond // 1000 * 1000)
    if kind == "batch":
        events, sent = _batch(document)
    else:
        events, sent = [document], None
        if isinstance(document, dict):
            document["type"] = kind
    stamp = _written(received)
    lines = bytearray()
    for place, event in enumerate(events):
        where = f"batch[{place}]" if kind == "batch" else "the body"
        if not isinstance(event, dict):
            raise RefusedError(400, f"Event is not a valid rudder event: {where} is no JSON object")
        _complete(event, where, received, stamp, sent, address)
        line = _dump(event, where, is_exact)
        if len(line) > MOST_EVENT_BYTES:
            _check_size(event, where, is_exact, len(line))
        lines += line
        lines += b"\n"
    return Accepted(stamp[:10], len(events), bytes(lines))


def _batch(document: Any) -> tuple[list[Any], datetime | None]:
    if not isinstance(document, dict):
        raise RefusedError(400, "Event is not a valid rudder event: the body is no JSON object")
    events = document.get("batch")
    if not isinstance(events, list):
        raise RefusedError(400, "Empty batch payload: 'batch' has to be a list of events")
    if not events:
        raise RefusedError(400, "Empty batch payload: 'batch' holds no event")
    return events, _time(document.get("sentAt"))


def _complete(
    event: dict[str, Any],
    where: str,
    received: datetime,
    stamp: str,
    batch_sent: datetime | None,
    address: str,
) -> None:
    """Add the server's fields to an event."""
    anonymous_id, user_id = _text(event.get("anonymousId")), _text(event.get("userId"))
    if not anonymous_id and not user_id:
        raise RefusedError(400, f"Request neither has anonymousId nor userId: {where}")
    message_id = event.get("messageId")
    named = message_id.strip() if isinstance(message_id, str) else ""
    event["messageId"] = named or str(uuid.uuid4())
    sent = _time(event.get("sentAt"))
    if sent is None and batch_sent is not None:
        sent = batch_sent
        event["sentAt"] = _written(batch_sent)
    event["timestamp"] = _event_time(event, received, sent, stamp)
    event["receivedAt"] = stamp
    if not isinstance(event.get("request_ip"), str):
        event["request_ip"] = address
    digest = hashlib.md5(f"{user_id}:{anonymous_id}".encode(), usedforsecurity=False).digest()
    event["rudderId"] = str(uuid.UUID(bytes=digest))


def _event_time(
    event: dict[str, Any], received: datetime, sent: datetime | None, stamp: str
) -> str:
    """When an event happened by the server's clock: the client's own may be wrong."""
    happened = _time(event.get("originalTimestamp"))
    if happened is None:
        stated = event.get("timestamp")
        return stated if isinstance(stated, str) and stated.strip() else stamp
    try:
        return _written(received - ((sent or received) - happened))
    except OverflowError:
        return stamp


def _time(value: Any) -> datetime | None:
    """A time that a client wrote, in UTC; ``None`` where it is none."""
    if not isinstance(value, str) or len(value) < 10:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _written(moment: datetime) -> str:
    moment += timedelta(microseconds=500)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else str(value)


# --- JSON -----------------------------------------------------------------------------------------

_NEEDS_CARE = tuple(
    re.compile(before + rb"\s*-?[0-9](?:[0-9]{18}|[0-9.]*[eE])")
    for before in (rb":", rb",", rb"\[")
)
"""Numbers that the quick parser might read as something else: long ones, and powers of ten.

Three searches, each for one sign first, take a third of the time of a single one for any of them.
"""

_MOST_DIGITS = 4_000
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _parse(body: bytes) -> tuple[Any, bool]:
    """A body's value, and whether it was read by the exact parser, not the quick one."""
    if not body.strip():
        raise RefusedError(400, "Request body is nil: there is no JSON in it")
    if not any(pattern.search(body) for pattern in _NEEDS_CARE):
        try:
            return orjson.loads(body), False
        except orjson.JSONDecodeError:
            pass  # The exact parser reads what JavaScript writes of a cut emoji, or says why not.
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError(400, "Invalid JSON: the body is not UTF-8") from None
    try:
        found = json.loads(text, parse_float=_finite, parse_int=_integer, parse_constant=_no_number)
        return found, True
    except RecursionError:
        raise _too_deep("the body") from None
    except json.JSONDecodeError as error:
        raise RefusedError(
            400, f"Invalid JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except ValueError as error:
        raise RefusedError(400, f"Invalid JSON: {error}") from None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is beyond what a double holds")
    return value


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number has more than {_MOST_DIGITS:,} digits")
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _dump(event: dict[str, Any], where: str, is_exact: bool) -> bytes:
    if not is_exact:
        try:
            return orjson.dumps(event)
        except orjson.JSONEncodeError:
            raise _too_deep(where) from None
    if _is_deeper(event, DEEPEST):
        raise _too_deep(where)
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return _LONE_SURROGATE.sub("\ufffd", text).encode("utf-8")


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [one for one in level if isinstance(one, (dict, list))]
        if not level:
            return False
        level = [
            inner for one in level for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return True


def _too_deep(where: str) -> RefusedError:
    return RefusedError(
        400, f"Invalid JSON: {where} is nested too deeply, at most {DEEPEST} levels are read"
    )


_ADDED = ("receivedAt", "request_ip", "rudderId", "timestamp")


def _check_size(event: dict[str, Any], where: str, is_exact: bool, size: int) -> None:
    added = {name: event[name] for name in _ADDED}
    own = size - len(_dump(added, where, is_exact)) + 1  # less the braces, with a comma
    if own > MOST_EVENT_BYTES:
        raise RefusedError(
            413,
            f"Event size exceeds max limit: {where} has about {own:,} bytes, at most "
            f"{MOST_EVENT_BYTES:,} are taken",
        )
