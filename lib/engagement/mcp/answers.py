"""What the server answers: tables, metrics, queries, sizes of segments, all masked and limited."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
from sqlglot import exp

from engagement.audience.snapshots import SIZES
from engagement.mcp.masking import Mask, limited, read_by
from engagement.models.definition import models
from engagement.models.inputs import SOURCES
from engagement.privacy import shown
from engagement.project import packaged
from engagement.runs import catalogue
from engagement.runs.typed_queries import ask
from engagement.settings import Settings
from engagement.sql.dialect import LOGICAL, DialectError, parse, tables
from engagement.warehouse import Session, Warehouse, open_warehouse

DEFINITIONS = packaged("docs/metrics.md")
_MOST_METRICS = 60
_LAYERS = ("dashboards", "customer", "commerce", "behaviour", "recommendations")
"""Layers of models whose columns are looked through for metrics, the most summed up first."""


class Answers:
    """Answers questions about the warehouse of some settings.

    Parameters
    ----------
    key
        What pseudonyms are made with.
    """

    def __init__(self, settings: Settings, key: str) -> None:
        self._settings = _with_limit(settings)
        self._limits = settings.mcp
        self._mask = Mask(settings.mcp, key)

    def list_tables(self) -> dict[str, Any]:
        """Every table with what it holds."""
        return {"tables": catalogue.names(self._warehouse()).to_dict("records")}

    def describe_table(self, table: str) -> dict[str, Any]:
        """Columns of a table, and how each is shown."""
        warehouse = self._warehouse()
        found = catalogue.find(warehouse, table)
        frame = catalogue.columns(warehouse, table)
        types = dict(zip(frame["column"], frame["type"], strict=True))
        rows = frame.to_dict("records")
        for row in rows:
            row["access"] = self._mask.how(found, str(row["column"]), types)
        model = models().get(found.name) if found.database == "marts" else None
        return {
            "table": str(found),
            "description": catalogue.description(found),
            "grain": model.document.grain if model else "",
            "key": list(model.document.key) if model else [],
            "columns": rows,
        }

    def list_metrics(self, search: str = "") -> dict[str, Any]:
        """Measures of the models with unit and definition, and the definitions they share."""
        words = search.lower().split()
        found = []
        for layer in _LAYERS:
            for model in models([layer]).values():
                for name, column in model.document.columns.items():
                    text = f"{name} {model.name} {column.description}".lower()
                    if column.unit and all(word in text for word in words):
                        found.append(
                            {
                                "metric": name,
                                "table": str(model.table),
                                "unit": column.unit,
                                "definition": " ".join(column.description.split()),
                                "grain": model.document.grain,
                            }
                        )
        return {
            "metrics": found[:_MOST_METRICS],
            "left_out": max(len(found) - _MOST_METRICS, 0),
            "shared_definitions": _definitions(words),
        }

    def run_query(self, sql: str) -> dict[str, Any]:
        """Rows of a query, at most as many as the parameters allow."""
        warehouse = self._warehouse()
        changed: dict[str, list[str]] = {}
        most = self._limits.most_rows

        def seen(query: exp.Query, session: Session) -> exp.Query:
            if self._limits.show_personal:
                return limited(query, most + 1)
            known = {table for table in tables(query) if table.database in LOGICAL}
            columns = {table: session.columns(table) for table in sorted(known)}
            for table in read_by(query, known):
                names = self._mask.masked_columns(table, columns[table])
                if names:
                    changed[str(table)] = names
            return limited(self._mask.over(query, columns), most + 1)

        if not self._limits.show_personal:
            _refuse_sources(sql)
        frame = ask(warehouse, self._settings, sql, rewrite=seen)
        found = self._rows(frame)
        spent = [one.usd for one in warehouse.log.kept() if one.usd is not None]
        return {
            **found,
            "is_cut": len(frame) > most,
            "masked_columns": changed,
            "usd": round(sum(spent), 6) if spent else None,
        }

    def segment_sizes(self, segment: str | None = None) -> dict[str, Any]:
        """Snapshots of segments with their sizes, the newest first."""
        warehouse = self._warehouse()
        with warehouse.session() as session:
            if SIZES.name not in session.tables(SIZES.database):
                return {"columns": [], "rows": [], "is_cut": False}
            query = exp.select("*").from_(SIZES.node()).order_by("as_of desc", "segment")
            if segment is not None:
                query = query.where(exp.column("segment").eq(segment))
            frame = session.query(query.limit(self._limits.most_rows + 1))
        return {**self._rows(frame), "is_cut": len(frame) > self._limits.most_rows}

    def _warehouse(self) -> Warehouse:
        """A warehouse for one question: what it spends is counted by itself."""
        return open_warehouse(self._settings)

    def _rows(self, frame: pd.DataFrame) -> dict[str, Any]:
        cut = frame.head(self._limits.most_rows)
        cut = cut if self._limits.show_personal else shown(cut)
        rows = [
            [_plain(cell, self._limits.most_characters) for cell in row]
            for row in cut.astype(object).itertuples(index=False, name=None)
        ]
        return {"columns": [str(name) for name in cut.columns], "rows": rows}


def _refuse_sources(sql: str) -> None:
    for table in sorted(tables(parse(sql))):
        if table.database == SOURCES:
            raise DialectError(
                f"{table} holds what people sent, which is masked: read a table of marts instead"
            )


def _with_limit(settings: Settings) -> Settings:
    """Settings under which one question costs no more, and takes the server no longer, than it may.

    The process that asks is ended when its time is over, and a server would go on with the
    statement: it ends it a second later by itself.
    """
    engines = settings.warehouse
    seconds = math.ceil(settings.mcp.most_seconds) + 1
    changed: dict[str, Any] = {}
    if engines.athena is not None:
        usd = min(settings.mcp.most_usd, engines.athena.spending_limit_usd or settings.mcp.most_usd)
        changed["athena"] = engines.athena.model_copy(update={"spending_limit_usd": usd})
    for name in ("redshift", "postgres"):
        section = getattr(engines, name)
        if section is not None:
            least = min(seconds, section.statement_seconds or seconds)
            changed[name] = section.model_copy(update={"statement_seconds": least})
    if not changed:
        return settings
    return settings.model_copy(update={"warehouse": engines.model_copy(update=changed)})


def _plain(cell: Any, characters: int) -> Any:
    """A value as JSON has it: decimals as text, times in ISO 8601, long texts cut."""
    if isinstance(cell, list | tuple):
        return [_plain(item, characters) for item in cell[:100]]
    if isinstance(cell, dict):
        return {str(key): _plain(value, characters) for key, value in [*cell.items()][:100]}
    if hasattr(cell, "tolist"):
        return _plain(cell.tolist(), characters)
    if pd.isna(cell):
        return None
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    if isinstance(cell, bool | int):
        return cell
    if isinstance(cell, float):
        return cell if abs(cell) != float("inf") else str(cell)
    text = format(cell, "f") if isinstance(cell, Decimal) else str(cell)
    return text if len(text) <= characters else f"{text[:characters]}…"


def _definitions(words: list[str]) -> str:
    """Sections of docs/metrics.md in which all words are, or the whole page."""
    if not DEFINITIONS.exists():
        return ""
    sections = re.split(r"^(?=## )", DEFINITIONS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return "".join(part for part in sections if all(word in part.lower() for word in words))
