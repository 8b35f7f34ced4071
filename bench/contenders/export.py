"""A way to write people to CSV files, in a process of its own: ``export.py HOW PEOPLE FOLDER``."""

from __future__ import annotations

import json
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from people import BATCH, frames

from engagement.audience.customer_profiles import Export, export_members
from engagement.audience.segments import Segment
from engagement.audience.stream import Format

SEGMENT = Segment(
    name="everybody",
    description="All of them.",
    where="true",
    channels=("email", "sms"),
    metrics=("orders_total", "spend_total"),
)


def nothing(people: int, folder: Path) -> int:
    """The rows are made, and not written."""
    del folder
    return sum(len(frame) for frame in frames(people))


def ours(people: int, folder: Path, *, packed: bool = False) -> int:
    """Parts under 1 GB, checked cell by cell, with a manifest."""
    how = Format(packed=packed)
    return export_members(SEGMENT, BATCH, frames(people), folder, folder / "rejects", how).people


def send(people: int, folder: Path) -> int:
    """The files, and what a first send prepares of them: who was sent, with a hash of each row."""
    from engagement.audience import deltas
    from engagement.audience.outbox import Outbox
    from engagement.audience.profile_calls import Target
    from engagement.settings import load_settings

    settings = load_settings("params/local.yaml", {"run.directory": str(folder / "runs")})
    done: Export = export_members(SEGMENT, BATCH, frames(people), folder, folder / "rejects")
    box, day = Outbox(folder / "runs", "shop", SEGMENT.name), date(2026, 1, 31)
    return deltas.prepare(box, Target.of(settings, SEGMENT), done, day, day, box.room).people


def pandas_whole(people: int, folder: Path) -> int:
    """One frame of all, one call of to_csv."""
    whole = pd.concat(frames(people), ignore_index=True)
    whole.to_csv(folder / "people.csv", index=False)
    return len(whole)


def pandas_pages(people: int, folder: Path) -> int:
    """A call of to_csv for each page."""
    rows = 0
    for number, frame in enumerate(frames(people)):
        frame.to_csv(
            folder / "people.csv", index=False, mode="a" if number else "w", header=not number
        )
        rows += len(frame)
    return rows


WAYS: dict[str, Any] = {
    "nothing": nothing,
    "ours": ours,
    "packed": lambda people, folder: ours(people, folder, packed=True),
    "send": send,
    "pandas_whole": pandas_whole,
    "pandas_pages": pandas_pages,
}


def main() -> None:
    """Do it, and print what came of it."""
    how, people, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    started, cpu = time.perf_counter(), time.process_time()
    rows = WAYS[how](people, folder)
    size = sum(path.stat().st_size for path in folder.rglob("*.csv*") if path.is_file())
    print(
        json.dumps(
            {
                "events": rows,
                "work_wall": time.perf_counter() - started,
                "work_cpu": time.process_time() - cpu,
                "bytes": size,
            }
        )
    )


main()
