"""The Glue catalog: databases, tables, columns, and the one call that moves a table's pointer."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from engagement.aws.errors import AwsError
from engagement.aws.s3 import error_code, problem
from engagement.errors import FailedError
from engagement.records.files import PARTITION

_TRINO = {
    "string": "varchar",
    "int": "integer",
    "float": "real",
    "timestamp": "timestamp(3)",
    "binary": "varbinary",
}
_HIVE = {
    "varchar": "string",
    "integer": "int",
    "real": "float",
    "timestamp(3)": "timestamp",
    "varbinary": "binary",
}
OWNER = "engagement.project"
"""Table parameter that says which project made a table."""

PHYSICAL = "engagement.physical"
"""Parameter of a view that carries a table's name: the physical table behind it."""

_CHANGED = {
    "AlreadyExistsException",
    "ConcurrentModificationException",
    "EntityNotFoundException",
    "VersionMismatchException",
}
"""What Glue says where a table is not as the call takes it to be."""

MOST_AT_ONCE = 100
"""Partitions that one call creates."""

_TABLE_INPUT = (
    "Name",
    "Description",
    "Owner",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
)


def trino_type(kind: str) -> str:
    """Athena's name of a type of the catalog; a text's length is left out."""
    kind = kind.strip().lower()
    if kind.startswith("array<"):
        return f"array({trino_type(kind[6:-1])})"
    if re.match(r"(var)?char\(", kind):
        return "varchar"
    return _TRINO.get(kind, kind.replace(" ", ""))


def hive_type(kind: str) -> str:
    """The catalog's name of an Athena type."""
    kind = kind.strip().lower()
    if kind.startswith("array("):
        return f"array<{hive_type(kind[6:-1])}>"
    if re.match(r"(var)?char\(", kind):
        return "string"
    return _HIVE.get(kind, kind.replace(" ", ""))


