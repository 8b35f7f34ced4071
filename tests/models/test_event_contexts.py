"""What the context of an event says, whatever kind of event it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.conftest import Bench

UTM = "?utm_source=A&utm_medium=B&utm_campaign=c%20d&utm_term=e+f&utm_content=%C3%A9"


def contexts(bench: Bench, columns: str, **sources: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    for source, rows in sources.items():
        numbered = [
            {"id": f"{source[:1]}{number}", "timestamp": "2026-01-10 10:00", **row}
            for number, row in enumerate(rows, start=1)
        ]
        bench.given(f"sources.{source}", numbered)
    bench.build("event_contexts")
    return bench.rows(f"select id, {columns} from marts.event_contexts order by id")


@pytest.mark.parametrize(
    "source", ["pages", "screens", "tracks", "identifies", "groups", "aliases"]
)
def test_every_kind_of_event_has_a_context(bench: Bench, source: str) -> None:
    said = {
        "channel": "web",
        "context_user_agent": "a browser",
        "context_locale": "en-US",
        "context_os_name": "an os",
        "context_session_id": 7,
        "context_page_url": "https://www.shop.example/a?b=c",
    }
    assert contexts(
        bench,
        "received_at_utc_date, channel, user_agent, locale, os_name, sdk_session_id, page_url",
        **{source: [said]},
    ) == [
        (f"{source[:1]}1", "2026-01-10", "web", "a browser", "en-US", "an os", 7,
         "https://www.shop.example/a?b=c")
    ]  # fmt: skip


def test_the_page_is_the_contexts_else_the_properties_else_of_the_address(bench: Bench) -> None:
    url = "https://x.example/c"
    assert contexts(
        bench,
        "page_path, page_url, page_title",
        pages=[
            {"context_page_path": "/a", "path": "/b", "context_page_url": url,
             "context_page_title": "A", "title": "B"},
            {"path": "/b", "url": url, "title": "B"},
            {"context_page_url": "https://x.example/c/d?e=/f#/g"},
            {"context_page_url": "https://x.example"},
        ],
        screens=[{"name": "Home"}],
        tracks=[{"context_page_path": "/a"}],
    ) == [
        ("p1", "/a", url, "A"),
        ("p2", "/b", url, "B"),
        ("p3", "/c/d", "https://x.example/c/d?e=/f#/g", None),
        ("p4", None, "https://x.example", None),
        ("s1", "Home", None, "Home"),
        ("t1", "/a", None, None),
    ]  # fmt: skip


def test_hosts_are_in_lower_case_and_without_www(bench: Bench) -> None:
    assert contexts(
        bench,
        "page_host, referrer_host",
        pages=[
            {"context_page_url": "https://WWW.Shop.example:8080/",
             "context_page_referrer": "https://www.Google.com:443/search?q=x"},
            {"context_page_referrer": "$direct"},
            {"context_page_referrer": "$direct", "context_page_referring_domain": "www.bing.com"},
            {"referrer": "https://blog.example/a"},
            {"context_page_referrer": "android-app://com.google.android.gm/"},
        ],
    ) == [
        ("p1", "shop.example", "google.com"),
        ("p2", None, None),
        ("p3", None, "bing.com"),
        ("p4", None, "blog.example"),
        ("p5", None, "com.google.android.gm"),
    ]  # fmt: skip


def test_utm_parameters_are_the_campaigns_else_the_addresss(bench: Bench) -> None:
    campaign = {"context_campaign_source": "X", "context_campaign_medium": "Y",
                "context_campaign_name": "Z"}  # fmt: skip
    assert contexts(
        bench,
        "utm_source, utm_medium, utm_campaign, utm_term, utm_content",
        pages=[
            {"context_page_search": UTM, **campaign},
            {"context_page_search": UTM},
            {"context_page_search": UTM.removeprefix("?")},
            {"context_page_url": f"https://www.shop.example/{UTM}#top"},
            {"context_page_search": UTM, "context_campaign_source": "X"},
            {"context_page_search": "?utm_source=&autm_medium=b&a=utm_campaign"},
            {},
        ],
    ) == [
        ("p1", "x", "y", "Z", "e f", "é"),
        ("p2", "a", "b", "c d", "e f", "é"),
        ("p3", "a", "b", "c d", "e f", "é"),
        ("p4", "a", "b", "c d", "e f", "é"),
        ("p5", "x", "b", "c d", "e f", "é"),
        ("p6", None, None, None, None, None),
        ("p7", None, None, None, None, None),
    ]


def test_blank_utm_parameters_are_none_and_source_and_medium_are_trimmed(bench: Bench) -> None:
    assert contexts(
        bench,
        "utm_source, utm_medium, utm_campaign",
        pages=[
            {"context_page_search": UTM, "context_campaign_source": " ",
             "context_campaign_name": ""},
            {"context_campaign_source": " X\t", "context_campaign_medium": " Y",
             "context_campaign_name": " Z "},
            {"context_page_search": "?utm_source=%20a%20&utm_medium=%20&utm_campaign=+"},
        ],
    ) == [("p1", "a", "b", "c d"), ("p2", "x", "y", " Z "), ("p3", "a", None, None)]  # fmt: skip


def test_the_country_is_that_of_geo_else_of_location(bench: Bench) -> None:
    assert contexts(
        bench,
        "geo_country, timezone",
        pages=[
            {"context_geo_country": "DE", "context_location_country": "FR"},
            {"context_geo_country": " \t", "context_location_country": " France "},
            {"context_geo_country": "", "context_location_country": ""},
            {"context_timezone": "Europe/Berlin"},
        ],
    ) == [
        ("p1", "DE", None),
        ("p2", "France", None),
        ("p3", None, None),
        ("p4", None, "Europe/Berlin"),
    ]


def test_the_query_string_ends_where_the_fragment_begins(bench: Bench) -> None:
    address = "https://www.shop.example/a"
    assert contexts(
        bench,
        "page_query, utm_source",
        pages=[
            {"context_page_url": f"{address}?utm_source=a#utm_source=b"},
            {"context_page_url": f"{address}#utm_source=b"},
            {"context_page_url": f"{address}#/?utm_source=b"},
            {"context_page_url": f"{address}?x=y#&utm_source=b"},
            {"context_page_url": f"{address}&utm_source=b"},
            {"context_page_search": "?x=y#&utm_source=b"},
            {"context_page_search": "", "context_page_url": f"{address}?utm_source=a"},
            {"context_page_search": "?", "context_page_url": f"{address}?utm_source=a"},
            {"context_page_search": "?#x", "context_page_url": f"{address}?utm_source=a"},
        ],
    ) == [
        ("p1", "?utm_source=a", "a"),
        ("p2", None, None),
        ("p3", None, None),
        ("p4", "?x=y", None),
        ("p5", None, None),
        ("p6", "?x=y", None),
        ("p7", "?utm_source=a", "a"),
        ("p8", "?utm_source=a", "a"),
        ("p9", "?utm_source=a", "a"),
    ]
