"""Amazon Personalize, its events and its runtime, as far as the set-up and the live part use them.

Beyond the service's model the fake keeps these rules: names are given once, parts need what they
belong to, training needs imported interactions, what others use cannot be deleted, what is under
way cannot be changed, listings come in pages, things and their removal take some looks. Quotas
(``quotas``) refuse what is too much. ``script("solution version", Ending("CREATE FAILED", …))``
lets the next one fail.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engagement.aws import service_model
from tests.fakes.service import Ending, Fake, Parameters, Progress, ServiceError

ACCOUNT = "123456789012"
_PREFIX = f"arn:aws:personalize:eu-central-1:{ACCOUNT}:"
_MADE = datetime(2026, 1, 31, 12, tzinfo=UTC)
_CREATING = ["CREATE PENDING", "CREATE IN_PROGRESS"]
_DELETING = ["DELETE PENDING", "DELETE IN_PROGRESS"]

# Kind: its operations' noun, the describe member, ARN member, list member.
_NOUNS = {
    "dataset group": ("dataset_group", "datasetGroup", "datasetGroupArn", "datasetGroups"),
    "schema": ("schema", "schema", "schemaArn", "schemas"),
    "dataset": ("dataset", "dataset", "datasetArn", "datasets"),
    "import job": (
        "dataset_import_job",
        "datasetImportJob",
        "datasetImportJobArn",
        "datasetImportJobs",
    ),
    "event tracker": ("event_tracker", "eventTracker", "eventTrackerArn", "eventTrackers"),
    "recommender": ("recommender", "recommender", "recommenderArn", "recommenders"),
    "solution": ("solution", "solution", "solutionArn", "solutions"),
    "solution version": (
        "solution_version",
        "solutionVersion",
        "solutionVersionArn",
        "solutionVersions",
    ),
    "campaign": ("campaign", "campaign", "campaignArn", "campaigns"),
    "filter": ("filter", "filter", "filterArn", "Filters"),
    "batch inference job": (
        "batch_inference_job",
        "batchInferenceJob",
        "batchInferenceJobArn",
        "batchInferenceJobs",
    ),
    "batch segment job": (
        "batch_segment_job",
        "batchSegmentJob",
        "batchSegmentJobArn",
        "batchSegmentJobs",
    ),
    "metric attribution": (
        "metric_attribution",
        "metricAttribution",
        "metricAttributionArn",
        "metricAttributions",
    ),
}
_PARENTS = ("datasetArn", "solutionVersionArn", "solutionArn", "datasetGroupArn")
_UNDELETABLE = {"import job", "solution version", "batch inference job", "batch segment job"}
_UNTAGGED = {"schema", "metric attribution"}


@dataclass
class Resource:
    """Something that was made; ``update`` and ``removal`` are under way if they are there."""

    kind: str
    arn: str
    given: Parameters
    progress: Progress
    tags: list[Parameters] = field(default_factory=list)
    update: tuple[Parameters, Progress] | None = None
    removal: Progress | None = None

    @property
    def name(self) -> str:
        return self.given.get("name") or self.given.get("jobName") or ""

    @property
    def status(self) -> str:
        return self.removal.state if self.removal else self.progress.state

    def is_moving(self) -> bool:
        updating = self.update is not None and not self.update[1].ended
        return updating or "PENDING" in self.status or "IN_PROGRESS" in self.status

    def look(self) -> None:
        if self.removal is not None:
            self.removal.look()
            return
        self.progress.look()
        if self.update is not None:
            changes, progress = self.update
            progress.look()
            if progress.ended and progress.state == "ACTIVE":
                self.given |= changes


class PersonalizeFake(Fake):
    """The control plane.

    Attributes
    ----------
    quotas
        How many there may be of a kind: ``{"recommender": 1}``.
    page
        Items of a listing's page.
    metrics
        What offline metrics of anything trained are.
    """

    service = "personalize"
    bad_request = "InvalidInputException"

    def __init__(self) -> None:
        super().__init__()
        self.resources: dict[str, Resource] = {}
        self.quotas: dict[str, int] = {"event tracker": 1}
        self.page = 2
        self.metrics = {"coverage": 0.5, "precision_at_5": 0.125}
        self.made: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        """The operations of every kind, by their names."""
        for kind, (noun, _, arn, _) in _NOUNS.items():
            if name == f"create_{noun}":
                return lambda request: self._create(kind, request)
            if name == f"describe_{noun}":
                return lambda request: self._describe(kind, request[arn])
            if name == f"list_{noun}s":
                return lambda request: self._list(kind, request)
            if name == f"delete_{noun}" and kind not in _UNDELETABLE:
                return lambda request: self._delete(kind, request[arn])
            if name == f"update_{noun}":
                return lambda request: self._update(kind, request)
        raise AttributeError(name)

    # --- what tests look at

    def of(self, kind: str) -> list[Resource]:
        """What there is of a kind."""
        self._sweep()
        return [one for one in self.resources.values() if one.kind == kind]

    def names(self) -> dict[str, list[str]]:
        """Names of all that is there, by kind."""
        self._sweep()
        found: dict[str, list[str]] = {}
        for one in self.resources.values():
            found.setdefault(one.kind, []).append(one.name)
        return {kind: sorted(names) for kind, names in found.items()}

    def finish(self) -> None:
        """Let everything under way end."""
        for one in self.resources.values():
            one.progress.finish()

    # --- operations

    def _create(self, kind: str, request: Parameters) -> Parameters:
        self._sweep()
        given = {key: value for key, value in request.items() if key != "tags"}
        name = given.get("name") or given.get("jobName") or f"unnamed-{self.number(kind)}"
        if any(one.name == name and self._beside(one, kind, given) for one in self.of(kind)):
            raise ServiceError("ResourceAlreadyExistsException", f"there is a {kind} {name}")
        quota = self.quotas.get(kind)
        beside = [one for one in self.of(kind) if self._beside(one, kind, given)]
        if quota is not None and len(beside) >= quota:
            raise ServiceError("LimitExceededException", f"more than {quota} of {kind}s")
        self._check(kind, given)
        if kind in _UNTAGGED and "tags" in request:
            raise ServiceError("InvalidInputException", f"a {kind} takes no tags")
        arn = self._arn(kind, name, given)
        states = [] if kind == "schema" else _CREATING
        progress = self.begin(kind, states, "ACTIVE")
        if kind == "event tracker":
            given["trackingId"] = f"tracking-{self.number('tracking')}"
        if kind == "solution version":
            solution = self.resources[given["solutionArn"]].given
            given["datasetGroupArn"] = solution["datasetGroupArn"]
        if kind == "campaign":
            given["solutionArn"] = self.resources[given["solutionVersionArn"]].given["solutionArn"]
        self.resources[arn] = Resource(kind, arn, given, progress, request.get("tags", []))
        self.made[kind] += 1
        member = _NOUNS[kind][2]
        extra = {"trackingId": given["trackingId"]} if kind == "event tracker" else {}
        if kind == "dataset group" and "domain" in given:
            extra = {"domain": given["domain"]}
        return {member: arn, **extra}

    def _arn(self, kind: str, name: str, given: Parameters) -> str:
        noun = kind.replace(" ", "-").replace("import-job", "dataset-import-job")
        if kind == "solution version":
            return f"{given['solutionArn']}/{self.number('version'):08x}"
        if kind == "dataset":
            group = given["datasetGroupArn"].rpartition("/")[2]
            return f"{_PREFIX}dataset/{group}/{given['datasetType']}"
        return f"{_PREFIX}{noun}/{name}"

    def _beside(self, one: Resource, kind: str, given: Parameters) -> bool:
        """Whether a resource is in the way of one that is to be made, or counts with it."""
        if kind == "event tracker":
            return bool(one.given["datasetGroupArn"] == given["datasetGroupArn"])
        return True

    def _check(self, kind: str, given: Parameters) -> None:
        for key in (*_PARENTS, "schemaArn", "filterArn"):
            if key in given:
                parent = self._get(given[key])
                if parent.status != "ACTIVE":
                    raise ServiceError(
                        "ResourceInUseException", f"{parent.kind} {parent.name}: {parent.status}"
                    )
        group = self.resources.get(given.get("datasetGroupArn", ""))
        if kind == "dataset" and any(
            one.given["datasetGroupArn"] == given["datasetGroupArn"]
            and one.given["datasetType"].upper() == given["datasetType"].upper()
            for one in self.of("dataset")
        ):
            raise ServiceError("ResourceAlreadyExistsException", "there is one of this type")
        if kind == "dataset" and group is not None:
            schema = self._get(given["schemaArn"])
            if schema.given.get("domain") != group.given.get("domain"):
                raise ServiceError("InvalidInputException", "schema and group are of two domains")
        if kind == "recommender" and group is not None and "domain" not in group.given:
            raise ServiceError("InvalidInputException", "a custom group has no recommenders")
        if kind in ("recommender", "solution version"):
            of = (
                given.get("datasetGroupArn")
                or self._get(given["solutionArn"]).given["datasetGroupArn"]
            )
            if not self._has_interactions(of):
                raise ServiceError("InvalidInputException", "no interactions were imported")
        if kind == "import job" and not given["dataSource"]["dataLocation"].startswith("s3://"):
            raise ServiceError("InvalidInputException", "dataLocation is no S3 address")
        if kind == "import job" and "roleArn" not in given:
            raise ServiceError("InvalidInputException", "roleArn is missing")

    def _has_interactions(self, group: str) -> bool:
        sets = {
            one.arn
            for one in self.of("dataset")
            if one.given["datasetGroupArn"] == group and one.given["datasetType"] == "INTERACTIONS"
        }
        return any(
            one.given["datasetArn"] in sets and one.status == "ACTIVE"
            for one in self.of("import job")
        )

    def _get(self, arn: str) -> Resource:
        self._sweep()
        if arn not in self.resources:
            raise ServiceError("ResourceNotFoundException", f"there is no {arn.split(':')[-1]}")
        return self.resources[arn]

    def _sweep(self) -> None:
        """What was deleted, and was looked at often enough, is gone with all that belongs to it."""
        gone = {arn for arn, one in self.resources.items() if one.removal and one.removal.ended}
        while gone:
            for arn in gone:
                self.resources.pop(arn, None)
            gone = {
                arn
                for arn, one in self.resources.items()
                if one.kind in _UNDELETABLE
                and any(
                    one.given[key] not in self.resources for key in _PARENTS if key in one.given
                )
            }

    def _describe(self, kind: str, arn: str) -> Parameters:
        one = self._get(arn)
        one.look()
        one = self._get(arn)
        _, body, member, _ = _NOUNS[kind]
        document = {
            **one.given,
            member: arn,
            "status": one.status,
            "creationDateTime": _MADE,
            "lastUpdatedDateTime": _MADE,
        }
        if kind == "recommender":
            document["modelMetrics"] = self.metrics if one.progress.ended else {}
        if kind == "import job":
            del document["roleArn"]  # the model has it as one of Personalize's own ARNs
        if one.progress.ended:
            document |= one.progress.ending.details
        if one.update is not None:
            changes, progress = one.update
            latest = {
                "status": progress.state,
                "creationDateTime": _MADE,
                "lastUpdatedDateTime": _MADE,
                **(progress.ending.details if progress.ended else {}),
            }
            name = f"latest{body[0].upper()}{body[1:]}Update"
            document[name] = self._only(kind, name, {**changes, **latest})
        return {body: self._only(kind, None, document)}

    def _only(self, kind: str, inner: str | None, document: Parameters) -> Parameters:
        """Those members of a document that the service's model has."""
        noun, body, _, _ = _NOUNS[kind]
        shape: Any = service_model.operation("personalize", f"describe_{noun}").output_shape
        shape = shape.members[body]
        if inner is not None:
            shape = shape.members[inner]
        return {key: value for key, value in document.items() if key in shape.members}

    def _list(self, kind: str, request: Parameters) -> Parameters:
        noun, _, member, listed = _NOUNS[kind]
        found = []
        for one in self.of(kind):
            scope = [key for key in _PARENTS if key in request]
            if all(one.given.get(key) == request[key] for key in scope):
                found.append(one)
        start = int(request.get("nextToken", "0"))
        shape: Any = service_model.operation("personalize", f"list_{noun}s").output_shape
        members = shape.members[listed].member.members
        items = [
            {
                key: value
                for key, value in {**one.given, member: one.arn, "status": one.status}.items()
                if key in members
            }
            for one in found[start : start + self.page]
        ]
        more = {"nextToken": str(start + self.page)} if len(found) > start + self.page else {}
        return {listed: items, **more}

    def _delete(self, kind: str, arn: str) -> Parameters:
        one = self._get(arn)
        if one.is_moving():
            raise ServiceError("ResourceInUseException", f"{kind} {one.name}: {one.status}")
        users = [
            other
            for other in self.resources.values()
            if other.arn != arn
            and other.kind not in _UNDELETABLE
            and any(other.given.get(key) == arn for key in (*_PARENTS, "schemaArn", "filterArn"))
        ]
        if users:
            raise ServiceError(
                "ResourceInUseException", f"{kind} {one.name} is used by {users[0].kind}"
            )
        if kind == "schema":
            del self.resources[arn]
            return {}
        endings = self._endings[f"deletion of {kind}"]
        one.removal = Progress(
            _DELETING, endings.popleft() if endings else Ending("GONE"), self.polls
        )
        return {}

    def _update(self, kind: str, request: Parameters) -> Parameters:
        member = _NOUNS[kind][2]
        one = self._get(request[member])
        if one.is_moving():
            raise ServiceError("ResourceInUseException", f"{kind} {one.name}: {one.status}")
        changes = {key: value for key, value in request.items() if key != member}
        if kind == "metric attribution":
            metrics = {metric["metricName"]: metric for metric in one.given["metrics"]}
            for name in changes.pop("removeMetrics", []):
                metrics.pop(name, None)
            for metric in changes.pop("addMetrics", []):
                metrics[metric["metricName"]] = metric
            one.given["metrics"] = list(metrics.values())
            return {member: one.arn}
        if kind == "solution" and "solutionUpdateConfig" in changes:
            changes["solutionConfig"] = changes.pop("solutionUpdateConfig")
        one.update = (changes, self.begin(f"update of {kind}", _CREATING, "ACTIVE"))
        return {member: one.arn}

    def get_solution_metrics(self, request: Parameters) -> Parameters:
        arn = request["solutionVersionArn"]
        if self._get(arn).status != "ACTIVE":
            raise ServiceError("ResourceInUseException", "it is not trained yet")
        return {"solutionVersionArn": arn, "metrics": self.metrics}

    def list_metric_attribution_metrics(self, request: Parameters) -> Parameters:
        return {"metrics": self._get(request["metricAttributionArn"]).given["metrics"]}

    def list_tags_for_resource(self, request: Parameters) -> Parameters:
        return {"tags": self._get(request["resourceArn"]).tags}

    def tag_resource(self, request: Parameters) -> Parameters:
        self._get(request["resourceArn"]).tags += request["tags"]
        return {}


