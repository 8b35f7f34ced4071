"""The fixture that gives a test its fakes; ``tests/conftest.py`` imports it for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import boto3
import pytest

from tests.fakes.server import Fakes, running
from tests.fakes.service import Fake


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    """A running server; what its fakes do wrong fails the test."""
    with running() as started:
        yield started
    assert started.mistakes == [], "\n".join(started.mistakes)


@pytest.fixture
def use_fakes(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fakes]:
    """Add fakes and lead this process, and those it starts, to them."""

    def use(*chosen: Fake) -> Fakes:
        for fake in chosen:
            fakes.add(fake)
        lead_to(fakes, monkeypatch)
        return fakes

    return use


def lead_to(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients made from now on find the fakes, by their address and with their own key."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in fakes.environment().items():
        monkeypatch.setenv(name, value)
    # boto3's own session keeps the credentials that it found first, of whichever test that was.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
