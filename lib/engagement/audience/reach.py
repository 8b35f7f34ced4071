"""Who of a segment may be contacted, by which address: every person has one outcome per channel.

Nobody is dropped silently. A person is reachable by a channel with a usable address and consent; an
address that anybody refused is not used for anybody else, and no address is used twice. Then come
the parameters' own rules: a list of addresses and people not to contact, one message for a person
in several segments, and a cap on messages. Everyone else has the outcome that says why not.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal

import pandas as pd

from engagement.audience.addresses import (
    AddressError,
    Phones,
    address,
    address_key,
    email_address,
    masked,
    phone_number,
    usable,
)
from engagement.audience.seen import Seen
from engagement.audience.segments import ADDRESSES, Channel, Segment, Selection, select
from engagement.settings import Settings
from engagement.warehouse import Warehouse

Unanswered = Literal["allow", "deny"]


class Outcome(StrEnum):
    """What came of a person and a channel, in the order in which it is decided."""

    NO_ADDRESS = "no_address"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    TOPIC_REFUSED = "topic_refused"
    TOPIC_UNANSWERED = "topic_unanswered"
    BAD_ADDRESS = "bad_address"
    SUPPRESSED = "suppressed"
    REFUSED_ELSEWHERE = "refused_elsewhere"
    SAME_ADDRESS = "same_address"
    OTHER_SEGMENT = "other_segment"
    CAPPED = "capped"
    HELD_BACK = "held_back"
    REACHABLE = "reachable"


MEANING = {
    Outcome.NO_ADDRESS: "no address is known",
    Outcome.REFUSED: "the latest answer was not yes",
    Outcome.UNANSWERED: "the person never answered, and consent.unanswered is deny",
    Outcome.TOPIC_REFUSED: "the latest answer on the topic was not yes",
    Outcome.TOPIC_UNANSWERED: "the person never answered on the topic, and consent.unanswered is "
    "deny",
    Outcome.BAD_ADDRESS: "the address cannot be used",
    Outcome.SUPPRESSED: "the address or the person is on the suppression list",
    Outcome.REFUSED_ELSEWHERE: "another person with this address said no",
    Outcome.SAME_ADDRESS: "another person of the segment has this address",
    Outcome.OTHER_SEGMENT: "a segment of higher priority has a message for the person",
    Outcome.CAPPED: "the person had as many messages lately as audience.cap allows",
    Outcome.HELD_BACK: "the person is held back, to compare with those who are contacted",
    Outcome.REACHABLE: "can be contacted",
}

SUPPRESSED = frozenset(
    {Outcome.REFUSED, Outcome.UNANSWERED, Outcome.SUPPRESSED, Outcome.REFUSED_ELSEWHERE}
)
"""People who have an address and must not be contacted by it."""


@dataclass(frozen=True)
class Contact:
    """One person and one channel.

    ``address`` is in the form that a file takes (``+15550100``), NULL where there is no usable
    one; ``detail`` says what is wrong with it.
    """

    person_id: str
    channel: Channel
    outcome: Outcome
    address: str | None = field(default=None, repr=False)
    detail: str = ""


@dataclass(frozen=True)
class Listed:
    """What a suppression list holds: addresses by their key, and ids of people and users."""

    addresses: frozenset[str] = field(default=frozenset(), repr=False)
    people: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True)
class Policy:
    """What decides who may be contacted, besides the person.

    Attributes
    ----------
    unanswered
        ``consent.unanswered`` of the parameters: what an answer that was never given means.
    has_topic
        Whether consent to the segment's topic counts: the column ``consent_topic`` of its people.
    phones
        How strictly telephone numbers are checked.
    listed
        The suppression list.
    taken
        People for whom a segment of higher priority has a message.
    most_messages
        Messages that nobody is sent beyond: compared with the column ``recent_messages``.
    """

    unanswered: Unanswered = "deny"
    has_topic: bool = False
    phones: Phones = "possible"
    listed: Listed = field(default=Listed(), repr=False)
    taken: Container[str] = field(default=frozenset(), repr=False)
    most_messages: int | None = None


class Decider:
    """Decides person by person, in the order in which people are given.

    Of several people with one address, the first one has it.

    Parameters
    ----------
    refused
        Per channel, the keys of addresses that anybody refused: see :func:`refused_keys`.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        policy: Policy,
        refused: Mapping[Channel, Container[str]],
    ) -> None:
        self.channels, self.policy, self._refused = tuple(channels), policy, refused
        self._used = {channel: Seen() for channel in channels}

    def decide(self, row: Mapping[str, Any]) -> list[Contact]:
        """One contact per channel for a person, given as a row of the segment's people."""
        return [self._contact(row, channel) for channel in self.channels]

    def _contact(self, row: Mapping[str, Any], channel: Channel) -> Contact:
        person_id, text = str(row["person_id"]), row[ADDRESSES[channel]]
        if text is None or not str(text).strip():
            return Contact(person_id, channel, Outcome.NO_ADDRESS)
        detail, found = "", None
        try:
            found = address(str(text), channel, row["country"], self.policy.phones)
        except AddressError as error:
            detail = str(error)
        outcome = self._consent(row, channel)
        if outcome is None and found is None:
            return Contact(person_id, channel, Outcome.BAD_ADDRESS, detail=detail)
        if outcome is None and found is not None:
            outcome = self._allowed(row, channel, address_key(found))
        return Contact(person_id, channel, outcome or Outcome.REACHABLE, found)

    def _consent(self, row: Mapping[str, Any], channel: Channel) -> Outcome | None:
        is_silence_no = self.policy.unanswered == "deny"
        answer = row[f"consent_{channel}"]
        if answer is False:
            return Outcome.REFUSED
        if answer is None and is_silence_no:
            return Outcome.UNANSWERED
        if not self.policy.has_topic:
            return None
        on_topic = row["consent_topic"]
        if on_topic is False:
            return Outcome.TOPIC_REFUSED
        return Outcome.TOPIC_UNANSWERED if on_topic is None and is_silence_no else None

    def _allowed(self, row: Mapping[str, Any], channel: Channel, key: str) -> Outcome | None:
        policy, person_id = self.policy, row["person_id"]
        ids = {person_id, row.get("user_id")}
        if key in policy.listed.addresses or ids & policy.listed.people:
            return Outcome.SUPPRESSED
        if key in self._refused[channel]:
            return Outcome.REFUSED_ELSEWHERE
        if key in self._used[channel]:
            return Outcome.SAME_ADDRESS
        # From here on the address is this person's, whatever comes of it: nobody else gets it.
        self._used[channel].add(key)
        if person_id in policy.taken:
            return Outcome.OTHER_SEGMENT
        most = policy.most_messages
        if most is not None and (row.get("recent_messages") or 0) >= most:
            return Outcome.CAPPED
        return Outcome.HELD_BACK if row.get("is_holdout") else None


