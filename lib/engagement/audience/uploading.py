"""The HTTP PUT of a file to a presigned address, without a word about the address.

It goes by ``http.client``, which logs nothing: other clients write addresses into their logs and
messages, and this one is a secret as long as it is valid.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from engagement.errors import FailedError

_TIMEOUT = 60
_CODE = re.compile(rb"<Code>(\w{1,60})</Code>")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class UploadError(FailedError):
    """A file could not be uploaded.

    Attributes
    ----------
    expired
        Whether the address is no longer valid, so that a new one may do.
    """

    def __init__(self, message: str, *, expired: bool = False) -> None:
        self.expired = expired
        super().__init__(message)


def put(path: Path, url: str, headers: Mapping[str, str], *, attempts: int = 3) -> None:
    """Upload a file; an upload that breaks off is tried again.

    Raises
    ------
    UploadError
        When it was refused or broke off each time; the message has neither address nor headers.
    """
    for attempt in range(1, attempts + 1):
        try:
            status, code = _put(path, url, headers)
        except (OSError, http.client.HTTPException) as error:
            reason = f"it broke off ({type(error).__name__})"
        else:
            if 200 <= status < 300:
                return
            reason = f"it was refused: {status}{f' {code}' if code else ''}"
            if status < 500 and status not in (408, 429):
                expired = status in (400, 403) and code in _EXPIRED
                raise UploadError(f"{path.name} was not uploaded: {reason}", expired=expired)
        if attempt < attempts:
            time.sleep(min(0.2 * 4**attempt, 10))
    raise UploadError(f"{path.name} was not uploaded in {attempts} attempts: {reason}")


_EXPIRED = frozenset({"AccessDenied", "ExpiredToken", "RequestExpired", "InvalidToken", ""})
"""How S3 answers an address that is no longer valid (with AccessDenied, as a rule)."""


def _put(path: Path, url: str, headers: Mapping[str, str]) -> tuple[int, str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=_TIMEOUT, context=context
        )
    elif host in _LOOPBACK:
        connection = http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT)
    else:
        raise UploadError("the address for the upload is not https: nothing was sent")
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        with path.open("rb") as stream:
            size = {"content-length": str(path.stat().st_size)}
            connection.request("PUT", target, body=stream, headers={**headers, **size})
            answer = connection.getresponse()
            found = _CODE.search(answer.read(10_000))
            return answer.status, found[1].decode() if found else ""
    finally:
        connection.close()
