"""Projects for engines that nothing here can answer for: dbt reads them, without a connection."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from engagement.models.definition import models
from engagement.settings import load_settings
from engagement.sql.dialect import tables
from tests.dbt.live.conftest import Project, said

VARIABLES = {
    "redshift": {
        "REDSHIFT_HOST": "warehouse.invalid",
        "REDSHIFT_DATABASE": "dev",
        "REDSHIFT_USER": "nobody",
        "DBT_ENV_SECRET_REDSHIFT_PASSWORD": "none-at-all",
    },
    "athena": {
        "AWS_REGION": "eu-central-1",
        "ATHENA_STAGING_FOLDER": "s3://nowhere.invalid/staging/",
        "ATHENA_DATA_FOLDER": "s3://nowhere.invalid/data/",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("target", VARIABLES)
def test_dbt_reads_the_whole_project(target: str, make_project: Callable[..., Project]) -> None:
    project = make_project(target, load_settings("params/local.yaml"), **VARIABLES[target])
    done = project.dbt("parse", "--show-all-deprecations")
    assert done.returncode == 0, said(done)
    assert "WARNING" not in done.stdout, said(done)
    manifest = json.loads((project.folder / "target/manifest.json").read_text(encoding="utf-8"))
    nodes = {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }
    of_sql = {name: model for name, model in models().items() if not model.document.python}
    assert nodes.keys() >= of_sql.keys()
    for name, model in of_sql.items():
        # Sources and seeds stand for themselves; models are known by what they read.
        read = {one.split(".")[-1] for one in nodes[name]["depends_on"]["nodes"]}
        asked = {table.name for table in tables(model.query) if table.database == "marts"}
        assert {one for one in read if one in models()} == asked, name
        assert nodes[name]["schema"] == "marts"
        assert set(nodes[name]["columns"]) == set(model.document.columns)
