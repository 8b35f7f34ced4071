"""``python -m bench``: measure flattening against others, on the same files in one run."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import data
from bench.measure import BenchError, Measured, measure

HERE = Path(__file__).parent
SCRATCH = data.CACHE / "scratch"
DATABASE = SCRATCH / "ours" / "engagement.duckdb"
PLAN = SCRATCH / "plan.json"

_ONE_BY_ONE = 17
"""Days that increments are measured with: what the warehouse does by turns of eight comes twice."""

_MOST_BYTES = 4 * 10**9
"""Memory that the dashboards' tables may take, of ten million events too."""


@dataclass(frozen=True)
class Contender:
    """A script under ``contenders/``; ``slow`` ones are run once."""

    name: str
    script: str
    options: dict[str, Any] = field(default_factory=dict)
    slow: bool = False
    other_environment: bool = False


OURS = Contender("this project", "ours")
FLOOR = Contender("the floor", "floor", {"plan": str(PLAN)})
OTHERS = (
    Contender("DuckDB, automatic types", "automatic"),
    Contender("polars", "with_polars", other_environment=True),
    Contender("json_normalize, orjson", "with_json_normalize", {"orjson": True}, slow=True),
    Contender("json_normalize", "with_json_normalize", slow=True),
    Contender("dlt", "with_dlt", slow=True, other_environment=True),
)