class PersonalizeEventsFake(Fake):
    """Live events. An event whose id is known is dropped; a call is refused as a whole.

    Attributes
    ----------
    events
        By id, as they came first, with the call's user and session.
    received
        How often each id came: more than once where an answer was lost.
    bad_items
        Items that the service does not take.
    halves
        So many calls are taken by half, and then fail.
    """

    service = "personalize-events"
    bad_request = "InvalidInputException"

    def __init__(self, *trackers: str) -> None:
        super().__init__()
        self.trackers = set(trackers)
        self.events: dict[str, Parameters] = {}
        self.received: Counter[str] = Counter()
        self.users: dict[str, str] = {}
        self.items: dict[str, str] = {}
        self.bad_items: set[str] = set()
        self.halves = 0

    def put_events(self, request: Parameters) -> Parameters:
        if request["trackingId"] not in self.trackers:
            raise ServiceError("InvalidInputException", "there is no such tracker")
        events = request["eventList"]
        if any(event.get("itemId") in self.bad_items for event in events):
            raise ServiceError("InvalidInputException", "itemId is not as it should be")
        half = len(events) // 2 if self.halves else len(events)
        for event in events[:half]:
            self.received[event["eventId"]] += 1
            whose = {"userId": request.get("userId"), "sessionId": request["sessionId"]}
            self.events.setdefault(event["eventId"], {**event, **whose})
        if self.halves:
            self.halves -= 1
            raise ServiceError("InternalFailure", "half of the events were taken")
        return {}

    def put_users(self, request: Parameters) -> Parameters:
        self.users |= {user["userId"]: user.get("properties", "") for user in request["users"]}
        return {}

    def put_items(self, request: Parameters) -> Parameters:
        self.items |= {item["itemId"]: item.get("properties", "") for item in request["items"]}
        return {}


