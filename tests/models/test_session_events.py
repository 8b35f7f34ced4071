"""Which session an event belongs to: events of people in, sessions of events out.

Sessions are named by their first event here, since their ids are digests.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.models.conftest import Bench


def view(
    id_: str,
    at: str,
    *,
    sdk: int | None = None,
    device: str | None = "d1",
    user: str | None = None,
    received: str | None = None,
    **context: Any,
) -> dict[str, Any]:
    """An event; without a day it is of 2026-01-10."""
    day, _, time = at.rpartition(" ")
    at = f"{day or '2026-01-10'} {time}"
    return {"id": id_, "timestamp": at, "received_at": received or at, "anonymous_id": device,
            "user_id": user, "context_session_id": sdk, **context}  # fmt: skip


def build(bench: Bench, *views: dict[str, Any], **others: list[dict[str, Any]]) -> None:
    """Page views, and other sources by name, all of the person ``p``."""
    events = {"pages": list(views), **others}
    kinds = {"pages": "page", "screens": "screen", "tracks": "track", "identifies": "identify",
             "groups": "group", "aliases": "alias"}  # fmt: skip
    own = ("id", "timestamp", "received_at", "anonymous_id", "user_id")
    bench.given(
        "marts.person_events",
        [
            {"person_id": "p", "type": kinds[source], "event": event.get("event"),
             **{key: event[key] for key in own}}
            for source, rows in events.items()
            for event in rows
        ],
    )  # fmt: skip
    for source, rows in events.items():
        bench.given(f"sources.{source}", rows)
    bench.build("event_contexts", "user_agents", "client_sessions", "session_events")


def sessions(bench: Bench) -> list[list[str]]:
    """Ids of the events of each session, in order."""
    rows = bench.rows(
        "select session_id, id, sequence_number from marts.session_events "
        "where session_id is not null order by session_id, sequence_number"
    )
    found: dict[str, list[str]] = {}
    for session, event, number in rows:
        found.setdefault(session, []).append(event)
        assert number == len(found[session])
    return sorted(found.values())


def ids(bench: Bench) -> dict[str, str]:
    return dict(bench.rows("select id, session_id from marts.session_events"))


# --- the SDK's sessions -------------------------------------------------------------------------


def test_the_sdks_session_id_makes_the_session_through_pauses(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", sdk=111),
        view("2", "14:00", sdk=111),
        view("3", "14:01", sdk=222),
    )
    assert sessions(bench) == [["1", "2"], ["3"]]


def test_the_same_sdk_session_id_on_two_devices_is_two_sessions(bench: Bench) -> None:
    build(bench, view("1", "10:00", sdk=111), view("2", "10:01", sdk=111, device="d2"))
    assert sessions(bench) == [["1"], ["2"]]


def test_sdk_sessions_may_overlap(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", sdk=111),
        view("2", "10:05", sdk=222),
        view("3", "10:06", sdk=111),
    )
    assert sessions(bench) == [["1", "3"], ["2"]]


# --- the gap ------------------------------------------------------------------------------------


def test_without_an_sdk_id_a_pause_of_more_than_30_minutes_opens_a_session(bench: Bench) -> None:
    """Exactly 30 minutes is no more than 30 minutes."""
    build(
        bench,
        view("1", "10:00:00"),
        view("2", "10:30:00"),
        view("3", "11:00:00.001"),
        view("4", "11:00:01"),
    )
    assert sessions(bench) == [["1", "2"], ["3", "4"]]


def test_the_gap_is_a_setting(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(sessions__gap_minutes=5)
    build(bench, view("1", "10:00"), view("2", "10:05"), view("3", "10:11"))
    assert sessions(bench) == [["1", "2"], ["3"]]


def test_midnight_does_not_cut(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(timezone="America/New_York")
    build(
        bench,
        view("1", "2026-01-10 23:50"),
        view("2", "2026-01-11 00:10"),
        view("3", "2026-01-11 04:50"),
        view("4", "2026-01-11 05:10"),
    )
    assert sessions(bench) == [["1", "2"], ["3", "4"]]


def test_the_pause_is_the_devices(bench: Bench) -> None:
    build(bench, view("1", "10:00"), view("2", "10:20", device="d2"), view("3", "10:40"))
    assert sessions(bench) == [["1"], ["2"], ["3"]]


def test_events_of_every_type_count_and_order_by_time_received_and_id(bench: Bench) -> None:
    build(
        bench,
        view("b", "10:00"),
        view("a", "10:00"),
        view("0", "10:00", received="2026-01-10 10:01"),
        tracks=[view("t", "10:20", event="Product Viewed")],
        screens=[view("s", "10:40")],
        identifies=[view("i", "11:00")],
        groups=[view("g", "11:20")],
        aliases=[view("l", "11:40")],
    )
    assert sessions(bench) == [["a", "b", "0", "t", "s", "i", "g", "l"]]


# --- silences -----------------------------------------------------------------------------------


def test_a_silence_of_more_than_24_hours_cuts_an_sdk_session(bench: Bench) -> None:
    """Exactly 24 hours do not; what another id sends in between does not fill the silence."""
    build(
        bench,
        view("1", "2026-01-10 10:00:00", sdk=111),
        view("2", "2026-01-11 10:00:00", sdk=111),
        view("3", "2026-01-11 22:00:00", sdk=222),
        view("4", "2026-01-12 10:00:00.001", sdk=111),
        view("5", "2026-01-12 11:00:00", sdk=111),
        view("6", "2026-01-20 10:00:00", sdk=111),
    )
    assert sessions(bench) == [["1", "2"], ["3"], ["4", "5"], ["6"]]


def test_a_session_id_that_lives_on_for_days_is_cut(bench: Bench) -> None:
    """The case unexpired-session: a visit of ten minutes, and another one 77 hours later."""
    build(
        bench,
        view("c04-1", "2026-09-02 10:00", sdk=1788300000),
        view("c04-2", "2026-09-02 10:10", sdk=1788300000),
        view("c04-3", "2026-09-05 15:00", sdk=1788300000),
    )
    assert sessions(bench) == [["c04-1", "c04-2"], ["c04-3"]]


def test_the_silence_is_a_setting(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(sessions__silence_hours=2)
    build(bench, view("1", "10:00", sdk=7), view("2", "12:00", sdk=7), view("3", "14:01", sdk=7))
    assert sessions(bench) == [["1", "2"], ["3"]]


def test_a_silence_is_a_devices(bench: Bench) -> None:
    """Another device with the same id neither fills the silence nor is cut by it."""
    build(
        bench,
        view("1", "2026-01-10 10:00", sdk=7),
        view("2", "2026-01-11 09:00", sdk=7, device="d2"),
        view("3", "2026-01-12 10:00", sdk=7),
        view("4", "2026-01-12 08:00", sdk=7, device="d2"),
    )
    assert sessions(bench) == [["1"], ["2", "4"], ["3"]]


def test_events_without_an_id_join_the_part_next_to_them(bench: Bench) -> None:
    build(
        bench,
        view("1", "2026-01-10 10:00", sdk=7),
        view("2", "2026-01-10 10:10"),
        view("3", "2026-01-15 09:50"),
        view("4", "2026-01-15 10:00", sdk=7),
        view("5", "2026-01-15 10:10"),
    )
    assert sessions(bench) == [["1", "2"], ["3", "4", "5"]]


def test_the_parts_of_a_cut_session_keep_their_ids(bench: Bench) -> None:
    """The first part has the id that it would have alone; a late event in a part changes none."""
    first = [view("1", "2026-01-10 10:00", sdk=7)]
    build(bench, *first)
    alone = ids(bench)
    both = [*first, view("2", "2026-01-15 10:00", sdk=7)]
    build(bench, *both)
    before = ids(bench)
    assert before["1"] == alone["1"] != before["2"]
    late = "2026-01-20 00:00"
    build(
        bench,
        *both,
        view("3", "2026-01-10 12:00", sdk=7, received=late),
        view("4", "2026-01-15 12:00", sdk=7, received=late),
    )
    after = ids(bench)
    assert (after["1"], after["3"]) == (before["1"], before["1"])
    assert (after["2"], after["4"]) == (before["2"], before["2"])


# --- events without an SDK id beside ones with it -----------------------------------------------


def test_a_run_that_starts_within_the_gap_after_an_sdk_event_joins_it(bench: Bench) -> None:
    """Wholly: the run itself goes on for as long as no pause is longer than the gap."""
    build(
        bench,
        view("1", "10:00", sdk=111),
        view("2", "10:30"),
        view("3", "11:00"),
        view("4", "11:30"),
        view("5", "12:00:00.001"),
    )
    assert sessions(bench) == [["1", "2", "3", "4"], ["5"]]


def test_a_run_a_millisecond_beyond_the_gap_is_a_session_by_itself(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", sdk=111),
        view("2", "10:30:00.001"),
        view("3", "13:00"),
        view("4", "13:30:00.001", sdk=222),
    )
    assert sessions(bench) == [["1"], ["2"], ["3"], ["4"]]


def test_a_run_that_ends_within_the_gap_before_an_sdk_event_joins_it(bench: Bench) -> None:
    build(
        bench,
        view("1", "09:00"),
        view("2", "09:30"),
        view("3", "10:00", sdk=111),
    )
    assert sessions(bench) == [["1", "2", "3"]]


def test_the_session_before_comes_first(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", sdk=111),
        view("2", "10:29"),
        view("3", "10:30", sdk=222),
    )
    assert sessions(bench) == [["1", "2"], ["3"]]


def test_of_two_sdk_sessions_before_a_run_the_last_counts(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", sdk=222),
        view("2", "10:10", sdk=111),
        view("3", "10:15"),
        view("4", "10:20"),
    )
    assert sessions(bench) == [["1"], ["2", "3", "4"]]


def test_an_event_with_an_sdk_id_cuts_a_run(bench: Bench) -> None:
    """1 joins what follows; 3 is beyond the gap after 2."""
    build(
        bench,
        view("1", "10:00"),
        view("2", "10:20", sdk=111),
        view("3", "10:50:00.001"),
        view("4", "10:51"),
    )
    assert sessions(bench) == [["1", "2"], ["3", "4"]]


def test_events_of_one_moment_join_the_event_beside_them(bench: Bench) -> None:
    build(
        bench,
        view("a", "10:00"),
        view("b", "10:00", sdk=111),
        view("c", "10:00"),
        view("d", "10:00", sdk=222),
    )
    assert sessions(bench) == [["a", "b", "c"], ["d"]]


def test_a_visit_goes_on_when_the_sdks_session_begins_with_the_banner(bench: Bench) -> None:
    """The case consent-banner: before it, within it, and after consent was taken back."""
    build(
        bench,
        view("c21-1", "10:00:00"),
        view("c21-2", "10:00:05", sdk=1788343205000),
        view("c21-3", "10:05:00", sdk=1788343205000),
        view("c21-4", "10:06:00"),
    )
    assert sessions(bench) == [["c21-1", "c21-2", "c21-3", "c21-4"]]


def test_made_up_events_as_found_one_by_one(make_bench: Callable[..., Bench]) -> None:
    """Two hundred events of three devices on whole minutes, a gap of 30, a silence of 2 hours."""
    chance = random.Random(11)
    events = []
    for number in range(200):
        minute = chance.randint(0, 1400)
        at = f"{minute // 60:02}:{minute % 60:02}"
        sdk = chance.choice([None, None, 1, 2])
        events.append((minute, view(f"e{number:03}", at, sdk=sdk, device=f"d{number % 3}")))
    expected = []
    for device in ("d0", "d1", "d2"):
        expected += _one_by_one(
            sorted(
                (minute, event["id"], event["context_session_id"])
                for minute, event in events
                if event["anonymous_id"] == device
            )
        )
    bench = make_bench(sessions__silence_hours=2)
    build(bench, *(event for _, event in events))
    assert sessions(bench) == sorted(expected)
    assert len(expected) > 30


def _one_by_one(events: list[tuple[int, str, int | None]]) -> list[list[str]]:
    """Sessions of one device: parts of SDK ids first, then each run where it belongs."""
    part_of: dict[int, int] = {}
    parts: list[list[int]] = []
    for sdk in (1, 2):
        before = None
        for place, (minute, _, own) in enumerate(events):
            if own == sdk:
                if before is None or minute - before > 120:
                    parts.append([])
                parts[-1].append(place)
                part_of[place] = len(parts) - 1
                before = minute
    runs: list[list[int]] = []
    for place, (minute, _, own) in enumerate(events):
        if own is None:
            goes_on = runs and runs[-1][-1] == place - 1 and minute - events[place - 1][0] <= 30
            if goes_on:
                runs[-1].append(place)
            else:
                runs.append([place])
    for run in runs:
        first, last = run[0], run[-1]
        if first - 1 in part_of and events[first][0] - events[first - 1][0] <= 30:
            parts[part_of[first - 1]] += run
        elif last + 1 in part_of and events[last + 1][0] - events[last][0] <= 30:
            parts[part_of[last + 1]] += run
        else:
            parts.append(run)
    return [[events[place][1] for place in sorted(part)] for part in parts]


# --- server events ------------------------------------------------------------------------------


def server(id_: str, at: str, **more: Any) -> dict[str, Any]:
    return view(id_, at, **{"channel": "server", "event": "Order Packed", **more})


def test_server_events_open_no_session(bench: Bench) -> None:
    """The case server-events: packed and shipped hours after the visit."""
    build(
        bench,
        view("c24-1", "10:00", sdk=111, device="d-vis"),
        tracks=[
            view("c24-2", "10:01", sdk=111, device="d-vis", event="Order Completed"),
            server("c24-s0", "14:00", device="d-vis", user="u-vis"),
            server("c24-s1", "19:00", device="d-vis", user="u-vis"),
        ],
    )
    assert sessions(bench) == [["c24-1", "c24-2"]]
    assert bench.rows(
        "select id, session_id is null as none, is_server from marts.session_events order by id"
    ) == [
        ("c24-1", False, False),
        ("c24-2", False, False),
        ("c24-s0", True, True),
        ("c24-s1", True, True),
    ]


@pytest.mark.parametrize("channel", ["server", "sources"])
@pytest.mark.parametrize("sdk", [None, 111], ids=["gap", "sdk"])
def test_a_server_event_joins_the_session_no_more_than_the_gap_before_it(
    bench: Bench, channel: str, sdk: int | None
) -> None:
    build(
        bench,
        view("1", "10:00", sdk=sdk),
        tracks=[
            server("2", "10:30", channel=channel),
            server("3", "10:30:00.001", channel=channel),
            server("0", "09:59:59.999", channel=channel),
        ],
    )
    assert sessions(bench) == [["1", "2"]]


def test_a_server_event_does_not_move_the_gap(bench: Bench) -> None:
    """Neither for the device's next event, nor for a server event after it."""
    build(
        bench,
        view("1", "10:00"),
        view("4", "10:31"),
        tracks=[server("2", "10:20"), server("3", "10:30:30")],
    )
    assert sessions(bench) == [["1", "2"], ["4"]]


