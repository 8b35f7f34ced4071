"""How much a statement may scan at most, told before it runs and without running anything.

Athena's EXPLAIN counts no bytes. What can be told is which tables a statement reads, from its text,
where their files are, from Glue, and how big these are, from S3's listings. A statement reads at
most all of them, once for each time it names the table. Mostly it reads less (of Parquet, only the
columns that it needs), so this is an upper bound, not a forecast.
"""

from __future__ import annotations

import base64
import json
import logging
import operator
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from engagement.aws import glue
from engagement.aws.s3 import Address, Bucket
from engagement.warehouse.errors import WarehouseError

logger = logging.getLogger("engagement")

_GROWING_SECONDS = 60.0
"""How long the listing of a folder that others may write to is taken for true."""

_DEEPEST = 20

Wanted = Callable[[str, str], bool]
"""Whether a value of a partition column, given first, is read."""


@dataclass(frozen=True)
class Estimate:
    """What a statement may scan at most: ``by_table`` in bytes."""

    by_table: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """All tables together."""
        return sum(self.by_table.values())

    @property
    def largest(self) -> str:
        """The table that counts most; empty where nothing is read."""
        return max(self.by_table, key=lambda name: self.by_table[name], default="")


@dataclass(frozen=True)
class _Read:
    """A table that a statement reads, and which values of a partition column it wants."""

    database: str
    name: str
    wanted: Wanted


class Scans:
    """Tells what statements may scan.

    Parameters
    ----------
    files
        The folder of this project's tables. What lies there is never written to again, so it is
        listed once.
    """

    def __init__(self, catalog: glue.Catalog, bucket: Bucket, files: Address) -> None:
        self._catalog = catalog
        self._bucket = bucket
        self._files = files
        self._listings: dict[str, tuple[float, dict[str, int]]] = {}
        self._one_at_a_time = threading.Lock()

    def estimate(self, sql: str) -> Estimate | None:
        """What a statement may scan at most; ``None`` where its text cannot be read.

        Raises
        ------
        WarehouseError
            When Glue or S3 cannot be asked.
        """
        found: Counter[str] = Counter()
        try:
            for read in _reads(sql):
                found[f"{read.database}.{read.name}"] += self._size(read)
        except SqlglotError as error:
            logger.warning("what a statement may scan cannot be told: %s", error)
            return None
        return Estimate(dict(found))

    def _size(self, read: _Read, depth: int = 0) -> int:
        table = self._catalog.table(read.database, read.name)
        if table is None:
            return 0  # Athena will say that there is no such table
        view = _view(table)
        if view is not None:
            if depth > _DEEPEST:
                raise WarehouseError(f"{read.database}.{read.name}: a view that reads itself")
            return sum(self._size(inner, depth + 1) for inner in _reads_through(view, read.wanted))
        at = Address.parse(glue.location(table), folder=True)
        keys = [key["Name"] for key in table.get("PartitionKeys", [])]
        if not keys:
            return sum(self._listing(at).values())
        if table.get("Parameters", {}).get("projection.enabled") == "true":
            sizes = self._listing(at).items()
            return sum(size for name, size in sizes if _is_wanted(name, keys, read.wanted))
        return sum(
            self._partition(place)
            for values, place in self._catalog.partitions(read.database, read.name)
            if all(read.wanted(key, value) for key, value in zip(keys, values, strict=False))
        )

    def _partition(self, place: str) -> int:
        """Bytes of a partition's folder: those that were made together are listed together."""
        at = Address.parse(place, folder=True)
        parent, _, last = at.key.rstrip("/").rpartition("/")
        above = Address(at.bucket, parent + "/")
        if "=" not in last or not str(above).startswith(str(self._files)):
            return sum(self._listing(at).values())
        prefix = at.key[len(above.key) :]
        return sum(size for name, size in self._listing(above).items() if name.startswith(prefix))

    def _listing(self, folder: Address) -> dict[str, int]:
        """Sizes of the objects of a folder, by their name."""
        key, now = str(folder), time.monotonic()
        with self._one_at_a_time:
            known = self._listings.get(key)
            if known and (key.startswith(str(self._files)) or now - known[0] < _GROWING_SECONDS):
                return known[1]
            sizes = {found.name: found.size for found in self._bucket.listing(folder)}
            self._listings[key] = (now, sizes)
            return sizes


def _view(table: Mapping[str, Any]) -> str | None:
    """The query of a view as Athena keeps it; ``None`` where the table is none."""
    if table.get("TableType") != "VIRTUAL_VIEW":
        return None
    text = str(table.get("ViewOriginalText", ""))
    encoded = text.removeprefix("/* Presto View: ").removesuffix(" */")
    return str(json.loads(base64.b64decode(encoded))["originalSql"])


def _is_wanted(name: str, keys: Iterable[str], wanted: Wanted) -> bool:
    """Whether a file, by the ``key=value`` folders of its name, is in a partition that is read."""
    folders = dict(part.partition("=")[::2] for part in name.split("/")[:-1] if "=" in part)
    return all(wanted(key, folders[key]) for key in keys if key in folders)


# --- what a statement reads -----------------------------------------------------------------------


