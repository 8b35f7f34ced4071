"""Events whose keys have no end: a table has the columns that a statement of Athena's can name."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlglot import exp

from engagement.aws.s3 import Address
from engagement.flatten import crowded, tables
from engagement.flatten.fields import Registered
from engagement.flatten.schema import Source, Values
from engagement.flatten.tables import EventTable
from engagement.sql.dialect import WORK, Table
from engagement.warehouse.athena.landed import json_columns
from engagement.warehouse.athena.work import Work, WorkTables
from tests.flatten.by_hand import Landing
from tests.flatten.test_tables import track

LONGEST_STATEMENT = 262_144
"""Bytes that Athena takes of a query."""


# --- the statement ------------------------------------------------------------------------------


class OnAthena:
    """The statement that makes a table, as Athena would get it."""

    sql: str

    def __init__(self) -> None:
        lake: Any = SimpleNamespace(
            storage="engagement_storage",
            files=Address("bucket", "data/tables/"),
            databases={name: name for name in ("landing", "events", "marts")},
        )
        self.work = WorkTables(lake)
        names = """
            record record_number received_at_utc_date id received_at sent_at timestamp
            original_timestamp anonymous_id user_id type event context_ip channel
        """.split()
        columns = dict.fromkeys(names, "varchar")
        self.work.named["rows"] = Work("w_rows", lake.files, 1, columns=columns)

    def json_columns(self, name: str, source: Table, column: str, wanted: Any, **how: Any) -> Table:
        return json_columns(self.work, name, source, column, wanted, **how)

    def columns(self, table: Table) -> dict[str, str]:
        return self.work.columns(table)

    def publish(
        self, table: Table, query: exp.Query, *, partitions: Any, columns: dict[str, str]
    ) -> None:
        del table, partitions
        # As the rows of some dates are chosen of a query whose columns stand in another order.
        chosen = [exp.column(name, quoted=True) for name in columns]
        self.sql = self.work.sql(exp.Select(expressions=chosen).from_(query.subquery("whole")))


def wanted(*sources: Source, given: int = 10) -> EventTable:
    known = Registered(
        "track", "Seen", given, frozenset({"2026-01-01"}), sources,
        {source.path: given for source in sources}, {},
    )  # fmt: skip
    return next(one for one in tables.event_tables([known], {}) if one.name == "seen")


def statement(table: EventTable) -> str:
    session: Any = OnAthena()
    tables.publish(session, table, Table(WORK, "rows"), ["2026-01-01"])
    return str(session.sql)


TEXT = Values(strings=5)
VALUES = {
    "texts": (frozenset({"string"}), TEXT),
    "integers": (frozenset({"integer"}), Values(integers=5)),
    "times": (frozenset({"string"}), Values(strings=5, timestamps=5)),
    "lists": (frozenset({"array"}), Values(arrays=5)),
    "integers and texts": (frozenset({"integer", "string"}), Values(strings=3, integers=2)),
    "anything": (
        frozenset({"integer", "double", "boolean", "string", "array", "object"}),
        Values(1, 1, 1, 1, 0, 1),
    ),
}


@pytest.mark.parametrize(
    ("kind", "many", "length", "depth"),
    [
        ("texts", 2_500, 6, 1),
        ("texts", 800, 100, 1),
        ("integers", 1_500, 30, 3),
        ("times", 1_500, 30, 1),
        ("integers and texts", 1_000, 60, 1),
        ("lists", 500, 30, 1),
        ("anything", 700, 6, 4),
        ("anything", 300, 100, 1),
    ],
)
def test_a_statement_is_never_longer_than_athena_takes(
    kind: str, many: int, length: int, depth: int
) -> None:
    kinds, values = VALUES[kind]
    above = ("properties", *["level"] * (depth - 1))
    keys = (f"k{number:05}".ljust(length, "x") for number in range(many))
    table = wanted(*(Source((*above, key), kinds, values) for key in keys))
    assert 0 < len(table.columns) < many
    left = [one for one in table.unnamed if one.reason == crowded.REASON]
    assert len(left) + len(table.columns) == many
    assert LONGEST_STATEMENT / 4 < len(statement(table).encode()) < LONGEST_STATEMENT * 0.9


def test_columns_of_several_paths_are_counted_too() -> None:
    sources = [
        Source(("properties", name), frozenset({"string"}), TEXT)
        for number in range(400)
        for name in (f"my_key_{number}", f"myKey_{number}", f"My Key {number}")
    ]
    table = wanted(*sources)
    assert 0 < len(table.columns) < 400
    assert len(statement(table).encode()) < LONGEST_STATEMENT * 0.9


def test_a_column_of_too_many_paths_leaves_room_for_others() -> None:
    """Names are cut after some characters, so that a thousand long keys may give one column."""
    crowd = (
        Source(("properties", "k" * 500 + str(number)), frozenset({"string"}), TEXT)
        for number in range(1_000)
    )
    table = wanted(*crowd, Source(("properties", "price"), frozenset({"string"}), TEXT))
    assert [column.name for column, _ in table.columns] == ["price"]


def test_a_thousand_properties_are_not_too_many() -> None:
    sources = (
        Source(("properties", f"property_{number}"), frozenset({"string"}), TEXT)
        for number in range(1_000)
    )
    table = wanted(*sources)
    assert len(table.columns) == 1_000
    assert table.unnamed == ()


# --- the choice ---------------------------------------------------------------------------------


@pytest.fixture
def room_for_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement may have three columns of texts with names of one letter, and no fourth."""
    one = crowded._text_of(next(c for c, _ in wanted(
        Source(("properties", "a"), frozenset({"string"}), TEXT)).columns))  # fmt: skip
    monkeypatch.setattr(crowded, "MOST_TEXT", 3 * one + 10)


