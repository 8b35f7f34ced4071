"""Athena's query executions, run on Trino.

Takes the place of the part of moto's Athena that answers canned rows. Where Trino is laxer than
Athena, Athena's rule is kept here.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import trino
from botocore.exceptions import BotoCoreError, ClientError
from moto.athena.models import AthenaBackend, athena_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

from .access import AwsAccess
from .engine_storage import EngineStorage, split_location
from .errors import ServiceError, StatementError
from .executions import FINAL_STATES, Execution, Outcome, StatementRecord
from .faults import Call, Failure, Faults
from .hive_ddl import HiveDdl
from .results import Column, as_csv, as_lines, plain_column, rows_as_text
from .statements import (
    EngineStatement,
    Name,
    Route,
    Statement,
    TableAs,
    read_statement,
    translate_table_as,
)
from .trino_host import HOST
from .trino_http import TrinoSession
from .trino_server import (
    CATALOG,
    UNLOAD_CATALOG,
    UNLOAD_DATABASE,
    UNLOAD_REGION,
    USER,
    TrinoServer,
)

BYTES_LIMIT_REASON = "Bytes scanned limit was exceeded"

_DEFAULT_DATABASE = "default"
_DEFAULT_WORKGROUP = "primary"
_CONCURRENT_STATEMENTS = 4
_LARGEST_PAGE = 1000
_TRINO_SECONDS = 120
# A question about a running statement is answered when it ends, or after this long: pollers
# then need not wait for their next turn.
_HOLD_SECONDS = 5.0

Parameters = Mapping[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True)
class EngineResult:
    """What Trino gave for a statement, as its protocol has it."""

    query_id: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    update_count: int


class AthenaService:
    """Athena, as far as statements go.

    Parameters
    ----------
    access : AwsAccess
        The stand's S3 and Glue.
    engine : TrinoServer
        What runs the statements.
    faults : Faults
        Asked before a statement runs and when it has run.
    storage : EngineStorage
        Where folders are looked at and results are stored.

    Attributes
    ----------
    operations : dict
        What answers each operation.
    stopped_queries : set of str
        Trino's own ids of the queries that were stopped: Glue takes no table from them any more.
    """

    def __init__(
        self, access: AwsAccess, engine: TrinoServer, faults: Faults, storage: EngineStorage
    ) -> None:
        self._engine = engine
        self._faults = faults
        self._storage = storage
        self._region = access.region
        self._glue = access.engine_client("glue")
        self._unload_glue = access.engine_client("glue", UNLOAD_REGION)
        self._ddl = HiveDdl(self._glue, self._call_engine)
        self._executions: dict[str, Execution] = {}
        self._tokens: dict[str, Execution] = {}
        self.stopped_queries: set[str] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_CONCURRENT_STATEMENTS, thread_name_prefix="athena")
        self.operations: dict[str, Callable[[Parameters], Answer]] = {
            "StartQueryExecution": self._start_query_execution,
            "GetQueryExecution": self._get_query_execution,
            "BatchGetQueryExecution": self._batch_get_query_execution,
            "StopQueryExecution": self._stop_query_execution,
            "GetQueryResults": self._get_query_results,
            "ListQueryExecutions": self._list_query_executions,
            "GetWorkGroup": self._get_work_group,
            "UpdateWorkGroup": self._update_work_group,
            "ListTagsForResource": self._list_tags_for_resource,
            "ListDatabases": self._list_databases,
            "GetDatabase": self._get_database,
            "ListTableMetadata": self._list_table_metadata,
            "GetTableMetadata": self._get_table_metadata,
        }

    @property
    def statements(self) -> tuple[StatementRecord, ...]:
        """Every statement so far, in the order in which they were sent."""
        with self._lock:
            return tuple(execution.record() for execution in self._executions.values())

    def stop(self) -> None:
        """Cancel what still runs, and end."""
        with self._lock:
            running = [one for one in self._executions.values() if one.state not in FINAL_STATES]
        for execution in running:
            self._cancel(execution, "The stand was stopped")
        self._pool.shutdown(wait=True, cancel_futures=True)

    # Requests

    def _start_query_execution(self, request: Parameters) -> Answer:
        execution = self._new_execution(request)
        token = request.get("ClientRequestToken")
        with self._lock:
            earlier = self._tokens.get(token) if token else None
            if earlier is not None:
                if dict(earlier.request) != dict(request):
                    raise ServiceError(
                        "InvalidRequestException", "Idempotent parameters do not match"
                    )
                return {"QueryExecutionId": earlier.id}
            self._executions[execution.id] = execution
            if token:
                self._tokens[token] = execution
        if execution.state not in FINAL_STATES and not self._reuse(execution):
            self._pool.submit(self._run, execution).add_done_callback(
                lambda future: _fail_if_broken(execution, future)
            )
        return {"QueryExecutionId": execution.id}

    def _new_execution(self, request: Parameters) -> Execution:
        workgroup = request.get("WorkGroup") or _DEFAULT_WORKGROUP
        configuration = self._workgroup(workgroup).configuration
        prefix, enforced = _output_prefix(request, configuration)
        self._require_bucket(prefix)
        context = request.get("QueryExecutionContext") or {}
        if (context.get("Catalog") or CATALOG).lower() != CATALOG:
            raise ServiceError(
                "InvalidRequestException", f"Catalog {context['Catalog']} does not exist"
            )
        statement, problem = None, None
        try:
            statement = read_statement(request["QueryString"])
        except StatementError as error:
            problem = error
        if enforced and statement and statement.substatement_type == "CREATE_TABLE_AS_SELECT":
            _refuse_external_location(statement)
        execution = Execution(
            sql=request["QueryString"],
            statement=statement,
            database=(context.get("Database") or _DEFAULT_DATABASE).strip("`").lower(),
            workgroup=workgroup,
            output_prefix=prefix,
            request=dict(request),
            bytes_limit=configuration.get("BytesScannedCutoffPerQuery"),
        )
        if problem is not None:
            execution.move("FAILED", str(problem), problem.category)
        return execution

    def _reuse(self, execution: Execution) -> bool:
        """Give the result of an earlier execution again, where the request allows that."""
        reuse = execution.request.get("ResultReuseConfiguration", {}).get(
            "ResultReuseByAgeConfiguration", {}
        )
        if not reuse.get("Enabled") or execution.statement is None:
            return False
        oldest = time.time() - 60 * reuse.get("MaxAgeInMinutes", 60)
        with self._lock:
            earlier = [
                one
                for one in self._executions.values()
                if one.state == "SUCCEEDED"
                and one.statement is not None
                and one.statement.route is Route.QUERY
                and (one.completed or 0) >= oldest
                and (one.sql, one.database, one.workgroup, one.output_prefix)
                == (execution.sql, execution.database, execution.workgroup, execution.output_prefix)
            ]
        if not earlier:
            return False
        execution.outcome = earlier[-1].outcome
        execution.output_location = earlier[-1].output_location
        execution.reused = True
        execution.move("SUCCEEDED")
        return True

    def _get_query_execution(self, request: Parameters) -> Answer:
        execution = self._execution(request["QueryExecutionId"])
        execution.wait_for_change(_HOLD_SECONDS)
        return {"QueryExecution": execution.describe()}

    def _batch_get_query_execution(self, request: Parameters) -> Answer:
        with self._lock:
            known = [
                self._executions[one]
                for one in request["QueryExecutionIds"]
                if one in self._executions
            ]
        unknown = [
            {
                "QueryExecutionId": one,
                "ErrorCode": "INVALID_QUERY_EXECUTION_ID",
                "ErrorMessage": f"QueryExecution {one} was not found",
            }
            for one in request["QueryExecutionIds"]
            if one not in {execution.id for execution in known}
        ]
        return {
            "QueryExecutions": [execution.describe() for execution in known],
            "UnprocessedQueryExecutionIds": unknown,
        }

    def _stop_query_execution(self, request: Parameters) -> Answer:
        self._cancel(self._execution(request["QueryExecutionId"]), "Query cancelled by user")
        return {}

    def _get_query_results(self, request: Parameters) -> Answer:
        execution = self._execution(request["QueryExecutionId"])
        if execution.state not in FINAL_STATES:
            raise ServiceError(
                "InvalidRequestException",
                f"Query has not yet finished. Current state: {execution.state}",
            )
        if execution.state != "SUCCEEDED":
            raise ServiceError(
                "InvalidRequestException",
                f"Query did not finish successfully. Final query state: {execution.state}",
            )
        return _page(
            execution.outcome,
            offset=int(request.get("NextToken") or 0),
            size=int(request.get("MaxResults") or _LARGEST_PAGE),
        )

    def _list_query_executions(self, request: Parameters) -> Answer:
        workgroup = request.get("WorkGroup") or _DEFAULT_WORKGROUP
        with self._lock:
            found = [one.id for one in self._executions.values() if one.workgroup == workgroup]
        return {"QueryExecutionIds": found[::-1]}

    def _get_work_group(self, request: Parameters) -> Answer:
        name = request["WorkGroup"]
        self._workgroup(name)
        return {"WorkGroup": self._backend.get_work_group(name)}

    def _update_work_group(self, request: Parameters) -> Answer:
        workgroup = self._workgroup(request["WorkGroup"])
        workgroup.description = request.get("Description", workgroup.description)
        workgroup.state = request.get("State", workgroup.state)
        updates = dict(request.get("ConfigurationUpdates", {}))
        configuration = workgroup.configuration
        if updates.pop("RemoveBytesScannedCutoffPerQuery", False):
            configuration.pop("BytesScannedCutoffPerQuery", None)
        result_updates = dict(updates.pop("ResultConfigurationUpdates", {}))
        results = configuration.setdefault("ResultConfiguration", {})
        for name in [name for name in result_updates if name.startswith("Remove")]:
            if result_updates.pop(name):
                results.pop(name.removeprefix("Remove"), None)
        results.update(result_updates)
        configuration.update(updates)
        return {}

    def _list_tags_for_resource(self, request: Parameters) -> Answer:
        """Moto has no answer where a resource has no tags."""
        arn = request["ResourceARN"]
        self._workgroup(arn.rpartition("/")[2])
        tags: Answer = self._backend.tagger.list_tags_for_resource(arn)
        return {"Tags": tags["Tags"]}

    def _list_databases(self, _request: Parameters) -> Answer:
        pages = self._glue.get_paginator("get_databases").paginate()
        return {
            "DatabaseList": [
                _database_metadata(database) for page in pages for database in page["DatabaseList"]
            ]
        }

    def _get_database(self, request: Parameters) -> Answer:
        with _metadata_errors():
            found = self._glue.get_database(Name=request["DatabaseName"])
        return {"Database": _database_metadata(found["Database"])}

    def _list_table_metadata(self, request: Parameters) -> Answer:
        given = {"Expression": request["Expression"]} if request.get("Expression") else {}
        with _metadata_errors():
            pages = list(
                self._glue.get_paginator("get_tables").paginate(
                    DatabaseName=request["DatabaseName"], **given
                )
            )
        return {
            "TableMetadataList": [
                _table_metadata(table) for page in pages for table in page["TableList"]
            ]
        }

    def _get_table_metadata(self, request: Parameters) -> Answer:
        with _metadata_errors():
            found = self._glue.get_table(
                DatabaseName=request["DatabaseName"], Name=request["TableName"]
            )
        return {"TableMetadata": _table_metadata(found["Table"])}

    # Running

    def _run(self, execution: Execution) -> None:
        execution.move("RUNNING")
        if execution.state != "RUNNING":
            return
        try:
            self._strike(execution, "StartStatement")
            outcome = self._carry_out(execution)
            self._respect_stop(execution)
            self._strike(execution, "FinishStatement")
            self._store(execution, outcome)
        except StatementError as error:
            self._end(execution, str(error), error.category)
        except trino.exceptions.TrinoQueryError as error:
            category = {"USER_ERROR": 2, "EXTERNAL": 3}.get(error.error_type or "", 1)
            self._end(execution, f"{error.error_name}: {error.message}", category)
        except (trino.exceptions.Error, BotoCoreError, ClientError, OSError) as error:
            self._end(execution, f"GENERIC_INTERNAL_ERROR: {error}", 1)
        else:
            execution.move("SUCCEEDED")

    def _end(self, execution: Execution, reason: str, category: int) -> None:
        if execution.stop_reason is not None:
            execution.move("CANCELLED", execution.stop_reason)
        else:
            execution.move("FAILED", reason, category)

    def _strike(self, execution: Execution, operation: str) -> None:
        """Let a fault fail the statement here."""
        failure = self._faults.check(
            Call("engine", operation, "engine", execution.sql, {"QueryExecutionId": execution.id})
        )
        if failure is not None:
            raise StatementError(failure.code, failure.message, _category(failure))

    def _carry_out(self, execution: Execution) -> Outcome:
        statement = execution.statement
        if statement is None:
            raise StatementError("INTERNAL", "a statement that could not be read was run", 1)
        match statement.route:
            case Route.QUERY:
                result = self._call_trino(execution, EngineStatement(statement.sql, {}))
                return Outcome(
                    columns=result.columns,
                    rows=rows_as_text(result.rows, result.columns),
                    has_header=True,
                    extension="csv",
                )
            case Route.WRITE if statement.table_as is not None:
                return self._create_table_as(execution, statement.table_as)
            case Route.WRITE:
                return self._insert(execution, statement)
            case Route.UNLOAD if statement.table_as is not None:
                return self._unload(execution, statement.table_as)
            case Route.VIEW:
                self._call_trino(execution, EngineStatement(statement.sql, {}))
                return Outcome()
            case Route.EXPLAIN:
                result = self._call_trino(execution, EngineStatement(statement.sql, {}))
                lines = [(line,) for row in result.rows for line in str(row[0]).splitlines()]
                return Outcome(columns=[plain_column("Query Plan", "varchar")], rows=lines)
            case _:
                return self._ddl.run(statement, execution.database)

    def _create_table_as(self, execution: Execution, frame: TableAs) -> Outcome:
        given = frame.text_property("external_location")
        location = given or f"{execution.output_prefix}tables/{execution.id}/"
        target = (frame.name or Name("")).within(execution.database)
        exists = self._table(target) is not None
        if not exists:
            self._require_empty(location, f"{target.database}.{target.table}")
        session = translate_table_as(frame, head=frame.head, location=location, catalog=CATALOG)
        try:
            result = self._call_trino(execution, session)
        finally:
            if execution.stop_reason is not None and not exists:
                self._undo_table(target, execution.engine_query_id)
        return _written(result, self._files(location, result.query_id))

    def _undo_table(self, name: Name, query_id: str | None) -> None:
        """Remove the table of a statement that was over by the time it was to be stopped."""
        table = self._table(name)
        if table and table.get("Parameters", {}).get("trino_query_id") == query_id:
            self._glue.delete_table(DatabaseName=name.database, Name=name.table)

    def _insert(self, execution: Execution, statement: Statement) -> Outcome:
        target = (statement.target or Name("")).within(execution.database)
        table = self._table(target)
        if table and table["StorageDescriptor"].get("BucketColumns"):
            raise StatementError("NOT_SUPPORTED", "INSERT INTO is not supported on bucketed tables")
        codec = {f"{CATALOG}.compression_codec": "GZIP"}
        result = self._call_trino(execution, EngineStatement(statement.sql, codec))
        location = table["StorageDescriptor"]["Location"] if table else ""
        return _written(result, self._files(location, result.query_id))

    def _unload(self, execution: Execution, frame: TableAs) -> Outcome:
        location = frame.text_property("external_location") or ""
        if "format" not in frame.properties:
            raise StatementError("SYNTAX_ERROR", "UNLOAD needs the property 'format'")
        self._require_empty(location, "unload")
        table = f"unload_{execution.id.replace('-', '_')}"
        head = f"CREATE TABLE {UNLOAD_CATALOG}.{UNLOAD_DATABASE}.{table}"
        result = self._call_trino(
            execution,
            translate_table_as(frame, head=head, location=location, catalog=UNLOAD_CATALOG),
        )
        self._unload_glue.delete_table(DatabaseName=UNLOAD_DATABASE, Name=table)
        return _written(result, self._files(location, result.query_id))

    def _call_engine(self, sql: str) -> None:
        with self._engine.connect() as connection:
            connection.cursor().execute(sql).fetchall()

    def _call_trino(self, execution: Execution, statement: EngineStatement) -> EngineResult:
        """Run a statement on Trino, watching what it reads."""
        sql = statement.sql
        parameters = execution.request.get("ExecutionParameters")
        if parameters:
            quoted = sql.replace("'", "''")
            sql = f"EXECUTE IMMEDIATE '{quoted}' USING {', '.join(parameters)}"
        execution.engine_sql = sql
        session = trino.client.ClientSession(
            user=USER,
            catalog=CATALOG,
            schema=execution.database,
            source="athena",
            timezone="UTC",
            properties=dict(statement.session),
        )
        with closing(TrinoSession(HOST, self._engine.port, _TRINO_SECONDS)) as connection:
            query = trino.client.TrinoQuery(
                trino.client.TrinoRequest(
                    HOST, self._engine.port, session, http_session=connection, http_scheme="http"
                ),
                sql,
                legacy_primitive_types=True,
                stats_callback=lambda stats: self._watch(execution, stats),
            )
            rows = list(query.execute())
        with execution.changed:
            execution.is_done = execution.stop_reason is None
        columns = [Column(one["name"], one["typeSignature"]) for one in query.columns or []]
        return EngineResult(query.query_id or "", columns, rows, query.update_count or 0)

    def _watch(self, execution: Execution, stats: Mapping[str, Any]) -> None:
        """Keep what a running statement has read, and stop it where it must not go on."""
        execution.engine_query_id = stats.get("queryId", execution.engine_query_id)
        execution.bytes_scanned = int(stats.get("physicalInputBytes", 0))
        limit = execution.bytes_limit
        if limit is not None and execution.bytes_scanned > limit:
            execution.stop_reason = execution.stop_reason or BYTES_LIMIT_REASON
        if execution.stop_reason is not None:
            self._kill(execution)

    def _kill(self, execution: Execution) -> None:
        """Stop Trino's query. What it is just committing must not show up afterwards."""
        if execution.engine_query_id is not None:
            self.stopped_queries.add(execution.engine_query_id)
            self._engine.kill_query(execution.engine_query_id)

    def _respect_stop(self, execution: Execution) -> None:
        """Cancel a statement that was over before it could be stopped."""
        if execution.stop_reason is not None:
            raise StatementError("CANCELLED", execution.stop_reason)

    def _cancel(self, execution: Execution, reason: str) -> None:
        with execution.changed:
            if execution.state in FINAL_STATES or execution.is_done:
                return
            execution.stop_reason = execution.stop_reason or reason
            if execution.state == "QUEUED":
                execution.move("CANCELLED", reason)
        self._kill(execution)

    def _store(self, execution: Execution, outcome: Outcome) -> None:
        """Write the result's files where Athena puts them, and keep the result."""
        base = f"{execution.output_prefix}{execution.id}"
        if outcome.files is not None:
            execution.manifest_location = f"{base}-manifest.csv"
            self._put(execution.manifest_location, "".join(f"{one}\n" for one in outcome.files))
            execution.output_location = base
        elif outcome.extension == "csv":
            execution.output_location = f"{base}.csv"
            self._put(execution.output_location, as_csv(outcome.columns, outcome.rows))
        else:
            execution.output_location = f"{base}.txt"
            self._put(execution.output_location, as_lines(outcome.rows))
        self._put(f"{execution.output_location}.metadata", b"")
        execution.outcome = outcome

    # The services below

    @property
    def _backend(self) -> AthenaBackend:
        return athena_backends[DEFAULT_ACCOUNT_ID][self._region]

    def _workgroup(self, name: str) -> Any:
        workgroup = self._backend.work_groups.get(name)
        if workgroup is None:
            raise ServiceError("InvalidRequestException", f"WorkGroup {name} is not found.")
        return workgroup

    def _execution(self, execution_id: str) -> Execution:
        with self._lock:
            execution = self._executions.get(execution_id)
        if execution is None:
            raise ServiceError(
                "InvalidRequestException", f"QueryExecution {execution_id} was not found"
            )
        return execution

    def _require_bucket(self, location: str) -> None:
        if not self._storage.has_bucket(location):
            bucket, _ = split_location(location)
            raise ServiceError(
                "InvalidRequestException", f"Unable to verify/create output bucket {bucket}"
            )

    def _table(self, name: Name) -> dict[str, Any] | None:
        return self._storage.table(name.database, name.table)

    def _require_empty(self, location: str, table: str) -> None:
        if self._storage.files(location):
            raise StatementError(
                "HIVE_PATH_ALREADY_EXISTS",
                f"Target directory for table '{table}' already exists: {location}. You may need "
                f"to manually clean the data at location '{location}' before retrying. Athena "
                "will not delete data in your account.",
            )

    def _files(self, location: str, query_id: str) -> list[str]:
        """The files under a location that one of Trino's queries wrote."""
        return [
            file for file in self._storage.files(location) if query_id in file.rpartition("/")[2]
        ]

    def _put(self, location: str, body: bytes | str) -> None:
        self._storage.put(location, body.encode() if isinstance(body, str) else body)


