"""Who may do what in Redshift, as statements for an administrator to run once.

Three: RudderStack's user loads, the builder makes the tables from what was loaded, readers read
them. Redshift checks default privileges when something is made, and every table here is made anew
with each run: so readers are granted what the builder *will* make.
"""

from __future__ import annotations

from collections.abc import Iterator

from engagement.settings import Settings
from engagement.warehouse.redshift.types import quoted

LOADER, BUILDER = "rudderstack", "engagement_build"


def statements(settings: Settings, loader: str | None, builder: str | None) -> list[str]:
    """The statements, without their semicolons; lines that begin with ``--`` explain them.

    Parameters
    ----------
    loader, builder
        The database users that RudderStack and the workbook log in as, such as ``IAMR:role``.
    """
    section = settings.warehouse.redshift
    assert section is not None  # noqa: S101 (the settings see to it)
    loader, builder = loader or LOADER, builder or section.user or BUILDER
    raw = section.rudderstack_schema or "rudderstack"
    databases = settings.warehouse.databases
    storage = section.storage_schema or f"{settings.project}_storage"
    own = (databases.landing, databases.events, databases.marts, storage)
    # A role must not be called as a user is.
    names = {kind: f"{settings.project}_{kind}" for kind in ("loads", "builds", "reads")}
    return [
        *_loading(section.database, raw, loader, names["loads"]),
        *_building(section.database, raw, loader, builder, names["builds"], own),
        *_reading(section.database, own, builder, names["reads"], section.read_user),
    ]


def _user(name: str) -> str:
    """Make a user who logs in by IAM, and by no password.

    Redshift makes a user of IAM's by itself when it first logs in; a grant needs it before.
    """
    return f"create user {quoted(name)} password disable"


def _loading(database: str, raw: str, loader: str, role: str) -> Iterator[str]:
    yield f"-- RudderStack loads into the schema {raw}, which is its own, and nowhere else."
    yield _user(loader)
    yield f"create role {quoted(role)}"
    yield f"create schema if not exists {quoted(raw)} authorization {quoted(loader)}"
    # It creates the schema if it is missing, and asks for the privilege even if it is not.
    yield f"grant create, temp on database {quoted(database)} to role {quoted(role)}"
    yield f"grant role {quoted(role)} to {quoted(loader)}"


def _building(
    database: str, raw: str, loader: str, builder: str, role: str, own: tuple[str, ...]
) -> Iterator[str]:
    yield "-- The workbook reads what was loaded, and owns what it makes of it."
    yield _user(builder)
    yield f"create role {quoted(role)}"
    yield f"grant temp on database {quoted(database)} to role {quoted(role)}"
    yield f"grant usage on schema {quoted(raw)} to role {quoted(role)}"
    yield f"grant select on all tables in schema {quoted(raw)} to role {quoted(role)}"
    yield (
        f"alter default privileges for user {quoted(loader)} in schema {quoted(raw)} "
        f"grant select on tables to role {quoted(role)}"
    )
    for schema in own:
        yield f"create schema if not exists {quoted(schema)} authorization {quoted(builder)}"
    yield f"grant role {quoted(role)} to {quoted(builder)}"


def _reading(
    database: str, own: tuple[str, ...], builder: str, role: str, reader: str | None
) -> Iterator[str]:
    yield "-- Readers read what was made, and have temporary tables of their own."
    yield f"create role {quoted(role)}"
    yield f"grant temp on database {quoted(database)} to role {quoted(role)}"
    for schema in own:
        yield f"grant usage on schema {quoted(schema)} to role {quoted(role)}"
        yield f"grant select on all tables in schema {quoted(schema)} to role {quoted(role)}"
        yield (
            f"alter default privileges for user {quoted(builder)} in schema {quoted(schema)} "
            f"grant select on tables to role {quoted(role)}"
        )
    if reader is not None:
        yield _user(reader)
        yield f"grant role {quoted(role)} to {quoted(reader)}"
    else:
        yield f'-- For each reader: grant role {quoted(role)} to "…"'


def listed(lines: list[str]) -> str:
    """The statements as a file of SQL."""
    return "\n".join(one if one.startswith("--") else f"{one};" for one in lines) + "\n"
