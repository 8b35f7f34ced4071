"""Making what is asked for: find, compare, create or update, wait, say why it failed.

Things of another project, or of none, are never touched: each ``ensure_…`` refuses an id that is
taken by something without this project's tag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engagement.aws.clients import Service, ServiceError
from engagement.aws.waiting import wait_until
from engagement.errors import FailedError
from engagement.quicksight.requests import DIGEST, TAG, Asked, Place

Outcome = Literal["created", "updated", "as it is"]

_EXISTS = "ResourceExistsException"
_ENDED_WELL = frozenset({"CREATION_SUCCESSFUL", "UPDATE_SUCCESSFUL"})
_ENDED_BADLY = frozenset({"CREATION_FAILED", "UPDATE_FAILED", "DELETED"})


class QuickSightError(FailedError):
    """QuickSight could not make something, with its own reason; or it is not this project's."""


@dataclass(frozen=True)
class Made:
    """What became of something that was asked for."""

    kind: str
    name: str
    outcome: Outcome


@dataclass(frozen=True)
class Maker:
    """The service, the account, and how long to wait for something to be ready."""

    service: Service
    place: Place
    seconds: float
    pause: float = 2.0

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation for this account."""
        return self.service.call(
            operation, **{"AwsAccountId": self.place.aws_account_id, **parameters}
        )

    def find(self, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """As :meth:`call`; ``None`` where there is no such thing."""
        return self.service.find(
            operation, **{"AwsAccountId": self.place.aws_account_id, **parameters}
        )

    def create(self, operation: str, asked: Asked) -> dict[str, Any]:
        """Make something; where an answer was lost, it is there by the second attempt."""
        try:
            return self.service.call(operation, **creation(asked))
        except ServiceError as error:
            if error.code != _EXISTS:
                raise
            self.own_tags(asked)
            return {}

    def tags(self, arn: str) -> dict[str, str]:
        """What something carries."""
        found = self.service.call("ListTagsForResource", ResourceArn=arn)
        return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}

    def own_tags(self, asked: Asked) -> dict[str, str]:
        """The tags of something that is there.

        Raises
        ------
        QuickSightError
            When they are not this project's.
        """
        found = self.tags(asked.arn)
        if found.get(TAG) != asked.tags[TAG]:
            raise QuickSightError(
                f"the {_spoken(asked.kind)} '{asked.name}' exists and does not carry the tag "
                f"{TAG}={asked.tags[TAG]}: it is not this project's. Rename the project, or remove "
                "it"
            )
        return found

    def tag(self, asked: Asked) -> None:
        """Let something carry its tags."""
        self.service.call("TagResource", ResourceArn=asked.arn, Tags=_tags(asked))

    def wait(
        self, asked: Asked, look: Callable[[], tuple[str, Sequence[Mapping[str, Any]]]]
    ) -> None:
        """Wait until something is ready.

        Parameters
        ----------
        look
            Gives its status, and its errors.

        Raises
        ------
        QuickSightError
            When it failed, with the service's own reason.
        WaitedTooLongError
            When it is not ready by the deadline.
        """

        def ready() -> bool | None:
            status, errors = look()
            if status in _ENDED_BADLY:
                raise QuickSightError(
                    f"the {_spoken(asked.kind)} '{asked.name}' is {status}: {_reasons(errors)}"
                )
            return True if status in _ENDED_WELL else None

        what = f"the {_spoken(asked.kind)} '{asked.name}' to be ready"
        wait_until(ready, what, seconds=self.seconds, pause=self.pause, longest=15)


def _spoken(kind: str) -> str:
    return kind.replace("-", " ")


def _reasons(errors: Sequence[Mapping[str, Any]]) -> str:
    """Errors as the service tells them, each with what it is about."""
    said = []
    for error in errors:
        about = ", ".join(str(one.get("Path", "")) for one in error.get("ViolatedEntities", []))
        parts = (error.get("Type"), error.get("Message"), f"({about})" if about else None)
        said.append(" ".join(str(part) for part in parts if part))
    return "; ".join(said) or "no reason was given"


def _tags(asked: Asked) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in asked.tags.items()]


def creation(asked: Asked) -> dict[str, Any]:
    """The parameters of the call that makes something, with permissions and tags."""
    shared = {"Permissions": list(asked.permissions)} if asked.permissions else {}
    return {**asked.create, **shared, "Tags": _tags(asked)}


# --- permissions ----------------------------------------------------------------------------------

_SUBJECT = {
    "data-source": ("DataSource", "DataSourceId"),
    "data-set": ("DataSet", "DataSetId"),
    "theme": ("Theme", "ThemeId"),
    "analysis": ("Analysis", "AnalysisId"),
    "dashboard": ("Dashboard", "DashboardId"),
}


def ensure_permissions(maker: Maker, asked: Asked) -> bool:
    """See to it that exactly the parameters' people may do what they say; whether it changed."""
    subject, key = _SUBJECT[asked.kind]
    found = maker.call(f"Describe{subject}Permissions", **{key: asked.name})
    there = {one["Principal"]: frozenset(one["Actions"]) for one in found.get("Permissions", [])}
    wanted = {str(one["Principal"]): frozenset(one["Actions"]) for one in asked.permissions}
    grant = _grants({who: actions - there.get(who, frozenset()) for who, actions in wanted.items()})
    revoke = _grants(
        {who: actions - wanted.get(who, frozenset()) for who, actions in there.items()}
    )
    if not grant and not revoke:
        return False
    maker.call(
        f"Update{subject}Permissions",
        **{key: asked.name},
        **({"GrantPermissions": grant} if grant else {}),
        **({"RevokePermissions": revoke} if revoke else {}),
    )
    return True


