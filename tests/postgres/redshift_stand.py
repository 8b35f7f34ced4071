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
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlglot import exp

from engagement.settings import Settings, load_settings
from engagement.sql.rendering import render
from engagement.warehouse.postgres import functions
from engagement.warehouse.postgres.rendering import POSTGRES
from engagement.warehouse.redshift import connector, forms
from engagement.warehouse.redshift.connector import Connector
from engagement.warehouse.redshift.rendering import REDSHIFT, redshift_sql
from engagement.warehouse.redshift.statements import Words
from engagement.warehouse.redshift.transport import Result
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
    if sql.startswith(("create table", "create temp table")) and " as " not in sql:
        sql = re.sub(r" super\b", " jsonb", sql)
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

    def connect(self, reads: bool = False) -> Recorded:
        """A session, through the driver and the relay."""
        given = {
            "host": None, "unix_sock": str(self.relay), "database": self.database, "user": USER,
            "password": "none", "ssl": False,
        }  # fmt: skip
        inner = connector.connect(given)
        inner.run("set enable_nestloop = off")
        inner.run("set extra_float_digits = 1")
        return Recorded(self, inner)

    def open(self, settings: Settings) -> RedshiftWarehouse:
        """The engine on this stand."""
        return RedshiftWarehouse(settings, words=self.words(), connect=self.connect)

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
        return self._inner.run(for_postgres(sql))

    def together(self, statements: Sequence[str]) -> None:
        for sql in ("begin", *statements, "commit"):
            self._stand.note(sql)
        self._inner.together([for_postgres(one) for one in statements])

    def close(self) -> None:
        self._inner.close()


@contextmanager
def stand(postgres_socket: Path, database: str, folder: Path) -> Iterator[Stand]:
    """A new, empty database of this name, and the relay before it."""
    with psycopg.connect(
        host=str(postgres_socket), user=USER, dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f'drop database if exists "{database}" with (force)'.encode())
        connection.execute(f'create database "{database}" template template0'.encode())
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
