"""Committed notebooks: in order, with a parameters cell, executed top to bottom, no errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engagement.runs.batch import NOTEBOOKS, notebooks

NAMES = [
    "00_start_here",
    "01_glue_tables",
    "02_flatten_events",
    "03_model_customers",
    "04_dashboard_aggregates",
    "05_pinpoint_export",
    "06_personalize_datasets",
]

PARAMETERS = (
    'params = ""  # a YAML file; empty: $ENGAGEMENT_PARAMS, else params/local.yaml\n'
    'overrides = {}  # dotted keys, such as {"sessions.gap_minutes": 20}'
)


def _read(name: str) -> dict[str, Any]:
    return json.loads(Path(NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))


def _code(name: str) -> list[dict[str, Any]]:
    return [cell for cell in _read(name)["cells"] if cell["cell_type"] == "code"]


def test_these_notebooks_are_there() -> None:
    assert notebooks() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_one_parameters_cell_which_derives_nothing(name: str) -> None:
    cells = [c for c in _code(name) if "parameters" in c["metadata"].get("tags", [])]
    assert ["".join(cell["source"]) for cell in cells] == [PARAMETERS]


@pytest.mark.parametrize("name", NAMES)
def test_executed_once_top_to_bottom(name: str) -> None:
    counts = [cell["execution_count"] for cell in _code(name)]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_no_error_output(name: str) -> None:
    kinds = [output["output_type"] for cell in _code(name) for output in cell["outputs"]]
    assert "error" not in kinds


@pytest.mark.parametrize("name", NAMES)
def test_starts_with_one_title_and_a_table_of_what_it_reads_and_writes(name: str) -> None:
    sources = ["".join(c["source"]) for c in _read(name)["cells"] if c["cell_type"] == "markdown"]
    titles = [line for source in sources for line in source.splitlines() if line.startswith("# ")]
    assert len(titles) == 1
    assert sources[0].startswith(titles[0])
    assert "| reads | writes |" in sources[0]


@pytest.mark.parametrize("name", NAMES)
def test_no_shell_magics_stores_or_sleeps(name: str) -> None:
    for cell in _code(name):
        source = "".join(cell["source"])
        assert not re.search(r"^\s*[!%]|%store|sleep\(", source, re.MULTILINE), source


@pytest.mark.parametrize("name", NAMES)
def test_outputs_hold_no_path_of_a_machine_and_no_address_of_an_object(name: str) -> None:
    for cell in _code(name):
        if "NBVAL_IGNORE_OUTPUT" in "".join(cell["source"]):
            continue
        outputs = json.dumps(
            [
                {k: v for k, v in o.get("data", {}).items() if not k.startswith("image/")}
                for o in cell["outputs"]
            ]
        )
        assert not re.search(r"/tmp/|/home/|/root/|/Users/|\bat 0x[0-9a-f]{6,}", outputs)
