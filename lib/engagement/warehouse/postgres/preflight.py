"""What a run needs of PostgreSQL, tried one by one without changing anything."""

from __future__ import annotations

from collections.abc import Iterator

from engagement.settings import Settings
from engagement.warehouse.postgres.statements import Connection
from engagement.warehouse.postgres.types import quoted, text
from engagement.warehouse.protocol import Finding

_OLDEST = 130_000


def _one(connection: Connection, sql: str) -> object:
    found = connection.execute(sql.encode()).fetchone()
    return found[0] if found else None


def findings(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Version, encoding, sorting of texts, RudderStack's schema, and what may be created."""
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
    section = settings.warehouse.postgres
    raw = section.rudderstack_schema if section else None
    if raw is not None:
        schema = _one(connection, f"select to_regnamespace({text(quoted(raw))})")
        yield Finding(
            "RudderStack's schema", bool(schema), raw, "no such schema: is the destination set up?"
        )
        if schema:
            usage = _one(connection, f"select has_schema_privilege({text(raw)}, 'usage')")
            yield Finding(
                "reading it", bool(usage), raw, f"grant usage on schema {raw} to this user"
            )
    create = _one(connection, "select has_database_privilege(current_database(), 'create')")
    yield Finding(
        "creating schemas",
        bool(create),
        "allowed" if create else "not allowed",
        "grant create on the database, or create the schemas for this user",
    )
    temporary = _one(connection, "select has_database_privilege(current_database(), 'temporary')")
    yield Finding(
        "temporary tables",
        bool(temporary),
        "allowed" if temporary else "not allowed",
        "grant temporary on the database",
    )
