"""Taking a person out of the folders of earlier runs: rows of exports, and pages as a whole."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from engagement import owner_only
from engagement.erasure.people import id_text, is_id_key, is_unmistakable, whole_words
from engagement.flatten.names import column_name, snake_case

RECEIPTS = "erasures"
"""Folder, below the runs, of what erasures have left to prove themselves."""

_RECORD = "run.json"
_SHORTEST = 6
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Traces:
    """What tells a person in a file.

    ``ids`` count where they stand at the name of an id; ``words`` anywhere; ``texts`` are values of
    their events that nobody else's events have.
    """

    ids: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()


@dataclass
class Scrubbed:
    """What became of files, by name below the runs: rows taken out, or the file removed."""

    rows: dict[str, int] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)


def traces(
    user_ids: Iterable[str], devices: Iterable[str], more: Iterable[str], texts: Iterable[str] = ()
) -> Traces:
    """What tells a person: ``more`` are ids of models and addresses, which are theirs anywhere."""
    ids = {*user_ids, *devices}
    words = {value for value in ids if is_unmistakable(value)} | set(more)
    return Traces(frozenset(ids), frozenset(words), frozenset(texts))


def scrub(folder: Path, of: Traces, *, dry_run: bool) -> Scrubbed:
    """Go through every file of earlier runs.

    Rows of CSV files and lines of JSON go; other files that show the person are removed. Records of
    runs (``run.json``) are brought up to date.
    """
    found = Scrubbed()
    if not folder.is_dir():
        return found
    finder = _Finder(of)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name.startswith(f"{RECEIPTS}/") or path.is_symlink():
            continue
        data = path.read_bytes()
        is_packed = path.name.endswith(".csv.gz")
        try:
            text = (gzip.decompress(data) if is_packed else data).decode("utf-8")
        except (UnicodeDecodeError, OSError, EOFError):
            continue  # pictures of many people's numbers
        kept, rows = _without(path, text, finder)
        if kept is None:
            found.removed.append(name)
        elif rows:
            found.rows[name] = rows
        else:
            continue
        if dry_run:
            continue
        if kept is None:
            path.unlink()
        else:
            owner_only.replace(path, _packed(kept) if is_packed else kept)
        _note(folder / name.split("/")[0], path)
    return found


def _packed(text: str) -> bytes:
    """A text as gzip, without the moment of packing."""
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def shown(folder: Path, texts: Iterable[str]) -> set[str]:
    """Which of some texts stand in a file of an earlier run."""
    left = {text: _forms(text) for text in texts if len(text) >= _SHORTEST}
    words = {form: frozenset(_WORD.findall(form)) for forms in left.values() for form in forms}
    found: set[str] = set()
    if not folder.is_dir():
        return found
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and left:
            content = path.read_text(encoding="utf-8", errors="replace")
            # A text is there only if its words are: few have to be looked for in earnest.
            there = frozenset(_WORD.findall(content))
            here = {
                text
                for text, forms in left.items()
                if any(words[form] <= there and form in content for form in forms)
            }
            found |= here
            left = {text: forms for text, forms in left.items() if text not in here}
    return found


def _forms(text: str) -> set[str]:
    """How a text may stand in a file: as it is, in JSON, in HTML, as the name of a table."""
    named = {snake_case(text), column_name(text)}
    return {
        *(name for name in named if len(name) >= _SHORTEST),
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        escape(text, quote=False),
        escape(text),
    }


class _Finder:
    def __init__(self, of: Traces) -> None:
        self._ids = of.ids
        self._words = whole_words(of.words)
        self._texts = [form for text in of.texts for form in _forms(text)]

    def in_text(self, text: str) -> bool:
        """Whether a text shows the person, whatever it is."""
        if self._words and self._words.search(text):
            return True
        return any(form in text for form in self._texts)

    def in_cells(self, cells: Mapping[str, str]) -> bool:
        """Whether a row is the person's, or names them."""
        return any(
            (is_id_key(name) and value in self._ids) or self.in_text(value)
            for name, value in cells.items()
        )

    def in_json(self, value: Any) -> bool:
        """Whether a JSON value is the person's, or names them."""
        return self.in_cells(dict(_leaves(value))) or self.in_text(json.dumps(value))


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    else:
        text = id_text(value)
        if text is not None:
            yield key, text


def _without(path: Path, text: str, finder: _Finder) -> tuple[str | None, int]:
    """A file's text without the person, and how many rows went; ``None`` where all of it has to."""
    if path.name.endswith((".csv", ".csv.gz")):
        return _csv(text, finder)
    if path.name == _RECORD:
        return _record(text, finder)
    if path.suffix in (".json", ".jsonl"):
        lines = _lines(text)
        try:
            values = [json.loads(line) if line.strip() else None for line in lines]
        except ValueError:
            pass  # one value over several lines
        else:
            kept = [line for line, v in zip(lines, values, strict=True) if not finder.in_json(v)]
            return "".join(kept), len(lines) - len(kept)
    return (None, 0) if finder.in_text(text) else (text, 0)


def _record(text: str, finder: _Finder) -> tuple[str, int]:
    """The record of a run without what shows the person: a table of an event of theirs, say."""
    removed = 0

    def pruned(value: Any) -> Any:
        nonlocal removed
        if isinstance(value, dict):
            kept = {
                key: inner
                for key, inner in value.items()
                if not finder.in_text(key)
                and not (isinstance(inner, str) and finder.in_text(inner))
            }
            removed += len(value) - len(kept)
            return {key: pruned(inner) for key, inner in kept.items()}
        if isinstance(value, list):
            left = [inner for inner in value if not finder.in_json(inner)]
            removed += len(value) - len(left)
            return [pruned(inner) for inner in left]
        return value

    try:
        document = pruned(json.loads(text))
    except ValueError:
        return text, 0  # half of one
    return (json.dumps(document, indent=2) + "\n" if removed else text), removed


def _lines(text: str) -> list[str]:
    """Lines with their ends, as files have them: other signs that end lines are none here."""
    return io.StringIO(text, newline="").readlines()


def _csv(text: str, finder: _Finder) -> tuple[str, int]:
    raw: list[str] = []

    def lines() -> Iterator[str]:
        for line in _lines(text):
            raw.append(line)
            yield line

    kept: list[str] = []
    header: list[str] = []
    rows = 0
    for row in csv.reader(lines()):
        whole, raw[:] = "".join(raw), []
        cells = {f"{name}": value for name, value in zip(header, row, strict=False)}
        if header and (finder.in_cells(cells) or finder.in_text(whole)):
            rows += 1
            continue
        header = header or row
        kept.append(whole)
    return "".join(kept), rows


def _note(run: Path, path: Path) -> None:
    """Bring the record of a run up to date with a file that was changed or removed."""
    record = run / _RECORD
    if not record.is_file():
        return
    try:
        document = json.loads(record.read_text(encoding="utf-8"))
    except ValueError:
        return
    name = path.relative_to(run).as_posix()
    files = document.get("files", {})
    if path.exists():
        data = path.read_bytes()
        if name in files:
            files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    else:
        files.pop(name, None)
    note = "an erasure has changed or removed files of this run"
    if note not in document.setdefault("notes", []):
        document["notes"].append(note)
    owner_only.replace(record, json.dumps(document, indent=2) + "\n")
