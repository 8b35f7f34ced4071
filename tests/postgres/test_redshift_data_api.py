"""The conformance kit over the Data API: the service is a fake, its database a real PostgreSQL.

Each session of the fake is a connection to the stand of :mod:`tests.postgres.redshift_stand`, so
temporary tables, transactions and errors are a server's own.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from engagement.warehouse import Table, Warehouse, WarehouseError
from engagement.warehouse.errors import LeaseHeldError
from engagement.warehouse.redshift import login
from engagement.warehouse.redshift.transport import Transport
from engagement.warehouse.redshift.warehouse import RedshiftWarehouse
from tests.fakes.redshift_data import Outcome, RedshiftDataFake, RefusedError
from tests.fakes.server import REGION, Fakes
from tests.postgres.redshift_stand import Stand, for_postgres, stand
from tests.postgres.server import USER
from tests.postgres.test_postgres_warehouse import (
    test_all_at_once_or_nothing,
    test_names_that_look_like_sql_are_names,
    test_rows_are_appended_with_columns_that_are_new,
    test_rows_of_some_keys_are_replaced,
)
from tests.warehouse.test_reading import (
    test_rows_of_some_keys_are_replaced as test_rows_are_replaced_by_name,
)
from tests.warehouse.test_warehouse import (
    test_a_partition_may_bring_a_column_or_widen_one,
    test_a_result_has_the_types_of_its_columns_whatever_the_rows,
    test_a_session_that_only_reads_publishes_nothing,
    test_a_table_is_replaced_with_its_columns,
    test_a_table_may_be_made_from_itself,
    test_an_error_names_its_label_and_is_short,
    test_parameters_are_values_never_text,
    test_partitions_are_replaced_and_others_stay,
    test_rows_that_are_here_replace_partitions,
    test_statements_are_logged,
    test_the_rows_of_a_frame_are_published_with_their_types,
    test_what_fails_leaves_the_table_as_it_was,
    test_working_tables_are_the_sessions_own,
)

__all__ = [
    "test_a_partition_may_bring_a_column_or_widen_one",
    "test_a_result_has_the_types_of_its_columns_whatever_the_rows",
    "test_a_session_that_only_reads_publishes_nothing",
    "test_a_table_is_replaced_with_its_columns",
    "test_a_table_may_be_made_from_itself",
    "test_all_at_once_or_nothing",
    "test_an_error_names_its_label_and_is_short",
    "test_names_that_look_like_sql_are_names",
    "test_parameters_are_values_never_text",
    "test_partitions_are_replaced_and_others_stay",
    "test_rows_are_appended_with_columns_that_are_new",
    "test_rows_are_replaced_by_name",
    "test_rows_of_some_keys_are_replaced",
    "test_rows_that_are_here_replace_partitions",
    "test_statements_are_logged",
    "test_the_rows_of_a_frame_are_published_with_their_types",
    "test_what_fails_leaves_the_table_as_it_was",
    "test_working_tables_are_the_sessions_own",
]

MART = Table("marts", "things")
UseFakes = Callable[..., Fakes]

_TYPES = {
    16: ("bool", 1, 0), 20: ("int8", 19, 0), 21: ("int2", 5, 0), 23: ("int4", 10, 0),
    701: ("float8", 17, 17), 1082: ("date", 13, 0), 1114: ("timestamp", 29, 6),
    1184: ("timestamptz", 35, 6),
}  # fmt: skip
_JSON = (114, 3802, 1009, 1015)


class Database:
    """Runs the fake's statements: a connection of PostgreSQL's for each session."""

    def __init__(self, found: Stand) -> None:
        self._stand = found
        self._open: dict[str, psycopg.Connection] = {}

    def __call__(self, session: str, statements: Sequence[str]) -> Outcome:
        if session not in self._open:
            self._open[session] = psycopg.connect(
                host=str(self._stand.socket),
                user=USER,
                dbname=self._stand.database,
                autocommit=True,
            )
        connection = self._open[session]
        outcome = Outcome()
        with connection.transaction():
            for number, sql in enumerate(statements, start=1):
                self._stand.note(sql)
                try:
                    outcome = _outcome(connection.execute(for_postgres(sql).encode()))
                except psycopg.Error as error:
                    raise RefusedError(str(error).split("\n")[0], number) from error
        return outcome

    def end(self, session: str) -> None:
        if session in self._open:
            self._open.pop(session).close()

    def close(self) -> None:
        for session in list(self._open):
            self.end(session)


def _outcome(cursor: psycopg.Cursor) -> Outcome:
    if cursor.description is None:
        return Outcome(affected=cursor.rowcount)
    columns, is_json = [], []
    for one in cursor.description:
        is_json.append(one.type_code in _JSON)
        if one.type_code == 1700:
            kind = ("numeric", one.precision or 38, one.scale or 0)
        else:
            kind = _TYPES.get(one.type_code, ("varchar", 65535, 0))
        columns.append((one.name, *(("super", 0, 0) if is_json[-1] else kind)))
    rows = [
        tuple(
            json.dumps(cell) if json_ and cell is not None else cell
            for cell, json_ in zip(row, is_json, strict=True)
        )
        for row in cursor.fetchall()
    ]
    return Outcome(columns, rows)


@pytest.fixture
def on_stand(postgres_socket: Path) -> Iterator[Stand]:
    with (
        tempfile.TemporaryDirectory(prefix="relay-", dir="/tmp") as folder,
        stand(postgres_socket, "data_api", Path(folder)) as found,
    ):
        yield found
    assert found.problems == []


@pytest.fixture
def fake(on_stand: Stand, use_fakes: UseFakes) -> Iterator[RedshiftDataFake]:
    database = Database(on_stand)
    made = RedshiftDataFake(database)
    made.polls, made.on_end = 0, database.end
    use_fakes(made)
    yield made
    database.close()


@pytest.fixture
def warehouse(on_stand: Stand, fake: RedshiftDataFake) -> Warehouse:
    settings = on_stand.settings(
        section={
            "connect": "data_api",
            "host": None,
            "user": None,
            "region": REGION,
            "workgroup": "engagement",
            "poll_seconds": 0.001,
        }
    )
    section = settings.warehouse.redshift
    assert section is not None

    def connect(reads: bool) -> Transport:
        return login.transport(section, reads=reads)

    return RedshiftWarehouse(settings, words=on_stand.words(), connect=connect)


def test_published_together_or_not_at_all(warehouse: Warehouse, fake: RedshiftDataFake) -> None:
    others = Table("marts", "others")
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 1 as a")
        with session.transaction():
            session.publish(MART, "select 2 as a", version="second")
            # Within, what is published is read as it will be; outside, it is not there yet.
            session.publish(others, f"select a + 1 as a from {MART}")
            assert warehouse.query(f"select a from {MART}")["a"].tolist() == [1]
        assert session.published(MART) is not None
        assert session.query(f"select a from {others}")["a"].tolist() == [3]
        with suppress(ZeroDivisionError), session.transaction():
            session.publish(MART, "select 4 as a")
            _ = 1 // 0
    assert warehouse.query(f"select a from {MART}")["a"].tolist() == [2]


def test_who_lost_the_lease_publishes_nothing(
    warehouse: Warehouse, fake: RedshiftDataFake, on_stand: Stand
) -> None:
    with warehouse.session(write=True) as session:
        session.publish(MART, "select 1 as a")
        publisher = session._publisher  # type: ignore[attr-defined]
        inner = publisher._in_one_transaction

        def late(statements: Sequence[str], label: str) -> None:
            """Somebody takes the lease over after the last look, and before the swap."""
            with psycopg.connect(
                host=str(on_stand.socket), user=USER, dbname=on_stand.database, autocommit=True
            ) as other:
                other.execute(b"update engagement_storage.lease set token = 'another''s'")
            inner(statements, label)

        publisher._in_one_transaction = late
        with pytest.raises(LeaseHeldError, match="nothing more was published"):
            session.publish(MART, "select 2 as a")
    assert warehouse.query(f"select a from {MART}")["a"].tolist() == [1]


def test_the_lease_of_a_killed_run_ends(warehouse: Warehouse, on_stand: Stand) -> None:
    with warehouse.session(write=True):
        pass
    with psycopg.connect(
        host=str(on_stand.socket), user=USER, dbname=on_stand.database, autocommit=True
    ) as other:
        taken = (
            "insert into engagement_storage.lease values ('x', 'run 7', 9, '2026-01-05', "
            "getdate() - interval '{} seconds')"
        )
        other.execute(taken.format(10).encode())
        with (
            pytest.raises(LeaseHeldError, match=r"run 7 \(process 9\) since 2026-01-05"),
            warehouse.session(write=True),
        ):
            pass
        other.execute(b"delete from engagement_storage.lease")
        other.execute(taken.format(301).encode())
        with warehouse.session(write=True) as session:
            session.publish(MART, "select 1 as a")
        left = other.execute(b"select count(*) from engagement_storage.lease").fetchone()
    assert left == (0,)


def test_a_statement_that_is_too_long_is_told(warehouse: Warehouse) -> None:
    with (
        warehouse.session(write=True) as session,
        pytest.raises(WarehouseError, match="100,000 may be sent this way: use a connection"),
    ):
        session.query(f"select '{'x' * 100_001}' as a")
