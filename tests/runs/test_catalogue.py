"""Every table is described, and so is every column that the project itself makes."""

from __future__ import annotations

import pytest

from engagement.flatten import flatten
from engagement.landing.tables import create_tables
from engagement.runs import catalogue
from engagement.settings import load_settings
from engagement.warehouse import DialectError, Table, Warehouse, open_warehouse
from tests.cases.landing import write


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("catalogue")
    write(folder / "landing")
    settings = load_settings(
        "params/local.yaml",
        {
            "landing.location": str(folder / "landing"),
            "warehouse.duckdb.path": str(folder / "warehouse.duckdb"),
        },
    )
    warehouse = open_warehouse(settings)
    create_tables(warehouse, settings)
    flatten(warehouse, settings)
    return warehouse


def test_every_table_is_listed_with_what_it_holds(warehouse: Warehouse) -> None:
    found = catalogue.tables(warehouse).set_index("table")
    assert found.loc["landing.ledger", "rows"] > 0
    assert found.loc["events.order_completed", "description"].startswith("Every event of this name")
    assert list(found.index[found["description"] == ""]) == []


def test_the_columns_of_the_projects_own_tables_are_described(warehouse: Warehouse) -> None:
    # What the external table and its profile hold are the events' own fields.
    own = {
        "landing.rudderstack_events",
        "landing.profile",
        "landing.versions",
        "landing.unfinished",
    }
    for name in catalogue.tables(warehouse)["table"]:
        if name.startswith("landing.") and name not in own:
            columns = catalogue.columns(warehouse, name)
            assert list(columns.loc[columns["description"] == "", "column"]) == [], name


def test_a_model_is_described_by_its_document() -> None:
    assert catalogue.description(Table("marts", "sessions"))


def test_a_table_is_found_without_its_database_and_a_misspelt_one_is_told(
    warehouse: Warehouse,
) -> None:
    columns = catalogue.columns(warehouse, "ledger")
    assert next(iter(columns["column"])) == "received_at_utc_date"
    with pytest.raises(DialectError, match="no table 'leger'; did you mean ledger"):
        catalogue.columns(warehouse, "leger")
