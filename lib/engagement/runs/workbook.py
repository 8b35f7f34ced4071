"""What a notebook opens: the settings, the warehouse, the run's folder and the as-of moment.

Every notebook starts with ``book = workbook.open(...)`` and ends with ``book.statements()``. A
notebook that ``engagement run`` executes writes into that run's folder; one that is run by hand
writes into ``<run.directory>/interactive``.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import yaml
from IPython.core.getipython import get_ipython
from IPython.core.pylabtools import select_figure_formats
from IPython.display import Markdown

from engagement import owner_only
from engagement.as_of import AsOf, in_words, require_events, resolve_as_of
from engagement.models import provenance
from engagement.output import formatting
from engagement.privacy import shown
from engagement.settings import ROOT, Settings, SettingsError, load_settings
from engagement.sql.dialect import parse, tables
from engagement.warehouse import (
    Table,
    Warehouse,
    WarehouseError,
    costs,
    doing,
    open_warehouse,
    reads,
)

logger = logging.getLogger("engagement")

RUN_VARIABLE = "ENGAGEMENT_RUN_ID"
NOTEBOOK_VARIABLE = "ENGAGEMENT_NOTEBOOK"
INTERACTIVE = "interactive"
STATE = "state.json"
STATEMENTS = "statements.jsonl"

AS_OF_READ = "as of"
"""How it is noted that a notebook has asked for the as-of moment: see :mod:`.reuse`."""


class Workbook:
    """One notebook's handle on everything it uses.

    Attributes
    ----------
    settings, warehouse
        The parameters of this run, and the engine they name.
    folder
        The run's folder; :meth:`file` makes places in it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.warehouse: Warehouse = open_warehouse(settings)
        self._run_id = os.environ.get(RUN_VARIABLE) or INTERACTIVE
        self.folder = settings.path(settings.run.directory) / self._run_id
        self.warehouse.log.notebook = _notebook()
        self._required: set[str] = set()
        self._costs_id = self._run_id
        if self._run_id == INTERACTIVE:
            self._costs_id = f"{new_run_id()}-{INTERACTIVE}"
        else:
            self.warehouse.log.path = self.file(STATEMENTS)
            self.warehouse.log.telling = doing.Telling(self.file(doing.FILE))

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Run a query in Athena's dialect, in which ``:as_of`` and ``:timezone`` may be used.

        The rows are to be looked at: what looks like somebody's address, card or token is masked.
        """
        values: dict[str, Any] = {"timezone": self.settings.timezone, **(parameters or {})}
        if ":as_of" in sql:
            values.setdefault("as_of", self.as_of.day)
        tree = parse(sql)
        marts = {table.name for table in tables(tree) if table.database == provenance.MARTS}
        self.require(*sorted(marts - self._required))
        return shown(self.warehouse.query(tree, values))

    def require(self, *models: str) -> None:
        """See to it that models' tables were built with this notebook's parameters.

        Raises
        ------
        ModelError
            When one was not: which of the parameters differ, and what to do.
        """
        if models and provenance.is_known(self.warehouse, models):
            from engagement.models.runner import require

            require(self.warehouse, self.settings, self.as_of, models)
        self._required |= set(models)

    def table(self, name: str, *, limit: int = 10, order_by: str = "1") -> pd.DataFrame:
        """Show the first rows of a table, in the order of ``order_by``."""
        Table.parse(name)
        return self.query(f"select * from {name} order by {order_by} limit {limit}")

    def columns(self, name: str) -> pd.DataFrame:
        """List the columns of a table with their types, in Athena's terms."""
        with self.warehouse.session() as session:
            found = session.columns(Table.parse(name))
        return pd.DataFrame(list(found.items()), columns=["column", "type"])

    def settings_frame(self) -> pd.DataFrame:
        """The settings that decide what the numbers are, one row each."""
        s = self.settings
        reads = s.warehouse.engines()[s.warehouse.engine].landing_in is not None
        rows = [
            ("warehouse.engine", s.warehouse.engine),
            ("landing.location", s.landing.location if reads else "not read"),
            ("timezone", s.timezone),
            ("as_of", in_words(s)),
            ("duplicates.window_days", s.duplicates.window_days),
            ("sessions.gap_minutes", s.sessions.gap_minutes),
            ("attribution.lookback_days", s.attribution.lookback_days),
            ("currency.reporting", s.currency.reporting),
            ("metrics.exclude_bots", s.metrics.exclude_bots),
            ("metrics.settling_days", s.metrics.settling_days),
            ("audience.segment", s.audience.segment),
        ]
        return pd.DataFrame([(k, str(v)) for k, v in rows], columns=["key", "value"])

    def sql(self, select: str, parameters: Mapping[str, Any] | None = None) -> Markdown:
        """Show a query as the engine in use runs it."""
        return _markdown(f"```sql\n{self.warehouse.render(select, parameters)}\n```")

    def markdown(self, text: str) -> Markdown:
        """Show a sentence with the numbers that a cell has just found, as Markdown."""
        return _markdown(text)

    def model(self, name: str) -> Markdown:
        """Show a model's SQL as it stands in its file."""
        from engagement.models.runner import model

        return _markdown(f"```sql\n{model(name).sql.strip()}\n```")

    @property
    def as_of(self) -> AsOf:
        """What models see: the parameters' ``as_of``, resolved.

        A run resolves it once and records it, so that all its notebooks see the same.

        Raises
        ------
        WarehouseError
            When no event was ever flattened: 02 comes first.
        """
        reads.note(AS_OF_READ)
        recorded = self._recorded()
        if recorded is not None:
            return recorded
        if isinstance(self.settings.as_of, date):  # any other looks at the events by itself
            with self.warehouse.session() as session:
                require_events(session)
        resolved = resolve_as_of(self.warehouse, self.settings)
        if self._run_id != INTERACTIVE:
            owner_only.write(self.file(STATE), as_of_text(resolved))
        return resolved

    def _recorded(self) -> AsOf | None:
        return None if self._run_id == INTERACTIVE else recorded_as_of(self.folder)

    def file(self, name: str) -> Path:
        """Path of a file in the run's folder, whose parents exist and are private."""
        path = self.folder / name
        owner_only.folder(path.parent)
        return path

    def links(self) -> Markdown:
        """Links to what the run has written: the report, and each folder of exports.

        They lead there from the executed notebook in a run's folder, and from ``notebooks/`` by
        hand.
        """
        by_hand = self._run_id == INTERACTIVE
        here = ROOT / "notebooks" if by_hand else self.folder / "notebooks"
        written = [self.folder / "report.html", *sorted(self.folder.glob("exports/*/*"))]
        lines = [
            f"- [{path.relative_to(self.folder).as_posix()}]({_link(path, here)})"
            for path in written
            if path.is_file() and "rejects" not in path.parts
        ]
        return _markdown("\n".join(lines) or "Nothing was written yet.")

    def statements(self) -> pd.DataFrame:
        """What this notebook ran: each statement with its rows, seconds and, on AWS, cost.

        Totals come last: of the notebook, and of the run that it is part of, so far. A notebook
        that was run by hand and may have published adds its statements to
        ``landing.run_statements`` here; those of a run come there when the run ends.
        """
        log = self.warehouse.log
        own, whole = list(log.statements), log.kept()
        if self._run_id == INTERACTIVE and log.may_have_written:
            try:
                costs.remember(self.warehouse, self._costs_id, own, self.settings.run.keep_runs)
            except WarehouseError as error:
                logger.warning("%s is without this notebook: %s", costs.RUN_STATEMENTS, error)
        frame = costs.frame(own, "this notebook")
        if len(whole) > len(own):
            frame = pd.concat([frame, costs.frame(whole, "this run, so far").tail(1)])
        return frame.reset_index(drop=True)


