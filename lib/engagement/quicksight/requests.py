"""What QuickSight is asked for: the exact requests, of which nothing was sent yet.

Ids derive from the project's name. ARNs are those of the account that the calls go to; a plan,
which knows no account, has placeholders for them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engagement.aws.service_model import Later
from engagement.models.runner import models
from engagement.quicksight import sources
from engagement.quicksight.definition import definition
from engagement.quicksight.sheets import tables
from engagement.quicksight.visuals import Types
from engagement.settings import Settings, SettingsError

TAG = "engagement:project"
"""The tag of everything made, with the project's name; nothing else is changed or deleted."""

DIGEST = "engagement:definition"
"""The tag with the digest of what an analysis, a dashboard or a theme was last made from."""

_VIEW_DATA = ("DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion",
              "ListIngestions")  # fmt: skip
_VIEW_DASHBOARD = ("DescribeDashboard", "ListDashboardVersions", "QueryDashboard")
_VIEW_THEME = ("DescribeTheme", "DescribeThemeAlias", "ListThemeAliases", "ListThemeVersions")

ACTIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "data-source": (
        ("DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource",
         "UpdateDataSource", "DeleteDataSource", "UpdateDataSourcePermissions"),
        (),
    ),
    "data-set": (
        (*_VIEW_DATA, "UpdateDataSet", "DeleteDataSet", "CreateIngestion", "CancelIngestion",
         "UpdateDataSetPermissions"),
        (),
    ),
    "theme": (
        (*_VIEW_THEME, "DeleteTheme", "UpdateTheme", "CreateThemeAlias", "DeleteThemeAlias",
         "UpdateThemeAlias", "UpdateThemePermissions", "DescribeThemePermissions"),
        _VIEW_THEME,
    ),
    "analysis": (
        ("RestoreAnalysis", "UpdateAnalysisPermissions", "DeleteAnalysis",
         "DescribeAnalysisPermissions", "QueryAnalysis", "DescribeAnalysis", "UpdateAnalysis"),
        (),
    ),
    "dashboard": (
        (*_VIEW_DASHBOARD, "UpdateDashboardPermissions", "UpdateDashboard", "DeleteDashboard",
         "DescribeDashboardPermissions", "UpdateDashboardPublishedVersion"),
        _VIEW_DASHBOARD,
    ),
}  # fmt: skip
"""What owners, and viewers, may do with each kind of thing, as QuickSight's console grants it."""


@dataclass(frozen=True)
class Place:
    """Where things are made; ``account`` is ``None`` in a plan."""

    account: str | None
    region: str

    @property
    def partition(self) -> str:
        """The first part of ARNs: China and GovCloud have their own."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    @property
    def aws_account_id(self) -> str:
        """The account as a parameter of calls."""
        return self.account or Later("Account of GetCallerIdentity")

    def arn(self, kind: str, name: str) -> str:
        """The ARN of something of QuickSight's, such as a ``dashboard`` or a ``group``."""
        if self.account is None:
            return Later(f"Arn of the {kind} {name}")
        return f"arn:{self.partition}:quicksight:{self.region}:{self.account}:{kind}/{name}"

    def principal(self, name: str) -> str:
        """A user or a group as permissions name it: an ARN, or what the parameters abbreviate."""
        if name.startswith("arn:"):
            return name
        kind, _, rest = name.partition("/")
        return self.arn(kind, rest)


@dataclass(frozen=True)
class Asked:
    """What is asked for, of one kind of thing.

    Attributes
    ----------
    kind, name
        ``data-source``, ``data-set``, ``theme``, ``analysis`` or ``dashboard``, and its id.
    create
        The parameters of the call that makes it, permissions and tags left out.
    permissions
        Who may do what with it.
    tags
        What it carries.
    """

    kind: str
    name: str
    arn: str
    create: Mapping[str, Any]
    permissions: tuple[Mapping[str, Any], ...]
    tags: Mapping[str, str]


