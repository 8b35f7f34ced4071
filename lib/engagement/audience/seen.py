"""A set of texts that only has to be asked what is in it: millions of them in little memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

_MERGED_AT = 200_000


class Seen:
    """Texts, each kept as 64 bits of a hash: eight bytes for each of millions.

    Two of five million different texts are taken for one with a probability below one in a
    million.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._recent: set[int] = set()
        self._sorted = np.empty(0, np.uint64)
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Put a text into the set."""
        self._recent.add(_hash(text))
        if len(self._recent) >= _MERGED_AT:
            recent = np.fromiter(self._recent, np.uint64, len(self._recent))
            self._sorted = np.union1d(self._sorted, recent)
            self._recent.clear()

    def __contains__(self, text: object) -> bool:
        """Whether a text was put in."""
        found = _hash(str(text))
        if found in self._recent:
            return True
        if not len(self._sorted):
            return False
        place = int(self._sorted.searchsorted(np.uint64(found)))
        return place < len(self._sorted) and int(self._sorted[place]) == found

    def __repr__(self) -> str:
        """Nothing of what is in it."""
        return "Seen(…)"


def _hash(text: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    )
