"""The DAGs as Airflow reads them, in the version of the tests and in 3.0."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.airflow.conftest import DAGS, ROOT, TEMPORARY

OLD = ROOT / ".venv-airflow-3.0/bin/python"

_READ = """
import json, sys
import airflow
from airflow.models.dagbag import DagBag
from airflow.serialization.serialized_objects import SerializedDAG
sys.path.append(sys.argv[1])  # as its DAG processor and its tasks do
bag = DagBag(sys.argv[1], include_examples=False)
tasks = {}
for dag in bag.dags.values():
    again = SerializedDAG.from_dict(json.loads(json.dumps(SerializedDAG.to_dict(dag))))
    tasks[dag.dag_id] = {task.task_id: sorted(task.downstream_task_ids) for task in again.tasks}
print(json.dumps([airflow.__version__, bag.import_errors, tasks]))
"""

DAILY = {
    "landed": ["00_start_here"],
    "00_start_here": ["01_glue_tables"],
    "01_glue_tables": ["02_flatten_events"],
    "02_flatten_events": ["03_model_customers"],
    "03_model_customers": [
        "04_dashboard_aggregates",
        "05_pinpoint_export",
        "06_personalize_datasets",
    ],
    "04_dashboard_aggregates": [],
    "05_pinpoint_export": [],
    "06_personalize_datasets": [],
}
DBT = {
    "landed": ["01_glue_tables"],
    "01_glue_tables": ["02_flatten_events"],
    "02_flatten_events": ["dbt_build"],
    "dbt_build": [],
}


def _order(dag: Any) -> dict[str, list[str]]:
    return {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}


def test_nothing_fails_to_import(dags: Any) -> None:
    assert dags.import_errors == {}
    assert sorted(dags.dags) == ["engagement_daily", "engagement_dbt"]
    assert _order(dags.get_dag("engagement_daily")) == DAILY
    assert _order(dags.get_dag("engagement_dbt")) == DBT


def test_they_import_and_serialise_in_airflow_3_0() -> None:
    done = subprocess.run(
        [str(OLD), "-W", "error::DeprecationWarning:engagement", "-c", _READ, str(DAGS)],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(TEMPORARY / "airflow-3.0"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    version, errors, tasks = json.loads(done.stdout.splitlines()[-1])
    assert (version, errors) == ("3.0.6", {})
    assert tasks == {"engagement_daily": DAILY, "engagement_dbt": DBT}


def test_every_task_that_writes_takes_the_only_slot(dags: Any) -> None:
    for dag in dags.dags.values():
        assert dag.max_active_runs == 1
        assert not dag.catchup
        for task in dag.tasks:
            pool = "default_pool" if task.task_id == "landed" else "engagement"
            assert (task.pool, task.pool_slots) == (pool, 1)
            assert task.retries == 1
            assert task.execution_timeout is not None
            assert len(task.on_failure_callback) == 1


def test_the_sensor_holds_no_worker_while_it_waits(dags: Any) -> None:
    assert dags.get_dag("engagement_daily").get_task("landed").mode == "reschedule"


def test_links_need_no_plugin(dags: Any) -> None:
    """What the web server knows of a DAG is its serialised form."""
    from airflow.serialization.serialized_objects import DagSerialization

    dag = dags.get_dag("engagement_daily")
    again = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    for name in ("03_model_customers", "04_dashboard_aggregates"):
        links = [link.name for link in again.get_task(name).operator_extra_links]
        assert links == ["Executed page", "Report"]


@pytest.mark.parametrize(
    "form",
    [
        {"notebooks": ["07_nothing"]},
        {"notebooks": []},
        {"as_of": "yesterday"},
        {"set": ["; rm -rf /"]},
        {"this_day_only": "maybe"},
        {"params": ""},
    ],
)
def test_a_form_with_a_mistake_starts_no_run(dags: Any, form: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(dags.get_dag("engagement_daily").params)
    params.validate()
    with pytest.raises(ParamValidationError, match=f"Invalid input for param {next(iter(form))}"):
        params.update(form)


def _context(**others: Any) -> dict[str, Any]:
    from datetime import UTC, datetime

    return {
        "params": {"as_of": None, "this_day_only": None, "params": "p.yaml", "set": []},
        "data_interval_start": datetime(2026, 10, 30, tzinfo=UTC),
        "dag_run": SimpleNamespace(
            run_type="scheduled", run_after=datetime(2026, 11, 5, 9, tzinfo=UTC)
        ),
        **others,
    }


def test_the_day_is_the_forms_or_the_data_intervals() -> None:
    import engagement_tasks as tasks

    context = _context()
    assert str(tasks.day_of(context)) == "2026-10-30"
    context["params"]["as_of"] = "2026-10-07"
    assert str(tasks.day_of(context)) == "2026-10-07"
    # Triggered without a logical date, a DAG run has no data interval.
    assert str(tasks.day_of(_context(data_interval_start=None))) == "2026-11-04"


def test_a_backfill_reads_its_own_received_dates_alone() -> None:
    import engagement_tasks as tasks

    found = {
        "received_from": "2026-10-29",
        "received_to": "2026-10-30",
        "is_empty": False,
        "has_landing": True,
    }
    scheduled, backfill = _context(), _context(dag_run=SimpleNamespace(run_type="backfill"))
    assert tasks.received(scheduled, found) == ["landing.to=2026-10-30"]
    both = ["landing.from=2026-10-29", "landing.to=2026-10-30"]
    assert tasks.received(backfill, found) == both
    # A day without a file would be refused: it adds nothing, and reads what changed before.
    assert tasks.received(backfill, found | {"is_empty": True}) == ["landing.to=2026-10-30"]
    scheduled["params"]["this_day_only"] = True
    assert tasks.received(scheduled, found) == both
    backfill["params"]["this_day_only"] = False
    assert tasks.received(backfill, found) == ["landing.to=2026-10-30"]
    # Where RudderStack loads the tables there is no landing whose dates could be chosen.
    assert tasks.received(scheduled, found | {"has_landing": False}) == []


def test_what_the_form_replaces_wins_and_no_shell_reads_it() -> None:
    import engagement_tasks as tasks

    context = _context()
    context["params"]["set"] = ["landing.to=2026-10-31", "project=a; touch b"]
    assert tasks.parameters(context, "landing.to=2026-10-30") == [
        *("--params", "p.yaml"),
        *("--set", "landing.to=2026-10-30"),
        *("--set", "landing.to=2026-10-31"),
        *("--set", "project=a; touch b"),
    ]


def test_dbt_builds_the_exported_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export, then its own run.sh, which is given the commands and the day."""
    import engagement_tasks as tasks

    project, said = tmp_path / "project", tmp_path / "said"
    engagement = tmp_path / "engagement"
    engagement.write_text(
        f'#!/bin/sh\necho "$*" >> {said}\nmkdir -p {project}\n'
        f"echo 'echo \"$DBT|$ENGAGEMENT|$1|$2|$(pwd)\" >> {said}' > {project}/run.sh\n"
    )
    engagement.chmod(0o755)
    monkeypatch.setenv("ENGAGEMENT_COMMAND", str(engagement))
    monkeypatch.setenv("ENGAGEMENT_DBT", "/opt/dbt/bin/dbt")
    monkeypatch.setenv("ENGAGEMENT_DBT_PROJECT", str(project))
    monkeypatch.setenv("ENGAGEMENT_DBT_TARGET", "athena")
    context = _context()
    del context["params"]["set"]
    tasks.BuildWithDbt(task_id="dbt").execute(context)
    assert said.read_text().splitlines() == [
        f"export-dbt --target athena --to {project} --params p.yaml",
        f"/opt/dbt/bin/dbt|{engagement}|2026-10-30|{ROOT / 'p.yaml'}|{project}",
    ]


