"""A whole run: plan, play, render, write, day by day, in bounded memory."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from engagement.samples import people as persons
from engagement.samples.journeys import wander
from engagement.samples.render import Records, render
from engagement.samples.report import DayTruth, GeneratorReport
from engagement.samples.scene import NAMES, Memory
from engagement.samples.settings import Dirt, GeneratorError, GeneratorSettings
from engagement.samples.text import DAY, Array
from engagement.samples.visits import Visits, days_of, first_day, plan
from engagement.samples.writer import DayWriter

SESSIONS_AT_ONCE = 4_000


def generate(
    settings: GeneratorSettings,
    out: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> GeneratorReport:
    """Write RudderStack events the way Kinesis Data Firehose lands them.

    Everything is written beside `out` first and gets its name at the end, so that a run which is
    stopped leaves `out` as it was. The same settings give the same bytes.

    Parameters
    ----------
    settings
        Who visits the shop, when, and what is wrong with the files.
    out
        Folder to be made; it may exist if it is empty. The files are
        ``<out>/received_at_utc_date=YYYY-MM-DD/<object>``.
    progress
        Called after each received date with the days done and the days in all.

    Returns
    -------
    GeneratorReport
        True counts of everything written, in all and per received date.

    Raises
    ------
    GeneratorError
        If `out` is a file or holds something.
    """
    begun = time.perf_counter()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GeneratorError(
            f"{out} is not an empty folder: name a new one, or remove what is in it first"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.parent / f".{out.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        report = _write(settings, unfinished, progress, begun)
        unfinished.replace(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return report


def _write(
    settings: GeneratorSettings,
    folder: Path,
    progress: Callable[[int, int], None] | None,
    begun: float,
) -> GeneratorReport:
    crawlers = round(settings.dirt.bots * settings.users)
    people = persons.invent(settings, crawlers)
    visits = plan(people, settings)
    memory = Memory.fresh(people, persons.account_age(settings, people), settings.seed)
    days = days_of(settings)
    used = np.zeros(len(people.profile), dtype=bool)
    counts: Counter[str] = Counter()
    names: Counter[str] = Counter()
    truths: list[DayTruth] = []
    held: list[Records] = []
    last = (first_day(settings) + settings.days) * DAY
    for day, date in enumerate(days):
        writer = DayWriter(folder, date.isoformat(), settings)
        for number, (chosen, until) in enumerate(windows(settings, visits, day)):
            rng, spoiler, liner = (
                np.random.default_rng([settings.seed, purpose, day, number])
                for purpose in (4, 5, 6)
            )
            for part in rounds(visits, chosen):
                played = wander(people, memory, visits, part, rng, settings.items_per_order)
                records = render(played, people, visits.initial, settings, rng, spoiler, day)
                held.append(records.where(records.landed < last))
                human = ~played.bot
                used[played.device[human]] = True
            if not held:
                continue
            everything = Records.concat(held)
            now = everything.landed < until
            writer.write(everything.where(now), liner)
            held = [everything.where(~now)]
        truths.append(writer.close())
        counts += writer.counts
        names += writer.names
        if progress is not None:
            progress(day + 1, settings.days)
    kinds = [*Dirt.model_fields, "events_again", "unbelieved_times"]
    visitors = slice(0, people.visitors)
    return GeneratorReport(
        events=counts["events"],
        records=counts["records"],
        lines=counts["lines"],
        files=counts["files"],
        bytes=counts["bytes"],
        seconds=time.perf_counter() - begun,
        dirt={kind: counts[kind] for kind in kinds},
        days=tuple(truths),
        event_names={name: names[name] for name in NAMES if names[name]},
        people=int(memory.seen[visitors].sum()),
        registered=int(memory.identified[visitors].sum()),
        devices=int(used.sum()),
        sessions=counts["sessions"],
        orders=counts["orders"],
        order_lines=counts["order_lines"],
        repeated_orders=counts["repeated_orders"],
    )


def windows(settings: GeneratorSettings, visits: Visits, day: int) -> Iterator[tuple[Array, int]]:
    """Yield the visits that begin in each part of a day, and when that part ends."""
    begin = (first_day(settings) + day) * DAY
    low, high = np.searchsorted(visits.start, [begin, begin + DAY])
    parts = max(1, -(-int(high - low) // SESSIONS_AT_ONCE))
    edges = [begin + DAY * part // parts for part in range(parts + 1)]
    places = np.searchsorted(visits.start, edges)
    for part in range(parts):
        yield np.arange(places[part], places[part + 1]), edges[part + 1]


def rounds(visits: Visits, chosen: Array) -> Iterator[Array]:
    """Yield the visits so that each lot has at most one of a person and of a device."""
    while len(chosen):
        first = np.zeros(len(chosen), dtype=bool)
        first[np.unique(visits.person[chosen], return_index=True)[1]] = True
        once = np.zeros(len(chosen), dtype=bool)
        once[np.unique(visits.device[chosen], return_index=True)[1]] = True
        ready = first & once
        yield chosen[ready]
        chosen = chosen[~ready]
