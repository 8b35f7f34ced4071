"""The same shop without an end: events one after the other, for whoever wants to send them.

The shop's days go on in *eras* of as many days as the settings have. Each era brings as many new
people as the first one did; those who came before come again, with what they remember.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import timedelta

import numpy as np

from engagement.samples import people as persons
from engagement.samples.dirt import Flag
from engagement.samples.generation import rounds, windows
from engagement.samples.journeys import wander
from engagement.samples.people import People
from engagement.samples.render import Records, render
from engagement.samples.scene import Memory
from engagement.samples.settings import GeneratorSettings
from engagement.samples.visits import plan

_SEEDS_APART = 1_000_003
_UNSENDABLE = int(Flag.TRUNCATED | Flag.INVALID_UTF8)


@dataclass(frozen=True)
class Sent:
    """An event, and when it is received (epoch milliseconds) if everything goes its way."""

    received: int
    text: bytes


def events(settings: GeneratorSettings, *, follow: bool = False) -> Iterator[Sent]:
    """Yield the events of a shop in the order in which they are received.

    The same settings give the same events. Those that break off or are no UTF-8 are left out: that
    happens on the way, no client sends them.

    Parameters
    ----------
    settings
        The shop's visitors, and the days from which it goes on.
    follow
        Go on after the last day, without an end.
    """
    people, memory = None, None
    held: list[Records] = []
    era = 0
    while era == 0 or follow:
        own = settings.model_copy(
            update={"start": settings.start + timedelta(days=era * settings.days)}
        )
        chance = settings.model_copy(update={"seed": settings.seed + era * _SEEDS_APART})
        crawlers = round(settings.dirt.bots * settings.users)
        newcomers = persons.invent(chance, crawlers)
        fresh = Memory.fresh(newcomers, persons.account_age(own, newcomers), chance.seed)
        if people is None or memory is None:
            people, memory = newcomers, fresh
        else:
            people, memory = _joined(people, memory, newcomers), _remembering(memory, fresh)
        visits = plan(people, chance.model_copy(update={"start": own.start}))
        for day in range(settings.days):
            for number, (chosen, until) in enumerate(windows(own, visits, day)):
                draws, spoiler = (
                    np.random.default_rng([chance.seed, purpose, day, number]) for purpose in (4, 5)
                )
                for part in rounds(visits, chosen):
                    played = wander(people, memory, visits, part, draws, settings.items_per_order)
                    held.append(render(played, people, visits.initial, own, draws, spoiler, day))
                if held:
                    everything = Records.concat(held)
                    now = everything.landed < until
                    yield from _sendable(everything.where(now))
                    held = [everything.where(~now)]
        era += 1


def _sendable(records: Records) -> Iterator[Sent]:
    sound = records.where((records.flags & _UNSENDABLE) == 0)
    for landed, text in zip(sound.landed.tolist(), sound.text.tolist(), strict=True):
        yield Sent(landed, text)


def _joined(people: People, memory: Memory, newcomers: People) -> People:
    """Everyone who was there, who comes again, and after them the newcomers."""
    before = replace(people, existing=people.existing | memory.seen)
    after = replace(newcomers, device=newcomers.device + len(people.profile))
    columns = {
        field.name: np.concatenate([getattr(before, field.name), getattr(after, field.name)])
        for field in fields(People)
        if field.name != "visitors"
    }
    return People(visitors=len(people.place) + newcomers.visitors, **columns)


def _remembering(memory: Memory, fresh: Memory) -> Memory:
    columns = {
        field.name: np.concatenate([getattr(memory, field.name), getattr(fresh, field.name)])
        for field in fields(Memory)
        if field.name not in ("purchases", "orders")
    }
    return Memory(purchases=memory.purchases, orders=memory.orders, **columns)
