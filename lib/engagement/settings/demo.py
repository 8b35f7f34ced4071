"""The shop of ``make demo``."""

from __future__ import annotations

from pydantic import Field

from engagement.settings.section import Section


class Demo(Section):
    """The shop of ``engagement demo``, and what was there before its first visitor.

    It listens on ``host`` and ``port``. What it is served from is in ``folder``, which it makes.
    Where the landing is empty, the events of ``people`` invented shoppers land first, over the
    ``days`` up to yesterday. After a landing, the next run waits ``wait_seconds`` for more.
    """

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8090, ge=1, le=65_535)
    folder: str = Field(default=".cache/demo", min_length=1)
    people: int = Field(default=400, ge=1, le=100_000)
    days: int = Field(default=14, ge=1, le=365)
    wait_seconds: float = Field(default=0.5, ge=0, le=600)
