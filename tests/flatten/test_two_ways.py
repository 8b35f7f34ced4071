"""Values are found by a scan or, in odd lines, by parsing texts: either way with the same tables.

And dates are taken in together or in several groups, as memory allows: the same again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engagement.records import records
from engagement.records.json_scan import CLEAN, ODD
from engagement.records.memory import Memory
from engagement.records.scanned import Path as JsonPath
from engagement.records.scanned import Scanned
from engagement.warehouse import Warehouse
from engagement.warehouse.duckdb.warehouse import DuckDBWarehouse
from tests.athena.compare import differences
from tests.flatten.conftest import Shop, event
from tests.records.nasty import sample_days, spoil


class Odd(Scanned):
    """A scan that takes every line for odd."""

    def __init__(
        self,
        data: bytes,
        texts: Sequence[JsonPath],
        times: Sequence[JsonPath],
        memory: Memory,
        passing: Memory,
    ) -> None:
        super().__init__(data, texts, times, memory, passing)
        self.what[self.what == CLEAN] = ODD

    def add(self, lines: Sequence[bytes], room: NDArray[np.uint8]) -> NDArray[np.int64]:
        numbers = super().add(lines, room)
        self.what[self.what == CLEAN] = ODD
        return numbers


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    """Two days of the samples, files that are wrong, and values of every kind in one column."""
    landing = sample_days(tmp_path / "nasty", 2)
    spoil(landing)
    mixed: list[Any] = [1, 2.5, "x", "", True, None, [], [1.10, "é"], {}, {"a": {"b": 1}}, "5"]
    shop = Shop(tmp_path / "mixed")
    shop.land(
        *(
            event(
                messageId=f"mixed-{n}",
                event="Mixed & odd",
                properties={
                    "value": value,
                    "any": value,
                    "products": value,
                    "when": "2026-01-05 10:00",
                    "n": n,
                },
            )
            for n, value in enumerate(mixed)
        ),
        event(type="Identify", userId=7, traits={"a": {"b": 1}, "a_b": 2, "c": 'é & \\ " /'}),
        event(type="page", event="no name", name=5, properties=[1]),
    )
    day = next(landing.iterdir())
    (day / "mixed.json").write_bytes(
        (shop.landing / "received_at_utc_date=2026-01-05/a.json").read_bytes()
    )
    return landing


def flattened(home: Path, landing: Path) -> Warehouse:
    shop = Shop(home, landing__location=str(landing))
    shop.flatten()
    return shop.warehouse


def test_a_scan_and_a_parse_give_the_same_tables(
    nasty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned = flattened(tmp_path / "scanned", nasty)
    monkeypatch.setattr(records, "Scanned", Odd)
    found = differences(flattened(tmp_path / "parsed", nasty), scanned)
    assert not found, "\n".join(map(str, found))


def test_groups_of_dates_give_the_tables_of_one(
    nasty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = flattened(tmp_path / "together", nasty)
    monkeypatch.setattr(DuckDBWarehouse, "batch_days", 1)
    monkeypatch.setattr(records, "_SCANNED_BYTES", 100_000)
    found = differences(flattened(tmp_path / "one by one", nasty), together)
    assert not found, "\n".join(map(str, found))