def test_a_server_event_without_a_known_device_joins_its_users_session(bench: Bench) -> None:
    """By the user id that the client's events carry; the device comes first, if it is in time."""
    build(
        bench,
        view("1", "10:00", device="d1", user="u1"),
        view("2", "10:05", device="d2", user="u1"),
        view("3", "09:00", device="d3", user="u2"),
        tracks=[
            server("s1", "10:10", device=None, user="u1"),
            server("s2", "10:10", device="d1", user="u1"),
            server("s3", "10:10", device="never seen", user="u1"),
            server("s4", "10:10", device="d3", user="u1"),
            server("s5", "10:10", device=None, user="u2"),
            server("s6", "10:10", device=None, user=None),
        ],
    )
    assert sessions(bench) == [["1", "s2"], ["2", "s1", "s3", "s4"], ["3"]]


def test_the_last_client_event_decides_which_session_a_server_event_joins(bench: Bench) -> None:
    """At one moment the client's event comes first; of two, the one with the greater id."""
    build(
        bench,
        view("1", "10:00", sdk=111),
        view("2", "10:10", sdk=222),
        view("3", "10:10", sdk=333),
        view("4", "10:20", sdk=111),
        tracks=[server("0", "10:10"), server("5", "10:19"), server("6", "10:20")],
    )
    assert sessions(bench) == [["0", "3", "5"], ["1", "4", "6"], ["2"]]


