"""Who of a segment may be contacted, by which address: every person has one outcome per channel.

Nobody is dropped silently. A person is reachable by a channel with a usable address and consent; an
address that anybody refused is not used for anybody else, and no address is used twice. Everyone
else has the outcome that says why not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal

import pandas as pd

from engagement.audience.segments import ADDRESSES, Channel, Segment, Selection, select
from engagement.errors import WrongInputError
from engagement.warehouse import Warehouse

Unanswered = Literal["allow", "deny"]


class Outcome(StrEnum):
    """What came of a person and a channel, in the order in which it is decided."""

    NO_ADDRESS = "no_address"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    BAD_ADDRESS = "bad_address"
    REFUSED_ELSEWHERE = "refused_elsewhere"
    SAME_ADDRESS = "same_address"
    REACHABLE = "reachable"


MEANING = {
    Outcome.NO_ADDRESS: "no address is known",
    Outcome.REFUSED: "the latest answer was not yes",
    Outcome.UNANSWERED: "the person never answered, and consent.unanswered is deny",
    Outcome.BAD_ADDRESS: "the address cannot be used",
    Outcome.REFUSED_ELSEWHERE: "another person with this address said no",
    Outcome.SAME_ADDRESS: "another person of the segment has this address",
    Outcome.REACHABLE: "can be contacted",
}

SUPPRESSED = frozenset({Outcome.REFUSED, Outcome.UNANSWERED, Outcome.REFUSED_ELSEWHERE})
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
    address: str | None = None
    detail: str = ""


class AddressError(WrongInputError):
    """An address that cannot be used; the message does not repeat it."""


_SEPARATORS = re.compile(r"[ \u00a0\u202f().\-/\u2010-\u2015]+")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"(?:[A-Za-z]{2,63}|[xX][nN]--[A-Za-z0-9-]{1,59})"
)


def phone_number(text: str) -> str:
    """Bring an international telephone number into the form of ITU-T E.164: ``+`` and digits.

    Spaces, hyphens, dots, slashes and brackets are taken out, and the ``(0)`` that some countries
    write between country code and number. Nothing is guessed: a number without its ``+`` and
    country code is refused.

    Raises
    ------
    AddressError
        When it is no such number: why.
    """
    bare = text.strip()
    if not bare.startswith("+"):
        raise AddressError("the number does not start with + and a country code")
    digits = "+" + _SEPARATORS.sub("", bare[1:].replace("(0)", ""))
    if not re.fullmatch(r"\+[0-9]*", digits):
        raise AddressError("the number holds something other than digits and separators")
    if not _E164.fullmatch(digits):
        raise AddressError("the number is not of 7 to 15 digits that start with a country code")
    return digits


def email_address(text: str) -> str:
    """Check a mail address; what stands around it is taken off, its case is kept.

    Quoted local parts, addresses at IP numbers and non-ASCII ones are refused, though RFC 5321
    knows them: services that send mail do not take them.

    Raises
    ------
    AddressError
        When it is no such address: why.
    """
    address = text.strip(" ")
    if len(address) > 254 or len(address.partition("@")[0]) > 64:
        raise AddressError("the address is longer than 254 characters, or 64 before its @")
    if not _EMAIL.fullmatch(address):
        raise AddressError("the address is not of the form name@domain.tld")
    return address


def contacts(selection: Selection, unanswered: Unanswered) -> list[Contact]:
    """Decide for each person of a segment and each of its channels.

    Parameters
    ----------
    unanswered
        ``consent.unanswered`` of the parameters: what an answer that was never given means.

    Returns
    -------
    list of Contact
        People times channels, in the order of ``person_id`` and of the segment's channels. Of
        several people with one address, the first by ``person_id`` has it.
    """
    rows = selection.rows()
    found: list[Contact] = []
    for channel in selection.segment.channels:
        refused = {
            address_key(a) for text in selection.refused[channel] if (a := _usable(text, channel))
        }
        taken: set[str] = set()
        for row in rows:
            contact = _contact(row, channel, unanswered, refused, taken)
            if contact.outcome is Outcome.REACHABLE and contact.address:
                taken.add(address_key(contact.address))
            found.append(contact)
    places = {channel: place for place, channel in enumerate(selection.segment.channels)}
    return sorted(found, key=lambda contact: (contact.person_id, places[contact.channel]))


def _contact(
    row: dict[str, Any],
    channel: Channel,
    unanswered: Unanswered,
    refused: set[str],
    taken: set[str],
) -> Contact:
    person_id, text = row["person_id"], row[ADDRESSES[channel]]
    answer: bool | None = row[f"consent_{channel}"]
    if text is None or not text.strip():
        return Contact(person_id, channel, Outcome.NO_ADDRESS)
    address = _usable(text, channel)
    if answer is False:
        return Contact(person_id, channel, Outcome.REFUSED, address)
    if answer is None and unanswered == "deny":
        return Contact(person_id, channel, Outcome.UNANSWERED, address)
    if address is None:
        return Contact(person_id, channel, Outcome.BAD_ADDRESS, detail=_why(text, channel))
    if address_key(address) in refused:
        return Contact(person_id, channel, Outcome.REFUSED_ELSEWHERE, address)
    if address_key(address) in taken:
        return Contact(person_id, channel, Outcome.SAME_ADDRESS, address)
    return Contact(person_id, channel, Outcome.REACHABLE, address)


def _read(text: str, channel: Channel) -> str:
    return email_address(text) if channel == "email" else phone_number(text)


def _usable(text: str, channel: Channel) -> str | None:
    try:
        return _read(text, channel)
    except AddressError:
        return None


def _why(text: str, channel: Channel) -> str:
    try:
        _read(text, channel)
    except AddressError as error:
        return str(error)
    return ""


def address_key(address: str) -> str:
    """What makes two addresses the same: mail providers do not tell upper from lower case."""
    return address.casefold()


def summary(selection: Selection, found: Iterable[Contact]) -> pd.DataFrame:
    """People per channel and outcome: their sum is the segment, for each channel."""
    counts: dict[tuple[Channel, Outcome], int] = {}
    for contact in found:
        counts[contact.channel, contact.outcome] = (
            counts.get((contact.channel, contact.outcome), 0) + 1
        )
    rows = [
        (channel, str(outcome), counts.get((channel, outcome), 0), MEANING[outcome])
        for channel in selection.segment.channels
        for outcome in reversed(Outcome)
    ]
    return pd.DataFrame(rows, columns=["channel", "outcome", "people", "meaning"])


def overview(
    warehouse: Warehouse,
    chosen: Iterable[Segment],
    as_of: date,
    unanswered: Unanswered,
    as_of_end: datetime | None = None,
) -> pd.DataFrame:
    """Several segments beside each other: people, and how many of them each channel reaches."""
    rows = []
    for segment in chosen:
        selection = select(warehouse, segment, as_of, as_of_end)
        found = contacts(selection, unanswered)
        for channel in segment.channels:
            outcomes = [contact.outcome for contact in found if contact.channel == channel]
            suppressed = sum(outcome in SUPPRESSED for outcome in outcomes)
            reached = outcomes.count(Outcome.REACHABLE)
            rows.append((segment.name, channel, len(outcomes), reached, suppressed))
    columns = ["segment", "channel", "people", "reachable", "suppressed"]
    return pd.DataFrame(rows, columns=columns)


def masked(address: str) -> str:
    """An address as it may be shown: ``t…@e….example``, ``+…00``."""
    name, at, domain = address.partition("@")
    if at:
        host, _, top = domain.rpartition(".")
        return f"{name[:1]}…@{host[:1]}….{top}"
    return f"+…{address[-2:]}"
