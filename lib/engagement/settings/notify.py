"""Who is told when a run fails, or finds something that somebody should look at."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engagement.settings.section import Section


class Notify(Section):
    """Where a run says that it failed, or that there are alerts.

    ``webhook_variable`` names the environment variable that holds the address to post JSON to:
    such addresses are secrets, so they are in no file. ``sns_topic`` is the ARN of a topic of SNS.
    ``on`` says what is told. ``seconds`` is how long a webhook may take.
    """

    webhook_variable: str | None = Field(default=None, pattern=r"^[A-Z_][A-Z0-9_]{0,99}$")
    sns_topic: str | None = Field(
        default=None, pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$"
    )
    on: tuple[Literal["failure", "alert"], ...] = ("failure", "alert")
    seconds: float = Field(default=10, gt=0, le=60)
