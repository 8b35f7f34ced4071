"""What a run of the generator is asked for, and the profile of the committed samples."""

from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engagement.errors import WrongInputError

Rate = Annotated[float, Field(ge=0.0, le=1.0)]


class GeneratorError(WrongInputError):
    """The generator was asked for something it cannot do."""


class Dirt(BaseModel):
    """How much of each kind of dirt goes into the files.

    Every rate is a share between 0 and 1. Unless it says otherwise it is a share of the sound
    events that the shop's visitors sent.

    Attributes
    ----------
    duplicate_same_day
        Events delivered a second time on the same received date. Two in three were sent again by
        the client (other ``sentAt``, ``receivedAt`` and, by milliseconds, ``timestamp``); the rest
        are the very same bytes.
    duplicate_later
        Events delivered again on a later received date: six in seven 1 to 6 days later, the rest
        9 to 20 days later, which is beyond the window of seven days and makes them events again.
    late
        Share of sessions whose later part was queued on the device and sent one hour to six days
        after it happened.
    skewed_clock
        Share of sessions on a device whose clock is wrong by hours or years. In one of five the
        clock was put right between the event and its sending, so that the server's correction
        yields a time that cannot be believed.
    joined_lines
        Share of records that are followed by the next one on the same line.
    truncated_lines
        Records that break off in the middle.
    blank_lines
        Blank lines put between records, as a share of records.
    non_objects
        Lines that hold something other than a JSON object, put between records, as a share of
        records.
    odd_names
        Events with odd names and odd property names, put between the others.
    odd_types
        Share of product and order events in which one property has another type than it should.
    unknown_types
        Events whose ``type`` is unknown or missing.
    bots
        Crawlers that come once and read many pages, as a share of `users`.
    invalid_utf8
        Records that hold a byte sequence that is not UTF-8.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    duplicate_same_day: Rate = 0.004
    duplicate_later: Rate = 0.002
    late: Rate = 0.01
    skewed_clock: Rate = 0.005
    joined_lines: Rate = 0.004
    truncated_lines: Rate = 0.0004
    blank_lines: Rate = 0.0006
    non_objects: Rate = 0.0003
    odd_names: Rate = 0.002
    odd_types: Rate = 0.004
    unknown_types: Rate = 0.0003
    bots: Rate = 0.01
    invalid_utf8: Rate = 0.0003

    @classmethod
    def none(cls) -> Self:
        """Return settings without any dirt."""
        return cls(**dict.fromkeys(cls.model_fields, 0.0))

    @model_validator(mode="after")
    def _spoilt_records_leave_room(self) -> Self:
        if self.truncated_lines + self.unknown_types + self.invalid_utf8 > 1:
            raise ValueError(
                "truncated_lines, unknown_types and invalid_utf8 add up to more than 1"
            )
        return self


class GeneratorSettings(BaseModel):
    """A shop's visitors over some days, and how their events are written.

    Attributes
    ----------
    users
        Number of people who visit the shop, registered or not.
    days
        Number of received dates (UTC), from `start` on. What would be received later has not
        landed yet and is not written.
    seed
        The same settings give the same bytes.
    start
        First received date.
    dirt
        Rates of what is wrong with the files.
    compress
        Write gzip (``.gz``) rather than plain files.
    conversion
        Share of the visitors' sessions that place an order.
    items_per_order
        Mean number of different products that a buyer adds in the session of an order.
    eur_share, gbp_share
        Shares of people who are shown prices, and order, in euros and in pounds.
    object_records
        Records after which a new object is begun.
    write_keys
        Write keys of the web shop and of the mobile app; None leaves the field out, as the browser
        SDK does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: Annotated[int, Field(ge=1, le=20_000_000)]
    days: Annotated[int, Field(ge=1, le=3660)]
    seed: Annotated[int, Field(ge=0)] = 1
    start: date = date(2026, 9, 2)
    dirt: Dirt = Dirt()
    compress: bool = True
    conversion: Annotated[float, Field(ge=0.0, le=0.4)] = 0.03
    items_per_order: Annotated[float, Field(ge=1.0, le=5.0)] = 2.0
    eur_share: Annotated[float, Field(ge=0.0, le=0.2)] = 0.02
    gbp_share: Annotated[float, Field(ge=0.0, le=0.1)] = 0.0
    object_records: Annotated[int, Field(ge=1)] = 25_000
    write_keys: tuple[str, str] | None = None

    @property
    def end(self) -> date:
        """Last received date."""
        return self.start + timedelta(days=self.days - 1)


SAMPLES = GeneratorSettings(
    users=2400,
    days=60,
    seed=20260902,
    start=date(2026, 9, 2),
    conversion=0.065,
    items_per_order=5.0,
    eur_share=0.03,
    object_records=500,
)
