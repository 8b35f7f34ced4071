"""The engines that this folder's suites run against.

What is about the interface to an engine, and about the dialect, is tested on each: on DuckDB by
``make test``, on the stand by ``make test-athena``, on PostgreSQL by ``make test-redshift`` (see
``tests/conftest.py``).
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engagement.settings import Settings
from engagement.warehouse import Warehouse, open_warehouse

_NAMES = (f"suite{number}" for number in itertools.count())


def _on_duckdb(request: pytest.FixtureRequest) -> Settings:
    made: Settings = request.getfixturevalue("make_settings")()
    return made


def _on_athena(request: pytest.FixtureRequest) -> Settings:
    from tests.athena.parameters import settings

    return settings(request.getfixturevalue("aws_environment"), next(_NAMES))


def _on_postgres(request: pytest.FixtureRequest) -> Settings:
    from tests.postgres.parameters import settings

    return settings(request.getfixturevalue("postgres_socket"), next(_NAMES))


def _on_redshift(request: pytest.FixtureRequest) -> Settings:
    """Redshift's engine and driver, on a PostgreSQL that stands for the server."""
    from engagement.warehouse.redshift import engine
    from tests.postgres.redshift_stand import stand

    folder = request.getfixturevalue("short_folder")
    made = stand(request.getfixturevalue("postgres_socket"), next(_NAMES), folder)
    found = made.__enter__()
    request.addfinalizer(lambda: made.__exit__(None, None, None))
    request.getfixturevalue("monkeypatch").setattr(engine, "ENGINE", found.engine())
    request.addfinalizer(lambda: _no_problems(found.problems))
    return found.settings()


def _no_problems(problems: list[tuple[str, str]]) -> None:
    """What would have been sent to Redshift is made of what it knows."""
    assert problems == []


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for a socket, whose path may have some hundred letters."""
    with tempfile.TemporaryDirectory(prefix="relay-", dir="/tmp") as folder:
        yield Path(folder)


SETTINGS: dict[str, Callable[[pytest.FixtureRequest], Settings]] = {
    "duckdb": _on_duckdb,
    "athena": _on_athena,
    "postgres": _on_postgres,
    "redshift": _on_redshift,
}
"""What gives the settings of an empty warehouse, by engine: every engine has one here."""

MARKS = {
    "athena": pytest.mark.athena,
    "postgres": pytest.mark.postgres,
    "redshift": pytest.mark.postgres,
}
"""Marks of the engines that ``make test`` does without."""


@pytest.fixture(
    scope="session", params=[pytest.param(name, marks=MARKS.get(name, ())) for name in SETTINGS]
)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def warehouse(engine: str, request: pytest.FixtureRequest) -> Warehouse:
    """An empty warehouse: in the test's folder, or in databases of its own on the stand."""
    return open_warehouse(SETTINGS[engine](request))


Land = Callable[[str, bytes], None]
"""Puts a file, by its name, into the only date of the landing that the warehouse reads."""

DAY = "2026-01-05"


@pytest.fixture
def land(warehouse: Warehouse, tmp_path: Path, request: pytest.FixtureRequest) -> Land:
    """Land a file where the warehouse reads."""
    folder = f"landing/received_at_utc_date={DAY}"

    def on_disk(name: str, content: bytes) -> None:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_bytes(content)

    def on_the_stand(name: str, content: bytes) -> None:
        stand = request.getfixturevalue("stand")
        project = warehouse.settings.project
        stand.client("s3").put_object(
            Bucket=stand.bucket, Key=f"{project}/{folder}/{name}", Body=content
        )

    return on_disk if warehouse.engine == "duckdb" else on_the_stand
