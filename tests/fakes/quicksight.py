"""QuickSight with a memory: data sources, data sets, ingestions, themes, analyses, dashboards.

Beyond the model it keeps some of the service's own rules: ids are taken once, what is named has to
be there, SPICE is filled when a data set is made or changed, schedules are for SPICE alone, a
definition may only name columns, formulas, filters, parameters and elements that there are (else
the analysis or the dashboard fails, with the reason), a dashboard's update is a version that is not
published yet. It cannot tell whether a formula is one that QuickSight understands, nor whether a
query would work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.service import Fake, Parameters, Progress, ServiceError

_CREATION = ["CREATION_IN_PROGRESS"]
_UPDATE = ["UPDATE_IN_PROGRESS"]


@dataclass
class _Thing:
    """One thing: what it was asked to be, how it is getting on, who may do what, its tags."""

    content: Parameters
    arn: str
    progress: Progress | None = None
    errors: list[Parameters] = field(default_factory=list)
    permissions: dict[str, set[str]] = field(default_factory=dict)


@dataclass
class _Version:
    content: Parameters
    progress: Progress
    errors: list[Parameters]


class QuickSightFake(Fake):
    """The fake; ``dropped`` rows and so on are scripted by endings of ``"ingestion"``."""

    service = "quicksight"
    bad_request = "InvalidParameterValueException"

    def __init__(self, account: str = "111122223333", region: str = "eu-central-1") -> None:
        super().__init__()
        self.account, self.region = account, region
        self.sources: dict[str, _Thing] = {}
        self.sets: dict[str, _Thing] = {}
        self.themes: dict[str, _Thing] = {}
        self.analyses: dict[str, _Thing] = {}
        self.dashboards: dict[str, _Thing] = {}
        self.versions: dict[str, list[_Version]] = {}
        self.published: dict[str, int] = {}
        self.schedules: dict[tuple[str, str], Parameters] = {}
        self.ingestions: dict[tuple[str, str], Parameters] = {}
        self.tags: dict[str, dict[str, str]] = {}

    # --- what all have in common

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:aws:quicksight:{self.region}:{self.account}:{kind}/{name}"

    def _there(self, things: Mapping[str, _Thing], name: str) -> _Thing:
        if name not in things:
            raise ServiceError("ResourceNotFoundException", f"{name} does not exist")
        return things[name]

    def _add(self, things: dict[str, _Thing], kind: str, name: str, request: Parameters) -> _Thing:
        if request["AwsAccountId"] != self.account:
            raise ServiceError("AccessDeniedException", "not this account")
        if name in things:
            raise ServiceError("ResourceExistsException", f"{name} exists")
        thing = _Thing(request, self._arn(kind, name))
        for one in request.get("Permissions", []):
            thing.permissions[one["Principal"]] = set(one["Actions"])
        things[name] = thing
        self.tags[thing.arn] = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
        return thing

    def _remove(self, things: dict[str, _Thing], name: str) -> None:
        thing = self._there(things, name)
        del self.tags[thing.arn], things[name]

    def _permissions(self, thing: _Thing) -> Parameters:
        found = [
            {"Principal": who, "Actions": sorted(actions)}
            for who, actions in thing.permissions.items()
        ]
        return {"Permissions": found} if found else {}

    def _permit(self, thing: _Thing, request: Parameters) -> None:
        for one in request.get("GrantPermissions", []):
            thing.permissions.setdefault(one["Principal"], set()).update(one["Actions"])
        for one in request.get("RevokePermissions", []):
            left = thing.permissions.get(one["Principal"], set()) - set(one["Actions"])
            if left:
                thing.permissions[one["Principal"]] = left
            else:
                thing.permissions.pop(one["Principal"], None)

    def list_tags_for_resource(self, request: Parameters) -> Parameters:
        tags = self.tags.get(request["ResourceArn"])
        if tags is None:
            raise ServiceError("ResourceNotFoundException", "no such thing")
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def tag_resource(self, request: Parameters) -> Parameters:
        if request["ResourceArn"] not in self.tags:
            raise ServiceError("ResourceNotFoundException", "no such thing")
        self.tags[request["ResourceArn"]] |= {t["Key"]: t["Value"] for t in request["Tags"]}
        return {}

    # --- data sources

    def create_data_source(self, request: Parameters) -> Parameters:
        thing = self._add(self.sources, "datasource", request["DataSourceId"], request)
        thing.progress = self.begin("data source", _CREATION, "CREATION_SUCCESSFUL")
        return {"Arn": thing.arn, "CreationStatus": "CREATION_IN_PROGRESS"}

    def update_data_source(self, request: Parameters) -> Parameters:
        thing = self._there(self.sources, request["DataSourceId"])
        thing.content = {**thing.content, **request}
        thing.progress = self.begin("data source", _UPDATE, "UPDATE_SUCCESSFUL")
        return {"Arn": thing.arn}

    def describe_data_source(self, request: Parameters) -> Parameters:
        thing = self._there(self.sources, request["DataSourceId"])
        assert thing.progress is not None
        status = thing.progress.look()
        found = {
            "Arn": thing.arn,
            "DataSourceId": request["DataSourceId"],
            **{key: thing.content[key] for key in ("Name", "Type", "DataSourceParameters")},
            "Status": status,
        }
        for key in ("VpcConnectionProperties", "SslProperties"):
            if key in thing.content:
                found[key] = thing.content[key]
        if "Credentials" in thing.content:  # whose secret it is, and nothing else of them
            found["SecretArn"] = thing.content["Credentials"]["SecretArn"]
        if status.endswith("FAILED"):
            found["ErrorInfo"] = thing.progress.ending.details
        return {"DataSource": found}

    def delete_data_source(self, request: Parameters) -> Parameters:
        self._remove(self.sources, request["DataSourceId"])
        return {}

    def describe_data_source_permissions(self, request: Parameters) -> Parameters:
        thing = self._there(self.sources, request["DataSourceId"])
        return self._permissions(thing)

    def update_data_source_permissions(self, request: Parameters) -> Parameters:
        self._permit(self._there(self.sources, request["DataSourceId"]), request)
        return {}

    # --- data sets

    def _check_tables(self, request: Parameters) -> None:
        for table in request["PhysicalTableMap"].values():
            arn = table["RelationalTable"]["DataSourceArn"]
            if arn not in {thing.arn for thing in self.sources.values()}:
                raise ServiceError("InvalidParameterValueException", f"no data source {arn}")

    def create_data_set(self, request: Parameters) -> Parameters:
        self._check_tables(request)
        thing = self._add(self.sets, "dataset", request["DataSetId"], request)
        return {"Arn": thing.arn, "DataSetId": request["DataSetId"], **self._filled(thing)}

    def update_data_set(self, request: Parameters) -> Parameters:
        self._check_tables(request)
        thing = self._there(self.sets, request["DataSetId"])
        thing.content = {**thing.content, **request}
        return {"Arn": thing.arn, "DataSetId": request["DataSetId"], **self._filled(thing)}

    def _filled(self, thing: _Thing) -> Parameters:
        if thing.content["ImportMode"] != "SPICE":
            return {}
        name = f"first-{self.number('first ingestion')}"
        self._ingest(thing.content["DataSetId"], name)
        return {"IngestionId": name}

    def describe_data_set(self, request: Parameters) -> Parameters:
        thing = self._there(self.sets, request["DataSetId"])
        content = thing.content
        [table] = content["PhysicalTableMap"].values()
        kinds = {"BOOLEAN": "INTEGER", "BIT": "INTEGER"}
        return {
            "DataSet": {
                "Arn": thing.arn,
                **{key: content[key] for key in ("DataSetId", "Name", "ImportMode")},
                "PhysicalTableMap": content["PhysicalTableMap"],
                # The service adds what was not said.
                "LogicalTableMap": {
                    "made": {"Alias": "made", "Source": {"PhysicalTableId": "table"}}
                },
                "OutputColumns": [
                    {"Name": one["Name"], "Type": kinds.get(one["Type"], one["Type"])}
                    for one in table["RelationalTable"]["InputColumns"]
                ],
            }
        }

    def delete_data_set(self, request: Parameters) -> Parameters:
        name = request["DataSetId"]
        self._remove(self.sets, name)
        self.schedules = {key: one for key, one in self.schedules.items() if key[0] != name}
        self.ingestions = {key: one for key, one in self.ingestions.items() if key[0] != name}
        return {}

    def describe_data_set_permissions(self, request: Parameters) -> Parameters:
        return self._permissions(self._there(self.sets, request["DataSetId"]))

    def update_data_set_permissions(self, request: Parameters) -> Parameters:
        self._permit(self._there(self.sets, request["DataSetId"]), request)
        return {}

    # --- schedules and ingestions

    def _spice(self, name: str) -> None:
        if self._there(self.sets, name).content["ImportMode"] != "SPICE":
            raise ServiceError("InvalidParameterValueException", f"{name} is not in SPICE")

    def create_refresh_schedule(self, request: Parameters) -> Parameters:
        self._spice(request["DataSetId"])
        key = request["DataSetId"], request["Schedule"]["ScheduleId"]
        if key in self.schedules:
            raise ServiceError("ResourceExistsException", "there is one")
        self.schedules[key] = request["Schedule"]
        return {"ScheduleId": key[1]}

    def update_refresh_schedule(self, request: Parameters) -> Parameters:
        key = request["DataSetId"], request["Schedule"]["ScheduleId"]
        if key not in self.schedules:
            raise ServiceError("ResourceNotFoundException", "there is none")
        self.schedules[key] = request["Schedule"]
        return {"ScheduleId": key[1]}

    def describe_refresh_schedule(self, request: Parameters) -> Parameters:
        key = request["DataSetId"], request["ScheduleId"]
        if key not in self.schedules:
            raise ServiceError("ResourceNotFoundException", "there is none")
        return {"RefreshSchedule": {**self.schedules[key], "Arn": "arn:aws:quicksight:schedule"}}

    def delete_refresh_schedule(self, request: Parameters) -> Parameters:
        key = request["DataSetId"], request["ScheduleId"]
        if self.schedules.pop(key, None) is None:
            raise ServiceError("ResourceNotFoundException", "there is none")
        return {"ScheduleId": key[1]}

    def _ingest(self, data_set: str, name: str) -> None:
        if (data_set, name) in self.ingestions:
            raise ServiceError("ResourceExistsException", "there is one")
        self.ingestions[data_set, name] = {
            "progress": self.begin("ingestion", ["INITIALIZED", "RUNNING"], "COMPLETED"),
            "created": self.now(),
        }

    def create_ingestion(self, request: Parameters) -> Parameters:
        self._spice(request["DataSetId"])
        self._ingest(request["DataSetId"], request["IngestionId"])
        return {"IngestionId": request["IngestionId"], "IngestionStatus": "INITIALIZED"}

    def _ingestion(self, key: tuple[str, str], *, look: bool) -> Parameters:
        one = self.ingestions[key]
        progress: Progress = one["progress"]
        status = progress.look() if look else progress.state
        found = {
            "Arn": self._arn("dataset", f"{key[0]}/ingestion/{key[1]}"),
            "IngestionId": key[1],
            "IngestionStatus": status,
            "CreatedTime": one["created"],
        }
        if status == "COMPLETED":
            found["RowInfo"] = {"RowsIngested": 7, "RowsDropped": 0}
        elif progress.ended:
            found["ErrorInfo"] = progress.ending.details
        return found

    def describe_ingestion(self, request: Parameters) -> Parameters:
        key = request["DataSetId"], request["IngestionId"]
        if key not in self.ingestions:
            raise ServiceError("ResourceNotFoundException", "there is none")
        return {"Ingestion": self._ingestion(key, look=True)}

    def list_ingestions(self, request: Parameters) -> Parameters:
        self._there(self.sets, request["DataSetId"])
        keys = [key for key in self.ingestions if key[0] == request["DataSetId"]]
        return {"Ingestions": [self._ingestion(key, look=False) for key in keys]}

    # --- themes

    def create_theme(self, request: Parameters) -> Parameters:
        thing = self._add(self.themes, "theme", request["ThemeId"], request)
        thing.progress = self.begin("theme", _CREATION, "CREATION_SUCCESSFUL")
        return {"Arn": thing.arn, "ThemeId": request["ThemeId"]}

    def update_theme(self, request: Parameters) -> Parameters:
        thing = self._there(self.themes, request["ThemeId"])
        thing.content = {**thing.content, **request}
        thing.progress = self.begin("theme", _CREATION, "CREATION_SUCCESSFUL")
        return {"Arn": thing.arn, "ThemeId": request["ThemeId"]}

    def describe_theme(self, request: Parameters) -> Parameters:
        thing = self._there(self.themes, request["ThemeId"])
        assert thing.progress is not None
        version: Parameters = {
            "VersionNumber": 1,
            "Status": thing.progress.look(),
            "Configuration": thing.content["Configuration"],
        }
        if thing.progress.state.endswith("FAILED"):
            version["Errors"] = [thing.progress.ending.details]
        return {"Theme": {"Arn": thing.arn, "ThemeId": request["ThemeId"], "Version": version}}

    def delete_theme(self, request: Parameters) -> Parameters:
        self._remove(self.themes, request["ThemeId"])
        return {}

    def describe_theme_permissions(self, request: Parameters) -> Parameters:
        return self._permissions(self._there(self.themes, request["ThemeId"]))

    def update_theme_permissions(self, request: Parameters) -> Parameters:
        self._permit(self._there(self.themes, request["ThemeId"]), request)
        return {}

    # --- analyses

    def _begin(self, kind: str, states: list[str], well: str, request: Parameters) -> _Version:
        errors = list(self.problems(request))
        progress = self.begin(kind, states, well)
        if errors:
            progress = Progress(states, type(progress.ending)(f"{well.partition('_')[0]}_FAILED"))
        elif progress.ending.state.endswith("FAILED"):
            errors = [progress.ending.details]
        return _Version(request, progress, errors)

    def create_analysis(self, request: Parameters) -> Parameters:
        thing = self._add(self.analyses, "analysis", request["AnalysisId"], request)
        version = self._begin("analysis", _CREATION, "CREATION_SUCCESSFUL", request)
        thing.progress, thing.errors = version.progress, version.errors
        return {"Arn": thing.arn, "AnalysisId": request["AnalysisId"]}

    def update_analysis(self, request: Parameters) -> Parameters:
        thing = self._there(self.analyses, request["AnalysisId"])
        assert thing.progress is not None
        if not thing.progress.ended:
            raise ServiceError("ConflictException", "it is being changed")
        thing.content = {**thing.content, **request}
        version = self._begin("analysis", _UPDATE, "UPDATE_SUCCESSFUL", request)
        thing.progress, thing.errors = version.progress, version.errors
        return {"Arn": thing.arn, "AnalysisId": request["AnalysisId"]}

    def describe_analysis(self, request: Parameters) -> Parameters:
        thing = self._there(self.analyses, request["AnalysisId"])
        assert thing.progress is not None
        found: Parameters = {
            "AnalysisId": request["AnalysisId"],
            "Arn": thing.arn,
            "Name": thing.content["Name"],
            "Status": thing.progress.look(),
        }
        if thing.progress.state.endswith("FAILED"):
            found["Errors"] = thing.errors
        return {"Analysis": found}

    def delete_analysis(self, request: Parameters) -> Parameters:
        self._remove(self.analyses, request["AnalysisId"])
        return {}

    def describe_analysis_permissions(self, request: Parameters) -> Parameters:
        thing = self._there(self.analyses, request["AnalysisId"])
        return self._permissions(thing)

    def update_analysis_permissions(self, request: Parameters) -> Parameters:
        self._permit(self._there(self.analyses, request["AnalysisId"]), request)
        return {}

    # --- dashboards

    def create_dashboard(self, request: Parameters) -> Parameters:
        name = request["DashboardId"]
        thing = self._add(self.dashboards, "dashboard", name, request)
        version = self._begin("dashboard", _CREATION, "CREATION_SUCCESSFUL", request)
        self.versions[name], self.published[name] = [version], 1
        return {"Arn": thing.arn, "VersionArn": f"{thing.arn}/version/1", "DashboardId": name}

    def update_dashboard(self, request: Parameters) -> Parameters:
        name = request["DashboardId"]
        thing = self._there(self.dashboards, name)
        version = self._begin("dashboard", _CREATION, "CREATION_SUCCESSFUL", request)
        self.versions[name].append(version)
        number = len(self.versions[name])
        arn = f"{thing.arn}/version/{number}"
        return {"Arn": thing.arn, "VersionArn": arn, "DashboardId": name}

    def update_dashboard_published_version(self, request: Parameters) -> Parameters:
        name, number = request["DashboardId"], request["VersionNumber"]
        self._there(self.dashboards, name)
        if self.versions[name][number - 1].progress.state != "CREATION_SUCCESSFUL":
            raise ServiceError("ConflictException", "the version is not ready")
        self.published[name] = number
        return {"DashboardId": name}

    def describe_dashboard(self, request: Parameters) -> Parameters:
        name = request["DashboardId"]
        thing = self._there(self.dashboards, name)
        number = request.get("VersionNumber", self.published[name])
        version = self.versions[name][number - 1]
        found: Parameters = {"VersionNumber": number, "Status": version.progress.look()}
        if version.progress.state.endswith("FAILED"):
            found["Errors"] = version.errors
        about = {"DashboardId": name, "Arn": thing.arn, "Name": version.content["Name"]}
        return {"Dashboard": {**about, "Version": found}}

    def delete_dashboard(self, request: Parameters) -> Parameters:
        self._remove(self.dashboards, request["DashboardId"])
        del self.versions[request["DashboardId"]], self.published[request["DashboardId"]]
        return {}

    def describe_dashboard_permissions(self, request: Parameters) -> Parameters:
        thing = self._there(self.dashboards, request["DashboardId"])
        return self._permissions(thing)

    def update_dashboard_permissions(self, request: Parameters) -> Parameters:
        self._permit(self._there(self.dashboards, request["DashboardId"]), request)
        return {}

    # --- what a definition may say

    def problems(self, request: Parameters) -> Iterator[Parameters]:
        """What is wrong with a definition: names of what there is not."""
        content = request["Definition"]
        if request.get("ThemeArn") not in {None, *(one.arn for one in self.themes.values())}:
            yield _error("ACCESS_DENIED", f"there is no theme {request['ThemeArn']}")
        arns = {thing.arn: thing for thing in self.sets.values()}
        columns: dict[str, dict[str, str]] = {}
        for one in content["DataSetIdentifierDeclarations"]:
            thing = arns.get(one["DataSetArn"])
            if thing is None:
                yield _error("DATA_SET_NOT_FOUND", f"there is no data set {one['DataSetArn']}")
                continue
            [table] = thing.content["PhysicalTableMap"].values()
            columns[one["Identifier"]] = {
                c["Name"]: c["Type"] for c in table["RelationalTable"]["InputColumns"]
            }
        formulas: dict[str, set[str]] = {}
        for one in content.get("CalculatedFields", []):
            table = one["DataSetIdentifier"]
            for name in re.findall(r"\{([^}]+)\}", one["Expression"]):
                if name not in columns.get(table, {}):
                    yield _error("COLUMN_REPLACEMENT_MISSING", f"{table}.{name} in {one['Name']}")
            if one["Name"] in columns.get(table, {}):
                yield _error("INTERNAL_FAILURE", f"{table}.{one['Name']} is a column already")
            formulas.setdefault(table, set()).add(one["Name"])
        for where, column in _columns(content):
            table, name = column["DataSetIdentifier"], column["ColumnName"]
            is_formula = name in formulas.get(table, set())
            kind = columns.get(table, {}).get(name)
            if kind is None and not is_formula:
                yield _error("COLUMN_REPLACEMENT_MISSING", f"{table}.{name}")
            elif kind is not None and kind not in _FITS.get(where, {kind}):
                yield _error("COLUMN_TYPE_MISMATCH", f"{table}.{name} is {kind} in a {where}")
        yield from _dangling(content)


_FITS = {
    "DateDimensionField": {"DATETIME"},
    "NumericalMeasureField": {"INTEGER", "DECIMAL"},
    "NumericalDimensionField": {"INTEGER", "DECIMAL"},
    "CategoricalDimensionField": {"STRING"},
    "TimeRangeFilter": {"DATETIME"},
    "CategoryFilter": {"STRING"},
}
"""The types of columns that a field or a filter takes."""


def _columns(node: Any, where: str = "") -> Iterator[tuple[str, Mapping[str, str]]]:
    """Every column that a definition names, with what names it."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "Column" and "ColumnName" in value:
                yield where, value
            else:
                yield from _columns(value, key)
    elif isinstance(node, list):
        for one in node:
            yield from _columns(one, where)


