"""Who visits when, where from and what for: one row per session, for the whole period."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from engagement.samples.people import People, is_app, is_bot, kind_of, offsets
from engagement.samples.settings import GeneratorSettings
from engagement.samples.sources import (
    DIRECT,
    REMINDERS,
    SOURCES,
    referrer_choices,
    weights,
)
from engagement.samples.text import DAY, Array, drawn

BOUNCE, BROWSE, FILL, BUY, CRAWL = range(5)  # what a session comes to; FILL leaves a cart behind
APART = 100 * 60_000  # between the starts of two sessions on one device

# fmt: off
_HOURS = (9, 5, 3, 2, 2, 3, 7, 14, 22, 28, 33, 36, 40, 38, 35, 34, 35, 38, 44, 53, 60, 58, 42, 22)
_WEEKDAYS = (1.05, 1.0, 1.0, 0.98, 0.94, 0.96, 1.14)
# fmt: on


@dataclass(frozen=True)
class Visits:
    """Sessions in order of their start (epoch milliseconds, UTC).

    `referrer` is a position in `sources.referrers`; `initial` is that of each device's first
    session, and has one row per device.
    """

    person: Array
    device: Array
    start: Array
    source: Array
    intent: Array
    first: Array
    referrer: Array
    initial: Array


def is_sale(day: date) -> bool:
    """Tell whether the shop has a sale: the second week of even months, and November's end."""
    return (day.month % 2 == 0 and 8 <= day.day <= 14) or (day.month == 11 and day.day >= 20)


def days_of(settings: GeneratorSettings) -> list[date]:
    """Return the received dates."""
    return [settings.start + timedelta(days=day) for day in range(settings.days)]


def plan(people: People, settings: GeneratorSettings) -> Visits:
    """Plan all visits, crawlers' included."""
    rng = np.random.default_rng([settings.seed, 2])
    days = days_of(settings)
    busy = np.array(
        [
            (1 + 0.5 * number / max(60, settings.days))
            * _WEEKDAYS[day.weekday()]
            * (1.45 if is_sale(day) else 1.0)
            for number, day in enumerate(days)
        ]
    )
    person, day = _days_of_visits(rng, people, busy)
    device = _devices(rng, people, person)
    start = _starts(rng, people, settings, person, day)
    order = np.lexsort((start, device))
    person, device, start = person[order], device[order], start[order]
    apart = np.ones(len(order), dtype=bool)
    apart[1:] = (device[1:] != device[:-1]) | (np.diff(start) >= APART)
    person, device, start = person[apart], device[apart], start[apart]
    order = np.lexsort((device, start))
    person, device, start = person[order], device[order], start[order]
    first = np.zeros(len(person), dtype=bool)
    first[np.unique(person, return_index=True)[1]] = True
    first &= ~people.existing[person]
    day = _day(settings, start)
    source = _sources(rng, people, days, person, device, day, first)
    intent = _intents(rng, people, settings, days, person, device, day, source, first)
    referrer = _referrers(rng, people, source, device)
    initial = np.zeros(len(people.profile), dtype=np.int8)
    initial[device[::-1]] = referrer[::-1]
    return Visits(
        person=person.astype(np.int32),
        device=device.astype(np.int32),
        start=start,
        source=source.astype(np.int8),
        intent=intent.astype(np.int8),
        first=first,
        referrer=referrer,
        initial=initial,
    )


def first_day(settings: GeneratorSettings) -> int:
    """Return the first received date as a number of days since the epoch."""
    return (settings.start - date(1970, 1, 1)).days


