"""What Athena needs around the tables: a workgroup, and a clean-up now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from engagement.aws import glue
from engagement.aws.errors import AwsError
from engagement.aws.s3 import Address, error_code
from engagement.aws.waiting import wait_until
from engagement.warehouse.athena.errors import problem
from engagement.warehouse.athena.lake import Lake
from engagement.warehouse.athena.marks import SUPERSEDED, mark_superseded
from engagement.warehouse.errors import WarehouseError

logger = logging.getLogger("engagement")

PRIMARY = "primary"
"""The workgroup that every account has: it is never changed."""

_DAY = 24 * 60 * 60


# --- the workgroup ------------------------------------------------------------------------------


def ensure_workgroup(lake: Lake) -> str:
    """Make the workgroup of the parameters what it should be; says what was done.

    It has its own limit on bytes scanned per statement, runs engine version 3, and lets statements
    say where they write. One that carries another tag than this project's, or none, is somebody
    else's: it is used as it is, or refused where no table could be written in it.

    Returns
    -------
    str
        ``left alone``, ``created``, ``updated`` or ``unchanged``.

    Raises
    ------
    WarehouseError
        With Athena's own reason, or with what has to be changed in a workgroup of others.
    """
    settings, client = lake.athena, lake.client("athena")
    if settings.workgroup == PRIMARY:
        return "left alone"
    wanted = _configuration(lake)
    found = seen(client, settings.workgroup)
    if found is None and _create(client, lake, wanted):
        _wait(client, settings.workgroup, wanted)
        return "created"
    found = found or seen(client, settings.workgroup) or {}
    _refuse_unusable(settings.workgroup, found)
    there = found.get("Configuration", {})
    different = [key for key, value in wanted.items() if not _has(there, key, value)]
    if not different:
        return "unchanged"
    if not _is_ours(client, lake):
        _refuse_enforcing(settings.workgroup, there)
        logger.warning(
            "the workgroup %s does not carry this project's tag, and is used as it is: its %s "
            "is not what the parameters ask for",
            settings.workgroup,
            ", ".join(different),
        )
        return "left alone"
    updates = {key: value for key, value in wanted.items() if key != "ResultConfiguration"}
    updates["ResultConfigurationUpdates"] = wanted["ResultConfiguration"]
    try:
        client.update_work_group(WorkGroup=settings.workgroup, ConfigurationUpdates=updates)
    except (ClientError, BotoCoreError) as error:
        raise problem(f"the workgroup {settings.workgroup} cannot be updated", error) from error
    _wait(client, settings.workgroup, wanted)
    return "updated"


def _configuration(lake: Lake) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "EnforceWorkGroupConfiguration": False,
        "PublishCloudWatchMetricsEnabled": True,
        "ResultConfiguration": {"OutputLocation": lake.output},
        "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
    }
    gigabytes = lake.athena.statement_limit_gigabytes
    if gigabytes is not None:
        wanted["BytesScannedCutoffPerQuery"] = round(gigabytes * 1_000_000_000)
    return wanted


def seen(client: Any, name: str) -> dict[str, Any] | None:
    """A workgroup as Athena keeps it; ``None`` where there is none."""
    try:
        return dict(client.get_work_group(WorkGroup=name)["WorkGroup"])
    except (ClientError, BotoCoreError) as error:
        if error_code(error) == "InvalidRequestException" and "not found" in str(error):
            return None
        raise problem(f"the workgroup {name} cannot be seen", error) from error


def _create(client: Any, lake: Lake, wanted: dict[str, Any]) -> bool:
    """Create the workgroup; false where another run was quicker."""
    name = lake.athena.workgroup
    try:
        client.create_work_group(
            Name=name,
            Configuration=wanted,
            Description=f"Digital customer engagement: {lake.settings.project}",
            Tags=[{"Key": glue.OWNER, "Value": lake.settings.project}],
        )
    except (ClientError, BotoCoreError) as error:
        if "already" in str(error) and seen(client, name) is not None:
            return False
        raise problem(f"the workgroup {name} cannot be created", error) from error
    return True


def _wait(client: Any, name: str, wanted: dict[str, Any]) -> None:
    def look() -> dict[str, Any] | None:
        found = seen(client, name)
        there = found.get("Configuration", {}) if found else {}
        return found if all(_has(there, key, value) for key, value in wanted.items()) else None

    try:
        wait_until(look, f"the workgroup {name} to be as it was asked for")
    except AwsError as error:
        raise WarehouseError(str(error)) from error


def _is_ours(client: Any, lake: Lake) -> bool:
    """Whether a workgroup carries this project's tag."""
    name = lake.athena.workgroup
    try:
        identity = lake.client("sts").get_caller_identity()
        partition = identity["Arn"].split(":")[1]
        arn = f"arn:{partition}:athena:{lake.athena.region}:{identity['Account']}:workgroup/{name}"
        tags = client.list_tags_for_resource(ResourceARN=arn).get("Tags", [])
    except (ClientError, BotoCoreError) as error:
        raise problem(f"the tags of the workgroup {name} cannot be seen", error) from error
    return {"Key": glue.OWNER, "Value": lake.settings.project} in tags


