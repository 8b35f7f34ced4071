"""Clients of services: retried as their services ask for, and no secret in any log.

boto3 finds the credentials as everywhere else (environment, profile, role); nothing here reads or
shows them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader

from engagement.aws import service_model
from engagement.errors import FailedError
from engagement.privacy import masked

_ATTEMPTS = 8
_CONNECT, _READ = 10, 60
_DIGITS = re.compile(r"\+?\d[\d\s().-]{6,}\d")


class ServiceError(FailedError):
    """A service did not do what it was asked for.

    Attributes
    ----------
    code
        The service's own code (``ThrottlingException``); empty where it could not be reached.
    """

    def __init__(self, service: str, operation: str, code: str, message: str) -> None:
        self.service, self.operation, self.code = service, operation, code
        super().__init__(f"{service}.{operation}: {': '.join(filter(None, (code, message)))}")


class Service:
    """A service that is called by the names of its model, each call checked before it is sent.

    Parameters
    ----------
    name
        boto3's name of the service: ``customer-profiles``.
    region
        Left out: the one that boto3 finds by itself.
    on_call
        Is called with the operation's name before each call.
    attempts
        How often a call is tried that is throttled, or that the service could not answer.
    """

    def __init__(
        self,
        name: str,
        region: str | None = None,
        *,
        on_call: Callable[[str], None] | None = None,
        attempts: int = _ATTEMPTS,
    ) -> None:
        self.name = name
        config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            connect_timeout=_CONNECT,
            read_timeout=_READ,
        )
        self._on_call = on_call
        try:
            own = botocore.session.get_session()
            own.register_component("data_loader", _loader())
            session: Any = boto3.session.Session(region_name=region, botocore_session=own)
            self._client = session.client(name, config=config)
        except BotoCoreError as error:
            raise ServiceError(name, "client", "", _safe(str(error))) from None

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation (``CreateDomain``); parameters that are ``None`` are left out.

        Raises
        ------
        RequestError
            When the service would refuse the call: it is not sent.
        ServiceError
            With the service's code and message; what may be somebody's is masked in it.
        """
        given = {key: value for key, value in parameters.items() if value is not None}
        service_model.check(self.name, operation, given)
        if self._on_call is not None:
            self._on_call(operation)
        method = getattr(self._client, service_model.method(self.name, operation))
        try:
            with nothing_logged():
                found: dict[str, Any] = method(**given)
        except ClientError as error:
            about = error.response.get("Error", {})
            code, message = about.get("Code", ""), about.get("Message", "")
            raise ServiceError(self.name, operation, code, _safe(message)) from None
        except BotoCoreError as error:
            reason = type(error).__name__
            raise ServiceError(self.name, operation, "", f"no answer ({reason})") from None
        return found

    def find(self, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """As :meth:`call`; ``None`` where the service says that there is no such thing."""
        try:
            return self.call(operation, **parameters)
        except ServiceError as error:
            if error.code in _NOT_THERE:
                return None
            raise

    def pages(self, operation: str, items: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Items of a listing, page by page; ``items`` is the answer's member that has them."""
        shape = service_model.operation(self.name, operation).input_shape
        members: Mapping[str, Any] = shape.members if shape is not None else {}
        token = "NextToken" if "NextToken" in members else "nextToken"
        following: str | None = None
        while True:
            found = self.call(operation, **parameters, **{token: following})
            yield from found.get(items, [])
            following = found.get(token)
            if not following:
                return


@lru_cache(maxsize=1)
def _loader() -> Loader:
    """Descriptions of services, read once: each takes some tenths of a second to parse."""
    return Loader(extra_search_paths=[str(Path(boto3.__file__).parent / "data")])


_NOT_THERE = frozenset({"ResourceNotFoundException", "NotFoundException"})


def _safe(message: str) -> str:
    """A service's message without what may be somebody's address or number."""
    return _DIGITS.sub("…", masked(message))


@contextmanager
def nothing_logged() -> Iterator[None]:
    """Let libraries log nothing but warnings within the block.

    At the level ``DEBUG`` they log every request and answer, with presigned addresses, client
    tokens and people in them.
    """
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)
