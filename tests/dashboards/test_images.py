"""The README's pictures: drawn from the tables, small, the same each time, or an error in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from engagement.dashboards import images
from engagement.models.runner import models
from engagement.settings import Settings
from engagement.sql.dialect import Table
from engagement.warehouse import Warehouse, WarehouseError, open_warehouse
from tests.values import values_query

TABLES = (
    "daily_overview",
    "overview_periods",
    "funnel_steps",
    "retention_weekly",
    "attribution_last_touch",
    "channel_performance",
    "product_performance",
    "revenue_reconciliation",
    "search_terms",
)


def fill(warehouse: Warehouse, rows: dict[str, list[dict[str, object]]]) -> None:
    """Publish the dashboards' tables with some rows; what a row leaves out is NULL."""
    known = models(["dashboards"])
    with warehouse.session(write=True) as session:
        for name in TABLES:
            columns = {key: item.type for key, item in known[name].document.columns.items()}
            content = [[row.get(key) for key in columns] for row in rows.get(name, [])]
            session.publish(Table("marts", name), values_query(columns, content))


@pytest.fixture
def warehouse(make_settings: Callable[..., Settings]) -> Warehouse:
    return open_warehouse(make_settings())


def test_pictures_are_drawn_from_the_tables_and_small(warehouse: Warehouse, tmp_path: Path) -> None:
    monday = date(2026, 1, 5)
    fill(
        warehouse,
        {
            "daily_overview": [
                {
                    "day": monday + timedelta(days=n),
                    "is_complete": True,
                    "is_settled": True,
                    "revenue": n,
                    "sessions": 1,
                }
                for n in range(7)
            ],
            "retention_weekly": [
                {
                    "cohort_week": monday,
                    "is_identified": False,
                    "week_number": 1,
                    "is_mature": True,
                    "is_settled": True,
                    "cohort_persons": 2,
                    "retained_persons": 1,
                    "retention_rate": 0.5,
                }
            ],
            "attribution_last_touch": [{"channel": "Email", "credits": 1.0, "revenue": 5}],
            "channel_performance": [{"channel": "Direct", "sessions": 1, "revenue": 5}],
        },
    )
    figures = images.draw(warehouse, "EUR")
    assert figures["revenue"].get_suptitle() == "Revenue: 21 EUR in the last 7 days"
    paths = images.save(figures, tmp_path)
    assert [path.name for path in paths] == ["attribution.png", "retention.png", "revenue.png"]
    assert all(path.stat().st_size < 120_000 for path in paths)
    before = [path.read_bytes() for path in paths]
    images.save(images.draw(warehouse, "EUR"), tmp_path)
    assert [path.read_bytes() for path in paths] == before


def test_too_little_data_is_an_error_that_says_what_to_do(warehouse: Warehouse) -> None:
    fill(warehouse, {})
    with pytest.raises(WarehouseError, match="too little data for attribution, retention, revenue"):
        images.draw(warehouse, "EUR")
