"""The engine that holds the tables, and where a run leaves its files."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from engagement.settings.section import (
    S3_ADDRESS,
    Section,
)


class DuckDB(Section):
    """The embedded engine: one local file.

    ``wait_seconds`` is how long to wait for another process that holds the file.
    ``memory_limit`` (as ``4GB``) bounds what a notebook's process may use, with what Python holds
    of the landing while it is read; left out, it is half of the machine's memory, or of what its
    control group allows. What does not fit is spilled to disk, beside the file. ``threads`` is how
    many a statement may use.
    """

    path: str = "warehouse/engagement.duckdb"
    wait_seconds: float = Field(default=60, ge=0)
    memory_limit: str | None = Field(default=None, pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$")
    threads: int | None = Field(default=None, ge=1)

    @field_validator("path")
    @classmethod
    def _no_question_mark(cls, value: str) -> str:
        if "?" in value:
            raise ValueError(
                f"'{value}': the engine reads what follows a '?' as options, not as part of the "
                "file's name; leave the '?' out"
            )
        return value


class Athena(Section):
    """The production engine: Athena over Glue and S3.

    ``data_location`` is the folder under which every table's files are written, and
    ``output_location`` the one for query results (left out: ``query-results/`` below it).
    ``storage_database`` holds what a run works with (left out: the project's name and
    ``_storage``). ``compression`` is that of tables' Parquet files. ``poll_seconds`` is how often a
    statement is asked after, ``concurrency`` how many run at once, ``attempts`` how often what AWS
    throttles is tried. ``spending_limit_usd`` stops a run before the statement that might pass it;
    a terabyte scanned costs ``usd_per_terabyte``; ``statement_limit_gigabytes`` is the workgroup's
    own cut-off (left out: as it is there). A run that shows no sign of life for ``lease_seconds``
    has lost its lease. ``keep_days`` is the grace period of ``engagement clean``.
    """

    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")
    workgroup: str = Field(default="primary", pattern=r"^[a-zA-Z0-9._-]{1,128}$")
    data_location: str = Field(pattern=S3_ADDRESS)
    output_location: str | None = Field(default=None, pattern=S3_ADDRESS)
    storage_database: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,120}$")
    compression: Literal["ZSTD", "SNAPPY", "GZIP"] = "ZSTD"
    poll_seconds: float = Field(default=0.5, gt=0, le=60)
    concurrency: int = Field(default=4, ge=1, le=20)
    attempts: int = Field(default=8, ge=1, le=20)
    spending_limit_usd: float | None = Field(default=None, gt=0)
    statement_limit_gigabytes: float | None = Field(default=None, ge=0.01)
    usd_per_terabyte: float = Field(default=5.0, ge=0)
    lease_seconds: int = Field(default=120, ge=1)
    keep_days: int = Field(default=7, ge=0)


class Databases(Section):
    """Physical names of the three logical databases: DuckDB schemas or Glue databases."""

    landing: str = Field(default="landing", pattern=r"^[a-z][a-z0-9_]{0,120}$")
    events: str = Field(default="events", pattern=r"^[a-z][a-z0-9_]{0,120}$")
    marts: str = Field(default="marts", pattern=r"^[a-z][a-z0-9_]{0,120}$")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({self.landing, self.events, self.marts}) < 3:
            raise ValueError("the three databases must have three different names")
        return self


class Warehouse(Section):
    """The engine that holds the tables."""

    engine: Literal["duckdb", "athena"] = "duckdb"
    duckdb: DuckDB = DuckDB()
    athena: Athena | None = None
    databases: Databases = Databases()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.engine == "athena" and self.athena is None:
            raise ValueError(
                "engine: athena needs a section 'athena' with at least region and data_location"
            )
        return self


class Run(Section):
    """Where a run leaves its files.

    ``keep_runs`` is how many runs ``landing.run_statements`` remembers what they cost.
    """

    directory: str = "runs"
    keep_runs: int = Field(default=100, ge=1)
