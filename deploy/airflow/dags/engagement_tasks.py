"""What the workbook's DAGs are made of: a sensor, a task per notebook, links, a failure callback.

Airflow and the workbook share no package. Each task starts the workbook's own command line in the
workbook's own environment (docs/decisions/0034-airflow-by-the-command-line.md). Nothing here is
newer than Airflow 3.0.

What differs from one machine to the next is in the environment of Airflow's workers:

- ``ENGAGEMENT_HOME``: the workbook's folder, ``/opt/engagement`` if left out
- ``ENGAGEMENT_COMMAND``: its command line, ``.venv/bin/engagement`` there if left out
- ``ENGAGEMENT_PARAMS``: the parameter file, ``params/local.yaml`` if left out
- ``ENGAGEMENT_TIMEZONE``: the time zone of those parameters, ``UTC`` if left out
- ``ENGAGEMENT_POOL``: a pool with one slot for this warehouse, ``engagement`` if left out
- ``ENGAGEMENT_PAGES``: the address under which the folder of runs is served, if it is
- ``ENGAGEMENT_POLL_SECONDS``, ``ENGAGEMENT_RETRIES``, ``ENGAGEMENT_RETRY_SECONDS``: 300, 2, 300
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from airflow.sdk import (
    Asset,
    BaseOperator,
    BaseOperatorLink,
    BaseSensorOperator,
    Param,
    PokeReturnValue,
)

try:
    from airflow.sdk import CronDataIntervalTimetable
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
except ImportError:  # Airflow 3.0
    from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
    from airflow.timetables.interval import CronDataIntervalTimetable

HOME = Path(os.environ.get("ENGAGEMENT_HOME", "/opt/engagement"))
TIMEZONE = os.environ.get("ENGAGEMENT_TIMEZONE", "UTC")
POOL = os.environ.get("ENGAGEMENT_POOL", "engagement")
START = datetime(2026, 1, 1, tzinfo=ZoneInfo(TIMEZONE))

NOTEBOOKS = (
    "00_start_here",
    "01_glue_tables",
    "02_flatten_events",
    "03_model_customers",
    "04_dashboard_aggregates",
    "05_pinpoint_export",
    "06_personalize_datasets",
)

MARTS = Asset("engagement_marts")
"""The models' tables, for DAGs that read them."""

REPORT = Asset("engagement_report")
"""The report of a run, and the dashboards' tables; its events say where the report is."""

LANDED = "landed"
"""The sensor's task, from which the others know the run's folder and the received dates."""

_SHOWN_LINES = 40


# --- DAGs -----------------------------------------------------------------------------------------


def dag_arguments(**others: Any) -> dict[str, Any]:
    """What the DAGs have in common.

    One DAG run at a time: the tables stand for one day. A backfill counts its runs apart from the
    schedule's; tasks of both may take turns, and no table goes back in time by it.
    """
    return {
        "schedule": CronDataIntervalTimetable("0 0 * * *", timezone=TIMEZONE),
        "start_date": START,
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["engagement"],
        "default_args": {
            "pool": POOL,
            "retries": int(os.environ.get("ENGAGEMENT_RETRIES", "2")),
            "retry_delay": timedelta(
                seconds=float(os.environ.get("ENGAGEMENT_RETRY_SECONDS", 300))
            ),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(hours=1),
            "execution_timeout": timedelta(hours=6),
            "on_failure_callback": [show_failure],
        },
        "params": {
            "as_of": Param(
                None,
                type=["null", "string"],
                format="date",
                title="As of",
                description="A day in the reporting time zone. Left out: the day of the data "
                "interval, or that of the tables if it is later.",
            ),
            "notebooks": Param(
                list(NOTEBOOKS),
                type="array",
                items={"type": "string", "enum": list(NOTEBOOKS)},
                examples=list(NOTEBOOKS),
                minItems=1,
                title="Notebooks",
                description="The others are skipped.",
            ),
            "this_day_only": Param(
                None,
                type=["null", "boolean"],
                title="Only this day's received dates",
                description="Left out: in a backfill, yes. Otherwise earlier dates whose files "
                "have changed are read again too.",
            ),
            "wait": Param(
                True,
                type="boolean",
                title="Wait until the day has landed",
            ),
            "params": Param(
                os.environ.get("ENGAGEMENT_PARAMS", "params/local.yaml"),
                type="string",
                minLength=1,
                title="Parameter file",
            ),
            "set": Param(
                [],
                type="array",
                items={"type": "string", "pattern": r"^[a-z_.]+=.*$"},
                title="Replace single values",
                description="A line each: sessions.gap_minutes=20",
            ),
        },
        **others,
    }


def show_failure(context: Mapping[str, Any]) -> None:
    """Put a failed task's error into its log, on one screen, with where to look next.

    To mail it or post it, add a notifier beside this function in ``default_args``.
    """
    logging.getLogger("airflow.task").error("%s", failure(context))


