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
from urllib.parse import unquote, urlsplit

import botocore.handlers
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

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
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(parts.path).encode().decode("latin-1"),
        "QUERY_STRING": parts.query,
        "REQUEST_URI": f"{parts.path}?{parts.query}" if parts.query else parts.path,
        "RAW_URI": f"{parts.path}?{parts.query}" if parts.query else parts.path,
        "SERVER_NAME": parts.hostname,
        "SERVER_PORT": str(parts.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": parts.netloc,
        "REMOTE_ADDR": parts.hostname,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        title = name.upper().replace("-", "_")
        environ[title if title in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{title}"] = text
    environ["CONTENT_LENGTH"] = str(len(body))
    answered: list[tuple[int, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        answered[:] = [(int(status.split()[0]), dict(headers))]

    content = b"".join(application(environ, cast(Any, start_response)))
    [(code, headers)] = answered
    headers = {"Date": formatdate(usegmt=True), "Content-Length": str(len(content)), **headers}
    return AWSResponse(
        request.url, code, headers, _Raw(b"" if request.method == "HEAD" else content)
    )


class _Raw(io.BytesIO):
    """A body as urllib3 hands it on."""

    def stream(self, amt: int = 2**16, **_: Any) -> Iterator[bytes]:
        """Read it in pieces."""
        while piece := self.read(amt):
            yield piece
