"""What visuals are bound to: columns that the marts have, of the types that they need."""

from __future__ import annotations

import re

import pytest

from engagement.models.runner import models
from engagement.quicksight import sheets
from engagement.quicksight.definition import CHOICE_COLUMNS, definition
from engagement.quicksight.requests import types
from engagement.quicksight.sheets import DATES, SHEETS, Ratio, Sheet, Visual, Word

VISUALS = [(sheet, one) for sheet in SHEETS for one in sheet.visuals]
NUMBERS = re.compile(r"bigint|double|decimal\(\d+,\d+\)")


def kind(table: str, column: str) -> str:
    documented = models(["dashboards"])[table].document.columns
    assert column in documented, f"marts.{table} has no column {column}"
    return documented[column].type


@pytest.mark.parametrize(
    ("sheet", "one"), VISUALS, ids=[f"{s.name}: {v.title}" for s, v in VISUALS]
)
def test_every_column_of_a_visual_is_in_the_marts_with_the_type_it_needs(
    sheet: Sheet, one: Visual
) -> None:
    for column in one.columns:
        kind(one.table, column)
    for value in one.values:
        parts = (value.numerator, value.denominator) if isinstance(value, Ratio) else (value,)
        for part in parts:
            assert NUMBERS.fullmatch(kind(one.table, part)), f"{part} cannot be added up"
    for field in one.by:
        if isinstance(field, Word):
            assert kind(one.table, field.flag) == "boolean"
        else:
            assert kind(one.table, field) != "boolean", f"{field} is a flag"
    for column in one.only:
        assert kind(one.table, column) == "varchar"
    if one.colour:
        assert kind(one.table, one.colour) == "varchar"
    del sheet


def test_what_readers_choose_is_text_and_dates_are_days() -> None:
    for table, column in DATES.items():
        if table in sheets.tables():
            assert kind(table, column) == "date"
    for table, columns in CHOICE_COLUMNS.items():
        for column in columns:
            assert kind(table, column) in ("varchar", "boolean")


def test_a_ratio_is_not_called_as_a_column() -> None:
    for _, one in VISUALS:
        for formula in one.formulas:
            assert formula.name not in types()[one.table]


def test_ratios_are_added_up_before_they_are_divided() -> None:
    assert Ratio("a", "x", "y").expression == "sum({x}) / sum({y})"
    known = Ratio("a", "x", "y", where_known="x", scale=1000)
    assert known.expression == "sum({x}) / sumIf({y}, isNotNull({x})) / 1000"
    assert known.columns == ("x", "y", "x")
    assert Word("Visitors", "f", "new", "old").expression == "ifelse({f}, 'new', 'old')"


def test_people_are_never_added_up_over_days() -> None:
    """A person of two days is one person: such columns are shown by day, never as a sum."""
    people = {"users", "dau", "wau", "mau", "viewers", "adders", "buyers", "persons"}
    snapshots = {"funnel_steps", "rfm_segments", "rfm_grid"}
    for _, one in VISUALS:
        if one.table not in snapshots:
            for value in one.values:
                assert value not in people or one.by == ("day",), one.title


def test_no_person_is_in_a_data_set() -> None:
    private = {"person_id", "user_id", "anonymous_id", "email", "order_id", "session_id"}
    for table, columns in types().items():
        assert not private & set(columns), table


def test_visuals_are_placed_side_by_side_and_never_on_each_other() -> None:
    arns = {table: f"arn:{table}" for table in sheets.tables()}
    found = definition(arns, types(), currency="EUR", default_days=90)
    for sheet in found["Sheets"]:
        taken: set[tuple[int, int]] = set()
        for place in sheet["Layouts"][0]["Configuration"]["GridLayout"]["Elements"]:
            cells = {
                (row, column)
                for row in range(place["RowIndex"], place["RowIndex"] + place["RowSpan"])
                for column in range(
                    place["ColumnIndex"], place["ColumnIndex"] + place["ColumnSpan"]
                )
            }
            assert not cells & taken
            assert max(column for _, column in cells) < 36
            taken |= cells


def test_every_dated_sheet_follows_the_same_two_dates() -> None:
    arns = {table: f"arn:{table}" for table in sheets.tables()}
    found = definition(arns, types(), currency="EUR", default_days=7)
    first = found["ParameterDeclarations"][0]["DateTimeParameterDeclaration"]
    assert first["DefaultValues"]["RollingDate"]["Expression"] == (
        "addDateTime(-7, 'DD', truncDate('DD', now()))"
    )
    for sheet in found["Sheets"]:
        dated = {
            one["DateTimePicker"]["SourceParameterName"]
            for one in sheet.get("ParameterControls", [])
        }
        assert dated == (set() if sheet["Name"] == "Customers" else {"from", "to"})


OVERALL = {"funnel_steps", "attribution_paths", "revenue_reconciliation"}
"""Tables over all days, on sheets with dates to choose."""


def test_what_no_date_reaches_says_so() -> None:
    for sheet in SHEETS:
        dated = any(one.table in DATES for one in sheet.visuals)
        for one in sheet.visuals:
            reached = one.table in DATES or not dated
            assert reached == (one.table not in OVERALL), one.title
            assert one.title.endswith(", over all days") == (not reached), one.title


def test_a_choice_has_one_control_for_every_visual_of_the_tables_that_have_it() -> None:
    arns = {table: f"arn:{table}" for table in sheets.tables()}
    found = definition(arns, types(), currency="EUR", default_days=90)
    chosen = [one for one in found["FilterGroups"] if "CategoryFilter" in one["Filters"][0]]
    groups = {one["Filters"][0]["CategoryFilter"]["FilterId"]: one for one in chosen}
    controls = {}
    for sheet in found["Sheets"]:
        for one in sheet.get("FilterControls", []):
            group = groups[one["Dropdown"]["SourceFilterId"]]
            selected = group["ScopeConfiguration"]["SelectedSheets"]
            [scope] = selected["SheetVisualScopingConfigurations"]
            assert scope["SheetId"] == sheet["SheetId"]
            controls[sheet["Name"], one["Dropdown"]["Title"]] = (
                len(scope["VisualIds"]),
                group["CrossDataset"],
            )
    assert controls == {
        ("Acquisition", "Channel"): (7, "ALL_DATASETS"),
        ("Acquisition", "Visitors"): (6, "ALL_DATASETS"),
        ("Commerce", "Category"): (2, "ALL_DATASETS"),
        ("Attribution", "Model"): (2, "ALL_DATASETS"),
        ("Attribution", "Channel"): (2, "ALL_DATASETS"),
        ("Customers", "Stage"): (3, "SINGLE_DATASET"),
    }


def test_a_choice_narrows_more_than_the_bars_of_its_own_values() -> None:
    for sheet in SHEETS:
        for title, choice in sheet.choices:
            columns = {choice} if isinstance(choice, str) else set(choice.columns)
            others = [
                one
                for one in sheet.visuals
                if columns <= CHOICE_COLUMNS.get(one.table, frozenset()) and one.by != (choice,)
            ]
            assert others, title
