"""Every model and audience by Redshift's engine and driver, on a PostgreSQL that stands for it.

What is built runs in PostgreSQL's words; the same statements in Redshift's, from the same trees,
are held against the allow-list. So this says of Redshift: each statement that building everything
takes, around a query and within, is of what it documents. See :mod:`tests.postgres.redshift_stand`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engagement.warehouse import Warehouse
from tests.athena.compare import differences
from tests.postgres import rudderstack
from tests.postgres.loaded import SAMPLES, Loaded
from tests.postgres.redshift_stand import Stand, stand
from tests.postgres.test_conformance import all_models, local

__all__ = ["local"]

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Built:
    """The same events on DuckDB and on the stand, with all models built."""

    local: Warehouse
    remote: Warehouse
    stand: Stand


@pytest.fixture(scope="module")
def built(
    postgres_socket: Path,
    loaded_samples: Loaded,
    local: Warehouse,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Built]:
    with (
        tempfile.TemporaryDirectory(prefix="relay-", dir="/tmp") as folder,
        stand(
            postgres_socket,
            "redshift_models",
            Path(folder),
            template=loaded_samples.names["append"],
        ) as found,
    ):
        settings = found.settings(
            section={"rudderstack_schema": rudderstack.SCHEMA},
            landing__location=str(SAMPLES),
            run__directory=str(tmp_path_factory.mktemp("stand") / "runs"),
        )
        remote = found.open(settings)
        all_models(remote, settings)
        yield Built(local, remote, found)


def test_every_statement_is_of_what_redshift_documents(built: Built) -> None:
    assert built.stand.problems == []
    assert len(built.stand.recorded) > 500


def test_every_model_gives_the_rows_that_duckdb_gives(built: Built) -> None:
    found = differences(built.local, built.remote, databases=["marts"])
    assert not found, "\n".join(map(str, found))


def test_no_statement_is_longer_than_the_data_api_takes(built: Built) -> None:
    """But for uploads, which are as long as the way to Redshift allows."""
    longest = max(len(one.encode()) for one in built.stand.recorded if "insert" not in one[:6])
    assert longest < 100_000
