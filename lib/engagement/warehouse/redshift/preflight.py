"""What a run needs of Redshift, tried one by one without changing anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engagement.messages import some
from engagement.settings import Settings
from engagement.warehouse.protocol import Finding
from engagement.warehouse.redshift import catalog
from engagement.warehouse.redshift.statements import Statements


def _one(statements: Statements, sql: str, what: str) -> Any:
    found = statements.rows(sql, what)
    return found[0][0] if found else None


def findings(statements: Statements, settings: Settings) -> Iterator[Finding]:
    """Version, encoding, how texts compare, search path, schemas, and each privilege."""
    section = settings.warehouse.redshift
    version = str(_one(statements, "select version() as version", "version") or "")
    found = re.search(r"Redshift\s+([\d.]+)", version)
    yield Finding(
        "version",
        found is not None,
        f"Redshift {found[1]}" if found else version[:60],
        "this is no Redshift: for PostgreSQL there is the engine postgres",
    )
    encoding = _one(
        statements,
        "select pg_encoding_to_char(encoding) as encoding from pg_database "
        "where datname = current_database()",
        "encoding",
    )
    yield Finding(
        "encoding", encoding in ("UTF8", "UNICODE"), str(encoding), "the database has to be UTF8"
    )
    collation = _one(statements, "select db_collation() as collation", "collation")
    yield Finding(
        "comparing texts",
        collation == "case_sensitive",
        str(collation),
        "the database was made with collate case_insensitive: 'A' = 'a' there, and nowhere else",
    )
    storage = (section and section.storage_schema) or f"{settings.project}_storage"
    path = str(_one(statements, "show search_path", "search path") or "")
    yield Finding(
        "search path",
        path.replace('"', "").strip() == storage,
        path,
        "sessions set it by themselves: is it fixed for this user?",
    )
    raw = section.rudderstack_schema if section else None
    if raw is not None:
        yield from _reading(statements, raw)
    allowed = _one(statements, catalog.database_privilege("temp"), "temporary tables")
    yield Finding.privilege(
        "temporary tables",
        allowed,
        "grant temp on the database to this user",
    )
    yield from _own_schemas(statements, settings, storage)


def _reading(statements: Statements, raw: str) -> Iterator[Finding]:
    name = "RudderStack's schema"
    is_there = bool(statements.rows(catalog.schemas(raw), name))
    yield Finding(name, is_there, raw, "no such schema: is the destination set up?")
    if not is_there:
        return
    usage = bool(_one(statements, catalog.schema_privilege(raw, "usage"), "reading it"))
    yield Finding("reading it", usage, raw, f"grant usage on schema {raw} to this user")
    if not usage:
        return
    closed = [str(table) for (table,) in statements.rows(catalog.unreadable(raw), "its tables")]
    yield Finding(
        "its tables",
        not closed,
        f"not readable: {some(closed)}" if closed else "all readable",
        f"grant select on all tables in schema {raw} to this user, and alter default privileges "
        "for RudderStack's user",
    )


def _own_schemas(statements: Statements, settings: Settings, storage: str) -> Iterator[Finding]:
    databases = settings.warehouse.databases
    wanted = (databases.landing, databases.events, databases.marts, storage)
    there = {str(name) for (name,) in statements.rows(catalog.schemas(*wanted), "schemas")}
    may_create = bool(_one(statements, catalog.database_privilege("create"), "creating schemas"))
    for schema in wanted:
        if schema not in there:
            yield Finding(
                f"schema {schema}",
                may_create,
                "not there yet: a run makes it" if may_create else "not there",
                "create it for this user ('engagement roles'), or grant create on the database",
            )
            continue
        allowed = bool(
            _one(statements, catalog.schema_privilege(schema, "create"), f"schema {schema}")
        )
        yield Finding(
            f"schema {schema}",
            allowed,
            "may be written" if allowed else "may not be written",
            f"grant all on schema {schema} to this user",
        )
