"""The workbook every day: wait until the day has landed, then a task per notebook."""

from __future__ import annotations

from airflow.sdk import DAG
from engagement_tasks import (
    LANDED,
    MARTS,
    NOTEBOOKS,
    REPORT,
    DayHasLanded,
    RunNotebook,
    dag_arguments,
)

OUTLETS = {"03_model_customers": [MARTS], "04_dashboard_aggregates": [REPORT]}

with DAG(
    "engagement_daily",
    description="RudderStack events to models, dashboards, audiences and recommendations",
    doc_md=__doc__,
    **dag_arguments(),
) as dag:
    landed = DayHasLanded(task_id=LANDED)
    tasks = [
        RunNotebook(task_id=name, notebook=name, outlets=OUTLETS.get(name, []))
        for name in NOTEBOOKS
    ]
    start_here, glue_tables, flatten, models, dashboards, export, datasets = tasks
    # 04, 05 and 06 each read what 03 has built, and nothing of one another.
    landed >> start_here >> glue_tables >> flatten >> models >> [dashboards, export, datasets]