def _reads(sql: str) -> list[_Read]:
    """Tables that a statement reads, as often as it reads them."""
    tree = sqlglot.parse_one(sql, read="athena")
    query = tree.expression if isinstance(tree, exp.Create | exp.Insert) else tree
    return _reads_of(query, {}) if isinstance(query, exp.Expr) else []


def _reads_through(view: str, wanted: Wanted) -> list[_Read]:
    """Tables that a view reads, for a statement that wants some values of a partition column."""
    reads = _reads(view)
    tree = sqlglot.parse_one(view, read="athena")
    table = tree.find(exp.Table)
    if len(reads) != 1 or table is None or not isinstance(tree, exp.Select):
        return reads
    if table.parent_select is not tree:
        return reads
    [read] = reads

    def both(key: str, value: str) -> bool:
        alias = table.alias_or_name
        is_asked = not _passes(tree, alias, key) or wanted(key, value)
        return is_asked and read.wanted(key, value)

    return [replace(read, wanted=both)]


def _reads_of(query: exp.Expr, known: Mapping[str, list[_Read]]) -> list[_Read]:
    """Tables below a node; ``known`` are the common table expressions, run wherever they are named.

    Trino runs the query of a WITH anew for each place that reads it.
    """
    inner = dict(known)
    with_ = query.args.get("with_")
    for cte in with_.expressions if with_ is not None else ():
        inner[cte.alias] = _reads_of(cte.this, inner)
    found: list[_Read] = []
    for node in query.walk(prune=lambda node: node is not query and _has_scope(node)):
        if node is with_ or (with_ is not None and _is_below(node, with_)):
            continue
        if node is not query and _has_scope(node):
            found += _reads_of(node, inner)
        elif isinstance(node, exp.Table):
            if node.db:
                found.append(_Read(node.db, node.name, _wanted(node)))
            else:
                found += inner.get(node.name, [])
    return found


def _has_scope(node: exp.Expr) -> bool:
    return isinstance(node, exp.Query) and node.args.get("with_") is not None


def _is_below(node: exp.Expr, above: exp.Expr) -> bool:
    parent: exp.Expr | None = node
    while parent is not None and parent is not above:
        parent = parent.parent
    return parent is above


_COMPARISONS: dict[type[exp.Expr], Callable[[Any, Any], bool]] = {
    exp.EQ: operator.eq,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
}


def _wanted(table: exp.Table) -> Wanted:
    """Which values of a partition column a statement asks a table for.

    Only plain comparisons with texts count, joined by AND, in the WHERE right around the table and
    in those of queries around it that only pick its rows and columns: Trino takes these down to the
    table. Anything else may want every value.
    """
    around: list[tuple[exp.Select, str]] = []
    select, alias = table.parent_select, table.alias_or_name
    while isinstance(select, exp.Select):
        around.append((select, alias))
        outer = select.parent
        if not isinstance(outer, exp.Subquery) or not isinstance(outer.parent, exp.From | exp.Join):
            break
        select, alias = outer.parent_select, outer.alias

    def wants(key: str, value: str) -> bool:
        for select, alias in around:
            if not _allows(select, alias, key, value):
                return False
            if not _passes(select, alias, key):
                break
        return True

    return wants


def _allows(select: exp.Select, alias: str, key: str, value: str) -> bool:
    where = select.args.get("where")
    if where is None:
        return True

    def is_key(node: Any) -> bool:
        return isinstance(node, exp.Column) and node.name == key and _is_of(node, select, alias)

    conditions = where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
    return all(_may_hold(condition, is_key, value) for condition in conditions)


def _is_of(column: exp.Column, select: exp.Select, alias: str) -> bool:
    """Whether a column is surely of one of the tables that a query reads."""
    return column.table == alias if column.table else not select.args.get("joins")


_PICKS = {"expressions", "from_", "where", "joins", "with_", "kind", "hint", "laterals"}


def _passes(select: exp.Select, alias: str, key: str) -> bool:
    """Whether a query only picks rows, and gives a column of a table as it is."""
    if {name for name, value in select.args.items() if value} - _PICKS or select.find(exp.Window):
        return False
    return any(
        (isinstance(chosen, exp.Star) and not select.args.get("joins"))
        or (
            isinstance(column := chosen.unalias(), exp.Column)
            and chosen.alias_or_name == column.name == key
            and _is_of(column, select, alias)
        )
        for chosen in select.expressions
    )


def _may_hold(condition: exp.Expr, is_key: Callable[[Any], bool], value: str) -> bool:
    condition = condition.unnest()
    match condition:
        case exp.Between() if is_key(condition.this):
            low, high = condition.args["low"], condition.args["high"]
            return not (low.is_string and high.is_string) or low.name <= value <= high.name
        case exp.In() if is_key(condition.this) and condition.expressions:
            texts = condition.expressions
            return not all(t.is_string for t in texts) or value in {t.name for t in texts}
        case exp.Binary() if type(condition) in _COMPARISONS:
            compare = _COMPARISONS[type(condition)]
            if is_key(condition.left) and condition.right.is_string:
                return compare(value, condition.right.name)
            if is_key(condition.right) and condition.left.is_string:
                return compare(condition.left.name, value)
    return True
