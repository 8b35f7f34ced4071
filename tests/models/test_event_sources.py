"""Sources of events: the query string, campaign and referrer of an event in, its source out."""

from __future__ import annotations

import csv
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from tests.models.conftest import Bench

Event = dict[str, Any]


def event(id_: str, query: str | None = None, referrer: str | None = None, **more: Any) -> Event:
    """An event of a page of the shop, with this query string and this referrer's host."""
    return {"id": id_, "page_query": query, "page_host": "shop.example",
            "referrer_host": referrer, **more}  # fmt: skip


def utm(source: str | None = None, medium: str | None = None, name: str | None = None) -> Event:
    return {"utm_source": source, "utm_medium": medium, "utm_campaign": name}


def sources(bench: Bench, events: list[Event], columns: str) -> list[tuple[Any, ...]]:
    """Columns of the events' sources, ordered by event; ``channel`` is in ``traffic_sources``."""
    every = {"received_at_utc_date": "2026-01-10", "timestamp": "2026-01-10 10:00"}
    visits = [
        {"session_id": "s", "sequence_number": 1, **every}
        | {k: e[k] for k in e if k in _OF_SESSION}
        for e in events
    ]
    contexts = [
        {"received_at_utc_date": "2026-01-10"}
        | {k: e[k] for k in e if k == "id" or k not in _OF_SESSION}
        for e in events
    ]
    bench.given("marts.session_events", visits)
    bench.given("marts.event_contexts", contexts)
    bench.build("referrers", "event_sources", "traffic_sources")
    return bench.rows(
        f"select {columns} from marts.event_sources as t inner join marts.traffic_sources as s "
        "on t.kind = s.kind and t.source = s.source and t.medium = s.medium "
        "and t.category = s.category and t.is_paid = s.is_paid "
        "and coalesce(t.campaign, '') = s.campaign order by t.id"
    )


_OF_SESSION = {"id", "session_id", "sequence_number"}


# --- which one counts ---------------------------------------------------------------------------


def test_utm_then_click_id_then_referrer_then_direct(bench: Bench) -> None:
    assert sources(
        bench,
        [
            event("1", "?gclid=x", "facebook.com", **utm("news", "email", "Spring")),
            event("2", "?gclid=x", "facebook.com"),
            event("3", "?q=1", "facebook.com"),
            event("4", "?q=1"),
        ],
        "t.id, t.kind, t.source, t.medium, t.campaign, t.click_id, t.referrer_host",
    ) == [
        ("1", "utm", "news", "email", "Spring", "gclid", "facebook.com"),
        ("2", "click_id", "google", "cpc", None, "gclid", "facebook.com"),
        ("3", "referrer", "facebook", "referral", None, None, "facebook.com"),
    ]


def test_what_utm_parameters_leave_out_comes_from_what_else_there_is(bench: Bench) -> None:
    assert sources(
        bench,
        [
            event("1", "?gclid=x", **utm(name="spring")),
            event("2", "?fbclid=x", **utm(name="spring")),
            event("3", None, "bing.com", **utm(medium="email")),
            event("4", **utm(name="spring")),
            event("5", **utm(source="partner")),
        ],
        "t.source, t.medium, s.channel",
    ) == [
        ("google", "cpc", "Paid Search"),
        ("facebook", "referral", "Organic Social"),
        ("bing", "email", "Email"),
        ("(not set)", "(not set)", "Unassigned"),
        ("partner", "(not set)", "Unassigned"),
    ]


def test_of_several_click_ids_the_first_of_the_table_counts(bench: Bench) -> None:
    assert sources(
        bench,
        [
            event("1", "?fbclid=x&gclid=y"),
            event("2", "?a=b&GCLID=y"),
            event("3", "?gclid="),
            event("4", "?notgclid=x&x=gclid"),
            event("5", "?wbraid=x"),
        ],
        "t.id, t.click_id, t.is_paid",
    ) == [("1", "gclid", True), ("2", "gclid", True), ("5", "wbraid", True)]


# --- referrers ----------------------------------------------------------------------------------


