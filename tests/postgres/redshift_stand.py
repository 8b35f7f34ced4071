"""Redshift's engine on a real PostgreSQL, for what it does beside its SQL.

The driver is Redshift's own and speaks to PostgreSQL over the wire: logging in, statements, types,
transactions, errors, temporary tables, the lease and publishing run for real. What differs is put
in its place, here and nowhere else:

- PostgreSQL refuses parameters of a connection that only Redshift knows: a relay leaves them out,
  and lets the server say that it is version 8.0.2, as Redshift does.
- Queries are written for PostgreSQL. Each is written for Redshift as well, from the same tree, put
  into the same statement, and held against the allow-list: :attr:`Stand.recorded` has every
  statement as it would have been sent to Redshift, :attr:`Stand.problems` what is wrong with them.
- Some words of the statements around them: see :func:`for_postgres`.
- Functions and catalog views of Redshift's: see :data:`_PREPARED`.
- UNLOAD and COPY are done by the stand, on a bucket of moto's.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from sqlglot import exp

from engagement.aws.s3 import Address, Bucket
from engagement.settings import Settings, load_settings
from engagement.sql.rendering import render
from engagement.warehouse.postgres import functions
from engagement.warehouse.postgres.rendering import POSTGRES
from engagement.warehouse.redshift import connector, forms
from engagement.warehouse.redshift.connector import Connector
from engagement.warehouse.redshift.rendering import REDSHIFT, redshift_sql
from engagement.warehouse.redshift.statements import Words
from engagement.warehouse.redshift.transport import Result
from engagement.warehouse.redshift.types import text
from engagement.warehouse.redshift.warehouse import RedshiftWarehouse
from engagement.warehouse.registry import Engine
from tests.postgres.server import USER

_OF_REDSHIFT = {
    b"client_protocol_version", b"driver_version", b"os_version", b"driver_discovery_version",
}  # fmt: skip

_PREPARED = """
set allow_system_table_mods = on;
create function pg_catalog.getdate() returns timestamp language sql volatile
    as $$ select clock_timestamp() at time zone 'UTC' $$;
create function pg_catalog.dateadd(unit text, n integer, t timestamp) returns timestamp
    language sql immutable as $$ select t + n * cast('1 ' || unit as interval) $$;
create function pg_catalog.json_parse(x text) returns jsonb language sql immutable
    as $$ select cast(x as jsonb) $$;
create function pg_catalog.db_collation() returns text language sql
    as $$ select 'case_sensitive' $$;
create view pg_catalog.svv_columns as
    select current_database() as table_catalog, s.nspname as table_schema,
        c.relname as table_name, a.attname as column_name, a.attnum as ordinal_position,
        case when t.typcategory = 'A' or t.typname = 'jsonb' then 'super'
            else format_type(a.atttypid, a.atttypmod) end as data_type,
        cast(null as integer) as numeric_precision, cast(null as integer) as numeric_scale
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid
    join pg_namespace as s on s.oid = c.relnamespace join pg_type as t on t.oid = a.atttypid
    where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v');
create view pg_catalog.svv_tables as
    select current_database() as table_catalog, s.nspname as table_schema,
        c.relname as table_name,
        case c.relkind when 'v' then 'VIEW' else 'BASE TABLE' end as table_type
    from pg_class as c join pg_namespace as s on s.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v');
