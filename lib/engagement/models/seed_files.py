"""Seeds: small tables that come with the models as CSV files, and a team's own rows for them.

A seed's header gives each column's name and type (``precedence:bigint``). A team extends or
overrides any seed without touching this package: a CSV of the same name and header in the folder
that the parameter ``models.seeds`` names. A row whose key the seed has replaces that row, a row
with another key is added, and a row with nothing but a key removes the seed's row. A file in the
project's ``seeds`` folder whose name the package does not have is a seed of the team's own, with
such a header; its first column is the key.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from engagement.errors import WrongInputError
from engagement.models.folders import OWN_SEEDS
from engagement.sql import regex

_TYPES = ("varchar", "bigint", "boolean")


@dataclass(frozen=True)
class Seed:
    """What holds for a seed's rows.

    ``key`` names the columns that tell rows apart, ``required`` those that no row leaves empty.
    ``lower`` columns are compared in lower case, so they are stored that way. ``choices`` lists the
    values of a column that takes only some.
    """

    key: tuple[str, ...]
    required: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


CATEGORIES = ("search", "social", "video", "shopping", "email", "ai", "internal", "other")
"""Kinds of traffic sources."""

SEEDS: dict[str, Seed] = {
    "channel_rules": Seed(
        key=("precedence",),
        required=("channel",),
        lower=("kind", "category"),
        choices={"kind": ("utm", "click_id", "referrer", "internal"), "category": CATEGORIES},
    ),
    "click_ids": Seed(
        key=("parameter",),
        required=("precedence", "source", "medium", "category", "is_paid"),
        lower=("parameter", "source", "medium", "category"),
        choices={"category": CATEGORIES},
    ),
    "consent_words": Seed(key=("word",), required=("is_yes",), lower=("word",)),
    "known_sources": Seed(
        key=("name",),
        required=("source", "category"),
        lower=("name", "source", "category"),
        choices={"category": CATEGORIES},
    ),
    "zone_countries": Seed(key=("zone",), required=("country",)),
    "user_agent_rules": Seed(
        key=("attribute", "precedence"),
        required=("value", "pattern"),
        choices={"attribute": ("bot", "harmless", "device", "browser", "os")},
    ),
    "user_agent_bot_exceptions": Seed(key=("entry",), required=("reason",)),
    "user_agent_families": Seed(
        key=("attribute", "family"),
        required=("name",),
        choices={"attribute": ("browser", "os")},
    ),
}
"""Every seed that a team may extend or override."""


class SeedError(WrongInputError):
    """Rows of seeds that cannot be used, with every mistake found.

    Attributes
    ----------
    problems
        One sentence per mistake, each starting with its file and line.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def header(name: str) -> dict[str, str] | None:
    """Columns and types of a seed; ``None`` where there is none of that name."""
    file = _file(name)
    if not file.is_file():
        return own_header(name)
    with file.open(encoding="utf-8") as text:
        return _columns(next(csv.reader(text)))


def own_header(name: str) -> dict[str, str] | None:
    """Columns and types of a seed that only the team has; ``None`` where it has none such.

    A file without types is none: a header's cells are ``name:type``, of the types that seeds have.
    """
    path = OWN_SEEDS / f"{name}.csv"
    if _file(name).is_file() or not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            given = next(csv.reader(text), [])
    except (OSError, ValueError, csv.Error):
        return None
    cells = [cell.strip().partition(":") for cell in given]
    is_typed = all(column and kind in _TYPES for column, _, kind in cells)
    columns = {column: kind for column, _, kind in cells}
    return columns if is_typed and columns and len(columns) == len(cells) else None


def _file(name: str) -> Traversable:
    return resources.files("engagement.models") / "seeds" / f"{name}.csv"


def names() -> list[str]:
    """Names of the seeds that are files, a team's own among them."""
    folder = resources.files("engagement.models") / "seeds"
    own = OWN_SEEDS.iterdir() if OWN_SEEDS.is_dir() else ()
    found = {item.name.removesuffix(".csv") for item in folder.iterdir()}
    return sorted(found | {item.stem for item in own if own_header(item.stem)})


