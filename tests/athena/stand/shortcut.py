"""Calls of the stand's own process on its services, without the network in between.

The clients are botocore's as everywhere: only what they would send over the network is handed to
the application that would receive it. Over the network both sides take longer than what is asked
for. While faults are injected, calls take the long way: a connection can break there.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any, cast
from urllib.parse import urlsplit

import botocore.handlers
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from werkzeug.test import create_environ
from werkzeug.wrappers import Response

from .aws import AwsApplication
from .faults import Faults

_EVENT = "before-send"


@contextmanager
def taken(url: str, application: AwsApplication, faults: Faults) -> Iterator[None]:
    """Let clients made from now on, until the end of the ``with`` block, go the short way."""

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        body = request.body
        if isinstance(body, str):
            body = body.encode()
        is_plain = isinstance(body, bytes | None)
        if faults.are_injected or not is_plain or not request.url.startswith(f"{url}/"):
            return None
        return _answer(application, request, body or b"")

    handlers = cast(list[Any], botocore.handlers.BUILTIN_HANDLERS)
    handlers.append((_EVENT, send))
    try:
        yield
    finally:
        handlers.remove((_EVENT, send))


def _answer(application: AwsApplication, request: AWSPreparedRequest, body: bytes) -> AWSResponse:
    parts = urlsplit(request.url)
    environ = create_environ(
        request.url.removeprefix(f"{parts.scheme}://{parts.netloc}"),
        f"{parts.scheme}://{parts.netloc}",
        method=request.method,
        headers=[
            (name, value.decode("latin-1") if isinstance(value, bytes) else str(value))
            for name, value in request.headers.items()
        ],
        data=body,
    )
    answer = Response.from_app(application, environ, buffered=True)
    content = answer.get_data()
    headers = {"Date": formatdate(usegmt=True), "Content-Length": str(len(content))}
    return AWSResponse(
        request.url,
        answer.status_code,
        {**headers, **answer.headers},
        _Raw(b"" if request.method == "HEAD" else content),
    )


class _Raw(io.BytesIO):
    """A body as urllib3 hands it on."""

    def stream(self, amt: int = 2**16, **_: Any) -> Iterator[bytes]:
        """Read it in pieces."""
        while piece := self.read(amt):
            yield piece
