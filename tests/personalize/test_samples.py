"""The samples all the way: files that hold the rules, and baselines that beat popularity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from engagement.as_of import resolve_as_of
from engagement.cli import app
from engagement.flatten import flatten
from engagement.models.runner import build
from engagement.personalize import comparing, exports, ranking, readiness
from engagement.personalize.exports import Export
from engagement.settings import Settings, load_settings
from engagement.warehouse import Warehouse, open_warehouse
from tests.personalize.validator import validate

pytestmark = pytest.mark.slow

LAYERS = ["people", "behaviour", "commerce", "customer", "personalize", "recommendations"]


@dataclass(frozen=True)
class Samples:
    """The samples with every model that 06 reads or builds, and what was exported."""

    warehouse: Warehouse
    settings: Settings
    folder: Path
    export: Export

    def rows(self, sql: str) -> pd.DataFrame:
        return self.warehouse.query(sql)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    folder = tmp_path_factory.mktemp("samples")
    own = {"warehouse.duckdb.path": str(folder / "warehouse.duckdb")}
    settings = load_settings("params/local.yaml", own)
    warehouse = open_warehouse(settings)
    flatten(warehouse, settings)
    as_of = resolve_as_of(warehouse, settings)
    build(warehouse, settings, as_of, LAYERS)
    export = exports.write(warehouse, settings, as_of, folder / "personalize", folder / "rejects")
    return Samples(warehouse, settings, folder, export)


def test_the_files_hold_every_rule_of_the_service(shop: Samples) -> None:
    assert validate(shop.folder / "personalize") == []
    sizes = {name: one.bytes for name, one in shop.export.sets.items()}
    requirements = readiness.check(shop.export.facts, sizes)
    assert readiness.ready(requirements)
    assert shop.export.left_out().empty


def test_every_interaction_is_in_the_file(shop: Samples) -> None:
    counted = shop.rows("select count(*) as n from marts.personalize_interactions")["n"][0]
    assert shop.export.sets["interactions"].rows == counted > 10_000
    lists = shop.rows(
        "select count(impression) as n, count_if(strpos('|' || impression || '|', "
        "'|' || item_id || '|') = 0) as without from marts.personalize_interactions"
    )
    assert lists["n"][0] > 1_000
    assert lists["without"][0] == 0


def test_baselines_beat_popularity_outside_the_interval(shop: Samples) -> None:
    """On two metrics at least: the lower end of one is above the upper end of the other."""
    metrics = shop.rows("select * from marts.recommendation_metrics")
    assert set(metrics["users"]) == {130}
    ends = metrics.set_index(["method", "metric"])
    for method in ("co_visitation", "matrix_factorisation"):
        better = [
            name
            for name in ranking.PER_PERSON
            if ends.loc[(method, name), "lower"] > ends.loc[("popular", name), "upper"]
        ]
        assert len(better) >= 2, (method, better)
    random = ends.loc[("random", comparing.NDCG), "upper"]
    assert random < ends.loc[("popular", comparing.NDCG), "lower"]
    gains = shop.rows("select * from marts.recommendation_gains")
    assert "surely better than popularity on 7 of 7" in comparing.words(metrics, gains)


def test_lists_hold_what_they_promise(shop: Samples) -> None:
    lists = shop.rows(
        "select count(distinct r.person_id) as people, max(r.rank) as longest, "
        "count_if(a.purchases > 0) as bought "
        "from marts.recommendations_for_you as r "
        "left join marts.recommendation_affinities as a "
        "on r.person_id = a.person_id and r.product_id = a.product_id"
    ).iloc[0]
    users = shop.rows("select count(*) as n from marts.personalize_users")["n"][0]
    assert (lists["people"], lists["longest"], lists["bought"]) == (users, 10, 0)
    kinds = shop.rows(
        "select kind, count(distinct category) as lists, max(rank) as longest "
        "from marts.recommendations_popular group by kind order by kind"
    )
    assert kinds.to_numpy().tolist() == [
        ["category", 11, 16],
        ["overall", 1, 25],
        ["trending", 1, 25],
    ]


def test_the_command_writes_a_full_export_and_an_increment_that_fits_it(
    shop: Samples, tmp_path: Path
) -> None:
    warehouse = f"warehouse.duckdb.path={shop.folder / 'warehouse.duckdb'}"

    def export(out: str, *more: str) -> Result:
        return CliRunner().invoke(
            app, ["personalize", "export", "--out", str(tmp_path / out), "--set", warehouse, *more]
        )

    assert export("full").exit_code == 0
    for path in sorted((shop.folder / "personalize").rglob("*")):
        if path.is_file():
            same = tmp_path / "full" / path.relative_to(shop.folder / "personalize")
            assert same.read_bytes() == path.read_bytes()
    fits = ("--full", str(tmp_path / "full"))
    week = export("week", "--since", "2026-10-23", *fits)
    assert week.exit_code == 0
    assert "INCREMENTAL" in week.output
    assert validate(tmp_path / "week", incremental=True) == []
    few = export("few", "--since", "2026-10-29", *fits)
    assert few.exit_code == 2
    assert "an import needs 1,000" in few.output
    earlier = export("earlier", "--set", "as_of=2026-10-20", "--set", "models.stale=refuse")
    assert earlier.exit_code == 1
    assert "as_of: 2026-10-30" in earlier.output
    assert not (tmp_path / "earlier").exists()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("meow")
    assert export("photos").exit_code == 2
    assert (tmp_path / "photos" / "cat.jpg").read_text() == "meow"
