"""When events are stamped, sent and received, and which are delivered again."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from engagement.samples.dirt import Flag
from engagement.samples.journeys import Journeys
from engagement.samples.settings import GeneratorSettings
from engagement.samples.text import DAY, Array, uniform

_HOUR = 3_600_000
_DRIFT = 70  # salt


@dataclass(frozen=True)
class Clock:
    """Times of records, in epoch milliseconds.

    The client stamps `original` and `sent` with its own clock, the server `received` with the right
    one. `landed` is when Firehose gets hold of the record: on the date of `received`, mostly then.
    """

    original: Array
    sent: Array
    received: Array
    landed: Array

    @property
    def corrected(self) -> Array:
        """Event time as the server works it out."""
        corrected: Array = self.received - (self.sent - self.original)
        return corrected

    def take(self, rows: Array) -> "Clock":
        """Return the times of some records."""
        return Clock(self.original[rows], self.sent[rows], self.received[rows], self.landed[rows])

    def followed_by(self, other: Self) -> "Clock":
        """Return the times of these records and of others after them."""
        return Clock(
            np.concatenate([self.original, other.original]),
            np.concatenate([self.sent, other.sent]),
            np.concatenate([self.received, other.received]),
            np.concatenate([self.landed, other.landed]),
        )


def stamp(
    journeys: Journeys,
    settings: GeneratorSettings,
    rng: np.random.Generator,
    spoiler: np.random.Generator,
    flags: Array,
) -> tuple[Clock, Array]:
    """Return all times, and by how much each session's client clock is off; mark what is odd.

    The client stamps ``originalTimestamp`` and ``sentAt`` with its own clock, the server
    ``receivedAt`` with the right one.
    """
    session, happened = journeys.session, journeys.happened
    size, sessions = len(session), len(journeys.person)
    app = journeys.app[session]
    luck = rng.random(size)
    wait = 1 + (luck * 9).astype(np.int64)
    wait = np.where(rng.random(size) < 0.008, (luck * 20_000).astype(np.int64) + 300, wait)
    wait = np.where(app, (luck**2 * 10_000).astype(np.int64) + 15, wait)
    leaves = happened + wait
    latency = (40 + 180 * rng.random(sessions) ** 2).astype(np.int64)[session]
    latency = latency + (25 * rng.random(size)).astype(np.int64)

    late = spoiler.random(sessions) < settings.dirt.late
    if late.any():
        begins = np.flatnonzero(journeys.first)
        lengths = np.diff(np.append(begins, size))
        place = np.arange(size) - begins[session]
        queued = late[session] & (place >= (spoiler.random(sessions) * lengths)[session] - 1)
        delay = np.minimum(61 * 60_000 + spoiler.exponential(14.0, sessions) * _HOUR, 6 * DAY)
        end = happened[begins + lengths - 1]
        leaves = np.where(queued, (end + delay.astype(np.int64))[session] + 3 * place, leaves)
        flags |= np.where(queued, int(Flag.LATE), 0)

    drift = ((uniform(settings.seed, _DRIFT, journeys.device) - 0.5) * 800).astype(np.int64)
    wrong = spoiler.random(sessions) < settings.dirt.skewed_clock
    kind = spoiler.integers(0, 5, sessions)
    side = np.where(spoiler.random(sessions) < 0.5, -1, 1)
    hours = ((1.5 + 11 * spoiler.random(sessions)) * _HOUR).astype(np.int64) * side
    years = -((200 + 3_400 * spoiler.random(sessions)) * DAY).astype(np.int64)
    lost = np.where(
        side < 0,
        (np.datetime64("1970-01-01", "ms").astype(np.int64) - journeys.start) // DAY * DAY,
        ((2 + 400 * spoiler.random(sessions)) * DAY).astype(np.int64),
    )
    shift = np.where(wrong, np.select([kind < 3, kind == 3], [hours, years], lost), 0)
    corrected = wrong & (kind == 4)
    flags |= np.where(wrong[session], int(Flag.SKEWED_CLOCK), 0)
    flags |= np.where(corrected[session], int(Flag.UNBELIEVED), 0)

    received = leaves + latency
    original = happened + (drift + shift)[session]
    sent = leaves + (drift + np.where(corrected, 0, shift))[session]
    return Clock(original, sent, received, received), drift + shift


def repeat(
    clock: Clock, settings: GeneratorSettings, spoiler: np.random.Generator, sound: Array
) -> tuple[Array, Clock, Array]:
    """Return which events are delivered again, when, and the flags of these copies."""
    size = len(sound)
    same = np.flatnonzero(sound & (spoiler.random(size) < settings.dirt.duplicate_same_day))
    later = np.flatnonzero(sound & (spoiler.random(size) < settings.dirt.duplicate_later))

    first = clock.take(same)
    wait = (300 + spoiler.exponential(60_000, len(same))).astype(np.int64)
    jitter = spoiler.integers(1, 25, len(same))
    midnight = first.received // DAY * DAY + DAY
    resent = (spoiler.random(len(same)) < 0.67) & (first.received + wait + jitter < midnight)
    soon = Clock(
        original=first.original,
        sent=np.where(resent, first.sent + wait, first.sent),
        received=np.where(resent, first.received + wait + jitter, first.received),
        landed=np.minimum(first.received + wait + jitter, midnight - 1),
    )

    first = clock.take(later)
    beyond = spoiler.random(len(later)) < 1 / 7
    days = np.where(beyond, spoiler.integers(9, 20, len(later)), spoiler.integers(1, 6, len(later)))
    wait = days * DAY + (spoiler.random(len(later)) * 3 * _HOUR).astype(np.int64)
    received = first.received + wait + spoiler.integers(1, 25, len(later))
    after = Clock(first.original, first.sent + wait, received, received)

    marks = np.concatenate(
        [
            np.full(len(same), int(Flag.DUPLICATE_SAME_DAY)),
            np.where(beyond, int(Flag.EVENT_AGAIN), 0) | int(Flag.DUPLICATE_LATER),
        ]
    )
    return np.concatenate([same, later]), soon.followed_by(after), marks
