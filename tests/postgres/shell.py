"""``engagement`` as a user types it, on the samples that RudderStack has loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from engagement.settings import ROOT
from tests.postgres.loaded import Loaded
from tests.postgres.server import USER

PARAMS = "tests/postgres/params.yaml"
NAME = "from_a_shell"


def shell(socket: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command; where the server is comes from the environment."""
    where = {"PGHOST": str(socket), "PGUSER": USER, "PGDATABASE": NAME}
    return subprocess.run(
        [sys.executable, "-m", "engagement.cli", *words, "--params", PARAMS],
        env={**os.environ, **where},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class ShellRun:
    """A run of all notebooks: its folder, how it ended, what it printed."""

    folder: Path
    code: int
    said: str


def run(samples: Loaded, folder: Path) -> ShellRun:
    """Run all notebooks on a copy of the samples, in append mode."""
    samples.copy(NAME)
    done = shell(samples.socket, "run", "--set", f"run.directory={folder}")
    return ShellRun(folder, done.returncode, done.stdout[-3000:] + done.stderr[-3000:])
