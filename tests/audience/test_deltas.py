"""Deltas: whatever comes and goes, what was sent day by day adds up to the members of the day."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engagement.audience import customer_profiles, deltas, outbox
from engagement.audience.deltas import mode
from engagement.audience.outbox import Outbox, OutboxError, State, merged, row_hash
from engagement.audience.profile_calls import Target
from engagement.audience.stream import Format, read_rows
from engagement.settings.activation import CustomerProfiles
from tests.audience.profiles import MON, NAMES, SEGMENT, _frames, member

TARGET = Target("shop", "shop", SEGMENT, CustomerProfiles(puts_up_to=0, expiry_days=30))
COLUMNS = [column.name for column in customer_profiles.columns(SEGMENT)]

days = st.lists(
    st.dictionaries(
        st.sampled_from(["ann", "ben", "=cat", "'dan", "éve", "fay,", 'g"us']),
        st.sampled_from(["", "Köln", "=1+1", 'say "hi"']),
    ),
    min_size=1,
    max_size=5,
)


@given(history=days, expiry=st.sampled_from([4, 30]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_what_was_sent_adds_up(
    tmp_path_factory: pytest.TempPathFactory, history: list[dict[str, str]], expiry: int
) -> None:
    """A service in a few lines: rows overwrite, by the person; members have the latest batch."""
    folder = tmp_path_factory.mktemp("deltas")
    target = Target("shop", "shop", SEGMENT, CustomerProfiles(puts_up_to=0, expiry_days=expiry))
    service: dict[str, dict[str, str]] = {}
    box = Outbox(folder / "runs", "shop", SEGMENT.name)
    for number, people in enumerate(history):
        day = MON + timedelta(days=number)
        rows = [member(id_, city=city) for id_, city in sorted(people.items())]
        export = customer_profiles.export_members(
            SEGMENT, customer_profiles.batch_name(SEGMENT, day), _frames(rows, 2),
            folder / str(number), folder / "rejects", Format(most_rows=2),
        )  # fmt: skip
        sending = deltas.prepare(box, target, export, day, day, box.room)
        box.begin(sending)
        for part in sending.parts:
            for row in read_rows(box.file(part)):
                known = service.setdefault(row["person_id"], {})
                # An import with all columns replaces a row; a leaver's has two of them.
                known.update(row)
        box.done(COLUMNS, day.isoformat())
        inside = {
            person: row["city"]
            for person, row in service.items()
            if row["segment_batch"] == box.state.batch
        }
        assert inside == people
        assert [person for person, _ in outbox.ledger(box.sent)] == sorted(people)
        assert sending.people == len(people)


def test_when_everybody_is_sent() -> None:
    """Worked out by hand: 30 days of expiry, half of them 15."""
    sent = State(batch="b", as_of="2026-02-02", columns=COLUMNS, begun="2026-02-02")
    why = {
        "nothing yet": mode(State(), TARGET, COLUMNS, MON),
        "the next day": mode(sent, TARGET, COLUMNS, date(2026, 2, 3)),
        "after 14 days": mode(sent, TARGET, COLUMNS, date(2026, 2, 16)),
        "after 15 days": mode(sent, TARGET, COLUMNS, date(2026, 2, 17)),
        "other columns": mode(sent, TARGET, [*COLUMNS, "plan"], date(2026, 2, 3)),
    }
    assert {name: how.name for name, how in why.items()} == {
        "nothing yet": "full",
        "the next day": "delta",
        "after 14 days": "delta",
        "after 15 days": "full",
        "other columns": "full",
    }


def test_the_batch_alone_changes_no_row_and_any_cell_does() -> None:
    row = ["ann", "batch-1", "", "Ann", "x"]
    assert row_hash(row) == row_hash(["ann", "batch-2", *row[2:]])
    others = (
        ["ben", *row[1:]],
        ["ann", "batch-1", "", "Ann", ""],
        ["ann", "batch-1", "Ann", "", "x"],
        ["ann", "batch-1", "", "Annx", ""],
    )
    assert len({row_hash(other) for other in (row, *others)}) == 5


def test_members_out_of_order_or_twice_are_refused() -> None:
    for wrong in (["b", "a"], ["a", "a"]):
        with pytest.raises(OutboxError, match="in the order of their ids, once"):
            list(merged(iter([(key, 1) for key in wrong]), iter([])))


def test_a_full_send_is_not_written_a_second_time(tmp_path: Path) -> None:
    rows = [member(id_) for id_ in ("ann", "ben")]
    export = customer_profiles.export_members(
        SEGMENT, "b", _frames(rows), tmp_path / "exports", tmp_path / "rejects"
    )
    box = Outbox(tmp_path / "runs", "shop", SEGMENT.name)
    sending = deltas.prepare(box, TARGET, export, MON, MON, box.room)
    (part,) = sending.parts
    assert box.file(part).stat().st_ino == export.files[0].path.stat().st_ino
    assert part.sha256 == export.files[0].sha256
    # A new export of the same name leaves the one that is being sent as it is.
    customer_profiles.export_members(
        SEGMENT, "c", _frames(rows[:1]), tmp_path / "exports", tmp_path / "rejects"
    )
    assert outbox.digest(box.file(part)) == part.sha256
    with box.file(part).open(encoding="utf-8", newline="") as stream:
        assert [row["person_id"] for row in csv.DictReader(stream)] == ["ann", "ben"]


def test_names_of_columns_are_those_of_the_file() -> None:
    assert COLUMNS[:2] == ["person_id", "segment_batch"]
    assert set(NAMES) | {"segment_batch"} == set(COLUMNS)