@pytest.fixture
def referrers(make_bench: Callable[..., Bench]) -> Callable[..., dict[str, tuple[Any, ...]]]:
    bench = make_bench(traffic__own_domains=["shop.example", "www.shop-outlet.example"])

    def of(*hosts: str) -> dict[str, tuple[Any, ...]]:
        events = [event(host, referrer=host) for host in hosts]
        rows = sources(bench, events, "t.id, t.kind, t.source, t.medium, s.channel")
        return {host: tuple(rest) for host, *rest in rows}

    return of


Referrers = Callable[..., dict[str, tuple[Any, ...]]]


def test_referrers_are_looked_up_in_the_table_of_domains(referrers: Referrers) -> None:
    expected = {
        "google.com": ("referrer", "google", "organic", "Organic Search"),
        "google.co.uk": ("referrer", "google", "organic", "Organic Search"),
        "news.google.de": ("referrer", "news.google.de", "referral", "Referral"),
        "m.google.de": ("referrer", "google", "organic", "Organic Search"),
        "mail.google.com": ("referrer", "gmail", "email", "Email"),
        "shopping.google.com": ("referrer", "google shopping", "referral", "Organic Shopping"),
        "l.facebook.com": ("referrer", "facebook", "referral", "Organic Social"),
        "t.co": ("referrer", "twitter", "referral", "Organic Social"),
        "m.youtube.com": ("referrer", "youtube", "referral", "Organic Video"),
        "amazon.com.au": ("referrer", "amazon", "referral", "Organic Shopping"),
        "com.google.android.gm": ("referrer", "gmail", "email", "Email"),
        "chatgpt.com": ("referrer", "chatgpt.com", "referral", "AI Assistant"),
        "googleadservices.com": ("referrer", "google", "cpc", "Paid Search"),
        "blog.example": ("referrer", "blog.example", "referral", "Referral"),
        "google.blog.example": ("referrer", "google.blog.example", "referral", "Referral"),
        "notfacebook.com": ("referrer", "notfacebook.com", "referral", "Referral"),
    }
    assert referrers(*expected) == expected


def test_own_pages_and_services_in_between_are_internal(referrers: Referrers) -> None:
    internal = ["shop.example", "help.shop.example", "shop-outlet.example", "paypal.com",
                "accounts.google.com"]  # fmt: skip
    assert referrers(*internal) == {
        host: ("internal", host, "internal", "Direct") for host in internal
    }
    assert referrers("myshop.example") == {
        "myshop.example": ("referrer", "myshop.example", "referral", "Referral")
    }


def test_the_pages_own_host_is_internal_also_where_no_domain_is_set(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(traffic__own_domains=[])
    hosts = ["store.example", "help.store.example", "example", "otherstore.example"]
    rows = sources(
        bench,
        [event(host, referrer=host, page_host="store.example") for host in hosts],
        "t.id, s.channel",
    )
    assert dict(rows) == {
        "store.example": "Direct",
        "help.store.example": "Direct",
        "example": "Direct",
        "otherstore.example": "Referral",
    }


# --- portals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "source", "category"),
    [
        ("naver.com", "naver", "search"),
        ("m.naver.com", "naver", "search"),
        ("mail.orange.fr", "mail.orange.fr", "email"),
        ("x.mail.orange.fr", "x.mail.orange.fr", "email"),
        ("shopping.orange.fr", "shopping.orange.fr", "shopping"),
        ("forum.orange.fr", "forum.orange.fr", "social"),
        ("cafe.orange.fr", "cafe.orange.fr", "social"),
        ("blog.orange.fr", "blog.orange.fr", "social"),
        ("suche.orange.fr", "orange", "search"),
        # The label next to the portal decides.
        ("mail.search.orange.fr", "orange", "search"),
        ("sport.orange.fr", "sport.orange.fr", "other"),
        ("m.sport.orange.fr", "m.sport.orange.fr", "other"),
        # Listed below a portal: the most specific entry goes first.
        ("messagerie.orange.fr", "orange mail", "email"),
        ("my.mail.ru", "moi mir", "social"),
        ("x.my.mail.ru", "moi mir", "social"),
        # No portal: an entry covers what is below it, however deep.
        ("a.b.c.d.e.f.g.facebook.com", "facebook", "social"),
        ("facebook.com.", "facebook", "social"),
    ],
)
def test_a_portal_covers_only_itself(bench: Bench, host: str, source: str, category: str) -> None:
    assert sources(bench, [event("1", referrer=host)], "t.source, t.category") == [
        (source, category)
    ]


