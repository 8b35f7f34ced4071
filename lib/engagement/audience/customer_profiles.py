"""The file that Amazon Connect Customer Profiles imports a segment from.

UTF-8 CSV under 1 GB, headers without dots. An import job knows no segment: the column
``segment_batch`` says which export a row came with, it is mapped to an attribute of the profile,
and the segment is defined by that attribute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from engagement.audience.files import (
    ExportedFile,
    Reject,
    csv_line,
    write_parts,
    write_rejects,
)
from engagement.audience.pinpoint import texts
from engagement.audience.reach import MEANING, Contact, Outcome
from engagement.audience.segments import AudienceError, Segment, Selection

MOST_BYTES = 999_999_999
"""Files are under 1 GB, read as the stricter 10^9 bytes."""

MOST_CHARACTERS = 255
"""What a field of a profile holds, by the service's own model (``CreateProfile``)."""

BATCH = "segment_batch"

_HEADER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Column:
    """A column of the file, the field of the profile it is for, and what kind of value it holds."""

    name: str
    target: str
    content_type: str = "STRING"


STANDARD = (
    Column("person_id", "_profile.AccountNumber"),
    Column(BATCH, f"_profile.Attributes.{BATCH}"),
    Column("user_id", "_profile.Attributes.user_id"),
    Column("first_name", "_profile.FirstName", "NAME"),
    Column("last_name", "_profile.LastName", "NAME"),
    Column("email", "_profile.EmailAddress", "EMAIL_ADDRESS"),
    Column("phone", "_profile.PhoneNumber", "PHONE_NUMBER"),
    Column("city", "_profile.Address.City"),
    Column("state", "_profile.Address.State"),
    Column("country", "_profile.Address.Country"),
    Column("postal_code", "_profile.Address.PostalCode"),
)

UNIQUE_KEY = "person_id"


@dataclass(frozen=True)
class Export:
    """What an export wrote; ``rejects`` lists everyone and everything that is not in the files."""

    batch: str
    people: int
    files: tuple[ExportedFile, ...]
    rejects: tuple[Reject, ...]
    rejects_file: ExportedFile


def batch(selection: Selection) -> str:
    """What tells this export from others: the segment and the day it stands for."""
    return f"{selection.segment.name}-{selection.as_of.isoformat()}"


def columns(segment: Segment) -> list[Column]:
    """Columns of the file: those of every profile, then what the segment asks for.

    Raises
    ------
    AudienceError
        When a name cannot be a header.
    """
    known = {column.name for column in STANDARD}
    names = [*segment.attributes, *segment.lists, *segment.metrics]
    asked = dict.fromkeys(name for name in names if name not in known)
    problems = [
        f"{name}: a header has letters, digits, '_' and '-', no dot, and at most 64 characters"
        for name in asked
        if not _HEADER.fullmatch(name)
    ]
    if problems:
        raise AudienceError(f"the segment {segment.name}", problems)
    numbers = set(segment.metrics)
    return [
        *STANDARD,
        *(
            Column(name, f"_profile.Attributes.{name}", "NUMBER" if name in numbers else "STRING")
            for name in asked
        ),
    ]


def mapping_frame(segment: Segment) -> pd.DataFrame:
    """Which column goes to which field of the profile."""
    rows = [(f"_source.{c.name}", c.target, c.content_type) for c in columns(segment)]
    return pd.DataFrame(rows, columns=["source", "target", "content type"])


def export(
    selection: Selection,
    contacts: Sequence[Contact],
    folder: Path,
    rejects_folder: Path,
    most_bytes: int = MOST_BYTES,
) -> Export:
    """Write the people of a segment who may be contacted by at least one of its channels.

    An address stands in the file only for a channel by which the person may be contacted.

    Parameters
    ----------
    folder
        Where ``<segment>-001.csv`` and, if one file would grow too large, further ones go.
    rejects_folder
        Where ``customer_profiles-<segment>.csv`` goes, the list of what is not in the files.

    Raises
    ------
    AudienceError
        When the segment asks for columns that the file cannot have.
    """
    segment = selection.segment
    wanted = columns(segment)
    addresses: dict[str, dict[str, str]] = {}
    rejects: list[Reject] = []
    for contact in contacts:
        if contact.outcome is Outcome.REACHABLE and contact.address:
            column = "email" if contact.channel == "email" else "phone"
            addresses.setdefault(contact.person_id, {})[column] = contact.address
        else:
            detail = f": {contact.detail}" if contact.detail else ""
            reason = MEANING[contact.outcome] + detail
            rejects.append(Reject(contact.person_id, contact.channel, "address", reason))
    name = batch(selection)
    lines = []
    for row in selection.rows():
        person_id = row["person_id"]
        if person_id not in addresses:
            rejects.append(Reject(person_id, "", "person", "no channel reaches this person"))
            continue
        values = {**row, "email": None, "phone": None, **addresses[person_id], BATCH: name}
        cells, problems = _cells(wanted, values, person_id)
        rejects += problems
        lines.append(csv_line(cells))
    header = csv_line([column.name for column in wanted])
    return Export(
        batch=name,
        people=len(lines),
        files=tuple(write_parts(folder, segment.name, "csv", header, lines, most_bytes)),
        rejects=tuple(sorted(rejects)),
        rejects_file=write_rejects(
            rejects_folder / f"customer_profiles-{segment.name}.csv", rejects
        ),
    )


def _cells(
    wanted: Sequence[Column], values: Mapping[str, Any], person_id: str
) -> tuple[list[str], list[Reject]]:
    cells, rejects = [], []
    for column in wanted:
        text = "|".join(texts(values[column.name]))
        problem = None
        if _UNPRINTABLE.search(text):
            problem = "the value holds a line break, a tab or another control character"
        elif len(text) > MOST_CHARACTERS:
            problem = f"the value is longer than {MOST_CHARACTERS} characters"
        if problem:
            rejects.append(Reject(person_id, "", column.name, problem))
            text = ""
        cells.append(text)
    return cells, rejects
