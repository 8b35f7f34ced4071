"""The data sets of Amazon Personalize, written in a stream: pages of rows in, parts of a file out.

What is in memory at a time is one page (:data:`PAGE_ROWS` rows, or what one hour of interactions
holds where that is more), all items, and 16 bytes for each user of each page. Rows come in a fixed
order, so a rerun writes the same bytes, whatever the size of a page.

A full export (FULL) holds everything as of a date. An increment (INCREMENTAL) holds what was
received after one date and up to another, by the schemas of the full one: it is a function of the
two. What an increment cannot tell is that a guest became a member, or an order was cancelled: that
is for the next full export.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from sqlglot import exp

from engagement import owner_only
from engagement.as_of import AsOf
from engagement.personalize import datasets, fields, product_file, row_values
from engagement.personalize.datasets import LENGTHS, DatasetFile, PersonalizeError, Reject
from engagement.personalize.fields import Column, Schema, Set
from engagement.personalize.readiness import Facts, Measured
from engagement.privacy import masked
from engagement.settings import Settings
from engagement.sql.dialect import Table
from engagement.warehouse import Session, Warehouse

PAGE_ROWS = 250_000
_BLOCK_ROWS = 1_000
_HOUR = 3_600
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
        work = _Work(session, settings, as_of, since, page_rows)
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
            if since is not None and sets["interactions"].bytes > MOST_INCREMENTAL_BYTES:
                raise PersonalizeError(
                    "the increment holds more than 1 GB of interactions, which no incremental "
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


def schemas_of(work: _Work, catalogue: product_file.Catalogue) -> dict[Set, Schema]:
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
        rows = _action_rows(work.settings)
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


def _enough(work: _Work) -> None:
    found = work.count(Table("marts", "personalize_interactions"), work.received())
    if found < LEAST_ROWS:
        raise PersonalizeError(
            f"since {work.since} only {found:,} interactions were received, as of {work.as_of}; an "
            f"import needs {LEAST_ROWS:,}: wait for more, or write a full export"
        )


# --- where rows come from -------------------------------------------------------------------------

Pages = Iterable[pd.DataFrame]


@dataclass
class _Work:
    """A session with what decides which rows are read."""

    session: Session
    settings: Settings
    as_of: AsOf
    since: AsOf | None
    page_rows: int
    _items: pd.DataFrame | None = field(default=None, repr=False)
    _kinds: dict[str, str] = field(default_factory=dict)

    def catalogue(self) -> product_file.Catalogue:
        named = self.settings.personalize.catalogue
        if named is None:
            return product_file.EMPTY
        return product_file.read(self.settings.path(named), self.as_of.day)

    def received(self) -> exp.Expr | None:
        """What keeps the rows of an increment."""
        if self.since is None:
            return None
        return exp.GTE(
            this=exp.column("received_at", quoted=True),
            expression=exp.Placeholder(this="since"),
        )

    def query(self, select: exp.Select, label: str, **parameters: Any) -> pd.DataFrame:
        if self.since is not None:
            parameters["since"] = self.since.seen_before
        return self.session.query(select, parameters, label=label)

    def columns_of(self, table: Table) -> dict[str, str]:
        found = self.session.columns(table)
        if not found:
            raise PersonalizeError(f"{table} does not exist yet: build the models first")
        return found

    def count(self, table: Table, where: exp.Expr | None) -> int:
        self.columns_of(table)
        select = exp.select(exp.alias_(exp.Count(this=exp.Star()), "found")).from_(table.node())
        return int(self.query(select.where(where) if where else select, "rows")["found"][0])

    def profile(self, table: Table, names: Sequence[str]) -> dict[str, Column]:
        """Rows with a value, the longest or largest, and how many different, of some columns."""
        kinds = self.columns_of(table)
        chosen: list[exp.Expr] = [exp.alias_(exp.Count(this=exp.Star()), "rows")]
        for number, name in enumerate(names):
            column = exp.column(name, quoted=True)
            text = kinds[name].startswith("varchar")
            most: exp.Expr = exp.Max(this=exp.Length(this=column.copy())) if text else exp.null()
            if not text and not kinds[name].startswith("boolean"):
                most = exp.Max(this=exp.Abs(this=column.copy()))
            different = exp.Count(this=exp.Distinct(expressions=[column.copy()]))
            chosen += [
                exp.alias_(exp.Count(this=column.copy()), f"present_{number}"),
                exp.alias_(most, f"longest_{number}"),
                exp.alias_(different, f"distinct_{number}"),
            ]
        found = self.query(exp.select(*chosen).from_(table.node()), f"profile {table}").iloc[0]
        return {
            name: Column(
                kinds[name],
                int(found[f"present_{number}"]),
                int(found["rows"]),
                _number(found[f"longest_{number}"]),
                int(found[f"distinct_{number}"]),
            )
            for number, name in enumerate(names)
        }

    def user_columns(self) -> dict[str, Column]:
        own = self.profile(
            Table("marts", "personalize_users"), ["membership", "gender", "age", "country", "plan"]
        )
        features = self.settings.personalize.user_features
        if not features:
            return own
        # Of everybody, so that what only buyers have is told apart from what all users have.
        return own | self.profile(Table("marts", "customer_360"), features)

    def items(self, catalogue: product_file.Catalogue) -> pd.DataFrame:
        """Every item, the catalogue's values before those of events, by id."""
        if self._items is None:
            table = Table("marts", "personalize_items")
            names = ("item_id", "category", "brand", "name", "price")
            self.columns_of(table)
            select = exp.select(*(exp.column(name, quoted=True) for name in names))
            found = self.query(select.from_(table.node()), "dataset items")
            self._items = row_values.joined(found, catalogue)
        return self._items

    def item_columns(
        self, catalogue: product_file.Catalogue
    ) -> tuple[dict[str, Column], list[str]]:
        """What is known of the columns of items, and the names of the catalogue's own."""
        rows = self.items(catalogue)
        own = [name.upper() for name in catalogue.own]
        kinds = {
            "PRICE": "double",
            "CREATION_TIMESTAMP": "bigint",
            **{
                name.upper(): product_file.number_kind(
                    row[name] for row in catalogue.rows.values() if name in row
                )
                for name in catalogue.own
            },
        }
        made = row_values.items(rows, kinds)
        columns = {}
        for name in made.columns.drop("ITEM_ID"):
            values, kind = made[name].dropna(), kinds.get(name, "varchar")
            sizes = values.str.len() if kind == "varchar" else values.astype(float).abs()
            longest = float(sizes.max()) if len(values) else 0.0
            columns[name] = Column(kind, len(values), len(made), longest, values.nunique())
        self._kinds.update(kinds)
        return columns, own

    def sources(self, catalogue: product_file.Catalogue) -> dict[Set, Callable[[], Pages]]:
        """Where the rows of each data set come from."""
        if not self._kinds:
            self.item_columns(catalogue)
        values = self.settings.personalize.event_values
        return {
            "interactions": lambda: (
                row_values.interactions(page, values) for page in self.interactions()
            ),
            "items": lambda: [row_values.items(self._chosen_items(catalogue), self._kinds)],
            "users": lambda: (
                row_values.users(page, self.settings.personalize.user_features)
                for page in self.users()
            ),
            "actions": lambda: [pd.DataFrame(_action_rows(self.settings), dtype=object)],
            "action_interactions": lambda: (
                row_values.action_interactions(page) for page in self.action_interactions()
            ),
        }

    def _chosen_items(self, catalogue: product_file.Catalogue) -> pd.DataFrame:
        """All items; of an increment, those seen first in it, or met in it."""
        rows = self.items(catalogue)
        if self.since is None:
            return rows
        table = Table("marts", "personalize_interactions")
        select = exp.select(exp.column("item_id", quoted=True)).distinct().from_(table.node())
        met = set(self.query(select.where(self.received()), "items of the increment")["item_id"])
        return rows[rows["item_id"].isin(met)]

    def interactions(self) -> Pages:
        names = (
            *("user_id", "item_id", "event_type", "epoch_seconds"),
            *("device_type", "impression", "recommendation_id"),
        )
        order = ("epoch_seconds", "user_id", "item_id", "event_type")
        return self._by_time(Table("marts", "personalize_interactions"), names, order)

    def action_interactions(self) -> Pages:
        names = ("user_id", "action_id", "event_type", "epoch_seconds")
        order = ("epoch_seconds", "user_id", "action_id", "event_type")
        return self._by_time(Table("marts", "personalize_action_interactions"), names, order)

    def _by_time(self, table: Table, names: Sequence[str], order: Sequence[str]) -> Pages:
        """Rows in pages of whole hours, in the order of time."""
        self.columns_of(table)
        hour = exp.Cast(
            this=exp.Floor(
                this=exp.Div(
                    this=exp.Cast(
                        this=exp.column("epoch_seconds", quoted=True),
                        to=exp.DataType.build("double"),
                    ),
                    expression=exp.Literal.number(_HOUR),
                )
            ),
            to=exp.DataType.build("bigint"),
        )
        counts = (
            exp.select(exp.alias_(hour, "hour"), exp.alias_(exp.Count(this=exp.Star()), "found"))
            .from_(table.node())
            .group_by(hour.copy())
        )
        counts = counts.where(self.received()) if self.since else counts
        found = self.query(counts, f"hours of {table}").sort_values("hour")
        for first, last in _pages(found, self.page_rows):
            select = (
                exp.select(*(exp.column(name, quoted=True) for name in names))
                .from_(table.node())
                .where(
                    exp.GTE(
                        this=exp.column("epoch_seconds", quoted=True),
                        expression=exp.Literal.number(first * _HOUR),
                    ),
                    exp.LT(
                        this=exp.column("epoch_seconds", quoted=True),
                        expression=exp.Literal.number((last + 1) * _HOUR),
                    ),
                )
            )
            select = select.where(self.received()) if self.since else select
            page = self.query(select, f"dataset {table.name}")
            yield page.sort_values(list(order), kind="stable", ignore_index=True)

    def users(self) -> Pages:
        """Users in pages by id, with their features."""
        table, customers = Table("marts", "personalize_users"), Table("marts", "customer_360")
        self.columns_of(table)
        own = ("user_id", "membership", "gender", "age", "country", "plan")
        select = exp.select(
            *(exp.column(name, table="u", quoted=True) for name in own),
            *(
                exp.column(name, table="c", quoted=True)
                for name in self.settings.personalize.user_features
            ),
        ).from_(exp.alias_(table.node(), "u", table=True))
        if self.settings.personalize.user_features:
            select = select.join(
                exp.alias_(customers.node(), "c", table=True),
                on=exp.EQ(
                    this=exp.column("person_id", table="u", quoted=True),
                    expression=exp.column("person_id", table="c", quoted=True),
                ),
                join_type="left",
            )
        if self.since:
            met = (
                exp.select(exp.column("user_id", quoted=True))
                .from_(Table("marts", "personalize_interactions").node())
                .where(self.received())
            )
            select = select.where(
                exp.In(this=exp.column("user_id", table="u", quoted=True), query=met.subquery())
            )
        last = ""
        while True:
            page = self.query(
                select.where(
                    exp.GT(
                        this=exp.column("user_id", table="u", quoted=True),
                        expression=exp.Placeholder(this="last"),
                    )
                )
                .order_by(exp.Ordered(this=exp.column("user_id", table="u", quoted=True)))
                .limit(self.page_rows),
                "dataset users",
                last=last,
            )
            if len(page):
                yield page.sort_values("user_id", kind="stable", ignore_index=True)
            if len(page) < self.page_rows:
                return
            last = str(page["user_id"].max())


