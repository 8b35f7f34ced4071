"""Batch runs: the notebooks, in order, through papermill, into one folder per run.

``<run.directory>/<run id>/`` gets the executed notebooks and a page of each (``notebooks/``), what
they export, and ``run.json``: statuses, times, tables, rows and files.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlglot import exp

from engagement import alerts, owner_only
from engagement.errors import FailedError, WrongInputError
from engagement.landing.tables import READING_TABLE
from engagement.output import notices
from engagement.privacy import masked
from engagement.records.files import nothing_landed
from engagement.runs import history, notify, scheduling
from engagement.runs.reuse import FOLDER as INPUTS
from engagement.runs.reuse import Reuse
from engagement.runs.workbook import (
    NOTEBOOK_VARIABLE,
    RUN_VARIABLE,
    STATE,
    STATEMENTS,
    as_of_text,
    new_run_id,
)
from engagement.settings import ROOT, Settings
from engagement.sql.dialect import LOGICAL
from engagement.warehouse import (
    Table,
    Warehouse,
    WarehouseError,
    costs,
    doing,
    open_warehouse,
    reads,
)
from engagement.warehouse.lease import TOKEN_VARIABLE
from engagement.warehouse.reading import LandingWarehouse
from engagement.warehouse.statements import Statement

logger = logging.getLogger("engagement")

NOTEBOOKS = ROOT / "notebooks"
PARAMETERS = frozenset({"params", "overrides"})
"""The parameters that every notebook declares, and the only ones that the runner passes."""

AFTERWARDS = "after the notebooks"
"""Stands for a notebook where a run's own statements are listed."""

NOTICE = "notice.txt"
"""The file of a run's folder that says what its notebook is waiting for; it is gone afterwards."""

_COUNTED_AT_ONCE = 200


class NotebookChoiceError(WrongInputError):
    """A notebook was asked for that there is not, or one that does not declare the parameters."""


class NotebookFailedError(FailedError):
    """A notebook stopped: which one, in which cell, and the error, on one screen."""


@dataclass
class NotebookRun:
    """How one notebook of a run went; ``status`` is waiting, running, done, failed or not run.

    ``statements`` is what its statements took together. ``executed_in`` is the run that executed
    it, where its page was used again; ``why`` says what made it be executed again.
    """

    name: str
    status: str = "waiting"
    seconds: float = 0.0
    error: str | None = None
    executed_in: str | None = None
    why: str | None = None
    statements: dict[str, float] = field(default_factory=dict)


@dataclass
class RunRecord:
    """What ``run.json`` holds.

    ``as_of`` is the day that the tables stand for, ``as_of_end`` its end, in UTC, or the moment of
    the newest event. ``tables`` gives rows, ``files`` bytes and sha256, ``statements`` how many
    there were, their seconds, rows and, on AWS, what they scanned and cost; ``each_statement`` the
    same one by one (their texts are in ``statements.jsonl``). ``alerts`` holds what somebody should
    look at: its kind, what it is about, the day, and a sentence. ``notes`` says what could not be
    recorded, and why. ``figures`` are those that the end of a run tells of.
    """

    id: str
    engine: str
    params: str
    overrides: dict[str, Any]
    started: str
    status: str = "running"
    as_of: str | None = None
    as_of_end: str | None = None
    ended: str | None = None
    notebooks: list[NotebookRun] = field(default_factory=list)
    tables: dict[str, int] = field(default_factory=dict)
    figures: dict[str, int | float] = field(default_factory=dict)
    statements: dict[str, float] = field(default_factory=dict)
    each_statement: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)


Progress = Callable[[RunRecord], None]


def _silent(record: RunRecord) -> None:
    del record