class Catalog:
    """Calls on Glue, with errors that say on what.

    Parameters
    ----------
    raises
        The type of these errors.
    """

    def __init__(self, client: Any, project: str, raises: type[FailedError] = AwsError) -> None:
        self._client = client
        self._project = project
        self.raises = raises

    def _problem(self, what: str, error: Exception) -> FailedError:
        return problem(what, error, self.raises)

    def has_database(self, name: str) -> bool:
        """Whether there is such a database."""
        try:
            self._client.get_database(Name=name)
        except (ClientError, BotoCoreError) as error:
            if error_code(error) == "EntityNotFoundException":
                return False
            raise self._problem(f"the Glue database {name} cannot be looked up", error) from error
        return True

    def ensure_database(self, name: str) -> None:
        """Create a database unless it is there."""
        if self.has_database(name):
            return
        try:
            self._client.create_database(
                DatabaseInput={
                    "Name": name,
                    "Description": f"Digital customer engagement: {self._project}",
                    "Parameters": {OWNER: self._project},
                }
            )
        except (ClientError, BotoCoreError) as error:
            if error_code(error) != "AlreadyExistsException":
                raise self._problem(f"the Glue database {name} cannot be created", error) from error

    def tables(self, database: str) -> dict[str, dict[str, Any]]:
        """Tables of a database by name, sorted; none where there is no database."""
        try:
            pages = self._client.get_paginator("get_tables").paginate(DatabaseName=database)
            found: dict[str, dict[str, Any]] = {
                table["Name"]: dict(table) for page in pages for table in page["TableList"]
            }
        except (ClientError, BotoCoreError) as error:
            if error_code(error) == "EntityNotFoundException":
                return {}
            raise self._problem(f"the tables of {database} cannot be listed", error) from error
        return dict(sorted(found.items()))

    def table(self, database: str, name: str) -> dict[str, Any] | None:
        """A table as Glue keeps it; ``None`` where there is none."""
        try:
            return dict(self._client.get_table(DatabaseName=database, Name=name)["Table"])
        except (ClientError, BotoCoreError) as error:
            if error_code(error) == "EntityNotFoundException":
                return None
            raise self._problem(
                f"the table {database}.{name} cannot be looked up", error
            ) from error

    def partitions(self, database: str, name: str) -> list[tuple[list[str], str]]:
        """The partitions that a table has in the catalog: their values, and where each lies.

        None where there is no table.
        """
        try:
            pages = self._client.get_paginator("get_partitions").paginate(
                DatabaseName=database, TableName=name, ExcludeColumnSchema=True
            )
            return [
                (list(found["Values"]), str(found["StorageDescriptor"]["Location"]))
                for page in pages
                for found in page["Partitions"]
            ]
        except (ClientError, BotoCoreError) as error:
            if error_code(error) == "EntityNotFoundException":
                return []
            raise self._problem(
                f"the partitions of {database}.{name} cannot be listed", error
            ) from error

    def put(
        self,
        database: str,
        table: Mapping[str, Any],
        *,
        is_new: bool = False,
        seen: Mapping[str, Any] | None = None,
    ) -> None:
        """Create a table, or make it what is given, in one call that takes effect.

        The call names the version of the table that it replaces, and Glue refuses it when somebody
        else has changed the table since.

        Parameters
        ----------
        is_new
            There should be none of this name: creating it is tried first.
        seen
            The table as it was when the work began; left out, it is looked up now.

        Raises
        ------
        AwsError
            When the table was changed meanwhile, or cannot be made.
        """
        wanted: Any = table_input(table)
        name = wanted["Name"]
        before = None if is_new else seen or self.table(database, name)
        try:
            if before is None:
                self._client.create_table(DatabaseName=database, TableInput=wanted)
            else:
                version = {"VersionId": before["VersionId"]} if before.get("VersionId") else {}
                self._client.update_table(
                    DatabaseName=database, TableInput=wanted, SkipArchive=True, **version
                )
        except (ClientError, BotoCoreError) as error:
            code = error_code(error)
            # Nothing to create it in: there is no such database.
            if code not in _CHANGED or (before is None and code == "EntityNotFoundException"):
                raise self._problem(f"the table {database}.{name} cannot be made", error) from error
            # Where an answer was lost, the same call was made again: then it is there already.
            there = self.table(database, name)
            if there is not None and is_as(there, wanted):
                return
            if there is None:
                self.put(database, table, is_new=True)
                return
            raise self.raises(
                f"the table {database}.{name} was changed by somebody else meanwhile, and was left "
                "as it is. Only one run may write at a time: see who else does, and run again."
            ) from None

    def dates(self, database: str, name: str) -> dict[str, str]:
        """Partitions of a table by received date, with where each one's files are."""
        if not name:
            return {}
        return {values[0]: at for values, at in self.partitions(database, name)}

    def add_partitions(
        self, database: str, name: str, columns_: Mapping[str, str], at: Mapping[str, str]
    ) -> None:
        """Give a table partitions whose files are there already, by received date."""
        days = sorted(at)
        for start in range(0, len(days), MOST_AT_ONCE):
            some = days[start : start + MOST_AT_ONCE]
            entries: Any = [
                {
                    "Values": [day],
                    "StorageDescriptor": _descriptor(
                        _without_partition(columns_), at[day], PARQUET
                    ),
                }
                for day in some
            ]
            try:
                answer = self._client.batch_create_partition(
                    DatabaseName=database, TableName=name, PartitionInputList=entries
                )
            except (ClientError, BotoCoreError) as error:
                raise self._problem(
                    f"partitions of {database}.{name} cannot be made", error
                ) from error
            for failed in answer.get("Errors", []):
                detail = failed.get("ErrorDetail", {})
                raise self._problem(
                    f"the partition {failed.get('PartitionValues')} of {database}.{name} cannot be "
                    "made",
                    RuntimeError(f"{detail.get('ErrorCode')}: {detail.get('ErrorMessage')}"),
                )

    def drop(self, database: str, names: list[str]) -> None:
        """Remove tables from the catalog, not their files; no error where there is none."""
        for start in range(0, len(names), 100):
            some = names[start : start + 100]
            try:
                answer = self._client.batch_delete_table(DatabaseName=database, TablesToDelete=some)
            except (ClientError, BotoCoreError) as error:
                raise self._problem(f"tables of {database} cannot be dropped", error) from error
            for failed in answer.get("Errors", []):
                detail = failed.get("ErrorDetail", {})
                if detail.get("ErrorCode") != "EntityNotFoundException":
                    raise self._problem(
                        f"{database}.{failed.get('TableName')} cannot be dropped",
                        RuntimeError(f"{detail.get('ErrorCode')}: {detail.get('ErrorMessage')}"),
                    )


