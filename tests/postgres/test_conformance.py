"""Every model on PostgreSQL, from tables loaded as RudderStack loads them, equal to DuckDB's.

What RudderStack's loading loses, it loses on both sides here: DuckDB's tables of events have their
blank texts made NULL and the others trimmed before the models are built. Merge mode keeps the copy
that was received last, so it is compared with a DuckDB whose received times were moved by hand. So
every row of every model has to be the same. What the loading loses itself is in ``test_losses.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import psycopg
import pytest

from engagement.as_of import resolve_as_of
from engagement.audience import snapshots
from engagement.audience.segments import load_all
from engagement.models.runner import build, models
from engagement.settings import ROOT, Settings, load_settings
from engagement.warehouse import Warehouse, open_warehouse
from tests.athena.compare import differences
from tests.postgres import shell
from tests.postgres.loaded import Flattened, Loaded
from tests.postgres.server import USER

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Both:
    """The same events on DuckDB and on PostgreSQL, with all models built."""

    local: Warehouse
    remote: Warehouse
    settings: Settings


def all_models(warehouse: Warehouse, settings: Settings) -> None:
    """Build every model, and the audiences."""
    as_of = resolve_as_of(warehouse, settings)
    build(warehouse, settings, as_of, sorted({model.layer for model in models().values()}))
    snapshots.publish(warehouse, settings, load_all(ROOT / "params/segments"), as_of)


@pytest.fixture(scope="module")
def local(flattened: Flattened) -> Warehouse:
    """DuckDB, and what is made there of the samples."""
    warehouse = open_warehouse(flattened.settings)
    all_models(warehouse, flattened.settings)
    return warehouse


@pytest.fixture(scope="module")
def merged(
    flattened: Flattened, local: Warehouse, tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    """DuckDB with the last copies in the place of the first, and what is made there of them."""
    settings = load_settings(
        "params/local.yaml",
        {
            "as_of": str(resolve_as_of(local, flattened.settings).day),
            "warehouse.duckdb.path": str(flattened.merged),
            "run.directory": str(tmp_path_factory.mktemp("merged") / "runs"),
        },
    )
    warehouse = open_warehouse(settings)
    all_models(warehouse, settings)
    return warehouse


@pytest.fixture(scope="module", params=["append", "merge"])
def both(
    request: pytest.FixtureRequest,
    loaded_samples: Loaded,
    flattened: Flattened,
    local: Warehouse,
    tmp_path_factory: pytest.TempPathFactory,
) -> Both:
    """The samples on DuckDB, and on PostgreSQL as RudderStack loads them in each of its modes.

    In append mode it is the notebooks, run from a shell, that have built the models.
    """
    if request.param == "append":
        done = request.getfixturevalue("run_from_a_shell")
        assert done.code == 0, done.said
        given = loaded_samples.open(shell.NAME)
    else:
        given = loaded_samples.copy("conformance_merge", mode="merge")
        # The newest event decides, and may have come again on the next day.
        given["as_of"] = str(resolve_as_of(local, flattened.settings).day)
        local = request.getfixturevalue("merged")
    settings = load_settings(
        "params/local.yaml",
        {
            **given,
            "run.directory": str(tmp_path_factory.mktemp("postgres") / "runs"),
        },
    )
    remote = open_warehouse(settings)
    all_models(remote, settings)
    return Both(local, remote, settings)


def test_every_model_gives_the_rows_that_duckdb_gives(both: Both) -> None:
    found = differences(both.local, both.remote, databases=["marts"])
    assert not found, "\n".join(map(str, found))


def test_merge_mode_moves_received_times(both: Both, local: Warehouse) -> None:
    """``local`` has the first copies, by which the other engines go.

    Of every fifth event the last copy is kept, here one hour younger. What with that is received
    after the end of the as-of day is not seen yet.
    """
    sql = "select id, received_at from marts.person_events"
    first, last = local.query(sql), both.remote.query(sql)
    # An id that came again weeks later is two events, and one that was merged is one.
    twice = first["id"].duplicated(keep=False)
    last = last[~last["id"].isin(first["id"][twice])]
    found = first[~twice].merge(last, on="id", how="outer", suffixes=("", "_last"), indicator=True)
    later = (found["received_at_last"] - found["received_at"]).dropna()
    hour = pd.Timedelta(hours=1)
    if both.local is local:  # in append mode
        assert set(later) == {pd.Timedelta(0)}
        assert set(found["_merge"]) == {"both"}
        return
    assert set(later) == {pd.Timedelta(0), hour}
    assert 0.18 < (later == hour).mean() < 0.22
    unseen = found[found["_merge"] != "both"]
    assert set(unseen["_merge"]) == {"left_only"}
    end = resolve_as_of(both.remote, both.settings).seen_before
    assert unseen["received_at"].between(pd.Timestamp(end) - hour, pd.Timestamp(end)).all()
    assert last["id"].is_unique
    assert twice.any()


def test_a_rerun_with_nothing_new_rebuilds_nothing(both: Both) -> None:
    as_of = resolve_as_of(both.remote, both.settings)
    layers = sorted({model.layer for model in models().values()})
    again = build(both.remote, both.settings, as_of, layers)
    assert {one.model: one.status for one in again if one.status != "unchanged"} == {}


def test_what_reads_a_table_that_was_changed_is_built_again(both: Both) -> None:
    as_of = resolve_as_of(both.remote, both.settings)
    section = both.settings.warehouse.postgres
    assert section is not None
    with psycopg.connect(
        host=section.host, user=USER, dbname=section.database, autocommit=True
    ) as connection:
        connection.execute(
            b"update rudderstack.order_refunded set id = id "
            b"where id = (select min(id) from rudderstack.order_refunded)"
        )
    chosen = ["order_events", "event_contexts"]
    layers = sorted({models()[name].layer for name in chosen})
    again = build(both.remote, both.settings, as_of, layers, only=chosen)
    # The rows are the same, but who could know: the one reads refunds, the other does not.
    assert {one.model: one.status for one in again} == {
        "order_events": "built",
        "event_contexts": "unchanged",
    }
