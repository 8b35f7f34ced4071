"""Channel groups: the address and the referrer of an event in, its source and channel out.

``cases/channels.csv`` was worked out by hand from GA4's published default channel group and the
ordered table of channel groups; ``cases/traffic_sources.csv`` holds cases that once were wrong.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.models.conftest import Bench

Case = dict[str, str]


def read(name: str) -> list[Case]:
    path = Path(__file__).parent / "cases" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def page(case: Case) -> dict[str, Any]:
    """The page event of a case: where it was, and who sent the visitor."""
    address, _, rest = case["input"].partition(" (")
    sender = re.fullmatch(r"referrer (\S+)\)", rest)
    match case["kind"]:
        case "referrer":
            url, referrer = "https://shop.example/", address
        case "utm":
            url, referrer = f"https://shop.example/?{address}", None
        case _:
            url, referrer = address, sender[1] if sender else None
    return {"context_page_url": url, "context_page_referrer": referrer}


def found(bench: Bench, pages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Source and channel of each page event; a visit that nobody sent is direct."""
    every = {"timestamp": "2026-01-10 10:00", "received_at_utc_date": "2026-01-10"}
    ids = [{"id": f"{number:04}"} for number in range(len(pages))]
    bench.given(
        "sources.pages", [{**id_, **every, **row} for id_, row in zip(ids, pages, strict=True)]
    )
    bench.given(
        "marts.session_events",
        [
            {**id_, **every, "session_id": "s", "person_id": "p", "sequence_number": 1}
            for id_ in ids
        ],
    )
    bench.build("event_contexts", "referrers", "event_sources", "traffic_sources")
    rows = bench.rows(
        "select e.id, case e.kind when 'internal' then '(direct)' else e.source end, c.channel "
        "from marts.event_sources as e inner join marts.traffic_sources as c "
        "on e.kind = c.kind and e.source = c.source and e.medium = c.medium "
        "and coalesce(e.campaign, '') = c.campaign and e.category = c.category "
        "and e.is_paid = c.is_paid"
    )
    named = {id_: (source, channel) for id_, source, channel in rows}
    assert len(named) == len(rows)
    return [named.get(id_["id"], ("(direct)", "Direct")) for id_ in ids]


@pytest.mark.parametrize("name", ["channels", "traffic_sources"])
def test_sources_and_channels(make_bench: Callable[..., Bench], name: str) -> None:
    cases = read(name)
    answers = found(make_bench(traffic__own_domains=["shop.example"]), [page(c) for c in cases])
    wrong = [
        f"{case['input']}: {source} / {channel}, not {case['source']} / {case['channel']}"
        for case, (source, channel) in zip(cases, answers, strict=True)
        if channel != case["channel"] or case["source"] not in ("", source)
    ]
    assert wrong == []


def test_the_suite_is_wide() -> None:
    cases = read("channels")
    assert len({case["input"] for case in cases}) == len(cases) >= 150
    assert {case["channel"] for case in cases} == {
        "Direct", "Cross-network", "Paid Shopping", "Paid Search", "Paid Social", "Paid Video",
        "Display", "Affiliates", "Paid Other", "Organic Shopping", "Organic Social",
        "Organic Video", "AI Assistant", "Email", "Organic Search", "Audio", "SMS", "Push",
        "Referral", "Unassigned",
    }  # fmt: skip


@pytest.mark.parametrize(
    "domain",
    ["shop.example", "Shop.Example", "https://shop.example/", "*.shop.example", "shop.example ",
     "www.shop.example", ".shop.example.", "//shop.example:443/cart?a=b#c"],
)  # fmt: skip
def test_an_own_domain_counts_however_it_is_written(
    make_bench: Callable[..., Bench], domain: str
) -> None:
    cart = {
        "context_page_url": "https://checkout.pay.example/",
        "context_page_referrer": "https://www.shop.example/cart",
    }
    assert found(make_bench(traffic__own_domains=[domain]), [cart]) == [("(direct)", "Direct")]
    assert found(make_bench(traffic__own_domains=[]), [cart]) == [("shop.example", "Referral")]


def test_an_own_domain_beyond_ascii_counts_in_both_spellings(
    make_bench: Callable[..., Bench],
) -> None:
    pages = [
        {"context_page_url": "https://shop.example/", "context_page_referrer": f"https://{host}/"}
        for host in ("www.bücher.example", "hilfe.xn--bcher-kva.example")
    ]
    for domain in ("Bücher.example", "xn--bcher-kva.example"):
        bench = make_bench(traffic__own_domains=[domain])
        assert found(bench, pages) == [("(direct)", "Direct"), ("(direct)", "Direct")]
