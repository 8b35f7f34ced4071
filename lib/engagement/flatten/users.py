"""``events.users``: one row per user id, made of ``events.identifies``.

Whose rows a run does not touch keep what they had: only people who have an identify on the dates
concerned, before or after, are looked up again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources

from sqlglot import exp

from engagement.flatten.schema import PARTITION
from engagement.flatten.tables import EventTable, quoted, union
from engagement.sql.dialect import Table, literal
from engagement.warehouse.reading import LandingSession

IDENTIFIES = Table("events", "identifies")
USERS = Table("events", "users")

_CHANGED = "changed_users"


class Users:
    """The table of users in one run.

    Ask for one before the run publishes any identifies.
    """

    def __init__(self, session: LandingSession) -> None:
        self._session = session
        there = session.published(USERS)
        # Whoever changed identifies since, by erasing or in a run that was killed, did not tell.
        self._is_current = there is not None and there.version == _version(session)
        self._days: set[str] = set()
        self._before: list[exp.Query] = []

    def note(self, days: Sequence[str], tables: Iterable[EventTable]) -> None:
        """Remember whose identifies of some dates go, where they are among tables to be made."""
        if not (self._is_current and days and any(one.table == IDENTIFIES for one in tables)):
            return
        self._days.update(days)
        name = f"{_CHANGED}_{len(self._before)}"
        self._before.append(_ids(self._session.work(name, _of_dates(days))))

    def publish(self, identifies: EventTable) -> None:
        """Make the rows of all whose identifies were replaced, or of everybody."""
        session = self._session
        columns = _columns(session)
        version = _version(session)
        few = 2 * len(self._days) <= len(identifies.days)
        if not (self._is_current and few and session.columns(USERS) == columns):
            session.publish(USERS, _newest(columns), columns=columns, version=version)
            return
        changed = _ids(session.work(_CHANGED, union([*self._before, _of_dates(self._days)])))
        rows = _newest(columns, changed)
        session.publish_rows(USERS, rows, key="id", among=changed, version=version)


def _version(session: LandingSession) -> str | None:
    """Tells of which identifies, and by which rules, users were made; ``None`` if it cannot."""
    made_of = session.published(IDENTIFIES)
    if made_of is None:
        return None
    return hashlib.sha256(f"{_rules()} {made_of.version}".encode()).hexdigest()[:32]


@cache
def _rules() -> str:
    own = resources.files("engagement.flatten") / "users.py"
    return hashlib.sha256(own.read_bytes()).hexdigest()


def _has_id() -> exp.Expr:
    return exp.column("user_id").is_(exp.null()).not_()


def _ids(table: Table) -> exp.Select:
    return exp.select("user_id").from_(table.node())


def _of_dates(days: Iterable[str]) -> exp.Select:
    """Ids of users who have an identify on some dates."""
    on_them = exp.column(PARTITION).isin(*map(literal, sorted(days)))
    return _ids(IDENTIFIES).where(on_them, _has_id()).distinct()


def _columns(session: LandingSession) -> dict[str, str]:
    """Names and types of the columns: those of identifies, but the user's id is the only one."""
    of_identifies = session.columns(IDENTIFIES)
    others = (name for name in of_identifies if name not in ("id", "user_id"))
    # At the end, as in every table.
    last = ("received_at", PARTITION)
    names = [*(name for name in others if name not in last), *last]
    return {"id": of_identifies["user_id"]} | {name: of_identifies[name] for name in names}


def _newest(columns: dict[str, str], among: exp.Query | None = None) -> exp.Select:
    """One row per user id (of some): the latest value of every column that is not NULL."""
    window = exp.Window(
        partition_by=[quoted("user_id")],
        order=exp.Order(
            expressions=[
                exp.Ordered(this=quoted("received_at"), desc=True),
                exp.Ordered(this=quoted("id"), desc=True),
            ]
        ),
    )
    whole = window.copy()
    whole.set(
        "spec",
        exp.WindowSpec(
            kind="ROWS",
            start="UNBOUNDED",
            start_side="PRECEDING",
            end="UNBOUNDED",
            end_side="FOLLOWING",
        ),
    )

    def newest(name: str) -> exp.Expr:
        over = whole.copy()
        over.set("this", exp.IgnoreNulls(this=exp.FirstValue(this=quoted(name))))
        return exp.alias_(over, name, quoted=True)

    number = window.copy()
    number.set("this", exp.RowNumber())
    # One row per user remains; each column looks for its own latest value.
    of_row = ("received_at", PARTITION)
    inner = (
        exp.select(exp.alias_(quoted("user_id"), "id", quoted=True))
        .select(*(newest(name) for name in columns if name not in ("id", *of_row)))
        .select(*map(quoted, of_row), exp.alias_(number, "nth"))
        .from_(IDENTIFIES.node())
        .where(_has_id())
    )
    if among is not None:
        inner = inner.where(exp.In(this=exp.column("user_id"), query=among.subquery()))
    return (
        exp.select(*map(quoted, columns))
        .from_(inner.subquery("newest"))
        .where(exp.column("nth").eq(1))
    )