def _refuse_unusable(name: str, found: Mapping[str, Any]) -> None:
    if found.get("State") == "DISABLED":
        raise WarehouseError(f"the workgroup {name} is disabled: enable it, or name another")


def _refuse_enforcing(name: str, configuration: Mapping[str, Any]) -> None:
    if configuration.get("EnforceWorkGroupConfiguration"):
        raise WarehouseError(
            f"the workgroup {name} enforces its own settings, so that no table can be written: "
            "set EnforceWorkGroupConfiguration to false, or name another workgroup"
        )


def check_workgroup(lake: Lake) -> str:
    """Say how the workgroup is, without changing it.

    Raises
    ------
    WarehouseError
        When no statement could run in it, or no table be written.
    """
    name = lake.athena.workgroup
    found = seen(lake.client("athena"), name)
    if found is None:
        return "not there yet: a run makes it (athena:CreateWorkGroup, athena:TagResource)"
    _refuse_unusable(name, found)
    there = found.get("Configuration", {})
    # One of this project's own is put right by the next run.
    if name == PRIMARY or not _is_ours(lake.client("athena"), lake):
        _refuse_enforcing(name, there)
    cutoff = there.get("BytesScannedCutoffPerQuery")
    return f"limit per statement: {cutoff / 1e9:g} GB" if cutoff else "no limit per statement"


def _has(there: Mapping[str, Any], key: str, value: Any) -> bool:
    if isinstance(value, dict):
        return all(there.get(key, {}).get(name) == inner for name, inner in value.items())
    return bool(there.get(key) == value)


# --- clean-up -----------------------------------------------------------------------------------


def clean(lake: Lake, keep_days: float, *, dry_run: bool = False) -> list[str]:
    """Remove files that no table points at since ``keep_days``, and what dead runs worked with.

    A folder that is found unused for the first time is marked, and goes when the mark is old
    enough: whoever reads it now can end.

    Returns
    -------
    list of str
        What was removed, or would be.
    """
    removed: list[str] = []
    with lake.s3_lease.hold("engagement clean") as token:
        shown = [
            table
            for database in lake.databases.values()
            for table in lake.catalog.tables(database).values()
        ]
        behind = {glue.physical(table) for table in shown} - {""}
        used = {glue.location(table).rstrip("/") for table in shown}
        for name in behind:
            used |= {at.rstrip("/") for at in _files_of(lake, name)}
        marks = _marks(lake)
        left: list[str] = []
        for name, table in lake.catalog.tables(lake.storage).items():
            at = glue.location(table).rstrip("/")
            if not name.startswith("w_") or name in behind:
                continue
            if at in used:
                # A dead run published its files, and they stay: nobody reads them by this name.
                left.append(name)
                continue
            marks.setdefault(at, None)
            if _is_over(marks[at], keep_days):
                left.append(name)
        removed += [f"{lake.storage}.{name}" for name in left]
        if not dry_run:
            lake.s3_lease.check(token)
            lake.catalog.drop(lake.storage, left)
        for at, marked in sorted(marks.items()):
            if at in used:
                continue
            folder = Address.parse(at, folder=True)
            if marked is None and not dry_run:
                mark_superseded(lake, folder)
            if _is_over(marked, keep_days):
                removed.append(str(folder))
                if not dry_run:
                    _empty(lake, folder)
    return removed


def _is_over(marked: float | None, keep_days: float) -> bool:
    """Whether a grace period is over; it starts where a folder is found unused first."""
    return (time.time() - marked if marked else 0.0) >= keep_days * _DAY


def _empty(lake: Lake, folder: Address) -> None:
    """Remove a folder's own files; the folders in it have marks of their own."""
    names = [found.name for found in lake.bucket.listing(folder) if "/" not in found.name]
    lake.bucket.remove(folder, names)


def _files_of(lake: Lake, name: str) -> list[str]:
    """Folders in which the files of a physical table are."""
    table = lake.catalog.table(lake.storage, name)
    whole = [glue.location(table)] if table else []
    return [*whole, *lake.catalog.dates(lake.storage, name).values()]


def _marks(lake: Lake) -> dict[str, float | None]:
    """Folders that hold files, and since when nothing points at each, where that is known."""
    found: dict[str, float | None] = {}
    for item in lake.bucket.listing(lake.files):
        folder, _, name = item.name.rpartition("/")
        at = f"{lake.files}{folder}"
        marked = item.changed if name == SUPERSEDED else None
        found[at] = marked or found.get(at)
    return found
