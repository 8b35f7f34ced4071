"""Everything a run depends on, in one place."""

from __future__ import annotations

import difflib
import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from engagement.settings.activation import Activation
from engagement.settings.alerts import Alerts
from engagement.settings.audience import Audience
from engagement.settings.behaviour import Identity, Sessions, Traffic
from engagement.settings.collect import Collect
from engagement.settings.customers import Consent, Customers, Personalize
from engagement.settings.demo import Demo
from engagement.settings.events import Events
from engagement.settings.landing import Duplicates, Landing, PlannedProperty
from engagement.settings.mcp import Mcp
from engagement.settings.measures import Attribution, Currency, Funnel, Metrics, Models
from engagement.settings.notify import Notify
from engagement.settings.quicksight import QuickSight
from engagement.settings.recommendations import Recommendations
from engagement.settings.section import (
    FIRST_DAY,
    LAST_DAY,
    LATEST,
    ROOT,
    Section,
)
from engagement.settings.warehouse import Run, Warehouse


class Settings(Section):
    """Everything a run depends on.

    ``tracking_plan`` says which events there are meant to be, by name (or ``identifies``,
    ``pages``, …), each with its properties: 02 reports what is otherwise. A property with a type
    declares its column: a value that does not fit is NULL and a row of ``events.discards``. In a
    parameter file the plan may also be the path of a YAML file that holds it.
    ``as_of`` is the last day that models see, up to its end (left out: the day before the newest
    event received), or ``latest``: everything received, with a last day that is not over.
    """

    project: str = Field(default="engagement", pattern=r"^[a-z][a-z0-9-]{1,30}$")
    timezone: str = "UTC"
    as_of: date | Literal["latest"] | None = None
    landing: Landing
    warehouse: Warehouse = Warehouse()
    run: Run = Run()
    duplicates: Duplicates = Duplicates()
    tracking_plan: dict[str, dict[str, PlannedProperty]] = {}
    identity: Identity = Identity()
    sessions: Sessions = Sessions()
    traffic: Traffic = Traffic()
    models: Models = Models()
    metrics: Metrics = Metrics()
    currency: Currency = Currency()
    funnel: Funnel = Funnel()
    attribution: Attribution = Attribution()
    alerts: Alerts = Alerts()
    events: Events = Events()
    consent: Consent = Consent()
    customers: Customers = Customers()
    audience: Audience = Audience()
    activation: Activation = Activation()
    personalize: Personalize = Personalize()
    recommendations: Recommendations = Recommendations()
    collect: Collect = Collect()
    quicksight: QuickSight = QuickSight()
    demo: Demo = Demo()
    mcp: Mcp = Mcp()
    notify: Notify = Notify()

    @field_validator("as_of", mode="before")
    @classmethod
    def _day_or_latest(cls, value: Any) -> Any:
        if value is None or value == LATEST:
            return value
        try:
            day = _day(value)
        except ValueError:
            raise ValueError(
                f"'{value}' is not a valid date such as 2026-10-30, and not '{LATEST}'"
            ) from None
        if not FIRST_DAY <= day <= LAST_DAY:
            raise ValueError(f"'{value}' is not between {FIRST_DAY} and {LAST_DAY}")
        return day

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        location, in_s3 = self.landing.location, self.landing.location.startswith("s3://")
        engines = self.warehouse.engines()
        engine = engines[self.warehouse.engine]
        if engine.landing_in == "s3" and not in_s3:
            raise ValueError(
                f"landing.location: {engine.title} reads s3:// addresses, not '{location}'"
            )
        if engine.landing_in == "folder" and in_s3:
            others = " or ".join(name for name, one in engines.items() if one.landing_in == "s3")
            raise ValueError(
                f"landing.location: {engine.title} reads a folder, not '{location}'; for the "
                f"address, set warehouse.engine to {others}"
            )
        if engine.landing_in is None:
            self._nothing_is_overlooked(engine.title)
        errors = self.landing.errors_location
        if errors is not None and errors.startswith("s3://") != in_s3:
            raise ValueError(
                f"landing.errors_location: '{errors}' is not where the landing is "
                f"('{location}'): both are folders, or both s3:// addresses"
            )
        return self

    def _nothing_is_overlooked(self, title: str) -> None:
        """Refuse what says which events to read where RudderStack has loaded them already."""
        if self.landing.write_keys:
            raise ValueError(
                f"landing.write_keys: the tables that RudderStack loads into {title} do not tell "
                "which source an event came from. Load each source into a schema of its own (the "
                "namespace of its destination), and leave this out"
            )
        for key in ("from", "to"):
            if getattr(self.landing, "from_" if key == "from" else key):
                raise ValueError(
                    f"landing.{key}: {title} reads no landing. Leave this out; as_of bounds what "
                    "models see"
                )

    @model_validator(mode="after")
    def _no_answer_is_lost(self) -> Self:
        """A declared column drops what does not fit: a boolean one the answer 'unsubscribed'."""
        traits = {_letters_of(trait) for trait in self.consent.traits.values()}
        for name, planned in self.tracking_plan.get("identifies", {}).items():
            if planned.type not in (None, "string") and _letters_of(name) in traits:
                raise ValueError(
                    f"tracking_plan.identifies.{name}: an answer about consent may be any word: "
                    f"declare it as string, not as {planned.type}"
                )
        return self

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in _zones():
            near = difflib.get_close_matches(zone, _zones(), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ", such as Europe/Berlin"
            raise ValueError(f"'{zone}' is not a time zone of the IANA database{hint}")
        return zone

    def path(self, value: str) -> Path:
        """Resolve a path of the parameters: relative ones start at the project's folder."""
        return ROOT / Path(value).expanduser()


def _day(value: Any) -> date:
    """A date, or a text that writes one as YYYY-MM-DD; anything else is a ``ValueError``."""
    if type(value) is date:
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("no date")
    return date.fromisoformat(value)


def _letters_of(name: str) -> str:
    """What ``consent_email``, ``consent.email`` and ``consentEmail`` have in common."""
    return re.sub("[^a-z0-9]", "", name.lower())


@cache
def _zones() -> frozenset[str]:
    """Names of the time zones; to collect them is to walk through a folder of hundreds of files."""
    return frozenset(available_timezones() - {"Factory", "localtime", "posixrules"})
