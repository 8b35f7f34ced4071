"""Addresses: checked and brought into the form of a file, without asking the network.

Mail addresses are read by `email-validator`, telephone numbers by `phonenumbers`, Google's library
and its knowledge of the world's numbering plans. No message repeats an address.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from email_validator.syntax import validate_email_local_part
from phonenumbers import PhoneNumberFormat, ValidationResult

from engagement.audience.selection import Channel
from engagement.errors import WrongInputError

Phones = Literal["possible", "valid"]
"""How strictly telephone numbers are checked: by their length, or by the ranges in use."""

_LONGEST = 254
_LONGEST_LOCAL = 64


class AddressError(WrongInputError):
    """An address that cannot be used; the message does not repeat it."""


def email_address(text: str) -> str:
    """Check a mail address; what stands around it is taken off.

    A domain with letters beyond ASCII comes in its ASCII form (``xn--…``), which every service
    takes, and in lower case. Such letters before the ``@``, quoted names, addresses at IP numbers
    and at reserved domains are refused: services that send mail do not take them.

    Raises
    ------
    AddressError
        When it is no such address: why.
    """
    address = text.strip(" ")
    if len(address) > _LONGEST or len(address.partition("@")[0]) > _LONGEST_LOCAL:
        raise AddressError("the address is longer than 254 characters, or 64 before its @")
    name, _, domain = address.rpartition("@")
    try:
        # Many people have addresses of one domain, and to check a domain takes by far the longest.
        checked = validate_email_local_part(name)
        ascii_domain = _domain(domain)
    except (EmailNotValidError, UnicodeError):
        raise AddressError("the address is not of the form name@domain.tld") from None
    if checked["ascii_local_part"] is None:
        raise AddressError("the address has letters before its @ that mail services do not take")
    return f"{checked['ascii_local_part']}@{ascii_domain}"


@lru_cache(maxsize=100_000)
def _domain(domain: str) -> str:
    found = validate_email(f"a@{domain}", check_deliverability=False)
    return str(found.ascii_domain)


def phone_number(text: str, country: str | None = None, phones: Phones = "possible") -> str:
    """Bring a telephone number into the form of ITU-T E.164: ``+`` and digits.

    Parameters
    ----------
    country
        Where a number without a country code is from: a code of ISO 3166-1 such as ``US``, in any
        case. Anything else is nowhere, and then only international numbers can be read.
    phones
        ``possible``: the number has a length that its country has; ``valid``: it lies in a range
        that is in use, as far as the library knows.

    Raises
    ------
    AddressError
        When it is no such number: why.
    """
    region = _region(country)
    try:
        found = phonenumbers.parse(text.strip(), region)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            raise AddressError(
                "the number has no country code, and the person's country is not known"
                if region is None and not text.strip().startswith("+")
                else "there is no such country code"
            ) from None
        raise AddressError("this is no telephone number") from None
    if found.extension:
        raise AddressError("the number has an extension, which no message reaches")
    if phonenumbers.is_possible_number_with_reason(found) != ValidationResult.IS_POSSIBLE:
        raise AddressError("the number is too short or too long for its country")
    if phones == "valid" and not phonenumbers.is_valid_number(found):
        raise AddressError("the number is in no range that is in use")
    return str(phonenumbers.format_number(found, PhoneNumberFormat.E164))


@lru_cache(maxsize=1_000)
def _region(country: str | None) -> str | None:
    code = (country or "").strip().upper()
    return code if code in phonenumbers.SUPPORTED_REGIONS else None


def address(text: str, channel: Channel, country: str | None, phones: Phones = "possible") -> str:
    """An address of a channel in the form of a file.

    Raises
    ------
    AddressError
        When it cannot be used: why.
    """
    return email_address(text) if channel == "email" else phone_number(text, country, phones)


def usable(
    text: str, channel: Channel, country: str | None, phones: Phones = "possible"
) -> str | None:
    """An address of a channel in the form of a file; ``None`` where it cannot be used."""
    try:
        return address(text, channel, country, phones)
    except AddressError:
        return None


def address_key(text: str) -> str:
    """What makes two addresses the same: mail providers do not tell upper from lower case."""
    return text.casefold()


def masked(text: str) -> str:
    """An address as it may be shown: ``t…@e….example``, ``+…00``."""
    name, at, domain = text.partition("@")
    if at:
        host, _, top = domain.rpartition(".")
        return f"{name[:1]}…@{host[:1]}….{top}"
    return f"+…{text[-2:]}"
