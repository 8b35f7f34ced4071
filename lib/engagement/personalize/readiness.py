"""Whether the datasets meet what Amazon Personalize asks, before anything is paid for.

Minimums, limits and the thresholds of the ECOMMERCE use cases are those of the developer guide's
pages "Amazon Personalize endpoints and quotas" and "ECOMMERCE use cases".
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from engagement.personalize.datasets import LENGTHS, Lengths, Name

ResourceType = Literal["minimum", "limit", "rows", "use case", "advice"]


@dataclass(frozen=True)
class Requirement:
    """One thing that Personalize asks for.

    ``needed`` and ``found`` are as a reader wants them; ``to_do`` says what to do where it is not
    ``ok``.
    """

    kind: ResourceType
    name: str
    needed: str
    found: str
    ok: bool
    to_do: str = ""


@dataclass(frozen=True)
class Thresholds:
    """The numbers of the service. Gigabytes are taken as 10^9 bytes, the stricter reading."""

    interactions: int = 1_000
    active_users: int = 25
    active_share: float = 0.01
    full_bytes: int = 100_000_000_000
    incremental_bytes: int = 1_000_000_000
    event_types_and_columns: int = 10
    interaction_metadata: int = 5
    item_fields: int = 100
    user_fields: int = 25
    use_case_events: int = 1_000
    advised_interactions: int = 50_000
    advised_users: int = 1_000


THRESHOLDS = Thresholds()

USE_CASES = (
    ("most viewed", "View"),
    ("customers who viewed X also viewed", "View"),
    ("recommended for you", "View"),
    ("best sellers", "Purchase"),
    ("frequently bought together", "Purchase"),
)
"""Use cases of the domain ECOMMERCE, and the EVENT_TYPE that each needs."""

_REQUIRED: dict[Name, dict[str, str]] = {
    "interactions": {
        "USER_ID": "string",
        "ITEM_ID": "string",
        "TIMESTAMP": "long",
        "EVENT_TYPE": "string",
    },
    "items": {"ITEM_ID": "string", "PRICE": "float", "CATEGORY_L1": "string"},
    "users": {"USER_ID": "string"},
}

_REQUIRED_OF_CUSTOM: dict[Name, dict[str, str]] = {
    "interactions": {"USER_ID": "string", "ITEM_ID": "string", "TIMESTAMP": "long"},
    "items": {"ITEM_ID": "string"},
    "users": {"USER_ID": "string"},
}

_RESERVED = ("USER_ID", "ITEM_ID", "TIMESTAMP", "IMPRESSION", "RECOMMENDATION_ID")
"""Fields of interactions that are no metadata; EVENT_TYPE and EVENT_VALUE count as such."""


@dataclass
class Measured:
    """What a check has to know of a data set, added up as its rows are written.

    Attributes
    ----------
    fields
        The schema's fields, as a schema has them.
    rows, rejected
        Rows that could be written, and others.
    longest
        Characters of the longest value of each field.
    event_types
        Rows of each EVENT_TYPE.
    """

    name: Name
    fields: list[Mapping[str, Any]] = dataclasses.field(default_factory=list)
    rows: int = 0
    rejected: int = 0
    longest: dict[str, int] = dataclasses.field(default_factory=dict)
    event_types: Counter[str] = dataclasses.field(default_factory=Counter)
    repeats: int = 0
    _users: list[pd.Series] = dataclasses.field(default_factory=list)

    def add(self, page: pd.DataFrame) -> None:
        """Add rows that could be written; no row comes twice."""
        self.rows += len(page)
        for field in self.fields:
            name = field["name"]
            if name in page and _kind(field) == "string":
                sizes = {len(text) for text in set(page[name]) if text is not None}
                self.longest[name] = max(self.longest.get(name, 0), *sizes, 0)
        if {"USER_ID", "EVENT_TYPE"} <= set(page.columns):
            self.event_types.update(page["EVENT_TYPE"])
            ids = pd.util.hash_array(page["USER_ID"].to_numpy(object), categorize=True)
            self._users.append(pd.Series(ids).value_counts(sort=False).clip(upper=2))

    def users(self) -> tuple[int, int]:
        """How many users there are, and how many with two rows or more."""
        if not self._users:
            return 0, 0
        together = pd.concat(self._users).groupby(level=0).sum()
        return len(together), int((together >= 2).sum())

    @property
    def names(self) -> list[str]:
        """Names of the fields."""
        return [field["name"] for field in self.fields]

    @property
    def found(self) -> int:
        """Rows that the warehouse gave."""
        return self.rows + self.rejected


@dataclass(frozen=True)
class Facts:
    """What a check has to know of the three data sets."""

    interactions: Measured
    items: Measured
    users: Measured

    @classmethod
    def empty(cls) -> Facts:
        """Of nothing yet."""
        return cls(Measured("interactions"), Measured("items"), Measured("users"))

    def of(self, name: str) -> Measured:
        """The data set of this name."""
        found: Measured = getattr(self, name)
        return found


def check(
    facts: Facts,
    sizes: Mapping[Name, int],
    *,
    incremental: bool = False,
    domain: bool = True,
    thresholds: Thresholds = THRESHOLDS,
    lengths: Lengths = LENGTHS,
) -> list[Requirement]:
    """Compare the datasets with everything that Personalize asks.

    Parameters
    ----------
    sizes
        Bytes of each dataset's files.
    incremental
        Whether the files are to be added to what was imported before (INCREMENTAL) or to replace
        it (FULL); the limits on sizes differ.
    domain
        Whether the group is of the domain ECOMMERCE, which asks for more fields and has use cases.

    Returns
    -------
    list of Requirement
        Minimums first, then limits, rows that had to be left out, the use cases, and what the
        service advises.
    """
    interactions, items, users = facts.interactions, facts.items, facts.users
    datasets = [interactions, items, users]
    return [
        *_minimums(interactions, thresholds),
        *(_at_least(f"rows of the {d.name} import", 1, d.rows, _EMPTY) for d in datasets[1:]),
        *_schemas(datasets, domain),
        *_columns(interactions, items, users, thresholds),
        *_lengths(datasets, lengths),
        *_sizes(datasets, sizes, incremental, thresholds),
        *_complete(datasets),
        *(_use_cases(interactions, thresholds) if domain else ()),
        *_advice(interactions, thresholds),
    ]


_EMPTY = "leave this dataset out, or see the list of rejects for why no row could be written"


def frame(requirements: Sequence[Requirement]) -> pd.DataFrame:
    """One row per requirement."""
    return pd.DataFrame(
        [(r.kind, r.name, r.needed, r.found, r.ok, "" if r.ok else r.to_do) for r in requirements],
        columns=["kind", "name", "needed", "found", "ok", "to do"],
    )


def ready(requirements: Sequence[Requirement]) -> bool:
    """Whether an import and a training could start.

    Rows may have been left out, and use cases may lack events: neither stops an import.
    """
    return all(r.ok for r in requirements if r.kind in ("minimum", "limit"))


def _minimums(interactions: Measured, thresholds: Thresholds) -> list[Requirement]:
    users, active = interactions.users()
    share = active / users if users else 0.0
    unique = interactions.rows - interactions.repeats
    return [
        _at_least(
            "rows of the interactions import",
            thresholds.interactions,
            interactions.rows,
            "land more days, or map more concepts in personalize.event_types; an incremental "
            "import needs as many",
        ),
        _at_least(
            "unique interactions",
            thresholds.interactions,
            unique,
            "land more days, or map more concepts in personalize.event_types",
        ),
        _at_least(
            "users with two interactions or more",
            thresholds.active_users,
            active,
            "land more days: people have to come back, or to look at more than one product",
        ),
        Requirement(
            "minimum",
            "their share in all users",
            f"{thresholds.active_share:.0%}",
            f"{share:.1%}",
            bool(users) and active >= thresholds.active_share * users,
            "check the identity map: nearly every event seems to be a user of its own",
        ),
    ]


def _at_least(name: str, needed: int, found: int, to_do: str) -> Requirement:
    return Requirement("minimum", name, f"{needed:,}", f"{found:,}", found >= needed, to_do)


def _schemas(datasets: Sequence[Measured], domain: bool) -> list[Requirement]:
    made = []
    for dataset in datasets:
        types = {field["name"]: _kind(field) for field in dataset.fields}
        required = (_REQUIRED if domain else _REQUIRED_OF_CUSTOM)[dataset.name]
        wrong = [name for name, kind in required.items() if types.get(name) != kind]
        more = len(types) - len(required)
        if dataset.name == "users":
            needed, ok = "USER_ID and one more", not wrong and more >= 1
        elif dataset.name == "items" and not domain:
            needed, ok = "ITEM_ID and one more", not wrong and more >= 1
        else:
            needed, ok = ", ".join(required), not wrong
        found = "all of them" if not wrong else f"without {', '.join(wrong)}"
        made.append(
            Requirement(
                "minimum",
                f"fields of the {dataset.name} schema",
                needed,
                f"{found}, and {more} more" if not wrong else found,
                ok,
                "see that events or the catalogue have them: a schema cannot be changed later",
            )
        )
    return made


def _kind(field: Mapping[str, Any]) -> str:
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return str(next(kind for kind in kinds if kind != "null"))


def _columns(
    interactions: Measured, items: Measured, users: Measured, thresholds: Thresholds
) -> list[Requirement]:
    metadata = [name for name in interactions.names if name not in _RESERVED]
    own = [name for name in metadata if name not in ("EVENT_TYPE", "EVENT_VALUE")]
    types = interactions.event_types
    return [
        _at_most(
            "event types and metadata fields of interactions",
            thresholds.event_types_and_columns,
            len(types) + len(metadata),
            "map fewer concepts in personalize.event_types, or take a field out of the schema",
        ),
        _at_most(
            "fields of one's own of interactions",
            thresholds.interaction_metadata,
            len(own),
            "take some out of the schema",
        ),
        _at_most(
            "fields of items",
            thresholds.item_fields,
            len(items.fields),
            "take columns out of the catalogue",
        ),
        _at_most(
            "fields of users",
            thresholds.user_fields,
            len(users.fields),
            "name fewer personalize.user_features",
        ),
    ]


def _at_most(name: str, most: int, found: int, to_do: str) -> Requirement:
    return Requirement("limit", name, f"at most {most:,}", f"{found:,}", found <= most, to_do)


def _sizes(
    datasets: Sequence[Measured],
    sizes: Mapping[Name, int],
    incremental: bool,
    thresholds: Thresholds,
) -> list[Requirement]:
    most = thresholds.incremental_bytes if incremental else thresholds.full_bytes
    mode = "INCREMENTAL" if incremental else "FULL"
    return [
        Requirement(
            "limit",
            f"size of the {dataset.name} file ({mode})",
            f"at most {_bytes(most)}",
            _bytes(sizes[dataset.name]),
            sizes[dataset.name] <= most,
            "export fewer days by landing.from, and import the rest as increments",
        )
        for dataset in datasets
    ]


def _bytes(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}".replace(".0 ", " ")
    return f"{count} bytes"


def _lengths(datasets: Sequence[Measured], lengths: Lengths) -> list[Requirement]:
    """The longest value of each kind: one that is too long would fail the whole import."""
    longest = {"ids": 0, "categorical values": 0, "textual values": 0}
    for dataset in datasets:
        for field in dataset.fields:
            if field["name"] in ("IMPRESSION", "RECOMMENDATION_ID"):
                continue  # they have limits of their own, which writing keeps
            if field.get("categorical"):
                kind = "categorical values"
            else:
                kind = "textual values" if field.get("textual") else "ids"
            longest[kind] = max(longest[kind], dataset.longest.get(field["name"], 0))
    most = {
        "ids": lengths.id,
        "categorical values": lengths.categorical,
        "textual values": lengths.textual,
    }
    return [
        _at_most(f"characters of {kind}", most[kind], longest[kind], "leave such rows out")
        for kind in longest
    ]


def _complete(datasets: Sequence[Measured]) -> list[Requirement]:
    return [
        Requirement(
            "rows",
            f"rows of {dataset.name} that could be written",
            f"all {dataset.found:,}",
            f"{dataset.rows:,}",
            not dataset.rejected,
            "see the list of rejects; the file holds the others and can be imported",
        )
        for dataset in datasets
    ]


def _use_cases(interactions: Measured, thresholds: Thresholds) -> list[Requirement]:
    events = interactions.event_types
    needed = thresholds.use_case_events
    return [
        Requirement(
            "use case",
            name,
            f"{needed:,} {kind} events",
            f"{events[kind]:,}",
            events[kind] >= needed,
            f"land more days; check that personalize.event_types maps a concept to {kind}",
        )
        for name, kind in USE_CASES
    ]


def _advice(interactions: Measured, thresholds: Thresholds) -> list[Requirement]:
    """What the service advises: with less, it trains all the same."""
    _, active = interactions.users()
    to_do = "it trains with less; recommendations get better with more"
    return [
        Requirement(
            "advice", f"{name}, advised", f"{needed:,}", f"{found:,}", found >= needed, to_do
        )
        for name, needed, found in (
            ("interactions", thresholds.advised_interactions, interactions.rows),
            ("users with two or more", thresholds.advised_users, active),
        )
    ]
