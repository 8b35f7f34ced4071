"""Whether the datasets meet what Amazon Personalize asks, before anything is paid for.

Minimums, limits and the thresholds of the ECOMMERCE use cases are those of the developer guide's
pages "Amazon Personalize endpoints and quotas" and "ECOMMERCE use cases".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from engagement.personalize.datasets import LENGTHS, Dataset, Lengths, Name

Kind = Literal["minimum", "limit", "rows", "use case"]


@dataclass(frozen=True)
class Requirement:
    """One thing that Personalize asks for.

    ``needed`` and ``found`` are as a reader wants them; ``to_do`` says what to do where it is not
    ``ok``.
    """

    kind: Kind
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

_RESERVED = ("USER_ID", "ITEM_ID", "TIMESTAMP", "IMPRESSION", "RECOMMENDATION_ID")
"""Fields of interactions that are no metadata; EVENT_TYPE and EVENT_VALUE count as such."""


def check(
    interactions: Dataset,
    items: Dataset,
    users: Dataset,
    sizes: Mapping[Name, int],
    *,
    incremental: bool = False,
    thresholds: Thresholds = THRESHOLDS,
    lengths: Lengths = LENGTHS,
) -> list[Requirement]:
    """Compare the datasets with everything that Personalize asks.

    Parameters
    ----------
    sizes
        Bytes of each file.
    incremental
        Whether the files are to be added to what was imported before (INCREMENTAL) or to replace
        it (FULL); the limits on sizes differ.

    Returns
    -------
    list of Requirement
        Minimums first, then limits, rows that had to be left out, and the use cases.
    """
    datasets = [interactions, items, users]
    return [
        *_minimums(interactions, thresholds),
        *(_at_least(f"rows of the {d.name} import", 1, len(d.rows), _EMPTY) for d in datasets[1:]),
        *_schemas(datasets),
        *_columns(interactions, items, users, thresholds),
        *_lengths(datasets, lengths),
        *_sizes(datasets, sizes, incremental, thresholds),
        *_complete(datasets),
        *_use_cases(interactions, thresholds),
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


def _minimums(interactions: Dataset, thresholds: Thresholds) -> list[Requirement]:
    rows = interactions.rows
    unique = {(r["USER_ID"], r["ITEM_ID"], r["EVENT_TYPE"], r["TIMESTAMP"]) for r in rows}
    per_user = Counter(row["USER_ID"] for row in rows)
    active = sum(count >= 2 for count in per_user.values())
    share = active / len(per_user) if per_user else 0.0
    return [
        _at_least(
            "rows of the interactions import",
            thresholds.interactions,
            len(rows),
            "land more days, or map more concepts in personalize.event_types; an incremental "
            "import needs as many",
        ),
        _at_least(
            "unique interactions",
            thresholds.interactions,
            len(unique),
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
            bool(per_user) and active >= thresholds.active_share * len(per_user),
            "check the identity map: nearly every event seems to be a user of its own",
        ),
    ]


def _at_least(name: str, needed: int, found: int, to_do: str) -> Requirement:
    return Requirement("minimum", name, f"{needed:,}", f"{found:,}", found >= needed, to_do)


def _schemas(datasets: Sequence[Dataset]) -> list[Requirement]:
    made = []
    for dataset in datasets:
        types = {field["name"]: _type(field) for field in dataset.schema["fields"]}
        required = _REQUIRED[dataset.name]
        wrong = [name for name, kind in required.items() if types.get(name) != kind]
        more = len(types) - len(required)
        if dataset.name == "users":
            needed, ok = "USER_ID and one more", not wrong and more >= 1
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
                f"put them into schemas/{dataset.name}.avsc: a schema cannot be changed later",
            )
        )
    return made


def _type(field: Mapping[str, Any]) -> str:
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return str(next(kind for kind in kinds if kind != "null"))


def _columns(
    interactions: Dataset, items: Dataset, users: Dataset, thresholds: Thresholds
) -> list[Requirement]:
    metadata = [name for name in interactions.fields if name not in _RESERVED]
    own = [name for name in metadata if name not in ("EVENT_TYPE", "EVENT_VALUE")]
    types = {row["EVENT_TYPE"] for row in interactions.rows}
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
            "take fields out of schemas/interactions.avsc",
        ),
        _at_most(
            "fields of items",
            thresholds.item_fields,
            len(items.fields),
            "take fields out of schemas/items.avsc",
        ),
        _at_most(
            "fields of users",
            thresholds.user_fields,
            len(users.fields),
            "take fields out of schemas/users.avsc",
        ),
    ]


def _at_most(name: str, most: int, found: int, to_do: str) -> Requirement:
    return Requirement("limit", name, f"at most {most:,}", f"{found:,}", found <= most, to_do)


def _sizes(
    datasets: Sequence[Dataset],
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


def _lengths(datasets: Sequence[Dataset], lengths: Lengths) -> list[Requirement]:
    """The longest value of each kind: one that is too long would fail the whole import."""
    longest = {"ids": 0, "categorical values": 0, "textual values": 0}
    for dataset in datasets:
        for field in dataset.schema["fields"]:
            if field.get("categorical"):
                kind = "categorical values"
            else:
                kind = "textual values" if field.get("textual") else "ids"
            texts = [row[field["name"]] for row in dataset.rows]
            found = max((len(text) for text in texts if isinstance(text, str)), default=0)
            longest[kind] = max(longest[kind], found)
    most = {
        "ids": lengths.id,
        "categorical values": lengths.categorical,
        "textual values": lengths.textual,
    }
    return [
        _at_most(f"characters of {kind}", most[kind], longest[kind], "leave such rows out")
        for kind in longest
    ]


def _complete(datasets: Sequence[Dataset]) -> list[Requirement]:
    return [
        Requirement(
            "rows",
            f"rows of {dataset.name} that could be written",
            f"all {dataset.found:,}",
            f"{len(dataset.rows):,}",
            not dataset.rejects,
            "see the list of rejects; the file holds the others and can be imported",
        )
        for dataset in datasets
    ]


def _use_cases(interactions: Dataset, thresholds: Thresholds) -> list[Requirement]:
    events = Counter(row["EVENT_TYPE"] for row in interactions.rows)
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