def _output_prefix(request: Parameters, configuration: Parameters) -> tuple[str, bool]:
    """Return where results go, ending in a slash, and whether the workgroup insists on it."""
    of_workgroup = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
    of_request = (request.get("ResultConfiguration") or {}).get("OutputLocation")
    enforced = bool(configuration.get("EnforceWorkGroupConfiguration") and of_workgroup)
    location = of_workgroup if enforced else of_request or of_workgroup
    if not location:
        raise ServiceError(
            "InvalidRequestException",
            "No output location provided. An output location is required either through the "
            "Workgroup result configuration setting or as an API input.",
        )
    if not location.startswith("s3://"):
        raise ServiceError(
            "InvalidRequestException", f"outputLocation is not an S3 path: {location}"
        )
    return location.rstrip("/") + "/", enforced


def _refuse_external_location(statement: Statement) -> None:
    if statement.table_as and "external_location" in statement.table_as.properties:
        raise ServiceError(
            "InvalidRequestException",
            "The Create Table As Select query failed because it was submitted with an "
            "'external_location' property to an Athena Workgroup that enforces a centralized "
            "output location for all queries. Please remove the 'external_location' property "
            "and resubmit the query.",
        )


def _written(result: EngineResult, files: Sequence[str]) -> Outcome:
    return Outcome(
        columns=[plain_column("rows", "bigint")], update_count=result.update_count, files=files
    )


