"""What may be shown of values that people typed or sent: the one rule for every output.

Exports hold personal data, because that is what they are for. Nothing else does: not the notebooks'
outputs, the report, charts, records of runs and statements, lists of rejects or error messages.
People type addresses into search fields, shops put them into campaign names, and SDKs send tokens
as names of events; so values are judged by what they look like, wherever they come from:

- :func:`masked` replaces e-mail addresses, card numbers and tokens within any text;
- :func:`shown` does that for a frame, and withholds what fewer than :data:`FEWEST_PEOPLE` typed;
- :func:`name_for` gives events and properties whose names look like that another name, so that no
  table or column is called after somebody.

02 shows values of any property as examples, so it masks more
(:func:`engagement.flatten.masking.mask`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FEWEST_PEOPLE = 10
"""A text that fewer people typed is nobody else's business."""

TOO_FEW = f"… (fewer than {FEWEST_PEOPLE} people)"

EMAIL, CARD, TOKEN = "… (e-mail)", "… (card number)", "… (token)"

# Every part is bounded, so that no text takes long.
_EMAIL = re.compile(
    r"\w[\w.+%'’-]{0,80}(?:@|%40|\(at\)|\[at\])(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{1,63}",
    re.IGNORECASE,
)
_CARD = re.compile(
    r"""
    (?<!\d)(?<!\d\.)[2-6]\d{12,18}(?!\d)
    | (?<![\d-])[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{1,7}(?![\d-])
    | (?<![\d-])3\d{3}([ -])\d{6}\2\d{5}(?![\d-])
    """,
    re.VERBOSE,
)
_KNOWN_TOKEN = re.compile(
    r"""
    eyj[\w-]{8,}(?:\.[\w-]+){0,2}                                      # a JSON web token
    | \b(?:sk|pk|rk|whsec)_(?:live_|test_)?[a-z0-9]{12,}               # payment services
    | \bgh[pousr]_[a-z0-9]{16,} | \bgithub_pat_\w{16,} | \bglpat-[\w-]{16,}
    | \bak(?:ia)[a-z0-9]{12,} | \baiza[\w-]{30,} | \bxox[abeprs]-[\w-]{10,}
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LONG = re.compile(r"[A-Za-z0-9_\-+/=]{20,}")
_RUN = re.compile(r"[A-Za-z0-9]+")
_SEEN = re.compile(r"@|%40|\((?:at)\)|\[(?:at)\]|\d|eyj|_pat_", re.IGNORECASE)
"""Without any of these there is nothing to mask: most texts."""


def masked(text: str) -> str:
    """A text in which e-mail addresses, card numbers and tokens are replaced by what they are.

    Examples
    --------
    >>> masked("no rate for 'jane@shop.example'"), masked("4111 1111 1111 1111"), masked("Tops 2")
    ("no rate for '… (e-mail)'", '… (card number)', 'Tops 2')
    """
    if not _SEEN.search(text):
        return text
    text = _EMAIL.sub(EMAIL, text)
    text = _KNOWN_TOKEN.sub(TOKEN, text)
    text = _CARD.sub(lambda found: CARD if _is_card(found[0]) else found[0], text)
    return _LONG.sub(lambda found: TOKEN if _is_token(found[0]) else found[0], text)


def is_private(text: str) -> bool:
    """Whether a text holds an e-mail address, a card number or a token."""
    return masked(text) != text


def _is_card(text: str) -> bool:
    """Whether the last digit of a number checks the others (Luhn's algorithm)."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


_WORD = re.compile(r"[a-z_]{4,}\Z")
_RUN_ID = re.compile(r"\b\d{8}T\d{6}Z-[0-9a-f]{4}(?:-interactive)?\b")
"""What :func:`engagement.runs.workbook.new_run_id` makes, which is nobody's secret."""


def _is_token(word: str) -> bool:
    """Whether a long word looks drawn; of a path, which has plain words in it, a part of it."""
    parts = _RUN_ID.sub("run", word).split("/")
    if any(map(_WORD.match, parts)):
        return any(map(_is_random, parts))
    return _is_random("/".join(parts))


def _is_random(word: str) -> bool:
    """Whether a long word looks as if a machine had drawn it: letters and digits all mixed up.

    Words that are joined by lines or hyphens (names of tables, UUIDs) have short parts.
    """
    parts = _RUN.findall(word)
    if not parts:
        return False
    longest = max(parts, key=len)
    if len(longest) >= 20 and _changes(longest, str.isdigit) >= 5:
        return True
    is_long = len(word) / len(parts) >= 8 and len(word) >= 24
    digits = sum(sign.isdigit() for sign in word)
    return is_long and digits >= 3 and _changes("".join(parts), _kind) >= 8


def _kind(sign: str) -> str:
    return "digit" if sign.isdigit() else "upper" if sign.isupper() else "lower"


def _changes(text: str, kind: Any) -> int:
    """How often one sign is of another kind than the one before it."""
    kinds = [kind(sign) for sign in text]
    return sum(one != other for one, other in pairwise(kinds))


def shown(
    frame: pd.DataFrame, *, typed: Iterable[str] = (), people: str | None = None
) -> pd.DataFrame:
    """A frame as it may be shown: its texts masked, and what few people typed withheld.

    Parameters
    ----------
    typed
        Columns of texts that people typed: shown only if :data:`FEWEST_PEOPLE` of them did.
    people
        The column that counts them.

    Returns
    -------
    DataFrame
        A copy where something was masked, else the frame itself. Columns that have names like
        somebody's are renamed.
    """
    # Most commands start without a frame: pandas takes half of a second to import.
    import pandas as pd

    result = frame
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        if not (column.dtype == object or isinstance(column.dtype, pd.StringDtype)):
            continue
        values = [_cell(value) for value in column]
        if any(new is not old for new, old in zip(values, column, strict=True)):
            result = result.copy() if result is frame else result
            result[name] = pd.Series(values, index=frame.index, dtype=column.dtype)
    if people is not None and len(frame):
        few = pd.to_numeric(frame[people]).fillna(0) < FEWEST_PEOPLE
        if few.any():
            result = result.copy() if result is frame else result
            for name in typed:
                result.loc[few & result[name].notna(), name] = TOO_FEW
    names = {name: masked(name) for name in frame.columns if isinstance(name, str)}
    if any(new != old for old, new in names.items()):
        result = result.rename(columns=names)
    return result


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        new = masked(value)
        return value if new == value else new
    if isinstance(value, list):
        items = [_cell(item) for item in value]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


def name_for(raw: str) -> str:
    """The name of an event or property, for tables and columns: another one if it is private.

    The same name always gets the same one, so that its values stay together.

    Examples
    --------
    >>> name_for("Order Completed"), name_for("jane@shop.example")
    ('Order Completed', 'withheld_8911f298')
    """
    if not is_private(raw):
        return raw
    return f"withheld_{hashlib.sha256(raw.encode()).hexdigest()[:8]}"
