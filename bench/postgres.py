"""``python -m bench.postgres``: seconds of every model on PostgreSQL, beside DuckDB's.

The same events are flattened by DuckDB and loaded into Debian's PostgreSQL, with its defaults, as
RudderStack does it in append mode: every fifth row is there twice. Both then build all models, each
with its checks; loading and flattening are not counted.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from tests.postgres import rudderstack
from tests.postgres.parameters import overrides
from tests.postgres.server import USER, running

from bench import data
from engagement.as_of import resolve_as_of
from engagement.flatten.pipeline import flatten
from engagement.models import runner
from engagement.models.runner import Built, models
from engagement.settings import Settings, load_settings
from engagement.warehouse import open_warehouse

NAME = "bench"
LONGEST = 600
"""Seconds that no model may take."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Took:
    """What a model took: seconds on the clock and of the processor, and its rows."""

    seconds: float
    cpu: float
    rows: int


Timed = dict[str, Took]
"""By model."""


def _of_server(socket: Path) -> float:
    """Seconds of the processor that a server's processes have taken, those that ended included."""
    first = int((socket / "data" / "postmaster.pid").read_text().split()[0])
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        # State is the first field here, then the parent; 11 and 12 are its own times.
        if int(path.parent.name) == first:
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) == first:
            total += sum(map(int, fields[11:13]))
    return total / ticks


@contextmanager
def _timed(cpu: Clock) -> Iterator[Timed]:
    """Note how long each model takes while the block lasts."""
    seconds: Timed = {}
    build = runner._try_build

    def noting(*given: Any) -> Built:
        started, before = time.perf_counter(), cpu()
        built = build(*given)
        took = Took(time.perf_counter() - started, cpu() - before, built.rows)
        seconds[built.model] = took
        say(f"{built.model}: {built.status}, {took.seconds:.1f} s, {took.cpu:.1f} s of CPU")
        return built

    runner._try_build = noting
    try:
        yield seconds
    finally:
        runner._try_build = build


def all_models(settings: Settings, cpu: Clock = time.process_time) -> Timed:
    """Build every model."""
    warehouse = open_warehouse(settings)
    layers = sorted({model.layer for model in models().values()})
    with _timed(cpu) as took:
        runner.build(warehouse, settings, resolve_as_of(warehouse, settings), layers)
    return took


def say(text: str) -> None:
    """Tell how far it is, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def measure(events: int, memory: str | None) -> tuple[Timed, Timed]:
    """Build the models of so many events on DuckDB, then on PostgreSQL."""
    landing = data.landing(events)
    with tempfile.TemporaryDirectory(prefix="engagement-bench-") as folder:
        path = Path(folder) / "warehouse.duckdb"
        own = {
            "landing.location": str(landing),
            "warehouse.duckdb.path": str(path),
            "run.directory": f"{folder}/runs",
            **({"warehouse.duckdb.memory_limit": memory} if memory else {}),
        }
        settings = load_settings("params/local.yaml", own)
        say("flattening")
        flatten(open_warehouse(settings), settings)
        say("models on DuckDB")
        local = all_models(settings)
        with running() as socket:
            given = overrides(socket, NAME)
            say("loading PostgreSQL")
            with psycopg.connect(
                host=str(socket), user=USER, dbname=NAME, autocommit=True
            ) as connection:
                rudderstack.load(path, connection, mode="append")
            given["warehouse.postgres"]["rudderstack_schema"] = rudderstack.SCHEMA
            say("models on PostgreSQL")
            theirs = load_settings("params/local.yaml", {**own, **given})

            def cpu() -> float:
                return time.process_time() + _of_server(socket)

            remote = all_models(theirs, cpu)
            say("models on PostgreSQL, with nothing new")
            started, before = time.perf_counter(), cpu()
            all_models(theirs, cpu)
            took = f"{time.perf_counter() - started:.1f} s, {cpu() - before:.1f} s of CPU"
            say(f"nothing new: {took}")
    return local, remote


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.postgres", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--memory", help="bounds DuckDB's memory, such as 4GB")
    given = parser.parse_args()
    local, remote = measure(given.events, given.memory)
    print("| model | rows | DuckDB, s | of CPU | PostgreSQL, s | of CPU |\n|---|" + "---:|" * 5)
    for name, one in sorted(remote.items(), key=lambda item: -item[1].cpu):
        ours = local[name]
        print(
            f"| `{name}` | {one.rows:,} | {ours.seconds:.1f} | {ours.cpu:.1f} "
            f"| {one.seconds:.1f} | {one.cpu:.1f} |"
        )
    sums = " | ".join(
        f"{sum(one.seconds for one in timed.values()):.0f} | "
        f"{sum(one.cpu for one in timed.values()):.0f}"
        for timed in (local, remote)
    )
    print(f"| all {len(remote)} | | {sums} |")
    other = [name for name in remote if remote[name].rows != local[name].rows]
    slow = [name for name, one in remote.items() if one.seconds > LONGEST]
    if other or slow:
        sys.exit(f"other rows than DuckDB's: {other or 'none'}; too slow: {slow or 'none'}")


if __name__ == "__main__":
    main()
