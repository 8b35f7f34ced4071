"""Redshift: where it is, how to log in, and what is staged in S3 beside it."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from engagement.settings.section import S3_ADDRESS, EngineSection

_NAME = r"^[a-z_][a-z0-9_]{0,126}$"
_ROLE = r"^(default|arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+)$"


class Redshift(EngineSection):
    """Redshift, over the tables that RudderStack loads into it.

    ``connect`` says how: ``password`` and ``iam`` over a connection, which needs the package
    ``redshift_connector``, ``data_api`` by calls of the Data API, where no connection is possible.
    ``workgroup`` names one of Serverless, ``cluster`` a provisioned one, ``region`` where either
    is. ``host`` may be left out where IAM finds it. For ``password``, the password is in the
    variable ``REDSHIFT_PASSWORD`` or in the secret ``secret_arn`` of Secrets Manager, never here;
    the Data API takes ``secret_arn``, else who calls it is the user (or ``user``, of a cluster). A
    session that only reads logs in as ``read_user`` or by ``read_secret_arn``, where one is named;
    the password of the former is in ``REDSHIFT_READ_PASSWORD``.

    ``rudderstack_schema`` is where RudderStack loads; views over it are made in
    ``databases.events``. ``storage_schema`` holds the project's functions and lease (left out: the
    project's name and ``_storage``). ``staging_location`` is a folder of S3 that Redshift may
    unload to and copy from as ``staging_role`` (``default``: the role that is the warehouse's
    default); without it, large exports go through this machine.

    ``statement_seconds`` ends a statement that takes longer, ``poll_seconds`` is the first pause
    before the Data API is asked again. A run that shows no sign of life for ``lease_seconds`` has
    lost its lease. ``wait_seconds`` bounds how long to wait for a connection.
    """

    title: ClassVar[str] = "Redshift"
    landing_in: ClassVar[Literal["folder", "s3"] | None] = None

    connect: Literal["password", "iam", "data_api"] = "password"
    host: str | None = None
    port: int = Field(default=5439, ge=1, le=65535)
    database: str = Field(default="dev", min_length=1)
    user: str | None = Field(default=None, min_length=1)
    region: str | None = Field(default=None, pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")
    workgroup: str | None = Field(default=None, pattern=r"^[a-z0-9-]{3,63}$")
    cluster: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
    secret_arn: str | None = Field(default=None, min_length=1)
    sslmode: Literal["disable", "verify-ca", "verify-full"] = "verify-full"
    rudderstack_schema: str | None = Field(default=None, pattern=_NAME)
    storage_schema: str | None = Field(default=None, pattern=_NAME)
    read_user: str | None = Field(default=None, min_length=1)
    read_secret_arn: str | None = Field(default=None, min_length=1)
    staging_location: str | None = Field(default=None, pattern=S3_ADDRESS)
    staging_role: str | None = Field(default=None, pattern=_ROLE)
    wait_seconds: int = Field(default=30, ge=1)
    statement_seconds: int = Field(default=3600, ge=1)
    poll_seconds: float = Field(default=0.25, gt=0, le=60)
    lease_seconds: int = Field(default=300, ge=1)

    @model_validator(mode="after")
    def _how_to_log_in(self) -> Self:
        if self.workgroup and self.cluster:
            raise ValueError("name a workgroup (Serverless) or a cluster, not both")
        if self.connect == "password":
            if not self.host:
                raise ValueError("connect: password needs host")
            if not (self.user or self.secret_arn):
                raise ValueError("connect: password needs user, or secret_arn")
        elif not (self.region and (self.workgroup or self.cluster)):
            raise ValueError(f"connect: {self.connect} needs region, and workgroup or cluster")
        return self

    @model_validator(mode="after")
    def _own_schemas(self) -> Self:
        if self.storage_schema is not None and self.storage_schema == self.rudderstack_schema:
            raise ValueError("storage_schema must be another than rudderstack_schema")
        return self

    @model_validator(mode="after")
    def _staging(self) -> Self:
        if (self.staging_location is None) != (self.staging_role is None):
            raise ValueError("staging_location and staging_role belong together")
        return self