def _grants(actions: Mapping[str, frozenset[str]]) -> list[dict[str, Any]]:
    return [
        {"Principal": who, "Actions": sorted(some)} for who, some in sorted(actions.items()) if some
    ]


def _as_permitted(maker: Maker, asked: Asked, outcome: Outcome) -> Made:
    changed = outcome != "created" and ensure_permissions(maker, asked)
    return Made(asked.kind, asked.name, "updated" if changed else outcome)


# --- one kind after the other ---------------------------------------------------------------------


def ensure_data_source(maker: Maker, asked: Asked) -> Made:
    """See to it that there is the data source, and that it works."""
    found = maker.find("DescribeDataSource", DataSourceId=asked.name)
    outcome: Outcome = "as it is"
    if found is None:
        maker.create("CreateDataSource", asked)
        outcome = "created"
    else:
        maker.own_tags(asked)
        there, wanted = found["DataSource"], asked.create
        same = there.get("Name") == wanted["Name"] and _reached(there) == _reached(wanted)
        if not same or there.get("Status") in _ENDED_BADLY:
            maker.call(
                "UpdateDataSource",
                DataSourceId=asked.name,
                Name=wanted["Name"],
                DataSourceParameters=wanted["DataSourceParameters"],
                **{key: wanted[key] for key in _BESIDES if key in wanted},
            )
            outcome = "updated"

    def look() -> tuple[str, Sequence[Mapping[str, Any]]]:
        now = maker.call("DescribeDataSource", DataSourceId=asked.name)["DataSource"]
        return now["Status"], [now["ErrorInfo"]] if now.get("ErrorInfo") else []

    maker.wait(asked, look)
    return _as_permitted(maker, asked, outcome)


_BESIDES = ("Credentials", "VpcConnectionProperties", "SslProperties")
"""What a data source has beside its parameters: who logs in, and by which way."""

_ASKED = ("WorkGroup", "RoleArn", "Host", "Port", "Database", "ClusterId", "IAMParameters")


def _reached(source: Mapping[str, Any]) -> tuple[Any, ...]:
    """How a data source reaches its engine: what may be asked for, and nothing that QuickSight
    adds by itself.
    """
    (parameters,) = source.get("DataSourceParameters", {"": {}}).values()
    secret = source.get("SecretArn") or source.get("Credentials", {}).get("SecretArn")
    vpc = source.get("VpcConnectionProperties", {}).get("VpcConnectionArn")
    ssl = bool(source.get("SslProperties", {}).get("DisableSsl"))
    return (*(parameters.get(key) for key in _ASKED), secret, vpc, ssl)


def ensure_data_set(maker: Maker, asked: Asked) -> tuple[Made, str | None]:
    """See to it that there is the data set.

    Returns
    -------
    tuple of Made and str or None
        What became of it, and the ingestion that the service began by itself.
    """
    found = maker.find("DescribeDataSet", DataSetId=asked.name)
    if found is None:
        answer = maker.create("CreateDataSet", asked)
        return Made(asked.kind, asked.name, "created"), answer.get("IngestionId")
    maker.own_tags(asked)
    there, wanted = found["DataSet"], asked.create
    keys = ("Name", "ImportMode", "PhysicalTableMap")
    if all(_same(there.get(key), wanted[key]) for key in keys):
        return _as_permitted(maker, asked, "as it is"), None
    answer = maker.service.call("UpdateDataSet", **wanted)
    return _as_permitted(maker, asked, "updated"), answer.get("IngestionId")


