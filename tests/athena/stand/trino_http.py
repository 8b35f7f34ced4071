"""The few requests by which a statement on Trino is followed, without what ``requests`` does.

A statement takes seven of them, and ``requests`` is busy four times as long with each.
"""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Answer:
    """What Trino's client looks at of an answer, under the names that it knows."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    encoding: str = "utf-8"

    @property
    def ok(self) -> bool:
        """Whether it is no error."""
        return self.status_code < 400

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode(self.encoding)


class TrinoSession:
    """Takes the place of a session of ``requests`` in Trino's client: one connection, one user."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout)
        self.headers: dict[str, str | None] = {}

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def get(self, url: str, **given: Any) -> Answer:
        """Ask how a statement is going."""
        return self._ask("GET", url, **given)

    def post(self, url: str, **given: Any) -> Answer:
        """Send a statement."""
        return self._ask("POST", url, **given)

    def delete(self, url: str, **given: Any) -> Answer:
        """Give a statement up."""
        return self._ask("DELETE", url, **given)

    def head(self, url: str, **given: Any) -> Answer:
        """Ask for headers alone."""
        return self._ask("HEAD", url, **given)

    def _ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str | None] | None = None,
        data: bytes | None = None,
        timeout: float | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Answer:
        del timeout, proxies  # the connection's own; and nothing is between it and Trino
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        every = {**self.headers, **(headers or {})}
        sent = {name: value for name, value in every.items() if value is not None}
        self._connection.request(method, target, data, sent)
        answer = self._connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
