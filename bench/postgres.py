"""``python -m bench.postgres``: seconds of every model on PostgreSQL, beside DuckDB's.

The same events are flattened by DuckDB and loaded into Debian's PostgreSQL, with its defaults, as
RudderStack does it in append mode: every fifth row is there twice. Both then build all models, each
with its checks; loading and flattening are not counted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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

Timed = dict[str, tuple[float, int]]
"""Seconds and rows, by model."""


@contextmanager
def _timed() -> Iterator[dict[str, float]]:
    """Note how long each model takes while the block lasts."""
    seconds: dict[str, float] = {}
    build = runner._try_build

    def noting(*given: Any) -> Built:
        started = time.perf_counter()
        built = build(*given)
        seconds[built.model] = time.perf_counter() - started
        return built

    runner._try_build = noting
    try:
        yield seconds
    finally:
        runner._try_build = build


def all_models(settings: Settings) -> Timed:
    """Build every model; gives seconds and rows of each."""
    warehouse = open_warehouse(settings)
    layers = sorted({model.layer for model in models().values()})
    with _timed() as seconds:
        built = runner.build(warehouse, settings, resolve_as_of(warehouse, settings), layers)
    return {one.model: (seconds[one.model], one.rows) for one in built}


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
            remote = all_models(load_settings("params/local.yaml", {**own, **given}))
            say("models on PostgreSQL, with nothing new")
            started = time.perf_counter()
            all_models(load_settings("params/local.yaml", {**own, **given}))
            say(f"{time.perf_counter() - started:.1f} s to find that out")
    return local, remote


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.postgres", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--memory", help="bounds DuckDB's memory, such as 4GB")
    given = parser.parse_args()
    local, remote = measure(given.events, given.memory)
    print("| model | rows | DuckDB, s | PostgreSQL, s |\n|---|---:|---:|---:|")
    for name, (seconds, rows) in sorted(remote.items(), key=lambda one: -one[1][0]):
        print(f"| `{name}` | {rows:,} | {local[name][0]:.1f} | {seconds:.1f} |")
    total = [sum(seconds for seconds, _ in timed.values()) for timed in (local, remote)]
    print(f"| all {len(remote)} | | {total[0]:.0f} | {total[1]:.0f} |")
    other = [name for name in remote if remote[name][1] != local[name][1]]
    slow = [name for name, (seconds, _) in remote.items() if seconds > LONGEST]
    if other or slow:
        sys.exit(f"other rows than DuckDB's: {other or 'none'}; too slow: {slow or 'none'}")


if __name__ == "__main__":
    main()
