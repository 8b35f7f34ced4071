"""The macro that reads a table of events as RudderStack loaded it, as dbt renders it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jinja2

from engagement.dbt.template import template


def _rows(**columns: str) -> str:
    """The query over a table of these columns and types."""
    given: list[dict[str, Any]] = []
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    found = [SimpleNamespace(column=name, name=name, dtype=kind) for name, kind in columns.items()]
    environment.globals.update(
        {"return": given.append},
        adapter=SimpleNamespace(get_columns_in_relation=lambda _: found),
        type_of=lambda _: "varchar(65535)",
        kind_of=lambda kind: kind,
    )
    text = template("macros/event_table.raw.sql", window_days="7")
    environment.from_string(text + "\n{{ event_table('raw.tracks') }}").render()
    return str(given[-1]["rows"])


def test_json_that_is_null_is_no_text() -> None:
    """``json_serialize`` of NULL, and of JSON's null, is the text ``null``."""
    rows = _rows(id="character varying", received_at="timestamp", traits="super")
    assert (
        'case when "traits" is not null and json_size("traits") <= 65535 '
        'then nullif(json_serialize("traits"), \'null\') end as "traits"'
    ) in " ".join(rows.split())
