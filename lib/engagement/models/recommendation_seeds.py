"""Seeds of recommendations that come from the parameters: weights, actions, arms of a test."""

from __future__ import annotations

from typing import Any

from engagement.settings import Settings

_END = "g"
"""Comes after every text of hexadecimal digits."""


def rows(name: str, settings: Settings) -> list[list[Any]]:
    """The rows of a seed, in a fixed order."""
    if name == "personalize_event_weights":
        weights = sorted(settings.personalize.event_weights.items())
        return [[kind, round(weight * 1000)] for kind, weight in weights]
    if name == "personalize_actions":
        return [
            [action_id, event_type, event]
            for action_id, action in sorted(settings.personalize.actions.items())
            for event_type, event in (
                ("Viewed", action.viewed),
                ("Taken", action.taken),
                ("Not Taken", action.not_taken),
            )
            if event is not None
        ]
    experiment = settings.recommendations.experiment
    if experiment is None:
        return []
    ends = arm_ends(experiment.arms)
    return [
        [experiment.name, arm, place, experiment.starts, lower, upper]
        for place, (arm, (lower, upper)) in enumerate(ends.items(), start=1)
    ]


def arm_ends(arms: dict[str, float]) -> dict[str, tuple[str, str]]:
    """Where each arm begins and ends among the first eight digits of a hash; the end is outside.

    >>> arm_ends({"control": 0.25, "new": 0.75})
    {'control': ('00000000', '40000000'), 'new': ('40000000', 'g')}
    """
    found, begun, lower = {}, 0.0, "0" * 8
    for number, (arm, share) in enumerate(arms.items(), start=1):
        begun += share
        last = number == len(arms)
        upper = _END if last else f"{min(round(begun * 2**32), 2**32 - 1):08x}"
        found[arm] = (lower, upper)
        lower = upper
    return found
