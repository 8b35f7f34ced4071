"""The suppression list: addresses and people that are never contacted, from files or tables."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from engagement.audience.addresses import address_key, usable
from engagement.audience.errors import AudienceError
from engagement.audience.people import people_now
from engagement.audience.reach import Listed
from engagement.audience.segments import plain_values
from engagement.messages import nearest
from engagement.settings import Settings
from engagement.sql.dialect import LOGICAL
from engagement.warehouse import Session, Table
from engagement.warehouse.frames import columns_of

COLUMNS = ("email", "phone", "person_id", "user_id", "country")
"""Columns that are read. ``country`` helps to read telephone numbers without a country code."""


def listed(session: Session, settings: Settings) -> Listed:
    """Everything that the parameters' suppression lists hold.

    An id counts for whoever has it by now: people are merged, and have several user ids. An address
    that cannot be read is kept as it is written, in lower case: it can suppress nothing
    but what is written alike.

    Raises
    ------
    AudienceError
        When a list does not exist or has none of the columns; no message repeats what is in one.
    """
    addresses: set[str] = set()
    named: dict[str, set[str]] = {"person_id": set(), "user_id": set()}
    for source in settings.audience.suppression:
        for row in _rows(source, session, settings):
            country = row.get("country")
            for column, channel in (("email", "email"), ("phone", "sms")):
                text = (row.get(column) or "").strip()
                if text:
                    found = usable(text, channel, country, settings.audience.phones)  # type: ignore[arg-type]
                    addresses.add(address_key(found or text))
            for column, ids in named.items():
                text = (row.get(column) or "").strip()
                if text:
                    ids.add(text)
    most = settings.identity.max_users_per_device
    now = people_now(session, named["person_id"], named["user_id"], most)
    return Listed(frozenset(addresses), frozenset(set().union(now, *named.values())))


def is_table(source: str) -> bool:
    """Whether a list is a table, such as ``marts.do_not_contact``, and not a file."""
    return source.partition(".")[0] in LOGICAL and "/" not in source


def _rows(source: str, session: Session, settings: Settings) -> Iterator[dict[str, str | None]]:
    if is_table(source):
        return _of_table(Table.parse(source), session)
    return _of_file(settings.path(source), source)


def _of_table(table: Table, session: Session) -> Iterator[dict[str, str | None]]:
    there = session.columns(table)
    if not there:
        known = [Table(table.database, name) for name in session.tables(table.database)]
        near = nearest(str(table), map(str, known))
        raise AudienceError(
            "the parameters", [f"audience.suppression: there is no table {table}{near}"]
        )
    names = _wanted(str(table), there)
    frame = session.query(columns_of(table, names), label=f"suppression list {table}")
    cells = [plain_values(frame[name]) for name in names]
    for row in zip(*cells, strict=True):
        yield {
            name: None if cell is None else str(cell) for name, cell in zip(names, row, strict=True)
        }


def _of_file(path: Path, source: str) -> Iterator[dict[str, str | None]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            wanted = _wanted(source, reader.fieldnames or ())
            for row in reader:
                yield {name: row.get(name) for name in wanted}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        strerror = getattr(error, "strerror", None)
        reason = strerror.lower() if strerror else "it is no CSV in UTF-8"
        raise AudienceError(
            "the parameters", [f"audience.suppression: {source} cannot be read: {reason}"]
        ) from None


def _wanted(source: str, there: Iterable[str]) -> list[str]:
    found = [name for name in COLUMNS if name in set(there)]
    if not set(found) - {"country"}:
        problem = f"{source} has none of the columns email, phone, person_id and user_id"
        raise AudienceError("the parameters", [f"audience.suppression: {problem}"])
    return found
