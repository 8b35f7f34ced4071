"""Where audiences are sent: Amazon Connect Customer Profiles and its outbound campaigns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from engagement.settings.section import Section, Share

_REGION = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
_ARN = r"^arn:[a-z0-9-]+:[a-z-]+:[a-z]{2}(-[a-z]+)+-[0-9]+:[0-9]{12}:\S+$"
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"

Days = Annotated[int, Field(ge=1, le=1098)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class CustomerProfiles(Section):
    """The domain that people are sent to, and how.

    ``domain`` (left out: the project's name) is made where there is none, with
    ``domain_expiry_days``; one that somebody else made is used and never changed.

    ``expiry_days`` is how long the service keeps what an import brought. ``mode`` ``delta`` sends
    who came, changed or left since the last send, and everybody again before half of
    ``expiry_days`` is over; ``full`` always sends everybody. Changes of at most ``puts_up_to``
    people are put one by one (ten in a call), more of them are imported from files of at most
    ``part_bytes``.

    A send waits up to ``wait_minutes`` for an import and asks every ``poll_seconds``. Afterwards
    ``check_people`` of those sent are looked up in the segment. Of failed records the people are
    looked for among the first ``look_for_failed`` of a file; if more than the share
    ``most_failed`` of a file failed, the send stops.
    """

    region: str | None = Field(default=None, pattern=_REGION)
    domain: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    domain_expiry_days: Days = 366
    encryption_key: str | None = Field(default=None, min_length=1, max_length=255)
    dead_letter_queue_url: str | None = Field(default=None, min_length=1, max_length=255)
    expiry_days: Days = 30
    mode: Literal["delta", "full"] = "delta"
    puts_up_to: int = Field(default=500, ge=0, le=10_000)
    part_bytes: int = Field(default=999_999_999, ge=1_000, le=999_999_999)
    wait_minutes: float = Field(default=60, gt=0, le=1440)
    poll_seconds: float = Field(default=5, gt=0, le=300)
    check_people: int = Field(default=100, ge=0, le=1_000)
    look_for_failed: int = Field(default=10_000, ge=0)
    most_failed: Share = 0.01


class Limit(Section):
    """At most ``messages`` to one person within ``days``."""

    messages: int = Field(ge=1, le=1_000)
    days: int = Field(ge=1, le=30)


class OpenHours(Section):
    """When messages may go out, in each person's own time; the other hours are quiet.

    Where the person's time zone is not known, ``timezone`` counts.
    """

    from_: str = Field(default="09:00", alias="from", pattern=_TIME)
    to: str = Field(default="20:00", pattern=_TIME)
    days: tuple[Weekday, ...] = Field(
        default=("monday", "tuesday", "wednesday", "thursday", "friday", "saturday"), min_length=1
    )
    timezone: str | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ >= self.to:
            raise ValueError(f"from '{self.from_}' has to be before to '{self.to}'")
        return self


class Campaign(Section):
    """An outbound campaign of Amazon Connect to the segment.

    ``instance`` is the ARN of the Connect instance, ``flow`` that of the campaign's flow.
    ``channel`` says what is sent: ``email`` needs ``from_address`` (and may have ``from_name``),
    ``sms`` needs ``phone_number``, the ARN of a number; ``template`` is the ARN of the message's
    template. ``start`` and ``end`` are moments in UTC; ``refresh_days`` is how often the segment is
    read again. The campaign is made and left unstarted, unless ``started`` says otherwise.
    """

    instance: str = Field(pattern=_ARN)
    flow: str = Field(pattern=_ARN)
    channel: Literal["email", "sms"]
    template: str = Field(pattern=_ARN)
    from_address: str | None = Field(default=None, pattern=r"^[^\s@]+@[^\s@]+\.[^\s@]+$")
    from_name: str | None = Field(default=None, min_length=1, max_length=256)
    phone_number: str | None = Field(default=None, pattern=_ARN)
    start: datetime
    end: datetime
    refresh_days: int | None = Field(default=1, ge=1, le=365)
    open_hours: OpenHours = OpenHours()
    limits: tuple[Limit, ...] = Field(default=(Limit(messages=2, days=7),), max_length=2)
    started: bool = False

    @field_validator("start", "end")
    @classmethod
    def _in_utc(cls, moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        needed = "from_address" if self.channel == "email" else "phone_number"
        if getattr(self, needed) is None:
            raise ValueError(f"{needed} is missing, and {self.channel} needs it")
        if self.start >= self.end:
            raise ValueError("end has to be after start")
        if ":instance/" not in self.instance:
            raise ValueError("instance: write the ARN of a Connect instance")
        return self


class Files(Section):
    """Files of the same members for other tools, beside those for Customer Profiles.

    ``google_ads`` and ``meta`` write hashed files for Customer Match and Custom Audiences;
    ``mapping`` names the columns of a plain CSV: header by header the member's column that it has
    (``{"Contact ID": person_id}``). They are ``packed`` as gzip, and split at ``part_bytes`` before
    packing and at ``part_rows``.
    """

    google_ads: bool = False
    meta: bool = False
    mapping: dict[Annotated[str, Field(min_length=1)], Annotated[str, Field(min_length=1)]] = {}
    packed: bool = False
    part_bytes: int = Field(default=999_999_999, ge=1_000)
    part_rows: int | None = Field(default=None, ge=1)


class Activation(Section):
    """Whether audiences are sent, and where to; without ``send`` they are only planned.

    ``exported_when`` says when people count as exported, for ``audience.cap`` and for measuring:
    ``sent`` when a send has brought them to Customer Profiles, ``written`` also when the files were
    written, because somebody uploads them by hand.
    """

    send: bool = False
    exported_when: Literal["sent", "written"] = "sent"
    files: Files = Files()
    customer_profiles: CustomerProfiles = CustomerProfiles()
    campaign: Campaign | None = None
