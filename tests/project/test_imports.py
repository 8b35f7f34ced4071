"""Imports point one way: a stage knows the warehouse and the settings, never a later stage."""

from __future__ import annotations

import ast
from pathlib import Path

import engagement

PACKAGE = Path(engagement.__file__).parent

# Small modules that know nothing of any stage: what is private, whose files are, what is printed,
# how a mistake is told.
LEAVES = {"formatting", "mistakes", "notices", "privacy", "private", "terminal"}

# What each stage may import besides itself. Later stages meet earlier ones in tables.
ALLOWED = {
    **{leaf: set() for leaf in LEAVES},
    "settings": set(),
    "moments": {"settings", "warehouse"},
    "landing": {"settings", "warehouse"},
    "warehouse": {"settings", "landing"},  # the readers of landed files
    "flatten": {"settings", "warehouse", "landing"},
    "models": {"settings", "warehouse", "flatten", "moments"},  # names of tables, from event names
    "dashboards": {"settings", "warehouse", "moments", "models", "workbook"},
    "audience": {"settings", "warehouse"},
    "personalize": {"settings", "warehouse"},
    "workbook": {"settings", "warehouse", "moments", "models"},
    "catalogue": {"settings", "warehouse", "models", "batch"},
    "checks": {"settings", "warehouse", "moments", "landing", "models", "audience"},
    "batch": {"settings", "warehouse", "landing", "workbook"},
    "erasure": {
        *("settings", "warehouse", "landing", "moments", "flatten", "models", "workbook"),
    },
    "collect": {"settings", "landing"},
    "cli": {
        "audience",
        *("settings", "warehouse", "landing", "flatten", "models", "batch", "checks", "erasure"),
        *("leftovers", "catalogue", "summary", "typed_queries", "moments", "collect"),
    },
    "summary": {"settings", "warehouse", "models", "moments", "audience", "batch"},
    "typed_queries": {"settings", "warehouse", "models", "moments"},
    "leftovers": {"settings", "warehouse", "flatten", "workbook"},
}


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module]
            if node.module == "engagement":
                names = [f"engagement.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {n.split(".")[1] for n in names if n.startswith("engagement.")}
    return found


def test_stages_import_only_what_they_may() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        stage = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if stage == "__init__":
            continue
        extra = _imports(path) - ALLOWED[stage] - LEAVES - {stage}
        wrong += [f"{path.relative_to(PACKAGE)} imports {name}" for name in sorted(extra)]
    assert wrong == []
