"""Landings of made-up events, made once and kept in the cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bench.measure import BenchError

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "bench"
DAYS = 60

_EVENTS_PER_USER = 13.6


def landing(events: int, *, dirt: bool = False) -> Path:
    """A landing of about so many events over :data:`DAYS` days, gzipped as Firehose does it.

    Without dirt every line is one event, so that all contenders make the same rows of it.
    """
    users = round(events / _EVENTS_PER_USER)
    folder = CACHE / f"landing-{users}-users{'-dirt' if dirt else ''}"
    if not folder.exists():
        # Renamed at the end: a folder with this name is complete.
        draft = folder.with_name(folder.name + ".draft")
        shutil.rmtree(draft, ignore_errors=True)
        _call(
            ROOT / ".venv/bin/engagement",
            "generate",
            *("--users", str(users), "--days", str(DAYS), "--out", str(draft)),
            "--dirt" if dirt else "--no-dirt",
        )
        draft.rename(folder)
    return folder


def days(landing: Path) -> list[Path]:
    """Folders of a landing, one a day, in order."""
    return sorted(day for day in landing.iterdir() if day.is_dir())


def link(some: Iterable[Path], copy: Path) -> None:
    """Let another landing have some days too, of the same files."""
    for day in some:
        (copy / day.name).mkdir(parents=True)
        for file in day.iterdir():
            os.link(file, copy / day.name / file.name)


def warm(folder: Path) -> int:
    """Read every file once, so that nobody has to wait for the disk; gives their bytes."""
    return sum(len(path.read_bytes()) for path in folder.glob("*/*") if path.is_file())


def other_environment() -> Path:
    """Python of the contenders' own environment, which is made when it is first asked for."""
    environment = CACHE / "environment"
    wanted = (ROOT / "bench/requirements.txt").read_text()
    made = environment / "requirements.txt"
    if not made.exists() or made.read_text() != wanted:
        python = Path(os.path.realpath(ROOT / ".venv/bin/python"))
        _call(python, "-m", "venv", "--clear", environment)
        pip = (environment / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps")
        _call(*pip, "--requirement", ROOT / "bench/requirements.txt")
        made.write_text(wanted)
    return environment / "bin/python"


def _call(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
