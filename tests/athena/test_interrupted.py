"""Runs that die at any call on AWS, while others read: never half a table, and a rerun mends it.

Dying is acted out where it shows: from some call on, nothing more of the process reaches AWS, also
nothing that would clean up. Its lease stays until it expires.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from engagement.flatten.pipeline import flatten
from engagement.settings import load_settings
from engagement.warehouse import Table, Warehouse, WarehouseError, open_warehouse
from engagement.warehouse.athena import AthenaWarehouse
from tests.athena.compare import differences
from tests.athena.parameters import expire, settings
from tests.athena.stand import Stand
from tests.athena.stand.faults import ACCESS_DENIED, SLOW_DOWN, Call, Failure, Rule

FIRST, SECOND = "2026-01-05", "2026-01-06"
KILLS_OF_RUNS, KILLS_OF_PUBLICATIONS = 10, 20
PATIENT = {"attempts": 4, "lease_seconds": 60}


class Killed(BaseException):
    """What a killed process does not live to see."""


def land(stand: Stand, name: str, day: str, *events: dict[str, Any], file: str = "a.json") -> None:
    lines = "".join(
        json.dumps({"receivedAt": f"{day}T12:00:00Z", **event}) + "\n" for event in events
    )
    key = f"{name}/landing/received_at_utc_date={day}/{file}"
    stand.client("s3").put_object(Bucket=stand.bucket, Key=key, Body=lines.encode())


def page(message: str, **properties: Any) -> dict[str, Any]:
    return {"type": "page", "messageId": message, "anonymousId": "a", "properties": properties}


def before(stand: Stand, name: str) -> None:
    land(stand, name, FIRST, page("m1", x=1), page("m2", x=2))
    land(stand, name, SECOND, page("m3", x=3))


def after(stand: Stand, name: str) -> None:
    """The first date is corrected, and a column's type with it."""
    land(stand, name, FIRST, page("m1", x="one"), page("m4", y=4), page("m5", x="five"))


def on_duckdb(stand: Stand, name: str, folder: Path) -> Warehouse:
    """The landing as it is now, taken in by the other engine in one run."""
    client, prefix = stand.client("s3"), f"{name}/landing/"
    for item in client.list_objects_v2(Bucket=stand.bucket, Prefix=prefix)["Contents"]:
        path = folder / "landing" / item["Key"].removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(client.get_object(Bucket=stand.bucket, Key=item["Key"])["Body"].read())
    local = load_settings(
        "params/local.yaml",
        {
            "landing.location": str(folder / "landing"),
            "warehouse.duckdb.path": str(folder / "warehouse.duckdb"),
        },
    )
    warehouse = open_warehouse(local)
    flatten(warehouse, local)
    return warehouse


OLD = {("m1", "1"), ("m2", "2"), ("m3", "3")}
NEW = {("m1", "one"), ("m4", None), ("m5", "five"), ("m3", "3")}
_READ = "select id, cast(x as varchar) as x from events.pages"


def seen(warehouse: AthenaWarehouse) -> set[tuple[str, str | None]]:
    found = warehouse.query(_READ)
    return {(row.id, None if row.x != row.x else row.x) for row in found.itertuples(index=False)}


@contextmanager
def dying(warehouse: AthenaWarehouse, at: int) -> Iterator[list[int]]:
    """Let the n-th call on AWS be the first that no longer gets there; gives the calls made."""
    made = [0]

    def hook(**_: Any) -> None:
        made[0] += 1
        if made[0] < at:
            return
        if "_stay_alive" in threading.current_thread().name:
            sys.exit()  # what shows the run to be alive ends without a word
        raise Killed

    events = warehouse._boto.events
    events.register("before-call", hook)
    try:
        yield made
    finally:
        events.unregister("before-call", hook)


