"""Everything that a set-up made: listed (``status``), removed in reverse order (``down``), proved.

What goes by: the project's tag, where the service has tags; schemas by the group's name, and metric
attributions by the group that they are in. Import jobs, solution versions and batch jobs go with
what they belong to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engagement.aws.s3 import Address
from engagement.messages import counted
from engagement.personalize import access, resource_types
from engagement.personalize.exported import TYPES
from engagement.personalize.resource_types import ResourceType
from engagement.personalize.resources import Setup, describe, is_ours, listing, remove
from engagement.personalize.service import SetupError, find
from engagement.personalize.setup import Names
from engagement.settings import Settings

_IN_GROUP = (
    resource_types.TRACKER,
    resource_types.RECOMMENDER,
    resource_types.FILTER,
    resource_types.ATTRIBUTION,
)
_ORDER = (
    resource_types.ATTRIBUTION,
    resource_types.FILTER,
    resource_types.CAMPAIGN,
    resource_types.SOLUTION,
    resource_types.RECOMMENDER,
    resource_types.TRACKER,
    resource_types.DATASET,
    resource_types.SCHEMA,
    resource_types.DATASET_GROUP,
)


@dataclass(frozen=True)
class There:
    """A resource that is there."""

    kind: ResourceType
    found: Mapping[str, Any]
    within: str

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.found.get(self.kind.name, ""))

    @property
    def status(self) -> str:
        """The service's word for how it is; empty where the service has none."""
        return str(self.found.get("status", ""))

    @property
    def reason(self) -> str:
        """Why it failed; empty where it did not."""
        return str(self.found.get("failureReason") or "")


def everything(setup: Setup, group_name: str) -> Iterator[There]:
    """All that this project's dataset groups hold, in the order in which it is made.

    Groups are found by their tag, not by their name; schemas, which have no tags and belong to no
    group, by the names of these groups. ``group_name`` counts too where no group has it: schemas
    may be all that is left of it.
    """
    groups, names = _groups(setup, group_name)
    for group in groups:
        yield from _described(setup, resource_types.DATASET_GROUP, group, "")
    for schema in listing(setup.caller, resource_types.SCHEMA, None):
        if any(is_schema_of(str(schema["name"]), name) for name in names):
            yield from _described(setup, resource_types.SCHEMA, schema, "")
    for group in groups:
        yield from _in_group(setup, str(group["datasetGroupArn"]), str(group["name"]))


def _groups(setup: Setup, group_name: str) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Groups with the project's tag, and names by which what has no tag is theirs."""
    all_groups = list(listing(setup.caller, resource_types.DATASET_GROUP, None))
    groups = [
        item
        for item in all_groups
        if is_ours(setup, resource_types.DATASET_GROUP, str(item["datasetGroupArn"]))
    ]
    names = [str(item["name"]) for item in groups]
    if group_name not in [item["name"] for item in all_groups]:
        names.append(group_name)
    return groups, names


def is_schema_of(name: str, group_name: str) -> bool:
    """Whether a schema's name is one that the set-up gives those of a group, and no other group's.

    Examples
    --------
    >>> is_schema_of("shop-items-0a1b2c3d", "shop"), is_schema_of("shop-b-items-0a1b2c3d", "shop")
    (True, False)
    """
    sets = "|".join(TYPES)
    return bool(re.fullmatch(f"{re.escape(group_name)}-({sets})-[0-9a-f]{{8}}", name))


