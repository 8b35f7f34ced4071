"""Which settings a model's table was built with, so that tables of different ones never mix.

A table's version is a digest of everything it depends on, followed by the settings among that:
those which its own queries use, and those of the tables it reads. So a change of
``funnel.window_days`` leaves the tables of 03 as they are, and a notebook that finds tables of
another time zone can say so.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from engagement.models import settings_seeds
from engagement.models.inputs import SEEDS, SOURCES
from engagement.settings import Events, Settings
from engagement.sql.dialect import Table
from engagement.warehouse.protocol import Session, Warehouse

MARTS = "marts"
_DAY_MILLISECONDS = 24 * 60 * 60 * 1000

_KEYS = {
    "as_of": "as_of",
    "as_of_end": "as_of",
    "seen_before": "as_of",
    "last_whole_day": "as_of",
    "timezone": "timezone",
    "session_gap_minutes": "sessions.gap_minutes",
    "session_silence_hours": "sessions.silence_hours",
    "max_users_per_device": "identity.max_users_per_device",
    "placeholder_ids": "identity.placeholder_ids",
    "own_domains": "traffic.own_domains",
    "exclude_bots": "metrics.exclude_bots",
    "settling_days": "metrics.settling_days",
    "unanswered_is_yes": "consent.unanswered",
    "reporting_currency": "currency.reporting",
    "funnel_window_days": "funnel.window_days",
    "lookback_days": "attribution.lookback_days",
    "attribution_reset": "attribution.reset",
    "interest_half_life_days": "recommendations.interest_half_life_days",
    "trend_half_life_days": "recommendations.trend_half_life_days",
    "for_you_method": "recommendations.for_you",
    "for_you_length": "recommendations.length",
    "show_bought": "recommendations.show_bought",
    "factors": "recommendations.factors",
    "tested_people": "recommendations.tested_people",
    "resamples": "recommendations.resamples",
    "half_life_milliseconds": "attribution.half_life_days",
    "position_first_percent": "attribution.position",
    "position_last_percent": "attribution.position",
}
"""The key of the setting that each parameter of a model comes from."""


@dataclass(frozen=True)
class Mismatch:
    """A setting that a table was built with, and what it is now."""

    table: Table
    key: str
    before: str
    now: str


def current(settings: Settings, values: Mapping[str, Any]) -> dict[str, str]:
    """Every setting that a model may hang on, by key, as text."""
    found = {_KEYS[name]: _text(value) for name, value in values.items()}
    day, before = values["as_of"], values["seen_before"]
    found["as_of"] = f"{day.isoformat()} (received before {before.isoformat(sep=' ')} UTC)"
    for name in Events.model_fields:
        found[f"events.{name}"] = _text(getattr(settings.events, name).model_dump())
    found["consent.traits"] = _text(settings.consent.traits)
    found["attribution.position"] = _text(settings.attribution.position)
    for seed, key in settings_seeds.KEYS.items():
        found[key] = _text(settings_seeds.setting(seed, settings))
    return found


def used(queries: Iterable[exp.Query], expanded: Iterable[exp.Query]) -> set[str]:
    """Keys of the settings that queries hang on, as they stand and with their inputs put in."""
    keys = {
        _KEYS[mark.name] for query in expanded for mark in query.find_all(exp.Placeholder)
        if mark.name in _KEYS
    }  # fmt: skip
    for query in queries:
        for node in query.find_all(exp.Table):
            if node.db == SOURCES and node.name in Events.model_fields:
                keys.add(f"events.{node.name}")
            if node.db == SOURCES and node.name == "identifies":
                keys.add("consent.traits")
            if node.db == SEEDS and node.name in settings_seeds.KEYS:
                keys.add(settings_seeds.KEYS[node.name])
    return keys


def keys(parameters: Iterable[str]) -> set[str]:
    """Keys of the settings that models' parameters come from."""
    return {_KEYS[name] for name in parameters}


def version(digest: str, built_with: Mapping[str, str]) -> str:
    """A table's version as it is published."""
    return f"{digest} {json.dumps(built_with, sort_keys=True, ensure_ascii=True)}"


def built_with(version: str) -> dict[str, str]:
    """The settings of a published version; empty where it names none."""
    _, _, text = version.partition(" ")
    if not text.startswith("{"):
        return {}
    found: dict[str, str] = json.loads(text)
    return found


def is_known(warehouse: Warehouse, names: Collection[str]) -> bool:
    """Whether it is known with which settings any of some models' tables was built."""
    with warehouse.session() as session:
        there = [session.published(Table(MARTS, name)) for name in names]
    return any(built_with(one.version) for one in there if one)


def mismatches(
    session: Session, settings: Settings, values: Mapping[str, Any], names: Collection[str]
) -> list[Mismatch]:
    """Settings that some models' tables were built with and that are others now."""
    now = current(settings, values)
    found = []
    for name in sorted(names):
        table = Table(MARTS, name)
        there = session.published(table)
        before = built_with(there.version) if there else {}
        found += [
            Mismatch(table, key, value, now.get(key, ""))
            for key, value in before.items()
            if now.get(key) != value
        ]
    return found


def explained(found: Collection[Mismatch]) -> str:
    """Mismatches in words: each setting once, with the tables it is about."""
    lines = []
    for key in sorted({one.key for one in found}):
        own = [one for one in found if one.key == key]
        tables = ", ".join(str(one.table) for one in own[:3]) + (" …" if len(own) > 3 else "")
        lines.append(
            f"  - {key}: {_shown(key, own[0].before)} before, {_shown(key, own[0].now)} now "
            f"({tables})"
        )
    return "\n".join(lines)


def _shown(key: str, text: str) -> str:
    """A setting as the parameters write it, in at most 60 characters."""
    if key == "attribution.half_life_days" and text.isdigit():  # models take milliseconds
        text = f"{int(text) / _DAY_MILLISECONDS:g}"
    return text if len(text) <= 60 else f"{text[:57]}…"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)
