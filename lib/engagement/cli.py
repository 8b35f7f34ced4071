"""The command line: ``engagement run | query | tables | check | status | clean | …``.

Exit codes: 0 done, 1 failed, 2 wrong input.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from engagement.messages import counted
from engagement.output.terminal import printable
from engagement.privacy import masked
from engagement.settings import (
    DEFAULT_PARAMS,
    ROOT,
    Settings,
    SettingsError,
    load_settings,
    parse_override,
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Digital customer engagement: RudderStack events to models, dashboards and audiences.",
)
console = Console(highlight=False, soft_wrap=True, emoji=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

Params = Annotated[
    str | None,
    typer.Option(
        "--params", help=f"The parameter file. Default: {DEFAULT_PARAMS}.", metavar="FILE"
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="Replace one value: a dotted key. Repeatable.", metavar="KEY=VALUE"),
]


def main() -> None:
    """Entry point of the ``engagement`` command."""
    app()


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn known errors into one message and an exit code; anything else is a defect."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        # Imported here, so that `engagement --help` is quick.
        from engagement.audience.segments import AudienceError
        from engagement.erasure.erase import ErasureError
        from engagement.models.authoring import AuthoringError, UnknownModelError
        from engagement.models.runner import ModelError
        from engagement.records.files import LandingError
        from engagement.runs.batch import NotebookChoiceError, NotebookFailedError
        from engagement.samples import GeneratorError
        from engagement.warehouse import DialectError, WarehouseError

        try:
            with _told_to_end():
                command(*args, **kwargs)
        except (
            SettingsError,
            LandingError,
            DialectError,
            NotebookChoiceError,
            GeneratorError,
            ErasureError,
            AudienceError,
            AuthoringError,
            UnknownModelError,
        ) as error:
            _fail(str(error), 2)
        except (WarehouseError, ModelError, NotebookFailedError) as error:
            _fail(masked(str(error)), 1)
        except KeyboardInterrupt:
            _fail("stopped; running it again puts everything right", 1)
        except BrokenPipeError:
            sys.stderr.close()
            raise typer.Exit(0) from None
        except OSError as error:
            if error.filename is None or error.strerror is None:
                raise
            _fail(f"{error.filename} cannot be used: {error.strerror.lower()}", 1)

    return guarded


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does: with a message, and a run's record complete."""

    def stop(number: int, frame: object) -> None:
        del number, frame
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail(message: str, code: int) -> None:
    errors.print(f"[bold red]error:[/] {_plain(message)}")
    raise typer.Exit(code)


def _plain(text: object) -> str:
    """A text for a console: as it is, without what steers a terminal or reads as markup."""
    return escape(printable(str(text), keep="\n"))


def _settings(params: str | None, sets: list[str] | None) -> tuple[Settings, dict[str, Any]]:
    overrides = dict(parse_override(text) for text in sets or [])
    return load_settings(params, overrides), overrides


@app.command()
@_guarded
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
    from engagement.runs import batch

    if follow:
        _follow(params, set_, batch.choose(only or (), from_), wait)
        return
    settings, overrides = _settings(params, set_)
    _run_once(settings, params, overrides, batch.choose(only or (), from_))


