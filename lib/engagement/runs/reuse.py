"""A notebook that would find everything as it was is not executed again: its page is used again.

A run that executes a notebook writes down what its page was made from (:mod:`.inputs`), beside the
page, once the run has ended and all that notebooks share was the same before and after it. A later
run compares: code, parameters, files, the landing, the versions of every table that the notebook
looked at, and what it wrote. Only where all of that is the same, and the last run went well, does
it put the page into its own folder, with the files that belong to it and a line that says which run
executed it. Whatever is not known counts as changed. docs/decisions/0032 argues this.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from engagement import alerts, owner_only
from engagement.as_of import AsOf, resolve_as_of
from engagement.errors import FailedError, WrongInputError
from engagement.flatten import increments
from engagement.runs import cells, checks, history, inputs, pages
from engagement.runs.inputs import InputsUnknownError, differing
from engagement.runs.workbook import AS_OF_READ, recorded_as_of
from engagement.settings import Settings
from engagement.warehouse import Warehouse
from engagement.warehouse.reading import Landing, LandingWarehouse
from engagement.warehouse.reads import process, read_back

FOLDER = "inputs"
"""Folder of a run's folder with what its pages were made from."""

_FORMAT = 1

_CHECKS, _IDLE, _ALERTS, _DAY, _AS_OF = "checks", "nothing to flatten", "alerts", "day", "as of"

_ASKED_BY = {
    "engagement.runs.checks": _CHECKS,
    "engagement.flatten": _IDLE,
    "engagement.dashboards.report": _ALERTS,
    # Which calls would be sent depends on the day: what was sent expires.
    "engagement.audience.activating": _DAY,
}
"""Questions to which a notebook's page holds the answer, by the modules that it imports."""

_MEASURED = frozenset({"room"})
"""Checks that measure the machine: that they are still met is what counts."""

Owned = dict[str, tuple[int, int, str]]
"""Files that a notebook wrote: bytes, time of writing and sha256, by name in the run's folder."""


@dataclass
class Made:
    """What a page was made from, and what belongs to it.

    ``shared`` is the same for all notebooks of a run. ``executed_in`` is the run that executed the
    notebook, ``executed_at`` when.
    """

    executed_in: str
    executed_at: str
    shared: dict[str, str]
    notebook: str
    tables: dict[str, str]
    answers: dict[str, str]
    files: Owned = field(default_factory=dict)
    format: int = _FORMAT


@dataclass(frozen=True)
class Page:
    """A page that can be used again: where it is, and what it was made from."""

    name: str
    folder: Path
    made: Made