def _same(there: Any, wanted: Any) -> bool:
    """Whether what is there is as wanted; members that the service adds by itself do not count."""
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(
            _same(there.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(there, (list, tuple))
            and len(there) == len(wanted)
            and all(_same(a, b) for a, b in zip(there, wanted, strict=True))
        )
    return bool(there == wanted)


def ensure_refresh_schedule(maker: Maker, wanted: Mapping[str, Any]) -> Outcome:
    """See to it that a data set is filled again every day."""
    schedule = wanted["Schedule"]
    found = maker.find(
        "DescribeRefreshSchedule",
        DataSetId=wanted["DataSetId"],
        ScheduleId=schedule["ScheduleId"],
    )
    if found is None:
        try:
            maker.service.call("CreateRefreshSchedule", **wanted)
        except ServiceError as error:
            if error.code != _EXISTS:
                raise
        return "created"
    if _same(found["RefreshSchedule"], schedule):
        return "as it is"
    maker.service.call("UpdateRefreshSchedule", **wanted)
    return "updated"


def ensure_no_refresh_schedule(maker: Maker, wanted: Mapping[str, Any]) -> None:
    """See to it that a data set that asks the engine directly has no schedule of this project."""
    maker.find(
        "DeleteRefreshSchedule",
        DataSetId=wanted["DataSetId"],
        ScheduleId=wanted["Schedule"]["ScheduleId"],
    )


def begin_ingestion(maker: Maker, data_set: str, name: str) -> str:
    """Fill a data set in SPICE again; gives the ingestion's id."""
    try:
        maker.call(
            "CreateIngestion", DataSetId=data_set, IngestionId=name, IngestionType="FULL_REFRESH"
        )
    except ServiceError as error:
        if error.code != _EXISTS:
            raise
    return name


def wait_for_ingestion(maker: Maker, data_set: str, name: str) -> int | None:
    """Wait until a data set is filled; gives its rows, where the service says how many.

    Raises
    ------
    QuickSightError
        When it failed or was cancelled, with the service's own reason.
    """

    def look() -> Mapping[str, Any] | None:
        found = maker.call("DescribeIngestion", DataSetId=data_set, IngestionId=name)["Ingestion"]
        status = found["IngestionStatus"]
        if status in ("FAILED", "CANCELLED"):
            reasons = _reasons([found["ErrorInfo"]] if found.get("ErrorInfo") else [])
            raise QuickSightError(f"the data set '{data_set}' was not filled ({status}): {reasons}")
        return found if status == "COMPLETED" else None

    what = f"the data set '{data_set}' to be filled"
    done = wait_until(look, what, seconds=maker.seconds, pause=maker.pause, longest=15)
    rows: int | None = done.get("RowInfo", {}).get("RowsIngested")
    return rows


def ensure_theme(maker: Maker, asked: Asked) -> Made:
    """See to it that there is the theme."""

    def look() -> tuple[str, Sequence[Mapping[str, Any]]]:
        version = maker.call("DescribeTheme", ThemeId=asked.name)["Theme"]["Version"]
        return version["Status"], version.get("Errors", [])

    update = {key: value for key, value in asked.create.items() if key != "AwsAccountId"}
    found = maker.find("DescribeTheme", ThemeId=asked.name)
    status = found["Theme"]["Version"]["Status"] if found else None
    return _by_digest(maker, asked, status, "CreateTheme", "UpdateTheme", update, look)


def ensure_analysis(maker: Maker, asked: Asked) -> Made:
    """See to it that there is the analysis."""

    def look() -> tuple[str, Sequence[Mapping[str, Any]]]:
        now = maker.call("DescribeAnalysis", AnalysisId=asked.name)["Analysis"]
        return now["Status"], now.get("Errors", [])

    update = {key: value for key, value in asked.create.items() if key != "AwsAccountId"}
    found = maker.find("DescribeAnalysis", AnalysisId=asked.name)
    status = found["Analysis"]["Status"] if found else None
    if status == "DELETED":
        # It waits to be recovered: as long as it does, nothing else can have its id.
        maker.call("RestoreAnalysis", AnalysisId=asked.name)
        maker.wait(asked, look)
    return _by_digest(maker, asked, status, "CreateAnalysis", "UpdateAnalysis", update, look)


def ensure_dashboard(maker: Maker, asked: Asked) -> Made:
    """See to it that there is the dashboard, and that its newest version is the published one."""
    versions: list[int] = []

    def look() -> tuple[str, Sequence[Mapping[str, Any]]]:
        chosen = {"VersionNumber": versions[-1]} if versions else {}
        now = maker.call("DescribeDashboard", DashboardId=asked.name, **chosen)["Dashboard"]
        version = now["Version"]
        return version["Status"], version.get("Errors", [])

    found = maker.find("DescribeDashboard", DashboardId=asked.name)
    if found is None:
        maker.create("CreateDashboard", asked)
        maker.wait(asked, look)
        return Made(asked.kind, asked.name, "created")
    tags = maker.own_tags(asked)
    version = found["Dashboard"]["Version"]
    outcome: Outcome = "as it is"
    if tags.get(DIGEST) != asked.tags[DIGEST] or version["Status"] in _ENDED_BADLY:
        answer = maker.service.call("UpdateDashboard", **asked.create)
        versions.append(int(answer["VersionArn"].rpartition("/")[2]))
        maker.wait(asked, look)
        maker.call(
            "UpdateDashboardPublishedVersion",
            DashboardId=asked.name,
            VersionNumber=versions[-1],
        )
        maker.tag(asked)
        outcome = "updated"
    else:
        maker.wait(asked, look)
    return _as_permitted(maker, asked, outcome)


def _by_digest(
    maker: Maker,
    asked: Asked,
    status: str | None,
    create: str,
    update: str,
    changes: Mapping[str, Any],
    look: Callable[[], tuple[str, Sequence[Mapping[str, Any]]]],
) -> Made:
    """Create what is missing; update what was made from something else, or failed."""
    if status is None:
        maker.create(create, asked)
        maker.wait(asked, look)
        return Made(asked.kind, asked.name, "created")
    tags = maker.own_tags(asked)
    outcome: Outcome = "as it is"
    if tags.get(DIGEST) != asked.tags[DIGEST] or status in _ENDED_BADLY:
        maker.call(update, **changes)
        outcome = "updated"
    maker.wait(asked, look)
    if outcome == "updated":
        # Only now: what could not be made is made again the next time.
        maker.tag(asked)
    return _as_permitted(maker, asked, outcome)


# --- and away with it -----------------------------------------------------------------------------

_DELETE: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "data-source": ("DescribeDataSource", "DeleteDataSource", {}),
    "data-set": ("DescribeDataSet", "DeleteDataSet", {}),
    "theme": ("DescribeTheme", "DeleteTheme", {}),
    "analysis": ("DescribeAnalysis", "DeleteAnalysis", {"ForceDeleteWithoutRecovery": True}),
    "dashboard": ("DescribeDashboard", "DeleteDashboard", {}),
}