def _run_once(
    settings: Settings, params: str | None, overrides: dict[str, Any], names: list[str]
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
                elif notebook.status != "waiting" and notebook.name not in shown:
                    shown.add(notebook.name)
                    mark = {"done": "[green]done[/]", "failed": "[red]failed[/]"}
                    label = mark.get(notebook.status, notebook.status)
                    console.print(f"  {place:<34} {label}  {notebook.seconds:6.1f} s")

        record, folder = batch.run(
            settings, _params_path(params), overrides, names, progress=progress
        )
    warehouse = open_warehouse(settings)
    found = summary.figures(warehouse, settings, record)
    place = str(_shown(folder))
    head, *rest = summary.lines(record, place, found, settings.currency.reporting)
    console.print(f"[bold green]{_plain(head)}[/]")
    for line in rest:
        console.print(_plain(masked(line)))


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
                status.update(_plain(f"{place}: {waiting}" if waiting else place))

    def watch(place: str, path: Path) -> None:
        at.append((place, path))
        status.update(_plain(place))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


_LOOK_SECONDS = 0.3


def _params_path(params: str | None) -> Path:
    import os

    from engagement.settings import PARAMS_VARIABLE

    name = params or os.environ.get(PARAMS_VARIABLE) or DEFAULT_PARAMS
    return (ROOT / name if (ROOT / name).exists() else Path(name)).resolve()


@app.command()
@_guarded
def build(
    name: Annotated[str, typer.Argument(help="A model, such as orders.", metavar="MODEL")],
    show: Annotated[
        bool, typer.Option("--show", help="Show the first rows; nothing of a person is in them.")
    ] = False,
    params: Params = None,
    set_: Sets = None,
) -> None:
    """Build one model and all that it needs, after looking for every mistake in its files."""
    from engagement.as_of import resolve_as_of
    from engagement.models import authoring, preview, runner
    from engagement.warehouse import open_warehouse

    settings, _ = _settings(params, set_)
    chosen = authoring.with_needs(name.removeprefix("marts."))
    warehouse = open_warehouse(settings)
    as_of = resolve_as_of(warehouse, settings)
    with errors.status(f"building {chosen[-1].table}, and what it needs"):
        built = runner.build_all(warehouse, settings, as_of, chosen, stale="ignore")
    rows = [
        (one.status, f"{runner.MARTS}.{one.model}", f"{one.rows:,}" if one.rows else "")
        for one in built
    ]
    _grid(["status", "table", "rows"], rows, right={2})
    if any(one.status == "failed" for one in built):
        raise runner.ModelError(runner.report(built))
    if show:
        frame = preview.first_rows(warehouse, chosen[-1])
        console.print(f"The first rows of {chosen[-1].table}, as of {_plain(as_of)}:")
        for line in preview.lines(frame) if len(frame) else ["  it has none"]:
            console.print(_plain(line))


@app.command()
@_guarded
def query(
    sql: Annotated[str, typer.Argument(help="One query, in Athena's dialect.")],
    params: Params = None,
    set_: Sets = None,
    format_: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="How to print the rows.")
    ] = "table",
    portable: Annotated[
        bool,
        typer.Option(
            "--portable", help="Refuse what Athena and DuckDB would answer differently, as models."
        ),
    ] = False,
) -> None:
    """Read the warehouse: one query, which sees its tables alone and cannot change anything."""
    from engagement.runs.typed_queries import ask
    from engagement.warehouse import open_warehouse

    settings, _ = _settings(params, set_)
    frame = ask(open_warehouse(settings), settings, sql, portable=portable)
    if format_ == "csv":
        _write(frame.to_csv(index=False, lineterminator="\n"))
    elif format_ == "json":
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        _write(_json(rows) + "\n")
    else:
        numbers = {
            place
            for place, (name, kind) in enumerate(frame.dtypes.items())
            if kind.kind in "if" or "Decimal" in {type(value).__name__ for value in frame[name]}
        }
        rows = [
            tuple("" if _is_null(cell) else str(cell) for cell in row)
            for row in frame.itertuples(index=False)
        ]
        _grid(list(frame.columns), rows, right=numbers)
        console.print(f"[dim]{counted(len(frame), 'row')}[/]")


def _write(text: str) -> None:
    """Write to the standard output: a file gets the text as it is, a terminal no more than text."""
    sys.stdout.write(printable(text, keep="\n\t") if sys.stdout.isatty() else text)


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]], right: set[int]) -> None:
    """Print columns as wide as what they hold: nothing is cut, however narrow the screen."""
    header = [printable(str(name)) for name in header]
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = (
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        console.print(_plain(("  " + "  ".join(cells)).rstrip()))


def _is_null(cell: Any) -> bool:
    import pandas as pd

    return not isinstance(cell, list) and bool(pd.isna(cell))


def _json(rows: list[dict[str, Any]]) -> str:
    import json
    from decimal import Decimal

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return str(value)
        if hasattr(value, "isoformat"):
            return value.isoformat()
        return value.item() if hasattr(value, "item") else str(value)

    return json.dumps(rows, default=plain, ensure_ascii=False, indent=2)


@app.command()
@_guarded
def tables(
    name: Annotated[
        str | None, typer.Argument(help="A table, such as marts.orders.", metavar="[TABLE]")
    ] = None,
    params: Params = None,
    set_: Sets = None,
) -> None:
    """List every table with its rows and what it holds, or the columns of one."""
    from engagement.runs import catalogue
    from engagement.warehouse import open_warehouse

    settings, _ = _settings(params, set_)
    warehouse = open_warehouse(settings)
    frame = catalogue.columns(warehouse, name) if name else catalogue.tables(warehouse)
    if frame.empty:
        console.print("There is no table yet: 'engagement run' makes them.")
        return
    rows = [
        ("" if _is_null(first) else _cut(str(first)), *map(_cell, rest))
        for first, *rest in frame.itertuples(index=False)
    ]
    _wrapped(list(frame.columns), rows, right={1} if name is None else set())


_WIDEST = 44
"""Characters of a table's or a column's name; of a longer one the middle is left out."""


def _cut(name: str) -> str:
    half = _WIDEST // 2
    return name if len(name) <= _WIDEST else f"{name[: half - 1]}…{name[-half:]}"


def _cell(value: Any) -> str:
    from numbers import Integral

    if _is_null(value):
        return ""
    return f"{int(value):,}" if isinstance(value, Integral) else str(value)


def _wrapped(header: Sequence[str], rows: Sequence[Sequence[str]], right: set[int]) -> None:
    """Print columns whose last one, of sentences, is wrapped within 100 characters."""
    import textwrap

    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header) - 1)]
    left = 2 + sum(widths) + 2 * len(widths)
    for row in [header, *rows]:
        cells = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row[:-1], widths, strict=True))
        ]
        for number, line in enumerate(textwrap.wrap(row[-1], max(100 - left, 30)) or [""]):
            start = "  " + "  ".join(cells) + "  " if number == 0 else " " * left
            console.print(_plain((start + line).rstrip()))


