"""What every contender is given, and what it says at its end."""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Task:
    """A landing to flatten, and a folder, empty at first, to put the tables in.

    ``plan`` says which tables and columns there are to be, for those that are told beforehand.
    """

    landing: Path
    out: Path
    options: dict[str, Any]
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def plan(self) -> list[dict[str, Any]]:
        """Tables with their columns, and the paths that these come from: see ``bench.plan``."""
        tables: list[dict[str, Any]] = json.loads(Path(self.options["plan"]).read_text())
        return tables

    @property
    def files(self) -> list[Path]:
        """The landed files, by date."""
        return sorted(path for path in self.landing.glob("*/*") if path.is_file())


@contextmanager
def task() -> Iterator[Task]:
    """Read the command line; measure the block; print what it said and took, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("landing", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("options", type=json.loads, nargs="?", default={})
    given = parser.parse_args()
    if not given.options.get("continue"):
        shutil.rmtree(given.out, ignore_errors=True)
    given.out.mkdir(parents=True, exist_ok=True)
    work = Task(given.landing, given.out, given.options)
    cpu, wall = _cpu(), time.perf_counter()
    yield work
    work.said["work_cpu"] = _cpu() - cpu
    work.said["work_wall"] = time.perf_counter() - wall
    print(json.dumps(work.said))


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def lines(file: Path) -> list[bytes]:
    """Lines of a landed file."""
    data = file.read_bytes()
    if file.suffix == ".gz":
        data = gzip.decompress(data)
    return data.splitlines()
