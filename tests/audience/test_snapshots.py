"""Snapshots: of a day, again in any order, across merges; the history that caps look back at."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from engagement.as_of import AsOf, whole_day
from engagement.audience import backfill, history, snapshots
from engagement.audience.errors import AudienceError
from engagement.audience.members import members
from engagement.audience.reach import Contact, Outcome
from engagement.audience.segments import Segment
from engagement.models import inputs, provenance
from engagement.settings import Settings
from engagement.warehouse import Table, Warehouse, open_warehouse
from tests.audience.conftest import COLUMNS, person
from tests.values import values_query

MakeSettings = Callable[..., Settings]

DAYS = [date(2026, 1, day) for day in (1, 8, 15)]


def id_of(device: str) -> str:
    """The id of the person whose earliest id is a device."""
    return hashlib.sha256(f"anonymous_id:{device}".encode()).hexdigest()[:32]


class Shop:
    """A warehouse whose customers and identity map can be set as they were on a day."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.warehouse: Warehouse = open_warehouse(settings)

    def people(self, devices: Iterable[Sequence[str]], **more: Any) -> None:
        """Each person's devices, the earliest first; the first letters are in the segment."""
        rows, ids = [], []
        for own in devices:
            rows.append({**person(id_of(own[0])), "plan": own[0][0], **more})
            ids += [["anonymous_id", one, id_of(own[0])] for one in own]
        content = [[row.get(name) for name in COLUMNS] for row in rows]
        columns = {"id_type": "varchar", "id": "varchar", "person_id": "varchar"}
        with self.warehouse.session(write=True) as session:
            session.publish(Table("marts", "customer_360"), values_query(COLUMNS, content))
            session.publish(Table("marts", "identity_map"), values_query(columns, ids))

    def publish(self, day: date, *segments: Segment) -> list[snapshots.Snapshot]:
        chosen = segments or (SEGMENT,)
        return snapshots.publish(self.warehouse, self.settings, chosen, as_of(day))

    def rows(self) -> pd.DataFrame:
        found = self.warehouse.query(
            "select * from marts.segment_members order by snapshot_id, person_id"
        )
        sizes = self.warehouse.query("select * from marts.segment_sizes order by snapshot_id")
        return pd.concat([found, sizes], ignore_index=True)

    def status(self, day: date) -> dict[str, str]:
        found = self.warehouse.query(
            "select person_id, status, is_moved from marts.segment_members where as_of = :day",
            {"day": day},
        )
        return {r.person_id: r.status + " moved" * bool(r.is_moved) for r in found.itertuples()}


def as_of(day: date) -> AsOf:
    return whole_day(day, "UTC")


def segment(name: str = "starts_with_a", **more: Any) -> Segment:
    return Segment.model_validate(
        {"name": name, "description": "S.", "channels": ["email"],
         "who": {"feature": "plan", "is": "a"}, **more}
    )  # fmt: skip


SEGMENT = segment()


@pytest.fixture
def shop(make_settings: MakeSettings) -> Shop:
    return Shop(make_settings())


def test_a_table_that_stands_for_another_day_makes_no_snapshot(shop: Shop) -> None:
    shop.people([["a1"]])
    built = provenance.current(shop.settings, inputs.parameters(shop.settings, as_of(DAYS[0])))
    version = provenance.version("digest", {"as_of": built["as_of"]})
    with shop.warehouse.session(write=True) as session:
        rows = values_query(COLUMNS, [[person("a").get(name) for name in COLUMNS]])
        session.publish(Table("marts", "customer_360"), rows, version=version)
    assert len(shop.publish(DAYS[0])) == 1
    with pytest.raises(AudienceError, match=r"it stands for 2026-01-01 .* not for 2026-01-08"):
        shop.publish(DAYS[1])
    with pytest.raises(AudienceError, match="run 03_model_customers"):
        outcomes(shop, DAYS[1])


def test_joined_and_left_are_told_against_the_latest_snapshot_before(shop: Shop) -> None:
    """a1 and a2 are there first; then a2 is gone, and a3 came."""
    shop.people([["a1"], ["a2"], ["b1"]])
    (first,) = shop.publish(DAYS[0])
    assert (first.members, first.joined, first.left, first.previous) == (2, 2, 0, None)
    shop.people([["a1"], ["b2"], ["a3"], ["b1"]])
    (second,) = shop.publish(DAYS[2])
    assert (second.members, second.joined, second.left, second.previous) == (2, 1, 1, DAYS[0])
    assert shop.status(DAYS[2]) == {
        id_of("a1"): "stayed",
        id_of("a2"): "left",
        id_of("a3"): "joined",
    }


def test_who_was_merged_since_has_moved(shop: Shop) -> None:
    """a2 turns out to be a1, and a3 to be a person with the older device a0."""
    shop.people([["a1"], ["a2"], ["a3"]])
    shop.publish(DAYS[0])
    shop.people([["a1", "a2"], ["a0", "a3"]])
    (found,) = shop.publish(DAYS[1])
    assert (found.members, found.joined, found.left, found.moved) == (2, 0, 0, 1)
    assert shop.status(DAYS[1]) == {id_of("a1"): "stayed", id_of("a0"): "stayed moved"}