def own_text(name: str, folder: Path | None) -> str | None:
    """The text of a team's file for a seed; ``None`` where there is none.

    Raises
    ------
    SeedError
        When the file cannot be read as text.
    """
    if folder is None or not (folder / f"{name}.csv").is_file():
        return None
    try:
        return (folder / f"{name}.csv").read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SeedError([f"{name}.csv cannot be read; save it as UTF-8 ({error})"]) from None


@lru_cache(maxsize=64)
def rows(name: str, own: str | None = None) -> tuple[dict[str, str], list[list[Any]]]:
    """Columns and rows of a seed, with a team's own rows in them.

    Parameters
    ----------
    name
        The seed, without ``.csv``.
    own
        The text of the team's file for it.

    Raises
    ------
    SeedError
        When there is no such seed, or with every mistake in its rows.
    """
    file = _file(name)
    if not file.is_file():
        return _rows_of_team(name, own)
    given, *content = csv.reader(io.StringIO(file.read_text(encoding="utf-8"), newline=""))
    columns = _columns(given)
    problems = list(_pattern_problems(f"models/seeds/{name}.csv", columns, content))
    found = [
        [_cell(value, kind) for value, kind in zip(row, columns.values(), strict=True)]
        for row in content
    ]
    if own is not None and not problems:
        found, problems = _merged(name, columns, found, own)
    if problems:
        raise SeedError(problems)
    return columns, found


def _rows_of_team(name: str, own: str | None) -> tuple[dict[str, str], list[list[Any]]]:
    """Columns and rows of a seed that only the team has."""
    columns = own_header(name)
    if columns is None or own is None:
        raise SeedError([f"there is no seed '{name}' in models/seeds"])
    key = next(iter(columns))
    found, wrong = _merged(name, columns, [], own, Seed(key=(key,)))
    if wrong:
        raise SeedError(wrong)
    return columns, found


def problems(folder: Path | None) -> list[str]:
    """Say what is wrong with the files of a team's folder; nothing where there is no folder."""
    if folder is None:
        return []
    known = sorted(name for name in SEEDS if header(name))
    found: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != ".csv" or path.name.startswith("."):
            continue
        is_own = folder == OWN_SEEDS and own_header(path.stem) is not None
        if (path.stem not in known and not is_own) or path.suffix != ".csv":
            near = difflib.get_close_matches(path.stem.lower(), known, n=1)
            hint = (
                f"did you mean {near[0]}.csv?"
                if near
                else "the tables are "
                + ", ".join(f"{name}.csv" for name in known)
                + f"; one of your own lies in {OWN_SEEDS.name}/ and has types in its header, such "
                "as store:varchar,region:varchar"
            )
            found.append(f"{path.name}: there is no such table; {hint}")
            continue
        try:
            rows(path.stem, own_text(path.stem, folder))
        except SeedError as error:
            found += error.problems
    return found


def _columns(given: Sequence[str]) -> dict[str, str]:
    return dict(column.split(":") for column in given)


def _cell(text: str, kind: str) -> Any:
    if text == "":
        return None
    if kind == "bigint":
        return int(text)
    if kind == "boolean":
        return text.lower() == "true"
    return text


def _pattern_problems(
    file: str, columns: Mapping[str, str], content: Sequence[Sequence[str]]
) -> Iterator[str]:
    """Find regular expressions that the engines would read differently."""
    for place in [n for n, column in enumerate(columns) if column.endswith("pattern")]:
        for row in content:
            problem = regex.problem(row[place])
            if problem:
                yield f"{file}: '{row[place]}': {problem}"


