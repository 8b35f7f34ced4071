"""A bench for one model: rows in by hand, the model built, rows out.

>>> bench.given("sources.order_completed", [{"id": "e1", "order_id": "o1", "total": 10.0}])
>>> bench.given("marts.person_events", [...])
>>> bench.build("orders")
>>> bench.rows("select order_id, revenue from marts.orders order by order_id")
[("o1", Decimal("10.00"))]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd
import pytest
from sqlglot import exp

from engagement.flatten.names import table_name
from engagement.flatten.pipeline import values_query
from engagement.models.inputs import contracts
from engagement.models.runner import Built, build, models
from engagement.settings import Events, Settings
from engagement.warehouse import Table, open_warehouse


class Bench:
    """One warehouse in a test's folder, filled by hand."""

    def __init__(self, settings: Settings, as_of: date) -> None:
        self.settings = settings
        self.as_of = as_of
        self.warehouse = open_warehouse(settings)
        self._given: list[tuple[Table, exp.Select]] = []

    def given(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Fill a source (``sources.pages``) or a model's table (``marts.sessions``).

        Columns that a row leaves out are NULL; ``received_at`` defaults to the event's
        ``timestamp``, ``received_at_utc_date`` to its day. Times may be written as
        ``2026-01-01 10:00``.
        """
        database, _, table = name.partition(".")
        if database == "sources":
            columns = contracts().columns(table)
            if table in Events.model_fields:
                table = table_name(getattr(self.settings.events, table)[0])
            target = Table("events", table)
        else:
            document = models()[table].document
            columns = {column: item.type for column, item in document.columns.items()}
            target = Table("marts", table)
        unknown = {key for row in rows for key in row} - columns.keys()
        assert not unknown, f"{name} has no column {sorted(unknown)}"
        content = [
            [_cell(value, columns[key]) for key, value in _whole(row, columns).items()]
            for row in rows
        ]
        self._given.append((target, values_query(columns, content)))

    def _fill(self) -> None:
        """Publish what was given, in one session: opening a file takes longer than filling it."""
        if not self._given:
            return
        with self.warehouse.session(write=True) as session:
            for target, rows in self._given:
                session.publish(target, rows)
        self._given.clear()

    def build(self, *names: str, layers: Sequence[str] | None = None) -> list[Built]:
        """Build models by name, or whole layers, as of the bench's day."""
        self._fill()
        chosen = layers or sorted({models()[name].layer for name in names})
        return build(self.warehouse, self.settings, self.as_of, chosen, only=names or None)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query, as plain Python values; NULL is ``None``."""
        self._fill()
        frame = self.warehouse.query(sql)
        return [tuple(_plain(value) for value in row) for row in frame.itertuples(index=False)]


def _whole(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    filled = dict(row)
    if "received_at" in columns:
        filled.setdefault("received_at", filled.get("timestamp"))
    if "received_at_utc_date" in columns:
        filled.setdefault("received_at_utc_date", str(filled.get("received_at"))[:10])
    return {name: filled.get(name) for name in columns}


def _cell(value: Any, kind: str) -> Any:
    if isinstance(value, str) and kind.startswith("timestamp"):
        return datetime.fromisoformat(value)
    if isinstance(value, str) and kind == "date":
        return date.fromisoformat(value)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return value
    if value is pd.NaT or pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value


@pytest.fixture
def make_bench(make_settings: Callable[..., Settings]) -> Callable[..., Bench]:
    """A bench as of a day; keyword arguments are settings (``sessions__gap_minutes=20``)."""

    def make(as_of: str = "2026-01-31", **overrides: Any) -> Bench:
        return Bench(make_settings(**overrides), date.fromisoformat(as_of))

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A bench as of 2026-01-31 with the default settings."""
    return make_bench()