def main() -> None:
    """Read the command line, and print the tables that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="about so many")
    parser.add_argument("--repeat", type=int, default=3, help="the least of so many runs counts")
    parser.add_argument("--parts", nargs="*", default=["contest", "increments", "audience"])
    parser.add_argument("--people", type=int, default=5_000_000, help="for the part 'audience'")
    parser.add_argument("--memory-limit", default="4GB", help="for 'large', 'aggregates'")
    given = parser.parse_args()
    data.CACHE.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "contest": lambda: contest(given.events, given.repeat),
        "increments": lambda: increments(given.events),
        "large": lambda: large(given.events, given.memory_limit),
        "audience": lambda: audience(given.people),
        "aggregates": lambda: aggregates(given.events, given.memory_limit),
    }
    kept = data.CACHE / f"results-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}.json"
    results: dict[str, Any] = {"arguments": vars(given)}
    try:
        for part in given.parts:
            results[part] = parts[part]()
            kept.write_text(json.dumps(results, indent=1))
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)
    print(f"\nEvery single run: {kept.relative_to(data.ROOT)}")


# --- the parts ----------------------------------------------------------------------------------


def contest(events: int, repeat: int) -> list[dict[str, Any]]:
    """All contenders, in turn, on the same files."""
    landing = data.landing(events)
    data.warm(landing)
    runs: list[tuple[str, Measured]] = []
    for number in range(repeat):
        for one in (OURS, FLOOR, *OTHERS):
            if one.slow and number:
                continue
            runs.append((one.name, run(one, landing)))
            if one is OURS and not number:
                measure([sys.executable, "-m", "bench.plan", DATABASE, PLAN])
            if one is FLOOR and not number:
                _same()
            if one is not OURS:
                shutil.rmtree(SCRATCH / one.script)
    found = {name: [run for other, run in runs if other == name] for name, _ in runs}
    counts = {name: {run.said["events"] for run in own} for name, own in found.items()}
    if len({frozenset(one) for one in counts.values()}) > 1:
        raise BenchError(f"not everyone made the same rows: {counts}")
    _say(f"{runs[0][1].said['events']:,} events, the least of the runs of each")
    floor = _least(found[FLOOR.name])
    rows = [
        (
            name,
            f"{_least(own).cpu:.1f}",
            f"{_least(own).cpu / floor.cpu:.2f}",
            str(len(own)),
            f"{_spread(own):.0f} %",
            f"{min(run.wall for run in own):.1f}",
            f"{max(run.peak_bytes for run in own) / 1e9:.2f}",
        )
        for name, own in found.items()
    ]
    _table(("", "CPU s", "of the floor's", "runs", "spread", "wall s", "peak GB"), rows)
    return [{"name": name, **asdict(run)} for name, run in runs]


def increments(events: int) -> list[dict[str, Any]]:
    """Days that come one by one on top of a history, and a run with nothing new.

    With dirt: copies of events that were kept days before make an increment dearer. What is put in
    order by turns has had all its turns after so many days.
    """
    landing = data.landing(events, dirt=True)
    data.warm(landing)
    part = SCRATCH / "landing"
    shutil.rmtree(part, ignore_errors=True)
    whole = data.days(landing)
    full = run(OURS, landing)
    data.link(whole[:-_ONE_BY_ONE], part)
    run(OURS, part)
    again = {"continue": True}
    single: list[Measured] = []
    for day in whole[-_ONE_BY_ONE:]:
        data.link([day], part)
        single.append(run(OURS, part, again))
    nothing = run(OURS, part, again)
    for one in single:
        if one.said["days_read"] > 10:
            raise BenchError(f"the increment is none: {one.said}")
    if single[-1].said["events"] != full.said["events"]:
        raise BenchError(f"events differ: {single[-1].said}, and in full {full.said}")
    if nothing.said["files_opened"]:
        raise BenchError(f"with nothing new, files were opened: {nothing.said}")
    _say(f"{full.said['events']:,} events on {full.said['days_read']} days, with dirt")
    by_cpu = sorted(single, key=lambda one: one.cpu)
    runs = {
        "all days at once": full,
        f"a day, the least of the last {len(single)}": by_cpu[0],
        "the median": by_cpu[len(single) // 2],
        "the most": by_cpu[-1],
        "nothing new": nothing,
    }
    rows = [
        (
            name,
            f"{one.cpu:.1f}",
            f"{one.cpu / full.cpu:.1%}",
            f"{one.said['work_cpu']:.2f}",
            f"{one.said['work_cpu'] / full.said['work_cpu']:.1%}",
            f"{one.said['work_wall']:.2f}",
            str(one.said["files_opened"]),
            f"{one.said['bytes_read'] / 1e6:.1f}",
        )
        for name, one in runs.items()
    ]
    header = "CPU s|share|CPU s without imports|share|wall s|files opened|MB read"
    _table(("", *header.split("|")), rows)
    mean = sum(one.said["work_cpu"] for one in single) / len(single)
    print(f"\nOn average a day took {mean / full.said['work_cpu']:.1%} without imports.")
    return [asdict(one) for one in (full, *single, nothing)]


def large(events: int, memory_limit: str) -> list[dict[str, Any]]:
    """Take so many events and on ten times as many, once each, within a limit."""
    options = {"settings": {"warehouse.duckdb.memory_limit": memory_limit}}
    runs: list[Measured] = []
    for size in (events, 10 * events):
        landing = data.landing(size)
        data.warm(landing)
        runs.append(run(OURS, landing, options))
    _say(f"Ten times as many, once each, with warehouse.duckdb.memory_limit {memory_limit}")
    first = runs[0]
    rows = [
        (
            f"{one.said['events']:,}",
            f"{one.cpu:.1f}",
            f"{one.cpu / first.cpu:.2f}",
            f"{one.wall:.1f}",
            f"{one.wall / first.wall:.2f}",
            f"{one.peak_bytes / 1e9:.2f}",
            f"{one.said['database_bytes'] / 1e9:.2f}",
        )
        for one in runs
    ]
    _table(("events", "CPU s", "times", "wall s", "times", "peak GB", "file GB"), rows)
    return [asdict(one) for one in runs]


WAYS = {
    "nothing": "the rows are made, and not written",
    "ours": "this project: parts, cells checked and defused, a manifest",
    "packed": "the same, as gzip",
    "send": "the same, and a first send prepared",
    "pandas_pages": "pandas' to_csv, page by page",
    "pandas_whole": "pandas' to_csv of one frame",
}


def audience(people: int) -> list[dict[str, Any]]:
    """Write so many people to files for Customer Profiles, beside pandas on the same rows."""
    runs: list[Measured] = []
    for way in WAYS:
        folder = SCRATCH / "audience"
        shutil.rmtree(folder, ignore_errors=True)
        runs.append(
            measure([sys.executable, HERE / "contenders" / "export.py", way, str(people), folder])
        )
        print(f"  {way}: {runs[-1].cpu:.1f} CPU s", file=sys.stderr, flush=True)
        if runs[-1].said["events"] != people:
            raise BenchError(f"{way} wrote {runs[-1].said['events']:,} people of {people:,}")
    _say(f"{people:,} people to files, once each")
    rows = [
        (
            name,
            f"{one.cpu:.1f}",
            f"{one.cpu - runs[0].cpu:.1f}",
            f"{one.wall:.1f}",
            f"{one.peak_bytes / 1e9:.2f}",
            f"{one.said['bytes'] / 1e9:.2f}",
        )
        for name, one in zip(WAYS.values(), runs, strict=True)
    ]
    _table(("", "CPU s", "without the rows", "wall s", "peak GB", "GB on disk"), rows)
    return [{"name": name, **asdict(one)} for name, one in zip(WAYS, runs, strict=True)]


def aggregates(events: int, memory_limit: str) -> list[dict[str, Any]]:
    """Flatten and build every model once: what the dashboards' tables take beside flattening.

    Fails where they take more CPU than flattening, or more than 4 GB.
    """
    landing = data.landing(events)
    data.warm(landing)
    options = {"settings": {"warehouse.duckdb.memory_limit": memory_limit}}
    done = run(Contender("models", "aggregates"), landing, options)
    stages: dict[str, float] = done.said["stages"]
    _say(f"{done.said['events']:,} events, once: CPU of each stage, checks included")
    first = stages["flattening"]
    peaks: dict[str, int] = done.said["peaks"]
    rows = [
        (name, f"{cpu:.1f}", f"{cpu / first:.2f}", f"{peaks[name] / 1e9:.2f}")
        for name, cpu in stages.items()
    ]
    _table(("", "CPU s", "of flattening's", "peak GB"), rows)
    print()
    counted: dict[str, int] = done.said["rows"]
    most = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    _table(("table", "rows"), [(name, f"{number:,}") for name, number in most])
    if found := list(too_dear(stages, peaks)):
        raise BenchError("; ".join(found))
    return [asdict(done)]


def too_dear(stages: Mapping[str, float], peaks: Mapping[str, int]) -> Iterator[str]:
    """What the dashboards' tables took too much of, from CPU seconds and peaks of each stage."""
    took, most = stages["aggregates"], stages["flattening"]
    if took > most:
        yield f"the aggregates took {took:.1f} CPU s, more than flattening ({most:.1f})"
    if peaks["aggregates"] > _MOST_BYTES:
        yield f"they held {peaks['aggregates'] / 1e9:.2f} GB, more than {_MOST_BYTES / 1e9:.0f}"


