"""Runs listed, compared and removed; every record is written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engagement.cli import app
from engagement.runs import history
from engagement.runs.history import HistoryError, compared, find, listed, past_runs, prune
from engagement.runs.summary import Figures, as_numbers
from engagement.settings import Settings

FIRST, SECOND, THIRD = (f"2026090{day}T100000Z-000{day}" for day in (1, 2, 3))


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Three runs (a done one, one that failed, a killed one), and what is no run's."""
    found = make_settings()
    _write(
        found,
        FIRST,
        status="done",
        started="2026-09-01T10:00:00+00:00",
        ended="2026-09-01T10:01:30+00:00",
        as_of="2026-08-31",
        notebooks=[
            {"name": "01_glue_tables", "status": "done", "seconds": 20.5},
            {"name": "02_flatten_events", "status": "done", "seconds": 60.0},
        ],
        statements={"count": 10, "failed": 0, "seconds": 5.5, "rows": 7, "usd": 0.25},
        tables={"marts.orders": 5, "marts.sessions": 9},
        figures={"orders_30_days": 5, "revenue_30_days": 99.5},
    )
    _write(
        found,
        SECOND,
        status="failed",
        started="2026-09-02T10:00:00+00:00",
        ended="2026-09-02T10:00:40+00:00",
        as_of="2026-09-01",
        notebooks=[
            {"name": "01_glue_tables", "status": "done", "seconds": 22.0},
            {"name": "03_model_customers", "status": "failed", "seconds": 18.0},
        ],
        statements={"count": 12, "failed": 1, "seconds": 5.0, "rows": 7, "usd": 0.2},
        tables={"marts.orders": 8, "marts.sessions": 9, "marts.carts": 1},
        figures={"orders_30_days": 8},
        alerts=[{"text": "no events"}],
    )
    _write(found, THIRD, status="running", started="2026-09-03T10:00:00+00:00")
    runs = found.path(found.run.directory)
    (runs / "erasures").mkdir()
    (runs / "erasures" / f"{FIRST}.json").write_text("{}")
    (runs / "interactive").mkdir()
    return found


def _write(settings: Settings, id_: str, **record: Any) -> Path:
    folder = settings.path(settings.run.directory) / id_
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks" / "01.html").write_text("page")
    (folder / "run.json").write_text(json.dumps({"id": id_, **record}))
    return folder


def test_runs_are_listed_newest_first_with_outcome_time_and_cost(settings: Settings) -> None:
    frame = listed(past_runs(settings))
    assert frame["run"].tolist() == [THIRD, SECOND, FIRST]
    assert frame["outcome"].tolist() == ["not ended", "failed", "done"]
    assert frame["seconds"].tolist()[1:] == [40.0, 90.0]
    assert frame["usd"].tolist()[1:] == [0.2, 0.25]
    assert frame["notebooks"].tolist() == ["0 of 0", "1 of 2, 03_model_customers failed", "2 of 2"]
    assert frame["alerts"].tolist() == [0, 1, 0]
    assert frame.loc[0, ["seconds", "usd", "statements"]].isna().all()


def test_two_runs_are_compared(settings: Settings) -> None:
    runs = past_runs(settings)
    frame = compared(find(runs, FIRST), find(runs, SECOND)).astype(object)
    rows = frame.where(frame.notna(), None).to_records(index=False).tolist()
    assert rows == [
        ("run", "outcome", "done", "failed", None),
        ("run", "as_of", "2026-08-31", "2026-09-01", None),
        ("run", "alerts", 0, 1, 1),
        ("seconds", "in all", 90.0, 40.0, -50.0),
        ("seconds", "01_glue_tables", 20.5, 22.0, 1.5),
        ("seconds", "02_flatten_events", 60.0, None, None),
        ("seconds", "03_model_customers", None, 18.0, None),
        ("statements", "count", 10, 12, 2),
        ("statements", "failed", 0, 1, 1),
        ("statements", "seconds", 5.5, 5.0, -0.5),
        ("statements", "rows", 7, 7, 0),
        ("statements", "usd", 0.25, 0.2, -0.05),
        ("figures", "orders_30_days", 5, 8, 3),
        ("figures", "revenue_30_days", 99.5, None, None),
        ("tables", "marts.orders", 5, 8, 3),
        ("tables", "marts.carts", None, 1, None),
    ]


