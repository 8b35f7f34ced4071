"""The members of a segment as of a day, page by page, each with what came of each channel.

This is what exports read. A page is a frame in the order of ``person_id`` with the columns of
``marts.customer_360`` that the segment asks for, and

- ``is_holdout``: whether the person is held back, to compare with those who are contacted;
- per channel of the segment ``<channel>_outcome`` (:class:`~engagement.audience.reach.Outcome`),
  ``<channel>_address`` (in the form of a file, NULL where it must not be used) and
  ``<channel>_detail`` (what is wrong with an address that cannot be used);
- with ``audience.quiet_hours``: ``time_zone``, and ``contact_from_utc`` and ``contact_until_utc``,
  between which messages may be sent on the day after the as-of day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pandas as pd
from sqlglot import exp

from engagement.as_of import AsOf
from engagement.audience import history, suppression, topics
from engagement.audience.addresses import Phones
from engagement.audience.conditions import CUSTOMERS
from engagement.audience.errors import AudienceError
from engagement.audience.happenings import PERSON
from engagement.audience.hours import ZONES, contact_hours, zone_or
from engagement.audience.reach import Contact, Decider, Outcome, Policy, counted, refused_keys
from engagement.audience.rendering import HOLDOUT, Renderer, holdout
from engagement.audience.seen import Seen
from engagement.audience.segments import ADDRESSES, Channel, Segment, load
from engagement.audience.selection import (
    columns,
    expanded,
    fitting,
    parameters,
    plain_rows,
    plain_values,
    standing_for,
)
from engagement.messages import nearest
from engagement.settings import Settings
from engagement.sql.dialect import bind, literal, parse
from engagement.warehouse import Session, Warehouse
from engagement.warehouse.unloading import unloading

PAGE = 100_000
"""People in a page, unless said otherwise."""

_MESSAGE = (Outcome.REACHABLE, Outcome.HELD_BACK)
"""Outcomes of people for whom a segment has a message, or holds one back."""

ZONE, FROM, UNTIL = "time_zone", "contact_from_utc", "contact_until_utc"
TOPIC, RECENT = "consent_topic", "recent_messages"


@dataclass(frozen=True)
class Members:
    """The members of a segment as of a day.

    Attributes
    ----------
    query
        The query for them in Athena's dialect, over the warehouse's tables, with every parameter
        filled in: one row per person in the order of ``person_id``, before anything is decided
        about reach.
    policy
        What decides who may be contacted, apart from the segments of higher priority, which
        :meth:`pages` looks at first.
    refused
        Per channel, the addresses of everybody who refused it.
    """

    warehouse: Warehouse = field(repr=False)
    settings: Settings = field(repr=False)
    segment: Segment
    as_of: AsOf
    query: exp.Query = field(repr=False)
    policy: Policy
    refused: dict[Channel, Seen] = field(repr=False)

    @property
    def sql(self) -> str:
        """The query as a text in Athena's dialect, with the logical names of tables."""
        return self.query.sql(dialect="athena", pretty=True)

    def count(self) -> tuple[int, int]:
        """How many people are in the segment, and in ``marts.customer_360``."""
        query = self.query.copy()
        query.set("order", None)
        inside = exp.select(exp.alias_(exp.Count(this=exp.Star()), "members")).from_(
            query.subquery("m")
        )
        with self.warehouse.session() as session:
            found = session.query(inside, label=f"segment {self.segment.name}: people")
            customers = session.query(
                f"select count(*) as people from {CUSTOMERS}", label="customers"
            )
        return int(found["members"].iloc[0]), int(customers["people"].iloc[0])

    def pages(self, rows: int = PAGE) -> Iterator[pd.DataFrame]:
        """Frames of at most so many people, in the order of ``person_id``; none where there is
        nobody.

        A session that reads is open until the last page was taken: nothing can be published in
        this process before.
        """
        decider = Decider(self.segment.channels, self._with_priority(), self.refused)
        for page in self._undecided(rows):
            yield self._decided(page, decider)

    def _undecided(self, rows: int = PAGE) -> Iterator[pd.DataFrame]:
        with self.warehouse.session() as session:
            table = session.work("members", self.query)
            for page in _paged(session, parse(f"select * from {table}"), rows, self.segment.name):
                yield page.sort_values(PERSON, kind="stable", ignore_index=True)

    def reached(self, rows: int = PAGE) -> Iterator[pd.DataFrame]:
        """Pages of the members whom at least one channel reaches, and who are not held back.

        ``email`` and ``phone`` hold the address in the form of a file where it may be used, and
        nothing where it may not.
        """
        for page in self.pages(rows):
            addresses = {}
            for channel, column in ADDRESSES.items():
                addresses[column] = pd.Series(None, index=page.index, dtype=object)
                if channel in self.segment.channels:
                    is_reached = page[f"{channel}_outcome"] == str(Outcome.REACHABLE)
                    addresses[column] = page[f"{channel}_address"].where(is_reached, None)
            kept = page.assign(**addresses)
            kept = kept[kept["email"].notna() | kept["phone"].notna()]
            if len(kept):
                yield kept.reset_index(drop=True)

    def contacts(self) -> Iterator[Contact]:
        """One contact per person and channel, in the order of ``person_id`` and of channels."""
        for page in self.pages():
            yield from contacts_of(page, self.segment.channels)

    def summary(self) -> pd.DataFrame:
        """People per channel and outcome: their sum is the segment, for each channel."""
        found = ((one.channel, one.outcome) for one in self.contacts())
        return counted(self.segment.channels, found)

    def _with_priority(self) -> Policy:
        """The policy with the people whom segments of higher priority have a message for."""
        names = self.settings.audience.priority
        if self.segment.name not in names:
            return self.policy
        taken = Seen()
        for name in names[: names.index(self.segment.name)]:
            other = members(self.warehouse, self.settings, _named(self.settings, name), self.as_of)
            policy = replace(other.policy, taken=taken)
            decider = Decider(other.segment.channels, policy, other.refused)
            for page in other._undecided():
                for row in plain_rows(page):  # a person is there once, and decided before added
                    if any(one.outcome in _MESSAGE for one in decider.decide(row)):
                        taken.add(row[PERSON])
        return replace(self.policy, taken=taken)

    def _decided(self, page: pd.DataFrame, decider: Decider) -> pd.DataFrame:
        rows = plain_rows(page)
        found = [decider.decide(row) for row in rows]
        page = page.drop(columns=[name for name in (TOPIC, RECENT) if name in page])
        for place, channel in enumerate(self.segment.channels):
            own = [contacts[place] for contacts in found]
            page[f"{channel}_outcome"] = [str(one.outcome) for one in own]
            page[f"{channel}_address"] = pd.Series(
                [one.address for one in own], index=page.index, dtype=object
            )
            page[f"{channel}_detail"] = [one.detail for one in own]
        quiet = self.settings.audience.quiet_hours
        if quiet is not None:
            zones = [zone_or(row[ZONE], self.settings.timezone) for row in rows]
            day = self.as_of.day + timedelta(days=1)
            hours = [contact_hours(zone, day, quiet) for zone in zones]
            page[ZONE] = zones
            page[FROM] = [one[0] for one in hours]
            page[UNTIL] = [one[1] for one in hours]
        return page


