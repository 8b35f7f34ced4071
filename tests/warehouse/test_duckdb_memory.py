"""Memory as the machine and its control groups allow it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engagement.settings import load_settings
from engagement.warehouse.duckdb.memory import memory_bytes, memory_limit

PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_without_a_control_group_it_is_the_machines(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path) == PHYSICAL


def test_a_control_group_may_allow_less(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    assert memory_bytes(tmp_path) == 1_000_000


def test_no_limit_is_none(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_bytes(tmp_path) == PHYSICAL


def test_version_one_says_so_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.limit_in_bytes").write_text("2000000")
    assert memory_bytes(tmp_path) == 2_000_000
    (tmp_path / "memory/memory.limit_in_bytes").write_text("9223372036854771712")
    assert memory_bytes(tmp_path) == PHYSICAL


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("4GB", 4_000_000_000), ("1.5 GiB", 1_610_612_736), ("750MB", 750_000_000)],
)
def test_the_parameters_bound_it(given: str, wanted: int) -> None:
    settings = load_settings("params/local.yaml", {"warehouse.duckdb.memory_limit": given})
    assert memory_limit(settings) == wanted


def test_by_default_a_run_stays_within_half() -> None:
    assert memory_limit(load_settings("params/local.yaml")) == max(
        memory_bytes() // 2, 1_500_000_000
    )
