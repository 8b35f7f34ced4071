"""Seeds whose rows come from the parameters, and the rows of every seed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from engagement.models import recommendation_seeds, seed_files, spend
from engagement.models.folders import OWN_SEEDS
from engagement.models.source_names import SourceNames
from engagement.settings import Settings, SettingsError

COLUMNS = {
    "exchange_rates": {"currency": "varchar", "rate": "decimal(18, 8)"},
    "rfm_thresholds": {
        "score": "bigint",
        "recency_days": "bigint",
        "frequency_orders": "bigint",
        "monetary": "decimal(18, 2)",
    },
    "personalize_event_types": {"concept": "varchar", "event_type": "varchar"},
    "personalize_event_weights": {"event_type": "varchar", "weight": "bigint"},
    "personalize_actions": {"action_id": "varchar", "event_type": "varchar", "event": "varchar"},
    "experiment_arms": {
        "name": "varchar",
        "arm": "varchar",
        "place": "bigint",
        "starts_on": "date",
        "lower_end": "varchar",
        "upper_end": "varchar",
    },
    "attribution_spend": spend.COLUMNS,
}
"""Columns and types of the seeds that come from the parameters."""

KEYS = {
    "exchange_rates": "currency.rates",
    "rfm_thresholds": "customers",
    "personalize_event_types": "personalize.event_types",
    "personalize_event_weights": "personalize.event_weights",
    "personalize_actions": "personalize.actions",
    "experiment_arms": "recommendations.experiment",
    "attribution_spend": "attribution.spend",
}
"""The key of the setting that each of these comes from."""


def setting(name: str, settings: Settings) -> Any:
    """The setting that a seed comes from, as plain values."""
    value: Any = settings
    for part in KEYS[name].split("."):
        value = getattr(value, part)
    return value.model_dump() if hasattr(value, "model_dump") else value


def check(settings: Settings) -> None:
    """Read every file of the team's folder of seeds, before any model needs it.

    Raises
    ------
    SettingsError
        With every mistake in those files.
    """
    folder = own_folder(settings)
    problems = seed_files.problems(folder)
    if problems:
        raise SettingsError(f"models.seeds: {settings.models.seeds or folder}", problems)
    try:
        _costs(settings)
    except spend.SpendError as error:
        raise SettingsError(
            f"attribution.spend: {settings.attribution.spend}", error.problems
        ) from None


def _costs(settings: Settings) -> list[tuple[str, str, str, str, str, int]]:
    """Rows of the team's table of costs; none where the parameters name none."""
    if settings.attribution.spend is None:
        return []
    columns, rules = seed_files.rows(
        "channel_rules", seed_files.own_text("channel_rules", own_folder(settings))
    )
    place = list(columns).index("channel")
    channels = [str(rule[place]) for rule in rules]
    known = seed_files.rows(
        "known_sources", seed_files.own_text("known_sources", own_folder(settings))
    )
    path = settings.path(settings.attribution.spend)
    currency = settings.currency
    return spend.spend(path, channels, currency.reporting, currency.rates, SourceNames(*known).of)


def own_folder(settings: Settings) -> Path | None:
    """The folder of the team's seeds: the one that is named, else the project's, if it is there."""
    if settings.models.seeds is not None:
        return settings.path(settings.models.seeds)
    return OWN_SEEDS if OWN_SEEDS.is_dir() else None


def own_text(name: str, settings: Settings) -> str | None:
    """The team's file of a seed, if there is one; a seed of its own is always in its project."""
    is_team_s = seed_files.own_header(name) is not None
    return seed_files.own_text(name, OWN_SEEDS if is_team_s else own_folder(settings))


def rows(name: str, settings: Settings) -> tuple[dict[str, str], list[list[Any]]]:
    """Columns and rows of a seed: of its file with the team's own rows, or of the parameters.

    Raises
    ------
    SeedError
        When there is no such seed, or its rows cannot be used.
    """
    if name not in COLUMNS:
        return seed_files.rows(name, own_text(name, settings))
    return COLUMNS[name], _rows_of_settings(name, settings)


def _rows_of_settings(name: str, settings: Settings) -> list[list[Any]]:
    if name == "exchange_rates":
        rates: list[list[Any]] = [
            [code, rate] for code, rate in sorted(settings.currency.rates.items())
        ]
        return [*rates, [settings.currency.reporting, Decimal(1)]]
    if name == "rfm_thresholds":
        limits = settings.customers
        # The shortest recency has the highest score, the lowest frequency and spend the lowest.
        columns = (limits.recency_days[::-1], limits.frequency_orders, limits.monetary)
        return [list(row) for row in zip(range(2, 6), *columns, strict=True)]
    if name == "attribution_spend":
        return [list(row) for row in _costs(settings)]
    # A row that nothing matches, so that no setting is a table without rows.
    none = [None] * len(COLUMNS[name])
    if name == "personalize_event_types":
        kinds = settings.personalize.event_types.items()
        return [*sorted([concept, kind] for concept, kind in kinds), none]
    return [*recommendation_seeds.rows(name, settings), none]
