"""A look at a segment before anything is exported: rule, SQL, size, reach, change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from engagement.as_of import AsOf
from engagement.audience import snapshots, suppression
from engagement.audience.conditions import CUSTOMERS
from engagement.audience.errors import AudienceError
from engagement.audience.members import members
from engagement.audience.reach import Outcome
from engagement.audience.rendering import Renderer
from engagement.audience.segments import Segment, frame, load, load_all
from engagement.audience.selection import columns, fitting
from engagement.messages import nearest
from engagement.settings import Settings
from engagement.warehouse import Warehouse


@dataclass(frozen=True)
class Look:
    """What there is to see of a segment.

    ``rule`` are its keys and values; ``sql`` is the query over the tables that models read, so that
    it can be run as it is; ``reach`` counts people per channel and outcome; ``change`` says in
    words what is different from the latest snapshot before.
    """

    rule: list[tuple[str, str]]
    sql: str
    people: int
    customers: int
    reach: pd.DataFrame
    change: str


def named(settings: Settings, name: str) -> Segment:
    """A segment by its name, or by the path of its file.

    Raises
    ------
    AudienceError
        When there is none, with the nearest; or with every mistake of its file.
    """
    folder = settings.path(settings.audience.segment).parent
    if name.endswith(".yaml"):
        return load(settings.path(name))
    if not (folder / f"{Path(name).name}.yaml").exists():
        near = nearest(name, [path.stem for path in folder.glob("*.yaml")])
        raise AudienceError("what was asked for", [f"there is no segment '{name}'{near}"])
    return load(folder / f"{Path(name).name}.yaml")


def check(settings: Settings) -> Segment:
    """Read the segment to export and all others beside it, and what the parameters say of them.

    Everything that can be told without a warehouse.

    Returns
    -------
    Segment
        The one to export.

    Raises
    ------
    AudienceError
        With every mistake of the first file that has any; or when ``audience.priority`` names a
        segment, a segment a topic, or ``audience.suppression`` a file that there is not.
    """
    audience = settings.audience
    path = settings.path(audience.segment)
    segment = load(path)
    others = {one.name: one for one in load_all(path.parent)} | {segment.name: segment}
    problems = [
        f"audience.priority: there is no segment '{name}'{nearest(name, others)}"
        for name in audience.priority
        if name not in others
    ]
    problems += [
        f"topic of {one.name}: audience.topics has no '{one.topic}'"
        f"{nearest(one.topic, audience.topics)}"
        for one in others.values()
        if one.topic is not None and one.topic not in audience.topics
    ]
    problems += [
        f"audience.suppression: there is no file {source}"
        for source in audience.suppression
        if not suppression.is_table(source) and not settings.path(source).is_file()
    ]
    if problems:
        raise AudienceError("the parameters", problems)
    return segment


def look(warehouse: Warehouse, settings: Settings, segment: Segment, as_of: AsOf) -> Look:
    """Look at a segment as of a day; nothing is written.

    Raises
    ------
    AudienceError
        When there is no customer table yet, or the segment does not fit it.
    """
    with warehouse.session() as session:
        known = fitting(session, segment, settings)
        counted = session.query(f"select count(*) as people from {CUSTOMERS}", label="customers")
    query = Renderer(known).query(segment, columns(segment))
    reach = members(warehouse, settings, segment, as_of).summary()
    people = int(reach.groupby("channel")["people"].sum().iloc[0])
    rows = [(str(key), str(value)) for key, value in frame(segment).itertuples(index=False)]
    return Look(
        rule=rows,
        sql=query.sql("athena", pretty=True),
        people=people,
        customers=int(counted["people"].iloc[0]),
        reach=reach,
        change=change(warehouse, segment, as_of, people),
    )


def change(warehouse: Warehouse, segment: Segment, as_of: AsOf, people: int) -> str:
    """What is different from the latest snapshot before the day, in words; with a leading comma."""
    found = snapshots.history(warehouse, as_of.day)
    found = found[(found["segment"] == segment.name) & (found["as_of"] < as_of.day)]
    if found.empty:
        return "; there is no snapshot of an earlier day"
    last = found.iloc[-1]
    difference = people - int(last["members"])
    words = f"{abs(difference):,} {'more' if difference > 0 else 'fewer'} than"
    if not difference:
        words = "as many as"
    rewritten = "" if last["definition"] == segment.definition else ", under another rule"
    return f"; {words} on {last['as_of'].isoformat()}{rewritten}"


def line(
    warehouse: Warehouse, settings: Settings, segment: Segment, as_of: AsOf
) -> tuple[str, str, str, str, str]:
    """A segment as one line: name, people, reached by channel, change, what it is."""
    reach = members(warehouse, settings, segment, as_of).summary()
    people = int(reach.groupby("channel")["people"].sum().iloc[0])
    reached = reach[reach["outcome"] == str(Outcome.REACHABLE)]
    by_channel = ", ".join(
        f"{row.channel} {row.people:,}" for row in reached.itertuples(index=False)
    )
    since = change(warehouse, segment, as_of, people).removeprefix("; ")
    short = "none" if since.startswith("there is no snapshot") else since
    first = " ".join(segment.description.split())
    what = first if len(first) <= 60 else f"{first[:59].rstrip()}…"
    return segment.name, f"{people:,}", by_channel, short, what
