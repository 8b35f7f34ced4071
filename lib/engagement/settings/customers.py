"""Consent, the scores of customers, and what is done for them."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any, Literal

from pydantic import field_validator

from engagement.settings.events import Events
from engagement.settings.personalize_service import PersonalizeService
from engagement.settings.recommendations import DataSets
from engagement.settings.section import Section


class Consent(Section):
    """Which trait answers whether a person may be contacted, per channel.

    ``traits`` names, per channel, a column of ``events.identifies``. Only a person who never gave
    an answer is silent; for them ``unanswered`` decides: ``deny`` (the default) or ``allow``. An
    answer that cannot be read counts as no.
    """

    traits: dict[Literal["email", "sms", "push"], str] = {
        "email": "consent_email",
        "sms": "consent_sms",
        "push": "consent_push",
    }
    unanswered: Literal["allow", "deny"] = "deny"


class Customers(Section):
    """Where the scores of RFM change, which stages and segments follow from.

    Each list holds four values, each greater than the one before. ``recency_days``: a last kept
    order less than this many days ago scores 5, 4, 3, 2. ``frequency_orders``: from this many kept
    orders on the score is 2, 3, 4, 5. ``monetary``: from this spend on, in the reporting currency,
    likewise.
    """

    recency_days: tuple[int, ...] = (30, 60, 90, 365)
    frequency_orders: tuple[int, ...] = (2, 3, 4, 6)
    monetary: tuple[Decimal, ...] = (Decimal(50), Decimal(100), Decimal(250), Decimal(500))

    @field_validator("recency_days", "frequency_orders", "monetary")
    @classmethod
    def _rising(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(values) != 4 or values[0] <= 0 or any(a >= b for a, b in itertools.pairwise(values)):
            raise ValueError("four values above 0 are expected, each greater than the one before")
        return values

    @field_validator("frequency_orders")
    @classmethod
    def _one_order_scores_1(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if values[0] < 2:
            raise ValueError("the first value must be 2 or more: one order scores 1")
        return values

    @field_validator("monetary")
    @classmethod
    def _amounts(cls, values: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
        if any(value != round(value, 2) or value >= 10**16 for value in values):
            raise ValueError("amounts have at most two decimal places and are below 10^16")
        return values


class Personalize(PersonalizeService, DataSets):
    """Interactions that 06 exports: each concept, and the EVENT_TYPE it becomes.

    What else there is say :class:`~engagement.settings.recommendations.DataSets` and
    :class:`~engagement.settings.personalize_service.PersonalizeService`.
    """

    event_types: dict[str, str] = {
        "product_viewed": "View",
        "product_added": "AddToCart",
        "order_completed": "Purchase",
    }

    @field_validator("event_types")
    @classmethod
    def _concepts(cls, event_types: dict[str, str]) -> dict[str, str]:
        for concept in event_types:
            if concept not in Events.model_fields:
                raise ValueError(f"'{concept}' is no concept under 'events'")
        if len(event_types) > 10:
            raise ValueError("Personalize takes at most 10 event types")
        return event_types
