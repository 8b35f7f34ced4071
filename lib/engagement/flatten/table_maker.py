"""The tables of events: made of records just read while these are here, or of kept ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from sqlglot import exp

from engagement.flatten import discards, fields, increments, tables
from engagement.flatten.ingest import KEPT
from engagement.flatten.registry import Registry
from engagement.flatten.tables import EventTable
from engagement.flatten.users import IDENTIFIES, Users
from engagement.sql.conversions import VARCHAR
from engagement.sql.dialect import Table
from engagement.warehouse.reading import KeptRecords, LandingSession


class TableMaker:
    """Makes the tables that the dates of a run touch.

    Parameters
    ----------
    rereads
        Whether the engine reads a published table for the rows of another.
    is_clean
        Whether the run before this one finished: only then is it known which rows may change.
    """

    def __init__(
        self, session: LandingSession, registry: Registry, *, rereads: bool, is_clean: bool
    ) -> None:
        self._session = session
        self._registry = registry
        self._rereads = rereads
        self._is_clean = is_clean
        self._made: set[str] = set()
        self._touched: set[str] = set()
        self._just_read: set[str] = set()
        self._users = Users(session)

    def touch(self, days: Sequence[str]) -> None:
        """Note that rows of these dates may change or go, by what the registry says now."""
        self._touched |= self._registry.tables_of(days)

    def make_of_read(self, kept: KeptRecords, days: Sequence[str]) -> None:
        """Make the rows of dates that were just read while their records are here.

        An engine may have no use for that. A table whose columns have other types now waits until
        all dates were read: then it is made anew.
        """
        session = self._session
        self._just_read |= set(days)
        wanted = [table for table in self._registry.wanted() if self._is_touched(table)]
        laid_out = tables.lay_out(kept, wanted)
        session.release(KEPT)
        if laid_out is None:
            return
        mapping, suspect = self._mapping(), self._suspect(wanted, days)
        self._users.note(days, wanted)

        def make(table: EventTable) -> list[exp.Query]:
            if not table.rows:
                tables.publish_empty(session, table)
                return []
            rows = tables.rows_just_read(laid_out, table, mapping)
            misfits = []
            if table.name in suspect:
                misfits = discards.misfits(session, suspect[table.name], rows)
            if self._can_grow(table):
                held_by, others = self._held(table, days)
                if others:
                    rows = tables.rows_just_read(laid_out, table, mapping, others)
                tables.publish(session, table, None if others == [] else rows, days, held_by)
            return misfits

        misfits = self._made_in_turn(make, wanted)
        self._publish_discards(misfits, days)
        self._made |= set(days)

    def _is_held(self, table: EventTable) -> bool:
        """Whether a table is made of others, which hold most of its rows."""
        return table.kind == "tracks" and self._rereads

    def _held(
        self, table: EventTable, days: Sequence[str] | None
    ) -> tuple[list[EventTable], list[str] | None]:
        """Tables that hold rows of one on some dates, or on all, and names of its other events.

        ``None`` in the place of names is all of its events: no table holds any.
        """
        if not self._is_held(table):
            return [], None
        names = {
            one.event
            for one in self._registry.registered()
            if one.kind == "track" and (days is None or not one.days.isdisjoint(days))
        }
        held_by = [
            own
            for own in self._registry.wanted()
            if not names.isdisjoint(own.events)
            and tables.holds_tracks(own, table)
            # What another type makes wait is not made yet.
            and self._session.columns(own.table) == own.definition
        ]
        others = names.difference(*(own.events for own in held_by))
        return held_by, sorted(others) if held_by else None

    def _made_in_turn(
        self, make: Callable[[EventTable], list[exp.Query]], chosen: Sequence[EventTable]
    ) -> list[exp.Query]:
        """Make tables, those that are made of others last; gives what did not fit."""
        last = [table for table in chosen if self._is_held(table)]
        first = [table for table in chosen if not self._is_held(table)]
        return [
            query for turn in (first, last) for query in tables.in_lanes(self._session, make, turn)
        ]

    def _suspect(self, chosen: Sequence[EventTable], days: Sequence[str]) -> dict[str, EventTable]:
        """Tables, by name, with columns that some value of these dates may not fit.

        They are those that the fields of these dates ask for.
        """
        maybe = [table for table in chosen if discards.suspects(table)]
        if not maybe:
            return {}
        if {day for one in self._registry.registered() for day in one.days} <= set(days):
            found = self._registry.wanted()
        else:
            known = fields.registered_on(self._session, days)
            of_them = [one for one in known if any(table.takes(one) for table in maybe)]
            found = tables.event_tables(of_them, self._registry.plans)
        return {table.name: table for table in found if discards.suspects(table)}

    def _publish_discards(self, misfits: Sequence[exp.Query], days: Sequence[str]) -> None:
        # Of dates just read only times have been published, and nothing of an earlier run is left.
        if misfits or not self._just_read.issuperset(days):
            discards.publish_discards(self._session, misfits, days)

    def make_all(self, dates: Set[str]) -> tuple[str, ...]:
        """Make the tables that dates touch; gives those that were dropped."""
        session, wanted, mapping = self._session, self._registry.wanted(), self._mapping()
        days = sorted(dates - self._made)
        self.touch(days)

        def make(table: EventTable) -> list[exp.Query]:
            if not table.rows:
                tables.publish_empty(session, table)
                return []
            whole = not days or not self._can_grow(table)
            of = None if whole else days
            held_by, others = self._held(table, of)
            rows = None
            if others != []:
                rows = tables.rows_kept(session, table, of, mapping, others)
            tables.publish(session, table, rows, of, held_by)
            if not days or table.name not in suspect:
                return []
            rows = tables.rows_kept(session, table, days, mapping)
            return discards.misfits(session, suspect[table.name], rows)

        chosen = [
            table
            for table in wanted
            if (days and self._is_touched(table))
            or session.columns(table.table) != table.definition
        ]
        suspect = self._suspect(chosen, days) if days else {}
        self._users.note(days, chosen)
        misfits = self._made_in_turn(make, chosen)
        if days:
            self._publish_discards(misfits, days)
        remade = [table for table in wanted if table in chosen or self._is_touched(table)]
        for table in remade:
            if table.table == IDENTIFIES:
                self._users.publish(table)
        dropped = tables.drop_others(session, {table.name for table in wanted})
        increments.note_unfinished(session, {})
        return tuple(dropped)

    def _mapping(self) -> Table:
        return self._session.rows(
            "mapping",
            tables.mapping_rows(self._registry.registered()),
            {"event": VARCHAR, "event_name": VARCHAR},
        )

    def _is_touched(self, table: EventTable) -> bool:
        """Whether rows of a table may change: all may, where an earlier run did not finish."""
        if not self._is_clean or table.name in self._touched:
            return True
        return table.kind == "tracks" and any(map(_is_of_tracks, self._touched))

    def _can_grow(self, table: EventTable) -> bool:
        """Whether a table's rows of other dates can stay: it gains columns at most."""
        old, new = self._session.columns(table.table), table.definition
        return all(new.get(name) == kind for name, kind in old.items())


def _is_of_tracks(name: str) -> bool:
    return name not in fields.TYPE_TABLES.values()
