"""What a notebook's page was made from, as short texts that are the same where all of it is.

There are four kinds: what all notebooks of a run share (code, parameters, files, the landing), what
the notebook itself is, the versions of the tables that it looked at, and answers to questions whose
answer may change with nothing else: the clock, the machine, what 02 would do.
"""

from __future__ import annotations

import hashlib
import json
import locale
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engagement.landing.tables import READING_TABLE
from engagement.models.folders import OWN_MODELS, OWN_SEEDS
from engagement.project import LAID_DOWN, PACKAGE
from engagement.records.files import is_failure
from engagement.runs.history import RUN_ID
from engagement.settings import Settings
from engagement.sql.dialect import Table
from engagement.warehouse import Session, Warehouse
from engagement.warehouse.reading import Landing, LandingWarehouse
from engagement.warehouse.reads import EVERY_NAME

SETTINGS_OF_NO_PAGE: dict[str, Any] = {
    "notify": True,
    "mcp": True,
    "demo": True,
    "run": {"keep_runs", "keep_folders", "progress_seconds"},
}
"""Parameters that no notebook's page depends on."""

_ENVIRONMENT = ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "TZ", "LANG", "LC_ALL")
_PREFIXES = ("AWS_ENDPOINT_URL", "MPL", "PYTHONHASHSEED")

_OF_NO_FILE: dict[str, Any] = {
    **dict.fromkeys(("collect", "demo", "landing", "mcp", "notify", "run", "warehouse"), True),
    "personalize": {"live": {"checkpoint"}},
}
"""Parameters whose files no notebook reads, or that are looked at by other means."""

_SECTIONS = ("models", "attribution", "audience", "activation", "personalize", "recommendations")
_PATH = re.compile(r"[^\0]{1,1000}", re.DOTALL)
_LARGE = 32_000_000

MISSING = "missing"
"""Stands for the version of a table that there is not."""


class InputsUnknownError(Exception):
    """Why nobody can tell whether something is what it was."""


def digest(parts: Iterable[str | bytes]) -> str:
    """A short text that is another where any of the parts is."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "backslashreplace") if isinstance(part, str) else part
        found.update(f"{len(data)}:".encode())
        found.update(data)
    return found.hexdigest()[:32]


def code() -> str:
    """The project's code as it is now, the Python that runs it and the packages beside it."""
    root = PACKAGE
    packages = sorted(
        name
        for place in dict.fromkeys(sys.path)
        if place and os.path.isdir(place)  # noqa: PTH112 (entries may be anything)
        for name in os.listdir(place)  # noqa: PTH208
        if name.endswith((".dist-info", ".egg-info"))
    )
    return digest([sys.version, sys.prefix, str(root), *packages, *_contents(root)])


def _contents(folder: Path) -> Iterator[str | bytes]:
    """Names and contents of all files below a folder, by name; no bytecode."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not {"__pycache__", LAID_DOWN} & {*path.parts}:
            yield path.relative_to(folder).as_posix()
            yield _content(path)


def _content(path: Path) -> bytes:
    """A file's bytes; of a large one its size and when it was written."""
    state = path.stat()
    if state.st_size > _LARGE:
        return f"{state.st_size} {state.st_mtime_ns}".encode()
    return path.read_bytes()


def parameters(settings: Settings, params: str, overrides: Mapping[str, Any]) -> str:
    """The parameters that pages depend on, as they were given and as they came out."""
    resolved = settings.model_dump_json(exclude=SETTINGS_OF_NO_PAGE)
    given = json.dumps(dict(overrides), sort_keys=True, default=str)
    return digest([params, given, resolved])


def environment() -> str:
    """What of the environment shows in pages, or says which services are asked."""
    names = [n for n in sorted(os.environ) if n in _ENVIRONMENT or n.startswith(_PREFIXES)]
    shown = [f"{name}={os.environ[name]}" for name in names]
    return digest([*shown, str(locale.getlocale())])


