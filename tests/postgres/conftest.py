"""The samples, flattened by DuckDB and loaded into PostgreSQL once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres import loaded, shell
from tests.postgres.loaded import Flattened, Loaded
from tests.postgres.shell import ShellRun


@pytest.fixture(scope="session")
def flattened(tmp_path_factory: pytest.TempPathFactory) -> Flattened:
    """The samples flattened by DuckDB."""
    return loaded.flattened(tmp_path_factory.mktemp("duckdb"))


@pytest.fixture(scope="session")
def loaded_samples(postgres_socket: Path, flattened: Flattened) -> Loaded:
    """The samples in PostgreSQL as RudderStack loads them, in each of its modes."""
    return loaded.load(postgres_socket, flattened)


@pytest.fixture(scope="session")
def run_from_a_shell(loaded_samples: Loaded, tmp_path_factory: pytest.TempPathFactory) -> ShellRun:
    """``engagement run`` on the samples; its database holds all models afterwards."""
    return shell.run(loaded_samples, tmp_path_factory.mktemp("from_a_shell"))
