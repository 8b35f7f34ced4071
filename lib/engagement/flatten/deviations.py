"""How events deviate from the tracking plan: a report, which changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from sqlglot import exp

from engagement.flatten import fields, tables
from engagement.flatten.declared import table_of_planned
from engagement.flatten.fields import TYPE_TABLES, Registered
from engagement.flatten.names import column_name
from engagement.flatten.seen import misfits, seen
from engagement.flatten.tables import EventTable
from engagement.privacy import shown
from engagement.settings import PlannedProperty, Settings
from engagement.warehouse import Session, Warehouse

UNEXPECTED_EVENT = "unexpected event"
UNSEEN_EVENT = "never seen"
UNEXPECTED = "unexpected property"
MISSING = "required, but missing"
WRONG_TYPE = "wrong type"

COLUMNS = ["deviation", "event", "property", "events", "of", "what"]

_COUNTED_AT_ONCE = 50

_Row = tuple[str, str, str, int, int, str]


def plan_deviations(warehouse: Warehouse, settings: Settings) -> pd.DataFrame:
    """Compare what events were seen to hold with the tracking plan.

    Context is the SDK's, and no plan's; so are pages, screens and identify calls that the plan does
    not name. An event is unexpected when the plan names events, and not this one.

    Returns
    -------
    DataFrame
        ``deviation``; ``event`` and ``property``, as the plan or else the data names them;
        ``events`` that deviate, ``of`` how many; ``what``, in words. Most events first; none where
        there is no plan.
    """
    plan = settings.tracking_plan
    rows: list[_Row] = []
    if plan:
        with warehouse.session() as session:
            found = seen(warehouse, session, settings)
            known, there = found.known, {table.name: table for table in found.tables}
            wrong = misfits(warehouse, session, settings, found)
            filled = _filled(session, plan, there)
        rows += _events(plan, known)
        for event, properties in plan.items():
            table = there.get(table_of_planned(event))
            if table is not None and table.rows:
                rows += _properties(event, properties, table, known, filled, wrong)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    order = ["events", "deviation", "event", "property"]
    return shown(frame.sort_values(order, ascending=[False, True, True, True], ignore_index=True))


def _events(
    plan: Mapping[str, Mapping[str, PlannedProperty]], known: Sequence[Registered]
) -> Iterator[_Row]:
    planned = {table_of_planned(event) for event in plan}
    counted: dict[str, int] = {}
    tracks = 0
    for one in known:
        counted[fields.table_of(one.kind, one.event)] = (
            counted.get(fields.table_of(one.kind, one.event), 0) + one.events
        )
        tracks += one.events if one.kind == "track" else 0
    names = {event for event in plan if event not in TYPE_TABLES.values()}
    for one in known:
        if names and one.kind == "track" and fields.table_of("track", one.event) not in planned:
            name = one.event or "(no name)"
            yield UNEXPECTED_EVENT, name, "", one.events, tracks, "the plan does not name it"
    for event in plan:
        if not counted.get(table_of_planned(event)) and event != "tracks":
            yield UNSEEN_EVENT, event, "", 0, 0, "no such event was received"


def _properties(
    event: str,
    properties: Mapping[str, PlannedProperty],
    table: EventTable,
    known: Sequence[Registered],
    filled: Mapping[tuple[str, str], int],
    wrong_values: Mapping[tuple[str, str], int],
) -> Iterator[_Row]:
    own = [one for one in known if table.takes(one)]
    given = {
        column.name: min(
            sum(source.given(one.given) for one in own for source in column.sources),
            table.rows,
        )
        for column, _ in table.columns
        if column.sources and not column.name.startswith("context_")
    }
    planned = {column_name(name): (name, wanted) for name, wanted in properties.items()}
    for column, count in given.items():
        if column not in planned:
            yield UNEXPECTED, event, column, count, table.rows, "the plan does not name it"
    for column, (name, wanted) in planned.items():
        wrong = wrong_values.get((table.name, column), 0)
        has = filled.get((table.name, column), 0) + wrong
        if wanted.required and has < table.rows:
            lacking = table.rows - has
            yield MISSING, event, name, lacking, table.rows, "every event has to have it"
        if wanted.type and wrong:
            yield WRONG_TYPE, event, name, wrong, given.get(column, wrong), f"no {wanted.type}"


def _filled(
    session: Session,
    plan: Mapping[str, Mapping[str, PlannedProperty]],
    there: Mapping[str, EventTable],
) -> dict[tuple[str, str], int]:
    """Events that have a value which is not blank, by table and required column."""
    wanted = sorted(
        {
            (table_of_planned(event), column_name(name))
            for event, properties in plan.items()
            for name, planned in properties.items()
            if planned.required and table_of_planned(event) in there
        }
    )
    wanted = [(t, c) for t, c in wanted if c in there[t].definition]
    counts: list[exp.Query] = [
        exp.select(
            exp.alias_(exp.Literal.number(place), "place"),
            exp.alias_(exp.Count(this=exp.column(column, quoted=True)), "n"),
        ).from_(there[table].table.node())
        for place, (table, column) in enumerate(wanted)
    ]
    found: dict[tuple[str, str], int] = {}
    for start in range(0, len(counts), _COUNTED_AT_ONCE):
        some = tables.union(counts[start : start + _COUNTED_AT_ONCE])
        for place, n in session.query(some, label="required properties").itertuples(index=False):
            found[wanted[int(place)]] = int(n)
    return found
