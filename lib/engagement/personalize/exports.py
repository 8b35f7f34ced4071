"""The data sets of Amazon Personalize, written in a stream: pages of rows in, parts of a file out.

What is in memory at a time is one page (:data:`PAGE_ROWS` rows, or what one hour of interactions
holds where that is more), all items, and 16 bytes for each user of each page. Rows come in a fixed
order, so a rerun writes the same bytes, whatever the size of a page.

A full export (FULL) holds everything as of a date. An increment (INCREMENTAL) holds what was
received after one date and up to another, by the schemas of the full one: it is a function of the
two. It holds the interactions received in between, the users who had them, and all items, since
what a catalogue adds or changes bears no date. What an increment cannot tell is that a guest became
a member, an order was cancelled or an action is worth another value: that is for the next full
export.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import pandas as pd

from engagement import owner_only
from engagement.as_of import AsOf
from engagement.messages import counted
from engagement.personalize import datasets, fields, product_file, row_values
from engagement.personalize.datasets import LENGTHS, DatasetFile, PersonalizeError, Reject
from engagement.personalize.fields import Column, Schema, Set
from engagement.personalize.parts import Parts
from engagement.personalize.readiness import Facts, Measured
from engagement.personalize.reading import Pages, Reader, action_rows
from engagement.privacy import masked
from engagement.settings import Settings
from engagement.sql.dialect import Table
from engagement.warehouse import Warehouse

PAGE_ROWS = 250_000
_MEGABYTE = 1_000_000

MANIFEST = "export.json"
"""The file that says what an export holds."""

LEAST_ROWS = 1_000
"""Rows that an import of interactions needs, an increment's too."""

MOST_INCREMENTAL_BYTES = 10**9

FORBIDDEN_FEATURES = frozenset(
    {
        *("person_id", "user_id", "email", "phone", "first_name", "last_name", "postal_code"),
        *("email_domain", "birthday_month", "city"),
    }
)
"""Columns of customer 360 that name a person, reach one, or nearly do."""

_OWN_FEATURES = frozenset({"membership", "gender", "age", "country", "plan"})
_MOST_USER_FIELDS = 25


Mode = Literal["FULL", "INCREMENTAL"]


@dataclass(frozen=True)
class Written:
    """A data set that was written: its schema, its files, and what was left out and why."""

    dataset: Set
    schema: Schema
    parts: tuple[DatasetFile, ...]
    left_out: Mapping[tuple[str, str], int]

    @property
    def rows(self) -> int:
        """Rows in its files."""
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        """Bytes of its files."""
        return sum(part.bytes for part in self.parts)


@dataclass(frozen=True)
class Export:
    """What was written: FULL, or INCREMENTAL since a moment."""

    mode: Mode
    sets: Mapping[Set, Written]
    facts: Facts
    catalogue: tuple[Reject, ...] = ()
    """Rows of the catalogue that were not used."""

    def files(self) -> pd.DataFrame:
        """One row per file: name, rows, bytes and the first digits of its sha256."""
        rows = [
            (f"{name}/{part.path.name}", part.rows, part.bytes, part.sha256[:12])
            for name, one in self.sets.items()
            for part in one.parts
        ]
        return pd.DataFrame(rows, columns=["file", "rows", "bytes", "sha256"])

    def left_out(self) -> pd.DataFrame:
        """Rows that are in no file, per data set and reason."""
        rows: list[tuple[str, str, int]] = [
            (name, f"{column} {why}", count)
            for name, one in self.sets.items()
            for (column, why), count in sorted(one.left_out.items())
        ]
        counts = Counter((one.field, one.reason) for one in self.catalogue)
        rows += [
            ("catalogue", f"{column} {why}", count)
            for (column, why), count in sorted(counts.items())
        ]
        return pd.DataFrame(rows, columns=["dataset", "reason", "rows"])


# --- what is to be written ------------------------------------------------------------------------