def members(warehouse: Warehouse, settings: Settings, segment: Segment, as_of: AsOf) -> Members:
    """Find out how to read the members of a segment as of a day, and who may be contacted.

    Parameters
    ----------
    as_of
        The day that the models were built for.

    Raises
    ------
    AudienceError
        When there is no customer table yet, or the segment or a suppression list cannot be used.
    """
    audience = settings.audience
    with warehouse.session() as session:
        known = fitting(session, segment, settings)
        standing_for(session, settings, as_of)
        if segment.topic is not None and segment.topic not in audience.topics:
            near = nearest(segment.topic, audience.topics)
            raise AudienceError(
                f"the segment {segment.name}",
                [f"topic: audience.topics has no '{segment.topic}'{near}"],
            )
        query = Renderer(known).query(segment, columns(segment))
        query = query.select(exp.alias_(holdout(segment), HOLDOUT))
        if segment.topic is not None:
            topic = topics.answers(session, settings, segment.topic)
            query = _with(query, "topic_answers", topic, TOPIC)
        if audience.quiet_hours is not None:
            query = _with(query, "zones", parse(ZONES), ZONE)
        cap = audience.cap
        if cap is not None and session.columns(history.EXPORTS):
            recent = history.recent_messages(as_of.day, cap.days)
            query = _with(query, "recent", recent, RECENT)
        values = parameters(segment, as_of, None, settings)
        bound = bind(expanded(query, session, settings), values)
        policy = Policy(
            unanswered=settings.consent.unanswered,
            has_topic=segment.topic is not None,
            phones=audience.phones,
            listed=suppression.listed(session, settings),
            most_messages=None if cap is None else cap.messages,
        )
        refused = {
            channel: Seen(_refused(session, channel, audience.phones))
            for channel in segment.channels
        }
    return Members(warehouse, settings, segment, as_of, bound, policy, refused)


