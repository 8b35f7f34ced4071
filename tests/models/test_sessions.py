"""Sessions: their events, touches and orders in, one row per session out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from engagement.models.runner import ModelError
from tests.models.conftest import Bench

Event = dict[str, Any]


def visit(
    session: str, *events: Event, start: str = "2026-01-10 10:00", **every: Any
) -> list[Event]:
    """The events of a session, numbered; ``at`` is seconds after its start."""
    day, minute = start.split(" ")
    rows = []
    for number, given in enumerate(events, start=1):
        own = dict(given)
        at = own.pop("at", number - 1)
        hour, start_minute = (int(part) for part in minute.split(":"))
        seconds = hour * 3600 + start_minute * 60 + at
        clock = f"{int(seconds // 3600):02}:{int(seconds // 60 % 60):02}:{seconds % 60:06.3f}"
        rows.append(
            {"id": f"{session}-{number}", "session_id": session, "person_id": "p",
             "anonymous_id": "d1", "sequence_number": number, "timestamp": f"{day} {clock}",
             "is_bot": False, "page_url": "https://www.shop.example/", **every, **own}
        )  # fmt: skip
    return rows


def page(path: str | None = "/", at: float | None = None, **more: Any) -> Event:
    timed = {} if at is None else {"at": at}
    return {"type": "page", "is_view": True, "page_path": path, **timed, **more}


def track(name: str = "Product Viewed", at: float | None = None, **more: Any) -> Event:
    timed = {} if at is None else {"at": at}
    return {"type": "track", "event": name, "is_view": False, **timed, **more}


def touch(session: str, event: int, source: str, number: int = 1, **more: Any) -> Event:
    """A touch of a session by its ``event``; it is the session's ``number``-th."""
    return {
        "id": f"{session}-{event}",
        "received_at_utc_date": "2026-01-10",
        "session_id": session,
        "sequence_number": event,
        "touch_number": number,
        "kind": "utm",
        "source": source,
        "timestamp": f"2026-01-10 10:00:0{event - 1}",
        **more,
    }


def sent_by(session: str, event: int, kind: str = "internal") -> Event:
    """What an event says of who sent its visitor; such ones are no touches."""
    return {
        "id": f"{session}-{event}",
        "received_at_utc_date": "2026-01-10",
        "session_id": session,
        "sequence_number": event,
        "kind": kind,
        "source": "shop.example",
    }


def order(
    id_: str,
    session: str | None,
    revenue: str | None,
    status: str = "completed",
    *,
    refunds: str = "0.00",
    at: str = "2026-01-10 10:05",
) -> Event:
    """An order; a cancelled one has no revenue, one without a rate no money."""
    money = {
        "revenue": Decimal(revenue or 0),
        "refunds": Decimal(refunds),
        "net_revenue": Decimal(revenue or 0) - Decimal(refunds),
    }
    return {
        "order_id": id_,
        "session_id": session,
        "status": status,
        "ordered_at": at,
        **(money if revenue else {}),
    }


def sessions(
    bench: Bench,
    events: list[Event],
    columns: str,
    *,
    touches: list[Event] = [],  # noqa: B006 (never changed)
    sources: list[Event] = [],  # noqa: B006
    orders: list[Event] = [],  # noqa: B006
    profiles: list[Event] = [],  # noqa: B006
) -> list[tuple[Any, ...]]:
    bench.given("marts.session_events", events)
    bench.given("marts.touches", touches)
    bench.given("marts.event_sources", sources)
    bench.given("marts.orders", orders)
    bench.given("marts.profiles", profiles)
    bench.build("arrivals", "sessions")
    return bench.rows(f"select session_id, {columns} from marts.sessions order by session_id")


# --- times, pages and counts --------------------------------------------------------------------


def test_times_counts_and_pages(bench: Bench) -> None:
    events = visit("s1", page("/a"), track(at=5), page("/b", at=61.4), track(at=90.999))
    assert sessions(
        bench, events, "duration_seconds, events, page_views, entry_page, exit_page, anonymous_id"
    ) == [("s1", 90, 4, 2, "/a", "/b", "d1")]
    assert bench.rows(
        "select cast(started_at as varchar) as s, cast(ended_at as varchar) as e "
        "from marts.sessions"
    ) == [("2026-01-10 10:00:00", "2026-01-10 10:01:30.999")]


def test_entry_and_exit_are_pages_viewed_only(bench: Bench) -> None:
    events = [
        *visit("s1", track(page_path="/x"), page("/a"), page(None), track(page_path="/y")),
        *visit("s2", track(page_path="/x"), track(page_path="/y")),
        *visit("s3", track()),
    ]
    assert sessions(bench, events, "entry_page, exit_page") == [
        ("s1", "/a", "/a"),
        ("s2", None, None),
        ("s3", None, None),
    ]


