"""What AWS keeps of rows that no table holds any more: old files, versions, results of queries.

Each kind is removed where the role may; otherwise it is named, with the permission that is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from engagement.aws.s3 import Address
from engagement.warehouse.athena import setup
from engagement.warehouse.athena.errors import problem
from engagement.warehouse.athena.lake import Lake
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.reading import Purged

_MOST_AT_ONCE = 1000


@dataclass(frozen=True)
class _Version:
    """An old version of an object, or a mark that it was deleted (``is_mark``)."""

    key: str
    id: str
    is_mark: bool


def purge(lake: Lake, holds: Callable[[str, bytes], bool]) -> Purged:
    """Remove what nothing points at, whatever its age, old versions, and kept results.

    Of the landing's old versions those go that ``holds`` says; the others are not this project's.
    """
    removed: Counter[str] = Counter()
    left: list[str] = []

    def attempt(what: str, step: Callable[[], int]) -> None:
        try:
            removed[what] += step()
        except WarehouseError as error:
            left.append(f"{what}: {error}")

    attempt("superseded tables and folders", lambda: len(setup.clean(lake, 0)))
    output = Address.parse(lake.output, folder=True)
    attempt("results of queries", lambda: _remove_results(lake, output, holds, left))
    attempt("old versions of tables", lambda: _remove_old(lake, lake.files, None))
    if _is_ours(lake, output):
        attempt("old versions of results", lambda: _remove_old(lake, output, None))
    attempt("old versions of landed files", lambda: _remove_old(lake, lake.landing, holds))
    apart = lake.settings.landing.errors_location
    if apart:
        folder = Address.parse(apart, folder=True)
        attempt("old versions of failures", lambda: _remove_old(lake, folder, holds))
    left.append(
        "Athena's own history keeps the texts of statements for 45 days: those of this erasure "
        "name no id, but others may"
    )
    return Purged(dict(removed), tuple(left))


def _is_ours(lake: Lake, output: Address) -> bool:
    return str(output).startswith(str(lake.data))


def _remove_results(
    lake: Lake,
    output: Address,
    holds: Callable[[str, bytes], bool],
    left: list[str],
) -> int:
    """Results below the project's own data go, all of them; elsewhere those that hold somebody."""
    if _is_ours(lake, output):
        return lake.bucket.empty(output)
    chosen, others = [], 0
    for found in lake.bucket.listing(output):
        if holds(found.name, lake.bucket.read(output / found.name)):
            chosen.append(found.name)
        else:
            others += 1
    lake.bucket.remove(output, chosen)
    if others:
        left.append(
            f"{others} results of queries in {output}, which others may share: they hold no id "
            "that was looked for, but may hold other values"
        )
    return len(chosen)


def _remove_old(lake: Lake, folder: Address, holds: Callable[[str, bytes], bool] | None) -> int:
    client = lake.bucket.client
    chosen = [
        version
        for version in _old_versions(client, folder)
        if holds is None or (not version.is_mark and _has(client, folder, version, holds))
    ]
    for start in range(0, len(chosen), _MOST_AT_ONCE):
        some: Any = [
            {"Key": version.key, "VersionId": version.id}
            for version in chosen[start : start + _MOST_AT_ONCE]
        ]
        try:
            answer = client.delete_objects(
                Bucket=folder.bucket, Delete={"Objects": some, "Quiet": True}
            )
        except (ClientError, BotoCoreError) as error:
            raise problem(f"old versions below {folder} cannot be deleted", error) from error
        for failed in answer.get("Errors", []):
            raise WarehouseError(
                f"{len(chosen)} old versions below {folder} stay: {failed.get('Code')}: "
                f"{failed.get('Message')} (s3:DeleteObjectVersion is needed)"
            )
    return len(chosen)


def _old_versions(client: Any, folder: Address) -> Iterator[_Version]:
    try:
        pages = client.get_paginator("list_object_versions").paginate(
            Bucket=folder.bucket, Prefix=folder.key
        )
        for page in pages:
            for item in page.get("Versions", []):
                if not item["IsLatest"]:
                    yield _Version(item["Key"], item["VersionId"], is_mark=False)
            for item in page.get("DeleteMarkers", []):
                yield _Version(item["Key"], item["VersionId"], is_mark=True)
    except (ClientError, BotoCoreError) as error:
        raise problem(
            f"old versions below {folder} cannot be listed (s3:ListBucketVersions is needed)", error
        ) from error


def _has(
    client: Any, folder: Address, version: _Version, holds: Callable[[str, bytes], bool]
) -> bool:
    try:
        answer = client.get_object(Bucket=folder.bucket, Key=version.key, VersionId=version.id)
        return holds(version.key[len(folder.key) :], answer["Body"].read())
    except (ClientError, BotoCoreError) as error:
        raise problem(
            f"an old version of s3://{folder.bucket}/{version.key} cannot be read", error
        ) from error