def open(  # noqa: A001 (workbook.open reads best in a notebook)
    params: str | Path | None = None, overrides: Mapping[str, Any] | str | None = None
) -> Workbook:
    """Open the workbook with a notebook's two parameters.

    Schedulers whose parameters are texts, such as SageMaker's, give ``overrides`` as YAML.

    Raises
    ------
    engagement.settings.SettingsError
        When the parameters cannot be used, with every mistake.
    """
    _show_results()
    if isinstance(overrides, str):
        overrides = _from_text(overrides)
    return Workbook(load_settings(params or None, overrides or None))


def _from_text(overrides: str) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(overrides)
    except yaml.YAMLError:
        found = overrides
    if found is None:
        return {}
    if not isinstance(found, dict):
        problem = "overrides: write dotted keys and their values: {as_of: 2026-10-30}"
        raise SettingsError("the notebook's parameters", [problem])
    return found


def new_run_id() -> str:
    """A name for a run, which sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def recorded_as_of(folder: Path) -> AsOf | None:
    """What a run has resolved its as-of moment to; ``None`` if it has not yet."""
    state = folder / STATE
    if not state.exists():
        return None
    found = json.loads(state.read_text(encoding="utf-8"))
    return AsOf(
        day=date.fromisoformat(found["as_of"]),
        end=datetime.fromisoformat(found["as_of_end"]),
        is_latest=found["is_latest"],
    )


def as_of_text(as_of: AsOf) -> str:
    """An as-of moment as a run's state holds it."""
    written = {
        "as_of": as_of.day.isoformat(),
        "as_of_end": as_of.end.isoformat(),
        "is_latest": as_of.is_latest,
    }
    return json.dumps(written)


def _notebook() -> str:
    """The name of the notebook that is running: the runner says it, or Jupyter does."""
    named = os.environ.get(NOTEBOOK_VARIABLE) or os.environ.get("JPY_SESSION_NAME", "")
    return Path(named).name.removesuffix(".ipynb") or INTERACTIVE


def _link(path: Path, here: Path) -> str:
    return quote(Path(os.path.relpath(path, here)).as_posix())


def _markdown(text: str) -> Markdown:
    return Markdown(text)  # type: ignore[no-untyped-call]


def _show_results() -> None:
    """Let a notebook show tables in one format, and a Figure without pyplot's global state."""
    shell = get_ipython()
    if shell is not None:
        select_figure_formats(shell, {"png"})  # type: ignore[no-untyped-call]
        formatting.install(shell)
