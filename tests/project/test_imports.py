"""Imports point one way: a stage knows the warehouse and the settings, never a later stage.

The graph is that of every import of every module, those within functions too. What stands under
``TYPE_CHECKING`` is left out where circles are looked for, since nothing is imported by it; the
layers hold for it all the same. An engine's modules are named in the registry of engines, as texts:
nobody else may know them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import engagement

PACKAGE = Path(engagement.__file__).parent

# Small modules that know nothing of any stage: what is private, whose files are, what is printed,
# how a mistake is told, where the project is.
LEAVES = {"errors", "messages", "output", "owner_only", "privacy", "project"}

# What each room may import besides itself. Later stages meet earlier ones in tables. An engine is a
# room within the warehouse's: it knows the protocols, and nobody but the registry knows it.
ALLOWED = {
    **dict.fromkeys(LEAVES, LEAVES),
    "settings": set(),
    "records": {"settings"},
    "samples": set(),
    "init": set(),
    "sql": set(),
    "aws": {"settings", "records"},
    "warehouse": {"settings", "records", "sql"},
    "warehouse.duckdb": {"settings", "records", "sql", "warehouse"},
    "warehouse.athena": {"settings", "records", "sql", "aws", "warehouse"},
    "warehouse.postgres": {"settings", "records", "sql", "warehouse"},
    "warehouse.redshift": {"settings", "records", "sql", "aws", "warehouse"},
    "as_of": {"settings", "sql", "warehouse"},
    "landing": {"settings", "records", "sql", "warehouse"},
    "flatten": {"settings", "records", "sql", "warehouse", "landing"},
    "models": {"settings", "sql", "warehouse", "flatten", "as_of"},  # names of tables, of events
    "alerts": {"settings", "sql", "warehouse"},
    # What it writes runs without this project: the engines' functions, the reader of JSON.
    "dbt": {
        *("settings", "records", "sql", "warehouse", "as_of", "models"),
        *("warehouse.postgres", "warehouse.redshift"),
    },
    # Of flatten the names of tables, which explorations know events by.
    "dashboards": {"settings", "sql", "warehouse", "as_of", "models", "runs", "flatten", "alerts"},
    "quicksight": {"settings", "models", "aws"},
    # The concepts as models read them, names of tables, the feature dictionary.
    "audience": {"settings", "sql", "warehouse", "flatten", "models", "as_of", "aws"},
    "personalize": {"settings", "records", "sql", "warehouse", "aws", "as_of"},
    "erasure": {
        *("settings", "records", "sql", "warehouse", "landing", "as_of", "flatten", "models"),
        *("runs", "audience"),  # people go from where audiences were sent to
    },
    "collect": {"settings", "records", "samples"},
    "runs": {
        *("settings", "records", "sql", "warehouse", "landing", "as_of", "flatten", "models"),
        *("audience", "alerts", "aws"),
    },
    "demo": {
        *("settings", "records", "samples", "warehouse", "as_of", "flatten", "models", "audience"),
        "collect",
    },
    # Of records a landed file's name and size; it meets what was taken in as tables.
    "estimate": {"settings", "records", "sql", "warehouse"},
    "mcp": {"settings", "sql", "warehouse", "models", "runs", "audience"},
    "cli": {
        *("settings", "records", "samples", "sql", "warehouse", "landing", "as_of", "flatten"),
        *("models", "audience", "personalize", "erasure", "collect", "runs", "aws"),
        *("alerts", "dashboards", "quicksight", "demo", "mcp", "dbt", "estimate", "init"),
    },
}

Graph = dict[str, set[str]]
"""The modules that each module imports."""


def _modules(package: Path) -> dict[str, Path]:
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _nodes(node: ast.AST, *, typing: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for inner in [*(child.body if typing else ()), *child.orelse]:
                yield inner
                yield from _nodes(inner, typing=typing)
            continue
        yield child
        yield from _nodes(child, typing=typing)


def graph(package: Path, *, typing: bool = False) -> Graph:
    """The imports of a package's modules among each other.

    A package's ``__init__`` counts where it is what an import names: that Python runs those of all
    packages around a module makes no circle.
    """
    modules = _modules(package)
    found: Graph = {}
    for module, path in modules.items():
        names: set[str] = set()
        for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), typing=typing):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: write the module's whole name"
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    names.add(inner if inner in modules else str(node.module))
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        found[module] = {name for name in names if name in modules} - {module}
    return found


def circle(found: Graph) -> list[str]:
    """The modules of one circle, in their order; empty where there is none."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def room(module: str) -> str:
    """The room that a module is in."""
    parts = module.split(".")[1:]
    inner = ".".join(parts[:2])
    return inner if inner in ALLOWED else ".".join(parts[:1])


def arrows_against_layers(found: Graph) -> list[str]:
    """Imports that a room may not have."""
    wrong = []
    for module, names in sorted(found.items()):
        own = room(module)
        if not own:
            continue
        may = {own, *LEAVES, *ALLOWED[own]}
        wrong += [f"{module} imports {name}" for name in sorted(names) if room(name) not in may]
    return wrong


def test_there_is_no_circle() -> None:
    assert circle(graph(PACKAGE)) == []


def test_rooms_import_only_what_they_may() -> None:
    assert arrows_against_layers(graph(PACKAGE, typing=True)) == []


def test_the_layers_have_no_circle() -> None:
    layers = {own: {*names} for own, names in ALLOWED.items() if own not in LEAVES}
    assert circle(layers) == []


def test_every_room_is_in_the_layers() -> None:
    assert {room(module) for module in _modules(PACKAGE)} - {""} <= ALLOWED.keys()


# --- that they can fail ---------------------------------------------------------------------------


def made(folder: Path, **texts: str) -> Path:
    package = folder / "engagement"
    for name, text in texts.items():
        path = package / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package


WITHIN = "def f():\n    from engagement.warehouse.b import g\n"
TYPED = (
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from engagement.warehouse import b\n"
)


@pytest.mark.parametrize(
    ("text", "is_circle"),
    [("from engagement.warehouse import b\n", True), (WITHIN, True), (TYPED, False)],
)
def test_a_circle_is_found(tmp_path: Path, text: str, is_circle: bool) -> None:
    package = made(
        tmp_path,
        warehouse__a=text,
        warehouse__b="from engagement.warehouse.c import h\n",
        warehouse__c="import engagement.warehouse.a\n",
    )
    assert bool(circle(graph(package))) is is_circle
    assert arrows_against_layers(graph(package, typing=True)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sql__a", "from engagement.warehouse import errors\n"),
        ("aws__a", TYPED),
        ("warehouse__a", "from engagement.warehouse.athena.lake import Lake\n"),
        ("warehouse__duckdb__a", "from engagement.warehouse.athena import lake\n"),
        ("models__a", "def f():\n    import engagement.warehouse.athena.lake\n"),
    ],
)
def test_an_arrow_against_the_layers_is_found(tmp_path: Path, name: str, text: str) -> None:
    package = made(
        tmp_path, warehouse__errors="", warehouse__b="", warehouse__athena__lake="", **{name: text}
    )
    (found,) = arrows_against_layers(graph(package, typing=True))
    assert found.startswith(f"engagement.{name.replace('__', '.')} imports engagement.warehouse")
