"""The chart of the landing: what is drawn is what the ledger holds."""

from __future__ import annotations

import pandas as pd
import pytest

from engagement.dashboards import style
from engagement.dashboards.landing_charts import records_by_day

LEDGER = pd.DataFrame(
    {
        "received_at_utc_date": ["2026-01-05", "2026-01-06"],
        "events": [1000, 234],
        "duplicates": [2, 0],
        "quarantined": [1, 3],
    }
)


def test_days_are_drawn_as_the_ledger_has_them() -> None:
    figure = records_by_day(LEDGER)
    above, below = figure.axes
    assert [bar.get_height() for bar in above.patches] == [1000, 234]
    drawn = [(bar.get_y(), bar.get_height()) for bar in below.patches]
    assert drawn == [(0, 2), (0, 0), (2, 1), (0, 3)]
    assert figure.get_suptitle() == (
        "Of 1,240 records, 1,234 were kept as events, 2 had come before and 4 were set aside"
    )


@pytest.mark.parametrize("days", [0, 1])
def test_few_days_are_drawn_too(days: int) -> None:
    assert style.png(records_by_day(LEDGER.head(days))).startswith(b"\x89PNG")
