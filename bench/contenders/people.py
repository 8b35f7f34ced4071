"""People who are all made up, in frames: what the contenders of the part ``audience`` write."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

PAGE = 100_000
BATCH = "everybody-2026-01-31"

_FIRST = np.array(["Ann", "Ben", "Zoë", "Émilie", "Jean-Luc", "O'Neil", "Łukasz", "Maria Pia"])
_LAST = np.array(["Muster", "Pérez", "Smith, Jr.", "de la Cruz", 'The "Ace"', "Øster"])
_CITY = np.array(["Köln", "St. Gallen", "New York", "Saint-Étienne", "=SUM(A1)", "Bonn", ""])
_COUNTRY = np.array(["DE", "CH", "US", "FR"])


def frames(people: int) -> Iterator[pd.DataFrame]:
    """Frames of so many people, in the order of their ids, the same in every run."""
    for start in range(0, people, PAGE):
        n = np.arange(start, min(start + PAGE, people))
        ids = [f"p{i:08d}" for i in n]
        yield pd.DataFrame(
            {
                "person_id": ids,
                "segment_batch": BATCH,
                "user_id": [f"u-{i * 7919 % 10_000_019}" for i in n],
                "first_name": _FIRST[n % len(_FIRST)],
                "last_name": _LAST[n % len(_LAST)],
                "email": [f"{i}@people.shop.example" for i in ids],
                "phone": [f"+1555{i:08d}" if i % 3 else None for i in n],
                "city": _CITY[n % len(_CITY)],
                "state": None,
                "country": _COUNTRY[n % len(_COUNTRY)],
                "postal_code": [f"{i % 100_000:05d}" for i in n],
                "orders_total": n % 12,
                "spend_total": [f"{i % 100_000 / 100:.2f}" for i in n],
            }
        )
