"""The driver's own decoding of what Redshift sends, errors, and logging in."""

from __future__ import annotations

import builtins
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from engagement.settings.redshift import Redshift
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.frames import frame
from engagement.warehouse.redshift import connector, login
from engagement.warehouse.redshift.connector import Connector
from engagement.warehouse.redshift.transport import StatementFailedError
from tests.fakes import Fake, Fakes, Parameters
from tests.fakes.server import REGION
from tests.redshift.wire import Answer, Column, WireServer, serving

UseFakes = Callable[..., Fakes]


@pytest.fixture
def server() -> Iterator[WireServer]:
    with serving() as found:
        yield found


@pytest.fixture
def one(server: WireServer) -> Iterator[Connector]:
    """A connection to it."""
    place = {"host": "127.0.0.1", "port": server.port, "ssl": False, "database": "shop"}
    found = connector.connect({**place, "user": "builder", "password": "secret"})
    yield found
    found.close()


NUMERIC_18_2 = (18 << 16 | 2) + 4
COLUMNS = [
    Column("whole", 20),
    Column("small", 23),
    Column("number", 701),
    Column("answer", 16),
    Column("text", 1043, 65539),
    Column("money", 1700, NUMERIC_18_2),
    Column("day", 1082),
    Column("moment", 1114),
    Column("zoned", 1184),
    Column("json", 4000),
]
ROW = (
    2**53 + 1, 7, 1.5, True, "é\n", Decimal("-12345.67"), date(2026, 1, 5),
    datetime(2026, 1, 5, 10, 0, 0, 123999), datetime(2026, 1, 5, 10, tzinfo=UTC), '{"a": [1]}',
)  # fmt: skip


def test_the_drivers_types_become_those_of_the_columns(server: WireServer, one: Connector) -> None:
    server.answer = lambda sql: Answer(COLUMNS, [ROW, (None,) * len(ROW)])
    result = one.run("select 1")
    assert result.kinds == (
        "bigint", "integer", "double", "boolean", "varchar", "decimal(18,2)", "date",
        "timestamp(3)", "timestamp(3)", "json",
    )  # fmt: skip
    found = frame(result.arrow())
    assert {name: str(kind) for name, kind in found.dtypes.items()} == {
        "whole": "Int64",
        "small": "Int64",
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
        9007199254740993, 7, 1.5, True, "é\n", Decimal("-12345.67"), date(2026, 1, 5),
        pd.Timestamp("2026-01-05 10:00:00.123"), pd.Timestamp("2026-01-05 10:00:00"),
        '{"a": [1]}',
    ]  # fmt: skip
    assert found.iloc[1].isna().all()
    assert server.told["client_protocol_version"] == "2"


def test_an_empty_result_has_the_same_types(server: WireServer, one: Connector) -> None:
    server.answer = lambda sql: Answer(COLUMNS, [ROW])
    full = frame(one.run("select 1").arrow())
    server.answer = lambda sql: Answer(COLUMNS, [])
    empty = frame(one.run("select 1").arrow())
    assert empty.dtypes.equals(full.dtypes)


def test_an_array_is_a_list_where_the_query_says_that_it_is_one(
    server: WireServer, one: Connector
) -> None:
    rows = [('["a", null, {"b": 1}]',), (None,), ("[]",), ('"no array"',)]
    server.answer = lambda sql: Answer([Column("x", 4000)], rows)
    result = one.run("select 1")
    assert frame(result.arrow(["x"]))["x"].tolist() == [["a", None, '{"b": 1}'], None, [], None]
    assert frame(result.arrow())["x"].tolist()[2] == "[]"


def test_signs_in_statements_are_no_parameters(server: WireServer, one: Connector) -> None:
    sql = "select a like '%s%' || '?' || ':x' as b, 7 % 2 as c"
    one.run(sql)
    assert server.statements == [sql]


def test_rows_written_are_counted(server: WireServer, one: Connector) -> None:
    server.answer = lambda sql: Answer(tag="INSERT 0 3")
    assert one.run("insert into a values (1)").affected == 3


