"""Where a project's tables are on AWS, and the clients that reach them.

What works on them (the workgroup, clean-up, checks, erasure) takes a :class:`Lake`, not the
warehouse.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError

from engagement.aws import glue
from engagement.aws.s3 import Address, Bucket
from engagement.settings import Settings
from engagement.warehouse.athena.errors import problem
from engagement.warehouse.athena.estimate import Scans
from engagement.warehouse.athena.lease import S3Lease
from engagement.warehouse.athena.statements import Statements, client_config, connect
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.statements import StatementLog

_LEASE = "lease.json"
_FILES = "tables/"
_RESULTS = "query-results/"


class Lake:
    """The places and clients of one project.

    Attributes
    ----------
    data, files, landing
        The folders of everything that is written, of the tables' files, and of landed files.
    output
        The address of results of queries.
    databases, storage
        Names of the databases that people read, and of the one that a run works in.
    """

    def __init__(self, settings: Settings) -> None:
        athena = settings.warehouse.athena
        if athena is None:
            raise WarehouseError("warehouse.engine: athena needs a section 'warehouse.athena'")
        self.settings = settings
        self.athena = athena
        self.databases = settings.warehouse.databases.model_dump()
        self.storage = athena.storage_database or f"{settings.project.replace('-', '_')}_storage"
        self.data = Address.parse(athena.data_location, folder=True)
        self.landing = Address.parse(settings.landing.location, folder=True, raises=WarehouseError)
        self.files = self.data / _FILES
        self.output = athena.output_location or str(self.data / _RESULTS)
        self.log = StatementLog()
        self._clients: dict[str, Any] = {}

    @cached_property
    def _boto(self) -> boto3.session.Session:
        try:
            return boto3.session.Session(region_name=self.athena.region)
        except BotoCoreError as error:  # a profile that there is not, say
            raise problem("AWS cannot be reached", error) from error

    def client(self, service: str) -> Any:
        """A boto3 client that retries what AWS throttles; to make one takes a while."""
        made = self._clients.get(service)
        if made is None:
            config = client_config(self.athena)
            made = self._boto.client(service, config=config)  # type: ignore[call-overload]
        return self._clients.setdefault(service, made)

    @cached_property
    def bucket(self) -> Bucket:
        """S3."""
        return Bucket(self.client("s3"), WarehouseError)

    @cached_property
    def catalog(self) -> glue.Catalog:
        """Glue."""
        return glue.Catalog(self.client("glue"), self.settings.project, WarehouseError)

    @cached_property
    def statements(self) -> Statements:
        """Athena."""
        connection = connect(self._boto, self.athena, self.output)
        scans = Scans(self.catalog, self.bucket, self.files)
        return Statements(connection, self.bucket, self.athena, self.log, scans.estimate)

    @cached_property
    def s3_lease(self) -> S3Lease:
        """The lease of this project's tables."""
        return S3Lease(self.bucket.client, self.data / _LEASE, self.athena.lease_seconds)
