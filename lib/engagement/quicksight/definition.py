"""The definition that the analysis and the dashboard share: sheets, filters, controls, formulas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engagement.quicksight.sheets import DATES, SHEETS, Ratio, Sheet, Visual, Word, tables
from engagement.quicksight.visuals import Types, slug, visual

WIDTH = 36
FROM, TO = "from", "to"
"""The parameters that the date controls set; every sheet's dates follow them."""


def definition(
    arns: Mapping[str, str],
    types: Types,
    *,
    currency: str,
    default_days: int,
    sheets: Sequence[Sheet] | None = None,
) -> dict[str, Any]:
    """Make the definition.

    Parameters
    ----------
    arns
        The data set of every table.
    types
        The types of every table's columns.
    default_days
        How many days the date controls show at first.
    sheets
        What is shown; left out, :data:`~engagement.quicksight.sheets.SHEETS`.
    """
    sheets = SHEETS if sheets is None else sheets
    used = [table for table in tables() if any(table in _of(sheet) for sheet in sheets)]
    return {
        "DataSetIdentifierDeclarations": [
            {"Identifier": table, "DataSetArn": arns[table]} for table in used
        ],
        "CalculatedFields": list(_formulas(sheets)),
        "ParameterDeclarations": [
            _day(FROM, f"addDateTime(-{default_days}, 'DD', truncDate('DD', now()))"),
            _day(TO, "truncDate('DD', now())"),
        ],
        "FilterGroups": [group for sheet in sheets for group in _filters(sheet, types)],
        "Sheets": [_sheet(sheet, types, currency) for sheet in sheets],
    }


def _of(sheet: Sheet) -> list[str]:
    """A sheet's tables, in the order in which they are first read."""
    return list(dict.fromkeys(one.table for one in sheet.visuals))


def _day(name: str, expression: str) -> dict[str, Any]:
    return {
        "DateTimeParameterDeclaration": {
            "Name": name,
            "DefaultValues": {"RollingDate": {"Expression": expression}},
            "TimeGranularity": "DAY",
        }
    }


def _formulas(sheets: Sequence[Sheet]) -> Iterator[dict[str, str]]:
    """Ratios and words, each once for every table that it is used with."""
    seen: dict[tuple[str, str], Ratio | Word] = {}
    for sheet in sheets:
        for one in sheet.visuals:
            for formula in one.formulas:
                seen.setdefault((one.table, formula.name), formula)
        for _, choice in sheet.choices:
            if isinstance(choice, Word):
                for table in _tables_with(sheet, choice):
                    seen.setdefault((table, choice.name), choice)
    for (table, name), formula in seen.items():
        yield {"DataSetIdentifier": table, "Name": name, "Expression": formula.expression}


def _tables_with(sheet: Sheet, choice: str | Word) -> list[str]:
    """Tables of a sheet that a choice holds for: those whose columns it is made of."""
    wanted = {choice} if isinstance(choice, str) else set(choice.columns)
    return [table for table in _of(sheet) if wanted <= CHOICE_COLUMNS.get(table, frozenset())]


CHOICE_COLUMNS: Mapping[str, frozenset[str]] = {
    "acquisition_channels": frozenset({"channel", "is_new_visitor"}),
    "acquisition_sources": frozenset({"channel", "is_new_visitor"}),
    "acquisition_landing_pages": frozenset({"channel"}),
    "category_daily": frozenset({"category"}),
    "product_daily": frozenset({"category"}),
    "attribution_channels": frozenset({"model", "channel"}),
    "attribution_sources": frozenset({"model", "channel"}),
    "rfm_segments": frozenset({"lifecycle_stage"}),
}
"""Columns that readers may choose values of, by table."""


# --- filters --------------------------------------------------------------------------------------


def _filters(sheet: Sheet, types: Types) -> Iterator[dict[str, Any]]:
    """The dates of every table of a sheet, what its readers choose, and what visuals leave out."""
    place = slug(sheet.name)
    for table in _of(sheet):
        if table in DATES:
            yield _group(sheet, f"{place}-{slug(table)}-dates", _dates(place, table), table)
    for title, choice in sheet.choices:
        # One filter for all data sets that have the column: QuickSight finds it by name and type.
        several = _tables_with(sheet, choice)
        name = _choice_id(sheet, title)
        yield _group(sheet, f"{name}-group", _values(name, several[0], choice), *several)
    for number, one in enumerate(sheet.visuals):
        for column, value in one.only.items():
            name = f"{_visual_id(sheet, number)}-only-{slug(column)}"
            chosen = {"CategoryFilter": {
                "FilterId": name,
                "Column": {"DataSetIdentifier": one.table, "ColumnName": column},
                "Configuration": {"FilterListConfiguration": {
                    "MatchOperator": "CONTAINS", "CategoryValues": [value],
                }},
            }}  # fmt: skip
            yield _group(sheet, f"{name}-group", chosen, one.table, only=number)
    del types


