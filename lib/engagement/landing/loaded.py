"""What 01 shows where there is no landing: what is found in the schema that RudderStack loads."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from sqlglot import exp

from engagement.messages import counted
from engagement.privacy import shown
from engagement.sql.dialect import Table
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.loaded import LoadedWarehouse
from engagement.warehouse.loaded_views import view_name, why_no_event

EVENTS = Table("events", "events")


@dataclass(frozen=True)
class LoadedInventory:
    """What RudderStack has loaded: rows by received date, and the tables that hold no events.

    ``days`` has ``received_at_utc_date``, ``records`` (rows as loaded), ``events`` (those that are
    kept) and ``duplicates`` (copies that are left out).
    """

    schema: str
    tables: int
    days: pd.DataFrame
    strays: tuple[str, ...]

    def strays_frame(self, rows: int = 10) -> pd.DataFrame:
        """The first tables without events by name, each with what it is for: object, why."""
        named = [(name, why_no_event(name)) for name in self.strays[:rows]]
        return pd.DataFrame(named, columns=["object", "why"])

    def sentence(self) -> str:
        """Say in Markdown what has been loaded."""
        sums = self.days[["records", "events", "duplicates"]].sum()
        return (
            f"**{sums['records']:,} rows** of {counted(self.tables, 'table')} of events were "
            f"loaded into `{self.schema}`, {span(self.days)}: {sums['events']:,} events, "
            f"{sums['duplicates']:,} copies of them. Not read: "
            f"{counted(len(self.strays), 'other table')}."
        )


def span(days: pd.DataFrame) -> str:
    """The first and the last received date."""
    dates = days["received_at_utc_date"].dropna()
    return f"{dates.min()} to {dates.max()}" if len(dates) else "no day"


def inventory(warehouse: LoadedWarehouse) -> LoadedInventory:
    """Count what RudderStack has loaded, after the views over its tables were made anew.

    Raises
    ------
    WarehouseError
        When its schema holds no table of events.
    """
    with warehouse.session(write=True):
        pass  # The views have the columns that RudderStack's tables have now.
    tables = warehouse.loaded_tables()
    with warehouse.session() as session:
        if not session.columns(EVENTS):
            raise WarehouseError(
                f"{warehouse.rudderstack_schema or 'rudderstack_schema, which is not set,'} holds "
                "no table of events (tracks, identifies, pages, …): has RudderStack loaded "
                "anything, and is it its destination's namespace?"
            )
        days = session.query(
            "select received_at_utc_date, records, events, duplicates from landing.ledger "
            "order by received_at_utc_date",
            label="rows by date",
        )
    return LoadedInventory(
        warehouse.rudderstack_schema or "",
        sum(one.is_event for one in tables),
        days,
        tuple(one.name for one in tables if not one.is_event),
    )


def tables(warehouse: LoadedWarehouse) -> pd.DataFrame:
    """RudderStack's tables of events: how much is in each, and how fresh it is.

    Returns
    -------
    DataFrame
        ``table`` of RudderStack's schema; ``columns``; ``rows`` as loaded; ``copies`` of events
        that were sent again; ``events`` without them; ``newest``, when the last of them was
        received (UTC). Most rows first.
    """
    loaded = [one for one in warehouse.loaded_tables() if one.is_event]
    names = {one.name for one in loaded}
    asked = [
        exp.select(
            exp.alias_(exp.Literal.number(place), "place"),
            exp.alias_(exp.Count(this=exp.Star()), "events"),
            exp.alias_(exp.Max(this=exp.column("received_at")), "newest"),
        ).from_(Table("events", view_name(one.name, names)).node())
        for place, one in enumerate(loaded)
    ]
    columns = ["table", "columns", "rows", "copies", "events", "newest"]
    if not asked:
        return pd.DataFrame(columns=columns)
    whole: exp.Query = asked[0]
    for one_more in asked[1:]:
        whole = exp.union(whole, one_more, distinct=False, copy=False)
    with warehouse.session() as session:
        found = session.query(whole, label="freshness of tables")
    rows = []
    for place, events, newest in found.itertuples(index=False):
        one = loaded[int(place)]
        # RudderStack may have loaded more between the two counts.
        copies = max(one.rows - int(events), 0)
        rows.append((one.name, len(one.columns), one.rows, copies, int(events), newest))
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values(["rows", "table"], ascending=[False, True], ignore_index=True)


def discards_by_day(warehouse: LoadedWarehouse) -> pd.DataFrame:
    """Values that RudderStack set aside because they fitted no column, by date and column."""
    with warehouse.session() as session:
        found = session.query(
            'select received_at_utc_date as date, table_name as "table", '
            'column_name as "column", count(*) as discarded from events.discards '
            "group by 1, 2, 3 order by 1, 4 desc, 2, 3",
            label="discards by date",
        )
    return shown(found)


def types(warehouse: LoadedWarehouse) -> pd.DataFrame:
    """Events by type and name: ``type, event, rows_seen``, most first."""
    with warehouse.session() as session:
        found = session.query(
            "select type, nullif(event, '') as event, cast(sum(events) as bigint) as rows_seen "
            "from landing.event_names group by 1, 2 order by 3 desc, 1, 2",
            label="types of events",
        )
    return shown(found)


def fields(warehouse: LoadedWarehouse) -> pd.DataFrame:
    """Which share of all events has each of the columns that every table has, fullest first."""
    with warehouse.session() as session:
        names = list(session.columns(EVENTS))
        counts = [
            exp.alias_(exp.Count(this=exp.column(name, quoted=True)), f"c{place}")
            for place, name in enumerate(names)
        ]
        total = exp.alias_(exp.Count(this=exp.Star()), "n")
        row = session.query(
            exp.select(total, *counts).from_(EVENTS.node()), label="fields of events"
        ).iloc[0]
    whole = int(row["n"])
    found = [
        (name, int(row[f"c{place}"]), round(int(row[f"c{place}"]) / whole, 4) if whole else None)
        for place, name in enumerate(names)
    ]
    return pd.DataFrame(found, columns=["field", "filled", "share"]).sort_values(
        ["filled", "field"], ascending=[False, True], ignore_index=True
    )