def failure(context: Mapping[str, Any]) -> str:
    """What a failure is told with: DAG, run, task, the error, the page as far as it came."""
    task, ti = context["task"], context["ti"]
    lines = [
        f"{ti.dag_id}: {ti.task_id} failed (run {ti.run_id}, try {ti.try_number})",
        "",
        str(context.get("exception") or "it was stopped from outside"),
    ]
    page = getattr(task, "page", None)
    if page:
        lines += ["", f"Page: {page}"]
    return "\n".join(lines)


# --- what a DAG run is about ----------------------------------------------------------------------


def day_of(context: Mapping[str, Any]) -> date:
    """The day that a DAG run is about: the form's, or the first day of its data interval."""
    asked = context["params"]["as_of"]
    if asked:
        return date.fromisoformat(asked)
    start = context.get("data_interval_start")
    if start is not None:
        return start.astimezone(ZoneInfo(TIMEZONE)).date()
    after = context["dag_run"].run_after  # triggered without a logical date
    return after.astimezone(ZoneInfo(TIMEZONE)).date() - timedelta(days=1)


def is_this_day_only(context: Mapping[str, Any]) -> bool:
    """Whether earlier dates are left alone: the form says so, or this is a backfill."""
    asked = context["params"]["this_day_only"]
    if asked is not None:
        return bool(asked)
    kind = context["dag_run"].run_type
    return str(getattr(kind, "value", kind)) == "backfill"


def command() -> list[str]:
    """The workbook's command line."""
    return shlex.split(os.environ.get("ENGAGEMENT_COMMAND", "")) or [
        str(HOME / ".venv/bin/engagement")
    ]


def parameters(context: Mapping[str, Any], *settings: str) -> list[str]:
    """The options that name the parameters; what the form replaces comes last, and so wins."""
    asked = context["params"]
    words = ["--params", asked["params"]]
    for setting in (*settings, *asked.get("set", ())):
        words += ["--set", setting]
    return words


