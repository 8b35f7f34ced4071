"""The whole set-up in its order: what ``engagement personalize plan | up | status`` do.

Role and bucket policy → files → dataset group → schemas → data sets → imports → event tracker →
recommenders, or solutions with versions and campaigns → filters → batch jobs → metric attribution.
Each step finds what an earlier run made, so a run that stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engagement.aws.s3 import Address
from engagement.aws.service_model import Later
from engagement.personalize import access, resource_types
from engagement.personalize.exported import Exported
from engagement.personalize.resources import (
    Billable,
    Setup,
    Wanted,
    ensure,
    ensure_all,
    ensure_dataset,
    ensure_dataset_group,
    ensure_event_tracker,
    ensure_metric_attribution,
    ensure_schema,
)
from engagement.personalize.service import RefusedCallError, SetupError
from engagement.settings import Settings
from engagement.settings.customers import Personalize
from engagement.settings.personalize_service import Batch, Prices, Solution

RECIPES = "arn:aws:personalize:::recipe/"
PLAN_LOCATION = "s3://bucket-of-personalize-location/personalize"
PLAN_REGION = "eu-central-1"


@dataclass(frozen=True)
class Names:
    """Names of everything, from the project and the parameters.

    Policies are about ``root``, which all groups of a project share; files are in ``location``.
    """

    group: str
    role: str
    root: Address
    location: Address
    region: str

    @classmethod
    def of(cls, settings: Settings) -> Names:
        """The names for some parameters; a plan has stand-ins for those that are not given."""
        chosen = settings.personalize
        group = chosen.group or settings.project
        root = Address.parse(chosen.location or PLAN_LOCATION, folder=True)
        return cls(
            group,
            chosen.role or f"{settings.project}-personalize",
            root,
            root / f"{group}/",
            chosen.region or PLAN_REGION,
        )


@dataclass
class Made:
    """What a set-up has, for those who use it: ARNs by name, and the tracker's id."""

    group: str = ""
    tracking_id: str = ""
    datasets: dict[str, str] = field(default_factory=dict)
    recommenders: dict[str, str] = field(default_factory=dict)
    campaigns: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    filters: dict[str, str] = field(default_factory=dict)


def up(setup: Setup, settings: Settings, data: Sequence[Exported]) -> Made:
    """Make what is missing, change what differs, leave the rest; gives what there is.

    Raises
    ------
    SetupError
        With the service's own reason at the first step that fails, or where no yes was given.
    """
    chosen, names, made = settings.personalize, Names.of(settings), Made()
    domain = chosen.domain if chosen.domain == "ECOMMERCE" else None
    role = _access(setup, settings, names)
    made.group = ensure_dataset_group(setup, names.group, domain)
    for one in data:
        schema = ensure_schema(
            setup, f"{names.group}-{one.name}-{one.schema_digest}", one.schema, domain
        )
        made.datasets[one.name] = ensure_dataset(
            setup, f"{names.group}-{one.name}", made.group, one.type, schema
        )
    _imports(setup, chosen, names, role, data, made)
    tracker = ensure_event_tracker(setup, f"{names.group}-tracker", made.group)
    made.tracking_id = tracker["trackingId"]
    if domain is None:
        _solutions(setup, chosen, names, data, made)
    else:
        _recommenders(setup, chosen, names, made)
    _filters(setup, chosen, names, made)
    if domain is None:
        _batches(setup, chosen, names, role, made)
    if chosen.metrics:
        _metrics(setup, chosen, names, role, made)
    return made


def _access(setup: Setup, settings: Settings, names: Names) -> str:
    account = access.account(setup)
    statements = access.bucket_statements(names.root, settings.project, account, names.region)
    if settings.personalize.role is not None:
        role = access.given_role(setup, names.role)
    else:
        role = access.ensure_role(
            setup,
            names.role,
            access.trust_policy(account, names.region),
            access.data_policy(names.root, measures=bool(settings.personalize.metrics)),
        )
    access.ensure_bucket_policy(setup, names.location.bucket, statements)
    return role


def _imports(
    setup: Setup,
    chosen: Personalize,
    names: Names,
    role: str,
    data: Sequence[Exported],
    made: Made,
) -> None:
    """Put the files into the bucket and import those that were not imported yet."""
    wanted = []
    for one in data:
        folder = names.location / f"{one.name}-{one.digest}/"
        _upload(setup, one, folder)
        wanted.append(
            Wanted(
                resource_types.IMPORT,
                f"{names.group}-{one.name}-{one.digest}",
                {
                    "datasetArn": made.datasets[one.name],
                    "dataSource": {"dataLocation": str(folder)},
                    "roleArn": role,
                    "importMode": one.mode,
                },
                scope=made.datasets[one.name],
                billable=_import_cost(chosen.prices, one),
                why=f"imports {one.rows:,} rows",
            )
        )
    ensure_all(setup, wanted)