def _number(value: Any) -> float:
    return 0.0 if value is None or pd.isna(value) else float(value)


def _pages(hours: pd.DataFrame, most: int) -> Iterator[tuple[int, int]]:
    """First and last hour of each page: as many hours as fit, at least one."""
    first: int | None = None
    last = rows = 0
    for hour, found in zip(hours["hour"].tolist(), hours["found"].tolist(), strict=True):
        if first is not None and rows + found > most:
            yield first, last
            first, rows = None, 0
        first = int(hour) if first is None else first
        last, rows = int(hour), rows + int(found)
    if first is not None:
        yield first, last


def _action_rows(settings: Settings) -> list[dict[str, Any]]:
    return [
        {
            "ACTION_ID": name,
            "VALUE": action.value,
            "REPEAT_FREQUENCY": action.repeat_after_days,
        }
        for name, action in sorted(settings.personalize.actions.items())
    ]


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
    parts = _Parts(folder, schema.names, most_bytes)
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


class _Parts:
    """Files of one data set: a new one is begun before one would be too large."""

    def __init__(self, folder: Path, header: Sequence[str], most_bytes: int) -> None:
        self._folder = folder
        self._header = (",".join(header) + "\n").encode("utf-8")
        self._most = most_bytes
        self._done: list[DatasetFile] = []
        self._open: Any = None
        self._rows = self._bytes = 0
        self._digest = hashlib.sha256()

    def add(self, cells: Sequence[Sequence[Any]]) -> None:
        """Add rows, given by column."""
        rows = len(cells[0]) if cells else 0
        for start in range(0, rows, _BLOCK_ROWS):
            end = min(start + _BLOCK_ROWS, rows)
            buffer = io.StringIO()
            writer = csv.writer(buffer, doublequote=False, escapechar="\\", lineterminator="\n")
            writer.writerows(zip(*(column[start:end] for column in cells), strict=True))
            self._write(buffer.getvalue().encode("utf-8"), end - start)

    def _write(self, block: bytes, rows: int) -> None:
        if self._open is not None and self._bytes + len(block) > self._most:
            self._close()
        if self._open is None:
            self._begin()
        self._put(block)
        self._rows += rows

    def _begin(self) -> None:
        path = self._folder / f"part-{len(self._done) + 1:05d}.csv"
        self._context = owner_only.opened(path, "wb")
        self._open = self._context.__enter__()
        self._path, self._rows, self._bytes = path, 0, 0
        self._digest = hashlib.sha256()
        self._put(self._header)

    def _put(self, block: bytes) -> None:
        self._open.write(block)
        self._digest.update(block)
        self._bytes += len(block)

    def _close(self) -> None:
        self._open.flush()
        os.fsync(self._open.fileno())
        self._context.__exit__(None, None, None)
        self._open = None
        self._done.append(
            DatasetFile(self._path, self._rows, self._bytes, self._digest.hexdigest())
        )

    def done(self) -> tuple[DatasetFile, ...]:
        """Close the last file; one without rows where there was none."""
        if self._open is None and not self._done:
            self._begin()
        if self._open is not None:
            self._close()
        return tuple(self._done)


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
