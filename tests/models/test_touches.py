"""Touches: events that name a source in, those that bring a new external one out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.conftest import Bench

Event = dict[str, Any]


def visit(number: int, source: str | None = None, **more: Any) -> Event:
    """The event of a session at this place; without a source it names none."""
    return {
        "id": f"e{number}",
        "session_id": "s",
        "person_id": "p",
        "sequence_number": number,
        "timestamp": f"2026-01-10 10:{number:02}",
        "channel": "web",
        "source": source,
        "medium": "m",
        "campaign": None,
        "kind": "utm",
        **more,
    }


def touches(bench: Bench, events: list[Event], columns: str) -> list[tuple[Any, ...]]:
    """Touches in order; a source called direct has the channel Direct."""
    of_session = (
        "id",
        "session_id",
        "person_id",
        "sequence_number",
        "timestamp",
        "channel",
        "is_bot",
    )
    bench.given(
        "marts.session_events", [{c: e.get(c) for c in (*of_session, "is_server")} for e in events]
    )
    named = [e for e in events if e["source"] is not None]
    every = {"category": "other", "is_paid": False}
    bench.given(
        "marts.event_sources",
        [
            {k: v for k, v in {**every, **e}.items() if k not in ("channel", "is_server")}
            for e in named
        ],
    )
    combinations = {(e["kind"], e["source"], e["medium"], e["campaign"] or "") for e in named}
    bench.given(
        "marts.traffic_sources",
        [
            {"kind": kind, "source": source, "medium": medium, "campaign": campaign, **every,
             "channel": "Direct" if kind == "internal" or source == "direct" else f"of {source}"}
            for kind, source, medium, campaign in combinations
        ],
    )  # fmt: skip
    bench.build("touches")
    return bench.rows(f"select {columns} from marts.touches order by session_id, sequence_number")


def test_a_a_b_a_are_three_touches(bench: Bench) -> None:
    events = [visit(1, "a"), visit(2, "a"), visit(3, "b"), visit(4, "a")]
    assert touches(bench, events, "id, touch_number, source, channel, sequence_number") == [
        ("e1", 1, "a", "of a", 1),
        ("e3", 2, "b", "of b", 3),
        ("e4", 3, "a", "of a", 4),
    ]


def test_a_touch_differs_in_source_medium_or_campaign(bench: Bench) -> None:
    events = [
        visit(1, "a"),
        visit(2, "a", campaign="x"),
        visit(3, "a", campaign="x", kind="click_id"),
        visit(4, "a", campaign="x", medium="n"),
        visit(5, "a", medium="n"),
        visit(6, "a", medium="n"),
    ]
    assert [id_ for (id_,) in touches(bench, events, "id")] == ["e1", "e2", "e4", "e5"]


def test_what_is_internal_direct_or_silent_is_no_touch_and_stands_between_none(
    bench: Bench,
) -> None:
    events = [
        visit(1, "shop.example", kind="internal"),
        visit(2, "a"),
        visit(3, "shop.example", kind="internal"),
        visit(4, "direct"),
        visit(5),
        visit(6, "a"),
    ]
    assert touches(bench, events, "id, touch_number") == [("e2", 1)]


def test_sessions_are_apart_and_a_touch_has_its_own_time(bench: Bench) -> None:
    events = [visit(1, "a"), visit(3, "a", session_id="t"), visit(2, "b")]
    found = touches(bench, events, "session_id, touch_number, source, cast(timestamp as varchar)")
    assert [(session, number, source, time[11:16]) for session, number, source, time in found] == [
        ("s", 1, "a", "10:01"),
        ("s", 2, "b", "10:02"),
        ("t", 1, "a", "10:03"),
    ]


@pytest.mark.parametrize(
    ("last", "person"),
    [
        (visit(3, person_id="q"), "q"),
        (visit(3, person_id="q", channel="server", is_server=False), "q"),
        (visit(3, person_id="q", channel="server", is_server=True), "p"),
    ],
)
def test_a_touch_is_the_person_of_the_sessions_last_client_event(
    bench: Bench, last: Event, person: str
) -> None:
    events = [visit(1, "a", person_id="o"), visit(2), last]
    assert touches(bench, events, "person_id") == [(person,)]


def test_touches_of_bots_are_flagged(bench: Bench) -> None:
    assert touches(bench, [visit(1, "a", is_bot=True), visit(2, "b", is_bot=False)], "is_bot") == [
        (True,),
        (False,),
    ]