def test_a_run_is_named_by_its_id_its_beginning_or_its_place(settings: Settings) -> None:
    runs = past_runs(settings)
    assert find(runs, "20260902").id == SECOND
    assert find(runs, "latest").id == THIRD
    assert find(runs, "previous").id == SECOND
    with pytest.raises(HistoryError, match=r"several runs '2026…'"):
        find(runs, "2026")
    with pytest.raises(HistoryError, match="there is no run 'lates'; did you mean 'latest'"):
        find(runs, "lates")
    with pytest.raises(HistoryError, match="no previous run"):
        find(runs[:1], "previous")
    with pytest.raises(HistoryError, match="no run ''"):
        find(runs, "")


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_broken_record_does_not_stop_the_list(settings: Settings, text: str) -> None:
    (settings.path(settings.run.directory) / SECOND / "run.json").write_text(text)
    assert listed(past_runs(settings))["outcome"].tolist() == ["not ended", "no record", "done"]


def test_the_oldest_runs_go_and_receipts_never(settings: Settings, tmp_path: Path) -> None:
    runs = settings.path(settings.run.directory)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (runs / "20260801T100000Z-0000").symlink_to(elsewhere)
    assert prune(settings, keep=2) == [FIRST]
    left = sorted(path.name for path in runs.iterdir())
    assert left == ["20260801T100000Z-0000", SECOND, THIRD, "erasures", "interactive"]
    assert (runs / "erasures" / f"{FIRST}.json").exists()
    assert elsewhere.exists()
    assert prune(settings, keep=1, but=SECOND) == []
    assert prune(settings, keep=1) == [SECOND]


def test_a_run_that_may_be_at_work_stays(settings: Settings) -> None:
    now = datetime.now(UTC)
    recent, long_ago = (
        f"{moment:%Y%m%dT%H%M%SZ}-beef" for moment in (now, now - timedelta(hours=25))
    )
    _write(settings, recent, status="running", started=now.isoformat())
    _write(settings, long_ago, status="running", started=now.isoformat())
    ended = _write(settings, f"{now + timedelta(seconds=9):%Y%m%dT%H%M%SZ}-cafe", status="done")
    assert set(prune(settings, keep=1)) == {long_ago, THIRD, SECOND, FIRST}
    assert {run.id for run in past_runs(settings)} == {recent, ended.name}


def test_what_cannot_be_removed_is_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(history.shutil, "rmtree", refused)
    assert prune(settings, keep=1) == []
    assert len(past_runs(settings)) == 3


def test_figures_that_are_not_known_are_left_out() -> None:
    found = Figures(
        taken={"records": 9, "events": 8},
        people=4,
        period={"orders": 2, "revenue": 10.5, "net_revenue": None},
        segment=("lapsed", 3),
    )
    assert as_numbers(found) == {
        "records": 9,
        "events": 8,
        "people": 4,
        "orders_30_days": 2,
        "revenue_30_days": 10.5,
        "people_in_segment": 3,
    }
    assert as_numbers(Figures()) == {}


def _command(settings: Settings, *words: str) -> Any:
    own = f"run.directory={settings.path(settings.run.directory)}"
    return CliRunner().invoke(app, ["runs", *words, "--set", own])


def test_the_command_lists_and_compares(settings: Settings) -> None:
    lines = _command(settings, "--last", "2").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["run", THIRD, SECOND, "and"]
    alone = _command(settings, SECOND[:8], "--format", "csv").stdout
    both = _command(settings, FIRST, SECOND, "--format", "csv").stdout
    assert alone == both
    assert f"about,what,{FIRST},{SECOND},difference\n" in both
    assert "statements,usd,0.25,0.2,-0.05\n" in both
    found = json.loads(_command(settings, "--format", "json").stdout)
    assert [row["usd"] for row in found] == [None, 0.2, 0.25]
    wrong = _command(settings, FIRST)
    assert wrong.exit_code == 2
    assert f"there is no run before {FIRST}" in wrong.stderr


def test_there_may_be_no_run_yet(make_settings: Callable[..., Settings]) -> None:
    assert "There is no run yet" in _command(make_settings()).stdout


def test_the_version_is_told() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout.split()[0]) == (0, "engagement")
    assert done.stdout.split()[1][0].isdigit()