class Reuse:
    """What one run uses again of others, and what it leaves for later ones.

    Parameters
    ----------
    listing
        What has landed, where the engine reads a landing.
    force
        Use nothing again.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        settings: Settings,
        *,
        run_id: str,
        params: str,
        overrides: Mapping[str, Any],
        notebooks: Path,
        listing: Landing | None,
        force: bool = False,
    ) -> None:
        self._warehouse = warehouse
        self._settings = settings
        self._run_id = run_id
        self._given = (params, overrides)
        self._notebooks = notebooks
        self._listing = listing
        self._force = force
        self._folder = settings.path(settings.run.directory) / run_id
        self._shared = self._shared_now(listing)
        self._unseen = history.newest_first(settings)
        self._seen: list[history.PastRun] = []
        self._answers: dict[str, str] = {}
        self._versions: dict[str, str] = {}
        self._as_of: AsOf | None = None
        self._used: list[Page] = []
        self._executed: dict[str, Made] = {}
        self._before: dict[str, tuple[int, int, int]] = {}
        self.why: str = ""

    # --- before a notebook

    def find(self, name: str) -> Page | None:
        """The page of a notebook that need not be executed; ``why`` says why there is none."""
        try:
            self.why = self._force_or_doubt(name)
            if self.why:
                return None
            page = self._last(name)
            if page is None:
                return None
            self.why = self._changed(page)
            return None if self.why else page
        except (WrongInputError, FailedError, InputsUnknownError, OSError, ValueError) as error:
            # The notebook itself will say what is wrong, if anything is.
            self.why = f"what it reads is not known: {type(error).__name__}"
            return None

    def use(self, page: Page) -> None:
        """Put a page into this run's folder; its files follow at the end, by :meth:`finish`."""
        pages.put(page.folder, self._folder, page.name, page.made.executed_in, _day(page.made))
        self._used.append(page)

    def as_of(self) -> AsOf | None:
        """The as-of moment of the pages that were used again; ``None`` if they have none."""
        has_one = any(_AS_OF in page.made.answers for page in self._used)
        return self._resolved() if has_one else None

    # --- around one that is executed

    def begin(self) -> None:
        """Look at the folder before a notebook is executed."""
        self._before = dict(self._files())

    def reads(self, name: str) -> Path:
        """The file in which a notebook's process notes what it looks at."""
        return self._folder / FOLDER / f"{name}.reads"

    def executed(self, name: str) -> None:
        """Note what the page of a notebook was made from that has just gone well."""
        self._answers, self._as_of, self._versions = {}, None, {}
        noted = read_back(self.reads(name))
        self.reads(name).unlink(missing_ok=True)
        with suppress(WrongInputError, FailedError, InputsUnknownError, OSError, ValueError):
            read = cells.read(self._path(name))
            processes = {one for one in noted if one.startswith("process ")}
            if read.doubt or processes != {process()}:
                return
            tables = {one for one in noted if "." in one and one not in processes}
            made = Made(
                self._run_id,
                datetime.now(UTC).isoformat(timespec="seconds"),
                self._shared,
                inputs.digest([read.text]),
                inputs.versions(self._warehouse, tables),
                self._answered(read, with_as_of=AS_OF_READ in noted),
            )
            made.files = {
                name_: (state[0], state[1], "")
                for name_, state in self._files()
                if self._before.get(name_) != state
            }
            self._executed[name] = made

    # --- at the end

    def finish(self) -> Mapping[str, tuple[int, int, str]]:
        """Put files of pages that were used again into the folder; gives what is known of them.

        That is after the last notebook, so that none writes into a file that it shares with
        another run.
        """
        known: Owned = {}
        for page in list(self._used):
            for name, about in page.made.files.items():
                if not (self._folder / name).exists():
                    _link(page.folder / name, self._folder / name)
                    known[name] = about
                elif name not in (*pages.names(page.name), *known):
                    # Another notebook wrote it: this page's own is not in the folder.
                    self._used.remove(page)
                    break
        return known

    def remember(self, files: Mapping[str, Mapping[str, Any]]) -> None:
        """Write down what this run's pages were made from.

        Parameters
        ----------
        files
            Bytes and sha256 of all files in the folder.
        """
        for left in (self._folder / FOLDER).glob("*.reads"):  # of one that failed
            left.unlink()
        made = {page.name: page.made for page in self._used}
        try:
            # What changed meanwhile may be in the pages, or may not.
            if not self._executed or self._shared_now(self._listed_again()) == self._shared:
                made |= self._executed
        except (WrongInputError, FailedError, OSError):
            pass
        for name, one in made.items():
            own = {file for file in one.files if file in files}
            own |= {file for file in pages.names(name) if file in files}
            one.files = {}
            for file in sorted(own):
                time = (self._folder / file).stat().st_mtime_ns
                one.files[file] = (files[file]["bytes"], time, files[file]["sha256"])
            owner_only.folder(self._folder / FOLDER)
            text = json.dumps(asdict(one), indent=1, sort_keys=True)
            owner_only.replace(self._folder / FOLDER / f"{name}.json", text + "\n")

    # --- what is compared

    def _shared_now(self, listing: Landing | None) -> dict[str, str]:
        settings = self._settings
        return {
            "the code": inputs.code(),
            "the parameters": inputs.parameters(settings, *self._given),
            "the environment": inputs.environment(),
            "the landing": inputs.landing(self._warehouse, settings, listing),
            "files that the parameters name": inputs.files(settings),
        }

    def _listed_again(self) -> Landing | None:
        if self._listing is None or not isinstance(self._warehouse, LandingWarehouse):
            return None
        return self._warehouse.landing_files()

    def _force_or_doubt(self, name: str) -> str:
        if self._force:
            return "it was asked for"
        read = cells.read(self._path(name))
        if read.doubt:
            return read.doubt
        if self._settings.activation.send and "engagement.audience.activating" in read.imports:
            return "it may send"
        return ""

    def _past(self) -> Iterator[history.PastRun]:
        """Earlier runs, the newest first, each read once and only when it is looked at."""
        yield from tuple(self._seen)
        for run in self._unseen:
            self._seen.append(run)
            yield run

    def _last(self, name: str) -> Page | None:
        """The last page of a notebook, unless some run since then did not go well."""
        for run in self._past():
            if run.id >= self._run_id:
                continue
            if run.outcome != "done":
                self.why = f"run {run.id} did not go well"
                return None
            if not any(one.get("name") == name for one in run.record.get("notebooks", ())):
                continue
            path = run.folder / FOLDER / f"{name}.json"
            made = _read(path)
            if made is None:
                self.why = f"run {run.id} did not keep what it was made from"
                return None
            return Page(name, run.folder, made)
        self.why = "there is no page of it yet"
        return None

    def _changed(self, page: Page) -> str:
        """What is not as it was; empty where everything is."""
        made, read = page.made, cells.read(self._path(page.name))
        if made.notebook != inputs.digest([read.text]):
            return "the notebook changed"
        changed = differing(made.shared, self._shared, str)
        if changed:
            return changed
        for name, (size, time, sha256) in made.files.items():
            if not _is_same(page.folder / name, size, time, sha256):
                return f"{name} of run {page.folder.name} is gone or changed"
        if not all(name in made.files for name in pages.names(page.name)):
            return f"run {page.folder.name} has no page of it"
        # What takes a connection comes last.
        now = self._versions_of(made.tables)
        changed = differing(made.tables, now, str)
        if changed:
            return changed
        answers = self._answered(read, with_as_of=_AS_OF in made.answers)
        if answers.get(_IDLE, "True") != "True":
            return "there is something to flatten"
        return differing(made.answers, answers, str)

    def _versions_of(self, names: Iterable[str]) -> dict[str, str]:
        """Versions of tables; each is asked for once, until a notebook was executed."""
        wanted = set(names)
        unknown = wanted - self._versions.keys()
        if unknown:
            self._versions |= inputs.versions(self._warehouse, unknown)
        return {name: self._versions[name] for name in sorted(wanted)}

    def _answered(self, read: cells.Cells, *, with_as_of: bool) -> dict[str, str]:
        asked = [_ASKED_BY[module] for module in _ASKED_BY if module in read.imports]
        if with_as_of:
            asked.append(_AS_OF)
        for question in asked:
            if question not in self._answers:
                self._answers[question] = self._answer(question)
        return {question: self._answers[question] for question in asked}

    def _answer(self, question: str) -> str:
        settings, warehouse = self._settings, self._warehouse
        if question == _CHECKS:
            found = checks.check(settings)
            return inputs.digest(
                f"{replace(one, found='') if one.name in _MEASURED and one.ok else one}"
                for one in found
            )
        if question == _IDLE:
            if self._listing is None:
                raise InputsUnknownError("there is no landing")
            if not warehouse.exists():
                return "False"
            with warehouse.session() as session:
                return str(increments.plan(session, self._listing, settings).is_idle)
        if question == _ALERTS:
            found_ = alerts.as_records(alerts.look(warehouse, settings))
            return inputs.digest([json.dumps(found_, sort_keys=True, default=str)])
        if question == _DAY:
            return datetime.now(UTC).date().isoformat()
        return str(asdict(self._resolved()))

    def _resolved(self) -> AsOf:
        if self._as_of is None:
            # A run keeps to what it has resolved, whoever resolved it.
            recorded = recorded_as_of(self._folder)
            self._as_of = recorded or resolve_as_of(self._warehouse, self._settings)
        return self._as_of

    def _path(self, name: str) -> Path:
        return self._notebooks / f"{name}.ipynb"

    def _files(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        """Files that notebooks have written into the folder: bytes, time and number."""
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if "/" not in name and name != "report.html":
                continue  # the run's own
            if name.startswith((f"{FOLDER}/", "notebooks/")) or not path.is_file():
                continue
            state = path.stat()
            yield name, (state.st_size, state.st_mtime_ns, state.st_ino)


def _read(path: Path) -> Made | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != _FORMAT:
            return None
        files = found["files"].items()
        found["files"] = {name: (int(b), int(t), str(s)) for name, (b, t, s) in files}
        date.fromisoformat(found["executed_at"][:10])
        return Made(**found)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_same(path: Path, size: int, time: int, sha256: str) -> bool:
    """Whether a file is the one that was written: by its time, or else by its bytes."""
    if path.is_symlink() or not path.is_file():
        return False
    state = path.stat()
    if state.st_size != size:
        return False
    if state.st_mtime_ns == time:
        return True
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == sha256


def _link(there: Path, here: Path) -> None:
    """Let a file of another run be in this one's folder too, which may go before or after it."""
    owner_only.folder(here.parent)
    try:
        os.link(there, here)
    except OSError:  # another disk, or one that knows no links
        with there.open("rb") as source, owner_only.opened(here, "wb") as target:
            shutil.copyfileobj(source, target)
        state = there.stat()
        os.utime(here, ns=(state.st_atime_ns, state.st_mtime_ns))


def _day(made: Made) -> str:
    return made.executed_at[:16].replace("T", " ")
