"""Imports point one way: a stage knows the warehouse and the settings, never a later stage."""

from __future__ import annotations

import ast
from pathlib import Path

import engagement

PACKAGE = Path(engagement.__file__).parent

# Small modules that know nothing of any stage: what is private, whose files are, what is printed,
# how a mistake is told.
LEAVES = {"errors", "messages", "output", "owner_only", "privacy"}

# What each room may import besides itself. Later stages meet earlier ones in tables.
ALLOWED = {
    **dict.fromkeys(LEAVES, LEAVES),
    "settings": set(),
    "records": {"settings"},
    "samples": set(),
    "sql": {"settings", "records"},
    "aws": {"settings", "records", "warehouse"},
    "warehouse": {"settings", "records", "sql", "aws"},
    "as_of": {"settings", "sql", "warehouse"},
    "landing": {"settings", "records", "sql", "warehouse"},
    "flatten": {"settings", "records", "sql", "warehouse", "landing"},
    "models": {"settings", "sql", "warehouse", "flatten", "as_of"},  # names of tables, of events
    "dashboards": {"settings", "sql", "warehouse", "as_of", "models", "runs"},
    # The concepts as models read them, names of tables, the feature dictionary.
    "audience": {"settings", "sql", "warehouse", "flatten", "models", "as_of", "aws"},
    "personalize": {"settings", "sql", "warehouse", "aws"},
    "erasure": {
        *("settings", "records", "sql", "warehouse", "landing", "as_of", "flatten", "models"),
        *("runs", "audience"),  # people go from where audiences were sent to
    },
    "collect": {"settings", "records", "samples"},
    "runs": {
        *("settings", "records", "sql", "warehouse", "landing", "as_of", "flatten", "models"),
        "audience",
    },
    "cli": {
        *("settings", "records", "samples", "sql", "warehouse", "landing", "as_of", "flatten"),
        *("models", "audience", "erasure", "collect", "runs", "aws"),
    },
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
