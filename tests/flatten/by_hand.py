"""A landing by hand: records in, tables out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engagement.flatten import FlattenReport, flatten
from engagement.settings import Settings
from engagement.warehouse import open_warehouse


class Landing:
    """A landing folder of the test's own, and the warehouse that it is flattened into."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.warehouse = open_warehouse(settings)

    def put(
        self, content: str | bytes | Sequence[Any], day: str = "2026-01-01", name: str = "a"
    ) -> None:
        """Write one file: text, bytes, or events that become one line each."""
        if not isinstance(content, (str, bytes)):
            content = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in content)
        path = self.folder / f"received_at_utc_date={day}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def flatten(self) -> FlattenReport:
        return flatten(self.warehouse, self.settings)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        frame = self.warehouse.query(sql)
        return [tuple(_plain(v) for v in row) for row in frame.itertuples(index=False)]

    def types(self, table: str, *columns: str) -> dict[str, str]:
        from engagement.warehouse import Table

        with self.warehouse.session() as session:
            found = session.columns(Table.parse(table))
        return {name: found[name] for name in columns}


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value


@pytest.fixture
def landing(make_settings: Callable[..., Settings], tmp_path: Path) -> Landing:
    return Landing(tmp_path / "landing", make_settings())


@pytest.fixture
def make_landing(make_settings: Callable[..., Settings], tmp_path: Path) -> Callable[..., Landing]:
    """A landing with settings of its own (``duplicates__window_days=1``)."""

    def make(**overrides: Any) -> Landing:
        return Landing(tmp_path / "landing", make_settings(**overrides))

    return make