def notebooks() -> list[str]:
    """Names of the numbered notebooks, in order."""
    return sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def choose(only: Sequence[str] = (), first: str | None = None) -> list[str]:
    """Names of the notebooks to run: all, ``only`` some, or all from a ``first`` one on.

    A notebook may be named by its number (``02``), its name, or its file.

    Raises
    ------
    NotebookChoiceError
        When there is no such notebook: the nearest name.
    """
    everything = notebooks()
    chosen = sorted({_find(name, everything) for name in only}) if only else everything
    if first is not None:
        start = _find(first, everything)
        chosen = [name for name in chosen if name >= start]
    if not chosen:
        raise NotebookChoiceError("--only and --from leave no notebook to run")
    return chosen


def _find(name: str, everything: Sequence[str]) -> str:
    stem = Path(name).name.removesuffix(".ipynb")
    for known in everything:
        if stem in (known, known[:2], known[3:]):
            return known
    near = difflib.get_close_matches(stem, [*everything, *(k[3:] for k in everything)], n=1)
    hint = f"did you mean '{near[0]}'?" if near else "they are: " + ", ".join(everything)
    raise NotebookChoiceError(f"there is no notebook '{name}'; {hint}")


def run(
    settings: Settings,
    params: Path,
    overrides: Mapping[str, Any],
    names: Sequence[str],
    *,
    run_id: str | None = None,
    progress: Progress = _silent,
    force: bool = False,
) -> tuple[RunRecord, Path]:
    """Run notebooks in order, in a new run folder, or in that of the run ``run_id``.

    A run that has begun keeps what its other notebooks did; it is done when all of them are.

    Parameters
    ----------
    force
        Execute every notebook, also those that would find everything as it was.

    Returns
    -------
    tuple of RunRecord and Path
        What happened, and the run's folder.

    Raises
    ------
    NotebookFailedError
        When a notebook stopped; those before it have done their work.
    LeaseHeldError
        When another run writes this warehouse.
    LandingError
        When the landing is missing or holds no file, before anything runs.
    RunChoiceError
        When the folder of ``run_id`` cannot be added to.
    """
    for name in names:
        _check_declared(name)
    warehouse = open_warehouse(settings)
    landing = None
    if isinstance(warehouse, LandingWarehouse):
        landing, span = warehouse.landing_files(), settings.landing
        if not landing.files:
            raise nothing_landed(landing.location, landing.strays, span.from_, span.to)
    started = datetime.now(UTC)
    record = RunRecord(
        id=run_id or new_run_id(),
        engine=settings.warehouse.engine,
        params=_relative(params),
        overrides=dict(overrides),
        started=started.isoformat(timespec="seconds"),
        notebooks=[NotebookRun(name) for name in names],
    )
    folder = settings.path(settings.run.directory) / record.id
    with (
        warehouse.lease(f"run {record.id}") as token,
        _environment(record.id, token),
        notices.kept_in(folder / NOTICE),
    ):
        told = _take_up(record, folder) if run_id else None
        owner_only.folder(folder / "notebooks")
        write_record(record, folder)
        reuse = Reuse(
            warehouse,
            settings,
            run_id=record.id,
            params=record.params,
            overrides=overrides,
            notebooks=NOTEBOOKS,
            listing=landing,
            force=force,
        )
        try:
            for notebook in record.notebooks:
                if notebook.name not in names:
                    continue
                if not _use_again(notebook, record, folder, reuse, progress):
                    _run_one(notebook, record, folder, params, overrides, progress, reuse)
            is_whole = all(notebook.status == "done" for notebook in record.notebooks)
            record.status = "done" if is_whole else "failed"
        finally:
            if record.status != "done":
                record.status = "failed"
            for notebook in record.notebooks:
                if notebook.status in ("waiting", "running"):
                    notebook.status = "not run"
            record.ended = datetime.now(UTC).isoformat(timespec="seconds")
            warehouse.log.path, warehouse.log.notebook = folder / STATEMENTS, AFTERWARDS
            if record.status == "done" and (told is None or _has_figures(names)):
                _look_for_alerts(warehouse, record, settings)
            _take_stock(warehouse, record, settings.run.keep_runs)
            news = asdict(record) if told is None else _news(record, names, told)
            record.notes += notify.tell(settings.notify, settings.project, news)
            record.files = _files(folder, reuse.finish())
            reuse.remember(record.files)
            write_record(record, folder)
            progress(record)
            if settings.run.keep_folders is not None:
                history.prune(settings, keep=settings.run.keep_folders, but=record.id)
    return record, folder


