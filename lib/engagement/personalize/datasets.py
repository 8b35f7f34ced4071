"""What the data sets of Amazon Personalize have in common: limits, rejects, texts, categories."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engagement.errors import WrongInputError
from engagement.settings import Personalize

Name = Literal["interactions", "items", "users"]

CONCEPTS = (
    "product_clicked",
    "product_viewed",
    "product_added",
    "product_added_to_wishlist",
    "order_completed",
)
"""Concepts that are about single products, and so can be interactions."""


class PersonalizeError(WrongInputError):
    """Datasets that cannot be made as asked: what is wrong, and what to do."""


@dataclass(frozen=True)
class Lengths:
    """How many characters a value may have, by what the schema says it is."""

    id: int = 256
    categorical: int = 1_000
    textual: int = 20_000


LENGTHS = Lengths()


@dataclass(frozen=True, order=True)
class Reject:
    """A row that is not in the file: its id, the field that is wrong, and why."""

    id: str
    field: str
    reason: str


@dataclass(frozen=True)
class DatasetFile:
    """A file that was written. ``rows`` leaves the header out."""

    path: Path
    rows: int
    bytes: int
    sha256: str


def check_settings(settings: Personalize) -> None:
    """Refuse event types that no interaction can have.

    Raises
    ------
    PersonalizeError
        Naming the concepts of the settings that are not about single products.
    """
    wrong = [concept for concept in settings.event_types if concept not in CONCEPTS]
    if wrong:
        raise PersonalizeError(
            f"personalize.event_types: no single product is what {', '.join(wrong)} is about; take "
            f"from {', '.join(CONCEPTS)}"
        )


_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def line(text: str | None) -> str | None:
    """A text on one line: what stands between words becomes one space; a blank one is NULL."""
    if text is None:
        return None
    return _BLANK.sub(" ", text).strip() or None


def categories(text: str | None) -> tuple[str | None, str | None, str | None]:
    """Categories by level: ``>`` separates the levels of one, ``|`` separates several.

    The text is a category, a path of categories (``Home > Kitchen``), several of them joined by
    ``|``, or a JSON array of any of these, which is what flattening makes of an array. Levels
    beyond the third belong to the third.

    >>> categories('["Home > Kitchen|Gifts", "Sale"]')
    ('Home|Gifts|Sale', 'Kitchen', None)
    """
    levels: list[list[str]] = [[], [], []]
    for path in _paths(text):
        parts = [part for part in (line(part) for part in path.split(">")) if part]
        for level, part in zip(levels, [*parts[:2], " > ".join(parts[2:])], strict=False):
            if part and part not in level:
                level.append(part)
    first, second, third = ("|".join(level) or None for level in levels)
    return first, second, third


def _paths(text: str | None) -> list[str]:
    if text is None:
        return []
    if text.startswith("["):
        try:
            members = json.loads(text)
        except (ValueError, RecursionError):
            return text.split("|")
        texts = [str(member) for member in members if isinstance(member, (str, int, float))]
        return [path for member in texts for path in member.split("|")]
    return text.split("|")


def text_problem(value: str, most: int) -> str | None:
    """Why a text cannot be a value of at most so many characters; ``None`` where it can."""
    if not value.strip():
        return "is blank"
    if len(value) > most:
        return f"is longer than {most:,} characters"
    if _BLANK.search(value.replace(" ", "")):
        return "holds a line break, a tab or another control character"
    return None
