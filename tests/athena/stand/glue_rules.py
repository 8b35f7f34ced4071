"""What the real Glue does and moto's does not: defaults, limits, the version check."""

from collections.abc import Mapping
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.glue.models import GlueBackend

from .errors import ServiceError

Parameters = dict[str, Any]

_NO_STATISTICS: Parameters = {"ColumnStatisticsList": [], "Errors": []}
FIXED_ANSWERS: Mapping[str, Parameters] = {
    "GetColumnStatisticsForTable": _NO_STATISTICS,
    "GetColumnStatisticsForPartition": _NO_STATISTICS,
    "UpdateColumnStatisticsForTable": {"Errors": []},
    "UpdateColumnStatisticsForPartition": {"Errors": []},
    "DeleteColumnStatisticsForTable": {},
    "DeleteColumnStatisticsForPartition": {},
    "GetUserDefinedFunctions": {"UserDefinedFunctions": []},
}
"""Answers to operations that moto does not have."""

_QUICK = ("GetTable", "GetTables", "GetPartitions", "BatchGetPartition")
_VIEW_OWNER = "athena"
_LARGEST_BATCHES = {
    "BatchCreatePartition": ("PartitionInputList", 100),
    "BatchUpdatePartition": ("Entries", 100),
    "BatchDeletePartition": ("PartitionsToDelete", 25),
    "BatchGetPartition": ("PartitionsToGet", 1000),
    "BatchDeleteTable": ("TablesToDelete", 100),
}


def prepare(backend: GlueBackend, operation: str, parameters: Parameters) -> Parameters:
    """Check a request as Glue does, and fill in what Glue fills in.

    Raises
    ------
    ServiceError
        A batch is too large, or the table has changed since the version that was named.
    """
    _check_batch(operation, parameters)
    match operation:
        case "CreateDatabase":
            _lower_case(parameters["DatabaseInput"])
        case "CreateTable" | "UpdateTable":
            _lower_case(parameters["TableInput"])
            _fill_table(parameters["TableInput"])
        case "CreatePartition" | "UpdatePartition":
            _fill_partition(parameters["PartitionInput"])
        case "BatchCreatePartition":
            for partition in parameters["PartitionInputList"]:
                _fill_partition(partition)
        case "BatchUpdatePartition":
            for entry in parameters["Entries"]:
                _fill_partition(entry["PartitionInput"])
    if operation == "UpdateTable" and parameters.get("VersionId") is not None:
        _check_version(backend, parameters)
    return parameters


def finish(backend: GlueBackend, operation: str, parameters: Parameters) -> None:
    """Put right what moto made of a request: versions count from 0, unless archived no more."""
    if operation not in ("CreateTable", "UpdateTable"):
        return
    table = backend.get_table(parameters["DatabaseName"], parameters["TableInput"]["Name"])
    current = int(table.as_dict()["VersionId"])
    if operation == "CreateTable":
        table.versions["0"] = table.versions.pop(str(current))
        table._current_version = 0
    elif parameters.get("SkipArchive"):
        table.versions.pop(str(current - 1), None)


def quick_answer(
    backend: GlueBackend, operation: str, parameters: Parameters, *, for_engine: bool
) -> Parameters | None:
    """Answer what is asked most often past moto, or return None where moto is to answer.

    Moto writes answers by Glue's model, value by value: sixty partitions take it a tenth of a
    second. Where it has no answer but an error, it is left to tell it.

    Trino wants to know the owner of a view. Athena reads views without one, as they are when
    they are made through Glue's API, so for the engine's eyes every view has one.
    """
    if operation not in _QUICK:
        return None
    database = parameters["DatabaseName"]
    try:
        match operation:
            case "GetTable":
                tables = [backend.get_table(database, parameters["Name"]).as_dict()]
            case "GetTables":
                found = backend.get_tables(database, parameters.get("Expression"))
                tables = [table.as_dict() for table in found]
            case "GetPartitions":
                found = backend.get_partitions(
                    database, parameters["TableName"], parameters.get("Expression")
                )
                return {"Partitions": [one.as_dict() for one in found]}
            case _:
                wanted = parameters["PartitionsToGet"]
                found = backend.batch_get_partition(database, parameters["TableName"], wanted)
                return {"Partitions": found, "UnprocessedKeys": []}
    except JsonRESTError:
        return None
    for table in tables:
        if for_engine and table.get("TableType") == "VIRTUAL_VIEW" and not table.get("Owner"):
            table["Owner"] = _VIEW_OWNER
    return {"Table": tables[0]} if operation == "GetTable" else {"TableList": tables}


def _check_batch(operation: str, parameters: Parameters) -> None:
    if operation in _LARGEST_BATCHES:
        name, largest = _LARGEST_BATCHES[operation]
        if len(parameters.get(name, [])) > largest:
            raise ServiceError(
                "ValidationException",
                f"1 validation error detected: Value at '{name}' failed to satisfy constraint: "
                f"Member must have length less than or equal to {largest}",
            )


def _check_version(backend: GlueBackend, parameters: Parameters) -> None:
    table = backend.get_table(parameters["DatabaseName"], parameters["TableInput"]["Name"])
    if table.as_dict()["VersionId"] != str(parameters["VersionId"]):
        raise ServiceError(
            "ConcurrentModificationException",
            "Update table failed due to concurrent modifications.",
        )


def _lower_case(described: Parameters) -> None:
    described["Name"] = described["Name"].lower()


def _fill_table(table: Parameters) -> None:
    table.setdefault("Parameters", {})
    table.setdefault("PartitionKeys", [])
    table.setdefault("Retention", 0)
    table["StorageDescriptor"] = _filled(table.get("StorageDescriptor") or {})


def _fill_partition(partition: Parameters) -> None:
    partition.setdefault("Parameters", {})
    partition["StorageDescriptor"] = _filled(partition.get("StorageDescriptor") or {})


def _filled(descriptor: Parameters) -> Parameters:
    serde = {"Parameters": {}, **(descriptor.get("SerdeInfo") or {})}
    return {
        "Columns": [],
        "Compressed": False,
        "NumberOfBuckets": 0,
        "BucketColumns": [],
        "SortColumns": [],
        "Parameters": {},
        "StoredAsSubDirectories": False,
        **descriptor,
        "SerdeInfo": serde,
    }
