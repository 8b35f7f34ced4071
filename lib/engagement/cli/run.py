"""``engagement run``: the notebooks in order, once or whenever something has landed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

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
        _follow(params, set_, names, wait)
        return
    settings, overrides = settings_from(params, set_)
    if at_least:
        day = scheduling.at_least(open_warehouse(settings), at_least.date())
        settings, overrides = settings_from(params, [*(set_ or []), f"as_of={day}"])
    _run_once(settings, params, overrides, names, run_id)


def _run_once(
    settings: Settings,
    params: str | None,
    overrides: dict[str, Any],
    names: list[str],
    run_id: str | None = None,
) -> None:
    from engagement.runs import batch, checks, summary
    from engagement.warehouse import open_warehouse

    checks.refuse_wrong_input(settings, names)
    with console.status("starting") as status, _watched(status) as watch:
        shown: set[str] = set()

        def progress(record: batch.RunRecord) -> None:
            for number, notebook in enumerate(record.notebooks, start=1):
                place = f"{number}/{len(record.notebooks)} {notebook.name}"
                if notebook.status == "running":
                    folder = settings.path(settings.run.directory) / record.id
                    watch(place, folder / batch.NOTICE)
                elif (
                    notebook.status != "waiting"
                    and notebook.name in names
                    and notebook.name not in shown
                ):
                    shown.add(notebook.name)
                    mark = {"done": "[green]done[/]", "failed": "[red]failed[/]"}
                    label = mark.get(notebook.status, notebook.status)
                    console.print(f"  {place:<34} {label}  {notebook.seconds:6.1f} s")

        record, folder = batch.run(
            settings, params_path(params), overrides, names, run_id=run_id, progress=progress
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


@contextmanager
def _watched(status: Status) -> Iterator[Callable[[str, Path], None]]:
    """Show what a run is at, and what that is waiting for: gives a function that takes both.

    The second is the file where the notebook's process says it.
    """
    from engagement.output import notices

    at: list[tuple[str, Path]] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            if at:
                place, path = at[-1]
                waiting = notices.current(path)
                status.update(plain(f"{place}: {waiting}" if waiting else place))

    def watch(place: str, path: Path) -> None:
        at.append((place, path))
        status.update(plain(place))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


_LOOK_SECONDS = 0.3


def _follow(params: str | None, set_: list[str] | None, names: list[str], wait: float) -> None:
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
            _run_once(settings, params, overrides, names)
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