def test_who_was_merged_into_somebody_else_and_is_no_member_has_left_once(shop: Shop) -> None:
    shop.people([["a1"], ["a2"], ["b1"]])
    shop.publish(DAYS[0])
    shop.people([["b1", "a1", "a2"]])
    (found,) = shop.publish(DAYS[1])
    assert (found.members, found.left, found.moved) == (0, 1, 0)
    assert shop.status(DAYS[1]) == {id_of("b1"): "left"}


def _as_on(shop: Shop, day: date) -> None:
    """What was known on each day: a person more each week, and one less in the last."""
    week = DAYS.index(day)
    shop.people([["a1"], *([["a2"]] if week < 2 else []), *([f"a{n}"] for n in range(5, 5 + week))])


def test_a_day_published_again_gives_the_same_and_touches_no_other(shop: Shop) -> None:
    for day in DAYS:
        _as_on(shop, day)
        shop.publish(day)
    before = shop.rows()
    assert set(before["status"].dropna()) == {"joined", "stayed", "left"}
    for order in (DAYS[::-1], [DAYS[1], DAYS[0], DAYS[2]]):
        for day in order:
            _as_on(shop, day)
            shop.publish(day)
            pd.testing.assert_frame_equal(shop.rows(), before)


def test_a_day_that_comes_late_says_which_days_to_publish_again(shop: Shop) -> None:
    """In whatever order the days come first: once those that are named were published again,
    everything is as if they had come in order.
    """
    expected = None
    for order in (DAYS, DAYS[::-1], [DAYS[1], DAYS[0], DAYS[2]]):
        with shop.warehouse.session(write=True) as session:
            session.drop(snapshots.MEMBERS)
            session.drop(snapshots.SIZES)
        waiting = list(order)
        while waiting:
            day = waiting.pop(0)
            _as_on(shop, day)
            (found,) = shop.publish(day)
            waiting += [one for one in found.stale if one not in waiting]
        if expected is None:
            expected = shop.rows()
        pd.testing.assert_frame_equal(shop.rows(), expected)


def test_segments_are_published_together_and_an_empty_one_has_a_size(shop: Shop) -> None:
    shop.people([["a1"], ["b1"]])
    nobody = segment("nobody", who={"feature": "plan", "is": "z"})
    shop.publish(DAYS[0], SEGMENT, nobody)
    sizes = snapshots.history(shop.warehouse)
    assert list(zip(sizes["segment"], sizes["members"], strict=True)) == [
        ("nobody", 0),
        ("starts_with_a", 1),
    ]
    shop.people([["a1"], ["z1"]])
    _, found = shop.publish(DAYS[1], SEGMENT, nobody)
    assert (found.members, found.joined, found.previous) == (1, 1, DAYS[0])
    changed = snapshots.changes(shop.warehouse, DAYS[1])
    assert list(changed["rule"]) == ["the same", "the same"]
    shared = snapshots.overlap(shop.warehouse, DAYS[1])
    assert [(r.segment, r.other, r.people, r.share) for r in shared.itertuples()] == [
        ("nobody", "nobody", 1, 1.0),
        ("starts_with_a", "starts_with_a", 1, 1.0),
    ]


def test_a_rule_that_was_rewritten_is_told(shop: Shop) -> None:
    shop.people([["a1"], ["b1"]])
    shop.publish(DAYS[0])
    shop.publish(DAYS[1], segment(who={"feature": "plan", "one_of": ["a", "b"]}))
    changed = snapshots.changes(shop.warehouse, DAYS[1])
    assert [(r.members, r.joined, r.left, r.rule) for r in changed.itertuples()] == [
        (2, 1, 0, "rewritten")
    ]


def test_the_share_that_is_held_back_stays_the_same(shop: Shop) -> None:
    shop.people([[f"a{n}"] for n in range(40)])
    half = segment(holdout=0.5)
    held = set()
    for day in DAYS:
        shop.publish(day, half)
        found = shop.warehouse.query(
            "select person_id from marts.segment_members where as_of = :day and is_holdout",
            {"day": day},
        )
        held.add(tuple(sorted(found["person_id"])))
    assert len(held) == 1
    assert 8 <= len(held.pop()) <= 32