@pytest.mark.slow
def test_a_run_that_dies_at_any_call_leaves_whole_tables_that_a_rerun_finishes(
    aws_environment: Stand, tmp_path: Path
) -> None:
    stand, chance = aws_environment, random.Random(20261101)
    undisturbed = AthenaWarehouse(settings(stand, "calm", **PATIENT))
    before(stand, "calm")
    flatten(undisturbed, undisturbed.settings)
    after(stand, "calm")
    counting = AthenaWarehouse(settings(stand, "calm", **PATIENT))
    with dying(counting, 10**9) as made:
        flatten(counting, counting.settings)
    calls = made[0]
    assert seen(undisturbed) == NEW

    own = settings(stand, "dies", **PATIENT)
    before(stand, "dies")
    flatten(AthenaWarehouse(own), own)
    reader, wrong, over = AthenaWarehouse(own), [], threading.Event()

    def poll() -> None:
        while not over.is_set():
            found = seen(reader)
            if found not in (OLD, NEW):
                wrong.append(found)
            over.wait(1.5)

    after(stand, "dies")
    polling = threading.Thread(target=poll)
    polling.start()
    try:
        ended = 0
        for at in sorted(chance.sample(range(1, calls), KILLS_OF_RUNS)):
            victim = AthenaWarehouse(own)
            with dying(victim, at), suppress(Killed):
                flatten(victim, own)
                ended += 1  # what earlier runs had done already left too little to do
            expire(stand, "dies")
        flatten(AthenaWarehouse(own), own)
    finally:
        over.set()
        polling.join()
    assert not wrong
    assert ended < KILLS_OF_RUNS
    assert seen(reader) == NEW
    for other in (undisturbed, on_duckdb(stand, "dies", tmp_path)):
        found = differences(other, open_warehouse(own))
        assert not found, "\n".join(map(str, found))


@pytest.mark.slow
def test_a_publication_that_dies_at_any_call_is_whole_or_was_not(aws_environment: Stand) -> None:
    stand, chance = aws_environment, random.Random(20261102)
    own = settings(stand, "publishes", **PATIENT)
    partitioned, plain = Table("events", "parts"), Table("marts", "plain")
    kinds = {"n": "bigint", "received_at_utc_date": "varchar"}

    def rows(n: int, days: Sequence[str]) -> str:
        return " union all ".join(
            f"select cast({n} as bigint) as n, '{day}' as received_at_utc_date" for day in days
        )

    def publish(n: int) -> None:
        warehouse = AthenaWarehouse(own)
        days = [FIRST, SECOND] if n % 3 else [FIRST]
        with dying(warehouse, at), warehouse.session(write=True) as session:
            session.publish(partitioned, rows(n, days), partitions=days, columns=kinds)
            session.publish(plain, rows(n, days))

    def found(table: Table) -> list[tuple[int, str]]:
        rows_ = AthenaWarehouse(own).query(
            f"select n, received_at_utc_date from {table} order by 2"
        )
        return [(int(n), day) for n, day in rows_.itertuples(index=False)]

    at = 10**9
    publish(1)
    seen_before = {table: found(table) for table in (partitioned, plain)}
    for n in range(2, 2 + KILLS_OF_PUBLICATIONS):
        at = chance.randint(1, 60)
        with suppress(Killed):
            publish(n)
        expire(stand, "publishes")
        for table, old in seen_before.items():
            now = found(table)
            kept = [(m, day) for m, day in old if day == SECOND and table == partitioned]
            fresh = [(n, FIRST), *([(n, SECOND)] if n % 3 else kept)]
            assert now in (old, fresh), (n, at, str(table))
            seen_before[table] = now
    at = 10**9
    publish(100)
    assert found(partitioned) == found(plain) == [(100, FIRST), (100, SECOND)]


def from_the_nth(failure: Failure, nth: int, times: int) -> Rule:
    """Fail some calls on S3, whatever they are, from the n-th on."""
    seen_so_far = itertools.count(1)

    def rule(call: Call) -> Failure | None:
        if (call.service, call.client) != ("s3", "client"):
            return None
        return failure if nth <= next(seen_so_far) < nth + times else None

    return rule


def test_calls_on_s3_that_are_throttled_are_made_again(aws_environment: Stand) -> None:
    stand, name = aws_environment, "s3slow"
    own = settings(stand, name, **PATIENT)
    before(stand, name)
    with ExitStack() as rules:
        for nth in (1, 7, 20, 45):
            rules.enter_context(stand.faults.injected(from_the_nth(SLOW_DOWN, nth, 2)))
        flatten(AthenaWarehouse(own), own)
    assert seen(AthenaWarehouse(own)) == OLD


def test_calls_on_s3_that_fail_for_good_end_the_run_with_whole_tables(
    aws_environment: Stand,
) -> None:
    stand, name = aws_environment, "s3fails"
    own = settings(stand, name, **PATIENT)
    before(stand, name)
    flatten(AthenaWarehouse(own), own)
    after(stand, name)
    for nth in (3, 12, 25):
        with (
            stand.faults.injected(from_the_nth(ACCESS_DENIED, nth, 10**6)),
            pytest.raises(WarehouseError, match="docs/aws"),
        ):
            flatten(AthenaWarehouse(own), own)
        assert seen(AthenaWarehouse(own)) in (OLD, NEW)
        expire(stand, name)  # it could not be let go of either
    flatten(AthenaWarehouse(own), own)
    assert seen(AthenaWarehouse(own)) == NEW