def region(settings: Settings) -> str:
    """The region that QuickSight is called in.

    Raises
    ------
    SettingsError
        When the parameters name none.
    """
    found = settings.quicksight.region or sources.region(settings)
    if found is None:
        problem = "quicksight.region: name a region, such as eu-central-1, or an Athena warehouse"
        raise SettingsError("quicksight", [problem])
    return found


def table_of(settings: Settings, asked: Asked) -> str:
    """The table of a data set."""
    return asked.name.removeprefix(f"{settings.project}-")


OF_PEOPLE = frozenset(
    {"person_id", "user_id", "anonymous_id", "session_id", "order_id", "entry_id", "email"}
)
"""Columns that tell people or their orders apart: a table that has one is no data set."""

TYPED = frozenset({"search_terms"})
"""Tables of texts that people typed, which may hold anything: no data sets either."""


def chosen_tables(settings: Settings) -> tuple[str, ...]:
    """The tables that become data sets: what the dashboard shows first, then all the others."""
    others = () if settings.quicksight.data_sets == "shown" else models(["dashboards"]).values()
    further = [
        model.name
        for model in others
        if model.name not in TYPED and not OF_PEOPLE & set(model.document.columns)
    ]
    return tuple(dict.fromkeys((*tables(), *further)))


def types(chosen: Iterable[str] | None = None) -> Types:
    """The types of tables' columns, from the models' YAML; of those shown, if none are named."""
    known = models(["dashboards"])
    return {
        table: {name: column.type for name, column in known[table].document.columns.items()}
        for table in (tables() if chosen is None else chosen)
    }


def everything(settings: Settings, place: Place) -> list[Asked]:
    """Everything that is made, in the order in which it is."""
    chosen = chosen_tables(settings)
    documented = types(chosen)
    source = data_source(settings, place)
    sets = [data_set(settings, place, table, documented[table]) for table in chosen]
    arns = {table: one.arn for table, one in zip(chosen, sets, strict=True)}
    content = definition(
        arns,
        documented,
        currency=settings.currency.reporting,
        default_days=settings.quicksight.default_days,
    )
    look = theme(settings, place)
    found = [
        source,
        *sets,
        look,
        analysis(settings, place, content, look.arn),
        dashboard(settings, place, content, look.arn),
    ]
    if place.account is None:
        return found
    # A digest does not depend on the account: a plan shows the same.
    planned = everything(settings, Place(None, place.region))
    return [replace(one, tags=plan.tags) for one, plan in zip(found, planned, strict=True)]


def data_source(settings: Settings, place: Place) -> Asked:
    """The engine, as QuickSight reaches it: the tables' names and types are the same on each."""
    engine = sources.reached(settings, place.account)
    name = f"{settings.project}-{engine.name}"
    create = {
        "AwsAccountId": place.aws_account_id,
        "DataSourceId": name,
        "Name": f"{settings.project}: {engine.title}",
        "Type": engine.type,
        "DataSourceParameters": engine.parameters,
        **engine.others,
    }
    return _asked(settings, place, "data-source", name, create)


def data_set(settings: Settings, place: Place, table: str, columns: Mapping[str, str]) -> Asked:
    """A data set: one table of marts with all its columns."""
    name = f"{settings.project}-{table}"
    engine = sources.reached(settings, place.account)
    source = place.arn("datasource", f"{settings.project}-{engine.name}")
    create = {
        "AwsAccountId": place.aws_account_id,
        "DataSetId": name,
        "Name": f"{settings.project}: {table}",
        "ImportMode": settings.quicksight.mode,
        "PhysicalTableMap": {
            "table": {
                "RelationalTable": {
                    "DataSourceArn": source,
                    **engine.table,
                    "Schema": settings.warehouse.databases.marts,
                    "Name": table,
                    "InputColumns": [_column(column, kind) for column, kind in columns.items()],
                }
            }
        },
    }
    return _asked(settings, place, "data-set", name, create)