def test_a_label_that_is_also_a_sources_name_is_none_as_a_top_level_domain(bench: Bench) -> None:
    assert sources(
        bench, [event("1", referrer="shop.email"), event("2", **utm("a.fb"))], "t.source"
    ) == [
        ("shop.email",),
        ("a.fb",),
    ]


# --- paid -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("medium", "paid"),
    [("cpc", True), ("cpm", False), ("xcpy", True), ("ppc", True), ("retargeting", True),
     ("paid", True), ("paidsocial", True), ("ppc2", False), ("unpaid", False),
     ("organic", False), ("display", False)],
)  # fmt: skip
def test_which_mediums_are_paid(bench: Bench, medium: str, paid: bool) -> None:
    assert sources(bench, [event("1", **utm("x", medium))], "t.is_paid") == [(paid,)]


def test_paid_by_an_ad_systems_name_or_a_click_id_but_never_display(bench: Bench) -> None:
    assert sources(
        bench,
        [
            event("1", **utm("adwords")),
            event("2", **utm("google_ads", "organic")),
            event("3", **utm("adwords", "display")),
            event("4", "?gclid=x", **utm("x", "organic")),
            event("5", "?gclid=x", **utm("x", "banner")),
            event("6", "?fbclid=x", **utm("x", "organic")),
            event("7", referrer="googleadservices.com", **utm(name="spring")),
            event("8", referrer="googleadservices.com", **utm("x")),
        ],
        "t.id, t.is_paid",
    ) == [
        ("1", True), ("2", True), ("3", False), ("4", True), ("5", False), ("6", False),
        ("7", True), ("8", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "medium", "category"),
    [
        ("somewhere", "paid_social", "social"),
        ("somewhere", "cpc-video", "video"),
        ("somewhere", "paidsearch", "search"),
        ("somewhere", "paid_shop", "shopping"),
        ("gmail", "paid_social", "social"),
        ("somewhere", "social", "other"),  # it names no paid medium
        ("google", "paid_social", "search"),  # the source's own category goes first
        ("paypal.com", "referral", "other"),  # a source that is given is never internal
    ],
)
def test_a_paid_medium_names_the_category_where_the_source_does_not(
    bench: Bench, source: str, medium: str, category: str
) -> None:
    assert sources(bench, [event("1", **utm(source, medium))], "t.category") == [(category,)]


# --- the tables behind it -----------------------------------------------------------------------


def seed(name: str) -> list[dict[str, str]]:
    file = resources.files("engagement.models") / "seeds" / f"{name}.csv"
    header, *rows = csv.reader(file.read_text(encoding="utf-8").splitlines())
    names = [column.partition(":")[0] for column in header]
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_a_source_is_of_one_category_and_a_name_is_there_once() -> None:
    names = seed("known_sources")
    categories: dict[str, set[str]] = {}
    for row in names:
        categories.setdefault(row["source"], set()).add(row["category"])
    assert {source for source, found in categories.items() if len(found) > 1} == set()
    assert len({row["name"] for row in names}) == len(names)
    assert all(row["name"] == row["name"].lower().strip() for row in names)
    assert all(row["source"] == row["source"].lower().strip() for row in names)


def test_the_rules_are_in_the_order_of_the_channel_groups() -> None:
    rules = seed("channel_rules")
    assert list(dict.fromkeys(row["channel"] for row in rules)) == [
        "Direct", "Cross-network", "Paid Shopping", "Paid Search", "Paid Social", "Paid Video",
        "Display", "Affiliates", "Paid Other", "Organic Shopping", "Organic Social",
        "Organic Video", "AI Assistant", "Email", "Organic Search", "Audio", "SMS", "Push",
        "Referral", "Unassigned",
    ]  # fmt: skip
    places = [int(row["precedence"]) for row in rules]
    assert places == sorted(set(places))


def test_events_of_no_session_have_no_row(bench: Bench) -> None:
    assert sources(bench, [event("1", referrer="google.com", session_id=None)], "t.id") == []