def check_settings(warehouse: Warehouse, settings: Settings) -> None:
    """Refuse event types that no interaction can have, and features that are none.

    Raises
    ------
    PersonalizeError
        With everything that is wrong.
    """
    datasets.check_settings(settings.personalize)
    features = settings.personalize.user_features
    with warehouse.session() as session:
        known = session.columns(Table("marts", "customer_360"))
    if features and not known:
        raise PersonalizeError("marts.customer_360 does not exist yet: run the earlier notebooks")
    problems = []
    for name in features:
        kind = known.get(name, "").partition("(")[0]
        if name in FORBIDDEN_FEATURES:
            problems.append(f"{name} tells who somebody is, and may not leave as a feature")
        elif name in _OWN_FEATURES:
            problems.append(f"{name} is a feature already")
        elif name not in known:
            problems.append(f"customer 360 has no column {name}")
        elif kind not in ("varchar", "bigint", "integer", "double", "decimal", "boolean"):
            problems.append(f"{name} is a {kind}, which no schema knows")
    if len(set(features)) != len(features):
        problems.append("a column is named twice")
    if len(features) + len(_OWN_FEATURES) + 1 > _MOST_USER_FIELDS:
        problems.append(f"users have at most {_MOST_USER_FIELDS} fields")
    if problems:
        raise PersonalizeError("personalize.user_features: " + "; ".join(problems))