def _upload(setup: Setup, one: Exported, folder: Address) -> None:
    """Put the files of a data set into a folder of their own, unless they are there whole."""
    answer = setup.caller.call("s3", "list_objects_v2", Bucket=folder.bucket, Prefix=folder.key)
    there = {item["Key"]: item["Size"] for item in answer.get("Contents", [])}
    for part in one.parts:
        key = folder.key + part.path.name
        if there.get(key) == part.bytes:
            continue
        setup.caller.upload(
            folder.bucket, key, str(part.path), part.people(), why=f"the file of {one.name}"
        )
        setup.changed(f"file {part.path.name}: put into the bucket")


def _recommenders(setup: Setup, chosen: Personalize, names: Names, made: Made) -> None:
    quota = _quota(setup, "recommender", len(chosen.recommenders))
    wanted = [
        Wanted(
            resource_types.RECOMMENDER,
            f"{names.group}-{name}"[:63],
            {
                "datasetGroupArn": made.group,
                "recipeArn": RECIPES + one.use_case,
                "recommenderConfig": {
                    "minRecommendationRequestsPerSecond": one.requests_per_second
                },
            },
            scope=made.group,
            billable=_hourly(
                f"recommender {name}",
                chosen.prices.recommender_hour,
                "each hour that it is there",
                quota,
            ),
            why=f"answers requests for {one.use_case}",
        )
        for name, one in chosen.recommenders.items()
    ]
    for name, found in zip(chosen.recommenders, ensure_all(setup, wanted), strict=True):
        made.recommenders[name] = found["recommenderArn"]


def _solutions(
    setup: Setup, chosen: Personalize, names: Names, data: Sequence[Exported], made: Made
) -> None:
    state = "".join(one.digest for one in data)
    solutions = [
        Wanted(
            resource_types.SOLUTION,
            f"{names.group}-{name}"[:63],
            {
                "datasetGroupArn": made.group,
                "recipeArn": RECIPES + one.recipe,
                "performAutoTraining": one.auto_training is not None,
                **_solution_config(one),
            },
            scope=made.group,
            billable=None
            if one.auto_training is None
            else _hourly(
                f"solution {name}, trained again every {one.auto_training} days",
                chosen.prices.training_hour,
                "each hour of each training",
                "",
            ),
            why="how a model is trained",
        )
        for name, one in chosen.solutions.items()
    ]
    arns = [found["solutionArn"] for found in ensure_all(setup, solutions)]
    versions = [
        Wanted(
            resource_types.VERSION,
            _version_name(wanted, state),
            {"solutionArn": arn, "trainingMode": "FULL"},
            scope=arn,
            billable=_hourly(
                f"training of {wanted.name}",
                chosen.prices.training_hour,
                "each hour of training; hours are those of a small machine, and add up",
                _quota(setup, "solution version", 1),
            ),
            why="trains the model",
        )
        for wanted, arn in zip(solutions, arns, strict=True)
    ]
    trained = [found["solutionVersionArn"] for found in ensure_all(setup, versions)]
    campaigns = {}
    for (name, one), solution, version in zip(chosen.solutions.items(), arns, trained, strict=True):
        made.versions[name] = version
        if one.campaign is not None:
            campaigns[name] = Wanted(
                resource_types.CAMPAIGN,
                f"{names.group}-{name}"[:63],
                {
                    "solutionVersionArn": version,
                    "minProvisionedTPS": one.campaign.requests_per_second,
                },
                scope=solution,
                billable=_hourly(
                    f"campaign {name}",
                    _times(
                        chosen.prices.campaign_hour_per_request, one.campaign.requests_per_second
                    ),
                    "each hour that it is there, asked or not",
                    _quota(setup, "campaign", len(chosen.solutions)),
                ),
                why="answers requests with the trained model",
            )
    for name, found in zip(campaigns, ensure_all(setup, list(campaigns.values())), strict=True):
        made.campaigns[name] = found["campaignArn"]


def _solution_config(one: Solution) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if one.event_weights:
        config["eventsConfig"] = {
            "eventParametersList": [
                {"eventType": name, "weight": weight}
                for name, weight in sorted(one.event_weights.items())
            ]
        }
    if one.auto_training is not None:
        days = "day" if one.auto_training == 1 else "days"
        config["autoTrainingConfig"] = {"schedulingExpression": f"rate({one.auto_training} {days})"}
    return {"solutionConfig": config} if config else {}


def _version_name(solution: Wanted, state: str) -> str:
    """A name that stands for the data and the way of training: other data, another version."""
    how = json.dumps(
        {key: solution.parameters.get(key) for key in ("recipeArn", "solutionConfig")},
        sort_keys=True,
    )
    digest = hashlib.sha256(f"{state}{how}".encode()).hexdigest()[:12]
    return f"{solution.name[:50]}-{digest}"