def _day(settings: GeneratorSettings, start: Array) -> Array:
    day: Array = np.clip(start // DAY - first_day(settings), 0, settings.days - 1)
    return day


def _days_of_visits(rng: np.random.Generator, people: People, busy: Array) -> tuple[Array, Array]:
    """Draw the days on which people come: a first day, a time of interest, days in between."""
    total, days = len(people.member), len(busy)
    cumulative = np.concatenate([[0.0], np.cumsum(busy)])
    arrival = np.searchsorted(cumulative, rng.random(total) * cumulative[-1], side="right") - 1
    arrival = np.minimum(arrival, days - 1)
    begin = np.where(people.existing, 0, arrival)
    interest = rng.exponential(np.where(people.member, 120.0, 25.0))
    end = np.minimum(begin + interest.astype(np.int64), days - 1)
    again = rng.poisson(people.activity * (end - begin + 1))
    again[people.visitors :] = 0
    new = ~people.existing
    count = np.where(new, again + 1, np.maximum(again, 1))
    person = np.repeat(np.arange(total), count)
    low, high = cumulative[begin[person]], cumulative[end[person] + 1]
    day = np.searchsorted(cumulative, low + rng.random(len(person)) * (high - low), side="right")
    day = np.clip(day - 1, 0, days - 1)
    firsts = np.cumsum(count) - count
    day[firsts[new]] = begin[new]
    return person, day


def _devices(rng: np.random.Generator, people: People, person: Array) -> Array:
    second = rng.random(len(person)) < 0.35
    device: Array = people.device[person, second.astype(np.int64)]
    return device


def _starts(
    rng: np.random.Generator, people: People, settings: GeneratorSettings, person: Array, day: Array
) -> Array:
    """Return starts in UTC, from the hours of day where people live."""
    hour = drawn(rng, _HOURS, len(person))
    local = hour * 3_600_000 + rng.integers(0, 3_600_000, len(person))
    minutes = offsets(settings.start, settings.days)[people.place[person], day + 1]
    begin = first_day(settings) * DAY
    start: Array = begin + day * DAY + local - minutes * 60_000
    start[start < begin] += DAY
    start[start >= begin + settings.days * DAY] -= DAY
    return start


def _sources(
    rng: np.random.Generator,
    people: People,
    days: list[date],
    person: Array,
    device: Array,
    day: Array,
    first: Array,
) -> Array:
    new, returning, members_only = weights()
    source = np.where(first, drawn(rng, new, len(person)), drawn(rng, returning, len(person)))
    anyone = drawn(rng, np.where(members_only, 0.0, returning).tolist(), len(person))
    source = np.where(members_only[source] & ~people.member[person], anyone, source)
    # Newsletters go out on Tuesdays and Fridays.
    posted = np.array([d.weekday() in (1, 4) for d in days])[day]
    quiet = np.isin(source, REMINDERS) & ~posted & (rng.random(len(person)) < 0.5)
    source = np.where(quiet, anyone, source)
    return np.where(is_app(people, device) | is_bot(people, device), DIRECT, source)


def _referrers(rng: np.random.Generator, people: People, source: Array, device: Array) -> Array:
    choices = referrer_choices()
    table = np.zeros((len(choices), max(len(c) for c in choices)), dtype=np.int8)
    for number, found in enumerate(choices):
        table[number, : len(found)] = found
    sizes = np.array([len(found) for found in choices])
    referrer = table[source, (rng.random(len(source)) * sizes[source]).astype(np.int64)]
    return np.where(is_app(people, device) | is_bot(people, device), 0, referrer).astype(np.int8)


def _intents(
    rng: np.random.Generator,
    people: People,
    settings: GeneratorSettings,
    days: list[date],
    person: Array,
    device: Array,
    day: Array,
    source: Array,
    first: Array,
) -> Array:
    sale = np.array([is_sale(d) for d in days])[day]
    factor = (
        np.array([s.conversion for s in SOURCES])[source]
        * people.eagerness[person]
        * np.where(people.member[person], 1.9, 0.6)
        * np.where(first, 0.6, 1.25)
        * np.where(sale, 1.35, 1.0)
        * np.array([1.3, 0.8, 1.0, 1.35, 0.0])[kind_of(people, device)]
    )
    bot = is_bot(people, device)
    if bot.all():
        return np.full(len(person), CRAWL)
    buying = settings.conversion * factor / factor[~bot].mean()
    for _ in range(4):  # Nobody is sure to buy, yet the mean is what was asked for.
        buying = np.minimum(buying, 0.6)
        buying *= settings.conversion / max(buying[~bot].mean(), 1e-12)
    buying = np.minimum(buying, 0.7)
    filling = np.minimum(0.045 + 0.7 * buying, 0.3)
    leaving = np.minimum(
        0.43
        * np.array([s.bounce for s in SOURCES])[source]
        * np.array([0.95, 1.15, 1.0, 0.55, 0.0])[kind_of(people, device)],
        0.68,
    ) * (1 - buying - filling)
    luck = rng.random(len(person))
    intent = np.full(len(person), BROWSE)
    intent[luck < buying + filling + leaving] = BOUNCE
    intent[luck < buying + filling] = FILL
    intent[luck < buying] = BUY
    intent[bot] = CRAWL
    return intent
