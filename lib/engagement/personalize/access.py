"""What lets Personalize read the exports and write results: a role and the bucket's policy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engagement.aws.glue import OWNER
from engagement.aws.s3 import Address
from engagement.aws.service_model import Later
from engagement.personalize.resources import Setup
from engagement.personalize.service import SetupError, find

PRINCIPAL = "personalize.amazonaws.com"
POLICY = "personalize-data"
_METRICS = "cloudwatch:PutMetricData"


def account(setup: Setup) -> str:
    """The number of the account; it is in policies, and never shown."""
    found: str = setup.caller.call("sts", "get_caller_identity")["Account"]
    return found


def trust_policy(account_id: str, region: str) -> dict[str, Any]:
    """Who may take the role: Personalize, for this account's own resources only."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": PRINCIPAL},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": account_id},
                    "ArnLike": {"aws:SourceArn": f"arn:aws:personalize:{region}:{account_id}:*"},
                },
            }
        ],
    }


def data_policy(location: Address, *, measures: bool) -> dict[str, Any]:
    """What the role may do: read and write below the location, and send metrics if asked to."""
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": f"arn:aws:s3:::{location.bucket}/{location.key}*",
        },
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{location.bucket}",
            "Condition": {"StringLike": {"s3:prefix": f"{location.key}*"}},
        },
    ]
    if measures:
        statements.append({"Effect": "Allow", "Action": _METRICS, "Resource": "*"})
    return {"Version": "2012-10-17", "Statement": statements}


def bucket_statements(
    location: Address, project: str, account_id: str, region: str
) -> list[dict[str, Any]]:
    """What the bucket's policy says for Personalize: both it and the role have to allow."""
    condition = {
        "StringEquals": {"aws:SourceAccount": account_id},
        "ArnLike": {"aws:SourceArn": f"arn:aws:personalize:{region}:{account_id}:*"},
    }
    name = "".join(part.capitalize() for part in project.split("-"))
    return [
        {
            "Sid": f"Personalize{name}Objects",
            "Effect": "Allow",
            "Principal": {"Service": PRINCIPAL},
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": f"arn:aws:s3:::{location.bucket}/{location.key}*",
            "Condition": condition,
        },
        {
            "Sid": f"Personalize{name}List",
            "Effect": "Allow",
            "Principal": {"Service": PRINCIPAL},
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{location.bucket}",
            "Condition": {**condition, "StringLike": {"s3:prefix": f"{location.key}*"}},
        },
    ]


def given_role(setup: Setup, name: str) -> str:
    """A role that somebody made, as it is; gives its ARN.

    Raises
    ------
    SetupError
        When there is none of this name.
    """
    answer = find(setup.caller, "iam", "get_role", RoleName=name)
    if answer is None and setup.caller.is_plan:
        return Later(f"Arn of the role {name}")
    if answer is None:
        raise SetupError(f"there is no role {name}: leave personalize.role out to have one made")
    arn: str = answer["Role"]["Arn"]
    return arn


