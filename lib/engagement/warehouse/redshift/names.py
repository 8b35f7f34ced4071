"""What tables are called in Redshift: temporary ones, those being built, and all others."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from sqlglot import exp

from engagement.sql.dialect import LOGICAL, WORK, Table
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.frames import fresh_name
from engagement.warehouse.redshift.types import quoted

_LONGEST = 127


class Names:
    """Physical names of one session's tables.

    Attributes
    ----------
    databases
        Physical names of the logical databases.
    work
        The temporary table that stands for each working table, by its name.
    pending
        Tables that were built beside the old ones and take their places at the end of a
        transaction, with the statements that do that; ``None`` outside of one.
    """

    def __init__(self, databases: Mapping[str, str]) -> None:
        self.databases = dict(databases)
        self.work: dict[str, str] = {}
        self.pending: dict[Table, list[str]] | None = None
        self._own = secrets.token_hex(4)

    def unused(self, name: str) -> str:
        """A name that no other session's temporary table has, nor an earlier one of this one."""
        end = f" {self._own}{secrets.token_hex(2)}"
        return name[: _LONGEST - len(end)] + end

    def place(self, table: Table) -> tuple[str, str]:
        """Schema and name of a table; what waits for its transaction is read as it will be.

        Raises
        ------
        WarehouseError
            When there is no such database.
        """
        if table.database not in LOGICAL:
            raise WarehouseError(f"{table}: the databases are {', '.join(LOGICAL)}")
        is_pending = self.pending is not None and table in self.pending
        name = fresh_name(table) if is_pending else table.name
        return self.databases[table.database], name

    def physical(self, table: Table) -> str:
        """A table as statements name it."""
        if table.database == WORK:
            return quoted(self.work.get(table.name, table.name))
        return ".".join(map(quoted, self.place(table)))

    def fresh(self, table: Table) -> str:
        """What is built to take a table's place, as statements name it."""
        return f"{quoted(self.databases[table.database])}.{quoted(fresh_name(table))}"

    def put(self, tree: exp.Query) -> exp.Query:
        """The tree with temporary tables, and those that wait, in place of their names."""
        for node in list(tree.find_all(exp.Table)):
            if node.db:
                self._put(node)
        return tree

    def _put(self, node: exp.Table) -> None:
        table = Table(node.db, node.name)
        if table.database == WORK:
            if table.name not in self.work:
                raise WarehouseError(f"there is no working table {table}")
            physical = self.work[table.name]
        elif self.pending is not None and table in self.pending:
            physical = fresh_name(table)
        else:
            return
        if not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        node.set("this", exp.to_identifier(physical, quoted=True))
        if table.database == WORK:
            node.set("db", None)
