"""Visuals in QuickSight's terms.

Ids follow from titles and places, so that the same sheets always give the same definition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engagement.quicksight.sheets import Ratio, Visual, Word

Types = Mapping[str, Mapping[str, str]]
"""The types of columns, by table: those of the models' YAML."""

_ROWS = 10_000


def slug(text: str) -> str:
    """A text as an id has it."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def visual(one: Visual, name: str, types: Mapping[str, str], currency: str) -> dict[str, Any]:
    """A visual, by the id ``name``.

    Parameters
    ----------
    types
        The types of its table's columns.
    """
    maker = _Maker(one, name, types, currency)
    title = {"Visibility": "VISIBLE", "FormatText": {"PlainText": one.title}}
    common = {"VisualId": name, "Title": title}
    kind, configuration = maker.made()
    return {kind: {**common, "ChartConfiguration": configuration}}


class _Maker:
    """Makes one visual: fields first, then what the kind of visual wants of them."""

    def __init__(self, one: Visual, name: str, types: Mapping[str, str], currency: str) -> None:
        self._visual, self._name = one, name
        self._types, self._currency = types, currency
        self._by = [self._dimension(field, f"by-{n}") for n, field in enumerate(one.by)]
        self._values = [self._measure(field, f"value-{n}") for n, field in enumerate(one.values)]
        self._colours = [self._dimension(one.colour, "colour")] if one.colour else []

    def made(self) -> tuple[str, dict[str, Any]]:
        """The kind's name, and its configuration."""
        match self._visual.kind:
            case "kpi":
                return "KPIVisual", {"FieldWells": {"Values": self._values}}
            case "line" | "area":
                return "LineChartVisual", self._lines()
            case "bar" | "columns" | "stacked":
                return "BarChartVisual", self._bars()
            case "table":
                return "TableVisual", self._table()
            case "heat":
                return "HeatMapVisual", self._heat()
            case "funnel":
                return "FunnelChartVisual", self._funnel()

    def _lines(self) -> dict[str, Any]:
        wells = {"Category": self._by, "Values": self._values, "Colors": self._colours}
        return {
            "FieldWells": {"LineChartAggregatedFieldWells": wells},
            "SortConfiguration": {
                "CategorySort": [_sorted(f"{self._name}-by-0", "ASC")],
                "CategoryItemsLimitConfiguration": {
                    "ItemsLimit": 2500,
                    "OtherCategories": "EXCLUDE",
                },
            },
            "Type": "STACKED_AREA" if self._visual.kind == "area" else "LINE",
        }

    def _bars(self) -> dict[str, Any]:
        wells = {"Category": self._by, "Values": self._values, "Colors": self._colours}
        by_time = self._visual.kind == "stacked"
        sort = (
            _sorted(f"{self._name}-by-0", "ASC")
            if by_time
            else _sorted(f"{self._name}-value-0", "DESC")
        )
        return {
            "FieldWells": {"BarChartAggregatedFieldWells": wells},
            "SortConfiguration": {"CategorySort": [sort]},
            "Orientation": "HORIZONTAL" if self._visual.kind == "bar" else "VERTICAL",
            "BarsArrangement": "STACKED" if by_time else "CLUSTERED",
        }

    def _table(self) -> dict[str, Any]:
        wells = {"GroupBy": self._by, "Values": self._values}
        first = self._visual.by[0]
        is_step = isinstance(first, str) and self._kind(first) == "number"
        sort = (
            _sorted(f"{self._name}-by-0", "ASC")
            if is_step
            else _sorted(f"{self._name}-value-0", "DESC")
        )
        return {
            "FieldWells": {"TableAggregatedFieldWells": wells},
            "SortConfiguration": {"RowSort": [sort]},
        }

    def _heat(self) -> dict[str, Any]:
        rows, columns = self._by
        wells = {"Rows": [rows], "Columns": [columns], "Values": self._values}
        return {
            "FieldWells": {"HeatMapAggregatedFieldWells": wells},
            "SortConfiguration": {
                "HeatMapRowSort": [_sorted(f"{self._name}-by-0", "ASC")],
                "HeatMapColumnSort": [_sorted(f"{self._name}-by-1", "ASC")],
                "HeatMapRowItemsLimitConfiguration": {"ItemsLimit": 100},
                "HeatMapColumnItemsLimitConfiguration": {"ItemsLimit": 100},
            },
            "DataLabels": {"Visibility": "VISIBLE"},
        }

    def _funnel(self) -> dict[str, Any]:
        wells = {"Category": self._by, "Values": self._values}
        return {
            "FieldWells": {"FunnelChartAggregatedFieldWells": wells},
            "SortConfiguration": {"CategorySort": [_sorted(f"{self._name}-value-0", "DESC")]},
        }

    def _column(self, name: str) -> dict[str, str]:
        return {"DataSetIdentifier": self._visual.table, "ColumnName": name}

    def _kind(self, name: str) -> str:
        kind = self._types[name]
        if kind == "date" or kind.startswith("timestamp"):
            return "day"
        return "number" if kind in ("bigint", "double") or kind.startswith("decimal") else "text"

    def _dimension(self, field: str | Word, place: str) -> dict[str, Any]:
        name = f"{self._name}-{place}"
        if isinstance(field, Word):
            return {
                "CategoricalDimensionField": {"FieldId": name, "Column": self._column(field.name)}
            }
        column = self._column(field)
        match self._kind(field):
            case "day":
                found = {"FieldId": name, "Column": column, "DateGranularity": "DAY"}
                return {"DateDimensionField": found}
            case "number":
                return {"NumericalDimensionField": {"FieldId": name, "Column": column}}
        return {"CategoricalDimensionField": {"FieldId": name, "Column": column}}

    def _measure(self, field: str | Ratio, place: str) -> dict[str, Any]:
        name = f"{self._name}-{place}"
        if isinstance(field, Ratio):
            # It adds up by itself: an aggregation on top of it would be refused.
            found = {"FieldId": name, "Column": self._column(field.name)}
            return {"NumericalMeasureField": {**found, "FormatConfiguration": _ratio(field)}}
        measure = {
            "FieldId": name,
            "Column": self._column(field),
            "AggregationFunction": {"SimpleNumericalAggregation": "SUM"},
        }
        if self._types[field].startswith("decimal(38"):
            measure["FormatConfiguration"] = _money(self._currency)
        return {"NumericalMeasureField": measure}


def _sorted(field: str, direction: str) -> dict[str, Any]:
    return {"FieldSort": {"FieldId": field, "Direction": direction}}


def _ratio(field: Ratio) -> dict[str, Any]:
    places = {"DecimalPlacesConfiguration": {"DecimalPlaces": 1 if field.is_share else 2}}
    kind = (
        "PercentageDisplayFormatConfiguration"
        if field.is_share
        else ("NumberDisplayFormatConfiguration")
    )
    return {"FormatConfiguration": {kind: places}}


def _money(currency: str) -> dict[str, Any]:
    shown = {"Symbol": currency, "DecimalPlacesConfiguration": {"DecimalPlaces": 2}}
    return {"FormatConfiguration": {"CurrencyDisplayFormatConfiguration": shown}}