def write(
    warehouse: Warehouse,
    settings: Settings,
    as_of: AsOf,
    folder: Path,
    rejects: Path,
    *,
    since: AsOf | None = None,
    schemas: Path | None = None,
    page_rows: int = PAGE_ROWS,
) -> Export:
    """Write the data sets: ``<name>.avsc``, and their rows in ``<name>/part-00001.csv`` and so on.

    Parameters
    ----------
    folder, rejects
        Where files go, and lists of rows that are in none.
    since
        Write an increment: what was received from this as-of moment on.
    schemas
        The folder of the full export whose schemas an increment has to fit.

    Raises
    ------
    PersonalizeError
        When models or files are missing; or when an increment holds fewer interactions than an
        import needs, or more bytes than one may have. Nothing is written then.
    """
    if (since is None) != (schemas is None):
        raise PersonalizeError("an increment needs a day that it begins after, and the schemas")
    if since is not None and since.seen_before >= as_of.seen_before:
        raise PersonalizeError(f"an increment since {since} ends before it begins, as of {as_of}")
    check_settings(warehouse, settings)
    with warehouse.session() as session:
        work = Reader(session, settings, as_of, since, page_rows)
        catalogue = work.catalogue()
        made = schemas_of(work, catalogue) if schemas is None else _read_schemas(schemas)
        sources = work.sources(catalogue)
        if since is not None:
            _enough(work)
        draft = folder.with_name(folder.name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            facts = Facts.empty()
            sets: dict[Set, Written] = {}
            most = settings.personalize.part_megabytes * _MEGABYTE
            for name, schema in made.items():
                measured = facts.of(name) if name in ("interactions", "items", "users") else None
                if measured is not None:
                    measured.fields = [one.document() for one in schema.fields]
                sets[name] = _write_set(
                    schema, sources[name], draft / name, rejects, most, measured
                )
                owner_only.write(draft / f"{name}.avsc", schema.text())
            large = [name for name, one in sets.items() if one.bytes > MOST_INCREMENTAL_BYTES]
            if since is not None and large:
                raise PersonalizeError(
                    f"the increment holds more than 1 GB of {large[0]}, which no incremental "
                    "import takes: write a full export"
                )
            _write_catalogue_rejects(catalogue, rejects)
            _manifest(draft, as_of, since, sets)
            _swap(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    placed = {
        name: replace(
            one,
            parts=tuple(replace(p, path=folder / name / p.path.name) for p in one.parts),
        )
        for name, one in sets.items()
    }
    mode: Mode = "FULL" if since is None else "INCREMENTAL"
    return Export(mode, placed, facts, catalogue.rejects)


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something else than an export: writing replaces it whole.

    Raises
    ------
    PersonalizeError
        When it does.
    """
    if folder.exists() and not folder.is_dir():
        raise PersonalizeError(f"{folder} is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise PersonalizeError(
            f"{folder} holds other things than an export, which would be gone: name another folder"
        )


def tables_read(settings: Settings) -> list[str]:
    """Names of the tables of ``marts`` that an export reads."""
    names = ["personalize_interactions", "personalize_items", "personalize_users"]
    if settings.personalize.user_features:
        names.append("customer_360")
    if settings.personalize.actions:
        names.append("personalize_action_interactions")
    return names


def schemas_of(work: Reader, catalogue: product_file.Catalogue) -> dict[Set, Schema]:
    """Choose the schemas by what the marts and the catalogue hold."""
    settings = work.settings.personalize
    found: dict[Set, Schema] = {
        "interactions": fields.interactions(
            work.profile(
                Table("marts", "personalize_interactions"),
                ["device_type", "impression", "recommendation_id"],
            ),
            event_types=settings.event_types.values(),
            values=settings.event_values,
        ),
        "items": fields.items(*work.item_columns(catalogue), domain=settings.domain == "ECOMMERCE"),
        "users": fields.users(work.user_columns(), settings.user_features),
    }
    if settings.actions:
        rows = action_rows(work.settings)
        columns = {
            name: Column("bigint", sum(row[name] is not None for row in rows), len(rows))
            for name in ("VALUE", "REPEAT_FREQUENCY")
        }
        found["actions"] = fields.actions(columns)
        found["action_interactions"] = fields.action_interactions()
    return found


def _read_schemas(folder: Path) -> dict[Set, Schema]:
    names: tuple[Set, ...] = ("interactions", "items", "users")
    return {name: fields.read(name, folder / f"{name}.avsc") for name in names}


def _enough(work: Reader) -> None:
    found = work.count(Table("marts", "personalize_interactions"), work.received())
    if found < LEAST_ROWS:
        raise PersonalizeError(
            f"between {work.since} and {work.as_of} only {counted(found, 'interaction')} came in; "
            f"an import needs {LEAST_ROWS:,}: wait for more, or write a full export"
        )


# --- writing ------------------------------------------------------------------------------------


def _write_set(
    schema: Schema,
    pages: Callable[[], Pages],
    folder: Path,
    rejects: Path,
    most_bytes: int,
    measured: Measured | None,
) -> Written:
    """Write the rows of a data set that fit its schema into parts, and list the others."""
    owner_only.folder(folder)
    owner_only.folder(rejects)
    left_out: Counter[tuple[str, str]] = Counter()
    path = rejects / f"personalize-{schema.dataset}.csv"
    parts = Parts(folder, schema.names, most_bytes)
    with owner_only.opened(path, "w", encoding="utf-8", newline="") as stream:
        listed = csv.writer(stream, lineterminator="\n")
        listed.writerow(["id", "field", "reason"])
        for page in pages():
            checked = row_values.checked(page, schema, LENGTHS)
            if measured is not None:
                measured.rejected += len(checked.rejects)
            for reject in checked.rejects:
                left_out[reject.field, reject.reason] += 1
                listed.writerow((masked(reject.id), reject.field, masked(reject.reason)))
            parts.add(checked.cells)
            if measured is not None:
                measured.add(checked.frame)
    return Written(schema.dataset, schema, parts.done(), dict(left_out))


def _write_catalogue_rejects(catalogue: product_file.Catalogue, folder: Path) -> None:
    """Write the rows of the catalogue that were not used to ``personalize-catalogue.csv``."""
    buffer = io.StringIO()
    listed = csv.writer(buffer, lineterminator="\n")
    listed.writerow(["id", "field", "reason"])
    listed.writerows((masked(r.id), r.field, masked(r.reason)) for r in catalogue.rejects)
    owner_only.replace(owner_only.folder(folder) / "personalize-catalogue.csv", buffer.getvalue())


def _manifest(folder: Path, as_of: AsOf, since: AsOf | None, sets: Mapping[Set, Written]) -> None:
    """Write :data:`MANIFEST`: what is there, for whoever sends it."""
    document = {
        "mode": "FULL" if since is None else "INCREMENTAL",
        "received_before": _moment(as_of.seen_before),
        "received_from": None if since is None else _moment(since.seen_before),
        "datasets": {
            name: [
                {
                    "file": f"{name}/{part.path.name}",
                    "rows": part.rows,
                    "bytes": part.bytes,
                    "sha256": part.sha256,
                }
                for part in one.parts
            ]
            for name, one in sets.items()
        },
    }
    owner_only.write(folder / MANIFEST, json.dumps(document, indent=1) + "\n")


def _moment(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="milliseconds") + " UTC"


def _swap(draft: Path, folder: Path) -> None:
    """Put a finished folder in the place of the one before."""
    before = folder.with_name(folder.name + ".before")
    shutil.rmtree(before, ignore_errors=True)
    if folder.exists():
        folder.rename(before)
    draft.rename(folder)
    shutil.rmtree(before, ignore_errors=True)


__all__ = ["Export", "Written", "check_folder", "check_settings", "write"]