def test_an_error_is_the_servers_own_words_and_masked(server: WireServer, one: Connector) -> None:
    said = {"S": "ERROR", "C": "22P02", "M": "invalid value ada@people.example\nmore"}
    server.answer = lambda sql: Answer(error=said)
    with pytest.raises(StatementFailedError) as caught:
        one.run("select a")
    assert str(caught.value).startswith("invalid value …")
    assert "ada@" not in str(caught.value)
    server.answer = lambda sql: Answer([Column("a", 23)], [(1,)])
    assert one.run("select 1").rows == ([1],)


def test_what_fails_together_is_rolled_back(server: WireServer, one: Connector) -> None:
    def answer(sql: str) -> Answer:
        return Answer(error={"C": "0A000", "M": "no"}) if sql == "second" else Answer()

    server.answer = answer
    with pytest.raises(StatementFailedError, match=r"^no \(0A000\)$"):
        one.run_in_one_transaction(["first", "second", "third"])
    assert server.statements == ["begin", "first", "second", "rollback"]
    server.statements.clear()
    one.run_in_one_transaction(["first"])
    assert server.statements == ["begin", "first", "commit"]


def test_nothing_is_kept_of_statements(server: WireServer, one: Connector) -> None:
    for number in range(3):
        one.run(f"insert into a values ({number})")
    assert not one._connection._caches


def test_the_driver_logs_no_statement_and_no_password(server: WireServer, caplog: Any) -> None:
    logging.getLogger("redshift_connector").setLevel(logging.NOTSET)
    place = {"host": "127.0.0.1", "port": server.port, "ssl": False, "database": "shop"}
    with caplog.at_level(logging.DEBUG):
        one = connector.connect({**place, "user": "builder", "password": "s3cret"})
        one.run("select 'ada@people.example'")
        one.close()
    assert not [record for record in caplog.records if record.name.startswith("redshift")]


def test_without_the_driver_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *others: Any) -> Any:
        if name == "redshift_connector":
            raise ImportError(name)
        return real(name, *others)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(WarehouseError, match=r"pip install 'engagement\[redshift\]'"):
        connector.driver()


def test_a_server_that_cannot_be_reached_is_told_without_the_password() -> None:
    said = "Redshift cannot be reached: communication error"
    with pytest.raises(WarehouseError, match=said) as caught:
        connector.connect(
            {"host": "127.0.0.1", "port": 1, "database": "a", "user": "b", "password": "s3cret"}
        )
    assert "s3cret" not in str(caught.value)