def contacts(selection: Selection, policy: Policy | Unanswered) -> list[Contact]:
    """Decide for each person of a segment and each of its channels.

    Parameters
    ----------
    policy
        What decides besides the person; or only what an answer that was never given means.

    Returns
    -------
    list of Contact
        People times channels, in the order of ``person_id`` and of the segment's channels. Of
        several people with one address, the first by ``person_id`` has it.
    """
    policy = policy if isinstance(policy, Policy) else Policy(policy)
    channels = selection.segment.channels
    refused = {
        channel: Seen(refused_keys(selection.refused[channel], channel, policy.phones))
        for channel in channels
    }
    decider = Decider(channels, policy, refused)
    rows = sorted(selection.rows(), key=lambda row: str(row["person_id"]))
    return [contact for row in rows for contact in decider.decide(row)]


def refused_keys(
    addresses: Iterable[tuple[str, str | None]], channel: Channel, phones: Phones = "possible"
) -> Iterator[str]:
    """What makes refused addresses the same as others: of those that can be used.

    Parameters
    ----------
    addresses
        As stored, each with the person's country.
    """
    for text, country in addresses:
        found = usable(text, channel, country, phones)
        if found:
            yield address_key(found)


def summary(selection: Selection, found: Iterable[Contact]) -> pd.DataFrame:
    """People per channel and outcome: their sum is the segment, for each channel."""
    return counted(selection.segment.channels, ((c.channel, c.outcome) for c in found))


def counted(
    channels: Iterable[Channel], outcomes: Iterable[tuple[Channel, Outcome]]
) -> pd.DataFrame:
    """People per channel and outcome, what can be contacted first: ``channel, outcome, people,
    meaning``.
    """
    counts: dict[tuple[Channel, Outcome], int] = {}
    for one in outcomes:
        counts[one] = counts.get(one, 0) + 1
    rows = [
        (channel, str(outcome), counts.get((channel, outcome), 0), MEANING[outcome])
        for channel in channels
        for outcome in reversed(Outcome)
    ]
    return pd.DataFrame(rows, columns=["channel", "outcome", "people", "meaning"])


def overview(
    warehouse: Warehouse,
    chosen: Iterable[Segment],
    as_of: date,
    unanswered: Unanswered,
    as_of_end: datetime | None = None,
    settings: Settings | None = None,
) -> pd.DataFrame:
    """Several segments beside each other: people, and how many of them each channel reaches."""
    rows = []
    for segment in chosen:
        selection = select(warehouse, segment, as_of, as_of_end, settings)
        found = contacts(selection, unanswered)
        for channel in segment.channels:
            outcomes = [contact.outcome for contact in found if contact.channel == channel]
            suppressed = sum(outcome in SUPPRESSED for outcome in outcomes)
            reached = outcomes.count(Outcome.REACHABLE)
            rows.append((segment.name, channel, len(outcomes), reached, suppressed))
    columns = ["segment", "channel", "people", "reachable", "suppressed"]
    return pd.DataFrame(rows, columns=columns)


__all__ = [
    "MEANING",
    "SUPPRESSED",
    "AddressError",
    "Contact",
    "Decider",
    "Listed",
    "Outcome",
    "Policy",
    "Unanswered",
    "address_key",
    "contacts",
    "counted",
    "email_address",
    "masked",
    "overview",
    "phone_number",
    "refused_keys",
    "summary",
]
