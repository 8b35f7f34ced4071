"""Alerts where people meet them: in ``run.json``, at a run's end, as an exit status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engagement import alerts
from engagement.cli import app
from engagement.runs import batch, summary
from engagement.runs.batch import RunRecord
from engagement.runs.summary import Figures
from engagement.settings import Settings
from engagement.sql.dialect import Table
from engagement.warehouse import Warehouse, WarehouseError, open_warehouse

OVERVIEW = """
    select
        cast(date_add('day', s.n, date '2026-01-05') as date) as day,
        true as is_complete,
        true as is_settled,
        cast(case when s.n = 56 then 20 else 100 end as bigint) as users,
        cast(40 as bigint) as new_users,
        cast(120 as bigint) as sessions,
        cast(1000 as bigint) as events,
        cast(60 as bigint) as engaged_sessions,
        cast(6 as bigint) as converting_sessions,
        cast(6 as bigint) as orders,
        cast(6 as bigint) as valued_orders,
        cast(600 as decimal(38, 2)) as revenue,
        cast(600 as decimal(38, 2)) as net_revenue
    from unnest(sequence(0, 56)) as s (n)
"""
LEDGER = """
    select
        '2026-03-01' as received_at_utc_date,
        cast(100 as bigint) as records,
        cast(5 as bigint) as quarantined
"""
USERS = "Users on Monday 2026-03-02 were unusually low: 20, where 100 would be usual."
ASIDE = "5.0 % of the records of the last received date were set aside (5 of 100), more than 2.0 %."


@pytest.fixture
def filled(make_settings: Callable[..., Settings]) -> tuple[Warehouse, Settings]:
    settings = make_settings()
    warehouse = open_warehouse(settings)
    with warehouse.session(write=True) as session:
        session.publish(Table("marts", "daily_overview"), OVERVIEW)
        session.publish(Table("landing", "ledger"), LEDGER)
    return warehouse, settings


def record() -> RunRecord:
    return RunRecord("run-1", "duckdb", "params", {}, "2026-03-02T12:00:00+00:00")


def test_a_runs_record_has_them(filled: tuple[Warehouse, Settings]) -> None:
    made = record()
    batch._look_for_alerts(filled[0], made, filled[1])
    assert [(one["kind"], one["text"]) for one in made.alerts] == [
        ("quarantine", ASIDE),
        ("anomaly", USERS),
    ]
    assert made.notes == []


def test_alerts_that_could_not_be_checked_are_noted(
    filled: tuple[Warehouse, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(warehouse: Warehouse, settings: Settings) -> list[alerts.Alert]:
        raise WarehouseError("the credentials expired")

    monkeypatch.setattr(alerts, "look", fail)
    made = record()
    batch._look_for_alerts(filled[0], made, filled[1])
    assert (made.alerts, made.notes) == (
        [],
        ["alerts were not checked: the credentials expired"],
    )


def test_before_any_table_there_is_nothing_to_tell(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    assert alerts.look(open_warehouse(settings), settings) == []


def test_a_runs_end_shows_the_first_ones() -> None:
    made = record()
    made.alerts = [{"kind": "anomaly", "text": f"Figure {n} was unusual."} for n in range(6)]
    said = "\n".join(summary.lines(made, "runs/x", Figures(), "EUR"))
    assert "alert       Figure 0 was unusual." in said
    assert "Figure 4" not in said
    assert "and 2 alerts more: the report shows them all" in said


def test_the_exit_status_of_check(filled: tuple[Warehouse, Settings], tmp_path: Path) -> None:
    sets = ["--set", f"warehouse.duckdb.path={tmp_path / 'warehouse.duckdb'}"]
    done = CliRunner().invoke(app, ["check", "--data", *sets])
    assert done.exit_code == 1
    assert USERS in done.stdout
    assert ASIDE in done.stdout
    assert done.stdout.count("alert  ") == 2
    calm = [*sets, "--set", "alerts.threshold=50", "--set", "alerts.quarantine_rate=0.05"]
    done = CliRunner().invoke(app, ["check", "--data", *calm])
    assert done.exit_code == 0
    assert "figures to 2026-03-02: no alert" in done.stdout


def test_without_figures_the_check_fails_and_says_what_to_do(tmp_path: Path) -> None:
    sets = ["--set", f"warehouse.duckdb.path={tmp_path / 'none.duckdb'}"]
    done = CliRunner().invoke(app, ["check", "--data", *sets])
    assert done.exit_code == 1
    assert "run 'engagement run' first" in done.stdout


def test_the_report_is_not_made_of_tables_that_are_not_there(
    filled: tuple[Warehouse, Settings], tmp_path: Path
) -> None:
    sets = [
        *("--set", f"warehouse.duckdb.path={tmp_path / 'warehouse.duckdb'}"),
        *("--set", "as_of=2026-03-02"),
    ]
    done = CliRunner().invoke(app, ["report", *sets, "--output", str(tmp_path / "report.html")])
    assert done.exit_code == 1
    assert "does not exist yet" in done.stderr
    assert not (tmp_path / "report.html").exists()
