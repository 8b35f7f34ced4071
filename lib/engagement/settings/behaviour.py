"""People, sessions and where visitors come from."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from pydantic import Field, field_validator

from engagement.settings.section import (
    Section,
)


class Identity(Section):
    """Guards of the identity map.

    An anonymous id seen with more than ``max_users_per_device`` user ids is a shared device and
    merges nobody. ``placeholder_ids`` are values that stand for no id at all; case and surrounding
    blanks do not matter, and a blank id is always one.
    """

    max_users_per_device: int = Field(default=1, ge=1)
    placeholder_ids: tuple[str, ...] = ("", "null", "undefined", "0", "anonymous")

    def is_placeholder(self, value: str) -> bool:
        """Whether an id stands for no id at all."""
        bare = _bare(value)
        return not bare or bare in {_bare(placeholder) for placeholder in self.placeholder_ids}

    @property
    def bare_placeholder_ids(self) -> tuple[str, ...]:
        """The placeholders as SQL compares them: trimmed and in lower case, each once."""
        return tuple(dict.fromkeys(_bare(value) for value in self.placeholder_ids))


def _bare(value: str) -> str:
    return value.strip(" \t\r\n").lower()


class Sessions(Section):
    """When a session ends.

    Events without the SDK's session id are in one session while there are no more than
    ``gap_minutes`` between them; within that time they also join the session of a neighbouring
    event that has an id. Events with one session id are cut where there are more than
    ``silence_hours`` between two of them.
    """

    gap_minutes: int = Field(default=30, ge=1, le=24 * 60)
    silence_hours: int = Field(default=24, ge=1, le=365 * 24)


class Traffic(Section):
    """``own_domains``: the shop's own; referrers on them and below them are no traffic source.

    A domain may be written as an address (``https://www.shop.example/``): the scheme, the path, the
    port, capitals, ``www.``, ``*.``, dots and blanks around it are left out, and letters beyond
    ASCII are stored in Punycode, as browsers send them.
    """

    own_domains: tuple[str, ...] = ()

    @field_validator("own_domains", mode="before")
    @classmethod
    def _domains(cls, value: Any) -> Any:
        given = [value] if isinstance(value, str) else value
        if not isinstance(given, (list, tuple)):
            return given
        found, problems = [], []
        for item in given:
            domain = _domain(item) if isinstance(item, str) else None
            if domain is None:
                problems.append(
                    f"{item!r} is not a domain of one owner; write it whole, such as shop.example"
                )
            else:
                found.append(domain)
        if problems:
            raise ValueError("; ".join(problems))
        return tuple(dict.fromkeys(found))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The domains as addresses may hold them: in Punycode, and in their own letters."""
        letters = (".".join(map(_letters, domain.split("."))) for domain in self.own_domains)
        return tuple(dict.fromkeys((*self.own_domains, *letters)))


_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_SUFFIX_OF_MANY = re.compile(r"(com?|net|org|gov|edu|ac|or|ne)\.[a-z]{2}")


def _domain(text: str) -> str | None:
    """A domain without what addresses and wildcards add to it; ``None`` where it is none.

    A suffix that many domains share (``com``, ``co.uk``) is none: everything would be own.
    """
    host = re.sub(r"^([a-z][a-z0-9+.-]*:)?//", "", text.strip().lower())
    host = re.sub(r"[/?#].*", "", host, flags=re.DOTALL)
    host = re.sub(r":[0-9]*$", "", host)
    host = re.sub(r"^\*?\.+", "", host).rstrip(".").removeprefix("www.")
    labels = [_punycode(label) for label in unicodedata.normalize("NFKC", host).split(".")]
    if not all(_LABEL.fullmatch(label) for label in labels):
        return None
    domain = ".".join(labels)
    if len(labels) == 1 and domain != "localhost":
        return None
    return None if _SUFFIX_OF_MANY.fullmatch(domain) else domain


def _punycode(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def _letters(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        return label