def test_airflows_own_settings_stay_with_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    import engagement_tasks as tasks

    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "postgres://shop")
    monkeypatch.setenv("_AIRFLOW_THING", "1")
    monkeypatch.setenv("PYTHONPATH", "/opt/airflow/plugins")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    found = tasks.environment()
    assert found["AWS_REGION"] == "eu-west-1"
    assert not {key for key in found if "AIRFLOW" in key or key == "PYTHONPATH"}


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (["a warning\n", "error: 03 stopped\n", "\n", "  why\n"], "03 stopped\n\n  why"),
        (["error: first\n", "error: last\n"], "last"),
        (["Killed\n"], "the command ended with exit code 9\nKilled"),
        ([], "the command ended with exit code 9"),
    ],
)
def test_the_error_is_what_the_command_ended_with(lines: list[str], shown: str) -> None:
    import engagement_tasks as tasks

    assert tasks.one_screen(lines, 9) == shown


def test_a_long_error_keeps_to_one_screen() -> None:
    import engagement_tasks as tasks

    lines = ["error: a\n", *(f"line {n}\n" for n in range(100))]
    shown = tasks.one_screen(lines, 1).splitlines()
    assert len(shown) == 41
    assert shown[-1] == "… and 61 lines more in the log"


def test_a_killed_task_lets_its_command_end(tmp_path: Any) -> None:
    """It gets SIGTERM, as the workbook's commands expect, and time to write its record."""
    import threading
    import time

    import engagement_tasks as tasks
    from airflow.sdk.exceptions import AirflowException

    script = (
        f"trap 'sleep 1; echo ended > {tmp_path}/said; exit 1' TERM; echo begun; "
        "for i in {1..300}; do sleep 0.2; done"
    )
    one = tasks.Command()
    said: list[str] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            one.run(["bash", "-c", script], said.append)
        except AirflowException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 20
    while "begun" not in said and time.monotonic() < deadline:
        time.sleep(0.05)
    one.stop()
    thread.join(timeout=70)
    assert (tmp_path / "said").read_text() == "ended\n"
    assert len(failed) == 1
