"""Who may be contacted, how often and when; and how what came of it is measured."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from engagement.settings.section import Section, named_once

_TOPIC = r"^[a-z][a-z0-9_]{0,49}$"
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class Cap(Section):
    """At most so many messages to a person in so many days, over the exports of earlier days."""

    messages: int = Field(ge=1)
    days: int = Field(default=7, ge=1, le=3_650)


class QuietHours(Section):
    """Hours of the clock, in each person's time zone, in which nobody is contacted.

    ``start`` may be later than ``end``: then they go over midnight. Exports say, per person, from
    when until when messages may be sent.
    """

    start: str = "21:00"
    end: str = "08:00"

    @field_validator("start", "end")
    @classmethod
    def _clock(cls, text: str) -> str:
        if not _CLOCK.fullmatch(text):
            raise ValueError("write a time of day such as 21:00, in quotes")
        return text


class Measure(Section):
    """Days after an export in which orders count for it, and how sure an answer has to be.

    ``fewest`` is the least number of people on either side of a comparison: with fewer, there is
    too little to tell.
    """

    days: int = Field(default=14, ge=1, le=365)
    confidence: float = Field(default=0.95, ge=0.5, le=0.999)
    fewest: int = Field(default=30, ge=2)


class Audience(Section):
    """Segments: the one that 05 exports, and what decides who of it may be contacted.

    ``segment`` is a YAML file under ``params/segments``. ``topics`` names, per topic that a segment
    may be about, the column of ``events.identifies`` that answers for it. ``priority`` lists
    segments by name: a person in several of them gets one message, that of the first one by which
    the person can be reached. ``suppression`` lists who must not be contacted: CSV files with any
    of the columns ``email``, ``phone``, ``person_id`` and ``user_id``, or tables such as
    ``marts.do_not_contact`` with such columns. ``cap`` bounds how often a person is contacted,
    ``quiet_hours`` says when not. ``phones`` is how strictly telephone numbers are checked:
    ``possible`` by their length, ``valid`` by the ranges that are in use. ``measure`` is about what
    came of exports.
    """

    segment: str = "params/segments/recent_buyers.yaml"
    topics: dict[Annotated[str, Field(pattern=_TOPIC)], Annotated[str, Field(min_length=1)]] = {}
    priority: tuple[Annotated[str, Field(pattern=_TOPIC)], ...] = ()
    suppression: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    cap: Cap | None = None
    quiet_hours: QuietHours | None = None
    phones: Literal["possible", "valid"] = "possible"
    measure: Measure = Measure()

    @field_validator("priority", "suppression")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return named_once(names)
