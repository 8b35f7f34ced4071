"""QuickSight as code: a data source, a data set per table, an analysis, a published dashboard.

:mod:`~engagement.quicksight.sheets` says what is shown, :mod:`~engagement.quicksight.requests` what
the service is asked for, :mod:`~engagement.quicksight.assets` makes it, and
:mod:`~engagement.quicksight.planning` and :mod:`~engagement.quicksight.setup` have the four verbs:
plan, and up, status, down.
"""

from engagement.quicksight.assets import Made, QuickSightError
from engagement.quicksight.planning import plan, write_plan
from engagement.quicksight.setup import down, status, up

__all__ = ["Made", "QuickSightError", "down", "plan", "status", "up", "write_plan"]
