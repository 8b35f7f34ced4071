"""The collector that stands in for a data plane."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from engagement.settings.section import (
    Names,
    Section,
)


class Firehose(Section):
    """The delivery stream that ``engagement collect`` also puts events to, as RudderStack would."""

    stream: str = Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")


class Collect(Section):
    """The collector of ``engagement collect``, which stands in for a data plane on a laptop.

    It listens on ``host`` and ``port`` (0: any free one) and takes events that come with one of the
    ``write_keys``. It lands files in ``landing`` (left out: ``landing.location``), which has to be
    a folder of its own, not that of the samples. What has not landed yet is in ``wal``, a folder
    beside the landing on the same disk (left out: the landing's name and ``.wal``). A file is
    landed when it would hold ``roll_megabytes``, not packed, or its first event is ``roll_seconds``
    old. With ``firehose`` events are put to a real stream as well, or only there where the landing
    is an ``s3://`` address.
    """

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8080, ge=0, le=65_535)
    write_keys: Names = ("local",)
    landing: str | None = Field(default=None, min_length=1)
    wal: str | None = Field(default=None, min_length=1)
    roll_megabytes: float = Field(default=8, gt=0, le=128)
    roll_seconds: float = Field(default=10, gt=0, le=900)
    firehose: Firehose | None = None

    @field_validator("write_keys", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("write_keys")
    @classmethod
    def _as_a_header_has_it(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            if ":" in key or not key.isascii() or not key.isprintable():
                raise ValueError("a write key has no ':' and only printable ASCII characters")
        return keys

    @field_validator("landing")
    @classmethod
    def _a_folder(cls, landing: str | None) -> str | None:
        if landing is not None and landing.startswith("s3://"):
            raise ValueError(f"'{landing}' is not a folder; set collect.firehose to reach a bucket")
        return landing
