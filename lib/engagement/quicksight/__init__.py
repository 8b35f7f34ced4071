"""QuickSight as code: a data source, a data set per table, an analysis, a published dashboard.

:mod:`~engagement.quicksight.sheets` says what is shown, :mod:`~engagement.quicksight.requests` what
the service is asked for, :mod:`~engagement.quicksight.assets` makes it, and
:mod:`~engagement.quicksight.setup` has the four verbs: plan, up, status, down.
"""

from engagement.quicksight.assets import Made, QuickSightError
from engagement.quicksight.setup import down, plan, status, up, write_plan

__all__ = ["Made", "QuickSightError", "down", "plan", "status", "up", "write_plan"]
