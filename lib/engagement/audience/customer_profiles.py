"""The files that Amazon Connect Customer Profiles imports a segment from.

UTF-8 CSV under 1 GB, headers without dots. An import job knows no segment: the column
``segment_batch`` says which export a row came with, it is mapped to an attribute of the profile
that is the segment's own, and the segment is defined by that attribute.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from engagement.audience.files import ExportedFile, Reject, RejectsFile, write_rejects
from engagement.audience.pinpoint import texts
from engagement.audience.reach import MEANING, Contact, Outcome
from engagement.audience.segments import AudienceError, Segment, Selection
from engagement.audience.stream import Format, Writer, as_texts, write_manifest

MOST_BYTES = 999_999_999
"""Files are under 1 GB, read as the stricter 10^9 bytes."""

MOST_CHARACTERS = 255
"""What a field of a profile holds, by the service's own model (``CreateProfile``)."""

BATCH = "segment_batch"

_HEADER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNPRINTABLE = r"[\x00-\x1f\x7f-\x{9f}\x{2028}\x{2029}]"
_CONTROLS = "the value holds a line break, a tab or another control character"
_TOO_LONG = f"the value is longer than {MOST_CHARACTERS} characters"


@dataclass(frozen=True)
class Column:
    """A column of the file, the field of the profile it is for, and what kind of value it holds."""

    name: str
    target: str
    content_type: str = "STRING"


KEY = Column("person_id", "_profile.AccountNumber")

STANDARD = (
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

UNIQUE_KEY = KEY.name


@dataclass(frozen=True)
class Export:
    """What an export wrote.

    ``rejects`` lists everyone and everything that is not in the files; a large export has them in
    its file alone, and counts them in ``left_out`` by channel, what and reason.
    """

    batch: str
    people: int
    files: tuple[ExportedFile, ...]
    rejects: tuple[Reject, ...]
    rejects_file: ExportedFile
    left_out: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def batch(selection: Selection) -> str:
    """What tells this export from others: the segment and the day it stands for."""
    return batch_name(selection.segment, selection.as_of)


def batch_name(segment: Segment, as_of: Any) -> str:
    """As :func:`batch`, of a segment and a day."""
    return f"{segment.name}-{as_of.isoformat()}"


def batch_attribute(segment: Segment) -> str:
    """The attribute of profiles that a segment is defined by: one of its own.

    With one for all segments, an import for one would take people out of the others.
    """
    return f"{BATCH}_{segment.name}"


def key_columns(segment: Segment) -> list[Column]:
    """The columns that say who it is, and which batch they are in."""
    return [KEY, Column(BATCH, f"_profile.Attributes.{batch_attribute(segment)}")]


def columns(segment: Segment) -> list[Column]:
    """Columns of the file: those of every profile, then what the segment asks for.

    Raises
    ------
    AudienceError
        When a name cannot be a header.
    """
    first = [*key_columns(segment), *STANDARD]
    known = {column.name for column in first}
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
        *first,
        *(
            Column(name, f"_profile.Attributes.{name}", "NUMBER" if name in numbers else "STRING")
            for name in asked
        ),
    ]


def mapping_frame(segment: Segment) -> pd.DataFrame:
    """Which column goes to which field of the profile."""
    rows = [(f"_source.{c.name}", c.target, c.content_type) for c in columns(segment)]
    return pd.DataFrame(rows, columns=["source", "target", "content type"])


# --- writing --------------------------------------------------------------------------------------


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
    rejects = list(_not_reached(contacts))
    members = reached(selection, contacts)
    there = set(members["person_id"])
    rejects += [
        Reject(person, "", "person", "no channel reaches this person")
        for person in selection.people["person_id"]
        if person not in there
    ]
    how = Format(most_bytes=most_bytes)
    name = batch(selection)
    done = _write(selection.segment, name, [members], folder, how, rejects.append)
    return Export(
        batch=name,
        people=sum(file.rows for file in done),
        files=done,
        rejects=tuple(sorted(rejects)),
        rejects_file=write_rejects(_rejects_path(rejects_folder, selection.segment), rejects),
        left_out=Counter((r.channel, r.what, r.reason) for r in rejects),
    )