def test_server_events_count_and_move_nothing_else(bench: Bench) -> None:
    """An order that the server tells 20 minutes later, by somebody else's name and elsewhere."""
    by_server = {
        "is_server": True,
        "channel": "server",
        "person_id": "clerk",
        "anonymous_id": "server",
        "browser": "curl",
        "timezone": "Asia/Tokyo",
        "locale": "ja-JP",
        "geo_country": "JP",
    }
    events = visit(
        "s1",
        track(**by_server, at=0.0),
        page("/a", at=0.0, channel="web", browser="Firefox"),
        track("Order Completed", at=1200, **by_server),
    )
    orders = [order("o1", "s1", "5.00")]
    assert sessions(
        bench,
        events,
        "events, page_views, duration_seconds, person_id, anonymous_id, platform, browser, country,"
        " orders",
        orders=orders,
    ) == [("s1", 3, 1, 0, "p", "d1", "web", "Firefox", None, 1)]


def test_the_day_is_that_of_the_start_in_the_reporting_time_zone(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(timezone="America/New_York")
    events = [
        *visit("s1", page(), page(at=600), start="2026-01-11 04:55"),
        *visit("s2", page(), start="2026-01-11 05:00"),
    ]
    assert sessions(bench, events, "session_date") == [
        ("s1", date(2026, 1, 10)),
        ("s2", date(2026, 1, 11)),
    ]


def test_events_of_no_session_make_none(bench: Bench) -> None:
    events = visit("s1", page()) + visit(None, page(), sequence_number=None)  # type: ignore[arg-type]
    assert sessions(bench, events, "events") == [("s1", 1)]


# --- engaged ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "engaged"),
    [
        pytest.param([page()], False, id="one view"),
        pytest.param([page(), track()], False, id="one view and a click"),
        pytest.param([page(), page()], True, id="two views"),
        pytest.param([page(), track(at=10.0)], False, id="10 seconds are not longer than 10"),
        pytest.param([page(), track(at=10.001)], True, id="longer than 10 seconds"),
        pytest.param([page(), track("Order Completed")], True, id="an order"),
        pytest.param([page(), track("Cancelled")], False, id="an order that was cancelled"),
    ],
)
def test_engaged_or_bounced(bench: Bench, events: list[Event], engaged: bool) -> None:
    names = {event.get("event") for event in events}
    orders = [order("o1", "s1", "10.00")] if "Order Completed" in names else []
    if "Cancelled" in names:
        orders = [order("o1", "s1", "0.00", "cancelled")]
    assert sessions(bench, visit("s1", *events), "is_engaged, is_bounce", orders=orders) == [
        ("s1", engaged, not engaged)
    ]


# --- whose, and whether new ---------------------------------------------------------------------


def test_a_new_visitors_session_is_the_first_of_a_person_nobody_knew(bench: Bench) -> None:
    events = [
        *visit("s1", page(), start="2026-01-12 10:00"),
        *visit("s2", page(), start="2026-01-10 10:00", anonymous_id="d2"),
        *visit("s3", page(), start="2026-01-11 10:00", person_id="q"),
        *visit("s5", page(), start="2026-01-12 10:00", person_id="r"),
        *visit("s4", page(), start="2026-01-12 10:00", person_id="r"),
    ]
    assert sessions(bench, events, "person_id, is_new_visitor, session_number") == [
        ("s1", "p", False, 2),
        ("s2", "p", True, 1),
        ("s3", "q", True, 1),
        ("s4", "r", True, 1),
        ("s5", "r", False, 2),
    ]


@pytest.mark.parametrize(
    ("identified", "created", "new"),
    [
        pytest.param(True, "2026-01-09 10:00:00.000", True, id="24 hours before"),
        pytest.param(True, "2026-01-09 09:59:59.999", False, id="a millisecond more"),
        pytest.param(True, "2026-01-10 10:01", True, id="after the first event"),
        pytest.param(True, None, True, id="no creation time"),
        pytest.param(False, "2020-01-01", True, id="a guest"),
    ],
)
def test_an_account_that_is_older_than_a_day_is_not_new(
    bench: Bench, identified: bool, created: str | None, new: bool
) -> None:
    profiles = [{"person_id": "p", "is_identified": identified, "account_created_at": created}]
    events = visit("s1", page())
    assert sessions(bench, events, "is_new_visitor, session_number", profiles=profiles) == [
        ("s1", new, 1)
    ]


def test_the_first_event_may_be_one_without_a_session(bench: Bench) -> None:
    """A server wrote two days before the visit: the account was an hour old then."""
    events = [
        *visit("s1", page()),
        *visit(None, track(), sequence_number=None, start="2026-01-08 10:00"),  # type: ignore[arg-type]
    ]
    profiles = [{"person_id": "p", "is_identified": True, "account_created_at": "2026-01-08 09:00"}]
    assert sessions(bench, events, "is_new_visitor", profiles=profiles) == [("s1", True)]


