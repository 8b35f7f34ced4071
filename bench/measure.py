"""Run a process and say what it took: CPU, time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BenchError(RuntimeError):
    """A contender that failed, or whose tables are not what they should be."""


@dataclass(frozen=True)
class Measured:
    """What one process took, the start of its interpreter and its imports included.

    ``cpu`` is user and system time of the process and its children, ``wall`` the time that went by,
    both in seconds; ``peak_bytes`` the largest resident memory of any one of them. ``said`` is the
    JSON object that it printed last: at least ``events``, and ``work_cpu`` and ``work_wall``, which
    leave the imports out.
    """

    cpu: float
    wall: float
    peak_bytes: int
    said: Mapping[str, Any]


def measure(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> Measured:
    """Run a command and wait for it.

    Raises
    ------
    BenchError
        When it fails, with the end of what it wrote.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    # Not process.wait(): this one tells what that very process, and its children, used.
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchError(f"{' '.join(map(str, command))}:\n{output[-3000:]}")
    lines = output.strip().splitlines()
    return Measured(
        usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024, json.loads(lines[-1])
    )
