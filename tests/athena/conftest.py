"""What the tests of this folder share; the stand itself is in ``tests/conftest.py``."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """End every fault with the test that asked for it."""
    yield
    if "stand" in request.fixturenames:
        request.getfixturevalue("stand").faults.clear()