def export_members(
    segment: Segment,
    batch: str,
    members: Iterable[pd.DataFrame],
    folder: Path,
    rejects_folder: Path,
    how: Format | None = None,
) -> Export:
    """Write members of a segment in a stream, whatever their number.

    Parameters
    ----------
    members
        Frames in the order of ``person_id``, each with the columns of the file but the batch:
        ``email`` and ``phone`` hold usable addresses, for channels by which the person may be
        contacted, and nothing else.
    how
        Sizes of the parts; the default is what an import takes.

    Raises
    ------
    AudienceError
        When the segment asks for columns that the file cannot have.
    """
    with RejectsFile(_rejects_path(rejects_folder, segment)) as rejects:
        done = _write(segment, batch, members, folder, how or Format(), rejects.add)
    people = sum(file.rows for file in done)
    counts = sorted(rejects.counts.items())
    about = {
        "batch": batch,
        "columns": [column.name for column in columns(segment)],
        "left_out": [
            {"channel": channel, "what": what, "reason": reason, "count": count}
            for (channel, what, reason), count in counts
        ],
    }
    write_manifest(folder, segment.name, done, about)
    return Export(batch, people, done, (), rejects.file(), rejects.counts)


def _rejects_path(folder: Path, segment: Segment) -> Path:
    return folder / f"customer_profiles-{segment.name}.csv"


def _write(
    segment: Segment,
    batch: str,
    members: Iterable[pd.DataFrame],
    folder: Path,
    how: Format,
    reject: Callable[[Reject], None],
) -> tuple[ExportedFile, ...]:
    wanted = columns(segment)
    with Writer(folder, segment.name, [column.name for column in wanted], how) as writer:
        for frame in members:
            made, found = cells(wanted, frame, batch)
            writer.write(made)
            for one in found:
                reject(one)
    return tuple(writer.files)


def cells(
    wanted: Sequence[Column], frame: pd.DataFrame, batch: str
) -> tuple[list[pa.Array], list[Reject]]:
    """Columns of the file for some people, and values that a profile cannot hold."""
    made: list[pa.Array] = []
    rejects: list[Reject] = []
    for column in wanted:
        if column.name == BATCH:
            made.append(pa.array([batch] * len(frame), pa.string()))
            continue
        found = as_texts(frame[column.name], _joined)
        for problem, mask in (
            (_CONTROLS, pc.match_substring_regex(found, _UNPRINTABLE)),
            (_TOO_LONG, pc.greater(pc.utf8_length(found), MOST_CHARACTERS)),
        ):
            if mask.true_count:
                people = frame["person_id"].to_numpy()[mask.to_numpy(zero_copy_only=False)]
                rejects += [Reject(str(person), "", column.name, problem) for person in people]
                found = pc.if_else(mask, "", found)
        made.append(found)
    return made, rejects


def _joined(value: Any) -> str:
    return "|".join(texts(value))


# --- who is reached -------------------------------------------------------------------------------


def reached(selection: Selection, contacts: Iterable[Contact]) -> pd.DataFrame:
    """The people whom a channel reaches, with the addresses that may be used and no others."""
    addresses: dict[str, dict[str, str]] = {}
    for contact in contacts:
        if contact.outcome is Outcome.REACHABLE and contact.address:
            column = "email" if contact.channel == "email" else "phone"
            addresses.setdefault(contact.person_id, {})[column] = contact.address
    people = selection.people[selection.people["person_id"].isin(addresses)]
    ids = list(people["person_id"])
    return people.assign(
        **{
            name: pd.Series([addresses[i].get(name) for i in ids], index=people.index, dtype=object)
            for name in ("email", "phone")
        }
    )


def _not_reached(contacts: Iterable[Contact]) -> Iterator[Reject]:
    for contact in contacts:
        if contact.outcome is not Outcome.REACHABLE or not contact.address:
            detail = f": {contact.detail}" if contact.detail else ""
            yield Reject(
                contact.person_id, contact.channel, "address", MEANING[contact.outcome] + detail
            )
