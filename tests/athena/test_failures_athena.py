"""What goes wrong on AWS: tried again where it passes, and told clearly where it does not."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from engagement.warehouse import WarehouseError
from engagement.warehouse.athena.warehouse import AthenaWarehouse
from tests.athena.parameters import expire, settings
from tests.athena.stand import Call, Failure, Stand, fail
from tests.athena.stand.faults import (
    EXPIRED_CREDENTIALS,
    INTERNAL_ERROR,
    LOST_ANSWER,
    LOST_REQUEST,
    SLOW_DOWN,
    THROTTLED,
    TOO_MANY_QUERIES,
)
from tests.athena.test_warehouse_athena import numbers, publish

_NAMES = (f"failures{number}" for number in itertools.count())
ATTEMPTS = 3


@pytest.fixture
def name() -> str:
    return next(_NAMES)


@pytest.fixture
def warehouse(aws_environment: Stand, name: str) -> AthenaWarehouse:
    made = AthenaWarehouse(settings(aws_environment, name, attempts=ATTEMPTS))
    publish(made, "select 1 as n")
    return made


def ran(stand: Stand, containing: str) -> int:
    """Statements that contain a word: one that no id and no number of another test can be."""
    return sum(containing in statement.sql for statement in stand.statements)


# --- calls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "operation", "failure"),
    [
        ("athena", "StartQueryExecution", THROTTLED),
        ("athena", "StartQueryExecution", TOO_MANY_QUERIES),
        ("athena", "StartQueryExecution", LOST_REQUEST),
        ("athena", "GetQueryExecution", THROTTLED),
        ("athena", "GetQueryResults", THROTTLED),
        ("glue", "GetTable", THROTTLED),
        ("glue", "UpdateTable", THROTTLED),
        ("s3", "PutObject", SLOW_DOWN),
        ("s3", "ListObjectsV2", INTERNAL_ERROR),
    ],
    ids=lambda value: value if isinstance(value, str) else value.code or value.message,
)
def test_a_call_that_fails_in_passing_is_made_again(
    warehouse: AthenaWarehouse,
    aws_environment: Stand,
    service: str,
    operation: str,
    failure: Failure,
) -> None:
    aws_environment.faults.add(
        fail(service, operation, failure, times=ATTEMPTS - 1, client="client")
    )
    publish(warehouse, "select 2 as n")
    assert numbers(warehouse) == [2]


def test_throttling_that_does_not_end_is_tried_as_often_as_was_asked_for(
    warehouse: AthenaWarehouse, aws_environment: Stand
) -> None:
    started = aws_environment.faults.count("athena", "StartQueryExecution", "client")
    aws_environment.faults.add(fail("athena", "StartQueryExecution", THROTTLED, times=99))
    with pytest.raises(WarehouseError, match="query: ThrottlingException: Rate exceeded"):
        warehouse.query("select n from marts.numbers")
    tried = aws_environment.faults.count("athena", "StartQueryExecution", "client") - started
    assert tried == ATTEMPTS


def test_a_statement_whose_answer_was_lost_does_not_run_twice(
    warehouse: AthenaWarehouse, aws_environment: Stand
) -> None:
    aws_environment.faults.add(fail("athena", "StartQueryExecution", LOST_ANSWER))
    publish(warehouse, "select length('lost_answer') as n")
    assert ran(aws_environment, "lost_answer") == 1
    assert numbers(warehouse) == [11]


# --- credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("athena", "StartQueryExecution"),
        ("athena", "GetQueryExecution"),
        ("athena", "GetQueryResults"),
        ("glue", "GetTable"),
        ("glue", "UpdateTable"),
        ("s3", "PutObject"),
        ("s3", "GetObject"),
    ],
)
def test_credentials_that_expire_are_told_in_one_sentence(
    warehouse: AthenaWarehouse,
    aws_environment: Stand,
    name: str,
    service: str,
    operation: str,
) -> None:
    def work() -> None:
        publish(warehouse, "select 2 as n")
        numbers(warehouse)

    rule = fail(service, operation, EXPIRED_CREDENTIALS, times=999, client="client")
    with aws_environment.faults.injected(rule), pytest.raises(WarehouseError) as caught:
        work()
    said = str(caught.value)
    assert "the AWS credentials have expired" in said
    assert "Renew them (sign in again) and run again: no table is half-written." in said
    assert len(said.splitlines()) == 1
    assert numbers(warehouse) in ([1], [2])
    if service == "s3":
        # Nor could it let go of its lease: that ends by itself, which is not waited for here.
        expire(aws_environment, name)
    publish(warehouse, "select 3 as n")
    assert numbers(warehouse) == [3]


def test_where_every_call_is_refused_the_first_reason_is_told(
    warehouse: AthenaWarehouse, aws_environment: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    expired = threading.Event()

    def rule(call: Call) -> Failure | None:
        if "select 2 as n" in str(call.parameters.get("QueryString", "")).lower():
            expired.set()
        return EXPIRED_CREDENTIALS if expired.is_set() and call.client == "client" else None

    with (
        aws_environment.faults.injected(rule),
        pytest.raises(WarehouseError, match=r"^marts\.numbers: the AWS credentials have expired"),
    ):
        publish(warehouse, "select 2 as n")
    # The session could not clean up either: said, and left to a command.
    assert "'engagement clean' will remove what is left behind" in caplog.text
    assert numbers(warehouse) == [1]


# --- statements -----------------------------------------------------------------------------------


def test_a_mistake_in_the_sql_is_told_at_once_with_its_place(
    warehouse: AthenaWarehouse, aws_environment: Stand
) -> None:
    with pytest.raises(WarehouseError) as caught:
        publish(warehouse, "select n, nope_at_all from marts.numbers")
    first, second = str(caught.value).splitlines()
    last = aws_environment.statements[-1]
    assert first.startswith("marts.numbers: COLUMN_NOT_FOUND: ")
    assert first.endswith(f"(query {last.execution_id})")
    # The statement that was sent begins with a line of its own.
    assert second.startswith("  at line 2: ")
    assert "nope" in second
    assert ran(aws_environment, "nope_at_all") == 1


def test_a_query_that_is_cancelled_is_not_tried_again(
    warehouse: AthenaWarehouse, aws_environment: Stand
) -> None:
    athena = aws_environment.client("athena")

    def cancel(call: Call) -> Failure | None:
        if call.operation == "StartStatement" and "cancelled_once" in call.resource:
            athena.stop_query_execution(QueryExecutionId=call.parameters["QueryExecutionId"])
        return None

    with (
        aws_environment.faults.injected(cancel),
        pytest.raises(
            WarehouseError, match=r"numbers: was cancelled: Query cancelled by user \(query "
        ),
    ):
        publish(warehouse, "select length('cancelled_once') as n")
    assert ran(aws_environment, "cancelled_once") == 1
    assert numbers(warehouse) == [1]


def test_the_workgroups_limit_is_named_where_it_cuts_a_statement_off(
    warehouse: AthenaWarehouse, aws_environment: Stand
) -> None:
    aws_environment.limit_bytes_scanned("primary", 1)
    try:
        with pytest.raises(WarehouseError, match=r"statement_limit_gigabytes.*\(query "):
            warehouse.query("select sum(n) as n from marts.numbers")
    finally:
        aws_environment.limit_bytes_scanned("primary", None)


def test_a_statement_that_nobody_can_wait_for_is_stopped(
    warehouse: AthenaWarehouse, aws_environment: Stand
) -> None:
    faults = aws_environment.faults
    faults.add(fail("athena", "GetQueryExecution", INTERNAL_ERROR, times=99, client="client"))

    def slowly(call: Call) -> Failure | None:
        if call.operation == "StartStatement":
            time.sleep(4)
        return None

    faults.add(slowly)
    with pytest.raises(WarehouseError, match=r"numbers \(query .*\): InternalServerException"):
        publish(warehouse, "select 5 as n")
    assert faults.count("athena", "StopQueryExecution") == 1
    faults.clear()
    failed = warehouse.log.statements[-1]
    deadline = time.monotonic() + 20
    while aws_environment.statements[-1].state == "RUNNING" and time.monotonic() < deadline:
        time.sleep(0.1)
    last = aws_environment.statements[-1]
    assert (last.execution_id, last.state) == (failed.query_id, "CANCELLED")
    assert failed.status == "failed"
    assert numbers(warehouse) == [1]
