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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engagement.flatten.pipeline import flatten
from engagement.settings import load_settings
from engagement.warehouse import Table, Warehouse, WarehouseError, open_warehouse
from engagement.warehouse.athena.warehouse import AthenaWarehouse
from tests.athena.compare import contents, differences
from tests.athena.parameters import expire, settings
from tests.athena.stand import Stand
from tests.athena.stand.faults import ACCESS_DENIED, SLOW_DOWN, Call, Failure, Rule
from tests.athena.stand.snapshots import Snapshot

pytestmark = pytest.mark.slow

FIRST, SECOND = "2026-01-05", "2026-01-06"
KILLS_OF_RUNS, KILLS_OF_PUBLICATIONS = 10, 20
PATIENT = {"attempts": 4, "lease_seconds": 60}
NAME = "interrupted"


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


def from_the_nth(failure: Failure, nth: int, times: int) -> Rule:
    """Fail some calls on S3, whatever they are, from the n-th on."""
    seen_so_far = itertools.count(1)

    def rule(call: Call) -> Failure | None:
        if (call.service, call.client) != ("s3", "client"):
            return None
        return failure if nth <= next(seen_so_far) < nth + times else None

    return rule


THROTTLED_FROM, THROTTLED_TIMES = (1, 7, 20, 45), 2


@dataclass(frozen=True)
class TakenIn:
    """The landing of before, taken in by a run that S3 throttled: what other runs begin with."""

    snapshot: Snapshot
    throttled: Sequence[Call]


@pytest.fixture(scope="module")
def taken_in(stand: Stand) -> TakenIn:
    throttled: list[Call] = []

    def noted(rule: Rule) -> Rule:
        def noting(call: Call) -> Failure | None:
            failure = rule(call)
            if failure is not None:
                throttled.append(call)
            return failure

        return noting

    before(stand, NAME)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as rules:
        for variable, value in stand.environment().items():
            patch.setenv(variable, value)
        for nth in THROTTLED_FROM:
            rule = noted(from_the_nth(SLOW_DOWN, nth, THROTTLED_TIMES))
            rules.enter_context(stand.faults.injected(rule))
        own = settings(stand, NAME, **PATIENT)
        flatten(AthenaWarehouse(own), own)
    return TakenIn(stand.snapshots.take(NAME), throttled)


def test_calls_on_s3_that_are_throttled_are_made_again(
    aws_environment: Stand, taken_in: TakenIn
) -> None:
    aws_environment.snapshots.restore(taken_in.snapshot)
    assert len(taken_in.throttled) == len(THROTTLED_FROM) * THROTTLED_TIMES
    assert seen(AthenaWarehouse(settings(aws_environment, NAME, **PATIENT))) == OLD


def test_a_run_that_dies_at_any_call_leaves_whole_tables_that_a_rerun_finishes(
    aws_environment: Stand, taken_in: TakenIn, tmp_path: Path
) -> None:
    stand, chance = aws_environment, random.Random(20261101)
    own = settings(stand, NAME, **PATIENT)
    stand.snapshots.restore(taken_in.snapshot)
    after(stand, NAME)
    undisturbed = AthenaWarehouse(own)
    with dying(undisturbed, 10**9) as made:
        flatten(undisturbed, own)
    calls = made[0]
    assert seen(undisturbed) == NEW
    wanted = contents(undisturbed)

    stand.snapshots.restore(taken_in.snapshot)
    after(stand, NAME)
    reader, wrong, over = AthenaWarehouse(own), [], threading.Event()

    def poll() -> None:
        while not over.is_set():
            found = seen(reader)
            if found not in (OLD, NEW):
                wrong.append(found)
            over.wait(1.5)

    polling = threading.Thread(target=poll)
    polling.start()
    try:
        ended = 0
        for at in sorted(chance.sample(range(1, calls), KILLS_OF_RUNS)):
            victim = AthenaWarehouse(own)
            with dying(victim, at), suppress(Killed):
                flatten(victim, own)
                ended += 1  # what earlier runs had done already left too little to do
            expire(stand, NAME)
        flatten(AthenaWarehouse(own), own)
    finally:
        over.set()
        polling.join()
    assert not wrong
    assert ended < KILLS_OF_RUNS
    assert seen(reader) == NEW
    there = contents(open_warehouse(own))
    for other in (wanted, on_duckdb(stand, NAME, tmp_path)):
        found = differences(other, there)
        assert not found, "\n".join(map(str, found))


def test_a_publication_that_dies_at_any_call_is_whole_or_was_not(aws_environment: Stand) -> None:
    stand, chance = aws_environment, random.Random(20261102)
    own = settings(stand, "publishes", **PATIENT)
    partitioned, plain = Table("events", "parts"), Table("marts", "plain")
    kinds = {"n": "bigint", "received_at_utc_date": "varchar"}

    def rows(n: int, days: Sequence[str]) -> str:
        return " union all ".join(
            f"select cast({n} as bigint) as n, '{day}' as received_at_utc_date" for day in days
        )

    def publish(n: int, at: int = 10**9) -> int:
        """Publish both tables, or die at a call; gives the calls that were made."""
        warehouse = AthenaWarehouse(own)
        days = [FIRST, SECOND] if n % 3 else [FIRST]
        with dying(warehouse, at) as made, warehouse.session(write=True) as session:
            session.publish(partitioned, rows(n, days), partitions=days, columns=kinds)
            session.publish(plain, rows(n, days))
        return made[0]

    reader = AthenaWarehouse(own)

    def found() -> dict[Table, list[tuple[int, str]]]:
        rows_ = reader.query(
            " union all ".join(
                f"select '{table}' as name, n, received_at_utc_date from {table}"
                for table in (partitioned, plain)
            )
            + " order by 3"
        )
        return {
            table: [
                (int(n), day)
                for name, n, day in rows_.itertuples(index=False)
                if name == str(table)
            ]
            for table in (partitioned, plain)
        }

    calls = publish(1)
    seen_before = found()
    for n in range(2, 2 + KILLS_OF_PUBLICATIONS):
        at = chance.randint(1, calls)
        with pytest.raises(Killed):
            publish(n, at)
        expire(stand, "publishes")
        seen_now = found()
        for table, old in seen_before.items():
            now = seen_now[table]
            kept = [(m, day) for m, day in old if day == SECOND and table == partitioned]
            fresh = [(n, FIRST), *([(n, SECOND)] if n % 3 else kept)]
            assert now in (old, fresh), (n, at, str(table))
        seen_before = seen_now
    publish(100)
    assert set(map(tuple, found().values())) == {((100, FIRST), (100, SECOND))}


def test_calls_on_s3_that_fail_for_good_end_the_run_with_whole_tables(
    aws_environment: Stand, taken_in: TakenIn
) -> None:
    stand = aws_environment
    own = settings(stand, NAME, **PATIENT)
    stand.snapshots.restore(taken_in.snapshot)
    after(stand, NAME)
    for nth in (3, 12, 25):
        with (
            stand.faults.injected(from_the_nth(ACCESS_DENIED, nth, 10**6)),
            pytest.raises(WarehouseError, match="docs/aws"),
        ):
            flatten(AthenaWarehouse(own), own)
        assert seen(AthenaWarehouse(own)) in (OLD, NEW)
        expire(stand, NAME)  # it could not be let go of either
    flatten(AthenaWarehouse(own), own)
    assert seen(AthenaWarehouse(own)) == NEW
