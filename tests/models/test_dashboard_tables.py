"""docs/dashboard_tables.md says what the YAML of the models says: every table, column and type."""

from __future__ import annotations

import re

from engagement.models.runner import models
from engagement.settings import ROOT

PAGE = ROOT / "docs/dashboard_tables.md"
_ROW = re.compile(r"^\| (\*\*)?`(\w+)`(?:\*\*)? \| ([^|]+) \| ([^|]*) \| (.*) \|$")


def test_the_page_of_the_dashboards_tables_is_that_of_the_models() -> None:
    page: dict[str, list[tuple[str, str, str, str, bool]]] = {}
    name = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            name = line.removeprefix("## ")
            page[name] = []
        elif found := _ROW.match(line):
            key, column, kind, unit, text = found.groups()
            page[name].append((column, kind.strip(), unit.strip(), text.strip(), bool(key)))
    known = models(["dashboards"])
    assert page.keys() <= known.keys()
    for table, columns in page.items():
        document = known[table].document
        assert columns == [
            (c, item.type, item.unit or "", item.description, c in document.key)
            for c, item in document.columns.items()
        ], table
    # The tables that there were before are documented by their YAML alone.
    assert len(page) >= 36
