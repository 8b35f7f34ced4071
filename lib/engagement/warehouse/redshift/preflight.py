"""What a run needs of Redshift, tried one by one; nothing is changed that stays."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

from engagement.messages import some
from engagement.settings import Settings
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.protocol import Finding
from engagement.warehouse.redshift import catalog
from engagement.warehouse.redshift.staging import Stage
from engagement.warehouse.redshift.statements import Statements
from engagement.warehouse.redshift.types import quoted


def _one(statements: Statements, sql: str, what: str) -> Any:
    found = statements.rows(sql, what)
    return found[0][0] if found else None


def storage_of(settings: Settings) -> str:
    """The schema for functions and the lease."""
    section = settings.warehouse.redshift
    return (section and section.storage_schema) or f"{settings.project}_storage"


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
    storage = storage_of(settings)
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
        missing = [
            right
            for right in ("usage", "create")
            if not _one(statements, catalog.schema_privilege(schema, right), f"schema {schema}")
        ]
        yield Finding(
            f"schema {schema}",
            not missing,
            f"not allowed: {' and '.join(missing)}" if missing else "may be written",
            f"grant usage, create on schema {schema} to this user",
        )


def reader_findings(statements: Statements, settings: Settings) -> Iterator[Finding]:
    """What the reader's own session may read: the four schemas, and for real a view of events.

    Parameters
    ----------
    statements
        A session of the reader's.
    """
    databases = settings.warehouse.databases
    wanted = (databases.landing, databases.events, databases.marts, storage_of(settings))
    there = {str(name) for (name,) in statements.rows(catalog.schemas(*wanted), "schemas")}
    for schema in (one for one in wanted if one in there):
        name = f"the reader in {schema}"
        usage = bool(_one(statements, catalog.schema_privilege(schema, "usage"), name))
        closed = [
            str(table) for (table,) in statements.rows(catalog.unreadable(schema, views=True), name)
        ]
        said = f"not readable: {some(closed)}" if closed else "may read"
        yield Finding(
            name,
            usage and not closed,
            said if usage else "may not enter it",
            f"grant usage on schema {schema}, select on all its tables, and default privileges "
            "for those to come ('engagement roles')",
        )
        if schema == databases.events and usage and not closed:
            yield from _one_view(statements, schema)


def _one_view(statements: Statements, schema: str) -> Iterator[Finding]:
    """Read a row by a late-binding view, which asks for rights when it is read."""
    name = "the reader reads a view"
    if not statements.rows(catalog.kind(schema, "events"), name):
        return  # RudderStack has loaded nothing yet
    place = f"{quoted(schema)}.{quoted('events')}"
    try:
        statements.rows(f"select 1 as one from {place} limit 1", name)
        yield Finding(name, True, place)
    except WarehouseError as error:
        yield Finding(
            name, False, str(error), "the view's owner needs select on RudderStack's tables"
        )


def staging_findings(statements: Statements, stage: Stage) -> Iterator[Finding]:
    """Whether this machine and Redshift can use the staging folder; what is put there goes again.

    Parameters
    ----------
    statements
        A session of the builder's.
    """
    name = "staging folder, from here"
    try:
        with stage.put("check", b"check"):
            stage.listed()
        yield Finding(name, True, "a file was written, listed and deleted")
    except WarehouseError as error:
        yield Finding(
            name, False, str(error), "allow s3:ListBucket, and s3:GetObject, PutObject and "
            "DeleteObject below warehouse.redshift.staging_location"
        )  # fmt: skip
        return
    name = "staging folder, by Redshift"
    folder = stage.folder(f"check-{secrets.token_hex(4)}")
    try:
        statements.run(stage.unloading("select 1 as one", folder, "csv", in_order=True), name)
        stage.written(folder)
        yield Finding(name, True, "a row was unloaded")
    except WarehouseError as error:
        yield Finding(
            name, False, str(error), "warehouse.redshift.staging_role has to be a role of this "
            "warehouse, and may list, read, write and delete there"
        )  # fmt: skip
    finally:
        stage.empty(folder)