def properties(landing: Landing) -> set[str]:
    rows = landing.rows(
        "select column_name from information_schema.columns "
        "where table_schema = 'events' and table_name = 'seen'"
    )
    return {name for (name,) in rows if len(name) == 1}


def test_what_is_given_most_often_has_a_column(landing: Landing, room_for_three: None) -> None:
    # x eight times, b and c twice, a, d and e once: by powers of two x, then b and c.
    events = [track("Seen", x="1") for _ in range(8)]
    events += [track("Seen", **{name: "1"}) for name in "abbccde"]
    landing.put(events)
    report = landing.flatten()
    assert properties(landing) == {"x", "b", "c"}
    left = {one.path[-1] for one in report.unnamed if one.reason == crowded.REASON}
    assert left == {"a", "d", "e"}
    assert landing.rows("select count(*) as n from events.seen") == [(15,)]


def test_equally_given_ones_that_were_seen_first_stay(
    landing: Landing, room_for_three: None
) -> None:
    landing.put([track("Seen", **{name: "1"}) for name in "def"], day="2026-01-02")
    landing.put([track("Seen", g="1")], day="2026-01-03")
    landing.put([track("Seen", z="1")], day="2026-01-01")
    landing.flatten()
    assert properties(landing) == {"z", "d", "e"}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_in_which_days_land_changes_nothing(
    make_landing: Callable[..., Landing], room_for_three: None, order: tuple[int, ...]
) -> None:
    days = (
        [track("Seen", **{name: f"first-{name}"}) for name in "abc"],
        [track("Seen", **{name: f"second-{name}"}) for name in "ddddeeb"],
        [track("Seen", **{name: f"third-{name}"}) for name in "aaaaffff"],
    )
    landing = make_landing()
    for day in order:
        landing.put(days[day], day=f"2026-01-0{day + 1}")
        landing.flatten()
    # d four times, a five, f four, e and b twice, c once: a, d and f.
    assert properties(landing) == {"a", "d", "f"}
    counts = "select count(a) as a, count(d) as d, count(f) as f, count(*) as n from events.seen"
    assert landing.rows(counts) == [(5, 4, 4, 18)]


def test_tracks_do_not_lose_what_a_crowded_table_left_out(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of the event has no room for its context; that of all tracks has."""
    monkeypatch.setattr(crowded, "MOST_TEXT", 500)
    event = track("Seen", **{f"{letter}{n}": "1" for letter in "abc" for n in range(9)})
    landing.put([{**event, "context": {"zzz": "kept"}}] + [track("Seen", a1="1")] * 5)
    landing.flatten()
    assert landing.rows("select count(context_zzz) as n from events.tracks") == [(1,)]


def test_three_thousand_keys_stop_nothing(landing: Landing) -> None:
    """Keys are the ids of products; what every event has stays."""
    landing.put(
        [
            track("Seen", basket={f"sku-{n * 100 + m:05}": m for m in range(100)}, price=n)
            for n in range(30)
        ]
    )
    report = landing.flatten()
    assert landing.rows("select count(price) as n, sum(price) as s from events.seen") == [(30, 435)]
    assert any(one.reason == crowded.REASON for one in report.unnamed)
    assert report.wide() == ["events.seen"]
