"""The same with dbt: 01 and 02 take the events in, dbt builds the exported project."""

from __future__ import annotations

from airflow.sdk import DAG
from engagement_tasks import LANDED, MARTS, BuildWithDbt, DayHasLanded, RunNotebook, dag_arguments

# dbt and its turns with 'engagement build' take everything from the parameter file.
arguments = dag_arguments()
for name in ("set", "notebooks"):
    del arguments["params"][name]

with DAG(
    "engagement_dbt",
    description="RudderStack events to tables, and dbt build for the models",
    doc_md=__doc__,
    **arguments,
) as dag:
    landed = DayHasLanded(task_id=LANDED)
    glue_tables, flatten = (
        RunNotebook(task_id=name, notebook=name) for name in ("01_glue_tables", "02_flatten_events")
    )
    landed >> glue_tables >> flatten >> BuildWithDbt(task_id="dbt_build", outlets=[MARTS])