def test_views_and_events_with_an_sdk_id_are_the_clients_whatever_their_channel(
    bench: Bench,
) -> None:
    build(
        bench,
        view("1", "10:00", channel="server"),
        view("2", "12:00", channel="server", sdk=111),
        tracks=[server("3", "14:00", sdk=222)],
        screens=[view("4", "16:00", channel="sources")],
    )
    assert sessions(bench) == [["1"], ["2"], ["3"], ["4"]]


def test_a_server_event_is_a_bots_if_its_session_is(bench: Bench) -> None:
    """Never by its own user agent, which may be a program's."""
    build(
        bench,
        view("1", "10:00", device="d1", context_user_agent=BOT),
        view("2", "10:01", device="d1", context_user_agent=IPHONE),
        view("3", "10:00", device="d2", context_user_agent=IPHONE),
        tracks=[
            server("4", "10:02", device="d1"),
            server("5", "10:02", device="d2", context_user_agent=BOT),
            server("6", "10:02", device="d3", context_user_agent=BOT),
        ],
    )
    assert bench.rows("select id, is_bot from marts.session_events order by id") == [
        ("1", True),
        ("2", False),
        ("3", False),
        ("4", True),
        ("5", False),
        ("6", False),
    ]


def test_many_server_events_find_their_sessions_as_found_one_by_one(bench: Bench) -> None:
    chance = random.Random(3)
    clients, servers = [], []
    for number in range(120):
        minute = chance.randint(0, 600)
        at = f"{8 + minute // 60:02}:{minute % 60:02}"
        device, user = chance.choice(["d1", "d2", None]), chance.choice(["u1", "u2", None])
        if number % 2:
            servers.append((minute, server(f"s{number:03}", at, device=device, user=user)))
        elif device:
            clients.append((minute, view(f"c{number:03}", at, device=device, user=user)))
    expected = {}
    for minute, event in servers:
        for key in ("anonymous_id", "user_id"):
            before = [
                (at, client["id"])
                for at, client in clients
                if event[key] and client[key] == event[key] and minute - 30 <= at <= minute
            ]
            if before:
                expected[event["id"]] = max(before)[1]
                break
    build(bench, *(event for _, event in clients), tracks=[event for _, event in servers])
    found = ids(bench)
    assert {event["id"]: found[event["id"]] for _, event in servers} == {
        event["id"]: found[expected[event["id"]]] if event["id"] in expected else None
        for _, event in servers
    }
    assert len(expected) > 10


