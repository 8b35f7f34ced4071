"""Sessions: their events, touches and orders in, one row per session out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

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


def touch(session: str, number: int, kind: str, source: str, **more: Any) -> Event:
    return {
        "id": f"{session}-{number}",
        "received_at_utc_date": "2026-01-10",
        "session_id": session,
        "sequence_number": number,
        "kind": kind,
        "source": source,
        "category": "other",
        "is_paid": False,
        **more,
    }


def order(id_: str, session: str | None, revenue: str | None, status: str = "completed") -> Event:
    money = None if revenue is None else Decimal(revenue)
    return {"order_id": id_, "session_id": session, "revenue": money, "status": status}


def sessions(
    bench: Bench,
    events: list[Event],
    columns: str,
    *,
    touches: list[Event] = [],  # noqa: B006 (never changed)
    orders: list[Event] = [],  # noqa: B006
    profiles: list[Event] = [],  # noqa: B006
) -> list[tuple[Any, ...]]:
    bench.given("marts.session_events", events)
    bench.given("marts.touches", [{k: t[k] for k in t if k != "channel"} for t in touches])
    bench.given(
        "marts.traffic_sources",
        [
            {key: t[key] for key in ("kind", "source", "medium", "category", "is_paid", "channel")}
            | {"campaign": t.get("campaign") or ""}
            for t in {(t["kind"], t["source"]): t for t in touches}.values()
        ],
    )
    bench.given("marts.orders", orders)
    bench.given("marts.profiles", profiles)
    bench.build("sessions")
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


def test_entry_and_exit_are_pages_viewed_else_any_page_an_event_names(bench: Bench) -> None:
    events = [
        *visit("s1", track(page_path="/x"), page("/a"), page(None), track(page_path="/y")),
        *visit("s2", track(page_path="/x"), track(page_path="/y")),
        *visit("s3", track()),
    ]
    assert sessions(bench, events, "entry_page, exit_page") == [
        ("s1", "/a", "/a"),
        ("s2", "/x", "/y"),
        ("s3", None, None),
    ]


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
    ],
)
def test_engaged_or_bounced(bench: Bench, events: list[Event], engaged: bool) -> None:
    bought = any(event.get("event") == "Order Completed" for event in events)
    orders = [order("o1", "s1", "10.00")] if bought else []
    assert sessions(bench, visit("s1", *events), "is_engaged, is_bounce", orders=orders) == [
        ("s1", engaged, not engaged)
    ]


# --- whose, and whether new ---------------------------------------------------------------------


def test_a_session_is_new_where_it_is_the_persons_first(bench: Bench) -> None:
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


def test_on_a_shared_device_a_session_is_the_person_of_its_last_event(bench: Bench) -> None:
    events = visit("s1", page(person_id="device"), page(person_id="z"), page(person_id="a"))
    assert sessions(bench, events, "person_id") == [("s1", "a")]


def test_one_bots_event_makes_the_session_a_bots(bench: Bench) -> None:
    events = visit("s1", page(is_bot=True), page()) + visit("s2", page())
    assert sessions(bench, events, "is_bot") == [("s1", True), ("s2", False)]


# --- source -------------------------------------------------------------------------------------


def test_the_source_is_the_earliest_touch_from_outside(bench: Bench) -> None:
    events = [*visit("s1", page(), page(), page()), *visit("s2", page())]
    touches = [
        touch("s1", 1, "internal", "shop.example", medium="internal", channel="Internal"),
        touch("s1", 3, "utm", "a", medium="email", campaign="Spring", channel="Email"),
        touch("s1", 2, "referrer", "z", medium="organic", channel="Organic Search"),
    ]
    assert sessions(bench, events, "source, medium, campaign, channel", touches=touches) == [
        ("s1", "z", "organic", None, "Organic Search"),
        ("s2", "(direct)", "(none)", None, "Direct"),
    ]


def test_a_session_is_internal_where_its_first_page_is_and_direct_where_a_later_one_is(
    bench: Bench,
) -> None:
    """s1 goes on after a pause; s2 starts directly and follows a link; s3 starts with an event
    that has no page.
    """
    events = [
        *visit("s1", page(), page()),
        *visit("s2", page(), page()),
        *visit("s3", track(page_url=None), page()),
    ]
    touches = [
        touch(session, number, "internal", "shop.example", medium="internal", channel="Internal")
        for session, number in [("s1", 1), ("s1", 2), ("s2", 2), ("s3", 2)]
    ]
    assert sessions(bench, events, "channel, source", touches=touches) == [
        ("s1", "Internal", "shop.example"),
        ("s2", "Direct", "(direct)"),
        ("s3", "Internal", "shop.example"),
    ]


def test_a_touch_that_says_it_is_direct_is_none(bench: Bench) -> None:
    touches = [
        touch("s1", 1, "utm", "(direct)", medium="(none)", channel="Direct"),
        touch("s1", 2, "utm", "a", medium="email", channel="Email"),
        touch("s2", 1, "utm", "(direct)", medium="(none)", channel="Direct"),
    ]
    events = [*visit("s1", page(), page()), *visit("s2", page())]
    assert sessions(bench, events, "source, channel", touches=touches) == [
        ("s1", "a", "Email"),
        ("s2", "(direct)", "Direct"),
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
    ("address", "locale", "country"),
    [
        ("DE", "en-US", "DE"),
        ("de", "en-US", "DE"),
        ("Germany", "en-US", "Germany"),
        (None, "en-US", "US"),
        (None, "pt_br", "BR"),
        (None, "zh-Hant-TW", "TW"),
        (None, "de_CH.UTF-8", "CH"),
        (None, "ca-ES-valencia", "ES"),
        (None, "de", None),
        (None, "es-419", None),
        (None, None, None),
    ],
)
def test_the_country_is_the_addresss_else_the_locales_region(
    bench: Bench, address: str | None, locale: str | None, country: str | None
) -> None:
    events = visit("s1", page(), page(locale=locale))
    profiles = [{"person_id": "p", "country": address}]
    assert sessions(bench, events, "country", profiles=profiles) == [("s1", country)]


# --- orders -------------------------------------------------------------------------------------


def test_orders_and_revenue(bench: Bench) -> None:
    """A cancelled order was placed and brings nothing; one without a rate has no value."""
    events = [*visit("s1", page(), page()), *visit("s2", page())]
    orders = [
        order("o1", "s1", "10.10"),
        order("o2", "s1", "0.20"),
        order("o3", "s1", "0.00", "cancelled"),
        order("o4", "s1", None),
        order("o5", None, "99.00"),
    ]
    assert sessions(bench, events, "events, orders, revenue", orders=orders) == [
        ("s1", 2, 4, Decimal("10.30")),
        ("s2", 1, 0, Decimal("0.00")),
    ]


def test_there_may_be_no_session(bench: Bench) -> None:
    assert sessions(bench, [], "events") == []
