"""Large results and S3: what writes a query's rows there, what reads files, and the manifest.

A query's rows never pass through this machine: Redshift writes the files by itself, as a role, and
a manifest last, which says how many rows each file has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.redshift.types import quoted, text
from engagement.warehouse.unloading import Unloaded, UnloadedFile

Format = Literal["csv", "parquet"]

MANIFEST = "manifest"


@dataclass(frozen=True)
class Staging:
    """Where files are staged, and as which role Redshift gets there."""

    location: str
    role: str

    def authorised(self) -> str:
        """The clause by which a statement says so."""
        return f"iam_role {'default' if self.role == 'default' else text(self.role)}"


def unloading(
    query: str,
    to: str,
    staging: Staging,
    kind: Format,
    *,
    most_megabytes: int,
    in_order: bool = False,
) -> str:
    """What writes a query's rows below a folder of S3.

    CSV has a header, and its texts are quoted where they have to be; NULL is an empty field. Files
    are written one after the other where the query's order is to be kept, else all at once.
    """
    options = "format csv header" if kind == "csv" else "format parquet"
    return (
        f"unload ({text(query)}) to {text(to)} {staging.authorised()} {options} manifest verbose "
        f"cleanpath parallel {'off' if in_order else 'on'} maxfilesize {most_megabytes} mb"
    )


def copying(
    table: str, columns: Sequence[str], source: str, staging: Staging, null_mark: str
) -> str:
    """What reads compressed CSV files without a header into a table."""
    return (
        f"copy {table} ({', '.join(map(quoted, columns))}) from {text(source)} "
        f"{staging.authorised()} format csv gzip null as {text(null_mark)} timeformat 'auto' "
        "dateformat 'auto' encoding utf8 compupdate off statupdate off"
    )


def read_manifest(content: bytes, folder: str) -> Unloaded:
    """What a manifest says was written.

    Raises
    ------
    WarehouseError
        When it is no manifest, names a file elsewhere, or its figures contradict each other.
    """
    try:
        document: Mapping[str, Any] = json.loads(content)
        files = tuple(
            UnloadedFile(
                str(entry["url"]),
                int(entry["meta"]["record_count"]),
                int(entry["meta"]["content_length"]),
            )
            for entry in document["entries"]
        )
        total = int(document["meta"]["record_count"])
    except (ValueError, KeyError, TypeError) as error:
        raise WarehouseError(f"{folder}{MANIFEST} is no manifest of UNLOAD: {error}") from None
    elsewhere = [one.url for one in files if not one.url.startswith(folder)]
    if elsewhere:
        raise WarehouseError(f"{folder}{MANIFEST} names a file elsewhere: {elsewhere[0]}")
    if sum(one.rows for one in files) != total:
        raise WarehouseError(
            f"{folder}{MANIFEST}: the files have {sum(one.rows for one in files):,} rows, and "
            f"{total:,} are announced"
        )
    return Unloaded(folder, files, total)
