"""What the parameters declare of events: types of columns, by table and column."""

from __future__ import annotations

from engagement.flatten.names import FIXED_TABLES, column_name, table_name
from engagement.settings import Settings
from engagement.warehouse.values import TIMESTAMP, VARCHAR

_NAMED_OTHERWISE = {"string": VARCHAR, "timestamp": TIMESTAMP}
"""Athena's names for the types of a tracking plan that it calls otherwise."""


def declared_types(settings: Settings) -> dict[str, dict[str, str]]:
    """Declared types of the tracking plan, by table and column."""
    plans: dict[str, dict[str, str]] = {}
    for event, columns in settings.tracking_plan.items():
        table = event if event in FIXED_TABLES else table_name(event)
        plans.setdefault(table, {}).update(
            {column_name(name): _NAMED_OTHERWISE.get(kind, kind) for name, kind in columns.items()}
        )
    return plans
