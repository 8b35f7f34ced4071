"""What Athena needs around the tables: a workgroup, permissions, and a clean-up now and then."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Set
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from engagement.warehouse import glue
from engagement.warehouse.base import Finding, WarehouseError
from engagement.warehouse.s3 import Address, error_code, problem

if TYPE_CHECKING:
    from engagement.warehouse.athena import AthenaWarehouse

PRIMARY = "primary"
"""The workgroup that every account has: it is never changed."""

SUPERSEDED = "_superseded"
"""Object in a folder that no table points at any more; its age is told from then on."""

_DAY = 24 * 60 * 60


# --- the workgroup ------------------------------------------------------------------------------


def ensure_workgroup(warehouse: AthenaWarehouse) -> str:
    """Make the workgroup of the parameters what it should be; says what was done.

    It has its own limit on bytes scanned per statement, and lets statements say where they write.

    Returns
    -------
    str
        ``left alone``, ``created``, ``updated`` or ``unchanged``.
    """
    settings, client = warehouse.athena, warehouse.client("athena")
    if settings.workgroup == PRIMARY:
        return "left alone"
    wanted: dict[str, Any] = {
        "EnforceWorkGroupConfiguration": False,
        "PublishCloudWatchMetricsEnabled": True,
        "ResultConfiguration": {"OutputLocation": warehouse.output},
    }
    if settings.statement_limit_gigabytes is not None:
        limit = round(settings.statement_limit_gigabytes * 1_000_000_000)
        wanted["BytesScannedCutoffPerQuery"] = limit
    try:
        found = client.get_work_group(WorkGroup=settings.workgroup)["WorkGroup"]
    except (ClientError, BotoCoreError) as error:
        if error_code(error) != "InvalidRequestException":
            raise problem(f"the workgroup {settings.workgroup} cannot be seen", error) from error
        _create(client, warehouse, wanted)
        return "created"
    there = found.get("Configuration", {})
    if all(_has(there, key, value) for key, value in wanted.items()):
        return "unchanged"
    updates = {
        "EnforceWorkGroupConfiguration": False,
        "PublishCloudWatchMetricsEnabled": True,
        "ResultConfigurationUpdates": wanted["ResultConfiguration"],
    }
    if "BytesScannedCutoffPerQuery" in wanted:
        updates["BytesScannedCutoffPerQuery"] = wanted["BytesScannedCutoffPerQuery"]
    try:
        client.update_work_group(WorkGroup=settings.workgroup, ConfigurationUpdates=updates)
    except (ClientError, BotoCoreError) as error:
        raise problem(f"the workgroup {settings.workgroup} cannot be updated", error) from error
    return "updated"


def _create(client: Any, warehouse: AthenaWarehouse, wanted: dict[str, Any]) -> None:
    name = warehouse.athena.workgroup
    try:
        client.create_work_group(
            Name=name,
            Configuration=wanted,
            Description="Digital customer engagement",
            Tags=[{"Key": glue.OWNER, "Value": warehouse.settings.project}],
        )
    except (ClientError, BotoCoreError) as error:
        raise problem(f"the workgroup {name} cannot be created", error) from error


def _has(there: dict[str, Any], key: str, value: Any) -> bool:
    if isinstance(value, dict):
        return all(there.get(key, {}).get(name) == inner for name, inner in value.items())
    return bool(there.get(key) == value)


# --- clean-up -----------------------------------------------------------------------------------


def clean(warehouse: AthenaWarehouse, keep_days: float, *, dry_run: bool = False) -> list[str]:
    """Remove files that no table points at since ``keep_days``, and what dead runs worked with.

    A folder that is found unused for the first time is marked, and goes when the mark is old
    enough: whoever reads it now can end.

    Returns
    -------
    list of str
        What was removed, or would be.
    """
    removed: list[str] = []
    with warehouse.lease("engagement clean") as token:
        shown = [
            table
            for database in warehouse.databases.values()
            for table in warehouse.catalog.tables(database).values()
        ]
        behind = {glue.physical(table) for table in shown} - {""}
        used = {glue.location(table).rstrip("/") for table in shown}
        for name in behind:
            used |= {at.rstrip("/") for at in _files_of(warehouse, name)}
        marks = _marks(warehouse)
        left: list[str] = []
        for name, table in warehouse.catalog.tables(warehouse.storage).items():
            at = glue.location(table).rstrip("/")
            if name.startswith("w_") and name not in behind and at not in used:
                marks.setdefault(at, None)
                if _is_over(marks[at], keep_days):
                    left.append(name)
        removed += [f"{warehouse.storage}.{name}" for name in left]
        if not dry_run:
            warehouse.s3_lease.check(token)
            warehouse.catalog.drop(warehouse.storage, left)
        for at, marked in sorted(marks.items()):
            if at in used:
                continue
            folder = Address.parse(at, folder=True)
            if marked is None and not dry_run:
                mark_superseded(warehouse, folder)
            if _is_over(marked, keep_days):
                removed.append(str(folder))
                if not dry_run:
                    _empty(warehouse, folder)
    return removed


def _is_over(marked: float | None, keep_days: float) -> bool:
    """Whether a grace period is over; it starts where a folder is found unused first."""
    return (time.time() - marked if marked else 0.0) >= keep_days * _DAY


def _empty(warehouse: AthenaWarehouse, folder: Address) -> None:
    """Remove a folder's own files; the folders in it have marks of their own."""
    names = [found.name for found in warehouse.bucket.listing(folder) if "/" not in found.name]
    warehouse.bucket.remove(folder, names)


