"""The DAGs run: on the samples, on one more day, backwards, and into an error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.conftest import ROOT, SAMPLES, Workplace

NOTEBOOKS = [
    "00_start_here",
    "01_glue_tables",
    "02_flatten_events",
    "03_model_customers",
    "04_dashboard_aggregates",
    "05_pinpoint_export",
    "06_personalize_datasets",
]
CORE = ["02_flatten_events", "03_model_customers"]
LAST = "2026-10-31"


def _states(run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def _stored(run: Any, task: str, key: str) -> Any:
    """What a task has stored for others, as the web server would read it."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        found = XComModel.get_many(run_id=run.run_id, key=key, task_ids=task, dag_ids=run.dag_id)
        one = session.scalars(found if not hasattr(found, "statement") else found.statement).first()
        return None if one is None else XComModel.deserialize_value(one)


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the failure callback has put into tasks' logs."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "airflow.task" and record.levelno == logging.ERROR
    ]


@pytest.fixture(scope="module")
def untouched() -> Iterator[None]:
    """Nothing of the project's folder changes while this module's tests run."""

    def look() -> dict[str, int]:
        places = ("data", "deploy", "notebooks", "params", "runs", "warehouse", "build")
        return {
            str(path): path.stat().st_mtime_ns
            for place in places
            for path in (ROOT / place).rglob("*")
            if path.is_file()
        }

    before = look()
    yield
    assert look() == before


@pytest.fixture(scope="module")
def shop(make_workplace: Callable[[str], Workplace], untouched: None) -> Workplace:
    """The samples without their last day, and a run over them."""
    del untouched
    shop = make_workplace("shop")
    for day in sorted(path.name.partition("=")[2] for path in SAMPLES.iterdir()):
        if day != LAST:
            shop.land(day)
    shop.runs_of_dags.append(shop.run("2026-10-30"))
    return shop


def test_a_run_over_the_samples(shop: Workplace) -> None:
    [run] = shop.runs_of_dags[:1]
    assert str(run.state) == "success"
    assert _states(run) == dict.fromkeys(["landed", *NOTEBOOKS], "success")
    record = shop.records()[0]
    assert (record["status"], record["as_of"]) == ("done", "2026-10-30")
    assert [one["name"] for one in record["notebooks"]] == NOTEBOOKS
    assert {one["status"] for one in record["notebooks"]} == {"done"}


def test_its_tasks_share_a_run_folder_and_link_to_it(shop: Workplace) -> None:
    [run] = shop.runs_of_dags[:1]
    folder = shop.runs / shop.records()[0]["id"]
    for name in NOTEBOOKS:
        assert _stored(run, name, "_link_PageLink") == f"file://{folder}/notebooks/{name}.html"
        assert (folder / "notebooks" / f"{name}.html").is_file()
    assert not _stored(run, "03_model_customers", "_link_ReportLink")
    assert _stored(run, "04_dashboard_aggregates", "_link_ReportLink") == (
        f"file://{folder}/report.html"
    )
    assert (folder / "report.html").is_file()


def test_assets_say_where_the_report_is(shop: Workplace) -> None:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    [run] = shop.runs_of_dags[:1]
    with create_session() as session:
        found = session.execute(
            select(AssetModel.name, AssetEvent.extra)
            .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            .where(AssetEvent.source_run_id == run.run_id, AssetEvent.source_dag_id == run.dag_id)
        ).all()
    extras = dict(tuple(row) for row in found)
    assert set(extras) == {"engagement_marts", "engagement_report"}
    folder = shop.runs / shop.records()[0]["id"]
    assert extras["engagement_report"]["report"] == f"file://{folder}/report.html"
    assert extras["engagement_report"]["day"] == "2026-10-30"


