"""The Data API: statements that take time, fail or are cancelled; pages, types, lost answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from engagement.aws.clients import Service
from engagement.warehouse.frames import frame
from engagement.warehouse.redshift.data_api import DataApi
from engagement.warehouse.redshift.transport import StatementFailedError
from tests.fakes.redshift_data import Outcome, RedshiftDataFake, RefusedError
from tests.fakes.server import REGION, Fakes
from tests.fakes.service import NEVER, Ending

UseFakes = Callable[..., Fakes]
WORKGROUP = {"Database": "dev", "WorkgroupName": "engagement"}


@pytest.fixture
def fake(use_fakes: UseFakes) -> RedshiftDataFake:
    made = RedshiftDataFake()
    use_fakes(made)
    return made


def opened(pauses: list[float] | None = None, **options: Any) -> DataApi:
    """A session that does not sleep."""
    kept = [] if pauses is None else pauses
    return DataApi(Service("redshift-data", REGION), WORKGROUP, pause=kept.append, **options)


TYPED = Outcome(
    columns=[
        ("whole", "int8", 19, 0),
        ("number", "float8", 17, 17),
        ("answer", "bool", 1, 0),
        ("text", "varchar", 65535, 0),
        ("money", "numeric", 18, 2),
        ("day", "date", 13, 0),
        ("moment", "timestamp", 29, 6),
        ("zoned", "timestamptz", 35, 6),
        ("json", "super", 0, 0),
    ],
    rows=[
        (
            2**53 + 1, 1.5, True, "é", Decimal("1.25"), date(2026, 1, 5),
            datetime(2026, 1, 5, 10, 0, 0, 123999), "2026-01-05 11:00:00+01", '{"a": 1}',
        ),
        (None,) * 9,
    ],
)  # fmt: skip


def test_a_result_has_the_types_of_its_columns(fake: RedshiftDataFake) -> None:
    fake.execute = lambda session, statements: TYPED
    found = frame(opened().run("select 1").arrow())
    assert {name: str(kind) for name, kind in found.dtypes.items()} == {
        "whole": "Int64",
        "number": "float64",
        "answer": "boolean",
        "text": "str",
        "money": "object",
        "day": "object",
        "moment": "datetime64[ms]",
        "zoned": "datetime64[ms]",
        "json": "str",
    }
    assert found.iloc[0].tolist() == [
        9007199254740993, 1.5, True, "é", Decimal("1.25"), date(2026, 1, 5),
        pd.Timestamp("2026-01-05 10:00:00.123"), pd.Timestamp("2026-01-05 10:00:00"), '{"a": 1}',
    ]  # fmt: skip
    assert found.iloc[1].isna().all()
    fake.execute = lambda session, statements: Outcome(TYPED.columns, [])
    assert frame(opened().run("select 1").arrow()).dtypes.equals(found.dtypes)


def test_every_page_of_a_result_is_read(fake: RedshiftDataFake) -> None:
    fake.page_rows = 10
    fake.execute = lambda session, statements: Outcome(
        [("n", "int4", 10, 0)], [(n,) for n in range(25)]
    )
    found = opened().run("select n")
    assert [row[0] for row in found.rows] == list(range(25))


def test_a_page_that_is_missing_is_told(fake: RedshiftDataFake, fakes: Fakes) -> None:
    fake.page_rows = 10
    rows = [(n,) for n in range(25)]
    fake.execute = lambda session, statements: Outcome([("n", "int4", 10, 0)], rows)

    def shrink() -> None:
        del rows[15:]

    # The service forgets rows between two pages, and says how many there are all the same.
    fakes.call("redshift-data", "GetStatementResult", shrink, skip=1)
    answer = fake.get_statement_result
    fake.get_statement_result = lambda request: answer(request) | {"TotalNumRows": 25}  # type: ignore[method-assign]
    with pytest.raises(StatementFailedError, match="15 of 25 rows came"):
        opened().run("select n")


def test_a_result_that_is_too_large_says_what_to_do(fake: RedshiftDataFake) -> None:
    fake.most_result_bytes = 10
    fake.execute = lambda session, statements: Outcome([("a", "varchar", 9, 0)], [("x" * 11,)])
    with pytest.raises(StatementFailedError, match="fetch fewer rows or columns, or use a conn"):
        opened().run("select a")


def test_the_session_is_kept_and_ended(fake: RedshiftDataFake) -> None:
    seen: list[tuple[str, str]] = []

    def execute(session: str, statements: Sequence[str]) -> Outcome:
        seen.append((session, statements[0]))
        return Outcome()

    fake.execute = execute
    one = opened(keep_seconds=60)
    one.run("create temp table a (b bigint)")
    one.run("drop table a")
    assert len({session for session, _ in seen}) == 1
    assert fake.sessions == {seen[0][0]: 60}
    one.close()
    fake.proceed()
    assert fake.sessions == {}
    one.close()  # nothing is asked of a session that was ended
    assert len(seen) == 3


def test_it_is_asked_after_with_growing_pauses(fake: RedshiftDataFake) -> None:
    fake.script("statement", Ending("FINISHED", polls=3))
    pauses: list[float] = []
    opened(pauses, poll_seconds=0.25).run("drop table a")
    assert len(pauses) == 9
    assert pauses[0] == 0.25
    assert pauses == sorted(pauses)
    assert max(pauses) == 5


def test_the_databases_own_reason_is_told(fake: RedshiftDataFake) -> None:
    def refuse(session: str, statements: Sequence[str]) -> Outcome:
        raise RefusedError('relation "a" does not exist\nat somewhere', number=2)

    fake.execute = refuse
    with pytest.raises(StatementFailedError, match=r'^ERROR: relation "a" does not exist$'):
        opened().run("select a")
    with pytest.raises(StatementFailedError, match=r'^ERROR: relation "a" does not exist$'):
        opened().run_in_one_transaction(["select 1", "select a", "select 2"])


def test_people_are_masked_in_it(fake: RedshiftDataFake) -> None:
    def refuse(session: str, statements: Sequence[str]) -> Outcome:
        raise RefusedError("invalid value: ada@people.example")

    fake.execute = refuse
    with pytest.raises(StatementFailedError) as caught:
        opened().run("select a")
    assert "ada@" not in str(caught.value)


def test_what_somebody_else_cancels_is_told(fake: RedshiftDataFake) -> None:
    fake.script("statement", "ABORTED")
    with pytest.raises(StatementFailedError, match="it was aborted"):
        opened().run("select a")


def test_what_takes_too_long_is_cancelled(fake: RedshiftDataFake, fakes: Fakes) -> None:
    fake.script("statement", NEVER)
    with pytest.raises(StatementFailedError, match=r"more than 0 s .*statement_seconds"):
        opened(statement_seconds=0).run("select a")
    assert fakes.operations("redshift-data").count("CancelStatement") == 1
    assert [one.aborted for one in fake.statements.values()] == [True]


def test_who_is_interrupted_cancels(fake: RedshiftDataFake) -> None:
    fake.script("statement", NEVER)

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DataApi(Service("redshift-data", REGION), WORKGROUP, pause=interrupt).run("select a")
    assert [one.aborted for one in fake.statements.values()] == [True]


def test_a_lost_answer_runs_nothing_twice(fake: RedshiftDataFake, fakes: Fakes) -> None:
    seen: list[str] = []

    def execute(session: str, statements: Sequence[str]) -> Outcome:
        seen.extend(statements)
        return Outcome(affected=1)

    fake.execute = execute
    fakes.lose("redshift-data", "ExecuteStatement")
    opened().run("insert into a values (1)")
    assert seen == ["insert into a values (1)"]
    tokens = {c.parameters["ClientToken"] for c in fakes.calls if c.operation.startswith("Exec")}
    assert len(tokens) == 1


def test_throttling_is_waited_out(fake: RedshiftDataFake, fakes: Fakes) -> None:
    for operation in ("ExecuteStatement", "DescribeStatement", "GetStatementResult"):
        fakes.throttle("redshift-data", operation, times=1)
    assert opened().run("select 1").names == ("a",)


@pytest.mark.parametrize(
    "code", ["ActiveStatementsExceededException", "ActiveSessionsExceededException"]
)
def test_a_busy_warehouse_is_waited_for_under_the_same_token(
    fake: RedshiftDataFake, fakes: Fakes, code: str
) -> None:
    fakes.fail("redshift-data", "ExecuteStatement", code=code, times=3)
    pauses: list[float] = []
    opened(pauses).run("drop table a")
    assert pauses[:3] == [1.0, 1.5, 2.25]
    tokens = {c.parameters["ClientToken"] for c in fakes.calls if c.operation.startswith("Exec")}
    assert len(tokens) == 1
    fakes.fail("redshift-data", "ExecuteStatement", code=code, times=100)
    with pytest.raises(StatementFailedError, match=code):
        opened(busy_seconds=0).run("drop table a")


def test_statements_together_are_one_call_and_not_too_many(
    fake: RedshiftDataFake, fakes: Fakes
) -> None:
    seen: list[Sequence[str]] = []

    def execute(session: str, statements: Sequence[str]) -> Outcome:
        seen.append(list(statements))
        return Outcome()

    fake.execute = execute
    opened().run_in_one_transaction([f"drop table t{n}" for n in range(40)])
    assert [len(one) for one in seen] == [40]
    with pytest.raises(StatementFailedError, match="41 statements cannot take effect together"):
        opened().run_in_one_transaction([f"drop table t{n}" for n in range(41)])
    assert len(seen) == 1


def test_who_was_killed_between_two_calls_has_submitted(fake: RedshiftDataFake) -> None:
    """The service goes on by itself: what was submitted takes effect, and the next run sees it."""
    seen: list[str] = []

    def execute(session: str, statements: Sequence[str]) -> Outcome:
        seen.extend(statements)
        return Outcome()

    fake.execute = execute

    class Killed(BaseException):
        """Stands for the end of the process: nothing is cleaned up."""

    def die(seconds: float) -> None:
        raise Killed

    dying = DataApi(Service("redshift-data", REGION), WORKGROUP, pause=die)
    dying._cancel = lambda id_: None  # type: ignore[method-assign]
    with pytest.raises(Killed):
        dying.run_in_one_transaction(["drop table a", "alter table b rename to a"])
    assert seen == []
    fake.proceed()
    assert seen == ["drop table a", "alter table b rename to a"]


def test_no_token_is_logged(fake: RedshiftDataFake, fakes: Fakes, caplog: Any) -> None:
    with caplog.at_level(logging.DEBUG):
        opened().run("select 1")
    tokens = [c.parameters["ClientToken"] for c in fakes.calls if "ClientToken" in c.parameters]
    assert tokens
    assert not any(token in caplog.text for token in tokens)


def test_a_session_that_is_gone_is_told(fake: RedshiftDataFake) -> None:
    one = opened()
    one.run("create temp table a (b bigint)")
    fake.sessions.clear()
    with pytest.raises(StatementFailedError, match=r"its session has ended.*run it again"):
        one.run("select * from a")
    one.run("drop table if exists a")  # in a new one
