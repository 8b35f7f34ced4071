"""The landing's lines on Athena: one scan of a table in which each line is one text.

A file whose compression is broken fails the whole statement: it is found from the error, set apart
with the reason, and the statement is run again without it (Athena does not bill what failed).
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import resources
from typing import Any

import pyarrow as pa
from sqlglot import exp

from engagement.aws import glue
from engagement.records.files import LandedFile
from engagement.records.lines import (
    UnreadableFileError,
    read_bytes,
    split_lines,
)
from engagement.sql.dialect import Table, bind, parse
from engagement.warehouse.athena.lake import Lake
from engagement.warehouse.athena.reading_table import projection
from engagement.warehouse.athena.statements import StatementFailedError
from engagement.warehouse.athena.work import Work, WorkTables
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.reading import RAW_LINES, FileLines

logger = logging.getLogger("engagement")

PARTITION = "received_at_utc_date"
RAW_TABLE = "landing_lines"
"""Name, in the storage database, of the table over the landing with one text per line."""

# The one text that reads as NULL is the character 2 alone: see glue.LINES.
_LINES = """
select
    f.received_at_utc_date,
    f.source_file,
    cast(null as bigint) as line_number,
    case when l.encoding is null then l.line else to_base64(to_utf8(l.line)) end as line,
    l.encoding as record_encoding,
    l.encoding is null and regexp_like(l.line, '^[ \\t]*$') as is_blank
from (
    select
        path,
        line,
        case when from_utf8(to_utf8(line)) <> line then 'base64' end as encoding
    from (
        select "$path" as path, regexp_replace(coalesce(line, chr(2)), '^\\x{FEFF}', '') as line
        from raw_lines
        where received_at_utc_date between :first_day and :last_day
        and received_at_utc_date in (:days)
        and "$path" not in (:unreadable)
    ) as read
) as l
inner join work.landed_files as f on l.path = f.path
"""

_COUNTS = """
select
    source_file,
    count(*) as line_count,
    count_if(is_blank) as blank_count,
    count_if(record_encoding is not null) as broken_count
from work.all_lines
group by source_file
"""

# Records are known by their digests here: their texts stay with the engine.
_WANTED = """
select distinct source_file, sha256_hex(record) as digest, record_encoding
from {source}
"""

_LOCATED = """
with records as (
    select
        d.*,
        row_number() over (partition by source_file, digest, record_encoding order by 1) as nth
    from (select *, sha256_hex(record) as digest from {source}) as d
)

select {columns}
from records as r
left join work.locations as l
    on r.source_file = l.source_file
    and r.digest = l.digest
    and coalesce(r.record_encoding, '') = coalesce(l.record_encoding, '')
    and r.nth = l.nth