grant select on pg_catalog.svv_columns, pg_catalog.svv_tables to public;
"""
"""Functions and catalog views of Redshift's, in PostgreSQL's words."""

_LITERAL = re.compile(r"'(?:[^'\\]|''|\\.)*'", re.DOTALL)


def for_postgres(sql: str) -> str:
    """A statement of the engine's in PostgreSQL's words; its query is in them already."""
    if sql.startswith("set query_group"):
        return "set application_name to 'engagement'"
    if sql.startswith("set search_path"):
        return f"{sql}, pg_catalog"
    if sql.startswith(("insert into", "comment on")) and " as (" not in sql:
        sql = _LITERAL.sub(lambda m: f"E{m[0]}" if "\\" in m[0] else m[0], sql)
        sql = sql.replace("cast(null as super)", "cast(null as jsonb)")
    if sql.startswith(("create table", "create temp table")) and " as " not in sql:
        sql = re.sub(r" super\b", " jsonb", sql)
    if sql.startswith("vacuum"):
        return sql.replace(" delete only", "").removesuffix(" to 100 percent")
    if sql.startswith("drop view"):
        return f"{sql} cascade"  # a late-binding view is nobody's dependency
    return sql.removesuffix(" with no schema binding")


@dataclass
class Stand:
    """A database of PostgreSQL's that the engine ``redshift`` works on.

    Attributes
    ----------
    recorded
        Every statement as Redshift would have got it.
    problems
        What the allow-list says of them: a statement and a sentence.
    """

    socket: Path
    database: str
    relay: Path
    recorded: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    _pairs: list[tuple[str, str]] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)

    def settings(self, **others: Any) -> Settings:
        """Parameters of a project whose warehouse this is."""
        section = {"host": "stand", "database": self.database, "user": USER, "sslmode": "disable"}
        return load_settings(
            "params/local.yaml",
            {
                "warehouse.engine": "redshift",
                "warehouse.redshift": section | others.pop("section", {}),
                **{key.replace("__", "."): value for key, value in others.items()},
            },
        )

    def words(self) -> Words:
        """How this stand writes trees: for PostgreSQL, and for Redshift beside that."""
        return Words(self._write, lambda _: [], _functions)

    def _write(self, tree: exp.Expr, databases: Mapping[str, str]) -> str:
        wanted = redshift_sql(tree, databases)
        written = render(tree, POSTGRES, databases)
        self._pairs = [*self._pairs[-20:], (written, wanted)]
        return written

    def connect(self, user: str = USER) -> Recorded:
        """A session, through the driver and the relay."""
        given = {
            "host": None, "unix_sock": str(self.relay), "database": self.database, "user": user,
            "password": "none", "ssl": False,
        }  # fmt: skip
        inner = connector.connect(given)
        inner.run("set enable_nestloop = off")
        inner.run("set extra_float_digits = 1")
        return Recorded(self, inner)

    def open(self, settings: Settings) -> RedshiftWarehouse:
        """The engine on this stand; a session that only reads is of who is named for that."""
        section = settings.warehouse.redshift
        assert section is not None
        builder, reader = section.user or USER, section.read_user or section.user or USER

        def connect(reads: bool) -> Recorded:
            return self.connect(reader if reads else builder)

        return RedshiftWarehouse(settings, words=self.words(), connect=connect)

    def engine(self) -> Engine:
        """The engine on this stand, as the registry has one."""
        return Engine("redshift", REDSHIFT, self.open, lambda settings: ())

    def note(self, sql: str) -> None:
        """Keep a statement as Redshift would have got it, and hold it against the list.

        The project's functions are PostgreSQL's own here: Redshift's are held against it elsewhere.
        """
        if sql.startswith(("create function", "create or replace")):
            return
        for written, wanted in reversed(self._pairs):
            as_text = text(written)[1:-1]
            if sql.startswith("unload") and as_text in sql:
                sql = sql.replace(as_text, text(wanted)[1:-1])
                break
            if written in sql:
                sql = sql.replace(written, wanted)
                break
        self.recorded.append(sql)
        if sql not in self._known:
            self._known.add(sql)
            self.problems += [(sql, one) for one in forms.statement_problems(sql)]


def _functions(schema: str) -> list[str]:
    """PostgreSQL's forms of the project's functions, each only if it is not there yet."""
    made = functions.statements(schema, '"C"')
    return [one.replace("create aggregate", "create or replace aggregate") for one in made]


class Recorded:
    """A transport that says what Redshift would have got, and sends PostgreSQL its own words."""

    most_bytes = Connector.most_bytes

    def __init__(self, stand: Stand, inner: Connector) -> None:
        self._stand = stand
        self._inner = inner

    def run(self, sql: str) -> Result:
        self._stand.note(sql)
        if sql.startswith("unload"):
            return self._unloaded(sql)
        if sql.startswith("copy"):
            return self._copied(sql)
        return self._inner.run(for_postgres(sql))

    def _unloaded(self, sql: str) -> Result:
        """Write a query's rows to S3 as UNLOAD does: two files, and the manifest last."""
        form = r"unload \(('(?:[^']|'')*')\) to '([^']+)' iam_role .+? format (csv|parquet).+"
        parts = re.fullmatch(form, sql, re.DOTALL)
        assert parts is not None
        query, folder, kind = parts.groups()
        inner = re.sub(r"\\(.)", r"\1", query[1:-1].replace("''", "'"), flags=re.S)
        rows = self._inner.run(inner).arrow()
        place = Address.parse(folder, folder=True)
        bucket = Bucket(boto3.client("s3"))
        bucket.empty(place)
        half = rows.num_rows // 2
        entries = []
        for number, part in enumerate((rows.slice(0, half), rows.slice(half))):
            sink = io.BytesIO()
            if kind == "parquet":
                pq.write_table(part, sink)
            else:
                pacsv.write_csv(part, sink)
            name = f"{number:04d}_part_00"
            bucket.write(place / name, sink.getvalue())
            meta = {"content_length": len(sink.getvalue()), "record_count": part.num_rows}
            entries.append({"url": f"{folder}{name}", "meta": meta})
        total = {"content_length": 0, "record_count": rows.num_rows}
        manifest = {"entries": entries, "meta": total}
        bucket.write(place / "manifest", json.dumps(manifest).encode())
        return Result()

    def _copied(self, sql: str) -> Result:
        """Read a compressed CSV file from S3 as COPY does."""
        form = r'copy ("[^"]+") (\([^)]*\)) from \'([^\']+)\' iam_role .+ null as \'([^\']+)\' .+'
        parts = re.fullmatch(form, sql, re.DOTALL)
        assert parts is not None
        table, names, source, mark = parts.groups()
        mark = mark.replace("\\\\", "\\")
        content = gzip.decompress(Bucket(boto3.client("s3")).read(Address.parse(source)))
        rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
        for start in range(0, len(rows), 1000):
            cells = ", ".join(
                "(" + ", ".join("null" if c == mark else text(c) for c in row) + ")"
                for row in rows[start : start + 1000]
            )
            self._inner.run(for_postgres(f"insert into {table} {names} values {cells}"))
        return Result(affected=len(rows))

    def run_in_one_transaction(self, statements: Sequence[str]) -> None:
        for sql in ("begin", *statements, "commit"):
            self._stand.note(sql)
        self._inner.run_in_one_transaction([for_postgres(one) for one in statements])

    def close(self) -> None:
        self._inner.close()