@app.command()
@_guarded
def check(params: Params = None, set_: Sets = None) -> None:
    """Say what will run where, and what is missing."""
    from engagement.runs import checks

    settings, _ = _settings(params, set_)
    found = checks.check(settings)
    colours = {"ok": "green", "warning": "yellow", "missing": "red"}
    for item in found:
        state = f"[{colours[item.state]}]{item.state:<7}[/]"
        console.print(f"{state} {_plain(f'{item.name:<15}')} {_plain(item.found)}")
        if item.state != "ok" and item.hint:
            console.print(f"        {'':<15} {_plain(item.hint)}")
    raise typer.Exit(checks.exit_code(found))


_NOT_READ = ["records", "errors"]
"""What only reading the objects would tell."""


@app.command()
@_guarded
def status(params: Params = None, set_: Sets = None) -> None:
    """Show what was taken in, day by day, and what has landed since."""
    from engagement.flatten.status import status as landing_status
    from engagement.models.concepts import mapping
    from engagement.warehouse import open_warehouse

    settings, _ = _settings(params, set_)
    warehouse = open_warehouse(settings)
    found = landing_status(warehouse, settings)
    mapped = mapping(warehouse, settings)
    for title, frame in (
        ("", found.ledger),
        (
            "Concepts, and the events that stand for them",
            mapped.frame() if mapped else found.failures.head(0),
        ),
        ("Set aside, by reason", found.reasons),
        (
            "What Firehose could not deliver",
            found.failures.drop(columns=_NOT_READ, errors="ignore"),
        ),
    ):
        if len(frame):
            console.print(title, _plain(frame.to_string(index=False)), sep="\n")
    for line in found.lines:
        console.print(_plain(line))


@app.command()
@_guarded
def clean(
    params: Params = None,
    set_: Sets = None,
    keep_days: Annotated[
        float | None,
        typer.Option(help="Keep what is unused for less than this. Default: the parameters'."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Remove every run and every table of a local warehouse; receipts of erasures and "
            "the do-not-reload list stay.",
        ),
    ] = False,
) -> None:
    """Remove files that no table needs any more, after a grace period."""
    from engagement.runs.leftovers import start_over
    from engagement.warehouse import open_warehouse

    settings, _ = _settings(params, set_)
    if everything:
        removed = start_over(settings, dry_run=dry_run)
    else:
        removed = open_warehouse(settings).clean(keep_days, dry_run=dry_run)
    for name in removed:
        console.print(_plain(name))
    console.print(f"{len(removed)} {'would be removed' if dry_run else 'removed'}")


