"""What a name is called as a traffic source: the rule of ``marts.referrers``, for names in files.

The model looks up names that events give; those of a team's table of costs may be in no event. A
test holds both to the same answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

_COUNTRY = re.compile(r"(.+?)\.(?:[a-z]{2,3}|(?:com?|net|org|or|ne)\.[a-z]{2})")
_SERVICE = re.compile(r"(?:.*\.)?(mail|email|webmail|shopping|blog|forum|cafe|search|suche)\.")
_MOST_LABELS = 6


class SourceNames:
    """Names of traffic sources, by the rows of the seed ``known_sources``.

    Parameters
    ----------
    columns, rows
        The seed with the team's own rows.
    """

    def __init__(self, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
        names = list(columns)
        entries = [dict(zip(names, row, strict=True)) for row in rows]
        # A source as the table calls it stands for itself, where no entry has that name.
        self._entries: dict[str, tuple[str, bool]] = {
            one["source"]: (one["source"], False) for one in entries
        }
        self._entries |= {one["name"]: (one["source"], bool(one["is_portal"])) for one in entries}

    def of(self, name: str) -> str:
        """The source that a name stands for, in lower case; itself, where it is not known."""
        whole = name.rstrip(".")
        for host, candidate in _candidates(whole):
            if candidate not in self._entries:
                continue
            source, is_portal = self._entries[candidate]
            below = whole.removesuffix(host) if is_portal else ""
            if below in ("", "m.", "www."):
                return source
            found = _SERVICE.match(below)
            return source if found and found[1] in ("search", "suche") else name
        return name


def _candidates(whole: str) -> Iterator[tuple[str, str]]:
    """Hosts that a name is part of, itself first, as entries write them; each with its host."""
    labels = whole.split(".")
    for count in range(min(len(labels), _MOST_LABELS), 0, -1):
        if (count == 1 and len(labels) > 1) or not all(labels[-count:]):
            continue
        host = ".".join(labels[-count:])
        yield host, host
        if found := _COUNTRY.fullmatch(host):
            yield host, f"{found[1]}.*"
