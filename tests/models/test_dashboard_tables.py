"""docs/dashboard_tables.md says what the YAML of the models says: every table, column and type."""

from __future__ import annotations

import re

from engagement.models.runner import models
from tests.models.dashboard_page import PAGE, page

_ROW = re.compile(r"^\| (?:\*\*)?`(\w+)`(?:\*\*)? \| ([^|]+) \|", re.MULTILINE)


def test_the_page_is_what_the_models_yaml_makes_of_it() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(), "run: python -m tests.models.dashboard_page"


def test_the_page_has_every_table_of_the_dashboards_with_every_column() -> None:
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    found = {text.partition("\n")[0]: _ROW.findall(text) for text in sections}
    assert found == {
        name: [(column, item.type) for column, item in model.document.columns.items()]
        for name, model in models(["dashboards"]).items()
    }
