"""What is made in QuickSight, and who may see it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from engagement.settings.section import Section

Colour = Annotated[str, Field(pattern=r"^#[A-F0-9]{6}$")]
Principal = Annotated[str, Field(pattern=r"^(arn:aws[a-z-]*:quicksight:.+|(user|group)/[^/]+/.+)$")]


class Theme(Section):
    """How the dashboard looks: colours as ``#RRGGBB`` in capitals, and a font of QuickSight's.

    ``base`` is the theme that fills in what is not said: ``CLASSIC``, ``MIDNIGHT``, ``SEASIDE`` or
    ``RAINIER``. The first of ``colours`` is a chart's only one where it needs one.
    """

    base: Literal["CLASSIC", "MIDNIGHT", "SEASIDE", "RAINIER"] = "CLASSIC"
    colours: Annotated[tuple[Colour, ...], Field(min_length=1, max_length=100)] = (
        "#0072B2",
        "#D55E00",
        "#009E73",
        "#CC79A7",
        "#E69F00",
        "#56B4E9",
        "#6B6B6B",
    )
    gradient: tuple[Colour, Colour] = ("#DEEBF7", "#08519C")
    foreground: Colour = "#222222"
    background: Colour = "#FFFFFF"
    accent: Colour = "#0072B2"
    font: str = Field(default="Amazon Ember", min_length=1, max_length=64)


class QuickSight(Section):
    """What ``engagement quicksight`` makes.

    ``mode`` says whether data sets are kept in SPICE, and filled again every day at ``refresh_at``
    (in the reporting time zone), or ask the engine each time. ``data_sets`` says whether every
    table of the dashboards becomes one, or those that the dashboard shows. ``owners`` may change
    what is made, ``viewers`` may open the dashboard; both are ARNs, or ``group/default/name`` and
    ``user/default/name``, which are completed. ``role`` is an IAM role that QuickSight reads Athena
    or Redshift with (left out: its own, for Athena). ``secret`` is the secret of Secrets Manager
    whose user reads Redshift or PostgreSQL, ``vpc_connection`` the VPC connection by which it gets
    there, where it needs one. ``region`` is that of the engine, where it is left out.
    ``wait_seconds`` is the deadline for each thing to be ready. ``default_days`` is how many days
    the date controls show at first.
    """

    mode: Literal["SPICE", "DIRECT_QUERY"] = "SPICE"
    data_sets: Literal["all", "shown"] = "all"
    refresh_at: str = Field(default="05:00", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    owners: tuple[Principal, ...] = ()
    viewers: tuple[Principal, ...] = ()
    role: str | None = Field(default=None, pattern=r"^arn:aws[a-z-]*:iam::.+:role/.+$")
    secret: str | None = Field(
        default=None, pattern=r"^arn:aws[a-z-]*:secretsmanager:[-a-z0-9]*:[0-9]{12}:secret:.+$"
    )
    vpc_connection: str | None = Field(
        default=None, pattern=r"^arn:aws[a-z-]*:quicksight:.+:vpcConnection/.+$"
    )
    region: str | None = Field(default=None, pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")
    wait_seconds: float = Field(default=900, gt=0, le=7200)
    default_days: int = Field(default=90, ge=1, le=1096)
    theme: Theme = Theme()

    @field_validator("refresh_at", mode="before")
    @classmethod
    def _minutes_of_the_day(cls, value: Any) -> Any:
        # YAML 1.1 reads 05:30 as 330, a number of sixty.
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1440:
            return f"{value // 60:02}:{value % 60:02}"
        return value
