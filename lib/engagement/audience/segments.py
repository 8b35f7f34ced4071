"""Segments: who is meant, by a rule over what is known of people, in a YAML file.

A rule is a condition after ``where``, in Athena's dialect, a structured rule after ``who``
(:mod:`engagement.audience.rules`), or both. Either becomes a tree of nodes, never a text that is
pasted into another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from sqlglot import exp

from engagement.audience import rules
from engagement.audience.conditions import CUSTOMERS, PARAMETERS, condition
from engagement.audience.errors import AudienceError
from engagement.audience.happenings import Known
from engagement.audience.rendering import Renderer
from engagement.audience.rules import Rule
from engagement.audience.selection import (
    ADDRESSES,
    PERSON_COLUMNS,
    Channel,
    Selection,
    columns,
    plain_values,
    select,
)
from engagement.audience.validation import checked
from engagement.messages import explained, nearest, unknown_key
from engagement.settings import SettingsError, read_yaml
from engagement.settings.section import named_once


class Segment(BaseModel):
    """Who is meant, and how they may be reached.

    ``where`` is a condition over ``marts.customer_360`` and ``who`` a structured rule; with both,
    both have to hold. ``sample`` keeps a share of the people, the same ones every day, and
    ``holdout`` holds a share of the members back, to compare with those who are contacted; both
    are decided by a hash of ``salt`` (left out: the segment's name) and the person.

    ``channels`` are those that a message would go by: people are exported for a channel only with
    an address for it and with consent; with a ``topic`` (``audience.topics``), with consent to that
    as well. ``attributes``, ``lists`` and ``metrics`` name further columns to send along: as one
    text, as several (a column whose text separates them by ``|``), and as numbers.
    ``suppressed`` says what becomes of people who must not be contacted: ``leave_out`` (the
    default) keeps them out of every file; ``opt_out`` puts them into the Pinpoint file marked
    ``OptOut=ALL``, so that a tool that knew them as opted in learns of it.

    ``others`` are the segments that the rule refers to; reading a file fills them in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")
    description: str = Field(min_length=1)
    where: str | None = None
    who: Rule | None = None
    sample: float | None = Field(default=None, gt=0, le=1)
    holdout: float = Field(default=0.0, ge=0, lt=1)
    salt: str | None = Field(default=None, min_length=1, max_length=100)
    channels: tuple[Channel, ...] = Field(min_length=1)
    topic: Annotated[str, Field(min_length=1)] | None = None
    attributes: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    suppressed: Literal["leave_out", "opt_out"] = "leave_out"
    others: Mapping[str, Segment] = Field(default_factory=dict, exclude=True, repr=False)

    @field_validator("where")
    @classmethod
    def _portable(cls, where: str | None) -> str | None:
        if where is not None:
            condition(where)
        return where

    @field_validator("who")
    @classmethod
    def _not_too_much(cls, who: Rule | None) -> Rule | None:
        parts = sum(1 for _ in who.walk("who")) if who else 0
        if parts > rules.MOST_PARTS:
            raise ValueError(f"has {parts:,} parts; a rule has at most {rules.MOST_PARTS}")
        return who

    @field_validator("attributes", "lists", "metrics")
    @classmethod
    def _no_addresses(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        addresses = sorted(set(names) & set(ADDRESSES.values()))
        if addresses:
            raise ValueError(
                f"{', '.join(addresses)}: an address goes into a file by its channel, with consent"
            )
        return names

    @field_validator("channels", "attributes", "lists", "metrics")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return named_once(names)

    @model_validator(mode="after")
    def _a_rule(self) -> Self:
        if self.where is None and self.who is None:
            raise ValueError("where: is missing, and so is who: write one of them, or both")
        return self

    def references(self) -> Iterator[tuple[str, str]]:
        """Keys of its rule that refer to other segments, and the names of these."""
        for path, part in self.who.walk("who") if self.who else ():
            if part.segment is not None:
                yield f"{path}.segment", part.segment

    @property
    def events(self) -> frozenset[str]:
        """Names of events in its rule, and in those of the segments that it refers to."""
        own = {
            happening.event
            for path, part in (self.who.walk("who") if self.who else ())
            for _, happening in part.happenings(path)
            if happening.event is not None
        }
        return frozenset(own).union(*(other.events for other in self.others.values()))

    @property
    def definition(self) -> str:
        """Twelve digits that change when the rule does: people then join and leave for that."""
        text = self.model_dump_json(include={"where", "who", "sample", "salt"})
        others = {name: other.definition for name, other in sorted(self.others.items())}
        whole = json.dumps([self.name, text, others])
        return hashlib.sha256(whole.encode()).hexdigest()[:12]


# --- reading ------------------------------------------------------------------------------------


def load(path: Path) -> Segment:
    """Read and validate a segment's YAML file, and those of the segments that it refers to.

    Raises
    ------
    AudienceError
        With every mistake of the file; or when segments refer to each other in a circle.
    """
    return _load(path, (), {})[0]


_Loaded = dict[Path, tuple[Segment, int]]
"""Segments that were read, each with the parts of its rule, those of others among them."""


def _load(path: Path, above: tuple[str, ...], loaded: _Loaded) -> tuple[Segment, int]:
    if path not in loaded:
        loaded[path] = _read(path, above, loaded)
    return loaded[path]


def _read(path: Path, above: tuple[str, ...], loaded: _Loaded) -> tuple[Segment, int]:
    source = f"the segment {path.name}"
    try:
        document = read_yaml(path)
    except SettingsError as error:
        raise AudienceError(source, error.problems) from None
    if not isinstance(document, dict):
        raise AudienceError(
            source, ["the file holds no keys: it needs name, description, where or who, channels"]
        )
    problems: list[str] = []
    segment = None
    if "others" in document:
        problems.append(_unknown("others"))
        document = {key: value for key, value in document.items() if key != "others"}
    try:
        segment = Segment.model_validate(document)
    except ValidationError as error:
        problems += _explain(error)
    name = document.get("name")
    if isinstance(name, str) and name != path.stem:
        problems.append(f"name: '{name}' is not the file's name, '{path.stem}'")
    if segment is not None:
        problems += _missing(segment, path)
    if problems or segment is None:
        raise AudienceError(source, problems)
    chain = (*above, segment.name)
    others = {}
    parts = sum(1 for _ in segment.who.walk("who")) if segment.who else 1
    for key, other in segment.references():
        if other in chain:
            circle = " -> ".join((*chain[chain.index(other) :], other))
            raise AudienceError(source, [f"{key}: segments refer to each other: {circle}"])
        others[other], more = _load(path.with_name(f"{other}.yaml"), chain, loaded)
        parts += more
    if parts > rules.MOST_PARTS:
        raise AudienceError(
            source,
            [
                (
                    f"who: with the segments that it refers to, it has {parts:,} parts; a rule "
                    f"has at most {rules.MOST_PARTS}"
                )
            ],
        )
    return (segment.model_copy(update={"others": others}) if others else segment), parts


def _missing(segment: Segment, path: Path) -> Iterator[str]:
    there = {one.stem for one in path.parent.glob("*.yaml")}
    for key, other in segment.references():
        if other not in there:
            yield f"{key}: there is no segment '{other}'{nearest(other, there)}"


def load_all(folder: Path) -> list[Segment]:
    """Every segment of a folder, by name.

    Raises
    ------
    AudienceError
        With every mistake of the first file that has any.
    """
    loaded: _Loaded = {}
    return [_load(path, (), loaded)[0] for path in sorted(folder.glob("*.yaml"))]


def frame(segment: Segment) -> pd.DataFrame:
    """A segment as a table, one row per key."""
    rows = [
        ("name", segment.name),
        ("description", " ".join(segment.description.split())),
        ("where", " ".join((segment.where or "").split())),
        ("who", "" if segment.who is None else _plain_rule(segment.who)),
        ("sample", "" if segment.sample is None else f"{segment.sample:g}"),
        ("holdout", f"{segment.holdout:g}" if segment.holdout else ""),
        ("channels", ", ".join(segment.channels)),
        ("topic", segment.topic or ""),
        *((key, ", ".join(getattr(segment, key))) for key in ("attributes", "lists", "metrics")),
        ("suppressed", segment.suppressed),
    ]
    kept = [(key, value) for key, value in rows if value or key in ("attributes",)]
    return pd.DataFrame(kept, columns=["key", "value"])


def _plain_rule(rule: Rule) -> str:
    """A rule on one line, as a file writes it."""
    document = _short(rule.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    return json.dumps(document, ensure_ascii=False).replace('"', "")


def _short(part: Any) -> Any:
    """A part of a rule with ``feature: name`` and its comparison beside it."""
    if isinstance(part, list):
        return [_short(one) for one in part]
    if not isinstance(part, dict):
        return part
    feature = part.get("feature")
    if isinstance(feature, dict):
        return {"feature": feature["name"], **{k: v for k, v in feature.items() if k != "name"}}
    return {key: _short(one) for key, one in part.items()}


def _explain(error: ValidationError) -> Iterator[str]:
    for item, sentence in zip(error.errors(), explained(error, _unknown, _WRITE), strict=True):
        if item["type"] == "literal_error" and item["input"] == "push":
            key = ".".join(str(part) for part in item["loc"])
            yield f"{key}: push needs device tokens, and marts.customer_360 holds none"
        elif item["loc"] == ("where",):
            yield sentence.removesuffix(f" (given: {item['input']!r})")
        else:
            yield sentence


def _unknown(key: str) -> str:
    *before, _ = key.split(".")
    names = [part for part in before if not part.isdigit()]
    if not names or names[0] != "who":
        return unknown_key(key, [name for name in Segment.model_fields if name != "others"])
    part = rules.PARTS.get(names[-1], Rule)
    known = [field.alias or name for name, field in part.model_fields.items()]
    last = key.rpartition(".")[2]
    return f"{key}: there is no such key" + (
        nearest(last, known) or f"; the keys are {', '.join(known)}"
    )


_WRITE = {"name": "a name of small letters, digits and '_', 50 at most"}


# --- the query ----------------------------------------------------------------------------------


def query(segment: Segment, known: Known | None = None) -> exp.Select:
    """The query for a segment's people, one row each, in the order of ``person_id``.

    Parameters
    ----------
    known
        What a structured rule may name, from :func:`engagement.audience.happenings.known`.
    """
    return Renderer(known or Known({})).query(segment, columns(segment))


__all__ = [
    "ADDRESSES",
    "CUSTOMERS",
    "PARAMETERS",
    "PERSON_COLUMNS",
    "AudienceError",
    "Channel",
    "Segment",
    "Selection",
    "checked",
    "columns",
    "condition",
    "frame",
    "load",
    "load_all",
    "plain_values",
    "query",
    "select",
]
