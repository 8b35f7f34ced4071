"""How much memory there is, and how much of it a run may use."""

from __future__ import annotations

import os
import re
from pathlib import Path

from engagement.settings import Settings

_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
"""Where control groups of version 2 and of version 1 say what they allow."""


_LEAST_BYTES = 1_500_000_000
"""What a run takes however little there is: with less, some statements cannot be run."""

_SIZE = re.compile(r"([0-9.]+) ?([KMGT])(i?)B")


def memory_limit(settings: Settings) -> int:
    """Bytes that a run on DuckDB may use: what the parameters say, else half of what there is."""
    size = _SIZE.fullmatch(settings.warehouse.duckdb.memory_limit or "")
    if size is None:
        return max(memory_bytes() // 2, _LEAST_BYTES)
    power = "KMGT".index(size[2]) + 1
    return int(float(size[1]) * (1024 if size[3] else 1000) ** power)


def memory_bytes(cgroup: Path = _CGROUP) -> int:
    """Bytes of memory that this process and its children may use."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_allowed(cgroup)])


def _allowed(cgroup: Path) -> list[int]:
    found = []
    for folder in (*_own(cgroup), cgroup):
        for name in _LIMITS:
            try:
                text = (folder / name).read_text(encoding="ascii").strip()
            except OSError:
                continue
            if text.isdigit():  # "max" is no limit
                found.append(int(text))
    return found


def _own(cgroup: Path) -> list[Path]:
    """The folder of this process's group and those above it, each of which may allow less."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    names = [line[3:].strip("/") for line in lines if line.startswith("0::")]
    own = [cgroup / name for name in names if name and ".." not in name]
    return [
        place for folder in own for place in (folder, *folder.parents) if cgroup in place.parents
    ]