def landing(warehouse: Warehouse, settings: Settings, found: Landing | None) -> str:
    """Names and tags of what has landed, and of what Firehose could not deliver."""
    if found is None or not isinstance(warehouse, LandingWarehouse):
        return "none"
    parts = [found.location, *found.strays]
    parts += [f"{file.name}\0{file.size}\0{file.tag}" for file in found.files]
    if any(is_failure(name) for name in found.strays):
        objects = warehouse.landed_objects()
        parts += [f"{name}\0{size}" for name, size in objects.sizes() if is_failure(name)]
    if settings.landing.errors_location:
        apart = warehouse.landed_objects(settings.landing.errors_location)
        parts += [f"failed\0{name}\0{size}" for name, size in apart.sizes()]
    return digest(parts)


def files(settings: Settings) -> str:
    """Contents of all files and folders that the parameters name; other files of the runs' folder.

    Among the latter are the receipts of erasures and what was sent to whom. The landing, the
    warehouse and the runs are told apart by other means.
    """
    runs = settings.path(settings.run.directory)
    others = {
        settings.path(settings.landing.location),
        settings.path(settings.landing.errors_location or settings.landing.location),
        settings.path(settings.warehouse.duckdb.path),
        runs,
    }
    dumped = settings.model_dump(mode="json", exclude=_OF_NO_FILE)
    named = {settings.path(text) for text in _texts(dumped) if "/" in text or "." in text}
    # In these sections a folder's or file's name may be a single word.
    named |= {settings.path(text) for key in _SECTIONS for text in _texts(dumped[key])}
    # 05 looks at every segment beside the one that it exports.
    named.add(settings.path(settings.audience.segment).parent)
    named |= {OWN_MODELS, OWN_SEEDS}
    parts: list[str | bytes] = []
    for path in sorted(named - others):
        if any(path in (other, *other.parents) for other in others):
            continue  # a folder that everything is in
        if path.is_file():
            parts += [str(path), _content(path)]
        elif path.is_dir():
            parts += [str(path), *_contents(path)]
    for path in sorted(runs.iterdir()) if runs.is_dir() else ():
        if RUN_ID.fullmatch(path.name) or path.name == "interactive":
            continue
        for one in [path, *sorted(path.rglob("*"))]:
            if one.is_file() and one.suffix != ".lock":
                state = one.stat()
                name = one.relative_to(runs).as_posix()
                parts.append(f"{name}\0{state.st_size}\0{state.st_mtime_ns}")
    return digest(parts)


def _texts(value: Any) -> Iterator[str]:
    """Every text among parameters that could name something on this disk."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str) and _PATH.fullmatch(value) and "://" not in value:
        yield value


def versions(warehouse: Warehouse, names: Iterable[str]) -> dict[str, str]:
    """Versions of tables, by name, in one session.

    Raises
    ------
    InputsUnknownError
        When a table is there whose version nobody keeps, since others made it.
    """
    wanted = sorted(names)
    if not warehouse.exists():
        return dict.fromkeys(wanted, MISSING)
    with warehouse.session() as session:
        return {name: _version(session, Table.parse(name)) for name in wanted}


def _version(session: Session, table: Table) -> str:
    if table.name == EVERY_NAME:
        return digest(session.tables(table.database))
    there = session.published(table)
    if there is not None:
        return digest([there.version])
    columns = session.columns(table)
    if not columns:
        return MISSING
    if table == READING_TABLE:  # it shows the landing, which is looked at for itself
        return digest([json.dumps(columns)])
    raise InputsUnknownError(f"nobody keeps a version of {table}")


def differing(
    before: Mapping[str, str], now: Mapping[str, str], words: Callable[[str], str]
) -> str:
    """What is not as it was, in words, the first few of it; empty where all is."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    shown = [words(name) for name in names[:3]]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(shown)}{more} changed" if shown else ""