"""

_BROKEN = """
select received_at_utc_date, source_file, line
from work.all_lines
where record_encoding is not null
"""

_KINDS = {
    PARTITION: "varchar",
    "source_file": "varchar",
    "line_number": "bigint",
    "line": "varchar",
    "record_encoding": "varchar",
}

_LOCATIONS = {
    "source_file": "varchar",
    "line_number": "bigint",
    "digest": "varchar",
    "record_encoding": "varchar",
    "nth": "bigint",
}


def _table(kinds: Mapping[str, str], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    arrow = {"varchar": pa.string(), "bigint": pa.int64()}
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return pa.table(
        {
            name: pa.array(list(values), arrow[kind])
            for (name, kind), values in zip(kinds.items(), columns, strict=True)
        }
    )


# Spelled out, since what \s and a dot stand for is not the same everywhere.
_SEAM = r"[}][ \t]*[{]"
_PATTERNS = {
    "seam": _SEAM,
    "token": rf'"[^"\\]*(?:\\[^\n][^"\\]*)*"?|{_SEAM}|[^"}}]+|[}}]',
    "cut": f"^{_SEAM}$",
    "mark": "\x1e",
}


def records_query() -> exp.Query:
    """The query that cuts ``work.lines`` into records and judges them."""
    file = resources.files("engagement.warehouse.athena") / "sql" / "records.sql"
    query = parse(file.read_text(encoding="utf-8"), source="warehouse/athena/sql/records.sql")
    return bind(query, _PATTERNS)


class LinesReader:
    """Reads landed files into ``work.lines``."""

    def __init__(self, lake: Lake, work: WorkTables) -> None:
        self._lake = lake
        self._work = work

    def read(self, files: Sequence[LandedFile]) -> tuple[Work, list[FileLines]]:
        """Read files in one scan; says of each how many lines it has, or why it has none."""
        self._define_raw_table()
        self._upload_names(files)
        errors: dict[str, FileLines] = {}
        while True:
            try:
                work = self._work.create(RAW_LINES, self._sql(files, errors))
                break
            except StatementFailedError as error:
                bad = self._culprit(error.reason, files, errors)
                if bad is None:
                    raise
                errors[bad.name] = self._reason(bad, error.reason)
                logger.warning("%s is set apart: %s", bad.name, errors[bad.name].error)
        self._work.named["all_lines"] = work
        table, _ = self._lake.statements.query(self._work.sql(parse(_COUNTS)), "lines by file")
        names, *numbers = (column.to_pylist() for column in table.columns)
        counts = dict(zip(names, zip(*numbers, strict=True), strict=True))
        done = []
        for file in files:
            if file.name in errors:
                done.append(errors[file.name])
            else:
                total, blank, _ = counts.get(file.name, (0, 0, 0))
                done.append(FileLines(file, int(total), int(blank)))
        text = f"select {', '.join(_KINDS)} from work.all_lines where not is_blank"
        if any(broken for *_, broken in counts.values()):
            self._cut_broken_lines()
            text += " and record_encoding is null union all "
            text += f"select {', '.join(_KINDS)} from work.broken_lines"
        view = self._work.physical(parse(text))
        shown = replace(work, columns=dict(_KINDS), view=view)
        return shown, done

    def _cut_broken_lines(self) -> None:
        """Cut the lines that are no UTF-8 as the laptop's reader does: only bytes can be cut."""
        table, _ = self._lake.statements.query(
            self._work.sql(parse(_BROKEN)), "lines that are no UTF-8"
        )
        rows: list[tuple[Any, ...]] = []
        for day, file, line in zip(*(c.to_pylist() for c in table.columns), strict=True):
            batch = split_lines(base64.b64decode(line)).batch
            _, texts, encodings = (column.to_pylist() for column in batch.columns)
            rows += [(day, file, None, *row) for row in zip(texts, encodings, strict=True)]
        self._work.upload("broken_lines", _table(_KINDS, rows), _KINDS)

    def locate(self, source: Table, cut: Callable[[str], Sequence[str]]) -> Work:
        """Find the lines of records by reading their files again, with the laptop's own reader."""
        query = parse(_WANTED.format(source=source))
        table, _ = self._lake.statements.query(self._work.sql(query), "records set aside")
        wanted: dict[str, set[tuple[str, str | None]]] = {}
        for file, digest, encoding in zip(*(c.to_pylist() for c in table.columns), strict=True):
            wanted.setdefault(file, set()).add((digest, encoding))
        with ThreadPoolExecutor(self._lake.athena.concurrency) as pool:
            places = pool.map(lambda name: self._places(name, wanted[name], cut), sorted(wanted))
            rows = [row for found in places for row in found]
        self._work.upload("locations", _table(_LOCATIONS, rows), _LOCATIONS)
        chosen = ", ".join(
            f'{"l" if name == "line_number" else "r"}."{name}"'
            for name in self._work.columns(source)
        )
        query = parse(_LOCATED.format(source=source, columns=chosen))
        return self._work.create("located", self._work.sql(query))

    def _places(
        self, name: str, wanted: set[tuple[str, str | None]], cut: Callable[[str], Sequence[str]]
    ) -> list[tuple[str, int, str, str | None, int]]:
        data = self._lake.bucket.read(self._lake.landing / name)
        try:
            whole = read_bytes(io.BytesIO(data), name, self._most)
        except UnreadableFileError:
            return []  # too large to be looked through here
        batch = split_lines(whole).batch
        seen: Counter[tuple[str, str | None]] = Counter()
        rows = []
        for number, line, encoding in zip(*(c.to_pylist() for c in batch.columns), strict=True):
            for record in cut(line) if encoding is None else [line]:
                digest = hashlib.sha256(record.encode()).hexdigest()
                if (digest, encoding) in wanted:
                    seen[digest, encoding] += 1
                    rows.append((name, number, digest, encoding, seen[digest, encoding]))
        return rows

    def _sql(self, files: Sequence[LandedFile], errors: Collection[str]) -> str:
        days = [file.received_at_utc_date for file in files]
        query = parse(_LINES)
        for node in query.find_all(exp.Table):
            if node.name == "raw_lines":
                node.set("db", exp.to_identifier(self._lake.storage, quoted=True))
                node.set("this", exp.to_identifier(RAW_TABLE, quoted=True))
        values = {
            "first_day": min(days, default=""),
            "last_day": max(days, default=""),
            "days": tuple(sorted(set(days))) or ("",),
            "unreadable": tuple(self._path(name) for name in errors) or ("",),
        }
        return self._work.sql(self._work.tree(query, values))

    def _path(self, name: str) -> str:
        return str(self._lake.landing / name)

    def _define_raw_table(self) -> None:
        at = self._lake.landing
        self._lake.catalog.put(
            self._lake.storage,
            glue.external_table(
                RAW_TABLE,
                str(at),
                {"line": "varchar"},
                glue.LINES,
                partition_keys={PARTITION: "varchar"},
                parameters=projection(self._lake, at),
                description="The landing, each line one text: what flattening reads.",
            ),
        )

    def _upload_names(self, files: Sequence[LandedFile]) -> None:
        columns = {"path": "varchar", "source_file": "varchar", PARTITION: "varchar"}
        rows = pa.table(
            {
                "path": pa.array([self._path(file.name) for file in files], pa.string()),
                "source_file": pa.array([file.name for file in files], pa.string()),
                PARTITION: pa.array([file.received_at_utc_date for file in files], pa.string()),
            }
        )
        self._work.upload("landed_files", rows, columns)

    def _culprit(
        self, reason: str, files: Sequence[LandedFile], known: Collection[str]
    ) -> LandedFile | None:
        """The file that an error is about; ``None`` if it names none, or one that was left out."""
        if not re.search(r"s3[an]?://", reason):
            return None
        for file in files:
            if file.name not in known and file.name in reason:
                return file
        return None

    def _reason(self, file: LandedFile, said: str) -> FileLines:
        """Why a file cannot be read, in the words of the other engine's reader."""
        try:
            data = self._lake.bucket.read(self._lake.landing / file.name)
            read_bytes(io.BytesIO(data), file.name, self._most)
        except UnreadableFileError as error:
            return FileLines(file, error=str(error))
        except WarehouseError as error:
            return FileLines.unavailable(file, str(error).rstrip("."))
        return FileLines(file, error=said.splitlines()[0])

    @property
    def _most(self) -> int:
        return self._lake.settings.landing.most_file_megabytes
