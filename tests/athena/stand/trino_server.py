"""Starts the Trino that stands in for Athena's engine."""

import random
import socket
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import trino

from .access import AwsAccess
from .trino_host import HOST, TrinoHost

CATALOG = "awsdatacatalog"
USER = "athena"

# An UNLOAD is a CREATE TABLE AS in a catalog of its own, whose Glue is one that no test looks at.
UNLOAD_CATALOG = "unload"
UNLOAD_DATABASE = "unload"
UNLOAD_REGION = "eu-north-1"

_START_SECONDS = 240.0
_START_ATTEMPTS = 3
_PORTS = (20_000, 30_000)

# One writer per statement: Athena counts the open partitions of a statement, Trino those of each
# of its writers.
_SERVER_PROPERTIES = {
    "coordinator": "true",
    "node-scheduler.include-coordinator": "true",
    "web-ui.enabled": "false",
    "query.max-memory": "400MB",
    "query.max-memory-per-node": "400MB",
    "memory.heap-headroom-per-node": "200MB",
    "query.max-history": "20",
    "query.min-expire-age": "30s",
    "task.concurrency": "1",
    "task.min-writer-count": "1",
    "task.max-writer-count": "1",
    "task.scale-writers.enabled": "false",
    "scale-writers": "false",
    # Fewer stages a statement: on one node they only hand rows on.
    "redistribute-writes": "false",
    "use-preferred-write-partitioning": "false",
    "task.max-worker-threads": "4",
    # One part of a stage, not as many as a cluster would share the rows out to.
    "query.min-hash-partition-count": "1",
    "query.max-hash-partition-count": "1",
    # The smaller side of a join comes to the other: a stage less than where both are shared out.
    "join-distribution-type": "BROADCAST",
    "distributed-sort": "false",
    # With a stage for all that a statement reads (see the launcher), groups meet in one place.
    "optimizer.force-single-node-output": "false",
    "optimizer.prefer-partial-aggregation": "false",
    "optimizer.optimize-hash-generation": "false",
    # Nothing is known of tables that statistics could be worked out from.
    "enable-stats-calculator": "false",
    "statistics-precalculation-for-pushdown.enabled": "false",
    "enable-dynamic-filtering": "false",
    # Nobody reads who asked for what; the one node knows whether it is there.
    "http-server.log.enabled": "false",
    "failure-detector.enabled": "false",
    # Trino looks through all tasks that it remembers, five times a second.
    "task.info.max-age": "30s",
    "node-scheduler.min-candidates": "1",
    "catalog.management": "static",
    "sql.default-catalog": CATALOG,
}

_CATALOG_PROPERTIES = {
    "connector.name": "hive",
    "hive.metastore": "glue",
    "hive.metastore.glue.partitions-segments": "1",
    "fs.hadoop.enabled": "false",
    "fs.native-s3.enabled": "true",
    "s3.path-style-access": "true",
    "hive.recursive-directories": "true",
    "hive.non-managed-table-writes-enabled": "true",
    "hive.partition-projection-enabled": "true",
    "hive.collect-column-statistics-on-write": "false",
    "hive.table-statistics-enabled": "false",
    "hive.storage-format": "PARQUET",
    "hive.compression-codec": "GZIP",
    "hive.max-partitions-per-writers": "100",
    "hive.temporary-staging-directory-enabled": "false",
    "hive.allow-drop-table": "true",
    "hive.timestamp-precision": "MILLISECONDS",
    "hive.hive-views.enabled": "false",
    # Working tables of the default project: their files are there before them, and do not change.
    "hive.file-status-cache-tables": "engagement_storage.*",
    "hive.file-status-cache-expire-time": "1h",
}


