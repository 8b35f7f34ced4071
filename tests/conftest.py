"""What every test may use: settings of its own, and no plots on a screen."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

from engagement.settings import Settings, load_settings

mpl.use("Agg")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests' many small files in memory, where the machine has a folder for that.

    SQL trees are many small objects: collecting garbage more rarely makes the tests twice as fast.
    """
    del config
    gc.set_threshold(200_000, 20, 20)
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the slow tests first: two workers then end at about the same time."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings whose landing, warehouse and run folder lie in the test's own folder."""

    def make(**overrides: Any) -> Settings:
        (tmp_path / "landing").mkdir(exist_ok=True)
        own = {
            "landing.location": str(tmp_path / "landing"),
            "warehouse.duckdb.path": str(tmp_path / "warehouse.duckdb"),
            "run.directory": str(tmp_path / "runs"),
            "warehouse.duckdb.wait_seconds": 5,
        }
        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        return load_settings("params/local.yaml", {**own, **dotted})

    return make