# --- no device ----------------------------------------------------------------------------------


def test_an_event_with_neither_a_device_nor_an_sdk_id_is_in_no_session(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", device=None, user="u1"),
        view("2", "10:01", device=None, user="u1", sdk=111),
        view("3", "10:02", device=None, user="u1"),
        view("4", "10:03", device=None, user=None),
    )
    assert sessions(bench) == [["2"]]
    assert bench.rows("select id, sequence_number from marts.session_events order by id") == [
        ("1", None),
        ("2", 1),
        ("3", None),
        ("4", None),
    ]


# --- stable ids ---------------------------------------------------------------------------------


def test_late_events_that_do_not_open_the_session_leave_its_id(bench: Bench) -> None:
    early = [view("1", "10:00"), view("2", "10:20"), view("3", "12:00"), view("4", "14:00", sdk=7)]
    build(bench, *early)
    before = ids(bench)
    late = [
        view("0", "10:10", received="2026-01-12 00:00"),
        view("5", "12:30", received="2026-01-12 00:00"),
        view("6", "13:59", sdk=7, received="2026-01-12 00:00"),
    ]
    build(bench, *early, *late)
    after = ids(bench)
    assert {key: after[key] for key in before} == before
    assert (after["0"], after["5"], after["6"]) == (before["1"], before["3"], before["4"])


