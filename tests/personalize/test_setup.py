"""The set-up against fakes: from nothing, again, with failures at each step, and removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from engagement.aws import requests
from engagement.personalize import offline, removal, setup
from engagement.personalize.exported import (
    Exported,
    exported,
    newest_exports,
    received_before,
)
from engagement.personalize.resources import Billable, Setup, fits
from engagement.personalize.service import AwsCaller, PlanCaller, SetupError
from engagement.settings import Settings, SettingsError, load_settings
from tests.fakes import Ending, Fakes, running
from tests.fakes.fixtures import lead_to
from tests.fakes.personalize import PersonalizeFake, QuotasFake
from tests.fakes.server import REGION

BUCKET = "shop-data"
SEND = {
    "personalize.submit": True,
    "personalize.region": REGION,
    "personalize.location": f"s3://{BUCKET}/personalize",
    "project": "shop",
}
CUSTOM: dict[str, Any] = {
    "personalize.domain": "custom",
    "personalize.stock_field": "IN_STOCK",
    "personalize.metrics": {
        "views": {"event_type": "View"},
        "sales": {"event_type": "Purchase", "expression": "SUM(Items.PRICE)"},
    },
    "personalize.solutions": {
        "for-you": {
            "recipe": "aws-user-personalization-v2",
            "event_weights": {"View": 0.2, "Purchase": 1},
            "batch": {
                "mail": {"input": f"s3://{BUCKET}/personalize/users.jsonl", "filter": "in-stock"},
                "likers": {"kind": "segments", "input": f"s3://{BUCKET}/personalize/items.jsonl"},
            },
        }
    },
}


def settings(**more: Any) -> Settings:
    return load_settings("params/local.yaml", {**SEND, **more})


@pytest.fixture
def data(tmp_path: Path) -> list[Exported]:
    """Exports as 06 writes them: two data sets, small."""
    folder = tmp_path / "runs" / "one" / "exports" / "personalize"
    folder.mkdir(parents=True)
    for name, header, row in (
        ("interactions", "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP", "u-1,p-1,View,1788343200"),
        ("items", "ITEM_ID,PRICE,CATEGORY_L1", "p-1,9.5,Tops"),
    ):
        fields = [{"name": field, "type": "string"} for field in header.split(",")]
        document = {"type": "record", "name": name, "fields": fields, "version": "1.0"}
        (folder / f"{name}.avsc").write_text(json.dumps(document), encoding="utf-8")
        (folder / f"{name}.csv").write_text(f"{header}\n{row}\n{row}\n", encoding="utf-8")
    return exported(folder)


class Account:
    """An account: fakes of Personalize and the quotas, moto for S3, IAM and STS."""

    def __init__(self, fakes: Fakes, caller: AwsCaller) -> None:
        self.fakes, self.caller = fakes, caller
        self.fake = PersonalizeFake()
        self.asked: list[Billable] = []
        self.answers: list[bool] = []

    def setup(self, seconds: float = 60.0) -> Setup:
        def consent(billable: Billable) -> bool:
            self.asked.append(billable)
            return self.answers.pop(0) if self.answers else True

        return Setup(self.caller, "shop", consent, seconds=seconds, pause=0.0)

    def up(self, chosen: Settings, data: list[Exported]) -> tuple[Setup, setup.Made]:
        one = self.setup()
        return one, setup.up(one, chosen, data)

    def files(self) -> list[str]:
        answer = self.caller.call("s3", "list_objects_v2", Bucket=BUCKET)
        return [item["Key"] for item in answer.get("Contents", [])]

    def statements(self) -> list[dict[str, Any]]:
        answer = self.caller.call("s3", "get_bucket_policy", Bucket=BUCKET)
        found: list[dict[str, Any]] = json.loads(answer["Policy"])["Statement"]
        return found


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Fakes, AwsCaller]]:
    """One server and one set of clients for all tests here: making clients takes longest."""
    with running() as fakes, pytest.MonkeyPatch.context() as patch:
        fakes.add(PersonalizeFake())
        fakes.add(QuotasFake())
        lead_to(fakes, patch)
        yield fakes, AwsCaller(REGION, sleep=lambda _: None)


@pytest.fixture
def account(place: tuple[Fakes, AwsCaller]) -> Iterator[Account]:
    found = Account(*place)
    found.fakes.add(found.fake)
    found.fakes.calls.clear()
    found.fakes._troubles.clear()
    with mock_aws(config={"core": {"mock_credentials": False}}):
        found.caller.call(
            "s3",
            "create_bucket",
            Bucket=BUCKET,
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        yield found
    assert found.fakes.mistakes == []


DOMAIN_NAMES = {
    "dataset group": ["shop"],
    "schema": 2,
    "dataset": ["shop-interactions", "shop-items"],
    "import job": 2,
    "event tracker": ["shop-tracker"],
    "recommender": ["shop-also-viewed", "shop-recommended-for-you"],
    "filter": ["shop-bought-already"],
}
CUSTOM_NAMES = {
    "dataset group": ["shop"],
    "schema": 2,
    "dataset": ["shop-interactions", "shop-items"],
    "import job": 2,
    "event tracker": ["shop-tracker"],
    "solution": ["shop-for-you"],
    "solution version": 1,
    "campaign": ["shop-for-you"],
    "filter": ["shop-bought-already", "shop-in-stock"],
    "batch inference job": 1,
    "batch segment job": 1,
    "metric attribution": ["shop-metrics"],
}


def there(account: Account, expected: dict[str, Any]) -> bool:
    names = account.fake.names()
    return set(names) == set(expected) and all(
        len(names[kind]) == wanted if isinstance(wanted, int) else names[kind] == wanted
        for kind, wanted in expected.items()
    )


CASES = [({}, DOMAIN_NAMES), (CUSTOM, CUSTOM_NAMES)]


@pytest.mark.parametrize(("more", "expected"), CASES, ids=["domain", "custom"])
def test_from_nothing_a_second_run_changes_nothing_and_down_leaves_nothing(
    account: Account, data: list[Exported], more: dict[str, Any], expected: dict[str, Any]
) -> None:
    chosen = settings(**more)
    account.fake.polls = 3
    _, made = account.up(chosen, data)
    assert there(account, expected), account.fake.names()
    assert all(one.status == "ACTIVE" for one in account.fake.resources.values())
    assert made.tracking_id == "tracking-1"
    assert len(account.files()) == 2

    before = len(account.fakes.calls)
    again, made_again = account.up(chosen, data)
    assert again.changes == []
    assert made_again == made
    changing = [call.operation for call in account.fakes.calls[before:]]
    assert [name for name in changing if not name.startswith(("List", "Describe"))] == []

    ending = account.setup()
    removal.down(ending, chosen)
    assert account.fake.names() == {}
    assert account.files() == []
    assert removal.what_is_left(ending, chosen) == []
    assert account.caller.call("iam", "list_roles")["Roles"] == []
    account.up(chosen, data)  # and from nothing once more
    assert there(account, expected)


def test_everything_that_can_be_carries_the_tag_and_cost_is_said_first(
    account: Account, data: list[Exported]
) -> None:
    account.up(settings(**CUSTOM, **{"personalize.prices": {"training_hour": 0.5}}), data)
    for one in account.fake.resources.values():
        if one.kind not in ("schema", "metric attribution"):
            assert one.tags == [{"tagKey": "engagement.project", "tagValue": "shop"}], one.kind
    asked = [str(billable) for billable in account.asked]
    assert [one.partition(":")[0] for one in asked] == [
        "import of 2 rows of interactions, 0.000 GB",
        "import of 2 rows of items, 0.000 GB",
        "training of shop-for-you",
        "campaign for-you",
        "batch inference job mail",
        "batch segment job likers",
        "metric attribution of 2 metrics",
    ]
    assert "$0.5 for each hour of training" in asked[2]
    assert "billed for each hour that it is there, asked or not" in asked[3]
    assert "Quotas: Campaigns in each dataset group: 10" in asked[3]


def test_auto_training_is_off_unless_asked_for(account: Account, data: list[Exported]) -> None:
    account.up(settings(**CUSTOM), data)
    (solution,) = account.fake.of("solution")
    assert solution.given["performAutoTraining"] is False
    more = {**CUSTOM, "personalize.solutions": {"for-you": {"auto_training": 7}}}
    account.asked.clear()
    account.up(settings(**more), data)
    (solution,) = account.fake.of("solution")
    assert solution.given["performAutoTraining"] is True
    assert solution.given["solutionConfig"]["autoTrainingConfig"] == {
        "schedulingExpression": "rate(7 days)"
    }
    assert "solution for-you, trained again every 7 days" in str(account.asked[0])


@pytest.mark.parametrize(("number", "kind"), [(0, "import job"), (2, "recommender")])
def test_without_a_yes_nothing_that_costs_is_made(
    account: Account, data: list[Exported], number: int, kind: str
) -> None:
    account.answers = [True] * number + [False]
    with pytest.raises(SetupError, match=f"stopped before the {kind}.*no yes was given"):
        account.up(settings(), data)
    assert kind not in account.fake.names()
    account.up(settings(), data)
    assert there(account, DOMAIN_NAMES)


# Every step of both kinds of group: what the service says of it, and that another run goes on.
FAILING = [
    ("dataset group", "domain"),
    ("dataset", "domain"),
    ("import job", "domain"),
    ("event tracker", "domain"),
    ("recommender", "domain"),
    ("filter", "domain"),
    ("solution", "custom"),
    ("solution version", "custom"),
    ("campaign", "custom"),
    ("batch inference job", "custom"),
    ("batch segment job", "custom"),
    ("metric attribution", "custom"),
]


@pytest.mark.parametrize(("kind", "case"), FAILING)
def test_a_step_that_fails_stops_with_the_services_reason_and_the_next_run_resumes(
    account: Account, data: list[Exported], kind: str, case: str
) -> None:
    more, expected = CASES[case == "custom"]
    has_reason = kind not in ("dataset", "event tracker", "solution")  # by the model
    reason = f"no luck with {kind}" if has_reason else "without a reason"
    details = {"failureReason": reason} if has_reason else {}
    account.fake.script(kind, Ending("CREATE FAILED", details))
    with pytest.raises(SetupError, match=f"the {kind} shop.* failed: {reason}"):
        account.up(settings(**more), data)
    made = account.fake.made.copy()
    account.up(settings(**more), data)
    names = account.fake.names()
    active = {
        found: [one for one in account.fake.of(found) if one.status == "ACTIVE"] for found in names
    }
    for found, wanted in expected.items():
        count = wanted if isinstance(wanted, int) else len(wanted)
        assert len(active[found]) == count, found
    assert account.fake.made[kind] >= made[kind] + 1
    again, _ = account.up(settings(**more), data)
    assert again.changes == []
    removal.down(account.setup(), settings(**more))
    assert account.fake.names() == {}


# Every call that changes something, refused once by the service.
@pytest.mark.parametrize(
    ("operation", "case"),
    [
        ("CreateDatasetGroup", "domain"),
        ("CreateSchema", "domain"),
        ("CreateDataset", "domain"),
        ("CreateDatasetImportJob", "domain"),
        ("CreateEventTracker", "domain"),
        ("CreateRecommender", "domain"),
        ("CreateFilter", "domain"),
        ("CreateSolution", "custom"),
        ("CreateSolutionVersion", "custom"),
        ("CreateCampaign", "custom"),
        ("CreateBatchInferenceJob", "custom"),
        ("CreateBatchSegmentJob", "custom"),
        ("CreateMetricAttribution", "custom"),
    ],
)
def test_a_call_that_is_refused_stops_with_its_reason_and_the_next_run_resumes(
    account: Account, data: list[Exported], operation: str, case: str
) -> None:
    more, expected = CASES[case == "custom"]
    account.fakes.fail(
        "personalize", operation, code="LimitExceededException", message="you have too many"
    )
    with pytest.raises(SetupError, match=f"{operation}: LimitExceeded.*you have too many"):
        account.up(settings(**more), data)
    account.up(settings(**more), data)
    assert there(account, expected)


def test_an_answer_that_is_lost_makes_nothing_twice(account: Account, data: list[Exported]) -> None:
    for operation in ("CreateDatasetGroup", "CreateDatasetImportJob", "CreateRecommender"):
        account.fakes.fail("personalize", operation, code="InternalFailure", after=True)
    for _ in range(4):  # botocore tries again, and is told that there is one
        try:
            account.up(settings(), data)
            break
        except SetupError as error:
            assert "ResourceAlreadyExists" in str(error)  # noqa: PT017
    assert there(account, DOMAIN_NAMES)


def test_quotas_of_the_service_are_said(account: Account, data: list[Exported]) -> None:
    account.fake.quotas["recommender"] = 1
    with pytest.raises(SetupError, match=r"LimitExceeded.*more than 1 of recommenders"):
        account.up(settings(), data)


def test_a_training_may_take_many_looks_and_has_a_deadline(
    account: Account, data: list[Exported]
) -> None:
    account.fake.script("solution version", Ending("ACTIVE", polls=40))
    account.up(settings(**CUSTOM), data)
    looks = [c.operation for c in account.fakes.calls].count("DescribeSolutionVersion")
    assert looks >= 80
    removal.down(account.setup(), settings(**CUSTOM))
    account.fake.script("solution version", Ending("ACTIVE", polls=10**9))
    with pytest.raises(SetupError, match=r"waited 0\.5 s for the solution version.*run it again"):
        setup.up(account.setup(seconds=0.5), settings(**CUSTOM), data)
    account.fake.finish()
    account.up(settings(**CUSTOM), data)
    assert there(account, CUSTOM_NAMES)


def test_throttling_is_waited_out(account: Account, data: list[Exported]) -> None:
    account.fakes.throttle("personalize", times=5)
    account.fakes.throttle("personalize", "CreateRecommender", times=3)
    account.up(settings(), data)
    assert there(account, DOMAIN_NAMES)


def test_what_can_be_changed_is_changed(account: Account, data: list[Exported]) -> None:
    account.up(settings(**CUSTOM), data)
    changed = {
        **CUSTOM,
        "personalize.metrics": {
            "sales": {"event_type": "Purchase", "expression": "SAMPLECOUNT()"},
            "clicks": {"event_type": "Click"},
        },
        "personalize.filters": {"bought-already": 'EXCLUDE ItemID WHERE Items.BRAND IN ("x")'},
        "personalize.solutions": {"for-you": {"campaign": {"requests_per_second": 3}}},
    }
    account.up(settings(**changed), data)
    (campaign,) = account.fake.of("campaign")
    assert campaign.given["minProvisionedTPS"] == 3
    (attribution,) = account.fake.of("metric attribution")
    assert sorted(metric["metricName"] for metric in attribution.given["metrics"]) == [
        "clicks",
        "sales",
    ]
    bought = [one for one in account.fake.of("filter") if one.name == "shop-bought-already"]
    assert [one.given["filterExpression"] for one in bought] == [
        'EXCLUDE ItemID WHERE Items.BRAND IN ("x")'
    ]
    again, _ = account.up(settings(**changed), data)
    assert again.changes == []


def test_a_change_that_fails_says_why(account: Account, data: list[Exported]) -> None:
    account.up(settings(), data)
    more = {
        "personalize.recommenders": {
            "recommended-for-you": {
                "use_case": "aws-ecomm-recommended-for-you",
                "requests_per_second": 9,
            }
        }
    }
    account.fake.script(
        "update of recommender", Ending("CREATE FAILED", {"failureReason": "no capacity"})
    )
    with pytest.raises(SetupError, match=r"recommender shop-recommended-for-you.*no capacity"):
        account.up(settings(**more), data)
    account.up(settings(), data)  # as it was: that a change had failed is no matter
    account.up(settings(**more), data)
    found = [r for r in account.fake.of("recommender") if r.name == "shop-recommended-for-you"]
    assert found[0].given["recommenderConfig"] == {"minRecommendationRequestsPerSecond": 9}


def test_what_cannot_be_changed_is_said(account: Account, data: list[Exported]) -> None:
    account.up(settings(), data)
    with pytest.raises(SetupError, match=r"the dataset group shop is one of the domain ECOMMERCE"):
        account.up(settings(**CUSTOM), data)


def test_new_data_is_imported_beside_what_is_there(
    account: Account, data: list[Exported], tmp_path: Path
) -> None:
    account.up(settings(), data)
    path = data[0].parts[0].path
    path.write_text(path.read_text() + "u-2,p-2,View,1788343300\n", encoding="utf-8")
    account.asked.clear()
    one, _ = account.up(settings(), exported(path.parent))
    assert [billable.what for billable in account.asked] == [
        "import of 3 rows of interactions, 0.000 GB"
    ]
    assert len(account.fake.of("import job")) == 3
    assert len(one.changes) == 2  # the file and the import


def test_another_schema_is_given_to_the_data_set(account: Account, data: list[Exported]) -> None:
    account.up(settings(), data)
    other = Exported("items", data[1].schema.replace("PRICE", "COST"), data[1].parts)
    account.up(settings(), [data[0], other])
    (items,) = [one for one in account.fake.of("dataset") if one.name == "shop-items"]
    assert account.fake.resources[items.given["schemaArn"]].given["schema"] == other.schema


def test_what_is_somebody_elses_is_left_alone(account: Account, data: list[Exported]) -> None:
    account.fake.create_dataset_group({"name": "shop", "domain": "ECOMMERCE"})
    with pytest.raises(SetupError, match="dataset group shop that does not carry this project's"):
        account.up(settings(), data)
    removal.down(account.setup(), settings())
    assert account.fake.names() == {"dataset group": ["shop"]}


def test_what_failed_and_is_somebody_elses_is_left_alone_too(
    account: Account, data: list[Exported]
) -> None:
    account.fake.script("dataset group", Ending("CREATE FAILED", {"failureReason": "no luck"}))
    account.fake.create_dataset_group({"name": "shop", "domain": "ECOMMERCE"})
    account.fake.finish()
    with pytest.raises(SetupError, match="dataset group shop that does not carry this project's"):
        account.up(settings(), data)
    assert account.fake.names() == {"dataset group": ["shop"]}


def test_down_removes_nothing_where_somebody_else_put_something_in(
    account: Account, data: list[Exported]
) -> None:
    _, made = account.up(settings(), data)
    account.caller.call(
        "personalize",
        "create_filter",
        name="theirs",
        datasetGroupArn=made.group,
        filterExpression="EXCLUDE ItemID WHERE x",
    )
    before = account.fake.names()
    with pytest.raises(SetupError, match="nothing was removed: filter theirs"):
        removal.down(account.setup(), settings())
    assert account.fake.names() == before


def test_down_waits_for_what_is_under_way_and_resumes(
    account: Account, data: list[Exported]
) -> None:
    account.fake.polls = 4
    account.fake.script("recommender", Ending("ACTIVE", polls=60))
    account.fakes.fail("personalize", "DescribeRecommender", code="AccessDeniedException", skip=3)
    with pytest.raises(SetupError, match="AccessDenied"):
        account.up(settings(), data)
    account.fakes.fail("personalize", "DeleteDataset", code="ResourceInUseException")
    with pytest.raises(SetupError, match="DeleteDataset: ResourceInUse"):
        removal.down(account.setup(), settings())
    assert "recommender" not in account.fake.names()
    removal.down(account.setup(), settings())
    assert account.fake.names() == {}


def test_statements_of_others_stay_in_the_buckets_policy(
    account: Account, data: list[Exported]
) -> None:
    theirs = {
        "Sid": "Theirs",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/archive/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [theirs]}
    account.caller.call("s3", "put_bucket_policy", Bucket=BUCKET, Policy=json.dumps(policy))
    account.up(settings(), data)
    found = account.statements()
    assert [one["Sid"] for one in found] == [
        "Theirs",
        "PersonalizeShopObjects",
        "PersonalizeShopList",
    ]
    assert found[1]["Resource"] == f"arn:aws:s3:::{BUCKET}/personalize/*"
    assert set(found[1]["Condition"]) == {"StringEquals", "ArnLike"}
    removal.down(account.setup(), settings())
    assert account.statements() == [theirs]


def test_the_role_may_be_taken_by_personalize_for_this_account_only(
    account: Account, data: list[Exported]
) -> None:
    account.up(settings(), data)
    role = account.caller.call("iam", "get_role", RoleName="shop-personalize")["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "personalize.amazonaws.com"}
    assert set(statement["Condition"]["StringEquals"]) == {"aws:SourceAccount"}
    assert set(statement["Condition"]["ArnLike"]) == {"aws:SourceArn"}
    rights = account.caller.call(
        "iam", "get_role_policy", RoleName="shop-personalize", PolicyName="personalize-data"
    )
    resources = [one["Resource"] for one in rights["PolicyDocument"]["Statement"]]
    assert resources == [f"arn:aws:s3:::{BUCKET}/personalize/*", f"arn:aws:s3:::{BUCKET}"]


def test_two_groups_of_a_project_share_the_role_and_go_together(
    account: Account, data: list[Exported]
) -> None:
    account.up(settings(), data)
    account.up(settings(**CUSTOM, **{"personalize.group": "shop-custom"}), data)
    assert account.fake.names()["dataset group"] == ["shop", "shop-custom"]
    assert len(account.files()) == 4
    again, _ = account.up(settings(), data)
    assert again.changes == []  # the right to send metrics, which the other group needs, stays
    removal.down(account.setup(), settings())
    assert account.fake.names() == {}
    assert account.files() == []


def test_schemas_of_a_group_whose_name_begins_alike_are_not_its_own(
    account: Account, data: list[Exported]
) -> None:
    account.up(settings(), data)
    theirs = {"name": "shop-b-items-0a1b2c3d", "schema": "{}"}
    account.fake.create_schema(theirs)
    account.fake.create_schema({**theirs, "name": "shop-items-old"})
    removal.down(account.setup(), settings())
    assert account.fake.names() == {"schema": ["shop-b-items-0a1b2c3d", "shop-items-old"]}


def test_a_role_that_is_new_is_given_time_to_be_known(
    account: Account, data: list[Exported]
) -> None:
    account.fakes.fail(
        "personalize",
        "CreateDatasetImportJob",
        code="InvalidInputException",
        message="The role cannot be assumed",
        times=3,
    )
    account.up(settings(), data)
    assert there(account, DOMAIN_NAMES)
    account.fakes.fail(
        "personalize",
        "CreateFilter",
        code="InvalidInputException",
        message="The role cannot be assumed",
    )
    removed = [one.arn for one in account.fake.of("filter")]
    for arn in removed:
        del account.fake.resources[arn]
    with pytest.raises(SetupError, match="The role cannot be assumed"):  # it is not new any more
        account.up(settings(), data)


def test_a_role_of_your_own_is_used_as_it_is(account: Account, data: list[Exported]) -> None:
    own = settings(**{"personalize.role": "mine"})
    with pytest.raises(SetupError, match="there is no role mine"):
        account.up(own, data)
    account.caller.call(
        "iam", "create_role", RoleName="mine", AssumeRolePolicyDocument='{"Version": "2012-10-17"}'
    )
    account.up(own, data)
    assert all(
        call.parameters["roleArn"].endswith("role/mine")
        for call in account.fakes.calls
        if call.operation == "CreateDatasetImportJob"
    )
    removal.down(account.setup(), own)
    assert [role["RoleName"] for role in account.caller.call("iam", "list_roles")["Roles"]] == [
        "mine"
    ]


def test_an_increment_is_imported_beside_what_is_there(
    account: Account, data: list[Exported]
) -> None:
    account.up(settings(), data)
    folder = data[0].parts[0].path.parent
    (folder / "export.json").write_text(
        '{"mode": "INCREMENTAL", "received_before": "2026-09-03 00:00:00.000 UTC"}',
        encoding="utf-8",
    )
    path = data[0].parts[0].path
    path.write_text("USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\nu-9,p-9,View,1\n", encoding="utf-8")
    account.up(settings(), exported(folder))
    modes = [one.given["importMode"] for one in account.fake.of("import job")]
    assert sorted(modes) == ["FULL", "FULL", "INCREMENTAL"]
    assert received_before(folder) == "2026-09-03T00:00:00"
    (folder / "export.json").write_text("{", encoding="utf-8")
    with pytest.raises(SetupError, match="export the data sets again"):
        exported(folder)


@pytest.mark.parametrize(("more", "name"), [({}, "also-viewed"), (CUSTOM, "shop-for-you")])
def test_the_services_own_metrics_are_saved(
    account: Account, data: list[Exported], tmp_path: Path, more: dict[str, Any], name: str
) -> None:
    account.up(settings(**more), data)
    found = offline.offline_metrics(account.setup(), settings(**more), name)
    assert found == {"coverage": 0.5, "precision_at_5": 0.125}
    offline.save(found, tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8")) == {
        "metrics": {"coverage": 0.5, "precision_at_5": 0.125}
    }
    with pytest.raises(SetupError, match=r"no solution x; there are shop-"):
        offline.offline_metrics(account.setup(), settings(**more), "x")
    account.fake.metrics = {}
    with pytest.raises(SetupError, match="has no metrics yet"):
        offline.offline_metrics(account.setup(), settings(**more), name)


def test_a_bucket_that_is_not_there_is_said_and_nothing_needs_it_for_down(
    account: Account, data: list[Exported]
) -> None:
    account.caller.call("s3", "delete_bucket", Bucket=BUCKET)
    with pytest.raises(SetupError, match="PutBucketPolicy: NoSuchBucket"):
        account.up(settings(), data)
    removal.down(account.setup(), settings())
    assert account.caller.call("iam", "list_roles")["Roles"] == []


# --- plan ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("more", "expected"), CASES, ids=["domain", "custom"])
def test_a_plan_has_the_very_calls_and_sends_none(
    account: Account, data: list[Exported], more: dict[str, Any], expected: dict[str, Any]
) -> None:
    planner = PlanCaller()
    setup.up(Setup(planner, "shop"), settings(**more), data)
    requests.check(planner.calls)
    assert account.fakes.calls == []
    account.up(settings(**more), data)
    sent = [c.operation for c in account.fakes.calls if c.service == "personalize"]
    made = [name for name in sent if name.startswith("Create")]
    planned = [c.operation for c in planner.calls if c.service == "personalize"]
    assert planned == made
    real = [c for c in account.fakes.calls if c.operation.startswith("Create")]
    for plan, call in zip(
        [c for c in planner.calls if c.service == "personalize"], real, strict=True
    ):
        assert fits(_fixed(plan.parameters), call.parameters), plan.operation
    del expected


def _fixed(value: Any) -> Any:
    """Parameters of a plan without what only an answer would give."""
    if isinstance(value, dict):
        return {
            key: _fixed(item)
            for key, item in value.items()
            if not (isinstance(item, str) and item.startswith("<")) and key not in ("jobName",)
        }
    return value


def test_a_plan_is_the_same_bytes_each_time_and_has_nothing_of_a_person(
    data: list[Exported], tmp_path: Path
) -> None:
    chosen = load_settings("params/local.yaml", {"project": "shop"})
    texts = []
    for number in ("a", "b"):
        planner = PlanCaller()
        setup.up(Setup(planner, "shop"), chosen, data)
        written = requests.write(tmp_path / number, "personalize", planner.calls)
        texts.append([(path.name, path.read_text(encoding="utf-8")) for path in written])
    assert texts[0] == texts[1]
    everything = "".join(text for _, text in texts[0])
    assert "u-1" not in everything
    put = json.loads(next(text for name, text in texts[0] if "PutObject" in name))
    assert put["people"]["count"] == 2
    assert put["people"]["file"] == "interactions.csv"
    assert put["people"]["sha256"] == data[0].parts[0].sha256


def test_a_plan_for_an_account_has_what_is_missing_there(
    account: Account, data: list[Exported]
) -> None:
    account.fakes.fail("personalize", "CreateRecommender", code="LimitExceededException")
    with pytest.raises(SetupError):
        account.up(settings(), data)
    planner = PlanCaller(account.caller)
    setup.up(Setup(planner, "shop"), settings(), data)
    assert [call.operation for call in planner.calls] == [
        "CreateRecommender",
        "CreateRecommender",
        "CreateFilter",
    ]


def test_names_are_never_too_long(data: list[Exported], tmp_path: Path) -> None:
    long = "n" * 30
    more = {
        **CUSTOM,
        "project": "p" * 31,
        "personalize.solutions": {
            long: {"batch": {long: {"input": f"s3://{BUCKET}/personalize/users.jsonl"}}}
        },
        "personalize.filters": {long: 'EXCLUDE ItemID WHERE Items.BRAND IN ("x")'},
    }
    longest = Exported("action_interactions", data[0].schema, data[0].parts)
    planner = PlanCaller()
    setup.up(Setup(planner, "p" * 31), settings(**more), [*data, longest])
    requests.check(planner.calls)


# --- exports and parameters ---------------------------------------------------------------------


def test_exports_are_counted_and_told_apart(data: list[Exported], tmp_path: Path) -> None:
    assert [(one.name, one.rows, one.type) for one in data] == [
        ("interactions", 2, "INTERACTIONS"),
        ("items", 2, "ITEMS"),
    ]
    assert newest_exports(tmp_path / "runs") == data[0].parts[0].path.parent
    parts = data[0].parts[0].path.parent / "users"
    parts.mkdir()
    (parts / "part-1.csv").write_text("USER_ID\nu-1", encoding="utf-8")
    (parts / "part-2.csv").write_text("USER_ID\nu-2\nu-3\n", encoding="utf-8")
    (parts.parent / "users.avsc").write_text("{}", encoding="utf-8")
    users = exported(parts.parent)[2]
    assert ([part.rows for part in users.parts], users.rows) == ([1, 2], 3)
    with pytest.raises(SetupError, match="holds no interactions"):
        exported(tmp_path)
    with pytest.raises(SetupError, match="no run in"):
        newest_exports(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("submit", True, "submit: true needs region and location"),
        ("region", "Frankfurt", "'Frankfurt' is no AWS region"),
        ("location", "bucket/x", "is no address such as"),
        ("group", "a b", "'a b' is no name"),
        ("recommenders", {"x": "recommended"}, "'recommended' is no use case"),
        ("recommenders", {"a b": "aws-ecomm-x"}, "'a b' is no name"),
        ("solutions", {"x": {"recipe": "hrnn"}}, "'hrnn' is no recipe"),
        ("solutions", {"x": {"event_weights": {"View": 2}}}, "from 0 to 1"),
        (
            "solutions",
            {"x": {"batch": {"m": {"input": "s3://abc/x", "filter": "f"}}}},
            "there is no filter 'f'",
        ),
        ("metrics", {"x": {"event_type": "V", "expression": "AVG(x)"}}, "SAMPLECOUNT"),
        ("metrics", {f"m{n}": {"event_type": "V"} for n in range(11)}, "at most 10 metrics"),
        ("stock_field", "in_stock", "'in_stock' is no field"),
    ],
)
def test_wrong_parameters_are_refused(key: str, value: Any, problem: str) -> None:
    with pytest.raises(SettingsError, match="mistake") as raised:
        load_settings("params/local.yaml", {f"personalize.{key}": value})
    assert problem in str(raised.value)


def test_fits_compares_what_was_asked_for() -> None:
    assert fits({"a": 1}, {"a": 1, "b": 2})
    assert not fits({"a": 1, "b": 3}, {"a": 1, "b": 2})
    assert fits(False, None)
    assert not fits(True, None)
    assert fits('{"a": 1}', '{"a":1}')
    assert not fits('{"a": 1}', '{"a":2}')
    assert fits([{"a": 1}, {"b": 2}], [{"b": 2, "c": 3}, {"a": 1}])
    assert not fits([{"a": 1}], [{"a": 1}, {"b": 2}])
    assert not fits([{"a": 1}, {"b": 2}], [{"a": 1}, {"b": 3}])
