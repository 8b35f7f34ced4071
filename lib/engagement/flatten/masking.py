"""Showing what values look like without showing whose they are: when in doubt, a value is masked.

A value is judged by the name of its property and by its own shape, and is shown only if neither
points to a person. What a mask says is the reason, never a part of the value.
"""

from __future__ import annotations

import re

from engagement.flatten.names import snake_case

_NAMES: dict[str, str] = {
    **dict.fromkeys("email mail mailto recipient sender".split(), "e-mail"),
    **dict.fromkeys("phone tel telephone mobile msisdn fax sms whatsapp".split(), "phone"),
    **dict.fromkeys(
        """
        name firstname lastname fullname surname nickname username login alias author owner agent
        contact title salutation creator
        """.split(),
        "name",
    ),
    **dict.fromkeys(
        """
        address street city town state region province county zip postal postcode plz country
        location place lat lng lon latitude longitude geo house building apartment
        """.split(),
        "address",
    ),
    **dict.fromkeys("ip ipv4 ipv6 pv4 pv6 mac host hostname".split(), "address of a device"),
    **dict.fromkeys(
        """
        id ids uid uuid guid user customer member account person anonymous device visitor client
        session cookie fingerprint idfa gaid ad advertising order checkout cart wishlist review
        token password pass secret key auth hash card iban bic pan cvv ssn passport licence license
        vat number code receipt invoice gclid fbclid msclkid dclid
        """.split(),
        "id",
    ),
    **dict.fromkeys(
        """
        birth birthday birthdate birthyear dob born age gender sex pronoun marital religion
        ethnicity income salary health employee employees company employer job occupation
        """.split(),
        "about a person",
    ),
    **dict.fromkeys(
        """
        message text note comment body description answer feedback question search query term
        keyword reason subject content bio about quote share
        """.split(),
        "free text",
    ),
    **dict.fromkeys("url uri href link referrer referer path page site domain".split(), "address"),
}

_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("e-mail", re.compile(r"@|%40|\(at\)|\[at\]", re.IGNORECASE)),
    ("address of a page", re.compile(r"^[a-z][a-z0-9+.-]*:|:/?/|^www\.|^/|\?.*=", re.IGNORECASE)),
    ("JSON", re.compile(r"^\s*[\[{]")),
    ("address of a device", re.compile(r"(?<!\d)\d{1,3}(\.\d{1,3}){3}(?!\d)")),
    ("address of a device", re.compile(r"^[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}\S*$", re.IGNORECASE)),
    ("address of a device", re.compile(r"^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$", re.IGNORECASE)),
    ("id", re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}", re.IGNORECASE)),
    ("digits", re.compile(r"\d(?:[ ()/.+-]*\d){5,}")),
    ("id", re.compile(r"^(?=\S*\d)(?=\S*[^\W\d_])\S{8,}$")),
    ("long", re.compile(r"^.{31,}$", re.DOTALL)),
    ("several words", re.compile(r"\S[\s,]+\S")),
    ("control characters", re.compile(r"[\x00-\x1f\x7f\u0080-\u009f\u200b-\u200f\u2028-\u202e]")),
)

_AMOUNT = re.compile(r"-?\d{1,5}([.,]\d{1,4})?\Z")
_TIMESTAMP = re.compile(r"(\d{4}-\d{2})-\d{2}[ T]\d{2}:\d{2}")


def mask(name: str, value: str) -> str:
    """A value as it may be shown: itself, or why it is not shown.

    Parameters
    ----------
    name
        The property or column that holds it, however it is written.

    Examples
    --------
    >>> mask("currency", "EUR"), mask("price", "12.5"), mask("shippingPhone", "none")
    ('EUR', '12.5', '… (phone)')
    """
    found = _by_name(name)
    if found:
        return f"… ({found})"
    if value in ("true", "false") or _AMOUNT.match(value):
        return value
    # A moment may be somebody's birth: the month tells what the value looks like.
    moment = _TIMESTAMP.match(value)
    if moment:
        return f"{moment[1]}-…"
    for reason, shape in _SHAPES:
        if shape.search(value):
            return f"… ({reason})"
    return value


def _by_name(name: str) -> str:
    """What a name says that it holds of a person; empty if nothing."""
    whole = snake_case(name)
    words = [word.rstrip("0123456789") for word in whole.split("_") if word]
    glued = "".join(words)
    for word in [*words, *(word[:-1] for word in words if word.endswith("s")), glued]:
        if word in _NAMES:
            return _NAMES[word]
    # Words that were written together: useremail, phonenumber.
    for known, reason in _NAMES.items():
        if len(known) >= _TELLING and known in glued:
            return reason
    # A name of other letters says nothing that could be relied on.
    return "" if whole and name.isascii() else "name of other letters"


_TELLING = 5
"""Words of so many letters count within other words, too."""


def outline(text: str) -> str:
    """What a text looks like: each letter an ``a``, each digit a ``0``, signs as they are.

    Examples
    --------
    >>> outline('{"userId":"u-77","ok":tr')
    '{"aaaaaa":"a-00","aa":aa'
    """
    return "".join("a" if sign.isalpha() else "0" if sign.isdigit() else sign for sign in text)