def _dangling(content: Parameters) -> Iterator[Parameters]:
    """Ids that are there twice, or that nothing has."""
    parameters = {
        name["Name"] for one in content.get("ParameterDeclarations", []) for name in one.values()
    }
    filters: set[str] = set()
    for group in content.get("FilterGroups", []):
        for one in group["Filters"]:
            for inner in one.values():
                if inner["FilterId"] in filters:
                    yield _error("INTERNAL_FAILURE", f"two filters {inner['FilterId']}")
                filters.add(inner["FilterId"])
                for end in ("RangeMinimumValue", "RangeMaximumValue"):
                    name = inner.get(end, {}).get("Parameter")
                    if name is not None and name not in parameters:
                        yield _error("PARAMETER_NOT_FOUND", name)
    visuals: dict[str, set[str]] = {}
    seen: set[str] = set()
    for sheet in content.get("Sheets", []):
        ids: set[str] = set()
        for one in sheet.get("Visuals", []):
            for inner in one.values():
                ids.add(inner["VisualId"])
                if inner["VisualId"] in seen:
                    yield _error("INTERNAL_FAILURE", f"two visuals {inner['VisualId']}")
                seen.add(inner["VisualId"])
                yield from _unsorted(inner)
        visuals[sheet["SheetId"]] = ids
        controls: set[str] = set()
        for one in sheet.get("ParameterControls", []):
            for inner in one.values():
                controls.add(inner["ParameterControlId"])
                if inner["SourceParameterName"] not in parameters:
                    yield _error("PARAMETER_NOT_FOUND", inner["SourceParameterName"])
        for one in sheet.get("FilterControls", []):
            for inner in one.values():
                controls.add(inner["FilterControlId"])
                if inner["SourceFilterId"] not in filters:
                    yield _error("INTERNAL_FAILURE", f"no filter {inner['SourceFilterId']}")
        for layouts, known in (("Layouts", ids), ("SheetControlLayouts", controls)):
            for layout in sheet.get(layouts, []):
                placed = [e["ElementId"] for e in layout["Configuration"]["GridLayout"]["Elements"]]
                if sorted(placed) != sorted(known):
                    yield _error("INTERNAL_FAILURE", f"{layouts} of {sheet['SheetId']}")
    for group in content.get("FilterGroups", []):
        scope = group["ScopeConfiguration"]["SelectedSheets"]["SheetVisualScopingConfigurations"]
        for one in scope:
            if not set(one.get("VisualIds", [])) <= visuals.get(one["SheetId"], set()):
                yield _error("INTERNAL_FAILURE", f"the scope of {group['FilterGroupId']}")


def _unsorted(visual: Parameters) -> Iterator[Parameters]:
    """Fields that a visual is sorted by and does not have."""
    own = {value for key, value in _pairs(visual["ChartConfiguration"]["FieldWells"])
           if key == "FieldId"}  # fmt: skip
    for key, value in _pairs(visual["ChartConfiguration"].get("SortConfiguration", {})):
        if key == "FieldId" and value not in own:
            yield _error("INTERNAL_FAILURE", f"{visual['VisualId']} is sorted by {value}")


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield key, value
            yield from _pairs(value)
    elif isinstance(node, list):
        for one in node:
            yield from _pairs(one)


def _error(kind: str, message: str) -> Parameters:
    return {"Type": kind, "Message": message}