@app.command()
@_guarded
def erase(
    user: Annotated[
        list[str] | None,
        typer.Option("--user", help="The user id of a person. Repeatable.", metavar="ID"),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Remove what has landed of people erased before.")
    ] = False,
    keep_named: Annotated[
        bool, typer.Option("--keep-named", help="Leave what others sent and names the person.")
    ] = False,
    block: Annotated[
        bool,
        typer.Option("--block", help="Keep ids out that nobody has yet, should they ever come."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without, only say what would.")
    ] = False,
    params: Params = None,
    set_: Sets = None,
) -> None:
    """Remove people from landed files, tables, exports and old runs; a dry run without --yes."""
    from engagement.erasure.erase import ErasureError, NobodyError
    from engagement.erasure.erase import erase as erase_people

    settings, _ = _settings(params, set_)
    if bool(user) == again:
        raise ErasureError("say whom: --user ID, as often as needed; or --again, and no --user")
    try:
        found = erase_people(
            settings, user or (), dry_run=not yes, keep_named=keep_named, block=block
        )
    except NobodyError as error:
        raise ErasureError(f"{error}{_alike(error.alike)}") from None
    receipt, who = found.receipt, found.who
    for title, ids in (
        ("user ids", who.user_ids),
        ("anonymous ids", who.devices),
        ("anonymous ids that others use too: only events with a user id go", who.shared),
        ("ids aliased to several users: not followed", who.unclear),
    ):
        if ids:
            console.print(f"{title}: {_plain(', '.join(sorted(ids)))}")
    why = ", ".join(f"{count} by {name}" for name, count in receipt.why.items())
    console.print(
        f"landed files: {counted(receipt.records, 'record')} in "
        f"{counted(len(receipt.landing), 'file')}" + (f" ({why})" if why else "")
    )
    rows = [
        (name, *(str(counts.get(when, "")) for when in ("before", "after")))
        for name, counts in receipt.tables.items()
    ]
    if rows:
        _grid(["table", "rows that hold an id", "after"], rows, right={1, 2})
    for name, what in receipt.runs.items():
        console.print(_plain(f"  {name}: {what}"))
    for sentence in receipt.left:
        console.print(f"[yellow]stays[/]: {_plain(sentence)}")
    if found.path is None:
        console.print("Nothing was changed. With --yes, what was counted here is removed for good.")
    else:
        console.print(f"[bold green]done[/]: the receipt is {_plain(_shown(found.path))}")


def _alike(alike: Mapping[str, Sequence[str]]) -> str:
    """Ids that are similar to those that nobody has.

    They are other people's: whoever sits at the terminal may have mistyped one and needs to see
    it, but nothing that a program keeps of the output (a log of a nightly job, say) may hold them.
    """
    near = {named: ids for named, ids in alike.items() if ids}
    if not near:
        return ""
    if not sys.stderr.isatty():
        return "\nSimilar ids are known; they are shown on a terminal alone."
    return "".join(f"\nSimilar to '{named}': {', '.join(ids)}" for named, ids in near.items())


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


@app.command()
@_guarded
def generate(
    users: Annotated[int | None, typer.Option(min=1, help="People who visit the shop.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days of events.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same events.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="The landing folder to make; new or empty.", metavar="DIR")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="First day. Default: 2026-09-01, or with --to so that the last day is today.",
            metavar="YYYY-MM-DD",
        ),
    ] = None,
    dirt: Annotated[bool, typer.Option(help="With the dirt of real landings, or without.")] = True,
    profile: Annotated[
        Literal["samples"] | None, typer.Option(help="The settings of data/samples.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Post the events to this collector; no --out.", metavar="ADDRESS"),
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="With --to: events a second.")] = 50.0,
    follow: Annotated[
        bool, typer.Option("--follow", help="With --to: go on day by day, in the shop's own time.")
    ] = False,
    write_key: Annotated[
        str, typer.Option(help="With --to: the write key.", metavar="KEY")
    ] = "local",
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="With --to: the file that says how far it came.", metavar="FILE"),
    ] = None,
) -> None:
    """Make events of an invented shop: as files that Firehose would land, or live, by --to."""
    from engagement import samples

    if to is not None:
        if out is not None or profile is not None:
            raise samples.GeneratorError("--to posts events: leave --out and --profile out")
        file = checkpoint or _checkpoint_for(to)
        _generate_live(
            (to, write_key, rate, file, follow),
            (users, days, seed, _day(start) if start else None, dirt),
        )
        return
    if profile == "samples":
        settings = samples.SAMPLES
        out = out or ROOT / "data/samples/rudderstack_firehose"
    else:
        if users is None or days is None or out is None:
            raise samples.GeneratorError("give --users, --days and --out, or --profile samples")
        settings = samples.GeneratorSettings(
            users=users,
            days=days,
            seed=seed,
            start=_day(start or "2026-09-01"),
            dirt=samples.Dirt() if dirt else samples.Dirt.none(),
        )
    report = samples.generate(settings, out)
    events, files = counted(report.events, "event"), counted(report.files, "file")
    made = f"{events} in {files}, {report.bytes / 1e6:,.1f} MB"
    console.print(_plain(f"{made}: {out}"))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError("--start", [f"'{text}' is not a date such as 2026-09-01"]) from None


