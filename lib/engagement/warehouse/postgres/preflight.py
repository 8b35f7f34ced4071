"""What a run needs of PostgreSQL, tried one by one without changing anything."""

from __future__ import annotations

from collections.abc import Iterator

from engagement.messages import counted, some
from engagement.settings import Settings
from engagement.settings.warehouse import Postgres
from engagement.warehouse.loaded_views import event_tables
from engagement.warehouse.postgres.sources import tables_of
from engagement.warehouse.postgres.statements import Connection
from engagement.warehouse.postgres.types import quoted, text
from engagement.warehouse.protocol import Finding

_OLDEST = 130_000


def _one(connection: Connection, sql: str) -> object:
    found = connection.execute(sql.encode()).fetchone()
    return found[0] if found else None


def findings(
    connection: Connection, settings: Settings, section: Postgres, storage: str
) -> Iterator[Finding]:
    """Version, encoding, sorting of texts, RudderStack's schema, and what may be created.

    Parameters
    ----------
    storage
        The schema for functions and the lease.
    """
    user = str(_one(connection, "select current_user"))
    where = str(_one(connection, "select current_database()"))
    yield Finding("connection", True, f"database {where} as {user}")
    version = connection.info.server_version
    yield Finding(
        "version",
        version >= _OLDEST,
        f"PostgreSQL {version // 10_000}.{version % 10_000}",
        "PostgreSQL 13 or newer is needed",
    )
    encoding = _one(connection, "show server_encoding")
    yield Finding("encoding", encoding == "UTF8", str(encoding), "the database has to be UTF8")
    sorting = _one(
        connection, "select datcollate from pg_database where datname = current_database()"
    )
    yield Finding(
        "sorting",
        sorting in ("C", "POSIX", "C.UTF-8", "C.utf8"),
        f"texts are sorted by {sorting}",
        "ties between texts may come in another order than on the other engines: create the "
        "database with LC_COLLATE 'C'",
    )
    path = str(_one(connection, "show search_path"))
    yield Finding(
        "search path",
        path == f"{quoted(storage)}, pg_catalog" or path == f"{storage}, pg_catalog",
        path,
        "something between here and the server keeps sessions from setting their own search_path: "
        "connect to PostgreSQL itself, or to a pool by session",
    )
    if section.rudderstack_schema is not None:
        yield from _loaded(connection, section.rudderstack_schema, user)
    databases = settings.warehouse.databases
    schemas = (storage, databases.landing, databases.events, databases.marts)
    yield from _own(connection, schemas, where, user)
    temporary = _one(connection, "select has_database_privilege(current_database(), 'temporary')")
    yield Finding.privilege(
        "temporary tables",
        temporary,
        f"grant temporary on database {quoted(where)} to {quoted(user)}",
    )
    if section.read_role is not None:
        yield from _reading(connection, section.read_role, schemas, user)


def _loaded(connection: Connection, raw: str, user: str) -> Iterator[Finding]:
    """RudderStack's schema: there, with tables of events, and readable."""
    schema = _one(connection, f"select to_regnamespace({text(quoted(raw))})")
    yield Finding(
        "RudderStack's schema",
        bool(schema),
        raw,
        "no such schema: is the destination set up, and is this its namespace?",
    )
    if not schema:
        return
    usage = _one(connection, f"select has_schema_privilege({text(raw)}, 'usage')")
    yield Finding.privilege(
        "entering it",
        usage,
        f"grant usage on schema {quoted(raw)} to {quoted(user)}",
    )
    tables = event_tables(tables_of(connection, raw))
    yield Finding(
        "RudderStack's tables",
        bool(tables),
        counted(len(tables), "table of events", "tables of events"),
        "none has the columns id and received_at: has RudderStack loaded anything yet?",
    )
    closed = [
        str(name)
        for (name,) in connection.execute(
            "select c.relname from pg_class as c join pg_namespace as s on s.oid = c.relnamespace "
            f"where s.nspname = {text(raw)} and c.relkind in ('r', 'p') "
            "and not has_table_privilege(c.oid, 'select') order by 1".encode()
        ).fetchall()
    ]
    yield Finding(
        "reading them",
        not closed,
        f"not allowed: {some(closed)}" if closed else "allowed",
        f"grant select on all tables in schema {quoted(raw)} to {quoted(user)}; for those to come: "
        f"alter default privileges for role <RudderStack's user> in schema {quoted(raw)} "
        f"grant select on tables to {quoted(user)}",
    )


def _own(
    connection: Connection, schemas: tuple[str, ...], where: str, user: str
) -> Iterator[Finding]:
    """The schemas that a run fills: each may be made, or is there and may be written."""
    missing = []
    for schema in schemas:
        if not _one(connection, f"select to_regnamespace({text(quoted(schema))})"):
            missing.append(schema)
            continue
        allowed = [
            bool(_one(connection, f"select has_schema_privilege({text(schema)}, {text(right)})"))
            for right in ("usage", "create")
        ]
        yield Finding(
            f"schema {schema}",
            all(allowed),
            "may be written" if all(allowed) else "may not be written",
            f"grant usage, create on schema {quoted(schema)} to {quoted(user)}",
        )
    if missing:
        create = _one(connection, "select has_database_privilege(current_database(), 'create')")
        yield Finding(
            "creating schemas",
            bool(create),
            f"{'allowed' if create else 'not allowed'}: {', '.join(missing)}",
            f"grant create on database {quoted(where)} to {quoted(user)}, or create these schemas "
            f"with authorization {quoted(user)}",
        )


def _reading(
    connection: Connection, role: str, schemas: tuple[str, ...], user: str
) -> Iterator[Finding]:
    """The role of sessions that only read: there, one of the user's, and let in."""
    there = _one(connection, f"select 1 from pg_roles where rolname = {text(role)}")
    yield Finding("read role", bool(there), role, f"create role {quoted(role)}")
    if not there:
        return
    member = _one(connection, f"select pg_has_role({text(role)}, 'member')")
    yield Finding.privilege(
        "taking it on",
        member,
        f"grant {quoted(role)} to {quoted(user)}",
    )
    for schema in schemas:
        if not _one(connection, f"select to_regnamespace({text(quoted(schema))})"):
            continue
        usage = _one(
            connection, f"select has_schema_privilege({text(role)}, {text(schema)}, 'usage')"
        )
        closed = _one(
            connection,
            "select count(*) from pg_class as c join pg_namespace as s on s.oid = c.relnamespace "
            f"where s.nspname = {text(schema)} and c.relkind in ('r', 'v') "
            f"and not has_table_privilege({text(role)}, c.oid, 'select')",
        )
        yield Finding(
            f"{role} in {schema}",
            bool(usage) and not closed,
            "may read" if usage and not closed else "may not read everything",
            f"grant usage on schema {quoted(schema)} to {quoted(role)}; grant select on all tables "
            f"in schema {quoted(schema)} to {quoted(role)}; alter default privileges in schema "
            f"{quoted(schema)} grant select on tables to {quoted(role)}",
        )