def run(one: Contender, landing: Path, more: dict[str, Any] | None = None) -> Measured:
    """Let a contender do its work once."""
    python = data.other_environment() if one.other_environment else Path(sys.executable)
    options = json.dumps({**one.options, **(more or {})})
    script = HERE / "contenders" / f"{one.script}.py"
    done = measure([python, script, landing, SCRATCH / one.script, options])
    print(f"  {one.name}: {done.cpu:.1f} CPU s, {done.wall:.1f} s", file=sys.stderr, flush=True)
    return done


def _same() -> None:
    compared = measure([sys.executable, "-m", "bench.same", DATABASE, PLAN, SCRATCH / FLOOR.script])
    if found := compared.said["differences"]:
        raise BenchError("the floor's tables are others than ours:\n" + "\n".join(found[:20]))


# --- what is printed ----------------------------------------------------------------------------


def _least(runs: Sequence[Measured]) -> Measured:
    """The run that took least: what else the machine does can only add to it."""
    return min(runs, key=lambda run: run.cpu)


def _spread(runs: Sequence[Measured]) -> float:
    return 100 * (max(run.cpu for run in runs) / _least(runs).cpu - 1)


def _say(title: str) -> None:
    print(f"\n### {title}\n")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for line in _lines(header, rows):
        print(line, flush=True)


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    for row in (header, rule, *rows):
        first, *others = row
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