@contextmanager
def stand(
    postgres_socket: Path, database: str, folder: Path, *, template: str = "template0"
) -> Iterator[Stand]:
    """A new database of this name, and the relay before it; empty, or as another one is."""
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f'drop database if exists "{database}" with (force)'.encode())
        connection.execute(f'create database "{database}" template "{template}"'.encode())
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname=database, autocommit=True
    ) as connection:
        connection.execute(_PREPARED.encode())
    relay = folder / "relay"
    with relaying(next(postgres_socket.glob(".s.PGSQL.*[0-9]")), relay):
        yield Stand(postgres_socket, database, relay)


@contextmanager
def relaying(server: Path, relay: Path) -> Iterator[None]:
    """Pass connections on to a server's socket, without what only Redshift knows."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(relay))
    listening.listen(16)

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=_pass_on, args=(client, server), daemon=True).start()

    accepting = threading.Thread(target=serve, daemon=True)
    accepting.start()
    try:
        yield
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        relay.unlink()


def _pass_on(client: socket.socket, server: Path) -> None:
    with closing(client), closing(socket.socket(socket.AF_UNIX)) as upstream:
        upstream.connect(str(server))
        first = _exactly(client, 4)
        body = _exactly(client, struct.unpack("!I", first)[0] - 4)
        pairs = body[4:].rstrip(b"\0").split(b"\0")
        kept = b"".join(
            name + b"\0" + value + b"\0"
            for name, value in zip(pairs[::2], pairs[1::2], strict=True)
            if name not in _OF_REDSHIFT
        )
        start = body[:4] + kept + b"\0"
        upstream.sendall(struct.pack("!I", len(start) + 4) + start)
        with suppress(OSError):
            _greeting(upstream, client)
        back = threading.Thread(target=_copy, args=(upstream, client), daemon=True)
        back.start()
        _copy(client, upstream)
        back.join()


_VERSION = b"server_version\0"


def _greeting(upstream: socket.socket, client: socket.socket) -> None:
    """Pass on what the server says first, with the version that Redshift says it has."""
    kind = b""
    while kind not in (b"Z", b"E"):
        kind = _exactly(upstream, 1)
        body = _exactly(upstream, struct.unpack("!I", _exactly(upstream, 4))[0] - 4)
        if kind == b"S" and body.startswith(_VERSION):
            body = _VERSION + b"8.0.2\0"
        client.sendall(kind + struct.pack("!I", len(body) + 4) + body)


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = source.recv(size - len(found))
        if not part:
            raise ConnectionError("closed while it was read")
        found += part
    return found


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(1 << 16):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
