"""Sections ``recommendations``, and what of ``personalize`` is about the data sets."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

from pydantic import Field, field_validator, model_validator

from engagement.settings.section import Section


class Action(Section):
    """An action of Next-Best-Action, by the events that tell what people did with it.

    ``viewed``, ``taken`` and ``not_taken`` are names of events. ``value`` is what it is worth,
    ``repeat_after_days`` how long Personalize waits before it recommends the action again.
    """

    viewed: str | None = None
    taken: str | None = None
    not_taken: str | None = None
    value: int | None = Field(default=None, ge=1, le=10)
    repeat_after_days: int | None = Field(default=None, ge=0, le=30)

    @model_validator(mode="after")
    def _has_an_event(self) -> Action:
        if not any((self.viewed, self.taken, self.not_taken)):
            raise ValueError("name an event: viewed, taken or not_taken")
        return self


class DataSets(Section):
    """What 06 exports.

    ``domain`` is that of the dataset group: ECOMMERCE, or custom, which asks for fewer fields.
    ``event_weights`` says what an event counts for, from 0.001 to 1: in the baselines, and in a
    solution's ``eventsConfig``; a type that is not named counts 1. ``event_values`` becomes
    EVENT_VALUE of the interactions; left out, they have none. ``user_features`` are columns of
    customer 360. ``catalogue`` is a CSV file of products, see docs/recommendations.md. ``actions``
    are those of Next-Best-Action, by id; only a group without a domain can have them.
    ``part_megabytes`` is the most that one file holds. ``offline_metrics`` is a JSON file with what
    GetSolutionMetrics answered, to stand beside the baselines.
    """

    domain: Literal["ECOMMERCE", "custom"] = "ECOMMERCE"
    event_weights: dict[str, float] = {"View": 0.2, "AddToCart": 0.6, "Purchase": 1.0}
    event_values: dict[str, float] = {}
    user_features: tuple[str, ...] = ("lifecycle_stage", "favourite_category")
    catalogue: str | None = None
    actions: dict[str, Action] = {}
    part_megabytes: int = Field(default=500, ge=1, le=5_000)
    offline_metrics: str | None = None

    @field_validator("event_weights")
    @classmethod
    def _weights(cls, weights: dict[str, float]) -> dict[str, float]:
        for event_type, weight in weights.items():
            if not 0.001 <= weight <= 1:
                raise ValueError(f"{event_type}: a weight is between 0.001 and 1")
        return weights

    @model_validator(mode="after")
    def _no_actions_in_a_domain(self) -> DataSets:
        if self.actions and self.domain != "custom":
            raise ValueError("actions need domain: custom")
        return self


class Experiment(Section):
    """An A/B test: from ``starts`` on, people are in one of the ``arms``, by their shares.

    The name is part of what decides who is where, so another name deals people anew.
    """

    name: str
    starts: date
    arms: dict[str, float] = {"baseline": 0.5, "personalize": 0.5}

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
            raise ValueError("write it in lower case, with digits, - and _")
        return name

    @field_validator("arms")
    @classmethod
    def _whole(cls, arms: dict[str, float]) -> dict[str, float]:
        if len(arms) < 2 or any(share <= 0 for share in arms.values()):
            raise ValueError("two arms or more are expected, each with a share above 0")
        if abs(sum(arms.values()) - 1) > 1e-9:
            raise ValueError("the shares must sum to 1")
        return arms


class Recommendations(Section):
    """The baselines of 06, see docs/recommendations.md.

    An interest counts half after ``interest_half_life_days``, a trend after
    ``trend_half_life_days``. ``for_you`` is the method that fills
    ``marts.recommendations_for_you``, ``length`` how many products each person gets; what somebody
    bought is left out unless ``show_bought``. ``factors`` is the rank of the matrix factorisation.
    ``tested_people`` is the most people that the evaluation asks, ``resamples`` how often its
    bootstrap draws.
    """

    interest_half_life_days: int = Field(default=30, ge=1, le=3_650)
    trend_half_life_days: int = Field(default=7, ge=1, le=3_650)
    for_you: Literal["co_visitation", "matrix_factorisation", "popular_in_category"] = (
        "co_visitation"
    )
    length: int = Field(default=10, ge=1, le=100)
    show_bought: bool = False
    factors: int = Field(default=16, ge=1, le=256)
    tested_people: int = Field(default=20_000, ge=1, le=200_000)
    resamples: int = Field(default=1_000, ge=100, le=10_000)
    experiment: Experiment | None = None
