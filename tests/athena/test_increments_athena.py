"""Landings that grow and change: run by run on Athena, the tables are those of one run on DuckDB.

In between, a reader that was there from the start reads them through the views that carry their
names.
"""

from __future__ import annotations

from pathlib import Path

from engagement.flatten.pipeline import flatten
from engagement.warehouse import open_warehouse
from engagement.warehouse.athena.warehouse import AthenaWarehouse
from tests.athena.compare import differences
from tests.athena.parameters import settings
from tests.athena.stand import Stand
from tests.athena.test_interrupted import FIRST, SECOND, land, on_duckdb, page, seen

THIRD = "2026-01-07"
SIGNED_UP = {"type": "track", "event": "Signed Up", "messageId": "t1", "anonymousId": "a"}


def test_late_and_corrected_files_new_events_and_wider_types(
    aws_environment: Stand, tmp_path: Path
) -> None:
    stand, name = aws_environment, "grows"
    own = settings(stand, name)
    reader = AthenaWarehouse(own)

    land(stand, name, FIRST, page("m1", x=1), page("m2", x=2))
    land(stand, name, SECOND, page("m3", x=3))
    flatten(AthenaWarehouse(own), own)
    assert seen(reader) == {("m1", "1"), ("m2", "2"), ("m3", "3")}

    # A file that is late, with a copy of what is known; and one that was put right.
    land(stand, name, FIRST, page("m4", x=4), page("m2", x=2), file="late.json")
    land(stand, name, SECOND, page("m3", x=33))
    report = flatten(AthenaWarehouse(own), own)
    assert report.days_read == (FIRST, SECOND)
    assert seen(reader) == {("m1", "1"), ("m2", "2"), ("m3", "33"), ("m4", "4")}

    # A new date brings an event that there was not, a new column, and a type that is wider.
    # So many tables are made of records that were laid out by name, the widened one of all dates.
    events = (
        page("m5", x="five", y=True),
        {**SIGNED_UP, "properties": {"z": 1.5}},
        {**SIGNED_UP, "event": "Logged In", "messageId": "t2", "properties": {"list": [1, 2.50]}},
        {**SIGNED_UP, "type": "screen", "messageId": "s1"},
        {**SIGNED_UP, "type": "identify", "messageId": "i1", "userId": "u1"},
    )
    context = {"locale": "de-DE", "screen": {"width": 320}, "traits": {"tags": ["a"], "age": 31}}
    land(stand, name, THIRD, *({**event, "context": context} for event in events))
    warehouse = AthenaWarehouse(own)
    report = flatten(warehouse, own)
    assert report.days_read == (THIRD,)
    assert "kept_by_name" in [statement.label for statement in warehouse.log.statements]
    assert seen(reader) == {("m1", "1"), ("m2", "2"), ("m3", "33"), ("m4", "4"), ("m5", "five")}
    found = reader.query("select id, z, received_at_utc_date from events.signed_up")
    assert found.to_numpy().tolist() == [["t1", 1.5, THIRD]]

    differing = differences(on_duckdb(stand, name, tmp_path), open_warehouse(own))
    assert not differing, "\n".join(map(str, differing))
