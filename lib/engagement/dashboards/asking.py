"""What explorations share: names of events, attributes to group by, and how to run a query.

Values never enter a query as text: they are parameters, or nodes of its tree.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import pandas as pd
from sqlglot import exp

from engagement.as_of import AsOf
from engagement.errors import WrongInputError
from engagement.flatten.names import table_name
from engagement.models.inputs import parameters
from engagement.settings import Events, Settings
from engagement.sql import dialect
from engagement.sql.dialect import Table
from engagement.warehouse import Session, Warehouse

ATTRIBUTES = {
    "channel": "s.channel",
    "source": "s.source",
    "medium": "s.medium",
    "campaign": "s.campaign",
    "landing_page": "s.entry_page",
    "device_type": "s.device_type",
    "browser": "s.browser",
    "os": "s.os",
    "platform": "s.platform",
    "country": "s.country",
    "visitor": "case when s.is_new_visitor then 'new' else 'returning' end",
}
"""Attributes of a session that people or events can be grouped by; ``s`` is the session."""

ORDER = "order"
"""The step that is an order in ``marts.orders`` that was not cancelled; it is not an event."""

NOT_SET = "(not set)"
OTHER = "(other)"

TYPES = {
    "page": "pages",
    "screen": "screens",
    "identify": "identifies",
    "group": "groups",
    "alias": "aliases",
}
"""Events that are named by their type, and the tables that hold them."""

EVENTS = """
    select
        se.id,
        se.received_at_utc_date,
        se.person_id,
        se.session_id,
        se.type,
        se.type || ':' || coalesce(se.event, se.type) as kind,
        coalesce(se.event, se.type) as name,
        se.page_path,
        se.sequence_number,
        least(se.event_date, :as_of) as day,
        se."timestamp" as happened_at
    from marts.session_events as se
    where not (:exclude_bots and coalesce(se.is_bot, false))
"""
"""Every event that the metrics count; its kind is ``track:Product Viewed`` or ``page:page``."""


class ExploreError(WrongInputError):
    """A question that cannot be answered: no event has that name, or the tables are missing."""


class Book(Protocol):
    """What explorations need; an open workbook has it all."""

    @property
    def warehouse(self) -> Warehouse:
        """The tables."""

    @property
    def settings(self) -> Settings:
        """The parameters."""

    @property
    def as_of(self) -> AsOf:
        """How much of the data the tables hold."""


@dataclass(frozen=True)
class Asked:
    """A warehouse session, the values of the models' parameters, and the kinds of events."""

    session: Session
    settings: Settings
    values: Mapping[str, Any]
    kinds: tuple[tuple[str, str], ...]

    def of_step(self, word: str) -> tuple[str, ...]:
        """Kinds of events that a word means: a concept, an event's name or a type such as page.

        Case, blanks and underlines do not matter in names.

        Raises
        ------
        ExploreError
            When it is not a concept and no event has that name.
        """
        if word in Events.model_fields:
            names = {table_name(name) for name in getattr(self.settings.events, word).names}
            return self._tracks(names)
        if word in TYPES:
            return tuple(f"{kind}:{event}" for kind, event in self.kinds if kind == word)
        found = self._tracks({table_name(word)})
        if not found:
            known = [*Events.model_fields, *TYPES, *(event for _, event in self.kinds)]
            near = difflib.get_close_matches(word, known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ExploreError(f"no event is named '{word}'{hint}")
        return found

    def _tracks(self, tables: set[str]) -> tuple[str, ...]:
        return tuple(
            f"{kind}:{event}"
            for kind, event in self.kinds
            if kind == "track" and table_name(event) in tables
        )

    def tables_of(self, kinds: tuple[str, ...]) -> list[Table]:
        """The tables of ``events`` that hold these kinds of events."""
        names = set()
        for kind in kinds:
            type_, _, event = kind.partition(":")
            names.add(TYPES.get(type_) or table_name(event))
        return [Table("events", name) for name in sorted(names)]

    def ask(self, query: str | exp.Query, label: str, **more: Any) -> pd.DataFrame:
        """Run a query in the dialect, with the models' parameters and some more.

        Raises
        ------
        DialectError
            When the engines would give different answers.
        """
        tree = dialect.parse(query, source=label) if isinstance(query, str) else query
        # Lists become literals at once: their kinds are then known to the check.
        tree = dialect.bind(tree, {**self.values, **more})
        read = {str(table): self.session.columns(table) for table in dialect.tables(tree)}
        dialect.check(tree, source=label, tables=read)
        return self.session.query(tree, label=f"explore: {label}")


@contextmanager
def asking(book: Book) -> Iterator[Asked]:
    """Open a session for questions, and read which kinds of events there are.

    Raises
    ------
    ExploreError
        When the dashboards' tables have not been built.
    """
    values = parameters(book.settings, book.as_of)  # first: it may take a session of its own
    with book.warehouse.session() as session:
        if not session.columns(Table("marts", "event_daily")):
            raise ExploreError("the dashboards' tables are missing: run 04 first")
        found = session.query(
            "select distinct e.type, e.event from marts.event_daily as e", label="kinds of events"
        )
        kinds = tuple(sorted((str(kind), str(event)) for kind, event in found.to_numpy()))
        yield Asked(session, book.settings, values, kinds)


def by_column(by: str | None) -> str:
    """The expression to group by; ``'all'`` without one.

    Raises
    ------
    ExploreError
        When it is not one of :data:`ATTRIBUTES`.
    """
    if by is None:
        return "'all'"
    if by not in ATTRIBUTES:
        near = difflib.get_close_matches(by, ATTRIBUTES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(ATTRIBUTES)}"
        raise ExploreError(f"cannot group by '{by}'; {hint}")
    return f"coalesce({ATTRIBUTES[by]}, '{NOT_SET}')"


def between(value: int, name: str, least: int, most: int) -> int:
    """A whole number within bounds.

    Raises
    ------
    ExploreError
        When it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ExploreError(f"{name}: {value!r} is not a whole number from {least} to {most}")
    return value


def day(value: date | str, name: str) -> date:
    """A day, or text that gives one as YYYY-MM-DD.

    Raises
    ------
    ExploreError
        When it is not a day.
    """
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ExploreError(f"{name}: '{value}' is not a day such as 2026-05-31") from None
