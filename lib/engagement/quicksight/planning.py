"""``plan`` of everything in QuickSight: the calls that would make it, none of which is sent."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from engagement.aws import requests
from engagement.aws.requests import Call
from engagement.quicksight import assets
from engagement.quicksight.requests import Place, everything, refresh_schedule, region, table_of
from engagement.settings import Settings, SettingsError

_CREATE = {
    "data-source": ("CreateDataSource", "how QuickSight reaches the tables"),
    "data-set": ("CreateDataSet", "one table of marts"),
    "theme": ("CreateTheme", "colours and font"),
    "analysis": ("CreateAnalysis", "what owners change the dashboard by"),
    "dashboard": ("CreateDashboard", "what viewers open; its first version is published at once"),
}


def plan(settings: Settings) -> list[Call]:
    """The calls that make everything where nothing is there yet, in their order.

    Where something is there, ``up`` updates it instead, or leaves it as it is.

    Raises
    ------
    SettingsError
        When the parameters name no region, or do not say how QuickSight reaches the engine.
    """
    place = Place(None, region(settings))
    calls = []
    for asked in everything(settings, place):
        operation, why = _CREATE[asked.kind]
        calls.append(Call("quicksight", operation, assets.creation(asked), why))
        if asked.kind == "data-set" and settings.quicksight.mode == "SPICE":
            schedule = refresh_schedule(settings, place, table_of(settings, asked))
            why = "fills it again every day"
            calls.append(Call("quicksight", "CreateRefreshSchedule", schedule, why))
    return calls


def write_plan(settings: Settings, folder: Path) -> list[Path]:
    """Write the plan's calls to ``<folder>/quicksight``, each as it would be sent."""
    return requests.write(folder, "quicksight", plan(settings))


def missing(settings: Settings) -> str:
    """What the parameters leave open that a plan needs, in one sentence; empty if nothing."""
    try:
        everything(settings, Place(None, region(settings)))
    except SettingsError as error:
        return f"**No plan yet**: {'; '.join(error.problems)}."
    return ""


def summary(settings: Settings, folder: Path) -> pd.DataFrame:
    """Write the plan, and give one row per kind of call: how many, and what for.

    Parameters
    ----------
    folder
        ``requests`` in a run's folder.
    """
    calls = plan(settings)
    requests.write(folder, "quicksight", calls)
    frame = pd.DataFrame([(one.operation, one.why) for one in calls], columns=["operation", "why"])
    counted = frame.groupby("operation", sort=False)["why"].agg(["size", "first"]).reset_index()
    return counted.rename(columns={"size": "calls", "first": "what for"})
