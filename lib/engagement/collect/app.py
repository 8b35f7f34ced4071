"""The data plane's addresses and answers over HTTP."""

from __future__ import annotations

import asyncio
import base64
import functools
import hmac
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from engagement.collect import events
from engagement.collect.events import KINDS, RefusedError
from engagement.collect.journal import Frame

logger = logging.getLogger("engagement")

PRODUCTION = "production is RudderStack's own data plane; this is a stand-in for a laptop"

MOST_HELD_BYTES = 64 * 1024 * 1024
"""Bytes of bodies in hand at a time; requests beyond them are answered 429."""

_READ_SECONDS = 30.0
_DRAINED_BYTES = 4 * events.MOST_REQUEST_BYTES
_PREFLIGHT_SECONDS = 900


class Store(Protocol):
    """Where events go: returns once they are on disk."""

    async def keep(self, frame: Frame) -> None:
        """Write a request's events; an ``OSError`` says that they are not written."""

    @property
    def failure(self) -> OSError | None:
        """Why the latest events could not be written, if they could not."""


def build(store: Store, write_keys: Sequence[str]) -> Starlette:
    """The application: every address, for browsers of any origin, as the data plane allows."""
    gate = _Gate(store, write_keys)
    routes = [
        Route(f"/v1/{kind}", gate.taker(kind, gate.basic), methods=["POST"]) for kind in KINDS
    ]
    routes += [
        Route("/v1/batch", gate.taker("batch", gate.basic), methods=["POST"]),
        Route("/v1/import", gate.taker("batch", gate.basic), methods=["POST"]),
        Route("/beacon/v1/batch", gate.taker("batch", gate.query), methods=["POST"]),
        Route("/sourceConfig", gate.source_config, methods=["GET"]),
        Route("/sourceConfig/", gate.source_config, methods=["GET"]),
        Route("/health", gate.health, methods=["GET"]),
        Route("/version", _version, methods=["GET"]),
        Route("/", gate.health, methods=["GET"]),
    ]
    any_origin = Middleware(
        CORSMiddleware,
        allow_origin_regex=".*",
        allow_credentials=True,
        allow_methods=["GET", "POST", "OPTIONS"],
        allow_headers=["*"],
        max_age=_PREFLIGHT_SECONDS,
    )
    return Starlette(
        routes=routes,
        middleware=[any_origin],
        exception_handlers={
            RefusedError: _refused,
            HTTPException: _not_there,
            Exception: _defect,
        },
    )


Handler = Callable[[Request], Awaitable[Response]]