def _group(
    sheet: Sheet, name: str, content: Mapping[str, Any], *several: str, only: int | None = None
) -> dict[str, Any]:
    """A filter over the visuals of one table or several on a sheet."""
    visuals = [
        _visual_id(sheet, number)
        for number, one in enumerate(sheet.visuals)
        if one.table in several and only in (None, number)
    ]
    scope = {"SheetId": sheet_id(sheet), "Scope": "SELECTED_VISUALS", "VisualIds": visuals}
    return {
        "FilterGroupId": name,
        "Filters": [content],
        "ScopeConfiguration": {"SelectedSheets": {"SheetVisualScopingConfigurations": [scope]}},
        "Status": "ENABLED",
        "CrossDataset": "SINGLE_DATASET" if len(several) == 1 else "ALL_DATASETS",
    }


def _dates(place: str, table: str) -> dict[str, Any]:
    return {
        "TimeRangeFilter": {
            "FilterId": f"{place}-{slug(table)}-dates-filter",
            "Column": {"DataSetIdentifier": table, "ColumnName": DATES[table]},
            "IncludeMinimum": True,
            "IncludeMaximum": True,
            "RangeMinimumValue": {"Parameter": FROM},
            "RangeMaximumValue": {"Parameter": TO},
            "NullOption": "NON_NULLS_ONLY",
            "TimeGranularity": "DAY",
        }
    }


def _values(name: str, table: str, choice: str | Word) -> dict[str, Any]:
    column = choice if isinstance(choice, str) else choice.name
    return {
        "CategoryFilter": {
            "FilterId": name,
            "Column": {"DataSetIdentifier": table, "ColumnName": column},
            "Configuration": {
                "FilterListConfiguration": {
                    "MatchOperator": "CONTAINS",
                    "SelectAllOptions": "FILTER_ALL_VALUES",
                }
            },
        }
    }


def _choice_id(sheet: Sheet, title: str) -> str:
    return f"{slug(sheet.name)}-{slug(title)}"


# --- sheets ---------------------------------------------------------------------------------------


def sheet_id(sheet: Sheet) -> str:
    """The id of a sheet."""
    return slug(sheet.name)


def _visual_id(sheet: Sheet, number: int) -> str:
    return f"{slug(sheet.name)}-{number + 1:02}"


def _sheet(sheet: Sheet, types: Types, currency: str) -> dict[str, Any]:
    visuals = [
        visual(one, _visual_id(sheet, number), types[one.table], currency)
        for number, one in enumerate(sheet.visuals)
    ]
    parameters, filters = _controls(sheet)
    found = {
        "SheetId": sheet_id(sheet),
        "Name": sheet.name,
        "ContentType": "INTERACTIVE",
        "Visuals": visuals,
        "Layouts": [{"Configuration": {"GridLayout": _grid(sheet)}}],
    }
    if parameters:
        found["ParameterControls"] = parameters
    if filters:
        found["FilterControls"] = filters
    elements = [
        *((one["DateTimePicker"]["ParameterControlId"], "PARAMETER_CONTROL") for one in parameters),
        *((one["Dropdown"]["FilterControlId"], "FILTER_CONTROL") for one in filters),
    ]
    if elements:
        found["SheetControlLayouts"] = [
            {
                "Configuration": {
                    "GridLayout": {
                        "Elements": [
                            {
                                "ElementId": name,
                                "ElementType": kind,
                                "ColumnSpan": 2,
                                "RowSpan": 1,
                            }
                            for name, kind in elements
                        ]
                    }
                }
            }
        ]
    return found


def _controls(sheet: Sheet) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    place = slug(sheet.name)
    dated = any(table in DATES for table in _of(sheet))
    parameters = [
        {
            "DateTimePicker": {
                "ParameterControlId": f"{place}-{name}",
                "Title": title,
                "SourceParameterName": name,
            }
        }
        for name, title in ((FROM, "From"), (TO, "To"))
        if dated
    ]
    filters = [
        {
            "Dropdown": {
                "FilterControlId": f"{_choice_id(sheet, title)}-control",
                "Title": title,
                "SourceFilterId": _choice_id(sheet, title),
                "Type": "MULTI_SELECT",
            }
        }
        for title, _ in sheet.choices
    ]
    return parameters, filters


def _grid(sheet: Sheet) -> dict[str, Any]:
    """Visuals side by side as long as they fit, then in the next row."""
    elements = []
    across = down = tallest = 0
    for number, one in enumerate(sheet.visuals):
        if across + one.width > WIDTH:
            across, down, tallest = 0, down + tallest, 0
        elements.append(_element(sheet, number, one, across, down))
        across, tallest = across + one.width, max(tallest, one.height)
    canvas = {"ScreenCanvasSizeOptions": {"ResizeOption": "RESPONSIVE"}}
    return {"Elements": elements, "CanvasSizeOptions": canvas}


def _element(sheet: Sheet, number: int, one: Visual, across: int, down: int) -> dict[str, Any]:
    return {
        "ElementId": _visual_id(sheet, number),
        "ElementType": "VISUAL",
        "ColumnIndex": across,
        "ColumnSpan": one.width,
        "RowIndex": down,
        "RowSpan": one.height,
    }