def test_bots_sessions_have_no_number(make_bench: Callable[..., Bench]) -> None:
    """And their events are not a person's first: the account is two days older than s2."""
    events = [
        *visit("s1", page(is_bot=True), start="2026-01-08 10:00"),
        *visit("s2", page()),
    ]
    profiles = [{"person_id": "p", "is_identified": True, "account_created_at": "2026-01-08 09:00"}]
    columns = "session_number, is_new_visitor"
    assert sessions(make_bench(), events, columns, profiles=profiles) == [
        ("s1", None, False),
        ("s2", 1, False),
    ]
    bench = make_bench(metrics__exclude_bots=False)
    assert sessions(bench, events, columns, profiles=profiles) == [
        ("s1", 1, True),
        ("s2", 2, False),
    ]


def test_on_a_shared_device_a_session_is_the_person_of_its_last_event(bench: Bench) -> None:
    events = visit("s1", page(person_id="device"), page(person_id="z"), page(person_id="a"))
    assert sessions(bench, events, "person_id") == [("s1", "a")]


def test_one_bots_event_makes_the_session_a_bots(bench: Bench) -> None:
    events = visit("s1", page(is_bot=True), page()) + visit("s2", page())
    assert sessions(bench, events, "is_bot") == [("s1", True), ("s2", False)]


# --- source -------------------------------------------------------------------------------------


def test_the_source_is_the_earliest_touch(bench: Bench) -> None:
    events = [*visit("s1", page(), page(), page()), *visit("s2", page())]
    touches = [
        touch("s1", 3, "a", 2, medium="email", campaign="Spring", channel="Email"),
        touch("s1", 2, "z", 1, medium="organic", channel="Organic Search"),
    ]
    assert sessions(bench, events, "source, medium, campaign, channel", touches=touches) == [
        ("s1", "z", "organic", None, "Organic Search"),
        ("s2", "(direct)", "(none)", None, "Direct"),
    ]


def test_a_touch_after_the_first_order_is_not_the_source(bench: Bench) -> None:
    """The case touch-after-order: home at 10:00, the order at 10:05, its mail clicked at 10:08."""
    touches = [
        touch(
            "s1", 3, "order-confirmation", medium="email", channel="Email",
            timestamp="2026-01-10 10:08",
        )
    ]  # fmt: skip
    events = visit("s1", page(at=0.0), track("Order Completed", at=300), page(at=480))
    columns = "source, medium, channel"
    orders = [order("R1", "s1", "40.00"), order("R2", "s1", "40.00", at="2026-01-10 10:30")]
    assert sessions(bench, events, columns, touches=touches, orders=orders) == [
        ("s1", "(direct)", "(none)", "Direct")
    ]
    cancelled = [order("R1", "s1", "0.00", "cancelled")]
    assert sessions(bench, events, columns, touches=touches, orders=cancelled) == [
        ("s1", "order-confirmation", "email", "Email")
    ]


def test_a_touch_at_the_moment_of_the_order_is_the_source(bench: Bench) -> None:
    events = visit("s1", track("Order Completed", at=0.0))
    touches = [touch("s1", 1, "google", medium="cpc", channel="Paid Search")]
    orders = [order("o1", "s1", "40.00", at="2026-01-10 10:00")]
    assert sessions(bench, events, "channel", touches=touches, orders=orders) == [
        ("s1", "Paid Search")
    ]


def test_an_internal_entry_is_a_direct_session_that_one_of_the_shops_own_sent(
    bench: Bench,
) -> None:
    """s1 goes on after a pause; s2 starts without a referrer and follows a link later; s3 starts
    with an event that has neither page nor referrer; s4 has a touch; s5 came from outside, to a
    page that is no touch.
    """
    events = [
        *visit("s1", page(), page()),
        *visit("s2", page(), page()),
        *visit("s3", track(page_url=None), page()),
        *visit("s4", page(), page()),
        *visit("s5", page()),
    ]
    sources = [
        *(sent_by(session, event) for session, event in [("s1", 1), ("s1", 2), ("s2", 2)]),
        *(sent_by(session, event) for session, event in [("s3", 2), ("s4", 1)]),
        sent_by("s5", 1, "referrer"),
    ]
    touches = [touch("s4", 2, "a", medium="email", channel="Email")]
    assert sessions(
        bench, events, "channel, is_internal_entry, source", sources=sources, touches=touches
    ) == [
        ("s1", "Direct", True, "(direct)"),
        ("s2", "Direct", False, "(direct)"),
        ("s3", "Direct", True, "(direct)"),
        ("s4", "Email", False, "a"),
        ("s5", "Direct", False, "(direct)"),
    ]


