"""What tables hold of a person: how many rows, and other tables than the project's own models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import pandas as pd
import pyarrow as pa
from sqlglot import exp

from engagement.audience.people import person_id
from engagement.erasure.people import DEVICE, USER, Person, Ties, is_id_key
from engagement.landing.tables import READING_TABLE
from engagement.settings import Identity
from engagement.sql.conversions import VARCHAR
from engagement.sql.dialect import LOGICAL, Table
from engagement.warehouse.costs import RUN_STATEMENTS
from engagement.warehouse.protocol import Session

EVENTS = Table("events", "events")
USERS = Table("events", "users")
IDENTITY_MAP = Table("marts", "identity_map")
_ADDRESSES = ("email", "phone")
_COUNTED_AT_ONCE = 50
_FORGOTTEN = "a table that is no more"


def ties(session: Session, identity: Identity) -> Ties:
    """Which ids the events of the tables tie to each other."""
    found = Ties()

    def usable(value: object) -> bool:
        return isinstance(value, str) and not identity.is_placeholder(value)

    if session.columns(EVENTS):
        pairs = session.query(
            f"select distinct anonymous_id, user_id from {EVENTS} "
            "where anonymous_id is not null and user_id is not null",
            label="ids seen together",
        )
        for anonymous_id, user_id in pairs.itertuples(index=False):
            if usable(anonymous_id) and usable(user_id):
                found.add(anonymous_id, user_id)
        users = session.query(
            f"select distinct user_id from {EVENTS} where user_id is not null", label="user ids"
        )
        found.users |= {one for one in users["user_id"] if usable(one)}
    aliases = Table("events", "aliases")
    if "previous_id" in session.columns(aliases):
        pairs = session.query(
            f"select distinct previous_id, user_id from {aliases}", label="aliases"
        )
        for previous_id, user_id in pairs.itertuples(index=False):
            if usable(previous_id) and usable(user_id) and previous_id != user_id:
                found.alias(previous_id, user_id)
    return found


def upload(session: Session, name: str, values: Iterable[str]) -> Table:
    """Make texts a working table: none of them ever stands in a statement."""
    rows = pa.table({"value": pa.array(sorted(set(values)), pa.string())})
    return session.rows(name, rows, {"value": VARCHAR})


def joined_ids(session: Session, who: Person) -> dict[str, set[str]]:
    """Ids that the identity map gives the same person as theirs, by kind; its own too."""
    found: dict[str, set[str]] = {"user_id": set(), "anonymous_id": set(), "person_id": set()}
    if not session.columns(IDENTITY_MAP):
        return found
    upload(session, "ids", who.user_ids | who.devices)
    rows = session.query(
        f"select distinct m.id_type, m.id, m.person_id from {IDENTITY_MAP} as m "
        f"inner join {IDENTITY_MAP} as t on m.person_id = t.person_id "
        "inner join work.ids as i on t.id = i.value",
        label="ids of the same person",
    )
    for kind, value, person in rows.itertuples(index=False):
        found[kind].add(value)
        found["person_id"].add(person)
    return found


@dataclass(frozen=True)
class ModelIds:
    """Ids that models give the people, or gave them before they were merged with somebody.

    Attributes
    ----------
    theirs
        The people's own.
    of_others
        Those made of an id that somebody else goes on with: a shared device, or a user id that
        nothing but the identity map ties to the people. Something of the people may be kept under
        one, and somebody may have it from now on.
    """

    theirs: frozenset[str] = frozenset()
    of_others: frozenset[str] = frozenset()

    @property
    def every(self) -> set[str]:
        """All of them."""
        return {*self.theirs, *self.of_others}


def model_ids(joined: Mapping[str, set[str]], who: Person) -> ModelIds:
    """Every id that models give or once gave people: each is made of an id that the people have.

    Parameters
    ----------
    joined
        What :func:`joined_ids` found.
    """
    own = {person_id(kind, one) for kind in (USER, DEVICE) for one in who.user_ids | who.devices}
    further = {
        *(person_id(USER, one) for one in joined["user_id"] - who.user_ids),
        *(person_id(DEVICE, one) for one in joined["anonymous_id"] - who.devices),
        *(person_id(DEVICE, one) for one in who.shared),
    }
    return ModelIds(frozenset(own | (joined["person_id"] - further)), frozenset(further - own))


def addresses(session: Session, person_ids: Iterable[str]) -> set[str]:
    """E-mail addresses and phone numbers that models know of some people, and of nobody else."""
    table = Table("marts", "profiles")
    columns = [
        name
        for name, kind in session.columns(table).items()
        if name.endswith(_ADDRESSES) and kind == VARCHAR  # consent_email says yes or no
    ]
    if not columns:
        return set()
    upload(session, "people", person_ids)
    of_columns = (
        f"select {name} as address from {table} "
        f"where person_id in (select value from work.people) and {name} is not null "
        f"and {name} not in (select {name} from {table} where {name} is not null "
        "and person_id not in (select value from work.people))"
        for name in columns
    )
    rows = session.query(" union ".join(of_columns), label="addresses of the person")
    return set(rows["address"])


def id_columns(table: Table, columns: Mapping[str, str]) -> list[str]:
    """Columns of a table that hold ids of people."""
    names = [name for name, kind in columns.items() if kind == VARCHAR and is_id_key(name)]
    if table in (USERS, IDENTITY_MAP, Table("marts", "identity_links")):
        names.append("id")
    return names


def held(session: Session, values: Iterable[str]) -> dict[str, int]:
    """Rows of every table in which a column of ids holds one of some values; tables with any."""
    upload(session, "wanted", values)
    columns: dict[Table, list[str]] = {}
    for database in LOGICAL:
        for name in session.tables(database):
            table = Table(database, name)
            ids = id_columns(table, session.columns(table))
            if ids and table != READING_TABLE:
                columns[table] = ids
    tables = list(columns)
    found: dict[str, int] = {}
    for start in range(0, len(tables), _COUNTED_AT_ONCE):
        some = tables[start : start + _COUNTED_AT_ONCE]
        rows: pd.DataFrame = session.query(
            _counting([(table, columns[table]) for table in some]),
            label="rows that hold the person",
        )
        found.update((str(some[place]), int(n)) for place, n in rows.itertuples(index=False))
    return dict(sorted(found.items()))


def _holding(columns: Sequence[str]) -> exp.Condition:
    wanted = exp.select("value").from_(Table("work", "wanted").node())
    return exp.or_(
        *(exp.In(this=exp.column(name, quoted=True), query=wanted.subquery()) for name in columns)
    )


def _counting(tables: Sequence[tuple[Table, Sequence[str]]]) -> exp.Select:
    """Count rows of tables by their place in the list; those that hold none are left out.

    The values are looked for once, in the ids of all tables: Athena would read them anew for every
    column that is compared with them.
    """
    most = max(len(columns) for _, columns in tables)
    names = [f"id_{number}" for number in range(most)]
    parts: list[exp.Query] = []
    for place, (table, columns) in enumerate(tables):
        ids: list[exp.Expr] = [exp.column(name, quoted=True) for name in columns]
        ids += [exp.cast(exp.null(), VARCHAR)] * (most - len(ids))
        chosen = [exp.alias_(one, name) for one, name in zip(ids, names, strict=True)]
        number = exp.alias_(exp.Literal.number(place), "place")
        parts.append(exp.select(number, *chosen).from_(table.node()))
    whole = reduce(lambda a, b: exp.union(a, b, distinct=False, copy=False), parts)
    return (
        exp.select("place", exp.alias_(exp.Count(this=exp.Star()), "n"))
        .from_(whole.subquery("every"))
        .where(_holding(names))
        .group_by("place")
    )


def remove_rows(session: Session, table: Table, values: Iterable[str]) -> None:
    """Publish a table without the rows in which a column of ids holds one of some values."""
    upload(session, "wanted", values)
    names = [exp.column(name, quoted=True) for name in session.columns(table)]
    columns = id_columns(table, session.columns(table))
    kept = exp.select(*names).from_(table.node())
    # A NULL is nobody's.
    kept = kept.where(
        *(
            exp.or_(
                exp.column(name, quoted=True).is_(exp.null()),
                exp.not_(_holding([name])),
            )
            for name in columns
        )
    )
    work = session.work(f"kept_{table.name}", kept)
    session.publish(table, exp.select(*names).from_(work.node()))


def forget_names(session: Session, names: Iterable[str]) -> None:
    """Leave out of the costs of earlier runs the names of tables that nobody's events ask for."""
    if not session.columns(RUN_STATEMENTS):
        return
    forms = ("events.{}", "events.{}, new rows", "{}", "{}_new", "leaves_{}", "rows_{}")
    labels = [form.format(name) for name in names for form in (*forms, "misfits_{}", "suspects_{}")]
    upload(session, "labels", labels)
    columns = ", ".join(
        f"case when l.value is null then s.label else '{_FORGOTTEN}' end as label"
        if name == "label"
        else f's."{name}"'
        for name in session.columns(RUN_STATEMENTS)
    )
    work = session.work(
        "labelled",
        f"select {columns} from {RUN_STATEMENTS} as s left join work.labels as l "
        "on s.label = l.value",
    )
    session.publish(RUN_STATEMENTS, f"select * from {work}")
