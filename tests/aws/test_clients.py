"""Calls: checked first, retried, and silent about what is in them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from engagement.aws.clients import Service, ServiceError
from engagement.aws.service_model import RequestError
from tests.fakes import Fake, Fakes, Parameters
from tests.fakes import ServiceError as Refused

UseFakes = Callable[..., Fakes]


class Profiles(Fake):
    service = "customer-profiles"
    bad_request = "BadRequestException"

    def get_upload_job_path(self, request: Parameters) -> Parameters:
        return {"Url": "http://127.0.0.1/?X-Amz-Signature=planted", "ClientToken": "planted-token"}

    def put_profile_object(self, request: Parameters) -> Parameters:
        raise Refused("BadRequestException", "no mail to jo@planted.io, +1 555 010 0199")

    def get_domain(self, request: Parameters) -> Parameters:
        raise Refused("ResourceNotFoundException")

    def list_upload_jobs(self, request: Parameters) -> Parameters:
        page = int(request.get("NextToken", "0"))
        found: Parameters = {"Items": [{"JobId": f"{page:032x}"}]}
        return found if page == 2 else {**found, "NextToken": str(page + 1)}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


def test_a_call_that_the_service_would_refuse_is_not_sent(use_fakes: UseFakes) -> None:
    fakes = use_fakes(Profiles())
    with pytest.raises(RequestError, match="JobId: is missing"):
        Service("customer-profiles").call("GetUploadJobPath", DomainName="shop")
    assert fakes.calls == []


def test_what_is_not_there_and_what_is_refused(use_fakes: UseFakes) -> None:
    fakes = use_fakes(Profiles())
    profiles = Service("customer-profiles")
    assert profiles.find("GetDomain", DomainName="shop") is None
    fakes.fail("customer-profiles", code="AccessDeniedException", message="not allowed")
    with pytest.raises(ServiceError) as caught:
        profiles.find("GetDomain", DomainName="shop")
    assert caught.value.code == "AccessDeniedException"
    assert str(caught.value) == "customer-profiles.GetDomain: AccessDeniedException: not allowed"


def test_throttling_is_waited_out_and_reported_in_the_end(use_fakes: UseFakes) -> None:
    fakes = use_fakes(Profiles())
    seen: list[str] = []
    profiles = Service("customer-profiles", on_call=seen.append, attempts=4)
    fakes.throttle("customer-profiles", times=3)
    profiles.call("ListUploadJobs", DomainName="shop", MaxResults=None)
    assert (len(fakes.calls), seen) == (4, ["ListUploadJobs"])
    fakes.throttle("customer-profiles", times=4)
    with pytest.raises(ServiceError, match="ThrottlingException: Rate exceeded"):
        profiles.call("ListUploadJobs", DomainName="shop")


def test_all_pages_of_a_listing(use_fakes: UseFakes) -> None:
    use_fakes(Profiles())
    found = Service("customer-profiles").pages("ListUploadJobs", "Items", DomainName="shop")
    assert [item["JobId"][-1] for item in found] == ["0", "1", "2"]


def test_neither_logs_nor_messages_hold_a_secret_or_an_address(
    use_fakes: UseFakes, caplog: Any
) -> None:
    use_fakes(Profiles())
    profiles = Service("customer-profiles")
    with caplog.at_level(logging.DEBUG):
        answered = profiles.call("GetUploadJobPath", DomainName="shop", JobId="0" * 32)
        with pytest.raises(ServiceError) as caught:
            profiles.call(
                "PutProfileObject", DomainName="shop", ObjectTypeName="t",
                Object='{"email": "jo@planted.io"}',
            )  # fmt: skip
        logging.getLogger("own").debug("afterwards all is logged again")
    assert answered["ClientToken"] == "planted-token"
    assert "planted" not in caplog.text
    assert "afterwards" in caplog.text
    assert str(caught.value) == (
        "customer-profiles.PutProfileObject: BadRequestException: no mail to … (e-mail), …"
    )
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_service_that_cannot_be_reached(
    use_fakes: UseFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fakes(Profiles())
    monkeypatch.setenv("AWS_ENDPOINT_URL_CUSTOMER_PROFILES", "http://127.0.0.1:9/x?secret=planted")
    with pytest.raises(ServiceError) as caught:
        Service("customer-profiles", attempts=1).call("GetDomain", DomainName="shop")
    assert str(caught.value) == ("customer-profiles.GetDomain: no answer (EndpointConnectionError)")
