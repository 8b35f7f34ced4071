"""Steps in which DuckDB publishes several tables, and what it tidies up with the last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engagement.settings import Settings
from engagement.warehouse import Session, Table, Warehouse, WarehouseError, open_warehouse
from engagement.warehouse.duckdb import file
from engagement.warehouse.duckdb.publisher import GATHERED
from engagement.warehouse.duckdb.session import DuckDBSession

ONE, TWO = Table("marts", "one"), Table("marts", "two")
DAY = "received_at_utc_date"


@pytest.fixture
def warehouse(make_settings: Callable[..., Settings]) -> Warehouse:
    return open_warehouse(make_settings())


def publish(session: Session, table: Table, number: int) -> None:
    session.publish(table, f"select cast({number} as bigint) as a")


def held(warehouse: Warehouse, table: Table) -> list[int]:
    return [int(a) for a in warehouse.query(f"select a from {table}")["a"]]


def test_what_is_published_together_is_there_with_its_end(warehouse: Warehouse) -> None:
    with warehouse.session(write=True) as session:
        with session.transaction():
            publish(session, ONE, 1)
            # Who goes on sees what is made, and a table that is not there yet.
            assert session.columns(ONE) == {"a": "bigint"}
            assert session.columns(TWO) == {}
            copied = session.work("copied", f"select a + 1 as a from {ONE}")
            session.publish(TWO, f"select * from {copied}")
            session.finish()
        assert session.columns(TWO) == {"a": "bigint"}
    assert (held(warehouse, ONE), held(warehouse, TWO)) == ([1], [2])


def failing(session: Session, in_the_engine: bool) -> None:
    with session.transaction():
        publish(session, ONE, 2)
        publish(session, TWO, 2)
        session.drop(ONE)
        if in_the_engine:
            session.publish(TWO, "select cast('no number' as bigint) as a")
        raise KeyboardInterrupt


@pytest.mark.parametrize("fails_in_the_engine", [True, False])
def test_after_an_error_nothing_of_a_step_is_there(
    warehouse: Warehouse, fails_in_the_engine: bool
) -> None:
    with warehouse.session(write=True) as session:
        publish(session, ONE, 1)
        with pytest.raises((WarehouseError, KeyboardInterrupt)):
            failing(session, fails_in_the_engine)
        assert session.columns(ONE) == {"a": "bigint"}
        assert session.columns(TWO) == {}
        # The session goes on.
        publish(session, TWO, 3)
    assert (held(warehouse, ONE), held(warehouse, TWO)) == ([1], [3])


def test_an_error_names_its_statement_within_a_step_too(warehouse: Warehouse) -> None:
    with (
        warehouse.session(write=True) as session,
        pytest.raises(WarehouseError, match=r"^marts.one: .*no number"),
        session.transaction(),
    ):
        session.publish(ONE, "select cast('no number' as bigint) as a")


def losing_the_lease(session: Session, note: Path) -> None:
    with session.transaction():
        publish(session, ONE, 2)
        note.write_text("{}")


def test_a_step_is_not_ended_without_the_lease(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.session(write=True) as session:
        publish(session, ONE, 1)
        (note,) = tmp_path.rglob("*.holder.json")
        with pytest.raises(WarehouseError, match="lease"):
            losing_the_lease(session, note)
        assert session.query(f"select a from {ONE}")["a"].tolist() == [1]


def row_groups(warehouse: Warehouse) -> int:
    with warehouse.session() as session:
        assert isinstance(session, DuckDBSession)
        (found,) = session._connection.execute(
            "select count(distinct row_group_id) from pragma_storage_info('marts.one')"
        ).fetchall()
    return int(found[0])


def on_day(day: int, *numbers: int) -> tuple[str, str]:
    date = f"2026-01-{day:02}"
    values = ", ".join(f"({number})" for number in numbers)
    rows = f"select cast(v.a as bigint) as a, '{date}' as {DAY} from (values {values}) as v (a)"
    return date, rows


def ingest(warehouse: Warehouse, days: range, *numbers: int) -> list[int]:
    """Publish a date after the other; gives how many groups of rows there are after each."""
    counts = []
    for day in days:
        date, rows = on_day(day, day, *numbers)
        with warehouse.session(write=True) as session, session.transaction():
            session.publish(ONE, rows, partitions=[date], version=f"of {date}")
            session.finish()
            published = session.published(ONE)
        assert published is not None
        assert published.version == f"of {date}"
        counts.append(row_groups(warehouse))
    return counts


def test_rows_of_several_dates_come_into_one_group(warehouse: Warehouse) -> None:
    days = range(1, 2 * GATHERED + 2)
    counts = ingest(warehouse, days, 0)
    after = zip(days[1:], counts, counts[1:], strict=False)
    gathered = [day for day, before, now in after if now < before]
    assert len(gathered) == 1
    assert gathered[0] > GATHERED
    # The rows of the day itself come into that group too.
    assert counts[-1] == len(days) - GATHERED
    found = warehouse.query(f"select a, {DAY} as day from {ONE}")
    assert sorted(zip(found["a"], found["day"], strict=True)) == sorted(
        (number, f"2026-01-{day:02}") for day in days for number in (0, day)
    )


def test_rows_that_would_fill_more_than_a_group_stay_where_they_are(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "ROW_GROUP", 2048)
    days = range(1, 2 * GATHERED + 2)
    counts = ingest(warehouse, days, *range(2048 // GATHERED))
    assert counts == list(days)


def test_a_date_that_is_replaced_leaves_no_group_behind(warehouse: Warehouse) -> None:
    counts = []
    for number in range(4):
        date, rows = on_day(1, number)
        with warehouse.session(write=True) as session, session.transaction():
            session.publish(ONE, rows, partitions=[date])
            session.finish()
        counts.append(row_groups(warehouse))
    assert max(counts) == 1
    assert held(warehouse, ONE) == [3]