def _filters(setup: Setup, chosen: Personalize, names: Names, made: Made) -> None:
    expressions = chosen.filter_expressions(chosen.event_types.get("order_completed"))
    wanted = [
        Wanted(
            resource_types.FILTER,
            f"{names.group}-{name}"[:63],
            {"datasetGroupArn": made.group, "filterExpression": expression},
            scope=made.group,
            why="what is left out of recommendations",
        )
        for name, expression in expressions.items()
    ]
    for name, found in zip(expressions, ensure_all(setup, wanted), strict=True):
        made.filters[name] = found["filterArn"]


def _batches(setup: Setup, chosen: Personalize, names: Names, role: str, made: Made) -> None:
    wanted = []
    for solution, one in chosen.solutions.items():
        for name, job in one.batch.items():
            version = made.versions[solution]
            wanted.append(_batch(chosen.prices, names, role, name, job, version, made.filters))
    ensure_all(setup, wanted)


def _batch(
    prices: Prices,
    names: Names,
    role: str,
    name: str,
    job: Batch,
    version: str,
    filters: Mapping[str, str],
) -> Wanted:
    kind = resource_types.INFERENCE if job.kind == "recommendations" else resource_types.SEGMENTS
    parameters: dict[str, Any] = {
        "solutionVersionArn": version,
        "numResults": job.results,
        "jobInput": {"s3DataSource": {"path": job.input}},
        "jobOutput": {"s3DataDestination": {"path": str(names.location / f"batch/{name}/")}},
        "roleArn": role,
    }
    if job.filter is not None:
        parameters["filterArn"] = filters[job.filter]
    # One job for each state of the model and of what is asked: another one is another name.
    known = version if not isinstance(version, Later) else "planned"
    digest = hashlib.sha256(f"{known}{job.model_dump_json()}".encode()).hexdigest()[:12]
    cost = _dollars(prices.thousand_batch_users, "each 1,000 users or items that are answered")
    return Wanted(
        kind,
        f"{names.group}-{name}"[:50] + f"-{digest}",
        parameters,
        scope=version,
        billable=Billable(f"{kind.label} {name}", cost),
        why=f"writes {job.kind} for {job.input.rpartition('/')[2]}",
    )


def _metrics(setup: Setup, chosen: Personalize, names: Names, role: str, made: Made) -> None:
    metrics = [
        {"metricName": name, "eventType": one.event_type, "expression": one.expression}
        for name, one in chosen.metrics.items()
    ]
    output = {
        "s3DataDestination": {"path": str(names.location / "metrics/")},
        "roleArn": role,
    }
    cost = _dollars(chosen.prices.metric_month, "each metric and month, by CloudWatch")
    billable = Billable(f"metric attribution of {len(metrics)} metrics", cost)
    ensure_metric_attribution(
        setup, f"{names.group}-metrics", made.group, metrics, output, billable
    )


# --- what costs ---------------------------------------------------------------------------------


def _import_cost(prices: Prices, one: Exported) -> Billable:
    gigabytes = one.bytes / 1e9
    cost = "billed by the gigabyte that is imported"
    if prices.gigabyte_imported is not None:
        cost = f"${gigabytes * prices.gigabyte_imported:,.2f}"
    return Billable(f"import of {one.rows:,} rows of {one.name}, {gigabytes:,.3f} GB", cost)


def _hourly(what: str, price: float | None, unit: str, quota: str) -> Billable:
    return Billable(what, _dollars(price, unit), quota)


def _dollars(price: float | None, unit: str) -> str:
    return f"billed for {unit}" if price is None else f"${price:,.4g} for {unit}"


def _times(price: float | None, number: int) -> float | None:
    return None if price is None else price * number


def _quota(setup: Setup, noun: str, wanted: int) -> str:
    """What the account's quotas say of a kind of resource; empty for a plan without an account."""
    if setup.caller.is_plan:
        return ""
    found: list[str] = []
    parameters: dict[str, Any] = {"ServiceCode": "personalize"}
    try:
        while True:
            answer = setup.caller.call("service-quotas", "list_service_quotas", **parameters)
            found += [
                f"{quota['QuotaName']}: {quota['Value']:,.0f}"
                for quota in answer.get("Quotas", [])
                if noun in quota["QuotaName"].lower()
            ]
            if not answer.get("NextToken"):
                break
            parameters["NextToken"] = answer["NextToken"]
    except RefusedCallError as error:
        return f"Quotas cannot be read ({error.code}); {wanted} wanted"
    except SetupError:
        return f"Quotas cannot be read; {wanted} wanted"
    return f"{wanted} wanted. Quotas: " + ("; ".join(found) or "none is named for this")


__all__ = ["Made", "Names", "ensure", "up"]