def test_days_that_are_over_are_filled_in_and_today_is_compared_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Today was there first, with nothing to be compared with; then two weeks come in between."""
    built = []

    def build(warehouse: Warehouse, settings: Settings, moment: AsOf) -> None:
        del warehouse, settings
        built.append(moment.day)
        _as_on(shop, moment.day)

    monkeypatch.setattr(backfill, "_build", build)
    for day in (DAYS[0], DAYS[2]):
        _as_on(shop, day)
        shop.publish(day)
    told: list[str] = []
    found = backfill.snapshots_of(
        shop.warehouse, shop.settings, [SEGMENT], [DAYS[1]], as_of(DAYS[2]), told.append
    )
    assert built == [DAYS[1], DAYS[2]]
    assert [(one.as_of, one.previous) for one in found] == [
        (DAYS[1], DAYS[0]),
        (DAYS[2], DAYS[1]),
    ]
    assert backfill.still_stale(found) == []

    def refuse(*_: object) -> None:
        raise RuntimeError("no more")

    monkeypatch.setattr(snapshots, "publish", refuse)
    with pytest.raises(RuntimeError, match="no more"):
        backfill.snapshots_of(
            shop.warehouse, shop.settings, [SEGMENT], [DAYS[0]], as_of(DAYS[2]), told.append
        )
    assert built[-2:] == [DAYS[0], DAYS[2]]  # the models stand for today again


# --- the history of exports -----------------------------------------------------------------------


def contact(device: str, outcome: Outcome = Outcome.REACHABLE) -> Contact:
    return Contact(id_of(device), "email", outcome, f"{device}@shop.example")


def outcomes(shop: Shop, day: date) -> dict[str, str]:
    found = members(shop.warehouse, shop.settings, SEGMENT, as_of(day))
    return {one.person_id: str(one.outcome) for one in found.contacts()}


def test_caps_count_exports_of_earlier_days_only(make_settings: MakeSettings) -> None:
    """One message in seven days: an export of the day itself or of a later one does not count."""
    shop = Shop(make_settings(audience__cap={"messages": 1, "days": 7}))
    shop.people([["a1"], ["a2"]])
    history.record(shop.warehouse, SEGMENT, DAYS[1], [contact("a1")])
    assert outcomes(shop, DAYS[1])[id_of("a1")] == "reachable"
    for days, expected in ((1, "capped"), (7, "capped"), (8, "reachable"), (-1, "reachable")):
        day = DAYS[1] + timedelta(days=days)
        assert outcomes(shop, day) == {id_of("a1"): expected, id_of("a2"): "reachable"}, days


def test_an_export_of_several_channels_is_one_message(make_settings: MakeSettings) -> None:
    shop = Shop(make_settings(audience__cap={"messages": 2, "days": 7}))
    shop.people([["a1"]])
    both = [contact("a1"), Contact(id_of("a1"), "sms", Outcome.REACHABLE, "+12025550100")]
    history.record(shop.warehouse, SEGMENT, DAYS[0], both)
    assert outcomes(shop, DAYS[1]) == {id_of("a1"): "reachable"}
    history.record(shop.warehouse, segment("other"), DAYS[0], [contact("a1")])
    assert outcomes(shop, DAYS[1]) == {id_of("a1"): "capped"}


def test_messages_to_people_who_turn_out_to_be_one_count_together(
    make_settings: MakeSettings,
) -> None:
    shop = Shop(make_settings(audience__cap={"messages": 2, "days": 7}))
    shop.people([["a1", "a2"]])
    history.record(shop.warehouse, SEGMENT, DAYS[0], [contact("a2")])
    history.record(shop.warehouse, segment("other"), DAYS[0], [contact("a1")])
    assert outcomes(shop, DAYS[1]) == {id_of("a1"): "capped"}


def test_an_export_recorded_again_replaces_itself_and_nothing_else(shop: Shop) -> None:
    shop.people([["a1"]])
    held = [contact("a1"), contact("a2", Outcome.HELD_BACK), contact("a3", Outcome.REFUSED)]
    assert history.record(shop.warehouse, SEGMENT, DAYS[0], held) == {
        "treatment": 1,
        "holdout": 1,
    }
    history.record(shop.warehouse, SEGMENT, DAYS[1], held)
    everything = f"select * from {history.EXPORTS} order by export_id, person_id"
    before = shop.warehouse.query(everything)
    assert len(before) == 4
    history.record(shop.warehouse, SEGMENT, DAYS[0], held)
    pd.testing.assert_frame_equal(shop.warehouse.query(everything), before)
    history.record(shop.warehouse, SEGMENT, DAYS[0], [])
    assert len(shop.warehouse.query(everything)) == 2


def test_an_export_is_recorded_in_a_stream(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contacts are let go of batch by batch; one that comes twice is there once."""
    monkeypatch.setattr(history, "_BATCH", 3)
    shop.people([["a1"]])
    alive: weakref.WeakSet[Contact] = weakref.WeakSet()
    most = 0

    def contacts() -> Iterator[Contact]:
        nonlocal most
        for number in (*range(40), 7):
            one = contact(f"a{number}", Outcome.HELD_BACK if number == 3 else Outcome.REACHABLE)
            alive.add(one)
            most = max(most, len(alive))
            yield one

    found = history.record(shop.warehouse, SEGMENT, DAYS[0], contacts())
    assert found == {"treatment": 40, "holdout": 1}
    assert most <= 5
    rows = shop.warehouse.query(f"select person_id, arm from {history.EXPORTS}")
    assert sorted(rows["person_id"]) == sorted(id_of(f"a{number}") for number in range(40))
    assert rows["arm"].value_counts().to_dict() == {"treatment": 39, "holdout": 1}


def test_the_history_holds_no_addresses(shop: Shop) -> None:
    shop.people([["a1"]])
    history.record(shop.warehouse, SEGMENT, DAYS[0], [contact("a1")])
    text = shop.warehouse.query(f"select * from {history.EXPORTS}").to_csv()
    assert "@" not in text