# --- device and place ---------------------------------------------------------------------------


def test_the_device_is_what_the_first_event_that_knows_says(bench: Bench) -> None:
    events = visit(
        "s1",
        page(),
        page(device_type="mobile", browser="Safari", os="iOS", channel="web"),
        page(device_type="desktop", browser="Chrome", os="macOS", channel="server"),
    )
    assert sessions(bench, events, "device_type, browser, os, platform") == [
        ("s1", "mobile", "Safari", "iOS", "web")
    ]


@pytest.mark.parametrize(
    ("locale", "country"),
    [
        ("en-US", "US"),
        ("pt_br", "BR"),
        ("zh-Hant-TW", "TW"),
        ("de_CH.UTF-8", "CH"),
        ("ca-ES-valencia", "ES"),
        ("de", None),
        ("es-419", None),
        (None, None),
    ],
)
def test_the_region_of_a_locale(bench: Bench, locale: str | None, country: str | None) -> None:
    events = visit("s1", page(), page(locale=locale))
    known = "locale" if country else None
    assert sessions(bench, events, "country, country_source") == [("s1", country, known)]


@pytest.mark.parametrize(
    ("zone", "country"),
    [
        ("Europe/Berlin", "DE"),
        ("Europe/Oslo", "NO"),
        ("America/Argentina/Buenos_Aires", "AR"),
        ("Asia/Calcutta", "IN"),
        ("Asia/Kolkata", "IN"),
        ("US/Pacific", "US"),
        ("Iceland", "IS"),
        ("+02:00", None),
        ("GMT+0200", None),
        ("Etc/GMT-2", None),
        ("UTC", None),
        ("EST", None),
        ("CET", None),
        ("Europe/Atlantis", None),
        ("", None),
    ],
)
def test_the_country_of_a_time_zone_that_is_a_name(
    bench: Bench, zone: str, country: str | None
) -> None:
    events = visit("s1", page(timezone=zone, locale="de-AT"))
    expected = (country, "timezone") if country else ("AT", "locale")
    assert sessions(bench, events, "country, country_source") == [("s1", *expected)]


@pytest.mark.parametrize(
    ("address", "geo", "zone", "expected"),
    [
        ("DE", "FR", "Europe/Oslo", ("DE", "address")),
        ("de", "FR", "Europe/Oslo", ("DE", "address")),
        ("Germany", "FR", "Europe/Oslo", ("Germany", "address")),
        ("  ", "fr", "Europe/Oslo", ("FR", "geo")),
        (None, "France", "Europe/Oslo", ("France", "geo")),
        (None, None, "Europe/Oslo", ("NO", "timezone")),
        (None, None, None, ("US", "locale")),
    ],
)
def test_the_country_is_of_the_best_that_knows_it(
    bench: Bench,
    address: str | None,
    geo: str | None,
    zone: str | None,
    expected: tuple[str, str],
) -> None:
    """Of each kind the first event that says it counts."""
    events = visit(
        "s1",
        page(locale="en-US"),
        page(timezone=zone, geo_country=geo),
        page(timezone="Asia/Tokyo" if zone else None, geo_country="JP" if geo else None),
    )
    profiles = [{"person_id": "p", "country": address}]
    assert sessions(bench, events, "country, country_source", profiles=profiles) == [
        ("s1", *expected)
    ]


# --- orders -------------------------------------------------------------------------------------


def test_orders_and_their_money(bench: Bench) -> None:
    """A cancelled order is counted apart; one without a rate has no value; o6 has none here."""
    events = [*visit("s1", page(), page()), *visit("s2", page())]
    orders = [
        order("o1", "s1", "10.10", refunds="4.00"),
        order("o2", "s1", "0.20"),
        order("o3", "s1", "0.00", "cancelled"),
        order("o4", "s1", None),
        order("o5", "s1", "-3.00"),
        order("o6", None, "99.00"),
    ]
    assert sessions(
        bench,
        events,
        "events, orders, cancelled_orders, revenue, refunds, net_revenue",
        orders=orders,
    ) == [
        ("s1", 2, 4, 1, Decimal("7.30"), Decimal("4.00"), Decimal("3.30")),
        ("s2", 1, 0, 0, Decimal("0.00"), Decimal("0.00"), Decimal("0.00")),
    ]


def test_an_order_of_a_session_that_is_not_there_stops_the_table(bench: Bench) -> None:
    with pytest.raises(ModelError, match="every order of a session is counted once"):
        sessions(bench, visit("s1", page()), "orders", orders=[order("o1", "gone", "5.00")])


def test_there_may_be_no_session(bench: Bench) -> None:
    assert sessions(bench, [], "events") == []
