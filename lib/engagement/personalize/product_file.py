"""A shop's own catalogue: a CSV file of products, to be joined to what events say of them."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from engagement.personalize.datasets import PersonalizeError, Reject

KNOWN = ("product_id", "name", "brand", "category", "price", "created_at")
"""Columns with a meaning of their own. All others become fields of the items, in upper case."""

RESERVED = frozenset(
    {
        *("ITEM_ID", "PRICE", "CATEGORY_L1", "CATEGORY_L2", "CATEGORY_L3", "BRAND"),
        *("PRODUCT_DESCRIPTION", "CREATION_TIMESTAMP"),
    }
)
MOST_OWN = 90
"""Items have at most 100 fields, of which some are ours."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,9})?")


@dataclass(frozen=True)
class Catalogue:
    """The rows of a catalogue.

    Attributes
    ----------
    rows
        By product id: the columns that have a value, ``price`` as a number and ``created_at`` in
        seconds since 1970.
    own
        Names of the columns beyond the known ones, in the file's order.
    rejects
        Rows that were not used: their id (or line), the column, and why.
    """

    rows: Mapping[str, Mapping[str, Any]]
    own: tuple[str, ...]
    rejects: tuple[Reject, ...]


EMPTY = Catalogue({}, (), ())


def read(path: Path, as_of: date) -> Catalogue:
    """Read a catalogue.

    A comma separates cells, the first line names the columns, the text is UTF-8. ``product_id`` is
    needed, every other column may be left out.

    Parameters
    ----------
    as_of
        Products cannot have been created later than this day.

    Raises
    ------
    PersonalizeError
        When the file cannot be read as a catalogue at all; rows that cannot be used are rejects.
    """
    where = f"personalize.catalogue: {path.name}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise PersonalizeError(f"{where}: there is no such file") from None
    except UnicodeDecodeError:
        raise PersonalizeError(f"{where}: it is not UTF-8; save it so") from None
    lines = csv.reader(text.splitlines(keepends=True))
    try:
        header = [name.strip().lower() for name in next(lines, [])]
        _check_header(header, where)
        return _rows(header, lines, as_of)
    except csv.Error as error:
        raise PersonalizeError(f"{where}, line {lines.line_num}: {error}") from None


def _check_header(header: list[str], where: str) -> None:
    problems = []
    if "product_id" not in header:
        problems.append("the column product_id is missing from its first line")
    twice = sorted({name for name in header if header.count(name) > 1})
    problems += [f"the column {name} is there twice" for name in twice]
    for name in header:
        if not _NAME.fullmatch(name):
            problems.append(
                f"'{name}' is no name for a column: take letters, digits and _, a letter first"
            )
        elif name.upper() in RESERVED and name not in KNOWN:
            problems.append(f"the field {name.upper()} is made here: name the column otherwise")
    own = [name for name in header if name not in KNOWN]
    if len(own) > MOST_OWN:
        problems.append(f"it has {len(own)} columns of its own, at most {MOST_OWN} can be fields")
    if problems:
        raise PersonalizeError(f"{where}: " + "; ".join(problems))


def _rows(header: list[str], lines: Iterable[list[str]], as_of: date) -> Catalogue:
    rows: dict[str, dict[str, Any]] = {}
    rejects: list[Reject] = []
    for number, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            why = f"has {len(cells)} cells, the first line has {len(header)}"
            rejects.append(Reject(f"row {number}", "row", why))
            continue
        found: dict[str, Any] = {
            name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()
        }
        id_ = found.pop("product_id", "")
        problem = _problem(id_, found, rows, as_of)
        if problem:
            rejects.append(Reject(id_ or f"row {number}", *problem))
        else:
            rows[id_] = found
    own = tuple(name for name in header if name not in KNOWN)
    return Catalogue(rows, own, tuple(sorted(rejects)))


def _problem(
    id_: str, found: dict[str, Any], rows: Mapping[str, Any], as_of: date
) -> tuple[str, str] | None:
    """What is wrong with a row; numbers and moments in it are read on the way."""
    if not id_:
        return "product_id", "is missing"
    if len(id_) > 256:
        return "product_id", "is longer than 256 characters"
    if id_ in rows:
        return "product_id", "is there more than once; the first row is used"
    if "price" in found:
        price = _number(found["price"])
        if price is None:
            return "price", "is no number"
        if price < 0:
            return "price", "is below zero"
        found["price"] = price
    if "created_at" in found:
        seconds = _seconds(found["created_at"])
        if seconds is None:
            return "created_at", "is no moment: write 2026-10-30, 2026-10-30T10:00:00Z or seconds"
        if datetime.fromtimestamp(seconds, UTC).date() > as_of:
            return "created_at", f"is after the as-of date {as_of}"
        found["created_at"] = seconds
    return None


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


_LAST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


def _seconds(text: str) -> int | None:
    if re.fullmatch(r"[0-9]{1,11}", text):
        seconds = int(text)
        return seconds if seconds < _LAST else None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = math.floor(moment.timestamp())
    return seconds if 0 <= seconds < _LAST else None


def number_kind(texts: Iterable[str]) -> str:
    """Athena's type for the texts of an own column: ``bigint``, ``double`` or ``varchar``."""
    kind = "bigint"
    for text in texts:
        if not _NUMBER.fullmatch(text):
            return "varchar"
        if "." in text:
            kind = "double"
        elif text.lstrip("-").startswith("0") and text.lstrip("-") != "0":
            return "varchar"  # an id such as 007
    return kind
