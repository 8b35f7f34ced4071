"""The exported project on DuckDB, over the tables that were flattened from the samples."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engagement.settings import load_settings
from engagement.warehouse import open_warehouse
from tests.athena.compare import differences
from tests.dbt.live.conftest import Project, Truth, written

pytestmark = pytest.mark.slow


def test_every_table_is_that_of_engagement_build(
    truth: Truth, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    path = tmp_path / "warehouse.duckdb"
    shutil.copy(truth.flattened, path)
    params = written(
        tmp_path / "params.yaml",
        {
            "warehouse": {"engine": "duckdb", "duckdb": {"path": str(path)}},
            "run": {"directory": str(tmp_path / "runs")},
        },
    )
    settings = load_settings(str(params))
    project = make_project("duckdb", settings, ENGAGEMENT_DUCKDB=str(path))
    project.everything(truth.day, params)
    found = differences(truth.warehouse, open_warehouse(settings), databases=["marts"])
    assert not found, "\n".join(map(str, found))