def test_a_statement_may_take_longer_than_connecting(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(sql: str) -> Answer:
        time.sleep(1.3)
        return Answer([Column("a", 23)], [(1,)])

    server.answer = slow
    monkeypatch.setenv("REDSHIFT_PASSWORD", "one")
    place = {"host": "127.0.0.1", "port": server.port, "user": "builder", "wait_seconds": 1}
    one = login.transport(section(**place), reads=False)
    assert one.run("select 1 as a").rows == ([1],)
    one.close()


def test_a_server_that_does_not_answer_is_told(server: WireServer) -> None:
    def slow(sql: str) -> Answer:
        time.sleep(1)
        return Answer()

    server.answer = slow
    place = {"host": "127.0.0.1", "port": server.port, "ssl": False, "database": "shop"}
    one = connector.connect({**place, "user": "builder", "password": "x"}, answer_seconds=0.2)
    with pytest.raises(StatementFailedError, match="timed out"):
        one.run("select 1")
    one.close()


# --- logging in -----------------------------------------------------------------------------------


class Serverless(Fake):
    service = "redshift-serverless"

    def get_credentials(self, request: Parameters) -> Parameters:
        assert request == {
            "workgroupName": "engagement", "dbName": "shop", "durationSeconds": 3600
        }  # fmt: skip
        return {"dbUser": "IAMR:builder", "dbPassword": "temporary", "expiration": self.now()}

    def get_workgroup(self, request: Parameters) -> Parameters:
        return {"workgroup": {"endpoint": {"address": "127.0.0.1", "port": self.port}}}

    port = 0


class Secrets(Fake):
    service = "secretsmanager"

    def get_secret_value(self, request: Parameters) -> Parameters:
        name = request["SecretId"].rpartition(":")[2]
        return {"Name": name, "SecretString": f'{{"username": "{name}", "password": "hidden"}}'}


def section(**given: Any) -> Redshift:
    return Redshift(**{"database": "shop", "sslmode": "disable", **given})


def test_iam_finds_the_workgroup_and_logs_in_for_an_hour(
    server: WireServer, use_fakes: UseFakes
) -> None:
    fake = Serverless()
    fake.port = server.port
    use_fakes(fake)
    chosen = section(connect="iam", region=REGION, workgroup="engagement")
    login.transport(chosen, reads=False).close()
    assert server.told["user"] == "IAMR:builder"
    assert server.told["database"] == "shop"
    assert server.closed.wait(5)
    with pytest.raises(WarehouseError, match="IAM logs in to a workgroup as itself"):
        login.transport(chosen.model_copy(update={"read_user": "reader"}), reads=True)


def test_a_password_comes_from_the_environment(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"host": "127.0.0.1", "port": server.port, "user": "builder", "read_user": "reader"}
    monkeypatch.delenv("REDSHIFT_PASSWORD", raising=False)
    monkeypatch.setenv("REDSHIFT_READ_PASSWORD", "other")
    with pytest.raises(WarehouseError, match="export REDSHIFT_PASSWORD, or name a secret"):
        login.transport(section(**place), reads=False)
    monkeypatch.setenv("REDSHIFT_PASSWORD", "one")
    login.transport(section(**place), reads=False).close()
    assert server.told["user"] == "builder"
    login.transport(section(**place), reads=True).close()
    assert server.told["user"] == "reader"


def test_or_from_a_secret(server: WireServer, use_fakes: UseFakes) -> None:
    use_fakes(Secrets())
    arn = f"arn:aws:secretsmanager:{REGION}:111122223333:secret:"
    given = {"host": "127.0.0.1", "port": server.port, "region": REGION}
    chosen = section(**given, secret_arn=f"{arn}builder", read_secret_arn=f"{arn}reader")
    login.transport(chosen, reads=False).close()
    assert server.told["user"] == "builder"
    login.transport(chosen, reads=True).close()
    assert server.told["user"] == "reader"


SECRET = {"secret_arn": "arn:one", "read_secret_arn": "arn:two"}
DATA_API = {"connect": "data_api", "region": REGION}


@pytest.mark.parametrize(
    ("given", "reads", "wanted"),
    [
        ({"workgroup": "group"}, False, {"WorkgroupName": "group"}),
        ({"workgroup": "group"}, True, {"WorkgroupName": "group"}),
        (
            {"workgroup": "group", **SECRET},
            True,
            {"WorkgroupName": "group", "SecretArn": "arn:two"},
        ),
        (
            {"workgroup": "group", **SECRET},
            False,
            {"WorkgroupName": "group", "SecretArn": "arn:one"},
        ),
        (
            {"cluster": "one", "user": "builder", "read_user": "reader"},
            True,
            {"ClusterIdentifier": "one", "DbUser": "reader"},
        ),
        ({"cluster": "one"}, False, {"ClusterIdentifier": "one"}),
    ],
)
def test_whose_database_the_data_api_is_asked_for(
    given: dict[str, Any], reads: bool, wanted: dict[str, str]
) -> None:
    found = login.target(section(**DATA_API, **given), reads=reads)
    assert found == {"Database": "shop", **wanted}


def test_a_workgroup_takes_no_user_by_the_data_api() -> None:
    chosen = section(**DATA_API, workgroup="group", read_user="reader")
    with pytest.raises(WarehouseError, match="name read_secret_arn in place of read_user"):
        login.target(chosen, reads=True)
