"""The demo as a whole: what is made ready, and which processes run."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engagement.demo import prepare, site, supervise
from engagement.demo.errors import DemoError
from engagement.settings import ROOT, Settings

SOURCE = ROOT / "demo"
_ASK_SECONDS = 2.0

Address = tuple[str, int]


@dataclass(frozen=True)
class Places:
    """Where the demo's parts are: folders, and addresses without a path."""

    site: Path
    answers: Path
    logs: Path
    shop: str
    collector: str


def places(settings: Settings) -> Places:
    """Where everything is, by the parameters."""
    folder = settings.path(settings.demo.folder)
    return Places(
        site=folder / "site",
        answers=folder / "answers",
        logs=folder / "logs",
        shop=_address(settings.demo.host, settings.demo.port),
        collector=_address(settings.collect.host, settings.collect.port),
    )


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def start(
    settings: Settings,
    arguments: Sequence[str],
    *,
    say: Callable[[str], None],
) -> None:
    """Make ready what is missing, and run the collector, the shop and the runs until told to end.

    Parameters
    ----------
    settings
        With a landing in a folder.
    arguments
        What the parts' commands need to read the same parameters: ``--params``, ``--set``.
    say
        Takes one line for people.

    Raises
    ------
    DemoError
        When something is missing, an address is taken, or a part ended.
    """
    where = places(settings)
    if settings.landing.location.startswith("s3://"):
        raise DemoError("the demo reads a folder: use --params params/demo.yaml")
    collector = settings.collect.host, settings.collect.port
    shop = settings.demo.host, settings.demo.port
    _check_free(collector, "collect.port")
    _check_free(shop, "demo.port")
    site.build(SOURCE, where.site)
    landed = prepare.land_shoppers(
        settings.path(settings.landing.location), settings.demo.people, settings.demo.days
    )
    if landed:
        say(f"Landed {landed:,} events of {settings.demo.people} invented shoppers.")

    def started() -> None:
        say(f"The shop is at {where.shop} - Ctrl-C ends it.")

    supervise.run(
        [
            supervise.Part(
                "collector", ("collect", *arguments), lambda: _answers(collector, "/health")
            ),
            supervise.Part(
                "shop", ("demo", "shop", *arguments), lambda: _answers(shop, "/config.json")
            ),
            supervise.Part("runs", ("demo", "follow", *arguments), is_heard=True),
        ],
        where.logs,
        started=started,
    )


def _check_free(address: Address, name: str) -> None:
    host, port = address
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DemoError(
            f"cannot listen on {host}, port {port}: {reason}; is another demo running? "
            f"Else set {name}"
        ) from None


def _answers(address: Address, path: str) -> bool:
    connection = http.client.HTTPConnection(*address, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", path)
        return isinstance(json.load(connection.getresponse()), dict)
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