def _merged(
    name: str,
    columns: Mapping[str, str],
    base: list[list[Any]],
    own: str,
    seed: Seed | None = None,
) -> tuple[list[list[Any]], list[str]]:
    """A seed's rows with a team's in their places, and what is wrong with the team's."""
    is_own = seed is not None  # it has no rows that could be removed
    seed = seed or SEEDS.get(name)
    if seed is None:
        return base, [f"{name}.csv: this table cannot be extended"]
    lines, problems = _lines(name, columns, own)
    places = [list(columns).index(column) for column in seed.key]
    merged = {tuple(row[place] for place in places): row for row in base}
    there = dict.fromkeys(merged)
    seen: dict[tuple[Any, ...], int] = {}
    for number, text in lines:
        where = f"{name}.csv, line {number}"
        if len(text) != len(columns):
            cells = "1 cell" if len(text) == 1 else f"{len(text)} cells"
            problems.append(
                f"{where}: {cells} where the header has {len(columns)} columns; write a comma for "
                "each, also where a cell is empty"
            )
            continue
        row, wrong = _row(seed, columns, text)
        key = tuple(row[place] for place in places)
        shown = ", ".join(str(part) for part in key)
        if key in seen and not wrong:
            wrong = [f"'{shown}' is also in line {seen[key]}: keep one of them"]
        seen.setdefault(key, number)
        is_removal = not is_own and all(c is None for n, c in enumerate(row) if n not in places)
        if is_removal and not wrong and key not in there:
            wrong = [f"a row with nothing but a key removes a row, and there is no '{shown}'"]
        problems += [f"{where}: {problem}" for problem in wrong]
        if wrong:
            continue
        if is_removal:
            merged.pop(key)
        else:
            merged[key] = row
    return list(merged.values()), problems


def _lines(
    name: str, columns: Mapping[str, str], own: str
) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """The rows of a team's file with their line numbers, without blank ones."""
    reader = csv.reader(io.StringIO(own, newline=""), strict=True)
    lines: list[tuple[int, list[str]]] = []
    try:
        lines.extend((reader.line_num, row) for row in reader if any(map(str.strip, row)))
    except csv.Error as error:
        return [], [f"{name}.csv, line {reader.line_num}: this is no CSV ({error})"]
    wanted = ",".join(f"{column}:{kind}" for column, kind in columns.items())
    if not lines:
        return [], [f"{name}.csv: the file is empty; write the header {wanted}"]
    number, given = lines[0]
    if [cell.strip().partition(":")[0] for cell in given] != [*columns]:
        return [], [
            f"{name}.csv, line {number}: the header is '{','.join(given)}'; write '{wanted}'"
        ]
    return lines[1:], []


def _row(
    seed: Seed, columns: Mapping[str, str], text: Sequence[str]
) -> tuple[list[Any], list[str]]:
    """The cells of a team's row, and what is wrong with them."""
    row: list[Any] = []
    wrong: list[str] = []
    is_removal = True
    for (column, kind), given in zip(columns.items(), text, strict=True):
        is_pattern = column.endswith("pattern")
        value = given if is_pattern else given.strip()
        value = value.lower() if column in seed.lower else value
        is_removal = is_removal and (column in seed.key or value == "")
        problem = _cell_problem(seed, column, kind, value, is_pattern=is_pattern)
        if problem:
            wrong.append(problem)
        row.append(None if problem else _cell(value, kind))
    if not wrong and not is_removal:
        wrong = [
            f"{column} is empty: write a value"
            for column, cell in zip(columns, row, strict=True)
            if cell is None and column in seed.required
        ]
    return row, wrong


def _cell_problem(
    seed: Seed, column: str, kind: str, value: str, *, is_pattern: bool
) -> str | None:
    if value == "":
        return f"{column} is empty: every row needs it" if column in seed.key else None
    if kind == "bigint" and not (value.isascii() and value.removeprefix("-").isdigit()):
        return f"{column} is a whole number such as 15, not '{value}'"
    if kind == "boolean" and value.lower() not in ("true", "false"):
        return f"{column} is true or false, not '{value}'"
    choices = seed.choices.get(column)
    if choices and value not in choices:
        near = difflib.get_close_matches(value, choices, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "write one of " + ", ".join(choices)
        return f"{column} cannot be '{value}'; {hint}"
    if column == "name" and ("/" in value or ":" in value):
        return f"{column} is a host or the name of a source, such as shop.example, not '{value}'"
    if is_pattern:
        problem = regex.problem(value)
        return f"{column} '{value}': {problem}" if problem else None
    return None
