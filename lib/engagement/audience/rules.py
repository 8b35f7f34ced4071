"""The structured rule of a segment: what people are, what they did and did not do, in what order.

A rule is a tree. Its inner parts are ``all``, ``any`` and ``not``; its leaves are a feature of
``marts.customer_360``, something that a person ``did`` or ``did_not`` do, a ``sequence``, and
membership in another ``segment``. Every leaf is true or false, never unknown: a comparison with a
missing value is false, and what is written as a negation (``is_not``, ``none_of``, ``did_not``,
``not``) is the exact opposite of what it negates, so it is true where the value is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

MOST_DAYS = 36_500
MOST_PARTS = 500
"""Parts of one rule: beyond that an engine's planner is what fails."""

Value = StrictBool | StrictInt | StrictFloat | Decimal | date | StrictStr
Values = Annotated[tuple[Value, ...], Field(min_length=1, max_length=1_000)]
Name = Annotated[str, Field(min_length=1, max_length=255)]

TABLES = ("orders", "order_items", "carts", "sessions", "price_drops")
"""What ``from`` may name: tables whose rows are things that people did."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _something(cls, value: Any, info: ValidationInfo) -> Any:
        """A key without a value is a mistake, not a key left out."""
        del info
        if value is None:
            raise ValueError("has no value; for a missing one, write missing: true")
        return value


def _one_of(part: BaseModel, *names: str) -> str:
    given = [_written(part, name) for name in names if getattr(part, name) is not None]
    if len(given) != 1:
        listed = ", ".join(_written(part, name) for name in names)
        said = " and ".join(given) or "none"
        raise ValueError(f"write exactly one of {listed} (given: {said})")
    return given[0]


def _written(part: BaseModel, name: str) -> str:
    """A key as a file writes it."""
    return type(part).model_fields[name].alias or name


class Window(_Part):
    """A length of time: ``days`` (whole days, the as-of day being the last) or ``hours``."""

    days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    hours: int | None = Field(default=None, ge=1, le=MOST_DAYS * 24)

    @model_validator(mode="after")
    def _one(self) -> Self:
        _one_of(self, "days", "hours")
        return self

    @property
    def in_hours(self) -> int:
        """Its length; a day has 24 hours."""
        return self.hours if self.hours is not None else (self.days or 0) * 24


class Comparison(_Part):
    """What a value has to be; with several keys, all of that.

    ``is``, ``is_not``, ``one_of``, ``none_of`` compare with values. ``more_than``, ``at_least``,
    ``less_than``, ``at_most`` compare numbers and dates. ``contains`` and ``starts_with`` look into
    texts, ``has`` looks for a member of a text that separates several by ``|``; upper and lower
    case differ. ``within`` and ``before`` are for dates and times: in the last days or hours, and
    earlier than that. ``missing`` says whether there is a value.
    """

    is_: Value | None = Field(default=None, alias="is")
    is_not: Value | None = None
    one_of: Values | None = None
    none_of: Values | None = None
    more_than: Value | None = None
    at_least: Value | None = None
    less_than: Value | None = None
    at_most: Value | None = None
    contains: StrictStr | None = Field(default=None, min_length=1)
    starts_with: StrictStr | None = Field(default=None, min_length=1)
    has: StrictStr | None = Field(default=None, min_length=1)
    within: Window | None = None
    before: Window | None = None
    missing: StrictBool | None = None

    @field_validator("is_", "is_not", "more_than", "at_least", "less_than", "at_most")
    @classmethod
    def _finite(cls, value: Any) -> Any:
        if isinstance(value, (float, Decimal)) and not math.isfinite(value):
            raise ValueError("write a number")
        return value

    @field_validator("one_of", "none_of")
    @classmethod
    def _all_finite(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        for value in values or ():
            cls._finite(value)
        return values

    def tests(self) -> dict[str, Any]:
        """Its keys that are given, as a file writes them, in a fixed order."""
        return {
            _written(self, name): getattr(self, name)
            for name in Comparison.model_fields
            if getattr(self, name) is not None
        }


class Feature(Comparison):
    """A column of ``marts.customer_360``, and what it has to be."""

    name: Name

    @model_validator(mode="after")
    def _compared(self) -> Self:
        if not self.tests():
            raise ValueError(_nothing_compared(self.name))
        return self


class Property(Comparison):
    """A property of what happened, and what it has to be."""

    property: Name

    @model_validator(mode="after")
    def _compared(self) -> Self:
        if not self.tests():
            raise ValueError(_nothing_compared(self.property))
        return self


def _nothing_compared(name: str) -> str:
    keys = ", ".join(
        field.alias or key for key, field in Comparison.model_fields.items() if key != "is_"
    )
    return f"'{name}' is compared with nothing: write is, {keys}"


class Happening(_Part):
    """Something that happens: an event by concept or by name, or a row of one of the tables.

    ``where`` are conditions on its properties, all of which have to hold. ``within`` and ``before``
    say when: in the last days or hours, and earlier than that; with both, in between.
    """

    concept: Name | None = None
    event: Name | None = None
    from_: Literal["orders", "order_items", "carts", "sessions", "price_drops"] | None = Field(
        default=None, alias="from"
    )
    where: tuple[Property, ...] = ()
    within: Window | None = None
    before: Window | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        _one_of(self, "concept", "event", "from_")
        return self

    @property
    def what(self) -> str:
        """What it is, in a few words."""
        return self.concept or self.from_ or f"'{self.event}'"


class Count(_Part):
    """How often: ``exactly``, or ``at_least`` and ``at_most``."""

    at_least: int | None = Field(default=None, ge=0)
    at_most: int | None = Field(default=None, ge=0)
    exactly: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _given(self) -> Self:
        bounds = (self.at_least, self.at_most)
        if (self.exactly is None) == (bounds == (None, None)):
            raise ValueError("write exactly, or at_least and at_most")
        if None not in bounds and self.at_least > self.at_most:  # type: ignore[operator]
            raise ValueError(f"nothing is at least {self.at_least} and at most {self.at_most}")
        return self

    def allows(self, times: int) -> bool:
        """Whether something may have happened so often."""
        if self.exactly is not None:
            return times == self.exactly
        low, high = self.at_least or 0, self.at_most
        return low <= times and (high is None or times <= high)


class Sum(_Part):
    """The sum of a property that is a number, and its bounds; missing values add nothing."""

    of: Name
    more_than: StrictInt | StrictFloat | Decimal | None = None
    at_least: StrictInt | StrictFloat | Decimal | None = None
    less_than: StrictInt | StrictFloat | Decimal | None = None
    at_most: StrictInt | StrictFloat | Decimal | None = None

    def tests(self) -> dict[str, Any]:
        """Its bounds that are given."""
        names = ("more_than", "at_least", "less_than", "at_most")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @model_validator(mode="after")
    def _given(self) -> Self:
        if not self.tests():
            raise ValueError("write more_than, at_least, less_than or at_most")
        return self


class Did(Happening):
    """Something that a person did.

    ``count`` says how often (left out: at least once) and ``sum`` bounds the sum of one of its
    properties. With ``when: first`` or ``last``, it is the first or last time that has to lie in
    the time given by ``within`` and ``before``.
    """

    count: Count = Count(at_least=1)
    sum: Sum | None = None
    when: Literal["any", "first", "last"] = "any"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.when != "any":
            if self.sum is not None or self.count != Count(at_least=1):
                raise ValueError(f"when: {self.when} is one moment: leave out count and sum")
            if self.within is None and self.before is None:
                raise ValueError(f"when: {self.when} needs within, before or both")
        return self


class Sequence(_Part):
    """First one thing, then another, after it.

    ``within`` bounds the time from one to the other (a day is 24 hours here), and ``without`` names
    what may not happen between them.
    """

    first: Happening
    then: Happening
    within: Window | None = None
    without: Happening | None = None


class Rule(_Part):
    """A part of the tree: exactly one of its keys is given."""

    all: tuple[Rule, ...] | None = Field(default=None, min_length=1)
    any: tuple[Rule, ...] | None = Field(default=None, min_length=1)
    not_: Rule | None = Field(default=None, alias="not")
    feature: Feature | None = None
    did: Did | None = None
    did_not: Did | None = None
    sequence: Sequence | None = None
    segment: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """``feature: spend_total`` with its comparison beside it stands for the nested form."""
        if isinstance(value, Mapping) and isinstance(value.get("feature"), str):
            beside = {key: item for key, item in value.items() if key != "feature"}
            parts = [key for key in beside if key in _PARTS]
            if not parts:
                return {"feature": {"name": value["feature"], **beside}}
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        _one_of(self, *type(self).model_fields)
        return self

    def walk(self, path: str) -> Iterator[tuple[str, Rule]]:
        """Give the part itself and those in it, each with its key in the file."""
        yield path, self
        for key in ("all", "any"):
            for place, part in enumerate(getattr(self, key) or ()):
                yield from part.walk(f"{path}.{key}.{place}")
        if self.not_ is not None:
            yield from self.not_.walk(f"{path}.not")

    def happenings(self, path: str) -> Iterator[tuple[str, Happening]]:
        """Everything that happens in this part itself, each with its key in the file."""
        for key in ("did", "did_not"):
            if getattr(self, key) is not None:
                yield f"{path}.{key}", getattr(self, key)
        if self.sequence is not None:
            for key in ("first", "then", "without"):
                if getattr(self.sequence, key) is not None:
                    yield f"{path}.sequence.{key}", getattr(self.sequence, key)


_PARTS = ("all", "any", "not", "did", "did_not", "sequence", "segment")

Rule.model_rebuild()

PARTS: dict[str, type[BaseModel]] = {
    "feature": Feature,
    "did": Did,
    "did_not": Did,
    "sequence": Sequence,
    "first": Happening,
    "then": Happening,
    "without": Happening,
    "where": Property,
    "within": Window,
    "before": Window,
    "count": Count,
    "sum": Sum,
}
"""The keys of a rule that hold keys of their own, for telling which ones there are."""
