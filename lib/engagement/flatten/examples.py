"""What 02 shows of the data itself: examples, conflicts, what was set aside; nobody in person."""

from __future__ import annotations

import pandas as pd
from sqlglot import exp

from engagement.flatten.ingest import REASONS
from engagement.flatten.masking import mask, outline
from engagement.flatten.report import FlattenReport
from engagement.flatten.seen import seen
from engagement.privacy import FEWEST_PEOPLE, TOO_FEW, shown
from engagement.settings import Settings
from engagement.sql.conversions import DOUBLE, TIMESTAMP
from engagement.warehouse import Session, Table, Warehouse
from engagement.warehouse.loaded import LoadedWarehouse

_SHOWN = 30


def with_examples(warehouse: Warehouse, properties: pd.DataFrame) -> pd.DataFrame:
    """Rows of a tracking plan, each with the value that its property has most often.

    The value is masked where its name or shape points to a person, and left out where fewer than
    :data:`FEWEST_PEOPLE` people (or devices) sent it.

    Parameters
    ----------
    properties
        Rows of :func:`engagement.flatten.tracking_plan`: few, since each is looked up.
    """
    with warehouse.session() as session:
        examples = [
            _example(session, Table.parse(row.table), row.property, row.type)
            for row in properties.itertuples(index=False)
        ]
    return shown(properties.assign(example=examples))


def _example(session: Session, table: Table, name: str, kind: str) -> str:
    column = exp.column(name, quoted=True)
    people = exp.func("coalesce", exp.column("user_id"), exp.column("anonymous_id"))
    text = {
        DOUBLE: exp.Anonymous(this="double_text", expressions=[column]),
        TIMESTAMP: exp.Anonymous(this="timestamp_text", expressions=[column]),
    }.get(kind, column if kind == "varchar" else exp.cast(column, "varchar"))
    values = (
        exp.select(
            exp.alias_(text, "value"),
            exp.alias_(exp.Count(this=exp.Distinct(expressions=[people])), "people"),
            exp.alias_(exp.Count(this=exp.Star()), "times"),
        )
        .from_(table.node())
        .where(column.is_(exp.null()).not_())
        .group_by(text.copy())
    )
    most = exp.select("value", "people").from_(values.subquery("v"))
    found = session.query(most.order_by("times desc", "value").limit(1), label="examples")
    if found.empty:
        return ""
    value, seen = found.iloc[0]
    masked = mask(name, str(value))
    return masked if int(seen) >= FEWEST_PEOPLE or masked != value else TOO_FEW


def conflicts(warehouse: Warehouse, settings: Settings) -> pd.DataFrame:
    """Properties whose values are of several kinds: the column takes a type that holds them all.

    Returns
    -------
    DataFrame
        ``table``, ``property``, ``type`` of the column, ``kinds`` of the values that were sent,
        ``events`` that have any. Integers and other numbers are one kind. Where RudderStack loads
        the tables, ``other`` are values that it set aside because they did not fit.
    """
    with warehouse.session() as session:
        found = seen(warehouse, session, settings)
    rows = []
    for table in found.tables:
        own = [one for one in found.known if table.takes(one)]
        for column, kind in table.columns:
            sent = {seen for source in column.sources for seen in source.kinds} - {"object"}
            kinds = {"number" if seen in ("integer", "double") else seen for seen in sent}
            of_context = column.name.startswith("context_") and table.kind != "tracks"
            if len(kinds) > 1 and not of_context:
                given = sum(source.given(one.given) for one in own for source in column.sources)
                events = min(int(given), table.rows)
                rows.append((str(table.table), column.name, kind, ", ".join(sorted(kinds)), events))
    frame = pd.DataFrame(rows, columns=["table", "property", "type", "kinds", "events"])
    order = ["events", "table", "property"]
    return shown(frame.sort_values(order, ascending=[False, True, True], ignore_index=True))


def outcomes(warehouse: Warehouse) -> pd.DataFrame:
    """What became of every record: kept, a duplicate, or set aside, by reason.

    Returns
    -------
    DataFrame
        ``what``, ``records``, ``share`` of all records. The first row is what arrived; the others
        add up to it.
    """
    with warehouse.session() as session:
        sums = session.query(
            "select coalesce(sum(records), 0) as records, coalesce(sum(events), 0) as events, "
            "coalesce(sum(duplicates), 0) as duplicates from landing.ledger",
            label="records in all",
        ).iloc[0]
        reasons = (
            session.query(
                f"select reason, sum(records) as records from {REASONS} group by 1 "
                "order by 2 desc, 1",
                label="records set aside",
            )
            if session.columns(REASONS)
            else pd.DataFrame(columns=["reason", "records"])
        )
    arrived = int(sums["records"])
    rows = [
        ("arrived", arrived),
        ("kept as events", int(sums["events"])),
        ("duplicates of an earlier delivery", int(sums["duplicates"])),
        *(
            (f"set aside: {reason}", int(count))
            for reason, count in reasons.itertuples(index=False)
        ),
    ]
    return pd.DataFrame(
        [(what, count, round(count / arrived, 4) if arrived else 0.0) for what, count in rows],
        columns=["what", "records", "share"],
    )


def set_aside(warehouse: Warehouse, rows: int = 10) -> pd.DataFrame:
    """Records that were set aside: where, why, and how each begins, in outline."""
    with warehouse.session() as session:
        found = session.query(
            "select received_at_utc_date, line_number, reason, "
            f"substr(record, 1, {_SHOWN}) as text, record_encoding from landing.quarantine "
            f"order by received_at_utc_date, file, line_number, record limit {rows}",
            label="records set aside",
        )
    begins = [
        "" if not isinstance(text, str) else "(bytes)" if encoding == "base64" else outline(text)
        for text, encoding in zip(found["text"], found["record_encoding"], strict=True)
    ]
    return found.drop(columns=["text", "record_encoding"]).assign(begins_like=begins)


def discarded(warehouse: Warehouse, rows: int = 10) -> pd.DataFrame:
    """Values that did not fit, by column and reason, each with a masked example."""
    with warehouse.session() as session:
        found = session.query(
            "select column_name, reason, count(*) as discarded, min(column_value) as example "
            "from events.discards group by column_name, reason "
            f"order by 3 desc, 1, 2 limit {rows}",
            label="discards",
        )
    masked = [
        mask(name, str(value))
        for name, value in zip(found["column_name"], found["example"], strict=True)
    ]
    return shown(found.assign(example=masked))


def summary(warehouse: Warehouse, ledger: pd.DataFrame, report: FlattenReport) -> str:
    """Say in Markdown what became of all records, and which tables there are."""
    total = ledger[["lines", "blank_lines", "records", "events", "duplicates", "quarantined"]].sum()
    tables = f"{len(report.tables)} tables, {report.discards:,} values discarded."
    if isinstance(warehouse, LoadedWarehouse):
        return (
            f"**{total['records']:,} rows** were loaded by RudderStack: "
            f"**{total['events']:,} events** kept, {total['duplicates']:,} copies left out. "
            f"{tables}"
        )
    return (
        f"**{total['records']:,} records** on {total['lines'] - total['blank_lines']:,} lines: "
        f"**{total['events']:,} events** kept, {total['duplicates']:,} duplicates, "
        f"{total['quarantined']:,} quarantined. {tables}"
    )