def columns(table: Mapping[str, Any]) -> dict[str, str]:
    """Column names and Athena types of a table as Glue keeps it, partitions last."""
    found = [*table["StorageDescriptor"].get("Columns", []), *table.get("PartitionKeys", [])]
    return {column["Name"]: trino_type(column.get("Type", "string")) for column in found}


def physical(table: Mapping[str, Any]) -> str:
    """Name of the physical table behind a view; empty for a table."""
    return str(table.get("Parameters", {}).get(PHYSICAL, ""))


def location(table: Mapping[str, Any]) -> str:
    """Where a table's files are; empty for a view."""
    return str(table["StorageDescriptor"].get("Location", "") or "")


def table_input(table: Mapping[str, Any]) -> dict[str, Any]:
    """What Glue takes of what it gives back."""
    return {key: table[key] for key in _TABLE_INPUT if key in table}


def is_as(there: Any, wanted: Any) -> bool:
    """Whether a table is what is wanted; what Glue adds of its own does not count."""
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(
            is_as(there.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(there, list)
            and len(there) == len(wanted)
            and all(is_as(one, other) for one, other in zip(there, wanted, strict=True))
        )
    return bool(there == wanted) or (there is None and not wanted)


PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
_TEXT = {
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
}
LINES = {
    **_TEXT,
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
        # A line is one field, whatever stands in it: no other delimiter, and no text reads as NULL.
        "Parameters": {"field.delim": "\n", "serialization.null.format": "\x02"},
    },
}


def json_serde(keys: Mapping[str, str]) -> dict[str, Any]:
    """Storage of JSON lines for reading by people; ``keys`` maps columns to keys."""
    mapping = {f"mapping.{column}": key for column, key in keys.items() if column != key}
    return {
        **_TEXT,
        "SerdeInfo": {
            "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
            "Parameters": {"ignore.malformed.json": "true", **mapping},
        },
    }


def external_table(
    name: str,
    at: str,
    columns_: Mapping[str, str],
    storage: Mapping[str, Any],
    *,
    partition_keys: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    description: str = "",
) -> dict[str, Any]:
    """What Glue takes for an external table, with the defaults that it fills in written out."""
    return {
        "Name": name,
        "Description": description,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", **(parameters or {})},
        "PartitionKeys": [
            {"Name": key, "Type": hive_type(kind)} for key, kind in (partition_keys or {}).items()
        ],
        "StorageDescriptor": _descriptor(columns_, at, storage),
    }


def _descriptor(columns_: Mapping[str, str], at: str, storage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Columns": [{"Name": key, "Type": hive_type(kind)} for key, kind in columns_.items()],
        "Location": at,
        "Compressed": False,
        "NumberOfBuckets": -1,
        "StoredAsSubDirectories": False,
        "BucketColumns": [],
        "SortColumns": [],
        "Parameters": {},
        **storage,
    }


def _without_partition(columns_: Mapping[str, str]) -> dict[str, str]:
    return {name: kind for name, kind in columns_.items() if name != PARTITION}


def partitioned(
    catalog: Catalog, database: str, name: str, columns_: Mapping[str, str]
) -> dict[str, Any]:
    """A physical table as it is, but with these columns."""
    found = catalog.table(database, name)
    if found is None:
        raise catalog.raises(f"{database}.{name}: it is gone; was it removed meanwhile?")
    table = table_input(found)
    table["StorageDescriptor"] = {
        **table["StorageDescriptor"],
        "Columns": [
            {"Name": key, "Type": hive_type(kind)}
            for key, kind in _without_partition(columns_).items()
        ],
    }
    return table


def view(
    name: str,
    sql: str,
    database: str,
    columns_: Mapping[str, str],
    *,
    parameters: Mapping[str, str],
) -> dict[str, Any]:
    """What Glue takes for a view, in the form in which Athena itself writes one."""
    definition = {
        "originalSql": sql,
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": key, "type": kind} for key, kind in columns_.items()],
        "owner": "engagement",
        "runAsInvoker": False,
    }
    text = base64.b64encode(json.dumps(definition).encode()).decode()
    return {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "ViewOriginalText": f"/* Presto View: {text} */",
        "ViewExpandedText": "/* Presto View */",
        "Parameters": {"presto_view": "true", "comment": "Presto View", **parameters},
        "PartitionKeys": [],
        "StorageDescriptor": _descriptor(columns_, "", {"SerdeInfo": {"Parameters": {}}}),
    }
