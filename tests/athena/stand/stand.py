"""The stand as one object: what it offers to tests, and how it starts and stops."""

import os
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from moto.athena.models import athena_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

from . import shortcut
from .access import AwsAccess, AwsClient
from .assemble import ensure_assembled
from .athena import AthenaService
from .aws import AwsApplication, AwsServer
from .engine_storage import EngineStorage
from .errors import StandError
from .executions import StatementRecord
from .faults import Faults
from .listings import quick_listings
from .snapshots import Snapshots
from .trino_host import HOST, TrinoHost, trino_host
from .trino_server import (
    UNLOAD_CATALOG,
    UNLOAD_DATABASE,
    UNLOAD_REGION,
    TrinoServer,
    start_trino,
)

REGION = "us-east-1"
BUCKET = "engagement-stand"
_ONE_IN_A_PROCESS = threading.Lock()


@dataclass(frozen=True)
class Stand:
    """Athena, Glue and S3 on this machine.

    Attributes
    ----------
    access : AwsAccess
        Address, region and keys of the services.
    bucket : str
        A bucket that is there from the start; every test keeps to a prefix of its own.
    faults : Faults
        Which calls go wrong.
    snapshots : Snapshots
        Copies of what lies in the bucket and in Glue, for tests that begin with the same.
    """

    access: AwsAccess
    bucket: str
    faults: Faults
    snapshots: Snapshots
    _engine: TrinoServer = field(repr=False)
    _athena: AthenaService = field(repr=False)

    @property
    def endpoint_url(self) -> str:
        """Where the AWS services answer."""
        return self.access.url

    @property
    def region(self) -> str:
        """The region that everything is in."""
        return self.access.region

    @property
    def trino_host(self) -> str:
        """Where Trino answers."""
        return HOST

    @property
    def trino_port(self) -> int:
        """Where Trino answers."""
        return self._engine.port

    @property
    def host(self) -> TrinoHost:
        """The process that Trino runs in."""
        return self._engine.host

    @property
    def log_path(self) -> Path:
        """The log of the process that Trino runs in."""
        return self.host.log_path

    @property
    def started_in_seconds(self) -> float:
        """How long Trino took to answer."""
        return self._engine.started_in_seconds

    @property
    def statements(self) -> tuple[StatementRecord, ...]:
        """Every statement sent to Athena so far, oldest first."""
        return self._athena.statements

    def environment(self) -> dict[str, str]:
        """Return the variables with which another process reaches the stand, and only it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access.access_key,
            "AWS_SECRET_ACCESS_KEY": self.access.secret_key,
            "AWS_SESSION_TOKEN": "testing",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def client(self, service: str) -> AwsClient:
        """Make a boto3 client that talks to the stand, whatever the environment says."""
        return self.access.client(service)

    def session(self) -> boto3.session.Session:
        """Make a boto3 session with the stand's keys; its address comes from `environment`."""
        return self.access.session()

    def trino_query(self, sql: str, schema: str | None = None) -> list[list[Any]]:
        """Run a statement on Trino itself, past Athena, and return its rows."""
        with self._engine.connect(schema) as connection:
            return connection.cursor().execute(sql).fetchall()

    def limit_bytes_scanned(self, workgroup: str, limit: int | None) -> None:
        """Set a workgroup's limit per query, also below the 10 MB that boto3 lets through."""
        groups = athena_backends[DEFAULT_ACCOUNT_ID][self.region].work_groups
        if limit is None:
            groups[workgroup].configuration.pop("BytesScannedCutoffPerQuery", None)
        else:
            groups[workgroup].configuration["BytesScannedCutoffPerQuery"] = limit

    def resident_megabytes(self) -> float:
        """Resident memory of the process that Trino runs in."""
        return self.host.resident_megabytes()


@contextmanager
def shared_host() -> Iterator[TrinoHost]:
    """Start the process that Trino runs in, for stands of several processes (`running`).

    Raises
    ------
    StandError
        Something is missing.
    """
    with trino_host(ensure_assembled()) as host:
        yield host


@contextmanager
def running(host: TrinoHost | None = None) -> Iterator[Stand]:
    """Start the stand, and stop it at the end of the ``with`` block.

    Parameters
    ----------
    host : TrinoHost, optional
        The process that Trino runs in; without it, one that ends with the block.

    Raises
    ------
    StandError
        Something is missing or did not start, or a stand runs in this process already.
    """
    if not _ONE_IN_A_PROCESS.acquire(blocking=False):
        raise StandError(
            "A stand runs in this process already, and moto's state would be shared: use that one"
        )
    with ExitStack() as stack:
        stack.callback(_ONE_IN_A_PROCESS.release)
        assembly = ensure_assembled()
        host = host or stack.enter_context(trino_host(assembly))
        stack.enter_context(quick_listings())
        faults = Faults()
        application = AwsApplication(faults)
        server = AwsServer(application)
        stack.callback(server.stop)
        stack.enter_context(shortcut.taken(server.url, application, faults))
        access = AwsAccess(server.url, REGION)
        _forget_everything(access)
        access.client("s3").create_bucket(Bucket=BUCKET)
        unload_glue = access.engine_client("glue", UNLOAD_REGION)
        unload_glue.create_database(DatabaseInput={"Name": UNLOAD_DATABASE})
        access.client("glue").create_database(DatabaseInput={"Name": "default"})
        with _probe(access) as probe:
            engine = start_trino(host, assembly.plugins, access, probe)
        storage = EngineStorage(REGION, faults, application.moto_lock)
        athena = AthenaService(access, engine, faults, storage)
        stack.callback(athena.stop)
        application.serve_athena(athena.operations, athena.stopped_queries)
        faults.clear()
        snapshots = Snapshots(REGION, BUCKET, application.moto_lock)
        yield Stand(access, BUCKET, faults, snapshots, engine, athena)


def _forget_everything(access: AwsAccess) -> None:
    """Empty moto, which keeps what an earlier stand in this process left."""
    request = urllib.request.Request(f"{access.url}/moto-api/reset", method="POST")
    with urllib.request.urlopen(request, timeout=30):
        pass


@contextmanager
def _probe(access: AwsAccess) -> Iterator[str]:
    """Make a table that no test sees, for the query that shows that Trino reads tables."""
    s3 = access.client("s3")
    glue = access.engine_client("glue", UNLOAD_REGION)
    s3.put_object(Bucket=BUCKET, Key="probe/one.txt", Body=b"1\n")
    glue.create_table(
        DatabaseName=UNLOAD_DATABASE,
        TableInput={
            "Name": "probe",
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": {
                "Columns": [{"Name": "one", "Type": "string"}],
                "Location": f"s3://{BUCKET}/probe/",
                "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
                },
            },
        },
    )
    yield f"SELECT one FROM {UNLOAD_CATALOG}.{UNLOAD_DATABASE}.probe"
    glue.delete_table(DatabaseName=UNLOAD_DATABASE, Name="probe")
    s3.delete_object(Bucket=BUCKET, Key="probe/one.txt")