def _column(name: str, kind: str) -> dict[str, str]:
    match kind:
        case "bigint":
            return {"Name": name, "Type": "INTEGER"}
        case "double":
            return {"Name": name, "Type": "DECIMAL", "SubType": "FLOAT"}
        case "boolean":
            return {"Name": name, "Type": "BOOLEAN"}
        case "varchar":
            return {"Name": name, "Type": "STRING"}
    if kind.startswith("decimal"):
        return {"Name": name, "Type": "DECIMAL", "SubType": "FIXED"}
    if kind == "date" or kind.startswith("timestamp"):
        return {"Name": name, "Type": "DATETIME"}
    raise ValueError(f"{name}: QuickSight has no type for {kind}")


def refresh_schedule(settings: Settings, place: Place, table: str) -> dict[str, Any]:
    """The schedule by which a data set in SPICE is filled again every day."""
    return {
        "AwsAccountId": place.aws_account_id,
        "DataSetId": f"{settings.project}-{table}",
        "Schedule": {
            "ScheduleId": f"{settings.project}-daily",
            "ScheduleFrequency": {
                "Interval": "DAILY",
                "Timezone": settings.timezone,
                "TimeOfTheDay": settings.quicksight.refresh_at,
            },
            "RefreshType": "FULL_REFRESH",
        },
    }


def theme(settings: Settings, place: Place) -> Asked:
    """Colours and font, from the parameters."""
    chosen = settings.quicksight.theme
    create = {
        "AwsAccountId": place.aws_account_id,
        "ThemeId": f"{settings.project}-theme",
        "Name": f"{settings.project}: theme",
        "BaseThemeId": chosen.base,
        "Configuration": {
            "DataColorPalette": {
                "Colors": list(chosen.colours),
                "MinMaxGradient": list(chosen.gradient),
            },
            "UIColorPalette": {
                "PrimaryForeground": chosen.foreground,
                "PrimaryBackground": chosen.background,
                "Accent": chosen.accent,
            },
            "Typography": {"FontFamilies": [{"FontFamily": chosen.font}]},
        },
    }
    return _asked(settings, place, "theme", f"{settings.project}-theme", create)


def analysis(settings: Settings, place: Place, content: Mapping[str, Any], look: str) -> Asked:
    """The analysis, which owners change the dashboard by."""
    name = f"{settings.project}-analysis"
    create = {
        "AwsAccountId": place.aws_account_id,
        "AnalysisId": name,
        "Name": f"{settings.project}: customer engagement",
        "Definition": content,
        "ThemeArn": look,
    }
    return _asked(settings, place, "analysis", name, create)


def dashboard(settings: Settings, place: Place, content: Mapping[str, Any], look: str) -> Asked:
    """The dashboard, which is published."""
    name = f"{settings.project}-dashboard"
    create = {
        "AwsAccountId": place.aws_account_id,
        "DashboardId": name,
        "Name": f"{settings.project}: customer engagement",
        "Definition": content,
        "ThemeArn": look,
        "DashboardPublishOptions": {
            "AdHocFilteringOption": {"AvailabilityStatus": "ENABLED"},
            "ExportToCSVOption": {"AvailabilityStatus": "ENABLED"},
            "SheetControlsOption": {"VisibilityState": "EXPANDED"},
        },
    }
    return _asked(settings, place, "dashboard", name, create)


def _asked(
    settings: Settings, place: Place, kind: str, name: str, create: Mapping[str, Any]
) -> Asked:
    tags = {TAG: settings.project}
    if kind in ("theme", "analysis", "dashboard"):
        tags[DIGEST] = digest(create)
    arn_kind = {"data-source": "datasource", "data-set": "dataset"}.get(kind, kind)
    return Asked(
        kind, name, place.arn(arn_kind, name), create, _permissions(settings, place, kind), tags
    )


def _permissions(settings: Settings, place: Place, kind: str) -> tuple[Mapping[str, Any], ...]:
    owners, viewers = ACTIONS[kind]
    chosen = settings.quicksight
    found = [(name, owners) for name in chosen.owners]
    found += [(name, viewers) for name in chosen.viewers if viewers and name not in chosen.owners]
    return tuple(
        {"Principal": place.principal(name), "Actions": [f"quicksight:{one}" for one in actions]}
        for name, actions in found
    )


def digest(create: Mapping[str, Any]) -> str:
    """The digest of what something is made from."""
    text = json.dumps(create, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
