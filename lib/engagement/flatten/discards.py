"""Values that do not fit a declared column: NULL there, and a row of ``events.discards``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from engagement.flatten.fields import TYPE_TABLES
from engagement.flatten.schema import (
    PARTITION,
    Column,
    Source,
)
from engagement.flatten.tables import TIMES, EventTable, Leaves, quoted, union
from engagement.sql.conversions import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    TIMESTAMP,
    VARCHAR,
)
from engagement.sql.dialect import Table, literal
from engagement.warehouse.reading import LandingSession

DISCARDS = Table("events", "discards")

_FITTING: dict[str, set[str]] = {
    DOUBLE: {"integer", "double"},
    BIGINT: set(),
    BOOLEAN: {"boolean"},
    TIMESTAMP: set(),
}


def _may_misfit(column: Column, source: Source) -> bool:
    if column.is_list:
        return not source.kinds <= {"array"}
    if not column.declared or column.declared == VARCHAR:
        return False
    if column.declared == BIGINT and source.kinds == {"integer"}:
        return source.values.largest_integer >= 2**63
    return not source.kinds <= _FITTING[column.declared]


def suspects(wanted: EventTable) -> list[tuple[Column, str]]:
    """Declared columns, by each source that may hold what does not fit, with their types."""
    return [
        (replace(column, sources=[one]), kind)
        for column, kind in wanted.columns
        for one in column.sources
        if _may_misfit(column, one)
    ]


def misfits(session: LandingSession, wanted: EventTable, rows: Table) -> list[exp.Query]:
    """Queries for the values that were given and do not fit their declared column.

    ``wanted`` may be the table by what is registered of the dates of ``rows`` alone: then it is not
    looked for what other dates hold.
    """
    suspect = suspects(wanted)
    if not suspect:
        return []
    few = replace(wanted, columns=tuple(suspect))
    leaves = Leaves(few, as_given=True)
    table = session.json_columns(
        f"suspects_{wanted.name}", rows, "record", leaves.wanted(), lazy=True
    )
    chosen: list[exp.Expr] = [quoted("id"), quoted("received_at"), quoted(PARTITION)]
    found: list[exp.Expr] = []
    for number, (column, kind) in enumerate(suspect):
        if column.is_list:
            misfit = leaves.unlisted(column, column.sources[0])
        else:
            given = leaves.converted(column, column.sources[0], VARCHAR)
            fitting = leaves.converted(column, column.sources[0], kind)
            misfit = exp.case().when(fitting.is_(exp.null()), given)
        chosen.append(exp.alias_(misfit, f"misfit_{number}"))
        found.append(misfit.copy().is_(exp.null()).not_())
    # The records are parsed once, and few rows remain: each column then looks for its own.
    few_rows = session.work(
        f"misfits_{wanted.name}",
        exp.Select(expressions=chosen).from_(table.node(), copy=False).where(exp.or_(*found)),
    )
    return [
        exp.select(
            exp.alias_(exp.Literal.string(wanted.name), "table_name"),
            exp.alias_(exp.column("id"), "row_id"),
            exp.alias_(exp.Literal.string(column.name), "column_name"),
            exp.alias_(exp.column(f"misfit_{number}"), "column_value"),
            exp.column("received_at"),
            exp.alias_(exp.Literal.string(_reason(column, kind)), "reason"),
            exp.column(PARTITION),
        )
        .from_(few_rows.node())
        .where(exp.column(f"misfit_{number}").is_(exp.null()).not_())
        for number, (column, kind) in enumerate(suspect)
    ]


def _reason(column: Column, kind: str) -> str:
    return f"not a list of {column.name}" if column.is_list else f"not a {kind}"


DISCARD_COLUMNS = {
    "table_name": VARCHAR,
    "row_id": VARCHAR,
    "column_name": VARCHAR,
    "column_value": VARCHAR,
    "received_at": TIMESTAMP,
    "reason": VARCHAR,
    PARTITION: VARCHAR,
}


def time_discards() -> exp.Query:
    """Times of the default columns that were given and are none, among the records just read."""
    return union(
        [
            exp.select(
                exp.alias_(_name_of_type(), "table_name"),
                exp.alias_(exp.column("id"), "row_id"),
                exp.alias_(exp.Literal.string(name), "column_name"),
                exp.alias_(exp.column(f"unreadable_{name}"), "column_value"),
                exp.column("received_at"),
                exp.alias_(exp.Literal.string("not a timestamp"), "reason"),
                exp.column(PARTITION),
            )
            .from_(Table("work", "kept").node())
            .where(exp.column("is_duplicate").not_())
            .where(exp.column(f"unreadable_{name}").is_(exp.null()).not_())
            for name in TIMES
        ]
    )


def _name_of_type() -> exp.Expr:
    """Name of the table of an event's type, in SQL."""
    case = exp.case()
    for kind, table in {"track": "tracks", **TYPE_TABLES}.items():
        case = case.when(exp.column("type").eq(kind), exp.Literal.string(table))
    return case


def publish_discards(
    session: LandingSession, misfits: Sequence[exp.Query], days: Sequence[str]
) -> None:
    """Replace the discards of some dates, but for those of times, which reading the files found."""
    of_times = (
        exp.select(*(quoted(name) for name in DISCARD_COLUMNS))
        .from_(DISCARDS.node())
        .where(exp.column("column_name").isin(*TIMES))
        .where(exp.column(PARTITION).isin(*(literal(day) for day in days)))
    )
    table = session.work("discards", union([of_times, *misfits]))
    session.publish(
        DISCARDS, exp.select("*").from_(table.node()), partitions=days, columns=DISCARD_COLUMNS
    )
