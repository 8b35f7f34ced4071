"""Where events land, what they are meant to be, and when one is a repeat."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from engagement.settings.section import (
    ColumnType,
    Section,
)


class Landing(Section):
    """Where Firehose lands the events.

    ``location`` is the folder (or ``s3://`` address) that holds the ``received_at_utc_date=…``
    partitions; ``errors_location`` the one where Firehose puts what it could not deliver, if that
    lies elsewhere: it is summed up, and never read as events. ``from`` and ``to`` bound the
    received dates read, both inclusive, for backfills.
    ``write_keys`` keeps the events of these RudderStack sources only; empty means all of them.
    ``reprocess`` names dates whose files are read again though they did not change: a date, a range
    (``2026-09-01..2026-09-07``) or ``all``. A date none of whose files is left is kept as it was
    taken in, since landings expire, unless ``gone`` is ``remove``. A zipped file that turns out to
    hold more than ``most_file_megabytes`` is set apart.
    """

    location: str = Field(min_length=1)
    errors_location: str | None = Field(default=None, min_length=1)
    from_: date | None = Field(default=None, alias="from")
    to: date | None = None
    write_keys: tuple[str, ...] = ()
    reprocess: tuple[str, ...] = ()
    gone: Literal["keep", "remove"] = "keep"
    most_file_megabytes: int = Field(default=512, ge=1, le=100_000)

    @field_validator("reprocess", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, (str, date)) else value or ()

    @field_validator("reprocess", mode="before")
    @classmethod
    def _dates(cls, value: Any) -> Any:
        items = [str(item) for item in value] if isinstance(value, (list, tuple)) else value
        for item in items if isinstance(items, list) else ():
            first, dots, last = item.partition("..")
            try:
                days = [date.fromisoformat(day) for day in (first, last or first)]
            except ValueError:
                days = []
            if item != "all" and (not days or days[0] > days[1] or (dots and not last)):
                raise ValueError(
                    f"'{item}' is no date such as 2026-09-01, no range such as "
                    "2026-09-01..2026-09-07, and not 'all'"
                )
        return items

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ and self.to and self.from_ > self.to:
            raise ValueError(f"'from' ({self.from_}) is after 'to' ({self.to})")
        return self


class Duplicates(Section):
    """How long, in days of received date, an earlier copy makes a later one a duplicate."""

    window_days: int = Field(default=7, ge=0, le=365)


class PlannedProperty(Section):
    """What a tracking plan says of a property: its type, if it has to have one, and whether every
    event has to have it. A type alone may stand for both.
    """

    type: ColumnType | None = None
    required: bool = False

    @model_validator(mode="before")
    @classmethod
    def _type_alone(cls, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return {"type": value}
        if not isinstance(value, Mapping):
            raise ValueError("write a type such as 'double', or the keys type and required")
        for key in value:
            if key not in cls.model_fields:
                raise ValueError(f"'{key}' is no key of a property: they are type and required")
        return value
