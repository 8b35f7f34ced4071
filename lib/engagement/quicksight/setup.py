"""``up``, ``status`` and ``down`` of everything in QuickSight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pandas as pd

from engagement.aws.clients import Service
from engagement.quicksight import assets
from engagement.quicksight.assets import Made, Maker, QuickSightError
from engagement.quicksight.requests import (
    TAG,
    Asked,
    Place,
    everything,
    refresh_schedule,
    region,
    table_of,
)
from engagement.settings import Settings

Progress = Callable[[str], None]


def _silent(text: str) -> None:
    del text


def maker(settings: Settings, *, pause: float = 2.0) -> Maker:
    """The service of the account that boto3's credentials are for.

    Raises
    ------
    SettingsError
        When the parameters name no region.
    ServiceError
        When there are no credentials, or nobody answers.
    """
    here = region(settings)
    account = Service("sts", here).call("GetCallerIdentity")["Account"]
    place = Place(account, here)
    return Maker(Service("quicksight", here), place, settings.quicksight.wait_seconds, pause)


def up(
    settings: Settings,
    made_by: Maker | None = None,
    *,
    fill: bool = True,
    progress: Progress = _silent,
    now: datetime | None = None,
) -> list[Made]:
    """Make everything, or bring it up to date; a second time in a row nothing changes.

    Parameters
    ----------
    fill
        Whether data sets in SPICE are filled again that were there already; new ones always are.

    Returns
    -------
    list of Made
        What became of each thing.

    Raises
    ------
    QuickSightError
        With the service's own reason, when something cannot be made; what was made before stays,
        and running it again goes on from there.
    """
    by = made_by or maker(settings)
    everything_asked = everything(settings, by.place)
    spice = settings.quicksight.mode == "SPICE"
    done: list[Made] = []
    filling: list[tuple[str, str]] = []
    stamp = f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}"

    def keep(made: Made) -> None:
        done.append(made)
        progress(f"{made.kind} {made.name}: {made.outcome}")

    for asked in everything_asked:
        match asked.kind:
            case "data-source":
                keep(assets.ensure_data_source(by, asked))
            case "data-set":
                made, ingestion = assets.ensure_data_set(by, asked)
                schedule = refresh_schedule(settings, by.place, table_of(settings, asked))
                if not spice:
                    assets.ensure_no_refresh_schedule(by, schedule)
                elif assets.ensure_refresh_schedule(by, schedule) != "as it is" and (
                    made.outcome == "as it is"
                ):
                    made = Made(made.kind, made.name, "updated")
                keep(made)
                if spice and ingestion is None and (fill or made.outcome == "created"):
                    name = f"{asked.name}-{stamp}"
                    ingestion = assets.begin_ingestion(by, asked.name, name)
                if spice and ingestion is not None:
                    filling.append((asked.name, ingestion))
            case "theme":
                _wait_for(by, filling, progress)
                keep(assets.ensure_theme(by, asked))
            case "analysis":
                keep(assets.ensure_analysis(by, asked))
            case "dashboard":
                keep(assets.ensure_dashboard(by, asked))
    return done


def _wait_for(by: Maker, filling: Sequence[tuple[str, str]], progress: Progress) -> None:
    """Wait for the data sets together: QuickSight fills several at a time."""
    for data_set, ingestion in filling:
        rows = assets.wait_for_ingestion(by, data_set, ingestion)
        progress(f"data-set {data_set}: filled{f' with {rows:,} rows' if rows is not None else ''}")


def status(settings: Settings, made_by: Maker | None = None) -> pd.DataFrame:
    """What is there: one row per thing with its state, and when it last changed or was filled."""
    by = made_by or maker(settings)
    rows = [_status(by, asked) for asked in everything(settings, by.place)]
    return pd.DataFrame(rows, columns=["kind", "id", "state", "about"])


def _status(by: Maker, asked: Asked) -> tuple[str, str, str, str]:
    describe = {
        "data-source": ("DescribeDataSource", "DataSourceId"),
        "data-set": ("DescribeDataSet", "DataSetId"),
        "theme": ("DescribeTheme", "ThemeId"),
        "analysis": ("DescribeAnalysis", "AnalysisId"),
        "dashboard": ("DescribeDashboard", "DashboardId"),
    }
    operation, key = describe[asked.kind]
    found = by.find(operation, **{key: asked.name})
    if found is None:
        return asked.kind, asked.name, "missing", ""
    if by.tags(asked.arn).get(TAG) != asked.tags[TAG]:
        return asked.kind, asked.name, "not this project's", ""
    match asked.kind:
        case "data-source":
            return asked.kind, asked.name, found["DataSource"].get("Status", "?"), ""
        case "data-set":
            return asked.kind, asked.name, *_filled(by, asked.name, found["DataSet"]["ImportMode"])
        case "theme":
            return asked.kind, asked.name, found["Theme"]["Version"]["Status"], ""
        case "analysis":
            return asked.kind, asked.name, found["Analysis"]["Status"], ""
    version = found["Dashboard"]["Version"]
    about = f"version {version['VersionNumber']}"
    return asked.kind, asked.name, version["Status"], about


def _filled(by: Maker, data_set: str, mode: str) -> tuple[str, str]:
    """The state of a data set, which is that of its newest ingestion; and about that."""
    if mode == "DIRECT_QUERY":
        return "asks the engine", ""
    several = by.call("ListIngestions", DataSetId=data_set, MaxResults=20).get("Ingestions", [])
    if not several:
        return "never filled", ""
    newest = max(several, key=lambda one: one["CreatedTime"])
    rows = newest.get("RowInfo", {}).get("RowsIngested")
    about = f"{newest['CreatedTime']:%Y-%m-%d %H:%M}"
    if rows is not None:
        about += f", {rows:,} rows"
    if newest.get("ErrorInfo"):
        about += f", {newest['ErrorInfo'].get('Type', '')}"
    return newest["IngestionStatus"], about


def down(
    settings: Settings, made_by: Maker | None = None, *, progress: Progress = _silent
) -> list[str]:
    """Delete everything that carries this project's tag, the dashboard first.

    Returns
    -------
    list of str
        What was deleted.

    Raises
    ------
    QuickSightError
        When an id is taken by something that is not this project's; all else is deleted first.
    """
    by = made_by or maker(settings)
    gone, kept = [], []
    for asked in reversed(everything(settings, by.place)):
        try:
            if assets.ensure_gone(by, asked):
                gone.append(asked.name)
                progress(f"{asked.kind} {asked.name}: deleted")
        except QuickSightError as error:
            kept.append(str(error))
    if kept:
        raise QuickSightError("\n".join(kept))
    return gone


__all__ = ["down", "maker", "status", "up"]
