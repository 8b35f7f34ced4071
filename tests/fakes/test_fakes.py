"""The framework itself: reading by the model, checking, states, troubles, subprocesses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from tests.fakes import NEVER, Ending, Fake, Fakes, Parameters, Progress, ServiceError, running
from tests.fakes.fixtures import lead_to

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
UseFakes = Callable[..., Fakes]


class Profiles(Fake):
    """rest-json: labels, query strings, bodies."""

    service = "customer-profiles"
    bad_request = "BadRequestException"

    def __init__(self) -> None:
        super().__init__()
        self.domains: dict[str, Parameters] = {}

    def create_domain(self, request: Parameters) -> Parameters:
        self.domains[request["DomainName"]] = request
        return {**request, "CreatedAt": MOMENT, "LastUpdatedAt": MOMENT}

    def get_domain(self, request: Parameters) -> Parameters:
        if request["DomainName"] not in self.domains:
            raise ServiceError("ResourceNotFoundException", "there is none")
        found = self.domains[request["DomainName"]]
        return {**found, "CreatedAt": MOMENT, "LastUpdatedAt": MOMENT}

    def list_domains(self, request: Parameters) -> Parameters:
        assert request == {"MaxResults": 7, "NextToken": "a b/ä"}
        return {"Items": [], "NextToken": "x"}


class Groups(Fake):
    """json: a group that takes a while."""

    service = "personalize"
    bad_request = "InvalidInputException"

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[Progress] = []

    def create_dataset_group(self, request: Parameters) -> Parameters:
        self.groups.append(self.begin("group", ["CREATE PENDING", "CREATE IN_PROGRESS"], "ACTIVE"))
        return {"datasetGroupArn": f"arn:aws:personalize:::dataset-group/{len(self.groups) - 1}"}

    def describe_dataset_group(self, request: Parameters) -> Parameters:
        progress = self.groups[int(request["datasetGroupArn"].rpartition("/")[2])]
        answer = {"status": progress.look(), "creationDateTime": MOMENT}
        if progress.ended:
            answer.update(progress.ending.details)
        return {"datasetGroup": answer}


class Identity(Fake):
    """query: XML."""

    service = "sts"

    def get_caller_identity(self, request: Parameters) -> Parameters:
        return {"Account": "111122223333", "Arn": "arn:aws:sts::111122223333:role/<a>"}

    def assume_role(self, request: Parameters) -> Parameters:
        assert request["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
        assert request["DurationSeconds"] == 900
        raise ServiceError("MalformedPolicyDocument", "no <policy>")


def client(service: str, attempts: int = 1) -> Any:
    retries = {"total_max_attempts": attempts, "mode": "standard"}
    return boto3.client(service, config=Config(retries=retries, read_timeout=5))


def test_rest_json_is_read_and_answered(use_fakes: UseFakes) -> None:
    fakes = use_fakes(Profiles())
    profiles = client("customer-profiles")
    made = profiles.create_domain(DomainName="shop", DefaultExpirationDays=30, Tags={"a": "b"})
    assert made["CreatedAt"] == MOMENT
    assert profiles.get_domain(DomainName="shop")["Tags"] == {"a": "b"}
    assert profiles.list_domains(MaxResults=7, NextToken="a b/ä")["NextToken"] == "x"
    assert fakes.operations("customer-profiles") == ["CreateDomain", "GetDomain", "ListDomains"]
    assert fakes.calls[0].parameters == {
        "DomainName": "shop",
        "DefaultExpirationDays": 30,
        "Tags": {"a": "b"},
    }


def test_errors_are_the_service_s_own(use_fakes: UseFakes) -> None:
    fakes = use_fakes(Profiles(), Identity())
    profiles = client("customer-profiles")
    with pytest.raises(profiles.exceptions.ResourceNotFoundException) as caught:
        profiles.get_domain(DomainName="shop")
    answered = caught.value.response
    assert answered["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert answered["Error"] == {"Code": "ResourceNotFoundException", "Message": "there is none"}
    assert fakes.calls[0].error == "ResourceNotFoundException"
    with pytest.raises(ClientError) as malformed:
        client("sts").assume_role(
            RoleArn="arn:aws:iam::111122223333:role/x", RoleSessionName="me", DurationSeconds=900,
            Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
        )  # fmt: skip
    error = malformed.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("MalformedPolicyDocument", "no <policy>")


def test_query_is_answered_as_xml(use_fakes: UseFakes) -> None:
    use_fakes(Identity())
    assert client("sts").get_caller_identity()["Arn"] == "arn:aws:sts::111122223333:role/<a>"


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"DefaultExpirationDays": 1099}, "DefaultExpirationDays: is more than 1,098"),
        ({"DefaultEncryptionKey": "k" * 256}, "DefaultEncryptionKey: has 256 characters"),
        ({"DomainName": "a.b"}, "DomainName: is not of the form"),
        (
            {"Matching": {"Enabled": True, "JobSchedule": {"DayOfTheWeek": "DAY", "Time": "1:00"}}},
            "Matching.JobSchedule.DayOfTheWeek: is none of SUNDAY, MONDAY",
        ),
    ],
)
def test_what_botocore_lets_through_is_refused(
    use_fakes: UseFakes, request_: Parameters, problem: str
) -> None:
    use_fakes(Profiles())
    with pytest.raises(ClientError) as caught:
        client("customer-profiles").create_domain(
            **{"DomainName": "shop", "DefaultExpirationDays": 30, **request_}
        )
    assert caught.value.response["Error"]["Code"] == "BadRequestException"
    assert problem in str(caught.value)


def test_states_move_on_with_the_looks_and_end_as_scripted(use_fakes: UseFakes) -> None:
    fake = Groups()
    use_fakes(fake)
    fake.polls = 2
    fake.script("group", Ending("CREATE FAILED", {"failureReason": "no role"}), NEVER)
    personalize = client("personalize")

    def states(looks: int) -> list[str]:
        arn = personalize.create_dataset_group(name="g")["datasetGroupArn"]
        found = []
        for _ in range(looks):
            group = personalize.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"]
            found.append(group["status"] + (": " + group.get("failureReason", "")).rstrip(": "))
        return found

    pending, going = ["CREATE PENDING"] * 2, ["CREATE IN_PROGRESS"] * 2
    assert states(5) == [*pending, *going, "CREATE FAILED: no role"]
    assert set(states(20)) == {"CREATE PENDING"}
    assert states(5) == [*pending, *going, "ACTIVE"]


def test_throttling_is_retried_by_botocore(use_fakes: UseFakes, monkeypatch: Any) -> None:
    fakes = use_fakes(Groups())
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    fakes.throttle("personalize", "CreateDatasetGroup", times=2)
    client("personalize", attempts=3).create_dataset_group(name="g")
    assert [call.error for call in fakes.calls] == ["ThrottlingException"] * 2 + [""]
    assert [call.injected for call in fakes.calls] == [True, True, False]
    fakes.throttle("personalize", times=3)
    with pytest.raises(ClientError, match="Rate exceeded"):
        client("personalize", attempts=3).create_dataset_group(name="g")


def test_a_failure_before_and_one_after_the_effect(use_fakes: UseFakes) -> None:
    fake = Profiles()
    fakes = use_fakes(fake)
    profiles = client("customer-profiles")
    fakes.fail("customer-profiles", "create_domain", code="AccessDeniedException", skip=1)
    fakes.fail("customer-profiles", code="InternalServerException", skip=2, after=True)
    profiles.create_domain(DomainName="one", DefaultExpirationDays=1)
    with pytest.raises(profiles.exceptions.AccessDeniedException):
        profiles.create_domain(DomainName="two", DefaultExpirationDays=1)
    with pytest.raises(profiles.exceptions.InternalServerException):
        profiles.create_domain(DomainName="three", DefaultExpirationDays=1)
    assert list(fake.domains) == ["one", "three"]


def test_an_answer_may_be_lost_or_late(use_fakes: UseFakes) -> None:
    fake = Profiles()
    fakes = use_fakes(fake)
    profiles = client("customer-profiles")
    fakes.lose("customer-profiles")
    with pytest.raises(ConnectionClosedError):
        profiles.create_domain(DomainName="one", DefaultExpirationDays=1)
    assert list(fake.domains) == ["one"]
    fakes.slow("customer-profiles", seconds=0.2)
    before = time.monotonic()
    profiles.get_domain(DomainName="one")
    assert time.monotonic() - before >= 0.2


def test_a_function_of_the_test_s_own_runs_around_a_call(use_fakes: UseFakes) -> None:
    fake = Profiles()
    fakes = use_fakes(fake)
    seen: list[int] = []
    fakes.call("customer-profiles", None, lambda: seen.append(len(fake.domains)))
    fakes.call("customer-profiles", None, lambda: seen.append(len(fake.domains)), after=True)
    client("customer-profiles").create_domain(DomainName="one", DefaultExpirationDays=1)
    assert seen == [0, 1]


def test_only_calls_with_the_fakes_own_key_are_answered(use_fakes: UseFakes) -> None:
    use_fakes(Profiles())
    other = boto3.client("customer-profiles", aws_access_key_id="mine", aws_secret_access_key="s")
    with pytest.raises(ClientError, match="not signed with the fakes' own key"):
        other.get_domain(DomainName="shop")


def test_a_subprocess_finds_the_fakes(use_fakes: UseFakes) -> None:
    fakes = use_fakes(Profiles())
    code = (
        "import boto3; boto3.client('customer-profiles')"
        ".create_domain(DomainName='shop', DefaultExpirationDays=3)"
    )
    environment = {"PATH": os.environ["PATH"], **fakes.environment()}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    assert fakes.operations("customer-profiles") == ["CreateDomain"]


def test_what_a_fake_does_wrong_is_told() -> None:
    class Wrong(Profiles):
        def get_domain(self, request: Parameters) -> Parameters:
            return {"Domain": "shop"}

        def list_domains(self, request: Parameters) -> Parameters:
            raise KeyError("oops")

    with running() as fakes, pytest.MonkeyPatch.context() as patch:
        fakes.add(Wrong())
        lead_to(fakes, patch)
        profiles = client("customer-profiles")
        with pytest.raises(ClientError):
            profiles.delete_domain(DomainName="shop")
        with pytest.raises(ClientError):
            profiles.list_domains()
        with pytest.raises(ClientError):
            profiles.get_domain(DomainName="shop")
        assert len(fakes.mistakes) == 3
        assert "has no DeleteDomain" in fakes.mistakes[0]
        assert "oops" in fakes.mistakes[1]
        assert "Domain: there is no such member" in fakes.mistakes[2]
    with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
        profiles.get_domain(DomainName="shop")
