"""The engine that holds the tables, and where a run leaves its files."""

from __future__ import annotations

import typing
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticKnownError

from engagement.settings.redshift import Redshift
from engagement.settings.section import S3_ADDRESS, EngineSection, Section


class DuckDB(EngineSection):
    """The embedded engine: one local file.

    ``wait_seconds`` is how long to wait for another process that holds the file.
    ``memory_limit`` (as ``4GB``) bounds what a notebook's process may use, with what Python holds
    of the landing while it is read; left out, it is half of the machine's memory, or of what its
    control group allows. What does not fit is spilled to disk, beside the file. ``threads`` is how
    many a statement may use.
    """

    title: ClassVar[str] = "DuckDB"
    landing_in: ClassVar[Literal["folder", "s3"] | None] = "folder"

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


class Athena(EngineSection):
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

    title: ClassVar[str] = "Athena"
    landing_in: ClassVar[Literal["folder", "s3"] | None] = "s3"

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


class Postgres(EngineSection):
    """PostgreSQL, over the tables that RudderStack loads into it.

    ``host`` (a name, or the folder of its socket), ``port``, ``database``, ``user`` and ``sslmode``
    are what libpq's own settings (``PGHOST``, …) are where they are left out. The password comes
    from ``PGPASSWORD`` or ``~/.pgpass``, never from here. ``rudderstack_schema`` is where
    RudderStack loads; views over it are made in ``databases.events``. ``storage_schema`` holds the
    project's functions and lease (left out: the project's name and ``_storage``). A session that
    only reads takes on the role ``read_role``. ``wait_seconds`` bounds how long to wait for the
    server. ``work_mem`` is what one sort or hash of a statement may hold before it spills to disk;
    a server's own default, 4MB, is meant for many small statements at once. ``statement_seconds``
    ends a statement that takes longer (left out: the server's own ``statement_timeout``).
    """

    title: ClassVar[str] = "PostgreSQL"

    host: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    database: str | None = None
    user: str | None = None
    sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] | None = None
    rudderstack_schema: str | None = Field(default=None, pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    storage_schema: str | None = Field(default=None, pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    read_role: str | None = Field(default=None, min_length=1)
    wait_seconds: int = Field(default=10, ge=1)
    work_mem: str = Field(default="64MB", pattern=r"^[1-9][0-9]{0,5}(kB|MB|GB)$")
    statement_seconds: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _own_schemas(self) -> Self:
        if self.storage_schema is not None and self.storage_schema == self.rudderstack_schema:
            raise ValueError("storage_schema must be another than rudderstack_schema")
        return self


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
    """The engine that holds the tables, and the settings of each."""

    engine: str = "duckdb"
    duckdb: DuckDB = DuckDB()
    athena: Athena | None = None
    postgres: Postgres | None = None
    redshift: Redshift | None = None
    databases: Databases = Databases()

    @field_validator("engine")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in cls.engines():
            names = " or ".join(f"'{one}'" for one in cls.engines())
            raise PydanticKnownError("literal_error", {"expected": names})
        return name

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if getattr(self, self.engine) is None:
            fields = self.engines()[self.engine].model_fields
            required = " and ".join(name for name, one in fields.items() if one.is_required())
            raise ValueError(
                f"engine: {self.engine} needs a section '{self.engine}' with at least {required}"
            )
        return self

    @classmethod
    def engines(cls) -> dict[str, type[EngineSection]]:
        """The section of every engine, by the engine's name."""
        found = {}
        for name, field in cls.model_fields.items():
            for kind in (field.annotation, *typing.get_args(field.annotation)):
                if isinstance(kind, type) and issubclass(kind, EngineSection):
                    found[name] = kind
        return found


class Run(Section):
    """Where a run leaves its files.

    ``keep_runs`` is how many runs ``landing.run_statements`` remembers what they cost.
    ``keep_folders`` is how many runs keep their folders, the newest one included: a run removes
    older ones at its end, with their pages and exports (left out: none is removed).
    ``progress_seconds`` is how often ``engagement run`` prints what it is at where its output is no
    terminal, which shows it all the time (0: never).
    """

    directory: str = "runs"
    keep_runs: int = Field(default=100, ge=1)
    keep_folders: int | None = Field(default=None, ge=1)
    progress_seconds: float = Field(default=30, ge=0)
