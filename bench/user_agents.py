"""``python -m bench.user_agents``: what the model ``user_agents`` costs, in CPU seconds.

Events are rows of ``marts.event_contexts`` with one of some user agents: those of the tests, told
apart by a number where more are asked for.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from datetime import date
from pathlib import Path

from engagement.models.runner import build, models
from engagement.settings import load_settings
from engagement.warehouse import Table, open_warehouse

SUITE = Path(__file__).parents[1] / "tests" / "models" / "cases" / "user_agent_suite.csv"
BROWSERS_TEXT = "Mozilla/5.0 ("


def texts(distinct: int) -> list[str]:
    """So many different user agents of browsers."""
    with SUITE.open(encoding="utf-8", newline="") as file:
        known = [row["user_agent"] for row in csv.DictReader(file) if row["is_bot"] == "false"]
    known = [text for text in known if text.startswith(BROWSERS_TEXT)]
    return [f"{known[n % len(known)]} Build/{n}" for n in range(distinct)]


def measure(events: int, distinct: int) -> float:
    """CPU seconds that building the model takes, its imports included only in the first call."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"landing.location": folder, "warehouse.duckdb.path": f"{folder}/bench.duckdb"}
        settings = load_settings("params/local.yaml", own)
        warehouse = open_warehouse(settings)
        contexts = models(["behaviour"])["event_contexts"].document.columns
        given = {"id": "cast(n as varchar)", "user_agent": f"a.texts[n % {distinct} + 1]"}
        columns = ", ".join(
            f'{given.get(name, "null")}::{column.type.replace("(3)", "")} as "{name}"'
            for name, column in contexts.items()
        )
        with warehouse.session(write=True) as session:
            connection = session._connection  # DuckDB's own: the dialect has no range of a million
            target = f"{settings.warehouse.databases.marts}.event_contexts"
            connection.execute(
                f"create table {target} as select {columns} from range({events}) as r (n), "
                "(select ? as texts) as a",
                [texts(distinct)],
            )
        started = time.process_time()
        (built,) = build(
            warehouse, settings, date(2026, 1, 31), ["behaviour"], only=["user_agents"]
        )
        seconds = time.process_time() - started
        assert (built.status, built.rows) == ("built", distinct), built
        assert warehouse.query(f"select count(*) as n from {Table('marts', 'user_agents')}")["n"][0]
        return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--distinct", type=int, nargs="+", default=[21, 10_000, 100_000])
    chosen = parser.parse_args()
    measure(1_000, 21)  # imports, and reading the rules for the first time
    for distinct in chosen.distinct:
        seconds = measure(max(chosen.events, distinct), distinct)
        print(f"{chosen.events:,} events, {distinct:,} user agents: {seconds:.1f} CPU seconds")


if __name__ == "__main__":
    main()