def mark_superseded(warehouse: AthenaWarehouse, folder: Address) -> None:
    """Note that no table points at a folder from now on."""
    warehouse.bucket.write(folder / SUPERSEDED, b"")


def mark_partitions(warehouse: AthenaWarehouse, name: str, days: Set[str] | None) -> None:
    """Note that nothing points any more at some partitions of a physical table, or at all (None).

    The table itself goes too, when its time has come.
    """
    if not name:
        return
    for day, at in warehouse.catalog.partitions(warehouse.storage, name).items():
        if (days is None or day in days) and at.startswith(str(warehouse.files)):
            mark_superseded(warehouse, Address.parse(at, folder=True))
    table = warehouse.catalog.table(warehouse.storage, name)
    at = glue.location(table) if table else ""
    if at.startswith(str(warehouse.files)):
        mark_superseded(warehouse, Address.parse(at, folder=True))


def _files_of(warehouse: AthenaWarehouse, name: str) -> list[str]:
    """Folders in which the files of a physical table are."""
    table = warehouse.catalog.table(warehouse.storage, name)
    whole = [glue.location(table)] if table else []
    return [*whole, *warehouse.catalog.partitions(warehouse.storage, name).values()]


def _marks(warehouse: AthenaWarehouse) -> dict[str, float | None]:
    """Folders that hold files, and since when nothing points at each, where that is known."""
    found: dict[str, float | None] = {}
    for item in warehouse.bucket.listing(warehouse.files):
        folder, _, name = item.name.rpartition("/")
        at = f"{warehouse.files}{folder}"
        marked = item.changed if name == SUPERSEDED else None
        found[at] = marked or found.get(at)
    return found


# --- permissions --------------------------------------------------------------------------------


def findings(warehouse: AthenaWarehouse) -> Iterator[Finding]:
    """Try one by one what a run needs on AWS, without changing any table."""
    storage = warehouse.storage
    probe = warehouse.data / f"check-{secrets.token_hex(4)}"
    output = Address.parse(warehouse.output, folder=True)

    def identity() -> str:
        arn = warehouse.client("sts").get_caller_identity()["Arn"]
        return str(arn.rsplit(":", 1)[-1])

    def read_landing() -> str:
        first = next(iter(warehouse.bucket.listing(warehouse.landing)), None)
        if first is None:
            return "it is empty"
        warehouse.bucket.read(warehouse.landing / first.name)
        return "its files can be listed and read"

    def write(at: Address) -> str:
        warehouse.bucket.write(at, b"probe")
        warehouse.bucket.read(at)
        warehouse.bucket.client.delete_object(Bucket=at.bucket, Key=at.key)
        return "written, read and deleted an object"

    def catalog() -> str:
        names = [*warehouse.databases.values(), storage]
        there = [name for name in names if warehouse.catalog.has_database(name)]
        return f"{len(there)} of {len(names)} databases are there"

    def write_catalog() -> str:
        if not warehouse.catalog.has_database(storage):
            return "not tried: 01 makes the databases"
        name = f"check_{secrets.token_hex(4)}"
        at = str(warehouse.data / f"{name}/")
        table = glue.external_table(name, at, {"one": "integer"}, glue.PARQUET)
        warehouse.catalog.put(storage, table)
        warehouse.catalog.drop(storage, [name])
        return "a table was created and dropped"

    def workgroup() -> str:
        name = warehouse.athena.workgroup
        found = warehouse.client("athena").get_work_group(WorkGroup=name)["WorkGroup"]
        if found.get("State") == "DISABLED":
            raise WarehouseError(f"the workgroup {name} is disabled: enable it")
        configuration = found.get("Configuration", {})
        if configuration.get("EnforceWorkGroupConfiguration"):
            raise WarehouseError(
                f"the workgroup {name} enforces its own settings, so that no table can be "
                "written: set EnforceWorkGroupConfiguration to false, or name another workgroup"
            )
        cutoff = configuration.get("BytesScannedCutoffPerQuery")
        return f"limit per statement: {cutoff / 1e9:g} GB" if cutoff else "no limit per statement"

    def statement() -> str:
        warehouse.statements.query("select 1 as one", "check")
        return "a statement ran, and its result was read"

    tried: list[tuple[str, Callable[[], str], str]] = [
        ("AWS identity", identity, "sts:GetCallerIdentity"),
        ("landing bucket", read_landing, "s3:ListBucket and s3:GetObject on the landing"),
        (
            "data location",
            lambda: write(probe),
            (
                "s3:PutObject, s3:GetObject, s3:DeleteObject there; with a KMS key of its own also "
                "kms:GenerateDataKey and kms:Decrypt"
            ),
        ),
        ("Glue, reading", catalog, "glue:GetDatabase, and in Lake Formation DESCRIBE"),
        (
            "Glue, writing",
            write_catalog,
            (
                "glue:CreateTable, glue:UpdateTable, glue:DeleteTable, and in Lake Formation "
                "CREATE_TABLE, ALTER, DROP and the data location"
            ),
        ),
        ("workgroup", workgroup, "athena:GetWorkGroup"),
        (
            "output location",
            lambda: write(output / f"check-{secrets.token_hex(4)}"),
            "s3:PutObject and s3:GetObject there",
        ),
        (
            "statement",
            statement,
            "athena:StartQueryExecution, athena:GetQueryExecution, athena:GetQueryResults",
        ),
    ]
    for name, attempt, permission in tried:
        try:
            yield Finding(name, True, attempt())
        except (ClientError, BotoCoreError, WarehouseError) as error:
            said = str(error) if isinstance(error, WarehouseError) else str(problem(name, error))
            yield Finding(name, False, said, f"needs {permission}")
