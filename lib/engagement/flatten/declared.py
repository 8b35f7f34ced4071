"""What the tracking plan of the parameters says: types of columns, by table and column."""

from __future__ import annotations

from engagement.flatten.names import FIXED_TABLES, column_name, table_name
from engagement.settings import Settings
from engagement.sql.conversions import TIMESTAMP, VARCHAR

_NAMED_OTHERWISE = {"string": VARCHAR, "timestamp": TIMESTAMP}
"""Athena's names for the types of a tracking plan that it calls otherwise."""


def planned_types(settings: Settings) -> dict[str, dict[str, str]]:
    """Types of the tracking plan as it gives them, by event and property."""
    found: dict[str, dict[str, str]] = {}
    for event, properties in settings.tracking_plan.items():
        types = {name: planned.type for name, planned in properties.items() if planned.type}
        if types:
            found[event] = dict(types)
    return found


def table_of_planned(event: str) -> str:
    """Name of the table of an event of the plan, which may be that of an event type."""
    return event if event in FIXED_TABLES else table_name(event)


def declared_types(settings: Settings) -> dict[str, dict[str, str]]:
    """Declared types of the tracking plan, by table and column."""
    plans: dict[str, dict[str, str]] = {}
    for event, types in planned_types(settings).items():
        plans.setdefault(table_of_planned(event), {}).update(
            {column_name(name): _NAMED_OTHERWISE.get(kind, kind) for name, kind in types.items()}
        )
    return plans
