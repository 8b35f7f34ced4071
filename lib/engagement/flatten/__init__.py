"""From landed lines to one table per event, with nothing lost."""

from engagement.flatten.deviations import plan_deviations
from engagement.flatten.pipeline import (
    duplicates_as_run,
    duplicates_sql,
    flatten,
    plan_run,
    tracking_plan,
    what_to_do,
)
from engagement.flatten.report import FlattenReport

__all__ = [
    "FlattenReport",
    "duplicates_as_run",
    "duplicates_sql",
    "flatten",
    "plan_deviations",
    "plan_run",
    "tracking_plan",
    "what_to_do",
]
