"""What is asked of Redshift's catalog: tables, columns, comments, privileges.

``svv_columns`` and ``svv_tables`` know of late-binding views, whose columns ``pg_attribute`` does
not have. Names of columns come in lower case, as Redshift keeps them.
"""

from __future__ import annotations

from engagement.warehouse.redshift.types import text


def columns(schema: str, name: str) -> str:
    """Asks for the columns of a table or view: name, type, digits of decimals; in order."""
    return (
        "select column_name, data_type, numeric_precision, numeric_scale from svv_columns "
        f"where table_schema = {text(schema)} and table_name = {text(name)} "
        "order by ordinal_position"
    )


def temporary_columns(name: str) -> str:
    """The same for a temporary table, whose name no other session has."""
    return (
        "select column_name, data_type, numeric_precision, numeric_scale from svv_columns "
        f"where table_schema like 'pg_temp%' and table_name = {text(name)} "
        "order by ordinal_position"
    )


def tables(schema: str) -> str:
    """Asks for the names of a schema's tables and views, and which they are."""
    return (
        "select table_name, table_type from svv_tables "
        f"where table_schema = {text(schema)} order by table_name"
    )


def kind(schema: str, name: str) -> str:
    """Asks whether something is a table or a view."""
    return (
        "select table_type from svv_tables "
        f"where table_schema = {text(schema)} and table_name = {text(name)}"
    )


def comment(schema: str, name: str) -> str:
    """Asks for a table's comment: the version that was published."""
    return (
        "select d.description from pg_description as d "
        "join pg_class as c on c.oid = d.objoid "
        "join pg_namespace as s on s.oid = c.relnamespace "
        f"where d.objsubid = 0 and s.nspname = {text(schema)} and c.relname = {text(name)}"
    )


def schemas(*names: str) -> str:
    """Asks which of these schemas there are."""
    listed = ", ".join(map(text, names))
    return f"select nspname from pg_namespace where nspname in ({listed})"


def schema_privilege(schema: str, privilege: str) -> str:
    """Asks whether the user has a privilege on a schema."""
    return f"select has_schema_privilege({text(schema)}, {text(privilege)}) as allowed"


def database_privilege(privilege: str) -> str:
    """Asks whether the user has a privilege on the database."""
    return f"select has_database_privilege(current_database(), {text(privilege)}) as allowed"


def unreadable(schema: str, *, views: bool = False) -> str:
    """Asks which tables of a schema, and perhaps views, the user may not read."""
    kinds = "('r', 'v')" if views else "('r')"
    return (
        "select c.relname from pg_class as c join pg_namespace as s on s.oid = c.relnamespace "
        f"where s.nspname = {text(schema)} and c.relkind in {kinds} "
        "and not has_table_privilege(c.oid, 'select') order by c.relname"
    )