@dataclass(frozen=True)
class TrinoServer:
    """A running Trino.

    Attributes
    ----------
    port : int
        Of its HTTP interface, on 127.0.0.1 only.
    host : TrinoHost
        The process that it runs in; it ends with that.
    started_in_seconds : float
        How long it took to answer.
    """

    port: int
    host: TrinoHost
    started_in_seconds: float

    def connect(self, schema: str | None = None) -> trino.dbapi.Connection:
        """Open a connection of the ``trino`` client."""
        return _connect(self.port, schema)

    def kill_query(self, query_id: str) -> None:
        """Cancel one of Trino's queries; one that has ended already is left alone."""
        request = urllib.request.Request(
            f"http://{HOST}:{self.port}/v1/query/{query_id}",
            method="DELETE",
            headers={"X-Trino-User": USER},
        )
        try:
            with urllib.request.urlopen(request, timeout=30):
                pass
        except urllib.error.HTTPError as error:
            if error.code not in (404, 410):
                raise


def start_trino(
    host: TrinoHost,
    plugins: Path,
    aws: AwsAccess,
    probe: str,
    *,
    deadline_seconds: float = _START_SECONDS,
) -> TrinoServer:
    """Start Trino on a free port and wait until it answers a query.

    Parameters
    ----------
    host : TrinoHost
        The process to start it in.
    plugins : Path
        The folder of connectors.
    aws : AwsAccess
        The Glue and S3 that the catalog ``awsdatacatalog`` reads.
    probe : str
        A query that reads a table's files: Trino says that it has started, and answers simpler
        queries, some seconds before it knows of a node to read tables with.
    deadline_seconds : float
        How long it may take.

    Raises
    ------
    StandError
        The process ended, or did not answer in time; the message ends with the last lines of its
        log.
    """
    started = time.monotonic()
    deadline = started + deadline_seconds
    for _ in range(_START_ATTEMPTS):
        port = _free_port()
        directory = host.make_folder()
        _write_configuration(directory, plugins, aws, port)
        if host.start(directory, deadline):
            break
    else:
        raise host.problem(
            f"port {port} was taken by another program, {_START_ATTEMPTS} times in a row"
        )
    while not _answers(port, probe):
        host.still_runs(deadline)
        time.sleep(0.2)
    return TrinoServer(port, host, time.monotonic() - started)


def _write_configuration(directory: Path, plugins: Path, aws: AwsAccess, port: int) -> None:
    catalogs = directory / "catalog"
    for folder in (catalogs, directory / "data"):
        folder.mkdir()
    server = {
        **_SERVER_PROPERTIES,
        "http-server.http.port": port,
        "discovery.uri": f"http://{HOST}:{port}",
        "catalog.config-dir": catalogs,
        "plugin.dir": plugins,
    }
    _write_properties(directory / "config.properties", server)
    _write_properties(directory / "log.properties", {"io.trino": "INFO", "io.airlift": "WARN"})
    for name, region in ((CATALOG, aws.region), (UNLOAD_CATALOG, UNLOAD_REGION)):
        _write_properties(catalogs / f"{name}.properties", _catalog_properties(aws, region))


def _catalog_properties(aws: AwsAccess, glue_region: str) -> dict[str, object]:
    return {
        **_CATALOG_PROPERTIES,
        "hive.metastore.glue.endpoint-url": aws.url,
        "hive.metastore.glue.region": glue_region,
        "hive.metastore.glue.aws-access-key": aws.access_key,
        "hive.metastore.glue.aws-secret-key": aws.secret_key,
        "s3.endpoint": aws.url,
        "s3.region": aws.region,
        "s3.aws-access-key": aws.access_key,
        "s3.aws-secret-key": aws.secret_key,
    }


def _write_properties(path: Path, properties: dict[str, object]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def _free_port() -> int:
    """Choose a port below those that systems give to whoever connects to something."""
    while True:
        port = random.randrange(*_PORTS)
        with socket.socket() as candidate, suppress(OSError):
            candidate.bind((HOST, port))
            return port


def _connect(port: int, schema: str | None = None) -> trino.dbapi.Connection:
    return trino.dbapi.connect(
        host=HOST, port=port, user=USER, catalog=CATALOG, schema=schema, timezone="UTC"
    )


def _answers(port: int, probe: str) -> bool:
    try:
        with _connect(port) as connection:
            return bool(connection.cursor().execute(probe).fetchall())
    except (trino.exceptions.Error, OSError):
        return False
