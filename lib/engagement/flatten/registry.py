"""What the registry of fields asks for: event tables with the columns that all records need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engagement.flatten import fields, tables
from engagement.flatten.fields import Registered
from engagement.flatten.schema import PARTITION
from engagement.flatten.tables import EventTable
from engagement.warehouse.protocol import Session


class Registry:
    """What was seen in all records, read once until a run publishes more."""

    def __init__(self, session: Session, plans: Mapping[str, Mapping[str, str]]) -> None:
        self.plans = plans
        self._session = session
        self._known: list[Registered] | None = None
        self._wanted: list[EventTable] | None = None

    def forget(self) -> None:
        """Read it again when it is asked next."""
        self._known = self._wanted = None

    def registered(self) -> list[Registered]:
        """What the registry holds now."""
        if self._known is None:
            self._known = fields.registered(self._session)
        return self._known

    def wanted(self) -> list[EventTable]:
        """The tables that this asks for."""
        if self._wanted is None:
            self._wanted = tables.event_tables(self.registered(), self.plans)
        return self._wanted

    def tables_of(self, days: Sequence[str]) -> set[str]:
        """Tables that hold rows of some dates, by the registry."""
        if not days or not self._session.columns(fields.NAMES):
            return set()
        found = fields.event_names(self._session)
        names = found[found[PARTITION].isin(days)][["type", "event"]].drop_duplicates()
        return {fields.table_of(kind, event) for kind, event in names.itertuples(index=False)}
