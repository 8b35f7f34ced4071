"""What people did, as rows: events by concept or by name, orders, carts, sessions, price drops.

Every happening has a person, the day it counts on (in the reporting time zone) and its moment (in
UTC), and properties beside these. Bots are left out where ``metrics.exclude_bots`` says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from engagement.audience.conditions import CUSTOMERS
from engagement.audience.rules import Happening
from engagement.flatten.names import column_name, table_name
from engagement.models.definition import documented
from engagement.models.inputs import SOURCES, contracts
from engagement.settings import Events, Settings
from engagement.sql.dialect import parse, typed
from engagement.warehouse import Session, Table

VIEWS = ("pages", "screens")
"""What ``concept`` may name beside the business concepts: views of pages and screens."""

PERSON, DAY, MOMENT = "person_id", "day", "moment"

_PRICE_DROPS = {
    "product": "varchar",
    "name": "varchar",
    "price_then": "decimal(18,2)",
    "price_now": "decimal(18,2)",
    "drop_share": "double",
}
"""Properties of a price drop: a product that a person viewed, its price on the day of the view, its
latest price, which is lower, and by which share of the former, rounded to 4 places."""

_TABLES = {
    "orders": ("order_date", "ordered_at"),
    "order_items": ("order_date", "ordered_at"),
    "carts": (None, "last_added_at"),
    "sessions": ("session_date", "started_at"),
}
"""Day and moment of the rows of each table. A cart counts when a product was last added to it."""


@dataclass(frozen=True)
class Known:
    """What rules may name.

    Attributes
    ----------
    features
        Columns of ``marts.customer_360`` and their Athena types.
    events
        By table, the events that were received or that the tracking plan names.
    columns
        By table, the columns that it has, or that the plan gives it, and their types; only of
        tables that a rule names, and of those of the plan.
    there
        The tables among these that exist, with the columns they have.
    """

    features: Mapping[str, str]
    events: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    there: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def known(settings: Settings, session: Session | None = None, named: Collection[str] = ()) -> Known:
    """What rules may name: the feature dictionary, and the registry of events and properties.

    Parameters
    ----------
    session
        Where to look for what was received; without one, only documents are known: the customer
        table's and the tracking plan.
    named
        The events that a rule names: only their properties are looked up, since a shop may have
        hundreds of events and each has a table.
    """
    events: dict[str, str] = {}
    columns: dict[str, dict[str, str]] = {}
    there: dict[str, dict[str, str]] = {}
    features = documented(CUSTOMERS.name) or {}
    if session is not None:
        features = session.columns(CUSTOMERS) or features
        events = _received(session) if named else {}
        for table in {table_name(name) for name in named} & events.keys():
            own = session.columns(Table("events", table))
            if own:
                columns[table], there[table] = dict(own), own
    for event, properties in settings.tracking_plan.items():
        table = table_name(event)
        if table in VIEWS or not table:
            continue
        events.setdefault(table, event)
        kinds = columns.setdefault(table, {})
        for name, planned in properties.items():
            if planned.type is not None:  # without a type there is nothing to compare with
                kinds.setdefault(column_name(name), _ATHENA.get(planned.type, planned.type))
    return Known(features, events, columns, there)


_ATHENA = {"string": "varchar", "timestamp": "timestamp(3)"}
"""Types of a tracking plan, where Athena calls them otherwise."""


def _received(session: Session) -> dict[str, str]:
    """Tables of track events, each with the name that most events of it were sent by."""
    if not session.columns(Table("landing", "event_names")):
        return {}
    rows = session.query(
        "select n.event, sum(n.events) as received from landing.event_names as n "
        "where n.type = 'track' and n.event is not null group by n.event",
        label="names of events",
    )
    rows = rows.sort_values(["received", "event"], ascending=[False, True])
    found: dict[str, str] = {}
    for event in rows["event"].tolist():
        if table_name(event):
            found.setdefault(table_name(event), event)
    return found


def concepts() -> tuple[str, ...]:
    """What ``concept`` may name."""
    return (*Events.model_fields, *VIEWS)


def properties(happening: Happening, known_: Known) -> dict[str, str] | None:
    """Properties of a happening and their types; ``None`` where there is no such thing."""
    if happening.concept is not None:
        if happening.concept not in concepts():
            return None
        return contracts().columns(happening.concept)
    if happening.from_ == "price_drops":
        return dict(_PRICE_DROPS)
    if happening.from_ is not None:
        return documented(happening.from_)
    found = known_.columns.get(table_name(happening.event or ""))
    return None if found is None else dict(found)


def property_column(happening: Happening, name: str) -> str:
    """The column that holds a property: a property of an event may be written as it was sent."""
    return column_name(name) if happening.from_ is None else name


def relation(happening: Happening, wanted: Collection[str], known_: Known) -> exp.Select:
    """The query for what happened: ``person_id, day, moment`` and the wanted columns."""
    names = list(dict.fromkeys(wanted))
    if happening.concept is not None:
        return _of_events(Table(SOURCES, happening.concept), names)
    if happening.from_ == "price_drops":
        return _price_drops()
    if happening.from_ is not None:
        return _of_table(happening.from_, names)
    table = table_name(happening.event or "")
    there = known_.there.get(table)
    if there is None:
        return _nothing({name: known_.columns[table][name] for name in names})
    query = _of_events(
        Table("events", table),
        [name for name in names if name in there],
        {name: known_.columns[table][name] for name in names if name not in there},
    )
    return query.where(
        exp.LT(this=exp.column("received_at", "e"), expression=exp.Placeholder(this="seen_before"))
    )


def _nothing(columns: Mapping[str, str]) -> exp.Select:
    kinds = {PERSON: "varchar", DAY: "date", MOMENT: "timestamp(3)", **columns}
    return exp.select(
        *(exp.alias_(typed(exp.null(), kind), name, quoted=True) for name, kind in kinds.items())
    ).where(exp.false())


_NO_BOTS = "not (:exclude_bots and coalesce({alias}.is_bot, false))"


def _of_events(
    table: Table, names: Collection[str], absent: Mapping[str, str] | None = None
) -> exp.Select:
    """Events of a table with whose they are, which ``marts.session_events`` says."""
    base = parse(
        'select s.person_id as person_id, s.event_date as day, s."timestamp" as moment '
        "from placeholder as e inner join marts.session_events as s "
        "on e.id = s.id and e.received_at_utc_date = s.received_at_utc_date "
        f"where {_NO_BOTS.format(alias='s')}"
    )
    assert isinstance(base, exp.Select)  # noqa: S101
    node = table.node()
    node.set("alias", exp.TableAlias(this=exp.to_identifier("e")))
    next(one for one in base.find_all(exp.Table) if one.name == "placeholder").replace(node)
    return base.select(
        *(exp.column(exp.to_identifier(name, quoted=True), "e") for name in names),
        *(
            exp.alias_(typed(exp.null(), kind), name, quoted=True)
            for name, kind in (absent or {}).items()
        ),
        copy=False,
    )


def _of_table(name: str, names: Collection[str]) -> exp.Select:
    day, moment = _TABLES[name]
    on = f't."{day}"' if day else f'cast(local_time(t."{moment}", :timezone) as date)'
    query = parse(
        f"select t.person_id as person_id, {on} as day, t.{moment} as moment "
        f"from marts.{name} as t where {_NO_BOTS.format(alias='t')}"
    )
    assert isinstance(query, exp.Select)  # noqa: S101
    if name in ("orders", "order_items") and "status" not in names:
        # What was cancelled does not stand, unless a rule asks for the status itself.
        query = query.where(
            exp.NEQ(this=exp.column("status", "t"), expression=exp.Literal.string("cancelled"))
        )
    own = [one for one in names if one not in (PERSON,)]
    return query.select(*(exp.column(exp.to_identifier(one, quoted=True), "t") for one in own))


def _price_drops() -> exp.Select:
    """Products that people viewed, whose latest price is below that of the day of the view."""
    query = parse(
        """
        select
            v.person_id as person_id,
            v.day as day,
            v.moment as moment,
            v.product as product,
            l.name as name,
            t.price as price_then,
            l.price as price_now,
            round(1e0 - cast(l.price as double) / nullif(cast(t.price as double), 0e0), 4)
                as drop_share
        from (
            select
                s.person_id,
                cast(least(s.event_date, :as_of) as date) as day,
                s."timestamp" as moment,
                coalesce(e.product_id, e.sku, e.name) as product
            from sources.product_viewed as e
            inner join marts.session_events as s
                on e.id = s.id and e.received_at_utc_date = s.received_at_utc_date
            where not (:exclude_bots and coalesce(s.is_bot, false))
        ) as v
        inner join marts.product_prices as t
            on v.product = t.product and v.day = t.price_date
        inner join (
            select
                p.product,
                p.name,
                p.price,
                row_number() over (partition by p.product order by p.price_date desc) as place
            from marts.product_prices as p
            where p.price is not null
        ) as l
            on v.product = l.product and l.place = 1
        where l.price < t.price
        """
    )
    assert isinstance(query, exp.Select)  # noqa: S101
    return query


__all__ = [
    "DAY",
    "MOMENT",
    "PERSON",
    "VIEWS",
    "Known",
    "concepts",
    "known",
    "properties",
    "property_column",
    "relation",
]
