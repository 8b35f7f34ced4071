"""The views over RudderStack's tables in Redshift, and what tells their states apart.

They are late-binding: RudderStack may change its tables under them, and what is published may be
replaced. JSON columns (SUPER) are read as their text, where it is no longer than a text may be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from engagement.warehouse import loaded_views
from engagement.warehouse.loaded_views import OF_LANDING, View, Words
from engagement.warehouse.protocol import Published
from engagement.warehouse.redshift import catalog
from engagement.warehouse.redshift.statements import Statements
from engagement.warehouse.redshift.types import LONGEST_TEXT, TEXT, quoted, text

WORDS = Words(
    text=TEXT,
    as_text={
        "super": f"case when {{x}} is not null and json_size({{x}}) <= {LONGEST_TEXT} "
        "then nullif(json_serialize({x}), 'null') end"
    },
)
"""What Redshift's views write in their own way.

A longer text would be an error, and both NULL and JSON's null would be the text ``null``.
"""


def tables_of(statements: Statements, schema: str) -> dict[str, dict[str, str]]:
    """All tables of a schema, with columns and types."""
    asked = " ".join(loaded_views.CATALOG.format(schema=text(schema)).split())
    return loaded_views.by_table(statements.rows(asked, "RudderStack's tables"))


def views(
    statements: Statements, raw: str, databases: Mapping[str, str], window_days: int
) -> list[View]:
    """The views as RudderStack's tables ask for them now."""
    return loaded_views.views(raw, tables_of(statements, raw), databases, window_days, WORDS)


def making(
    statements: Statements, raw: str, databases: Mapping[str, str], window_days: int
) -> Iterator[tuple[str, list[str]]]:
    """What has to run so that the views are as RudderStack's tables ask for them now.

    Each is a label, and statements that take effect together: readers see a view as it was, or as
    it is. A view that is there as it should be is left alone.
    """
    planned = views(statements, raw, databases, window_days)
    there = {
        (schema, str(name))
        for database in ("events", "landing")
        for schema in (databases[database],)
        for name, kind in statements.rows(catalog.tables(schema), f"tables of {schema}")
        if "VIEW" in str(kind).upper()
    }
    for view in planned:
        schema, name = databases[view.table.database], view.table.name
        mark = view.mark(raw)
        place = f"{quoted(schema)}.{quoted(name)}"
        if (schema, name) in there:
            noted = statements.rows(catalog.comment(schema, name), str(view.table))
            if noted and noted[0][0] == mark:
                continue
        yield (
            str(view.table),
            [
                f"drop view if exists {place}",
                f"create view {place} as {view.sql} with no schema binding",
                f"comment on view {place} is {text(mark)}",
            ],
        )
    wanted = {(databases[view.table.database], view.table.name) for view in planned}
    for schema, name in sorted(there - wanted):
        if schema == databases["events"] or name in OF_LANDING:
            yield name, [f"drop view if exists {quoted(schema)}.{quoted(name)}"]


class States:
    """What there is of views over tables that RudderStack loads; a session looks once.

    It looks before anything is read, so what is loaded meanwhile makes the next look differ.

    Parameters
    ----------
    opened
        Opens a session of the builder's, which may read RudderStack's tables; who only reads may
        not. It is called once, and only if there is something to look at.
    """

    def __init__(self, opened: Callable[[], Statements]) -> None:
        self._opened = opened
        self._statements: Statements | None = None
        self._seen: dict[tuple[str, str], str] = {}
        self._tables: dict[str, dict[str, dict[str, str]]] = {}

    def published(self, digest: str, schema: str, reads: Sequence[str]) -> Published:
        """Version and rows of a view, of which :func:`loaded_views.read_mark` told these."""
        statements = self._statements = self._statements or self._opened()
        if schema not in self._tables:
            self._tables[schema] = tables_of(statements, schema)
        states = []
        for table in reads:
            if (schema, table) not in self._seen:
                self._seen[schema, table] = self._state(statements, schema, table)
            states.append(self._seen[schema, table])
        version = hashlib.sha256("\0".join([digest, *states]).encode()).hexdigest()[:32]
        return Published(version, sum(int(one.split()[0]) for one in states if one))

    def _state(self, statements: Statements, schema: str, table: str) -> str:
        columns = self._tables[schema].get(table)
        if columns is None:
            return ""
        asked = loaded_views.state_sql(schema, table, columns)
        return " ".join(map(str, statements.rows(asked, f"{schema}.{table}")[0]))
