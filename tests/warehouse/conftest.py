"""The engine that this folder's suite runs against.

``test_warehouse.py`` and the cases of ``test_dialect.py`` speak to the interface only: another
engine runs them too, by importing them where the fixture ``warehouse`` is one of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engagement.settings import Settings
from engagement.warehouse import Warehouse, open_warehouse


@pytest.fixture
def warehouse(make_settings: Callable[..., Settings]) -> Warehouse:
    """An empty DuckDB warehouse in the test's folder."""
    return open_warehouse(make_settings())
