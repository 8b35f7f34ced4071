"""Identity policies: lets through what a policy document allows, and refuses the rest as IAM does.

moto asks nobody's policies here. This is a rule for `Faults`: it looks at the calls of the project
(by its user agent) and at those that the engine makes on its behalf, since Athena reads Glue and S3
with its caller's permissions.
"""

import fnmatch
import json
from collections.abc import Iterator, Mapping
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID

from .faults import Call, Failure, Rule

# What each of S3's calls is allowed by, where the names differ.
_S3_ACTIONS = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "GetBucket": "ListBucket",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "DeleteObjects": "DeleteObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
# Trino asks Glue for statistics on its own account; Athena needs no permission for it.
_ENGINES_OWN = ("ColumnStatistics", "GetUserDefinedFunction")


def policed(policy: Mapping[str, Any], agent: str, region: str) -> Rule:
    """Make a rule that refuses what a policy does not allow.

    Parameters
    ----------
    policy : mapping
        The document, with the names of this stand in its resources.
    agent : str
        Stands in the user agent of those whom it is about.
    """

    def rule(call: Call) -> Failure | None:
        if call.service == "engine" or (call.client == "client" and agent not in call.agent):
            return None
        if call.client == "engine" and any(name in call.operation for name in _ENGINES_OWN):
            return None
        for action, resource in needed(call, region):
            if not _is_allowed(policy, action, resource):
                return Failure("AccessDeniedException", _refusal(action, resource), 403)
        return None

    return rule


def needed(call: Call, region: str) -> Iterator[tuple[str, str]]:
    """Actions, each with the resource that it has to be allowed on, that a call needs."""
    of_service = f":{region}:{DEFAULT_ACCOUNT_ID}:"
    match call.service:
        case "s3":
            action = _S3_ACTIONS.get(call.operation, call.operation)
            resource = call.resource.rstrip("/")
            if call.operation == "DeleteObjects":
                resource += "/"  # its body names the objects: any of the bucket will do
            yield f"s3:{action}", f"arn:aws:s3:::{resource}"
        case "glue":
            for resource in _glue_resources(call.parameters):
                yield f"glue:{call.operation}", f"arn:aws:glue{of_service}{resource}"
        case "athena":
            workgroup = call.parameters.get("WorkGroup") or call.parameters.get("Name")
            given = f"arn:aws:athena{of_service}workgroup/{workgroup}" if workgroup else ""
            yield f"athena:{call.operation}", call.parameters.get("ResourceARN", given)
        case "sts":
            pass  # to ask who one is, is denied to nobody
        case service:
            yield f"{service}:{call.operation}", ""


def _glue_resources(parameters: Mapping[str, Any]) -> Iterator[str]:
    """The catalog, the database and the tables: Glue asks for each."""
    yield "catalog"
    given = parameters.get("DatabaseInput", {}).get("Name")
    database = parameters.get("DatabaseName") or given or parameters.get("Name")
    if not database:
        return
    yield f"database/{database}"
    if "DatabaseName" not in parameters:
        return
    names = [
        parameters.get("TableInput", {}).get("Name"),
        parameters.get("TableName"),
        parameters.get("Name"),
        *parameters.get("TablesToDelete", []),
    ]
    for name in filter(None, names):
        yield f"table/{database}/{name}"


def _is_allowed(policy: Mapping[str, Any], action: str, resource: str) -> bool:
    """Whether something allows it, and nothing denies it."""
    is_denied = resource and _is_named(policy, "Deny", action, resource)
    return not is_denied and _is_named(policy, "Allow", action, resource)


def _is_named(policy: Mapping[str, Any], effect: str, action: str, resource: str) -> bool:
    for statement in policy["Statement"]:
        if action not in statement["Action"] or statement.get("Effect", "Allow") != effect:
            continue
        patterns = statement["Resource"]
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            # A call that names no resource (a query by its id) is allowed by the action alone, and
            # one that ends with a slash is about some object below it.
            some = resource.endswith("/") and pattern.startswith(resource)
            if not resource or some or fnmatch.fnmatchcase(resource, pattern):
                return True
    return False


def _refusal(action: str, resource: str) -> str:
    who = f"arn:aws:sts::{DEFAULT_ACCOUNT_ID}:assumed-role/policed/tests"
    on = f" on resource: {resource}" if resource else ""
    return (
        f"User: {who} is not authorized to perform: {action}{on} because no identity-based policy "
        f"allows the {action} action"
    )


def for_stand(text: str, names: Mapping[str, str]) -> dict[str, Any]:
    """A policy document with the stand's names in the place of the example's."""
    for example, name in names.items():
        text = text.replace(example, name)
    found: dict[str, Any] = json.loads(text)
    return found
