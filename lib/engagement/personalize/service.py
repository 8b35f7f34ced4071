"""How Personalize and what it needs are called: for real, or as a plan that only writes calls down.

Both take the same calls from the same code, so that a plan is exactly what would be sent.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from engagement.aws import service_model
from engagement.aws.clients import Service, ServiceError, nothing_logged
from engagement.aws.requests import Call, People
from engagement.aws.service_model import Later, RequestError
from engagement.errors import FailedError
from engagement.privacy import masked


class SetupError(FailedError):
    """Something in AWS that could not be made, found or removed: what, and the service's reason."""


class RefusedCallError(SetupError):
    """A call that a service refused.

    Attributes
    ----------
    code
        The service's own code, such as ``LimitExceededException``.
    """

    def __init__(self, error: ServiceError) -> None:
        self.code = error.code
        super().__init__(str(error))


_NOT_THERE = {
    "ResourceNotFoundException",
    "NoSuchEntity",
    "NoSuchEntityException",
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchKey",
    "404",
}


_ATTEMPTS = 8


def _is_passing(error: ServiceError) -> bool:
    """Whether a call may go well later, which one that passes a quota may not."""
    code = error.code
    if not code:  # no answer at all
        return "Credentials" not in str(error) and "Token" not in str(error)
    return "Throttl" in code or code in _AGAIN or code.startswith("Internal")


_AGAIN = {"TooManyRequestsException", "SlowDown", "ServiceUnavailable", "RequestTimeout"}


class Caller(Protocol):
    """Makes calls, by boto3's names for service and method."""

    is_plan: bool

    def call(self, service: str, method: str, why: str = "", **parameters: Any) -> dict[str, Any]:
        """Make a call.

        Raises
        ------
        RefusedCallError
            When the service refuses it.
        SetupError
            When it cannot be made at all.
        """
        ...

    def upload(self, bucket: str, key: str, path: str, people: People, why: str = "") -> None:
        """Put a file into a bucket."""
        ...


def find(caller: Caller, service: str, method: str, **parameters: Any) -> dict[str, Any] | None:
    """What a call of something that may not be there answers; ``None`` where it is not."""
    try:
        return caller.call(service, method, **parameters)
    except RefusedCallError as error:
        if error.code in _NOT_THERE:
            return None
        raise


class AwsCaller:
    """Makes calls with boto3, after checking each against the service's model."""

    is_plan = False

    def __init__(self, region: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._region, self._sleep = region, sleep
        self._services: dict[str, Service] = {}
        self._uploads: Any = None

    def call(self, service: str, method: str, why: str = "", **parameters: Any) -> dict[str, Any]:
        """Make a call."""
        del why
        operation = service_model.operation(service, method).name
        try:
            service_model.check(service, method, parameters)
        except RequestError as error:
            raise SetupError(f"{service} would refuse {operation}: {error}") from None
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._service(service).call(operation, **parameters)
            except ServiceError as error:
                if attempt == _ATTEMPTS or not _is_passing(error):
                    raise RefusedCallError(error) from None
            self._sleep(random.uniform(0, min(20.0, 0.5 * 2**attempt)))  # noqa: S311
        raise AssertionError("unreachable")

    def upload(self, bucket: str, key: str, path: str, people: People, why: str = "") -> None:
        """Put a file into a bucket, in parts where it is large."""
        import boto3
        from boto3.exceptions import S3UploadFailedError

        del people, why
        try:
            with nothing_logged():
                if self._uploads is None:
                    self._uploads = boto3.client("s3", region_name=self._region)
                self._uploads.upload_file(path, bucket, key)
        except (S3UploadFailedError, ClientError, BotoCoreError) as error:
            raise SetupError(
                f"s3://{bucket}/{key} cannot be written: {masked(str(error))}"
            ) from None

    def _service(self, name: str) -> Service:
        if name not in self._services:
            self._services[name] = Service(name, self._region, attempts=1)
        return self._services[name]


class PlanCaller:
    """Writes down calls that change something, in ``calls``, and sends none of them.

    What an earlier call of the plan would have made is there, and active, for those after it; ids
    that only the service gives are :class:`~engagement.aws.service_model.Later`.

    Parameters
    ----------
    reader
        Answers what does not change anything, so that the plan has only what is missing in the
        account. Without one nothing is there yet.
    """

    is_plan = True

    def __init__(self, reader: Caller | None = None) -> None:
        self.calls: list[Call] = []
        self._reader = reader
        self._made: dict[str, dict[str, Any]] = {}

    def call(self, service: str, method: str, why: str = "", **parameters: Any) -> dict[str, Any]:
        """Write a call down, or answer it from what is planned."""
        if method.startswith(("list_", "get_", "describe_", "head_")):
            return self._read(service, method, parameters)
        self.calls.append(
            Call(service, service_model.operation(service, method).name, parameters, why)
        )
        return self._answer(service, method, parameters)

    def upload(self, bucket: str, key: str, path: str, people: People, why: str = "") -> None:
        """Write down that a file would be put into a bucket."""
        del path
        parameters = {"Bucket": bucket, "Key": key, "Body": Later(f"bytes of {people.file}")}
        self.calls.append(Call("s3", "PutObject", parameters, why, people=people))

    def _read(self, service: str, method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        values = [value for value in parameters.values() if isinstance(value, str)]
        planned = [value for value in values if isinstance(value, Later) or value in self._made]
        if planned and method.startswith("list_"):
            return {}
        if planned:
            made = self._made.get(planned[0], {})
            shape = service_model.operation(service, method).output_shape
            name = next(iter(shape.members)) if shape is not None else ""
            return {name: {**made, "status": "ACTIVE"}}
        if self._reader is not None:
            return self._reader.call(service, method, **parameters)
        if method == "get_caller_identity":
            return {"Account": Later("Account of GetCallerIdentity")}
        if method.startswith("list_"):
            return {}
        name = service_model.operation(service, method).name
        raise RefusedCallError(ServiceError(service, name, "404", "nothing is there yet"))

    def _answer(self, service: str, method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        operation = service_model.operation(service, method)
        name = parameters.get("name") or parameters.get("jobName") or parameters.get("RoleName", "")
        if operation.output_shape is None or not method.startswith("create_"):
            return {}
        if service == "iam":
            return {"Role": {"Arn": Later(f"Arn of {operation.name}, {name}")}}
        answer = {
            member: Later(f"{member} of {operation.name}, {name}")
            for member in operation.output_shape.members
            if member.endswith(("Arn", "Id"))
        }
        made = {**parameters, **answer}
        for value in answer.values():
            self._made[value] = made
        return dict(answer)