def contacts_of(page: pd.DataFrame, channels: Sequence[Channel]) -> Iterator[Contact]:
    """The contacts that a page of members tells of."""
    for row in plain_rows(page):
        yield from contacts_of_row(row, channels)


def contacts_of_row(row: Mapping[str, Any], channels: Sequence[Channel]) -> list[Contact]:
    """The contacts that a row of a page tells of."""
    return [
        Contact(
            str(row[PERSON]),
            channel,
            Outcome(row[f"{channel}_outcome"]),
            row[f"{channel}_address"],
            row[f"{channel}_detail"],
        )
        for channel in channels
    ]


def _named(settings: Settings, name: str) -> Segment:
    folder = settings.path(settings.audience.segment).parent
    if not (folder / f"{name}.yaml").exists():
        near = nearest(name, [path.stem for path in folder.glob("*.yaml")])
        raise AudienceError(
            "the parameters", [f"audience.priority: there is no segment '{name}'{near}"]
        )
    return load(folder / f"{name}.yaml")


def _refused(session: Session, channel: Channel, phones: Phones) -> Iterator[str]:
    """Keys of the addresses of everybody who refused a channel, in the segment or not."""
    query = parse(
        f"select c.person_id, c.{ADDRESSES[channel]} as address, c.country from {CUSTOMERS} as c "
        f"where not c.consent_{channel} and c.{ADDRESSES[channel]} is not null"
    )
    for page in _paged(session, query, PAGE, f"addresses that refused {channel}"):
        pairs = zip(plain_values(page["address"]), plain_values(page["country"]), strict=True)
        yield from refused_keys(pairs, channel, phones)


def _paged(session: Session, query: exp.Query, rows: int, label: str) -> Iterator[pd.DataFrame]:
    """A query's rows by ``person_id``, which is different in each, at most so many at a time."""
    last: str | None = None
    while True:
        page = exp.select("*").from_(query.subquery("p"))
        if last is not None:
            person, beyond = exp.column(PERSON, "p"), literal(last)
            page = page.where(exp.GT(this=person, expression=beyond))
        page = page.order_by(exp.column(PERSON, "p"))
        if last is not None and (unloads := unloading(session)):
            # There is more than a page: the engine writes the rest to S3 in one statement.
            yield from unloads.unloaded_pages(page, rows=rows, label=f"{label}: unloaded")
            return
        found = session.query(page.limit(rows), label=f"{label}: page")
        if len(found):
            yield found
        if len(found) < rows:
            return
        last = max(found[PERSON])


def _with(query: exp.Select, name: str, part: exp.Query, column: str) -> exp.Select:
    """A query with a column of another one that gives it by ``person_id``."""
    person = exp.column(exp.to_identifier(PERSON, quoted=True))
    renamed = exp.select(
        exp.alias_(exp.column(PERSON, "p"), f"{name}_of"), exp.column(column, "p")
    ).from_(part.subquery("p"))
    on = exp.EQ(this=exp.column(f"{name}_of", name), expression=person)
    return query.select(exp.column(column, name)).join(
        renamed.subquery(name), on=on, join_type="left"
    )