def _page(outcome: Outcome, *, offset: int, size: int) -> Answer:
    """One page of a result; the first row of a query's result holds the columns' names."""
    if not 1 <= size <= _LARGEST_PAGE:
        raise ServiceError(
            "InvalidRequestException", f"MaxResults must be between 1 and {_LARGEST_PAGE}"
        )
    header = [tuple(column.name for column in outcome.columns)] if outcome.has_header else []
    total = len(header) + len(outcome.rows)
    rows = [
        header[position] if position < len(header) else outcome.rows[position - len(header)]
        for position in range(offset, min(offset + size, total))
    ]
    answer: Answer = {
        "UpdateCount": outcome.update_count,
        "ResultSet": {
            "Rows": [
                {"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]}
                for row in rows
            ],
            "ResultSetMetadata": {
                "ColumnInfo": [column.column_info() for column in outcome.columns]
            },
        },
    }
    if offset + size < total:
        answer["NextToken"] = str(offset + size)
    return answer


def _category(failure: Failure) -> int:
    return 1 if failure.status >= 500 else 2


def _fail_if_broken(execution: Execution, future: "Future[None]") -> None:
    """Let a defect of the stand itself show as a failed statement, not as one that never ends."""
    if future.cancelled():
        execution.move("CANCELLED", "The stand was stopped")
    elif (error := future.exception()) is not None:
        execution.move("FAILED", f"The stand broke: {type(error).__name__}: {error}", 1)
        raise error


@contextmanager
def _metadata_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise ServiceError("MetadataException", error.response["Error"]["Message"]) from error


def _database_metadata(database: Parameters) -> Answer:
    return {
        "Name": database["Name"],
        "Description": database.get("Description") or "",
        "Parameters": database.get("Parameters") or {},
    }


def _table_metadata(table: Parameters) -> Answer:
    def columns(found: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        return [
            {name: one[name] for name in ("Name", "Type", "Comment") if one.get(name)}
            for one in found
        ]

    return {
        "Name": table["Name"],
        "CreateTime": table["CreateTime"].timestamp(),
        "TableType": table.get("TableType", "EXTERNAL_TABLE"),
        "Columns": columns(table.get("StorageDescriptor", {}).get("Columns", [])),
        "PartitionKeys": columns(table.get("PartitionKeys", [])),
        "Parameters": table.get("Parameters", {}),
    }
