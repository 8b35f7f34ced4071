"""Amazon Personalize as a service: what is set up there, and how live events are sent to it."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from engagement.settings.section import S3_ADDRESS, Section

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,29}")  # with the group's they are below 63
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_RECIPE = re.compile(r"aws-[a-z0-9-]{1,60}")
_METRIC = re.compile(r"SAMPLECOUNT\(\)|SUM\((Items|Interactions)\.[A-Z][A-Z0-9_]*\)")


def _named(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"'{name}' is no name: letters, digits, '-' and '_', at most 30 of them"
            )
    return value


class Campaign(Section):
    """What answers requests with a solution's newest version: billed while it is there.

    ``requests_per_second`` is the least that is provided, and billed.
    """

    requests_per_second: int = Field(default=1, ge=1, le=500)


class Batch(Section):
    """A batch job: recommendations for users, or users for items, into files.

    ``input`` is the address of the JSON Lines file that says for whom, below
    ``personalize.location``.
    """

    kind: Literal["recommendations", "segments"] = "recommendations"
    input: str = Field(min_length=1)
    results: int = Field(default=25, ge=1, le=500)
    filter: str | None = None

    @field_validator("input")
    @classmethod
    def _address(cls, value: str) -> str:
        if not re.fullmatch(S3_ADDRESS, value):
            raise ValueError("write an address such as s3://bucket/folder/users.jsonl")
        return value


class Solution(Section):
    """A model of a custom dataset group: a recipe, trained once for each state of the data.

    ``auto_training`` (a number of days) lets the service train again by itself, which is billed
    each time. ``event_weights`` says how much an event type counts, from 0 to 1. Without
    ``campaign`` there are batch jobs only.
    """

    recipe: str = "aws-user-personalization-v2"
    auto_training: int | None = Field(default=None, ge=1, le=30)
    event_weights: dict[str, float] = {}
    campaign: Campaign | None = Campaign()
    batch: dict[str, Batch] = {}

    @field_validator("recipe")
    @classmethod
    def _recipes(cls, value: str) -> str:
        if not _RECIPE.fullmatch(value):
            raise ValueError(f"'{value}' is no recipe such as aws-user-personalization-v2")
        return value

    @field_validator("event_weights")
    @classmethod
    def _weights(cls, value: dict[str, float]) -> dict[str, float]:
        if len(value) > 10 or not all(0 <= weight <= 1 for weight in value.values()):
            raise ValueError("at most 10 event types have weights, from 0 to 1")
        return value

    _check_batch = field_validator("batch")(_named)


class Recommender(Section):
    """A use case of the domain ECOMMERCE: billed by the hour while it is there."""

    use_case: str
    requests_per_second: int = Field(default=1, ge=1, le=500)

    @model_validator(mode="before")
    @classmethod
    def _use_case_alone(cls, value: Any) -> Any:
        return {"use_case": value} if isinstance(value, str) else value

    @field_validator("use_case")
    @classmethod
    def _use_cases(cls, value: str) -> str:
        if not _RECIPE.fullmatch(value):
            raise ValueError(f"'{value}' is no use case such as aws-ecomm-recommended-for-you")
        return value


class Measured(Section):
    """A metric of the metric attribution: what recommendations brought, by event type."""

    event_type: str = Field(min_length=1, max_length=256)
    expression: str = "SAMPLECOUNT()"

    @field_validator("expression")
    @classmethod
    def _expressions(cls, value: str) -> str:
        if not _METRIC.fullmatch(value):
            raise ValueError("write SAMPLECOUNT() or a sum such as SUM(Items.PRICE)")
        return value


class Prices(Section):
    """Prices in US dollars of the region, from AWS' price list: they make costs into numbers.

    Left out, what is billed is said in words.
    """

    gigabyte_imported: float | None = Field(default=None, ge=0)
    training_hour: float | None = Field(default=None, ge=0)
    recommender_hour: float | None = Field(default=None, ge=0)
    campaign_hour_per_request: float | None = Field(default=None, ge=0)
    thousand_batch_users: float | None = Field(default=None, ge=0)
    metric_month: float | None = Field(default=None, ge=0)


class Live(Section):
    """The replayer of landed events, and the client that asks for recommendations.

    ``mapping`` is the file with the rules. ``tracking_id`` names the event tracker where the set-up
    was not made here. At most ``calls_per_second`` calls are made, ``concurrency`` at a time, each
    up to ``attempts`` times. ``checkpoint`` is the file that remembers what was sent.
    ``timeout_seconds`` is how long a shop waits for a recommendation before the baseline answers.
    """

    mapping: str = "params/personalize_mapping.yaml"
    tracking_id: str | None = Field(default=None, min_length=1, max_length=256)
    calls_per_second: float = Field(default=200, gt=0, le=1_000)
    concurrency: int = Field(default=8, ge=1, le=64)
    attempts: int = Field(default=10, ge=1, le=50)
    checkpoint: str = "warehouse/personalize-live.sqlite"
    timeout_seconds: float = Field(default=0.3, gt=0, le=30)


class PersonalizeService(Section):
    """What is set up in Amazon Personalize, and whether anything is sent there.

    With ``submit: false`` the calls are written to the run's folder and none is made. ``region``
    and ``location``, the S3 folder that the exports are put in, are needed to send. ``group`` names
    the dataset group (left out: the project), ``role`` the IAM role (left out: made, by the
    project's name). ``domain`` is ``ECOMMERCE``, which takes ``recommenders``, or ``custom``, which
    takes ``solutions``. ``filters`` are expressions by name; one that leaves out what a user has
    bought is there by default, as ``bought-already``, and with ``stock_field``, a field of the
    items with the values True and False, one of what is ``in-stock``. ``metrics`` are those of the
    metric attribution, by name.
    """

    submit: bool = False
    region: str | None = None
    location: str | None = None
    group: str | None = None
    role: str | None = None
    domain: Literal["ECOMMERCE", "custom"] = "ECOMMERCE"
    recommenders: dict[str, Recommender] = {
        "recommended-for-you": Recommender(use_case="aws-ecomm-recommended-for-you"),
        "also-viewed": Recommender(use_case="aws-ecomm-customers-who-viewed-x-also-viewed"),
    }
    solutions: dict[str, Solution] = {"user-personalization": Solution()}
    filters: dict[str, str] = {}
    stock_field: str | None = None
    metrics: dict[str, Measured] = {}
    prices: Prices = Prices()
    live: Live = Live()
    wait_hours: float = Field(default=6, gt=0, le=72)
    poll_seconds: float = Field(default=5, gt=0, le=300)

    _check_names = field_validator("recommenders", "solutions", "filters", "metrics")(_named)

    @field_validator("region")
    @classmethod
    def _regions(cls, value: str | None) -> str | None:
        if value is not None and not _REGION.fullmatch(value):
            raise ValueError(f"'{value}' is no AWS region such as eu-central-1")
        return value

    @field_validator("location")
    @classmethod
    def _addresses(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(S3_ADDRESS, value):
            raise ValueError(f"'{value}' is no address such as s3://bucket/personalize")
        return value

    @field_validator("group", "role")
    @classmethod
    def _names(cls, value: str | None) -> str | None:
        if value is not None and not _NAME.fullmatch(value):
            raise ValueError(
                f"'{value}' is no name: letters, digits, '-' and '_', at most 30 of them"
            )
        return value

    @field_validator("stock_field")
    @classmethod
    def _field(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Z][A-Z0-9_]*", value):
            raise ValueError(f"'{value}' is no field of a schema, such as IN_STOCK")
        return value

    @field_validator("metrics")
    @classmethod
    def _few(cls, value: dict[str, Measured]) -> dict[str, Measured]:
        if len(value) > 10:
            raise ValueError("a metric attribution has at most 10 metrics")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.submit and (self.region is None or self.location is None):
            raise ValueError("submit: true needs region and location")
        for name, solution in self.solutions.items():
            for job in solution.batch.values():
                if self.location is not None and not job.input.startswith(self.location):
                    raise ValueError(
                        f"solutions.{name}: the input '{job.input}' is not below location, which "
                        "is all that the role may read"
                    )
                if job.filter is not None and job.filter not in self.filter_expressions():
                    raise ValueError(f"solutions.{name}: there is no filter '{job.filter}'")
        return self

    def filter_expressions(self, bought: str | None = "Purchase") -> dict[str, str]:
        """All filters, by name; ``bought`` is the event type of purchases."""
        found = {}
        if bought is not None:
            found["bought-already"] = (
                f'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("{bought}")'
            )
        if self.stock_field is not None:
            found["in-stock"] = f'INCLUDE ItemID WHERE Items.{self.stock_field} IN ("True")'
        return {**found, **self.filters}
