"""What may be written to a terminal: text, and nothing that steers one."""

from __future__ import annotations

import re

_STEERING = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff\\ufff9-\\ufffb]"
)


def printable(text: str, *, keep: str = "") -> str:
    r"""A text whose control characters are written out.

    A value of an event may hold what a terminal obeys: colours, a new title, a moved cursor, text
    that reads from right to left.

    Parameters
    ----------
    keep
        Characters that stay as they are, such as ``"\n"`` where a text has lines.

    Examples
    --------
    >>> print(printable("a\x1b[31mb"))
    a\x1b[31mb
    """
    return _STEERING.sub(lambda found: found[0] if found[0] in keep else _written(found[0]), text)


def _written(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