class PersonalizeRuntimeFake(Fake):
    """Recommendations: ``lists`` by user or item, else ``anything``; rankings turn lists around."""

    service = "personalize-runtime"
    bad_request = "InvalidInputException"

    def __init__(self) -> None:
        super().__init__()
        self.lists: dict[str, list[str]] = {}
        self.anything: list[str] = []
        self.known: set[str] = set()

    def _check(self, request: Parameters) -> None:
        for key in ("recommenderArn", "campaignArn", "filterArn"):
            if key in request and request[key] not in self.known:
                raise ServiceError("ResourceNotFoundException", f"there is no such {key}")

    def get_recommendations(self, request: Parameters) -> Parameters:
        self._check(request)
        key = request.get("itemId") or request.get("userId") or ""
        items = self.lists.get(key, self.anything)[: request.get("numResults", 25)]
        return {
            "itemList": [{"itemId": item, "score": 0.5} for item in items],
            "recommendationId": f"RID-{self.number('recommendation')}",
        }

    def get_personalized_ranking(self, request: Parameters) -> Parameters:
        self._check(request)
        return {
            "personalizedRanking": [{"itemId": item} for item in reversed(request["inputList"])],
            "recommendationId": f"RID-{self.number('recommendation')}",
        }


class QuotasFake(Fake):
    """The account's quotas, as Service Quotas lists them."""

    service = "service-quotas"
    bad_request = "IllegalArgumentException"

    def list_service_quotas(self, request: Parameters) -> Parameters:
        assert request["ServiceCode"] == "personalize"
        if "NextToken" not in request:
            return {
                "Quotas": [{"QuotaName": "Recommenders in each dataset group", "Value": 20.0}],
                "NextToken": "more",
            }
        return {"Quotas": [{"QuotaName": "Campaigns in each dataset group", "Value": 10.0}]}