def test_events_with_an_sdk_id_alone_are_a_session_by_it_and_their_user_id(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", device=None, user="u1", sdk=7),
        view("2", "10:01", device=None, user="u1", sdk=7),
        view("3", "10:02", device=None, user="u2", sdk=7),
        view("4", "10:03", device=None, sdk=7),
        view("5", "10:04", device=None, sdk=7),
        view("6", "10:05", device=None, sdk=8),
    )
    assert sessions(bench) == [["1", "2"], ["3"], ["4", "5"], ["6"]]


def test_the_order_of_the_rows_does_not_matter(bench: Bench) -> None:
    views = [
        view(f"e{n}", f"10:{n:02}", sdk=n // 7 if n % 3 else None, device=f"d{n % 2}")
        for n in range(40)
    ]
    build(bench, *views)
    before = ids(bench)
    random.Random(5).shuffle(views)
    build(bench, *views)
    assert ids(bench) == before


def test_an_id_that_recurs_beyond_the_duplicate_window_opens_two_sessions(bench: Bench) -> None:
    build(bench, view("1", "2026-01-01 10:00"), view("1", "2026-01-20 10:00"))
    assert bench.rows("select count(distinct session_id) as n from marts.session_events") == [(2,)]


# --- device and page ----------------------------------------------------------------------------


def test_views_are_pages_and_screens(bench: Bench) -> None:
    build(
        bench,
        view("1", "10:00", context_page_path="/a", context_page_url="https://x.example/a"),
        screens=[view("2", "10:01", name="Home")],
        tracks=[view("3", "10:02", event="Product Viewed", context_page_path="/a")],
    )
    assert bench.rows(
        "select id, is_view, page_path, page_url, event from marts.session_events order by id"
    ) == [
        ("1", True, "/a", "https://x.example/a", None),
        ("2", True, "Home", None, None),
        ("3", False, "/a", None, "Product Viewed"),
    ]


BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"context_user_agent": BOT}, (True, None, None, None)),
        ({"context_user_agent": IPHONE}, (False, "mobile", "Safari", "iOS")),
        ({}, (False, None, None, None)),
        ({"context_os_name": "Plan 9"}, (False, None, None, "Plan 9")),
        (
            {"channel": "mobile", "context_os_name": "iPadOS", "context_user_agent": IPHONE},
            (False, "mobile", "App", "iPadOS"),
        ),
        ({"channel": "mobile"}, (False, "mobile", "App", None)),
    ],
)
def test_bots_and_devices(bench: Bench, context: dict[str, Any], expected: tuple[Any, ...]) -> None:
    build(bench, view("1", "10:00", **context))
    assert bench.rows("select is_bot, device_type, browser, os from marts.session_events") == [
        expected
    ]


def test_there_may_be_no_event(bench: Bench) -> None:
    build(bench)
    assert sessions(bench) == []