def ensure_gone(maker: Maker, asked: Asked) -> bool:
    """See to it that something is not there any more; whether it was.

    Raises
    ------
    QuickSightError
        When it is not this project's.
    """
    describe, delete, how = _DELETE[asked.kind]
    key = _SUBJECT[asked.kind][1]
    if maker.find(describe, **{key: asked.name}) is None:
        return False
    maker.own_tags(asked)
    maker.find(delete, **{key: asked.name}, **how)

    def gone() -> bool | None:
        found = maker.find(describe, **{key: asked.name})
        deleted = found is not None and found.get("Analysis", {}).get("Status") == "DELETED"
        return True if found is None or deleted else None

    what = f"the {_spoken(asked.kind)} '{asked.name}' to be gone"
    wait_until(gone, what, seconds=maker.seconds, pause=maker.pause, longest=15)
    return True


__all__ = [
    "Made",
    "Maker",
    "Outcome",
    "QuickSightError",
    "ServiceError",
    "begin_ingestion",
    "creation",
    "ensure_analysis",
    "ensure_dashboard",
    "ensure_data_set",
    "ensure_data_source",
    "ensure_gone",
    "ensure_no_refresh_schedule",
    "ensure_permissions",
    "ensure_refresh_schedule",
    "ensure_theme",
    "wait_for_ingestion",
]
