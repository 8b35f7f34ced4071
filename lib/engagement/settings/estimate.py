"""What ``engagement estimate`` is to assume, and a team's own prices."""

from __future__ import annotations

from pydantic import Field, field_validator

from engagement.settings.section import Section

_PRICES = (
    "athena_terabyte",
    "s3_gigabyte_month",
    "s3_thousand_writes",
    "s3_thousand_reads",
    "glue_hundred_thousand_objects",
    "glue_million_requests",
    "firehose_gigabyte",
    "firehose_partitioned_gigabyte",
    "firehose_thousand_objects",
    "firehose_jq_hour",
    "quicksight_author",
    "quicksight_reader",
    "quicksight_spice_gigabyte",
    "personalize_gigabyte",
    "personalize_thousand_interactions",
    "personalize_thousand_requests",
)


class Estimate(Section):
    """What ``engagement estimate`` reckons with.

    ``prices`` replace the package's list, by its names. The workbook runs ``runs_a_day`` times.
    ``authors`` and ``readers`` use QuickSight; with none of either, QuickSight costs nothing.
    ``recommendations_a_day`` are asked of Personalize, whose models are trained
    ``trainings_a_month`` times; only where the parameters have a place for its data
    (``personalize.location``).
    """

    prices: dict[str, float] = {}
    runs_a_day: int = Field(default=1, ge=1, le=288)
    authors: int = Field(default=0, ge=0, le=1_000_000)
    readers: int = Field(default=0, ge=0, le=10_000_000)
    recommendations_a_day: int = Field(default=0, ge=0)
    trainings_a_month: int = Field(default=4, ge=0, le=1_000)

    @field_validator("prices")
    @classmethod
    def _known(cls, prices: dict[str, float]) -> dict[str, float]:
        for name, usd in prices.items():
            if name not in _PRICES:
                raise ValueError(f"'{name}' is no price; they are: {', '.join(_PRICES)}")
            if not 0 <= usd < 1e9:
                raise ValueError(f"{name}: {usd} is no price in dollars")
        return prices
