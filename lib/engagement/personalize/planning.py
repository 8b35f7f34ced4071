"""The plan of a set-up: its calls as files, what costs, RudderStack's side, what does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engagement import owner_only
from engagement.aws import requests
from engagement.aws.requests import Call
from engagement.aws.service_model import Later
from engagement.personalize import setup
from engagement.personalize.exported import exported
from engagement.personalize.mapping import LiveMapping, load_mapping, render_destinations
from engagement.personalize.resources import Billable, Setup
from engagement.personalize.service import AwsCaller, PlanCaller
from engagement.settings import Settings

TOPIC = "personalize"
DESTINATIONS = "rudderstack_destinations.json"


@dataclass(frozen=True)
class Plan:
    """What would be done: calls in their order, what costs, and where the files are."""

    calls: list[Call]
    billed: list[Billable]
    gaps: list[str]
    folder: Path
    destinations: Path | None


def make_plan(settings: Settings, exports: Path) -> Plan:
    """Write the calls of ``up`` to the run's folder; none that changes anything is made.

    With ``personalize.submit`` the account is looked at, and the plan has what is missing there.

    Raises
    ------
    SetupError, RequestError, MappingError
        When there are no exports, a service would refuse a call, or the mapping cannot be used.
    """
    chosen = settings.personalize
    reader = AwsCaller(chosen.region) if chosen.submit and chosen.region else None
    planner = PlanCaller(reader)
    one = Setup(planner, settings.project)
    made = setup.up(one, settings, exported(exports))
    folder = requests_folder(settings, exports)
    requests.write(folder, TOPIC, planner.calls)
    mapping = load_mapping(settings.path(chosen.live.mapping))
    names = setup.Names.of(settings)
    arns = {
        name: _known(made.datasets.get(name), f"PERSONALIZE_{name.upper()}_DATASET_ARN")
        for name in ("users", "items")
    }
    tracking_id = _known(made.tracking_id, "PERSONALIZE_TRACKING_ID")
    text = render_destinations(mapping, names.region, tracking_id, arns)
    destinations = folder / TOPIC / DESTINATIONS
    owner_only.replace(destinations, text)
    return Plan(planner.calls, one.billed, gaps(settings, mapping), folder / TOPIC, destinations)


def _known(value: str | None, variable: str) -> str:
    """An id, or the variable of the data plane's environment that has it until it is known."""
    return f"env.{variable}" if value is None or isinstance(value, Later) else value


def requests_folder(settings: Settings, exports: Path | None) -> Path:
    """``requests`` of the run that the exports belong to, else of those made by hand."""
    runs = settings.path(settings.run.directory)
    if exports is not None and exports.resolve().is_relative_to(runs.resolve()):
        return runs / exports.resolve().relative_to(runs.resolve()).parts[0] / "requests"
    return runs / "interactive" / "requests"


def gaps(settings: Settings, mapping: LiveMapping) -> list[str]:
    """Where live events and the data sets would not meet: event types of other names."""
    if mapping.put_events is None:
        return []
    found = []
    for concept, event_type in settings.personalize.event_types.items():
        names = list(getattr(settings.events, concept).names)
        if names and event_type not in names:
            found.append(f"{' or '.join(names)} is {event_type} in the data sets")
    if not found:
        return []
    said = (
        f"{'; '.join(found)}. Live events have their names as types, as RudderStack's destination "
        "sends them: set personalize.event_types to these names, or rename the events before they "
        "are sent, since filters and recommenders tell them apart by it"
    )
    return [said]