def _in_group(setup: Setup, arn: str, name: str) -> Iterator[There]:
    for dataset in listing(setup.caller, resource_types.DATASET, arn):
        yield from _described(setup, resource_types.DATASET, dataset, name)
        for job in listing(setup.caller, resource_types.IMPORT, str(dataset["datasetArn"])):
            yield from _described(setup, resource_types.IMPORT, job, name)
    for kind in _IN_GROUP:
        for item in listing(setup.caller, kind, arn):
            yield from _described(setup, kind, item, name)
    for solution in listing(setup.caller, resource_types.SOLUTION, arn):
        yield from _described(setup, resource_types.SOLUTION, solution, name)
        own = str(solution["solutionArn"])
        for version in listing(setup.caller, resource_types.VERSION, own):
            yield from _described(setup, resource_types.VERSION, version, name)
            for kind in (resource_types.INFERENCE, resource_types.SEGMENTS):
                for job in listing(setup.caller, kind, str(version["solutionVersionArn"])):
                    yield from _described(setup, kind, job, name)
        for campaign in listing(setup.caller, resource_types.CAMPAIGN, own):
            yield from _described(setup, resource_types.CAMPAIGN, campaign, name)


def _described(
    setup: Setup, kind: ResourceType, item: Mapping[str, Any], within: str
) -> Iterator[There]:
    found = describe(setup.caller, kind, str(item[kind.arn]))
    if found is not None:
        yield There(kind, found, within)


def down(setup: Setup, settings: Settings) -> None:
    """Remove what carries the project's tag, in the reverse order of making, and prove it.

    Raises
    ------
    SetupError
        When something cannot be removed, or something with the tag is left.
    """
    names = Names.of(settings)
    _, group_names = _groups(setup, names.group)
    folders = [names.root / f"{name}/" for name in group_names]
    there = list(everything(setup, names.group))
    foreign = [
        one
        for one in there
        if one.kind.taggable
        and one.kind in _ORDER
        and not is_ours(setup, one.kind, str(one.found[one.kind.arn]))
    ]
    if foreign:
        listed = ", ".join(f"{one.kind.label} {one.name}" for one in foreign)
        raise SetupError(
            f"nothing was removed: {listed} in this project's dataset group does not carry its "
            "tag. Remove it by hand if nobody needs it, or give it the tag"
        )
    for kind in _ORDER:
        for one in there:
            if one.kind is kind:
                remove(setup, kind, one.found)
    account = access.account(setup)
    statements = access.bucket_statements(names.root, settings.project, account, names.region)
    access.remove_bucket_statements(
        setup, names.root.bucket, [str(one["Sid"]) for one in statements]
    )
    for folder in folders:
        _remove_files(setup, folder)
    if settings.personalize.role is None:
        access.remove_role(setup, names.role)
    left = what_is_left(setup, settings, folders)
    if left:
        raise SetupError(f"this is still there: {', '.join(left)}; run it again")


def what_is_left(setup: Setup, settings: Settings, folders: Sequence[Address] = ()) -> list[str]:
    """Look again for everything that this project made; empty where nothing is left."""
    names = Names.of(settings)
    left = [f"{one.kind.label} {one.name}" for one in everything(setup, names.group)]
    left += [f"files in {folder}" for folder in folders if _files(setup, folder)]
    if settings.personalize.role is None and access.is_own_role(setup, names.role):
        left.append(f"role {names.role}")
    return left


def _files(setup: Setup, folder: Address) -> list[str]:
    found: list[str] = []
    parameters = {"Bucket": folder.bucket, "Prefix": folder.key}
    while True:
        answer = find(setup.caller, "s3", "list_objects_v2", **parameters) or {}
        found += [item["Key"] for item in answer.get("Contents", [])]
        if not answer.get("IsTruncated"):
            return found
        parameters["ContinuationToken"] = answer["NextContinuationToken"]


def _remove_files(setup: Setup, folder: Address) -> None:
    keys = _files(setup, folder)
    for start in range(0, len(keys), 1_000):
        answer = setup.caller.call(
            "s3",
            "delete_objects",
            Bucket=folder.bucket,
            Delete={"Objects": [{"Key": key} for key in keys[start : start + 1_000]]},
        )
        if answer.get("Errors"):
            raise SetupError(
                f"{len(answer['Errors'])} files in {folder} could not be removed: "
                f"{answer['Errors'][0].get('Code', 'without a reason')}"
            )
    if keys:
        setup.changed(f"{counted(len(keys), 'file')} in {folder}: removed")
