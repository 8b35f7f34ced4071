"""``engagement run``: the notebooks in order, once or whenever something has landed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.status import Status

from engagement.cli.console import (
    Params,
    Sets,
    console,
    errors,
    params_path,
    plain,
    settings_from,
    shown_path,
)
from engagement.privacy import masked
from engagement.settings import (
    Settings,
    parse_override,
)

if TYPE_CHECKING:
    from engagement.runs.batch import NotebookRun


def run(
    params: Params = None,
    set_: Sets = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Run this notebook (02, or its name). Repeatable.", metavar="NOTEBOOK"),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Run this notebook and those after it.", metavar="NOTEBOOK"),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Execute every notebook, also where nothing that it reads has changed."
        ),
    ] = False,
    run_id: Annotated[
        str | None,
        typer.Option(
            "--run",
            help="Add to the folder of this run, or begin it: for schedulers that run the "
            "notebooks one by one.",
            metavar="RUN",
        ),
    ] = None,
    at_least: Annotated[
        datetime | None,
        typer.Option(
            "--as-of-at-least",
            formats=["%Y-%m-%d"],
            help="As of this day, or the day that the tables stand for if that is later: a "
            "backfill takes no table back in time.",
            metavar="DAY",
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="Run again whenever something has landed, with as_of: latest."
        ),
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="With --follow: seconds from a landing to the run.")
    ] = 5.0,
) -> None:
    """Run the notebooks in order into a new folder under runs/."""
    from engagement.runs import batch, scheduling
    from engagement.warehouse import open_warehouse

    names = batch.choose(only or (), from_)
    if follow and (run_id or at_least):
        raise typer.BadParameter("--follow goes with neither --run nor --as-of-at-least")
    if at_least and _sets_as_of(set_):
        raise typer.BadParameter("--as-of-at-least and --set as_of=… exclude each other")
    if follow:
        _follow(params, set_, names, wait, force=force)
        return
    settings, overrides = settings_from(params, set_)
    if at_least:
        day = scheduling.at_least(open_warehouse(settings), at_least.date())
        settings, overrides = settings_from(params, [*(set_ or []), f"as_of={day}"])
    _run_once(settings, params, overrides, names, run_id, force=force)


def _run_once(
    settings: Settings,
    params: str | None,
    overrides: dict[str, Any],
    names: list[str],
    run_id: str | None = None,
    *,
    force: bool,
) -> None:
    from engagement.runs import batch, checks, summary
    from engagement.warehouse import open_warehouse

    checks.refuse_wrong_input(settings, names)
    every = None if console.is_terminal else settings.run.progress_seconds
    with console.status("starting") as status, _watched(status, every) as watch:
        shown: set[str] = set()

        def progress(record: batch.RunRecord) -> None:
            for number, notebook in enumerate(record.notebooks, start=1):
                place = f"{number}/{len(record.notebooks)} {notebook.name}"
                if notebook.status == "running":
                    folder = settings.path(settings.run.directory) / record.id
                    watch(place, folder)
                elif (
                    notebook.status != "waiting"
                    and notebook.name in names
                    and notebook.name not in shown
                ):
                    shown.add(notebook.name)
                    console.print(_line(place, notebook))
            if all(one.status not in ("waiting", "running") for one in record.notebooks):
                watch("counting what came out", settings.path(settings.run.directory) / record.id)

        record, folder = batch.run(
            settings,
            params_path(params),
            overrides,
            names,
            run_id=run_id,
            progress=progress,
            force=force,
        )
    warehouse = open_warehouse(settings)
    found = summary.figures(warehouse, settings, record)
    record.figures = summary.as_numbers(found)
    batch.write_record(record, folder)
    place = str(shown_path(folder))
    head, *rest = summary.lines(record, place, found, settings.currency.reporting)
    console.print(f"[bold green]{plain(head)}[/]")
    for line in rest:
        console.print(plain(masked(line)))


def _line(place: str, notebook: NotebookRun) -> str:
    """What is printed of a notebook that has ended."""
    if notebook.executed_in:
        return f"  {place:<34} [green]unchanged[/]  its page of run {notebook.executed_in}"
    marks = {"done": "[green]done[/]", "failed": "[red]failed[/]"}
    return f"  {place:<34} {marks.get(notebook.status, notebook.status)}  {notebook.seconds:6.1f} s"


@contextmanager
def _watched(status: Status, every: float | None) -> Iterator[Callable[[str, Path], None]]:
    """Show what a run is at: gives a function that takes a notebook's place and the run's folder.

    In the folder the notebook's process says what it waits for and which statement runs. ``every``
    so many seconds of a notebook a line is printed; ``None`` where a terminal shows it.
    """
    from engagement.output import notices
    from engagement.runs.batch import NOTICE
    from engagement.warehouse import doing

    at: list[tuple[str, Path, float]] = []
    over = threading.Event()

    def words(folder: Path) -> str:
        told = doing.read(folder / doing.FILE).words(time.time())
        return notices.current(folder / NOTICE) or told

    def look() -> None:
        printed = 0.0
        while not over.wait(_LOOK_SECONDS):
            if not at:
                continue
            place, folder, began = at[-1]
            took = time.monotonic() - began
            if every is None:
                line = f"{place}, {took:,.0f} s"
                said = words(folder)
                line = f"{line}: {said}" if said else line
                status.update(plain(line[: max(console.width - _SPINNER, 20)]))
            elif every and took >= every and time.monotonic() - max(printed, began) >= every:
                printed = time.monotonic()
                said = words(folder)
                console.print(plain(f"  {place:<34} {took:,.0f} s" + (f": {said}" if said else "")))

    def watch(place: str, folder: Path) -> None:
        at.append((place, folder, time.monotonic()))
        status.update(plain(place))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


_SPINNER = 4
"""Columns that a terminal's sign of life takes before the line."""

_LOOK_SECONDS = 0.3


def _follow(
    params: str | None, set_: list[str] | None, names: list[str], wait: float, *, force: bool
) -> None:
    """Run again whenever something has landed, until Ctrl-C."""
    from engagement.collect.follow import follow
    from engagement.models.runner import ModelError
    from engagement.runs.batch import NotebookFailedError
    from engagement.warehouse import WarehouseError, open_warehouse
    from engagement.warehouse.reading import what_landed

    sets = [*(set_ or []), *([] if _sets_as_of(set_) else ["as_of=latest"])]
    settings, overrides = settings_from(params, sets)
    in_s3 = settings.landing.location.startswith("s3://")

    def look() -> frozenset[tuple[str, str]]:
        return what_landed(open_warehouse(settings))

    def run_once() -> None:
        try:
            _run_once(settings, params, overrides, names, force=force)
        except (WarehouseError, ModelError, NotebookFailedError) as error:
            errors.print(f"[bold red]error:[/] {plain(masked(str(error)))}")

    def waiting() -> None:
        console.print(plain(f"Waiting for events in {settings.landing.location}. Ctrl-C ends it."))

    try:
        follow(look, run_once, wait=wait, poll=15.0 if in_s3 else 1.0, waiting=waiting)
    except KeyboardInterrupt:
        console.print("Stopped.")


def _sets_as_of(set_: list[str] | None) -> bool:
    return any(parse_override(text)[0] == "as_of" for text in set_ or [])