def test_one_more_day_runs_once_it_has_landed(
    shop: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sensor looks in vain; then the day lands, and it looks again."""
    import engagement_tasks

    before = shop.tables()["landing.ledger"]
    looks: list[bool] = []
    look = engagement_tasks.DayHasLanded.poke

    def poke(self: Any, context: Any) -> Any:
        found = look(self, context)
        looks.append(bool(found))
        if len(looks) == 1:
            shop.land(LAST)
        return found

    monkeypatch.setattr(engagement_tasks.DayHasLanded, "poke", poke)
    run = shop.run(LAST, notebooks=[*CORE, "04_dashboard_aggregates"])
    assert looks == [False, True]
    assert str(run.state) == "success"
    assert _states(run) == {
        **dict.fromkeys(["landed", *CORE, "04_dashboard_aggregates"], "success"),
        **dict.fromkeys(
            ["00_start_here", "01_glue_tables", "05_pinpoint_export", "06_personalize_datasets"],
            "skipped",
        ),
    }
    first, second = shop.records()
    assert (second["status"], second["as_of"]) == ("done", LAST)
    assert second["tables"]["events.events"] > first["tables"]["events.events"]
    assert len(shop.tables()["landing.ledger"]) == len(before) + 1


def test_a_failed_task_shows_the_error_on_one_screen(
    make_workplace: Callable[[str], Workplace], caplog: pytest.LogCaptureFixture
) -> None:
    """04 needs the tables of 03. It is tried twice."""
    broken = make_workplace("broken")
    broken.land("2026-09-02")
    run = broken.run("2026-09-02", notebooks=["04_dashboard_aggregates"])
    assert str(run.state) == "failed"
    assert _states(run)["04_dashboard_aggregates"] == "failed"
    [record] = broken.records()
    assert record["status"] == "failed"
    [screen] = _told(caplog)
    assert screen.startswith("engagement_daily: 04_dashboard_aggregates failed")
    assert len(screen.splitlines()) <= 40
    assert "try 2" in screen
    for part in (
        "04_dashboard_aggregates stopped in cell",
        "run the notebooks first",
        f"The notebook as far as it came: {broken.runs}",
        f"Page: file://{broken.runs}/{record['id']}/notebooks/04_dashboard_aggregates.html",
    ):
        assert part in screen
    assert Path(broken.runs / record["id"] / "notebooks/04_dashboard_aggregates.html").is_file()


def test_wrong_input_is_not_tried_again(
    make_workplace: Callable[[str], Workplace], caplog: pytest.LogCaptureFixture
) -> None:
    broken = make_workplace("wrong")
    broken.land("2026-09-02")
    run = broken.run("2026-09-02", set=["sessions.gap_minuts=20"])
    assert str(run.state) == "failed"
    [landed] = [ti for ti in run.get_task_instances() if ti.task_id == "landed"]
    assert (str(landed.state), landed.try_number) == ("failed", 1)
    [screen] = _told(caplog)
    assert "did you mean" in screen


DAYS = ("2026-09-02", "2026-09-03", "2026-09-04")


@pytest.fixture(scope="module")
def in_one_run(make_workplace: Callable[[str], Workplace]) -> dict[str, list[str]]:
    """The tables of one run over three days."""
    once = make_workplace("once")
    for day in DAYS:
        once.land(day)
    run = once.run(DAYS[-1], notebooks=CORE)
    assert str(run.state) == "success"
    return once.tables()


@pytest.mark.parametrize(
    ("order", "before_the_last"), [((2, 0, 1), CORE), ((1, 0, 2), ["02_flatten_events"])]
)
def test_a_backfill_in_any_order_equals_one_run(
    order: tuple[int, ...],
    before_the_last: list[str],
    in_one_run: dict[str, list[str]],
    make_workplace: Callable[[str], Workplace],
) -> None:
    """The first builds the models each time, the second once, with the last and newest day."""
    place = make_workplace("backfill")
    for day in DAYS:
        place.land(day)
    dates = []
    for number in order:
        notebooks = CORE if number == order[-1] else before_the_last
        run = place.run(DAYS[number], notebooks=notebooks, this_day_only=True)
        assert str(run.state) == "success"
        dates.append(len(place.tables()["landing.ledger"]))
    assert dates == [1, 2, 3]  # each took in its own date alone
    assert place.records()[-1]["as_of"] == DAYS[-1]
    found = place.tables()
    assert found.keys() == in_one_run.keys()
    assert [name for name in found if found[name] != in_one_run[name]] == []
    assert len(found["marts.customer_360"]) > 10