class _Gate:
    """Checks requests and hands their events to the store."""

    def __init__(self, store: Store, write_keys: Sequence[str]) -> None:
        self._store = store
        self._keys = [key.encode() for key in write_keys]
        self._held = 0
        self._started = datetime.now(UTC)

    def taker(self, kind: str, check: Callable[[Request], None]) -> Handler:
        """An address that takes events of a kind, once a request's write key was checked."""
        return functools.partial(self._take, kind, check)

    async def _take(
        self, kind: str, check: Callable[[Request], None], request: Request
    ) -> Response:
        check(request)
        held = _Held(self)
        try:
            packed = await self._body(request, held)
            body = events.unpack(packed, request.headers.get("content-encoding", ""))
            held.add(len(body) - len(packed))
            found = events.read(body, kind, datetime.now(UTC), _address(request))
            del packed, body
            frame = Frame(found.received_at_utc_date, found.events, found.lines)
            try:
                await self._store.keep(frame)
            except OSError as error:
                raise RefusedError(
                    503, f"The events were not stored: {error.strerror}. Send them again later."
                ) from None
        finally:
            held.release()
        return PlainTextResponse("OK")

    async def _body(self, request: Request, held: _Held) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(_READ_SECONDS):
                async for part in request.stream():
                    size += len(part)
                    if size <= events.MOST_REQUEST_BYTES:
                        held.add(len(part))
                        parts.append(part)
                    elif size > _DRAINED_BYTES:
                        break
        except TimeoutError:
            raise RefusedError(408, "Failed to read body from request: it took too long") from None
        except ClientDisconnect:
            raise RefusedError(400, "Failed to read body from request: it broke off") from None
        # What is somewhat too large was read to its end: a client that is still sending would not
        # see the answer.
        if size > events.MOST_REQUEST_BYTES:
            raise events.too_large()
        return b"".join(parts)

    def hold(self, size: int) -> None:
        """Count bytes in hand."""
        if size > 0 and self._held + size > MOST_HELD_BYTES:
            raise RefusedError(429, "Max Requests Limit reached: send the events again later")
        self._held += size

    def basic(self, request: Request) -> None:
        """Check the write key of the header ``Authorization``: the user's name, no password."""
        header = request.headers.get("authorization", "")
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            raise RefusedError(
                401,
                "Invalid Authorization Header: Failed to read writeKey from header; send it as "
                "the user name of basic authorization",
            )
        try:
            key = base64.b64decode(encoded.strip(), validate=True).partition(b":")[0]
        except ValueError:
            raise RefusedError(401, "Invalid Authorization Header: it is no base64") from None
        self._check(key, "Invalid Authorization Header")

    def query(self, request: Request) -> None:
        """Check the write key of the query: a browser's beacon can send no header."""
        key = request.query_params.get("writeKey", "")
        if not key:
            raise RefusedError(401, "Failed to read writeKey from Query Params")
        self._check(key.encode(), "Invalid Write Key")

    def _check(self, key: bytes, fault: str) -> None:
        if not any(hmac.compare_digest(key, known) for known in self._keys):
            raise RefusedError(
                401, f"{fault}: the write key is none of collect.write_keys in the parameters"
            )

    async def source_config(self, request: Request) -> Response:
        """What RudderStack's control plane tells an SDK: a source without destinations."""
        (self.query if "writeKey" in request.query_params else self.basic)(request)
        now = self._started.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        off = {"enabled": False}
        return JSONResponse(
            {
                "source": {
                    "id": "local",
                    "name": "local collector",
                    "workspaceId": "local",
                    "enabled": True,
                    "config": {"statsCollection": {"errors": off, "metrics": off}},
                    "connections": [],
                    "destinations": [],
                    "updatedAt": now,
                },
                "updatedAt": now,
            }
        )

    async def health(self, request: Request) -> Response:
        """Whether events are taken in: 503 while they cannot be written."""
        del request
        is_up = self._store.failure is None
        return JSONResponse(
            {
                "server": "UP",
                "db": "UP" if is_up else "DOWN",
                "acceptingEvents": "TRUE" if is_up else "FALSE",
                "routingEvents": "TRUE",
                "mode": "NORMAL",
                "lastSync": self._started.isoformat(timespec="seconds"),
                "note": PRODUCTION,
            },
            status_code=200 if is_up else 503,
        )


class _Held:
    """The bytes that one request holds."""

    def __init__(self, gate: _Gate) -> None:
        self._gate = gate
        self._size = 0

    def add(self, size: int) -> None:
        self._gate.hold(size)
        self._size += size

    def release(self) -> None:
        self._gate.hold(-self._size)
        self._size = 0


def _address(request: Request) -> str:
    """Where a request came from, also through a proxy."""
    forwarded = request.headers.get("x-forwarded-for", "").split(",")[0].strip()
    if forwarded:
        return forwarded
    return request.client.host if request.client else ""


async def _version(request: Request) -> Response:
    del request
    return JSONResponse({"Version": "local collector", "note": PRODUCTION})


async def _refused(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RefusedError)  # noqa: S101 (what it is registered for)
    headers = {"Retry-After": "1"} if error.status in (429, 503) else None
    return PlainTextResponse(error.text, error.status, headers)


async def _not_there(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)  # noqa: S101 (what it is registered for)
    texts: dict[int, str] = {
        404: "There is no such address here; events go to /v1/batch and /v1/<type>",
        405: "Invalid HTTP Request Method: events are posted",
    }
    return PlainTextResponse(
        texts.get(error.status_code, error.detail), error.status_code, error.headers
    )


async def _defect(request: Request, error: Exception) -> Response:
    del request
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "?"
    # Without the message: it may quote the event.
    logger.error("a request failed on a defect: %s at %s", type(error).__name__, where)
    return PlainTextResponse("Internal Server Error: see the collector's log", 500)
