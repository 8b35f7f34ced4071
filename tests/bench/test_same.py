"""The floor of the benchmarks, plain DuckDB SQL, makes the tables that flattening makes."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from bench.plan import write_plan
from bench.same import differences

from engagement import samples

CONTENDERS = Path(__file__).parents[2] / "bench/contenders"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A database that flattening made, its plan, and the floor's Parquet files."""
    folder = tmp_path_factory.mktemp("bench")
    landing, plan = folder / "landing", folder / "plan.json"
    samples.generate(samples.GeneratorSettings(users=60, days=5, dirt=samples.Dirt.none()), landing)

    def run(contender: str, **options: str) -> int:
        script = CONTENDERS / f"{contender}.py"
        command = [sys.executable, script, landing, folder / contender, json.dumps(options)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(json.loads(done.stdout)["events"])

    events = run("ours")
    database = folder / "ours/engagement.duckdb"
    write_plan(database, plan)
    assert run("floor", plan=str(plan)) == events > 300
    return database, plan, folder / "floor"


def test_the_floor_has_the_same_tables(made: tuple[Path, Path, Path]) -> None:
    assert list(differences(*made)) == []


def test_a_changed_value_and_a_missing_row_are_seen(
    made: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    database, plan, floor = made
    for file in floor.glob("*.parquet"):
        changed = "*"
        if file.stem == "pages":
            changed = "* replace ('x' as channel)"
        rows = " limit (select count(*) - 1 from rows)" if file.stem == "screens" else ""
        duckdb.sql(
            f"copy (with rows as (from '{file}') select {changed} from rows{rows}) "
            f"to '{tmp_path / file.name}' (format parquet)"
        )
    found = list(differences(database, plan, tmp_path))
    assert "pages.channel: other values" in found
    assert "screens.rows: other values" in found
    assert {one.split(".")[0] for one in found} == {"pages", "screens"}
