"""The README's two commands in a fresh clone, as someone who has just found the project.

``make test-clone``: a clone in a temporary folder, an environment of PATH alone, an empty home and
an empty cache; ``make run``; every notebook executed again, which must change no table and no
exported byte; and ``make run`` once more, which has nothing to execute; timed.
With ``--test``, ``make test`` too.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def make(clone: Path, home: Path, target: str) -> float:
    """Run a make target in the clone; its seconds."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    started = time.monotonic()
    subprocess.run(["make", target], cwd=clone, env=environment, check=True)
    return time.monotonic() - started


def execute(clone: Path, home: Path) -> float:
    """Execute every notebook, whether or not anything is new; the seconds."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    started = time.monotonic()
    words = [clone / ".venv/bin/engagement", "run", "--force"]
    subprocess.run(words, cwd=clone, env=environment, check=True)
    return time.monotonic() - started


def record(clone: Path) -> dict[str, Any]:
    """run.json of the newest run."""
    newest = max((clone / "runs").glob("*/run.json"), key=lambda path: path.parent.name)
    found: dict[str, Any] = json.loads(newest.read_text(encoding="utf-8"))
    return found


def exports(run: dict[str, Any]) -> dict[str, Any]:
    """Files that a run exported, with their digests."""
    return {name: file for name, file in run["files"].items() if not name.startswith("notebooks/")}


def dump(clone: Path) -> dict[str, list[str]]:
    """Every row of every table, as sorted lines; tables about runs themselves are left out."""
    code = (
        "import duckdb, json\n"
        "from engagement.warehouse.costs import ABOUT_RUNS\n"
        "left_out = {(table.database, table.name) for table in ABOUT_RUNS}\n"
        "c = duckdb.connect('warehouse/engagement.duckdb', read_only=True)\n"
        'names = c.execute("select table_schema, table_name from information_schema.tables '
        "where table_type = 'BASE TABLE' order by 1, 2\").fetchall()\n"
        "names = [name for name in names if name not in left_out]\n"
        "print(json.dumps({f'{s}.{t}': sorted(map(repr, c.execute("
        'f\'select * from "{s}"."{t}"\').fetchall())) for s, t in names}))'
    )
    done = subprocess.run(
        [clone / ".venv/bin/python", "-c", code],
        cwd=clone,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def main() -> None:
    """Clone, run, run again, compare."""
    with tempfile.TemporaryDirectory() as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        first = make(clone, home, "run")
        tables, files = dump(clone), exports(record(clone))
        second = execute(clone, home)
        changed = [name for name, rows in dump(clone).items() if tables.get(name) != rows]
        assert not changed, f"tables that a second run changed: {changed}"
        assert exports(record(clone)) == files, "files that a second run changed"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        third = make(clone, home, "run")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        executed = [one["name"] for one in record(clone)["notebooks"] if not one["executed_in"]]
        assert not executed, f"notebooks that nothing new executed: {executed}"
        assert exports(record(clone)) == files, "files that are not in a folder with nothing new"
        print(  # noqa: T201
            f"make run: {first:.0f} s with installation, {second:.0f} s again, "
            f"{third:.0f} s ({cpu:.1f} of the CPU) with nothing new; "
            f"{len(tables)} tables and {len(files)} files the same"
        )
        if "--test" in sys.argv:
            print(f"make test: {make(clone, home, 'test'):.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