def _take_up(record: RunRecord, folder: Path) -> list[dict[str, Any]]:
    """Go on with a run that has begun, if it has; gives the alerts that it has told of."""
    found = scheduling.begun(folder, record.params, record.overrides)
    if not found:
        return []
    own = {notebook.name for notebook in record.notebooks}
    others = [NotebookRun(**one) for one in found["notebooks"] if one["name"] not in own]
    record.notebooks = sorted([*others, *record.notebooks], key=lambda notebook: notebook.name)
    record.started, record.alerts = found["started"], list(found["alerts"])
    record.figures = dict(found["figures"])
    if found["overrides"].get("as_of") != record.overrides.get("as_of"):
        (folder / STATE).unlink(missing_ok=True)
    return list(record.alerts)


def _has_figures(names: Sequence[str]) -> bool:
    """Whether the figures that alerts look at are those of this run: 04 makes them."""
    return any(name.startswith("04") for name in names)


def _news(
    record: RunRecord, names: Sequence[str], told: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What is to be told of notebooks that were added to a run: nothing twice."""
    own = [notebook for notebook in record.notebooks if notebook.name in names]
    status = "done" if all(notebook.status == "done" for notebook in own) else "failed"
    alerts = [alert for alert in record.alerts if alert not in told]
    return {
        **asdict(record),
        "status": status,
        "notebooks": [asdict(notebook) for notebook in own],
        "alerts": alerts,
    }


def _look_for_alerts(warehouse: Warehouse, record: RunRecord, settings: Settings) -> None:
    """Record the alerts; if they cannot be checked, note why."""
    try:
        record.alerts = alerts.as_records(alerts.look(warehouse, settings))
    except WarehouseError as error:
        record.notes.append(f"alerts were not checked: {error}")
        logger.warning("alerts were not checked: %s", error)


def _take_stock(warehouse: Warehouse, record: RunRecord, keep_runs: int) -> None:
    """Count the tables, and record what the run cost; what cannot be done is noted, not raised.

    A run may have failed for the same reason (credentials that expired, a spending limit), and
    that reason is the one to be told.
    """

    def noted(what: str, step: Callable[[], None]) -> None:
        try:
            step()
        except WarehouseError as error:
            record.notes.append(f"{what}: {error}")
            logger.warning("%s: %s", what, error)

    def count() -> None:
        record.tables = table_rows(warehouse)

    def account() -> None:
        kept = warehouse.log.kept()
        record.statements = costs.totals(kept)
        record.each_statement = [costs.described(statement) for statement in kept]
        for notebook in record.notebooks:
            notebook.statements = costs.totals(_of(notebook.name, kept))
        if kept and warehouse.exists():
            costs.remember(warehouse, record.id, kept, keep_runs)

    noted("the tables were not counted", count)
    noted(f"{costs.RUN_STATEMENTS} is without this run", account)


def _of(notebook: str, statements: Sequence[Statement]) -> list[Statement]:
    return [statement for statement in statements if statement.notebook == notebook]


def _use_again(
    notebook: NotebookRun, record: RunRecord, folder: Path, reuse: Reuse, progress: Progress
) -> bool:
    """Use the last page of a notebook again, if all that it was made from is as it was."""
    started = time.perf_counter()
    page = reuse.find(notebook.name)
    if page is not None:
        try:
            reuse.use(page)
        except (OSError, ValueError):
            reuse.why, page = "its page cannot be read", None
    if page is None:
        notebook.why = reuse.why or None
        return False
    notebook.status, notebook.executed_in = "done", page.made.executed_in
    notebook.seconds = round(time.perf_counter() - started, 2)
    as_of = reuse.as_of()
    if as_of is not None and not (folder / STATE).exists():
        owner_only.write(folder / STATE, as_of_text(as_of))
    record.as_of, record.as_of_end = _as_of(folder)
    progress(record)
    return True


def _run_one(
    notebook: NotebookRun,
    record: RunRecord,
    folder: Path,
    params: Path,
    overrides: Mapping[str, Any],
    progress: Progress,
    reuse: Reuse,
) -> None:
    # Slow to import, and only batch runs need it.
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    # A run that is told to end may leave a task of nbclient's behind, whose error nobody asks for:
    # asyncio would print it as the process ends, long after what there was to say was said.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    notebook.status = "running"
    progress(record)
    write_record(record, folder)
    started = time.perf_counter()
    os.environ[NOTEBOOK_VARIABLE] = notebook.name
    os.environ[reads.VARIABLE] = str(reuse.reads(notebook.name))
    reuse.begin()
    output = folder / "notebooks" / f"{notebook.name}.ipynb"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            papermill.execute_notebook(
                str(NOTEBOOKS / f"{notebook.name}.ipynb"),
                str(output),
                parameters={"params": str(params), "overrides": dict(overrides)},
                kernel_name="python3",
                cwd=str(NOTEBOOKS),
                progress_bar=False,
                language="python",
                # A kernel that is told to end calls that an error, which it is not.
                extra_arguments=["--log-level=50"],
            )
        notebook.status = "done"
    except PapermillExecutionError as error:
        notebook.status = "failed"
        notebook.error = masked(f"{error.ename}: {error.evalue}")
        raise NotebookFailedError(masked(_one_screen(notebook.name, error, output))) from None
    except DeadKernelError:
        notebook.status = "failed"
        notebook.error = "its kernel died"
        raise NotebookFailedError(
            f"{notebook.name} stopped: its kernel died, most often because the machine had no "
            "memory left. Bound what the engine takes (warehouse.duckdb.memory_limit), close other "
            f"programs, and run it again.\n\nThe notebook as far as it came: {_relative(output)}"
        ) from None
    finally:
        notebook.seconds = round(time.perf_counter() - started, 2)
        if output.exists():
            _mask_messages(output)
            _to_html(output)
        owner_only.tighten(folder)
        record.as_of, record.as_of_end = _as_of(folder)
        del os.environ[reads.VARIABLE]
        (folder / doing.FILE).unlink(missing_ok=True)
    reuse.executed(notebook.name)


def _one_screen(name: str, error: Any, output: Path) -> str:
    source = str(error.source).strip().splitlines()
    shown = source[:12] + (["…"] if len(source) > 12 else [])
    cell = "\n".join(f"    {line}" for line in shown)
    message = "\n".join(f"  {line}" for line in str(error.evalue).splitlines()[:25])
    return (
        f"{name} stopped in cell {error.exec_count}:\n\n{cell}\n\n{error.ename}:\n{message}\n\n"
        f"The notebook as far as it came: {_relative(output)}"
    )


def _check_declared(name: str) -> None:
    """Refuse a notebook without the two parameters: papermill would only warn."""
    document = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    cells = [
        "".join(cell["source"])
        for cell in document["cells"]
        if "parameters" in cell["metadata"].get("tags", [])
    ]
    declared = {
        line.partition("=")[0].strip()
        for cell in cells
        for line in cell.splitlines()
        if "=" in line
    }
    if len(cells) != 1 or declared != PARAMETERS:
        raise NotebookChoiceError(
            f"{name}: a notebook needs one cell tagged 'parameters' that sets params and "
            "overrides, and nothing else"
        )


@contextmanager
def _environment(run_id: str, token: str) -> Iterator[None]:
    """Tell the kernels, which are processes of their own, whose run they belong to."""
    names = (RUN_VARIABLE, TOKEN_VARIABLE, NOTEBOOK_VARIABLE, reads.VARIABLE)
    before = {name: os.environ.get(name) for name in names}
    os.environ[RUN_VARIABLE], os.environ[TOKEN_VARIABLE] = run_id, token
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _mask_messages(notebook: Path) -> None:
    """Mask what errors and warnings repeat of the data in an executed notebook.

    Tables and charts are masked where they are made; what Python prints of an error is not ours.
    """
    document = json.loads(notebook.read_text(encoding="utf-8"))
    changed = False
    for cell in document["cells"]:
        for output in cell.get("outputs", ()):
            for key in _MESSAGES & output.keys():
                before = output[key]
                is_text = isinstance(before, str)
                output[key] = masked(before) if is_text else [masked(line) for line in before]
                changed = changed or output[key] != before
    if changed:
        owner_only.replace(notebook, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


_MESSAGES = {"evalue", "traceback", "text"}
"""Parts of outputs that errors and streams have."""


def _to_html(notebook: Path) -> None:
    import nbformat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page, _ = _exporter().from_notebook_node(
            nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
        )
    owner_only.write(notebook.with_suffix(".html"), page)


@cache
def _exporter() -> Any:
    """The exporter of nbconvert: it compiles its templates on first use, so one serves for all."""
    from nbconvert.exporters import HTMLExporter

    return HTMLExporter()  # type: ignore[no-untyped-call]


def table_rows(warehouse: Warehouse) -> dict[str, int]:
    """Rows of every table of the warehouse, by name; of those about runs themselves, of none.

    Many tables are counted by one statement: on Athena each takes a second.
    """
    if not warehouse.exists():
        return {}
    # Counting the table that people read the landing through would read the whole landing.
    left_out = costs.ABOUT_RUNS | {READING_TABLE}
    rows: dict[str, int] = {}
    with warehouse.session() as session:
        tables = [
            Table(database, name) for database in LOGICAL for name in session.tables(database)
        ]
        counted = [table for table in tables if table not in left_out]
        for start in range(0, len(counted), _COUNTED_AT_ONCE):
            some = counted[start : start + _COUNTED_AT_ONCE]
            found = session.query(_counts(some), label="rows of the tables")
            by_place = dict(zip(found["place"], found["n"], strict=True))
            rows |= {str(table): int(by_place[place]) for place, table in enumerate(some)}
    return rows


def _counts(tables: Sequence[Table]) -> exp.Query:
    """A query with the rows of each table, by its place in the list."""
    counts: list[exp.Query] = [
        exp.select(
            exp.alias_(exp.Literal.number(place), "place"),
            exp.alias_(exp.Count(this=exp.Star()), "n"),
        ).from_(table.node())
        for place, table in enumerate(tables)
    ]
    return functools.reduce(
        lambda one, other: exp.union(one, other, distinct=False, copy=False), counts
    )


def _files(folder: Path, known: Mapping[str, tuple[int, int, str]]) -> dict[str, dict[str, Any]]:
    """Bytes and sha256 of the files of a run's folder; those of ``known`` ones are not read."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name in ("run.json", STATE, STATEMENTS, NOTICE, doing.FILE) or not path.is_file():
            continue
        if name.startswith(f"{INPUTS}/"):
            continue
        state = path.stat()
        if known.get(name, ())[:2] == (state.st_size, state.st_mtime_ns):
            digest = known[name][2]
        else:
            with path.open("rb") as stream:  # an export may be larger than the memory
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        files[name] = {"bytes": state.st_size, "sha256": digest}
    return files


def _as_of(folder: Path) -> tuple[str | None, str | None]:
    """The as-of day and its end, once a notebook has resolved them."""
    state = folder / STATE
    if not state.exists():
        return None, None
    found = json.loads(state.read_text(encoding="utf-8"))
    return found["as_of"], found["as_of_end"]


def write_record(record: RunRecord, folder: Path) -> None:
    """Write ``run.json`` in one step, so that a reader never finds half of it."""
    owner_only.replace(folder / "run.json", json.dumps(asdict(record), indent=2) + "\n")


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
