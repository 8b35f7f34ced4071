"""Members as a plain CSV for any other tool, its columns named by a mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from engagement.audience.errors import AudienceError
from engagement.audience.files import ExportedFile
from engagement.audience.pinpoint import texts
from engagement.audience.stream import Format, Writer, as_texts, write_manifest
from engagement.messages import nearest


def export(
    segment: str,
    members: Iterable[pd.DataFrame],
    mapping: Mapping[str, str],
    folder: Path,
    how: Format | None = None,
) -> tuple[ExportedFile, ...]:
    """Write members to ``<folder>/<segment>-001.csv``.

    Parameters
    ----------
    members
        Frames in the order of ``person_id``.
    mapping
        Headers of the file and the member's column that each has, in the order of the file:
        ``{"Contact ID": "person_id"}``.

    Raises
    ------
    AudienceError
        With every column that members do not have.
    """
    with Writer(folder, segment, list(mapping), how) as writer:
        for frame in members:
            _check(segment, mapping, list(frame.columns))
            made = [as_texts(frame[c], lambda v: "|".join(texts(v))) for c in mapping.values()]
            writer.write(made)
    files = tuple(writer.files)
    write_manifest(folder, segment, files, {"columns": dict(mapping)})
    return files


def _check(segment: str, mapping: Mapping[str, str], there: list[str]) -> None:
    problems = [
        f"{header}: members have no column '{column}'{nearest(column, there)}"
        for header, column in mapping.items()
        if column not in there
    ]
    if problems:
        raise AudienceError(f"the mapping for the segment {segment}", problems)
