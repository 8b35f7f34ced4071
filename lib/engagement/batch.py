"""Batch runs: the notebooks, in order, through papermill, into one folder per run.

``<run.directory>/<run id>/`` gets the executed notebooks and a page of each (``notebooks/``), what
they export, and ``run.json``: statuses, times, tables, rows and files.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import secrets
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

from engagement.landing.files import nothing_landed
from engagement.landing.tables import READING_TABLE
from engagement.settings import ROOT, Settings
from engagement.warehouse import Table, Warehouse, open_warehouse
from engagement.warehouse.base import StatementLog
from engagement.warehouse.dialect import LOGICAL
from engagement.warehouse.lease import TOKEN_VARIABLE
from engagement.workbook import RUN_VARIABLE, STATEMENTS

NOTEBOOKS = ROOT / "notebooks"
PARAMETERS = frozenset({"params", "overrides"})
"""The parameters that every notebook declares, and the only ones that the runner passes."""


class NotebookChoiceError(ValueError):
    """A notebook was asked for that there is not, or one that does not declare the parameters."""


class NotebookFailedError(RuntimeError):
    """A notebook stopped: which one, in which cell, and the error, on one screen."""


@dataclass
class NotebookRun:
    """How one notebook of a run went; ``status`` is waiting, running, done, failed or not run."""

    name: str
    status: str = "waiting"
    seconds: float = 0.0
    error: str | None = None


@dataclass
class RunRecord:
    """What ``run.json`` holds.

    ``tables`` gives rows, ``files`` bytes and sha256, ``statements`` how many there were, their
    seconds and, on AWS, what they scanned and cost.
    """

    id: str
    engine: str
    params: str
    overrides: dict[str, Any]
    started: str
    status: str = "running"
    as_of: str | None = None
    ended: str | None = None
    notebooks: list[NotebookRun] = field(default_factory=list)
    tables: dict[str, int] = field(default_factory=dict)
    statements: dict[str, float] = field(default_factory=dict)
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
    progress: Progress = _silent,
) -> tuple[RunRecord, Path]:
    """Run notebooks in order, in a new run folder.

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
    """
    for name in names:
        _check_declared(name)
    warehouse = open_warehouse(settings)
    landing, span = warehouse.landing_files(), settings.landing
    if not landing.files:
        raise nothing_landed(landing.location, len(landing.strays), span.from_, span.to)
    started = datetime.now(UTC)
    record = RunRecord(
        id=f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
        engine=settings.warehouse.engine,
        params=_relative(params),
        overrides=dict(overrides),
        started=started.isoformat(timespec="seconds"),
        notebooks=[NotebookRun(name) for name in names],
    )
    folder = settings.path(settings.run.directory) / record.id
    with warehouse.lease(f"run {record.id}") as token, _environment(record.id, token):
        (folder / "notebooks").mkdir(parents=True)
        try:
            for notebook in record.notebooks:
                _run_one(notebook, record, folder, params, overrides, progress)
            record.status = "done"
        finally:
            if record.status != "done":
                record.status = "failed"
            for notebook in record.notebooks:
                if notebook.status in ("waiting", "running"):
                    notebook.status = "not run"
            record.ended = datetime.now(UTC).isoformat(timespec="seconds")
            warehouse.log.path = folder / STATEMENTS
            record.tables = table_rows(warehouse)
            record.statements = statement_totals(warehouse.log)
            record.files = _files(folder)
            _write(record, folder)
            progress(record)
    return record, folder


def _run_one(
    notebook: NotebookRun,
    record: RunRecord,
    folder: Path,
    params: Path,
    overrides: Mapping[str, Any],
    progress: Progress,
) -> None:
    # Slow to import, and only batch runs need it.
    import papermill
    from papermill.exceptions import PapermillExecutionError

    notebook.status = "running"
    progress(record)
    _write(record, folder)
    started = time.perf_counter()
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
                extra_arguments=["--log-level=40"],
            )
        notebook.status = "done"
    except PapermillExecutionError as error:
        notebook.status = "failed"
        notebook.error = f"{error.ename}: {error.evalue}"
        raise NotebookFailedError(_one_screen(notebook.name, error, output)) from None
    finally:
        notebook.seconds = round(time.perf_counter() - started, 2)
        if output.exists():
            _to_html(output)
        record.as_of = _as_of(folder)


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
    before = {name: os.environ.get(name) for name in (RUN_VARIABLE, TOKEN_VARIABLE)}
    os.environ[RUN_VARIABLE], os.environ[TOKEN_VARIABLE] = run_id, token
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _to_html(notebook: Path) -> None:
    import nbformat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page, _ = _exporter().from_notebook_node(
            nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
        )
    notebook.with_suffix(".html").write_text(page, encoding="utf-8")


@cache
def _exporter() -> Any:
    """The exporter of nbconvert: it compiles its templates on first use, so one serves for all."""
    from nbconvert.exporters import HTMLExporter

    return HTMLExporter()  # type: ignore[no-untyped-call]


_TABLES_AT_ONCE = 20
"""Tables that one statement counts: each is a stage or two of it, which Athena limits."""


def table_rows(warehouse: Warehouse) -> dict[str, int]:
    """Rows of every table of the warehouse, by name."""
    if not warehouse.exists():
        return {}
    rows: dict[str, int] = {}
    with warehouse.session() as session:
        found = [Table(database, name) for database in LOGICAL for name in session.tables(database)]
        # Counting the one that reads the files would read the whole landing.
        tables = [table for table in found if table != READING_TABLE]
        for start in range(0, len(tables), _TABLES_AT_ONCE):
            some = tables[start : start + _TABLES_AT_ONCE]
            query: exp.Query = _count(0, some[0])
            for number, table in enumerate(some[1:], 1):
                query = exp.union(query, _count(number, table), distinct=False, copy=False)
            counts = session.query(query, label="rows of tables").sort_values("number")["n"]
            rows.update({str(t): int(n) for t, n in zip(some, counts, strict=True)})
    return rows


def _count(number: int, table: Table) -> exp.Select:
    columns = {"number": exp.Literal.number(number), "n": exp.Count(this=exp.Star())}
    named = (exp.alias_(value, name) for name, value in columns.items())
    return exp.select(*named).from_(table.node())


def statement_totals(log: StatementLog) -> dict[str, float]:
    """What the statements of a run took together."""
    kept = log.kept()
    totals: dict[str, float] = {
        "count": len(kept),
        "seconds": round(sum(statement.seconds for statement in kept), 3),
    }
    if any(statement.usd is not None for statement in kept):
        totals["scanned_bytes"] = sum(statement.scanned_bytes or 0 for statement in kept)
        totals["usd"] = round(sum(statement.usd or 0.0 for statement in kept), 6)
    return totals


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in ("run.json", "state.json", STATEMENTS):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            name = path.relative_to(folder).as_posix()
            files[name] = {"bytes": path.stat().st_size, "sha256": digest}
    return files


def _as_of(folder: Path) -> str | None:
    state = folder / "state.json"
    if not state.exists():
        return None
    return str(json.loads(state.read_text(encoding="utf-8"))["as_of"])


def _write(record: RunRecord, folder: Path) -> None:
    """Write ``run.json`` in one step, so that a reader never finds half of it."""
    partial = folder / "run.json.part"
    partial.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / "run.json")


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
