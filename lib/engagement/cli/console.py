"""What every command shares: its options, how it prints, how it fails."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from engagement.errors import FailedError, WrongInputError
from engagement.output.terminal import printable
from engagement.privacy import masked
from engagement.settings import (
    DEFAULT_PARAMS,
    ROOT,
    Settings,
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


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn known errors into one message and an exit code; anything else is a defect."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            with _told_to_end():
                command(*args, **kwargs)
        except WrongInputError as error:
            fail(str(error), 2)
        except FailedError as error:
            fail(masked(str(error)), 1)
        except KeyboardInterrupt:
            fail("stopped; running it again puts everything right", 1)
        except BrokenPipeError:
            sys.stderr.close()
            raise typer.Exit(0) from None
        except OSError as error:
            if error.filename is None or error.strerror is None:
                raise
            fail(f"{error.filename} cannot be used: {error.strerror.lower()}", 1)

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


def fail(message: str, code: int) -> None:
    """Print an error and leave with an exit code."""
    errors.print(f"[bold red]error:[/] {plain(message)}")
    raise typer.Exit(code)


def plain(text: object) -> str:
    """A text for a console: as it is, without what steers a terminal or reads as markup."""
    return escape(printable(str(text), keep="\n"))


def settings_from(params: str | None, sets: list[str] | None) -> tuple[Settings, dict[str, Any]]:
    """Load the settings that the options name; gives them and the overrides on top."""
    overrides = dict(parse_override(text) for text in sets or [])
    return load_settings(params, overrides), overrides


def params_path(params: str | None) -> Path:
    """Find the parameter file that a command uses."""
    import os

    from engagement.settings import PARAMS_VARIABLE

    name = params or os.environ.get(PARAMS_VARIABLE) or DEFAULT_PARAMS
    return (ROOT / name if (ROOT / name).exists() else Path(name)).resolve()


def write(text: str) -> None:
    """Write to the standard output: a file gets the text as it is, a terminal no more than text."""
    sys.stdout.write(printable(text, keep="\n\t") if sys.stdout.isatty() else text)


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], right: set[int]) -> None:
    """Print columns as wide as what they hold: nothing is cut, however narrow the screen."""
    header = [printable(str(name)) for name in header]
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = (
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        console.print(plain(("  " + "  ".join(cells)).rstrip()))


def is_null(cell: Any) -> bool:
    """Whether a cell of a frame holds nothing; a list never does."""
    import pandas as pd

    return not isinstance(cell, list) and bool(pd.isna(cell))


def as_json(rows: list[dict[str, Any]]) -> str:
    """Rows as JSON: decimals as text, times in ISO 8601."""
    import json
    from decimal import Decimal

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return str(value)
        if hasattr(value, "isoformat"):
            return value.isoformat()
        return value.item() if hasattr(value, "item") else str(value)

    return json.dumps(rows, default=plain, ensure_ascii=False, indent=2)


_WIDEST = 44
"""Characters of a table's or a column's name; of a longer one the middle is left out."""


def shorten(name: str) -> str:
    """A name without its middle, where it is wider than a column may be."""
    half = _WIDEST // 2
    return name if len(name) <= _WIDEST else f"{name[: half - 1]}…{name[-half:]}"


def cell(value: Any) -> str:
    """A value as a table on the terminal shows it."""
    from numbers import Integral

    if is_null(value):
        return ""
    return f"{int(value):,}" if isinstance(value, Integral) else str(value)


def wrapped(header: Sequence[str], rows: Sequence[Sequence[str]], right: set[int]) -> None:
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
            console.print(plain((start + line).rstrip()))


def shown_path(path: Path) -> Path:
    """A path as people type it: from the project's folder where it is in it."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
