"""Where visitors come from: the address, campaign and referrer of an event in, its source out."""

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


def channels(bench: Bench, cases: dict[str, Event]) -> dict[str, str]:
    events = [event(name, **case) for name, case in cases.items()]
    return dict(sources(bench, events, "t.id, s.channel"))


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
            event("5", "https://www.shop.example/?wbraid=x"),
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
        "news.google.de": ("referrer", "google", "organic", "Organic Search"),
        "mail.google.com": ("referrer", "gmail", "email", "Email"),
        "shopping.google.com": ("referrer", "google shopping", "referral", "Organic Shopping"),
        "l.facebook.com": ("referrer", "facebook", "referral", "Organic Social"),
        "t.co": ("referrer", "twitter", "referral", "Organic Social"),
        "m.youtube.com": ("referrer", "youtube", "referral", "Organic Video"),
        "amazon.com.au": ("referrer", "amazon", "referral", "Organic Shopping"),
        "com.google.android.gm": ("referrer", "gmail", "email", "Email"),
        "chatgpt.com": ("referrer", "chatgpt", "referral", "Referral"),
        "blog.example": ("referrer", "blog.example", "referral", "Referral"),
        "google.blog.example": ("referrer", "google.blog.example", "referral", "Referral"),
        "notfacebook.com": ("referrer", "notfacebook.com", "referral", "Referral"),
    }
    assert referrers(*expected) == expected


def test_own_pages_and_services_in_between_are_internal(referrers: Referrers) -> None:
    internal = ["shop.example", "help.shop.example", "shop-outlet.example", "paypal.com",
                "accounts.google.com"]  # fmt: skip
    assert referrers(*internal) == {
        host: ("internal", host, "internal", "Internal") for host in internal
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
        "store.example": "Internal",
        "help.store.example": "Internal",
        "example": "Internal",
        "otherstore.example": "Referral",
    }


# --- channels -----------------------------------------------------------------------------------


def test_every_channel_group(bench: Bench) -> None:
    cases: dict[str, tuple[Event, str]] = {
        "said to be direct": (utm("(direct)", "(none)"), "Direct"),
        "paid search": (utm("google", "cpc"), "Paid Search"),
        "paid search by click id": ({"query": "?msclkid=x"}, "Paid Search"),
        "paid search by medium": (utm("somewhere", "paid-search"), "Paid Search"),
        "search, clicked as paid": (
            {"query": "?gclid=x", **utm("google", "organic")}, "Paid Search"),
        "shopping ads in search": (utm("google", "cpc", "shopping_all"), "Paid Search"),
        "organic search": (utm("bing", "organic"), "Organic Search"),
        "organic by medium": (utm("somewhere", "organic"), "Organic Search"),
        "paid social": (utm("facebook", "paid_social"), "Paid Social"),
        "paid social by a short name": (utm("ig", "ppc"), "Paid Social"),
        "paid social by domain": (utm("m.facebook.com", "cpm"), "Paid Social"),
        "paid social, retargeting": (utm("facebook", "retargeting"), "Paid Social"),
        "paid social by click id": ({"query": "?ttclid=x"}, "Paid Social"),
        "organic social": (utm("facebook", "post"), "Organic Social"),
        "organic social by click id": ({"query": "?fbclid=x"}, "Organic Social"),
        "organic social by medium": (utm("somewhere", "social"), "Organic Social"),
        "paid video": (utm("youtube", "cpv"), "Paid Video"),
        "organic video": (utm("youtube", "referral"), "Organic Video"),
        "organic video by medium": (utm("somewhere", "video"), "Organic Video"),
        "paid shopping": (utm("amazon", "cpc"), "Paid Shopping"),
        "paid shopping by campaign": (utm("somewhere", "cpc", "spring-shop"), "Paid Shopping"),
        "no shop in the campaign": (utm("somewhere", "cpc", "workshop"), "Paid Other"),
        "organic shopping": (utm("etsy", "referral"), "Organic Shopping"),
        "paid other": (utm("somewhere", "cpc"), "Paid Other"),
        "paid other, any paid medium": (utm("somewhere", "paid"), "Paid Other"),
        "email": (utm("somewhere", "e-mail"), "Email"),
        "email by source": (utm("newsletter"), "Email"),
        "email by click id": ({"query": "?mc_eid=x"}, "Email"),
        "sms": (utm("somewhere", "sms"), "SMS"),
        "push": (utm("app", "web-push"), "Push"),
        "audio": (utm("somewhere", "audio"), "Audio"),
        "affiliates": (utm("somewhere", "affiliate"), "Affiliates"),
        "affiliates by click id": ({"query": "?awc=x"}, "Affiliates"),
        "display": (utm("somewhere", "banner"), "Display"),
        "display on a search engine": (utm("google", "display"), "Display"),
        "display with its click id": (
            {"query": "?dclid=x", **utm("adnetwork", "display")}, "Display"),
        "referral": (utm("somewhere", "referral"), "Referral"),
        "unassigned": (utm("leaflet", "qr"), "Unassigned"),
    }  # fmt: skip
    found = channels(bench, {name: case for name, (case, _) in cases.items()})
    assert found == {name: channel for name, (_, channel) in cases.items()}


@pytest.mark.parametrize(
    ("medium", "paid"),
    [("cpc", True), ("cpm", True), ("xcpy", True), ("ppc", True), ("retargeting", True),
     ("paid", True), ("paidsocial", True), ("ppc2", False), ("unpaid", False),
     ("organic", False)],
)  # fmt: skip
def test_which_mediums_are_paid(bench: Bench, medium: str, paid: bool) -> None:
    assert sources(bench, [event("1", **utm("x", medium))], "t.is_paid") == [(paid,)]


# --- the tables behind it -----------------------------------------------------------------------


def seed(name: str) -> list[dict[str, str]]:
    file = resources.files("engagement.models") / "seeds" / f"{name}.csv"
    header, *rows = csv.reader(file.read_text(encoding="utf-8").splitlines())
    names = [column.partition(":")[0] for column in header]
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_a_source_is_of_one_category_and_a_domain_stands_once() -> None:
    domains = seed("referrer_domains")
    categories: dict[str, set[str]] = {}
    for row in domains:
        categories.setdefault(row["source"], set()).add(row["category"])
    assert {source for source, found in categories.items() if len(found) > 1} == set()
    assert len({row["domain"] for row in domains}) == len(domains)
    assert all(row["domain"] == row["domain"].lower() for row in domains)


def test_the_rules_are_in_the_order_of_the_channel_groups() -> None:
    seen = list(dict.fromkeys(row["channel"] for row in seed("channel_rules")))
    assert seen == [
        "Direct", "Paid Search", "Organic Search", "Paid Social", "Organic Social", "Paid Video",
        "Organic Video", "Paid Shopping", "Organic Shopping", "Paid Other", "Email", "SMS", "Push",
        "Audio", "Affiliates", "Display", "Referral", "Internal", "Unassigned",
    ]  # fmt: skip
    for name, key in (("channel_rules", "precedence"), ("click_ids", "parameter")):
        rows = seed(name)
        assert len({row[key] for row in rows}) == len(rows)


def test_events_of_no_session_touch_nothing(bench: Bench) -> None:
    assert sources(bench, [event("1", referrer="google.com", session_id=None)], "t.id") == []
