"""Publishing: a table is built beside the old one, and takes its place in one transaction.

The transaction asks first whether the lease is still this session's. Within
:meth:`Publisher.transaction` what takes effect is held back, and takes effect together at its end;
until then the session alone reads what was built.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from engagement.records.files import PARTITION
from engagement.sql.dialect import Table
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.frames import with_new_columns
from engagement.warehouse.protocol import Publication
from engagement.warehouse.redshift import catalog, lease
from engagement.warehouse.redshift.names import Names
from engagement.warehouse.redshift.statements import Statements
from engagement.warehouse.redshift.temporary import Temporaries
from engagement.warehouse.redshift.types import defined, quoted, text

Columns = Callable[[Table], Mapping[str, str]]


class Publisher:
    """Publishes in one session that holds the lease.

    Parameters
    ----------
    token
        The lease's; ``None`` in a session that only reads, which publishes nothing.
    check
        Makes sure that the lease is still this session's.
    columns, forget
        Tells a table's columns, and is told of one whose columns are others now.
    """

    def __init__(
        self,
        statements: Statements,
        names: Names,
        temporaries: Temporaries,
        storage: str,
        *,
        token: str | None,
        check: Callable[[], None] | None,
        columns: Columns,
        forget: Callable[[Table], None],
    ) -> None:
        self._statements = statements
        self._run = statements.run
        self._names = names
        self._temporaries = temporaries
        self._guard = lease.guard(storage, str(token))
        self._check = check
        self._columns = columns
        self._forget = forget

    def allowed(self) -> None:
        """Make sure that this session may publish.

        Raises
        ------
        WarehouseError
            When it only reads, or its lease is gone.
        """
        if self._check is None:
            raise WarehouseError("this session only reads: open it with session(write=True)")
        self._check()

    def replace(
        self,
        table: Table,
        sql: str,
        *,
        partitions: Sequence[str] | None,
        columns: Mapping[str, str] | None,
        version: str | None,
    ) -> Publication:
        """Replace a table, or its partitions of some received dates."""
        started = time.perf_counter()
        label = str(table)
        old = self._columns(table) if partitions is not None else {}
        fresh = self._begun(table)
        if partitions is not None and old:
            rows = self._with_others(table, fresh, sql, partitions, old, columns)
        elif columns is not None:
            self._run(f"create table {fresh} ({defined(columns)})", label)
            self._insert(fresh, sql, columns, label)
            rows = self._statements.count(fresh, label)
        else:
            self._run(f"create table {fresh} as {sql}", label)
            rows = self._statements.count(fresh, label)
        self._swap(table, version)
        self._statements.logged(label, sql, rows, started)
        return Publication(table, rows)

    def replace_rows(
        self, table: Table, sql: str, key: str, among: str, version: str | None
    ) -> Publication:
        """Replace the rows of a table whose key is one of some."""
        started = time.perf_counter()
        label = str(table)
        keys = self._temporaries.make(f"{table.name[:60]} keys", among)
        new = self._temporaries.make(f"{table.name[:60]} rows", sql)
        columns, fresh = self._columns(table), self._begun(table)
        self._run(f"create table {fresh} ({defined(columns)})", label)
        chosen = ", ".join(f"o.{quoted(name)}" for name in columns)
        of_key = quoted(next(iter(self._columns(keys))))
        gone = f"select distinct {of_key} as k from {self._names.physical(keys)}"
        old = f"{self._names.physical(table)} as o left join ({gone}) as g on o.{quoted(key)} = g.k"
        self._insert(fresh, f"select {chosen} from {old} where g.k is null", columns, label)
        named = ", ".join(map(quoted, columns))
        self._insert(fresh, f"select {named} from {self._names.physical(new)}", columns, label)
        rows = self._temporaries.counted(new)
        self._swap(table, version)
        self._statements.logged(label, sql, rows, started)
        self._temporaries.release(keys, new)
        return Publication(table, rows)

    def drop(self, table: Table) -> None:
        """Remove a table or view; no error where there is none."""
        statements = self._dropping(table)
        self._forget(table)
        if statements:
            self._in_one_transaction(statements, str(table))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold back all that takes effect, and let it at the end, in one transaction."""
        if self._names.pending is not None:
            yield
            return
        self.allowed()
        self._names.pending = {}
        is_done = False
        try:
            yield
            is_done = True
        finally:
            pending, self._names.pending = self._names.pending, None
            for table in pending:
                self._forget(table)
            if is_done and pending:
                self._in_one_transaction(
                    [sql for one in pending.values() for sql in one], "all at once"
                )

    # --- inside

    def _begun(self, table: Table) -> str:
        """The place to build beside a table, with nothing there that a killed run left."""
        fresh = self._names.fresh(table)
        if self._names.pending is not None and table in self._names.pending:
            raise WarehouseError(f"{table} was published in this transaction already")
        self._run(f"drop table if exists {fresh}", str(table))
        return fresh

    def _with_others(
        self,
        table: Table,
        fresh: str,
        sql: str,
        partitions: Sequence[str],
        old: Mapping[str, str],
        columns: Mapping[str, str] | None,
    ) -> int:
        """The new rows of some dates, and the others' as they are, in a table beside."""
        label = str(table)
        beside = self._temporaries.make(f"{table.name[:60]} partitions", sql, logged=False)
        new = dict(columns or self._columns(beside))
        merged = with_new_columns(old, new)
        self._run(f"create table {fresh} ({defined(merged)})", label)
        marks = ", ".join(map(text, partitions))
        others = f" where {PARTITION} not in ({marks})" if partitions else ""
        stay = {name: kind for name, kind in merged.items() if name in old}
        for source, names in (
            (self._names.physical(table) + others, stay),
            (self._names.physical(beside), new),
        ):
            chosen = ", ".join(map(quoted, names))
            self._insert(fresh, f"select {chosen} from {source}", names, label)
        rows = self._temporaries.counted(beside)
        self._temporaries.release(beside)
        return rows

    def _insert(self, fresh: str, sql: str, columns: Mapping[str, str], label: str) -> None:
        self._run(f"insert into {fresh} ({', '.join(map(quoted, columns))}) {sql}", label)

    def _swap(self, table: Table, version: str | None) -> None:
        """Let what was built beside a table take its place, with its version."""
        schema, name = self._names.place(table)
        place = f"{quoted(schema)}.{quoted(name)}"
        statements = [
            *self._dropping(table),
            f"alter table {self._names.fresh(table)} rename to {quoted(name)}",
            f"comment on table {place} is {text(version or secrets.token_hex(16))}",
        ]
        self._forget(table)
        if self._names.pending is not None:
            self._names.pending[table] = statements
        else:
            self._in_one_transaction(statements, str(table))

    def _in_one_transaction(self, statements: Sequence[str], label: str) -> None:
        try:
            self._statements.run_in_one_transaction([self._guard, *statements], label)
        except WarehouseError:
            self.allowed()  # a lease that is gone is the reason, if it is
            raise

    def _dropping(self, table: Table) -> list[str]:
        schema, name = self._names.place(table)
        found = self._statements.rows(catalog.kind(schema, name), str(table))
        if not found:
            return []
        what = "view" if "VIEW" in str(found[0][0]).upper() else "table"
        return [f"drop {what} {quoted(schema)}.{quoted(name)}"]
