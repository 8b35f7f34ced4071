"""The external JSON table that people read the landing through."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from engagement.aws import glue
from engagement.aws.s3 import Address
from engagement.records.files import PARTITION as _PARTITION
from engagement.records.files import partition_of
from engagement.sql.dialect import Table
from engagement.warehouse.athena.lake import Lake


def define(lake: Lake, table: Table, location: str, columns: Mapping[str, str]) -> None:
    """Create the table, or replace it where it is not as it should be."""
    at, database = Address.parse(location, folder=True), lake.databases[table.database]
    wanted = glue.external_table(
        table.name,
        str(at),
        dict.fromkeys(columns, "varchar"),
        glue.json_serde(columns),
        partition_keys={_PARTITION: "varchar"},
        parameters=projection(lake, at),
        description="The landing, for reading by people: lossy, as such tables are.",
    )
    there = lake.catalog.table(database, table.name)
    if there is None or not glue.is_as(there, wanted):
        lake.catalog.put(database, wanted, is_new=there is None, seen=there)


def projection(lake: Lake, at: Address) -> dict[str, str]:
    """Partition projection on the received date, from the first day that landed."""
    wanted = lake.settings.landing
    folders = lake.bucket.folders(at)
    days = sorted(day for name in folders if (day := partition_of(f"{name}/x")))
    first = wanted.from_.isoformat() if wanted.from_ else (days or ["2020-01-01"])[0]
    last = wanted.to.isoformat() if wanted.to else "NOW"
    if last == "NOW" and days and days[-1] > date.today().isoformat():  # noqa: DTZ011
        last = days[-1]
    return {
        "projection.enabled": "true",
        f"projection.{_PARTITION}.type": "date",
        f"projection.{_PARTITION}.format": "yyyy-MM-dd",
        f"projection.{_PARTITION}.range": f"{first},{last}",
        f"projection.{_PARTITION}.interval": "1",
        f"projection.{_PARTITION}.interval.unit": "DAYS",
        "storage.location.template": f"{at}{_PARTITION}=${{{_PARTITION}}}/",
    }