def received(context: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The settings that bound the received dates: never past the day that the run is about.

    None where RudderStack loads the tables: such an engine has no landing, and refuses them.
    """
    if not found["has_landing"]:
        return []
    settings = [f"landing.to={found['received_to']}"]
    if is_this_day_only(context) and not found["is_empty"]:
        settings.insert(0, f"landing.from={found['received_from']}")
    return settings


# --- processes ------------------------------------------------------------------------------------


class Command:
    """One command of the workbook's environment at a time, logged line by line as it runs."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(
        self,
        words: Sequence[str],
        log: Callable[[str], None],
        *,
        folder: Path = HOME,
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command in a folder, with further variables, and give what it printed.

        Raises
        ------
        AirflowFailException
            When it had wrong input (exit code 2), which trying again would not change.
        AirflowException
            When it failed otherwise. Either has the command's own error.
        """
        log(f"$ {shlex.join(words)}")
        printed: list[str] = []
        complained: list[str] = []
        with subprocess.Popen(  # noqa: S603 (a list of words: no shell reads them)
            words,
            cwd=folder,
            env={**environment(), **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            self._process = process
            reader = threading.Thread(target=_read, args=(process.stderr, complained, log))
            reader.start()
            _read(process.stdout, printed, log)
            reader.join()
        self._process = None
        if process.returncode == 2:
            raise AirflowFailException(one_screen(complained, 2))
        if process.returncode:
            raise AirflowException(one_screen(complained, process.returncode))
        return "".join(printed)

    def stop(self) -> None:
        """Let it end as Ctrl-C does, so that its run's record is complete and its lease is free."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def environment() -> dict[str, str]:
    """The environment of a command: the worker's, without what is Airflow's own.

    Its connections are nobody else's, and its Python's folders have other packages.
    """
    own = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {
        key: text for key, text in os.environ.items() if "AIRFLOW" not in key and key not in own
    }


def one_screen(lines: Sequence[str], code: int) -> str:
    """The error that a command ended with, as it said it; otherwise the end of what it said."""
    starts = [place for place, line in enumerate(lines) if line.startswith("error: ")]
    shown = list(lines[starts[-1] :] if starts else lines)
    if not starts:
        shown = [f"the command ended with exit code {code}\n", *shown[-_SHOWN_LINES:]]
    more = len(shown) - _SHOWN_LINES
    if more > 1:
        shown = [*shown[:_SHOWN_LINES], f"… and {more} lines more in the log\n"]
    return "".join(shown).removeprefix("error: ").strip()


def _read(stream: IO[str] | None, into: list[str], log: Callable[[str], None]) -> None:
    for line in stream or ():
        into.append(line)
        log(line.rstrip())


# --- tasks ----------------------------------------------------------------------------------------


class DayHasLanded(BaseSensorOperator):
    """Wait until a day has landed, and begin a run.

    It looks at the names of the landing's folders, by one command that takes three seconds; between
    two looks it holds no worker. Where RudderStack loads the tables, the clock decides. What it
    found, and the id of the run, is its return value.
    """

    def __init__(self, **kwargs: Any) -> None:
        wait = float(os.environ.get("ENGAGEMENT_POLL_SECONDS", "300"))
        kwargs = {
            "mode": "reschedule",
            "poke_interval": wait,
            "timeout": timedelta(hours=12).total_seconds(),
            "pool": "default_pool",  # it does not touch the tables
            **kwargs,
        }
        super().__init__(**kwargs)
        self._command = Command()

    def poke(self, context: Mapping[str, Any]) -> PokeReturnValue:
        """Look once."""
        day = day_of(context)
        words = [*command(), "landed", str(day), "--format", "json", *parameters(context)]
        found = json.loads(self._command.run(words, self.log.info))
        run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        is_done = found["is_landed"] or not context["params"]["wait"]
        if not is_done:
            self.log.info("%s has not landed; the newest received date: %s", day, found["newest"])
        return PokeReturnValue(is_done, {**found, "run": run})

    def on_kill(self) -> None:
        """Stop the command."""
        self._command.stop()


class PageLink(BaseOperatorLink):
    """The executed notebook's page, of a failed one as far as it came."""

    name = "Executed page"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address that the task has found when it ran."""
        del ti_key
        return getattr(operator, "page", None) or ""


class ReportLink(BaseOperatorLink):
    """The report of the run."""

    name = "Report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address that the task has found when it ran."""
        del ti_key
        return getattr(operator, "report", None) or ""


class RunNotebook(BaseOperator):
    """Run one notebook by ``engagement run``, in the run that the sensor began.

    Parameters
    ----------
    notebook
        Its name. It is skipped where the form leaves it out.
    """

    operator_extra_links = (PageLink(), ReportLink())

    def __init__(self, *, notebook: str, **kwargs: Any) -> None:
        super().__init__(trigger_rule="none_failed", **kwargs)
        self.notebook = notebook
        self.page: str | None = None
        self.report: str | None = None
        self._command = Command()

    def execute(self, context: Mapping[str, Any]) -> str:
        """Run it; gives the address of its page."""
        asked = context["params"]
        if self.notebook not in asked.get("notebooks", NOTEBOOKS):
            raise AirflowSkipException(f"{self.notebook} is not among the notebooks asked for")
        found = context["ti"].xcom_pull(task_ids=LANDED)
        if not found:
            raise AirflowFailException(f"'{LANDED}' has not run: clear it too")
        self._find_pages(found)
        words = [*command(), "run", "--only", self.notebook, "--run", found["run"]]
        settings = received(context, found)
        if asked["as_of"]:
            settings.append(f"as_of={asked['as_of']}")
        else:
            words += ["--as-of-at-least", str(day_of(context))]
        self._command.run([*words, *parameters(context, *settings)], self.log.info)
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {
                "run": found["run"],
                "day": found["day"],
                "page": self.page,
                "report": self.report,
            }
        return self.page or ""

    def on_kill(self) -> None:
        """Stop the run, so that the next one finds the tables free."""
        self._command.stop()

    def _find_pages(self, found: Mapping[str, Any]) -> None:
        runs = (
            os.environ.get("ENGAGEMENT_PAGES", "").rstrip("/") or f"file://{quote(found['runs'])}"
        )
        self.page = f"{runs}/{found['run']}/notebooks/{self.notebook}.html"
        if self.notebook >= "04":
            self.report = f"{runs}/{found['run']}/report.html"


class BuildWithDbt(BaseOperator):
    """Export the models as a dbt project, and build them by the project's own ``run.sh``.

    It takes turns between ``dbt build`` and ``engagement build``, which makes the models that are
    Python functions. ``ENGAGEMENT_DBT`` names dbt's command, ``.venv-dbt/bin/dbt`` in the
    workbook's folder if left out; ``ENGAGEMENT_DBT_PROJECT`` the folder of the project with its
    ``profiles.yml``, ``build/dbt`` there if left out; ``ENGAGEMENT_DBT_TARGET`` the target,
    ``duckdb`` if left out.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trigger_rule="none_failed", **kwargs)
        self._command = Command()

    def execute(self, context: Mapping[str, Any]) -> None:
        """Export, and build."""
        project = Path(os.environ.get("ENGAGEMENT_DBT_PROJECT", str(HOME / "build/dbt")))
        target = os.environ.get("ENGAGEMENT_DBT_TARGET", "duckdb")
        export = [*command(), "export-dbt", "--target", target, "--to", str(project)]
        self._command.run([*export, *parameters(context)], self.log.info)
        params = str((HOME / context["params"]["params"]).resolve())
        # run.sh wants a command each, and runs in its own folder.
        commands = {
            "DBT": os.environ.get("ENGAGEMENT_DBT", str(HOME / ".venv-dbt/bin/dbt")),
            "ENGAGEMENT": shlex.join(command()),
            "ENGAGEMENT_PROJECT": str(HOME),
        }
        words = ["sh", "run.sh", str(day_of(context)), params]
        self._command.run(words, self.log.info, folder=project, variables=commands)

    def on_kill(self) -> None:
        """Stop the command that is running."""
        self._command.stop()
