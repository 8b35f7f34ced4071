"""What statements cost, kept across runs in ``landing.run_statements``."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from engagement.warehouse import Table, Warehouse, WarehouseError
from engagement.warehouse.costs import RUN_STATEMENTS, frame, remember, totals
from engagement.warehouse.statements import Statement

SCAN = Statement(
    label="marts.orders",
    sql="select 1",
    rows=7,
    seconds=1.25,
    scanned_bytes=20_000_000,
    usd=0.0001,
    query_id="a-b-c",
    started_at="2026-11-01T06:00:00.125+00:00",
    notebook="03_model_customers",
)
LOCAL = Statement(
    label="query",
    sql="select 2",
    rows=1,
    seconds=0.5,
    status="failed",
    started_at="2026-11-01T06:00:02.000+00:00",
    notebook="03_model_customers",
)


def at(hour: int, notebook: str = "02_flatten_events") -> Statement:
    return Statement(
        "q", "", 1, 1.0, started_at=f"2026-11-01T{hour:02}:00:00+00:00", notebook=notebook
    )


def remembered(warehouse: Warehouse, columns: str = "run_id, notebook, nth") -> list[Any]:
    found = warehouse.query(
        f"select {columns} from landing.run_statements order by run_id, notebook, nth"
    )
    return [tuple(row) for row in found.astype(object).where(found.notna(), None).to_numpy()]


def test_a_row_holds_what_is_known_of_a_statement(warehouse: Warehouse) -> None:
    remember(warehouse, "run-1", [SCAN, LOCAL], keep_runs=10)
    with warehouse.session() as session:
        assert session.columns(RUN_STATEMENTS) == {
            "run_id": "varchar",
            "notebook": "varchar",
            "nth": "bigint",
            "label": "varchar",
            "started_at": "timestamp(3)",
            "seconds": "double",
            "rows": "bigint",
            "scanned_bytes": "bigint",
            "usd": "double",
            "query_id": "varchar",
            "status": "varchar",
        }
    chosen = 'nth, label, seconds, "rows", scanned_bytes, usd, query_id, status'
    assert remembered(warehouse, chosen) == [
        (1, "marts.orders", 1.25, 7, 20_000_000, 0.0001, "a-b-c", "done"),
        (2, "query", 0.5, 1, None, None, None, "failed"),
    ]
    times = warehouse.query("select started_at from landing.run_statements order by 1")
    assert [str(time) for time in times["started_at"]] == [
        "2026-11-01 06:00:00.125000",
        "2026-11-01 06:00:02",
    ]


def test_statements_are_numbered_within_their_notebook(warehouse: Warehouse) -> None:
    ran = [at(1), at(1, "03_model_customers"), at(2)]
    remember(warehouse, "run-1", ran, keep_runs=10)
    assert remembered(warehouse) == [
        ("run-1", "02_flatten_events", 1),
        ("run-1", "02_flatten_events", 2),
        ("run-1", "03_model_customers", 1),
    ]


def test_a_run_adds_its_rows_and_said_again_replaces_them(warehouse: Warehouse) -> None:
    remember(warehouse, "run-1", [at(1)], keep_runs=10)
    remember(warehouse, "run-2", [at(2)], keep_runs=10)
    assert [row[0] for row in remembered(warehouse)] == ["run-1", "run-2"]
    remember(warehouse, "run-2", [at(2), at(3)], keep_runs=10)
    assert [row[0] for row in remembered(warehouse)] == ["run-1", "run-2", "run-2"]


def test_the_oldest_runs_are_forgotten(warehouse: Warehouse) -> None:
    # A run's age is told by its last statement, not by its name.
    for name, hours in {"c": (1,), "b": (3, 2), "a": (2,)}.items():
        remember(warehouse, name, [at(hour) for hour in hours], keep_runs=2)
    assert [row[0] for row in remembered(warehouse)] == ["a", "b", "b"]
    remember(warehouse, "d", [at(9)], keep_runs=1)
    assert [row[0] for row in remembered(warehouse)] == ["d"]


def test_no_statement_of_any_run_is_an_empty_table(warehouse: Warehouse) -> None:
    remember(warehouse, "run-1", [], keep_runs=10)
    assert remembered(warehouse) == []


def test_rows_come_to_a_table_of_other_columns(warehouse: Warehouse) -> None:
    table = Table("marts", "notes")
    with warehouse.session(write=True) as session:
        session.append(table, pa.table({"n": [1], "gone": ["x"]}), lambda old: old)
        session.append(table, pa.table({"n": [2], "new": ["y"]}), lambda old: old)
    found = warehouse.query("select * from marts.notes order by n")
    assert found.columns.tolist() == ["n", "new"]
    assert found["n"].tolist() == [1, 2]
    assert found["new"].isna().tolist() == [True, False]


def test_appending_needs_a_session_that_writes(warehouse: Warehouse) -> None:
    remember(warehouse, "run-1", [at(1)], keep_runs=10)
    with warehouse.session() as session, pytest.raises(WarehouseError, match="write=True"):
        session.append(RUN_STATEMENTS, pa.table({"n": [1]}), lambda old: old)
    assert len(remembered(warehouse)) == 1


def test_a_statement_that_failed_is_kept_with_its_notebook(warehouse: Warehouse) -> None:
    warehouse.log.notebook = "04_dashboard_aggregates"
    with warehouse.session(write=True) as session:
        session.publish(Table("marts", "one"), "select 1 as n")
        with pytest.raises(WarehouseError):
            session.query("select nope from marts.one", label="a mistake")
    failed = [s for s in warehouse.log.statements if s.status == "failed"]
    assert [(s.label, s.notebook) for s in failed] == [("a mistake", "04_dashboard_aggregates")]
    assert all(statement.started_at for statement in warehouse.log.statements)


def test_totals_add_up() -> None:
    assert totals([SCAN, SCAN, LOCAL]) == {
        "count": 3,
        "failed": 1,
        "seconds": 3.0,
        "rows": 15,
        "scanned_bytes": 40_000_000,
        "usd": 0.0002,
    }
    # Where nothing is known of dollars, nothing is said of them.
    assert totals([LOCAL]) == {"count": 1, "failed": 1, "seconds": 0.5, "rows": 1}


def test_a_notebooks_statements_end_with_their_totals() -> None:
    shown = frame([SCAN, LOCAL], "this notebook").to_dict("records")
    assert [row["statement"] for row in shown] == [
        "marts.orders",
        "query",
        "this notebook: 2 statements, 1 failed",
    ]
    assert shown[-1]["megabytes_scanned"] == 20
    assert shown[-1]["usd"] == 0.0001
    assert len(frame([], "this notebook")) == 0
