"""A Python model of the project, built from a frame of rows on every engine."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa

from engagement.models.definition import ColumnDocument
from engagement.models.runner import build, models
from engagement.settings import Settings
from engagement.warehouse import Table, Warehouse

SUITE = Path(__file__).parents[1] / "models" / "cases" / "user_agents.csv"
CONTEXTS = Table("marts", "event_contexts")
AGENTS = Table("marts", "user_agents")


def test_user_agents_are_published_from_a_frame_and_again_only_when_others_come(
    warehouse: Warehouse, make_settings: Callable[..., Settings]
) -> None:
    with SUITE.open(encoding="utf-8", newline="") as file:
        cases = list(csv.DictReader(file))
    texts = [case["user_agent"] for case in cases]
    kinds = {name: column.type for name, column in _document("event_contexts").items()}

    def give(*given: str | None) -> None:
        rows = pa.table(
            {
                name: pa.array(given, pa.string())
                if name == "user_agent"
                else pa.nulls(len(given), pa.int64() if kind == "bigint" else pa.string())
                for name, kind in kinds.items()
            }
        )
        with warehouse.session(write=True) as session:
            work = session.rows("given", rows, kinds)
            session.publish(CONTEXTS, f"select * from {work}")

    def built() -> tuple[str, int]:
        (one,) = build(
            warehouse,
            make_settings(),
            date(2026, 1, 31),
            ["behaviour"],
            only=["user_agents"],
        )
        return one.status, one.rows

    give(*texts, texts[0], None)
    assert built() == ("built", len(texts))
    assert built() == ("unchanged", len(texts))
    with warehouse.session() as session:
        columns = session.columns(AGENTS)
        rows = session.query(f"select * from {AGENTS}")
    assert columns == {name: column.type for name, column in _document("user_agents").items()}
    assert sorted(rows["user_agent"]) == sorted(texts)
    found = rows.set_index("user_agent")
    for case in cases:
        row = found.loc[case["user_agent"]]
        assert bool(row["is_bot"]) == (case["is_bot"] == "true")
        if case["system"]:
            assert row["os"] == case["system"]
    give(None)
    assert built() == ("built", 0)
    with warehouse.session() as session:
        assert isinstance(session.query(f"select * from {AGENTS}"), pd.DataFrame)


def _document(name: str) -> dict[str, ColumnDocument]:
    return models(["behaviour"])[name].document.columns
