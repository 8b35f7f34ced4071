"""Starts and stops the Trino that stands in for Athena's engine."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import trino

from .access import AwsAccess
from .assemble import LAUNCHER_CLASS, TRINO_VERSION, Assembly
from .errors import StandError

HOST = "127.0.0.1"
CATALOG = "awsdatacatalog"
USER = "athena"

# An UNLOAD is a CREATE TABLE AS in a catalog of its own, whose Glue is one that no test looks at.
UNLOAD_CATALOG = "unload"
UNLOAD_DATABASE = "unload"
UNLOAD_REGION = "eu-north-1"

_START_SECONDS = 240.0
_STOP_SECONDS = 10.0
_START_ATTEMPTS = 3
_LOG_LINES = 25
_PORT_TAKEN = ("Address already in use", "Failed to bind")

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

_JVM_OPTIONS = (
    "-Xmx3200m",
    "-Xmn2100m",
    # Two workers keep both cores busy: what collects garbage need not be parallel.
    "-XX:+UseSerialGC",
    # Classes are many, and generated for every statement: collecting them early frees nothing.
    "-XX:MetaspaceSize=300m",
    "-XX:+ExitOnOutOfMemoryError",
    # A stand lives for minutes: the second compiler takes more than it gives.
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=192M",
    "-XX:-UsePerfData",
    "-XX:+UnlockDiagnosticVMOptions",
    # What Trino generates for every statement is right.
    "-XX:-BytecodeVerificationRemote",
    "-Dfile.encoding=UTF-8",
    "-Duser.timezone=UTC",
    "-Djdk.attach.allowAttachSelf=true",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
)


@dataclass
class TrinoServer:
    """A running Trino.

    Attributes
    ----------
    port : int
        Of its HTTP interface, on 127.0.0.1 only.
    log_path : Path
        What it has written so far; kept after it stopped as ``kept_log``.
    """

    port: int
    directory: Path
    kept_log: Path
    process: "subprocess.Popen[bytes]" = field(repr=False)
    started_in_seconds: float

    @property
    def log_path(self) -> Path:
        """The log of this run."""
        return self.directory / "server.log"

    def resident_megabytes(self) -> float:
        """Resident memory of the process, where the system tells (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kilobytes = next(line.split()[1] for line in status.splitlines() if "VmRSS" in line)
        return int(kilobytes) / 1024

    def connect(self, schema: str | None = None) -> trino.dbapi.Connection:
        """Open a connection of the ``trino`` client."""
        return trino.dbapi.connect(
            host=HOST, port=self.port, user=USER, catalog=CATALOG, schema=schema, timezone="UTC"
        )

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

    def stop(self) -> None:
        """End the process, keep its log and remove its folder."""
        _end(self.process)
        self.kept_log.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.log_path, self.kept_log)
        shutil.rmtree(self.directory, ignore_errors=True)


def start_trino(
    assembly: Assembly, aws: AwsAccess, probe: str, *, deadline_seconds: float = _START_SECONDS
) -> TrinoServer:
    """Start Trino on a free port and wait until it answers a query.

    Parameters
    ----------
    assembly : Assembly
        What to run.
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
        It ended, or did not answer in time; the message ends with the last lines of its log.
    """
    for attempt in range(1, _START_ATTEMPTS + 1):
        server = _launch(assembly, aws, _free_port())
        problem = _wait_until_ready(server, probe, deadline_seconds)
        if problem is None:
            return server
        _end(server.process)
        log = server.log_path.read_text(errors="replace")
        if any(sign in log for sign in _PORT_TAKEN):
            if attempt < _START_ATTEMPTS:
                shutil.rmtree(server.directory, ignore_errors=True)
                continue
            problem = f"port {server.port} was taken by another program, {attempt} times in a row"
        last_lines = "\n".join(log.splitlines()[-_LOG_LINES:])
        raise StandError(
            f"Trino did not start: {problem}. Its log is {server.log_path}, and ends with:\n"
            f"{last_lines}"
        )
    raise AssertionError("the loop returns or raises")


def _launch(assembly: Assembly, aws: AwsAccess, port: int) -> TrinoServer:
    directory = Path(tempfile.mkdtemp(prefix="stand-trino-"))
    _write_configuration(directory, assembly, aws, port)
    system_properties = {
        "config": directory / "config.properties",
        "log.levels-file": directory / "log.properties",
        "node.environment": "stand",
        "node.id": "stand",
        "node.data-dir": directory / "data",
        "node.bind-ip": HOST,
        "node.internal-address": HOST,
    }
    command: list[str | Path] = [
        assembly.java,
        *_JVM_OPTIONS,
        *(f"-D{name}={value}" for name, value in system_properties.items()),
        "-cp",
        assembly.class_path,
        LAUNCHER_CLASS,
        TRINO_VERSION,
    ]
    # Trino ends when its standard input closes, so it does not outlive a killed test run.
    with (directory / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "TZ": "UTC"},
        )
    kept_log = assembly.directory.with_name(f"{assembly.directory.name}-last-run.log")
    return TrinoServer(port, directory, kept_log, process, started_in_seconds=0.0)


def _write_configuration(directory: Path, assembly: Assembly, aws: AwsAccess, port: int) -> None:
    catalogs = directory / "catalog"
    for folder in (catalogs, directory / "data"):
        folder.mkdir()
    server = {
        **_SERVER_PROPERTIES,
        "http-server.http.port": port,
        "discovery.uri": f"http://{HOST}:{port}",
        "catalog.config-dir": catalogs,
        "plugin.dir": assembly.plugins,
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
    with socket.socket() as candidate:
        candidate.bind((HOST, 0))
        return int(candidate.getsockname()[1])


def _wait_until_ready(server: TrinoServer, probe: str, deadline_seconds: float) -> str | None:
    """Return None once Trino answers a query, or what is wrong."""
    started = time.monotonic()
    while time.monotonic() - started < deadline_seconds:
        code = server.process.poll()
        if code is not None:
            return f"it ended with exit code {code}"
        if _has_started(server.port) and _answers(server, probe):
            server.started_in_seconds = time.monotonic() - started
            return None
        time.sleep(0.2)
    return f"it did not answer within {deadline_seconds:.0f} s"


def _has_started(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/v1/info", timeout=5) as answer:
            return json.load(answer)["starting"] is False
    except (OSError, ValueError, KeyError):
        return False


def _answers(server: TrinoServer, probe: str) -> bool:
    try:
        with server.connect() as connection:
            return bool(connection.cursor().execute(probe).fetchall())
    except (trino.exceptions.Error, OSError):
        return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process: first by closing its input, then with force."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