def ensure_role(
    setup: Setup, name: str, trust: Mapping[str, Any], policy: Mapping[str, Any]
) -> str:
    """The role that Personalize takes; gives its ARN.

    Raises
    ------
    SetupError
        When a role of this name does not carry the project's tag.
    """
    answer = find(setup.caller, "iam", "get_role", RoleName=name)
    tags = [{"Key": OWNER, "Value": setup.project}]
    if answer is None:
        answer = setup.caller.call(
            "iam",
            "create_role",
            why="lets Personalize read the exports and write results",
            RoleName=name,
            AssumeRolePolicyDocument=_json(trust),
            Tags=tags,
        )
        setup.changed(f"role {name}: made")
        setup.is_role_new = True
    else:
        if tags[0] not in answer["Role"].get("Tags", []):
            raise SetupError(
                f"there is a role {name} that does not carry this project's tag ({OWNER}): name "
                "another one in personalize.role, or give it the tag"
            )
        if answer["Role"].get("AssumeRolePolicyDocument") != trust:
            setup.caller.call(
                "iam", "update_assume_role_policy", RoleName=name, PolicyDocument=_json(trust)
            )
            setup.changed(f"role {name}: trust changed")
    there = find(setup.caller, "iam", "get_role_policy", RoleName=name, PolicyName=POLICY)
    has = [] if there is None else there["PolicyDocument"].get("Statement", [])
    wanted = list(policy["Statement"])
    if any(statement not in has for statement in wanted):
        # What another group of the project needs stays.
        wanted += [one for one in has if one.get("Action") == _METRICS and one not in wanted]
        setup.caller.call(
            "iam",
            "put_role_policy",
            why="what the role may do",
            RoleName=name,
            PolicyName=POLICY,
            PolicyDocument=_json({**policy, "Statement": wanted}),
        )
        setup.changed(f"role {name}: rights set")
    arn: str = answer["Role"]["Arn"]
    return arn


def ensure_bucket_policy(setup: Setup, bucket: str, statements: Sequence[dict[str, Any]]) -> None:
    """Put statements into a bucket's policy, beside those that are there."""
    policy = _bucket_policy(setup, bucket)
    own = {statement["Sid"] for statement in statements}
    others = [one for one in policy["Statement"] if one.get("Sid") not in own]
    if [one for one in policy["Statement"] if one.get("Sid") in own] == list(statements):
        return
    policy["Statement"] = [*others, *statements]
    setup.caller.call(
        "s3",
        "put_bucket_policy",
        why="the bucket lets Personalize in, too; statements of others stay",
        Bucket=bucket,
        Policy=_json(policy),
    )
    setup.changed(f"policy of the bucket {bucket}: statements for Personalize set")


def remove_bucket_statements(setup: Setup, bucket: str, sids: Sequence[str]) -> None:
    """Take this project's statements out of a bucket's policy; it goes where none is left."""
    policy = _bucket_policy(setup, bucket)
    others = [one for one in policy["Statement"] if one.get("Sid") not in sids]
    if len(others) == len(policy["Statement"]):
        return
    if others:
        policy["Statement"] = others
        setup.caller.call("s3", "put_bucket_policy", Bucket=bucket, Policy=_json(policy))
    else:
        setup.caller.call("s3", "delete_bucket_policy", Bucket=bucket)
    setup.changed(f"policy of the bucket {bucket}: statements for Personalize removed")


def _bucket_policy(setup: Setup, bucket: str) -> dict[str, Any]:
    answer = find(setup.caller, "s3", "get_bucket_policy", Bucket=bucket)
    if answer is None:
        return {"Version": "2012-10-17", "Statement": []}
    policy: dict[str, Any] = json.loads(answer["Policy"])
    if isinstance(policy.get("Statement"), dict):
        policy["Statement"] = [policy["Statement"]]
    return policy


def is_own_role(setup: Setup, name: str) -> bool:
    """Whether there is a role of this name that carries the project's tag."""
    answer = find(setup.caller, "iam", "get_role", RoleName=name)
    tag = {"Key": OWNER, "Value": setup.project}
    return answer is not None and tag in answer["Role"].get("Tags", [])


def remove_role(setup: Setup, name: str) -> None:
    """Delete the role, if it is this project's."""
    answer = find(setup.caller, "iam", "get_role", RoleName=name)
    if answer is None:
        return
    if {"Key": OWNER, "Value": setup.project} not in answer["Role"].get("Tags", []):
        setup.tell(f"role {name}: is not this project's, and stays")
        return
    if find(setup.caller, "iam", "get_role_policy", RoleName=name, PolicyName=POLICY):
        setup.caller.call("iam", "delete_role_policy", RoleName=name, PolicyName=POLICY)
    setup.caller.call("iam", "delete_role", RoleName=name)
    setup.changed(f"role {name}: removed")


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True)
