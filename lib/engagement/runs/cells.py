"""What a notebook's cells may look at besides tables and parameters, told from their text.

A page is only used again where everything that it shows is known to be the same. What the project's
own modules look at is known; what anything else looks at is not, so a cell that imports, names or
asks for it makes the notebook one that is always executed. The lists below say what is known.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engagement.project import PACKAGE

KNOWN_MODULES = frozenset(
    {
        *("engagement.runs.workbook", "engagement.runs.checks"),
        *("engagement.landing.tables", "engagement.landing.failures", "engagement.records.files"),
        "engagement.flatten",
        *(f"engagement.flatten.{name}" for name in ("examples", "report")),
        "engagement.models",
        *(f"engagement.models.{name}" for name in ("concepts", "runner", "definition", "inputs")),
        "engagement.dashboards",
        "engagement.audience",
        *(
            f"engagement.audience.{name}"
            for name in (
                *("activating", "comparisons", "conditions", "customer_profiles", "files"),
                *("happenings", "history", "insight", "measuring", "members", "pinpoint"),
                *("reach", "rules", "segments", "selection", "snapshots", "suppression"),
            )
        ),
        *("engagement.aws.requests", "engagement.quicksight.planning"),
        *(
            f"engagement.personalize.{name}"
            for name in ("comparing", "exports", "live", "planning", "readiness", "shown")
        ),
        *("engagement.as_of", "engagement.messages", "engagement.privacy"),
        *("engagement.output", "engagement.settings", "engagement.sql.dialect"),
        *("collections", "decimal", "functools", "itertools", "math", "re", "statistics"),
        *("textwrap", "__future__", "collections.abc"),
        *("numpy", "pandas", "matplotlib.pyplot", "matplotlib"),
    }
)
"""What cells may import: what these look at is looked at here too, or is nothing but their input.

``engagement.dashboards`` stands for all of its modules.
"""

_FROM_DATETIME = frozenset({"date", "timedelta", "timezone", "UTC"})

_NOT_CALLED = frozenset(
    "open eval exec compile __import__ getattr setattr globals locals vars input breakpoint "
    "get_ipython __builtins__".split()
)
_CLOCKS = frozenset({"today", "now", "utcnow"})
_ELSEWHERE = frozenset(
    "read_text read_bytes write_text write_bytes iterdir glob rglob exists is_file is_dir stat "
    "environ getenv system popen run_line_magic to_csv to_excel to_feather to_hdf to_html to_json "
    "to_latex to_markdown to_orc to_parquet to_pickle to_sql to_stata to_xml savefig tofile save "
    "savez dump open unlink rename mkdir fromfile loadtxt genfromtxt memmap replayer".split()
)
_RANDOM = frozenset("random sample default_rng shuffle permutation".split())
_SQL_CLOCK = re.compile(
    r"\b(?:current_(?:date|time|timestamp)|localtime(?:stamp)?|now\s*\(|rand(?:om)?\s*\(|"
    r"uuid\s*\(|shuffle\s*\()",
    re.IGNORECASE,
)
_WORDS = frozenset({"now", "today"})
_CHANCE = "looks at the clock, or at chance"


@dataclass(frozen=True)
class Cells:
    """A notebook as far as its page depends on it.

    Attributes
    ----------
    text
        Its cells, with their tags and without outputs, as one text.
    imports
        The modules that its cells import.
    doubt
        Why nobody can know what it would show; empty where that can be known.
    """

    text: str
    imports: frozenset[str]
    doubt: str


def read(path: Path) -> Cells:
    """Look at the cells of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [
        [cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", [])]
        for cell in cells
    ]
    imports: set[str] = set()
    doubts: list[str] = []
    for number, cell in enumerate(cells, start=1):
        if cell["cell_type"] != "code":
            continue
        try:
            tree = ast.parse("".join(cell["source"]))
        except (SyntaxError, ValueError):
            doubts.append(f"cell {number} is more than Python")
            continue
        imports |= {module for module, _ in _imported(tree)}
        doubts += [f"cell {number} {doubt}" for doubt in _doubts(tree)]
    return Cells(json.dumps(parts), frozenset(imports), doubts[0] if doubts else "")


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What is imported: the module and, of it, the name; a name may be a module itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield module, alias.name
                yield f"{module}.{alias.name}", ""


def _doubts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if not _is_known(alias.name):
                    yield f"imports {alias.name}"
        elif isinstance(node, ast.ImportFrom):
            yield from _doubts_of_names(node)
        elif isinstance(node, ast.Name) and node.id in _NOT_CALLED:
            yield f"uses {node.id}"
        elif isinstance(node, ast.Call) and _is_sending(node.func):
            yield "sends something"
        elif isinstance(node, ast.Attribute):
            doubt = _doubt_of_attribute(node)
            if doubt:
                yield doubt
        elif isinstance(node, ast.Constant) and _is_clock(node.value):
            yield _CHANCE


def _is_clock(value: object) -> bool:
    """Whether a text says to somebody that it wants the present moment, or chance."""
    if not isinstance(value, str):
        return False
    return value.strip().lower() in _WORDS or bool(_SQL_CLOCK.search(value))


def _doubts_of_names(node: ast.ImportFrom) -> Iterator[str]:
    module = node.module or ""
    for alias in node.names:
        name = alias.name
        if module == "datetime" and name in _FROM_DATETIME:
            continue
        whole = f"{module}.{name}"
        inner = _is_module_of_ours(whole)
        if node.level or name == "*" or not _is_known(whole if inner else module):
            yield f"imports {whole}"


def _is_module_of_ours(name: str) -> bool:
    """Whether a name is a module of the project, and no function of one."""
    if not name.startswith("engagement."):
        return False
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").is_file() or path.is_dir()


def _is_known(module: str) -> bool:
    return module in KNOWN_MODULES or module.startswith("engagement.dashboards.")


def _doubt_of_attribute(node: ast.Attribute) -> str:
    name, of = node.attr, node.value.id if isinstance(node.value, ast.Name) else ""
    if (of, name) == ("workbook", "open"):
        return ""
    if name in _CLOCKS | _RANDOM:
        return _CHANCE
    if name in _ELSEWHERE or name.startswith(("read_", "__", "from_file")):
        return f"uses .{name}"
    if name == "load" and of in ("np", "numpy", "pd", "pandas"):
        return "uses .load"
    return ""


def _is_sending(called: ast.expr) -> bool:
    """Whether a call sends; what the parameters allow is asked of them."""
    if not isinstance(called, ast.Attribute) or called.attr != "send":
        return False
    return not (isinstance(called.value, ast.Name) and called.value.id == "activating")
