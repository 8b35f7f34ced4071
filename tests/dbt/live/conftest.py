"""dbt's own environment, and the tables that ``engagement build`` makes of the samples."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from engagement.as_of import resolve_as_of
from engagement.dbt import files, project, targets
from engagement.flatten.pipeline import flatten
from engagement.models.runner import build, models
from engagement.settings import ROOT, Settings, load_settings
from engagement.warehouse import Warehouse, open_warehouse
from tests.postgres.loaded import SAMPLES, lose_what_loading_loses

BIN = ROOT / ".venv-dbt/bin"


@dataclass(frozen=True)
class Project:
    """An exported project in a folder, with the profile that its example shows."""

    folder: Path
    variables: Mapping[str, str]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command there; what it prints is in ``stdout``."""
        return subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env={**os.environ, **self.variables, "DBT_SEND_ANONYMOUS_USAGE_STATS": "False"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def dbt(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run dbt."""
        return self.run(BIN / "dbt", "--no-use-colors", *words)

    def everything(self, day: date, params: Path) -> None:
        """Run the project's own script."""
        done = self.run("sh", "run.sh", day.isoformat(), params)
        assert done.returncode == 0, said(done)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What dbt said, without what went well."""
    lines = [
        line
        for line in done.stdout.splitlines()
        if not any(word in line for word in (" START ", " PASS ", " OK "))
    ]
    return "\n".join(lines[-60:])


@pytest.fixture(scope="session")
def make_project(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Project]:
    """Exports a project for a target."""
    if not (BIN / "dbt").is_file():
        pytest.fail("dbt is missing: make test-dbt builds its environment", pytrace=False)

    def make(target: str, settings: Settings, **variables: str) -> Project:
        folder = tmp_path_factory.mktemp(f"dbt_{target}")
        files.write(project.export(settings, targets.find(target)), folder)
        shutil.copy(folder / "profiles.example.yml", folder / "profiles.yml")
        programs = {"DBT": str(BIN / "dbt"), "ENGAGEMENT": str(ROOT / ".venv/bin/engagement")}
        return Project(folder, {**programs, **variables})

    return make


@dataclass(frozen=True)
class Truth:
    """What ``engagement build`` makes of the samples, on DuckDB.

    Attributes
    ----------
    flattened
        The same events before any model was built.
    """

    warehouse: Warehouse
    flattened: Path
    day: date


def written(path: Path, overrides: Mapping[str, Any]) -> Path:
    """A parameter file for the samples."""
    given = yaml.safe_load((ROOT / "params/local.yaml").read_text(encoding="utf-8"))
    given["landing"]["location"] = str(SAMPLES)
    path.write_text(yaml.safe_dump({**given, **overrides}), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Every model of the samples, with what RudderStack's loading loses lost."""
    folder = tmp_path_factory.mktemp("truth")
    path, flattened = folder / "warehouse.duckdb", folder / "flattened.duckdb"
    params = written(
        folder / "params.yaml",
        {
            "warehouse": {"engine": "duckdb", "duckdb": {"path": str(path)}},
            "run": {"directory": str(folder / "runs")},
        },
    )
    settings = load_settings(str(params))
    warehouse = open_warehouse(settings)
    flatten(warehouse, settings)
    lose_what_loading_loses(path)
    shutil.copy(path, flattened)
    as_of = resolve_as_of(warehouse, settings)
    build(warehouse, settings, as_of, sorted({model.layer for model in models().values()}))
    return Truth(warehouse, flattened, as_of.day)