@app.command()
@_guarded
def collect(params: Params = None, set_: Sets = None) -> None:
    """Take events in over HTTP, as RudderStack's data plane does, and land them here."""
    from engagement.collect import server

    settings, _ = _settings(params, set_)
    try:
        chosen = server.plan(settings)
        done = server.serve(
            chosen,
            started=lambda address: _collecting(address, chosen),
            landed=lambda file: console.print(
                _plain(f"  {_counted(file.events, 'event')} in {file.name}")
            ),
        )
    except server.CollectError as error:
        _fail(str(error), 2)
        return
    landed = f"{_counted(done.events, 'event')} in {_counted(done.files, 'file')} landed"
    console.print(f"[bold green]done[/]: {landed}")
    if done.left:
        _fail("some events could not be delivered; they are kept, and tried at the next start", 1)


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'s' * (count != 1)}"


def _collecting(address: str, chosen: Any) -> None:
    # Those of servers are secrets; the default one everybody knows.
    keys = chosen.write_keys
    known = "the write key 'local'" if keys == ("local",) else _counted(len(keys), "write key")
    console.print(_plain(f"Collecting at {address} with {known}. Ctrl-C ends it."))
    if chosen.landing is not None:
        seconds = f"{chosen.roll_seconds:g} seconds"
        console.print(
            _plain(f"Events land in {_shown(chosen.landing)}, at most {seconds} after they came.")
        )
    for stream in chosen.streams:
        console.print(_plain(f"They are put to the Firehose stream {stream.name}."))
    console.print("This is a stand-in for a laptop: production is RudderStack's own data plane.")


def _follow(params: str | None, set_: list[str] | None, names: list[str], wait: float) -> None:
    """Run again whenever something has landed, until Ctrl-C."""
    from engagement.collect.follow import follow
    from engagement.models.runner import ModelError
    from engagement.records.files import LandingError
    from engagement.runs.batch import NotebookFailedError
    from engagement.warehouse import WarehouseError, open_warehouse

    sets = [*(set_ or []), *([] if _sets_as_of(set_) else ["as_of=latest"])]
    settings, overrides = _settings(params, sets)
    in_s3 = settings.landing.location.startswith("s3://")

    def look() -> frozenset[tuple[str, str]]:
        try:
            files = open_warehouse(settings).landing_files().files
        except LandingError:
            return frozenset()  # its folder is not there yet
        return frozenset((file.name, file.tag) for file in files)

    def run_once() -> None:
        try:
            _run_once(settings, params, overrides, names)
        except (WarehouseError, ModelError, NotebookFailedError) as error:
            errors.print(f"[bold red]error:[/] {_plain(masked(str(error)))}")

    def waiting() -> None:
        console.print(_plain(f"Waiting for events in {settings.landing.location}. Ctrl-C ends it."))

    try:
        follow(look, run_once, wait=wait, poll=15.0 if in_s3 else 1.0, waiting=waiting)
    except KeyboardInterrupt:
        console.print("Stopped.")


def _sets_as_of(set_: list[str] | None) -> bool:
    return any(parse_override(text)[0] == "as_of" for text in set_ or [])


def _checkpoint_for(address: str) -> Path:
    import re

    name = re.sub(r"[^A-Za-z0-9.]+", "-", address.rpartition("@")[2].partition("://")[2] or address)
    return ROOT / ".cache" / "live" / f"{name.strip('-')}.json"


def _generate_live(
    posting: tuple[str, str, float, Path, bool],
    shop: tuple[int | None, int | None, int, date | None, bool],
) -> None:
    """Post a generated shop's events, with a line that says how far it is."""
    from engagement.collect import shoppers

    address, write_key, rate, checkpoint, follow = posting
    users, days, seed, start, dirt = shop
    settings = shoppers.shop(checkpoint, users, days, seed, start, dirt=dirt)
    console.print(
        _plain(f"{settings.users} people from {settings.start} on; goes on by {_shown(checkpoint)}")
    )
    where = shoppers.Posting(address, write_key, rate, checkpoint, follow)
    with console.status("starting") as status:

        def progress(done: shoppers.Progress) -> None:
            status.update(_plain(_how_far(done)))

        try:
            done = shoppers.post(settings, where, progress=progress)
        except shoppers.PostingError as error:
            _fail(str(error), 1)
            return
    console.print(f"[bold green]done[/]: {_plain(_how_far(done))}")


def _how_far(done: Any) -> str:
    parts = [f"{_counted(done.posted, 'event')} posted"]
    if done.moment is not None:
        parts.append(f"the shop's time {done.moment:%Y-%m-%d %H:%M} UTC")
    if done.refused:
        parts.append(f"{done.refused:,} refused")
    if done.retries:
        parts.append(f"{done.retries:,} {'retry' if done.retries == 1 else 'retries'}")
    if done.is_waiting:
        parts.append("waiting for what comes next")
    return ", ".join(parts)
